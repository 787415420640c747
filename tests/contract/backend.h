/* Everybody else on the broker: a plain AMQP client with all rights, and rabbitmqctl. For the tests only. */
#ifndef GRID_TESTS_CONTRACT_BACKEND_H
#define GRID_TESTS_CONTRACT_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;

struct backend *backend_open(void);
void backend_close(struct backend *b);

/* What a backend says about a message; zeroed members are left out. */
struct backend_message {
	const char *body;
	size_t body_n; /* 0: strlen */
	const char *message_id, *type, *app_id, *expiration, *content_type;
	uint64_t timestamp;
	const char *cc[20]; /* keys of a CC header */
	const char *from;   /* a header nobody but a node may set */
	const char *session;
	bool persistent;
};

/* Publishes and waits until the broker has it. */
void backend_publish(struct backend *b, const char *exchange, const char *routing_key, const struct backend_message *m);
/* Takes one message from a queue: its body, or NULL if it is empty. The rest of it stands in `got`. */
struct backend_got {
	char body[256];
	char routing_key[256];
	char message_id[128];
	char type[128];
	char app_id[128];
	char user_id[128];
	char headers[1024]; /* `name=value ` of text, integers, and arrays of text */
	int delivery_mode;
};
bool backend_get(struct backend *b, const char *queue, struct backend_got *got);
void backend_purge(struct backend *b, const char *queue);
void backend_delete_queue(struct backend *b, const char *queue);
/* A durable queue with just the arguments of a node's (or none). */
void backend_declare_queue(struct backend *b, const char *queue, bool like_a_node);
/* Messages ready in it; -1: there is no such queue. */
int backend_ready(struct backend *b, const char *queue);

/* rabbitmqctl; the test fails if it fails. */
void ctl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The first line of what it prints that contains `text`, or "". */
void ctl_line(const char *text, char *line, size_t size, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
