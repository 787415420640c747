/* Payloads: what is written is read back, and nothing else is. */
#include "bench/payload.h"

#include <stdlib.h>

#include "check_main.h"
#include "wire/json.h"

#define ROOMS 10

static struct str written(struct buf *out, struct message_id id, uint64_t us, size_t size)
{
	const struct payload payload = {id, us};

	buf_reset(out);
	payload_put(out, STR("run-1"), &payload, ROOMS, size);
	return buf_str(out);
}

START_TEST(comes_back_as_it_was)
{
	static const struct message_id ids[] = {{0, 0, 0}, {3, 9, 1234}, {7, 10, 5}, {99999, 25000, 4000000000u}};
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct payload read;

	for (size_t i = 0; i < GRID_ARRAY_LEN(ids); i++) {
		struct str text = written(&out, ids[i], 1234567890123, 0);
		ck_assert(json_valid(text));
		ck_assert(payload_read(text, STR("run-1"), ROOMS, &read));
		ck_assert_mem_eq(&read.id, &ids[i], sizeof(ids[i]));
		ck_assert_uint_eq(read.published_us, 1234567890123);
	}
}
END_TEST

START_TEST(is_written_as_documented)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	ck_assert(str_eq(written(&out, (struct message_id){3, 2, 12}, 99, 0),
	                 STR("{\"b\":\"run-1\",\"p\":\"00000003\",\"k\":\"r00000002\",\"n\":\"0000000000000012\","
	                     "\"t\":\"0000000000000099\",\"pad\":\"\"}")));
	ck_assert(str_eq(written(&out, (struct message_id){3, ROOMS + 2, 12}, 99, 107),
	                 STR("{\"b\":\"run-1\",\"p\":\"00000003\",\"k\":\"u00000002\",\"n\":\"0000000000000012\","
	                     "\"t\":\"0000000000000099\",\"pad\":\"xxxxxxxx\"}")));
}
END_TEST

START_TEST(is_padded_to_its_size)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	for (size_t size = 100; size < 70000; size = size * 2 + 1)
		ck_assert_uint_eq(written(&out, (struct message_id){1, 2, 3}, 4, size).n, size);
	/* And all of a run have the same, however small it was to be. */
	ck_assert_uint_eq(written(&out, (struct message_id){0, 0, 0}, 0, 1).n, payload_size(STR("run-1"), 1));
	ck_assert_uint_eq(written(&out, (struct message_id){99999, 2000000, 4000000000u}, UINT64_C(1) << 50, 1).n,
	                  payload_size(STR("run-1"), 1));
}
END_TEST

START_TEST(is_stamped_anew)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf later GRID_CLEANUP(buf_deinit) = BUF_INIT;

	written(&out, (struct message_id){3, 2, 12}, 99, 200);
	payload_stamp(&out, STR("run-1"), 1234567890123);
	ck_assert(str_eq(buf_str(&out), written(&later, (struct message_id){3, 2, 12}, 1234567890123, 200)));
}
END_TEST

#define OURS(run, p, k, n, t)                                                                                          \
	"{\"b\":\"" run "\",\"p\":\"" p "\",\"k\":\"" k "\",\"n\":\"" n "\",\"t\":\"" t "\",\"pad\":\"\"}"
#define P "00000003"
#define K "r00000002"
#define N "0000000000000012"
#define T "0000000000000099"
/* Long enough, but not ours. */
#define BARE_NUMBERS                                                                                                   \
	"{\"b\":\"run-1\",\"p\":3,\"k\":\"r2\",\"n\":12,\"t\":99,"                                                         \
	"\"pad\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"

START_TEST(refuses_what_is_not_ours)
{
	static const char *const texts[] = {
	    "",
	    "null",
	    "{}",
	    OURS("run-2", P, K, N, T),
	    OURS("run-11", P, K, N, T),
	    OURS("run-1", "", K, N, T),
	    OURS("run-1", "0000003x", K, N, T),
	    OURS("run-1", "0000000:", K, N, T), /* the bytes beside the digits */
	    OURS("run-1", "/0000003", K, N, T),
	    OURS("run-1", "\2600000003", K, N, T),
	    OURS("run-1", "3", K, N, T),
	    OURS("run-1", P, "r00000010", N, T), /* there are ten rooms */
	    OURS("run-1", P, "x00000002", N, T),
	    OURS("run-1", P, K, "0000004294967295", T),
	    OURS("run-1", P, K, N, "-000000000000001"),
	    OURS("run-1", P, K, N, "99999999 9999999"),
	    BARE_NUMBERS,
	};
	struct payload read;

	ck_assert(payload_read(STR(OURS("run-1", P, K, N, T)), STR("run-1"), ROOMS, &read));
	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		ck_assert_msg(!payload_read(str_from(texts[i]), STR("run-1"), ROOMS, &read), "%s", texts[i]);
}
END_TEST

/* Every byte in every place of a number: only digits are taken, and for what they are. */
START_TEST(numbers_are_digits)
{
	static const char sample[] = OURS("run-1", "12345678", K, N, T);
	const size_t at = sizeof("{\"b\":\"run-1\",\"p\":\"") - 1;
	char text[sizeof(sample)];
	struct payload read;

	for (size_t i = 0; i < 8; i++) {
		for (int byte = 0; byte < 256; byte++) {
			memcpy(text, sample, sizeof(text));
			text[at + i] = (char)byte;
			bool digit = byte >= '0' && byte <= '9';
			bool ok = payload_read((struct str){text, sizeof(text) - 1}, STR("run-1"), ROOMS, &read);
			ck_assert_msg(ok == digit, "byte %d in place %zu", byte, i);
			if (ok)
				ck_assert_uint_eq(read.id.publisher,
				                  strtoul((char[9]){text[at], text[at + 1], text[at + 2], text[at + 3], text[at + 4],
				                                    text[at + 5], text[at + 6], text[at + 7]},
				                          NULL, 10));
		}
	}
}
END_TEST

START_TEST(what_is_cut_off_is_refused)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct payload read;
	struct str text = written(&out, (struct message_id){3, 2, 12}, 99, 0);

	for (size_t n = 0; n + 2 < text.n; n++) {
		char *exact = malloc(n ? n : 1);
		memcpy(exact, text.p, n);
		ck_assert(!payload_read((struct str){exact, n}, STR("run-1"), ROOMS, &read));
		free(exact);
	}
}
END_TEST

CHECK_MAIN("bench.payload", comes_back_as_it_was, is_written_as_documented, is_padded_to_its_size, is_stamped_anew,
           refuses_what_is_not_ours, numbers_are_digits, what_is_cut_off_is_refused)
