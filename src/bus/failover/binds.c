/* Keys: core's binds and unbinds go to both sides, and are answered when those that count have answered. */
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "bus/failover/failover_state.h"

int binds_ask(struct failover *f, const struct key *key, bool want)
{
	if (f->route == ROUTE_DOWN)
		return BUS_E_UNAVAILABLE;
	if (f->n_ops == OPS_MAX)
		return BUS_E_BUSY;
	struct op *op = calloc(1, sizeof(*op));
	if (!op)
		return -ENOMEM;
	int rc = bindings_ask(&f->bindings, key, want, &op->binding);
	if (rc != 0) {
		free(op);
		return rc;
	}
	DL_APPEND(f->ops, op);
	f->n_ops++;
	binds_pump(f);
	f->wake(f->wake_arg); /* it may have been settled all the while */
	return 0;
}

static void pump_side(struct failover *f, struct below *below)
{
	struct binding *binding;
	enum binding_op op;

	while (below->state != BUS_DOWN && (binding = bindings_next(&f->bindings, below->side, &op))) {
		int rc = op == BINDING_BIND ? bus_bind(below->bus, &binding->key) : bus_unbind(below->bus, &binding->key);
		if (rc == BUS_E_UNAVAILABLE && below->side == SIDE_PRIMARY)
			routing_doubt(f);
		if (rc != 0)
			return; /* more after an answer, or when it is up again */
		bindings_sent(&f->bindings, binding, below->side, op, f->now_ms);
	}
}

void binds_pump(struct failover *f)
{
	for (int side = 0; side < SIDES; side++)
		pump_side(f, &f->below[side]);
}

/* False: not yet. The primary's word counts where it has one: a key that only the fallback refuses is bound, and tried
 * there again and again. */
static bool outcome_of(const struct failover *f, const struct binding *binding, enum bus_bind_result *resultp)
{
	*resultp = BUS_BIND_LOST;
	for (int side = 0; side < SIDES; side++) {
		if (!routing_binds(f, (enum side)side))
			continue;
		if (!binding_settled(binding, (enum side)side))
			return false;
		if (*resultp == BUS_BIND_LOST)
			*resultp = binding_refused(binding, (enum side)side) ? BUS_BIND_REFUSED : BUS_BIND_OK;
	}
	return true;
}

void binds_answer(struct failover *f)
{
	enum bus_bind_result result;

	for (struct op *op; (op = f->ops) && outcome_of(f, op->binding, &result);) {
		struct key key = op->binding->key;
		DL_DELETE(f->ops, op);
		f->n_ops--;
		bindings_tell(&f->bindings, op->binding, result);
		free(op);
		bus_up_bound(f->bus, &key, result);
	}
}

void binds_free(struct failover *f)
{
	struct op *op, *next;

	DL_FOREACH_SAFE(f->ops, op, next)
		free(op);
	bindings_deinit(&f->bindings);
}
