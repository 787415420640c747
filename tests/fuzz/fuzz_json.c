/* The JSON check: what it takes, json-c (which takes more) reads too; and all ways through the scanner agree. */
#include <stdlib.h>

#include <json-c/json.h>

#include "fuzz.h"
#include "wire/json.h"
#include "wire/utf8.h"

#define MEMBERS 8

static void check_with_json_c(struct str text)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *tree = json_tokener_parse_ex(tok, text.p, (int)text.n);
	enum json_tokener_error error = json_tokener_get_error(tok);
	if (error == json_tokener_continue && !tree) /* a number at the very end */
		tree = json_tokener_parse_ex(tok, "", 1);
	GRID_ASSERT(json_tokener_get_error(tok) == json_tokener_success);
	json_object_put(tree);
	json_tokener_free(tok);
}

static void check_string(struct str value)
{
	struct buf text = BUF_INIT, written = BUF_INIT, again = BUF_INIT;

	if (json_string(value, &text) == 0) {
		GRID_ASSERT(json_valid(value) && text.n <= value.n - 2);
		GRID_ASSERT(utf8_valid(text.p, text.n));
		json_put_string(&written, buf_str(&text));
		GRID_ASSERT(written.n == json_string_size(buf_str(&text)) && json_valid(buf_str(&written)));
		GRID_ASSERT(json_string(buf_str(&written), &again) == 0);
		GRID_ASSERT(str_eq(buf_str(&again), buf_str(&text)));
	}
	buf_deinit(&text);
	buf_deinit(&written);
	buf_deinit(&again);
}

static void check_members(struct str text, bool valid)
{
	struct json_member members[MEMBERS];
	const char *at = text.p;
	size_t n;
	int r = json_members(text, members, MEMBERS, &n);

	GRID_ASSERT(n <= MEMBERS && (valid || r == JSON_E_INVALID));
	for (size_t i = 0; i < n; i++) {
		GRID_ASSERT(members[i].name.p > at && members[i].value.p > members[i].name.p + members[i].name.n);
		GRID_ASSERT(json_valid(members[i].value));
		GRID_ASSERT(!strchr(" \t\r\n", members[i].value.p[members[i].value.n - 1]));
		check_string(members[i].value);
		at = members[i].value.p + members[i].value.n;
	}
	GRID_ASSERT(at <= text.p + text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	bool valid = json_valid(text);

	if (valid)
		check_with_json_c(text);
	check_members(text, valid);
	check_string(text);
	return 0;
}
