#include "daemon/config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "net/addr.h"
#include "wire/names.h"

#define UNIX_PREFIX "unix:"
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define PREFIX_MAX 32
#define DEAD_AFTER_MIN_MS 3000 /* hellos come once a second at most, and some are late */

/* Which of two options that do not fit each other somebody has set. */
static const char *where_of_either(const struct config_loader *loader, const char *name, const char *other)
{
	const char *where = config_loader_where(loader, name);
	return strcmp(where, "default") == 0 ? config_loader_where(loader, other) : where;
}

static void check_node_id(struct config_loader *loader)
{
	const char *id = loader->config->node.id;
	if (!node_id_valid(str_from(id)))
		config_loader_fail(loader, config_loader_where(loader, "node.id"),
		                   "node.id: expected 1 to %d of the characters A-Z a-z 0-9 _ -, got %s", NODE_ID_MAX,
		                   LOG_QUOTED(str_from(id)));
}

/* 0, or the errno that keeps us from making files in it. */
static int folder_errno(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISDIR(st.st_mode))
		return ENOTDIR;
	return eaccess(path, R_OK | W_OK | X_OK) != 0 ? errno : 0;
}

static void check_state_dir(struct config_loader *loader)
{
	const char *path = loader->config->state_dir;
	int err = *path ? folder_errno(path) : 0;

	if (err != 0)
		config_loader_fail(loader, config_loader_where(loader, "state_dir"),
		                   "state_dir: expected a folder to write to, got %s: %s; as root: install -d -o %u -m 700 %s",
		                   LOG_QUOTED(str_from(path)), strerror(err), (unsigned)geteuid(), LOG_QUOTED(str_from(path)));
}

static void check_prefix(struct config_loader *loader)
{
	struct str prefix = str_from(loader->config->bus.prefix);
	/* The same characters as in a node's id, so that a queue's name splits at its dots. */
	if (prefix.n > PREFIX_MAX || !node_id_valid(prefix))
		config_loader_fail(loader, config_loader_where(loader, "bus.prefix"),
		                   "bus.prefix: expected 1 to %d of the characters A-Z a-z 0-9 _ -, got %s", PREFIX_MAX,
		                   LOG_QUOTED(prefix));
}

/* `name` is above (or equal to) `below`, both in the same kind of units. */
static void check_order(struct config_loader *loader, const struct unit *units, const char *name, int64_t value,
                        const char *below, int64_t below_value, bool equal_is_fine)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	if (value > below_value || (equal_is_fine && value == below_value))
		return;
	buf_printf(&text, "%s: expected %s %s (", name, equal_is_fine ? "at least" : "more than", below);
	units_put(units, below_value, &text);
	buf_puts(&text, "), got ");
	units_put(units, value, &text);
	config_loader_fail(loader, where_of_either(loader, name, below), "%.*s", STR_ARG(buf_str(&text)));
}

static void check_durations(struct config_loader *loader)
{
	const struct config *c = loader->config;
	check_order(loader, units_duration, "heartbeat.idle_timeout", c->core.heartbeat.idle_timeout, "heartbeat.interval",
	            c->core.heartbeat.interval, false);
	check_order(loader, units_duration, "bus.rabbitmq.reconnect_max", c->bus.rabbitmq.reconnect_max,
	            "bus.rabbitmq.reconnect_min", c->bus.rabbitmq.reconnect_min, true);
}

/* What a client may publish, others can be sent. */
static void check_limits(struct config_loader *loader)
{
	const struct core_config *c = &loader->config->core;
	check_order(loader, units_size, "limits.queue", c->limits.queue, "limits.frame", c->limits.frame, true);
}

/* A delivery that is held is one not acknowledged: with the whole prefetch held nothing more would come. Half of it is
 * for those the publisher does not get rid of (bus/rabbitmq/strays.h). */
static void check_stray_max(struct config_loader *loader)
{
	int64_t prefetch = loader->config->bus.rabbitmq.prefetch, max = loader->config->core.stray.max;

	if (max > prefetch / 4)
		config_loader_fail(loader, where_of_either(loader, "stray.max", "bus.rabbitmq.prefetch"),
		                   "stray.max: expected at most a quarter of bus.rabbitmq.prefetch (%lld), got %lld",
		                   (long long)prefetch, (long long)max);
}

static void check_dead_after(struct config_loader *loader)
{
	int64_t ms = loader->config->bus.node.dead_after;
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	if (ms == 0 || ms >= DEAD_AFTER_MIN_MS)
		return;
	units_put(units_duration, ms, &text);
	config_loader_fail(loader, config_loader_where(loader, "node.dead_after"),
	                   "node.dead_after: expected 0 or at least %ds, got %.*s", DEAD_AFTER_MIN_MS / 1000,
	                   STR_ARG(buf_str(&text)));
}

