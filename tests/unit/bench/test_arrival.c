/* What is read late has come when it came. */
#include "bench/arrival.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"

#define LATE_US 20000
#define DISAGREE_US 1000 /* the two clocks, at most */

static int sender, receiver;
static struct arrival_clock arrival_clock;

static void setup(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &size), 0);
	sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(sender, (struct sockaddr *)&addr, size), 0);
	receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(receiver, 0);
	close(listener);
}

static void teardown(void)
{
	close(sender);
	close(receiver);
}

static void sleep_us(uint64_t us)
{
	const struct timespec pause = {.tv_nsec = (long)us * 1000};

	ck_assert_int_eq(nanosleep(&pause, NULL), 0);
}

static void receive(ssize_t n, uint64_t *now_us, uint64_t *came_us)
{
	struct pollfd readable = {.fd = receiver, .events = POLLIN};
	char bytes[16];

	ck_assert_int_eq(poll(&readable, 1, 10000), 1);
	*now_us = clock_mono_us();
	ck_assert_int_eq(arrival_recv(receiver, bytes, sizeof(bytes), &arrival_clock, *now_us, came_us), n);
}

static void await_bytes(int n)
{
	int there = 0;

	while (there < n)
		ck_assert_int_eq(ioctl(receiver, FIONREAD, &there), 0);
}

/* The kernel begins to stamp a moment after it was told to, for the first socket of the machine. */
static void await_stamps(void)
{
	uint64_t now_us, came_us;

	ck_assert_int_eq(arrival_watch(receiver), 0);
	do {
		ck_assert_int_eq(write(sender, "x", 1), 1);
		sleep_us(1000);
		receive(1, &now_us, &came_us);
	} while (came_us == now_us);
}

START_TEST(what_is_read_late_came_when_it_came)
{
	uint64_t now_us, came_us;

	await_stamps();
	uint64_t before_us = clock_mono_us();
	ck_assert_int_eq(write(sender, "frame", 5), 5);
	uint64_t after_us = clock_mono_us();
	sleep_us(LATE_US);
	receive(5, &now_us, &came_us);
	ck_assert_uint_ge(came_us + DISAGREE_US, before_us);
	ck_assert_uint_le(came_us, after_us + DISAGREE_US);
	ck_assert_uint_ge(now_us - came_us, LATE_US - DISAGREE_US);
}
END_TEST

START_TEST(what_came_in_pieces_came_with_the_last)
{
	uint64_t now_us, came_us;

	await_stamps();
	ck_assert_int_eq(write(sender, "fra", 3), 3);
	sleep_us(LATE_US);
	uint64_t before_us = clock_mono_us();
	ck_assert_int_eq(write(sender, "me", 2), 2);
	await_bytes(5);
	receive(5, &now_us, &came_us);
	ck_assert_uint_ge(came_us + DISAGREE_US, before_us);
}
END_TEST

START_TEST(without_a_stamp_it_is_now)
{
	uint64_t now_us, came_us;

	ck_assert_int_eq(write(sender, "frame", 5), 5);
	receive(5, &now_us, &came_us);
	ck_assert_uint_eq(came_us, now_us);
}
END_TEST

CHECK_MAIN_WITH("bench.arrival", setup, teardown, what_is_read_late_came_when_it_came,
                what_came_in_pieces_came_with_the_last, without_a_stamp_it_is_now)
