#include "bench/fleet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SOURCES_MAX 200 /* 127.0.0.1 to 127.0.0.200 */

/* --- where from and where to -------------------------------------------------------------------------------------- */

static int add_source(struct clients *clients, const char *text, struct buf *errp)
{
	struct sockaddr_in *source = &clients->sources[clients->n_sources++];

	source->sin_family = AF_INET;
	if (inet_pton(AF_INET, text, &source->sin_addr) == 1)
		return 0;
	buf_printf(errp, "--sources: %s is no IPv4 address, nor a number from 1 to %d\n", text, SOURCES_MAX);
	return FLEET_E_USAGE;
}

static int init_sources(struct clients *clients, const struct option_strings *items, struct buf *errp)
{
	char text[32];
	const char *first = items->n ? items->items[0] : "";
	bool counted = items->n == 1 && *first && first[strspn(first, "0123456789")] == '\0';
	unsigned long n = counted ? strtoul(first, NULL, 10) : items->n;
	int r = 0;

	if (counted && (n == 0 || n > SOURCES_MAX)) {
		buf_printf(errp, "--sources: expected a number from 1 to %d, got %s\n", SOURCES_MAX, first);
		return FLEET_E_USAGE;
	}
	clients->sources = calloc(n + 1, sizeof(*clients->sources));
	if (!clients->sources)
		return -ENOMEM;
	for (unsigned long i = 0; i < n && r == 0; i++) {
		snprintf(text, sizeof(text), "127.0.0.%lu", i + 1);
		r = add_source(clients, counted ? text : items->items[i], errp);
	}
	return r;
}

static int init_urls(struct url_list *urls, const struct clients *clients, const char *option,
                     const struct option_strings *items, struct buf *errp)
{
	const char *why = NULL;

	urls->items = calloc(items->n, sizeof(*urls->items));
	if (!urls->items)
		return -ENOMEM;
	for (; urls->n < items->n; urls->n++) {
		const char *text = items->items[urls->n];
		struct url *url = &urls->items[urls->n];
		if (url_parse(text, clients->dialect->ops->path, url) != 0) {
			buf_printf(errp, "--%s: expected ws://host:port/path, got %s\n", option, text);
			return FLEET_E_USAGE;
		}
		if (url_resolve(url, clients->n_sources ? AF_INET : AF_UNSPEC, &why) != 0) {
			buf_printf(errp, "--%s: %s: %s\n", option, text, why);
			return FLEET_E_USAGE;
		}
	}
	return 0;
}

/* --- who is where ------------------------------------------------------------------------------------------------- */

static bool has(const uint32_t *rooms, uint32_t n, uint32_t room)
{
	for (uint32_t i = 0; i < n; i++)
		if (rooms[i] == room)
			return true;
	return false;
}

/* Uniform: every room gets as many users as any other. Else by lot, no room twice. */
static void choose_rooms(uint32_t *rooms, uint32_t user, uint32_t n, const struct pick *pick, struct dice *dice)
{
	for (uint32_t k = 0; k < n; k++) {
		uint32_t room = pick->distribution == DISTRIBUTION_UNIFORM ? (uint32_t)(((uint64_t)user * n + k) % pick->n)
		                                                           : pick_next(pick, dice);
		while (has(rooms, k, room))
			room = (room + 1) % pick->n;
		rooms[k] = room;
	}
}

static int distribute(struct fleet *fleet, const struct bench_options *options)
{
	struct dice dice = dice_of(1); /* the same every time */
	struct pick pick;
	uint32_t users = (uint32_t)options->users, n = (uint32_t)options->rooms_per_user;

	fleet->rooms_of = calloc((size_t)users * n + 1, sizeof(*fleet->rooms_of));
	if (!fleet->rooms_of)
		return -ENOMEM;
	int r = pick_init(&pick, (enum distribution)options->distribution, (uint32_t)options->rooms);
	for (uint32_t user = 0; user < users && r == 0; user++)
		choose_rooms(fleet->rooms_of + (size_t)user * n, user, n, &pick, &dice);
	pick_deinit(&pick);
	return r;
}

/* Where nothing can be asked for, the URL says what comes. Elsewhere users are asked for if somebody publishes to them:
 * what nobody needs would cost the server. */
