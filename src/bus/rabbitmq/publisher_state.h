/* The publisher from inside. publisher.c: the thread, turns and mail. publisher_out.c: what is sent. publisher_in.c:
 * what the broker answers, and what becomes of a letter then. */
#ifndef GRID_BUS_RABBITMQ_PUBLISHER_STATE_H
#define GRID_BUS_RABBITMQ_PUBLISHER_STATE_H

#include "bus/rabbitmq/confirms.h"
#include "bus/rabbitmq/helm.h"
#include "bus/rabbitmq/incoming.h"
#include "bus/rabbitmq/lanes.h"
#include "bus/rabbitmq/letters.h"
#include "bus/rabbitmq/link.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/publisher.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/worker.h"

enum { PUBLISHER_CHANNEL = 1 };

struct publisher {
	const struct setup *setup;
	struct rabbitmq_counters *counters;
	struct link link;
	struct helm helm;
	struct worker worker;
	struct mailbox *in;
	struct mailbox *out;

	struct letters waiting; /* not sent yet */
	struct letters again;   /* sent, returned, to be sent to the unrouted exchange; before those above */
	size_t batch_bytes;     /* of bodies, sent since the last look */
	struct confirms *confirms;
	struct lanes *lanes;
	struct incoming incoming; /* basic.return */

	bool blocked;
	bool told_blocked;
	bool flow_under_way; /* the event is with the loop */
	struct event up, lost, flow;
};

/* publisher.c */

/* It goes back to the loop with its result, behind earlier ones of its key. */
void publisher_finish(struct publisher *p, struct letter *letter, enum letter_result result);

/* publisher_out.c */

bool publisher_has_unsent(const struct publisher *p);
/* As many as the socket takes without waiting, so that what comes is read meanwhile: most of all, that we are blocked.
 * The thread may have to wait with the last of them. 0, or the link is lost. */
GRID_MUST_CHECK int publisher_send_letters(struct publisher *p);

/* publisher_in.c */

/* Until rabbitmq-c has nothing left of what it has read; then LINK_E_NOTHING. What still lies in the socket ends
 * link_wait() at once. Negative: the link is lost. */
GRID_MUST_CHECK int publisher_read_frames(struct publisher *p);

#endif
