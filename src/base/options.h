/* The option table: one row gives an option its name, type, default, range and help, and from it come the parser of the
 * file, of the environment and of --set, the text of --help, and the check that conf/ and docs/ name them all.
 *
 * Each module declares its rows beside its own config struct; `daemon/config` puts them under their prefix:
 *
 *   struct bus_config { int64_t publish_window; ... };                    bus/config.h
 *   const struct option bus_options[] = {
 *       OPTION_INT(struct bus_config, publish_window, 1024, 1, 65536, "publishes under way at once"),
 *       OPTIONS_END
 *   };
 */
#ifndef GRID_BASE_OPTIONS_H
#define GRID_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum option_type {
	OPTION_TYPE_STRING,   /* char *, never NULL */
	OPTION_TYPE_STRINGS,  /* struct option_strings */
	OPTION_TYPE_INT,      /* int64_t */
	OPTION_TYPE_BOOL,     /* bool */
	OPTION_TYPE_ENUM,     /* int, an index into `choices` */
	OPTION_TYPE_DURATION, /* int64_t milliseconds; written 500ms 2s 10m 24h */
	OPTION_TYPE_SIZE,     /* int64_t bytes; written 512 64K 1M 2G */
};

struct option_strings {
	char **items;
	size_t n;
};

struct option {
	const char *name; /* within its group: "publish_window" of "bus"; may hold dots */
	enum option_type type;
	size_t offset;
	const char *dflt;           /* as it would be written; strings lists: comma-separated */
	int64_t min, max;           /* INT, DURATION (ms), SIZE (bytes) */
	const char *const *choices; /* ENUM: NULL-terminated */
	bool secret;                /* never printed */
	const char *help;           /* one line, no full stop */
};

#define OPTIONS_END                                                                                                    \
	{                                                                                                                  \
		.name = NULL                                                                                                   \
	}

#define OPTION_ROW(type_, field, option_type_, dflt_, help_)                                                           \
	.name = #field, .type = (option_type_), .offset = offsetof(type_, field), .dflt = (dflt_), .help = (help_)
#define OPTION_STRING(type_, field, dflt_, help_)                                                                      \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_STRING, dflt_, help_)                                                     \
	}
#define OPTION_SECRET(type_, field, dflt_, help_)                                                                      \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_STRING, dflt_, help_), .secret = true                                     \
	}
#define OPTION_STRINGS(type_, field, dflt_, help_)                                                                     \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_STRINGS, dflt_, help_)                                                    \
	}
#define OPTION_BOOL(type_, field, dflt_, help_)                                                                        \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_BOOL, dflt_, help_)                                                       \
	}
#define OPTION_ENUM(type_, field, choices_, dflt_, help_)                                                              \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_ENUM, dflt_, help_), .choices = (choices_)                                \
	}
#define OPTION_INT(type_, field, dflt_, min_, max_, help_)                                                             \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_INT, dflt_, help_), .min = (min_), .max = (max_)                          \
	}
/* Bounds in milliseconds. */
#define OPTION_DURATION(type_, field, dflt_, min_, max_, help_)                                                        \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_DURATION, dflt_, help_), .min = (min_), .max = (max_)                     \
	}
/* Bounds in bytes. */
#define OPTION_SIZE(type_, field, dflt_, min_, max_, help_)                                                            \
	{                                                                                                                  \
		OPTION_ROW(type_, field, OPTION_TYPE_SIZE, dflt_, help_), .min = (min_), .max = (max_)                         \
	}

/* A module's rows under their prefix, over its struct inside one big config struct. */
struct option_group {
	const char *prefix; /* "bus.rabbitmq"; no trailing dot; "" where the rows have full names */
	const struct option *rows;
	size_t base; /* offset of the module's struct */
};

struct option_set {
	const struct option_group *groups;
	size_t n;
};

enum { OPTION_E_UNKNOWN = 1, OPTION_E_BAD_VALUE };

/* Sets every option to its default. -ENOMEM. Defaults that do not parse are our own mistake (asserted). */
GRID_MUST_CHECK int options_init(const struct option_set *set, void *config);
/* Frees what strings hold. */
void options_deinit(const struct option_set *set, void *config);
/* Sets one option from text. On OPTION_E_...: `errp` gets a sentence saying what was expected (and, for an unknown
 * name, the nearest known one). STRINGS: comma-separated (blanks around an item do not count), replaces the
 * whole list; blank text is the empty list. */
GRID_MUST_CHECK int options_set(const struct option_set *set, void *config, const char *name, const char *text,
                                struct buf *errp);
/* Appends an option's value as it would be written; of a secret that is set only `***`. The name must exist. */
void options_get(const struct option_set *set, const void *config, const char *name, struct buf *out);
/* The full name: "bus.driver" for row `driver` of group "bus". */
void options_full_name(const struct option_group *group, const struct option *row, struct buf *out);
/* The row behind a full name ("bus.driver") or NULL; `groupp` may be NULL. */
const struct option *options_find(const struct option_set *set, const char *name, const struct option_group **groupp);
/* The environment's name of an option: GRIDNODE_BUS_DRIVER for bus.driver. */
void options_env_name(const char *full_name, struct buf *out);
/* The row behind such a name; or NULL, and `errp` names the nearest. */
const struct option *options_find_env(const struct option_set *set, const char *env_name,
                                      const struct option_group **groupp, struct buf *errp);
/* What a value of this row looks like: `one of local|rabbitmq`, `a number from 1 to 65535`, `a duration ...`. */
void options_expected(const struct option *row, struct buf *out);
/* One paragraph per option, for --help. */
void options_help(const struct option_set *set, struct buf *out);

#endif