static void choose_what_is_received(struct fleet *fleet, const struct bench_options *options)
{
	struct receivers *shared = &fleet->shared;
	const struct dialect_ops *ops = fleet->clients.dialect->ops;
	bool names_user = bench_options_mention(&options->url, URL_USER);
	bool names_room = bench_options_mention(&options->url, URL_ROOM) || !names_user;

	shared->rooms_received = shared->rooms_per_user;
	shared->user_received = options->to != TO_ROOMS || !(ops->joins & DIALECT_JOINS_USER);
	if (!ops->joins) {
		shared->rooms_received = names_room && shared->rooms_per_user ? 1 : 0;
		shared->user_received = names_user;
	}
}

static int init_receivers(struct fleet *fleet, const struct bench_options *options)
{
	fleet->receivers = calloc((size_t)options->connections + 1, sizeof(*fleet->receivers));
	int r = fleet->receivers ? 0 : -ENOMEM;
	while (r == 0 && fleet->n < options->connections) {
		uint32_t i = fleet->n++;
		r = receiver_init(&fleet->receivers[i], &fleet->shared, i % (uint32_t)options->users, i);
	}
	return r;
}

int fleet_init(struct fleet *fleet, const struct bench_options *options, const struct dialect *dialect,
               struct reactor *reactor, struct ledger *ledger, struct histogram *delivery, struct buf *errp)
{
	const struct option_strings *publish_urls = bench_options_publish_urls(options);

	*fleet = (struct fleet){
	    .clients = {.dialect = dialect, .pin = options->pin, .timeout_ms = (uint64_t)options->connect_timeout}};
	fleet->shared = (struct receivers){.clients = &fleet->clients,
	                                   .ledger = ledger,
	                                   .delivery = delivery,
	                                   .rooms_per_user = (uint32_t)options->rooms_per_user};
	choose_what_is_received(fleet, options);
	int r = ws_shared_init(&fleet->clients.ws, reactor, clock_mono_us());
	if (r == 0)
		r = init_sources(&fleet->clients, &options->sources, errp);
	if (r == 0)
		r = init_urls(&fleet->clients.urls, &fleet->clients, "url", &options->url, errp);
	if (r == 0)
		r = init_urls(&fleet->clients.publish_urls, &fleet->clients, "publish-url", publish_urls, errp);
	if (r == 0)
		r = distribute(fleet, options);
	fleet->shared.rooms_of = fleet->rooms_of;
	return r != 0 ? r : init_receivers(fleet, options);
}

void fleet_deinit(struct fleet *fleet)
{
	for (uint32_t i = 0; i < fleet->n; i++)
		receiver_deinit(&fleet->receivers[i]);
	free(fleet->receivers);
	free(fleet->rooms_of);
	free(fleet->clients.urls.items);
	free(fleet->clients.publish_urls.items);
	free(fleet->clients.sources);
	ws_shared_deinit(&fleet->clients.ws);
}

void fleet_start(struct fleet *fleet, uint64_t rate)
{
	uint64_t now_us = fleet->clients.ws.reactor->now_us;

	if (!fleet->started_at_us)
		fleet->started_at_us = now_us;
	while (fleet->n_started < fleet->n && fleet->n_started <= (now_us - fleet->started_at_us) * rate / 1000000)
		client_start(&fleet->receivers[fleet->n_started++].client);
}

/* --- when it does not come to that -------------------------------------------------------------------------------- */

bool fleet_hopeless(const struct fleet *fleet)
{
	const struct clients *clients = &fleet->clients;

	if (clients->stopped)
		return true;
	for (size_t i = 0; i < clients->urls.n; i++)
		if (!clients->urls.items[i].refused)
			return false;
	return clients->welcomes == 0;
}

void fleet_why(const struct fleet *fleet, struct buf *out)
{
	const struct clients *clients = &fleet->clients;
	const struct ws_end *end = &clients->last_end;

	if (!clients->last_url) {
		buf_printf(out, "only %zu of %u connections are in their rooms; the grid answers no more\n",
		           fleet->shared.complete, fleet->n);
		return;
	}
	buf_printf(out, "cannot connect to %s: ", clients->last_url->text);
	if (end->status)
		buf_printf(out, "HTTP status %d\n", end->status);
	else if (end->error)
		buf_printf(out, "%s\n", strerrordesc_np(end->error));
	else
		buf_printf(out, "closed with code %u\n", end->code);
	if (end->error == ECONNREFUSED)
		buf_puts(out, "is there a grid? scripts/run starts one; --url says where it is\n");
}