static bool is_unix(const char *address)
{
	return strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

static bool is_ip(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static void check_listen_address(struct config_loader *loader, const char *name, const char *address)
{
	size_t path = is_unix(address) ? strlen(address + strlen(UNIX_PREFIX)) : 0;
	if (is_ip(address) || (path > 0 && path <= UNIX_PATH_MAX))
		return;
	config_loader_fail(loader, config_loader_where(loader, name),
	                   "%s: expected an IPv4 or IPv6 address or unix:/path (at most %zu bytes of path), got %s", name,
	                   UNIX_PATH_MAX, LOG_QUOTED(str_from(address)));
}

static void check_proxies(struct config_loader *loader)
{
	struct addr_trust trust;
	const char *bad = "";

	int r = addr_trust_init(&trust, &loader->config->net.listen.trusted_proxies, &bad);
	if (r == 0)
		addr_trust_deinit(&trust);
	else if (r < 0)
		loader->no_memory = true;
	else
		config_loader_fail(loader, config_loader_where(loader, "listen.trusted_proxies"),
		                   "listen.trusted_proxies: expected addresses, or networks like 10.0.0.0/8, got %s",
		                   LOG_QUOTED(str_from(bad)));
}

/* The port the admin listener gets when none was given, and that it is nobody else's. */
static void check_admin_port(struct config_loader *loader, bool clients_on_tcp)
{
	struct net_config *net = &loader->config->net;

	if (is_unix(net->admin.address))
		return;
	if (net->admin.port == 0)
		net->admin.port = net->listen.port + 1000;
	if (net->admin.port > 65535)
		config_loader_fail(loader, config_loader_where(loader, "listen.port"),
		                   "admin.port: expected to be set, because listen.port + 1000 is %lld",
		                   (long long)net->admin.port);
	if (clients_on_tcp && net->admin.port == net->listen.port)
		config_loader_fail(loader, where_of_either(loader, "admin.port", "listen.port"),
		                   "admin.port: expected another port than listen.port, got %lld for both",
		                   (long long)net->admin.port);
}

static void check_listeners(struct config_loader *loader)
{
	const struct net_config *net = &loader->config->net;
	bool tcp = false;

	if (net->listen.addresses.n == 0)
		config_loader_fail(loader, config_loader_where(loader, "listen.addresses"),
		                   "listen.addresses: expected at least one address, got none");
	for (size_t i = 0; i < net->listen.addresses.n; i++) {
		check_listen_address(loader, "listen.addresses", net->listen.addresses.items[i]);
		tcp = tcp || !is_unix(net->listen.addresses.items[i]);
	}
	check_listen_address(loader, "admin.address", net->admin.address);
	check_proxies(loader);
	check_admin_port(loader, tcp);
}

/* host:port, or [v6]:port. */
static bool is_broker_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	if (!colon || colon == text || units_parse(units_none, colon + 1, &port) != 0 || port < 1 || port > 65535)
		return false;
	if (*text == '[')
		return colon[-1] == ']' && colon - text > 2;
	return memchr(text, ':', (size_t)(colon - text)) == NULL;
}

static void check_broker_addresses(struct config_loader *loader)
{
	static const char name[] = "bus.rabbitmq.addresses";
	const struct option_strings *addresses = &loader->config->bus.rabbitmq.addresses;

	if (addresses->n == 0)
		config_loader_fail(loader, config_loader_where(loader, name), "%s: expected at least one address, got none",
		                   name);
	for (size_t i = 0; i < addresses->n; i++)
		if (!is_broker_address(addresses->items[i]))
			config_loader_fail(loader, config_loader_where(loader, name),
			                   "%s: expected host:port, or [IPv6 address]:port, got %s", name,
			                   LOG_QUOTED(str_from(addresses->items[i])));
}

static void check_readable(struct config_loader *loader, const char *name, const char *path)
{
	if (*path == '\0')
		return;
	FILE *file = fopen(path, "re");
	/* A directory opens, but does not read. An empty file reads, and is somebody else's question. */
	if (!file || (fgetc(file) == EOF && ferror(file)))
		config_loader_fail(loader, config_loader_where(loader, name), "%s: expected a file to read, got %s: %s", name,
		                   LOG_QUOTED(str_from(path)), strerror(errno));
	if (file)
		fclose(file);
}

static void check_rabbitmq(struct config_loader *loader)
{
	const struct rabbitmq_config *c = &loader->config->bus.rabbitmq;

	check_broker_addresses(loader);
	check_stray_max(loader);
	check_readable(loader, "bus.rabbitmq.password_file", c->password_file);
	if (!c->tls)
		return;
	check_readable(loader, "bus.rabbitmq.tls_ca", c->tls_ca);
	check_readable(loader, "bus.rabbitmq.tls_cert", c->tls_cert);
	check_readable(loader, "bus.rabbitmq.tls_key", c->tls_key);
	if (*c->tls_cert && !*c->tls_key)
		config_loader_fail(loader, config_loader_where(loader, "bus.rabbitmq.tls_cert"),
		                   "bus.rabbitmq.tls_key: expected to be set together with tls_cert");
}

static void check_redis_address(struct config_loader *loader)
{
	static const char name[] = "bus.redis.address", tls[] = "rediss://", plain[] = "redis://";
	const char *address = loader->config->bus.redis.address;

	bool with_tls = strncmp(address, tls, strlen(tls)) == 0;
	if (with_tls && redis_tls_lacks) {
		config_loader_fail(loader, config_loader_where(loader, name), "%s: no rediss:// in this build: %s", name,
		                   redis_tls_lacks);
		return;
	}
	const char *rest = address;
	if (with_tls || strncmp(address, plain, strlen(plain)) == 0)
		rest += with_tls ? strlen(tls) : strlen(plain);
	size_t path = is_unix(address) ? strlen(address + strlen(UNIX_PREFIX)) : 0;
	if (strchr(rest, '@') || (!(path > 0 && path <= UNIX_PATH_MAX) && !is_broker_address(rest)))
		config_loader_fail(
		    loader, config_loader_where(loader, name),
		    "%s: expected host:port, [IPv6 address]:port or unix:/path (user, password and database have "
		    "options of their own), got %s",
		    name, LOG_QUOTED(str_from(address)));
}

static void check_redis_secret(struct config_loader *loader)
{
	const struct redis_config *c = &loader->config->bus.redis;
	size_t n = strlen(c->secret);

	if (*c->secret_file)
		check_readable(loader, "bus.redis.secret_file", c->secret_file);
	else if (n == 0 && !c->trust)
		config_loader_fail(
		    loader, config_loader_where(loader, "bus.redis.secret"),
		    "bus.redis.secret: expected to be set, the same on all nodes (openssl rand -hex 32 makes one): "
		    "without it whoever may publish on Redis can speak for any user; bus.redis.trust = true allows "
		    "that");
	else if (n > 0 && n < REDIS_SECRET_MIN)
		config_loader_fail(loader, config_loader_where(loader, "bus.redis.secret"),
		                   "bus.redis.secret: expected at least %d bytes, got %zu", REDIS_SECRET_MIN, n);
}

static void check_redis_tls(struct config_loader *loader)
{
	const struct redis_config *c = &loader->config->bus.redis;

	check_readable(loader, "bus.redis.tls_ca", c->tls_ca);
	check_readable(loader, "bus.redis.tls_cert", c->tls_cert);
	check_readable(loader, "bus.redis.tls_key", c->tls_key);
	if (*c->tls_cert && !*c->tls_key)
		config_loader_fail(loader, config_loader_where(loader, "bus.redis.tls_cert"),
		                   "bus.redis.tls_key: expected to be set together with tls_cert");
}

static void check_redis(struct config_loader *loader)
{
	const struct redis_config *c = &loader->config->bus.redis;

	check_redis_address(loader);
	if (str_starts(str_from(c->address), STR("rediss://")))
		check_redis_tls(loader);
	check_redis_secret(loader);
	check_readable(loader, "bus.redis.password_file", c->password_file);
	check_order(loader, units_duration, "bus.redis.reconnect_max", c->reconnect_max, "bus.redis.reconnect_min",
	            c->reconnect_min, true);
}

static void check_fallback(struct config_loader *loader)
{
	const struct config *c = loader->config;

	if (c->bus.driver != BUS_DRIVER_RABBITMQ)
		config_loader_fail(loader, where_of_either(loader, "bus.fallback", "bus.driver"),
		                   "bus.fallback: expected none unless bus.driver is rabbitmq");
	check_order(loader, units_duration, "timeout.publish", c->core.timeout.publish, "bus.confirm_timeout",
	            c->bus.confirm_timeout, false);
	check_order(loader, units_duration, "bus.seen_window", c->bus.seen_window, "bus.replay_window",
	            c->bus.replay_window, false);
}

void config_check(struct config_loader *loader)
{
	check_node_id(loader);
	check_state_dir(loader);
	check_prefix(loader);
	check_durations(loader);
	check_dead_after(loader);
	check_limits(loader);
	check_listeners(loader);
	if (loader->config->bus.driver == BUS_DRIVER_RABBITMQ)
		check_rabbitmq(loader);
	if (loader->config->bus.driver == BUS_DRIVER_REDIS || loader->config->bus.fallback == BUS_FALLBACK_REDIS)
		check_redis(loader);
	if (loader->config->bus.fallback != BUS_FALLBACK_NONE)
		check_fallback(loader);
}
