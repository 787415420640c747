/* Envelopes: what goes in comes out, and what was not signed for just this is not believed. */
#include "wire/envelope.h"

#include "check_main.h"

#define CHANNEL STR("grid.rooms:room.lobby")

static struct hmac *ours;
static struct envelope envelope;
static struct buf payload;

static const struct message full = {
    .id = STR("id-1"),
    .type = STR("ch\"at\n"),
    .app = STR("billing"),
    .from = STR("u\xc3\xbc"),
    .session = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    .origin = STR("n1.01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    .content_type = STR("application/json"),
    .ts = 1790000000123,
    .seq = 7,
    .expires_ms = 60000,
    .no_echo = true,
    .body = STR("{\"a\":[1,2]}\n\n"),
};

static void setup(void)
{
	ck_assert_int_eq(hmac_new(STR("a secret of sixteen"), &ours), 0);
}

static void teardown(void)
{
	hmac_free(ours);
	buf_deinit(&payload);
}

static void put(const struct message *m, struct hmac *hmac)
{
	buf_reset(&payload);
	envelope_put(&payload, CHANNEL, m, hmac);
	ck_assert(!payload.failed);
}

static int opens(struct str text, struct hmac *hmac)
{
	int rc = envelope_open(&envelope, CHANNEL, text, hmac);

	if (rc != ENVELOPE_E_UNSIGNED || hmac)
		return rc;
	ck_assert_ptr_null(envelope.message.id.p); /* nothing is read before somebody trusts it */
	ck_assert_ptr_null(envelope.message.from.p);
	return envelope_trust(&envelope) == 0 ? ENVELOPE_E_UNSIGNED : ENVELOPE_E_BAD;
}

static void same(struct str a, struct str b)
{
	ck_assert_int_eq(a.p != NULL, b.p != NULL);
	ck_assert(str_eq(a, b));
}

static void is_message(const struct message *m)
{
	const struct message *got = &envelope.message;
	same(got->id, m->id);
	same(got->type, m->type);
	same(got->app, m->app);
	same(got->from, m->from);
	same(got->session, m->session);
	same(got->origin, m->origin);
	same(got->content_type, m->content_type);
	same(got->body, m->body);
	ck_assert_uint_eq(got->ts, m->ts);
	ck_assert_uint_eq(got->seq, m->seq);
	ck_assert_uint_eq(got->expires_ms, m->expires_ms);
	ck_assert_int_eq(got->no_echo, m->no_echo);
}

START_TEST(what_goes_in_comes_out)
{
	const struct message empty = {.body = STR("")};

	setup();
	put(&full, ours);
	ck_assert_int_eq(opens(buf_str(&payload), ours), 0);
	is_message(&full);
	put(&empty, ours);
	ck_assert_int_eq(opens(buf_str(&payload), ours), 0);
	is_message(&empty);
	put(&full, NULL);
	ck_assert_int_eq(opens(buf_str(&payload), NULL), ENVELOPE_E_UNSIGNED);
	is_message(&full);
	teardown();
}
END_TEST

START_TEST(looks_as_documented)
{
	setup();
	put(&(const struct message){.from = STR("7"), .ts = 5, .no_echo = true, .body = STR("hi")}, NULL);
	ck_assert(str_eq(buf_str(&payload), STR("GN1 {\"from\":\"7\",\"ts\":5,\"echo\":false}\nhi")));
	/* printf 'grid.rooms:room.lobby\n{"from":"7",\nhi' | openssl dgst -sha256 -hmac 'a secret of sixteen' */
	put(&(const struct message){.from = STR("7"), .body = STR("hi")}, ours);
	ck_assert(str_eq(buf_str(&payload), STR("GN1 {\"from\":\"7\",\"sig\":\""
	                                        "746f58c1f6e7851f57d74be8bdc94bf57830be969812a432f10aee6e5856d5bd"
	                                        "\"}\nhi")));
	teardown();
}
END_TEST

START_TEST(every_byte_is_signed)
{
	setup();
	put(&full, ours);
	size_t line_end = (size_t)((char *)memchr(payload.p, '\n', payload.n) - payload.p);
	for (size_t i = 4; i < payload.n; i++) {
		payload.p[i] ^= 1;
		int rc = opens(buf_str(&payload), ours);
		ck_assert_msg(rc == ENVELOPE_E_UNSIGNED || (rc == ENVELOPE_E_BAD && i <= line_end), "byte %zu: %d", i, rc);
		payload.p[i] ^= 1;
	}
	ck_assert_int_eq(opens(buf_str(&payload), ours), 0);
	ck_assert_int_eq(opens((struct str){payload.p, payload.n - 1}, ours), ENVELOPE_E_UNSIGNED);
	teardown();
}
END_TEST

START_TEST(another_channel_or_secret_is_no_signature)
{
	struct hmac *theirs;

	setup();
	put(&full, ours);
	ck_assert_int_eq(envelope_open(&envelope, STR("grid.rooms:room.lobb"), buf_str(&payload), ours),
	                 ENVELOPE_E_UNSIGNED);
	ck_assert_int_eq(opens(buf_str(&payload), NULL), ENVELOPE_E_UNSIGNED);
	ck_assert_int_eq(hmac_new(STR("b secret of sixteen"), &theirs), 0);
	ck_assert_int_eq(opens(buf_str(&payload), theirs), ENVELOPE_E_UNSIGNED);
	put(&full, theirs);
	ck_assert_int_eq(opens(buf_str(&payload), ours), ENVELOPE_E_UNSIGNED);
	hmac_free(theirs);
	teardown();
}
END_TEST

START_TEST(a_signature_in_another_place_is_none)
{
	struct buf moved = BUF_INIT;

	setup();
	put(&(const struct message){.body = STR("x")}, ours);
	const char *sig = strstr(payload.p, "\"sig\":");
	buf_printf(&moved, "GN1 {\"from\":\"7\",\"x\":{%.*s}\nx", 73, sig);
	ck_assert_int_eq(opens(buf_str(&moved), ours), ENVELOPE_E_UNSIGNED);
	buf_reset(&moved);
	buf_printf(&moved, "GN1 {\"from\":\"7\",\"x\":{%.*s\nx", 73, sig);
	ck_assert_int_eq(opens(buf_str(&moved), ours), ENVELOPE_E_UNSIGNED); /* a brace is missing, and nobody looks */
	buf_reset(&moved);
	buf_printf(&moved, "GN1 {%.*s,\"from\":\"7\"}\nx", 72, sig);
	ck_assert_int_eq(opens(buf_str(&moved), ours), ENVELOPE_E_UNSIGNED);
	buf_deinit(&moved);
	teardown();
}
END_TEST

START_TEST(all_else_is_a_bare_body)
{
	static const struct str bare[] = {STR(""),       STR("{\"hi\":1}"), STR("GN1"),     STR("GN1{}\nx"),
	                                  STR("GN2 {}"), STR(" GN1 {}\nx"), STR("\xff\0\n")};
	for (size_t i = 0; i < GRID_ARRAY_LEN(bare); i++) {
		ck_assert_int_eq(opens(bare[i], NULL), 0);
		ck_assert_ptr_null(envelope.line.p);
		is_message(&(const struct message){.body = bare[i]});
	}
}
END_TEST

START_TEST(half_an_envelope_is_bad)
{
	static const struct str bad[] = {
	    STR("GN1 "),   STR("GN1 {}"),         STR("GN1 {\n"),    STR("GN1 []\nx"),
	    STR("GN1 \n"), STR("GN1 {'a':1}\nx"), STR("GN1 {}}\nx"), STR("GN1 {\"a\":\"\xff\"}\nx")};
	struct buf large = BUF_INIT;

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_int_eq(opens(bad[i], NULL), ENVELOPE_E_BAD);
	buf_puts(&large, "GN1 {");
	while (large.n < ENVELOPE_LINE_MAX + 4)
		buf_putc(&large, ' ');
	buf_puts(&large, "}\nx");
	ck_assert_int_eq(opens(buf_str(&large), NULL), ENVELOPE_E_BAD);
	buf_deinit(&large);
}
END_TEST

START_TEST(members_of_a_wrong_type_are_left_aside)
{
	ck_assert_int_eq(opens(STR("GN1 {\"from\":7,\"ts\":\"5\",\"seq\":-1,\"expiration\":1e3,\"echo\":0,\"type\":null,"
	                           "\"message_id\":\"\",\"app_id\":\"\\ud800\",\"later\":[1]}\nx"),
	                       NULL),
	                 ENVELOPE_E_UNSIGNED);
	is_message(&(const struct message){.body = STR("x")});
	ck_assert_int_eq(opens(STR("GN1 {\"ts\":99999999999999999999}\n"), NULL), ENVELOPE_E_UNSIGNED);
	is_message(&(const struct message){.body = STR("")});
	ck_assert_int_eq(opens(STR("GN1 {\"type\":\"a\",\"type\":\"b\\u00fc\"}\n"), NULL), ENVELOPE_E_UNSIGNED);
	is_message(&(const struct message){.type = STR("b\xc3\xbc"), .body = STR("")});
}
END_TEST

CHECK_MAIN("wire.envelope", what_goes_in_comes_out, looks_as_documented, every_byte_is_signed,
           another_channel_or_secret_is_no_signature, a_signature_in_another_place_is_none, all_else_is_a_bare_body,
           half_an_envelope_is_bad, members_of_a_wrong_type_are_left_aside)
