#include "bus/rabbitmq/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus/rabbitmq/dial.h"

#define CHANNELS_MAX 16
#define FRAME_MAX 131072
#define STABLE_MS 1000    /* a link that was in use this long starts its pauses from the shortest again */
#define GOODBYE_US 500000 /* for connection.close and its answer */
#define PASSWORD_MAX 1024
#define READ_EVERY_MS 100 /* whatever poll() says: much less than half a heartbeat */

int link_init(struct link *link, const struct rabbitmq_config *config, const char *role, const char *node_id,
              struct link_counters *counters)
{
	*link = (struct link){.config = config, .role = role, .node_id = node_id, .counters = counters, .guard_fd = -1};
	link->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (link->wake_fd < 0)
		return -errno;
	int rc = pthread_mutex_init(&link->lock, NULL);
	if (rc != 0)
		close(link->wake_fd);
	return -rc;
}

void link_deinit(struct link *link)
{
	link_close(link, false);
	close(link->wake_fd);
	pthread_mutex_destroy(&link->lock);
}

void link_wake(void *arg)
{
	struct link *link = arg;
	const uint64_t one = 1;
	/* Fails only when the count is at its limit, and then it is readable. */
	ssize_t ignored = write(link->wake_fd, &one, sizeof(one));
	(void)ignored;
}

void link_stop(struct link *link)
{
	atomic_store(&link->stopping, true);
	link_wake(link);
}

void link_interrupt(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	if (link->guard_fd >= 0)
		shutdown(link->guard_fd, SHUT_RDWR);
	pthread_mutex_unlock(&link->lock);
}

/* --- what went wrong, in words ----------------------------------------------------------------------------------- */

int link_fail(struct link *link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(link->why, sizeof(link->why), fmt, ap);
	va_end(ap);
	link->code = 0;
	return -ECONNABORTED;
}

static int fail_with_code(struct link *link, const char *doing, int code, amqp_bytes_t text)
{
	int rc = link_fail(link, "%s: %.*s", doing, STR_ARG(amqp_str(text)));
	link->code = code;
	return rc;
}

int link_status(struct link *link, const char *doing, int status)
{
	if (status == AMQP_STATUS_OK)
		return 0;
	return link_fail(link, "%s: %s", doing, amqp_error_string2(status));
}

/* The method that closes: answers it. */
static int closed(struct link *link, amqp_channel_t channel, const char *doing, const amqp_method_t *method)
{
	if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
		const amqp_channel_close_t *m = method->decoded;
		amqp_channel_close_ok_t ok = {0};
		fail_with_code(link, doing, m->reply_code, m->reply_text);
		int status = amqp_send_method(link->conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
		return status == AMQP_STATUS_OK ? LINK_E_CHANNEL : link_status(link, "answering channel.close", status);
	}
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *m = method->decoded;
		amqp_connection_close_ok_t ok = {0};
		int rc = fail_with_code(link, doing, m->reply_code, m->reply_text);
		/* It is over either way. */
		(void)amqp_send_method(link->conn, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
		return rc;
	}
	return link_fail(link, "%s: unexpected method %#x", doing, method->id);
}

int link_reply(struct link *link, amqp_channel_t channel, const char *doing, amqp_rpc_reply_t reply)
{
	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return 0;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		return closed(link, channel, doing, &reply.reply);
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		return link_status(link, doing, reply.library_error);
	case AMQP_RESPONSE_NONE:
		break;
	}
	return link_fail(link, "%s: no answer", doing);
}

int link_closed_by(struct link *link, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD || (frame->payload.method.id != AMQP_CHANNEL_CLOSE_METHOD &&
	                                               frame->payload.method.id != AMQP_CONNECTION_CLOSE_METHOD))
		return 0;
	return closed(link, frame->channel, "closed by the broker", &frame->payload.method);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* The password, from the file at every login, so that a new one needs no restart. */
static int password(struct link *link, char out[PASSWORD_MAX])
{
	const char *path = link->config->password_file;

	if (!*path) {
		if (snprintf(out, PASSWORD_MAX, "%s", link->config->password) >= PASSWORD_MAX)
			return link_fail(link, "the password is too long");
		return 0;
	}
	FILE *file = fopen(path, "re");
	if (!file)
		return link_fail(link, "cannot read password_file %s: %s", path, strerrordesc_np(errno));
	if (!fgets(out, PASSWORD_MAX, file))
		out[0] = '\0';
	fclose(file);
	out[strcspn(out, "\r\n")] = '\0';
	return *out ? 0 : link_fail(link, "password_file %s is empty", path);
}

