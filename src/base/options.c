#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/units.h"

#define ENV_PREFIX "GRIDNODE_"

/* Walks every row of every group. */
#define EACH_ROW(set, group, row)                                                                                      \
	for (const struct option_group *group = (set)->groups; group < (set)->groups + (set)->n; group++)                  \
		for (const struct option *row = group->rows; row->name; row++)

static void *field_of(const struct option_group *group, const struct option *row, void *config)
{
	return (char *)config + group->base + row->offset;
}

static const void *const_field_of(const struct option_group *group, const struct option *row, const void *config)
{
	return (const char *)config + group->base + row->offset;
}

/* Names */

void options_full_name(const struct option_group *group, const struct option *row, struct buf *out)
{
	if (*group->prefix) {
		buf_puts(out, group->prefix);
		buf_putc(out, '.');
	}
	buf_puts(out, row->name);
}

static bool is_named(const struct option_group *group, const struct option *row, const char *name)
{
	size_t n = strlen(group->prefix);
	if (n == 0)
		return strcmp(row->name, name) == 0;
	return strncmp(name, group->prefix, n) == 0 && name[n] == '.' && strcmp(name + n + 1, row->name) == 0;
}

const struct option *options_find(const struct option_set *set, const char *name, const struct option_group **groupp)
{
	EACH_ROW(set, group, row) {
		if (!is_named(group, row, name))
			continue;
		if (groupp)
			*groupp = group;
		return row;
	}
	return NULL;
}

void options_env_name(const char *full_name, struct buf *out)
{
	buf_puts(out, ENV_PREFIX);
	for (; *full_name; full_name++)
		buf_putc(out, *full_name == '.' ? '_' : (char)toupper((unsigned char)*full_name));
}

/* One of the option's names as a C string in `out`, replacing what was there; "" when out of memory. */
static const char *name_text(const struct option_group *group, const struct option *row, bool env, struct buf *out)
{
	struct buf full GRID_CLEANUP(buf_deinit) = BUF_INIT;

	options_full_name(group, row, &full);
	buf_putc(&full, '\0');
	if (full.failed)
		return "";
	buf_reset(out);
	if (env)
		options_env_name(full.p, out);
	else
		buf_puts(out, full.p);
	buf_putc(out, '\0');
	return out->failed ? "" : out->p;
}

/* `driver` alone is as close to `bus.driver` as one wrong letter. */
static size_t distance_to(const char *typed, const char *known)
{
	size_t whole = nearest_distance(typed, known);
	const char *dot = strrchr(known, '.');
	size_t last = dot ? nearest_distance(typed, dot + 1) + 1 : whole;
	return last < whole ? last : whole;
}

static void put_nearest(const struct option_set *set, const char *typed, bool env, struct buf *errp)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct option_group *best_group = NULL;
	const struct option *best_row = NULL;
	size_t best = SIZE_MAX;

	EACH_ROW(set, group, row) {
		size_t distance = distance_to(typed, name_text(group, row, env, &text));
		if (distance < best) {
			best = distance;
			best_group = group;
			best_row = row;
		}
	}
	if (best_row)
		buf_printf(errp, "; the nearest is %s", name_text(best_group, best_row, env, &text));
}

const struct option *options_find_env(const struct option_set *set, const char *env_name,
                                      const struct option_group **groupp, struct buf *errp)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	EACH_ROW(set, group, row) {
		if (strcmp(name_text(group, row, true, &text), env_name) != 0)
			continue;
		if (groupp)
			*groupp = group;
		return row;
	}
	buf_puts(errp, "no such option");
	put_nearest(set, env_name, true, errp);
	return NULL;
}

/* Values from text: 0, OPTION_E_BAD_VALUE, -ENOMEM. Nothing changes unless 0. */

static const struct unit *units_of(const struct option *row)
{
	if (row->type == OPTION_TYPE_DURATION)
		return units_duration;
	return row->type == OPTION_TYPE_SIZE ? units_size : units_none;
}

static int set_number(const struct option *row, int64_t *field, const char *text)
{
	int64_t value;
	if (units_parse(units_of(row), text, &value) != 0 || value < row->min || value > row->max)
		return OPTION_E_BAD_VALUE;
	*field = value;
	return 0;
}

static int set_bool(bool *field, const char *text)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*field = i % 2;
			return 0;
		}
	}
	return OPTION_E_BAD_VALUE;
}

static int set_choice(const struct option *row, int *field, const char *text)
{
	for (int i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], text) == 0) {
			*field = i;
			return 0;
		}
	}
	return OPTION_E_BAD_VALUE;
}

