#include "backend.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rabbitmq/amqp_include.h"
#include "bus/rabbitmq/dial.h"
#include "harness.h"

struct backend {
	amqp_connection_state_t conn;
};

static void ok(amqp_rpc_reply_t reply, const char *doing)
{
	const char *why =
	    reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION ? amqp_error_string2(reply.library_error) : "";
	ck_assert_msg(reply.reply_type == AMQP_RESPONSE_NORMAL, "backend: %s: %s", doing, why);
}

static void open_channel(struct backend *b)
{
	amqp_channel_open(b->conn, 1);
	ok(amqp_get_rpc_reply(b->conn), "channel");
	amqp_confirm_select(b->conn, 1);
	ok(amqp_get_rpc_reply(b->conn), "confirms");
}

struct backend *backend_open(void)
{
	struct backend *b = calloc(1, sizeof(*b));
	char host[64], port[8];

	ck_assert_int_eq(dial_split(getenv("GRID_TEST_AMQP"), "5672", host, sizeof(host), port, sizeof(port)), 0);
	b->conn = amqp_new_connection();
	amqp_socket_t *socket = amqp_tcp_socket_new(b->conn);
	ck_assert_int_eq(amqp_socket_open(socket, host, atoi(port)), 0);
	ok(amqp_login(b->conn, target.vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, getenv("GRID_TEST_ADMIN"),
	              getenv("GRID_TEST_ADMIN_PASSWORD")),
	   "login");
	open_channel(b);
	return b;
}

void backend_close(struct backend *b)
{
	(void)amqp_connection_close(b->conn, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(b->conn);
	free(b);
}

static void set(amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t *field, const char *text)
{
	if (text) {
		p->_flags |= flag;
		*field = amqp_from_text(text);
	}
}

static size_t put_headers(const struct backend_message *m, amqp_table_entry_t *entries, amqp_field_value_t *cc)
{
	int n_cc = 0;
	size_t n = 0;

	while (m->cc[n_cc]) {
		cc[n_cc].kind = AMQP_FIELD_KIND_UTF8;
		cc[n_cc].value.bytes = amqp_from_text(m->cc[n_cc]);
		n_cc++;
	}
	if (n_cc) {
		entries[n].key = amqp_from_text("CC");
		entries[n].value.kind = AMQP_FIELD_KIND_ARRAY;
		entries[n++].value.value.array = (amqp_array_t){.num_entries = n_cc, .entries = cc};
	}
	const char *const texts[][2] = {{"from", m->from}, {"session", m->session}};
	for (size_t i = 0; i < 2; i++) {
		if (!texts[i][1])
			continue;
		entries[n].key = amqp_from_text(texts[i][0]);
		entries[n].value.kind = AMQP_FIELD_KIND_UTF8;
		entries[n++].value.value.bytes = amqp_from_text(texts[i][1]);
	}
	return n;
}

void backend_publish(struct backend *b, const char *exchange, const char *routing_key, const struct backend_message *m)
{
	amqp_field_value_t cc[20];
	amqp_table_entry_t entries[4];
	amqp_basic_properties_t p = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_HEADERS_FLAG};
	amqp_frame_t frame;

	p.delivery_mode = m->persistent ? 2 : 1;
	p.headers = (amqp_table_t){.num_entries = (int)put_headers(m, entries, cc), .entries = entries};
	set(&p, AMQP_BASIC_MESSAGE_ID_FLAG, &p.message_id, m->message_id);
	set(&p, AMQP_BASIC_TYPE_FLAG, &p.type, m->type);
	set(&p, AMQP_BASIC_APP_ID_FLAG, &p.app_id, m->app_id);
	set(&p, AMQP_BASIC_EXPIRATION_FLAG, &p.expiration, m->expiration);
	set(&p, AMQP_BASIC_CONTENT_TYPE_FLAG, &p.content_type, m->content_type);
	if (m->timestamp) {
		p._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		p.timestamp = m->timestamp;
	}
	struct str body = {m->body ? m->body : "", m->body_n ? m->body_n : strlen(m->body ? m->body : "")};
	ck_assert_int_eq(amqp_basic_publish(b->conn, 1, amqp_from_text(exchange), amqp_from_text(routing_key), 0, 0, &p,
	                                    amqp_from_str(body)),
	                 0);
	ck_assert_int_eq(amqp_simple_wait_frame(b->conn, &frame), 0);
	ck_assert_uint_eq(frame.payload.method.id, AMQP_BASIC_ACK_METHOD);
	amqp_maybe_release_buffers(b->conn);
}

static void copy(char *to, size_t size, amqp_bytes_t from, bool there)
{
	snprintf(to, size, "%.*s", there ? (int)from.len : 0, there && from.len ? (const char *)from.bytes : "");
}

/* `[a,b]`; "?" for what is no text. */
static size_t list_array(const amqp_array_t *a, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "[");

	for (int i = 0; i < a->num_entries && n < size; i++) {
		const amqp_field_value_t *v = &a->entries[i];
		struct str text = v->kind == AMQP_FIELD_KIND_UTF8 ? amqp_str(v->value.bytes) : STR("?");
		n += (size_t)snprintf(out + n, size - n, "%s%.*s", i ? "," : "", STR_ARG(text));
	}
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "] ");
	return n;
}

