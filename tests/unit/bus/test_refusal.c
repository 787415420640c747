/* What the broker says when it refuses the queue, word for word as 3.10 and 4.0 have it. */
#include "bus/rabbitmq/refusal.h"

#include "check_main.h"

START_TEST(away)
{
	ck_assert(refusal_is_away(404, "looking for a queue: NOT_FOUND - home node 'rabbit@b2' of durable queue "
	                               "'grid.node.n1' in vhost 'grid' is down or inaccessible"));
	ck_assert(
	    refusal_is_away(404, "NOT_FOUND - queue 'grid.node.n1' in vhost 'grid' process is stopped by supervisor"));
	ck_assert(
	    refusal_is_away(404, "NOT_FOUND - queue 'grid.node.n1' in vhost 'grid' has crashed and failed to restart"));
	ck_assert(refusal_is_away(404, "NOT_FOUND - failed to perform operation on queue 'grid.node.n1' in vhost 'grid' "
	                               "due to timeout"));
}
END_TEST

START_TEST(not_away)
{
	ck_assert(!refusal_is_away(404, "NOT_FOUND - no queue 'grid.node.n1' in vhost 'grid'"));
	ck_assert(!refusal_is_away(404, "NOT_FOUND - no exchange 'grid.rooms' in vhost 'grid'"));
	/* It is about to be somewhere else: worth another try. */
	ck_assert(!refusal_is_away(404, "NOT_FOUND - failed to perform operation on queue 'grid.node.n1' in vhost 'grid': "
	                                "its master replica <1.2.3> may be stopping or being demoted"));
	ck_assert(!refusal_is_away(541, "INTERNAL_ERROR - is down or inaccessible"));
	ck_assert(!refusal_is_away(0, "connecting: refused"));
}
END_TEST

START_TEST(taken)
{
	ck_assert(refusal_is_taken(405,
	                           "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'grid.node.n1' in "
	                           "vhost 'grid'. It could be originally declared on another connection or …"));
	ck_assert(refusal_is_taken(403, "ACCESS_REFUSED - queue 'grid.node.n1' in vhost 'grid' in exclusive use"));
	ck_assert(!refusal_is_taken(403, "ACCESS_REFUSED - access to queue 'grid.node.n1' in vhost 'grid' refused for user "
	                                 "'grid-node'"));
	ck_assert(!refusal_is_taken(404, "NOT_FOUND - no queue 'grid.node.n1' in vhost 'grid'"));
}
END_TEST

CHECK_MAIN("bus.refusal", away, not_away, taken)
