/* What travels in the mailboxes between the loop and the two links, each worked by its thread or by the loop (helm.h).
 * Ownership moves with it.
 *
 *             struct op (bind, unbind)                        struct letter (to be published)
 *        ┌──────────────────────────────▶ consumer    ┌──────────────────────────────▶ publisher
 *   loop │  struct delivery, to be acknowledged  loop │
 *        ◀── op answered, delivery, event             ◀── letter with its result, event
 *
 * An event goes up and comes straight back to its sender. When `lost` is back the loop has taken everything that was
 * sent before it and sends nothing more: so one life of a link never meets mail of the one before, and the mailboxes
 * need room for one life only. */
#ifndef GRID_BUS_RABBITMQ_MAIL_H
#define GRID_BUS_RABBITMQ_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "bus/bus.h"
#include "bus/rabbitmq/redelivery.h"
#include "bus/rabbitmq/topology.h"

enum mail_kind { MAIL_OP, MAIL_DELIVERY, MAIL_LETTER, MAIL_EVENT };

struct mail {
	enum mail_kind kind; /* first in each of the structs below */
};

/* Every mailbox has room for all that can be under way. */
static inline void mail_send(struct mailbox *box, struct mail *mail)
{
	int rc = mailbox_push(box, mail);
	GRID_ASSERT(rc == 0);
}

/* A bind or unbind. */
struct op {
	struct mail mail;
	struct op *next;
	bool unbind;
	bool internal; /* the consumer's own: the keys of the node */
	enum exchange exchange;
	char routing_key[ROUTING_KEY_MAX + 1];
	struct key key; /* of core's; not of internal ones */
	enum bus_bind_result result;
};

enum letter_kind {
	LETTER_PUBLICATION, /* core's */
	LETTER_STRAY,       /* a delivery for a user who is not here, on its way to the unrouted exchange */
	LETTER_LOOPBACK,    /* to ourselves: do the bindings still hold? */
	LETTER_HELLO,       /* to all nodes: we live */
};

enum letter_result {
	LETTER_CONFIRMED,
	LETTER_RETURNED, /* confirmed, but no queue took it */
	LETTER_REFUSED,  /* the broker said no (nack) */
	LETTER_LOST,     /* the link went away before an answer */
};

/* Something to publish, and on the way back what became of it. */
struct letter {
	struct mail mail;
	enum letter_kind kind;
	enum letter_result result;
	bool returned;             /* basic.return has come; its ack follows */
	bool handed_over;          /* the second publish, to the unrouted exchange, is under way */
	bool done;                 /* has a result, waits for earlier letters of its lane */
	size_t target;             /* of a stray: which of the delivery's users is next */
	uint64_t check;            /* of a loop-back: its number */
	const char *key;           /* of a loop-back: the routing key, as long as the letter is out */
	const struct hello *hello; /* of a hello, as long as the letter is out */
	struct letter *next;       /* in one of the publisher's queues, or the loop's */
	struct letter *lane_next;
	struct bus_publication *publication;
	struct delivery *delivery;
};

enum delivery_kind { DELIVERY_MESSAGE, DELIVERY_LOOPBACK };

/* A message that came, from the consumer to the loop, and back to be acknowledged and freed. */
struct delivery {
	struct mail mail;
	enum delivery_kind kind;
	unsigned life;         /* of the consumer's link: a tag means nothing on another */
	struct intake *intake; /* the consumer's: where it came in, and in which run */
	unsigned run;
	uint64_t tag;
	uint64_t check;        /* of a loop-back */
	bool leftover;         /* found in the queue of an earlier life of the node, or reaped */
	bool reaped;           /* from a dead node's queue: another channel, other tags, nobody here has known it */
	bool keep;             /* for a user, and to be handed over when nobody is here */
	bool trusted;          /* published by a node */
	bool rejected;         /* settled, to become a dead letter instead of being acknowledged */
	char *raw;             /* if `keep`: encoded properties, then the body, as they came */
	size_t raw_properties; /* bytes */
	size_t raw_body;
	struct expected expected;     /* its fingerprint, and whether it may come again */
	struct delivery *prev, *next; /* the loop's list of all it holds */
	struct letter letter;         /* carries it to the publisher */
	struct bus_delivery bus;      /* last: ends in an array */
};

enum event_kind {
	EVENT_BEGIN,     /* consumer: a new life of the link; deliveries come */
	EVENT_RESTORED,  /* consumer: `keys` are bound to the queue, which was taken over; they are the loop's to free */
	EVENT_CONSUMING, /* consumer: binds can come; `flag` says that only the node's own keys are bound; `queue` is
	                    served, `text` the key bound to it last */
	EVENT_UP,        /* publisher */
	EVENT_BLOCKED,   /* publisher: `flag` says whether */
	EVENT_LOST,      /* either; the answer ends a life */
	EVENT_FATAL,     /* consumer: `text` */
	EVENT_REBIND,    /* from the loop to the consumer: our bindings are gone; `flag`: and the bus has not been up yet */
};

struct event {
	struct mail mail;
	enum event_kind kind;
	unsigned life;
	bool flag;
	struct key *keys; /* one piece of mail, however many they are */
	size_t n_keys;
	uint64_t taken; /* of the consumer's `lost`: how many acknowledgements the broker has taken for certain */
	char text[400];
	char queue[256];
};

#endif
