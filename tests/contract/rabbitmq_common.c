#include "rabbitmq_common.h"

#include <stdio.h>
#include <stdlib.h>

struct backend *backend;
struct proxy *proxy;

static void start_backend(void)
{
	backend = backend_open();
	backend_purge(backend, OFFLINE);
}

static void end_backend(void)
{
	backend_close(backend);
}

const char *queue_of(const struct node *n)
{
	static char name[128];
	snprintf(name, sizeof(name), "grid.node.%s", n->id);
	return name;
}

struct node *node_behind_proxy(const char *name)
{
	return node_behind_proxy_with(name, "");
}

struct node *node_behind_proxy_with(const char *name, const char *more)
{
	const char *address;
	char set[512];

	proxy = proxy_open(target.address, &address);
	snprintf(set, sizeof(set),
	         "bus.rabbitmq.addresses=%s;bus.rabbitmq.heartbeat=1s;bus.rabbitmq.reconnect_min=50ms;"
	         "bus.rabbitmq.reconnect_max=200ms;bus.rabbitmq.connect_timeout=2s;%s",
	         address, more);
	return node_up(name, set);
}

void close_behind_proxy(struct node *n)
{
	node_close(n);
	proxy_close(proxy);
}

struct got_state wait_up_again(struct node *n, size_t times)
{
	WAIT_FOR(node_states(n, BUS_DOWN) >= times && node_state(n) == BUS_UP);
	return n->states.p[n->states.n - 1];
}

struct backend_got offline(void)
{
	struct backend_got got;
	WAIT_FOR(backend_get(backend, OFFLINE, &got));
	return got;
}

size_t unacknowledged(const struct node *n)
{
	char line[512];
	ctl_line(n->id, line, sizeof(line), "-q list_queues -p %s name messages_unacknowledged", target.vhost);
	ck_assert_str_ne(line, "");
	return (size_t)strtoul(strrchr(line, '\t') + 1, NULL, 10);
}

void restore_broker(void)
{
	ctl("-q set_vm_memory_high_watermark 0.6");
	ctl("-q clear_topic_permissions -p %s %s grid.rooms", target.vhost, target.user);
}

TCase *add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, start_backend, end_backend);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return tc;
}

void rabbitmq_add(Suite *suite)
{
	rabbitmq_absent_add(suite);
	rabbitmq_lives_add(suite);
	rabbitmq_backends_add(suite);
	rabbitmq_faults_add(suite);
	rabbitmq_redelivery_add(suite);
	rabbitmq_refusals_add(suite);
	rabbitmq_lent_add(suite);
}
