/* One connection to Redis on the node's loop: connecting, login, requests and their answers in order, the watchdog, and
 * what went wrong in words.
 *
 *   PAUSED ──due──▶ RESOLVING ──▶ CONNECTING ──▶ LOGIN ──all answered──▶ UP
 *     ▲             (host names)                                         │
 *     └───────────── failed: bus.waiting; lost: bus.lost ◀───────────────┘
 *
 * It is driven from outside: the watchers only call `wake`, and pipeline_next(), called from inside bus_turn(), does
 * the rest. So nothing is told, and nothing freed, from inside a callback.
 *
 * hiredis gives us its connection, its parser and its formatter, not its asynchronous layer: that one keeps the answers
 * to a PING on a subscribed connection to itself, and takes one refused SUBSCRIBE for the end of the connection
 * (docs/decisions/018-hiredis-without-its-async-layer.md). */
#ifndef GRID_BUS_REDIS_PIPELINE_H
#define GRID_BUS_REDIS_PIPELINE_H

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "bus/config.h"
#include "bus/redis/counters.h"
#include "bus/redis/resolve.h"

#define PIPELINE_ARGS_MAX 40
#define PIPELINE_GREETING_MAX 3

enum pipeline_state { PIPELINE_PAUSED, PIPELINE_RESOLVING, PIPELINE_CONNECTING, PIPELINE_LOGIN, PIPELINE_UP };

/* Something asked; lies in what it is about. Its answer comes in the order of asking. */
struct request {
	struct request *next;
	int kind; /* the owner's */
};

struct requests {
	struct request *head, *tail;
};

enum {
	PIPELINE_LOGIN_AUTH,
	PIPELINE_LOGIN_SELECT,
	PIPELINE_LOGIN_NAME,
	PIPELINE_LOGIN_PING,
	PIPELINE_LOGIN_GREETING,
	PIPELINE_LOGIN_COUNT
};

struct pipeline {
	const struct redis_config *config;
	const char *role; /* "subscriber", "publisher" */
	const char *node_id;
	struct str greeting[PIPELINE_GREETING_MAX];
	size_t greeting_n;
	struct redis_link_counters *counters;
	struct ev_loop *loop;
	void (*wake)(void *arg);
	void *wake_arg;

	enum pipeline_state state;
	redisContext *context; /* from CONNECTING on */
	struct resolve *resolve;
	struct ev_io readable, writable;
	struct ev_prepare before_poll; /* what was asked during a turn of the loop goes out in one write */
	bool watching;                 /* the three above are with the loop */
	bool unsent;
	bool unread;    /* the socket may have something */
	bool connected; /* the socket says that connecting is over */
	bool broken;    /* `why` says why; found outside of a turn */
	char host[256];
	int port; /* 0: `host` is the path of a unix socket */
	bool tls;

	struct requests asked;
	struct request login[PIPELINE_LOGIN_COUNT];
	struct request ping;
	uint64_t asked_since_ms; /* when the oldest one was asked, at the earliest */
	uint64_t heard_ms;       /* when the last byte came */
	uint64_t deadline_ms;    /* of connecting and login */

	uint64_t pause_until_ms;
	int64_t pause_ms;
	uint64_t up_since_ms;
	bool needs_somebody; /* the failure does not mend itself */
	char why[320];
	char told[320]; /* the last one that was logged */
};

struct pipeline_setup {
	const struct redis_config *config;
	const char *role, *node_id;
	struct str greeting[PIPELINE_GREETING_MAX]; /* the last request of the login: it must not be refused */
	size_t greeting_n;
	struct redis_link_counters *counters;
	struct ev_loop *loop;
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Connects in the first pipeline_next(). What `setup` points to outlives the link. */
void pipeline_init(struct pipeline *p, const struct pipeline_setup *setup);
/* Closes at once; requests without an answer are forgotten. */
void pipeline_deinit(struct pipeline *p);

/* An answer, with the request it is for; or what came unasked (a message), with no request. */
struct pipeline_answer {
	struct request *request;
	redisReply *reply; /* the caller's: freeReplyObject() */
};

/* The next thing that happened. 0: `answer` is set. PIPELINE_E_NOTHING: nothing more now. PIPELINE_E_UP: logged in.
 * PIPELINE_E_LOST: it was up, and is not any more; pipeline_take_unanswered() until NULL comes next, then it connects
 * again by itself. */
enum { PIPELINE_E_NOTHING = 1, PIPELINE_E_UP, PIPELINE_E_LOST };
GRID_MUST_CHECK int pipeline_next(struct pipeline *p, uint64_t now_ms, struct pipeline_answer *answer);
struct request *pipeline_take_unanswered(struct pipeline *p);

/* Asks, on a link that is up. Copies the arguments. If that fails the link is lost in the next turn. */
void pipeline_ask(struct pipeline *p, struct request *request, const struct str *args, size_t n);
/* Gives the link up; told as PIPELINE_E_LOST. */
GRID_PRINTF(2, 3) void pipeline_give_up(struct pipeline *p, const char *fmt, ...);
/* Sends what is there to send and waits for an answer, at most so long. For an end without a loop. */
void pipeline_wait(struct pipeline *p, uint64_t timeout_ms);

#endif
