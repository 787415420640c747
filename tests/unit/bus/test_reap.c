/* Taking a dead node's queue apart, against a broker that is only answers. */
#include "bus/rabbitmq/reap.h"

#include "check_main.h"

enum { LINGER = 30000 };

static struct reap reap;
static struct reap_view view;

static void begin(void)
{
	reap_init(&reap);
	view = (struct reap_view){.now_ms = 1000000};
}

static void asks(enum reap_request request)
{
	ck_assert_int_eq(reap_next(&reap, &view), request);
	ck_assert_int_eq(reap_next(&reap, &view), REAP_NOTHING); /* until it is answered */
}

static void answers(enum reap_request request)
{
	asks(request);
	reap_answered(&reap, view.now_ms);
}

static void ends(enum reap_end end)
{
	ck_assert_int_eq(reap_take_end(&reap), end);
	ck_assert_int_eq(reap_take_end(&reap), REAP_GOES_ON);
}

/* Nothing is caught, and a queue is consumed. */
static void claim(void)
{
	begin();
	reap_begin(&reap, LINGER, view.now_ms);
	answers(REAP_OPEN);
	answers(REAP_RELEASE);
	answers(REAP_LOOK);
	ck_assert(!reap_takes(&reap));
	answers(REAP_CONSUME);
	ck_assert(reap_takes(&reap));
	asks(REAP_NOTHING);
}

static void until_deleting(void)
{
	view.now_ms += LINGER;
	answers(REAP_CATCH);
	answers(REAP_CANCEL);
}

static void close_after(enum reap_end end)
{
	ends(end);
	answers(REAP_CLOSE);
	ck_assert_int_eq(reap.state, REAP_IDLE);
	asks(REAP_NOTHING);
}

START_TEST(an_empty_queue_is_deleted_after_a_while)
{
	claim();
	view.now_ms += LINGER - 1;
	asks(REAP_NOTHING);
	view.now_ms -= LINGER - 1;
	until_deleting();
	answers(REAP_DELETE);
	ck_assert(reap.caught);
	answers(REAP_RELEASE);
	ck_assert(!reap.caught);
	close_after(REAP_DELETED);
}
END_TEST

START_TEST(messages_and_keys_are_dealt_with_first)
{
	claim();
	view.now_ms += LINGER - 1;
	asks(REAP_NOTHING);
	reap_message(&reap, view.now_ms);
	view.holding = view.unbinds = true;
	answers(REAP_UNBIND);
	asks(REAP_NOTHING); /* at a pace */
	view.now_ms += REAP_UNBIND_EVERY_MS;
	answers(REAP_UNBIND);
	view.unbinds = false;
	asks(REAP_NOTHING);
	view.holding = false;
	reap_settled(&reap, view.now_ms);
	view.now_ms += LINGER - REAP_UNBIND_EVERY_MS - 1;
	asks(REAP_NOTHING);
	view.now_ms += 1;
	answers(REAP_CATCH);
}
END_TEST

START_TEST(what_is_held_is_never_deleted_under_us)
{
	claim();
	until_deleting();
	view.holding = true; /* came between the cancel and its answer */
	asks(REAP_NOTHING);
	view.holding = false;
	answers(REAP_DELETE);
}
END_TEST

START_TEST(one_that_is_not_empty_after_all_is_taken_up_again)
{
	claim();
	until_deleting();
	asks(REAP_DELETE);
	reap_refused(&reap, false);
	ends(REAP_GOES_ON);
	answers(REAP_OPEN);
	answers(REAP_RELEASE);
	answers(REAP_LOOK);
	answers(REAP_CONSUME);
	ck_assert(reap_takes(&reap));
	until_deleting();
	answers(REAP_DELETE);
	answers(REAP_RELEASE);
	close_after(REAP_DELETED);
}
END_TEST

START_TEST(one_that_is_not_there_is_forgotten)
{
	begin();
	reap_begin(&reap, LINGER, view.now_ms);
	answers(REAP_OPEN);
	answers(REAP_RELEASE);
	asks(REAP_LOOK);
	reap_refused(&reap, true);
	ck_assert_int_eq(reap.state, REAP_IDLE);
	ends(REAP_GONE);
}
END_TEST

START_TEST(one_that_somebody_consumes_is_left)
{
	begin();
	reap_begin(&reap, LINGER, view.now_ms);
	answers(REAP_OPEN);
	answers(REAP_RELEASE);
	answers(REAP_LOOK);
	asks(REAP_CONSUME);
	reap_refused(&reap, false);
	ck_assert_int_eq(reap.state, REAP_IDLE);
	ends(REAP_TAKEN);
}
END_TEST

START_TEST(somebody_else_deletes_it_meanwhile)
{
	claim();
	reap_cancelled(&reap);
	reap_cancelled(&reap);
	close_after(REAP_TAKEN);
}
END_TEST

