#include "bus/failover/decide.h"

#include <stddef.h>

const char *const primary_names[PRIMARY_COUNT] = {
    [PRIMARY_AWAY] = "away", [PRIMARY_BLOCKED] = "blocked", [PRIMARY_DOUBTED] = "doubted",
    [PRIMARY_BACK] = "back", [PRIMARY_GOOD] = "good",
};

const char *const route_names[ROUTE_COUNT] = {
    [ROUTE_DOWN] = "down", [ROUTE_BLOCKED] = "blocked",   [ROUTE_PRIMARY] = "primary",
    [ROUTE_BOTH] = "both", [ROUTE_FALLBACK] = "fallback",
};

/* In the order of enum primary_event: LOST, BLOCKED, UP, DOUBT, CLEARED, SETTLED. */
static const enum primary moves[PRIMARY_COUNT][PRIMARY_EVENT_COUNT] = {
    [PRIMARY_AWAY] = {PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_BACK, PRIMARY_AWAY, PRIMARY_AWAY, PRIMARY_AWAY},
    [PRIMARY_BLOCKED] = {PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_BACK, PRIMARY_BLOCKED, PRIMARY_BLOCKED,
                         PRIMARY_BLOCKED},
    [PRIMARY_DOUBTED] = {PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_DOUBTED, PRIMARY_DOUBTED, PRIMARY_BACK,
                         PRIMARY_DOUBTED},
    [PRIMARY_BACK] = {PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_BACK, PRIMARY_DOUBTED, PRIMARY_BACK, PRIMARY_GOOD},
    [PRIMARY_GOOD] = {PRIMARY_AWAY, PRIMARY_BLOCKED, PRIMARY_GOOD, PRIMARY_DOUBTED, PRIMARY_GOOD, PRIMARY_GOOD},
};

/* [0]: the fallback is away; [1]: it is up, and no peer is cut off. */
static const enum route routes[PRIMARY_COUNT][2] = {
    [PRIMARY_AWAY] = {ROUTE_DOWN, ROUTE_FALLBACK},       [PRIMARY_BLOCKED] = {ROUTE_BLOCKED, ROUTE_FALLBACK},
    [PRIMARY_DOUBTED] = {ROUTE_PRIMARY, ROUTE_FALLBACK}, [PRIMARY_BACK] = {ROUTE_PRIMARY, ROUTE_FALLBACK},
    [PRIMARY_GOOD] = {ROUTE_PRIMARY, ROUTE_PRIMARY},
};

enum primary primary_next(enum primary now, enum primary_event event)
{
	return moves[now][event];
}

enum route route_of(enum primary primary, bool fallback_up, bool peer_cut_off)
{
	enum route route = routes[primary][fallback_up];
	return route == ROUTE_PRIMARY && primary == PRIMARY_GOOD && fallback_up && peer_cut_off ? ROUTE_BOTH : route;
}

bool route_has_primary(enum route route)
{
	return route == ROUTE_PRIMARY || route == ROUTE_BOTH;
}

bool route_has_fallback(enum route route)
{
	return route == ROUTE_FALLBACK || route == ROUTE_BOTH;
}
