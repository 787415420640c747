/* What an earlier process of this node has left: its journal, its queue with what is bound to it, and queues whose
 * broker was away.
 *
 *   ours.queue   grid.node.<id>, or grid.node.<id>.<epoch> after a fallback: the one this node serves
 *   ours.epoch   a ULID of the time when nothing was bound to it: node.<id>.<epoch> is bound last and found bound only
 *                as long as all the others are, too
 *   ours.left    queues of before a fallback, until they are gone
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/rabbitmq/consumer_state.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* --- the journal -------------------------------------------------------------------------------------------------- */

static void read_boot_id(char *out, size_t size)
{
	FILE *file = fopen(BOOT_ID, "re");

	if (!file || !fgets(out, (int)size, file))
		out[0] = '\0'; /* which no journal has */
	if (file)
		fclose(file);
	out[strcspn(out, "\n")] = '\0';
}

int takeover_init(struct consumer *c)
{
	const struct setup *s = c->setup;

	snprintf(c->ours.vhost, sizeof(c->ours.vhost), "%s", s->config->rabbitmq.vhost);
	snprintf(c->ours.queue, sizeof(c->ours.queue), "%s", s->topology.node_queue);
	snprintf(c->ours.epoch, sizeof(c->ours.epoch), "%s", s->epoch);
	read_boot_id(c->ours.boot, sizeof(c->ours.boot));
	if (!*s->state_dir || s->config->rabbitmq.queue == RABBITMQ_QUEUE_EXCLUSIVE)
		return 0;
	return journal_new(s->state_dir, s->topology.node_queue, &c->journal);
}

void takeover_deinit(struct consumer *c)
{
	journal_free(c->journal);
	free(c->restored.keys);
	free(c->unsure);
}

static const char *load_why(int rc)
{
	switch (rc) {
	case JOURNAL_E_NONE:
		return "there is no journal";
	case JOURNAL_E_VERSION:
		return "the journal is of another version";
	case JOURNAL_E_GARBAGE:
		return "the journal is unreadable";
	default:
		return strerrordesc_np(-rc);
	}
}

/* NULL: what `found` and `keys` say holds for the queue that is ours. Else why not. */
static const char *load(const struct consumer *c, struct journal_header *found, struct journal_keys *keys)
{
	*keys = (struct journal_keys){.n_bound = 0};
	if (!c->journal)
		return *c->setup->state_dir ? "bus.rabbitmq.queue is exclusive" : "state_dir is not set";
	int rc = journal_load(c->journal, found, keys);
	return rc != 0 ? load_why(rc) : journal_mismatch(found, &c->ours);
}

/* --- what is bound to it ------------------------------------------------------------------------------------------ */

/* The last operations of the process before us were not answered, or it did not live to write that down. */
static int make_unsure(struct consumer *c, const struct journal_keys *keys)
{
	c->unsure = calloc(keys->n_unsure + 1, sizeof(*c->unsure));
	if (!c->unsure)
		return -ENOMEM;
	c->n_unsure = keys->n_unsure;
	for (size_t i = 0; i < keys->n_unsure; i++) {
		struct op *op = &c->unsure[i];
		*op = (struct op){.mail.kind = MAIL_OP,
		                  .internal = true,
		                  .unbind = true,
		                  .exchange = topology_key_exchange(&keys->unsure[i]),
		                  .key = keys->unsure[i]};
		topology_binding_key(&op->key, op->routing_key);
	}
	return 0;
}

static int take_over(struct consumer *c, const struct journal_header *found, struct journal_keys *keys)
{
	int rc = make_unsure(c, keys);
	if (rc != 0)
		return rc;
	memcpy(c->ours.epoch, found->epoch, sizeof(c->ours.epoch));
	journal_begin(c->journal, &c->ours, keys);
	log_info("bus.warm_start", "queue=%s epoch=%s keys=%zu unsure=%zu", c->ours.queue, c->ours.epoch, keys->n_bound,
	         keys->n_unsure);
	c->restored.keys = keys->bound;
	c->restored.n_keys = keys->n_bound;
	keys->bound = NULL;
	consumer_tell(c, &c->restored);
	c->owned = true;
	return 0;
}

