/* A TCP connection to one of the configured addresses, with a deadline, interruptible. */
#ifndef GRID_BUS_RABBITMQ_DIAL_H
#define GRID_BUS_RABBITMQ_DIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Splits "host:port", "[v6]:port" or "host" (then `default_port`). -EINVAL when a part is too long or empty. */
GRID_MUST_CHECK int dial_split(const char *address, const char *default_port, char *host, size_t host_size, char *port,
                               size_t port_size);

/* A connected, non-blocking socket, or -errno. Ends early with -ECANCELED when `wake_fd` is readable and `*stop`.
 * `whyp` gets a static sentence. (Looking up a name cannot be interrupted.) */
GRID_MUST_CHECK int dial(const char *host, const char *port, uint64_t timeout_ms, int wake_fd, const atomic_bool *stop,
                         const char **whyp);

#endif
