/* What is known to be bound to a dead node's queue. */
#include "bus/rabbitmq/dead.h"

#include <stdio.h>
#include <unistd.h>

#include "check_main.h"

static char node_id[] = "n1", nothing[] = "", folder[] = "/tmp/grid-dead.XXXXXX";
static struct setup setup = {.node_id = node_id, .state_dir = nothing};
static struct unbinds *keys;
static const struct peer dead = {.queue = "grid.node.n2", .origin = "n2.EPOCH"};

static void begin(void)
{
	ck_assert_int_eq(topology_init(&setup.topology, "grid", setup.node_id), 0);
	keys = unbinds_new();
	ck_assert_ptr_nonnull(keys);
}

static void end(void)
{
	unbinds_free(keys);
	topology_deinit(&setup.topology);
}

static void next_is(enum exchange exchange, const char *key)
{
	const struct unbind *next = unbinds_take(keys);

	ck_assert_ptr_nonnull(next);
	ck_assert_int_eq(next->exchange, exchange);
	ck_assert_str_eq(next->key, key);
}

static void own_keys_are_first(void)
{
	next_is(EXCHANGE_NODES, "node.n2.EPOCH");
	next_is(EXCHANGE_NODES, "node.n2");
	next_is(EXCHANGE_NODES, "all");
	next_is(EXCHANGE_USERS, ANY_USER);
}

START_TEST(its_epoch_comes_first)
{
	begin();
	unbinds_add(keys, EXCHANGE_USERS, "user.of-another.#");
	dead_keys(&setup, &dead, keys);
	own_keys_are_first();
	ck_assert(!unbinds_waiting(keys));
	end();
}
END_TEST

START_TEST(a_leftover_has_no_epoch)
{
	begin();
	dead_keys(&setup, &(struct peer){.queue = "grid.node.n1.OLD"}, keys);
	next_is(EXCHANGE_NODES, "all");
	next_is(EXCHANGE_USERS, ANY_USER);
	ck_assert(!unbinds_waiting(keys));
	end();
}
END_TEST

static void write_journal(const char *queue, char path[64])
{
	snprintf(path, 64, "%s/grid.node.n2.journal", folder);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "grid-journal 1\nboot b\nvhost grid\nqueue %s\nepoch 01KC0000000000000000000000\n", queue);
	fputs("+user.7\n=user.7\n=room.a.b\n+user.8\n-room.gone\n", file);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(its_journal_knows_more)
{
	char path[64];

	begin();
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setup.state_dir = folder;
	write_journal("grid.node.n2", path);
	dead_keys(&setup, &dead, keys);
	own_keys_are_first();
	ck_assert_str_eq(unbinds_take(keys)->key, "node.n2.01KC0000000000000000000000"); /* newer than its last hello */
	bool users = false, room = false;
	for (const struct unbind *u = unbinds_take(keys); u; u = unbinds_take(keys)) {
		users = users || strcmp(u->key, "user.7.#") == 0;
		room = room || (strcmp(u->key, "room.a.b") == 0 && u->exchange == EXCHANGE_ROOMS);
		ck_assert_str_ne(u->key, "room.gone");
	}
	ck_assert(users && room);
	ck_assert_uint_eq(unbinds_taken(keys), 4 + 1 + 3);

	write_journal("grid.node.n2.OTHER", path);
	dead_keys(&setup, &dead, keys);
	own_keys_are_first();
	ck_assert(!unbinds_waiting(keys));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	end();
}
END_TEST

CHECK_MAIN("bus.dead", its_epoch_comes_first, a_leftover_has_no_epoch, its_journal_knows_more)
