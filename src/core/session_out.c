/* What waits for one client: frames in, charged and bounded, and out to the transport. */
#include "core/fanout.h"
#include "core/hub_impl.h"
#include "core/session_impl.h"

static void charge(struct session *s, uint32_t bytes_before)
{
	struct counter *total = &s->hub->counters.queued_bytes;
	counter_set(total, counter_get(total) + s->out.bytes - bytes_before);
}

void session_drop_output(struct session *s)
{
	uint32_t before = s->out.bytes;
	outq_deinit(&s->out);
	charge(s, before);
}

void session_too_slow(struct session *s)
{
	struct hub *hub = s->hub;

	counter_add(&hub->counters.too_slow, 1);
	log_limited(&hub->log_limit, hub->now.mono_ms, LOG_LEVEL_WARN, "session.too_slow", "%s queued_bytes=%u",
	            session_describe(s), s->out.bytes);
	session_drop_output(s);
	session_close(s, CLOSE_TOO_SLOW, "too slow to read");
}

/* Is there room for so many bytes more? Between two flushes more can come than the queue holds, and that says nothing
 * about the client: who is slow shows when the socket is offered what waits. */
static bool make_room(struct session *s, uint32_t bytes)
{
	while ((int64_t)s->out.bytes + bytes > s->hub->config->limits.queue) {
		uint32_t before = s->out.bytes;
		s->hub->transport->flush(s->conn);
		if (s->out.bytes == before)
			return false;
	}
	return true;
}

void session_push(struct session *s, struct msgbuf *frame)
{
	if (s->state == SESSION_CLOSING)
		return;
	if (!make_room(s, frame->len)) {
		session_too_slow(s);
		return;
	}
	uint32_t before = s->out.bytes;
	if (outq_push(&s->out, frame) != 0) {
		session_too_slow(s);
		return;
	}
	charge(s, before);
	hub_touch(s->hub, s);
}

/* Not more than there is room for as it is: its socket may not be ready to be flushed to. */
bool session_offer(struct session *s, struct msgbuf *frame)
{
	if (s->state != SESSION_OPEN || (int64_t)s->out.bytes + frame->len > s->hub->config->limits.queue)
		return false;
	session_push(s, frame);
	return true;
}

void session_send(struct session *s, struct msgbuf *frame)
{
	session_push(s, frame);
}

static void took(struct session *s, const struct msgbuf *frame)
{
	counter_add(&s->hub->counters.frames_out, 1);
	if (frame->notice)
		fanout_taken(s, frame);
}

size_t session_gather(struct session *s, unsigned char *dst, size_t max)
{
	uint32_t before = s->out.bytes;
	size_t n = 0;

	for (struct msgbuf *m; (m = outq_peek(&s->out)) && m->len <= max - n;) {
		memcpy(dst + n, m->data, m->len);
		n += m->len;
		took(s, m);
		msgbuf_unref(outq_pop(&s->out));
	}
	charge(s, before);
	return n;
}

struct msgbuf *session_take(struct session *s)
{
	uint32_t before = s->out.bytes;
	struct msgbuf *m = outq_pop(&s->out);

	charge(s, before);
	if (m)
		took(s, m);
	return m;
}

bool session_has_output(const struct session *s)
{
	return s->out.n > 0;
}

bool session_has_one_frame(const struct session *s)
{
	return s->out.n == 1;
}
