#include "bench/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/fleet.h"
#include "bench/offline.h"
#include "bench/progress.h"
#include "bench/publishers.h"
#include "bench/report.h"
#include "bench/signals.h"
#include "bench/usage.h"
#include "bench/watched.h"

#define LOOK_EVERY_US 200000 /* whether all is accounted for */
#define OTHER_FILES 64       /* descriptors that are no websockets */
#define QUIET_US 1000000     /* and then so long for what should not come any more */
#define ANSWER_AFTER_US 1000 /* CONNECTING is a dialogue: it is not to take longer than the server makes it */

enum phase { PHASE_CONNECTING, PHASE_HOLDING, PHASE_WARMING, PHASE_PUBLISHING, PHASE_SETTLING, PHASE_DONE };

/* What was counted before PUBLISHING. */
struct before {
	struct cpu cpu;
	uint64_t attempted, received;
};

struct run {
	const struct bench_options *options;
	struct reactor reactor;
	struct watch signals;
	struct ledger *ledger;
	struct dialect dialect;
	struct fleet fleet;
	struct publishers publishers;
	struct offline offline;
	bool offline_started;
	struct progress progress;
	struct histogram *ack, *delivery;

	enum phase phase;
	uint64_t since_us;              /* it has been in this phase */
	bool stopping;                  /* a signal came */
	uint64_t progress_us, welcomes; /* CONNECTING: when something last got better */
	uint64_t look_us;               /* SETTLING: when to look again */
	uint64_t quiet_us;              /* since when all is accounted for; 0: it is not */
	struct before before;
	struct cpu cpu_used; /* while PUBLISHING */
	struct watched_list watched;
	uint64_t connected_us;  /* how long CONNECTING took */
	uint64_t publishing_us; /* when PUBLISHING began */
	uint64_t published_us;  /* how long PUBLISHING took */
	uint64_t published;     /* messages, meanwhile */
	uint64_t max_lag_us;
	struct tally tally;
};

/* --- signals ------------------------------------------------------------------------------------------------------ */

/* The first one ends the publishing, the second one everything. */
static void on_signal(struct watch *watch, uint32_t events)
{
	struct run *run = GRID_CONTAINER_OF(watch, struct run, signals);

	(void)events;
	if (!signals_take(watch->fd))
		return;
	if (run->stopping || run->phase < PHASE_WARMING)
		reactor_fail(&run->reactor, -EINTR);
	run->stopping = true;
}

static int watch_signals(struct run *run)
{
	int fd;
	int r = signals_open(&fd);

	if (r != 0)
		return r;
	r = reactor_watch(&run->reactor, &run->signals, fd, EPOLLIN);
	if (r != 0)
		close(fd);
	return r;
}

/* --- phases ------------------------------------------------------------------------------------------------------- */

static void enter(struct run *run, enum phase phase)
{
	GRID_ASSERT(phase == run->phase + 1);
	run->phase = phase;
	run->since_us = run->reactor.now_us;
}

static void begin_holding(struct run *run)
{
	progress_step(&run->progress, "connected connections=%u", run->fleet.n);
	run->connected_us = run->reactor.now_us - run->since_us;
	enter(run, PHASE_HOLDING);
}

static void begin_warming(struct run *run)
{
	watched_weigh(&run->watched, WATCHED_CONNECTED);
	/* That may have taken a while. */
	run->reactor.now_us = run->reactor.asked_us = clock_mono_us();
	enter(run, PHASE_WARMING);
	publishers_start(&run->publishers, run->reactor.now_us);
	if (run->options->warm_up)
		progress_step(&run->progress, "warming up");
}

/* What is measured begins anew; the books go on. */
static void begin_publishing(struct run *run)
{
	enter(run, PHASE_PUBLISHING);
	run->publishing_us = run->reactor.now_us;
	*run->ack = *run->delivery = (struct histogram){.n = 0};
	run->publishers.load.late_sends = 0;
	run->reactor.max_lag_us = 0;
	watched_begin(&run->watched);
	run->before = (struct before){.cpu = cpu_now(),
	                              .attempted = ledger_counted(run->ledger)->publishes.attempted,
	                              .received = run->fleet.shared.received};
	progress_step(&run->progress, "publishing");
}

