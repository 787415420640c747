/* The journal as a file: what one process writes the next one reads, whatever happens to the writing. */
#include "bus/rabbitmq/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check_main.h"

static char dir[64];
static char path[128];
static const struct journal_header header = {
    .boot = "b-1", .vhost = "grid", .queue = "grid.node.n1", .epoch = "01KC0000000000000000000000"};
static const struct journal_keys none;

static void begin_test(void)
{
	log_set_level((enum log_level) - 1);
	strcpy(dir, "/tmp/grid-journal.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/n1.journal", dir);
}

static void end_test(void)
{
	chmod(dir, 0700);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left */
}

static struct journal *opened(void)
{
	struct journal *j = NULL;
	ck_assert_int_eq(journal_new(dir, "n1", &j), 0);
	return j;
}

static struct journal *begun(void)
{
	struct journal *j = opened();
	journal_begin(j, &header, &none);
	return j;
}

static struct key user(int i)
{
	struct key key;
	char name[32];
	snprintf(name, sizeof(name), "%d", i);
	ck_assert_int_eq(key_from_name(KEY_USER, str_from(name), &key), 0);
	return key;
}

static void add(struct journal *j, enum journal_mark mark, int i)
{
	struct key key = user(i);
	journal_add(j, mark, &key);
}

static void bind(struct journal *j, int i)
{
	add(j, JOURNAL_BINDING, i);
	add(j, JOURNAL_BOUND, i);
}

/* As the next process finds it. */
static void expect(size_t bound, size_t unsure)
{
	struct journal_header found;
	struct journal_keys keys;
	struct journal *j = opened();

	ck_assert_int_eq(journal_load(j, &found, &keys), 0);
	ck_assert_str_eq(found.queue, header.queue);
	ck_assert_str_eq(found.epoch, header.epoch);
	ck_assert_uint_eq(keys.n_bound, bound);
	ck_assert_uint_eq(keys.n_unsure, unsure);
	journal_keys_deinit(&keys);
	journal_free(j);
}

static void expect_load(int want)
{
	struct journal_header found;
	struct journal_keys keys;
	struct journal *j = opened();

	ck_assert_int_eq(journal_load(j, &found, &keys), want);
	journal_free(j);
}

static off_t size(void)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

static void put_file(const char *text)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(written_and_read)
{
	begin_test();
	expect_load(JOURNAL_E_NONE);
	struct journal *j = begun();
	expect(0, 0);
	bind(j, 1);
	bind(j, 2);
	add(j, JOURNAL_BINDING, 3);
	expect(0, 0); /* not before it is flushed */
	journal_flush(j);
	expect(2, 1);
	add(j, JOURNAL_UNBINDING, 1);
	journal_free(j); /* flushes */
	expect(1, 2);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	end_test();
}
END_TEST

START_TEST(taken_over_with_its_keys)
{
	struct journal_header found;
	struct journal_keys keys;

	begin_test();
	struct journal *j = begun();
	bind(j, 1);
	add(j, JOURNAL_BINDING, 2);
	journal_free(j);
	j = opened();
	ck_assert_int_eq(journal_load(j, &found, &keys), 0);
	journal_begin(j, &found, &keys);
	journal_keys_deinit(&keys);
	expect(1, 1);
	add(j, JOURNAL_UNBOUND, 2);
	journal_free(j);
	expect(1, 0);
	end_test();
}
END_TEST

START_TEST(another_header_over_the_same_keys)
{
	struct journal_header other = header, found;
	struct journal_keys keys;

	begin_test();
	struct journal *j = begun();
	bind(j, 1);
	strcpy(other.left[other.n_left++], "grid.node.n1.01KB0000000000000000000000");
	journal_set_header(j, &other);
	bind(j, 2);
	journal_flush(j);
	ck_assert_int_eq(journal_load(j, &found, &keys), 0);
	ck_assert_uint_eq(found.n_left, 1);
	ck_assert_str_eq(found.left[0], other.left[0]);
	journal_keys_deinit(&keys);
	journal_free(j);
	expect(2, 0);
	end_test();
}
END_TEST

/* Clients who come and go for ever do not fill the disk. */
START_TEST(dead_lines_go)
{
	begin_test();
	struct journal *j = begun();
	for (int i = 0; i < 100; i++)
		bind(j, i);
	for (int round = 0; round < 10000; round++) {
		bind(j, 1000 + round);
		add(j, JOURNAL_UNBINDING, 1000 + round);
		add(j, JOURNAL_UNBOUND, 1000 + round);
		journal_flush(j);
		ck_assert_int_lt(size(), 30000);
	}
	journal_free(j);
	expect(100, 0);
	end_test();
}
END_TEST

static size_t lines(void)
{
	FILE *file = fopen(path, "r");
	size_t n = 0;

	ck_assert_ptr_nonnull(file);
	for (int c; (c = getc(file)) != EOF;)
		n += c == '\n';
	fclose(file);
	return n;
}

