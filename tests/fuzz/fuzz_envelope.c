/* Envelopes: any payload is read or refused; a message that was put comes out the same, and only under its own
 * signature. */
#include "fuzz.h"
#include "wire/envelope.h"
#include "wire/names.h"
#include "wire/utf8.h"

static struct hmac *hmac;
static struct envelope envelope;

static void check_inside(struct str text, struct str payload)
{
	GRID_ASSERT(!text.p || (text.p >= envelope.scratch && text.p + text.n <= envelope.scratch + ENVELOPE_LINE_MAX) ||
	            (text.p >= payload.p && text.p + text.n <= payload.p + payload.n));
}

static void check_any(struct str payload)
{
	int rc = envelope_open(&envelope, STR("c"), payload, hmac);
	const struct message *m = &envelope.message;
	const struct str texts[] = {m->id, m->type, m->app, m->from, m->session, m->origin, m->content_type, m->body};

	GRID_ASSERT(rc >= 0);
	if (rc == ENVELOPE_E_BAD)
		return;
	/* Nobody guesses a signature. */
	GRID_ASSERT(rc == (envelope.line.p ? ENVELOPE_E_UNSIGNED : 0));
	if (rc == ENVELOPE_E_UNSIGNED && envelope_trust(&envelope) != 0)
		return;
	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		check_inside(texts[i], payload);
}

static struct str text_piece(struct str *rest)
{
	struct str s = fuzz_piece(rest);
	return utf8_valid(s.p, s.n) ? s : STR_NONE;
}

static void check_round(struct str rest)
{
	struct buf payload = BUF_INIT;
	struct message m = {.ts = rest.n, .seq = rest.n / 3, .no_echo = rest.n % 2};
	const struct message *got = &envelope.message;

	m.id = text_piece(&rest);
	if (!message_id_valid(m.id))
		m.id = STR_NONE;
	m.type = text_piece(&rest);
	m.from = text_piece(&rest);
	m.body = rest;
	envelope_put(&payload, STR("c"), &m, hmac);
	GRID_ASSERT(!payload.failed);
	GRID_ASSERT(envelope_open(&envelope, STR("c"), buf_str(&payload), hmac) == 0);
	GRID_ASSERT(str_eq(got->id, m.id) && str_eq(got->type, m.type) && str_eq(got->from, m.from));
	GRID_ASSERT(str_eq(got->body, m.body) && got->ts == m.ts && got->seq == m.seq && got->no_echo == m.no_echo);
	GRID_ASSERT(envelope_open(&envelope, STR("d"), buf_str(&payload), hmac) == ENVELOPE_E_UNSIGNED);
	buf_deinit(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};

	if (!hmac)
		GRID_ASSERT(hmac_new(STR("the secret of the fuzzer"), &hmac) == 0);
	check_any(text);
	check_round(text);
	return 0;
}
