/* When the bus is up.
 *
 *   consumer  LOST ──begin──▶ BEGUN ──consuming──▶ CONSUMING ──┐
 *   publisher LOST ──up──▶ UP ◀──▶ BLOCKED ────────────────────┤
 *   check     NONE ──▶ DUE ──▶ SENT ──came back──▶ PASSED ─────┴──▶ BUS_UP, BUS_BLOCKED
 *                       ▲       │
 *                       └──REBINDING (it was returned: our bindings are gone)
 *
 * The check is a message to ourselves over a key that was bound before any of core's and is never unbound. It proves
 * that the queue and the consumer are what they were before the link was lost, or before this process, and that the
 * queue was not made anew meanwhile. It does not prove each key: a broker that crashed may have forgotten the last ones
 * that it said were bound (docs/decisions/025). So after the consumer's link was lost core binds all of them anew.
 *
 * Down is told in two steps: from the moment a link is lost nothing new is taken, and when everything under way has its
 * outcome, core hears of it. */
#include "bus/rabbitmq/driver_state.h"

#define CHECK_MS 10000     /* without any progress: then the consumer's link is not what it seems */
#define GOING_DOWN_MS 1000 /* how long the link that is left may take to finish what is under way */

/* --- state -------------------------------------------------------------------------------------------------------- */

static enum bus_state state_of_links(const struct rabbitmq *r)
{
	if (r->consumer_link != CONSUMER_CONSUMING || r->publisher_link == PUBLISHER_LOST || r->check != CHECK_PASSED)
		return BUS_DOWN;
	return r->publisher_link == PUBLISHER_BLOCKED ? BUS_BLOCKED : BUS_UP;
}

static void set_state(struct rabbitmq *r, enum bus_state state)
{
	enum bus_bindings bindings = r->bindings;

	r->state = state;
	if (state != BUS_DOWN) {
		r->bindings = BUS_BINDINGS_KEPT;
		r->been_up = true;
	}
	bus_up_state(r->bus, state, bindings);
}

void status_bindings(struct rabbitmq *r, enum bus_bindings bindings)
{
	if (r->bindings != BUS_BINDINGS_LOST)
		r->bindings = bindings;
}

void status_link_lost(struct rabbitmq *r)
{
	if (r->state == BUS_DOWN || r->going_down)
		return;
	r->going_down = true;
	r->going_down_since_ms = r->now_ms;
}

/* What is under way on the link that is left is answered in milliseconds, or never: then that link goes too. */
static void go_down(struct rabbitmq *r)
{
	if (r->ops_out == 0 && r->publications_out == 0) {
		r->going_down = false;
		set_state(r, BUS_DOWN);
	} else if (r->now_ms - r->going_down_since_ms >= GOING_DOWN_MS) {
		r->going_down_since_ms = r->now_ms;
		if (r->ops_out)
			consumer_interrupt(r->consumer);
		if (r->publications_out)
			publisher_interrupt(r->publisher);
	}
}

/* --- the check ---------------------------------------------------------------------------------------------------- */

static void send_check(struct rabbitmq *r)
{
	r->check = CHECK_SENT;
	r->check_deadline_ms = r->now_ms + CHECK_MS;
	r->check_letter.kind = LETTER_LOOPBACK;
	r->check_letter.mail.kind = MAIL_LETTER;
	r->check_letter.check++;
	memcpy(r->check_key, r->loopback_key, sizeof(r->check_key));
	r->check_letter.key = r->check_key;
	r->check_letter_out = true;
	counter_add(&r->counters.checks, 1);
	publisher_send(r->publisher, &r->check_letter.mail);
}

void status_on_loopback(struct rabbitmq *r, uint64_t check)
{
	if (r->check == CHECK_SENT && check == r->check_letter.check)
		r->check = CHECK_PASSED;
}

void status_on_check_letter(struct rabbitmq *r)
{
	r->check_letter_out = false;
	if (r->check != CHECK_SENT)
		return;
	switch (r->check_letter.result) {
	case LETTER_RETURNED:
		counter_add(&r->counters.checks_returned, 1);
		r->check = CHECK_REBINDING;
		r->check_deadline_ms = r->now_ms + CHECK_MS;
		r->rebind.flag = !r->been_up;
		consumer_send(r->consumer, &r->rebind.mail);
		break;
	case LETTER_LOST:
		r->check = CHECK_DUE;
		break;
	case LETTER_CONFIRMED: /* it is on its way */
	case LETTER_REFUSED:   /* the deadline will tell */
		break;
	}
}

/* Does something move? Then the check is not late, only behind what was waiting in the queue. */
void status_on_progress(struct rabbitmq *r)
{
	r->check_deadline_ms = r->now_ms + CHECK_MS;
}

static void step_check(struct rabbitmq *r)
{
	if (r->check == CHECK_NONE || r->check == CHECK_PASSED || r->publisher_link == PUBLISHER_LOST)
		return;
	if (r->publisher_link == PUBLISHER_BLOCKED) {
		/* It cannot be sent now, and deliveries need not wait for that: what is bound counts as not known. */
		if (r->check != CHECK_REBINDING) {
			r->check = CHECK_PASSED;
			status_bindings(r, BUS_BINDINGS_UNSURE);
		}
		return;
	}
	if (r->check == CHECK_DUE && !r->check_letter_out)
		send_check(r);
	/* With the prefetch used up it is we who hold it back. */
	if (r->held_n >= (size_t)r->setup.config->rabbitmq.prefetch)
		status_on_progress(r);
	if (r->now_ms < r->check_deadline_ms || r->check == CHECK_DUE)
		return;
	counter_add(&r->counters.checks_timed_out, 1);
	log_warn("bus.check_timed_out", "node=%s hint=\"a message to ourselves did not come back: connecting again\"",
	         r->setup.node_id);
	status_on_progress(r);
	consumer_interrupt(r->consumer);
}

/* --- together ------------------------------------------------------------------------------------------------------
 */

/* After every event and every turn: what follows from how things stand. */
void status_advance(struct rabbitmq *r)
{
	if (r->over)
		return;
	step_check(r);
	if (r->going_down)
		go_down(r);
	enum bus_state state = state_of_links(r);
	if (!r->going_down && state != r->state) {
		if (state == BUS_DOWN)
			status_link_lost(r);
		else
			set_state(r, state);
	}
	held_move_strays(r);
}

bool status_takes_binds(const struct rabbitmq *r)
{
	return r->state != BUS_DOWN && !r->going_down && !r->over;
}

bool status_takes_publications(const struct rabbitmq *r)
{
	return r->state == BUS_UP && !r->going_down && !r->over;
}
