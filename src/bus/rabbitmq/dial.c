#include "bus/rabbitmq/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static int copy(char *to, size_t size, const char *from, size_t n)
{
	if (n == 0 || n >= size)
		return -EINVAL;
	memcpy(to, from, n);
	to[n] = '\0';
	return 0;
}

int dial_split(const char *address, const char *default_port, char *host, size_t host_size, char *port,
               size_t port_size)
{
	const char *colon = strrchr(address, ':');
	const char *bracket = address[0] == '[' ? strchr(address, ']') : NULL;
	int rc;

	if (address[0] == '[') {
		if (!bracket || (bracket[1] != '\0' && bracket[1] != ':'))
			return -EINVAL;
		rc = copy(host, host_size, address + 1, (size_t)(bracket - address - 1));
		colon = bracket[1] ? bracket + 1 : NULL;
	} else {
		if (colon && strchr(address, ':') != colon)
			colon = NULL; /* an IPv6 address without brackets, so without a port */
		rc = copy(host, host_size, address, colon ? (size_t)(colon - address) : strlen(address));
	}
	if (rc != 0)
		return rc;
	const char *p = colon ? colon + 1 : default_port;
	return copy(port, port_size, p, strlen(p));
}

/* Waits until connected. A wake-up that is not about stopping is swallowed: the caller looks for mail before it sleeps.
 */
static int wait_connected(int fd, uint64_t deadline_ms, int wake_fd, const atomic_bool *stop)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT}, {.fd = wake_fd, .events = POLLIN}};
	int error = 0;
	socklen_t size = sizeof(error);
	uint64_t wakes;

	for (;;) {
		if (atomic_load(stop))
			return -ECANCELED;
		uint64_t now = clock_mono_ms();
		if (now >= deadline_ms)
			return -ETIMEDOUT;
		int n = poll(fds, 2, (int)(deadline_ms - now));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			break;
		if (n > 0 && read(wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
			return -errno;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		return -errno;
	return -error;
}

static int dial_one(const struct addrinfo *ai, uint64_t deadline_ms, int wake_fd, const atomic_bool *stop)
{
	const int one = 1;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (fd < 0)
		return -errno;
	int rc = 0;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) != 0)
		rc = -errno;
	if (rc == 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		rc = errno == EINPROGRESS ? wait_connected(fd, deadline_ms, wake_fd, stop) : -errno;
	if (rc != 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int dial(const char *host, const char *port, uint64_t timeout_ms, int wake_fd, const atomic_bool *stop,
         const char **whyp)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
	struct addrinfo *list;
	uint64_t deadline_ms = clock_mono_ms() + timeout_ms;

	int rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		*whyp = gai_strerror(rc);
		return -EHOSTUNREACH;
	}
	rc = -EHOSTUNREACH;
	for (const struct addrinfo *ai = list; ai && rc < 0 && rc != -ECANCELED; ai = ai->ai_next)
		rc = dial_one(ai, deadline_ms, wake_fd, stop);
	freeaddrinfo(list);
	if (rc < 0)
		*whyp = strerrordesc_np(-rc);
	return rc;
}
