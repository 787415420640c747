#include "bench/publishers.h"

#include <errno.h>
#include <stdlib.h>

#define NS 1000000000u
#define US 1000000u

/* A URL that says where messages go leads to one room or user. */
static struct publisher_targets targets_of(const struct bench_options *options)
{
	const struct option_strings *urls = bench_options_publish_urls(options);
	uint32_t rooms = (uint32_t)options->rooms, users = (uint32_t)options->users;

	if (!bench_options_mention(urls, URL_ROOM) && !bench_options_mention(urls, URL_USER))
		return (struct publisher_targets){0, 1};
	return options->to == TO_USERS ? (struct publisher_targets){rooms, users} : (struct publisher_targets){0, rooms};
}

uint64_t publishers_files(const struct bench_options *options)
{
	return (uint64_t)options->publishers * (options->via == VIA_AMQP ? 1 : targets_of(options).n);
}

static int init_load(struct load *load, const struct bench_options *options, struct ledger *ledger,
                     struct histogram *ack)
{
	enum distribution distribution = (enum distribution)options->distribution;

	*load = (struct load){.ledger = ledger,
	                      .ack = ack,
	                      .run = str_from(options->run),
	                      .to = (enum bench_to)options->to,
	                      .rooms = (uint32_t)options->rooms,
	                      .dice = dice_of(2),
	                      .size = (size_t)options->size,
	                      .payload = BUF_INIT};
	int r = pick_init(&load->room, distribution, (uint32_t)options->rooms);
	if (r == 0 && options->users)
		r = pick_init(&load->user, distribution, (uint32_t)options->users);
	return r;
}

static int init_base(struct publishers *publishers, struct publisher *base, const struct publisher_ops *ops)
{
	const struct bench_options *options = publishers->options;
	uint64_t interval_ns = options->rate ? (uint64_t)options->publishers * NS / (uint64_t)options->rate : 0;
	int r = publisher_init(base, ops, &publishers->load, publishers->n, (uint32_t)options->window, interval_ns);

	if (r != 0)
		publisher_deinit(base);
	else
		publishers->all[publishers->n++] = base;
	return r;
}

static int add_ws(struct publishers *publishers, struct clients *clients)
{
	struct publisher_ws *publisher = &publishers->ws[publishers->n_ws];
	int r = init_base(publishers, &publisher->base, &publisher_ws_ops);

	if (r != 0)
		return r;
	uint32_t i = (uint32_t)publishers->options->connections + publishers->n_ws++ * publishers->targets.n;
	return publisher_ws_init(publisher, clients, publishers->targets, i);
}

static int add_amqp(struct publishers *publishers, struct reactor *reactor)
{
	const struct bench_options *options = publishers->options;
	struct publisher_amqp *publisher = &publishers->amqp[publishers->n_amqp];
	int r = init_base(publishers, &publisher->base, &publisher_amqp_ops);

	if (r == 0)
		r = publisher_amqp_init(publisher, reactor, options->amqp, options->prefix, options->persistent);
	publishers->n_amqp += r == 0;
	return r;
}

int publishers_init(struct publishers *publishers, const struct bench_options *options, struct clients *clients,
                    struct ledger *ledger, struct histogram *ack)
{
	size_t n = (size_t)options->publishers + 1;

	*publishers = (struct publishers){.options = options, .targets = targets_of(options)};
	int r = init_load(&publishers->load, options, ledger, ack);
	publishers->all = calloc(n, sizeof(struct publisher *));
	publishers->ws = calloc(n, sizeof(*publishers->ws));
	publishers->amqp = calloc(n, sizeof(*publishers->amqp));
	if (!publishers->all || !publishers->ws || !publishers->amqp)
		r = -ENOMEM;
	for (int64_t i = 0; i < options->publishers && r == 0; i++) {
		bool by_amqp = options->via == VIA_AMQP || (options->via == VIA_BOTH && i % 2);
		r = by_amqp ? add_amqp(publishers, clients->ws.reactor) : add_ws(publishers, clients);
	}
	return r;
}

void publishers_deinit(struct publishers *publishers)
{
	/* First all are told, so that they end side by side. */
	for (uint32_t i = 0; i < publishers->n_amqp; i++)
		publisher_amqp_stop(&publishers->amqp[i]);
	for (uint32_t i = 0; i < publishers->n_amqp; i++)
		publisher_amqp_deinit(&publishers->amqp[i]);
	for (uint32_t i = 0; i < publishers->n_ws; i++)
		publisher_ws_deinit(&publishers->ws[i]);
	for (uint32_t i = 0; i < publishers->n; i++)
		publisher_deinit(publishers->all[i]);
	free(publishers->all);
	free(publishers->ws);
	free(publishers->amqp);
	pick_deinit(&publishers->load.room);
	pick_deinit(&publishers->load.user);
	buf_deinit(&publishers->load.payload);
}

int publishers_connect(struct publishers *publishers)
{
	int r = 0;

	for (uint32_t i = 0; i < publishers->n_ws; i++)
		publisher_ws_start(&publishers->ws[i]);
	for (uint32_t i = 0; i < publishers->n_amqp && r == 0; i++)
		r = publisher_amqp_start(&publishers->amqp[i]);
	return r;
}

bool publishers_ready(const struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n; i++)
		if (!publishers->all[i]->ops->ready(publishers->all[i]))
			return false;
	return true;
}

struct amqp_link *publishers_missing(struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n_amqp; i++)
		if (!amqp_link_up(&publishers->amqp[i].link))
			return &publishers->amqp[i].link;
	return NULL;
}

void publishers_start(struct publishers *publishers, uint64_t now_us)
{
	uint64_t rate = (uint64_t)publishers->options->rate;

	for (uint32_t i = 0; i < publishers->n; i++)
		publisher_start(publishers->all[i], now_us + (rate ? (uint64_t)i * US / rate : 0));
}

uint64_t publishers_due_us(const struct publishers *publishers)
{
	uint64_t first_us = UINT64_MAX;

	for (uint32_t i = 0; i < publishers->n; i++) {
		uint64_t due_us = publisher_due_us(publishers->all[i]);
		first_us = due_us < first_us ? due_us : first_us;
	}
	return first_us;
}

int publishers_turn(struct publishers *publishers, uint64_t now_us)
{
	int r = 0;

	for (uint32_t i = 0; i < publishers->n && r == 0; i++)
		r = publisher_turn(publishers->all[i], now_us);
	return r;
}

void publishers_give_up(struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n; i++)
		publisher_lost(publishers->all[i]);
}
