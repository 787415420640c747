#include "daemon/node.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/ulid.h"
#include "bus/bus.h"
#include "core/hub.h"
#include "net/loop.h"
#include "net/loop_ev.h"
#include "net/server.h"

#define TICK_MS 100

struct node {
	const struct config *config;
	struct ulid epoch;
	struct metric_registry metrics;
	struct loop *loop;
	struct loop_waker *waker; /* the bus has something */
	struct loop_timer *timer;
	struct loop_signal *sigterm, *sigint, *sighup;
	struct server *server;
	struct hub *hub;
	struct bus *bus;
	bool ready;          /* as last logged */
	uint64_t stop_by_ms; /* 0: not stopping */
	enum node_exit exit_code;
};

/* Stopping */

static void exit_at_once(int signum)
{
	_exit(128 + signum);
}

/* Not through the loop: the second signal is for when the loop, or what comes after it, hangs. */
static void make_signals_final(void)
{
	struct sigaction action = {.sa_handler = exit_at_once};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static void stop_when_empty(struct node *node, uint64_t now_ms)
{
	size_t sessions = hub_session_count(node->hub);
	if (node->stop_by_ms == 0 || (sessions > 0 && now_ms < node->stop_by_ms))
		return;
	if (sessions > 0)
		log_warn("node.cut_off", "sessions=%zu after_ms=%lld", sessions, (long long)node->config->core.drain.timeout);
	node->stop_by_ms = UINT64_MAX; /* said once */
	loop_stop(node->loop);
}

static void stop(struct node *node, const char *why)
{
	struct now now = clock_now();

	if (node->stop_by_ms != 0)
		return;
	make_signals_final(); /* first: whoever has read that it stops may send the second signal */
	log_info("node.stopping", "why=%s sessions=%zu", why, hub_session_count(node->hub));
	node->stop_by_ms = now.mono_ms + (uint64_t)node->config->core.drain.timeout;
	server_stop_accepting(node->server);
	hub_drain(node->hub, now);
	stop_when_empty(node, now.mono_ms);
}

static void on_sigterm(void *arg)
{
	stop(arg, "SIGTERM");
}

static void on_sigint(void *arg)
{
	stop(arg, "SIGINT");
}

static void on_sighup(void *arg)
{
	const struct node *node = arg;
	log_info("node.signal_ignored", "signal=SIGHUP node=%s why=\"the configuration is read at start only\"",
	         node->config->node.id);
}

static void on_bus_fatal(void *arg, const char *what)
{
	struct node *node = arg;

	log_error("bus.fatal", "node=%s driver=%s why=%s", node->config->node.id, bus_driver_name(node->bus),
	          LOG_QUOTED(str_from(what)));
	fprintf(stderr, "gridnode: %s\n", what);
	node->exit_code = NODE_EXIT_BUS;
	stop(node, "bus.fatal");
}

/* Running */

static void report_readiness(struct node *node)
{
	const char *why = "";
	bool ready = hub_ready(node->hub, &why);

	if (ready == node->ready || node->stop_by_ms != 0)
		return;
	node->ready = ready;
	if (ready)
		log_info("node.ready", "node=%s", node->config->node.id);
	else
		log_warn("node.not_ready", "node=%s why=\"%s\"", node->config->node.id, why);
}

/* False: the bus has more. */
static bool turn(struct node *node, struct now now)
{
	hub_set_now(node->hub, now);
	bool more = bus_turn(node->bus, now.mono_ms);

	if (more)
		loop_wake(node->waker);
	report_readiness(node);
	return !more;
}

static void on_wake(void *arg)
{
	(void)turn(arg, clock_now());
}

/* A message that comes alone goes on at once: to find out that nothing is left to read would be one more epoll_wait()
 * (net/flush.c has what that is worth). */
static void on_bus_readable(void *arg)
{
	struct node *node = arg;

	if (turn(node, clock_now()))
		server_flush(node->server);
}

static void on_timer(void *arg)
{
	struct node *node = arg;
	struct now now = clock_now();

	hub_tick(node->hub, now);
	(void)turn(node, now);
	stop_when_empty(node, now.mono_ms);
}

/* Starting */

static int start_loop(struct node *node)
{
	int r = loop_new(&node->loop);
	if (r == 0)
		r = loop_waker_new(node->loop, on_wake, node, &node->waker);
	if (r == 0)
		r = loop_timer_new(node->loop, TICK_MS, on_timer, node, &node->timer);
	if (r == 0)
		r = loop_signal_new(node->loop, SIGTERM, on_sigterm, node, &node->sigterm);
	if (r == 0)
		r = loop_signal_new(node->loop, SIGINT, on_sigint, node, &node->sigint);
	if (r == 0)
		r = loop_signal_new(node->loop, SIGHUP, on_sighup, node, &node->sighup);
	return r;
}

static int start_core(struct node *node)
{
	const struct config *config = node->config;
	const struct server_env server_env = {node->loop, &config->net, &config->core, &node->metrics};

	int r = server_new(&server_env, &node->server);
	if (r != 0)
		return r;
	const struct hub_env hub_env = {
	    .config = &config->core,
	    .transport = &server_transport,
	    .transport_ctx = node->server,
	    .node_id = config->node.id,
	    .epoch = node->epoch.text,
	    .metrics = &node->metrics,
	};
	r = hub_new(&hub_env, clock_now(), &node->hub);
	if (r == 0)
		hub_on_fatal(node->hub, on_bus_fatal, node);
	return r;
}

static int start_bus(struct node *node)
{
	const struct bus_env env = {
	    .upcalls = &hub_upcalls,
	    .ctx = node->hub,
	    .wake = loop_wake,
	    .wake_arg = node->waker,
	    .turn = on_bus_readable,
	    .turn_arg = node,
	    .loop = loop_ev(node->loop),
	    .node_id = node->config->node.id,
	    .epoch = node->epoch.text,
	    .state_dir = node->config->state_dir,
	    .metrics = &node->metrics,
	};
	int r = bus_open(&node->config->bus, &env, &node->bus);
	if (r == 0)
		hub_set_bus(node->hub, node->bus);
	return r;
}

static int listen_to_clients(struct node *node)
{
	struct buf why GRID_CLEANUP(buf_deinit) = BUF_INIT;

	int r = server_listen(node->server, node->hub, &why);
	if (r != 0)
		fprintf(stderr, "gridnode: %.*s\n", STR_ARG(buf_str(&why)));
	return r;
}

static void log_listening(const struct config *config)
{
	struct buf addresses GRID_CLEANUP(buf_deinit) = BUF_INIT;

	options_get(&config_options, config, "listen.addresses", &addresses);
	log_info("node.listening", "addresses=%s port=%d admin=%s admin_port=%d", LOG_QUOTED(buf_str(&addresses)),
	         (int)config->net.listen.port, LOG_QUOTED(str_from(config->net.admin.address)),
	         (int)config->net.admin.port);
}

static void log_start(const struct node *node)
{
	const struct config *config = node->config;

	log_info("node.started", "version=" GRID_VERSION " node=%s epoch=%s pid=%d driver=%s", config->node.id,
	         node->epoch.text, (int)getpid(), bus_driver_name(node->bus));
	if (config->core.auth.mode == AUTH_MODE_NONE)
		log_warn("auth.none",
		         "ATTENTION: auth.mode is \"none\", so every client is whoever it says it is in ?user=; fit "
		         "for trusted networks and trying things out, for nothing else");
}

/* Says why on stderr when it fails. */
static int start(struct node *node)
{
	const char *what = "event loop";
	int r = start_loop(node);
	if (r == 0) {
		what = "node";
		r = start_core(node);
	}
	if (r == 0) {
		what = "bus driver";
		r = start_bus(node);
	}
	if (r != 0) {
		fprintf(stderr, "gridnode: cannot start the %s: %s\n", what, strerror(r < 0 ? -r : EIO));
		return r;
	}
	log_start(node);
	r = listen_to_clients(node);
	if (r == 0)
		log_listening(node->config);
	return r;
}

/* In the one order that works: the bus' threads wake the loop, the sessions closed with the server call the hub, and
 * the server's sockets live in the loop. Fine on whatever a failed start left. */
static void end(struct node *node)
{
	if (node->hub)
		hub_set_bus(node->hub, NULL);
	node->bus = bus_close(node->bus);
	node->server = server_free(node->server);
	node->hub = hub_free(node->hub);
	node->sighup = loop_signal_free(node->sighup);
	node->sigint = loop_signal_free(node->sigint);
	node->sigterm = loop_signal_free(node->sigterm);
	node->timer = loop_timer_free(node->timer);
	node->waker = loop_waker_free(node->waker);
	node->loop = loop_free(node->loop);
}

enum node_exit node_run(const struct config *config)
{
	struct node node = {.config = config, .exit_code = NODE_EXIT_OK};
	struct ulid_source ulids = {0};

	signal(SIGPIPE, SIG_IGN);
	ulid_next(&ulids, clock_unix_ms(), &node.epoch);
	if (start(&node) == 0)
		loop_run(node.loop);
	else
		node.exit_code = NODE_EXIT_FAILED;
	end(&node);
	log_info("node.stopped", "node=%s exit=%d", config->node.id, (int)node.exit_code);
	return node.exit_code;
}
