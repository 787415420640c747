#include "net/upgrade.h"

#include <errno.h>
#include <stdio.h>

#define KEY_LEN 24 /* base64 of 16 bytes */

static bool refuse(struct upgrade_refusal *refusal, enum reject why, int status, const char *fields, const char *text)
{
	*refusal = (struct upgrade_refusal){why, {.status = status, .fields = fields, .body = str_from(text)}};
	return false;
}

static bool key_valid(struct str key)
{
	if (key.n != KEY_LEN || memcmp(key.p + KEY_LEN - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < KEY_LEN - 2; i++) {
		char c = key.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return true;
}

/* Subprotocol names are case-sensitive (RFC 6455, 11.5). */
static bool offers(struct str list, const char *name, bool *anyp)
{
	struct str item;
	*anyp = false;
	while (http_list_next(&list, &item)) {
		*anyp = true;
		if (str_eq(item, str_from(name)))
			return true;
	}
	return false;
}

static bool subprotocol_offered(const struct http_head *head, bool *anyp)
{
	GRID_CLEANUP(buf_deinit) struct buf list = BUF_INIT;
	http_field_join(head, "sec-websocket-protocol", &list);
	return offers(buf_str(&list), SUBPROTOCOL, anyp);
}

bool upgrade_check(const struct http_head *head, struct upgrade_refusal *refusal)
{
	bool any_subprotocol;

	if (!str_eq(head->path, STR(WEBSOCKET_PATH)))
		return refuse(refusal, REJECT_PATH, 404, NULL, "not here; the websocket is at " WEBSOCKET_PATH "\n");
	if (!str_eq(head->method, STR("GET")))
		return refuse(refusal, REJECT_METHOD, 405, "Allow: GET\r\n", "a websocket begins with GET\n");
	if (!http_list_has(http_field(head, "upgrade"), "websocket"))
		return refuse(refusal, REJECT_NOT_UPGRADE, 426, "Upgrade: websocket\r\n",
		              "this is a websocket: no Upgrade: websocket in the request\n");
	if (!http_list_has(http_field(head, "connection"), "upgrade"))
		return refuse(refusal, REJECT_NOT_UPGRADE, 400, NULL,
		              "no Connection: upgrade in the request; does a proxy in between not pass it on?\n");
	if (!str_eq(http_field(head, "sec-websocket-version"), STR("13")))
		return refuse(refusal, REJECT_NOT_UPGRADE, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
		              "only version 13 of the websocket protocol (RFC 6455)\n");
	if (head->minor < 1 || !http_field(head, "host").p || !key_valid(http_field(head, "sec-websocket-key")))
		return refuse(refusal, REJECT_MALFORMED, 400, NULL, "not a websocket handshake as in RFC 6455\n");
	if (!subprotocol_offered(head, &any_subprotocol) && any_subprotocol)
		return refuse(refusal, REJECT_SUBPROTOCOL, 400, NULL,
		              "none of the subprotocols offered is known here; there is " SUBPROTOCOL "\n");
	return true;
}

static struct str param(const struct http_head *head, const char *name, struct buf *out)
{
	return http_query_param(head, name, out) ? buf_str(out) : STR_NONE;
}

int upgrade_arrival(struct server *server, const struct http_head *head, const struct sockaddr *peer,
                    struct arrival *arrival)
{
	GRID_CLEANUP(buf_deinit) struct buf forwarded = BUF_INIT;
	bool any;

	*arrival = (struct arrival){.user = BUF_INIT, .token = BUF_INIT};
	arrival->handshake.query_user = param(head, "user", &arrival->user);
	arrival->handshake.query_token = param(head, "token", &arrival->token);
	arrival->handshake.bearer = http_bearer(head);
	http_field_join(head, "x-forwarded-for", &forwarded);
	if (forwarded.failed || arrival->user.failed || arrival->token.failed)
		return -ENOMEM;
	addr_client(&server->trust, peer, buf_str(&forwarded), http_field(head, "x-real-ip"), arrival->address);
	arrival->handshake.address = str_from(arrival->address);
	memcpy(arrival->key, http_field(head, "sec-websocket-key").p, KEY_LEN);
	arrival->subprotocol = subprotocol_offered(head, &any);
	return 0;
}

void upgrade_arrival_deinit(struct arrival *arrival)
{
	buf_deinit(&arrival->user);
	buf_deinit(&arrival->token);
}
