/* Deliveries: what has come before is dropped, what overtook another bus is held back, the rest goes up to core. */
#include "bus/failover/failover_state.h"

static void flush(struct failover *f)
{
	size_t n = f->batch_n;

	f->batch_n = 0;
	if (n)
		bus_up_message(f->bus, f->batch, n);
}

static void pass_on(struct failover *f, struct bus_delivery *d)
{
	f->batch[f->batch_n++] = d;
	if (f->batch_n == BATCH_MAX)
		flush(f);
}

static void pass_on_followers(struct failover *f)
{
	for (struct bus_delivery *d; (d = holdback_next(f->holdback, f->now_ms));)
		pass_on(f, d);
}

static void take_new(struct failover *f, struct bus_delivery *d)
{
	if (holdback_pass(f->holdback, d, f->now_ms))
		pass_on(f, d);
}

static void drop_repeated(struct failover *f, struct bus_delivery *d)
{
	holdback_repeat(f->holdback, d, f->now_ms);
	counter_add(&f->counters.duplicates, 1);
	bus_settle(f->below[way_side(d->way)].bus, d, BUS_ACCEPTED);
}

static void take(struct failover *f, enum side side, struct bus_delivery *d)
{
	d->way = (uint8_t)way_of(side, f->below[side].life);
	if (d->identity == 0) {
		pass_on(f, d);
		return;
	}
	if (recent_seen(f->seen, d->identity, f->now_ms))
		drop_repeated(f, d);
	else
		take_new(f, d);
	pass_on_followers(f);
}

void incoming_on_message(struct failover *f, enum side side, struct bus_delivery *const *batch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take(f, side, batch[i]);
	flush(f);
}

void incoming_tick(struct failover *f)
{
	pass_on_followers(f);
	flush(f);
}
