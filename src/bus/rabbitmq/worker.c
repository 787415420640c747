#include "bus/rabbitmq/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/rabbitmq/link.h"

#define PATIENCE_MS 1500

static void *run(void *arg)
{
	struct worker *w = arg;
	const uint64_t one = 1;

	w->run(w->arg);
	ssize_t ignored = write(w->done_fd, &one, sizeof(one));
	(void)ignored;
	return NULL;
}

int worker_start(struct worker *w, struct link *link, void (*fn)(void *arg), void *arg)
{
	sigset_t all, before;

	*w = (struct worker){.link = link, .run = fn, .arg = arg};
	w->done_fd = eventfd(0, EFD_CLOEXEC);
	if (w->done_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
	int rc = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		close(w->done_fd);
	return -rc;
}

void worker_join(struct worker *w)
{
	struct pollfd fd = {.fd = w->done_fd, .events = POLLIN};

	if (poll(&fd, 1, PATIENCE_MS) <= 0)
		link_interrupt(w->link);
	pthread_join(w->thread, NULL);
	close(w->done_fd);
}
