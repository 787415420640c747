/* The text of a journal: the last line of a key counts, what was being written does not, anything else is refused. */
#include "bus/rabbitmq/journal_text.h"

#include <stdlib.h>

#include "check_main.h"

#define EPOCH "01KC0000000000000000000000"
#define HEADER                                                                                                         \
	"grid-journal 1\nboot b-1\nvhost my grid\nqueue grid.node.n1\nepoch " EPOCH "\nleft grid.node.n1."                 \
	"01KB0000000000000000000000\n"

static struct journal_header header;
static struct journal_keys keys;

static int parse(const char *text)
{
	return journal_parse(str_from(text), &header, &keys);
}

/* The keys as they would be written anew. */
static void expect_keys(const char *lines, const char *want)
{
	struct buf text = BUF_INIT, out = BUF_INIT;

	buf_printf(&text, "%s%s", HEADER, lines);
	ck_assert_int_eq(journal_parse(buf_str(&text), &header, &keys), 0);
	journal_put_keys(&out, &keys);
	buf_putc(&out, '\0');
	ck_assert_str_eq(out.p, want);
	journal_keys_deinit(&keys);
	buf_deinit(&text);
	buf_deinit(&out);
}

START_TEST(a_header)
{
	struct buf out = BUF_INIT;

	ck_assert_int_eq(parse(HEADER), 0);
	ck_assert_str_eq(header.boot, "b-1");
	ck_assert_str_eq(header.vhost, "my grid");
	ck_assert_str_eq(header.queue, "grid.node.n1");
	ck_assert_str_eq(header.epoch, EPOCH);
	ck_assert_uint_eq(header.n_left, 1);
	ck_assert_str_eq(header.left[0], "grid.node.n1.01KB0000000000000000000000");
	ck_assert_uint_eq(keys.n_bound + keys.n_unsure, 0);
	journal_keys_deinit(&keys);
	journal_put_header(&out, &header);
	buf_putc(&out, '\0');
	ck_assert_str_eq(out.p, HEADER);
	buf_deinit(&out);
}
END_TEST

START_TEST(the_last_line_of_a_key_counts)
{
	expect_keys("+user.1\n=user.1\n", "=user.1\n");
	expect_keys("+user.1\n", "+user.1\n");
	expect_keys("=user.1\n~user.1\n", "+user.1\n");
	expect_keys("=user.1\n~user.1\n-user.1\n", "");
	expect_keys("=user.1\n~user.1\n-user.1\n+user.1\n=user.1\n", "=user.1\n");
	expect_keys("=user.1\n~user.1\n+user.1\n", "+user.1\n");
	expect_keys("+room.b\n+room.a\n=room.b\n=room.a\n~room.b\n+room.a.c\n", "=room.a\n+room.a.c\n+room.b\n");
}
END_TEST

/* After a lost link. */
START_TEST(what_is_bound_anew_is_bound_all_the_while)
{
	expect_keys("=user.1\n+user.1\n", "=user.1\n");
	expect_keys("=user.1\n+user.1\n+user.1\n", "=user.1\n");
	expect_keys("=user.1\n+user.1\n~user.1\n", "+user.1\n");
	expect_keys("=user.1\n+user.1\n~user.1\n+user.1\n", "+user.1\n");
	expect_keys("=user.1\n+user.2\n", "=user.1\n+user.2\n");
}
END_TEST

START_TEST(one_key_may_begin_another)
{
	expect_keys("=user.1\n=user.10\n-user.1\n", "=user.10\n");
	expect_keys("=user.10\n=user.1\n-user.10\n", "=user.1\n");
}
END_TEST

START_TEST(a_line_that_was_being_written_does_not_count)
{
	expect_keys("=user.1\n=user.2", "=user.1\n");
	expect_keys("=user.1\n-user.1", "=user.1\n");
	expect_keys("=user.1\n~", "=user.1\n");
	expect_keys("+", "");
}
END_TEST

