/* Host names, looked up without waiting. */
#include "bus/redis/resolve.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "check_main.h"

static int result_of(const char *host, char address[INET6_ADDRSTRLEN], const char **whyp)
{
	struct resolve *resolve;
	int rc;

	ck_assert_int_eq(resolve_start(host, &resolve), 0);
	uint64_t until = clock_mono_ms() + 20000;
	while ((rc = resolve_poll(resolve, address, whyp)) == RESOLVE_E_BUSY && clock_mono_ms() < until)
		poll(NULL, 0, 1);
	resolve_free(resolve);
	return rc;
}

START_TEST(a_name_becomes_an_address)
{
	char address[INET6_ADDRSTRLEN];
	const char *why = NULL;

	ck_assert_int_eq(result_of("localhost", address, &why), 0);
	ck_assert(strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0);
}
END_TEST

START_TEST(no_name_has_a_reason)
{
	char address[INET6_ADDRSTRLEN];
	const char *why = NULL;

	ck_assert_int_eq(result_of("no-such-host.invalid", address, &why), RESOLVE_E_FAILED);
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(can_be_left_at_any_time)
{
	struct resolve *resolve;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(resolve_start("localhost", &resolve), 0);
		ck_assert_ptr_null(resolve_free(resolve));
	}
	ck_assert_ptr_null(resolve_free(NULL));
}
END_TEST

CHECK_MAIN("bus.resolve", a_name_becomes_an_address, no_name_has_a_reason, can_be_left_at_any_time)
