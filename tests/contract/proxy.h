/* A TCP proxy in front of the broker, to cut and to freeze what goes through it. A thread of its own. */
#ifndef GRID_TESTS_CONTRACT_PROXY_H
#define GRID_TESTS_CONTRACT_PROXY_H

#include <stdbool.h>

struct proxy;

/* Listens on a free port of 127.0.0.1; *addressp is "127.0.0.1:PORT", valid until proxy_close(). */
struct proxy *proxy_open(const char *target_address, const char **addressp);
void proxy_close(struct proxy *p);

/* Which connections: those whose first bytes hold this text (their connection_name); NULL: all. */
void proxy_cut(struct proxy *p, const char *of);
/* What the clients of those send is not passed on any more, until they are cut; what the broker sends is. */
void proxy_withhold(struct proxy *p, const char *of);
/* New connections are refused at once (accepted and closed). */
void proxy_refuse(struct proxy *p, bool refuse);
/* Nothing is passed on any more, in both directions, but connections stay. */
void proxy_freeze(struct proxy *p, bool frozen);

#endif
