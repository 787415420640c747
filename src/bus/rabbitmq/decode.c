/* What came: AMQP properties to struct message. */
#include "bus/rabbitmq/properties.h"

#include "wire/utf8.h"

#define CC_MAX (BUS_TARGETS_MAX - 1)

static const amqp_field_value_t *header(const amqp_basic_properties_t *p, const char *name)
{
	struct str wanted = str_from(name);

	if (!(p->_flags & AMQP_BASIC_HEADERS_FLAG))
		return NULL;
	for (int i = 0; i < p->headers.num_entries; i++)
		if (str_eq(amqp_str(p->headers.entries[i].key), wanted))
			return &p->headers.entries[i].value;
	return NULL;
}

static struct str text_of(amqp_bytes_t bytes)
{
	struct str s = amqp_str(bytes);
	return utf8_valid(s.p, s.n) ? s : STR_NONE;
}

static struct str header_text(const amqp_basic_properties_t *p, const char *name)
{
	const amqp_field_value_t *v = header(p, name);
	if (!v || (v->kind != AMQP_FIELD_KIND_UTF8 && v->kind != AMQP_FIELD_KIND_BYTES))
		return STR_NONE;
	return text_of(v->value.bytes);
}

static bool field_int(const amqp_field_value_t *v, int64_t *out)
{
	switch ((amqp_field_value_kind_t)v->kind) {
	case AMQP_FIELD_KIND_I8:
		*out = v->value.i8;
		return true;
	case AMQP_FIELD_KIND_U8:
		*out = v->value.u8;
		return true;
	case AMQP_FIELD_KIND_I16:
		*out = v->value.i16;
		return true;
	case AMQP_FIELD_KIND_U16:
		*out = v->value.u16;
		return true;
	case AMQP_FIELD_KIND_I32:
		*out = v->value.i32;
		return true;
	case AMQP_FIELD_KIND_U32:
		*out = v->value.u32;
		return true;
	case AMQP_FIELD_KIND_I64:
		*out = v->value.i64;
		return true;
	case AMQP_FIELD_KIND_U64:
		*out = (int64_t)v->value.u64;
		return v->value.u64 <= INT64_MAX;
	default:
		return false;
	}
}

bool header_int(const amqp_basic_properties_t *p, const char *name, int64_t *out)
{
	const amqp_field_value_t *v = header(p, name);
	return v && field_int(v, out);
}

static bool header_is_false(const amqp_basic_properties_t *p, const char *name)
{
	const amqp_field_value_t *v = header(p, name);
	return v && v->kind == AMQP_FIELD_KIND_BOOLEAN && !v->value.boolean;
}

/* AMQP has it as text; anything but a plain number is no expiration. */
static uint64_t expiration(amqp_bytes_t bytes)
{
	struct str s = amqp_str(bytes);
	uint64_t ms = 0;

	if (s.n > 12)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		ms = ms * 10 + (uint64_t)(s.p[i] - '0');
	}
	return ms;
}

/* Header `ts` in milliseconds, else the property in seconds. */
static uint64_t timestamp(const amqp_basic_properties_t *p)
{
	int64_t ms;

	if (header_int(p, "ts", &ms) && ms > 0)
		return (uint64_t)ms;
	if ((p->_flags & AMQP_BASIC_TIMESTAMP_FLAG) && p->timestamp <= INT64_MAX / 1000)
		return p->timestamp * 1000;
	return 0;
}

static void decode_trusted(const amqp_basic_properties_t *p, struct message *m)
{
	int64_t seq;

	m->from = header_text(p, "from");
	m->session = header_text(p, "session");
	m->origin = header_text(p, "origin");
	m->no_echo = header_is_false(p, "echo");
	if (header_int(p, "seq", &seq) && seq > 0)
		m->seq = (uint64_t)seq;
}

static bool has_trusted_headers(const amqp_basic_properties_t *p)
{
	return header(p, "from") || header(p, "session") || header(p, "origin") || header(p, "seq") || header(p, "echo");
}

void decode_message(const amqp_basic_properties_t *p, struct str body, const char *account, struct decoded *out)
{
	struct message *m = &out->message;

	*m = (struct message){.body = body, .ts = timestamp(p)};
	out->ignored_headers = out->ignored_type = false;
	out->trusted = (p->_flags & AMQP_BASIC_USER_ID_FLAG) && str_eq(amqp_str(p->user_id), str_from(account));
	if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) && message_id_valid(amqp_str(p->message_id)))
		m->id = amqp_str(p->message_id);
	if (p->_flags & AMQP_BASIC_TYPE_FLAG)
		m->type = text_of(p->type);
	if (p->_flags & AMQP_BASIC_APP_ID_FLAG)
		m->app = text_of(p->app_id);
	if (p->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG)
		m->content_type = text_of(p->content_type);
	if (p->_flags & AMQP_BASIC_EXPIRATION_FLAG)
		m->expires_ms = expiration(p->expiration);
	m->persistent = (p->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG) && p->delivery_mode == AMQP_DELIVERY_PERSISTENT;

	if (out->trusted) {
		decode_trusted(p, m);
		return;
	}
	out->ignored_headers = has_trusted_headers(p);
	if (type_reserved(m->type)) {
		m->type = STR_NONE;
		out->ignored_type = true;
	}
}

static void add_key(enum exchange exchange, struct str routing_key, struct decoded *out)
{
	struct key *key = &out->keys[out->n_keys];

	if (out->n_keys == BUS_TARGETS_MAX || key_from_routing_key(routing_key, key) != 0 ||
	    topology_key_exchange(key) != exchange) {
		out->bad_keys++;
		return;
	}
	for (size_t i = 0; i < out->n_keys; i++)
		if (key_eq(&out->keys[i], key))
			return;
	out->n_keys++;
}

void decode_keys(enum exchange exchange, struct str routing_key, const amqp_basic_properties_t *p, struct decoded *out)
{
	const amqp_field_value_t *cc = header(p, "CC");

	out->n_keys = 0;
	out->bad_keys = 0;
	add_key(exchange, routing_key, out);
	if (!cc || cc->kind != AMQP_FIELD_KIND_ARRAY)
		return;
	for (int i = 0; i < cc->value.array.num_entries; i++) {
		const amqp_field_value_t *v = &cc->value.array.entries[i];
		if (i < CC_MAX && v->kind == AMQP_FIELD_KIND_UTF8)
			add_key(exchange, amqp_str(v->value.bytes), out);
		else
			out->bad_keys++;
	}
}
