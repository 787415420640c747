#include "bench/run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench/fleet.h"
#include "bench/progress.h"
#include "bench/publishers.h"
#include "bench/report.h"

#define LOOK_EVERY_US 200000 /* whether all is accounted for */
#define QUIET_US 1000000     /* and then so long for what should not come any more */

enum phase { PHASE_CONNECTING, PHASE_PUBLISHING, PHASE_SETTLING, PHASE_DONE };

struct cpu {
	uint64_t process_us;
	uint64_t loop_us;
};

struct run {
	const struct bench_options *options;
	struct reactor reactor;
	struct watch signals;
	struct ledger *ledger;
	struct fleet fleet;
	struct publishers publishers;
	struct progress progress;
	struct histogram *ack, *delivery;

	enum phase phase;
	uint64_t since_us;              /* it has been in this phase */
	bool stopping;                  /* a signal came */
	uint64_t progress_us, welcomes; /* CONNECTING: when something last got better */
	uint64_t look_us;               /* SETTLING: when to look again */
	uint64_t quiet_us;              /* since when all is accounted for; 0: it is not */
	struct cpu cpu_before, cpu_used;
	uint64_t published_us; /* how long PUBLISHING took */
	uint64_t max_lag_us;
	struct tally tally;
};

/* --- resources ---------------------------------------------------------------------------------------------------- */

