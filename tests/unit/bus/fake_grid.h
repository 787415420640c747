/* A grid in one process for the failover driver: nodes, each a bus over two fake drivers, with as much of core as it
 * takes to want keys, and a clock that the test turns.
 *
 * What each node is told is checked as it comes: nothing twice, one answer for each question, and how often something
 * came behind what was published later. What must have come is checked by grid_check(). */
#ifndef GRID_TESTS_BUS_FAKE_GRID_H
#define GRID_TESTS_BUS_FAKE_GRID_H

#include "fake_driver.h"

enum has { NO, ASKED, YES, LEAVING };

struct member {
	bool wanted;
	enum has has;
	uint64_t since_ms; /* YES without a break */
	int asked;
};

struct node {
	struct bus *bus;
	struct metric_registry metrics;
	char id[16]; /* "n" and any int */
	enum bus_state state;
	struct member members[KEYS];
	int64_t last[NODES][KEYS]; /* the last message of each publisher to each key */
	uint64_t gap_ms;           /* the longest from being accepted to being here */
	bool fatal;
};

extern struct node nodes[NODES];
extern size_t disorder; /* messages that came behind a later one */
extern unsigned wakes;
extern struct bus_config grid_config;

void grid_open(uint64_t seed);
/* All nodes in the first two rooms, and everybody on the primary. */
void grid_up(uint64_t seed);
void grid_close(void);
void grid_step(void);
void grid_run(uint64_t ms);
#define RUN_UNTIL(cond, ms)                                                                                            \
	do {                                                                                                               \
		uint64_t until_ = grid_now + (ms);                                                                             \
		while (!(cond)) {                                                                                              \
			MUST(grid_now < until_, "not within %d ms: %s", (int)(ms), #cond);                                         \
			grid_step();                                                                                               \
		}                                                                                                              \
	} while (0)

/* The record, or -1 when the bus does not take it. */
int publish(int from, int key);
const char *route(int node);
bool all_on(const char *word);
/* What was acknowledged has come to all who were there before it was published and still are; each has its answer. */
void grid_check(void);
uint64_t grid_metric(int node, const char *line_start);

#endif
