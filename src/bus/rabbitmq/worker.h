/* The thread of a link: started with signals blocked, stopped within seconds whatever its connection does. */
#ifndef GRID_BUS_RABBITMQ_WORKER_H
#define GRID_BUS_RABBITMQ_WORKER_H

#include <pthread.h>

#include "base/err.h"

struct link;

struct worker {
	struct link *link;
	void (*run)(void *arg);
	void *arg;
	pthread_t thread;
	int done_fd;
};

/* `run` returns soon after link_stopping(). -errno. */
GRID_MUST_CHECK int worker_start(struct worker *w, struct link *link, void (*run)(void *arg), void *arg);
/* Waits for the end; link_stop() has been called. A thread that does not come back has its connection cut. */
void worker_join(struct worker *w);

#endif
