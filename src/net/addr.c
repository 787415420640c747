#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_ipv4(const void *four, struct addr *out)
{
	memcpy(out->bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out->bytes + sizeof(mapped_prefix), four, 4);
}

static bool is_ipv4(const struct addr *addr)
{
	return memcmp(addr->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static struct str trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* "[v6]:port" and "v4:port" without brackets and port; anything else as it is. */
static struct str without_port(struct str s)
{
	if (s.n && s.p[0] == '[') {
		const char *end = memchr(s.p, ']', s.n);
		return end ? (struct str){s.p + 1, (size_t)(end - s.p - 1)} : s;
	}
	const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
	if (colon && !memchr(colon + 1, ':', s.n - (size_t)(colon + 1 - s.p)))
		s.n = (size_t)(colon - s.p);
	return s;
}

int addr_parse(struct str text, struct addr *out)
{
	char buf[ADDR_TEXT_MAX];
	struct in_addr four;

	text = without_port(trim(text));
	if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, '\0', text.n))
		return ADDR_E_BAD;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	if (inet_pton(AF_INET, buf, &four) == 1) {
		from_ipv4(&four, out);
		return 0;
	}
	return inet_pton(AF_INET6, buf, out->bytes) == 1 ? 0 : ADDR_E_BAD;
}

static int parse_prefix(struct str digits, unsigned max, unsigned *out)
{
	unsigned n = 0;
	if (digits.n == 0 || digits.n > 3)
		return ADDR_E_BAD;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return ADDR_E_BAD;
		n = n * 10 + (unsigned)(digits.p[i] - '0');
	}
	if (n > max)
		return ADDR_E_BAD;
	*out = n;
	return 0;
}

int addr_range_parse(struct str text, struct addr_range *out)
{
	text = trim(text);
	const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
	size_t n = slash ? (size_t)(slash - text.p) : text.n;

	if (addr_parse((struct str){text.p, n}, &out->base) != 0)
		return ADDR_E_BAD;
	out->prefix = 128;
	if (!slash)
		return 0;
	unsigned before = is_ipv4(&out->base) ? 96 : 0;
	if (parse_prefix((struct str){slash + 1, text.n - n - 1}, 128 - before, &out->prefix) != 0)
		return ADDR_E_BAD;
	out->prefix += before;
	return 0;
}

bool addr_in(const struct addr_range *range, const struct addr *addr)
{
	unsigned whole = range->prefix / 8, rest = range->prefix % 8;

	if (memcmp(range->base.bytes, addr->bytes, whole) != 0)
		return false;
	return rest == 0 || ((range->base.bytes[whole] ^ addr->bytes[whole]) >> (8 - rest)) == 0;
}

void addr_text(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
	const char *text = is_ipv4(addr) ? inet_ntop(AF_INET, addr->bytes + sizeof(mapped_prefix), out, ADDR_TEXT_MAX)
	                                 : inet_ntop(AF_INET6, addr->bytes, out, ADDR_TEXT_MAX);
	GRID_ASSERT(text == out);
}

int addr_trust_init(struct addr_trust *trust, const struct option_strings *items, const char **badp)
{
	*trust = (struct addr_trust){calloc(items->n ? items->n : 1, sizeof(*trust->ranges)), 0};
	if (!trust->ranges)
		return -ENOMEM;
	for (size_t i = 0; i < items->n; i++) {
		if (addr_range_parse(str_from(items->items[i]), &trust->ranges[i]) != 0) {
			*badp = items->items[i];
			addr_trust_deinit(trust);
			return ADDR_E_BAD;
		}
		trust->n++;
	}
	return 0;
}

void addr_trust_deinit(struct addr_trust *trust)
{
	free(trust->ranges);
	*trust = (struct addr_trust){NULL, 0};
}

static bool trusted(const struct addr_trust *trust, const struct addr *addr)
{
	for (size_t i = 0; i < trust->n; i++)
		if (addr_in(&trust->ranges[i], addr))
			return true;
	return false;
}

/* false: not an internet address. */
static bool from_sockaddr(const struct sockaddr *sa, struct addr *out)
{
	if (sa->sa_family == AF_INET) {
		from_ipv4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, out);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof(out->bytes));
		return true;
	}
	return false;
}

/* The last item of a comma-separated list, taken off its end. */
static struct str take_last(struct str *list)
{
	const char *comma = list->n ? memrchr(list->p, ',', list->n) : NULL;
	size_t at = comma ? (size_t)(comma - list->p) + 1 : 0;
	struct str last = {list->p + at, list->n - at};
	list->n = comma ? at - 1 : 0;
	return last;
}

void addr_client(const struct addr_trust *trust, const struct sockaddr *peer, struct str forwarded_for,
                 struct str real_ip, char out[ADDR_TEXT_MAX])
{
	struct addr addr;
	bool known = from_sockaddr(peer, &addr);
	bool believe = !known || trusted(trust, &addr);

	if (believe && trim(forwarded_for).n == 0)
		forwarded_for = real_ip;
	while (believe && forwarded_for.n) {
		if (addr_parse(take_last(&forwarded_for), &addr) != 0)
			break;
		known = true;
		believe = trusted(trust, &addr);
	}
	if (known)
		addr_text(&addr, out);
	else
		snprintf(out, ADDR_TEXT_MAX, "unix");
}
