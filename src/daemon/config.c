#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/config_check.h"
#include "daemon/config_file.h"
#include "daemon/config_loader.h"
#include "wire/names.h"

static const struct option daemon_options[] = {
    OPTION_STRING(struct config, node.id, "",
                  "this node's name in the grid, unique; letters, digits, _ and -; empty: <host>-<listen.port>"),
    OPTION_ENUM(struct config, log.level, log_level_names, "info", "lines of this level and above are written"),
    OPTIONS_END,
};

static const struct option_group groups[] = {
    {"", daemon_options, 0},
    {"", net_options, offsetof(struct config, net)},
    {"", core_options, offsetof(struct config, core)},
    {"bus", bus_options, offsetof(struct config, bus)},
    {"bus.rabbitmq", rabbitmq_options, offsetof(struct config, bus.rabbitmq)},
    {"bus.redis", redis_options, offsetof(struct config, bus.redis)},
};

const struct option_set config_options = {groups, GRID_ARRAY_LEN(groups)};

#define ENV_PREFIX "GRIDNODE_"

static void set_from_environment(struct config_loader *loader, const char *variable)
{
	struct buf where GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf name GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf why GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct option_group *group;
	const char *equals = strchr(variable, '=');

	if (!equals || strncmp(variable, ENV_PREFIX, strlen(ENV_PREFIX)) != 0)
		return;
	buf_put(&where, variable, (size_t)(equals - variable));
	buf_putc(&where, '\0');
	if (where.failed) {
		loader->no_memory = true;
		return;
	}
	const struct option *row = options_find_env(&config_options, where.p, &group, &why);
	if (!row) {
		config_loader_fail(loader, "environment", "%s: %.*s", where.p, STR_ARG(buf_str(&why)));
		return;
	}
	options_full_name(group, row, &name);
	buf_putc(&name, '\0');
	if (name.failed)
		loader->no_memory = true;
	else
		config_loader_set(loader, where.p, name.p, equals + 1);
}

/* `<host>-<port>`; of a long host name only so much that the port, which tells nodes of one machine apart, fits. */
static int default_node_id(struct config *config)
{
	char host[256];
	char id[NODE_ID_MAX + 1];
	char port[8];

	if (gethostname(host, sizeof(host)) != 0)
		return -errno;
	host[sizeof(host) - 1] = '\0';
	for (char *p = host; *p; p++)
		if (!node_id_valid((struct str){p, 1}))
			*p = '-';
	int tail = snprintf(port, sizeof(port), "-%d", (int)config->net.listen.port);
	snprintf(id, sizeof(id), "%.*s%s", NODE_ID_MAX - tail, host, port);
	char *copy = strdup(id);
	if (!copy)
		return -ENOMEM;
	free(config->node.id);
	config->node.id = copy;
	return 0;
}

static void read_sources(const struct config_sources *sources, struct config_loader *loader, struct buf *warnp)
{
	if (sources->file)
		config_file_load(loader, sources->file);
	for (char *const *variable = sources->environ_; variable && *variable; variable++)
		set_from_environment(loader, *variable);
	for (size_t i = 0; i < sources->n_overrides; i++) {
		const struct config_override *o = &sources->overrides[i];
		const struct option *row = options_find(&config_options, o->name, NULL);
		if (row && row->secret)
			buf_printf(warnp,
			           "%s %s: everybody on this machine can see it in the list of processes; use the environment or a "
			           "file\n",
			           o->where, o->name);
		config_loader_set(loader, o->where, o->name, o->value);
	}
}

static int load(struct config_loader *loader, const struct config_sources *sources, struct buf *warnp)
{
	read_sources(sources, loader, warnp);
	if (!loader->failed && *loader->config->node.id == '\0') {
		int r = default_node_id(loader->config);
		if (r != 0)
			return r;
	}
	/* Only now, so that a value that was refused is not blamed twice. */
	if (!loader->failed)
		config_check(loader);
	if (loader->no_memory || loader->errp->failed || warnp->failed)
		return -ENOMEM;
	return loader->failed ? CONFIG_E_INVALID : 0;
}

int config_load(const struct config_sources *sources, struct config *config, struct buf *errp, struct buf *warnp)
{
	struct config_loader loader GRID_CLEANUP(config_loader_deinit) = {.config = config, .errp = errp};

	int r = options_init(&config_options, config);
	if (r != 0)
		return r;
	r = load(&loader, sources, warnp);
	if (r != 0)
		config_deinit(config);
	return r;
}

void config_deinit(struct config *config)
{
	options_deinit(&config_options, config);
}

void config_print(const struct config *config, struct buf *out)
{
	struct buf name GRID_CLEANUP(buf_deinit) = BUF_INIT;

	for (size_t i = 0; i < config_options.n; i++) {
		const struct option_group *group = &config_options.groups[i];
		for (const struct option *row = group->rows; row->name; row++) {
			buf_reset(&name);
			options_full_name(group, row, &name);
			buf_putc(&name, '\0');
			if (name.failed) {
				out->failed = true;
				return;
			}
			buf_printf(out, "%s = ", name.p);
			options_get(&config_options, config, name.p, out);
			buf_putc(out, '\n');
		}
	}
}
