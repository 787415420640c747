#include "bench/publisher.h"

#include <errno.h>
#include <stdlib.h>

#define LATE_US 20000
#define TURN_MAX 256 /* messages of one publisher in a row, so that what comes is read meanwhile */

int publisher_init(struct publisher *publisher, const struct publisher_ops *ops, struct load *load, uint32_t number,
                   uint32_t window, uint64_t interval_ns)
{
	*publisher =
	    (struct publisher){.ops = ops, .load = load, .number = number, .window = window, .interval_ns = interval_ns};
	publisher->slots = calloc(window, sizeof(*publisher->slots));
	publisher->unused = calloc(window, sizeof(*publisher->unused));
	if (!publisher->slots || !publisher->unused)
		return -ENOMEM;
	while (publisher->n_unused < window) {
		publisher->unused[publisher->n_unused] = window - 1 - publisher->n_unused;
		publisher->n_unused++;
	}
	return 0;
}

void publisher_deinit(struct publisher *publisher)
{
	free(publisher->slots);
	free(publisher->unused);
}

void publisher_start(struct publisher *publisher, uint64_t at_us)
{
	publisher->due_ns = at_us * 1000;
	publisher->held_up = false;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static uint32_t choose_target(struct load *load)
{
	bool room = load->to == TO_ROOMS || (load->to == TO_BOTH && dice_below(&load->dice, 2) == 0);

	return room ? pick_next(&load->room, &load->dice) : load->rooms + pick_next(&load->user, &load->dice);
}

static int send_one(struct publisher *publisher, uint64_t now_us)
{
	struct load *load = publisher->load;
	struct payload payload = {{publisher->number, choose_target(load), 0}, now_us};
	int r = ledger_publish(load->ledger, &payload.id, now_us);

	if (r != 0)
		return r;
	buf_reset(&load->payload);
	payload_put(&load->payload, load->run, &payload, load->rooms, load->size);
	if (load->payload.failed)
		return -ENOMEM;
	uint32_t slot = publisher->unused[--publisher->n_unused];
	publisher->slots[slot] = (struct outstanding){payload.id, now_us, true};
	publisher->ops->send(publisher, slot, &payload.id, buf_str(&load->payload));
	return 0;
}

/* One more is due. False: it cannot be sent now. */
static bool may_send(struct publisher *publisher, uint64_t now_us)
{
	ledger_due(publisher->load->ledger, now_us);
	if (publisher->n_unused == 0 || !publisher->ops->ready(publisher)) {
		publisher->held_up = true;
		return false;
	}
	if (publisher->held_up || !publisher->interval_ns)
		publisher->due_ns = now_us * 1000;
	else if (now_us * 1000 - publisher->due_ns > LATE_US * 1000)
		publisher->load->late_sends++;
	publisher->held_up = false;
	return true;
}

int publisher_turn(struct publisher *publisher, uint64_t now_us)
{
	int sent = 0, r = 0;

	while (r == 0 && sent < TURN_MAX && publisher->due_ns <= now_us * 1000 && may_send(publisher, now_us)) {
		r = send_one(publisher, now_us);
		publisher->due_ns += publisher->interval_ns;
		sent++;
	}
	if (sent)
		publisher->ops->flush(publisher);
	return r;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

void publisher_answered(struct publisher *publisher, uint32_t slot, enum publisher_answer answer, uint64_t now_us)
{
	struct load *load = publisher->load;

	if (slot >= publisher->window || !publisher->slots[slot].used)
		return;
	struct outstanding *out = &publisher->slots[slot];
	out->used = false;
	publisher->unused[publisher->n_unused++] = slot;
	switch (answer) {
	case PUBLISHER_ACKNOWLEDGED:
		histogram_add_since(load->ack, out->published_us, now_us);
		ledger_acknowledged(load->ledger, &out->id, now_us);
		break;
	case PUBLISHER_REFUSED:
		ledger_refused(load->ledger, &out->id);
		break;
	case PUBLISHER_UNKNOWN:
		ledger_unknown(load->ledger, &out->id);
		break;
	}
}

void publisher_lost(struct publisher *publisher)
{
	for (uint32_t slot = 0; slot < publisher->window; slot++)
		publisher_answered(publisher, slot, PUBLISHER_UNKNOWN, 0);
}
