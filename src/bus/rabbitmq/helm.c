#include "bus/rabbitmq/helm.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/rabbitmq/link.h"

#define TURNS_EVERY_MS 100 /* of the bus, whatever happens (bus_turn()) */
#define LOOK_EVERY_MS 50   /* at the earliest: with these, every 150 ms */

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct helm *h = io->data;
	(void)loop;
	(void)revents;
	if (!helm_with_loop(h))
		return; /* given back since the socket was looked at */
	h->came = true;
	h->env.turn(h->env.turn_arg);
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct helm *h = timer->data;
	(void)loop;
	(void)revents;
	h->is_due = true;
	h->env.turn(h->env.turn_arg);
}

int helm_init(struct helm *h, struct link *link, const struct bus_env *env)
{
	*h = (struct helm){.link = link, .env = *env};
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll_fd < 0)
		return -errno;
	ev_io_init(&h->readable, on_readable, h->epoll_fd, EV_READ);
	ev_timer_init(&h->due, on_due, 0., 0.);
	h->readable.data = h->due.data = h;
	ev_io_start(h->env.loop, &h->readable);
	return 0;
}

void helm_deinit(struct helm *h)
{
	ev_io_stop(h->env.loop, &h->readable);
	ev_timer_stop(h->env.loop, &h->due);
	close(h->epoll_fd);
}

int helm_lend(struct helm *h)
{
	h->outcome = 0;
	h->came = true;
	atomic_store(&h->with_loop, true);
	h->env.wake(h->env.wake_arg);
	while (atomic_load(&h->with_loop) && !link_stopping(h->link))
		link_sleep(h->link, -1);
	return h->outcome;
}

bool helm_with_loop(const struct helm *h)
{
	return atomic_load(&h->with_loop);
}

bool helm_nothing_came(const struct helm *h, uint64_t now_ms)
{
	return !h->came && !h->is_due && now_ms < h->look_at_ms && !link_holds_more(h->link);
}

bool helm_begin_turn(struct helm *h, uint64_t now_ms)
{
	bool came = h->came;
	bool look = !came && now_ms >= h->look_at_ms;

	if (look)
		h->look_at_ms = now_ms + LOOK_EVERY_MS;
	h->link->mail_only = !came && !look;
	h->came = h->is_due = false;
	return came;
}

static void set_timer(struct helm *h, uint64_t wait_ms)
{
	ev_timer_stop(h->env.loop, &h->due);
	if (wait_ms >= TURNS_EVERY_MS)
		return;
	ev_timer_set(&h->due, (double)wait_ms / 1000, 0.);
	ev_timer_start(h->env.loop, &h->due);
}

void helm_end_turn(struct helm *h, uint64_t wait_ms)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (!h->watching && epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, link_socket(h->link), &event) != 0) {
		helm_give_back(h, link_fail(h->link, "the loop cannot watch its socket: %s", strerrordesc_np(errno)));
		return;
	}
	h->watching = true;
	set_timer(h, wait_ms);
}

void helm_turn_soon(struct helm *h)
{
	h->env.wake(h->env.wake_arg);
}

void helm_give_back(struct helm *h, int outcome)
{
	struct epoll_event event = {.events = 0};

	if (h->watching && epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, link_socket(h->link), &event) != 0)
		log_warn("bus.wake", "link=%s errno=%d", h->link->role, errno);
	h->watching = false;
	ev_timer_stop(h->env.loop, &h->due);
	h->link->mail_only = false;
	h->outcome = outcome;
	atomic_store(&h->with_loop, false);
	link_wake(h->link);
}
