#include "bench/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 30000
#define HEARTBEAT_MS 25000
#define NO_RETRY UINT64_MAX

static struct client *client_of(struct ws_conn *conn)
{
	return GRID_CONTAINER_OF(conn, struct client, conn);
}

static uint64_t now_us(const struct client *client)
{
	return client->shared->ws.reactor->now_us;
}

static void set_timer(struct client *client, uint64_t in_ms)
{
	reactor_timer_set(client->shared->ws.reactor, &client->timer, in_ms);
}

/* The one place where the state changes. */
static void move(struct client *client, enum client_state state)
{
	static const bool allowed[][CLIENT_STOPPED + 1] = {
	    [CLIENT_WAITING] = {[CLIENT_WAITING] = true, [CLIENT_CONNECTING] = true},
	    [CLIENT_CONNECTING] = {[CLIENT_WAITING] = true, [CLIENT_WELCOMED] = true, [CLIENT_STOPPED] = true},
	    [CLIENT_WELCOMED] = {[CLIENT_WAITING] = true, [CLIENT_STOPPED] = true},
	};
	GRID_ASSERT(client->state != CLIENT_STOPPED && allowed[client->state][state]);
	client->state = state;
}

/* --- coming back (section 2.5) ------------------------------------------------------------------------------------ */

static bool comes_back(unsigned code)
{
	return code != 1002 && code != 1003 && code != 1007 && code != 1009 && code != 4001;
}

static uint64_t pause_ms(struct client *client)
{
	if (client->retry_ms != NO_RETRY)
		return client->retry_ms;
	uint64_t pause = dice_below(&client->shared->ws.dice, client->backoff_ms + 1);
	client->backoff_ms = client->backoff_ms * 2 < BACKOFF_MAX_MS ? client->backoff_ms * 2 : BACKOFF_MAX_MS;
	return pause;
}

static void come_back(struct client *client)
{
	if (!client->shared->pin)
		client->at_url = (client->at_url + 1) % (uint32_t)client->urls->n;
	set_timer(client, pause_ms(client));
	client->retry_ms = NO_RETRY;
	move(client, CLIENT_WAITING);
}

static void note_refused(struct client *client, const struct ws_end *end)
{
	struct clients *shared = client->shared;
	struct url *url = &client->urls->items[client->at_url];

	url->refused = end->error == ECONNREFUSED;
	shared->refused++;
	shared->last_end = *end;
	shared->last_url = url;
}

static void on_ended(struct ws_conn *conn, const struct ws_end *end)
{
	struct client *client = client_of(conn);
	struct clients *shared = client->shared;

	reactor_timer_cancel(&client->timer);
	buf_reset(&client->rest);
	if (client->state == CLIENT_WELCOMED) {
		client->handler->ended(client);
	} else {
		note_refused(client, end);
	}
	if (comes_back(end->code)) {
		come_back(client);
		return;
	}
	shared->stopped++;
	move(client, CLIENT_STOPPED);
}

/* Path and query, with a NUL at the end. */
static void put_target(const struct client *client, const struct url *url, struct buf *out)
{
	const struct dialect *dialect = client->shared->dialect;

	url_put_path(url, &client->names, out);
	if (dialect->ops->put_query) {
		buf_putc(out, strchr(url->path, '?') ? '&' : '?');
		dialect->ops->put_query(dialect, client->names.user, out);
	}
	buf_putc(out, '\0');
}

static int open_conn(struct client *client, const struct url *url)
{
	const struct clients *shared = client->shared;
	const struct sockaddr_in *source = shared->n_sources ? &shared->sources[client->at_source] : NULL;
	struct buf target GRID_CLEANUP(buf_deinit) = BUF_INIT;

	put_target(client, url, &target);
	if (target.failed)
		return -ENOMEM;
	return ws_conn_open(&client->conn, url, source, target.p, shared->dialect->ops->subprotocol);
}

static void connect_now(struct client *client)
{
	struct clients *shared = client->shared;

	client->retry_ms = NO_RETRY;
	int r = open_conn(client, &client->urls->items[client->at_url]);
	if (r == -ENOMEM)
		reactor_fail(shared->ws.reactor, r);
	move(client, r == 0 ? CLIENT_CONNECTING : CLIENT_WAITING);
	if (r == 0) {
		set_timer(client, shared->timeout_ms);
		return;
	}
	note_refused(client, &(struct ws_end){.code = WS_CODE_LOST, .error = -r});
	come_back(client);
}

/* --- heartbeats (section 2.0) ------------------------------------------------------------------------------------- */

/* Silent for two heartbeats: asks; and gives the connection up when no answer comes. */
static void check_heartbeat(struct client *client)
{
	const char *ping = client->shared->dialect->ops->ping;
	uint64_t silent_ms = (now_us(client) - client->heard_us) / 1000;

	if (silent_ms < 2 * client->heartbeat_ms) {
		client->asked = false;
		set_timer(client, 2 * client->heartbeat_ms - silent_ms);
	} else if (!client->asked) {
		client->asked = true;
		client_send(client, str_from(ping));
		set_timer(client, client->heartbeat_ms);
	} else {
		ws_conn_abort(&client->conn, ETIMEDOUT);
	}
}

