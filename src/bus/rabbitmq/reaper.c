#include "bus/rabbitmq/reaper.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "bus/rabbitmq/consumer_state.h"
#include "bus/rabbitmq/dead.h"
#include "bus/rabbitmq/hello.h"
#include "bus/rabbitmq/refusal.h"

#define LEFTOVER_LINGER_MS 1000 /* of a queue nobody comes back for */
#define REFUSED_PAUSE_MS 1000
#define IDLE_WAIT_MS 1000
#define BUSY_WAIT_MS 100

static const char *exchange_name(const struct consumer *c, enum exchange exchange)
{
	return c->setup->topology.exchanges[exchange];
}

/* --- who lives ---------------------------------------------------------------------------------------------------- */

int reaper_init(struct consumer *c)
{
	struct reaper *r = &c->reaper;
	uint32_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint32_t)clock_mono_us();
	reap_init(&r->reap);
	r->peers = peers_new((uint64_t)c->setup->config->node.dead_after, hello_every(c->setup->config), seed);
	r->unbinds = unbinds_new();
	int rc = intake_init(&r->intake, c, CHANNEL_REAP, REAP_PREFETCH);
	return r->peers && r->unbinds ? rc : -ENOMEM;
}

void reaper_deinit(struct consumer *c)
{
	peers_free(c->reaper.peers);
	unbinds_free(c->reaper.unbinds);
	intake_deinit(&c->reaper.intake);
}

void reaper_begin(struct consumer *c)
{
	peers_restart(c->reaper.peers, clock_mono_ms());
}

void reaper_on_hello(struct consumer *c, const struct incoming *in)
{
	struct reaper *r = &c->reaper;
	uint64_t now = clock_mono_ms();
	struct hello hello;

	if (!hello_read(c->setup, in, &hello)) {
		counter_add(&c->counters->dropped_control, 1);
		return;
	}
	counter_add(&c->counters->hellos_heard, 1);
	if (peer_same_node(hello.origin, c->setup->node_id)) {
		peers_pulse(r->peers, now);
		return;
	}
	/* One more than fits, or than there is memory for, is not watched: its queue goes by the broker's policy. */
	int rc = peers_heard(r->peers, hello.queue, hello.origin, now);
	counter_add(&c->counters->peers_unwatched, rc != 0);
	counter_set(&c->counters->peers, peers_count(r->peers));
	if (peer_same_node(r->dead.origin, hello.origin))
		reap_step_back(&r->reap);
}

bool reaper_add_leftover(struct consumer *c, const char *queue)
{
	int rc = peers_add_leftover(c->reaper.peers, queue);

	counter_add(&c->counters->peers_unwatched, rc != 0 && rc != PEERS_E_KNOWN);
	counter_set(&c->counters->peers, peers_count(c->reaper.peers));
	return rc != PEERS_E_KNOWN;
}

/* --- begin and end of one queue ----------------------------------------------------------------------------------- */

static void begin(struct consumer *c, uint64_t now)
{
	struct reaper *r = &c->reaper;
	const struct peer *due = peers_due(r->peers, now);

	if (due) {
		r->dead = *due;
		r->handled = 0;
		dead_keys(c->setup, &r->dead, r->unbinds);
		bool leftover = !r->dead.origin[0];
		reap_begin(&r->reap, leftover ? LEFTOVER_LINGER_MS : (uint64_t)c->setup->config->node.dead_after, now);
		if (r->dead.tries == 0 && !leftover)
			log_warn("bus.peer_silent", "node=%s queue=%s", r->dead.origin, r->dead.queue);
	} else if (r->reap.caught) {
		reap_begin_release(&r->reap);
	}
}

static void forget(struct consumer *c)
{
	const struct peer *dead = &c->reaper.dead;

	peers_forget(c->reaper.peers, dead);
	if (!dead->origin[0])
		queue_left_gone(c, dead->queue);
}

static void on_end(struct consumer *c, enum reap_end end, uint64_t now)
{
	struct reaper *r = &c->reaper;

	counter_add(&c->counters->reaps[end], 1);
	counter_set(&c->counters->reaping, 0);
	switch (end) {
	case REAP_DELETED:
		log_info("bus.reaped", "queue=%s handled=%u unbound=%zu", r->dead.queue, r->handled, unbinds_taken(r->unbinds));
		forget(c);
		break;
	case REAP_GONE:
		forget(c);
		break;
	case REAP_TAKEN:
	case REAP_STUCK:
		peers_postpone(r->peers, &r->dead, now);
		break;
	case REAP_STEPPED_BACK:
		log_info("bus.reap_stepped_back", "queue=%s node=%s handled=%u", r->dead.queue, r->dead.origin, r->handled);
		break;
	case REAP_GOES_ON:
	case REAP_ENDS:
		break;
	}
	r->dead = (struct peer){.queue = ""};
	counter_set(&c->counters->peers, peers_count(r->peers));
}

