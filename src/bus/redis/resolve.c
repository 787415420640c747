#include "bus/redis/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Shared by its owner and the thread that looks up; the last of the two frees it. So nobody waits for a name server
 * that does not answer, not even at the end. (glibc's getaddrinfo_a() has such a thread, but can be neither called off
 * nor run under the thread sanitizer.) */
struct resolve {
	atomic_int owners;
	atomic_bool done;
	char host[256];
	int rc; /* of getaddrinfo(), getnameinfo(); this and `address` are the owner's once it is done */
	char address[INET6_ADDRSTRLEN];
};

static void give_up(struct resolve *r)
{
	if (atomic_fetch_sub(&r->owners, 1) == 1)
		free(r);
}

static void *look_up(void *arg)
{
	struct resolve *r = arg;
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;

	r->rc = getaddrinfo(r->host, NULL, &hints, &list);
	if (r->rc == 0) {
		r->rc = getnameinfo(list->ai_addr, list->ai_addrlen, r->address, sizeof(r->address), NULL, 0, NI_NUMERICHOST);
		freeaddrinfo(list);
	}
	atomic_store(&r->done, true);
	give_up(r);
	return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct resolve *r)
{
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&thread, NULL, look_up, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		pthread_detach(thread);
	return -rc;
}

int resolve_start(const char *host, struct resolve **resolvep)
{
	struct resolve *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	strncpy(r->host, host, sizeof(r->host) - 1);
	atomic_init(&r->owners, 2);
	int rc = start_thread(r);
	if (rc != 0) {
		free(r);
		return rc;
	}
	*resolvep = r;
	return 0;
}

int resolve_poll(struct resolve *r, char address[INET6_ADDRSTRLEN], const char **whyp)
{
	if (!atomic_load(&r->done))
		return RESOLVE_E_BUSY;
	if (r->rc != 0) {
		*whyp = gai_strerror(r->rc);
		return RESOLVE_E_FAILED;
	}
	memcpy(address, r->address, sizeof(r->address));
	return 0;
}

struct resolve *resolve_free(struct resolve *r)
{
	if (r)
		give_up(r);
	return NULL;
}
