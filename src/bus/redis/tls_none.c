/* For a hiredis without TLS. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "bus/redis/tls.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define VERSION TEXT(HIREDIS_MAJOR) "." TEXT(HIREDIS_MINOR) "." TEXT(HIREDIS_PATCH)

const char *const redis_tls_lacks =
    "hiredis " VERSION " has no TLS, which came with 1.0: use a tunnel, or a private network";

int tls_start(struct redisContext *context, const struct redis_config *config, const char *host, char *why,
              size_t why_size)
{
	(void)context;
	(void)config;
	(void)host;
	snprintf(why, why_size, "%s", redis_tls_lacks);
	return -EPROTO;
}

const char *tls_why(void)
{
	return NULL;
}
