/* The keys that this node has bound, in a file: what the process after this one needs to take the queue over as it is.
 *
 *   <state_dir>/<prefix>.node.<id>.journal      lines are only added; a rewrite is a new file that takes its place
 *
 * It survives kill -9, not a crash of the machine (nothing is synced): that shows by the boot id in it. It is not
 * locked: whoever has the exclusive consumer of the node's queue owns it, and only reads before.
 *
 * A failure to write is no reason to stop: the file is removed, so that nobody believes it, and the next process starts
 * anew. NULL is a journal that keeps nothing. */
#ifndef GRID_BUS_RABBITMQ_JOURNAL_H
#define GRID_BUS_RABBITMQ_JOURNAL_H

#include "bus/rabbitmq/journal_text.h"

struct journal;

/* `name` without ".journal". Opens nothing. -ENOMEM. */
GRID_MUST_CHECK int journal_new(const char *dir, const char *name, struct journal **journalp);
/* Writes what is left to write; the file stays. Takes and returns NULL. */
struct journal *journal_free(struct journal *j);

/* What is in the file now. JOURNAL_E_…, -errno; `keys` as of journal_parse(). */
GRID_MUST_CHECK int journal_load(const struct journal *j, struct journal_header *header, struct journal_keys *keys);

/* From now on the file is ours, and has this in it. */
void journal_begin(struct journal *j, const struct journal_header *header, const struct journal_keys *keys);
/* Another header over the same keys; nothing before journal_begin(). */
void journal_set_header(struct journal *j, const struct journal_header *header);
/* A line for the next flush. */
void journal_add(struct journal *j, enum journal_mark mark, const struct key *key);
/* One write for all lines added, and now and then a rewrite without the dead ones. */
void journal_flush(struct journal *j);
/* Removed, and nothing is written any more: what is bound is not known. */
void journal_drop(struct journal *j);
/* Has another process begun the file since we did? */
bool journal_taken_over(const struct journal *j);

#endif
