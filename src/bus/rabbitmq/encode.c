/* What goes out: struct message to AMQP properties. */
#include "bus/rabbitmq/properties.h"

#include <errno.h>
#include <stdio.h>

/* The frame around the properties, our account's name, two headers of ours. Without its headers any message is far
 * below the smallest frame_max there is (4096, AMQP 0-9-1): all else are short strings. */
#define STRAY_ADDS_MAX 512

static amqp_table_entry_t *add(struct encoded *e, const char *name, uint8_t kind)
{
	amqp_table_t *headers = &e->properties.headers;

	GRID_ASSERT(headers->num_entries < ENCODED_HEADERS_MAX);
	amqp_table_entry_t *entry = &e->headers[headers->num_entries++];
	*entry = (amqp_table_entry_t){.key = amqp_from_text(name)};
	entry->value.kind = kind;
	return entry;
}

static void add_text(struct encoded *e, const char *name, struct str text)
{
	if (text.p)
		add(e, name, AMQP_FIELD_KIND_UTF8)->value.value.bytes = amqp_from_str(text);
}

static void add_int(struct encoded *e, const char *name, uint64_t v)
{
	if (v)
		add(e, name, AMQP_FIELD_KIND_I64)->value.value.i64 = (int64_t)v;
}

static void set(amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t *field, struct str text)
{
	if (!text.p)
		return;
	p->_flags |= flag;
	*field = amqp_from_str(text);
}

static void encode_headers(const struct message *m, uint64_t number, struct encoded *e)
{
	add_int(e, "ts", m->ts);
	add_text(e, "from", m->from);
	add_text(e, "session", m->session);
	add_text(e, "origin", m->origin);
	add_int(e, "seq", m->seq);
	if (m->no_echo)
		add(e, "echo", AMQP_FIELD_KIND_BOOLEAN)->value.value.boolean = 0;
	add_int(e, HEADER_PUBLISH_NUMBER, number);
}

void encode_message(const struct message *m, const char *account, uint64_t number, bool persistent, struct encoded *e)
{
	amqp_basic_properties_t *p = &e->properties;

	*p = (amqp_basic_properties_t){._flags = AMQP_BASIC_DELIVERY_MODE_FLAG};
	p->delivery_mode = persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT;
	p->headers.entries = e->headers;
	set(p, AMQP_BASIC_CONTENT_TYPE_FLAG, &p->content_type,
	    m->content_type.p ? m->content_type : STR("application/json"));
	set(p, AMQP_BASIC_MESSAGE_ID_FLAG, &p->message_id, m->id);
	set(p, AMQP_BASIC_TYPE_FLAG, &p->type, m->type);
	set(p, AMQP_BASIC_APP_ID_FLAG, &p->app_id, m->app);
	set(p, AMQP_BASIC_USER_ID_FLAG, &p->user_id, str_from(account));
	if (m->ts) {
		p->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		p->timestamp = m->ts / 1000;
	}
	if (m->expires_ms) {
		snprintf(e->expiration, sizeof(e->expiration), "%llu", (unsigned long long)m->expires_ms);
		set(p, AMQP_BASIC_EXPIRATION_FLAG, &p->expiration, str_from(e->expiration));
	}
	encode_headers(m, number, e);
	if (p->headers.num_entries)
		p->_flags |= AMQP_BASIC_HEADERS_FLAG;
}

/* CC and BCC would route the copy once more; a number of an earlier publish would be taken for ours. */
static bool keeps_header(struct str name, bool trusted)
{
	static const char *const never[] = {"CC", "BCC", HEADER_PUBLISH_NUMBER, HEADER_STRAY};
	static const char *const only_of_nodes[] = {"from", "session", "origin", "seq", "echo"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(never); i++)
		if (str_eq(name, str_from(never[i])))
			return false;
	for (size_t i = 0; i < GRID_ARRAY_LEN(only_of_nodes); i++)
		if (str_eq(name, str_from(only_of_nodes[i])))
			return trusted;
	return true;
}

static int stray_headers(amqp_basic_properties_t *p, bool trusted, const char *node_id, uint64_t number,
                         amqp_pool_t *pool)
{
	amqp_table_t was = p->_flags & AMQP_BASIC_HEADERS_FLAG ? p->headers : (amqp_table_t){0};
	amqp_table_entry_t *entries = amqp_pool_alloc(pool, (size_t)(was.num_entries + 2) * sizeof(*entries));
	int n = 0;

	if (!entries)
		return -ENOMEM;
	for (int i = 0; i < was.num_entries; i++)
		if (keeps_header(amqp_str(was.entries[i].key), trusted))
			entries[n++] = was.entries[i];
	entries[n] = (amqp_table_entry_t){.key = amqp_from_text(HEADER_STRAY)};
	entries[n].value.kind = AMQP_FIELD_KIND_UTF8;
	entries[n++].value.value.bytes = amqp_from_text(node_id);
	entries[n] = (amqp_table_entry_t){.key = amqp_from_text(HEADER_PUBLISH_NUMBER)};
	entries[n].value.kind = AMQP_FIELD_KIND_I64;
	entries[n++].value.value.i64 = (int64_t)number;
	p->headers = (amqp_table_t){.num_entries = n, .entries = entries};
	p->_flags |= AMQP_BASIC_HEADERS_FLAG;
	return 0;
}

int encode_stray(struct str raw, size_t frame_max, bool trusted, const char *account, const char *node_id,
                 uint64_t number, amqp_pool_t *pool, amqp_basic_properties_t **out)
{
	void *decoded;
	int status = amqp_decode_properties(AMQP_BASIC_CLASS, pool, amqp_from_str(raw), &decoded);

	if (status < 0)
		return status == AMQP_STATUS_NO_MEMORY ? -ENOMEM : -EBADMSG;
	amqp_basic_properties_t *p = decoded;
	p->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_USER_ID_FLAG;
	p->delivery_mode = AMQP_DELIVERY_PERSISTENT;
	p->user_id = amqp_from_text(account);
	if (!trusted && (p->_flags & AMQP_BASIC_TYPE_FLAG) && type_reserved(amqp_str(p->type)))
		p->_flags &= (amqp_flags_t)~AMQP_BASIC_TYPE_FLAG;
	if (raw.n + STRAY_ADDS_MAX > frame_max)
		p->_flags &= (amqp_flags_t)~AMQP_BASIC_HEADERS_FLAG;
	*out = p;
	return stray_headers(p, trusted, node_id, number, pool);
}
