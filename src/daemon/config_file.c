#include "daemon/config_file.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

struct file_walk {
	struct config_loader *loader;
	const char *path;
};

/* Where a setting stands. An included file has its own name. */
static void put_where(const struct file_walk *walk, const config_setting_t *setting, struct buf *out)
{
	const char *file = config_setting_source_file(setting);
	buf_printf(out, "%s:%u", file ? file : walk->path, config_setting_source_line(setting));
	buf_putc(out, '\0');
}

/* What somebody wrote, for the message that it is the wrong type. */
static void put_got(const config_setting_t *setting, struct buf *out)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		buf_put_i64(out, config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		buf_printf(out, "%g", config_setting_get_float(setting));
		break;
	case CONFIG_TYPE_BOOL:
		buf_puts(out, config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		buf_printf(out, "%s in quotes", LOG_QUOTED(str_from(config_setting_get_string(setting))));
		break;
	case CONFIG_TYPE_GROUP:
		buf_puts(out, "a group");
		break;
	default:
		buf_puts(out, "a list");
		break;
	}
}

static bool is_integer(const config_setting_t *setting)
{
	int type = config_setting_type(setting);
	return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
}

static bool is_text(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING;
}

/* ["a", "b"] or ("a", "b") as `a,b`. False: something else is in it. */
static bool put_list(const config_setting_t *setting, struct buf *out)
{
	for (int i = 0; i < config_setting_length(setting); i++) {
		const config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
		if (!is_text(item) || strchr(config_setting_get_string(item), ','))
			return false;
		buf_printf(out, "%s%s", i ? "," : "", config_setting_get_string(item));
	}
	return true;
}

/* The setting's value as the option table reads it. False: the type does not fit the option. */
static bool put_text(const struct option *row, const config_setting_t *setting, struct buf *out)
{
	bool text = is_text(setting);
	bool integer = is_integer(setting);

	switch (row->type) {
	case OPTION_TYPE_STRINGS:
		if (config_setting_is_array(setting) || config_setting_is_list(setting))
			return put_list(setting, out);
		integer = false;
		break;
	case OPTION_TYPE_STRING:
	case OPTION_TYPE_ENUM:
		integer = false;
		break;
	case OPTION_TYPE_INT:
		text = false;
		break;
	case OPTION_TYPE_BOOL:
		if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
			return false;
		buf_puts(out, config_setting_get_bool(setting) ? "true" : "false");
		return true;
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		break;
	}
	if (text)
		buf_puts(out, config_setting_get_string(setting));
	else if (integer)
		buf_put_i64(out, config_setting_get_int64(setting));
	return text || integer;
}

static void fail_type(struct file_walk *walk, const char *where, const char *name, const struct option *row,
                      const config_setting_t *setting)
{
	struct buf expected GRID_CLEANUP(buf_deinit) = BUF_INIT;

	options_expected(row, &expected);
	if (row->type == OPTION_TYPE_STRING || row->type == OPTION_TYPE_ENUM)
		buf_puts(&expected, " in double quotes");
	buf_puts(&expected, ", got ");
	if (row->secret)
		buf_puts(&expected, "something else");
	else
		put_got(setting, &expected);
	config_loader_fail(walk->loader, where, "%s: expected %.*s", name, STR_ARG(buf_str(&expected)));
}

static void set_option(struct file_walk *walk, const char *name, const struct option *row,
                       const config_setting_t *setting)
{
	struct buf where GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	put_where(walk, setting, &where);
	bool fits = put_text(row, setting, &text);
	buf_putc(&text, '\0');
	if (where.failed || text.failed)
		walk->loader->no_memory = true;
	else if (!fits)
		fail_type(walk, where.p, name, row, setting);
	else
		config_loader_set(walk->loader, where.p, name, text.p);
}

/* Does any option's name begin with this and a dot? */
static bool is_group_name(const char *name)
{
	struct buf full GRID_CLEANUP(buf_deinit) = BUF_INIT;
	size_t n = strlen(name);

	for (size_t i = 0; i < config_options.n; i++) {
		for (const struct option *row = config_options.groups[i].rows; row->name; row++) {
			buf_reset(&full);
			options_full_name(&config_options.groups[i], row, &full);
			if (full.n > n && memcmp(full.p, name, n) == 0 && full.p[n] == '.')
				return true;
		}
	}
	return false;
}

static void fail_not_an_option(struct file_walk *walk, const char *name, const config_setting_t *setting)
{
	struct buf where GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf got GRID_CLEANUP(buf_deinit) = BUF_INIT;

	put_where(walk, setting, &where);
	put_got(setting, &got);
	if (where.failed)
		walk->loader->no_memory = true;
	else if (is_group_name(name))
		config_loader_fail(walk->loader, where.p, "%s: expected a group { ... }, got %.*s", name,
		                   STR_ARG(buf_str(&got)));
	else
		/* No such option: this adds the line that says so and names the nearest. */
		config_loader_set(walk->loader, where.p, name, "");
}

static void walk_group(struct file_walk *walk, const char *prefix, const config_setting_t *group);

static void walk_setting(struct file_walk *walk, const char *name, const config_setting_t *setting)
{
	const struct option *row = options_find(&config_options, name, NULL);

	if (row)
		set_option(walk, name, row, setting);
	else if (config_setting_is_group(setting) && (is_group_name(name) || config_setting_length(setting) > 0))
		walk_group(walk, name, setting);
	else
		fail_not_an_option(walk, name, setting);
}

static void walk_group(struct file_walk *walk, const char *prefix, const config_setting_t *group)
{
	struct buf name GRID_CLEANUP(buf_deinit) = BUF_INIT;

	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		buf_reset(&name);
		buf_printf(&name, "%s%s%s", prefix, *prefix ? "." : "", config_setting_name(setting));
		buf_putc(&name, '\0');
		if (name.failed) {
			walk->loader->no_memory = true;
			return;
		}
		walk_setting(walk, name.p, setting);
	}
}

/* libconfig's scanner ends the process when reading fails in the middle, as it does for a directory. */
static FILE *open_file(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "re");

	if (file && fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(file);
		errno = EISDIR;
		return NULL;
	}
	return file;
}

static void fail_syntax(struct file_walk *walk, const config_t *parsed)
{
	const char *file = config_error_file(parsed);
	struct buf where GRID_CLEANUP(buf_deinit) = BUF_INIT;

	buf_printf(&where, "%s:%d", file ? file : walk->path, config_error_line(parsed));
	buf_putc(&where, '\0');
	if (where.failed)
		walk->loader->no_memory = true;
	else
		config_loader_fail(walk->loader, where.p, "%s", config_error_text(parsed));
}

void config_file_load(struct config_loader *loader, const char *path)
{
	struct file_walk walk = {loader, path};
	config_t parsed;
	FILE *file = open_file(path);

	if (!file) {
		config_loader_fail(loader, path, "%s", strerror(errno));
		return;
	}
	config_init(&parsed);
	if (config_read(&parsed, file))
		walk_group(&walk, "", config_root_setting(&parsed));
	else
		fail_syntax(&walk, &parsed);
	config_destroy(&parsed);
	fclose(file);
}
