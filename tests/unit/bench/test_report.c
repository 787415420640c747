/* What a report says: when its times are not to be trusted, and what was measured of it. */
#include "bench/report.h"

#include "check_main.h"
#include "wire/json.h"

static struct histogram none;
static struct watched watched[] = {{.name = {"server", 6}, .gone = true}, {.name = {"other", 5}}};
static const struct watched_list list = {watched, 2};

static struct report quiet(void)
{
	return (struct report){.run = "x",
	                       .seconds = 2,
	                       .published = 1000,
	                       .received_s = 2,
	                       .received = 500,
	                       .tally.publishes = {.attempted = 1500, .acknowledged = 1500},
	                       .ack = &none,
	                       .delivery = &none,
	                       .cpu_share = 1.5,
	                       .loop_share = 0.5,
	                       .wait_share = 0.4,
	                       .max_lag_us = 100000,
	                       .late_sends = 10,
	                       .watched = &list};
}

START_TEST(waiting_and_working_are_enough_when_there_is_idle_time)
{
	struct report report = quiet();

	ck_assert(!report_saturated(&report));
	report.wait_share = 0.46; /* it never had nothing to do, though it ran for half of the time only */
	ck_assert(report_saturated(&report));
	report.wait_share = 0; /* unknown */
	report.loop_share = 0.96;
	ck_assert(report_saturated(&report));
}
END_TEST

START_TEST(a_late_loop_and_late_sends_count)
{
	struct report report = quiet();

	report.max_lag_us = 250001;
	ck_assert(report_saturated(&report));
	report = quiet();
	report.late_sends = 11; /* of a thousand, not of those with the warm-up's */
	ck_assert(report_saturated(&report));
}
END_TEST

static void assert_says(struct buf *out, const char *text)
{
	buf_putc(out, '\0');
	ck_assert_msg(strstr(out->p, text), "%s", out->p);
	out->n--;
}

START_TEST(json_tells_what_was_measured)
{
	struct report report = quiet();
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	report.ended = 3;
	report_json(&report, &out);
	ck_assert(json_valid((struct str){out.p, out.n - 1}));
	assert_says(&out, "\"reconnects\":0,\"refused\":0,\"ended\":3,");
	assert_says(&out, "\"attempted\":1500,\"acknowledged\":1500,\"refused\":0,\"unknown\":0,\"measured\":1000,");
	assert_says(&out, "\"per_s\":250.0");
	assert_says(&out, "\"generator\":{\"cpu_share\":1.500,\"loop_share\":0.500,\"wait_share\":0.400,");
	assert_says(&out, "\"server\":null,\"other\":{");
}
END_TEST

START_TEST(rates_are_of_what_was_measured)
{
	struct report report = quiet();
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	report_text(&report, &out);
	assert_says(&out, "rate        500 published/s, 250 received/s");
	assert_says(&out, "150 % of one core, 40 % waiting for one, ");
}
END_TEST

START_TEST(warns_of_a_process_that_has_ended)
{
	struct report report = quiet();
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	report_warnings(&report, &out);
	ck_assert(str_eq(buf_str(&out), STR("gridbench: watched server ended\n")));
}
END_TEST

CHECK_MAIN("bench.report", waiting_and_working_are_enough_when_there_is_idle_time, a_late_loop_and_late_sends_count,
           json_tells_what_was_measured, rates_are_of_what_was_measured, warns_of_a_process_that_has_ended)
