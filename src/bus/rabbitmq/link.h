/* One connection to a broker: addresses in turn, login, reading, waiting, and what went wrong in words.
 *
 * A link belongs to one thread at a time: its own, or the loop (helm.h). Only link_wake(), link_stop() and
 * link_interrupt() may be called from another.
 *
 * rabbitmq-c reads and writes with deadlines of its own making, so three rules hold here:
 *   - frames are read with link_read() only, which never waits, and link_wait() is called only after link_read() or
 *     link_has_more() has said that nothing is there: then neither the library nor OpenSSL holds anything back;
 *   - heartbeats are sent and checked inside link_read() only, so link_wait() returns at least every half heartbeat,
 * and the loop, while it has the link, reads every 150 ms, whatever there is; and however much mail there is,
 * link_read() looks every 100 ms;
 *   - a write to a broker that does not read ends by TCP_USER_TIMEOUT (two heartbeats) or by link_interrupt(). */
#ifndef GRID_BUS_RABBITMQ_LINK_H
#define GRID_BUS_RABBITMQ_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "bus/config.h"
#include "bus/rabbitmq/amqp_include.h"
#include "bus/rabbitmq/counters.h"

/* NOTHING: no frame at this moment. CHANNEL: the broker closed the channel (`code` and `why` say why); it may be opened
 * again. Negative: the link is lost. */
enum { LINK_E_NOTHING = 1, LINK_E_CHANNEL };

struct link {
	const struct rabbitmq_config *config;
	const char *role; /* "consumer", "publisher" */
	const char *node_id;
	struct link_counters *counters;
	amqp_connection_state_t conn; /* NULL: closed */
	bool mail_only;               /* what woke us was mail, and the socket has nothing */
	bool to_release;              /* frames were read since link_release() */
	uint64_t read_at_ms;
	int wake_fd;
	atomic_bool stopping;
	pthread_mutex_t lock;
	int guard_fd; /* our own descriptor of the socket, under `lock`: rabbitmq-c may close its own at any time */
	size_t next_address;
	char host[256]; /* of the last attempt */
	char port[8];
	int code;       /* AMQP reply code of the last failure; 0: none was given */
	char why[320];  /* the last failure in words */
	char told[320]; /* the last one that was logged */
	uint64_t opened_at_ms;
	unsigned attempts; /* since a link was last in use */
	int64_t pause_ms;
};

/* -errno; deinit is due only after 0. `config` and the texts outlive the link. */
GRID_MUST_CHECK int link_init(struct link *link, const struct rabbitmq_config *config, const char *role,
                              const char *node_id, struct link_counters *counters);
void link_deinit(struct link *link);

/* Tries the next address once: connects and logs in. Negative: not this time. */
GRID_MUST_CHECK int link_open(struct link *link);
/* Closes; politely if `polite` (the broker is told, for at most half a second). Fine on a closed link. */
void link_close(struct link *link, bool polite);
/* The link came into use: pauses start from the shortest again if it lasts. */
void link_in_use(struct link *link);
/* Logs why (once for each different reason), then waits before the next attempt: not between addresses, longer and
 * longer between rounds. Returns early when woken up to stop. */
void link_pause(struct link *link);

/* The next frame: 0, LINK_E_NOTHING, or lost. What it points to is valid until link_release(). NOTHING may also mean
 * that the socket was not looked at, since it is known to have nothing (`mail_only`). */
GRID_MUST_CHECK int link_read(struct link *link, amqp_frame_t *frame);
/* Can there be another frame already, without a look at the socket? Asked after a link_read() that brought one, instead
 * of trying: that would be a recv() and a poll() in vain for each message that comes alone (strace: two of the eleven
 * system calls that the consumer made for a notification). */
bool link_has_more(const struct link *link);
/* Has rabbitmq-c read more than it has given us? */
bool link_holds_more(const struct link *link);
/* Gives up what the frames that were read point to. */
void link_release(struct link *link);
/* Sleeps until the socket or link_wake() has something, or `timeout_ms`, or half a heartbeat. */
void link_wait(struct link *link, uint64_t timeout_ms, bool for_writing);
/* Sleeps until link_wake(), or `timeout_ms` (-1: for ever). */
void link_sleep(struct link *link, int timeout_ms);
/* Our own descriptor of the socket, which nobody but link_close() closes. */
int link_socket(const struct link *link);
/* Would a small write not wait? */
bool link_writable(const struct link *link);
/* How many bytes certainly would not, in writes of any size. */
size_t link_room(const struct link *link);
/* Several small writes in one packet: between true and false. */
void link_cork(struct link *link, bool corked);

/* What a reply (of amqp_get_rpc_reply()) says: 0, LINK_E_CHANNEL (answered: close-ok), or lost. `doing` for `why`. */
GRID_MUST_CHECK int link_reply(struct link *link, amqp_channel_t channel, const char *doing, amqp_rpc_reply_t reply);
/* The same for a status of a send: 0 or lost. */
GRID_MUST_CHECK int link_status(struct link *link, const char *doing, int status);
/* A frame nobody asked for: connection.close and channel.close answered and put in words. 0: none of these. */
GRID_MUST_CHECK int link_closed_by(struct link *link, const amqp_frame_t *frame);
/* Sets why and returns -ECONNABORTED: we give up the link ourselves. */
GRID_MUST_CHECK GRID_PRINTF(2, 3) int link_fail(struct link *link, const char *fmt, ...);

static inline bool link_stopping(const struct link *link)
{
	return atomic_load(&link->stopping);
}

/* Any thread. */
void link_wake(void *link); /* struct link *: fits mailbox_wake_fn */
void link_stop(struct link *link);
/* Cuts the connection under whatever the thread is doing with it. */
void link_interrupt(struct link *link);

#endif
