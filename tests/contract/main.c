/* bus_contract DRIVER: runs the suite against one driver.
 *
 * rabbitmq wants a provisioned broker (tests/contract/run-rabbitmq starts one) and in the environment:
 *   GRID_TEST_AMQP                         host:port
 *   GRID_TEST_VHOST
 *   GRID_TEST_USER GRID_TEST_PASSWORD      the nodes' account
 *   GRID_TEST_ADMIN GRID_TEST_ADMIN_PASSWORD   an account with all rights in the vhost
 *   GRID_TEST_CTL                          a command that is rabbitmqctl for this broker
 *
 * redis wants a server (tests/contract/run-redis starts one) and in the environment:
 *   GRID_TEST_REDIS                        host:port
 *   GRID_TEST_REDIS_SOCKET                 path of its unix socket
 *   GRID_TEST_REDIS_TLS                    host:port, and GRID_TEST_REDIS_CA the file with its certificate
 *
 * failover wants both: run-redis run-rabbitmq BINARY failover.
 *
 * GRID_TEST_LOG=1 lets the drivers' log through. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "contract.h"
#include "harness.h"
#include "redis_common.h"

static const char *need(const char *driver, const char *name)
{
	const char *value = getenv(name);
	if (!value || !*value) {
		fprintf(stderr, "bus_contract: %s is not set; tests/contract/run-%s sets it\n", name, driver);
		exit(2);
	}
	return value;
}

static const char *settings(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *settings(const char *fmt, ...)
{
	static char texts[3][2048]; /* as many as are made */
	static size_t n;
	char *text = texts[n++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(texts[0]), fmt, ap);
	va_end(ap);
	return text;
}

static void choose_rabbitmq(void)
{
	target = (struct target){.driver = BUS_DRIVER_RABBITMQ,
	                         .many_nodes = true,
	                         .address = need("rabbitmq", "GRID_TEST_AMQP"),
	                         .vhost = need("rabbitmq", "GRID_TEST_VHOST"),
	                         .user = need("rabbitmq", "GRID_TEST_USER")};
	target.settings = settings("bus.rabbitmq.addresses=%s;bus.rabbitmq.vhost=%s;bus.rabbitmq.user=%s;"
	                           "bus.rabbitmq.password=%s",
	                           target.address, target.vhost, target.user, need("rabbitmq", "GRID_TEST_PASSWORD"));
}

static void choose_redis(void)
{
	target =
	    (struct target){.driver = BUS_DRIVER_REDIS, .many_nodes = true, .address = need("redis", "GRID_TEST_REDIS")};
	target.settings =
	    settings("bus.redis.address=unix:%s;bus.redis.secret=" REDIS_SECRET, need("redis", "GRID_TEST_REDIS_SOCKET"));
}

/* Both at once; the suite of neither by itself, which breaks its broker and expects to see it. */
static void choose_failover(void)
{
	choose_redis();
	const char *of_redis = target.settings;
	choose_rabbitmq();
	target.fallback = true;
	target.settings = settings("%s;%s;bus.fallback=redis", target.settings, of_redis);
}

static int choose(const char *driver)
{
	if (strcmp(driver, "local") == 0) {
		target = (struct target){.driver = BUS_DRIVER_LOCAL};
		return 0;
	}
	if (strcmp(driver, "rabbitmq") == 0) {
		choose_rabbitmq();
		return 0;
	}
	if (strcmp(driver, "redis") == 0) {
		choose_redis();
		return 0;
	}
	if (strcmp(driver, "failover") == 0) {
		choose_failover();
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	if (argc != 2 || choose(argv[1]) != 0) {
		fprintf(stderr, "usage: bus_contract local|rabbitmq|redis|failover\n");
		return 2;
	}
	if (!getenv("GRID_TEST_LOG"))
		log_set_level((enum log_level) - 1);
	signal(SIGPIPE, SIG_IGN); /* as in a node */
	Suite *suite = suite_create("bus");
	contract_add(suite);
	if (target.driver == BUS_DRIVER_RABBITMQ && !target.fallback)
		rabbitmq_add(suite);
	if (target.driver == BUS_DRIVER_REDIS)
		redis_add(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
