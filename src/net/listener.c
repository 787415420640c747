#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/door.h"
#include "net/loop_ev.h"

/* Then those who are connected have their turn: each is some 70 us with its handshake. */
#define ACCEPTS_PER_TURN 16
#define BACKLOG 4096
#define ACCEPT_PAUSE_MS 1000

struct listener {
	struct ev_io io;
	struct server *server;
	struct listener *next;
	char *unix_path; /* to be removed in the end; NULL: TCP */
	int fd;
	bool admin;
};

struct place {
	struct sockaddr_storage sa;
	socklen_t len;
	const char *address; /* as configured */
	const char *unix_path;
	int64_t port;
};

static const char unix_prefix[] = "unix:";

static int bad_address(const struct place *place, struct buf *errp)
{
	buf_printf(errp, "cannot listen on \"%s\": not an IPv4 or IPv6 address and not unix:/path", place->address);
	return -EINVAL;
}

static int place_of_unix(struct place *place, struct buf *errp)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)(void *)&place->sa;

	place->unix_path = place->address + sizeof(unix_prefix) - 1;
	if (place->unix_path[0] != '/')
		return bad_address(place, errp);
	if (strlen(place->unix_path) >= sizeof(sun->sun_path)) {
		buf_printf(errp, "cannot listen on %s: a unix socket's path has at most %zu bytes", place->address,
		           sizeof(sun->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	sun->sun_family = AF_UNIX;
	strcpy(sun->sun_path, place->unix_path);
	place->len = sizeof(*sun);
	return 0;
}

static int place_of(const char *address, int64_t port, struct place *place, struct buf *errp)
{
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	struct addrinfo *found;
	char service[8];

	*place = (struct place){.address = address, .port = port};
	if (strncmp(address, unix_prefix, sizeof(unix_prefix) - 1) == 0)
		return place_of_unix(place, errp);
	if (port < 1 || port > 65535) {
		buf_printf(errp, "cannot listen on %s port %lld: ports go up to 65535", address, (long long)port);
		return -EINVAL;
	}
	snprintf(service, sizeof(service), "%lld", (long long)port);
	if (address[0] == '\0' || getaddrinfo(address, service, &hints, &found) != 0)
		return bad_address(place, errp);
	memcpy(&place->sa, found->ai_addr, found->ai_addrlen);
	place->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* The socket file of a process that is gone is removed; one on which somebody listens is his. */
static int remove_stale(const struct place *place, struct buf *errp)
{
	struct stat st;
	if (lstat(place->unix_path, &st) != 0)
		return 0; /* bind() says what is wrong, if anything is */
	if (!S_ISSOCK(st.st_mode)) {
		buf_printf(errp, "cannot listen on %s: there is something there that is no socket", place->address);
		return -EEXIST;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int r = connect(fd, (const struct sockaddr *)&place->sa, place->len);
	int why = errno;
	close(fd);
	if (r != 0 && why == ECONNREFUSED) {
		(void)unlink(place->unix_path);
		return 0;
	}
	if (r == 0 || why == EAGAIN) {
		buf_printf(errp, "cannot listen on %s: another process listens there; who it is: ss -lxp src '%s'",
		           place->address, place->unix_path);
		return -EADDRINUSE;
	}
	return 0;
}

static int explain(const struct place *place, int err, struct buf *errp)
{
	if (place->unix_path)
		buf_printf(errp, "cannot listen on %s: %s", place->address, strerror(err));
	else if (err == EADDRINUSE)
		buf_printf(errp, "cannot listen on %s port %lld: the port is taken; who has it: ss -ltnp 'sport = :%lld'",
		           place->address, (long long)place->port, (long long)place->port);
	else if (err == EACCES)
		buf_printf(errp, "cannot listen on %s port %lld: no permission; ports below 1024 want CAP_NET_BIND_SERVICE",
		           place->address, (long long)place->port);
	else if (err == EADDRNOTAVAIL)
		buf_printf(errp, "cannot listen on %s port %lld: not an address of this machine; which it has: ip address",
		           place->address, (long long)place->port);
	else
		buf_printf(errp, "cannot listen on %s port %lld: %s", place->address, (long long)place->port, strerror(err));
	return -err;
}

/* Connecting to a unix socket takes write permission, and nginx runs as somebody else: as with nginx' own sockets it is
 * the folder that decides who gets there. Before listen() nobody can connect. */
static int open_to_all(const struct place *place, bool admin)
{
	return place->unix_path && !admin ? chmod(place->unix_path, 0666) : 0;
}

static int bind_and_listen(const struct place *place, bool admin, int *fdp, struct buf *errp)
{
	const int on = 1;
	int fd = socket(place->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return explain(place, errno, errp);
	if (!place->unix_path)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* So that :: and 0.0.0.0 can both be listed. */
	if (place->sa.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&place->sa, place->len) != 0 || open_to_all(place, admin) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int err = errno;
		close(fd);
		return explain(place, err, errp);
	}
	*fdp = fd;
	return 0;
}

/* Without a free descriptor accept() fails and the listening socket stays readable: looking away for a second keeps
 * the loop from spinning. */
static void pause_accepting(struct server *server, int err)
{
	uint64_t now_ms = clock_mono_ms();

	counter_add(&server->counters.accept_failures, 1);
	log_limited(&server->accept_limit, now_ms, LOG_LEVEL_ERROR, "net.accept",
	            "cannot accept connections: %s; trying again in a second", strerror(err));
	for (struct listener *l = server->listeners; l; l = l->next)
		ev_io_stop(server->ev, &l->io);
	server->accept_again_ms = now_ms + ACCEPT_PAUSE_MS;
}

static void on_connection(struct ev_loop *ev, struct ev_io *io, int revents)
{
	struct listener *l = io->data;
	(void)ev;
	(void)revents;

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
		socklen_t len = sizeof(peer);
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			door_open(l->server, fd, &peer, l->admin);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(l->server, errno);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

int listener_open(struct server *server, const char *address, int64_t port, bool admin, struct buf *errp)
{
	struct place place;
	int fd = -1, r = place_of(address, port, &place, errp);

	if (r == 0 && place.unix_path)
		r = remove_stale(&place, errp);
	if (r == 0)
		r = bind_and_listen(&place, admin, &fd, errp);
	if (r != 0)
		return r;
	struct listener *l = calloc(1, sizeof(*l));
	char *path = place.unix_path ? strdup(place.unix_path) : NULL;
	if (!l || (place.unix_path && !path)) {
		free(l);
		free(path);
		close(fd);
		return -ENOMEM;
	}
	l->server = server;
	l->unix_path = path;
	l->fd = fd;
	l->admin = admin;
	ev_io_init(&l->io, on_connection, fd, EV_READ);
	ev_set_priority(&l->io, PRIORITY_DOOR);
	l->io.data = l;
	ev_io_start(server->ev, &l->io);
	l->next = server->listeners;
	server->listeners = l;
	if (path)
		log_info("net.listen", "for=%s address=%s", admin ? "admin" : "clients", address);
	else
		log_info("net.listen", "for=%s address=%s port=%lld", admin ? "admin" : "clients", address, (long long)port);
	return 0;
}

static void listener_free(struct listener *l)
{
	ev_io_stop(l->server->ev, &l->io);
	if (l->unix_path)
		(void)unlink(l->unix_path);
	close(l->fd);
	free(l->unix_path);
	free(l);
}

void listener_close_all(struct server *server, bool admin_too)
{
	struct listener **at = &server->listeners;
	while (*at) {
		struct listener *l = *at;
		if (!l->admin || admin_too) {
			*at = l->next;
			listener_free(l);
		} else {
			at = &l->next;
		}
	}
}

void listener_resume_all(struct server *server)
{
	server->accept_again_ms = 0;
	for (struct listener *l = server->listeners; l; l = l->next)
		ev_io_start(server->ev, &l->io);
}
