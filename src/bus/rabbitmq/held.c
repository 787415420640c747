/* Deliveries on the loop thread: lent to core, handed over when they are for users who are not here, settled once. */
#include <utlist.h>

#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/driver_state.h"

#define STRAY_RETRY_MS 1000 /* after the broker refused one */

/* Done with it: acknowledged, if its link still is the one it came by. */
static void settle(struct rabbitmq *r, struct delivery *d)
{
	DL_DELETE(r->held, d);
	delivery_strip(d);
	if (d->life != r->life || r->consumer_link == CONSUMER_LOST) {
		counter_add(&r->counters.stale, 1);
		delivery_free(d);
		return;
	}
	r->held_n--;
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
	letters_push(&r->strays, &d->letter);
}

static void end_stray(struct rabbitmq *r, struct delivery *d)
{
	counter_sub(&r->counters.strays_waiting, 1);
	settle(r, d);
}

void held_on_stray_letter(struct rabbitmq *r, struct letter *letter)
{
	struct delivery *d = letter->delivery;

	r->strays_out--;
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
		r->strays_retry_ms = r->now_ms + STRAY_RETRY_MS;
		break;
	case LETTER_LOST:
		break;
	}
	letters_push(&r->strays, letter);
}

void held_send_strays(struct rabbitmq *r)
{
	while (r->strays.head && r->strays_out < STRAYS_MAX && r->publisher_link == PUBLISHER_UP &&
	       r->now_ms >= r->strays_retry_ms) {
		struct letter *letter = letters_pop(&r->strays);
		if (letter->delivery->life != r->life || r->consumer_link == CONSUMER_LOST) {
			end_stray(r, letter->delivery); /* it comes again */
		} else {
			r->strays_out++;
			publisher_send(r->publisher, &letter->mail);
		}
	}
}

void held_drop_strays(struct rabbitmq *r)
{
	for (struct letter *letter = letters_pop(&r->strays); letter; letter = letters_pop(&r->strays))
		end_stray(r, letter->delivery);
}

void held_flush(struct rabbitmq *r)
{
	size_t n = r->batch_n;

	r->batch_n = 0;
	if (n && !r->over)
		bus_up_message(r->bus, r->batch, n);
}

void held_on_delivery(struct rabbitmq *r, struct delivery *d)
{
	DL_APPEND(r->held, d);
	r->held_n++;
	status_on_progress(r);
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
		held_send_strays(r);
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
