/* Websocket URLs. */
#include "bench/url.h"

#include <netinet/in.h>

#include "base/err.h"
#include "check_main.h"

START_TEST(takes_urls_apart)
{
	static const struct {
		const char *text, *host, *port, *authority, *path;
	} rows[] = {
	    {"ws://127.0.0.1:5210/ws", "127.0.0.1", "5210", "127.0.0.1:5210", "/ws"},
	    {"ws://grid.example:80", "grid.example", "80", "grid.example:80", "/ws"},
	    {"ws://grid.example/other/ws", "grid.example", "80", "grid.example", "/other/ws"},
	    {"ws://[::1]:5210/ws", "::1", "5210", "[::1]:5210", "/ws"},
	    {"ws://[::1]", "::1", "80", "[::1]", "/ws"},
	    {"ws://grid.example/sub/{room}?as={user}", "grid.example", "80", "grid.example", "/sub/{room}?as={user}"},
	};
	struct url url;

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(url_parse(rows[i].text, "/ws", &url), 0);
		ck_assert_str_eq(url.host, rows[i].host);
		ck_assert_str_eq(url.port, rows[i].port);
		ck_assert_str_eq(url.authority, rows[i].authority);
		ck_assert_str_eq(url.path, rows[i].path);
	}
}
END_TEST

START_TEST(refuses_what_is_none)
{
	static const char *const texts[] = {
	    "",           "localhost:5210", "http://x/ws",    "wss://x/ws",     "ws://",
	    "ws:///ws",   "ws://:5210/ws",  "ws://x:/ws",     "ws://x:0/ws",    "ws://x:65536/ws",
	    "ws://x:-1/", "ws://[::1/ws",   "ws://[::1]x/ws", "ws://x/ws#user", "ws://x/a b",
	    "ws://x?a",   "ws://x:5 2/ws"};
	struct url url;

	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		ck_assert_msg(url_parse(texts[i], "/ws", &url) == URL_E_BAD, "%s", texts[i]);
}
END_TEST

START_TEST(leaves_names_open)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
	    {"ws://a/sub/{room}", "/sub/lobby"},
	    {"ws://a/{user}/{room}?u={user}", "/7/lobby?u=7"},
	    {"ws://a/{other}/{roo", "/{other}/{roo"},
	};
	const struct url_names names = {.room = "lobby", .user = "7"};
	struct url url;

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
		ck_assert_int_eq(url_parse(rows[i].text, "/", &url), 0);
		url_put_path(&url, &names, &out);
		ck_assert(str_eq(buf_str(&out), str_from(rows[i].path)));
	}
}
END_TEST

START_TEST(resolves_addresses)
{
	struct url url;
	const char *why = NULL;

	ck_assert_int_eq(url_parse("ws://127.0.0.1:5210/ws", "/ws", &url), 0);
	ck_assert_int_eq(url_resolve(&url, AF_INET, &why), 0);
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&url.addr;
	ck_assert_int_eq(in->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(in->sin_port), 5210);
	ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
	ck_assert_int_eq(url_parse("ws://[::1]:5210/ws", "/ws", &url), 0);
	ck_assert_int_eq(url_resolve(&url, AF_INET, &why), URL_E_BAD);
	ck_assert_ptr_nonnull(why);
}
END_TEST

CHECK_MAIN("bench.url", takes_urls_apart, refuses_what_is_none, leaves_names_open, resolves_addresses)
