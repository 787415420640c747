/* bus_contract DRIVER: runs the suite against one driver.
 *
 * rabbitmq wants a provisioned broker (tests/contract/run-rabbitmq starts one) and in the environment:
 *   GRID_TEST_AMQP                         host:port
 *   GRID_TEST_VHOST
 *   GRID_TEST_USER GRID_TEST_PASSWORD      the nodes' account
 *   GRID_TEST_ADMIN GRID_TEST_ADMIN_PASSWORD   an account with all rights in the vhost
 *   GRID_TEST_CTL                          a command that is rabbitmqctl for this broker
 * GRID_TEST_LOG=1 lets the drivers' log through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "contract.h"
#include "harness.h"

static const char *need(const char *name)
{
	const char *value = getenv(name);
	if (!value || !*value) {
		fprintf(stderr, "bus_contract: %s is not set; tests/contract/run-rabbitmq sets it\n", name);
		exit(2);
	}
	return value;
}

static int choose(const char *driver)
{
	if (strcmp(driver, "local") == 0) {
		target = (struct target){.driver = BUS_DRIVER_LOCAL};
		return 0;
	}
	if (strcmp(driver, "rabbitmq") == 0) {
		target = (struct target){.driver = BUS_DRIVER_RABBITMQ,
		                         .many_nodes = true,
		                         .address = need("GRID_TEST_AMQP"),
		                         .vhost = need("GRID_TEST_VHOST"),
		                         .user = need("GRID_TEST_USER"),
		                         .password = need("GRID_TEST_PASSWORD")};
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	if (argc != 2 || choose(argv[1]) != 0) {
		fprintf(stderr, "usage: bus_contract local|rabbitmq\n");
		return 2;
	}
	if (!getenv("GRID_TEST_LOG"))
		log_set_level((enum log_level) - 1);
	Suite *suite = suite_create("bus");
	contract_add(suite);
	if (target.driver == BUS_DRIVER_RABBITMQ)
		rabbitmq_add(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
