/* When bytes came to a socket, as the kernel has stamped them. So it does not count how late they are read, and who
 * reads need not be woken by what comes, which would be work of who sends, on the same machine: the same node had a p99
 * of 0.98 ms for 2,000 notifications a second with receivers that were woken, and 0.46 so (two cores). */
#ifndef GRID_BENCH_ARRIVAL_H
#define GRID_BENCH_ARRIVAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The kernel stamps by the clock that can be set; what that is in ours. {0} to begin with. */
struct arrival_clock {
	uint64_t ahead_us; /* of the monotonic one */
	uint64_t read_us;  /* when they were compared, by the monotonic one; 0: never */
};

/* From now on what comes to this socket is stamped. -errno. */
GRID_MUST_CHECK int arrival_watch(int fd);
/* As recv(). *came_us is when the last of the bytes came, monotonic and not after now_us, which it is for bytes without
 * a stamp. */
ssize_t arrival_recv(int fd, void *to, size_t size, struct arrival_clock *clock, uint64_t now_us, uint64_t *came_us);

#endif
