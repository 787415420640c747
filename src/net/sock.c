#include "net/sock.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* glibc's netinet/tcp.h has no tcpi_bytes_acked */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* More descriptors than one loop can serve. Some systems allow 2^30, and libwebsockets has a table by descriptor, which
 * Debian's 4.1.6 (built with its debugging checks) looks through whenever a connection is closed: 120,000 instructions
 * with 20,000, 3 million with systemd's usual 524,288. */
#define FILES_MAX 131072

#define TCP_ESTABLISHED_STATE 1

static bool tcp_info(int fd, struct tcp_info *info, size_t upto)
{
	socklen_t len = sizeof(*info);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 && len >= upto;
}

uint64_t sock_progress(int fd)
{
	struct tcp_info info;
	int unsent = 0;

	if (tcp_info(fd, &info, offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked)))
		return info.tcpi_bytes_acked;
	if (ioctl(fd, SIOCOUTQ, &unsent) != 0)
		unsent = 0;
	return UINT64_MAX - (uint64_t)unsent;
}

bool sock_all_sent(int fd)
{
	int unsent = 0;
	return ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent == 0;
}

bool sock_tcp_state(int fd, struct sock_state *out)
{
	struct tcp_info info;
	if (!tcp_info(fd, &info, offsetof(struct tcp_info, tcpi_last_data_recv) + sizeof(info.tcpi_last_data_recv)))
		return false;
	out->alive = info.tcpi_state == TCP_ESTABLISHED_STATE;
	out->silent_ms = info.tcpi_last_data_recv;
	return true;
}

void sock_reset_on_close(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void sock_no_delay(int fd)
{
	const int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on unix sockets, which do not wait */
}

/* 8 bytes a file, of the kernel's memory. */
static void grow_file_table(rlim_t files)
{
	int any = eventfd(0, EFD_CLOEXEC);
	int last = any < 0 ? -1 : fcntl(any, F_DUPFD_CLOEXEC, (int)files - 1);

	if (any >= 0)
		close(any);
	if (last >= 0)
		close(last);
}

static rlim_t raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	rlim_t wanted = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
	if (limit.rlim_cur < wanted || limit.rlim_cur > FILES_MAX) {
		rlim_t before = limit.rlim_cur;
		limit.rlim_cur = wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			return before;
	}
	return limit.rlim_cur;
}

uint64_t sock_raise_file_limit(void)
{
	rlim_t files = raise_file_limit();
	if (files)
		grow_file_table(files);
	return files;
}
