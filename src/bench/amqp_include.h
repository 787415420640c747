/* rabbitmq-c, whose headers moved into a folder of their own in 0.12. The only place here that includes them. */
#ifndef GRID_BENCH_AMQP_INCLUDE_H
#define GRID_BENCH_AMQP_INCLUDE_H

#include <sys/time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#endif

#include "base/str.h"

static inline amqp_bytes_t amqp_from_str(struct str s)
{
	return (amqp_bytes_t){.len = s.n, .bytes = (void *)s.p};
}

static inline struct str amqp_str(amqp_bytes_t b)
{
	return (struct str){b.bytes ? b.bytes : "", b.len};
}

#endif
