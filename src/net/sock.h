/* What the kernel knows about a socket, and limits of the process. */
#ifndef GRID_NET_SOCK_H
#define GRID_NET_SOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Grows as the peer takes what was sent; its value means nothing. On TCP what the peer has acknowledged, else from the
 * bytes that are still unsent. */
uint64_t sock_progress(int fd);
/* Has the peer (its kernel) everything we sent? */
bool sock_all_sent(int fd);

struct sock_state {
	bool alive;         /* false: the peer has closed or reset */
	uint64_t silent_ms; /* since anything came, read or not */
};
/* False: not TCP, nothing known. */
bool sock_tcp_state(int fd, struct sock_state *out);

/* From now on close() resets the connection instead of waiting for unsent bytes. */
void sock_reset_on_close(int fd);
void sock_no_delay(int fd);

/* Raises the soft limit of open files to the hard one, or what one loop can serve; returns what it is then. And makes
 * room for as many in the kernel's table: a process with threads waits 10 to 15 ms each time that this has to grow, and
 * its clients with it (Linux, fs/file.c, expand_fdtable()). So it is called before there are threads. */
uint64_t sock_raise_file_limit(void);

#endif
