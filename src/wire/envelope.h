/* A message as it travels through Redis, which has no properties: a bare body, or an envelope (docs/protocol.md,
 * section 4).
 *
 *   GN1 {"message_id":"01J…","type":"chat","from":"7","ts":1790000000123,"sig":"<64 hex digits>"}\n<body>
 *   └┬─┘└─────────────────────────── line ────────────────────────────┘  └──────────┬──────────┘
 *  MAGIC                 what is signed: channel \n  the line up to here ──┘  \n body
 *
 * `sig` stands last and is spelled just so, which makes "the line before it" the same bytes for both sides. The channel
 * is signed too, so that what was said in one room is nothing in another. */
#ifndef GRID_WIRE_ENVELOPE_H
#define GRID_WIRE_ENVELOPE_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/hmac.h"
#include "wire/message.h"

#define ENVELOPE_MAGIC "GN1 "
#define ENVELOPE_LINE_MAX 8192

/* BAD: begins like an envelope and is none. UNSIGNED: is one, but whoever wrote it does not have the secret. */
enum { ENVELOPE_E_BAD = 1, ENVELOPE_E_UNSIGNED };

struct envelope {
	struct message message;          /* points into the payload and into `scratch` */
	struct str line;                 /* the JSON, or STR_NONE: a bare body */
	char scratch[ENVELOPE_LINE_MAX]; /* unescaped strings */
	size_t scratch_n;
};

/* The line of a message sent through `channel`; `hmac` NULL leaves it unsigned. A failure is remembered in `out`. */
void envelope_put_line(struct buf *out, struct str channel, const struct message *m, struct hmac *hmac);
/* The whole payload: magic, line, newline, body. */
void envelope_put(struct buf *out, struct str channel, const struct message *m, struct hmac *hmac);

/* What came through `channel`. 0: a bare body, or an envelope with a good signature. ENVELOPE_E_UNSIGNED: nothing of it
 * has been read; always so with `hmac` NULL. ENVELOPE_E_BAD, -ENOMEM: nothing in it.
 *
 * Members nobody knows, and those of a wrong type, are left aside. */
GRID_MUST_CHECK int envelope_open(struct envelope *e, struct str channel, struct str payload, struct hmac *hmac);
/* Reads what envelope_open() says is unsigned, for a grid that trusts its Redis. 0, ENVELOPE_E_BAD. */
GRID_MUST_CHECK int envelope_trust(struct envelope *e);

#endif
