/* What stories about the failover driver have in common. */
#ifndef GRID_TESTS_BUS_FAKE_STORY_H
#define GRID_TESTS_BUS_FAKE_STORY_H

#include "fake_grid.h"

/* `n` messages, one a step, from each node to its rooms. */
void chat(size_t n);
/* Cuts it, and it does not come back by itself. */
void hold_link(enum side side, int node);
size_t offline_copies(void);
/* The user is at this node, and nowhere else; -1: he is absent. */
void user_is_at(int node);
void everybody_got_everything_in_order(void);

struct story {
	const TTest *test;
	int seeds; /* how often it is told, with `_i` from 0 on */
};

/* The exit status. */
int run_stories(const char *suite_name, const struct story *stories, size_t n);

#endif