static void on_timer(struct timer *timer)
{
	struct client *client = GRID_CONTAINER_OF(timer, struct client, timer);

	switch (client->state) {
	case CLIENT_WAITING:
		connect_now(client);
		break;
	case CLIENT_CONNECTING:
		ws_conn_abort(&client->conn, ETIMEDOUT);
		break;
	case CLIENT_WELCOMED:
		check_heartbeat(client);
		break;
	case CLIENT_STOPPED:
		break;
	}
}

/* --- what is heard ------------------------------------------------------------------------------------------------ */

static void on_welcome(struct client *client, const struct heard *heard)
{
	const struct dialect_ops *ops = client->shared->dialect->ops;

	snprintf(client->session, sizeof(client->session), "%.*s", STR_ARG(heard->session));
	client->heartbeat_ms = heard->period_ms ? heard->period_ms : HEARTBEAT_MS;
	client->backoff_ms = BACKOFF_FIRST_MS;
	client->shared->welcomes++;
	client->shared->reconnects += client->was_welcomed;
	client->was_welcomed = true;
	client->asked = false;
	move(client, CLIENT_WELCOMED);
	if (ops->ping)
		set_timer(client, 2 * client->heartbeat_ms);
	else
		reactor_timer_cancel(&client->timer);
	client->handler->welcomed(client);
}

static void on_heard(struct client *client, const struct heard *heard)
{
	switch (heard->kind) {
	case HEARD_PUSH:
	case HEARD_ANSWER:
	case HEARD_SYNCED:
		if (client->state == CLIENT_WELCOMED)
			client->handler->heard(client, heard);
		break;
	case HEARD_WELCOME:
		if (client->state == CLIENT_CONNECTING)
			on_welcome(client, heard);
		break;
	case HEARD_PING:
		client_send(client, str_from(client->shared->dialect->ops->pong));
		break;
	case HEARD_BYE:
		client->retry_ms = heard->retry_ms;
		break;
	case HEARD_NOTHING:
		break;
	}
}

/* All that is complete in `text`; what is not is left in it. */
static void hear_all(struct client *client, struct str *text)
{
	const struct dialect *dialect = client->shared->dialect;
	struct heard heard = {.kind = HEARD_NOTHING};

	while (text->n && dialect->ops->hear(dialect, text, &heard) == 0)
		on_heard(client, &heard);
}

/* Behind what the last message had left incomplete. */
static void hear_behind_rest(struct client *client, struct str text)
{
	buf_put_str(&client->rest, text);
	struct str in = buf_str(&client->rest);
	hear_all(client, &in);
	if (in.n)
		memmove(client->rest.p, in.p, in.n);
	client->rest.n = in.n;
}

static void on_text(struct ws_conn *conn, struct str text)
{
	struct client *client = client_of(conn);

	client->heard_us = now_us(client);
	if (client->rest.n) {
		hear_behind_rest(client, text);
	} else {
		hear_all(client, &text);
		if (text.n)
			buf_put_str(&client->rest, text);
	}
	if (client->rest.failed)
		reactor_fail(client->shared->ws.reactor, -ENOMEM);
}

static void on_opened(struct ws_conn *conn)
{
	struct client *client = client_of(conn);
	const struct dialect *dialect = client->shared->dialect;
	struct buf hello GRID_CLEANUP(buf_deinit) = BUF_INIT;

	if (dialect->ops->put_hello) {
		dialect->ops->put_hello(dialect, &hello);
		client_send(client, buf_str(&hello));
	}
	if (dialect->ops->opens_welcome)
		on_welcome(client, &(struct heard){.kind = HEARD_WELCOME, .session = STR("")});
}

static const struct ws_handler ws_handler = {on_opened, on_text, on_ended};

void client_init(struct client *client, struct clients *shared, const struct url_list *urls,
                 const struct client_handler *handler, struct url_names names, uint32_t i)
{
	*client = (struct client){.timer.fn = on_timer,
	                          .shared = shared,
	                          .urls = urls,
	                          .handler = handler,
	                          .state = CLIENT_WAITING,
	                          .names = names,
	                          .rest = BUF_INIT,
	                          .at_url = i % (uint32_t)urls->n,
	                          .backoff_ms = BACKOFF_FIRST_MS,
	                          .retry_ms = NO_RETRY};
	/* Each URL gets connections from all sources. */
	if (shared->n_sources)
		client->at_source = i / (uint32_t)urls->n % (uint32_t)shared->n_sources;
	ws_conn_init(&client->conn, &shared->ws, &ws_handler);
}

void client_deinit(struct client *client)
{
	reactor_timer_cancel(&client->timer);
	ws_conn_deinit(&client->conn);
	buf_deinit(&client->rest);
}

void client_start(struct client *client)
{
	connect_now(client);
}

void client_send(struct client *client, struct str text)
{
	ws_conn_send(&client->conn, text);
	ws_conn_flush(&client->conn);
}
