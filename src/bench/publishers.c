#include "bench/publishers.h"

#include <errno.h>
#include <stdlib.h>

#define NS 1000000000u

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

static int init_ws(struct publishers *publishers, const struct bench_options *options, struct clients *clients,
                   uint64_t interval_ns)
{
	publishers->ws = calloc((size_t)options->publishers + 1, sizeof(*publishers->ws));
	int r = publishers->ws ? 0 : -ENOMEM;
	while (r == 0 && publishers->n_ws < options->publishers) {
		uint32_t i = publishers->n_ws++;
		struct publisher_ws *publisher = &publishers->ws[i];
		r = publisher_init(&publisher->base, &publisher_ws_ops, &publishers->load, i, (uint32_t)options->window,
		                   interval_ns);
		publisher_ws_init(publisher, clients, (uint32_t)options->connections + i);
	}
	return r;
}

int publishers_init(struct publishers *publishers, const struct bench_options *options, struct clients *clients,
                    struct ledger *ledger, struct histogram *ack)
{
	*publishers = (struct publishers){.rate = (uint64_t)options->rate};
	uint64_t interval_ns = options->rate ? (uint64_t)options->publishers * NS / (uint64_t)options->rate : 0;
	int r = init_load(&publishers->load, options, ledger, ack);
	return r != 0 ? r : init_ws(publishers, options, clients, interval_ns);
}

void publishers_deinit(struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n_ws; i++) {
		publisher_ws_deinit(&publishers->ws[i]);
		publisher_deinit(&publishers->ws[i].base);
	}
	free(publishers->ws);
	pick_deinit(&publishers->load.room);
	pick_deinit(&publishers->load.user);
	buf_deinit(&publishers->load.payload);
}

void publishers_connect(struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n_ws; i++)
		client_start(&publishers->ws[i].client);
}

bool publishers_ready(const struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n_ws; i++)
		if (!publisher_ws_ops.ready(&publishers->ws[i].base))
			return false;
	return true;
}

void publishers_start(struct publishers *publishers, uint64_t now_us)
{
	for (uint32_t i = 0; i < publishers->n_ws; i++)
		publisher_start(&publishers->ws[i].base,
		                now_us + (publishers->rate ? i * UINT64_C(1000000) / publishers->rate : 0));
}

int publishers_turn(struct publishers *publishers, uint64_t now_us)
{
	int r = 0;

	for (uint32_t i = 0; i < publishers->n_ws && r == 0; i++)
		r = publisher_turn(&publishers->ws[i].base, now_us);
	return r;
}

void publishers_give_up(struct publishers *publishers)
{
	for (uint32_t i = 0; i < publishers->n_ws; i++)
		publisher_lost(&publishers->ws[i].base);
}
