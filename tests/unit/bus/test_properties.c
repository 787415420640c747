/* AMQP properties ⇄ messages: what is believed of whom, which keys count, what a hand-over keeps. */
#include "bus/rabbitmq/properties.h"

#include <errno.h>

#include "check_main.h"

#define ACCOUNT "grid-node"

#define assert_str(s, text) ck_assert_msg(str_eq((s), str_from(text)), "%.*s", STR_ARG(s))

static amqp_table_entry_t text_header(const char *name, const char *text)
{
	amqp_table_entry_t e = {.key = amqp_from_text(name)};
	e.value.kind = AMQP_FIELD_KIND_UTF8;
	e.value.value.bytes = amqp_from_text(text);
	return e;
}

static amqp_table_entry_t int_header(const char *name, int64_t v)
{
	amqp_table_entry_t e = {.key = amqp_from_text(name)};
	e.value.kind = AMQP_FIELD_KIND_I64;
	e.value.value.i64 = v;
	return e;
}

static const struct message whole = {
    .id = STR_NONE,
    .ts = 1790000000123,
    .seq = 9,
    .expires_ms = 5000,
    .no_echo = true,
};

static struct message whole_message(void)
{
	struct message m = whole;
	m.id = STR("id 1");
	m.type = STR("chat");
	m.app = STR("app");
	m.from = STR("7");
	m.session = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV");
	m.origin = STR("n1.x");
	m.content_type = STR("text/plain");
	m.body = STR("hello");
	return m;
}

START_TEST(what_a_node_sends_a_node_reads)
{
	struct message m = whole_message();
	struct encoded e;
	struct decoded d;

	encode_message(&m, ACCOUNT, 77, true, &e);
	decode_message(&e.properties, m.body, ACCOUNT, &d);
	ck_assert(d.trusted && !d.ignored_headers && !d.ignored_type);
	assert_str(d.message.id, "id 1");
	assert_str(d.message.type, "chat");
	assert_str(d.message.app, "app");
	assert_str(d.message.from, "7");
	assert_str(d.message.session, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	assert_str(d.message.origin, "n1.x");
	assert_str(d.message.content_type, "text/plain");
	assert_str(d.message.body, "hello");
	ck_assert_uint_eq(d.message.ts, whole.ts);
	ck_assert_uint_eq(d.message.seq, 9);
	ck_assert_uint_eq(d.message.expires_ms, 5000);
	ck_assert(d.message.no_echo && d.message.persistent);
	ck_assert_uint_eq(e.properties.timestamp, 1790000000);
	int64_t number;
	ck_assert(header_int(&e.properties, HEADER_PUBLISH_NUMBER, &number));
	ck_assert_int_eq(number, 77);
}
END_TEST

START_TEST(what_is_absent_stays_absent)
{
	struct message m = {.body = STR("1")};
	struct encoded e;
	struct decoded d;

	encode_message(&m, ACCOUNT, 0, false, &e);
	ck_assert(!(e.properties._flags & AMQP_BASIC_HEADERS_FLAG));
	decode_message(&e.properties, m.body, ACCOUNT, &d);
	ck_assert_ptr_null(d.message.id.p);
	ck_assert_ptr_null(d.message.type.p);
	ck_assert_ptr_null(d.message.from.p);
	ck_assert(!d.message.ts && !d.message.expires_ms && !d.message.no_echo && !d.message.persistent);
	assert_str(d.message.content_type, "application/json");
}
END_TEST

START_TEST(nobody_else_is_believed)
{
	struct message m = whole_message();
	struct encoded e;
	struct decoded d;

	m.type = STR("grid.kick");
	encode_message(&m, "somebody", 0, false, &e);
	decode_message(&e.properties, m.body, ACCOUNT, &d);
	ck_assert(!d.trusted && d.ignored_headers && d.ignored_type);
	ck_assert_ptr_null(d.message.from.p);
	ck_assert_ptr_null(d.message.session.p);
	ck_assert_ptr_null(d.message.origin.p);
	ck_assert_ptr_null(d.message.type.p);
	ck_assert(!d.message.no_echo && !d.message.seq);
	assert_str(d.message.id, "id 1");
	assert_str(d.message.app, "app");
	/* the account's name without the flag that says it is there */
	encode_message(&m, ACCOUNT, 0, false, &e);
	e.properties._flags &= (amqp_flags_t)~AMQP_BASIC_USER_ID_FLAG;
	decode_message(&e.properties, m.body, ACCOUNT, &d);
	ck_assert(!d.trusted);
}
END_TEST

START_TEST(reserved_types)
{
	ck_assert(type_reserved(STR("grid.x")) && type_reserved(STR("receipt")) && type_reserved(STR("presence")));
	ck_assert(!type_reserved(STR("grid")) && !type_reserved(STR("receipts")) && !type_reserved(STR_NONE));
}
END_TEST

START_TEST(bad_values_are_absent)
{
	amqp_table_entry_t headers[] = {int_header("ts", -5), text_header("seq", "9"), text_header("from", "\xff")};
	amqp_basic_properties_t p = {._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_TIMESTAMP_FLAG |
	                                       AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
	                                       AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_USER_ID_FLAG};
	struct decoded d;

	p.headers = (amqp_table_t){.num_entries = 3, .entries = headers};
	p.timestamp = 1790000000;
	p.user_id = amqp_from_text(ACCOUNT);
	p.message_id = amqp_from_text("a\nb");
	p.type = amqp_from_text("\xc3");
	static const char *const bad[] = {"5s", "-1", "", " 5", "99999999999999999999"};
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++) {
		p.expiration = amqp_from_text(bad[i]);
		decode_message(&p, STR(""), ACCOUNT, &d);
		ck_assert_uint_eq(d.message.expires_ms, 0);
	}
	ck_assert_uint_eq(d.message.ts, 1790000000000); /* the property, as the header is no time */
	ck_assert_ptr_null(d.message.id.p);
	ck_assert_ptr_null(d.message.type.p);
	ck_assert_ptr_null(d.message.from.p);
	ck_assert_uint_eq(d.message.seq, 0);
	/* AMQP's own type for times counts seconds, not milliseconds */
	headers[0].value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_TIMESTAMP, .value.u64 = 946684800};
	decode_message(&p, STR(""), ACCOUNT, &d);
	ck_assert_uint_eq(d.message.ts, 1790000000000);
}
END_TEST

