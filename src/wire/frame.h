/* What a node sends: complete websocket text frames (RFC 6455 section 5.2: FIN, opcode 1, not masked), ready for the
 * socket and identical for every receiver. All return one reference, or NULL when out of memory. */
#ifndef GRID_WIRE_FRAME_H
#define GRID_WIRE_FRAME_H

#include "base/buf.h"
#include "base/msgbuf.h"
#include "wire/message.h"
#include "wire/names.h"

/* A text frame around any JSON text. */
struct msgbuf *frame_text(struct str json);
/* {"op":"message","room":…,"id":…,"ts":…,"from":…|"app":…,"type":…,"data":…}: a room's message. `ts` of the message
 * must be set.
 *
 * Nothing a publisher sends may break a client's parser:
 * - A body that is JSON stands in "data" as it came, an empty one is "data":null. All else is "text", or "base64" if
 *   not UTF-8. Its content type is not asked: libraries fill in text/plain or octet-stream unasked.
 * - An id that is not message_id_valid() is left out; so is `from`, `app` or `type` when it is empty, longer than 255
 *   bytes, not UTF-8, or has control characters in it. Without a type it is "message". */
struct msgbuf *frame_message(const struct key *room, const struct message *m);
/* {"op":"notify","id":…,"ts":…,"from"|"app":…,"type":…,"data":…}: a message to a user. */
struct msgbuf *frame_notify(const struct message *m);

#endif