static void take_end(struct consumer *c)
{
	enum reap_end end = reap_take_end(&c->reaper.reap);

	if (end != REAP_GOES_ON)
		on_end(c, end, clock_mono_ms());
}

void reaper_link_lost(struct consumer *c)
{
	struct reaper *r = &c->reaper;

	take_end(c);
	intake_link_lost(&r->intake);
	reap_link_lost(&r->reap);
	r->dead = (struct peer){.queue = ""};
	counter_set(&c->counters->reaping, 0);
}

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static int send_method(struct consumer *c, amqp_method_number_t id, void *method)
{
	return link_status(&c->link, "reaping", amqp_send_method(c->link.conn, CHANNEL_REAP, id, method));
}

static int send_look(struct consumer *c)
{
	amqp_queue_declare_t m = {.queue = amqp_from_text(c->reaper.dead.queue), .passive = 1};
	return send_method(c, AMQP_QUEUE_DECLARE_METHOD, &m);
}

static int send_consume(struct consumer *c)
{
	amqp_basic_qos_t qos = {.prefetch_count = REAP_PREFETCH};
	amqp_basic_consume_t m = {.queue = amqp_from_text(c->reaper.dead.queue),
	                          .consumer_tag = amqp_from_text(c->setup->node_id),
	                          .exclusive = 1};
	int rc = send_method(c, AMQP_BASIC_QOS_METHOD, &qos);
	return rc ? rc : send_method(c, AMQP_BASIC_CONSUME_METHOD, &m);
}

static int send_unbind(struct consumer *c, const char *queue, enum exchange exchange, const char *key)
{
	amqp_queue_unbind_t m = {.queue = amqp_from_text(queue),
	                         .exchange = amqp_from_text(exchange_name(c, exchange)),
	                         .routing_key = amqp_from_text(key)};
	return send_method(c, AMQP_QUEUE_UNBIND_METHOD, &m);
}

static int send_next_unbind(struct consumer *c)
{
	const struct unbind *next = unbinds_take(c->reaper.unbinds);

	counter_add(&c->counters->reap_unbinds, 1);
	return send_unbind(c, c->reaper.dead.queue, next->exchange, next->key);
}

static int send_catch(struct consumer *c)
{
	amqp_queue_bind_t m = {.queue = amqp_from_text(c->ours.queue),
	                       .exchange = amqp_from_text(exchange_name(c, EXCHANGE_USERS)),
	                       .routing_key = amqp_from_text(ANY_USER)};
	return send_method(c, AMQP_QUEUE_BIND_METHOD, &m);
}

static int send_release(struct consumer *c)
{
	return send_unbind(c, c->ours.queue, EXCHANGE_USERS, ANY_USER);
}

static int send_cancel(struct consumer *c)
{
	amqp_basic_cancel_t m = {.consumer_tag = amqp_from_text(c->setup->node_id)};
	return send_method(c, AMQP_BASIC_CANCEL_METHOD, &m);
}

static int send_delete(struct consumer *c)
{
	amqp_queue_delete_t m = {.queue = amqp_from_text(c->reaper.dead.queue), .if_unused = 1, .if_empty = 1};
	return send_method(c, AMQP_QUEUE_DELETE_METHOD, &m);
}

static int send_open(struct consumer *c)
{
	amqp_channel_open_t m = {.out_of_band = amqp_empty_bytes};
	return send_method(c, AMQP_CHANNEL_OPEN_METHOD, &m);
}

static int send_close(struct consumer *c)
{
	amqp_channel_close_t m = {.reply_code = AMQP_REPLY_SUCCESS};

	intake_give_back(&c->reaper.intake);
	return send_method(c, AMQP_CHANNEL_CLOSE_METHOD, &m);
}

/* Each request: how it is sent, and which method is its answer. */
static const struct request {
	int (*send)(struct consumer *c);
	amqp_method_number_t answer;
} requests[] = {
    [REAP_OPEN] = {send_open, AMQP_CHANNEL_OPEN_OK_METHOD},
    [REAP_RELEASE] = {send_release, AMQP_QUEUE_UNBIND_OK_METHOD},
    [REAP_LOOK] = {send_look, AMQP_QUEUE_DECLARE_OK_METHOD},
    [REAP_CONSUME] = {send_consume, AMQP_BASIC_CONSUME_OK_METHOD},
    [REAP_UNBIND] = {send_next_unbind, AMQP_QUEUE_UNBIND_OK_METHOD},
    [REAP_CATCH] = {send_catch, AMQP_QUEUE_BIND_OK_METHOD},
    [REAP_CANCEL] = {send_cancel, AMQP_BASIC_CANCEL_OK_METHOD},
    [REAP_DELETE] = {send_delete, AMQP_QUEUE_DELETE_OK_METHOD},
    [REAP_CLOSE] = {send_close, AMQP_CHANNEL_CLOSE_OK_METHOD},
};