static void decode_with_cc(enum exchange exchange, const char *routing_key, const char *const *cc, struct decoded *d)
{
	amqp_field_value_t values[40];
	amqp_table_entry_t header = {.key = amqp_from_text("CC")};
	amqp_basic_properties_t p = {._flags = AMQP_BASIC_HEADERS_FLAG};
	int n = 0;

	for (; cc[n]; n++) {
		values[n].kind = AMQP_FIELD_KIND_UTF8;
		values[n].value.bytes = amqp_from_text(cc[n]);
	}
	header.value.kind = AMQP_FIELD_KIND_ARRAY;
	header.value.value.array = (amqp_array_t){.num_entries = n, .entries = values};
	p.headers = (amqp_table_t){.num_entries = 1, .entries = &header};
	*d = (struct decoded){.n_keys = 0};
	decode_keys(exchange, str_from(routing_key), &p, d);
}

START_TEST(keys_of_the_exchange_count_once)
{
	struct decoded d;

	decode_with_cc(EXCHANGE_USERS, "user.1.n", (const char *const[]){"user.2", "user.1", "room.x", "user.3.y", NULL},
	               &d);
	ck_assert_uint_eq(d.n_keys, 3);
	ck_assert_str_eq(d.keys[0].text, "user.1");
	ck_assert_str_eq(d.keys[1].text, "user.2");
	ck_assert_str_eq(d.keys[2].text, "user.3");
	ck_assert_uint_eq(d.bad_keys, 1);
	decode_with_cc(EXCHANGE_ROOMS, "user.1", (const char *const[]){"room.a.b", "room.*", "", NULL}, &d);
	ck_assert_uint_eq(d.n_keys, 1);
	ck_assert_str_eq(d.keys[0].text, "room.a.b");
	ck_assert_uint_eq(d.bad_keys, 3);
	decode_with_cc(EXCHANGE_ROOMS, "nonsense", (const char *const[]){NULL}, &d);
	ck_assert_uint_eq(d.n_keys, 0);
}
END_TEST

START_TEST(at_most_sixteen_further_keys)
{
	const char *const cc[] = {"user.a", "user.b", "user.c", "user.d", "user.e", "user.f", "user.g",
	                          "user.h", "user.i", "user.j", "user.k", "user.l", "user.m", "user.n",
	                          "user.o", "user.p", "user.q", "user.r", NULL};
	struct decoded d;

	decode_with_cc(EXCHANGE_USERS, "user.0", cc, &d);
	ck_assert_uint_eq(d.n_keys, 17);
	ck_assert_uint_eq(d.bad_keys, 2);
}
END_TEST

static bool has_header(const amqp_basic_properties_t *p, const char *name)
{
	for (int i = 0; i < p->headers.num_entries; i++)
		if (str_eq(amqp_str(p->headers.entries[i].key), str_from(name)))
			return true;
	return false;
}

