/* The stream of a room: every reader gets every byte from where it began, at any pace, and nothing is kept longer. */
#include "bench/limit/stream.h"

#include "bench/pick.h"
#include "check_main.h"

static struct stream stream;

static void setup(void)
{
	stream = (struct stream){0};
}

static void teardown(void)
{
	stream_deinit(&stream);
}

static void put(const char *text)
{
	struct buf *bytes = stream_open(&stream);

	ck_assert_ptr_nonnull(bytes);
	buf_puts(bytes, text);
}

static void assert_rest(const struct reader *reader, const char *expected)
{
	ck_assert_ptr_nonnull(reader->chunk);
	ck_assert(str_eq(reader_rest(reader), str_from(expected)));
}

START_TEST(uses_one_chunk_while_nobody_is_behind)
{
	put("one");
	put("two");
	ck_assert(str_eq(stream_fresh(&stream), STR("onetwo")));
	const struct chunk *chunk = stream.open;
	for (int i = 0; i < 100; i++) {
		stream_seal(&stream);
		ck_assert(str_eq(stream_fresh(&stream), STR("")));
		put("more");
		ck_assert_ptr_eq(stream.open, chunk);
	}
	ck_assert_ptr_null(stream.first);
	ck_assert_ptr_null(stream.spare);
	ck_assert_uint_eq(stream.end, strlen("onetwo") + 99 * strlen("more"));
}
END_TEST

START_TEST(keeps_what_a_reader_has_not_got)
{
	struct reader reader = {0};

	put("first");
	ck_assert_uint_eq(reader_behind(&stream, &reader), 0);
	reader_begin(&stream, &reader, 2);
	ck_assert_uint_eq(reader_behind(&stream, &reader), 3);
	stream_seal(&stream);
	put("second");
	ck_assert_uint_eq(reader_behind(&stream, &reader), 3 + 6);
	assert_rest(&reader, "rst");
	reader_took(&stream, &reader, 1);
	assert_rest(&reader, "st");
	stream_seal(&stream);
	reader_took(&stream, &reader, 2);
	assert_rest(&reader, "second");
	ck_assert_uint_eq(reader_behind(&stream, &reader), 6);
	reader_took(&stream, &reader, 6);
	ck_assert_ptr_null(reader.chunk);
	ck_assert_uint_eq(reader_behind(&stream, &reader), 0);
	ck_assert_ptr_null(stream.first);
}
END_TEST

/* Who has caught up is sent what is open with all others: it must not read it, too. */
START_TEST(hides_what_is_open)
{
	struct reader reader = {0};

	put("sealed");
	reader_begin(&stream, &reader, 0);
	stream_seal(&stream);
	put("open");
	reader_took(&stream, &reader, 6);
	ck_assert_ptr_null(reader.chunk);
	ck_assert(str_eq(stream_fresh(&stream), STR("open")));
}
END_TEST

START_TEST(lets_go_when_the_last_reader_leaves)
{
	struct reader slow = {0}, slower = {0};

	put("one");
	reader_begin(&stream, &slow, 0);
	reader_begin(&stream, &slower, 1);
	stream_seal(&stream);
	put("two");
	stream_seal(&stream);
	reader_took(&stream, &slow, 3);
	ck_assert_ptr_nonnull(stream.first);
	reader_leave(&stream, &slower);
	assert_rest(&slow, "two");
	ck_assert_ptr_eq(stream.first, stream.last);
	reader_leave(&stream, &slow);
	reader_leave(&stream, &slow);
	ck_assert_ptr_null(stream.first);
	ck_assert_ptr_null(stream.last);
}
END_TEST

/* Readers that take any part at any time: each must see 0 1 2 … 255 0 1 … from where it began. */
enum { READERS = 5, STEPS = 20000 };

static void take_some(struct dice *dice, struct reader *reader, uint8_t *expected)
{
	struct str rest = reader_rest(reader);
	size_t n = dice_below(dice, (uint32_t)rest.n + 1);

	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq((uint8_t)rest.p[i], (*expected)++);
	reader_took(&stream, reader, n);
}

START_TEST(shows_every_reader_every_byte)
{
	struct dice dice = dice_of(7);
	struct reader readers[READERS] = {{0}};
	uint8_t expected[READERS], next = 0;

	for (int step = 0; step < STEPS; step++) {
		for (uint32_t n = dice_below(&dice, 40); n > 0; n--)
			buf_putc(stream_open(&stream), (char)next++);
		size_t fresh = stream_fresh(&stream).n;
		for (int i = 0; i < READERS && fresh; i++) {
			if (readers[i].chunk || dice_below(&dice, 4))
				continue;
			size_t at = dice_below(&dice, (uint32_t)fresh);
			reader_begin(&stream, &readers[i], at);
			expected[i] = (uint8_t)(next - fresh + at);
		}
		stream_seal(&stream);
		for (int i = 0; i < READERS; i++)
			for (uint32_t turns = dice_below(&dice, 4); turns > 0 && readers[i].chunk; turns--)
				take_some(&dice, &readers[i], &expected[i]);
	}
	for (int i = 0; i < READERS; i++)
		reader_leave(&stream, &readers[i]);
}
END_TEST

CHECK_MAIN_WITH("bench.limit_stream", setup, teardown, uses_one_chunk_while_nobody_is_behind,
                keeps_what_a_reader_has_not_got, hides_what_is_open, lets_go_when_the_last_reader_leaves,
                shows_every_reader_every_byte)
