#include "bus/redis/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ABANDON_MS 100 /* how long an end waits for a lookup that cannot be called off */

struct resolve {
	struct gaicb request;
	struct addrinfo hints;
	char host[256];
};

int resolve_start(const char *host, struct resolve **resolvep)
{
	struct resolve *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	strncpy(r->host, host, sizeof(r->host) - 1);
	r->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	r->request.ar_name = r->host;
	r->request.ar_request = &r->hints;
	if (getaddrinfo_a(GAI_NOWAIT, &(struct gaicb *){&r->request}, 1, NULL) != 0) {
		free(r);
		return -EAGAIN;
	}
	*resolvep = r;
	return 0;
}

int resolve_poll(struct resolve *r, char address[INET6_ADDRSTRLEN], const char **whyp)
{
	int rc = gai_error(&r->request);

	if (rc == EAI_INPROGRESS)
		return RESOLVE_E_BUSY;
	if (rc == 0)
		rc = getnameinfo(r->request.ar_result->ai_addr, r->request.ar_result->ai_addrlen, address, INET6_ADDRSTRLEN,
		                 NULL, 0, NI_NUMERICHOST);
	if (rc == 0)
		return 0;
	*whyp = gai_strerror(rc);
	return RESOLVE_E_FAILED;
}

struct resolve *resolve_free(struct resolve *r)
{
	const struct timespec patience = {.tv_nsec = ABANDON_MS * 1000000L};

	if (!r)
		return NULL;
	if (gai_cancel(&r->request) == EAI_NOTCANCELED)
		(void)gai_suspend(&(const struct gaicb *){&r->request}, 1, &patience);
	/* A lookup that still runs writes into the block: then it is left to it. */
	if (gai_error(&r->request) == EAI_INPROGRESS)
		return NULL;
	if (r->request.ar_result)
		freeaddrinfo(r->request.ar_result);
	free(r);
	return NULL;
}
