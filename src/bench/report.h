/* What a run has shown, as a table for people and as one JSON object. */
#ifndef GRID_BENCH_REPORT_H
#define GRID_BENCH_REPORT_H

#include "base/buf.h"
#include "bench/histogram.h"
#include "bench/ledger.h"
#include "bench/watched.h"

struct report {
	const char *run;
	double seconds;       /* of publishing, without the warm-up, as all that is measured */
	uint64_t wanted_rate; /* messages a second; 0: any */
	uint64_t published;   /* attempts in that time; the tally has those of the warm-up as well */
	uint64_t connections, reconnects, refused;
	uint64_t ended;     /* sessions */
	double connected_s; /* how long it took until all were in their rooms */
	uint64_t received;  /* messages, at all sessions */
	double received_s;  /* from the beginning of what is measured to the last of them */
	uint64_t foreign;
	struct tally tally;
	const struct histogram *ack, *delivery;
	double cpu_share;  /* of one core, all threads */
	double loop_share; /* the one that drives the websockets */
	double wait_share; /* the same one: ready, without a processor */
	uint64_t max_lag_us;
	uint64_t late_sends;
	const struct watched_list *watched;
	bool offline; /* was the offline queue looked into? */
};

/* The generator was the bottleneck: its times, and the rate, are not the grid's. */
bool report_saturated(const struct report *report);
/* Lost, doubled or misrouted. */
bool report_failed(const struct report *report);
void report_json(const struct report *report, struct buf *out);
void report_text(const struct report *report, struct buf *out);
/* A line for each watched process that has ended, and for each example. */
void report_warnings(const struct report *report, struct buf *out);
void report_examples(const struct report *report, const struct ledger *ledger, uint32_t rooms, struct buf *out);

/* Percentiles: `"name":{…}`, and a row of the table. */
void report_latency(struct buf *out, const char *name, const struct histogram *h);
void report_times(struct buf *out, const char *name, const struct histogram *h);

#endif
