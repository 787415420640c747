/* Options `listen.*` and `admin.*`: the struct and its rows. */
#ifndef GRID_NET_CONFIG_H
#define GRID_NET_CONFIG_H

#include "base/options.h"

struct net_config {
	struct {
		struct option_strings addresses; /* IPv4, IPv6, or unix:/path */
		int64_t port;
		struct option_strings trusted_proxies; /* addresses, or networks as in 10.0.0.0/8 */
	} listen;
	struct {
		char *address; /* IPv4, IPv6 or unix:/path */
		int64_t port;  /* 0: listen.port + 1000 */
	} admin;
};

extern const struct option net_options[];

#endif
