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
    OPTIONS_END,
};

const struct option bus_node_options[] = {
    OPTION_DURATION(struct bus_node_config, dead_after, "30s", 0, 3600000,
                    "a node silent for so long has its queue emptied and deleted by another one; 0: never by this one"),
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
