/* net/ on its own: a real listener over a core that is not there. What a client sends are commands to the fake session,
 * so that a test can drive every function of the transport:
 *
 *   echo TEXT        send TEXT back
 *   flood N SIZE     queue N frames of SIZE bytes, numbered
 *   close CODE       transport.close(); what is queued goes first
 *   drop             transport.close() with code 0
 *   pause / resume ID   stop or go on reading from session ID ("pause" alone: this one)
 *   stop             server_stop_accepting()
 *   end              leave the loop, with everything still open
 *   unready          hub_ready() says no from now on
 *   crowd / alone    hub_crowded() says yes, or no, from now on
 *
 * The first frame a session gets is its handshake: `hello ID user=... token=... bearer=... address=...`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/msgbuf.h"
#include "core/hub.h"
#include "core/session.h"
#include "net/server.h"

struct frame {
	struct frame *next;
	struct msgbuf *buf;
};

struct session {
	struct session *next;
	struct hub *hub;
	void *conn;
	struct frame *first, **last;
	unsigned id;
	bool touched, closing;
};

struct hub {
	struct session *sessions;
	struct server *server;
	struct loop *loop;
	unsigned last_id;
	unsigned opened, closed;
	bool unready, crowded;
	uint64_t received;
	uint64_t flush_asked_us;
	uint64_t flush_worst_us;
};

/* ---- frames ---- */

static struct msgbuf *text_frame(const char *text, size_t n)
{
	size_t head = n < 126 ? 2 : n < 65536 ? 4 : 10;
	struct msgbuf *m = msgbuf_new(head + n);
	m->data[0] = 0x81;
	m->data[1] = (unsigned char)(n < 126 ? n : n < 65536 ? 126 : 127);
	for (size_t i = 2; i < head; i++)
		m->data[i] = (unsigned char)(n >> (8 * (head - 1 - i)));
	if (n)
		memcpy(m->data + head, text, n);
	return m;
}

static void touch(struct session *s)
{
	if (!s->touched && s->hub->flush_asked_us == 0)
		s->hub->flush_asked_us = clock_mono_us();
	s->touched = true;
	server_transport.flush_soon(s->hub->server);
}

void session_send(struct session *s, struct msgbuf *frame)
{
	struct frame *f = malloc(sizeof(*f));
	f->next = NULL;
	f->buf = msgbuf_ref(frame);
	*s->last = f;
	s->last = &f->next;
	touch(s);
}

static void send_text(struct session *s, const char *text, size_t n)
{
	struct msgbuf *m = text_frame(text, n);
	session_send(s, m);
	msgbuf_unref(m);
}

struct msgbuf *session_take(struct session *s)
{
	struct frame *f = s->first;
	if (!f)
		return NULL;
	struct msgbuf *buf = f->buf;
	s->first = f->next;
	if (!s->first)
		s->last = &s->first;
	free(f);
	return buf;
}

size_t session_gather(struct session *s, unsigned char *dst, size_t max)
{
	size_t n = 0;
	while (s->first && s->first->buf->len <= max - n) {
		struct msgbuf *buf = session_take(s);
		memcpy(dst + n, buf->data, buf->len);
		n += buf->len;
		msgbuf_unref(buf);
	}
	return n;
}

bool session_has_output(const struct session *s)
{
	return s->first;
}

bool session_has_one_frame(const struct session *s)
{
	return s->first && !s->first->next;
}

const char *session_describe(const struct session *s)
{
	static char text[32];
	snprintf(text, sizeof(text), "session=%u", s->id);
	return text;
}

/* ---- sessions ---- */

struct session *session_open(struct hub *hub, void *conn, const struct handshake *h, struct now now)
{
	struct session *s = calloc(1, sizeof(*s));
	struct buf hello = BUF_INIT;
	(void)now;

	if (h->query_user.p && str_eq(h->query_user, STR("nomem"))) {
		free(s);
		return NULL;
	}
	s->hub = hub;
	s->conn = conn;
	s->last = &s->first;
	s->id = ++hub->last_id;
	s->next = hub->sessions;
	hub->sessions = s;
	hub->opened++;
	buf_printf(&hello, "hello %u user=", s->id);
	for (size_t i = 0; i < h->query_user.n; i++) /* hex, so that any byte can be looked at */
		buf_printf(&hello, "%02x", (unsigned char)h->query_user.p[i]);
	buf_printf(&hello, "%s token=%.*s bearer=%.*s address=%.*s", h->query_user.p ? "" : "-", STR_ARG(h->query_token),
	           STR_ARG(h->bearer), STR_ARG(h->address));
	if (!(h->query_user.p && str_eq(h->query_user, STR("quiet"))))
		send_text(s, hello.p, hello.n);
	buf_deinit(&hello);
	if (h->query_user.p && str_eq(h->query_user, STR("refused"))) {
		s->closing = true;
		server_transport.close(conn, CLOSE_UNAUTHORIZED, "no");
	}
	if (h->query_user.p && str_eq(h->query_user, STR("paused")))
		server_transport.pause(conn, true);
	return s;
}

void session_closed(struct session *s, struct now now)
{
	struct session **at = &s->hub->sessions;
	(void)now;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->hub->closed++;
	while (s->first)
		msgbuf_unref(session_take(s));
	free(s);
}

static struct session *find(struct hub *hub, unsigned id)
{
	struct session *s = hub->sessions;
	while (s && s->id != id)
		s = s->next;
	return s;
}

static void flood(struct session *s, unsigned n, unsigned size)
{
	char *text = malloc(size + 16);
	for (unsigned i = 0; i < n; i++) {
		memset(text, 'x', size);
		int len = snprintf(text, size + 16, "%u ", i);
		if (len < (int)size)
			text[len] = 'x';
		send_text(s, text, size);
	}
	free(text);
}

