#include "net/config.h"

const struct option net_options[] = {
    OPTION_STRINGS(
        struct net_config, listen.addresses, "127.0.0.1",
        "where clients come in: IPv4 or IPv6 addresses, unix:/path; 0.0.0.0 and :: are all of the machine's"),
    OPTION_INT(struct net_config, listen.port, "5210", 1, 65535, "port of the IPv4 and IPv6 addresses"),
    OPTION_STRINGS(
        struct net_config, listen.trusted_proxies, "127.0.0.0/8,::1",
        "proxies whose X-Forwarded-For and X-Real-IP are believed: addresses, or networks like 10.0.0.0/8; a "
        "unix socket's peer always is"),
    OPTION_STRING(struct net_config, admin.address, "127.0.0.1",
                  "where /healthz, /readyz and /metrics are: one IPv4 or IPv6 address, or unix:/path; keep it private"),
    OPTION_INT(struct net_config, admin.port, "0", 0, 65535, "its port; 0: listen.port + 1000"),
    OPTIONS_END,
};
