#include "bus/rabbitmq/reap.h"

#define TO(state) (1u << (state))

/* Where each state may go, beside IDLE: the link may be lost in any. */
static const unsigned moves[REAP_STATES] = {
    [REAP_IDLE] = TO(REAP_OPENING),
    [REAP_OPENING] = TO(REAP_RELEASING) | TO(REAP_LOOKING) | TO(REAP_CLOSING),
    [REAP_RELEASING] = TO(REAP_LOOKING) | TO(REAP_CLOSING),
    [REAP_LOOKING] = TO(REAP_CLAIMING) | TO(REAP_CLOSING),
    [REAP_CLAIMING] = TO(REAP_EMPTYING) | TO(REAP_CLOSING),
    [REAP_EMPTYING] = TO(REAP_CATCHING) | TO(REAP_CLOSING),
    [REAP_CATCHING] = TO(REAP_CANCELLING) | TO(REAP_CLOSING),
    [REAP_CANCELLING] = TO(REAP_DELETING) | TO(REAP_CLOSING),
    [REAP_DELETING] = TO(REAP_RELEASING) | TO(REAP_OPENING) | TO(REAP_CLOSING),
};

/* What each state sends as soon as it is entered. */
static const enum reap_request requests[REAP_STATES] = {
    [REAP_OPENING] = REAP_OPEN,     [REAP_RELEASING] = REAP_RELEASE, [REAP_LOOKING] = REAP_LOOK,
    [REAP_CLAIMING] = REAP_CONSUME, [REAP_CATCHING] = REAP_CATCH,    [REAP_CANCELLING] = REAP_CANCEL,
    [REAP_DELETING] = REAP_DELETE,  [REAP_CLOSING] = REAP_CLOSE,
};

static void set_state(struct reap *r, enum reap_state state)
{
	GRID_ASSERT(state == REAP_IDLE || (moves[r->state] & TO(state)));
	r->state = state;
	r->asked = REAP_NOTHING;
}

/* It is decided what becomes of the queue. */
static void set_end(struct reap *r, enum reap_end end)
{
	r->queue = false;
	r->end = end;
}

void reap_init(struct reap *r)
{
	*r = (struct reap){.caught = true};
}

void reap_link_lost(struct reap *r)
{
	r->queue = false;
	r->end = REAP_GOES_ON;
	set_state(r, REAP_IDLE);
}

void reap_begin(struct reap *r, uint64_t linger_ms, uint64_t now_ms)
{
	GRID_ASSERT(r->state == REAP_IDLE);
	r->queue = true;
	r->linger_ms = linger_ms;
	r->unbind_at_ms = now_ms;
	set_state(r, REAP_OPENING);
}

void reap_begin_release(struct reap *r)
{
	GRID_ASSERT(r->state == REAP_IDLE && r->caught);
	set_state(r, REAP_OPENING);
}

/* --- what to send ------------------------------------------------------------------------------------------------- */

static bool quiet(const struct reap *r, const struct reap_view *view)
{
	return !view->holding && !view->unbinds && view->now_ms - r->last_message_ms >= r->linger_ms;
}

/* Then others may try, or the owner: a node that waits for its own queue for too long gives up. */
static bool stuck(struct reap *r, const struct reap_view *view)
{
	if (!view->holding)
		r->moved_ms = view->now_ms;
	return reap_takes(r) && view->now_ms - r->moved_ms >= REAP_STUCK_MS;
}

static enum reap_request next_of_emptying(struct reap *r, const struct reap_view *view)
{
	if (view->unbinds && view->now_ms >= r->unbind_at_ms) {
		r->unbind_at_ms = view->now_ms + REAP_UNBIND_EVERY_MS;
		return REAP_UNBIND;
	}
	if (!quiet(r, view))
		return REAP_NOTHING;
	set_state(r, REAP_CATCHING);
	return requests[r->state];
}

enum reap_request reap_next(struct reap *r, const struct reap_view *view)
{
	enum reap_request request;

	if (stuck(r, view)) {
		set_end(r, REAP_STUCK);
		set_state(r, REAP_CLOSING);
	}
	if (r->asked != REAP_NOTHING)
		return REAP_NOTHING;
	if (r->state == REAP_EMPTYING)
		request = next_of_emptying(r, view);
	else if (r->state == REAP_DELETING && view->holding)
		request = REAP_NOTHING; /* the broker would call it empty, and what we hold would not come again */
	else
		request = requests[r->state];
	if (request == REAP_CATCH)
		r->caught = true; /* from the moment it is sent */
	r->asked = request;
	return request;
}

/* --- what came ---------------------------------------------------------------------------------------------------- */

static enum reap_state after_opening(const struct reap *r)
{
	if (r->caught)
		return REAP_RELEASING;
	return r->queue ? REAP_LOOKING : REAP_CLOSING;
}

void reap_answered(struct reap *r, uint64_t now_ms)
{
	GRID_ASSERT(r->asked != REAP_NOTHING);
	switch (r->state) {
	case REAP_OPENING:
		set_state(r, after_opening(r));
		break;
	case REAP_RELEASING:
		r->caught = false;
		set_state(r, after_opening(r));
		break;
	case REAP_LOOKING:
		set_state(r, REAP_CLAIMING);
		break;
	case REAP_CLAIMING:
		r->last_message_ms = r->moved_ms = now_ms;
		set_state(r, REAP_EMPTYING);
		break;
	case REAP_EMPTYING:
		r->asked = REAP_NOTHING; /* one key less */
		break;
	case REAP_CATCHING:
		set_state(r, REAP_CANCELLING);
		break;
	case REAP_CANCELLING:
		set_state(r, REAP_DELETING);
		break;
	case REAP_DELETING:
		set_end(r, REAP_DELETED);
		set_state(r, REAP_RELEASING);
		break;
	case REAP_CLOSING:
		set_state(r, REAP_IDLE);
		break;
	case REAP_IDLE:
	case REAP_STATES:
		break;
	}
}

void reap_refused(struct reap *r, bool gone)
{
	bool again = r->state == REAP_DELETING && r->asked == REAP_DELETE && !gone;
	/* These two ask for something of our own queue. */
	bool ours = r->state == REAP_CATCHING || r->state == REAP_RELEASING;

	if (r->queue && !again)
		set_end(r, gone && !ours ? REAP_GONE : REAP_TAKEN);
	set_state(r, again ? REAP_OPENING : REAP_IDLE);
}

void reap_cancelled(struct reap *r)
{
	if (!r->queue)
		return;
	set_end(r, REAP_TAKEN);
	set_state(r, REAP_CLOSING);
}

void reap_message(struct reap *r, uint64_t now_ms)
{
	r->last_message_ms = now_ms;
}

void reap_settled(struct reap *r, uint64_t now_ms)
{
	r->moved_ms = now_ms;
}

void reap_step_back(struct reap *r)
{
	bool too_late = r->state == REAP_DELETING && r->asked == REAP_DELETE;

	if (!r->queue || too_late)
		return;
	set_end(r, REAP_STEPPED_BACK);
	set_state(r, r->state == REAP_OPENING && r->asked == REAP_NOTHING ? REAP_IDLE : REAP_CLOSING);
}

bool reap_takes(const struct reap *r)
{
	return r->state >= REAP_EMPTYING && r->state <= REAP_DELETING;
}

enum reap_end reap_take_end(struct reap *r)
{
	enum reap_end end = r->end;
	r->end = REAP_GOES_ON;
	return end;
}