START_TEST(garbage_is_refused)
{
	static const char *const texts[] = {
	    "",
	    "\n",
	    "grid-journal 1",
	    "something else\n",
	    "grid-journal 1\n",
	    "grid-journal 1\nboot b\nqueue q\n",
	    "grid-journal 1\nboot b\nqueue q\nepoch short\n",
	    "grid-journal 1\nboot b\nqueue q\nepoch " EPOCH "\nnew thing\n",
	    HEADER "user.1\n",
	    HEADER "=user.1\n\n=user.2\n",
	    HEADER "=user.%2e\n",
	    HEADER "=user.1.n\n",
	    HEADER "=room.a b\n",
	    HEADER "=node.n1\n",
	    HEADER "=\n",
	    HEADER "=user.1\nleft grid.node.n1\n",
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		ck_assert_msg(parse(texts[i]) == JOURNAL_E_GARBAGE, "%zu: %s", i, texts[i]);
	const char zeros[] = HEADER "=user.1\n\0\0\0\0\n";
	ck_assert_int_eq(journal_parse((struct str){zeros, sizeof(zeros) - 1}, &header, &keys), JOURNAL_E_GARBAGE);
	ck_assert_int_eq(parse("grid-journal 2\nboot b\n"), JOURNAL_E_VERSION);
}
END_TEST

START_TEST(too_much_for_a_field_is_refused)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "grid-journal 1\nboot b\nqueue %0300d\nepoch " EPOCH "\n", 1);
	ck_assert_int_eq(journal_parse(buf_str(&text), &header, &keys), JOURNAL_E_GARBAGE);
	buf_reset(&text);
	buf_puts(&text, HEADER);
	for (int i = 1; i <= JOURNAL_LEFT_MAX; i++)
		buf_puts(&text, "left grid.node.n1\n");
	ck_assert_int_eq(journal_parse(buf_str(&text), &header, &keys), JOURNAL_E_GARBAGE);
	buf_deinit(&text);
}
END_TEST

START_TEST(what_it_is_about)
{
	struct journal_header ours;

	ck_assert_int_eq(parse(HEADER), 0);
	ours = header;
	memcpy(ours.epoch, "01KD", 4); /* a process never has the epoch of the one before */
	ours.n_left = 0;
	ck_assert_ptr_null(journal_mismatch(&header, &ours));
	struct {
		char *field;
		const char *why;
	} cases[] = {{ours.queue, "queue"}, {ours.vhost, "virtual host"}, {ours.boot, "booted"}};
	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++) {
		cases[i].field[0] ^= 1;
		const char *why = journal_mismatch(&header, &ours);
		ck_assert_ptr_nonnull(why);
		ck_assert_ptr_nonnull(strstr(why, cases[i].why));
	}
	ours = header;
	ours.boot[0] = '\0'; /* ours is not known */
	ck_assert_ptr_nonnull(journal_mismatch(&header, &ours));
	journal_keys_deinit(&keys);
}
END_TEST

/* Any history, read at any moment: what is bound is in it, and what is certain is right. */
START_TEST(any_history)
{
	enum { KEYS = 20, STEPS = 2000 };
	static const char next[] = {['-'] = '+', ['+'] = '=', ['='] = '~', ['~'] = '-'};
	char marks[KEYS];
	struct buf text = BUF_INIT;

	srand(1);
	memset(marks, '-', sizeof(marks));
	buf_puts(&text, HEADER);
	for (int step = 0; step < STEPS; step++) {
		int k = rand() % KEYS;
		marks[k] = next[(int)marks[k]];
		buf_printf(&text, "%croom.%d\n", marks[k], k);
		if (step % 50)
			continue;
		size_t bound = 0, unsure = 0;
		for (int i = 0; i < KEYS; i++) {
			bound += marks[i] == '=';
			unsure += marks[i] == '+' || marks[i] == '~';
		}
		ck_assert_int_eq(journal_parse(buf_str(&text), &header, &keys), 0);
		ck_assert_uint_eq(keys.n_bound, bound);
		ck_assert_uint_eq(keys.n_unsure, unsure);
		for (size_t i = 0; i < keys.n_bound; i++)
			ck_assert_int_eq(marks[atoi(keys.bound[i].text + strlen("room."))], '=');
		journal_keys_deinit(&keys);
	}
	buf_deinit(&text);
}
END_TEST

CHECK_MAIN("bus.journal_text", a_header, the_last_line_of_a_key_counts, what_is_bound_anew_is_bound_all_the_while,
           one_key_may_begin_another, a_line_that_was_being_written_does_not_count, garbage_is_refused,
           too_much_for_a_field_is_refused, what_it_is_about, any_history)
