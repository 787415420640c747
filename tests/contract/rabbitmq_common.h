/* What the RabbitMQ tests have in common. */
#ifndef GRID_TESTS_CONTRACT_RABBITMQ_COMMON_H
#define GRID_TESTS_CONTRACT_RABBITMQ_COMMON_H

#include "backend.h"
#include "contract.h"
#include "harness.h"
#include "proxy.h"

#define OFFLINE "grid.offline"

extern struct backend *backend; /* during each test of add_case() */
extern struct proxy *proxy;     /* after node_behind_proxy() */

TCase *add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n);

/* The node's queue; valid until the next call. */
const char *queue_of(const struct node *n);
/* A node behind the proxy, up. Short heartbeats and pauses, so that faults are noticed and mended quickly. */
struct node *node_behind_proxy(const char *name);
/* The same with these settings on top ("bus.rabbitmq.prefetch=16;…"). */
struct node *node_behind_proxy_with(const char *name, const char *set);
void close_behind_proxy(struct node *n);
/* The latest state, when it is up again after `times` downs. */
struct got_state wait_up_again(struct node *n, size_t times);
/* Waits for a message in the offline queue. */
struct backend_got offline(void);
size_t unacknowledged(const struct node *n);
/* At the end of tests that change the broker, and once more after all of them, for those that failed. */
void restore_broker(void);

/* The parts. */
void rabbitmq_absent_add(Suite *suite);
void rabbitmq_lives_add(Suite *suite);
void rabbitmq_faults_add(Suite *suite);
void rabbitmq_redelivery_add(Suite *suite);
void rabbitmq_refusals_add(Suite *suite);
void rabbitmq_backends_add(Suite *suite);
void rabbitmq_lent_add(Suite *suite);

#endif
