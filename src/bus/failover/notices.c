#include "bus/failover/notices.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

/* A node that has said something; the one heard first stands first in the table. */
struct peer {
	UT_hash_handle hh;
	uint64_t number; /* its last one */
	uint64_t cut_until_ms;
	char origin[ORIGIN_MAX + 1];
};

static void forget(struct notices *n, struct peer *peer)
{
	HASH_DEL(n->peers, peer);
	free(peer);
}

void notices_deinit(struct notices *n)
{
	struct peer *peer, *next;

	HASH_ITER(hh, n->peers, peer, next)
		forget(n, peer);
	*n = (struct notices){0};
}

/* NULL: out of memory; then it counts like one heard for the first time. */
static struct peer *find_or_add(struct notices *n, const char *origin)
{
	struct peer *peer;
	size_t len = strlen(origin);

	HASH_FIND(hh, n->peers, origin, len, peer);
	if (peer)
		return peer;
	if (HASH_COUNT(n->peers) == NOTICES_PEERS_MAX)
		forget(n, n->peers);
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	memcpy(peer->origin, origin, len);
	HASH_ADD_KEYPTR(hh, n->peers, peer->origin, len, peer);
	if (peer->hh.tbl)
		return peer;
	free(peer);
	return NULL;
}

static uint64_t before(uint64_t now_ms, uint64_t age_ms)
{
	return age_ms < now_ms ? now_ms - age_ms : 1;
}

/* The latest of what all peers say. */
static void reckon(struct notices *n)
{
	n->any_until_ms = 0;
	for (const struct peer *peer = n->peers; peer; peer = peer->hh.next)
		if (peer->cut_until_ms > n->any_until_ms)
			n->any_until_ms = peer->cut_until_ms;
}

bool notices_asks(const struct notices *n, uint64_t now_ms)
{
	return n->deaf_since_ms && now_ms - n->deaf_at_ms < NOTICES_REMEMBER_MS;
}

/* To somebody who may not have heard it. */
static void say_again(struct notices *n, uint64_t now_ms)
{
	uint64_t soonest_ms = n->said_ms + NOTICES_ANSWER_MS;

	if (n->say_until_ms == UINT64_MAX)
		return;
	if (notices_asks(n, now_ms))
		n->say_until_ms = now_ms + NOTICES_LINGER_MS;
	if (n->due_ms > soonest_ms)
		n->due_ms = soonest_ms;
}

struct notice_demand notices_heard(struct notices *n, const struct notice *notice, uint64_t now_ms)
{
	struct peer *peer = find_or_add(n, notice->origin);
	if (peer && notice->number < peer->number)
		return (struct notice_demand){.again = false}; /* an old one, said by somebody once more */
	struct notice_demand demand = {
	    .again = !peer || notice->number > peer->number,
	    .missed_since_ms = before(now_ms, notice->missed_ms),
	    .deaf_since_ms = notice->deaf_ms ? before(now_ms, notice->deaf_ms) : 0,
	};

	if (peer) {
		peer->number = notice->number;
		peer->cut_until_ms = notice->cut ? now_ms + NOTICES_EXPIRE_MS : 0;
		reckon(n);
	}
	if (demand.again)
		say_again(n, now_ms);
	return demand;
}

void notices_hear_anew(struct notices *n)
{
	for (struct peer *peer = n->peers; peer; peer = peer->hh.next)
		peer->number = 0;
}

bool notices_peer_cut(const struct notices *n, uint64_t now_ms)
{
	return now_ms < n->any_until_ms;
}

static void say(struct notices *n, uint64_t now_ms)
{
	n->say_until_ms = UINT64_MAX;
	n->due_ms = now_ms;
}

void notices_cut(struct notices *n, uint64_t since_ms, uint64_t now_ms)
{
	n->number++;
	n->cut_since_ms = since_ms;
	if (now_ms >= n->say_until_ms)
		n->deaf_since_ms = 0; /* all who hear us have heard that; a new number would have them publish it again */
	say(n, now_ms);
}

void notices_whole(struct notices *n, uint64_t now_ms)
{
	n->cut_since_ms = 0;
	say(n, now_ms);
}

void notices_deaf(struct notices *n, uint64_t since_ms, uint64_t now_ms)
{
	n->number++;
	if (!notices_asks(n, now_ms)) /* else that of before may not have been heard by all */
		n->deaf_since_ms = since_ms;
	n->deaf_at_ms = now_ms;
	say(n, now_ms);
}

bool notices_due(const struct notices *n, uint64_t now_ms, struct notice *out)
{
	if ((!n->cut_since_ms && now_ms >= n->say_until_ms) || now_ms < n->due_ms)
		return false;
	*out = (struct notice){
	    .number = n->number,
	    .cut = n->cut_since_ms != 0,
	    .missed_ms = n->cut_since_ms ? now_ms - n->cut_since_ms : 0,
	    .deaf_ms = notices_asks(n, now_ms) ? now_ms - n->deaf_since_ms : 0,
	};
	return true;
}

bool notices_unsaid(const struct notices *n)
{
	return n->say_until_ms == UINT64_MAX;
}

void notices_said(struct notices *n, uint64_t now_ms)
{
	if (n->say_until_ms == UINT64_MAX)
		n->say_until_ms = now_ms + NOTICES_LINGER_MS;
	n->said_ms = now_ms;
	n->due_ms = now_ms + NOTICES_EVERY_MS;
}
