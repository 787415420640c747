/* Deliveries on the loop thread: lent to core, handed over when they are for users who are not here, settled once.
 * A lost link changes none of that: what is held goes on, and takes over the tag of its copy when that comes. */
#include <utlist.h>

#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/driver_state.h"

static bool of_this_life(const struct rabbitmq *r, const struct delivery *d)
{
	return d->life == r->life && r->consumer_link != CONSUMER_LOST;
}

/* Done with it: acknowledged or rejected, if its link still is the one it came by. One that is rejected is not expected
 * again: if it comes all the same, the broker has not got it yet, and it is treated as new. */
static void settle(struct rabbitmq *r, struct delivery *d)
{
	DL_DELETE(r->held, d);
	delivery_strip(d);
	if (!of_this_life(r, d)) {
		counter_add(&r->counters.stale, 1);
		redelivery_settle(r->redelivery, &d->expected);
		delivery_free(d);
		return;
	}
	r->held_n--;
	if (!d->rejected && !d->reaped)
		redelivery_acknowledged(r->redelivery, d->expected.fingerprint);
	consumer_settle(r->consumer, d);
}

static size_t first_user(const struct bus_delivery *d)
{
	size_t i = 0;
	while (i < d->n_targets && (d->targets[i].key.kind != KEY_USER || d->targets[i].placed))
		i++;
	return i;
}

static void make_stray(struct rabbitmq *r, struct delivery *d)
{
	if (!d->keep) {
		settle(r, d);
		return;
	}
	d->letter.target = first_user(&d->bus);
	counter_add(&r->counters.strays, 1);
	counter_add(&r->counters.strays_waiting, 1);
	strays_push(&r->strays, &d->letter);
}

static void end_stray(struct rabbitmq *r, struct delivery *d)
{
	counter_sub(&r->counters.strays_waiting, 1);
	settle(r, d);
}

void held_on_stray_letter(struct rabbitmq *r, struct letter *letter)
{
	struct delivery *d = letter->delivery;

	strays_back(&r->strays, letter->result, r->now_ms);
	switch (letter->result) {
	case LETTER_CONFIRMED:
		end_stray(r, d);
		return;
	case LETTER_RETURNED:
		counter_add(&r->counters.strays_unplaced, 1);
		log_limited(
		    &r->unplaced_limit, r->now_ms, LOG_LEVEL_ERROR, "bus.no_offline_queue",
		    "exchange=%s hint=\"no queue is bound there, messages for absent users are lost: run scripts/provision\"",
		    r->setup.topology.exchanges[EXCHANGE_UNROUTED]);
		end_stray(r, d);
		return;
	case LETTER_REFUSED:
	case LETTER_LOST:
		strays_push(&r->strays, letter);
		return;
	}
}

static void reject_surplus(struct rabbitmq *r)
{
	struct letters surplus = strays_surplus(&r->strays, r->life);

	for (struct letter *letter = letters_pop(&surplus); letter; letter = letters_pop(&surplus)) {
		letter->delivery->rejected = true;
		counter_add(&r->counters.strays_rejected, 1);
		end_stray(r, letter->delivery);
	}
}

void held_move_strays(struct rabbitmq *r)
{
	bool up = r->publisher_link == PUBLISHER_UP;
	struct letter *letter;

	while (up && (letter = strays_next(&r->strays, r->now_ms)))
		publisher_send(r->publisher, &letter->mail);
	if (r->consumer_link != CONSUMER_LOST && strays_stuck(&r->strays, up, r->now_ms))
		reject_surplus(r);
}

void held_lost(struct rabbitmq *r, uint64_t taken)
{
	struct delivery *d;

	redelivery_lost(r->redelivery, taken);
	DL_FOREACH(r->held, d) {
		if (d->life == r->life && !d->reaped)
			redelivery_expect(r->redelivery, &d->expected);
	}
}

void held_flush(struct rabbitmq *r)
{
	size_t n = r->batch_n;

	r->batch_n = 0;
	if (n && !r->over)
		bus_up_message(r->bus, r->batch, n);
}

static void take_over(struct delivery *held, struct delivery *copy)
{
	held->life = copy->life;
	held->run = copy->run;
	held->tag = copy->tag;
	delivery_free(copy);
}

/* True: it was with us already, on a link that was lost since, and nothing more is to be done about it. */
static bool known(struct rabbitmq *r, struct delivery *d)
{
	struct expected *held;

	if (d->reaped)
		return false;
	if (!d->bus.redelivered) {
		redelivery_complete(r->redelivery);
		return false;
	}
	switch (redelivery_match(r->redelivery, d->expected.fingerprint, &held)) {
	case REDELIVERY_NEW:
		return false;
	case REDELIVERY_SETTLED:
		counter_add(&r->counters.known_settled, 1);
		DL_APPEND(r->held, d);
		settle(r, d);
		return true;
	case REDELIVERY_HELD:
		counter_add(&r->counters.known_held, 1);
		if (d->leftover) { /* its queue is to be emptied: the copy is handed over, the held one is for whoever comes */
			GRID_CONTAINER_OF(held, struct delivery, expected)->keep = false;
			return false;
		}
		take_over(GRID_CONTAINER_OF(held, struct delivery, expected), d);
		return true;
	}
	return false;
}

void held_on_delivery(struct rabbitmq *r, struct delivery *d)
{
	r->held_n++;
	status_on_progress(r);
	if (known(r, d))
		return;
	DL_APPEND(r->held, d);
	if (d->kind == DELIVERY_LOOPBACK) {
		status_on_loopback(r, d->check);
		settle(r, d);
	} else if (d->leftover || r->over) {
		make_stray(r, d);
	} else {
		r->batch[r->batch_n++] = &d->bus;
		if (r->batch_n == TURN_PART)
			held_flush(r);
	}
}

void held_settle(struct rabbitmq *r, struct delivery *d, enum bus_settle_how how)
{
	status_on_progress(r);
	if (how == BUS_STRAY) {
		make_stray(r, d);
		held_move_strays(r);
	} else {
		settle(r, d);
	}
}

void held_free(struct rabbitmq *r)
{
	struct delivery *d, *next;

	DL_FOREACH_SAFE(r->held, d, next) {
		DL_DELETE(r->held, d);
		delivery_free(d);
	}
}
