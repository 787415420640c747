#include "bus/failover/bindings.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

enum binding_op binding_next_op(bool wanted, enum binding_has has)
{
	static const enum binding_op ops[][2] = {
	    [HAS_NO] = {BINDING_NONE, BINDING_BIND},        [HAS_ASKED] = {BINDING_NONE, BINDING_NONE},
	    [HAS_YES] = {BINDING_UNBIND, BINDING_NONE},     [HAS_REMOVING] = {BINDING_NONE, BINDING_NONE},
	    [HAS_UNKNOWN] = {BINDING_UNBIND, BINDING_BIND},
	};
	return ops[has][wanted];
}

void bindings_deinit(struct bindings *b)
{
	struct binding *binding, *next;

	HASH_ITER(hh, b->by_key, binding, next) {
		HASH_DEL(b->by_key, binding);
		free(binding);
	}
	*b = (struct bindings){0};
}

static struct binding *find(struct bindings *b, const struct key *key)
{
	struct binding *binding;
	HASH_FIND(hh, b->by_key, key->text, key->len, binding);
	return binding;
}

static struct binding *find_or_add(struct bindings *b, const struct key *key)
{
	struct binding *binding = find(b, key);
	if (binding)
		return binding;
	binding = calloc(1, sizeof(*binding));
	if (!binding)
		return NULL;
	binding->key = *key;
	for (int side = 0; side < SIDES; side++)
		binding->on[side].list = LIST_NONE;
	HASH_ADD_KEYPTR(hh, b->by_key, binding->key.text, binding->key.len, binding);
	if (!binding->hh.tbl) {
		free(binding);
		return NULL;
	}
	return binding;
}

static void put_in_list(struct bindings *b, struct binding *binding, enum side side, enum binding_list list)
{
	struct binding_place *place = &binding->on[side];

	if (place->list == list)
		return;
	if (place->list != LIST_NONE)
		DL_DELETE2(b->lists[side][place->list], binding, on[side].prev, on[side].next);
	place->list = (uint8_t)list;
	if (list != LIST_NONE)
		DL_APPEND2(b->lists[side][list], binding, on[side].prev, on[side].next);
}

static void set_refused(struct bindings *b, struct binding_place *place, bool refused)
{
	if (place->refused != refused)
		b->refused = refused ? b->refused + 1 : b->refused - 1;
	place->refused = refused;
}

static enum binding_list list_for(const struct binding *binding, enum side side)
{
	static const enum binding_list lists[] = {
	    [BINDING_NONE] = LIST_NONE, [BINDING_BIND] = LIST_BIND, [BINDING_UNBIND] = LIST_UNBIND};
	const struct binding_place *place = &binding->on[side];

	if (place->has == HAS_ASKED || place->has == HAS_REMOVING)
		return LIST_SENT;
	if (place->refused || (binding->spare && !binding->wanted))
		return LIST_NONE;
	return lists[binding_next_op(binding->wanted, (enum binding_has)place->has)];
}

/* What follows on one side from how things stand. */
static void settle_side(struct bindings *b, struct binding *binding, enum side side)
{
	struct binding_place *place = &binding->on[side];
	bool owed = binding->promised && binding->wanted && place->has != HAS_YES && !place->refused;

	put_in_list(b, binding, side, list_for(binding, side));
	if (owed != place->owed)
		b->owed[side] = owed ? b->owed[side] + 1 : b->owed[side] - 1;
	place->owed = owed;
}

static bool is_nothing(const struct binding *binding)
{
	return !binding->wanted && binding->asks == 0 && binding->on[SIDE_PRIMARY].has == HAS_NO &&
	       binding->on[SIDE_FALLBACK].has == HAS_NO;
}

/* After every change; the binding may be gone afterwards. */
static void settle(struct bindings *b, struct binding *binding)
{
	for (int side = 0; side < SIDES; side++)
		settle_side(b, binding, (enum side)side);
	if (!is_nothing(binding))
		return;
	for (int side = 0; side < SIDES; side++)
		set_refused(b, &binding->on[side], false);
	HASH_DEL(b->by_key, binding);
	free(binding);
}

int bindings_ask(struct bindings *b, const struct key *key, bool want, struct binding **bindingp)
{
	struct binding *binding = find_or_add(b, key);

	if (!binding)
		return -ENOMEM;
	binding->asks++;
	binding->wanted = want;
	binding->promised = binding->promised && want;
	binding->spare = false;
	for (int side = 0; side < SIDES; side++)
		set_refused(b, &binding->on[side], false);
	settle(b, binding);
	*bindingp = binding;
	return 0;
}

void bindings_tell(struct bindings *b, struct binding *binding, enum bus_bind_result result)
{
	GRID_ASSERT(binding->asks > 0);
	binding->asks--;
	if (binding->asks == 0 && binding->wanted) {
		binding->promised = result == BUS_BIND_OK;
		binding->wanted = result == BUS_BIND_OK; /* else core believes that it is not bound */
	}
	settle(b, binding);
}

