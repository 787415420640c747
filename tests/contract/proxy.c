#include "proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 32
#define HEAD_MAX 2048

struct pair {
	int client, broker;  /* -1: unused */
	char head[HEAD_MAX]; /* what the client sent first, zeros turned to spaces */
	size_t head_n;
	bool withheld; /* from the broker */
};

struct proxy {
	pthread_t thread;
	pthread_mutex_t lock;
	int wake_fd;
	int listen_fd;
	struct sockaddr_in broker;
	char address[32];
	bool stop, refuse, frozen;
	struct pair pairs[PAIRS_MAX];
};

static void wake(struct proxy *p)
{
	const uint64_t one = 1;
	ck_assert_int_eq(write(p->wake_fd, &one, sizeof(one)), sizeof(one));
}

static void close_pair(struct pair *pair)
{
	/* A reset, as a cut line looks like when somebody still answers. */
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(pair->broker, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(pair->client);
	close(pair->broker);
	pair->client = pair->broker = -1;
}

static void accept_one(struct proxy *p)
{
	int client = accept(p->listen_fd, NULL, NULL);

	if (client < 0)
		return;
	for (size_t i = 0; i < PAIRS_MAX && !p->refuse; i++) {
		struct pair *pair = &p->pairs[i];
		if (pair->client >= 0)
			continue;
		int broker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(broker, (struct sockaddr *)&p->broker, sizeof(p->broker)) != 0) {
			close(broker);
			break;
		}
		*pair = (struct pair){.client = client, .broker = broker};
		return;
	}
	close(client);
}

static void remember(struct pair *pair, const char *data, size_t n)
{
	for (size_t i = 0; i < n && pair->head_n + 1 < HEAD_MAX; i++)
		pair->head[pair->head_n++] = data[i] ? data[i] : ' ';
}

/* False: the connection is over. */
static bool pump(struct pair *pair, int from, int to)
{
	char data[16384];
	ssize_t n = recv(from, data, sizeof(data), 0);

	if (n <= 0)
		return false;
	if (from == pair->client)
		remember(pair, data, (size_t)n);
	for (ssize_t at = 0; at < n;) {
		ssize_t sent = send(to, data + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
	}
	return true;
}

static void *run(void *arg)
{
	struct proxy *p = arg;
	struct pollfd fds[2 + 2 * PAIRS_MAX];
	uint64_t count;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		fds[0] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = p->listen_fd, .events = POLLIN};
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			bool deaf = p->frozen || p->pairs[i].withheld;
			fds[2 + 2 * i] = (struct pollfd){.fd = deaf ? -1 : p->pairs[i].client, .events = POLLIN};
			fds[3 + 2 * i] = (struct pollfd){.fd = p->frozen ? -1 : p->pairs[i].broker, .events = POLLIN};
		}
		pthread_mutex_unlock(&p->lock);
		poll(fds, 2 + 2 * PAIRS_MAX, -1);
		pthread_mutex_lock(&p->lock);
		if (fds[0].revents && read(p->wake_fd, &count, sizeof(count)) < 0)
			break;
		for (size_t i = 0; i < PAIRS_MAX && !p->frozen; i++) {
			struct pair *pair = &p->pairs[i];
			bool alive = true;
			if (pair->client >= 0 && pair->client == fds[2 + 2 * i].fd && fds[2 + 2 * i].revents)
				alive = pump(pair, pair->client, pair->broker);
			if (alive && pair->client >= 0 && pair->broker == fds[3 + 2 * i].fd && fds[3 + 2 * i].revents)
				alive = pump(pair, pair->broker, pair->client);
			if (!alive)
				close_pair(pair);
		}
		if (fds[1].revents)
			accept_one(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct proxy *proxy_open(const char *target_address, const char **addressp)
{
	struct proxy *p = calloc(1, sizeof(*p));
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(here);

	for (size_t i = 0; i < PAIRS_MAX; i++)
		p->pairs[i].client = p->pairs[i].broker = -1;
	p->broker = here;
	p->broker.sin_port = htons((uint16_t)atoi(strrchr(target_address, ':') + 1));
	p->wake_fd = eventfd(0, EFD_CLOEXEC);
	p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(p->listen_fd, (struct sockaddr *)&here, sizeof(here)), 0);
	ck_assert_int_eq(listen(p->listen_fd, 16), 0);
	ck_assert_int_eq(getsockname(p->listen_fd, (struct sockaddr *)&here, &size), 0);
	snprintf(p->address, sizeof(p->address), "127.0.0.1:%d", ntohs(here.sin_port));
	pthread_mutex_init(&p->lock, NULL);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, run, p), 0);
	*addressp = p->address;
	return p;
}

void proxy_close(struct proxy *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	pthread_join(p->thread, NULL);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		if (p->pairs[i].client >= 0)
			close_pair(&p->pairs[i]);
	close(p->listen_fd);
	close(p->wake_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool meant(const struct pair *pair, const char *of)
{
	return pair->client >= 0 && (!of || strstr(pair->head, of));
}

void proxy_withhold(struct proxy *p, const char *of)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		p->pairs[i].withheld = p->pairs[i].withheld || meant(&p->pairs[i], of);
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

void proxy_cut(struct proxy *p, const char *of)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		if (meant(&p->pairs[i], of))
			close_pair(&p->pairs[i]);
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

void proxy_refuse(struct proxy *p, bool refuse)
{
	pthread_mutex_lock(&p->lock);
	p->refuse = refuse;
	pthread_mutex_unlock(&p->lock);
}

void proxy_freeze(struct proxy *p, bool frozen)
{
	pthread_mutex_lock(&p->lock);
	p->frozen = frozen;
	pthread_mutex_unlock(&p->lock);
	wake(p);
}
