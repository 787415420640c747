/* What the Redis tests have in common: somebody else on the server, and a node behind the proxy. */
#ifndef GRID_TESTS_CONTRACT_REDIS_COMMON_H
#define GRID_TESTS_CONTRACT_REDIS_COMMON_H

#include <hiredis/hiredis.h>

#include "contract.h"
#include "harness.h"
#include "proxy.h"
#include "wire/envelope.h"

#define REDIS_SECRET "a-secret-of-the-contract-suite"
#define REDIS_OFFLINE "grid.offline"

extern struct proxy *redis_proxy; /* after redis_node_behind_proxy() */

TCase *redis_case(Suite *suite, const char *name, const TTest *const *tests, size_t n);

/* A command of somebody who may do all; never an error. Free the reply. */
redisReply *redis_do(const char *fmt, ...);
/* The same, without looking at the reply. */
void redis_run(const char *fmt, ...);
/* Publishes these bytes; how many received them. */
long long redis_publish(const char *channel, const void *payload, size_t n);
/* An envelope of a node with `secret` (NULL: unsigned), made for `signed_for` and published in `channel`. */
long long redis_publish_envelope(const char *channel, const char *signed_for, const struct message *m,
                                 const char *secret);
/* Entries of the offline stream. */
size_t redis_offline(void);
/* A field of its only entry; valid until the next call. */
const char *redis_offline_field(const char *field);

/* A node behind the proxy, up; short times. */
struct node *redis_node_behind_proxy(const char *name);
void redis_close_behind_proxy(struct node *n);
struct got_state redis_wait_up_again(struct node *n, size_t times);

/* The parts. */
void redis_messages_add(Suite *suite);
void redis_faults_add(Suite *suite);

#endif