void session_receive(struct session *s, struct str frame, struct now now)
{
	char word[64] = "";
	unsigned a = 0, b = 0;
	(void)now;

	if (s->closing)
		abort(); /* nothing may come after close() */
	s->hub->received++;
	if (str_starts(frame, STR("echo "))) {
		send_text(s, frame.p + 5, frame.n - 5);
		return;
	}
	memcpy(word, frame.p, frame.n < sizeof(word) ? frame.n : sizeof(word) - 1);
	if (sscanf(word, "flood %u %u", &a, &b) == 2) {
		flood(s, a, b);
	} else if (sscanf(word, "close %u", &a) == 1) {
		s->closing = true;
		server_transport.close(s->conn, (uint16_t)a, "as told");
	} else if (strcmp(word, "drop") == 0) {
		s->closing = true;
		server_transport.close(s->conn, 0, NULL);
	} else if (strcmp(word, "pause") == 0) {
		server_transport.pause(s->conn, true);
	} else if (sscanf(word, "pause %u", &a) == 1 && find(s->hub, a)) {
		server_transport.pause(find(s->hub, a)->conn, true);
	} else if (sscanf(word, "resume %u", &a) == 1 && find(s->hub, a)) {
		server_transport.pause(find(s->hub, a)->conn, false);
	} else if (sscanf(word, "kill %u", &a) == 1 && find(s->hub, a)) {
		find(s->hub, a)->closing = true;
		server_transport.close(find(s->hub, a)->conn, CLOSE_TOO_SLOW, "too slow");
	} else if (strcmp(word, "stop") == 0) {
		server_stop_accepting(s->hub->server);
		send_text(s, "stopped", 7);
	} else if (strcmp(word, "end") == 0) {
		loop_stop(s->hub->loop);
	} else if (strcmp(word, "unready") == 0) {
		s->hub->unready = true;
	} else if (strcmp(word, "crowd") == 0 || strcmp(word, "alone") == 0) {
		s->hub->crowded = word[0] == 'c';
		send_text(s, word, strlen(word));
	} else if (strcmp(word, "stats") == 0) {
		int n = snprintf(word, sizeof(word), "%u %u %llu %llu", s->hub->opened, s->hub->closed,
		                 (unsigned long long)s->hub->received, (unsigned long long)s->hub->flush_worst_us);
		s->hub->flush_worst_us = 0;
		send_text(s, word, (size_t)n);
	} else {
		send_text(s, frame.p, frame.n);
	}
}

/* ---- hub ---- */

void hub_flush(struct hub *hub)
{
	uint64_t waited = hub->flush_asked_us ? clock_mono_us() - hub->flush_asked_us : 0;
	if (waited > hub->flush_worst_us)
		hub->flush_worst_us = waited;
	hub->flush_asked_us = 0;
	for (struct session *s = hub->sessions; s; s = s->next) {
		if (s->touched) {
			s->touched = false;
			server_transport.flush(s->conn);
		}
	}
}

const char *hub_route(const struct hub *hub)
{
	(void)hub;
	return NULL;
}

bool hub_ready(const struct hub *hub, const char **whyp)
{
	*whyp = "told so";
	return !hub->unready;
}

bool hub_crowded(const struct hub *hub)
{
	return hub->crowded;
}

/* ---- main ---- */

static void stop(void *loop)
{
	loop_stop(loop);
}

static struct option_strings words(char **items, size_t n)
{
	return (struct option_strings){items, n};
}

/* The admin address comes from ECHO_NODE_ADMIN.
 * echo_node PORT ADMIN_PORT INTERVAL_MS IDLE_MS ADDRESS... */
int main(int argc, char **argv)
{
	struct metric_registry registry = {0};
	struct core_config core = {.limits = {.frame = 65536}};
	char loopback4[] = "127.0.0.0/8", loopback6[] = "::1", admin[] = "127.0.0.1";
	char *trusted[] = {loopback4, loopback6};
	char *admin_from_env = getenv("ECHO_NODE_ADMIN");
	struct net_config net = {.admin = {.address = admin_from_env ? admin_from_env : admin}};
	struct hub hub = {0};
	struct loop_signal *term = NULL;
	struct buf err = BUF_INIT;

	if (argc < 6)
		return 2;
	net.listen.port = atoi(argv[1]);
	net.admin.port = atoi(argv[2]);
	core.heartbeat.interval = atoi(argv[3]);
	core.heartbeat.idle_timeout = atoi(argv[4]);
	net.listen.addresses = words(argv + 5, (size_t)argc - 5);
	net.listen.trusted_proxies = words(trusted, 2);
	if (getenv("ECHO_NODE_DEBUG"))
		log_set_level(LOG_LEVEL_DEBUG);
	if (loop_new(&hub.loop) != 0 || loop_signal_new(hub.loop, SIGTERM, stop, hub.loop, &term) != 0)
		return 1;
	struct server_env env = {.loop = hub.loop, .config = &net, .core = &core, .metrics = &registry};
	if (server_new(&env, &hub.server) != 0)
		return 1;
	int r = server_listen(hub.server, &hub, &err);
	if (r == 0) {
		puts("listening");
		fflush(stdout);
		loop_run(hub.loop);
	} else {
		fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&err)));
	}
	server_free(hub.server);
	fprintf(stderr, "opened=%u closed=%u\n", hub.opened, hub.closed);
	buf_deinit(&err);
	loop_signal_free(term);
	loop_free(hub.loop);
	return r != 0 || hub.opened != hub.closed;
}