static int set_string(char **field, const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static void strings_deinit(struct option_strings *strings)
{
	for (size_t i = 0; i < strings->n; i++)
		free(strings->items[i]);
	free(strings->items);
	*strings = (struct option_strings){NULL, 0};
}

static int strings_add(struct option_strings *strings, struct str item)
{
	while (item.n && isspace((unsigned char)item.p[0]))
		item = (struct str){item.p + 1, item.n - 1};
	while (item.n && isspace((unsigned char)item.p[item.n - 1]))
		item.n--;
	if (item.n == 0)
		return OPTION_E_BAD_VALUE;
	char **items = realloc(strings->items, (strings->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	strings->items = items;
	items[strings->n] = strndup(item.p, item.n);
	if (!items[strings->n])
		return -ENOMEM;
	strings->n++;
	return 0;
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t")] == '\0';
}

static int set_strings(struct option_strings *field, const char *text)
{
	struct option_strings built GRID_CLEANUP(strings_deinit) = {NULL, 0};

	for (bool more = !is_blank(text); more;) {
		size_t n = strcspn(text, ",");
		int r = strings_add(&built, (struct str){text, n});
		if (r != 0)
			return r;
		more = text[n] == ',';
		text += n + more;
	}
	strings_deinit(field);
	*field = built;
	built = (struct option_strings){NULL, 0};
	return 0;
}

static int set_field(const struct option *row, void *field, const char *text)
{
	switch (row->type) {
	case OPTION_TYPE_STRING:
		return set_string(field, text);
	case OPTION_TYPE_STRINGS:
		return set_strings(field, text);
	case OPTION_TYPE_BOOL:
		return set_bool(field, text);
	case OPTION_TYPE_ENUM:
		return set_choice(row, field, text);
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		return set_number(row, field, text);
	}
	return OPTION_E_BAD_VALUE;
}

int options_set(const struct option_set *set, void *config, const char *name, const char *text, struct buf *errp)
{
	const struct option_group *group;
	const struct option *row = options_find(set, name, &group);

	if (!row) {
		buf_printf(errp, "%s: no such option", name);
		put_nearest(set, name, false, errp);
		return OPTION_E_UNKNOWN;
	}
	int r = set_field(row, field_of(group, row, config), text);
	if (r == OPTION_E_BAD_VALUE) {
		buf_printf(errp, "%s: expected ", name);
		options_expected(row, errp);
		buf_printf(errp, ", got %s", row->secret ? "something else" : LOG_QUOTED(str_from(text)));
	}
	return r;
}

/* The whole set */

/* Owned memory of a field is given up; the field is as after memset 0. */
static void clear_field(const struct option *row, void *field)
{
	if (row->type == OPTION_TYPE_STRING) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (row->type == OPTION_TYPE_STRINGS) {
		strings_deinit(field);
	}
}

int options_init(const struct option_set *set, void *config)
{
	EACH_ROW(set, group, row) {
		if (row->type == OPTION_TYPE_STRING)
			*(char **)field_of(group, row, config) = NULL;
		else if (row->type == OPTION_TYPE_STRINGS)
			*(struct option_strings *)field_of(group, row, config) = (struct option_strings){NULL, 0};
	}
	EACH_ROW(set, group, row) {
		int r = set_field(row, field_of(group, row, config), row->dflt);
		GRID_ASSERT(r != OPTION_E_BAD_VALUE);
		if (r != 0) {
			options_deinit(set, config);
			return r;
		}
	}
	return 0;
}

void options_deinit(const struct option_set *set, void *config)
{
	EACH_ROW(set, group, row)
		clear_field(row, field_of(group, row, config));
}

/* Text from values, and about them */

static void put_strings(const struct option_strings *strings, struct buf *out)
{
	for (size_t i = 0; i < strings->n; i++) {
		if (i)
			buf_putc(out, ',');
		buf_puts(out, strings->items[i]);
	}
}

void options_get(const struct option_set *set, const void *config, const char *name, struct buf *out)
{
	const struct option_group *group;
	const struct option *row = options_find(set, name, &group);
	GRID_ASSERT(row);
	const void *field = const_field_of(group, row, config);

	switch (row->type) {
	case OPTION_TYPE_STRING: {
		const char *text = *(char *const *)field;
		buf_puts(out, row->secret && *text ? "***" : text);
		break;
	}
	case OPTION_TYPE_STRINGS:
		put_strings(field, out);
		break;
	case OPTION_TYPE_BOOL:
		buf_puts(out, *(const bool *)field ? "true" : "false");
		break;
	case OPTION_TYPE_ENUM:
		buf_puts(out, row->choices[*(const int *)field]);
		break;
	case OPTION_TYPE_INT:
	case OPTION_TYPE_DURATION:
	case OPTION_TYPE_SIZE:
		units_put(units_of(row), *(const int64_t *)field, out);
		break;
	}
}

static void put_range(const struct option *row, const char *what, struct buf *out)
{
	buf_puts(out, what);
	buf_puts(out, " from ");
	units_put(units_of(row), row->min, out);
	buf_puts(out, " to ");
	units_put(units_of(row), row->max, out);
}

void options_expected(const struct option *row, struct buf *out)
{
	switch (row->type) {
	case OPTION_TYPE_STRING:
		buf_puts(out, "text");
		break;
	case OPTION_TYPE_STRINGS:
		buf_puts(out, "a list of texts");
		break;
	case OPTION_TYPE_BOOL:
		buf_puts(out, "true or false");
		break;
	case OPTION_TYPE_ENUM:
		buf_puts(out, row->choices[1] ? "one of " : "");
		for (size_t i = 0; row->choices[i]; i++)
			buf_printf(out, "%s%s", i ? "|" : "", row->choices[i]);
		break;
	case OPTION_TYPE_INT:
		put_range(row, "a number", out);
		break;
	case OPTION_TYPE_DURATION:
		put_range(row, "a duration", out);
		break;
	case OPTION_TYPE_SIZE:
		put_range(row, "a size", out);
		break;
	}
}

void options_help(const struct option_set *set, struct buf *out)
{
	EACH_ROW(set, group, row) {
		buf_puts(out, "  ");
		options_full_name(group, row, out);
		if (*row->dflt)
			buf_printf(out, " = %s", row->dflt);
		buf_printf(out, "\n      %s\n      (", row->help);
		options_expected(row, out);
		buf_puts(out, ")\n");
	}
}
