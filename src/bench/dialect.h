/* How a server is spoken to. A dialect is a row of words and functions, one file each (dialect_grid.c, dialect_plain.c,
 * …); nothing else of gridbench knows which one it is. A further one is a file like those, a declaration at the end of
 * this one, and its row in dialect.c.
 *
 *   websocket opens ──▶ put_hello ──▶ HEARD_WELCOME ──▶ put_join for each target ──▶ HEARD_ANSWER or HEARD_SYNCED
 *                                                       put_publish              ──▶ the same
 *                                                                                ──▶ HEARD_PUSH …
 *
 * Texts are appended to `out`, one websocket message for each call; what is heard is read in place. */
#ifndef GRID_BENCH_DIALECT_H
#define GRID_BENCH_DIALECT_H

#include "base/buf.h"
#include "base/err.h"
#include "bench/names.h"

struct dialect;

enum heard_kind {
	HEARD_NOTHING, /* of interest */
	HEARD_WELCOME, /* requests may be made */
	HEARD_ANSWER,  /* to one request */
	HEARD_SYNCED,  /* all requests up to the oldest `sync` that was not answered yet are done */
	HEARD_PUSH,    /* a message */
	HEARD_PING,    /* wants a `pong` */
	HEARD_BYE,     /* the server is about to close */
};

/* Where a push goes by the words around its payload, when that is no number of a target. */
#define TARGET_SELF (UINT32_MAX - 2)    /* the user whose connection it is */
#define TARGET_UNNAMED (UINT32_MAX - 1) /* the dialect names none: the payload tells */
#define TARGET_STRANGE UINT32_MAX       /* none of this run's */

/* Only what belongs to the kind is filled in. */
struct heard {
	enum heard_kind kind;
	bool ok;            /* ANSWER: granted */
	uint32_t ref;       /* ANSWER */
	uint32_t target;    /* PUSH */
	struct str payload; /* PUSH; .p NULL: there is none */
	struct str session; /* WELCOME: the server's name for it */
	uint64_t period_ms; /* WELCOME: silence after which a `ping` is due; 0: the dialect's own */
	uint64_t retry_ms;  /* BYE: when to come back; UINT64_MAX: it did not say */
};

enum dialect_answers {
	DIALECT_ANSWERS_EACH, /* requests are answered one by one */
	DIALECT_ANSWERS_SYNC, /* only `sync` is */
	DIALECT_ANSWERS_NONE, /* what is sent counts as done */
};

/* What must be asked for; the rest comes by being connected. */
enum { DIALECT_JOINS_ROOMS = 1, DIALECT_JOINS_USER = 2 };

enum { DIALECT_E_MORE = 1 };

struct dialect_ops {
	const char *path;        /* of a URL without one */
	const char *subprotocol; /* NULL: none is offered */
	enum dialect_answers answers;
	unsigned joins;
	bool opens_welcome; /* an open websocket is all the welcome there is */
	const char *ping;   /* NULL: its server pings */
	const char *pong;   /* NULL: its server does not ping */
	const char *sync;   /* ANSWERS_SYNC */
	/* What stands behind the path, without a `?`. NULL: nothing. */
	void (*put_query)(const struct dialect *dialect, const char *user, struct buf *out);
	/* The first words. NULL: none. */
	void (*put_hello)(const struct dialect *dialect, struct buf *out);
	/* NULL unless there are `joins`. */
	void (*put_join)(const struct dialect *dialect, uint32_t target, uint32_t ref, struct buf *out);
	void (*put_publish)(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
	                    struct buf *out);
	/* Takes one thing off the front of `in`. DIALECT_E_MORE: it is not all there, and `in` is as it was. */
	int (*hear)(const struct dialect *dialect, struct str *in, struct heard *out);
};

/* A dialect as this run speaks it. The texts are the caller's. */
struct dialect {
	const struct dialect_ops *ops;
	struct str run;             /* with a NUL behind it */
	uint32_t rooms;             /* targets below are rooms, the others users */
	const char *prefix;         /* of exchanges */
	struct str login, password; /* .p NULL: none */
	size_t payload_size;        /* bytes of every payload of this run */
};

/* All there are, and their names with a NULL behind them: the choices of --dialect. */
extern const struct dialect_ops *const dialect_list[];
extern const char *const dialect_names[];

static inline struct bench_name dialect_target(const struct dialect *dialect, uint32_t target)
{
	return target < dialect->rooms ? bench_room(dialect->run.p, target)
	                               : bench_user(dialect->run.p, target - dialect->rooms);
}

extern const struct dialect_ops dialect_grid;
extern const struct dialect_ops dialect_plain;
extern const struct dialect_ops dialect_nats;
extern const struct dialect_ops dialect_stomp;
extern const struct dialect_ops dialect_socketio;

#endif