static struct timeval timeval_of(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static int open_tcp(struct link *link)
{
	const char *why = "";
	amqp_socket_t *socket = amqp_tcp_socket_new(link->conn);

	if (!socket)
		return link_fail(link, "out of memory");
	int fd =
	    dial(link->host, link->port, (uint64_t)link->config->connect_timeout, link->wake_fd, &link->stopping, &why);
	if (fd < 0)
		return link_fail(link, "connecting: %s", why);
	amqp_tcp_socket_set_sockfd(socket, fd);
	return 0;
}

static int open_tls(struct link *link)
{
	const struct rabbitmq_config *config = link->config;
	const struct timeval timeout = timeval_of(config->connect_timeout);
	amqp_socket_t *socket = amqp_ssl_socket_new(link->conn);

	if (!socket)
		return link_fail(link, "TLS: out of memory");
	amqp_ssl_socket_set_verify_peer(socket, config->tls_verify);
	amqp_ssl_socket_set_verify_hostname(socket, config->tls_verify);
	if (amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) != AMQP_STATUS_OK)
		return link_fail(link, "TLS 1.2 is not supported");
	if (*config->tls_ca && amqp_ssl_socket_set_cacert(socket, config->tls_ca) != AMQP_STATUS_OK)
		return link_fail(link, "cannot use tls_ca %s", config->tls_ca);
	if (*config->tls_cert && amqp_ssl_socket_set_key(socket, config->tls_cert, config->tls_key) != AMQP_STATUS_OK)
		return link_fail(link, "cannot use tls_cert %s with tls_key %s", config->tls_cert, config->tls_key);
	int status = amqp_socket_open_noblock(socket, link->host, atoi(link->port), &timeout);
	return link_status(link, "connecting with TLS", status);
}

/* Our own descriptor, so that another thread can cut the connection whatever rabbitmq-c does to its own. */
static int guard(struct link *link)
{
	unsigned timeout_ms = (unsigned)(2 * link->config->heartbeat);
	int fd = fcntl(amqp_get_sockfd(link->conn), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return link_fail(link, "no descriptor left: %s", strerrordesc_np(errno));
	if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)) != 0)
		log_warn("bus.socket", "link=%s why=%s", link->role, LOG_QUOTED(str_from(strerrordesc_np(errno))));
	pthread_mutex_lock(&link->lock);
	link->guard_fd = fd;
	pthread_mutex_unlock(&link->lock);
	return 0;
}

static amqp_table_entry_t text_entry(const char *key, const char *text)
{
	amqp_table_entry_t e = {.key = amqp_from_text(key)};
	e.value.kind = AMQP_FIELD_KIND_UTF8;
	e.value.value.bytes = amqp_from_text(text);
	return e;
}

static amqp_table_entry_t bool_entry(const char *key)
{
	amqp_table_entry_t e = {.key = amqp_from_text(key)};
	e.value.kind = AMQP_FIELD_KIND_BOOLEAN;
	e.value.value.boolean = 1;
	return e;
}

static int login(struct link *link)
{
	char name[128], secret[PASSWORD_MAX];
	amqp_table_entry_t capabilities[] = {bool_entry("consumer_cancel_notify"), bool_entry("connection.blocked"),
	                                     bool_entry("publisher_confirms"), bool_entry("basic.nack")};
	amqp_table_entry_t entries[4];
	const amqp_table_t properties = {.num_entries = GRID_ARRAY_LEN(entries), .entries = entries};
	const struct timeval timeout = timeval_of(link->config->connect_timeout);
	int heartbeat_s = (int)((link->config->heartbeat + 999) / 1000);

	snprintf(name, sizeof(name), "gridnode %s %s", link->node_id, link->role);
	entries[0] = text_entry("product", "gridnode");
	entries[1] = text_entry("version", GRID_VERSION);
	entries[2] = text_entry("connection_name", name);
	entries[3] = (amqp_table_entry_t){.key = amqp_from_text("capabilities")};
	entries[3].value.kind = AMQP_FIELD_KIND_TABLE;
	entries[3].value.value.table = (amqp_table_t){.num_entries = GRID_ARRAY_LEN(capabilities), .entries = capabilities};

	int rc = password(link, secret);
	if (rc != 0)
		return rc;
	if (amqp_set_handshake_timeout(link->conn, &timeout) != AMQP_STATUS_OK)
		return link_fail(link, "bad connect_timeout");
	amqp_rpc_reply_t reply =
	    amqp_login_with_properties(link->conn, link->config->vhost, CHANNELS_MAX, FRAME_MAX, heartbeat_s, &properties,
	                               AMQP_SASL_METHOD_PLAIN, link->config->user, secret);
	explicit_bzero(secret, sizeof(secret));
	return link_reply(link, 0, "logging in", reply);
}

