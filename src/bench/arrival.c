#include "bench/arrival.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"

#define COMPARE_EVERY_US 1000
#define PRECISE_US 10
#define TRIES 5

int arrival_watch(int fd)
{
	const int one = 1;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == 0 ? 0 : -errno;
}

/* Again if somebody else had the core between the two. */
static void compare_clocks(struct arrival_clock *clock, uint64_t now_us)
{
	uint64_t before_us, unix_us, after_us;
	int tries = 0;

	do {
		before_us = clock_mono_us();
		unix_us = clock_unix_us();
		after_us = clock_mono_us();
	} while (after_us - before_us > PRECISE_US && ++tries < TRIES);
	clock->ahead_us = unix_us - before_us;
	clock->read_us = now_us;
}

static uint64_t stamp_of(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		struct timespec at;
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&at, CMSG_DATA(part), sizeof(at));
		return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
	}
	return 0;
}

ssize_t arrival_recv(int fd, void *to, size_t size, struct arrival_clock *clock, uint64_t now_us, uint64_t *came_us)
{
	_Alignas(struct cmsghdr) char parts[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec into = {.iov_base = to, .iov_len = size};
	struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = parts, .msg_controllen = sizeof(parts)};
	ssize_t n = recvmsg(fd, &message, 0);

	*came_us = now_us;
	if (n <= 0)
		return n;
	if (!clock->read_us || now_us - clock->read_us > COMPARE_EVERY_US)
		compare_clocks(clock, now_us);
	uint64_t stamp_us = stamp_of(&message);
	if (stamp_us && stamp_us - clock->ahead_us < now_us)
		*came_us = stamp_us - clock->ahead_us;
	return n;
}
