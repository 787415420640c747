/* What is wanted, and what each of two buses has of it. */
#include "bus/failover/bindings.h"

#include "check_main.h"

static const enum side P = SIDE_PRIMARY, F = SIDE_FALLBACK;

static struct bindings b;
static struct key a, c;

static void setup(void)
{
	b = (struct bindings){0};
	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("a"), &a), 0);
	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("c"), &c), 0);
}

static void teardown(void)
{
	bindings_deinit(&b);
}

static struct binding *ask(const struct key *key, bool want)
{
	struct binding *binding;
	ck_assert_int_eq(bindings_ask(&b, key, want, &binding), 0);
	return binding;
}

/* The next operation of the side is this one; it is sent. */
static void expect_sent(enum side side, enum binding_op op, const struct key *key)
{
	enum binding_op is;
	struct binding *binding = bindings_next(&b, side, &is);

	ck_assert_ptr_nonnull(binding);
	ck_assert_int_eq(is, op);
	ck_assert_str_eq(binding->key.text, key->text);
	bindings_sent(&b, binding, side, op, 100);
}

static void expect_idle(enum side side)
{
	enum binding_op op;
	ck_assert_ptr_null(bindings_next(&b, side, &op));
}

static void have(enum side side, const struct key *key)
{
	expect_sent(side, BINDING_BIND, key);
	bindings_outcome(&b, side, key, BUS_BIND_OK);
}

static void have_on_both(const struct key *key)
{
	struct binding *binding = ask(key, true);
	have(P, key);
	have(F, key);
	bindings_tell(&b, binding, BUS_BIND_OK);
}

START_TEST(the_next_operation)
{
	static const struct {
		enum binding_has has;
		enum binding_op wanted, unwanted;
	} rows[] = {
	    {HAS_NO, BINDING_BIND, BINDING_NONE},        {HAS_ASKED, BINDING_NONE, BINDING_NONE},
	    {HAS_YES, BINDING_NONE, BINDING_UNBIND},     {HAS_REMOVING, BINDING_NONE, BINDING_NONE},
	    {HAS_UNKNOWN, BINDING_BIND, BINDING_UNBIND},
	};
	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(binding_next_op(true, rows[i].has), rows[i].wanted);
		ck_assert_int_eq(binding_next_op(false, rows[i].has), rows[i].unwanted);
	}
}
END_TEST

START_TEST(a_key_is_bound_on_both_and_unbound_on_both)
{
	struct binding *binding = ask(&a, true);

	expect_sent(P, BINDING_BIND, &a);
	expect_sent(F, BINDING_BIND, &a);
	expect_idle(P);
	ck_assert(!binding_settled(binding, P));
	bindings_outcome(&b, P, &a, BUS_BIND_OK);
	ck_assert(binding_settled(binding, P) && !binding_settled(binding, F));
	bindings_outcome(&b, F, &a, BUS_BIND_OK);
	bindings_tell(&b, binding, BUS_BIND_OK);
	ck_assert_uint_eq(bindings_owed(&b, P) + bindings_owed(&b, F), 0);

	binding = ask(&a, false);
	expect_sent(P, BINDING_UNBIND, &a);
	expect_sent(F, BINDING_UNBIND, &a);
	bindings_outcome(&b, F, &a, BUS_BIND_OK);
	bindings_outcome(&b, P, &a, BUS_BIND_OK);
	bindings_tell(&b, binding, BUS_BIND_OK);
	ck_assert_ptr_null(b.by_key);
}
END_TEST

START_TEST(a_side_that_was_away_owes_what_was_promised)
{
	struct binding *binding = ask(&a, true);

	have(F, &a);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
	bindings_tell(&b, binding, BUS_BIND_OK);
	ck_assert_uint_eq(bindings_owed(&b, P), 1);
	bindings_up(&b, P, BUS_BINDINGS_KEPT);
	have(P, &a);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
}
END_TEST

START_TEST(a_side_that_lost_all_owes_all)
{
	have_on_both(&a);
	have_on_both(&c);
	bindings_up(&b, F, BUS_BINDINGS_LOST);
	ck_assert_uint_eq(bindings_owed(&b, F), 2);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
	expect_idle(P);
	have(F, &a);
	have(F, &c);
	ck_assert_uint_eq(bindings_owed(&b, F), 0);
}
END_TEST

START_TEST(a_side_that_is_unsure_owes_all_and_unbinds_the_rest)
{
	have_on_both(&a);
	have_on_both(&c);
	ask(&c, false); /* not said to either side yet */
	bindings_up(&b, P, BUS_BINDINGS_UNSURE);
	ck_assert_uint_eq(bindings_owed(&b, P), 1);
	ck_assert_uint_eq(bindings_owed(&b, F), 0);
	have(P, &a);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
	expect_sent(P, BINDING_UNBIND, &c);
}
END_TEST

START_TEST(one_that_kept_all_owes_nothing)
{
	have_on_both(&a);
	bindings_up(&b, P, BUS_BINDINGS_KEPT);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
	expect_idle(P);
}
END_TEST

/* The link went while it was under way: it may be bound or not. */
START_TEST(what_is_unknown_is_done_again)
{
	struct binding *binding = ask(&a, true);

	expect_sent(P, BINDING_BIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_LOST);
	have(F, &a);
	bindings_tell(&b, binding, BUS_BIND_OK);
	binding = ask(&a, false);
	expect_sent(P, BINDING_UNBIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_LOST);
	expect_sent(P, BINDING_UNBIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_OK);
	expect_sent(F, BINDING_UNBIND, &a);
	bindings_outcome(&b, F, &a, BUS_BIND_OK);
	bindings_tell(&b, binding, BUS_BIND_OK);
	ck_assert_ptr_null(b.by_key);
}
END_TEST

