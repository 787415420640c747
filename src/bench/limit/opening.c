#include "bench/limit/opening.h"

#include <string.h>
#include <strings.h>

/* The value of the field `name`, which ends in a colon; STR_NONE: there is no such field. */
static struct str field_of(struct str head, struct str name)
{
	for (const char *line; (line = memchr(head.p, '\n', head.n));) {
		head = (struct str){line + 1, head.n - (size_t)(line + 1 - head.p)};
		if (head.n <= name.n || strncasecmp(head.p, name.p, name.n) != 0)
			continue;
		const char *value = head.p + name.n;
		const char *end = memchr(value, '\r', head.n - name.n);
		while (end && value < end && *value == ' ')
			value++;
		return end ? (struct str){value, (size_t)(end - value)} : STR_NONE;
	}
	return STR_NONE;
}

/* `text` up to the first of `stops`. */
static struct str until(struct str text, const char *stops)
{
	size_t n = 0;

	while (n < text.n && !strchr(stops, text.p[n]))
		n++;
	return (struct str){text.p, n};
}

static bool read_path(struct str head, struct opening *out)
{
	const struct str pub = STR("GET /pub/"), sub = STR("GET /sub/");

	out->receives = str_starts(head, sub);
	if (!out->receives && !str_starts(head, pub))
		return false;
	out->room = until((struct str){head.p + sub.n, head.n - sub.n}, " ?\r\n");
	return out->room.n > 0;
}

int opening_take(struct str *in, struct opening *out)
{
	const char *end = in->n ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;

	if (!end)
		return in->n < OPENING_MAX ? OPENING_E_MORE : OPENING_E_REFUSED;
	struct str head = {in->p, (size_t)(end + 4 - in->p)};
	struct str key = field_of(head, STR("Sec-WebSocket-Key:"));
	*in = (struct str){end + 4, in->n - head.n};
	if (key.n != WS_KEY_LEN || !read_path(head, out))
		return OPENING_E_REFUSED;
	memcpy(out->key.text, key.p, WS_KEY_LEN);
	out->key.text[WS_KEY_LEN] = '\0';
	return 0;
}

void opening_accept(struct buf *out, const struct opening *opening)
{
	char accept[WS_ACCEPT_LEN + 1];

	ws_key_accept(&opening->key, accept);
	buf_printf(out,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Accept: %s\r\n\r\n",
	           accept);
}
