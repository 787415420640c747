/* A connection to the broker with a thread of its own, which connects again until it is stopped.
 *
 * The thread runs `established` once the channel is open, then reads and calls back. What the thread hands to the loop
 * goes through mailboxes; the loop may look at amqp_link_up() and amqp_link_why(). */
#ifndef GRID_BENCH_AMQP_LINK_H
#define GRID_BENCH_AMQP_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "bench/amqp_include.h"

enum { AMQP_LINK_CHANNEL = 1 };

struct amqp_link;

/* All on the link's thread. 0, or negative: the connection is given up; amqp_link_fail() has said why. */
struct amqp_link_handler {
	/* The channel is open. */
	int (*established)(struct amqp_link *link);
	/* A frame that came; not one that closes. */
	int (*frame)(struct amqp_link *link, const amqp_frame_t *frame);
	/* Nothing is there to be read: time to send. It may set `wait_us`, if it wants to be called again soon. */
	int (*idle)(struct amqp_link *link);
	/* The connection is gone, and was established. */
	void (*lost)(struct amqp_link *link);
};

struct amqp_link {
	const struct amqp_link_handler *handler;
	const char *name; /* "publisher 3", for the broker's list */
	char *uri_text;
	struct amqp_connection_info uri; /* points into uri_text */
	amqp_connection_state_t conn;    /* NULL: closed */
	pthread_t thread;
	bool started;
	uint64_t wait_us; /* how long to wait at most, this time, for something to be read */
	int wake_fd;
	atomic_bool stopping, up;
	pthread_mutex_t lock; /* of the next two */
	int guard_fd;         /* our own descriptor of the socket, to cut it by */
	char why[256];
};

enum { AMQP_LINK_E_URI = 1 };

/* AMQP_LINK_E_URI: not amqp://user:password@host:port/vhost. -errno. Deinit is due only after 0. */
GRID_MUST_CHECK int amqp_link_init(struct amqp_link *link, const struct amqp_link_handler *handler, const char *name,
                                   const char *uri);
/* Starts the thread. -errno. */
GRID_MUST_CHECK int amqp_link_start(struct amqp_link *link);
/* Any thread; amqp_link_deinit() waits until it has ended. */
void amqp_link_stop(struct amqp_link *link);
void amqp_link_deinit(struct amqp_link *link);

/* Any thread: makes the link's thread look; fits mailbox_wake_fn. */
void amqp_link_wake(void *link);
static inline bool amqp_link_up(const struct amqp_link *link)
{
	return atomic_load(&link->up);
}
/* Any thread: where it goes to and what went wrong last, for people. */
void amqp_link_why(struct amqp_link *link, struct buf *out);

/* On the link's thread. Keeps why and returns -ECONNABORTED. */
GRID_MUST_CHECK GRID_PRINTF(2, 3) int amqp_link_fail(struct amqp_link *link, const char *fmt, ...);
/* What the library's answer says: 0 or lost. */
GRID_MUST_CHECK int amqp_link_reply(struct amqp_link *link, const char *doing, amqp_rpc_reply_t reply);
GRID_MUST_CHECK int amqp_link_status(struct amqp_link *link, const char *doing, int status);

#endif
