/* Options `bus.*` and `bus.rabbitmq.*`: the structs and their rows. */
#ifndef GRID_BUS_CONFIG_H
#define GRID_BUS_CONFIG_H

#include "base/options.h"

enum bus_driver_choice { BUS_DRIVER_LOCAL, BUS_DRIVER_RABBITMQ };

enum rabbitmq_queue_mode { RABBITMQ_QUEUE_DURABLE, RABBITMQ_QUEUE_EXCLUSIVE };

struct rabbitmq_config {
	struct option_strings addresses; /* host:port, tried in turn; [v6]:port */
	char *vhost;
	char *user;
	char *password;
	char *password_file; /* wins over password */
	int64_t heartbeat;   /* ms */
	int64_t connect_timeout;
	int64_t reconnect_min; /* ms, doubled up to reconnect_max, with jitter */
	int64_t reconnect_max;
	int64_t prefetch;
	int64_t max_body; /* bytes */
	int queue;        /* enum rabbitmq_queue_mode */
	bool tls;
	char *tls_ca;
	char *tls_cert;
	char *tls_key;
	bool tls_verify;
};

struct bus_config {
	int driver;              /* enum bus_driver_choice */
	char *prefix;            /* of exchanges and queues */
	int64_t publish_window;  /* publishes under way at once */
	int64_t confirm_timeout; /* ms */
	int64_t replay_window;   /* ms */
	int64_t replay_bytes;
	int64_t seen_window; /* ms */
	int64_t seen_messages;
	struct rabbitmq_config rabbitmq;
};

extern const struct option bus_options[];
extern const struct option rabbitmq_options[];

#endif
