/* Where a websocket goes: ws://host:port/path. */
#ifndef GRID_BENCH_URL_H
#define GRID_BENCH_URL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"

struct url {
	const char *text; /* as it was given; the caller's */
	char host[256];
	char port[6];
	char authority[264]; /* for the field Host */
	char path[1024];     /* with its query */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool refused; /* nobody listened there at the last attempt */
};

/* What a URL may leave open, and what then stands there. */
#define URL_ROOM "{room}"
#define URL_USER "{user}"

struct url_names {
	const char *room, *user;
};

enum { URL_E_BAD = 1 };

/* Takes the text apart; without a path it gets this one. URL_E_BAD: not ws://host[:port][/path[?query]]; an IPv6
 * address stands in brackets. */
GRID_MUST_CHECK int url_parse(const char *text, const char *path, struct url *out);
/* Appends the path as it is for these names. */
void url_put_path(const struct url *url, const struct url_names *names, struct buf *out);
/* Fills in the address: one of `family` (AF_UNSPEC: any). URL_E_BAD: *whyp says why. */
GRID_MUST_CHECK int url_resolve(struct url *url, int family, const char **whyp);

#endif
