/* Order, bounds and wake-ups of the mailbox, alone and between two threads. */
#include "base/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check_main.h"

static void count_wake(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(keeps_order_and_bounds)
{
	atomic_int wakes = 0;
	struct mailbox *m = mailbox_new(3, count_wake, &wakes);
	int a, b, c, d;
	void *got[4];

	ck_assert_int_eq(mailbox_push(m, &a), 0);
	ck_assert_int_eq(mailbox_push(m, &b), 0);
	ck_assert_int_eq(mailbox_push(m, &c), 0);
	ck_assert_int_eq(mailbox_push(m, &d), MAILBOX_E_FULL);
	ck_assert_uint_eq(mailbox_pop(m, got, 2), 2);
	ck_assert_ptr_eq(got[0], &a);
	ck_assert_ptr_eq(got[1], &b);
	ck_assert_int_eq(mailbox_push(m, &d), 0);
	ck_assert_uint_eq(mailbox_pop(m, got, 4), 2);
	ck_assert_ptr_eq(got[0], &c);
	ck_assert_ptr_eq(got[1], &d);
	ck_assert(mailbox_empty(m));
	mailbox_free(m);
}
END_TEST

START_TEST(wakes_once_until_looked_at)
{
	atomic_int wakes = 0;
	struct mailbox *m = mailbox_new(8, count_wake, &wakes);
	int x;
	void *got[8];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(mailbox_push(m, &x), 0);
	ck_assert_int_eq(wakes, 1);
	ck_assert_uint_eq(mailbox_pop(m, got, 8), 3);
	ck_assert_int_eq(mailbox_push(m, &x), 0);
	ck_assert_int_eq(wakes, 2);
	mailbox_free(m);
}
END_TEST

START_TEST(does_not_wake_who_will_look_by_itself)
{
	atomic_int wakes = 0;
	struct mailbox *m = mailbox_new(8, count_wake, &wakes);
	int x;
	void *got[8];

	mailbox_doze(m);
	ck_assert_int_eq(mailbox_push(m, &x), 0);
	ck_assert_int_eq(mailbox_push(m, &x), 0);
	ck_assert_int_eq(wakes, 0);
	ck_assert_uint_eq(mailbox_pop(m, got, 8), 2);
	ck_assert_int_eq(mailbox_push(m, &x), 0);
	ck_assert_int_eq(wakes, 1);
	mailbox_free(m);
}
END_TEST

#define CROSSING 200000

static void wake_fd(void *arg)
{
	uint64_t one = 1;
	ck_assert_int_eq(write(*(int *)arg, &one, sizeof(one)), sizeof(one));
}

static void *write_numbers(void *arg)
{
	struct mailbox *m = arg;
	for (uintptr_t i = 1; i <= CROSSING; i++)
		while (mailbox_push(m, (void *)i) != 0)
			sched_yield();
	return NULL;
}

/* The reader sleeps on the eventfd whenever it finds nothing: a lost wake-up hangs this test. */
START_TEST(crosses_threads_in_order_without_losing_a_wake_up)
{
	int fd = eventfd(0, 0);
	struct mailbox *m = mailbox_new(64, wake_fd, &fd);
	pthread_t writer;
	void *got[16];
	uintptr_t expect = 1;

	ck_assert_int_eq(pthread_create(&writer, NULL, write_numbers, m), 0);
	while (expect <= CROSSING) {
		size_t n = mailbox_pop(m, got, 16);
		for (size_t i = 0; i < n; i++)
			if ((uintptr_t)got[i] != expect++) /* ck_assert() is slow */
				ck_abort_msg("item %zu after %zu", (size_t)got[i], (size_t)expect - 2);
		if (n == 0) {
			uint64_t count;
			ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
		}
	}
	pthread_join(writer, NULL);
	close(fd);
	mailbox_free(m);
}
END_TEST

CHECK_MAIN("base.mailbox", keeps_order_and_bounds, wakes_once_until_looked_at, does_not_wake_who_will_look_by_itself,
           crosses_threads_in_order_without_losing_a_wake_up)
