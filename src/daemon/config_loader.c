#include "daemon/config_loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The option's place in the whole table, or CONFIG_LOADER_OPTIONS when there is no such option. */
static size_t place_of(const char *name)
{
	const struct option *wanted = options_find(&config_options, name, NULL);
	size_t place = 0;

	if (!wanted)
		return CONFIG_LOADER_OPTIONS;
	for (size_t i = 0; i < config_options.n; i++) {
		for (const struct option *row = config_options.groups[i].rows; row->name; row++) {
			GRID_ASSERT(place < CONFIG_LOADER_OPTIONS);
			if (row == wanted)
				return place;
			place++;
		}
	}
	return CONFIG_LOADER_OPTIONS;
}

void config_loader_deinit(struct config_loader *loader)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(loader->where); i++) {
		free(loader->where[i]);
		loader->where[i] = NULL;
	}
}

static void remember(struct config_loader *loader, const char *where, const char *name)
{
	size_t place = place_of(name);
	free(loader->where[place]);
	loader->where[place] = strdup(where);
	if (!loader->where[place])
		loader->no_memory = true;
}

void config_loader_set(struct config_loader *loader, const char *where, const char *name, const char *text)
{
	struct buf why GRID_CLEANUP(buf_deinit) = BUF_INIT;

	int r = options_set(&config_options, loader->config, name, text, &why);
	if (r == 0)
		remember(loader, where, name);
	else if (r > 0)
		config_loader_fail(loader, where, "%.*s", STR_ARG(buf_str(&why)));
	else
		loader->no_memory = true;
	if (why.failed)
		loader->no_memory = true;
}

void config_loader_fail(struct config_loader *loader, const char *where, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_printf(loader->errp, "%s: %s\n", where, line);
	loader->failed = true;
}

const char *config_loader_where(const struct config_loader *loader, const char *name)
{
	size_t place = place_of(name);
	GRID_ASSERT(place < CONFIG_LOADER_OPTIONS);
	return loader->where[place] ? loader->where[place] : "default";
}
