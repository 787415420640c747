/* Addresses, and connecting in time. */
#include "bus/rabbitmq/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"

START_TEST(addresses_are_split)
{
	static const struct {
		const char *address, *host, *port;
	} cases[] = {
	    {"rabbit:5673", "rabbit", "5673"},
	    {"rabbit", "rabbit", "5672"},
	    {"127.0.0.1:1", "127.0.0.1", "1"},
	    {"[::1]:5673", "::1", "5673"},
	    {"[::1]", "::1", "5672"},
	    {"::1", "::1", "5672"},
	    {"[fe80::1%eth0]:7", "fe80::1%eth0", "7"},
	    {":5", NULL, NULL},
	    {"a:", NULL, NULL},
	    {"[::1", NULL, NULL},
	    {"[::1]x", NULL, NULL},
	    {"", NULL, NULL},
	    {"[]:5", NULL, NULL},
	    {"a:123456789", NULL, NULL},
	};
	char host[64], port[8];

	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++) {
		int rc = dial_split(cases[i].address, "5672", host, sizeof(host), port, sizeof(port));
		ck_assert_int_eq(rc, cases[i].host ? 0 : -EINVAL);
		if (cases[i].host) {
			ck_assert_str_eq(host, cases[i].host);
			ck_assert_str_eq(port, cases[i].port);
		}
	}
}
END_TEST

static int listening(int backlog, char port[8])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(port, 8, "%d", ntohs(address.sin_port));
	return fd;
}

START_TEST(connects_or_says_why)
{
	atomic_bool stop = false;
	int wake_fd = eventfd(0, EFD_NONBLOCK);
	const char *why = "";
	char port[8];

	int server = listening(4, port);
	int fd = dial("127.0.0.1", port, 2000, wake_fd, &stop, &why);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(server);
	server = listening(-1, port);
	ck_assert_int_eq(dial("127.0.0.1", port, 2000, wake_fd, &stop, &why), -ECONNREFUSED);
	ck_assert_str_eq(why, "Connection refused");
	close(server);
	ck_assert_int_eq(dial("no host at all", port, 2000, wake_fd, &stop, &why), -EHOSTUNREACH);
	close(wake_fd);
}
END_TEST

/* A full backlog leaves further connects unanswered. */
START_TEST(gives_up_in_time_or_when_told)
{
	atomic_bool stop = false;
	int wake_fd = eventfd(1, EFD_NONBLOCK); /* a wake-up that means nothing */
	int fill[8], n = 0;
	const char *why = "";
	char port[8];

	int server = listening(0, port);
	int rc = 0;
	while (n < 8 && (rc = dial("127.0.0.1", port, 200, wake_fd, &stop, &why)) >= 0)
		fill[n++] = rc;
	ck_assert_int_eq(rc, -ETIMEDOUT);
	atomic_store(&stop, true);
	uint64_t before = clock_mono_ms();
	ck_assert_int_eq(dial("127.0.0.1", port, 10000, wake_fd, &stop, &why), -ECANCELED);
	ck_assert_uint_lt(clock_mono_ms() - before, 5000);
	while (n)
		close(fill[--n]);
	close(server);
	close(wake_fd);
}
END_TEST

CHECK_MAIN("bus.dial", addresses_are_split, connects_or_says_why, gives_up_in_time_or_when_told)
