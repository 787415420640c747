/* Amounts with units: what is taken, what is not, and that writing is the reverse of reading. */
#include "base/units.h"

#include "check_main.h"

static int64_t parsed(const struct unit *units, const char *text)
{
	int64_t value = 0;
	ck_assert_msg(units_parse(units, text, &value) == 0, "%s was refused", text);
	return value;
}

START_TEST(reads_durations_and_sizes)
{
	ck_assert_int_eq(parsed(units_duration, "500"), 500);
	ck_assert_int_eq(parsed(units_duration, "500ms"), 500);
	ck_assert_int_eq(parsed(units_duration, "2s"), 2000);
	ck_assert_int_eq(parsed(units_duration, "10m"), 600000);
	ck_assert_int_eq(parsed(units_duration, "24h"), 86400000);
	ck_assert_int_eq(parsed(units_duration, "7d"), 604800000);
	ck_assert_int_eq(parsed(units_size, "512"), 512);
	ck_assert_int_eq(parsed(units_size, "64K"), 65536);
	ck_assert_int_eq(parsed(units_size, "2G"), 2147483648);
	ck_assert_int_eq(parsed(units_none, "-5"), -5);
}
END_TEST

START_TEST(refuses_everything_else)
{
	static const char *const bad[] = {"",
	                                  "-",
	                                  "s",
	                                  "ms",
	                                  " 5",
	                                  "+5",
	                                  "5 s",
	                                  "5S",
	                                  "5K",
	                                  "1.5s",
	                                  "0x10",
	                                  "5ss",
	                                  "9223372036854775808",
	                                  "9223372036854775807s"};
	int64_t value = 77;
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_msg(units_parse(units_duration, bad[i], &value) == UNITS_E_BAD, "%s was taken", bad[i]);
	ck_assert_int_eq(units_parse(units_none, "5s", &value), UNITS_E_BAD);
	ck_assert_int_eq(value, 77);
}
END_TEST

START_TEST(writes_what_it_reads)
{
	static const struct {
		const struct unit *units;
		const char *text;
	} rows[] = {
	    {units_duration, "500ms"}, {units_duration, "61s"}, {units_duration, "90m"}, {units_duration, "1d"},
	    {units_duration, "0ms"},   {units_size, "64K"},     {units_size, "1000"},    {units_size, "16M"},
	    {units_size, "3G"},        {units_none, "1024"},
	};
	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
		units_put(rows[i].units, parsed(rows[i].units, rows[i].text), &out);
		buf_putc(&out, '\0');
		ck_assert_str_eq(out.p, rows[i].text);
	}
}
END_TEST

CHECK_MAIN("base.units", reads_durations_and_sizes, refuses_everything_else, writes_what_it_reads)
