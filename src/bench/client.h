/* A client by the rules of docs/protocol.md, section 2: welcome, heartbeats, close codes, and coming back.
 *
 *   WAITING ──▶ CONNECTING ──▶ WELCOMED ──▶ WAITING …        (a close it must not come back from: ──▶ STOPPED)
 *
 * What it does when it is welcomed is its handler's business: a receiver joins rooms, a publisher publishes. */
#ifndef GRID_BENCH_CLIENT_H
#define GRID_BENCH_CLIENT_H

#include <netinet/in.h>

#include "bench/ledger.h"
#include "bench/scan.h"
#include "bench/ws_conn.h"

enum client_state {
	CLIENT_WAITING,    /* until its timer */
	CLIENT_CONNECTING, /* up to the welcome */
	CLIENT_WELCOMED,
	CLIENT_STOPPED,
};

struct client;

struct client_handler {
	void (*welcomed)(struct client *client);
	/* Any frame after the welcome but `bye`. */
	void (*frame)(struct client *client, const struct scan *frame);
	/* A session that was welcomed has ended. */
	void (*ended)(struct client *client);
};

/* What all clients share. */
struct clients {
	struct ws_shared ws;
	struct url *urls;
	size_t n_urls;
	struct sockaddr_in *sources;
	size_t n_sources;    /* 0: any address */
	bool pin;            /* stay with the first URL */
	uint64_t timeout_ms; /* for connecting, up to the welcome */

	uint64_t welcomes;
	uint64_t reconnects;    /* welcomes of clients that had been welcomed before */
	uint64_t refused;       /* attempts that came to nothing */
	size_t stopped;         /* clients that will not come back */
	struct ws_end last_end; /* of the last attempt that came to nothing */
	const struct url *last_url;
};

struct client {
	struct ws_conn conn;
	struct timer timer;
	struct clients *shared;
	const struct client_handler *handler;
	enum client_state state;
	const char *query; /* "user=…"; the caller's */
	uint32_t at_url, at_source;
	uint32_t backoff_ms; /* upper end of the next pause */
	uint64_t retry_ms;   /* what `bye` said; UINT64_MAX: there was none */
	uint64_t heartbeat_ms;
	uint64_t heard_us;
	bool asked; /* a ping is out */
	bool was_welcomed;
	char session[LEDGER_SESSION_MAX];
};

/* It connects after client_start(); number `i` of all decides which URL and source address it begins with. */
void client_init(struct client *client, struct clients *shared, const struct client_handler *handler, const char *query,
                 uint32_t i);
void client_deinit(struct client *client);
void client_start(struct client *client);
/* Only while WELCOMED. */
void client_send(struct client *client, struct str text);

#endif
