/* The two tables, cell by cell, and as they stand in the header. */
#include "bus/failover/decide.h"

#include <stdio.h>

#include "base/err.h"
#include "check_main.h"

#define AWAY PRIMARY_AWAY
#define BLOCKED PRIMARY_BLOCKED
#define DOUBTED PRIMARY_DOUBTED
#define BACK PRIMARY_BACK
#define GOOD PRIMARY_GOOD

START_TEST(every_move)
{
	static const enum primary after[PRIMARY_COUNT][PRIMARY_EVENT_COUNT] = {
	    /*            LOST  BLOCKED  UP       DOUBT    CLEARED  SETTLED */
	    [AWAY] = {AWAY, BLOCKED, BACK, AWAY, AWAY, AWAY},
	    [BLOCKED] = {AWAY, BLOCKED, BACK, BLOCKED, BLOCKED, BLOCKED},
	    [DOUBTED] = {AWAY, BLOCKED, DOUBTED, DOUBTED, BACK, DOUBTED},
	    [BACK] = {AWAY, BLOCKED, BACK, DOUBTED, BACK, GOOD},
	    [GOOD] = {AWAY, BLOCKED, GOOD, DOUBTED, GOOD, GOOD},
	};
	for (int from = 0; from < PRIMARY_COUNT; from++)
		for (int event = 0; event < PRIMARY_EVENT_COUNT; event++)
			ck_assert_msg(primary_next((enum primary)from, (enum primary_event)event) == after[from][event],
			              "%s on event %d", primary_names[from], event);
}
END_TEST

/* From wherever it is: only what has been up, undoubted and settled is good, and a loss is a loss. */
START_TEST(good_only_after_back)
{
	for (int from = 0; from < PRIMARY_COUNT; from++) {
		ck_assert_int_eq(primary_next((enum primary)from, PRIMARY_LOST), AWAY);
		ck_assert_int_eq(primary_next((enum primary)from, PRIMARY_IS_BLOCKED), BLOCKED);
		for (int event = 0; event < PRIMARY_EVENT_COUNT; event++)
			if (from != GOOD && primary_next((enum primary)from, (enum primary_event)event) == GOOD)
				ck_assert(from == BACK && event == PRIMARY_SETTLED);
	}
}
END_TEST

START_TEST(every_route)
{
	static const struct {
		enum primary primary;
		enum route up, up_and_cut, away;
	} rows[] = {
	    {AWAY, ROUTE_FALLBACK, ROUTE_FALLBACK, ROUTE_DOWN},
	    {BLOCKED, ROUTE_FALLBACK, ROUTE_FALLBACK, ROUTE_BLOCKED},
	    {DOUBTED, ROUTE_FALLBACK, ROUTE_FALLBACK, ROUTE_PRIMARY},
	    {BACK, ROUTE_FALLBACK, ROUTE_FALLBACK, ROUTE_PRIMARY},
	    {GOOD, ROUTE_PRIMARY, ROUTE_BOTH, ROUTE_PRIMARY},
	};
	ck_assert_uint_eq(GRID_ARRAY_LEN(rows), PRIMARY_COUNT);
	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(route_of(rows[i].primary, true, false), rows[i].up);
		ck_assert_int_eq(route_of(rows[i].primary, true, true), rows[i].up_and_cut);
		ck_assert_int_eq(route_of(rows[i].primary, false, false), rows[i].away);
		ck_assert_int_eq(route_of(rows[i].primary, false, true), rows[i].away);
	}
}
END_TEST

START_TEST(where_messages_go)
{
	ck_assert(route_has_primary(ROUTE_PRIMARY) && !route_has_fallback(ROUTE_PRIMARY));
	ck_assert(route_has_primary(ROUTE_BOTH) && route_has_fallback(ROUTE_BOTH));
	ck_assert(!route_has_primary(ROUTE_FALLBACK) && route_has_fallback(ROUTE_FALLBACK));
	ck_assert(!route_has_primary(ROUTE_DOWN) && !route_has_fallback(ROUTE_DOWN));
	ck_assert(!route_has_primary(ROUTE_BLOCKED) && !route_has_fallback(ROUTE_BLOCKED));
}
END_TEST

/* The rows of the picture in decide.h are the rows of the table. */
START_TEST(the_header_shows_the_table)
{
	static const char *const shown[] = {"AWAY", "BLOCKED", "DOUBTED", "BACK", "GOOD"};
	char line[256], cells[PRIMARY_EVENT_COUNT][16];
	int row = 0;
	FILE *file = fopen(GRID_SOURCE_DIR "/src/bus/failover/decide.h", "r");

	ck_assert_ptr_nonnull(file);
	while (row < PRIMARY_COUNT && fgets(line, sizeof(line), file)) {
		char name[16];
		if (sscanf(line, " * %15s | %15s %15s %15s %15s %15s %15s", name, cells[0], cells[1], cells[2], cells[3],
		           cells[4], cells[5]) != 7 ||
		    strcmp(name, shown[row]) != 0)
			continue;
		for (int event = 0; event < PRIMARY_EVENT_COUNT; event++) {
			int after = primary_next((enum primary)row, (enum primary_event)event);
			ck_assert_str_eq(cells[event], after == row ? "–" : shown[after]);
		}
		row++;
	}
	fclose(file);
	ck_assert_int_eq(row, PRIMARY_COUNT);
}
END_TEST

CHECK_MAIN("bus.decide", every_move, good_only_after_back, every_route, where_messages_go, the_header_shows_the_table)
