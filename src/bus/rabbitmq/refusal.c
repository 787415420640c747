#include "bus/rabbitmq/refusal.h"

#include <string.h>

#include "base/err.h"
#include "bus/rabbitmq/amqp_include.h"

bool refusal_is_taken(int code, const char *why)
{
	return code == AMQP_RESOURCE_LOCKED || (code == AMQP_ACCESS_REFUSED && strstr(why, "exclusive"));
}

bool refusal_is_away(int code, const char *why)
{
	static const char *const reasons[] = {
	    "is down or inaccessible",       /* home node '…' of durable queue '…' in vhost '…' … */
	    "process is stopped by",         /* queue '…' in vhost '…' … supervisor */
	    "crashed and failed to restart", /* queue '…' in vhost '…' has … */
	    "due to timeout",                /* failed to perform operation on queue '…' in vhost '…' … */
	};

	for (size_t i = 0; code == AMQP_NOT_FOUND && i < GRID_ARRAY_LEN(reasons); i++)
		if (strstr(why, reasons[i]))
			return true;
	return false;
}
