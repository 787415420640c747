#include "wire/frame.h"

#include "wire/json.h"
#include "wire/utf8.h"

/* RFC 6455 section 5.2 */
#define FIN_TEXT 0x81
#define LENGTH_16 126 /* the length follows in 2 bytes */
#define LENGTH_64 127 /* in 8 */
#define HEADER_MAX 10

#define FIELD_MAX 255 /* what an AMQP short string can hold */
#define PIECES_MAX 16

enum form { FORM_RAW, FORM_STRING, FORM_BASE64 };

/* A frame is laid out as pieces first and written afterwards: then its exact size is known before anything is
 * allocated, and a body is copied once, to where it stays. */
struct piece {
	enum form form;
	struct str bytes;
};

struct layout {
	struct piece pieces[PIECES_MAX];
	size_t n;
	size_t size;
	char name[NAME_ENCODED_MAX]; /* the room's */
	char ts[20];
};

static size_t put_header(unsigned char *p, size_t len)
{
	size_t length_bytes = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

	p[0] = FIN_TEXT;
	p[1] = (unsigned char)(length_bytes == 0 ? len : length_bytes == 2 ? LENGTH_16 : LENGTH_64);
	for (size_t i = length_bytes; i > 0; i--, len >>= 8)
		p[1 + i] = (unsigned char)len;
	return 2 + length_bytes;
}

/* A text frame of so many bytes with its header written; `payloadp` is where they go. */
static struct msgbuf *text_frame(size_t len, char **payloadp)
{
	unsigned char header[HEADER_MAX];
	size_t header_len = put_header(header, len);
	struct msgbuf *frame = len <= SIZE_MAX - HEADER_MAX ? msgbuf_new(header_len + len) : NULL;
	if (!frame)
		return NULL;
	memcpy(frame->data, header, header_len);
	*payloadp = (char *)frame->data + header_len;
	return frame;
}

struct msgbuf *frame_text(struct str json)
{
	char *payload;
	struct msgbuf *frame = text_frame(json.n, &payload);
	if (frame && json.n > 0)
		memcpy(payload, json.p, json.n);
	return frame;
}

static void lay(struct layout *l, enum form form, struct str bytes)
{
	GRID_ASSERT(l->n < PIECES_MAX);
	l->pieces[l->n++] = (struct piece){form, bytes};
	l->size += form == FORM_RAW ? bytes.n : form == FORM_STRING ? json_string_size(bytes) : json_base64_size(bytes.n);
}

static void lay_member(struct layout *l, struct str name, enum form form, struct str value)
{
	lay(l, FORM_RAW, name);
	lay(l, form, value);
}

static bool has_control_characters(struct str text)
{
	const unsigned char *p = (const unsigned char *)text.p;

	for (size_t i = 0; i < text.n; i++) {
		bool c1 = p[i] == 0xc2 && i + 1 < text.n && p[i + 1] < 0xa0;
		if (p[i] < 0x20 || p[i] == 0x7f || c1)
			return true;
	}
	return false;
}

static bool presentable(struct str field)
{
	return field.n > 0 && field.n <= FIELD_MAX && utf8_valid(field.p, field.n) && !has_control_characters(field);
}

static void lay_ts(struct layout *l, uint64_t ts)
{
	struct buf digits = {l->ts, 0, sizeof(l->ts), false};
	buf_put_u64(&digits, ts);
	lay_member(l, STR(",\"ts\":"), FORM_RAW, buf_str(&digits));
}

static void lay_sender(struct layout *l, const struct message *m)
{
	if (presentable(m->from))
		lay_member(l, STR(",\"from\":"), FORM_STRING, m->from);
	else if (presentable(m->app))
		lay_member(l, STR(",\"app\":"), FORM_STRING, m->app);
}

static void lay_body(struct layout *l, const struct message *m)
{
	if (m->body.n == 0)
		lay(l, FORM_RAW, STR(",\"data\":null"));
	else if (json_valid(m->body))
		lay_member(l, STR(",\"data\":"), FORM_RAW, m->body);
	else if (utf8_valid(m->body.p, m->body.n))
		lay_member(l, STR(",\"text\":"), FORM_STRING, m->body);
	else
		lay_member(l, STR(",\"base64\":"), FORM_BASE64, m->body);
}

static void lay_message(struct layout *l, const struct message *m)
{
	if (message_id_valid(m->id))
		lay_member(l, STR(",\"id\":"), FORM_STRING, m->id);
	lay_ts(l, m->ts);
	lay_sender(l, m);
	lay_member(l, STR(",\"type\":"), FORM_STRING, presentable(m->type) ? m->type : STR("message"));
	lay_body(l, m);
	lay(l, FORM_RAW, STR("}"));
}

static struct msgbuf *layout_write(const struct layout *l)
{
	char *payload;
	struct msgbuf *frame = text_frame(l->size, &payload);
	if (!frame)
		return NULL;
	struct buf out = {payload, 0, l->size, false}; /* exactly enough, so it never moves */
	for (size_t i = 0; i < l->n; i++) {
		const struct piece *piece = &l->pieces[i];
		if (piece->form == FORM_RAW)
			buf_put_str(&out, piece->bytes);
		else if (piece->form == FORM_STRING)
			json_put_string(&out, piece->bytes);
		else
			json_put_base64(&out, piece->bytes);
	}
	GRID_ASSERT(out.p == payload && out.n == l->size);
	return frame;
}

struct msgbuf *frame_message(const struct key *room, const struct message *m)
{
	struct layout l;

	l.n = l.size = 0;
	lay(&l, FORM_RAW, STR("{\"op\":\"message\",\"room\":"));
	lay(&l, FORM_STRING, (struct str){l.name, key_name(room, l.name)});
	lay_message(&l, m);
	return layout_write(&l);
}

struct msgbuf *frame_notify(const struct message *m)
{
	struct layout l;

	l.n = l.size = 0;
	lay(&l, FORM_RAW, STR("{\"op\":\"notify\""));
	lay_message(&l, m);
	return layout_write(&l);
}