static void begin_settling(struct run *run)
{
	run->published_us = run->reactor.now_us - run->since_us;
	run->published = ledger_counted(run->ledger)->publishes.attempted - run->before.attempted;
	run->cpu_used = cpu_since(&run->before.cpu);
	run->max_lag_us = run->reactor.max_lag_us;
	ledger_stopped(run->ledger, run->reactor.now_us);
	enter(run, PHASE_SETTLING);
	progress_step(&run->progress, "settling");
}

static bool offline_ready(const struct run *run)
{
	return !run->offline_started || amqp_link_up(&run->offline.link);
}

/* Every line of it with our name in front. */
static void explain(struct run *run)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct amqp_link *missing = publishers_missing(&run->publishers);

	if (!missing && !offline_ready(run))
		missing = &run->offline.link;
	if (fleet_complete(&run->fleet) && missing) {
		amqp_link_why(missing, &text);
		progress_step(&run->progress, "cannot connect to the broker at %.*s", STR_ARG(buf_str(&text)));
		return;
	}
	fleet_why(&run->fleet, &text);
	for (struct str rest = buf_str(&text); rest.n;) {
		size_t n = (size_t)((const char *)memchr(rest.p, '\n', rest.n) - rest.p);
		progress_step(&run->progress, "%.*s", (int)n, rest.p);
		rest = (struct str){rest.p + n + 1, rest.n - n - 1};
	}
}

static void turn_connecting(struct run *run)
{
	uint64_t now_us = run->reactor.now_us;
	uint64_t got = run->fleet.clients.welcomes + run->fleet.shared.complete;

	fleet_start(&run->fleet, (uint64_t)run->options->connect_rate);
	if (fleet_complete(&run->fleet) && publishers_ready(&run->publishers) && offline_ready(run)) {
		begin_holding(run);
		return;
	}
	if (got > run->welcomes) {
		run->welcomes = got;
		run->progress_us = now_us;
	}
	if (fleet_hopeless(&run->fleet) || now_us - run->progress_us > (uint64_t)run->options->connect_timeout * 1000) {
		explain(run);
		reactor_fail(&run->reactor, -ECONNREFUSED);
	}
}

static void publish(struct run *run)
{
	int r = publishers_turn(&run->publishers, run->reactor.now_us);
	if (r != 0)
		reactor_fail(&run->reactor, r);
}

static bool is_over(const struct run *run, int64_t ms)
{
	return run->reactor.now_us - run->since_us >= (uint64_t)ms * 1000;
}

static void turn_holding(struct run *run)
{
	if (is_over(run, run->options->hold))
		begin_warming(run);
}

static void turn_warming(struct run *run)
{
	if (run->stopping || is_over(run, run->options->warm_up))
		begin_publishing(run);
	else
		publish(run);
}

static void turn_publishing(struct run *run)
{
	/* A signal in the warm-up leaves a moment all the same: nothing is divided by 0. */
	if (is_over(run, run->stopping ? 1 : run->options->duration))
		begin_settling(run);
	else
		publish(run);
}

static bool accounted_for(const struct tally *tally)
{
	return tally->publishes.pending == 0 && tally->rooms.lost == 0 && tally->users.lost == 0;
}

static void turn_settling(struct run *run)
{
	uint64_t now_us = run->reactor.now_us;

	if (now_us < run->look_us)
		return;
	run->look_us = now_us + LOOK_EVERY_US;
	if (!run->quiet_us)
		watched_look(&run->watched);
	int r = ledger_tally(run->ledger, &run->tally);
	if (r != 0)
		reactor_fail(&run->reactor, r);
	if (!accounted_for(&run->tally))
		run->quiet_us = 0;
	else if (!run->quiet_us)
		run->quiet_us = now_us;
	bool quiet = run->quiet_us && now_us - run->quiet_us >= QUIET_US;
	if (quiet || is_over(run, run->options->settle))
		enter(run, PHASE_DONE);
}

