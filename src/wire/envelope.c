#include "wire/envelope.h"

#include <errno.h>

#include "wire/json.h"
#include "wire/names.h"

#define SIG_HEAD "\"sig\":\""
#define SIG_TAIL "\"}"
#define SIG_HEX (2 * HMAC_LEN)
#define SIG_LEN (sizeof(SIG_HEAD) - 1 + SIG_HEX + sizeof(SIG_TAIL) - 1)
#define MEMBERS_MAX 32

/* --- signing ------------------------------------------------------------------------------------------------------ */

static int sign(struct hmac *hmac, struct str channel, struct str signed_line, struct str body,
                unsigned char out[HMAC_LEN])
{
	const struct str pieces[] = {channel, STR("\n"), signed_line, STR("\n"), body};
	return hmac_sign(hmac, pieces, GRID_ARRAY_LEN(pieces), out);
}

static void put_hex(struct buf *out, const unsigned char bytes[HMAC_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HMAC_LEN; i++) {
		buf_putc(out, digits[bytes[i] >> 4]);
		buf_putc(out, digits[bytes[i] & 15]);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_bytes(const char *hex, unsigned char out[HMAC_LEN])
{
	for (size_t i = 0; i < HMAC_LEN; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* ENVELOPE_E_UNSIGNED: there is no signature, or not this one. */
static int check_signature(struct hmac *hmac, struct str channel, struct str line, struct str body)
{
	unsigned char ours[HMAC_LEN], theirs[HMAC_LEN];

	if (!hmac || line.n < SIG_LEN)
		return ENVELOPE_E_UNSIGNED;
	struct str sig = {line.p + line.n - SIG_LEN, SIG_LEN};
	struct str tail = {sig.p + SIG_LEN - (sizeof(SIG_TAIL) - 1), sizeof(SIG_TAIL) - 1};
	if (!str_starts(sig, STR(SIG_HEAD)) || !str_eq(tail, STR(SIG_TAIL)) ||
	    !hex_bytes(sig.p + sizeof(SIG_HEAD) - 1, theirs))
		return ENVELOPE_E_UNSIGNED;
	int rc = sign(hmac, channel, (struct str){line.p, line.n - SIG_LEN}, body, ours);
	if (rc != 0)
		return rc;
	return hmac_eq(ours, theirs) ? 0 : ENVELOPE_E_UNSIGNED;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_name(struct buf *out, const char *name)
{
	if (buf_str(out).p[out->n ? out->n - 1 : 0] != '{')
		buf_putc(out, ',');
	buf_printf(out, "\"%s\":", name);
}

static void put_text(struct buf *out, const char *name, struct str text)
{
	if (!text.p)
		return;
	put_name(out, name);
	json_put_string(out, text);
}

static void put_number(struct buf *out, const char *name, uint64_t number)
{
	if (!number)
		return;
	put_name(out, name);
	buf_put_u64(out, number);
}

void envelope_put_line(struct buf *out, struct str channel, const struct message *m, struct hmac *hmac)
{
	size_t start = out->n;
	unsigned char signature[HMAC_LEN];

	buf_putc(out, '{');
	put_text(out, "message_id", m->id);
	put_text(out, "type", m->type);
	put_text(out, "app_id", m->app);
	put_text(out, "from", m->from);
	put_text(out, "session", m->session);
	put_text(out, "origin", m->origin);
	put_text(out, "content_type", m->content_type);
	put_number(out, "ts", m->ts);
	put_number(out, "seq", m->seq);
	put_number(out, "expiration", m->expires_ms);
	if (m->no_echo) {
		put_name(out, "echo");
		buf_puts(out, "false");
	}
	if (!hmac) {
		buf_putc(out, '}');
		return;
	}
	if (out->n > start + 1)
		buf_putc(out, ',');
	if (out->failed || sign(hmac, channel, (struct str){out->p + start, out->n - start}, m->body, signature) != 0) {
		out->failed = true;
		return;
	}
	buf_puts(out, SIG_HEAD);
	put_hex(out, signature);
	buf_puts(out, SIG_TAIL);
}

void envelope_put(struct buf *out, struct str channel, const struct message *m, struct hmac *hmac)
{
	buf_puts(out, ENVELOPE_MAGIC);
	envelope_put_line(out, channel, m, hmac);
	buf_putc(out, '\n');
	buf_put_str(out, m->body);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void take_text(struct envelope *e, struct str value, struct str *out)
{
	char *to = e->scratch + e->scratch_n;
	size_t n;

	if (value.n < 2 || value.p[0] != '"' || json_unescape((struct str){value.p + 1, value.n - 2}, to, &n) != 0)
		return;
	e->scratch_n += n;
	*out = (struct str){to, n};
}

/* A plain number that fits; of any other the member is left aside. */
static void take_number(struct str value, uint64_t *out)
{
	uint64_t n = 0;

	if (value.n == 0 || value.n > 18)
		return;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	*out = n;
}

static void take_member(struct envelope *e, const struct json_member *member)
{
	struct message *m = &e->message;
	const struct {
		struct str name;
		struct str *text;
		uint64_t *number;
	} known[] = {
	    {STR("message_id"), &m->id, NULL},   {STR("type"), &m->type, NULL},
	    {STR("app_id"), &m->app, NULL},      {STR("from"), &m->from, NULL},
	    {STR("session"), &m->session, NULL}, {STR("origin"), &m->origin, NULL},
	    {STR("ts"), NULL, &m->ts},           {STR("content_type"), &m->content_type, NULL},
	    {STR("seq"), NULL, &m->seq},         {STR("expiration"), NULL, &m->expires_ms},
	};

	if (str_eq(member->name, STR("echo")))
		m->no_echo = str_eq(member->value, STR("false"));
	for (size_t i = 0; i < GRID_ARRAY_LEN(known); i++) {
		if (!str_eq(member->name, known[i].name))
			continue;
		if (known[i].text)
			take_text(e, member->value, known[i].text);
		else
			take_number(member->value, known[i].number);
	}
}

static int read_line(struct envelope *e)
{
	struct json_member members[MEMBERS_MAX];
	size_t n;

	if (json_members(e->line, members, MEMBERS_MAX, &n) != 0)
		return ENVELOPE_E_BAD;
	for (size_t i = 0; i < n; i++)
		take_member(e, &members[i]);
	if (!message_id_valid(e->message.id))
		e->message.id = STR_NONE;
	return 0;
}

int envelope_open(struct envelope *e, struct str channel, struct str payload, struct hmac *hmac)
{
	e->message = (struct message){.body = payload};
	e->line = STR_NONE;
	e->scratch_n = 0;
	if (!str_starts(payload, STR(ENVELOPE_MAGIC)))
		return 0;
	struct str rest = {payload.p + sizeof(ENVELOPE_MAGIC) - 1, payload.n - (sizeof(ENVELOPE_MAGIC) - 1)};
	const char *newline = memchr(rest.p, '\n', rest.n);
	if (!newline || newline - rest.p > ENVELOPE_LINE_MAX)
		return ENVELOPE_E_BAD;
	e->line = (struct str){rest.p, (size_t)(newline - rest.p)};
	e->message.body = (struct str){newline + 1, rest.n - e->line.n - 1};
	int rc = check_signature(hmac, channel, e->line, e->message.body);
	return rc != 0 ? rc : read_line(e);
}

int envelope_trust(struct envelope *e)
{
	return read_line(e);
}
