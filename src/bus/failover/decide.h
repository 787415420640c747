/* Which way messages go: two tables, and nothing else decides.
 *
 * What is thought of the primary, by what happens:
 *
 *              | LOST  BLOCKED  UP       DOUBT    CLEARED  SETTLED
 *   -----------+--------------------------------------------------
 *   AWAY       | –     BLOCKED  BACK     –        –        –
 *   BLOCKED    | AWAY  –        BACK     –        –        –
 *   DOUBTED    | AWAY  BLOCKED  –        –        BACK     –
 *   BACK       | AWAY  BLOCKED  –        DOUBTED  –        GOOD
 *   GOOD       | AWAY  BLOCKED  –        DOUBTED  –        –
 *
 *   LOST      its link is down
 *   BLOCKED   it takes no messages; keys and deliveries go on
 *   UP        its link is up
 *   DOUBT     something is unconfirmed for too long, or it takes nothing although it is up
 *   CLEARED   nothing is under way on it any more
 *   SETTLED   it is up for a while, or messages go over it anyway, and it holds every key that was promised
 *
 * The route, by that and whether the fallback is up:
 *
 *              | fallback up             | fallback away
 *   -----------+-------------------------+---------------
 *   AWAY       | FALLBACK                | DOWN
 *   BLOCKED    | FALLBACK                | BLOCKED
 *   DOUBTED    | FALLBACK                | PRIMARY  (there is nothing better)
 *   BACK       | FALLBACK                | PRIMARY
 *   GOOD       | PRIMARY, or BOTH while  | PRIMARY
 *              | a peer is cut off       |
 */
#ifndef GRID_BUS_FAILOVER_DECIDE_H
#define GRID_BUS_FAILOVER_DECIDE_H

#include <stdbool.h>

enum primary { PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_DOUBTED, PRIMARY_BACK, PRIMARY_GOOD, PRIMARY_COUNT };

enum primary_event {
	PRIMARY_LOST,
	PRIMARY_IS_BLOCKED,
	PRIMARY_UP,
	PRIMARY_DOUBT,
	PRIMARY_CLEARED,
	PRIMARY_SETTLED,
	PRIMARY_EVENT_COUNT
};

enum route { ROUTE_DOWN, ROUTE_BLOCKED, ROUTE_PRIMARY, ROUTE_BOTH, ROUTE_FALLBACK, ROUTE_COUNT };

extern const char *const primary_names[PRIMARY_COUNT];
extern const char *const route_names[ROUTE_COUNT];

enum primary primary_next(enum primary now, enum primary_event event);
enum route route_of(enum primary primary, bool fallback_up, bool peer_cut_off);
/* Do new messages go over the primary, or the fallback? */
bool route_has_primary(enum route route);
bool route_has_fallback(enum route route);

#endif