static void show(struct run *run)
{
	static const char *const names[] = {"connecting", "holding", "warming up", "publishing", "settling", "done"};

	if (!progress_due(&run->progress, run->reactor.now_us))
		return;
	const struct tally *counted = ledger_counted(run->ledger);
	progress_show(&run->progress,
	              "%s %" PRIu64 " s: %zu of %u connections, %" PRIu64 " published, %" PRIu64 " acknowledged, %" PRIu64
	              " received, %" PRIu64 " doubled",
	              names[run->phase], (run->reactor.now_us - run->since_us) / 1000000, run->fleet.shared.complete,
	              run->fleet.n, counted->publishes.attempted, counted->publishes.acknowledged,
	              run->fleet.shared.received, counted->rooms.doubled + counted->users.doubled);
}

/* When there is something to do whatever comes. */
static uint64_t due_us(const struct run *run)
{
	if (run->phase == PHASE_CONNECTING)
		return run->reactor.asked_us + ANSWER_AFTER_US;
	return run->phase == PHASE_WARMING || run->phase == PHASE_PUBLISHING ? publishers_due_us(&run->publishers)
	                                                                     : UINT64_MAX;
}

static void turn(struct run *run)
{
	reactor_turn(&run->reactor, due_us(run));
	switch (run->phase) {
	case PHASE_CONNECTING:
		turn_connecting(run);
		break;
	case PHASE_HOLDING:
		turn_holding(run);
		break;
	case PHASE_WARMING:
		turn_warming(run);
		break;
	case PHASE_PUBLISHING:
		turn_publishing(run);
		break;
	case PHASE_SETTLING:
		turn_settling(run);
		break;
	case PHASE_DONE:
		break;
	}
	show(run);
}

/* --- the report --------------------------------------------------------------------------------------------------- */

static struct report report_of(const struct run *run)
{
	uint64_t last_us = run->fleet.shared.received_us;
	/* What was under way when the publishing ended took its time to come. */
	uint64_t received_us = last_us > run->publishing_us ? last_us - run->publishing_us : run->published_us;

	return (struct report){
	    .run = run->options->run,
	    .seconds = (double)run->published_us / 1e6,
	    .wanted_rate = (uint64_t)run->options->rate,
	    .published = run->published,
	    .connections = run->fleet.n,
	    .reconnects = run->fleet.clients.reconnects,
	    .refused = run->fleet.clients.refused,
	    .ended = run->fleet.shared.ended,
	    .received = run->fleet.shared.received - run->before.received,
	    .foreign = run->fleet.shared.foreign,
	    .tally = run->tally,
	    .ack = run->ack,
	    .delivery = run->delivery,
	    .cpu_share = (double)run->cpu_used.process_us / (double)run->published_us,
	    .loop_share = (double)run->cpu_used.thread_us / (double)run->published_us,
	    .wait_share = (double)run->cpu_used.wait_us / (double)run->published_us,
	    .max_lag_us = run->max_lag_us,
	    .late_sends = run->publishers.load.late_sends,
	    .connected_s = (double)run->connected_us / 1e6,
	    .received_s = (double)received_us / 1e6,
	    .watched = &run->watched,
	    .offline = *run->options->offline,
	};
}

static bool write_out(FILE *file, const struct buf *text)
{
	return !text->failed && fwrite(buf_str(text).p, 1, text->n, file) == text->n && fflush(file) == 0;
}

static enum bench_exit print_report(struct run *run)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	publishers_give_up(&run->publishers);
	watched_weigh(&run->watched, WATCHED_END);
	if (ledger_tally(run->ledger, &run->tally) != 0 || ledger_find_lost(run->ledger) != 0)
		return BENCH_EXIT_FAILED;
	const struct report report = report_of(run);
	progress_step(&run->progress, "done");
	report_warnings(&report, &text);
	report_examples(&report, run->ledger, (uint32_t)run->options->rooms, &text);
	if (!write_out(stderr, &text))
		return BENCH_EXIT_FAILED;
	buf_reset(&text);
	if (run->options->json)
		report_json(&report, &text);
	else
		report_text(&report, &text);
	if (!write_out(stdout, &text))
		return BENCH_EXIT_FAILED;
	return report_failed(&report) ? BENCH_EXIT_FOUND : BENCH_EXIT_OK;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static enum bench_exit drive(struct run *run)
{
	watched_weigh(&run->watched, WATCHED_START);
	run->since_us = run->progress_us = run->reactor.now_us = clock_mono_us();
	while (run->phase != PHASE_DONE && run->reactor.error == 0)
		turn(run);
	if (run->reactor.error == 0)
		return print_report(run);
	if (run->reactor.error != -ECONNREFUSED)
		progress_step(&run->progress, "%s", strerrordesc_np(-run->reactor.error));
	return BENCH_EXIT_FAILED;
}

