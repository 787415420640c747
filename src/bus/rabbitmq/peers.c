#include "bus/rabbitmq/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

struct entry {
	struct peer peer;
	uint64_t since_ms; /* last heard, or told to wait again */
	uint64_t wait_ms;  /* silent for so long: due */
	UT_hash_handle hh;
	char name[]; /* not terminated */
};

struct peers {
	uint64_t dead_after_ms;
	uint64_t hello_ms;
	uint32_t seed;
	uint64_t pulse_ms; /* 0: none yet */
	struct entry *entries;
};

struct peers *peers_new(uint64_t dead_after_ms, uint64_t hello_ms, uint32_t seed)
{
	struct peers *p = calloc(1, sizeof(*p));
	if (p) {
		p->dead_after_ms = dead_after_ms;
		p->hello_ms = hello_ms;
		p->seed = seed;
	}
	return p;
}

struct peers *peers_free(struct peers *p)
{
	struct entry *e, *next;

	if (!p)
		return NULL;
	HASH_ITER(hh, p->entries, e, next) {
		HASH_DELETE(hh, p->entries, e);
		free(e);
	}
	free(p);
	return NULL;
}

void peers_restart(struct peers *p, uint64_t now_ms)
{
	for (struct entry *e = p->entries; e; e = e->hh.next)
		if (e->peer.origin[0])
			e->since_ms = now_ms;
	p->pulse_ms = now_ms;
}

/* Two hellos of ours in a row did not come: then nobody else's have either. */
static bool pulse_missed(const struct peers *p, uint64_t now_ms)
{
	return p->pulse_ms == 0 || now_ms - p->pulse_ms > 2 * p->hello_ms;
}

void peers_pulse(struct peers *p, uint64_t now_ms)
{
	if (pulse_missed(p, now_ms))
		peers_restart(p, now_ms);
	p->pulse_ms = now_ms;
}

/* Of "<id>.<epoch>"; an id has no dot. */
static struct str id_of(const char *origin)
{
	return (struct str){origin, strcspn(origin, ".")};
}

bool peer_same_node(const char *origin, const char *other)
{
	return origin[0] && str_eq(id_of(origin), id_of(other));
}

/* A leftover's queue has a dot in it, a node's id has none. */
static struct str name_of(const struct peer *peer)
{
	return peer->origin[0] ? id_of(peer->origin) : str_from(peer->queue);
}

static struct entry *find(const struct peers *p, struct str name)
{
	struct entry *e;
	HASH_FIND(hh, p->entries, name.p, name.n, e);
	return e;
}

static int add(struct peers *p, struct str name, struct entry **entryp)
{
	if (HASH_COUNT(p->entries) >= PEERS_MAX)
		return PEERS_E_FULL;
	struct entry *e = calloc(1, sizeof(*e) + name.n);
	if (!e)
		return -ENOMEM;
	memcpy(e->name, name.p, name.n);
	HASH_ADD(hh, p->entries, name, name.n, e);
	if (!e->hh.tbl) {
		free(e);
		return -ENOMEM;
	}
	*entryp = e;
	return 0;
}

/* FNV-1a of its id, on our own seed: up to one hello's time later than the others. */
static uint64_t spread(const struct peers *p, struct str id)
{
	uint32_t h = 2166136261u ^ p->seed;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 16777619u;
	return h % (p->hello_ms + 1);
}

int peers_heard(struct peers *p, const char *queue, const char *origin, uint64_t now_ms)
{
	struct str id = id_of(origin);
	struct entry *e = find(p, id);
	int rc = 0;

	if (!e && !*queue)
		return 0;
	if (!e)
		rc = add(p, id, &e);
	if (rc != 0)
		return rc;
	e->peer.tries = 0;
	e->since_ms = now_ms;
	e->wait_ms = p->dead_after_ms + spread(p, id);
	if (*queue) {
		snprintf(e->peer.queue, sizeof(e->peer.queue), "%s", queue);
		snprintf(e->peer.origin, sizeof(e->peer.origin), "%s", origin);
	}
	return 0;
}

int peers_add_leftover(struct peers *p, const char *queue)
{
	struct entry *e = find(p, str_from(queue));
	int rc = e ? PEERS_E_KNOWN : add(p, str_from(queue), &e);

	if (!e)
		return rc;
	snprintf(e->peer.queue, sizeof(e->peer.queue), "%s", queue);
	e->since_ms = e->wait_ms = 0;
	return rc;
}

static bool due(const struct peers *p, const struct entry *e, uint64_t now_ms)
{
	bool judged = !e->peer.origin[0] || (p->dead_after_ms && !pulse_missed(p, now_ms));
	return judged && now_ms - e->since_ms >= e->wait_ms;
}

const struct peer *peers_due(const struct peers *p, uint64_t now_ms)
{
	const struct entry *first = NULL;

	for (const struct entry *e = p->entries; e; e = e->hh.next)
		if (due(p, e, now_ms) && (!first || e->since_ms < first->since_ms))
			first = e;
	return first ? &first->peer : NULL;
}

void peers_postpone(struct peers *p, const struct peer *peer, uint64_t now_ms)
{
	struct entry *e = find(p, name_of(peer));

	if (!e)
		return;
	e->peer.tries++;
	e->since_ms = now_ms;
	if (!e->peer.origin[0])
		e->wait_ms = p->hello_ms;
}

void peers_forget(struct peers *p, const struct peer *peer)
{
	struct entry *e = find(p, name_of(peer));

	if (e) {
		HASH_DELETE(hh, p->entries, e);
		free(e);
	}
}

size_t peers_count(const struct peers *p)
{
	return HASH_COUNT(p->entries);
}
