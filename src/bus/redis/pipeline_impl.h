/* For the files of a struct pipeline: pipeline.c has its states, requests and answers; pipeline_socket.c the way to a
 * socket, and what goes out; pipeline_login.c the login. */
#ifndef GRID_BUS_REDIS_PIPELINE_IMPL_H
#define GRID_BUS_REDIS_PIPELINE_IMPL_H

#include "bus/redis/pipeline.h"

/* pipeline.c */

/* Sets why; -ECONNABORTED: pipeline_next() ends the connection. */
GRID_MUST_CHECK GRID_PRINTF(2, 3) int pipeline_fail(struct pipeline *p, const char *fmt, ...);
void pipeline_set_state(struct pipeline *p, enum pipeline_state state, uint64_t now_ms);

/* pipeline_socket.c: each PIPELINE_E_NOTHING, or failed. */

/* From PAUSED, when the pause is over. */
GRID_MUST_CHECK int pipeline_socket_open(struct pipeline *p, uint64_t now_ms);
GRID_MUST_CHECK int pipeline_socket_resolve(struct pipeline *p, uint64_t now_ms);
/* Writes what there is, and comes back when the socket takes more. */
void pipeline_socket_send(struct pipeline *p);
void pipeline_socket_close(struct pipeline *p);

/* pipeline_login.c */

/* On a connected socket. PIPELINE_E_NOTHING, or failed. */
GRID_MUST_CHECK int pipeline_login_start(struct pipeline *p, uint64_t now_ms);
/* 0: more to come. PIPELINE_E_UP. Failed. */
GRID_MUST_CHECK int pipeline_login_on_answer(struct pipeline *p, const struct request *request, const redisReply *reply,
                                             uint64_t now_ms);

#endif
