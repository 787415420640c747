/* gridbench's options: one table, from which the command line, scenario files and --help come. */
#ifndef GRID_BENCH_OPTIONS_H
#define GRID_BENCH_OPTIONS_H

#include "base/options.h"
#include "bench/dialect.h"

enum bench_via { VIA_WS, VIA_AMQP, VIA_BOTH };
enum bench_to { TO_ROOMS, TO_USERS, TO_BOTH };

struct bench_options {
	struct option_strings url;
	int dialect; /* of dialect_names */
	char *login;
	int64_t connections;
	int64_t users; /* 0: one for each connection */
	int64_t rooms;
	int64_t rooms_per_user;
	int distribution; /* enum distribution */
	struct option_strings sources;
	int64_t connect_rate;
	int64_t connect_timeout; /* ms */
	bool pin;

	int64_t publishers;
	struct option_strings publish_url;
	int via; /* enum bench_via */
	int to;  /* enum bench_to */
	int64_t rate;
	int64_t size;
	int64_t window;
	int64_t hold;     /* ms */
	int64_t warm_up;  /* ms */
	int64_t duration; /* ms */
	bool persistent;
	char *amqp;
	char *offline;
	char *prefix;

	struct option_strings watch;
	int64_t grace;  /* ms */
	int64_t settle; /* ms */
	int64_t examples;
	char *run;
	bool json;
};

enum bench_action { BENCH_RUN, BENCH_HELP, BENCH_VERSION };

enum { BENCH_OPTIONS_E_USAGE = 1 };

/* Reads the command line and the scenario file it names; what is not given has its default. BENCH_OPTIONS_E_USAGE:
 * `errp` says what is wrong in a line. -ENOMEM. Deinit is due in any case. */
GRID_MUST_CHECK int bench_options_parse(struct bench_options *options, enum bench_action *actionp, int argc,
                                        char *const *argv, struct buf *errp);
void bench_options_deinit(struct bench_options *options);
/* How the server is spoken to; the texts stay the options'. */
struct dialect bench_options_dialect(const struct bench_options *options);
/* Where publishers connect to. */
const struct option_strings *bench_options_publish_urls(const struct bench_options *options);
/* Does `text` stand in one of them? */
bool bench_options_mention(const struct option_strings *urls, const char *text);
/* The table itself; ends with a row without a name. */
extern const struct option bench_option_rows[];

#endif
