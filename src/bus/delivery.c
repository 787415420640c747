/* The two things that cross the driver interface, built the same way for every driver. */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus.h"
#include "wire/frame.h"

/* Copies `s` to *atp and moves on; the copy ends in NUL for libraries that want one. */
static struct str copy_str(char **atp, struct str s)
{
	if (!s.p)
		return STR_NONE;
	char *to = *atp;
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	*atp += s.n + 1;
	return (struct str){to, s.n};
}

struct bus_publication *bus_publication_new(const struct key *key, const struct message *m, void *token)
{
	size_t size = sizeof(struct bus_publication) + m->id.n + m->type.n + m->app.n + m->from.n + m->session.n +
	              m->origin.n + m->content_type.n + m->body.n + 8;
	struct bus_publication *p = malloc(size);
	if (!p)
		return NULL;
	*p = (struct bus_publication){.key = *key, .message = *m, .token = token};
	char *at = (char *)(p + 1);
	struct str *const fields[] = {&p->message.id,      &p->message.type,   &p->message.app,          &p->message.from,
	                              &p->message.session, &p->message.origin, &p->message.content_type, &p->message.body};
	for (size_t i = 0; i < GRID_ARRAY_LEN(fields); i++)
		*fields[i] = copy_str(&at, *fields[i]);
	return p;
}

struct bus_publication *bus_publication_free(struct bus_publication *p)
{
	free(p);
	return NULL;
}

static struct msgbuf *frame_for(struct bus_delivery *d, const struct key *key, const struct message *m)
{
	if (key->kind == KEY_ROOM)
		return frame_message(key, m);
	for (size_t i = 0; i < d->n_targets; i++)
		if (d->targets[i].key.kind == KEY_USER)
			return msgbuf_ref(d->targets[i].frame);
	return frame_notify(m);
}

int bus_delivery_init(struct bus_delivery *d, const struct key *keys, size_t n, const struct message *m,
                      uint64_t now_unix_ms, uint64_t now_mono_ms)
{
	struct message with_ts = *m;

	GRID_ASSERT(n <= BUS_TARGETS_MAX);
	if (with_ts.ts == 0)
		with_ts.ts = now_unix_ms;
	*d = (struct bus_delivery){.no_echo = m->no_echo && m->session.n == ULID_LEN};
	if (d->no_echo)
		memcpy(d->session, m->session.p, ULID_LEN);
	if (m->expires_ms)
		d->expires_at_ms = now_mono_ms + m->expires_ms;
	for (size_t i = 0; i < n; i++) {
		struct msgbuf *frame = frame_for(d, &keys[i], &with_ts);
		if (!frame) {
			bus_delivery_deinit(d);
			return -ENOMEM;
		}
		d->targets[d->n_targets++] = (struct bus_target){.key = keys[i], .frame = frame};
	}
	return 0;
}

uint64_t bus_stream(struct str origin, const struct key *target, const struct siphash_key *key)
{
	struct siphash h = siphash_begin(key);

	siphash_add_piece(&h, origin);
	siphash_add_piece(&h, key_str(target));
	return siphash_end(&h);
}

/* The id alone would not do: clients choose it, and need not choose a new one for each message and key. The number
 * alone would not either: a node that has forgotten how far it was for a key starts again. */
void bus_delivery_identify(struct bus_delivery *d, const struct message *m, const struct siphash_key *key)
{
	if (!key || d->n_targets != 1 || !m->origin.n || !m->id.n || m->seq == 0)
		return;
	d->stream = bus_stream(m->origin, &d->targets[0].key, key);
	d->seq = m->seq;
	struct siphash h = siphash_begin(key);
	siphash_add(&h, &d->stream, sizeof(d->stream));
	siphash_add(&h, &d->seq, sizeof(d->seq));
	siphash_add_piece(&h, m->from);
	siphash_add_piece(&h, m->id);
	d->identity = siphash_end(&h);
}

void bus_delivery_deinit(struct bus_delivery *d)
{
	for (size_t i = 0; i < d->n_targets; i++)
		d->targets[i].frame = msgbuf_unref(d->targets[i].frame);
	d->n_targets = 0;
}
