/* What net/ counts. */
#ifndef GRID_NET_COUNTERS_H
#define GRID_NET_COUNTERS_H

#include "base/metrics.h"

/* Why a request was answered with something else than a websocket. */
enum reject {
	REJECT_PATH,        /* not /ws */
	REJECT_METHOD,      /* not GET */
	REJECT_NOT_UPGRADE, /* no websocket asked for, or a version other than 13 */
	REJECT_MALFORMED,   /* not HTTP, or not RFC 6455 */
	REJECT_SUBPROTOCOL, /* only unknown ones */
	REJECT_TOO_LARGE,   /* the head */
	REJECT_TIMEOUT,     /* the head did not come in time */
	REJECT_GONE,        /* hung up before it was complete */
	REJECT_INTERNAL,    /* out of memory */
	REJECT_N
};

/* How websockets ended. */
enum ending {
	ENDING_CLIENT, /* the client sent a close frame */
	ENDING_LOST,   /* no close frame: reset, or just gone */
	ENDING_BROKEN, /* 1002, by libwebsockets */
	ENDING_NOT_TEXT,
	ENDING_BAD_UTF8,
	ENDING_TOO_BIG,
	ENDING_DRAIN,
	ENDING_TRY_LATER,
	ENDING_UNAUTHORIZED,
	ENDING_TOO_SLOW,
	ENDING_ABUSE,
	ENDING_OTHER, /* closed by us with any other code */
	ENDING_IDLE,  /* dropped: silent for too long */
	ENDING_N
};

struct net_counters {
	struct counter accepted;
	struct counter accept_failures;
	struct counter requests; /* on the admin listener */
	struct counter rejected[REJECT_N];
	struct counter connections; /* gauge: websockets open */
	struct counter put_off;     /* handshakes, for a while */
	struct counter established;
	struct counter frames_in;
	struct counter bytes_in;
	struct counter bytes_out;
	struct counter writes;
	struct counter pings;
	struct counter idle_drops;
	struct counter resets;     /* did not read: reset */
	struct counter unanswered; /* did not answer our close frame */
	struct counter endings[ENDING_N];
};

extern const struct metric_row net_metric_rows[];
extern const size_t net_metric_rows_n;

/* The ending that stands for a close code of ours. */
enum ending ending_of_code(unsigned code);

#endif
