#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "bench/names.h"

#define SATURATED_SHARE 0.95
#define SATURATED_LAG_US 250000
#define SATURATED_LATE 100 /* one late send in so many messages */

/* A thread that runs or waits to run all the time does not keep up, however little it got to run. One that waits often
 * and is idle in between does: its share of a full machine is enough for it. */
bool report_saturated(const struct report *report)
{
	return report->loop_share + report->wait_share > SATURATED_SHARE || report->max_lag_us > SATURATED_LAG_US ||
	       report->late_sends * SATURATED_LATE > report->published;
}

bool report_failed(const struct report *report)
{
	const struct tally *t = &report->tally;
	return t->rooms.lost || t->rooms.doubled || t->users.lost || t->users.doubled || t->misrouted;
}

static double cpu_us_per_delivery(const struct watched *watched, uint64_t received)
{
	return received ? (double)watched->cpu_ns / 1e3 / (double)received : 0;
}

static double ms(uint64_t us)
{
	return (double)us / 1000;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

struct number {
	const char *name;
	uint64_t value;
};

static void put_numbers(struct buf *out, const char *name, const struct number *numbers, size_t n)
{
	buf_printf(out, "\"%s\":{", name);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", numbers[i].name, numbers[i].value);
	buf_puts(out, "}");
}

#define PUT_NUMBERS(out, name, ...)                                                                                    \
	put_numbers((out), (name), (const struct number[]){__VA_ARGS__},                                                   \
	            GRID_ARRAY_LEN(((const struct number[]){__VA_ARGS__})))

void report_latency(struct buf *out, const char *name, const struct histogram *h)
{
	buf_printf(out, "\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}", name,
	           ms(histogram_at(h, 0.5)), ms(histogram_at(h, 0.9)), ms(histogram_at(h, 0.99)),
	           ms(histogram_at(h, 0.999)), ms(h->max_us));
}

static void put_connections(const struct report *report, struct buf *out)
{
	buf_printf(out,
	           "\"connections\":{\"wanted\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"refused\":%" PRIu64
	           ",\"ended\":%" PRIu64 ",\"seconds\":%.3f},\"deliveries\":{\"total\":%" PRIu64 ",\"per_s\":%.1f},",
	           report->connections, report->reconnects, report->refused, report->ended, report->connected_s,
	           report->received, (double)report->received / report->received_s);
}

static void put_process(struct buf *out, const struct watched *w, uint64_t received)
{
	static const char *const moments[] = {
	    [WATCHED_START] = "start", [WATCHED_CONNECTED] = "connected", [WATCHED_END] = "end"};

	buf_printf(out, "\"%.*s\":", STR_ARG(w->name));
	if (w->gone) {
		buf_puts(out, "null");
		return;
	}
	buf_printf(out, "{\"cpu_s\":%.6f,\"cpu_us_per_delivery\":%.4f,\"memory_kb\":{", (double)w->cpu_ns / 1e9,
	           cpu_us_per_delivery(w, received));
	for (size_t i = 0; i < WATCHED_MOMENTS; i++)
		buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", moments[i], w->memory_kb[i]);
	buf_puts(out, "}}");
}

static void put_processes(const struct report *report, struct buf *out)
{
	buf_puts(out, ",\"processes\":{");
	for (size_t i = 0; i < report->watched->n; i++) {
		buf_puts(out, i ? "," : "");
		put_process(out, &report->watched->items[i], report->received);
	}
	buf_putc(out, '}');
}

static void put_generator_json(const struct report *report, struct buf *out)
{
	buf_printf(out,
	           "\"generator\":{\"cpu_share\":%.3f,\"loop_share\":%.3f,\"wait_share\":%.3f,\"max_lag_ms\":%.1f,"
	           "\"late_sends\":%" PRIu64 ",\"saturated\":%s}",
	           report->cpu_share, report->loop_share, report->wait_share, ms(report->max_lag_us), report->late_sends,
	           report_saturated(report) ? "true" : "false");
}

void report_json(const struct report *report, struct buf *out)
{
	const struct tally_publishes *p = &report->tally.publishes;
	const struct tally_rooms *r = &report->tally.rooms;
	const struct tally_users *u = &report->tally.users;

	buf_printf(out, "{\"run\":\"%s\",\"seconds\":%.3f,", report->run, report->seconds);
	put_connections(report, out);
	PUT_NUMBERS(out, "publishes", {"attempted", p->attempted}, {"acknowledged", p->acknowledged},
	            {"refused", p->refused}, {"unknown", p->unknown}, {"measured", report->published},
	            {"longest_ack_gap_ms", report->tally.longest_ack_gap_us / 1000});
	buf_putc(out, ',');
	PUT_NUMBERS(out, "rooms", {"acknowledged", r->acknowledged}, {"expected", r->expected}, {"delivered", r->delivered},
	            {"lost", r->lost}, {"doubled", r->doubled}, {"disordered", r->disordered}, {"excused", r->excused},
	            {"unacknowledged_delivered", r->unacknowledged_delivered}, {"early", r->early});
	buf_putc(out, ',');
	PUT_NUMBERS(out, "users", {"acknowledged", u->acknowledged}, {"delivered", u->delivered}, {"offline", u->offline},
	            {"lost", u->lost}, {"doubled", u->doubled}, {"disordered", u->disordered}, {"repeated", u->repeated},
	            {"both", u->both}, {"unacknowledged_delivered", u->unacknowledged_delivered});
	buf_printf(out,
	           ",\"misrouted\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"longest_gap_ms\":%" PRIu64 ",\"latency_ms\":{",
	           report->tally.misrouted, report->foreign, report->tally.longest_gap_us / 1000);
	report_latency(out, "ack", report->ack);
	buf_putc(out, ',');
	report_latency(out, "delivery", report->delivery);
	buf_puts(out, "},");
	put_generator_json(report, out);
	if (report->watched->n)
		put_processes(report, out);
	buf_puts(out, "}\n");
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void put_row(struct buf *out, const char *name, const struct number *numbers, size_t n)
{
	buf_printf(out, "%-12s", name);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%" PRIu64 " %s", i ? ", " : "", numbers[i].value, numbers[i].name);
	buf_putc(out, '\n');
}

#define PUT_ROW(out, name, ...)                                                                                        \
	put_row((out), (name), (const struct number[]){__VA_ARGS__}, GRID_ARRAY_LEN(((const struct number[]){__VA_ARGS__})))

void report_times(struct buf *out, const char *name, const struct histogram *h)
{
	buf_printf(out, "%-12sp50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n", name, ms(histogram_at(h, 0.5)),
	           ms(histogram_at(h, 0.9)), ms(histogram_at(h, 0.99)), ms(histogram_at(h, 0.999)), ms(h->max_us));
}

static void put_rooms(const struct tally_rooms *r, struct buf *out)
{
	PUT_ROW(out, "rooms", {"acknowledged", r->acknowledged}, {"deliveries expected", r->expected},
	        {"delivered", r->delivered}, {"lost", r->lost}, {"doubled", r->doubled}, {"disordered", r->disordered});
	if (r->excused || r->unacknowledged_delivered || r->early)
		PUT_ROW(out, "", {"excused", r->excused}, {"delivered though not acknowledged", r->unacknowledged_delivered},
		        {"before the answer to the join", r->early});
}

static void put_users(const struct report *report, struct buf *out)
{
	const struct tally_users *u = &report->tally.users;

	PUT_ROW(out, "users", {"acknowledged", u->acknowledged}, {"delivered", u->delivered},
	        {"in the offline queue", u->offline}, {"lost", u->lost}, {"doubled", u->doubled},
	        {"disordered", u->disordered});
	if (u->repeated || u->both || u->unacknowledged_delivered)
		PUT_ROW(out, "", {"repeated", u->repeated}, {"delivered and offline", u->both},
		        {"delivered though not acknowledged", u->unacknowledged_delivered});
	if (u->lost && !report->offline)
		buf_puts(out, "            (without --offline what waits for absent users counts as lost)\n");
}

static void put_generator(const struct report *report, struct buf *out)
{
	buf_printf(out, "%-12s%.0f %% of one core, %.0f %% waiting for one, largest lag %.1f ms, %" PRIu64 " late sends\n",
	           "generator", report->cpu_share * 100, report->wait_share * 100, ms(report->max_lag_us),
	           report->late_sends);
	if (report_saturated(report))
		buf_puts(out, "            SATURATED: gridbench, or the machine it runs on, was too slow. Do not trust times\n"
		              "            and rates; use fewer connections, a lower rate, or a machine of its own.\n");
}

static void put_watched(const struct report *report, struct buf *out)
{
	for (const struct watched *w = report->watched->items; w < report->watched->items + report->watched->n; w++) {
		const uint64_t *kb = w->memory_kb;
		if (w->gone)
			buf_printf(out, "%-12s%.*s has ended during the run\n", "process", STR_ARG(w->name));
		else
			buf_printf(out,
			           "%-12s%.*s: processor %.3f s, %.3f us a delivery; memory (Pss) %.1f MB, connected %.1f, "
			           "at the end %.1f\n",
			           "process", STR_ARG(w->name), (double)w->cpu_ns / 1e9, cpu_us_per_delivery(w, report->received),
			           (double)kb[WATCHED_START] / 1e3, (double)kb[WATCHED_CONNECTED] / 1e3,
			           (double)kb[WATCHED_END] / 1e3);
	}
}

static void put_rate(const struct report *report, struct buf *out)
{
	buf_printf(out, "%-12s%.0f published/s", "rate", (double)report->published / report->seconds);
	if (report->wanted_rate)
		buf_printf(out, " of %" PRIu64 " wanted", report->wanted_rate);
	buf_printf(out, ", %.0f received/s\n", (double)report->received / report->seconds);
}

void report_text(const struct report *report, struct buf *out)
{
	const struct tally *t = &report->tally;

	buf_printf(out, "%-12s%s, %.1f s, %" PRIu64 " connections\n", "run", report->run, report->seconds,
	           report->connections);
	if (report->ended || report->reconnects || report->refused)
		PUT_ROW(out, "", {"sessions ended", report->ended}, {"reconnects", report->reconnects},
		        {"attempts that failed", report->refused});
	PUT_ROW(out, "publishes", {"attempted", t->publishes.attempted}, {"acknowledged", t->publishes.acknowledged},
	        {"refused", t->publishes.refused}, {"unknown", t->publishes.unknown});
	put_rate(report, out);
	put_rooms(&t->rooms, out);
	put_users(report, out);
	if (t->misrouted || report->foreign)
		PUT_ROW(out, "strange", {"misrouted", t->misrouted}, {"not of this run", report->foreign});
	report_times(out, "ack", report->ack);
	report_times(out, "delivery", report->delivery);
	buf_printf(out, "%-12s%.0f ms without a delivery, %.0f ms without an acknowledgement\n", "longest gap",
	           ms(t->longest_gap_us), ms(t->longest_ack_gap_us));
	put_watched(report, out);
	put_generator(report, out);
	buf_printf(out, "%-12s%s\n", "verdict", report_failed(report) ? "FAILED" : "nothing lost, nothing doubled");
}

void report_warnings(const struct report *report, struct buf *out)
{
	for (const struct watched *w = report->watched->items; w < report->watched->items + report->watched->n; w++)
		if (w->gone)
			buf_printf(out, "gridbench: watched %.*s ended\n", STR_ARG(w->name));
}

void report_examples(const struct report *report, const struct ledger *ledger, uint32_t rooms, struct buf *out)
{
	size_t n;
	const struct ledger_example *examples = ledger_examples(ledger, &n);

	for (size_t i = 0; i < n; i++) {
		const struct message_id *id = &examples[i].id;
		struct bench_name name =
		    id->target < rooms ? bench_room(report->run, id->target) : bench_user(report->run, id->target - rooms);
		buf_printf(out, "gridbench: %s run=%s publisher=%u number=%u %s=%s session=%s\n",
		           finding_names[examples[i].finding], report->run, id->publisher, id->number,
		           id->target < rooms ? "room" : "user", name.text,
		           *examples[i].session ? examples[i].session : "none");
	}
}