void takeover_queue(struct consumer *c)
{
	struct journal_header found;
	struct journal_keys keys;

	if (c->served)
		return;
	c->cold_why = load(c, &found, &keys);
	if (!c->cold_why && take_over(c, &found, &keys) != 0)
		c->cold_why = "out of memory";
	journal_keys_deinit(&keys);
}

void takeover_missed(const struct consumer *c)
{
	struct journal_header found;
	struct journal_keys keys;

	if (c->served)
		return;
	if (!load(c, &found, &keys))
		log_warn("bus.queue_gone", "queue=%s keys=%zu hint=\"the journal is about a queue that is not there any more\"",
		         c->ours.queue, keys.n_bound);
	journal_keys_deinit(&keys);
}

/* --- queues left behind ------------------------------------------------------------------------------------------- */

void queue_left_behind(struct consumer *c, const char *name)
{
	if (reaper_add_leftover(c, name))
		log_info("bus.queue_left",
		         "node=%s queue=%s hint=\"served no more by this node; it is emptied and deleted "
		         "once its broker is back\"",
		         c->setup->node_id, name);
}

void queue_left_gone(struct consumer *c, const char *name)
{
	struct journal_header *h = &c->ours;

	for (size_t i = 0; i < h->n_left; i++) {
		if (strcmp(h->left[i], name) != 0)
			continue;
		log_info("bus.queue_left_gone", "node=%s queue=%s", c->setup->node_id, name);
		memmove(h->left[i], h->left[i + 1], (--h->n_left - i) * sizeof(h->left[0]));
		journal_set_header(c->journal, h);
		return;
	}
}

static void add_left(struct journal_header *h, const char *name)
{
	if (h->n_left == JOURNAL_LEFT_MAX)
		memmove(h->left[0], h->left[1], --h->n_left * sizeof(h->left[0])); /* it expires */
	snprintf(h->left[h->n_left++], sizeof(h->left[0]), "%s", name);
}

void takeover_fall_back(struct consumer *c)
{
	struct ulid_source source = {0};
	struct ulid epoch;

	if (!c->falling_back) {
		c->before = c->ours;
		c->owned_before = c->owned;
		c->falling_back = true;
	}
	ulid_next(&source, clock_unix_ms(), &epoch);
	add_left(&c->ours, c->ours.queue);
	memcpy(c->ours.epoch, epoch.text, sizeof(c->ours.epoch));
	snprintf(c->ours.queue, sizeof(c->ours.queue), "%s.%s", c->setup->topology.node_queue, c->ours.epoch);
	c->owned = false;
	log_warn("bus.queue_away", "queue=%s why=%s fallback=%s", c->before.queue, LOG_QUOTED(str_from(c->link.why)),
	         c->ours.queue);
}

static void undo_fall_back(struct consumer *c)
{
	c->ours = c->before;
	c->owned = c->owned_before;
	c->falling_back = false;
}

void takeover_nothing_bound(struct consumer *c)
{
	journal_begin(c->journal, &c->ours, &(struct journal_keys){.n_bound = 0});
	c->n_unsure = 0;
	if (!c->falling_back)
		return;
	c->falling_back = false;
	counter_add(&c->counters->queue_fallbacks, 1);
	queue_left_behind(c, c->before.queue);
}

/* --- which queue -------------------------------------------------------------------------------------------------- */

static bool names_valid(const struct consumer *c, const struct journal_header *h)
{
	bool valid = topology_is_node_queue(&c->setup->topology, str_from(h->queue));

	for (size_t i = 0; i < h->n_left; i++)
		valid = valid && topology_is_node_queue(&c->setup->topology, str_from(h->left[i]));
	return valid;
}

void takeover_find_queue(struct consumer *c)
{
	struct journal_header found;
	struct journal_keys keys;

	if (c->falling_back)
		undo_fall_back(c);
	if (c->owned && journal_taken_over(c->journal)) {
		c->owned = false;
		c->cold_why = "another process has served it since";
	}
	if (c->served || !c->journal || journal_load(c->journal, &found, &keys) != 0)
		return;
	journal_keys_deinit(&keys);
	/* After a crash of the machine the names still hold, even if the keys do not. */
	if (strcmp(found.vhost, c->ours.vhost) != 0 || !names_valid(c, &found))
		return;
	memcpy(c->ours.queue, found.queue, sizeof(c->ours.queue));
	memcpy(c->ours.left, found.left, sizeof(c->ours.left));
	c->ours.n_left = found.n_left;
}
