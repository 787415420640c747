/* Addresses of clients, and which proxies are believed about them. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "check_main.h"

static struct addr_trust trust_of(const char *a, const char *b)
{
	struct option_strings items = {(char *[]){(char *)(uintptr_t)a, (char *)(uintptr_t)b}, b ? 2 : 1};
	struct addr_trust trust;
	const char *bad;
	ck_assert_int_eq(addr_trust_init(&trust, &items, &bad), 0);
	return trust;
}

static const char *client(const struct addr_trust *trust, const char *peer, const char *forwarded, const char *real)
{
	static char out[ADDR_TEXT_MAX];
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};

	if (inet_pton(AF_INET, peer, &((struct sockaddr_in *)(void *)&sa)->sin_addr) == 1)
		sa.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, peer, &((struct sockaddr_in6 *)(void *)&sa)->sin6_addr) == 1)
		sa.ss_family = AF_INET6;
	addr_client(trust, (const struct sockaddr *)&sa, str_from(forwarded), str_from(real), out);
	return out;
}

START_TEST(parses_what_headers_hold)
{
	static const char *const good[][2] = {
	    {"192.0.2.1", "192.0.2.1"},        {" 192.0.2.1\t", "192.0.2.1"},       {"192.0.2.1:8080", "192.0.2.1"},
	    {"2001:DB8::1", "2001:db8::1"},    {"[2001:db8::1]:80", "2001:db8::1"}, {"[::1]", "::1"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	};
	static const char *const bad[] = {"",        "unknown",   "192.0.2",     "192.0.2.256", "[::1",
	                                  "_hidden", "1.2.3.4.5", "2001:db8::g", "::1%lo",      "0x7f.0.0.1"};
	for (size_t i = 0; i < GRID_ARRAY_LEN(good); i++) {
		struct addr addr;
		char text[ADDR_TEXT_MAX];
		ck_assert_int_eq(addr_parse(str_from(good[i][0]), &addr), 0);
		addr_text(&addr, text);
		ck_assert_str_eq(text, good[i][1]);
	}
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++) {
		struct addr addr;
		ck_assert_msg(addr_parse(str_from(bad[i]), &addr) == ADDR_E_BAD, "%s", bad[i]);
	}
	struct addr addr;
	ck_assert_int_eq(addr_parse((struct str){"1.2.3.4\0", 8}, &addr), ADDR_E_BAD);
}
END_TEST

START_TEST(knows_networks)
{
	struct addr_range net;
	struct addr in, out;

	ck_assert_int_eq(addr_range_parse(STR("10.32.0.0/11"), &net), 0);
	ck_assert_int_eq(addr_parse(STR("10.63.255.255"), &in), 0);
	ck_assert_int_eq(addr_parse(STR("10.64.0.0"), &out), 0);
	ck_assert(addr_in(&net, &in));
	ck_assert(!addr_in(&net, &out));
	ck_assert_int_eq(addr_range_parse(STR("2001:db8::/32"), &net), 0);
	ck_assert_int_eq(addr_parse(STR("2001:db8:ffff::1"), &in), 0);
	ck_assert(addr_in(&net, &in));
	ck_assert(!addr_in(&net, &out));
	ck_assert_int_eq(addr_range_parse(STR("0.0.0.0/0"), &net), 0);
	ck_assert(addr_in(&net, &out));
	ck_assert(!addr_in(&net, &in)); /* all of IPv4 is not all of IPv6 */
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "/8", "10.0.0.0/-1"};
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_msg(addr_range_parse(str_from(bad[i]), &net) == ADDR_E_BAD, "%s", bad[i]);
}
END_TEST

START_TEST(names_the_item_that_is_wrong)
{
	char fine[] = "10.0.0.1", wrong[] = "proxy.example";
	struct option_strings items = {(char *[]){fine, wrong}, 2};
	struct addr_trust trust;
	const char *bad = NULL;
	ck_assert_int_eq(addr_trust_init(&trust, &items, &bad), ADDR_E_BAD);
	ck_assert_str_eq(bad, "proxy.example");
}
END_TEST

START_TEST(believes_trusted_proxies_only)
{
	struct addr_trust trust = trust_of("127.0.0.0/8", "10.0.0.0/8");

	ck_assert_str_eq(client(&trust, "192.0.2.9", NULL, NULL), "192.0.2.9");
	ck_assert_str_eq(client(&trust, "192.0.2.9", "198.51.100.1", "198.51.100.2"), "192.0.2.9");
	ck_assert_str_eq(client(&trust, "127.0.0.1", "198.51.100.1", NULL), "198.51.100.1");
	ck_assert_str_eq(client(&trust, "127.0.0.1", NULL, "198.51.100.2"), "198.51.100.2");
	ck_assert_str_eq(client(&trust, "127.0.0.1", " ", "198.51.100.2"), "198.51.100.2");
	/* what the client itself wrote in front is not believed */
	ck_assert_str_eq(client(&trust, "127.0.0.1", "1.1.1.1, 198.51.100.1", NULL), "198.51.100.1");
	ck_assert_str_eq(client(&trust, "127.0.0.1", "1.1.1.1, 198.51.100.1 , 10.0.0.7", NULL), "198.51.100.1");
	ck_assert_str_eq(client(&trust, "127.0.0.1", "10.0.0.3, 10.0.0.7", NULL), "10.0.0.3");
	ck_assert_str_eq(client(&trust, "127.0.0.1", "198.51.100.1, unknown", NULL), "127.0.0.1");
	ck_assert_str_eq(client(&trust, "::1", "198.51.100.1", NULL), "::1");
	addr_trust_deinit(&trust);
}
END_TEST

START_TEST(believes_whoever_is_on_a_unix_socket)
{
	struct addr_trust trust = trust_of("::1", NULL);
	ck_assert_str_eq(client(&trust, "", "2001:db8::5", NULL), "2001:db8::5");
	ck_assert_str_eq(client(&trust, "", NULL, NULL), "unix");
	addr_trust_deinit(&trust);
}
END_TEST

CHECK_MAIN("net.addr", parses_what_headers_hold, knows_networks, names_the_item_that_is_wrong,
           believes_trusted_proxies_only, believes_whoever_is_on_a_unix_socket)
