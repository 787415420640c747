#include "bench/url.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static bool copy(char *out, size_t size, struct str text)
{
	if (text.n >= size)
		return false;
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static bool port_is_good(const char *port)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	return *port >= '0' && *port <= '9' && *end == '\0' && number > 0 && number <= 65535;
}

/* host, host:port, [v6], [v6]:port */
static bool split_authority(struct url *url)
{
	const char *text = url->authority;
	struct str host;

	if (*text == '[') {
		const char *bracket = strchr(text, ']');
		if (!bracket)
			return false;
		host = (struct str){text + 1, (size_t)(bracket - text - 1)};
		text = bracket + 1;
	} else {
		host = (struct str){text, strcspn(text, ":")};
		text += host.n;
	}
	if (*text != ':' && *text != '\0')
		return false;
	struct str port = *text ? str_from(text + 1) : STR("80");
	return host.n && copy(url->host, sizeof(url->host), host) && copy(url->port, sizeof(url->port), port) &&
	       port_is_good(url->port);
}

int url_parse(const char *text, const char *path, struct url *out)
{
	static const char scheme[] = "ws://";

	*out = (struct url){.text = text};
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return URL_E_BAD;
	const char *authority = text + sizeof(scheme) - 1;
	size_t n = strcspn(authority, "/?#");
	if (authority[n] == '/')
		path = authority + n;
	bool good = copy(out->authority, sizeof(out->authority), (struct str){authority, n}) && split_authority(out) &&
	            copy(out->path, sizeof(out->path), str_from(path)) && !strpbrk(path, " #") && authority[n] != '?' &&
	            authority[n] != '#';
	return good ? 0 : URL_E_BAD;
}

void url_put_path(const struct url *url, const struct url_names *names, struct buf *out)
{
	for (struct str rest = str_from(url->path); rest.n;) {
		bool room = str_starts(rest, STR(URL_ROOM)), user = str_starts(rest, STR(URL_USER));
		size_t n = room ? sizeof(URL_ROOM) - 1 : user ? sizeof(URL_USER) - 1 : 1;
		if (room || user)
			buf_puts(out, room ? names->room : names->user);
		else
			buf_putc(out, *rest.p);
		rest = (struct str){rest.p + n, rest.n - n};
	}
}

int url_resolve(struct url *url, int family, const char **whyp)
{
	const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;

	int rc = getaddrinfo(url->host, url->port, &hints, &list);
	if (rc != 0) {
		*whyp = gai_strerror(rc);
		return URL_E_BAD;
	}
	memcpy(&url->addr, list->ai_addr, list->ai_addrlen);
	url->addr_len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}
