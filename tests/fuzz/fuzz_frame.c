/* Frames: whatever a message holds, out comes one valid JSON object of the right shape in a frame of the right length.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/frame.h"
#include "wire/json.h"

#define MEMBERS 8

static struct str payload_of(const struct msgbuf *frame)
{
	size_t header = frame->data[1] < 126 ? 2 : frame->data[1] == 126 ? 4 : 10, len = frame->data[1];

	GRID_ASSERT(frame->data[0] == 0x81);
	if (header > 2)
		len = 0;
	for (size_t i = 2; i < header; i++)
		len = len << 8 | frame->data[i];
	GRID_ASSERT(frame->len == header + len);
	return (struct str){(const char *)frame->data + header, len};
}

static void check_member(const struct json_member *member, const struct message *m)
{
	struct buf text = BUF_INIT;

	GRID_ASSERT(!str_eq(member->name, STR("from")) || m->from.p);
	if (str_eq(member->name, STR("data"))) {
		struct str sent = m->body.p ? m->body : STR("null");
		GRID_ASSERT(memmem(sent.p, sent.n, member->value.p, member->value.n));
	} else if (str_eq(member->name, STR("text"))) {
		GRID_ASSERT(json_string(member->value, &text) == 0 && str_eq(buf_str(&text), m->body));
	} else if (str_eq(member->name, STR("base64"))) {
		GRID_ASSERT(member->value.n == json_base64_size(m->body.n));
	} else if (str_eq(member->name, STR("id"))) {
		GRID_ASSERT(json_string(member->value, &text) == 0 && str_eq(buf_str(&text), m->id));
	}
	buf_deinit(&text);
}

static void check_frame(struct msgbuf *frame, const struct message *m)
{
	struct json_member members[MEMBERS];
	size_t n;

	GRID_ASSERT(frame);
	GRID_ASSERT(json_members(payload_of(frame), members, MEMBERS, &n) == 0);
	GRID_ASSERT(n >= 4 && str_eq(members[0].name, STR("op")));
	for (size_t i = 0; i < n; i++)
		check_member(&members[i], m);
	msgbuf_unref(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size};
	struct key room;
	struct message m = {.ts = size * 1000003};

	struct str name = fuzz_piece(&rest);
	m.id = fuzz_piece(&rest);
	m.type = fuzz_piece(&rest);
	m.app = fuzz_piece(&rest);
	m.from = fuzz_piece(&rest);
	m.content_type = fuzz_piece(&rest);
	m.body = rest.n ? rest : STR_NONE;
	check_frame(frame_notify(&m), &m);
	if (key_from_name(KEY_ROOM, name, &room) == 0)
		check_frame(frame_message(&room, &m), &m);
	return 0;
}