/* The owner returns at each point in turn: the channel is closed, and what was caught is released. */
START_TEST(steps_back_anywhere)
{
	static const enum reap_request way[] = {REAP_OPEN,  REAP_RELEASE, REAP_LOOK,  REAP_CONSUME,
	                                        REAP_CATCH, REAP_CANCEL,  REAP_DELETE};

	for (size_t steps = 0; steps < GRID_ARRAY_LEN(way); steps++) {
		for (int asked = 0; asked < 2; asked++) {
			bool too_late = way[steps] == REAP_DELETE && asked;
			begin();
			reap_begin(&reap, 0, view.now_ms);
			for (size_t i = 0; i < steps; i++)
				answers(way[i]);
			if (asked)
				asks(way[steps]);
			reap_step_back(&reap);
			ends(too_late ? REAP_GOES_ON : REAP_STEPPED_BACK);
			if (too_late)
				continue;
			ck_assert(!reap_takes(&reap));
			if (reap.state != REAP_IDLE)
				answers(REAP_CLOSE);
			else
				ck_assert(steps == 0 && !asked); /* there was no channel yet */
			ck_assert_int_eq(reap.state, REAP_IDLE);
			if (!reap.caught)
				continue;
			reap_begin_release(&reap);
			answers(REAP_OPEN);
			answers(REAP_RELEASE);
			answers(REAP_CLOSE);
			ck_assert(!reap.caught);
			ends(REAP_GOES_ON);
		}
	}
}
END_TEST

START_TEST(gives_up_when_nothing_can_be_handed_over)
{
	claim();
	reap_message(&reap, view.now_ms);
	view.holding = true;
	view.now_ms += REAP_STUCK_MS - 1;
	asks(REAP_NOTHING);
	reap_settled(&reap, view.now_ms); /* one got through */
	view.now_ms += REAP_STUCK_MS - 1;
	asks(REAP_NOTHING);
	view.now_ms += 1;
	asks(REAP_CLOSE);
	ends(REAP_STUCK);
	reap_answered(&reap, view.now_ms);
	ck_assert_int_eq(reap.state, REAP_IDLE);
}
END_TEST

START_TEST(is_not_stuck_by_the_first_message_after_a_long_silence)
{
	claim();
	reap.linger_ms = 10 * REAP_STUCK_MS;
	view.now_ms += 5 * REAP_STUCK_MS;
	asks(REAP_NOTHING);
	reap_message(&reap, view.now_ms);
	view.holding = true;
	asks(REAP_NOTHING);
}
END_TEST

/* Whatever was caught when the link was lost is released in the next life of it. */
START_TEST(a_lost_link_forgets_the_queue_and_not_what_is_caught)
{
	claim();
	view.now_ms += LINGER;
	asks(REAP_CATCH);
	reap_link_lost(&reap);
	ck_assert_int_eq(reap.state, REAP_IDLE);
	ends(REAP_GOES_ON);
	ck_assert(reap.caught);
	reap_begin_release(&reap);
	answers(REAP_OPEN);
	answers(REAP_RELEASE);
	answers(REAP_CLOSE);
	ck_assert(!reap.caught);
}
END_TEST

START_TEST(a_refused_unbind_ends_it_for_now)
{
	claim();
	view.unbinds = true;
	asks(REAP_UNBIND);
	reap_refused(&reap, false);
	ends(REAP_TAKEN);
	ck_assert_int_eq(reap.state, REAP_IDLE);
}
END_TEST

START_TEST(our_own_queue_missing_says_nothing_of_the_dead_one)
{
	begin();
	reap_begin(&reap, LINGER, view.now_ms);
	answers(REAP_OPEN);
	asks(REAP_RELEASE);
	reap_refused(&reap, true);
	ends(REAP_TAKEN);
	claim();
	view.now_ms += LINGER;
	asks(REAP_CATCH);
	reap_refused(&reap, true);
	ends(REAP_TAKEN);
}
END_TEST

START_TEST(a_closed_channel_before_the_delete_ends_it_for_now)
{
	claim();
	until_deleting();
	reap_refused(&reap, false); /* nothing was asked yet */
	ends(REAP_TAKEN);
	ck_assert_int_eq(reap.state, REAP_IDLE);
}
END_TEST

CHECK_MAIN("bus.reap", an_empty_queue_is_deleted_after_a_while, messages_and_keys_are_dealt_with_first,
           what_is_held_is_never_deleted_under_us, one_that_is_not_empty_after_all_is_taken_up_again,
           one_that_is_not_there_is_forgotten, one_that_somebody_consumes_is_left, somebody_else_deletes_it_meanwhile,
           steps_back_anywhere, gives_up_when_nothing_can_be_handed_over,
           is_not_stuck_by_the_first_message_after_a_long_silence, a_lost_link_forgets_the_queue_and_not_what_is_caught,
           a_refused_unbind_ends_it_for_now, our_own_queue_missing_says_nothing_of_the_dead_one,
           a_closed_channel_before_the_delete_ends_it_for_now)