static int make_books(struct run *run)
{
	const struct bench_options *options = run->options;
	const struct ledger_config config = {.publishers = (uint32_t)options->publishers,
	                                     .targets = (uint32_t)(options->rooms + options->users),
	                                     .rooms = (uint32_t)options->rooms,
	                                     .grace_us = (uint64_t)options->grace * 1000,
	                                     .examples = (size_t)options->examples};

	run->ledger = ledger_new(&config);
	run->ack = calloc(1, sizeof(*run->ack));
	run->delivery = calloc(1, sizeof(*run->delivery));
	return run->ledger && run->ack && run->delivery ? 0 : -ENOMEM;
}

static int start_offline(struct run *run)
{
	const struct bench_options *options = run->options;

	if (!*options->offline)
		return 0;
	int r = offline_init(&run->offline, &run->reactor, run->ledger, options->offline, options->prefix,
	                     str_from(options->run), (uint32_t)options->rooms);
	if (r != 0)
		return r;
	run->offline_started = true;
	return offline_start(&run->offline);
}

/* All parts made and set going; what is made is unmade by stop() in any case. */
static int start(struct run *run, struct buf *errp)
{
	int r = watch_signals(run);
	if (r == 0)
		r = watched_init(&run->watched, &run->options->watch, errp);
	if (r == 0)
		r = fleet_init(&run->fleet, run->options, &run->dialect, &run->reactor, run->ledger, run->delivery, errp);
	if (r != 0)
		return r;
	r = publishers_init(&run->publishers, run->options, &run->fleet.clients, run->ledger, run->ack);
	if (r == 0)
		r = publishers_connect(&run->publishers);
	if (r == 0)
		r = start_offline(run);
	if (r == AMQP_LINK_E_URI)
		buf_puts(errp, "--amqp, --offline: expected amqp://user:password@host:port/vhost\n");
	return r;
}

static void stop(struct run *run)
{
	if (run->offline_started)
		offline_stop(&run->offline);
	publishers_deinit(&run->publishers);
	if (run->offline_started)
		offline_deinit(&run->offline);
	fleet_deinit(&run->fleet);
	watched_deinit(&run->watched);
	if (run->signals.fd >= 0)
		close(run->signals.fd);
}

static enum bench_exit run_with_books(struct run *run)
{
	struct buf error GRID_CLEANUP(buf_deinit) = BUF_INIT;
	enum bench_exit result = BENCH_EXIT_FAILED;
	int r = start(run, &error);

	if (r == 0) {
		result = drive(run);
	} else if (r > 0) {
		progress_step(&run->progress, "%.*s", (int)(error.n - 1), error.p);
		result = BENCH_EXIT_USAGE;
	} else {
		progress_step(&run->progress, "%s", strerrordesc_np(-r));
	}
	stop(run);
	return result;
}

/* Each connection is a descriptor. */
static bool enough_files(struct run *run)
{
	uint64_t wanted = (uint64_t)run->options->connections + publishers_files(run->options) + OTHER_FILES;
	uint64_t allowed = raise_file_limit();

	if (wanted > allowed)
		progress_step(&run->progress,
		              "so many connections need %" PRIu64 " open files, %" PRIu64 " are allowed: ulimit -n", wanted,
		              allowed);
	return wanted <= allowed;
}

enum bench_exit bench_run(const struct bench_options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	enum bench_exit result = BENCH_EXIT_FAILED;

	if (!run)
		return result;
	run->options = options;
	run->dialect = bench_options_dialect(options);
	run->signals = (struct watch){.fd = -1, .fn = on_signal};
	progress_init(&run->progress);
	if (enough_files(run) && make_books(run) == 0 && reactor_init(&run->reactor) == 0) {
		result = run_with_books(run);
		reactor_deinit(&run->reactor);
	}
	ledger_free(run->ledger);
	free(run->ack);
	free(run->delivery);
	free(run);
	return result;
}
