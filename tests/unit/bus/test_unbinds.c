/* Keys to be unbound: each once, in order. */
#include "bus/rabbitmq/unbinds.h"

#include <stdio.h>

#include "check_main.h"

START_TEST(each_once_in_order)
{
	struct unbinds *u = unbinds_new();

	ck_assert_ptr_nonnull(u);
	ck_assert_ptr_null(unbinds_take(u));
	unbinds_add(u, EXCHANGE_USERS, "user.1.#");
	unbinds_add(u, EXCHANGE_ROOMS, "room.1");
	unbinds_add(u, EXCHANGE_USERS, "user.1.#");
	ck_assert(unbinds_waiting(u));
	const struct unbind *first = unbinds_take(u);
	ck_assert_str_eq(first->key, "user.1.#");
	ck_assert_int_eq(first->exchange, EXCHANGE_USERS);
	ck_assert_str_eq(unbinds_take(u)->key, "room.1");
	ck_assert(!unbinds_waiting(u));
	unbinds_add(u, EXCHANGE_USERS, "user.1.#"); /* a late message of it */
	ck_assert_ptr_null(unbinds_take(u));
	unbinds_add(u, EXCHANGE_USERS, "user.2.#");
	ck_assert_str_eq(unbinds_take(u)->key, "user.2.#");
	ck_assert_uint_eq(unbinds_taken(u), 3);
	unbinds_clear(u);
	ck_assert_uint_eq(unbinds_taken(u), 0);
	unbinds_add(u, EXCHANGE_USERS, "user.1.#"); /* of another queue */
	ck_assert_str_eq(unbinds_take(u)->key, "user.1.#");
	ck_assert_ptr_null(unbinds_free(u));
}
END_TEST

START_TEST(bounded)
{
	struct unbinds *u = unbinds_new();
	char key[32];
	size_t n = 0;

	ck_assert_ptr_nonnull(u);
	for (int i = 0; i <= UNBINDS_MAX; i++) {
		snprintf(key, sizeof(key), "user.%d.#", i);
		unbinds_add(u, EXCHANGE_USERS, key);
	}
	while (unbinds_take(u))
		n++;
	ck_assert_uint_eq(n, UNBINDS_MAX);
	unbinds_free(u);
}
END_TEST

CHECK_MAIN("bus.unbinds", each_once_in_order, bounded)
