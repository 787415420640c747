#include "bench/amqp_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_S 5
#define FRAME_MAX 131072
#define HEARTBEAT_S 20
#define WAIT_US 1000000 /* heartbeats are sent by reading */
#define AGAIN_US 500000 /* between attempts */
#define GOODBYE_S 2
#define RELEASE_EVERY 64

int amqp_link_init(struct amqp_link *link, const struct amqp_link_handler *handler, const char *name, const char *uri)
{
	*link = (struct amqp_link){.handler = handler, .name = name, .guard_fd = -1};
	link->uri_text = strdup(uri);
	if (!link->uri_text)
		return -ENOMEM;
	if (amqp_parse_url(link->uri_text, &link->uri) != AMQP_STATUS_OK || link->uri.ssl) {
		free(link->uri_text);
		return AMQP_LINK_E_URI;
	}
	link->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int r = link->wake_fd < 0 ? -errno : -pthread_mutex_init(&link->lock, NULL);
	if (r != 0) {
		if (link->wake_fd >= 0)
			close(link->wake_fd);
		free(link->uri_text);
	}
	return r;
}

/* Its thread may hang in a write to a broker that does not read: then its connection is cut. */
static void join(struct amqp_link *link)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GOODBYE_S;
	if (pthread_timedjoin_np(link->thread, NULL, &until) == 0)
		return;
	pthread_mutex_lock(&link->lock);
	if (link->guard_fd >= 0)
		shutdown(link->guard_fd, SHUT_RDWR);
	pthread_mutex_unlock(&link->lock);
	pthread_join(link->thread, NULL);
}

void amqp_link_deinit(struct amqp_link *link)
{
	if (link->started)
		join(link);
	pthread_mutex_destroy(&link->lock);
	close(link->wake_fd);
	free(link->uri_text);
}

void amqp_link_wake(void *arg)
{
	struct amqp_link *link = arg;
	const uint64_t one = 1;
	/* Fails only when the count is at its limit, and then it is readable. */
	ssize_t ignored = write(link->wake_fd, &one, sizeof(one));
	(void)ignored;
}

void amqp_link_stop(struct amqp_link *link)
{
	atomic_store(&link->stopping, true);
	amqp_link_wake(link);
}

/* --- what went wrong ---------------------------------------------------------------------------------------------- */

void amqp_link_why(struct amqp_link *link, struct buf *out)
{
	pthread_mutex_lock(&link->lock);
	buf_printf(out, "%s:%d: %s", link->uri.host, link->uri.port, *link->why ? link->why : "no answer yet");
	pthread_mutex_unlock(&link->lock);
}

int amqp_link_fail(struct amqp_link *link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&link->lock);
	vsnprintf(link->why, sizeof(link->why), fmt, ap);
	pthread_mutex_unlock(&link->lock);
	va_end(ap);
	return -ECONNABORTED;
}

int amqp_link_status(struct amqp_link *link, const char *doing, int status)
{
	return status == AMQP_STATUS_OK ? 0 : amqp_link_fail(link, "%s: %s", doing, amqp_error_string2(status));
}

static int fail_with_text(struct amqp_link *link, const char *doing, amqp_bytes_t text)
{
	return amqp_link_fail(link, "%s: %.*s", doing, STR_ARG(amqp_str(text)));
}

/* The broker closes the channel or the connection. Either way we begin anew, with another connection. */
static int fail_closed(struct amqp_link *link, const char *doing, const amqp_method_t *method)
{
	if (method->id == AMQP_CHANNEL_CLOSE_METHOD)
		return fail_with_text(link, doing, ((const amqp_channel_close_t *)method->decoded)->reply_text);
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD)
		return fail_with_text(link, doing, ((const amqp_connection_close_t *)method->decoded)->reply_text);
	return amqp_link_fail(link, "%s: unexpected method %#x", doing, method->id);
}

int amqp_link_reply(struct amqp_link *link, const char *doing, amqp_rpc_reply_t reply)
{
	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return 0;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		return fail_closed(link, doing, &reply.reply);
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		return amqp_link_status(link, doing, reply.library_error);
	case AMQP_RESPONSE_NONE:
		break;
	}
	return amqp_link_fail(link, "%s: no answer", doing);
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

static void set_guard(struct amqp_link *link, int fd)
{
	pthread_mutex_lock(&link->lock);
	if (link->guard_fd >= 0)
		close(link->guard_fd);
	link->guard_fd = fd;
	pthread_mutex_unlock(&link->lock);
}

static int connect_tcp(struct amqp_link *link)
{
	const struct timeval timeout = {.tv_sec = CONNECT_S};
	amqp_socket_t *socket = amqp_tcp_socket_new(link->conn);

	if (!socket)
		return amqp_link_fail(link, "out of memory");
	int r = amqp_link_status(link, "connecting",
	                         amqp_socket_open_noblock(socket, link->uri.host, link->uri.port, &timeout));
	if (r != 0)
		return r;
	set_guard(link, fcntl(amqp_get_sockfd(link->conn), F_DUPFD_CLOEXEC, 0));
	return 0;
}

static amqp_table_entry_t entry(const char *key, amqp_field_value_t value)
{
	return (amqp_table_entry_t){.key = amqp_from_str(str_from(key)), .value = value};
}

