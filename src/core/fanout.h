/* Deliveries from the bus into the queues of sessions, and back to the bus when that has been seen to. */
#ifndef GRID_CORE_FANOUT_H
#define GRID_CORE_FANOUT_H

#include <stddef.h>

struct bus_delivery;
struct hub;
struct msgbuf;
struct session;

/* struct bus_upcalls */
void fanout_on_message(void *hub, struct bus_delivery *const *batch, size_t n);

/* A session of a user was welcomed: gives it what waits for him. */
void fanout_welcomed(struct session *s);
/* A socket has taken a frame with a notice. */
void fanout_taken(struct session *s, const struct msgbuf *frame);

/* After the sessions were flushed, and when time has passed: settles what is to be settled. */
void fanout_flushed(struct hub *hub);
void fanout_tick(struct hub *hub);
/* Before the bus is closed: settles what can be; the rest stays with the bus. */
void fanout_end(struct hub *hub);

#endif