bool binding_settled(const struct binding *binding, enum side side)
{
	const struct binding_place *place = &binding->on[side];
	return place->refused || place->has == (binding->wanted ? HAS_YES : HAS_NO);
}

bool binding_refused(const struct binding *binding, enum side side)
{
	return binding->on[side].refused;
}

struct binding *bindings_next(struct bindings *b, enum side side, enum binding_op *opp)
{
	struct binding *binding = b->lists[side][LIST_BIND];

	*opp = binding ? BINDING_BIND : BINDING_UNBIND;
	return binding ? binding : b->lists[side][LIST_UNBIND];
}

void bindings_sent(struct bindings *b, struct binding *binding, enum side side, enum binding_op op, uint64_t now_ms)
{
	binding->on[side].has = op == BINDING_BIND ? HAS_ASKED : HAS_REMOVING;
	binding->on[side].sent_ms = now_ms;
	settle(b, binding);
}

void bindings_outcome(struct bindings *b, enum side side, const struct key *key, enum bus_bind_result result)
{
	static const enum binding_has after[][3] = {
	    [HAS_ASKED] = {[BUS_BIND_OK] = HAS_YES, [BUS_BIND_REFUSED] = HAS_NO, [BUS_BIND_LOST] = HAS_UNKNOWN},
	    [HAS_REMOVING] = {[BUS_BIND_OK] = HAS_NO, [BUS_BIND_REFUSED] = HAS_UNKNOWN, [BUS_BIND_LOST] = HAS_UNKNOWN},
	};
	struct binding *binding = find(b, key);

	GRID_ASSERT(binding); /* it stays while an operation is under way */
	struct binding_place *place = &binding->on[side];
	GRID_ASSERT(place->has == HAS_ASKED || place->has == HAS_REMOVING);
	place->has = (uint8_t)after[place->has][result];
	set_refused(b, place, result == BUS_BIND_REFUSED);
	settle(b, binding);
}

static void make_spare(struct bindings *b, struct binding *binding, uint64_t now_ms)
{
	binding->spare = true;
	b->spare_until_ms = now_ms + BINDINGS_SPARE_MS;
}

int bindings_restored(struct bindings *b, enum side side, const struct key *key, bool promised, uint64_t now_ms)
{
	struct binding *binding = find_or_add(b, key);

	if (!binding)
		return -ENOMEM;
	binding->on[side].has = HAS_YES;
	if (promised)
		binding->wanted = binding->promised = true;
	else if (!binding->wanted)
		make_spare(b, binding, now_ms);
	settle(b, binding);
	return 0;
}

/* What a side has of a key after it was away; nothing is under way. */
static enum binding_has has_after(enum binding_has before, enum bus_bindings bindings)
{
	if (bindings == BUS_BINDINGS_LOST)
		return HAS_NO;
	return bindings == BUS_BINDINGS_UNSURE && before == HAS_YES ? HAS_UNKNOWN : before;
}

void bindings_up(struct bindings *b, enum side side, enum bus_bindings bindings)
{
	struct binding *binding, *next;

	HASH_ITER(hh, b->by_key, binding, next) {
		struct binding_place *place = &binding->on[side];
		set_refused(b, place, false);
		place->has = (uint8_t)has_after((enum binding_has)place->has, bindings);
		settle(b, binding);
	}
}

void bindings_forget(struct bindings *b, uint64_t now_ms)
{
	struct binding *binding, *next;

	HASH_ITER(hh, b->by_key, binding, next) {
		GRID_ASSERT(binding->asks == 0);
		binding->wanted = binding->promised = false;
		make_spare(b, binding, now_ms);
		settle(b, binding);
	}
}

static void retry_refused(struct bindings *b)
{
	struct binding *binding, *next;

	HASH_ITER(hh, b->by_key, binding, next) {
		if (binding->asks)
			continue; /* core is to hear of it first */
		for (int side = 0; side < SIDES; side++)
			set_refused(b, &binding->on[side], false);
		settle(b, binding);
	}
}

static void give_up_spares(struct bindings *b)
{
	struct binding *binding, *next;

	b->spare_until_ms = 0;
	HASH_ITER(hh, b->by_key, binding, next) {
		binding->spare = false;
		settle(b, binding);
	}
}

void bindings_tick(struct bindings *b, uint64_t now_ms)
{
	if (b->refused && now_ms >= b->retry_ms) {
		b->retry_ms = now_ms + BINDINGS_RETRY_MS;
		retry_refused(b);
	}
	if (b->spare_until_ms && now_ms >= b->spare_until_ms)
		give_up_spares(b);
}

uint64_t bindings_oldest_ms(const struct bindings *b, enum side side)
{
	const struct binding *oldest = b->lists[side][LIST_SENT];
	return oldest ? oldest->on[side].sent_ms : UINT64_MAX;
}

size_t bindings_owed(const struct bindings *b, enum side side)
{
	return b->owed[side];
}
