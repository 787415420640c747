#include "bench/bare/pipe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bare/sender.h"
#include "bench/bare/taker.h"
#include "bench/report.h"

#define BIND_WINDOW 256

struct pipe_options {
	struct amqp_options amqp;
	int64_t keys;
	int64_t rate;
	int64_t duration; /* ms */
	int64_t size;
	int64_t window;
	int64_t prefetch;
	int64_t settle; /* ms */
	bool persistent;
	bool json;
};

struct pipe {
	const struct pipe_options *options;
	char run[BINDER_RUN_LEN + 1];
	int signals;
	struct taker taker;
	struct sender sender;
};

/* --- what has come out -------------------------------------------------------------------------------------------- */

static void put_json(const struct pipe *pipe, struct buf *out)
{
	const struct sender *sender = &pipe->sender;
	uint64_t received = atomic_load(&pipe->taker.received);
	double seconds = (double)(sender->ended_us - sender->began_us) / 1e6;

	buf_printf(out,
	           "{\"run\":\"%s\",\"seconds\":%.3f,\"publishes\":{\"attempted\":%" PRIu64 ",\"acknowledged\":%" PRIu64
	           ",\"refused\":%" PRIu64 ",\"late_sends\":%" PRIu64 "},",
	           pipe->run, seconds, sender->sent, sender->confirmed, sender->refused, sender->pace.late);
	buf_printf(out, "\"deliveries\":{\"total\":%" PRIu64 ",\"per_s\":%.0f,\"foreign\":%" PRIu64 "},\"latency_ms\":{",
	           received, (double)received / seconds, pipe->taker.foreign);
	report_latency(out, "ack", &sender->ack);
	buf_putc(out, ',');
	report_latency(out, "delivery", &pipe->taker.delivery);
	buf_printf(out, "},\"cpu_s\":{\"publisher\":%.3f,\"consumer\":%.3f}}\n", (double)sender->cpu_us / 1e6,
	           (double)pipe->taker.cpu_us / 1e6);
}

static void put_text(const struct pipe *pipe, struct buf *out)
{
	const struct sender *sender = &pipe->sender;
	double seconds = (double)(sender->ended_us - sender->began_us) / 1e6;

	buf_printf(out,
	           "pipe        %s, %.1f s\n"
	           "publishes   %" PRIu64 " attempted, %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64 " late\n"
	           "deliveries  %" PRIu64 "\n",
	           pipe->run, seconds, sender->sent, sender->confirmed, sender->refused, sender->pace.late,
	           (uint64_t)atomic_load(&pipe->taker.received));
	report_times(out, "ack", &sender->ack);
	report_times(out, "delivery", &pipe->taker.delivery);
	buf_printf(out, "CPU         publisher %.3f s, consumer %.3f s\n", (double)sender->cpu_us / 1e6,
	           (double)pipe->taker.cpu_us / 1e6);
}

static enum bench_exit print_result(const struct pipe *pipe)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	if (pipe->options->json)
		put_json(pipe, &text);
	else
		put_text(pipe, &text);
	if (text.failed || fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
		return BENCH_EXIT_FAILED;
	bool all = atomic_load(&pipe->taker.received) == pipe->sender.confirmed;
	return all ? BENCH_EXIT_OK : BENCH_EXIT_FOUND;
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

/* Until `reached`. False: one of the links was lost, and why is said. A signal ends the publishing. */
static bool wait_until(struct pipe *pipe, const atomic_bool *reached)
{
	while (!atomic_load(reached)) {
		if (atomic_load(&pipe->taker.failed) || atomic_load(&pipe->sender.failed)) {
			(void)amqp_verb_failed(atomic_load(&pipe->taker.failed) ? &pipe->taker.link : &pipe->sender.link);
			return false;
		}
		if (signals_wait(pipe->signals, AMQP_VERB_LOOK_MS)) {
			atomic_store(&pipe->sender.cut, true);
			amqp_link_wake(&pipe->sender.link);
		}
	}
	return true;
}

/* What is confirmed, and may still come. */
static void settle(struct pipe *pipe)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)pipe->options->settle * 1000;

	while (atomic_load(&pipe->taker.received) < pipe->sender.confirmed && clock_mono_us() < until_us)
		if (signals_wait(pipe->signals, AMQP_VERB_LOOK_MS))
			return;
}

