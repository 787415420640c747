#include "bench/dialect.h"

/* In the same order. */
const struct dialect_ops *const dialect_list[] = {&dialect_grid, &dialect_plain};
const char *const dialect_names[] = {"grid", "plain", NULL};
