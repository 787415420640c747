#include "bench/bare/pace.h"

#define LATE_NS UINT64_C(20000000)

void pace_sent(struct pace *pace, uint64_t now_us)
{
	uint64_t now_ns = now_us * 1000;

	if (pace->held_up || pace->interval_ns == 0)
		pace->due_ns = now_ns;
	else if (now_ns - pace->due_ns > LATE_NS)
		pace->late++;
	pace->held_up = false;
	pace->due_ns += pace->interval_ns;
}

void pace_held_up(struct pace *pace)
{
	pace->held_up = true;
}
