#include "core/publishes.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "core/session_impl.h"

/* Lies in the list by age and, as long as somebody waits, in the session's; freed with its publication. */
struct publish {
	struct publish *prev, *next;
	struct publish *session_prev, *session_next;
	struct session *session; /* NULL: answered, or gone */
	uint64_t due_ms;
	bool parked;
	uint16_t ref_len;
	char ref[]; /* raw JSON; at most REQUEST_REF_MAX characters, each up to six bytes when escaped, and quotes */
};

static const struct metric_row rows[] = {
    METRIC_COUNTER_ROW(struct publishes_counters, timed_out, "grid_publish_timeouts_total", NULL,
                       "Publishes answered unavailable because the bus took too long"),
    METRIC_COUNTER_ROW(struct publishes_counters, parked, "grid_publish_parked_total", NULL,
                       "Publishes that waited for room in the bus' window, their sessions not read from"),
};

void publishes_init(struct publishes *p, uint64_t timeout_ms, struct metric_registry *metrics)
{
	*p = (struct publishes){.timeout_ms = timeout_ms, .metrics = metrics};
	metrics_add(metrics, &p->metric_set, rows, GRID_ARRAY_LEN(rows), &p->counters);
}

static void publication_done(struct publishes *p, struct bus_publication *publication)
{
	struct publish *publish = publication->token;

	GRID_ASSERT(!publish->session);
	DL_DELETE(p->by_age, publish);
	free(publish);
	bus_publication_free(publication);
}

/* Nobody waits for it any more; gives back what it holds of its session. */
static void detach(struct publish *publish)
{
	struct session *s = publish->session;

	if (!s)
		return;
	publish->session = NULL;
	DL_DELETE2(s->publishes, publish, session_prev, session_next);
	if (publish->parked) {
		s->parked--;
		session_update_pause(s);
	}
}

static void answer_ok(struct session *s, struct str ref, const struct bus_publication *publication, bool routed)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	if (!ref.p)
		return;
	session_begin_ok(&out, ref);
	buf_puts(&out, ",\"id\":");
	json_put_string(&out, publication->message.id);
	buf_puts(&out, ",\"ts\":");
	buf_put_u64(&out, publication->message.ts);
	if (publication->key.kind == KEY_USER)
		buf_puts(&out, routed ? ",\"routed\":true" : ",\"routed\":false");
	buf_putc(&out, '}');
	session_push_text(s, &out);
}

static void answer(struct publish *publish, const struct bus_publication *publication, enum bus_publish_result result)
{
	struct session *s = publish->session;
	struct str ref = publish->ref_len ? (struct str){publish->ref, publish->ref_len} : STR_NONE;

	if (!s)
		return;
	if (result == BUS_FAILED)
		session_fail(s, ref, ERROR_UNAVAILABLE, NULL);
	else
		answer_ok(s, ref, publication, result == BUS_CONFIRMED);
	detach(publish);
}

static void fail(struct publishes *p, struct bus_publication *publication)
{
	answer(publication->token, publication, BUS_FAILED);
	publication_done(p, publication);
}

static struct bus_publication *unpark_first(struct publishes *p)
{
	struct bus_publication *publication = p->parked;
	if (publication) {
		p->parked = publication->next;
		publication->next = NULL;
		if (!p->parked)
			p->parked_tail = NULL;
	}
	return publication;
}

static void park(struct publishes *p, struct bus_publication *publication)
{
	struct publish *publish = publication->token;

	if (p->parked_tail)
		p->parked_tail->next = publication;
	else
		p->parked = publication;
	p->parked_tail = publication;
	publish->parked = true;
	publish->session->parked++;
	session_update_pause(publish->session);
	counter_add(&p->counters.parked, 1);
}

void publishes_deinit(struct publishes *p)
{
	struct publish *publish, *next;

	for (struct bus_publication *publication; (publication = unpark_first(p));)
		bus_publication_free(publication);
	DL_FOREACH_SAFE(p->by_age, publish, next) {
		GRID_ASSERT(!publish->session);
		free(publish);
	}
	metrics_remove(p->metrics, &p->metric_set);
}

int publishes_start(struct publishes *p, struct bus *bus, struct session *s, struct str ref, const struct key *key,
                    const struct message *m, uint64_t now_ms)
{
	struct publish *publish = calloc(1, sizeof(*publish) + ref.n);
	struct bus_publication *publication = publish ? bus_publication_new(key, m, publish) : NULL;
	if (!publication) {
		free(publish);
		return -ENOMEM;
	}
	publish->session = s;
	publish->due_ms = now_ms + p->timeout_ms;
	publish->ref_len = (uint16_t)ref.n;
	if (ref.n)
		memcpy(publish->ref, ref.p, ref.n);
	DL_APPEND(p->by_age, publish);
	DL_APPEND2(s->publishes, publish, session_prev, session_next);

	/* Behind what is parked already, so that order holds. */
	int rc = p->parked ? BUS_E_BUSY : bus_publish(bus, publication);
	if (rc == BUS_E_BUSY)
		park(p, publication);
	else if (rc != 0)
		fail(p, publication);
	return 0;
}

void publishes_done(struct publishes *p, struct bus_publication *publication, enum bus_publish_result result)
{
	answer(publication->token, publication, result);
	publication_done(p, publication);
}

static void unpark_back(struct publishes *p, struct bus_publication *publication)
{
	publication->next = p->parked;
	p->parked = publication;
	if (!p->parked_tail)
		p->parked_tail = publication;
}

static void let_read(struct publish *publish)
{
	publish->parked = false;
	publish->session->parked--;
	session_update_pause(publish->session);
}

void publishes_unpark(struct publishes *p, struct bus *bus)
{
	for (struct bus_publication *publication; (publication = unpark_first(p));) {
		struct publish *publish = publication->token;
		if (!publish->session) { /* answered or gone while it waited */
			publication_done(p, publication);
			continue;
		}
		int rc = bus_publish(bus, publication);
		if (rc == BUS_E_BUSY) {
			unpark_back(p, publication);
			return;
		}
		if (rc == 0)
			let_read(publish);
		else
			fail(p, publication);
	}
}

void publishes_fail_parked(struct publishes *p)
{
	for (struct bus_publication *publication; (publication = unpark_first(p));)
		fail(p, publication);
}

/* Answers before the bus does; whatever it reports later is nobody's any more. */
static void give_up(struct publish *publish, const char *why)
{
	struct str ref = publish->ref_len ? (struct str){publish->ref, publish->ref_len} : STR_NONE;

	if (!publish->session)
		return;
	session_fail(publish->session, ref, ERROR_UNAVAILABLE, why);
	detach(publish);
}

void publishes_blocked(struct publishes *p)
{
	struct publish *publish;

	publishes_fail_parked(p);
	DL_FOREACH(p->by_age, publish)
		give_up(publish, "the broker takes nothing at the moment; this may still arrive later");
}

void publishes_tick(struct publishes *p, uint64_t now_ms)
{
	struct publish *publish;

	DL_FOREACH(p->by_age, publish) {
		if (publish->due_ms > now_ms)
			return;
		if (publish->session)
			counter_add(&p->counters.timed_out, 1);
		give_up(publish, "the bus took too long to confirm; it may still arrive");
	}
}

void publishes_forget_session(struct session *s)
{
	while (s->publishes)
		detach(s->publishes);
}
