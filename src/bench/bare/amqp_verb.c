#include "bench/bare/amqp_verb.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define CONNECT_US 10000000

int amqp_verb_init(struct amqp_link *link, const struct amqp_link_handler *handler, const char *name,
                   const struct amqp_options *options)
{
	const char *uri = *options->uri ? options->uri : getenv("GRID_AMQP_URI");
	int r = uri ? amqp_link_init(link, handler, name, uri) : AMQP_LINK_E_URI;

	if (r > 0)
		fprintf(stderr, "gridbench: --amqp: expected amqp://user:password@host:port/vhost\n");
	return r;
}

enum bench_exit amqp_verb_failed(struct amqp_link *link)
{
	struct buf why GRID_CLEANUP(buf_deinit) = BUF_INIT;

	amqp_link_why(link, &why);
	fprintf(stderr, "gridbench: %.*s\n", STR_ARG(buf_str(&why)));
	return BENCH_EXIT_FAILED;
}

int amqp_verb_connect(struct amqp_link *link, int signals)
{
	uint64_t until_us = clock_mono_us() + CONNECT_US;
	bool interrupted = false;
	int r = amqp_link_start(link);

	while (r == 0 && !interrupted && !amqp_link_up(link) && clock_mono_us() < until_us)
		interrupted = signals_wait(signals, AMQP_VERB_LOOK_MS);
	if (r == 0 && !interrupted && amqp_link_up(link))
		return 0;
	(void)amqp_verb_failed(link);
	return r != 0 ? r : -ECONNREFUSED;
}
