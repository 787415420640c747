#include "bus/rabbitmq/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

struct entry {
	struct peer peer;
	uint64_t since_ms; /* last heard, or told to wait again */
	uint64_t wait_ms;  /* silent for so long: due */
	UT_hash_handle hh;
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

static struct entry *find(const struct peers *p, struct str queue)
{
	struct entry *e;
	HASH_FIND(hh, p->entries, queue.p, queue.n, e);
	return e;
}

static int find_or_add(struct peers *p, struct str queue, struct entry **entryp)
{
	struct entry *e = find(p, queue);

	if (!e) {
		if (HASH_COUNT(p->entries) >= PEERS_MAX || queue.n > PEER_QUEUE_MAX)
			return PEERS_E_FULL;
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		memcpy(e->peer.queue, queue.p, queue.n);
		HASH_ADD(hh, p->entries, peer.queue, queue.n, e);
		if (!e->hh.tbl) {
			free(e);
			return -ENOMEM;
		}
	}
	*entryp = e;
	return 0;
}

/* FNV-1a of the queue, on our own seed: up to one hello's time later than the others. */
static uint64_t spread(const struct peers *p, struct str queue)
{
	uint32_t h = 2166136261u ^ p->seed;

	for (size_t i = 0; i < queue.n; i++)
		h = (h ^ (unsigned char)queue.p[i]) * 16777619u;
	return h % (p->hello_ms + 1);
}

int peers_heard(struct peers *p, struct str queue, struct str origin, uint64_t now_ms)
{
	struct entry *e;
	int rc = find_or_add(p, queue, &e);

	if (rc != 0)
		return rc;
	size_t n = origin.n <= PEER_ORIGIN_MAX ? origin.n : PEER_ORIGIN_MAX;
	memcpy(e->peer.origin, origin.p, n);
	e->peer.origin[n] = '\0';
	e->peer.tries = 0;
	e->since_ms = now_ms;
	e->wait_ms = p->dead_after_ms + spread(p, queue);
	return 0;
}

int peers_add_leftover(struct peers *p, struct str queue)
{
	struct entry *e;
	int rc = find_or_add(p, queue, &e);

	if (rc == 0) {
		e->peer.origin[0] = '\0';
		e->since_ms = e->wait_ms = 0;
	}
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

void peers_postpone(struct peers *p, const char *queue, uint64_t now_ms)
{
	struct entry *e = find(p, str_from(queue));

	if (!e)
		return;
	e->peer.tries++;
	e->since_ms = now_ms;
	if (!e->peer.origin[0])
		e->wait_ms = p->hello_ms;
}

void peers_forget(struct peers *p, const char *queue)
{
	struct entry *e = find(p, str_from(queue));

	if (e) {
		HASH_DELETE(hh, p->entries, e);
		free(e);
	}
}

size_t peers_count(const struct peers *p)
{
	return HASH_COUNT(p->entries);
}