/* While the node's own queue is not what it should be there are other things to do. */
static bool may_begin(const struct consumer *c, uint64_t now)
{
	const struct reaper *r = &c->reaper;
	bool serving = c->phase == PHASE_SERVING && c->own_ops_open == 0;

	return serving && r->reap.state == REAP_IDLE && r->intake.lent == 0 && now >= r->not_before_ms;
}

int reaper_step(struct consumer *c)
{
	struct reaper *r = &c->reaper;
	const struct reap_view view = {
	    .now_ms = clock_mono_ms(), .holding = !intake_empty(&r->intake), .unbinds = unbinds_waiting(r->unbinds)};

	if (may_begin(c, view.now_ms))
		begin(c, view.now_ms);
	enum reap_request request = reap_next(&r->reap, &view);
	take_end(c);
	return request == REAP_NOTHING ? 0 : requests[request].send(c);
}

bool reaper_busy(const struct consumer *c)
{
	const struct reaper *r = &c->reaper;
	uint64_t now = clock_mono_ms();

	return r->reap.state != REAP_IDLE || r->reap.caught || r->intake.lent > 0 ||
	       (may_begin(c, now) && peers_due(r->peers, now));
}

uint64_t reaper_wait_ms(const struct consumer *c)
{
	const struct reaper *r = &c->reaper;

	if (r->reap.state == REAP_IDLE)
		return IDLE_WAIT_MS;
	return unbinds_waiting(r->unbinds) ? REAP_UNBIND_EVERY_MS : BUSY_WAIT_MS;
}

/* --- what comes --------------------------------------------------------------------------------------------------- */

bool reaper_takes(const struct consumer *c)
{
	return reap_takes(&c->reaper.reap);
}

/* Its keys are bound: that is how it came here. Once they are not, the broker sends such messages where absent users'
 * messages go, and tells publishers of rooms nothing is there. */
void reaper_on_delivery(struct consumer *c, const struct delivery *d)
{
	char key[ROUTING_KEY_MAX + 1];

	c->reaper.handled++;
	counter_add(&c->counters->reap_messages, 1);
	reap_message(&c->reaper.reap, clock_mono_ms());
	for (size_t i = 0; i < d->bus.n_targets; i++) {
		topology_binding_key(&d->bus.targets[i].key, key);
		unbinds_add(c->reaper.unbinds, topology_key_exchange(&d->bus.targets[i].key), key);
	}
}

void reaper_on_settled(struct consumer *c)
{
	reap_settled(&c->reaper.reap, clock_mono_ms());
}

static void on_claimed(struct consumer *c)
{
	const struct peer *dead = &c->reaper.dead;

	counter_set(&c->counters->reaping, 1);
	log_info("bus.reaping", "queue=%s node=%s", dead->queue, dead->origin[0] ? dead->origin : "-");
}

static int on_answer(struct consumer *c, amqp_method_number_t id)
{
	struct reaper *r = &c->reaper;
	enum reap_request asked = r->reap.asked;

	if (asked == REAP_NOTHING || requests[asked].answer != id) {
		/* To what was asked before we closed, or a close-ok that crossed the broker's own close. */
		if (r->reap.state == REAP_CLOSING || id == AMQP_CHANNEL_CLOSE_OK_METHOD)
			return 0;
		return link_fail(&c->link, "unexpected method %#x on the reaper's channel", id);
	}
	reap_answered(&r->reap, clock_mono_ms());
	if (asked == REAP_CONSUME)
		on_claimed(c);
	if (asked == REAP_CLOSE)
		intake_channel_lost(&r->intake);
	return 0;
}

/* A refusal ends the channel, not the link. */
static int on_closed(struct consumer *c, const amqp_frame_t *frame)
{
	struct reaper *r = &c->reaper;
	int rc = link_closed_by(&c->link, frame);

	if (rc != LINK_E_CHANNEL)
		return rc;
	intake_channel_lost(&r->intake);
	r->not_before_ms = clock_mono_ms() + REFUSED_PAUSE_MS;
	bool away = refusal_is_away(c->link.code, c->link.why);
	reap_refused(&r->reap, c->link.code == AMQP_NOT_FOUND && !away);
	take_end(c);
	return 0;
}

int reaper_frame(struct consumer *c, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD || frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD)
		return intake_frame(&c->reaper.intake, frame);
	switch (frame->payload.method.id) {
	case AMQP_BASIC_QOS_OK_METHOD:
		return 0; /* consume-ok follows */
	case AMQP_BASIC_CANCEL_METHOD:
		reap_cancelled(&c->reaper.reap);
		return 0;
	case AMQP_CHANNEL_CLOSE_METHOD:
		return on_closed(c, frame);
	default:
		return on_answer(c, frame->payload.method.id);
	}
}
