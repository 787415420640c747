#include "bench/dialect.h"

/* In the same order. */
const struct dialect_ops *const dialect_list[] = {&dialect_grid, &dialect_plain, &dialect_nats, &dialect_stomp,
                                                  &dialect_socketio};
const char *const dialect_names[] = {"grid", "plain", "nats", "stomp", "socketio", NULL};
