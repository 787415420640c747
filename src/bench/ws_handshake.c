#include "bench/ws_handshake.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define SHA1_LEN 20

void ws_key_new(struct ws_key *key, struct dice *dice)
{
	const uint64_t nonce[2] = {dice_next(dice), dice_next(dice)};

	EVP_EncodeBlock((unsigned char *)key->text, (const unsigned char *)nonce, sizeof(nonce));
}

void ws_key_accept(const struct ws_key *key, char accept[WS_ACCEPT_LEN + 1])
{
	unsigned char text[WS_KEY_LEN + sizeof(GUID) - 1];
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};

	memcpy(text, key->text, WS_KEY_LEN);
	memcpy(text + WS_KEY_LEN, GUID, sizeof(GUID) - 1);
	/* Fails only without memory; then no answer fits, which is what to say. */
	(void)EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)accept, digest, SHA1_LEN);
}

void ws_handshake_put(struct buf *out, const char *host, const char *target, const char *subprotocol,
                      const struct ws_key *key)
{
	buf_printf(out,
	           "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Version: 13\r\n",
	           target, host);
	if (subprotocol)
		buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
	buf_printf(out, "Sec-WebSocket-Key: %s\r\n\r\n", key->text);
}

/* Has the head a line `name: value`? */
static bool has_field(struct str head, struct str name, struct str value)
{
	for (const char *line; (line = memchr(head.p, '\n', head.n));) {
		head = (struct str){line + 1, head.n - (size_t)(line + 1 - head.p)};
		if (head.n <= name.n || strncasecmp(head.p, name.p, name.n) != 0 || head.p[name.n] != ':')
			continue;
		struct str rest = {head.p + name.n + 1, head.n - name.n - 1};
		while (rest.n && (*rest.p == ' ' || *rest.p == '\t'))
			rest = (struct str){rest.p + 1, rest.n - 1};
		return str_starts(rest, value);
	}
	return false;
}

int ws_handshake_read(struct str *in, const struct ws_key *key, int *statusp)
{
	char accept[WS_ACCEPT_LEN + 1];
	const char *end = in->n ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;

	*statusp = 0;
	if (!end)
		return in->n < WS_ANSWER_MAX ? WS_HANDSHAKE_E_MORE : WS_HANDSHAKE_E_REFUSED;
	struct str head = {in->p, (size_t)(end + 4 - in->p)};
	*in = (struct str){end + 4, in->n - head.n};
	if (!str_starts(head, STR("HTTP/1.1 ")))
		return WS_HANDSHAKE_E_REFUSED;
	int status = atoi(head.p + sizeof("HTTP/1.1 ") - 1);
	ws_key_accept(key, accept);
	if (status != 101) {
		*statusp = status;
		return WS_HANDSHAKE_E_REFUSED;
	}
	bool ours = has_field(head, STR("Sec-WebSocket-Accept"), (struct str){accept, WS_ACCEPT_LEN});
	return ours ? 0 : WS_HANDSHAKE_E_REFUSED;
}