static int login(struct amqp_link *link)
{
	const struct timeval timeout = {.tv_sec = CONNECT_S};
	const amqp_field_value_t yes = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1};
	amqp_field_value_t name = {.kind = AMQP_FIELD_KIND_UTF8};
	amqp_field_value_t able = {.kind = AMQP_FIELD_KIND_TABLE};
	amqp_table_entry_t capabilities[] = {entry("connection.blocked", yes), entry("publisher_confirms", yes),
	                                     entry("basic.nack", yes), entry("consumer_cancel_notify", yes)};

	name.value.bytes = amqp_from_str(str_from(link->name));
	able.value.table = (amqp_table_t){.num_entries = GRID_ARRAY_LEN(capabilities), .entries = capabilities};
	amqp_table_entry_t entries[] = {entry("connection_name", name), entry("capabilities", able)};
	const amqp_table_t properties = {.num_entries = GRID_ARRAY_LEN(entries), .entries = entries};
	int r = amqp_link_status(link, "logging in", amqp_set_handshake_timeout(link->conn, &timeout));
	if (r != 0)
		return r;
	return amqp_link_reply(link, "logging in",
	                       amqp_login_with_properties(link->conn, link->uri.vhost, 0, FRAME_MAX, HEARTBEAT_S,
	                                                  &properties, AMQP_SASL_METHOD_PLAIN, link->uri.user,
	                                                  link->uri.password));
}

static int establish(struct amqp_link *link)
{
	link->conn = amqp_new_connection();
	if (!link->conn)
		return amqp_link_fail(link, "out of memory");
	int r = connect_tcp(link);
	if (r == 0)
		r = login(link);
	if (r != 0)
		return r;
	amqp_channel_open(link->conn, AMQP_LINK_CHANNEL);
	r = amqp_link_reply(link, "opening a channel", amqp_get_rpc_reply(link->conn));
	return r != 0 ? r : link->handler->established(link);
}

static void close_link(struct amqp_link *link, bool polite)
{
	const struct timeval timeout = {.tv_sec = 1};

	if (link->conn && polite && amqp_set_rpc_timeout(link->conn, &timeout) == AMQP_STATUS_OK)
		(void)amqp_connection_close(link->conn, AMQP_REPLY_SUCCESS); /* it is over either way */
	if (link->conn)
		amqp_destroy_connection(link->conn);
	link->conn = NULL;
	set_guard(link, -1);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type == AMQP_FRAME_METHOD &&
	    (method->id == AMQP_CHANNEL_CLOSE_METHOD || method->id == AMQP_CONNECTION_CLOSE_METHOD))
		return fail_closed(link, "closed by the broker", method);
	return link->handler->frame(link, frame);
}

/* Everything that is there. */
static int read_frames(struct amqp_link *link)
{
	const struct timeval none = {0};
	amqp_frame_t frame;

	for (unsigned n = 1; !atomic_load(&link->stopping); n++) {
		int status = amqp_simple_wait_frame_noblock(link->conn, &frame, &none);
		if (status == AMQP_STATUS_TIMEOUT)
			return 0;
		int r = amqp_link_status(link, "reading", status);
		if (r == 0)
			r = on_frame(link, &frame);
		if (r != 0)
			return r;
		if (n % RELEASE_EVERY == 0)
			amqp_maybe_release_buffers(link->conn);
	}
	return 0;
}

/* Until there is something to read, or somebody wakes us. */
static void wait(struct amqp_link *link, bool connected, uint64_t timeout_us)
{
	const struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000),
	                                 .tv_nsec = (long)(timeout_us % 1000000 * 1000)};
	struct pollfd fds[2] = {{.fd = link->wake_fd, .events = POLLIN},
	                        {.fd = connected ? amqp_get_sockfd(link->conn) : -1, .events = POLLIN}};
	uint64_t wakes;

	if (ppoll(fds, 2, &timeout, NULL) > 0 && (fds[0].revents & POLLIN) &&
	    read(link->wake_fd, &wakes, sizeof(wakes)) < 0)
		return; /* somebody else cannot have read it; looking once more does no harm */
}

static int serve(struct amqp_link *link)
{
	int r = 0;

	while (r == 0 && !atomic_load(&link->stopping)) {
		link->wait_us = WAIT_US;
		r = read_frames(link);
		if (r == 0)
			r = link->handler->idle(link);
		if (r == 0) {
			amqp_maybe_release_buffers(link->conn);
			wait(link, true, link->wait_us);
		}
	}
	return r;
}

static void *run(void *arg)
{
	struct amqp_link *link = arg;

	while (!atomic_load(&link->stopping)) {
		int r = establish(link);
		if (r == 0) {
			atomic_store(&link->up, true);
			r = serve(link);
			atomic_store(&link->up, false);
			link->handler->lost(link);
		}
		close_link(link, r == 0);
		if (r != 0 && !atomic_load(&link->stopping))
			wait(link, false, AGAIN_US);
	}
	return NULL;
}

int amqp_link_start(struct amqp_link *link)
{
	int rc = pthread_create(&link->thread, NULL, run, link);
	link->started = rc == 0;
	return -rc;
}
