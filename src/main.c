/* gridnode: reads the command line and the configuration, then runs one node. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/cli.h"
#include "daemon/config.h"
#include "daemon/node.h"

static int print(const struct buf *text)
{
	bool written = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;
	return written && !text->failed ? NODE_EXIT_OK : NODE_EXIT_FAILED;
}

static int check(const struct cli *cli, const struct buf *warning)
{
	fprintf(stderr, "%.*s", STR_ARG(buf_str(warning)));
	printf("%s: ok\n", cli->config_file ? cli->config_file : "defaults, environment and command line (no file)");
	return NODE_EXIT_OK;
}

static int run(const struct config *config, const struct buf *warning)
{
	struct str lines = buf_str(warning);

	log_set_level((enum log_level)config->log.level);
	for (const char *end; lines.n && (end = memchr(lines.p, '\n', lines.n));) {
		log_warn("config.warning", "what=%s", LOG_QUOTED(((struct str){lines.p, (size_t)(end - lines.p)})));
		lines = (struct str){end + 1, lines.n - (size_t)(end + 1 - lines.p)};
	}
	return (int)node_run(config);
}

static int with_config(const struct cli *cli, struct buf *text)
{
	struct config config;
	struct buf warning GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct config_sources sources = {cli->config_file, environ, cli->overrides, cli->n_overrides};

	int r = config_load(&sources, &config, text, &warning);
	if (r != 0) {
		fprintf(stderr, "%.*s", STR_ARG(r > 0 ? buf_str(text) : STR("gridnode: out of memory\n")));
		return r > 0 ? NODE_EXIT_CONFIG : NODE_EXIT_FAILED;
	}
	if (cli->action == CLI_CHECK_CONFIG) {
		r = check(cli, &warning);
	} else if (cli->action == CLI_PRINT_CONFIG) {
		config_print(&config, text);
		r = print(text);
	} else {
		r = run(&config, &warning);
	}
	config_deinit(&config);
	return r;
}

int main(int argc, char **argv)
{
	struct cli cli GRID_CLEANUP(cli_deinit);
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	int r = cli_parse(&cli, argc, argv, &text);
	if (r != 0) {
		fprintf(stderr, "gridnode: %.*s", STR_ARG(r > 0 ? buf_str(&text) : STR("out of memory\n")));
		return r > 0 ? NODE_EXIT_CONFIG : NODE_EXIT_FAILED;
	}
	switch (cli.action) {
	case CLI_HELP:
		cli_help(&text);
		return print(&text);
	case CLI_VERSION:
		buf_puts(&text, "gridnode " GRID_VERSION "\n");
		return print(&text);
	default:
		return with_config(&cli, &text);
	}
}
