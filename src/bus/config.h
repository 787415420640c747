/* Options `bus.*`, `bus.rabbitmq.*`, `bus.redis.*`, and those of `node.*` that the bus is about: the structs and their
 * rows. */
#ifndef GRID_BUS_CONFIG_H
#define GRID_BUS_CONFIG_H

#include "base/options.h"

enum bus_driver_choice { BUS_DRIVER_LOCAL, BUS_DRIVER_RABBITMQ, BUS_DRIVER_REDIS };

enum bus_fallback_choice { BUS_FALLBACK_NONE, BUS_FALLBACK_REDIS };

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

struct bus_node_config {
	int64_t dead_after; /* ms; 0: never */
};

struct redis_config {
	char *address; /* host:port, [v6]:port, unix:/path; redis:// or rediss:// before it */
	char *user;    /* empty: password only */
	char *password;
	char *password_file; /* wins over password */
	int64_t database;
	char *secret;      /* signs what nodes say */
	char *secret_file; /* wins over secret */
	bool trust;        /* believe what nobody signed */
	int64_t connect_timeout;
	int64_t ping_timeout;  /* ms */
	int64_t reconnect_min; /* ms, doubled up to reconnect_max, with jitter */
	int64_t reconnect_max;
	int64_t max_body;    /* bytes */
	int64_t offline_max; /* entries of the stream of absent users' messages */
	char *tls_ca;
	char *tls_cert;
	char *tls_key;
	bool tls_verify;
};

struct bus_config {
	int driver;              /* enum bus_driver_choice */
	int fallback;            /* enum bus_fallback_choice */
	char *prefix;            /* of exchanges and queues */
	int64_t publish_window;  /* publishes under way at once */
	int64_t confirm_timeout; /* ms */
	int64_t replay_window;   /* ms */
	int64_t replay_bytes;
	int64_t seen_window; /* ms */
	int64_t seen_messages;
	struct bus_node_config node;
	struct rabbitmq_config rabbitmq;
	struct redis_config redis;
};

#define REDIS_SECRET_MIN 16 /* bytes */
/* Why this build has no TLS towards Redis; NULL: it has. */
extern const char *const redis_tls_lacks;

extern const struct option bus_options[];
extern const struct option bus_node_options[];
extern const struct option rabbitmq_options[];
extern const struct option redis_options[];

#endif
