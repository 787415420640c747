/* The parts of the suite. */
#ifndef GRID_TESTS_CONTRACT_CONTRACT_H
#define GRID_TESTS_CONTRACT_CONTRACT_H

#include <check.h>

void contract_add(Suite *suite);
void rabbitmq_add(Suite *suite);
void redis_add(Suite *suite);

#endif
