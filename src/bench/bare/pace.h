/* When the next of many evenly spaced sends is due. What could not be sent is not made up for. Pure. */
#ifndef GRID_BENCH_BARE_PACE_H
#define GRID_BENCH_BARE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint64_t interval_ns; /* 0: at once */
	uint64_t due_ns;
	bool held_up;  /* it was due, and could not be sent */
	uint64_t late; /* sends more than 20 ms after they were due, though nothing held them up */
};

/* `rate` a second, the first one now; 0: as fast as it goes. */
static inline struct pace pace_begin(uint64_t rate, uint64_t now_us)
{
	return (struct pace){.interval_ns = rate ? UINT64_C(1000000000) / rate : 0, .due_ns = now_us * 1000};
}

static inline bool pace_due(const struct pace *pace, uint64_t now_us)
{
	return pace->due_ns <= now_us * 1000;
}

/* Until the next one is due; 0: it is. */
static inline uint64_t pace_wait_us(const struct pace *pace, uint64_t now_us)
{
	return pace_due(pace, now_us) ? 0 : (pace->due_ns - now_us * 1000 + 999) / 1000;
}

/* One was due; was it sent? */
void pace_sent(struct pace *pace, uint64_t now_us);
void pace_held_up(struct pace *pace);

#endif
