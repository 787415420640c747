#include "bus/config.h"

static const char *const drivers[] = {"local", "rabbitmq", NULL};
static const char *const queue_modes[] = {"durable", "exclusive", NULL};

const struct option bus_options[] = {
    OPTION_ENUM(struct bus_config, driver, drivers, "rabbitmq",
                "how nodes reach each other; local: this one node, no broker"),
    OPTION_STRING(struct bus_config, prefix, "grid",
                  "what names of exchanges and queues begin with; two grids on one broker differ here"),
    OPTION_INT(struct bus_config, publish_window, "1024", 1, 65536,
               "publishes under way at once; sockets that publish more are not read meanwhile"),
    OPTION_DURATION(struct bus_config, confirm_timeout, "1500ms", 100, 60000,
                    "with a fallback: what the primary bus has not confirmed by then goes over the fallback"),
    OPTION_DURATION(struct bus_config, replay_window, "10s", 1000, 60000,
                    "with a fallback: how long what was published is kept, to be published again over the other bus"),
    OPTION_SIZE(struct bus_config, replay_bytes, "32M", 1048576, 4294967296, "with a fallback: how much of it at most"),
    OPTION_DURATION(struct bus_config, seen_window, "120s", 60000, 3600000,
                    "with a fallback: how long a message is remembered, to drop it when it comes again"),
    OPTION_INT(struct bus_config, seen_messages, "262144", 1024, 16777216,
               "with a fallback: how many at most, at 40 bytes each"),
    OPTIONS_END,
};

const struct option rabbitmq_options[] = {
    OPTION_STRINGS(struct rabbitmq_config, addresses, "127.0.0.1:5672",
                   "brokers, host:port, tried in turn; an IPv6 address in brackets"),
    OPTION_STRING(struct rabbitmq_config, vhost, "grid", "virtual host"),
    OPTION_STRING(struct rabbitmq_config, user, "grid-node", "account"),
    OPTION_SECRET(struct rabbitmq_config, password, "", "its password; better: password_file, or the environment"),
    OPTION_STRING(struct rabbitmq_config, password_file, "",
                  "file whose first line is the password; wins over password"),
    OPTION_DURATION(struct rabbitmq_config, heartbeat, "10s", 1000, 600000, "a link silent for two of these is dead"),
    OPTION_DURATION(struct rabbitmq_config, connect_timeout, "5s", 100, 120000,
                    "how long one address may take to accept and log us in"),
    OPTION_DURATION(struct rabbitmq_config, reconnect_min, "200ms", 10, 60000,
                    "first pause before connecting again; doubled each time, with jitter"),
    OPTION_DURATION(struct rabbitmq_config, reconnect_max, "10s", 10, 600000, "longest pause before connecting again"),
    OPTION_INT(struct rabbitmq_config, prefetch, "1024", 1, 65535, "deliveries not yet acknowledged at once"),
    OPTION_SIZE(struct rabbitmq_config, max_body, "1M", 1024, 134217728,
                "largest body taken from the broker, larger ones become dead letters; times prefetch it bounds memory"),
    OPTION_ENUM(struct rabbitmq_config, queue, queue_modes, "durable",
                "durable: the node's queue outlives a lost link; exclusive: it does not, but binds are faster"),
    OPTION_BOOL(struct rabbitmq_config, tls, "false", "connect with TLS (the broker's port is then usually 5671)"),
    OPTION_STRING(struct rabbitmq_config, tls_ca, "/etc/ssl/certs/ca-certificates.crt", "certificates to trust, PEM"),
    OPTION_STRING(struct rabbitmq_config, tls_cert, "", "our certificate, PEM, where the broker asks for one"),
    OPTION_STRING(struct rabbitmq_config, tls_key, "", "its key, PEM"),
    OPTION_BOOL(struct rabbitmq_config, tls_verify, "true", "check the broker's certificate and name"),
    OPTIONS_END,
};