static int open_at(struct link *link)
{
	int64_t answer_ms = link->config->connect_timeout > 2 * link->config->heartbeat ? link->config->connect_timeout
	                                                                                : 2 * link->config->heartbeat;
	const struct timeval rpc_timeout = timeval_of(answer_ms);

	link->conn = amqp_new_connection();
	if (!link->conn)
		return link_fail(link, "out of memory");
	/* Before the login, whose last step it bounds, too: a broker that pauses answers all but that one. */
	if (amqp_set_rpc_timeout(link->conn, &rpc_timeout) != AMQP_STATUS_OK)
		return link_fail(link, "bad heartbeat");
	int rc = link->config->tls ? open_tls(link) : open_tcp(link);
	if (rc == 0)
		rc = guard(link);
	if (rc == 0)
		rc = login(link);
	return rc;
}

int link_open(struct link *link)
{
	const struct option_strings *addresses = &link->config->addresses;
	const char *address = addresses->n ? addresses->items[link->next_address % addresses->n] : "127.0.0.1";

	link->next_address++;
	link->attempts++;
	link->code = 0;
	int rc = dial_split(address, link->config->tls ? "5671" : "5672", link->host, sizeof(link->host), link->port,
	                    sizeof(link->port));
	if (rc != 0)
		return link_fail(link, "address %s is not host:port", address);
	rc = open_at(link);
	if (rc == 0 && link_stopping(link))
		rc = link_fail(link, "stopping");
	if (rc != 0) {
		counter_add(&link->counters->failures, 1);
		link_close(link, false);
		return rc < 0 ? rc : -ECONNABORTED;
	}
	link->mail_only = false;
	counter_add(&link->counters->connects, 1);
	return 0;
}

void link_in_use(struct link *link)
{
	link->opened_at_ms = clock_mono_ms();
	link->next_address--; /* the one that worked is tried first next time */
	link->told[0] = '\0';
	counter_set(&link->counters->connected, 1);
	log_info("bus.connected", "link=%s address=%s:%s vhost=%s", link->role, link->host, link->port,
	         LOG_QUOTED(str_from(link->config->vhost)));
}

void link_close(struct link *link, bool polite)
{
	const struct timeval goodbye = {.tv_usec = GOODBYE_US};

	if (!link->conn)
		return;
	if (polite && amqp_set_rpc_timeout(link->conn, &goodbye) == AMQP_STATUS_OK)
		(void)amqp_connection_close(link->conn, AMQP_REPLY_SUCCESS);
	pthread_mutex_lock(&link->lock);
	if (link->guard_fd >= 0)
		close(link->guard_fd);
	link->guard_fd = -1;
	pthread_mutex_unlock(&link->lock);
	amqp_destroy_connection(link->conn);
	link->conn = NULL;
	counter_set(&link->counters->connected, 0);
}

/* --- between attempts --------------------------------------------------------------------------------------------- */

/* Half fixed, half chance, so that the nodes of a grid do not all come back in the same moment. */
static uint64_t with_jitter(int64_t ms)
{
	uint32_t r = 0;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_us();
	return (uint64_t)ms / 2 + r % ((uint64_t)ms / 2 + 1);
}

static uint64_t next_pause(struct link *link)
{
	const struct rabbitmq_config *config = link->config;

	if (link->opened_at_ms && clock_mono_ms() - link->opened_at_ms >= STABLE_MS)
		link->pause_ms = 0;
	bool was_open = link->opened_at_ms;
	link->opened_at_ms = 0;
	if (!was_open && config->addresses.n && link->attempts % config->addresses.n != 0)
		return 0; /* the other addresses of this round first */
	link->pause_ms = link->pause_ms ? link->pause_ms * 2 : config->reconnect_min;
	if (link->pause_ms > config->reconnect_max)
		link->pause_ms = config->reconnect_max;
	return with_jitter(link->pause_ms);
}

/* Credentials and rights do not mend themselves: somebody must act. */
static void tell_why(struct link *link)
{
	const char *hint = "";
	enum log_level level = LOG_LEVEL_WARN;

	if (strcmp(link->why, link->told) == 0)
		return;
	memcpy(link->told, link->why, sizeof(link->told));
	if (link->code == AMQP_ACCESS_REFUSED || link->code == AMQP_NOT_ALLOWED || link->code == AMQP_NOT_FOUND)
		level = LOG_LEVEL_ERROR;
	if (level == LOG_LEVEL_ERROR && !strstr(link->why, "scripts/provision")) {
		hint = link->code == AMQP_ACCESS_REFUSED
		           ? " hint=\"check bus.rabbitmq.user and its password and permissions (scripts/provision sets them)\""
		           : " hint=\"check bus.rabbitmq.vhost; scripts/provision creates it with all that is in it\"";
	}
	log_event(level, "bus.waiting", "link=%s address=%s:%s why=%s%s", link->role, link->host, link->port,
	          LOG_QUOTED(str_from(link->why)), hint);
}

