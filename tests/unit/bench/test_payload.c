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
	                 STR("{\"b\":\"run-1\",\"p\":3,\"k\":\"r2\",\"n\":12,\"t\":99,\"pad\":\"\"}")));
	ck_assert(str_eq(written(&out, (struct message_id){3, ROOMS + 2, 12}, 99, 59),
	                 STR("{\"b\":\"run-1\",\"p\":3,\"k\":\"u2\",\"n\":12,\"t\":99,\"pad\":\"xxxxxxxx\"}")));
}
END_TEST

START_TEST(is_padded_to_its_size)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	for (size_t size = 100; size < 70000; size = size * 2 + 1)
		ck_assert_uint_eq(written(&out, (struct message_id){1, 2, 3}, 4, size).n, size);
}
END_TEST

START_TEST(refuses_what_is_not_ours)
{
	static const char *const texts[] = {
	    "",
	    "null",
	    "{}",
	    "{\"b\":\"run-2\",\"p\":3,\"k\":\"r2\",\"n\":12,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-11\",\"p\":3,\"k\":\"r2\",\"n\":12,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-1\",\"p\":,\"k\":\"r2\",\"n\":12,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-1\",\"p\":3,\"k\":\"r10\",\"n\":12,\"t\":99,\"pad\":\"\"}", /* there are ten rooms */
	    "{\"b\":\"run-1\",\"p\":3,\"k\":\"x2\",\"n\":12,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-1\",\"p\":99999999999,\"k\":\"r2\",\"n\":12,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-1\",\"p\":3,\"k\":\"r2\",\"n\":4294967295,\"t\":99,\"pad\":\"\"}",
	    "{\"b\":\"run-1\",\"p\":3,\"k\":\"r2\",\"n\":12}",
	    "{\"b\":\"run-1\",\"p\":3,\"k\":\"r2\",\"n\":12,\"t\":-1,\"pad\":\"\"}",
	};
	struct payload read;

	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		ck_assert_msg(!payload_read(str_from(texts[i]), STR("run-1"), ROOMS, &read), "%s", texts[i]);
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

CHECK_MAIN("bench.payload", comes_back_as_it_was, is_written_as_documented, is_padded_to_its_size,
           refuses_what_is_not_ours, what_is_cut_off_is_refused)
