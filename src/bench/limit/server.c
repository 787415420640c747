#include "bench/limit/server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/limit/socket.h"
#include "bench/signals.h"
#include "bench/url.h"
#include "bench/usage.h"

#define EVENTS_MAX 1024
#define BACKLOG 4096 /* connections not accepted yet */

struct server {
	struct sockets sockets;
	struct source listener, signals;
	int listen_fd, signal_fd; /* -1: none */
	int64_t batch_ms;         /* 0: each message is sent at once */
	bool stopping;
};

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void fail(struct server *server, int error)
{
	if (server->sockets.error == 0)
		server->sockets.error = error;
}

static void on_connection(struct source *source, uint32_t events)
{
	struct server *server = GRID_CONTAINER_OF(source, struct server, listener);
	const int yes = 1;
	int fd;

	(void)events;
	while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		int r = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0 ? 0 : -errno;
		if (r != 0)
			close(fd);
		else
			r = socket_new(&server->sockets, fd);
		if (r != 0)
			fail(server, r);
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		fail(server, -errno);
}

static void on_signal(struct source *source, uint32_t events)
{
	(void)events;
	GRID_CONTAINER_OF(source, struct server, signals)->stopping = true;
}

/* What comes in the next while is left to lie in the sockets. */
static void gather(const struct server *server)
{
	const struct timespec batch = {.tv_sec = server->batch_ms / 1000, .tv_nsec = server->batch_ms % 1000 * 1000000};
	struct epoll_event first;

	if (epoll_wait(server->sockets.epoll_fd, &first, 1, -1) == 1)
		(void)nanosleep(&batch, NULL); /* a signal ends it, and is all that follows */
}

/* What is there is read, then what came is sent. */
static void turn(struct server *server)
{
	struct epoll_event events[EVENTS_MAX];
	if (server->batch_ms > 0)
		gather(server);
	int n = epoll_wait(server->sockets.epoll_fd, events, EVENTS_MAX, -1);

	if (n < 0 && errno != EINTR)
		fail(server, -errno);
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
	rooms_flush(&server->sockets.rooms);
	sockets_free_closed(&server->sockets);
}

/* --- starting and stopping ---------------------------------------------------------------------------------------- */

static int watch(struct server *server, struct source *source, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return epoll_ctl(server->sockets.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int listen_at(struct server *server, const struct url *url)
{
	const int yes = 1;

	server->listen_fd = socket(url->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listen_fd < 0 || setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(server->listen_fd, (const struct sockaddr *)&url->addr, url->addr_len) != 0 ||
	    listen(server->listen_fd, BACKLOG) != 0)
		return -errno;
	return watch(server, &server->listener, server->listen_fd);
}

static int start(struct server *server, const struct limit_options *options, const struct url *url)
{
	struct sockets *sockets = &server->sockets;

	server->listen_fd = server->signal_fd = -1;
	server->listener.ready = on_connection;
	server->signals.ready = on_signal;
	server->batch_ms = options->batch;
	sockets->batch = options->batch > 0;
	sockets->backlog = (uint64_t)options->backlog;
	sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sockets->epoll_fd < 0)
		return -errno;
	sockets->scratch = malloc(SOCKET_READ_MAX);
	if (!sockets->scratch)
		return -ENOMEM;
	int r = signals_open(&server->signal_fd);
	if (r == 0)
		r = watch(server, &server->signals, server->signal_fd);
	return r != 0 ? r : listen_at(server, url);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void stop(struct server *server)
{
	sockets_close(&server->sockets);
	close_fd(server->listen_fd);
	close_fd(server->signal_fd);
	close_fd(server->sockets.epoll_fd);
	free(server->sockets.scratch);
}

static enum bench_exit serve(struct server *server, const struct limit_options *options, const struct url *url)
{
	int r = start(server, options, url);

	if (r == 0)
		fprintf(stderr, "gridbench: listening %s\n", url->authority);
	while (r == 0 && !server->stopping) {
		turn(server);
		r = server->sockets.error;
	}
	if (r != 0)
		fprintf(stderr, "gridbench: %s: %s\n", url->authority, strerrordesc_np(-r));
	else
		fprintf(stderr, "gridbench: done too_slow=%" PRIu64 "\n", server->sockets.too_slow);
	stop(server);
	return r == 0 ? BENCH_EXIT_OK : BENCH_EXIT_FAILED;
}

/* --- the verb ----------------------------------------------------------------------------------------------------- */

static bool find_address(const struct limit_options *options, struct url *url)
{
	char text[sizeof(url->authority) + sizeof("ws://")];
	const char *why = "expected HOST:PORT";

	snprintf(text, sizeof(text), "ws://%s", options->listen);
	if (!strchr(options->listen, '/') && url_parse(text, "/", url) == 0 && url_resolve(url, AF_UNSPEC, &why) == 0) {
		url->text = options->listen; /* which stays */
		return true;
	}
	fprintf(stderr, "gridbench: --listen %s: %s; see gridbench limit --help\n", options->listen, why);
	return false;
}

static enum bench_exit run(const void *config)
{
	const struct limit_options *options = config;
	struct url url;

	if (!find_address(options, &url))
		return BENCH_EXIT_USAGE;
	struct server *server = calloc(1, sizeof(*server));
	if (!server)
		return BENCH_EXIT_FAILED;
	(void)raise_file_limit(); /* what does not suffice is said when accept() fails */
	enum bench_exit result = serve(server, options, &url);
	free(server);
	return result;
}

static const struct option rows[] = {
    OPTION_STRING(struct limit_options, listen, "127.0.0.1:5290", "HOST:PORT"),
    OPTION_DURATION(struct limit_options, batch, "0", 0, 60000, "one send for all that came in so long; 0: for each"),
    OPTION_SIZE(struct limit_options, backlog, "4M", 1, 1 << 30, "a receiver that is behind further is closed"),
    OPTIONS_END,
};

const struct verb limit_verb = {
    .name = "limit",
    .title = "a bare fan-out server: what no server can do with less",
    .text = "A text message on /pub/<room> goes to all on /sub/<room>, in a frame made once, with one send() each.\n"
            "It runs until SIGTERM. Load comes from gridbench --dialect plain.\n",
    .rows = rows,
    .config_size = sizeof(struct limit_options),
    .run = run,
};
