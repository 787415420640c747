/* Whose connection is it? The address of a client, behind proxies we trust. */
#ifndef GRID_NET_ADDR_H
#define GRID_NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/options.h"
#include "base/str.h"

#define ADDR_TEXT_MAX 46 /* INET6_ADDRSTRLEN */

enum { ADDR_E_BAD = 1 };

/* IPv4 as ::ffff:a.b.c.d, so that there is one kind. */
struct addr {
	uint8_t bytes[16];
};

struct addr_range {
	struct addr base;
	unsigned prefix; /* of 128 bits */
};

/* The proxies whose X-Forwarded-For is believed. */
struct addr_trust {
	struct addr_range *ranges;
	size_t n;
};

/* "192.0.2.1", "2001:db8::1"; for proxies' headers also "192.0.2.1:80" and "[2001:db8::1]:80". ADDR_E_BAD. */
GRID_MUST_CHECK int addr_parse(struct str text, struct addr *out);
/* An address, or a network as in 10.0.0.0/8. ADDR_E_BAD. */
GRID_MUST_CHECK int addr_range_parse(struct str text, struct addr_range *out);
bool addr_in(const struct addr_range *range, const struct addr *addr);
void addr_text(const struct addr *addr, char out[ADDR_TEXT_MAX]);

/* ADDR_E_BAD: *badp is the item that is neither address nor network. -ENOMEM. */
GRID_MUST_CHECK int addr_trust_init(struct addr_trust *trust, const struct option_strings *items, const char **badp);
void addr_trust_deinit(struct addr_trust *trust);

/* The client behind `peer`. When the peer is trusted (a unix socket always is): the last address in X-Forwarded-For
 * that is not a trusted proxy itself, else X-Real-IP. What stands left of something that is no address is not believed.
 * "unix" when nothing else is known of it. */
void addr_client(const struct addr_trust *trust, const struct sockaddr *peer, struct str forwarded_for,
                 struct str real_ip, char out[ADDR_TEXT_MAX]);

#endif
