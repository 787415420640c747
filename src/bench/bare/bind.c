#include "bench/bare/bind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bare/amqp_verb.h"
#include "bench/bare/binder.h"

struct bind_options {
	struct amqp_options amqp;
	int64_t keys;
	int64_t window;
	bool exact;
	bool json;
};

/* What the main thread wants, and what the link's has reached. */
struct bind {
	struct amqp_link link;
	struct binder binder;
	char run[BINDER_RUN_LEN + 1];
	atomic_bool cut;     /* wanted: no more binds */
	atomic_bool bound;   /* reached: all that was asked is answered; `binder` is the main thread's from here on */
	atomic_bool clear;   /* wanted: no queue */
	atomic_bool cleared; /* reached */
	atomic_bool failed;  /* the connection was lost */
};

static struct bind *of_link(struct amqp_link *link)
{
	return GRID_CONTAINER_OF(link, struct bind, link);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static int on_established(struct amqp_link *link)
{
	return binder_declare(&of_link(link)->binder, link);
}

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	bool answer = frame->frame_type == AMQP_FRAME_METHOD && frame->payload.method.id == AMQP_QUEUE_BIND_OK_METHOD;

	return answer ? binder_answered(&of_link(link)->binder, link) : 0;
}

static int go_on_binding(struct bind *bind)
{
	struct window *window = &bind->binder.window;

	if (atomic_load(&bind->cut))
		window_cut(window);
	int r = binder_ask(&bind->binder, &bind->link);
	if (r == 0 && window_done(window))
		atomic_store(&bind->bound, true);
	return r;
}

static int on_idle(struct amqp_link *link)
{
	struct bind *bind = of_link(link);

	if (!atomic_load(&bind->bound))
		return go_on_binding(bind);
	if (!atomic_load(&bind->clear) || atomic_load(&bind->cleared))
		return 0;
	int r = binder_delete(&bind->binder, link);
	if (r == 0)
		atomic_store(&bind->cleared, true);
	return r;
}

static void on_lost(struct amqp_link *link)
{
	struct bind *bind = of_link(link);

	if (!atomic_load(&bind->cleared))
		atomic_store(&bind->failed, true);
	amqp_link_stop(link); /* it does not begin anew */
}

static const struct amqp_link_handler link_handler = {on_established, on_frame, on_idle, on_lost};

/* --- the main thread ---------------------------------------------------------------------------------------------- */

static enum bench_exit print_result(const struct bind *bind, const struct bind_options *options)
{
	const struct binder *binder = &bind->binder;
	unsigned keys = binder->window.answered;
	double seconds = (double)(binder->ended_us - binder->began_us) / 1e6;
	double rate = seconds > 0 ? keys / seconds : 0;

	if (options->json)
		printf("{\"wanted\":%" PRIi64 ",\"keys\":%u,\"seconds\":%.3f,\"per_s\":%.0f}\n", options->keys, keys, seconds,
		       rate);
	else
		printf("bound       %u keys in %.3f s, %.0f/s\n", keys, seconds, rate);
	return fflush(stdout) == 0 ? BENCH_EXIT_OK : BENCH_EXIT_FAILED;
}

/* The result is printed before the queue goes, which may take the broker longer than binding it. */
static enum bench_exit drive(struct bind *bind, const struct bind_options *options, int signals)
{
	if (amqp_verb_connect(&bind->link, signals) != 0)
		return BENCH_EXIT_FAILED;
	fprintf(stderr, "gridbench: binding queue=%s\n", bind->binder.queue);
	while (!atomic_load(&bind->bound) && !atomic_load(&bind->failed))
		if (signals_wait(signals, AMQP_VERB_LOOK_MS)) {
			atomic_store(&bind->cut, true);
			amqp_link_wake(&bind->link);
		}
	if (atomic_load(&bind->failed))
		return amqp_verb_failed(&bind->link);
	enum bench_exit result = print_result(bind, options);
	fprintf(stderr, "gridbench: deleting the queue\n");
	atomic_store(&bind->clear, true);
	amqp_link_wake(&bind->link);
	while (!atomic_load(&bind->cleared) && !atomic_load(&bind->failed))
		if (signals_wait(signals, AMQP_VERB_LOOK_MS))
			return BENCH_EXIT_FAILED;
	return atomic_load(&bind->failed) ? amqp_verb_failed(&bind->link) : result;
}

static enum bench_exit run(const void *config)
{
	const struct bind_options *options = config;
	struct bind bind = {.run = ""};
	int signals = -1;

	binder_name_run(bind.run);
	binder_init(&bind.binder, options->amqp.prefix, bind.run, (enum queue_kind)options->amqp.queue, options->exact,
	            (uint32_t)options->keys, (uint32_t)options->window);
	int r = amqp_verb_init(&bind.link, &link_handler, "gridbench bind", &options->amqp);
	if (r != 0)
		return r > 0 ? BENCH_EXIT_USAGE : BENCH_EXIT_FAILED;
	r = signals_open(&signals);
	enum bench_exit result = r == 0 ? drive(&bind, options, signals) : BENCH_EXIT_FAILED;
	amqp_link_stop(&bind.link);
	amqp_link_deinit(&bind.link);
	if (signals >= 0)
		close(signals);
	return result;
}

static const struct option rows[] = {
    AMQP_VERB_ROWS(struct bind_options, amqp),
    OPTION_INT(struct bind_options, keys, "10000", 1, 1000000, "bindings, each to another user"),
    OPTION_INT(struct bind_options, window, "256", 1, 65536, "binds without an answer at most; a node has as many"),
    OPTION_BOOL(struct bind_options, exact, "false", "bind user.NAME; else user.NAME.# as a node does"),
    OPTION_BOOL(struct bind_options, json, "false", "one JSON object instead of a line"),
    OPTIONS_END,
};

const struct verb bind_verb = {
    .name = "bind",
    .title = "binds users to a queue, as fast as the broker answers",
    .text = "SIGTERM ends it early. The result is printed before the queue is deleted.\n",
    .rows = rows,
    .config_size = sizeof(struct bind_options),
    .run = run,
};
