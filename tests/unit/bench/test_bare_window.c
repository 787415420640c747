/* Binds without an answer: never more than the window, never more than wanted. */
#include "bench/bare/window.h"

#include "check_main.h"

START_TEST(asks_as_far_as_the_window_goes)
{
	struct window window = {.wanted = 10, .size = 3};

	while (window_open(&window))
		window.asked++;
	ck_assert_uint_eq(window.asked, 3);
	ck_assert(window_answer(&window));
	ck_assert(window_open(&window));
	window.asked++;
	ck_assert(!window_open(&window));
	ck_assert(!window_done(&window));
}
END_TEST

START_TEST(ends_when_all_is_answered)
{
	struct window window = {.wanted = 5, .size = 2};
	unsigned answers = 0;

	while (!window_done(&window)) {
		while (window_open(&window))
			window.asked++;
		ck_assert_uint_le(window.asked - window.answered, 2);
		ck_assert(window_answer(&window));
		answers++;
	}
	ck_assert_uint_eq(answers, 5);
	ck_assert(!window_open(&window));
	ck_assert(!window_answer(&window));
}
END_TEST

START_TEST(can_be_cut)
{
	struct window window = {.wanted = 100, .size = 4, .asked = 7, .answered = 5};

	window_cut(&window);
	ck_assert(!window_open(&window));
	ck_assert(!window_done(&window));
	ck_assert(window_answer(&window) && window_answer(&window));
	ck_assert(window_done(&window));
}
END_TEST

CHECK_MAIN("bench.bare_window", asks_as_far_as_the_window_goes, ends_when_all_is_answered, can_be_cut)