START_TEST(unbound_while_a_side_is_away_is_unbound_there_later)
{
	have_on_both(&a);
	struct binding *binding = ask(&a, false);
	expect_sent(F, BINDING_UNBIND, &a);
	bindings_outcome(&b, F, &a, BUS_BIND_OK);
	bindings_tell(&b, binding, BUS_BIND_OK);
	ck_assert_ptr_nonnull(b.by_key);
	bindings_up(&b, P, BUS_BINDINGS_KEPT);
	expect_sent(P, BINDING_UNBIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_OK);
	ck_assert_ptr_null(b.by_key);
}
END_TEST

START_TEST(binds_go_before_unbinds)
{
	have_on_both(&a);
	ask(&a, false);
	ask(&c, true);
	expect_sent(P, BINDING_BIND, &c);
	expect_sent(P, BINDING_UNBIND, &a);
}
END_TEST

START_TEST(a_refusal_undoes_the_other_side)
{
	struct binding *binding = ask(&a, true);

	expect_sent(P, BINDING_BIND, &a);
	have(F, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_REFUSED);
	ck_assert(binding_settled(binding, P) && binding_refused(binding, P));
	expect_idle(P);
	bindings_tell(&b, binding, BUS_BIND_REFUSED);
	expect_sent(F, BINDING_UNBIND, &a);
	bindings_outcome(&b, F, &a, BUS_BIND_OK);
	ck_assert_ptr_null(b.by_key);
	ck_assert_uint_eq(b.refused, 0);
}
END_TEST

/* A side that refuses a key that core has been promised is not waited for, and asked again. */
START_TEST(a_refusal_after_the_promise_is_tried_again)
{
	have_on_both(&a);
	bindings_up(&b, P, BUS_BINDINGS_LOST);
	expect_sent(P, BINDING_BIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_REFUSED);
	ck_assert_uint_eq(bindings_owed(&b, P), 0);
	ck_assert_uint_eq(b.refused, 1);
	bindings_tick(&b, 10000);
	ck_assert_uint_eq(bindings_owed(&b, P), 1);
	expect_sent(P, BINDING_BIND, &a);
	bindings_outcome(&b, P, &a, BUS_BIND_REFUSED);
	bindings_tick(&b, 10000 + BINDINGS_RETRY_MS - 1);
	expect_idle(P);
	bindings_tick(&b, 10000 + BINDINGS_RETRY_MS);
	have(P, &a);
	ck_assert_uint_eq(b.refused, 0);
}
END_TEST

START_TEST(core_starts_anew_and_finds_what_is_still_there)
{
	have_on_both(&a);
	have_on_both(&c);
	bindings_up(&b, F, BUS_BINDINGS_LOST);
	bindings_forget(&b, 1000);
	expect_idle(P); /* spare */
	expect_idle(F);
	struct binding *binding = ask(&a, true);
	ck_assert(binding_settled(binding, P));
	have(F, &a);
	bindings_tell(&b, binding, BUS_BIND_OK);
	bindings_tick(&b, 1000 + BINDINGS_SPARE_MS);
	expect_sent(P, BINDING_UNBIND, &c); /* nobody has asked for it */
	bindings_outcome(&b, P, &c, BUS_BIND_OK);
	expect_idle(P);
	ck_assert_uint_eq(HASH_COUNT(b.by_key), 1);
}
END_TEST

START_TEST(restored_keys_are_there)
{
	ck_assert_int_eq(bindings_restored(&b, P, &a, true, 1000), 0);
	ck_assert_int_eq(bindings_restored(&b, P, &c, false, 1000), 0);
	bindings_up(&b, P, BUS_BINDINGS_KEPT);
	expect_idle(P);
	ck_assert_uint_eq(bindings_owed(&b, F), 1);
	have(F, &a);
	bindings_tick(&b, 1000 + BINDINGS_SPARE_MS);
	expect_sent(P, BINDING_UNBIND, &c);
}
END_TEST

START_TEST(the_oldest_operation_is_known)
{
	ck_assert_uint_eq(bindings_oldest_ms(&b, P), UINT64_MAX);
	ask(&a, true);
	expect_sent(P, BINDING_BIND, &a);
	ck_assert_uint_eq(bindings_oldest_ms(&b, P), 100);
	ck_assert_uint_eq(bindings_oldest_ms(&b, F), UINT64_MAX);
	bindings_outcome(&b, P, &a, BUS_BIND_OK);
	ck_assert_uint_eq(bindings_oldest_ms(&b, P), UINT64_MAX);
}
END_TEST

CHECK_MAIN_WITH("bus.bindings", setup, teardown, the_next_operation, a_key_is_bound_on_both_and_unbound_on_both,
                a_side_that_was_away_owes_what_was_promised, a_side_that_lost_all_owes_all,
                a_side_that_is_unsure_owes_all_and_unbinds_the_rest, one_that_kept_all_owes_nothing,
                what_is_unknown_is_done_again, unbound_while_a_side_is_away_is_unbound_there_later,
                binds_go_before_unbinds, a_refusal_undoes_the_other_side, a_refusal_after_the_promise_is_tried_again,
                core_starts_anew_and_finds_what_is_still_there, restored_keys_are_there, the_oldest_operation_is_known)
