/* What clients can ask for: one row per verb. To add one: a row in verbs.c, and the function it names. */
#ifndef GRID_CORE_VERBS_H
#define GRID_CORE_VERBS_H

#include "base/clock.h"
#include "base/str.h"
#include "core/errors.h"

struct request;
struct session;
struct subscription;

struct verb {
	const char *op;
	const char *label; /* of its counter */
	void (*handle)(struct session *s, struct request *req, struct now now);
};

#define VERB_COUNT 4
extern const struct verb verbs[VERB_COUNT];

/* The index of an op's row, or VERB_COUNT. */
size_t verbs_find(struct str op);

/* The topic of a join was bound: answers all who wait for it. */
void verbs_join_done(struct subscription *sub);
/* It was not: the same, with an error. The subscription stays. */
void verbs_join_failed(struct subscription *sub, enum error_code code, const char *message);

#endif
