/* conf/gridnode.conf and docs/configuration.md against the option table: they name every option, with its default, and
 * nothing else. */
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/config_loader.h"
#include "daemon/config_file.h"

#include "check_main.h"

#define SAMPLE GRID_SOURCE_DIR "/conf/gridnode.conf"
#define DOCS GRID_SOURCE_DIR "/docs/configuration.md"

static struct buf read_all(const char *path)
{
	struct buf content = BUF_INIT;
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s cannot be read", path);
	for (int c; (c = fgetc(file)) != EOF;)
		buf_putc(&content, (char)c);
	fclose(file);
	buf_putc(&content, '\0');
	ck_assert(!content.failed);
	return content;
}

/* Runs `fn` for every option there is, with its full name. */
static void each_option(void (*fn)(const struct option *row, const char *name, void *arg), void *arg)
{
	for (size_t i = 0; i < config_options.n; i++) {
		for (const struct option *row = config_options.groups[i].rows; row->name; row++) {
			struct buf name = BUF_INIT;
			options_full_name(&config_options.groups[i], row, &name);
			buf_putc(&name, '\0');
			ck_assert(!name.failed);
			fn(row, name.p, arg);
			buf_deinit(&name);
		}
	}
}

static void start(struct config_loader *loader, struct config *config, struct buf *err)
{
	*loader = (struct config_loader){.config = config, .errp = err};
	ck_assert_int_eq(options_init(&config_options, config), 0);
}

static void end(struct config_loader *loader)
{
	config_deinit(loader->config);
	config_loader_deinit(loader);
	buf_deinit(loader->errp);
}

static void load(struct config_loader *loader, const char *path)
{
	config_file_load(loader, path);
	ck_assert_msg(!loader->failed && !loader->no_memory, "%.*s", STR_ARG(buf_str(loader->errp)));
}

static void is_not_set(const struct option *row, const char *name, void *arg)
{
	(void)row;
	ck_assert_msg(strcmp(config_loader_where(arg, name), "default") == 0, "%s is set in the sample", name);
}

START_TEST(the_sample_as_shipped_changes_nothing)
{
	struct config_loader loader;
	struct config config;
	struct buf err = BUF_INIT;

	start(&loader, &config, &err);
	load(&loader, SAMPLE);
	each_option(is_not_set, &loader);
	end(&loader);
}
END_TEST

/* `#name = ...` loses its `#`; prose, which has a blank after it, does not. */
static void uncomment(char *text)
{
	regex_t pattern;
	regmatch_t match;

	ck_assert_int_eq(regcomp(&pattern, "^[[:blank:]]*#[a-z_]+ = ", REG_EXTENDED | REG_NEWLINE), 0);
	for (char *at = text; regexec(&pattern, at, 1, &match, 0) == 0; at += match.rm_eo)
		*strchr(at + match.rm_so, '#') = ' ';
	regfree(&pattern);
}

struct compared {
	const struct config_loader *loader;
	const struct config *defaults;
};

static void is_set_to_its_default(const struct option *row, const char *name, void *arg)
{
	const struct compared *compared = arg;
	struct buf sample = BUF_INIT, dflt = BUF_INIT;

	(void)row;
	ck_assert_msg(strcmp(config_loader_where(compared->loader, name), "default") != 0, "%s is not in the sample", name);
	options_get(&config_options, compared->loader->config, name, &sample);
	options_get(&config_options, compared->defaults, name, &dflt);
	ck_assert_msg(str_eq(buf_str(&sample), buf_str(&dflt)), "%s is \"%.*s\" in the sample, but \"%.*s\" by default",
	              name, STR_ARG(buf_str(&sample)), STR_ARG(buf_str(&dflt)));
	buf_deinit(&sample);
	buf_deinit(&dflt);
}

START_TEST(the_sample_has_every_option_at_its_default)
{
	char path[] = "/tmp/grid-sample-XXXXXX";
	struct buf text = read_all(SAMPLE);
	struct config_loader loader;
	struct config config, defaults;
	struct buf err = BUF_INIT;

	uncomment(text.p);
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text.p, text.n - 1), text.n - 1);
	close(fd);

	start(&loader, &config, &err);
	ck_assert_int_eq(options_init(&config_options, &defaults), 0);
	config_file_load(&loader, path);
	unlink(path);
	ck_assert_msg(!loader.failed, "%.*s", STR_ARG(buf_str(&err)));
	each_option(is_set_to_its_default, &(struct compared){&loader, &defaults});
	config_deinit(&defaults);
	end(&loader);
	buf_deinit(&text);
}
END_TEST

static void put_cell(const char *text, struct buf *out)
{
	/* A bar would end the cell. */
	for (; *text; text++)
		buf_printf(out, *text == '|' ? "\\|" : "%c", *text);
}

/* | `bus.driver` | `rabbitmq` | one of local\|rabbitmq | how nodes reach each other | */
static void put_row(const struct option *row, const char *name, struct buf *out)
{
	struct buf expected = BUF_INIT;

	options_expected(row, &expected);
	buf_putc(&expected, '\0');
	buf_printf(out, "\n| `%s` | %s%s%s | ", name, *row->dflt ? "`" : "", row->dflt, *row->dflt ? "`" : "");
	put_cell(expected.p, out);
	buf_puts(out, " | ");
	put_cell(row->help, out);
	buf_puts(out, " |\n");
	buf_deinit(&expected);
}

static void is_documented(const struct option *row, const char *name, void *arg)
{
	struct buf wanted = BUF_INIT;

	put_row(row, name, &wanted);
	buf_putc(&wanted, '\0');
	ck_assert_msg(strstr(arg, wanted.p), "docs/configuration.md lacks the row%s", wanted.p);
	buf_deinit(&wanted);
}

START_TEST(the_documentation_has_every_option)
{
	struct buf text = read_all(DOCS);
	each_option(is_documented, text.p);
	buf_deinit(&text);
}
END_TEST

START_TEST(the_documentation_has_no_other_option)
{
	struct buf text = read_all(DOCS);
	regex_t pattern;
	regmatch_t match[2];
	size_t n = 0;

	ck_assert_int_eq(regcomp(&pattern, "^\\| `([^`]*)` \\|", REG_EXTENDED | REG_NEWLINE), 0);
	for (const char *at = text.p; regexec(&pattern, at, 2, match, 0) == 0; at += match[0].rm_eo) {
		char name[100];
		snprintf(name, sizeof(name), "%.*s", (int)(match[1].rm_eo - match[1].rm_so), at + match[1].rm_so);
		ck_assert_msg(options_find(&config_options, name, NULL), "there is no option %s", name);
		n++;
	}
	ck_assert_uint_gt(n, 0);
	regfree(&pattern);
	buf_deinit(&text);
}
END_TEST

CHECK_MAIN("daemon.docs", the_sample_as_shipped_changes_nothing, the_sample_has_every_option_at_its_default,
           the_documentation_has_every_option, the_documentation_has_no_other_option)