static uint64_t cpu_us(int who)
{
	struct rusage usage;

	/* Cannot fail with these arguments. */
	(void)getrusage(who, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static struct cpu cpu_now(void)
{
	return (struct cpu){cpu_us(RUSAGE_SELF), cpu_us(RUSAGE_THREAD)};
}

/* Each connection is a descriptor. False: there are not enough. */
static bool enough_files(uint64_t connections)
{
	const uint64_t others = 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= connections + others)
		return true;
	fprintf(stderr, "gridbench: %" PRIu64 " connections need more open files than the %" PRIu64 " allowed: ulimit -n\n",
	        connections, (uint64_t)limit.rlim_cur);
	return false;
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

/* The first one ends the publishing, the second one everything. */
static void on_signal(struct watch *watch, uint32_t events)
{
	struct run *run = GRID_CONTAINER_OF(watch, struct run, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (run->stopping || run->phase == PHASE_CONNECTING)
		reactor_fail(&run->reactor, -EINTR);
	run->stopping = true;
}

static int watch_signals(struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* Before any thread is started, so that none of them takes one. */
	int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = rc == 0 ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
	if (fd < 0)
		return rc ? -rc : -errno;
	run->signals.fn = on_signal;
	int r = reactor_watch(&run->reactor, &run->signals, fd, EPOLLIN);
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

static void begin_publishing(struct run *run)
{
	progress_step(&run->progress, "connected connections=%u", run->fleet.n);
	enter(run, PHASE_PUBLISHING);
	run->cpu_before = cpu_now();
	run->reactor.max_lag_us = 0;
	publishers_start(&run->publishers, run->reactor.now_us);
	progress_step(&run->progress, "publishing");
}

static void begin_settling(struct run *run)
{
	const struct cpu now = cpu_now();

	run->published_us = run->reactor.now_us - run->since_us;
	run->cpu_used = (struct cpu){now.process_us - run->cpu_before.process_us, now.loop_us - run->cpu_before.loop_us};
	run->max_lag_us = run->reactor.max_lag_us;
	ledger_stopped(run->ledger, run->reactor.now_us);
	enter(run, PHASE_SETTLING);
	progress_step(&run->progress, "settling");
}

/* Nobody listens at any of the URLs: that will not change by waiting. */
static bool refused_everywhere(const struct run *run)
{
	const struct clients *clients = &run->fleet.clients;
	return clients->welcomes == 0 && clients->refused >= clients->n_urls && clients->last_end.error == ECONNREFUSED;
}

static void explain_failure(struct run *run)
{
	const struct clients *clients = &run->fleet.clients;
	const struct ws_end *end = &clients->last_end;
	char why[64] = "no answer in time";

	if (!clients->last_url) {
		progress_step(&run->progress, "only %zu of %u connections are in their rooms after all this time",
		              run->fleet.shared.complete, run->fleet.n);
		return;
	}
	if (end->status)
		snprintf(why, sizeof(why), "HTTP status %d", end->status);
	else if (end->error)
		snprintf(why, sizeof(why), "%s", strerrordesc_np(end->error));
	else
		snprintf(why, sizeof(why), "closed with %u", end->code);
	progress_step(&run->progress, "cannot connect to %s: %s", clients->last_url->text, why);
	if (end->error == ECONNREFUSED)
		progress_step(&run->progress, "is there a grid? scripts/run starts one; --url says where it is");
}

static void turn_connecting(struct run *run)
{
	uint64_t now_us = run->reactor.now_us;
	uint64_t got = run->fleet.clients.welcomes + run->fleet.shared.complete;

	fleet_start(&run->fleet, (uint64_t)run->options->connect_rate);
	if (fleet_complete(&run->fleet) && publishers_ready(&run->publishers)) {
		begin_publishing(run);
		return;
	}
	if (got > run->welcomes) {
		run->welcomes = got;
		run->progress_us = now_us;
	}
	if (refused_everywhere(run) || now_us - run->progress_us > (uint64_t)run->options->connect_timeout * 1000) {
		explain_failure(run);
		reactor_fail(&run->reactor, -ECONNREFUSED);
	}
}

static void turn_publishing(struct run *run)
{
	if (run->stopping || run->reactor.now_us - run->since_us >= (uint64_t)run->options->duration * 1000) {
		begin_settling(run);
		return;
	}
	int r = publishers_turn(&run->publishers, run->reactor.now_us);
	if (r != 0)
		reactor_fail(&run->reactor, r);
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
	int r = ledger_tally(run->ledger, &run->tally);
	if (r != 0)
		reactor_fail(&run->reactor, r);
	if (!accounted_for(&run->tally))
		run->quiet_us = 0;
	else if (!run->quiet_us)
		run->quiet_us = now_us;
	bool quiet = run->quiet_us && now_us - run->quiet_us >= QUIET_US;
	if (quiet || now_us - run->since_us >= (uint64_t)run->options->settle * 1000)
		enter(run, PHASE_DONE);
}

static void show(struct run *run)
{
	static const char *const names[] = {"connecting", "publishing", "settling", "done"};

	if (!progress_due(&run->progress, run->reactor.now_us) || ledger_tally(run->ledger, &run->tally) != 0)
		return;
	const struct tally_publishes *p = &run->tally.publishes;
	progress_show(&run->progress,
	              "%s %" PRIu64 " s: %zu of %u connections, %" PRIu64 " published, %" PRIu64 " acknowledged, %" PRIu64
	              " received, %" PRIu64 " doubled",
	              names[run->phase], (run->reactor.now_us - run->since_us) / 1000000, run->fleet.shared.complete,
	              run->fleet.n, p->attempted, p->acknowledged, run->fleet.shared.received,
	              run->tally.rooms.doubled + run->tally.users.doubled);
}

static void turn(struct run *run)
{
	reactor_turn(&run->reactor);
	switch (run->phase) {
	case PHASE_CONNECTING:
		turn_connecting(run);
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
	return (struct report){
	    .run = run->options->run,
	    .seconds = (double)run->published_us / 1e6,
	    .connections = run->fleet.n,
	    .reconnects = run->fleet.clients.reconnects,
	    .refused = run->fleet.clients.refused,
	    .received = run->fleet.shared.received,
	    .foreign = run->fleet.shared.foreign,
	    .tally = run->tally,
	    .ack = run->ack,
	    .delivery = run->delivery,
	    .cpu_share = (double)run->cpu_used.process_us / (double)run->published_us,
	    .loop_share = (double)run->cpu_used.loop_us / (double)run->published_us,
	    .max_lag_us = run->max_lag_us,
	    .late_sends = run->publishers.load.late_sends,
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
	if (ledger_tally(run->ledger, &run->tally) != 0 || ledger_find_lost(run->ledger) != 0)
		return BENCH_EXIT_FAILED;
	const struct report report = report_of(run);
	progress_step(&run->progress, "done");
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
	run->since_us = run->progress_us = run->reactor.now_us;
	publishers_connect(&run->publishers);
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

static enum bench_exit run_with_reactor(struct run *run)
{
	struct buf error GRID_CLEANUP(buf_deinit) = BUF_INIT;
	enum bench_exit result = BENCH_EXIT_FAILED;

	int r = make_books(run);
	if (r == 0)
		r = watch_signals(run);
	int f = fleet_init(&run->fleet, run->options, &run->reactor, run->ledger, run->delivery, &error);
	if (r == 0)
		r = f;
	int p = publishers_init(&run->publishers, run->options, &run->fleet.clients, run->ledger, run->ack);
	if (r == 0)
		r = p;
	if (r == 0)
		result = drive(run);
	else if (r == FLEET_E_USAGE)
		fprintf(stderr, "gridbench: %.*s", STR_ARG(buf_str(&error)));
	else
		fprintf(stderr, "gridbench: %s\n", strerrordesc_np(-r));
	publishers_deinit(&run->publishers);
	fleet_deinit(&run->fleet);
	if (run->signals.fn)
		close(run->signals.fd);
	return r == FLEET_E_USAGE ? BENCH_EXIT_USAGE : result;
}

enum bench_exit bench_run(const struct bench_options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	enum bench_exit result = BENCH_EXIT_FAILED;

	if (!run)
		return result;
	run->options = options;
	progress_init(&run->progress);
	if (enough_files((uint64_t)(options->connections + options->publishers)) && reactor_init(&run->reactor) == 0) {
		result = run_with_reactor(run);
		reactor_deinit(&run->reactor);
	}
	ledger_free(run->ledger);
	free(run->ack);
	free(run->delivery);
	free(run);
	return result;
}
