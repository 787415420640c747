/* What is kept of what was published, and until when. */
#include "bus/failover/window.h"

#include "check_main.h"

static const enum side P = SIDE_PRIMARY, F = SIDE_FALLBACK;

static struct window w;

static void setup(void)
{
	window_init(&w, &(struct window_limits){.keep_ms = 10000, .bytes = 1 << 20});
}

static void teardown(void)
{
	window_deinit(&w);
}

static struct kept *add_body(uint64_t seq, struct str body, uint64_t now)
{
	struct key key;
	const struct message m = {.id = STR("id"), .body = body};

	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("a"), &key), 0);
	struct kept *kept = window_add(&w, bus_publication_new(&key, &m, (void *)&w), seq, 7, now);
	ck_assert_ptr_nonnull(kept);
	return kept;
}

static struct kept *add(uint64_t seq, uint64_t now)
{
	return add_body(seq, STR("{}"), now);
}

static void answer(struct kept *kept, bool forget)
{
	struct bus_publication *asked = window_answer(&w, kept, forget);
	ck_assert_ptr_eq(asked->token, &w); /* core's, as it was */
	bus_publication_free(asked);
}

static void send(struct kept *kept, enum side side, uint64_t now)
{
	window_queue(&w, kept, side, BUS_TO_ANYBODY);
	ck_assert_ptr_eq(w.waiting[side], kept);
	window_sent(&w, kept, side, BUS_TO_ANYBODY, now);
}

START_TEST(a_copy_is_numbered_and_points_into_the_original)
{
	struct kept *kept = add(42, 0);

	window_queue(&w, kept, F, BUS_TO_PRESENT);
	struct bus_publication *copy = kept_copy(kept, kept->on[F].reach);
	ck_assert_uint_eq(copy->message.seq, 42);
	ck_assert_uint_eq(kept->asked->message.seq, 0);
	ck_assert_int_eq(copy->reach, BUS_TO_PRESENT);
	ck_assert_ptr_eq(copy->token, kept);
	ck_assert_ptr_eq(copy->message.body.p, kept->original->message.body.p);
	ck_assert(str_eq(key_str(&copy->key), STR("room.a")));
	bus_publication_free(copy);
}
END_TEST

START_TEST(falls_out_when_it_is_old)
{
	answer(add(1, 0), false);
	answer(add(2, 5000), false);
	window_prune(&w, 9999);
	ck_assert_uint_eq(w.n, 2);
	window_prune(&w, 10000);
	ck_assert_uint_eq(w.n, 1);
	window_prune(&w, 15000);
	ck_assert_uint_eq(w.n, 0);
	ck_assert_uint_eq(w.bytes, 0);
	ck_assert_uint_eq(w.crowded_out, 0);
}
END_TEST

START_TEST(not_before_core_has_its_answer)
{
	struct kept *kept = add(1, 0);

	answer(add(2, 0), false);
	window_prune(&w, 20000);
	ck_assert_uint_eq(w.n, 1);
	ck_assert_uint_eq(w.unanswered, 1);
	answer(kept, false);
	window_prune(&w, 20000);
	ck_assert_uint_eq(w.n, 0);
}
END_TEST

START_TEST(not_while_it_waits_to_be_sent)
{
	struct kept *kept = add(1, 0);

	answer(kept, false);
	window_queue(&w, kept, F, BUS_TO_ANYBODY);
	window_prune(&w, 20000);
	ck_assert_ptr_eq(w.waiting[F], kept);
	w.limits.bytes = 1; /* no room */
	window_prune(&w, 20000);
	ck_assert_ptr_null(w.waiting[F]);
	ck_assert_uint_eq(w.crowded_out, 1);
}
END_TEST

START_TEST(bytes_are_bounded)
{
	static char large[65536];
	const size_t bytes = 1 << 20;

	for (uint64_t i = 1; i <= 100; i++) {
		answer(add_body(i, (struct str){large, sizeof(large)}, i), false);
		window_prune(&w, i);
		ck_assert_uint_le(w.bytes, bytes);
	}
	ck_assert_uint_eq(w.n, 15);
	ck_assert_uint_eq(w.crowded_out, 85);
	ck_assert_uint_eq(w.all->original->message.seq, 86); /* the youngest are left */
}
END_TEST

/* With a frozen broker: its copies come back long after the window is over. */
START_TEST(lives_on_while_a_copy_is_under_way)
{
	struct kept *kept = add(1, 0);

	send(kept, P, 3);
	ck_assert_uint_eq(window_oldest_ms(&w, P), 3);
	answer(kept, false);
	window_prune(&w, 10000);
	ck_assert_uint_eq(w.n, 0);
	ck_assert_uint_eq(window_oldest_ms(&w, P), 3);
	window_outcome(&w, kept, P, BUS_CONFIRMED); /* frees it */
	ck_assert_uint_eq(window_oldest_ms(&w, P), UINT64_MAX);
}
END_TEST

START_TEST(the_end_comes_with_copies_under_way)
{
	struct kept *old = add(1, 0), *young = add(2, 9000);

	send(old, P, 0);
	send(young, P, 9000);
	send(young, F, 9000);
	answer(old, false);
	window_prune(&w, 10000); /* teardown frees all, under the leak checker */
	ck_assert_uint_eq(w.n, 1);
}
END_TEST

START_TEST(what_failed_is_forgotten)
{
	struct kept *kept = add(1, 0);

	window_queue(&w, kept, P, BUS_TO_ANYBODY);
	answer(kept, true);
	ck_assert_uint_eq(w.n, 0);
	ck_assert_ptr_null(w.waiting[P]);
}
END_TEST

START_TEST(waiting_ones_are_sent_by_age)
{
	struct kept *first = add(1, 0), *second = add(2, 1), *third = add(3, 2);

	window_queue(&w, third, F, BUS_TO_ANYBODY);
	window_queue(&w, first, F, BUS_TO_ANYBODY);
	window_queue(&w, second, F, BUS_TO_ANYBODY);
	window_sort(&w, F);
	ck_assert_ptr_eq(w.waiting[F], first);
	ck_assert_ptr_eq(first->on[F].next, second);
	ck_assert_ptr_eq(second->on[F].next, third);
	window_unqueue_all(&w, F);
	ck_assert_ptr_null(w.waiting[F]);
	ck_assert_int_eq(first->on[F].stage, COPY_NONE);
	answer(first, true);
	answer(second, true);
	answer(third, true);
}
END_TEST

START_TEST(outcomes_are_remembered)
{
	struct kept *kept = add(1, 0);

	send(kept, P, 0);
	window_outcome(&w, kept, P, BUS_FAILED);
	ck_assert_int_eq(kept->on[P].stage, COPY_FAILED);
	send(kept, P, 1); /* once more */
	window_outcome(&w, kept, P, BUS_UNROUTED);
	ck_assert_int_eq(kept->on[P].stage, COPY_UNROUTED);
	send(kept, F, 1);
	window_outcome(&w, kept, F, BUS_CONFIRMED);
	ck_assert_int_eq(kept->on[F].stage, COPY_CONFIRMED);
	answer(kept, false);
}
END_TEST

CHECK_MAIN_WITH("bus.window", setup, teardown, a_copy_is_numbered_and_points_into_the_original,
                falls_out_when_it_is_old, not_before_core_has_its_answer, not_while_it_waits_to_be_sent,
                bytes_are_bounded, lives_on_while_a_copy_is_under_way, the_end_comes_with_copies_under_way,
                what_failed_is_forgotten, waiting_ones_are_sent_by_age, outcomes_are_remembered)