static void list_headers(const amqp_table_t *t, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < t->num_entries && n < size; i++) {
		const amqp_field_value_t *v = &t->entries[i].value;
		n += (size_t)snprintf(out + n, size - n, "%.*s=", STR_ARG(amqp_str(t->entries[i].key)));
		if (n < size && v->kind == AMQP_FIELD_KIND_UTF8)
			n += (size_t)snprintf(out + n, size - n, "%.*s ", STR_ARG(amqp_str(v->value.bytes)));
		else if (n < size && v->kind == AMQP_FIELD_KIND_I64)
			n += (size_t)snprintf(out + n, size - n, "%lld ", (long long)v->value.i64);
		else if (n < size && v->kind == AMQP_FIELD_KIND_ARRAY)
			n += list_array(&v->value.array, out + n, size - n);
		else if (n < size)
			n += (size_t)snprintf(out + n, size - n, "? ");
	}
}

bool backend_get(struct backend *b, const char *queue, struct backend_got *got)
{
	amqp_message_t message;

	*got = (struct backend_got){0};
	amqp_rpc_reply_t reply = amqp_basic_get(b->conn, 1, amqp_from_text(queue), 1);
	ok(reply, "get");
	if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
		return false;
	const amqp_basic_get_ok_t *method = reply.reply.decoded;
	copy(got->routing_key, sizeof(got->routing_key), method->routing_key, true);
	ok(amqp_read_message(b->conn, 1, &message, 0), "read");
	const amqp_basic_properties_t *p = &message.properties;
	copy(got->body, sizeof(got->body), message.body, true);
	copy(got->message_id, sizeof(got->message_id), p->message_id, p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG);
	copy(got->type, sizeof(got->type), p->type, p->_flags & AMQP_BASIC_TYPE_FLAG);
	copy(got->app_id, sizeof(got->app_id), p->app_id, p->_flags & AMQP_BASIC_APP_ID_FLAG);
	copy(got->user_id, sizeof(got->user_id), p->user_id, p->_flags & AMQP_BASIC_USER_ID_FLAG);
	if (p->_flags & AMQP_BASIC_HEADERS_FLAG)
		list_headers(&p->headers, got->headers, sizeof(got->headers));
	got->delivery_mode = p->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG ? p->delivery_mode : 0;
	amqp_destroy_message(&message);
	amqp_maybe_release_buffers(b->conn);
	return true;
}

void backend_purge(struct backend *b, const char *queue)
{
	amqp_queue_purge(b->conn, 1, amqp_from_text(queue));
	ok(amqp_get_rpc_reply(b->conn), "purge");
}

void backend_delete_queue(struct backend *b, const char *queue)
{
	amqp_queue_delete(b->conn, 1, amqp_from_text(queue), 0, 0);
	ok(amqp_get_rpc_reply(b->conn), "delete");
}

void backend_declare_queue(struct backend *b, const char *queue, bool like_a_node)
{
	amqp_table_entry_t expires = {.key = amqp_from_text("x-expires")};
	const amqp_table_t arguments = {.num_entries = like_a_node, .entries = &expires};

	expires.value.kind = AMQP_FIELD_KIND_I32;
	expires.value.value.i32 = 86400000;
	amqp_queue_declare(b->conn, 1, amqp_from_text(queue), 0, 1, 0, 0, arguments);
	ok(amqp_get_rpc_reply(b->conn), "declare");
}

int backend_ready(struct backend *b, const char *queue)
{
	const amqp_queue_declare_ok_t *declared =
	    amqp_queue_declare(b->conn, 1, amqp_from_text(queue), 1, 0, 0, 0, amqp_empty_table);
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(b->conn);

	if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
		amqp_channel_close_ok_t close_ok = {0};
		ck_assert_int_eq(amqp_send_method(b->conn, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok), 0);
		open_channel(b);
		return -1;
	}
	ok(reply, "declare passively");
	return (int)declared->message_count;
}

__attribute__((format(printf, 3, 0))) static void command(char *out, size_t size, const char *fmt, va_list ap)
{
	size_t n = (size_t)snprintf(out, size, "%s ", getenv("GRID_TEST_CTL"));
	n += (size_t)vsnprintf(out + n, size - n, fmt, ap);
	ck_assert_uint_lt(n, size);
}

void ctl(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	command(line, sizeof(line) - 16, fmt, ap);
	va_end(ap);
	strcat(line, " >/dev/null");
	ck_assert_int_eq(system(line), 0);
}

void ctl_line(const char *text, char *out, size_t size, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	command(line, sizeof(line), fmt, ap);
	va_end(ap);
	FILE *pipe = popen(line, "r");
	ck_assert_ptr_nonnull(pipe);
	out[0] = '\0';
	while (fgets(line, sizeof(line), pipe))
		if (strstr(line, text) && !out[0])
			snprintf(out, size, "%s", line);
	ck_assert_int_eq(pclose(pipe), 0);
}
