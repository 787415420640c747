/* A client by the rules of docs/protocol.md, section 2: welcome, heartbeats, close codes, and coming back. The words
 * are its dialect's.
 *
 *   WAITING ──▶ CONNECTING ──▶ WELCOMED ──▶ WAITING …        (a close it must not come back from: ──▶ STOPPED)
 *
 * What it does when it is welcomed is its handler's business: a receiver joins rooms, a publisher publishes. */
#ifndef GRID_BENCH_CLIENT_H
#define GRID_BENCH_CLIENT_H

#include <netinet/in.h>

#include "bench/dialect.h"
#include "bench/ledger.h"
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
	/* Answers and pushes after the welcome. */
	void (*heard)(struct client *client, const struct heard *heard);
	/* A session that was welcomed has ended. */
	void (*ended)(struct client *client);
};

struct url_list {
	struct url *items;
	size_t n;
};

/* What all clients share. */
struct clients {
	struct ws_shared ws;
	const struct dialect *dialect;
	struct url_list urls, publish_urls; /* for those who receive, and who publish */
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
	const struct url_list *urls;
	const struct client_handler *handler;
	enum client_state state;
	struct url_names names; /* the texts are the caller's */
	struct buf rest;        /* what is incomplete of what was heard */
	uint32_t at_url, at_source;
	uint32_t backoff_ms; /* upper end of the next pause */
	uint64_t retry_ms;   /* what was said at the end; UINT64_MAX: nothing */
	uint64_t heartbeat_ms;
	uint64_t heard_us;
	bool asked; /* a ping is out */
	bool was_welcomed;
	char session[LEDGER_SESSION_MAX];
};

/* It connects after client_start(), to one of `urls`; number `i` of all decides which of them and which source address
 * it begins with. */
void client_init(struct client *client, struct clients *shared, const struct url_list *urls,
                 const struct client_handler *handler, struct url_names names, uint32_t i);
void client_deinit(struct client *client);
void client_start(struct client *client);
/* Only while its websocket is open. */
void client_send(struct client *client, struct str text);

#endif