void link_pause(struct link *link)
{
	if (link->opened_at_ms)
		link->attempts = 0;
	uint64_t until = clock_mono_ms() + next_pause(link);
	if (!link_stopping(link))
		tell_why(link);
	for (;;) {
		uint64_t now = clock_mono_ms();
		if (link_stopping(link) || now >= until)
			return;
		link_sleep(link, (int)(until - now));
	}
}

/* --- in use ------------------------------------------------------------------------------------------------------- */

bool link_holds_more(const struct link *link)
{
	return amqp_frames_enqueued(link->conn) || amqp_data_in_buffer(link->conn);
}

/* What OpenSSL has decrypted already shows nowhere. */
bool link_has_more(const struct link *link)
{
	return link->config->tls || link_holds_more(link);
}

/* Right after a wake-up by mail alone there is nothing to read: asking would be a recv() and a poll() in vain for each
 * (strace: two of the eight system calls of the publisher for a client's message). But heartbeats are seen to in
 * link_read(), so it is not put off for longer than READ_EVERY_MS. */
static bool knows_of_nothing(struct link *link)
{
	bool mail_only = link->mail_only;

	link->mail_only = false;
	return mail_only && !link_has_more(link) && clock_mono_ms() < link->read_at_ms + READ_EVERY_MS;
}

int link_read(struct link *link, amqp_frame_t *frame)
{
	const struct timeval at_once = {0};

	if (knows_of_nothing(link))
		return LINK_E_NOTHING;
	if (!link_holds_more(link))
		link->read_at_ms = clock_mono_ms();
	int status = amqp_simple_wait_frame_noblock(link->conn, frame, &at_once);

	if (status == AMQP_STATUS_TIMEOUT)
		return LINK_E_NOTHING;
	link->to_release = true;
	return link_status(link, "reading", status);
}

/* rabbitmq-c goes through all its channels to find out that there is nothing to give up: asked in each turn of a
 * link, 1,100 of 20,900 instructions of a notification that comes alone (scripts/cost). */
void link_release(struct link *link)
{
	if (link->to_release)
		amqp_maybe_release_buffers(link->conn);
	link->to_release = false;
}

void link_wait(struct link *link, uint64_t timeout_ms, bool for_writing)
{
	struct pollfd fds[2] = {
	    {.fd = amqp_get_sockfd(link->conn), .events = (short)(for_writing ? POLLIN | POLLOUT : POLLIN)},
	    {.fd = link->wake_fd, .events = POLLIN},
	};
	uint64_t half = (uint64_t)amqp_get_heartbeat(link->conn) * 500; /* as agreed with the broker, in seconds */
	uint64_t wakes;

	if (link_stopping(link))
		return;
	int n = poll(fds, 2, (int)(half && half < timeout_ms ? half : timeout_ms));
	link->mail_only = n > 0 && !fds[0].revents;
	if (n > 0 && fds[1].revents && read(link->wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
		log_warn("bus.wake", "link=%s errno=%d", link->role, errno);
}

void link_sleep(struct link *link, int timeout_ms)
{
	struct pollfd fd = {.fd = link->wake_fd, .events = POLLIN};
	uint64_t wakes;

	if (poll(&fd, 1, timeout_ms) > 0 && read(link->wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
		log_warn("bus.wake", "link=%s errno=%d", link->role, errno);
}

int link_socket(const struct link *link)
{
	return link->guard_fd;
}

bool link_writable(const struct link *link)
{
	struct pollfd fd = {.fd = amqp_get_sockfd(link->conn), .events = POLLOUT};
	return poll(&fd, 1, 0) == 1;
}

/* The kernel counts the memory around the bytes, too: at most as much again when small writes are corked. */
size_t link_room(const struct link *link)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);

	if (getsockopt(link_socket(link), SOL_SOCKET, SO_MEMINFO, memory, &size) != 0 ||
	    memory[SK_MEMINFO_SNDBUF] <= memory[SK_MEMINFO_WMEM_QUEUED])
		return 0;
	return (memory[SK_MEMINFO_SNDBUF] - memory[SK_MEMINFO_WMEM_QUEUED]) / 2;
}

void link_cork(struct link *link, bool corked)
{
	int on = corked;
	/* Only a matter of how many packets it takes. */
	(void)setsockopt(link->guard_fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}
