/* The end of the node's service to its clients: see hub_drain(). */
#ifndef GRID_CORE_DRAIN_H
#define GRID_CORE_DRAIN_H

struct hub;
struct session;

/* Tells one session to go: `bye` with its share of drain.spread, then the close. */
void drain_bye(struct session *s);
/* While draining: tells those who have all their answers by now, or have waited long enough. */
void drain_step(struct hub *hub);

#endif
