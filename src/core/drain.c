#include "core/drain.h"

#include <utlist.h>

#include "core/hub_impl.h"

#define GOLDEN 2654435769u /* 2^32 times the golden ratio */

/* The n-th of any number of clients, counted from 1: multiples of the golden ratio lie evenly between 0 and 1, however
 * many there are, and those told one after the other far apart. */
static int64_t retry_ms(uint32_t n, int64_t spread_ms)
{
	return (int64_t)((uint64_t)(n * GOLDEN) * (uint64_t)(spread_ms + 1) >> 32);
}

void drain_bye(struct session *s)
{
	session_bye(s, "drain", retry_ms(++s->hub->byes, s->hub->config->drain.spread), CLOSE_DRAIN, "draining");
}

void drain_step(struct hub *hub)
{
	struct session *s, *next;

	if (!hub->draining)
		return;
	DL_FOREACH_SAFE(hub->sessions, s, next)
		if (s->state != SESSION_CLOSING && (!s->publishes || hub->now.mono_ms >= hub->bye_by_ms))
			drain_bye(s);
}

void hub_drain(struct hub *hub, struct now now)
{
	struct session *s;

	hub->now = now;
	hub->draining = true;
	hub->bye_by_ms = now.mono_ms + (uint64_t)hub->config->drain.timeout / 2;
	drain_step(hub);
	DL_FOREACH(hub->sessions, s)
		session_update_pause(s);
}
