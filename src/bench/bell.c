#include "bench/bell.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_rung(struct watch *watch, uint32_t events)
{
	struct bell *bell = GRID_CONTAINER_OF(watch, struct bell, watch);
	uint64_t times;

	(void)events;
	if (read(watch->fd, &times, sizeof(times)) == sizeof(times))
		bell->fn(bell);
}

int bell_init(struct bell *bell, struct reactor *reactor, bell_fn *fn)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*bell = (struct bell){.watch = {.fd = -1, .fn = on_rung}, .reactor = reactor, .fn = fn};
	int r = reactor_watch(reactor, &bell->watch, fd, EPOLLIN);
	if (r != 0)
		close(fd);
	return r;
}

void bell_deinit(struct bell *bell)
{
	int fd = bell->watch.fd;

	reactor_unwatch(bell->reactor, &bell->watch);
	close(fd);
}

void bell_ring(void *arg)
{
	const struct bell *bell = arg;
	const uint64_t one = 1;
	/* Fails only when the count is at its limit, and then it is readable. */
	ssize_t ignored = write(bell->watch.fd, &one, sizeof(one));
	(void)ignored;
}