/* Nor do links that are lost again and again: after each all is bound anew, so many at once as the bus takes. */
START_TEST(keys_bound_anew_for_ever)
{
	enum { KEYS = 1000, WINDOW = 250, HEADER_LINES = 5 };

	begin_test();
	struct journal *j = begun();
	for (int life = 0; life < 20; life++) {
		for (int i = 0; i < KEYS; i += WINDOW) {
			for (int k = i; k < i + WINDOW; k++)
				add(j, JOURNAL_BINDING, k);
			journal_flush(j);
			if (life > 0)
				expect(KEYS, 0); /* whatever happens now */
			for (int k = i; k < i + WINDOW; k++)
				add(j, JOURNAL_BOUND, k);
			journal_flush(j);
			ck_assert_uint_le(lines(), HEADER_LINES + 3 * KEYS + 1024);
		}
	}
	journal_free(j);
	expect(KEYS, 0);
	end_test();
}
END_TEST

START_TEST(many_keys_one_write)
{
	begin_test();
	struct journal *j = begun();
	off_t before = size();
	for (int i = 0; i < 20000; i++) {
		bind(j, i);
		ck_assert_int_eq(size(), before);
	}
	journal_flush(j);
	journal_free(j);
	expect(20000, 0);
	end_test();
}
END_TEST

static void limit_files(rlim_t bytes)
{
	const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As on a full disk: the write comes to a stop in the middle. */
START_TEST(a_write_that_fails_removes_it)
{
	begin_test();
	struct journal *j = begun();
	bind(j, 1);
	journal_flush(j);
	limit_files((rlim_t)size() + 5);
	bind(j, 2);
	journal_flush(j);
	expect_load(JOURNAL_E_NONE);
	limit_files(RLIM_INFINITY);
	bind(j, 3); /* it stays so in this process: what was lost is not known */
	journal_begin(j, &header, &none);
	journal_set_header(j, &header);
	journal_flush(j);
	expect_load(JOURNAL_E_NONE);
	journal_free(j);
	end_test();
}
END_TEST

START_TEST(a_rewrite_that_fails_removes_it)
{
	begin_test();
	struct journal *j = begun();
	for (int i = 0; i < 100; i++)
		bind(j, i);
	journal_flush(j);
	limit_files(200);
	journal_set_header(j, &header);
	limit_files(RLIM_INFINITY);
	expect_load(JOURNAL_E_NONE);
	journal_free(j);
	end_test();
}
END_TEST

START_TEST(a_folder_that_is_gone_or_not_ours)
{
	begin_test();
	struct journal *j = begun();
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
	bind(j, 1);
	journal_flush(j); /* goes on in a file that has no name any more */
	journal_set_header(j, &header);
	journal_free(j);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	expect_load(JOURNAL_E_NONE);
	end_test();
}
END_TEST

START_TEST(what_is_no_journal)
{
	begin_test();
	put_file("");
	expect_load(JOURNAL_E_GARBAGE);
	put_file("\x7f\x45LF");
	expect_load(JOURNAL_E_GARBAGE);
	put_file("grid-journal 9\n");
	expect_load(JOURNAL_E_VERSION);
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_load(JOURNAL_E_GARBAGE);
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody waits for it */
	expect_load(JOURNAL_E_GARBAGE);
	end_test();
}
END_TEST

/* Two processes with one id: only the one that has the queue begins the file, and the other keeps off it from then on.
 */
START_TEST(one_that_lost_it_keeps_off)
{
	begin_test();
	struct journal *first = begun();
	bind(first, 1);
	journal_flush(first);
	ck_assert(!journal_taken_over(first));
	struct journal *second = begun();
	bind(second, 2);
	bind(second, 3);
	journal_flush(second);
	ck_assert(journal_taken_over(first));
	ck_assert(!journal_taken_over(second));
	for (int i = 10; i < 5000; i++)
		add(first, JOURNAL_UNBOUND, i); /* enough for a rewrite */
	journal_flush(first);
	expect(2, 0);
	journal_drop(first);
	expect(2, 0);
	journal_free(first);
	journal_free(second);
	end_test();
}
END_TEST

START_TEST(dropped)
{
	begin_test();
	struct journal *j = begun();
	bind(j, 1);
	journal_drop(j);
	expect_load(JOURNAL_E_NONE);
	bind(j, 2);
	journal_free(j);
	expect_load(JOURNAL_E_NONE);
	end_test();
}
END_TEST

START_TEST(none_at_all)
{
	struct key key = user(1);

	journal_begin(NULL, &header, &none);
	journal_set_header(NULL, &header);
	journal_add(NULL, JOURNAL_BOUND, &key);
	journal_flush(NULL);
	journal_drop(NULL);
	ck_assert(!journal_taken_over(NULL));
	ck_assert_ptr_null(journal_free(NULL));
}
END_TEST

CHECK_MAIN("bus.journal", written_and_read, taken_over_with_its_keys, another_header_over_the_same_keys, dead_lines_go,
           keys_bound_anew_for_ever, many_keys_one_write, a_write_that_fails_removes_it,
           a_rewrite_that_fails_removes_it, a_folder_that_is_gone_or_not_ours, what_is_no_journal,
           one_that_lost_it_keeps_off, dropped, none_at_all)
