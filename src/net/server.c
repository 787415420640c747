#include "net/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/door.h"
#include "net/listener.h"
#include "net/loop_ev.h"
#include "net/sock.h"
#include "net/ws.h"

/* Who connected within one tick is pinged in one go, and what others get waits: a ping takes the loop some 10 us, so a
 * thousand of them 10 ms. */
#define TICK_MS 100

/* ---- libwebsockets ---- */

static void log_lws(int level, const char *line)
{
	/* A client can cause warnings at will. Static, because so is libwebsockets' log: it passes nothing of ours. */
	static struct log_limit limit;
	size_t n = strcspn(line, "\n");

	/* Said as an error on each socket that is handed over, in 4.1 and 4.3. */
	if (strstr(line, "calling service"))
		return;
	log_limited(&limit, clock_mono_ms(), level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
	            level & LLL_ERR ? "lws.error" : "lws.warn", "%s", LOG_QUOTED(((struct str){line, n})));
}

/* No pings of its own, which would cost each connection a timer in a sorted list. */
static const lws_retry_bo_t no_keepalive = {0};

static int context_open(struct server *server)
{
	void *loops[] = {server->ev};
	struct lws_context_creation_info info = {
	    .port = CONTEXT_PORT_NO_LISTEN,
	    .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
	    .foreign_loops = loops,
	    .count_threads = 1,
	    .gid = (gid_t)-1,
	    .uid = (uid_t)-1,
	    .user = server,
	    .timeout_secs = DOOR_TIMEOUT_MS / 1000,
	};
	struct lws_context_creation_info vhost = {
	    .port = CONTEXT_PORT_NO_LISTEN_SERVER, /* listeners and doors are ours */
	    .vhost_name = "grid",
	    .protocols = ws_protocols,
	    .retry_and_idle_policy = &no_keepalive,
	    .timeout_secs = DOOR_TIMEOUT_MS / 1000,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
	server->lws = lws_create_context(&info);
	if (!server->lws)
		return -ENOMEM;
	server->vhost = lws_create_vhost(server->lws, &vhost);
	return server->vhost ? 0 : -ENOMEM;
}

/* ---- flushing ---- */

static void flush(void *arg)
{
	struct server *server = arg;
	if (server->hub && !server->dying)
		hub_flush(server->hub);
}

static void flush_soon(void *ctx)
{
	struct server *server = ctx;
	if (!server->dying)
		flusher_soon(&server->flusher);
}

void server_flush(struct server *server)
{
	if (!server->dying)
		flusher_now(&server->flusher);
}

const struct transport server_transport = {
    .flush_soon = flush_soon,
    .flush = ws_flush,
    .close = ws_close,
    .pause = ws_pause,
};

/* ---- life ---- */

static void on_tick(void *arg)
{
	struct server *server = arg;
	uint64_t now_ms = clock_mono_ms();

	if (server->accept_again_ms && now_ms >= server->accept_again_ms)
		listener_resume_all(server);
	wheel_advance(&server->doors, now_ms, door_due, server);
	wheel_advance(&server->conns, now_ms, ws_due, server);
}

/* With a byte in it, because libwebsockets keeps an empty pong to itself. */
static struct msgbuf *make_ping(void)
{
	static const unsigned char frame[] = {0x89, 1, 'g'};
	struct msgbuf *m = msgbuf_new(sizeof(frame));
	if (m)
		memcpy(m->data, frame, sizeof(frame));
	return m;
}

static int server_init(struct server *server)
{
	uint64_t now_ms = clock_mono_ms();

	server->ev = loop_ev(server->env.loop);
	server->scratch = malloc(LWS_PRE + WS_SCRATCH);
	server->ping = make_ping();
	if (!server->scratch || !server->ping)
		return -ENOMEM;
	wheel_init(&server->doors, TICK_MS, now_ms);
	wheel_init(&server->conns, TICK_MS, now_ms);
	flusher_init(&server->flusher, server->ev, flush, server);
	ev_timer_init(&server->let_in, door_let_in, 0., 0.);
	ev_set_priority(&server->let_in, PRIORITY_DOOR);
	server->let_in.data = server;
	int r = loop_timer_new(server->env.loop, TICK_MS, on_tick, server, &server->tick);
	if (r == 0)
		r = context_open(server);
	return r;
}

int server_new(const struct server_env *env, struct server **serverp)
{
	struct server *server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->env = *env;
	metrics_add(env->metrics, &server->metrics, net_metric_rows, net_metric_rows_n, &server->counters);
	signal(SIGPIPE, SIG_IGN);
	/* Before libwebsockets looks at it. */
	log_info("net.files", "limit=%llu", (unsigned long long)sock_raise_file_limit());
	int r = server_init(server);
	if (r != 0) {
		server_free(server);
		return r;
	}
	*serverp = server;
	return 0;
}

static int open_listeners(struct server *server, struct buf *errp)
{
	const struct net_config *config = server->env.config;
	int64_t admin_port = config->admin.port ? config->admin.port : config->listen.port + 1000;
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->listen.addresses.n; i++)
		r = listener_open(server, config->listen.addresses.items[i], config->listen.port, false, errp);
	if (r == 0)
		r = listener_open(server, config->admin.address, admin_port, true, errp);
	return r;
}

int server_listen(struct server *server, struct hub *hub, struct buf *errp)
{
	const char *bad = NULL;
	int r = addr_trust_init(&server->trust, &server->env.config->listen.trusted_proxies, &bad);

	if (r == ADDR_E_BAD) {
		buf_printf(errp, "listen.trusted_proxies: \"%s\" is no address and no network like 10.0.0.0/8", bad);
		return -EINVAL;
	}
	if (r != 0)
		return r;
	server->hub = hub;
	r = open_listeners(server, errp);
	if (r != 0)
		listener_close_all(server, true);
	return r;
}

void server_stop_accepting(struct server *server)
{
	listener_close_all(server, false);
}

struct server *server_free(struct server *server)
{
	if (!server)
		return NULL;
	server->dying = true;
	listener_close_all(server, true);
	door_close_all(server);
	if (server->lws)
		lws_context_destroy(server->lws); /* every websocket ends here, with session_closed() */
	if (server->tick)
		loop_timer_free(server->tick);
	flusher_stop(&server->flusher);
	metrics_remove(server->env.metrics, &server->metrics);
	addr_trust_deinit(&server->trust);
	msgbuf_unref(server->ping);
	free(server->scratch);
	free(server);
	return NULL;
}
