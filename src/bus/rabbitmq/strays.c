#include "bus/rabbitmq/strays.h"

#include "bus/rabbitmq/setup.h"

#define RETRY_MS 1000 /* after the broker refused one */
#define STUCK_MS 1000 /* without any answer */

void strays_init(struct strays *s, size_t prefetch)
{
	*s = (struct strays){.prefetch = prefetch};
}

void strays_push(struct strays *s, struct letter *letter)
{
	letters_push(&s->waiting, letter);
}

static size_t out_max(const struct strays *s)
{
	size_t quarter = s->prefetch < 4 ? 1 : s->prefetch / 4;
	return quarter < STRAYS_MAX ? quarter : STRAYS_MAX;
}

struct letter *strays_next(struct strays *s, uint64_t now_ms)
{
	if (s->out >= out_max(s) || now_ms < s->retry_ms)
		return NULL;
	struct letter *letter = letters_pop(&s->waiting);
	if (letter && s->out++ == 0)
		s->moved_ms = now_ms;
	return letter;
}

void strays_back(struct strays *s, enum letter_result result, uint64_t now_ms)
{
	GRID_ASSERT(s->out > 0);
	s->out--;
	s->moved_ms = now_ms;
	if (result == LETTER_REFUSED)
		s->retry_ms = now_ms + RETRY_MS;
}

bool strays_stuck(const struct strays *s, bool publisher_up, uint64_t now_ms)
{
	return !publisher_up || now_ms < s->retry_ms || (s->out && now_ms - s->moved_ms >= STUCK_MS);
}

static size_t count(const struct letters *letters, unsigned life)
{
	size_t n = 0;

	for (const struct letter *l = letters->head; l; l = l->next)
		n += l->delivery->life == life;
	return n;
}

struct letters strays_surplus(struct strays *s, unsigned life)
{
	struct letters before = s->waiting, surplus = {0};
	size_t taken = s->out + count(&before, life), half = s->prefetch / 2;

	s->waiting = (struct letters){0};
	for (struct letter *l = letters_pop(&before); l; l = letters_pop(&before)) {
		bool goes = taken > half && l->delivery->life == life;
		taken -= goes;
		letters_push(goes ? &surplus : &s->waiting, l);
	}
	return surplus;
}