#define FRAME_MAX 131072

/* The properties as they would come from the broker, taken through encode_stray(). */
static amqp_basic_properties_t *stray(const amqp_basic_properties_t *p, bool trusted, amqp_pool_t *pool)
{
	static char raw[FRAME_MAX];
	amqp_basic_properties_t *out = NULL;
	int n = amqp_encode_properties(AMQP_BASIC_CLASS, (void *)p, (amqp_bytes_t){sizeof(raw), raw});

	ck_assert_int_gt(n, 0);
	init_amqp_pool(pool, 4096);
	ck_assert_int_eq(encode_stray((struct str){raw, (size_t)n}, FRAME_MAX, trusted, ACCOUNT, "n1", 5, pool, &out), 0);
	return out;
}

START_TEST(a_stray_keeps_what_may_be_believed)
{
	struct message m = whole_message();
	struct encoded e;
	amqp_pool_t pool;

	m.type = STR("presence");
	encode_message(&m, ACCOUNT, 77, false, &e);
	e.headers[e.properties.headers.num_entries++] = text_header("CC", "user.8");
	amqp_basic_properties_t *p = stray(&e.properties, true, &pool);
	ck_assert_int_eq(p->delivery_mode, 2);
	assert_str(amqp_str(p->user_id), ACCOUNT);
	assert_str(amqp_str(p->message_id), "id 1");
	assert_str(amqp_str(p->type), "presence");
	assert_str(amqp_str(p->expiration), "5000");
	ck_assert(has_header(p, "from") && has_header(p, "session") && has_header(p, "ts") && has_header(p, HEADER_STRAY));
	ck_assert(!has_header(p, "CC"));
	int64_t number;
	ck_assert(header_int(p, HEADER_PUBLISH_NUMBER, &number));
	ck_assert_int_eq(number, 5);
	empty_amqp_pool(&pool);
}
END_TEST

START_TEST(a_strays_lies_do_not_become_ours)
{
	struct message m = whole_message();
	struct encoded e;
	amqp_pool_t pool;

	m.type = STR("receipt");
	encode_message(&m, "backend", 0, false, &e);
	amqp_basic_properties_t *p = stray(&e.properties, false, &pool);
	assert_str(amqp_str(p->user_id), ACCOUNT);
	ck_assert(!(p->_flags & AMQP_BASIC_TYPE_FLAG));
	ck_assert(!has_header(p, "from") && !has_header(p, "session") && !has_header(p, "origin"));
	ck_assert(!has_header(p, "seq") && !has_header(p, "echo") && has_header(p, "ts"));
	empty_amqp_pool(&pool);

	amqp_basic_properties_t none = {._flags = 0};
	p = stray(&none, false, &pool);
	ck_assert_int_eq(p->headers.num_entries, 2);
	empty_amqp_pool(&pool);
}
END_TEST

START_TEST(a_strays_headers_may_leave_no_room_for_ours)
{
	static char longest[FRAME_MAX - 300], frame[FRAME_MAX - 20];
	struct message m = whole_message();
	struct encoded e;
	amqp_pool_t pool;

	memset(longest, 'x', sizeof(longest) - 1);
	encode_message(&m, "backend", 0, false, &e);
	e.headers[e.properties.headers.num_entries++] = text_header("big", longest);
	amqp_basic_properties_t *p = stray(&e.properties, true, &pool);
	ck_assert_int_gt(amqp_encode_properties(AMQP_BASIC_CLASS, p, (amqp_bytes_t){sizeof(frame), frame}), 0);
	ck_assert(!has_header(p, "big") && has_header(p, HEADER_STRAY) && has_header(p, HEADER_PUBLISH_NUMBER));
	assert_str(amqp_str(p->message_id), "id 1");
	empty_amqp_pool(&pool);
}
END_TEST

START_TEST(garbage_is_no_stray)
{
	amqp_basic_properties_t *out;
	amqp_pool_t pool;

	init_amqp_pool(&pool, 4096);
	ck_assert_int_eq(encode_stray(STR("\xff\xfe zzzz"), FRAME_MAX, false, ACCOUNT, "n1", 5, &pool, &out), -EBADMSG);
	empty_amqp_pool(&pool);
}
END_TEST

CHECK_MAIN("bus.properties", what_a_node_sends_a_node_reads, what_is_absent_stays_absent, nobody_else_is_believed,
           reserved_types, bad_values_are_absent, keys_of_the_exchange_count_once, at_most_sixteen_further_keys,
           a_stray_keeps_what_may_be_believed, a_strays_lies_do_not_become_ours,
           a_strays_headers_may_leave_no_room_for_ours, garbage_is_no_stray)