static enum bench_exit drive(struct pipe *pipe)
{
	if (amqp_verb_connect(&pipe->taker.link, pipe->signals) != 0 || !wait_until(pipe, &pipe->taker.consuming) ||
	    amqp_verb_connect(&pipe->sender.link, pipe->signals) != 0)
		return BENCH_EXIT_FAILED;
	fprintf(stderr, "gridbench: publishing\n");
	if (!wait_until(pipe, &pipe->sender.done))
		return BENCH_EXIT_FAILED;
	settle(pipe);
	atomic_store(&pipe->taker.clear, true);
	amqp_link_wake(&pipe->taker.link);
	return wait_until(pipe, &pipe->taker.done) ? print_result(pipe) : BENCH_EXIT_FAILED;
}

static enum bench_exit connect_and_drive(struct pipe *pipe)
{
	const struct pipe_options *options = pipe->options;
	const struct taker_config taker = {pipe->run, (uint32_t)options->keys, BIND_WINDOW, (uint16_t)options->prefetch};
	const struct sender_config sender = {.run = pipe->run,
	                                     .keys = (uint32_t)options->keys,
	                                     .rate = (uint64_t)options->rate,
	                                     .duration_us = (uint64_t)options->duration * 1000,
	                                     .window = (uint32_t)options->window,
	                                     .size = (size_t)options->size,
	                                     .persistent = options->persistent};
	int r = taker_init(&pipe->taker, &taker, &options->amqp);

	if (r != 0)
		return r > 0 ? BENCH_EXIT_USAGE : BENCH_EXIT_FAILED;
	enum bench_exit result = BENCH_EXIT_FAILED;
	if (sender_init(&pipe->sender, &sender, &options->amqp) == 0) {
		result = drive(pipe);
		sender_deinit(&pipe->sender);
	}
	taker_deinit(&pipe->taker);
	return result;
}

static enum bench_exit run(const void *config)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));
	enum bench_exit result = BENCH_EXIT_FAILED;

	if (!pipe)
		return result;
	pipe->options = config;
	binder_name_run(pipe->run);
	if (signals_open(&pipe->signals) == 0) {
		result = connect_and_drive(pipe);
		close(pipe->signals);
	}
	free(pipe);
	return result;
}

static const struct option rows[] = {
    AMQP_VERB_ROWS(struct pipe_options, amqp),
    OPTION_INT(struct pipe_options, keys, "1000", 1, 1000000, "users who are bound, and published to in turn"),
    OPTION_INT(struct pipe_options, rate, "1000", 0, 10000000, "messages a second; 0: as fast as the window lets it"),
    OPTION_DURATION(struct pipe_options, duration, "10s", 100, 86400000, "how long to publish; SIGTERM ends it sooner"),
    OPTION_SIZE(struct pipe_options, size, "128", 0, 1 << 20, "bytes of a payload, at least what its numbers need"),
    OPTION_INT(struct pipe_options, window, "1024", 1, 65536, "unconfirmed messages at most; a node has as many"),
    OPTION_INT(struct pipe_options, prefetch, "1024", 1, 65535,
               "messages not acknowledged at most; a node has as many"),
    OPTION_DURATION(struct pipe_options, settle, "10s", 0, 86400000, "wait at most so long for what is under way"),
    OPTION_BOOL(struct pipe_options, persistent, "false", "messages with delivery_mode 2"),
    OPTION_BOOL(struct pipe_options, json, "false", "one JSON object instead of a table"),
    OPTIONS_END,
};

const struct verb pipe_verb = {
    .name = "pipe",
    .title = "publishes and consumes with librabbitmq alone: what a node adds to",
    .text = "One thread publishes to users, with confirms; one consumes a queue that is bound to them as a node's is,\n"
            "and acknowledges all that it has read at once. Exit code 1: something confirmed did not come, or twice.\n",
    .rows = rows,
    .config_size = sizeof(struct pipe_options),
    .run = run,
};
