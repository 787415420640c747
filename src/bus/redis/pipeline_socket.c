/* The way to a socket, and what goes out on it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/redis/pipeline_impl.h"

/* --- watchers ----------------------------------------------------------------------------------------------------- */

/* Writes what there is, and comes back when the socket takes more. */
void pipeline_socket_send(struct pipeline *p)
{
	int done = 0;

	if (redisBufferWrite(p->context, &done) != REDIS_OK) {
		p->unsent = false;
		pipeline_give_up(p, "writing: %s", p->context->errstr);
		return;
	}
	p->unsent = !done;
	if (done)
		ev_io_stop(p->loop, &p->writable);
	else if (p->state == PIPELINE_UP || !p->tls) /* a handshake waits for the other side, not for the socket */
		ev_io_start(p->loop, &p->writable);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct pipeline *p = io->data;
	(void)loop;
	(void)revents;
	p->unread = true;
	p->wake(p->wake_arg);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct pipeline *p = io->data;
	(void)revents;
	if (p->state == PIPELINE_CONNECTING) {
		p->connected = true;
		ev_io_stop(loop, io);
		p->wake(p->wake_arg);
	} else if (!p->broken) {
		pipeline_socket_send(p);
	}
}

static void on_before_poll(struct ev_loop *loop, struct ev_prepare *prepare, int revents)
{
	struct pipeline *p = prepare->data;
	(void)loop;
	(void)revents;
	if (p->unsent && !p->broken && !ev_is_active(&p->writable))
		pipeline_socket_send(p);
}

static void watch(struct pipeline *p)
{
	ev_io_init(&p->readable, on_readable, p->context->fd, EV_READ);
	ev_io_init(&p->writable, on_writable, p->context->fd, EV_WRITE);
	ev_prepare_init(&p->before_poll, on_before_poll);
	p->readable.data = p->writable.data = p->before_poll.data = p;
	ev_io_start(p->loop, &p->readable);
	ev_io_start(p->loop, &p->writable);
	ev_prepare_start(p->loop, &p->before_poll);
	p->watching = true;
}

void pipeline_socket_close(struct pipeline *p)
{
	if (p->watching) {
		ev_io_stop(p->loop, &p->readable);
		ev_io_stop(p->loop, &p->writable);
		ev_prepare_stop(p->loop, &p->before_poll);
	}
	p->watching = p->unsent = p->unread = p->connected = p->broken = false;
	if (p->context)
		redisFree(p->context);
	p->context = NULL;
	p->resolve = resolve_free(p->resolve);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* What is left of `text` behind `head`, or NULL. */
static const char *behind(const char *text, const char *head)
{
	size_t n = strlen(head);
	return strncmp(text, head, n) == 0 ? text + n : NULL;
}

/* "host:port", or "[v6]:port". */
static int take_host(struct pipeline *p, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	p->port = colon ? atoi(colon + 1) : 0;
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(p->host) || p->port < 1 || p->port > 65535)
		return pipeline_fail(p, "address %s is not host:port", p->config->address);
	snprintf(p->host, sizeof(p->host), "%.*s", (int)n, text);
	return 0;
}

static int take_address(struct pipeline *p)
{
	const char *address = p->config->address;
	const char *path = behind(address, "unix:"), *plain = behind(address, "redis://"),
	           *tls = behind(address, "rediss://");

	p->tls = tls;
	if (!path)
		return take_host(p, tls ? tls : plain ? plain : address);
	p->port = 0;
	snprintf(p->host, sizeof(p->host), "%s", path);
	return 0;
}

static bool is_numeric(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int connect_to(struct pipeline *p, const char *address, uint64_t now_ms)
{
	p->context = p->port ? redisConnectNonBlock(address, p->port) : redisConnectUnixNonBlock(address);
	if (!p->context)
		return pipeline_fail(p, "out of memory");
	if (p->context->err)
		return pipeline_fail(p, "connecting: %s", p->context->errstr);
	pipeline_set_state(p, PIPELINE_CONNECTING, now_ms);
	watch(p);
	return PIPELINE_E_NOTHING;
}

int pipeline_socket_open(struct pipeline *p, uint64_t now_ms)
{
	if (now_ms < p->pause_until_ms)
		return PIPELINE_E_NOTHING;
	GRID_ASSERT(!p->asked.head);
	p->deadline_ms = now_ms + (uint64_t)p->config->connect_timeout;
	int rc = take_address(p);
	if (rc != 0)
		return rc;
	if (!p->port || is_numeric(p->host))
		return connect_to(p, p->host, now_ms);
	rc = resolve_start(p->host, &p->resolve);
	if (rc != 0)
		return pipeline_fail(p, "looking up %s: %s", p->host, strerrordesc_np(-rc));
	pipeline_set_state(p, PIPELINE_RESOLVING, now_ms);
	return PIPELINE_E_NOTHING;
}

int pipeline_socket_resolve(struct pipeline *p, uint64_t now_ms)
{
	char address[INET6_ADDRSTRLEN];
	const char *why = "";
	int rc = resolve_poll(p->resolve, address, &why);

	if (rc == RESOLVE_E_BUSY)
		return PIPELINE_E_NOTHING;
	p->resolve = resolve_free(p->resolve);
	return rc == 0 ? connect_to(p, address, now_ms) : pipeline_fail(p, "looking up %s: %s", p->host, why);
}
