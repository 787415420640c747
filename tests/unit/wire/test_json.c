/* The strict JSON check, the members of an object, and strings in both directions. */
#include "wire/json.h"

#include <stdlib.h>

#include <json-c/json.h>

#include "check_main.h"

/* STR() as a static initialiser. */
#define CASE(literal)                                                                                                  \
	{                                                                                                                  \
		(literal), sizeof(literal) - 1                                                                                 \
	}

/* Texts lie at the very end of their memory, so that the sanitizers see a byte read too far. */
static bool valid(struct str text)
{
	char *copy = malloc(text.n + !text.n);
	ck_assert_ptr_nonnull(copy);
	if (text.n)
		memcpy(copy, text.p, text.n);
	bool result = json_valid((struct str){copy, text.n});
	free(copy);
	return result;
}

static void assert_all(const struct str *cases, size_t n, bool expected)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(valid(cases[i]) == expected, "case %zu: %.*s", i, STR_ARG(cases[i]));
}

#define ASSERT_ALL(expected, ...)                                                                                      \
	do {                                                                                                               \
		static const struct str cases[] = {__VA_ARGS__};                                                               \
		assert_all(cases, GRID_ARRAY_LEN(cases), expected);                                                            \
	} while (0)

START_TEST(takes_values_of_every_kind)
{
	ASSERT_ALL(true, CASE("null"), CASE("true"), CASE("false"), CASE("0"), CASE("\"\""), CASE("[]"), CASE("{}"),
	           CASE("\"abc\""), CASE("[1,\"a\",null,true,false,{},[]]"), CASE("{\"a\":1}"), CASE("{\"\":0}"),
	           CASE("{\"a\":1,\"a\":2}"), CASE("{\"a\":{\"b\":[{}]}}"), CASE("[[]]"), CASE("[[],[]]"),
	           CASE("{\"a\":[],\"b\":{}}"), CASE("[null,1,\"1\",{}]"), CASE("{\"a\":null}"));
}
END_TEST

START_TEST(takes_white_space_between_tokens_only)
{
	ASSERT_ALL(true, CASE(" null "), CASE("\t\n\r [\t1\n,\r2 ]\n"), CASE(" { \"a\" : 1 , \"b\" : [ ] } "), CASE("[ ]"),
	           CASE("{ }"), CASE("1\n"));
	ASSERT_ALL(false, CASE(""), CASE(" "), CASE("\n\n"), CASE("[1\f]"), CASE("[\v1]"), CASE("\xc2\xa0[]"),
	           CASE("[\xe2\x81\xa0]"), CASE("t rue"), CASE("- 1"), CASE("1 .5"), CASE("[1]\0"), CASE("\0"),
	           CASE("[\0]"), CASE("\xef\xbb\xbf{}"), CASE("\xef\xbb\xbf"), CASE("{}\xe2\x80\xa8"));
}
END_TEST

START_TEST(takes_numbers)
{
	ASSERT_ALL(true, CASE("-0"), CASE("-1"), CASE("10"), CASE("1e5"), CASE("1E5"), CASE("1e+5"), CASE("1e-5"),
	           CASE("0e1"), CASE("0e+1"), CASE("0.5"), CASE("-0.0"), CASE("1.25e10"), CASE("-123.456E-78"),
	           CASE("1e01"), CASE("123456789012345678901234567890"), CASE("[0,0]"), CASE("{\"a\":-0}"),
	           CASE("0.0000000000000000000000000000000000000000000000000000000000000001"));
	/* Beyond any double; the grammar does not mind. */
	ASSERT_ALL(true, CASE("1e400"), CASE("-1e400"), CASE("1e-400"), CASE("0e99999999999"), CASE("1e999999999999"));
}
END_TEST

START_TEST(refuses_what_is_no_number)
{
	ASSERT_ALL(false, CASE("01"), CASE("-01"), CASE("00"), CASE("1."), CASE("-1."), CASE(".5"), CASE("-.5"), CASE("+1"),
	           CASE("--1"), CASE("-"), CASE("+"), CASE("."), CASE("1.e1"), CASE("1e"), CASE("1e+"), CASE("1e-"),
	           CASE("1ee5"), CASE("1e5.5"), CASE("1.2.3"), CASE("0x1F"), CASE("1a"), CASE("1_000"), CASE("NaN"),
	           CASE("-NaN"), CASE("Infinity"), CASE("-Infinity"), CASE("inf"), CASE("nan"), CASE("[1 000]"),
	           CASE("\xef\xbc\x91"), CASE("[-2.]"), CASE("[0.e1]"), CASE("1+2"), CASE("[0e]"), CASE("-a"), CASE("0,"),
	           CASE("1 2"), CASE("0 1"), CASE("[1.]"), CASE("e5"));
}
END_TEST

START_TEST(takes_strings)
{
	ASSERT_ALL(true, CASE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), CASE("\"\\u0000\""), CASE("\"\\u00e4\\u00E4\\uFFFF\""),
	           CASE("\"\\ud83d\\ude00\""), CASE("\"\x7f\""), CASE("\"\xc3\xbc\""), CASE("\"\xe2\x82\xac\""),
	           CASE("\"\xf0\x9f\x98\x80\""), CASE("\"\xf4\x8f\xbf\xbf\""), CASE("\"\xef\xbf\xbf\""),
	           CASE("\"\xc2\x80\""), CASE("\"\xe2\x80\xa8\xe2\x80\xa9\""), CASE("\"\xef\xbb\xbf\""), CASE("\"'\""),
	           CASE("\"/* no comment */\""), CASE("[\"\\\\\"]"), CASE("\"\\u2028\""));
	/* Half of a pair of surrogates, when escaped, is within the grammar. */
	ASSERT_ALL(true, CASE("\"\\ud800\""), CASE("\"\\udc00\""), CASE("\"\\ud800\\ud800\""), CASE("\"\\ude00\\ud83d\""),
	           CASE("\"\\ud800a\""), CASE("\"\\uDFAA\""));
}
END_TEST

START_TEST(refuses_what_is_no_string)
{
	ASSERT_ALL(false, CASE("\""), CASE("\"a"), CASE("a\""), CASE("'a'"), CASE("\"\n\""), CASE("\"\t\""), CASE("\"\0\""),
	           CASE("\"\x1f\""), CASE("\"\\\""), CASE("\"\\"), CASE("\"\\x41\""), CASE("\"\\a\""), CASE("\"\\'\""),
	           CASE("\"\\0\""), CASE("\"\\U0041\""), CASE("\"\\\n\""), CASE("\"\\\0\""), CASE("\"\\\xc3\xbc\""),
	           CASE("\"\\u\""), CASE("\"\\u0\""), CASE("\"\\u00\""), CASE("\"\\u004\""), CASE("\"\\u004g\""),
	           CASE("\"\\u 041\""), CASE("\"\\u+041\""), CASE("\"\\u12"), CASE("\"\\u1234"), CASE("\"\\ud83d\\u\""),
	           CASE("\"\\ud83d\\u12\""), CASE("\"a\"b\""), CASE("\"a\" \"b\""), CASE("abc"), CASE("\"\\uGHIJ\""),
	           CASE("\"\\ud83d\\x\""));
	/* Not UTF-8: stray and missing tails, overlong forms, surrogates, above U+10FFFF, Latin-1, UTF-16. */
	ASSERT_ALL(false, CASE("\"\x80\""), CASE("\"\xbf\""), CASE("\"\xc3\""), CASE("\"\xe2\x82\""),
	           CASE("\"\xf0\x9f\x98\""), CASE("\"\xc0\x80\""), CASE("\"\xc0\xaf\""), CASE("\"\xc1\xbf\""),
	           CASE("\"\xe0\x80\xaf\""), CASE("\"\xe0\x9f\xbf\""), CASE("\"\xf0\x80\x80\xaf\""),
	           CASE("\"\xf0\x8f\xbf\xbf\""), CASE("\"\xed\xa0\x80\""), CASE("\"\xed\xbf\xbf\""),
	           CASE("\"\xed\xa0\xbd\xed\xb8\x80\""), CASE("\"\xf4\x90\x80\x80\""), CASE("\"\xf5\x80\x80\x80\""),
	           CASE("\"\xf8\x88\x80\x80\x80\""), CASE("\"\xfc\x84\x80\x80\x80\x80\""), CASE("\"\xff\""),
	           CASE("\"\xfe\""), CASE("\"\xe9t\xe9\""), CASE("\xff\xfe\"\0\"\0"), CASE("\"\xc3"), CASE("\"\xe2\x82"),
	           CASE("\xc3\xbc"), CASE("[\xff]"), CASE("{\"\xff\":1}"));
}
END_TEST

START_TEST(refuses_broken_structure)
{
	ASSERT_ALL(false, CASE("["), CASE("]"), CASE("{"), CASE("}"), CASE("[1"), CASE("[1,"), CASE("[1,]"), CASE("[,1]"),
	           CASE("[,]"), CASE("[1,,2]"), CASE("[1 2]"), CASE("[1}"), CASE("[}"), CASE("{]"), CASE("[1]]"),
	           CASE("[]["), CASE("[] []"), CASE("[[]"), CASE("[\"a\":1]"), CASE("[1:2]"), CASE("{\"a\"}"),
	           CASE("{\"a\":}"), CASE("{\"a\":1,}"), CASE("{,}"), CASE("{,\"a\":1}"), CASE("{\"a\":1,,\"b\":2}"),
	           CASE("{\"a\":1 \"b\":2}"), CASE("{\"a\" 1}"), CASE("{\"a\":1:2}"), CASE("{\"a\",1}"), CASE("{a:1}"),
	           CASE("{'a':1}"), CASE("{1:1}"), CASE("{null:1}"), CASE("{[]:1}"), CASE("{\"a\":1]"), CASE("{\"a\":[}"),
	           CASE("{\"a\":1}}"), CASE("{\"a\":1}x"), CASE("{\"a\":1"), CASE("{\"a\":"), CASE("{\"a\""), CASE("{\"a"),
	           CASE("{}{}"), CASE("{\"a\":1};"), CASE(","), CASE(":"), CASE("[1;2]"), CASE("{\"a\":1,2}"),
	           CASE("{\"a\":/**/1}"), CASE("[1]//"), CASE("#\n1"), CASE("{\"a\":\"b\"}#"), CASE("[\"a\",\n4\n,1,"),
	           CASE("<null>"), CASE("[*]"), CASE("{\"a\":{}"), CASE("[{}"), CASE("(1)"), CASE("{\"a\":[]"));
	ASSERT_ALL(false, CASE("nul"), CASE("tru"), CASE("fals"), CASE("nulll"), CASE("True"), CASE("NULL"), CASE("TRUE"),
	           CASE("undefined"), CASE("[nul]"), CASE("truefalse"), CASE("n"), CASE("t"), CASE("f"), CASE("[truth]"));
}
END_TEST

/* `depth` opening brackets of either kind, closed again. */
static struct str nested(char *text, size_t depth, bool objects)
{
	const char *open = objects ? "{\"a\":" : "[", close = objects ? '}' : ']';
	size_t n = 0;

	for (size_t i = 0; i < depth; i++)
		for (const char *p = open; *p; p++)
			text[n++] = *p;
	text[n++] = '1';
	memset(text + n, close, depth);
	return (struct str){text, n + depth};
}

START_TEST(limits_the_depth)
{
	static char text[100000 * 7];

	for (int objects = 0; objects < 2; objects++) {
		ck_assert(valid(nested(text, JSON_DEPTH_MAX, objects)));
		ck_assert(!valid(nested(text, JSON_DEPTH_MAX + 1, objects)));
		ck_assert(!valid(nested(text, 100000, objects)));
	}
	memset(text, '[', 100000);
	ck_assert(!valid((struct str){text, 100000}));
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	ck_assert(valid((struct str){text, (size_t)(2 * JSON_DEPTH_MAX)}));
}
END_TEST

/* What kind of bracket closes each level is remembered over the boundaries of its words. */
START_TEST(remembers_what_each_level_is)
{
	char text[JSON_DEPTH_MAX * 8];
	char closing[JSON_DEPTH_MAX];
	size_t n = 0;
	unsigned seed = 11;

	for (int i = 0; i < JSON_DEPTH_MAX; i++) {
		bool object = rand_r(&seed) % 2;
		memcpy(text + n, object ? "{\"a\":" : "[0,", object ? 5 : 3);
		n += object ? 5 : 3;
		closing[JSON_DEPTH_MAX - 1 - i] = object ? '}' : ']';
	}
	text[n++] = '1';
	memcpy(text + n, closing, sizeof(closing));
	struct str whole = {text, n + sizeof(closing)};
	ck_assert(valid(whole));
	for (size_t i = n; i < whole.n; i++) {
		text[i] ^= ']' ^ '}';
		ck_assert(!valid(whole));
		text[i] ^= ']' ^ '}';
	}
}
END_TEST

/* The check reads strings eight bytes at a time: every special byte at every place, in strings of every length. */
START_TEST(finds_special_bytes_wherever_they_stand)
{
	for (size_t len = 1; len <= 26; len++)
		for (size_t at = 0; at < len; at++)
			for (unsigned c = 0; c < 256; c++) {
				char text[32];
				memset(text, "aA~\x7f"[(at + c) % 4], sizeof(text));
				text[0] = text[len + 1] = '"';
				text[1 + at] = (char)c;
				bool expected = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
				ck_assert_msg(valid((struct str){text, len + 2}) == expected, "len %zu at %zu byte %02x", len, at, c);
			}
}
END_TEST

/* A second opinion: json-c takes more than RFC 8259, so it must take all that we take. */
static bool json_c_takes(struct str text)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *tree = json_tokener_parse_ex(tok, text.p, (int)text.n);
	bool taken = json_tokener_get_error(tok) == json_tokener_success;
	json_object_put(tree);
	json_tokener_free(tok);
	return taken;
}

/* A valid document with one byte changed to any other, or cut anywhere: never read beyond its end (sanitizers), both
 * ways into the scanner agree, and json-c takes what we take. */
START_TEST(survives_every_small_damage)
{
	const struct str whole = STR("{\"op\":\"x\",\"n\":[-1.5e+3,true,null,{\"\\u00e4\xc3\xbc\":\"\\\"\"}]} ");
	struct json_member members[4];
	size_t n;

	for (size_t cut = 0; cut < whole.n - 1; cut++)
		ck_assert(!valid((struct str){whole.p, cut}));
	for (size_t at = 0; at < whole.n; at++)
		for (unsigned c = 0; c < 256; c++) {
			char *copy = malloc(whole.n);
			ck_assert_ptr_nonnull(copy);
			memcpy(copy, whole.p, whole.n);
			copy[at] = (char)c;
			struct str text = {copy, whole.n};
			ck_assert_int_eq(json_valid(text), json_members(text, members, 4, &n) == 0);
			ck_assert(!json_valid(text) || json_c_takes(text));
			free(copy);
		}
}
END_TEST

static void assert_str(struct str s, const char *expected)
{
	ck_assert_msg(str_eq(s, str_from(expected)), "'%.*s', not '%s'", STR_ARG(s), expected);
}

START_TEST(lists_members_raw_and_in_order)
{
	struct json_member m[8];
	size_t n;

	ck_assert_int_eq(json_members(STR(" { \"a\" : 1 ,\"b\\n\":\" x \", \"c\":{\"a\":[1, {\"z\":2}]}\t,\"a\": [ ] ,"
	                                  "\"d\":{ },\"\":-0.0 }\n"),
	                              m, 8, &n),
	                 0);
	ck_assert_uint_eq(n, 6);
	assert_str(m[0].name, "a");
	assert_str(m[0].value, "1");
	assert_str(m[1].name, "b\\n");
	assert_str(m[1].value, "\" x \"");
	assert_str(m[2].name, "c");
	assert_str(m[2].value, "{\"a\":[1, {\"z\":2}]}");
	assert_str(m[3].name, "a");
	assert_str(m[3].value, "[ ]");
	assert_str(m[4].value, "{ }");
	assert_str(m[5].name, "");
	assert_str(m[5].value, "-0.0");
	ck_assert_int_eq(json_members(STR("{}"), m, 8, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(lists_members_of_valid_objects_only)
{
	static const struct str bad[] = {CASE(""),
	                                 CASE(" "),
	                                 CASE("[]"),
	                                 CASE("1"),
	                                 CASE("\"a\""),
	                                 CASE("null"),
	                                 CASE("[{\"a\":1}]"),
	                                 CASE("{"),
	                                 CASE("{\"a\":1"),
	                                 CASE("{\"a\":1,}"),
	                                 CASE("{\"a\":01}"),
	                                 CASE("{\"a\":1} 1"),
	                                 CASE("{\"a\":NaN}"),
	                                 CASE("{\"a\":\"\xff\"}")};
	struct json_member m[8];
	size_t n;

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_int_eq(json_members(bad[i], m, 8, &n), JSON_E_INVALID);
}
END_TEST

START_TEST(says_when_members_are_too_many)
{
	struct json_member m[2];
	size_t n;

	ck_assert_int_eq(json_members(STR("{\"a\":1,\"b\":2}"), m, 2, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(json_members(STR("{\"a\":1,\"b\":[2],\"c\":{\"d\":3},\"e\":4}"), m, 2, &n), JSON_E_TOO_MANY);
	ck_assert_uint_eq(n, 2);
	assert_str(m[0].value, "1");
	assert_str(m[1].value, "[2]");
	ck_assert_int_eq(json_members(STR("{\"a\":1,\"b\":[2],\"c\":3,}"), m, 2, &n), JSON_E_INVALID);
}
END_TEST

static void assert_string(struct str value, struct str expected)
{
	GRID_CLEANUP(buf_deinit) struct buf out = BUF_INIT;
	buf_puts(&out, "before");
	ck_assert_int_eq(json_string(value, &out), 0);
	struct str got = {out.p + 6, out.n - 6};
	ck_assert_msg(str_eq(got, expected), "%.*s", STR_ARG(got));
}

START_TEST(unescapes_strings)
{
	assert_string(STR("\"\""), STR(""));
	assert_string(STR("\"abc\""), STR("abc"));
	assert_string(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\/\b\f\n\r\t"));
	assert_string(STR("\"x\\u0041y\\u00e4\\u20AC\\uffff\""), STR("xAy\xc3\xa4\xe2\x82\xac\xef\xbf\xbf"));
	assert_string(STR("\"\\u0000\\u007f\\u0080\\u07ff\\u0800\""), STR("\0\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"));
	assert_string(STR("\"\\ud83d\\ude00\\uD800\\uDC00\\udbff\\udfff\""),
	              STR("\xf0\x9f\x98\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
	assert_string(STR("\"\xc3\xbc\\n\""), STR("\xc3\xbc\n"));
}
END_TEST

START_TEST(refuses_strings_without_a_meaning)
{
	static const struct str bad[] = {
	    CASE(""),
	    CASE("\""),
	    CASE("a"),
	    CASE("1"),
	    CASE("abc\""),
	    CASE("\"abc"),
	    CASE("\"a\"b\""),
	    CASE("\"a\" "),
	    CASE(" \"a\""),
	    CASE("\"\\\""),
	    CASE("\"\\ud800\""),
	    CASE("\"\\ud800a\""),
	    CASE("\"\\udc00\""),
	    CASE("\"\\ud800\\n\""),
	    CASE("\"\\ud83d\\ud83d\""),
	    CASE("\"\\ude00\\ud83d\""),
	    CASE("\"\\ud83d\\u0041\""),
	    CASE("\"\xff\""),
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++) {
		GRID_CLEANUP(buf_deinit) struct buf out = BUF_INIT;
		ck_assert_msg(json_string(bad[i], &out) == JSON_E_INVALID, "case %zu", i);
		ck_assert_uint_eq(out.n, 0);
	}
}
END_TEST

START_TEST(writes_strings)
{
	GRID_CLEANUP(buf_deinit) struct buf out = BUF_INIT;

	json_put_string(&out, STR("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\0\xc3\xbc"));
	buf_putc(&out, '\0');
	ck_assert_str_eq(out.p, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\xc3\xbc\"");
	buf_reset(&out);
	json_put_string(&out, STR(""));
	ck_assert(str_eq(buf_str(&out), STR("\"\"")));
}
END_TEST

START_TEST(reads_back_every_character_it_writes)
{
	for (unsigned c = 0; c < 0x80; c++) {
		GRID_CLEANUP(buf_deinit) struct buf out = BUF_INIT;
		char text[] = {'x', (char)c, 'y'};
		json_put_string(&out, (struct str){text, 3});
		ck_assert_uint_eq(out.n, json_string_size((struct str){text, 3}));
		ck_assert(json_valid(buf_str(&out)));
		assert_string(buf_str(&out), (struct str){text, 3});
	}
}
END_TEST

static void assert_base64(struct str bytes, const char *expected)
{
	GRID_CLEANUP(buf_deinit) struct buf out = BUF_INIT;
	json_put_base64(&out, bytes);
	assert_str(buf_str(&out), expected);
	ck_assert_uint_eq(out.n, json_base64_size(bytes.n));
}

/* The vectors of RFC 4648 section 10. */
START_TEST(writes_base64)
{
	assert_base64(STR(""), "\"\"");
	assert_base64(STR("f"), "\"Zg==\"");
	assert_base64(STR("fo"), "\"Zm8=\"");
	assert_base64(STR("foo"), "\"Zm9v\"");
	assert_base64(STR("foob"), "\"Zm9vYg==\"");
	assert_base64(STR("fooba"), "\"Zm9vYmE=\"");
	assert_base64(STR("foobar"), "\"Zm9vYmFy\"");
	assert_base64(STR("\xff\xfe\xfd\x00\x10\x83\xfb\xef"), "\"//79ABCD++8=\"");
}
END_TEST

CHECK_MAIN("wire.json", takes_values_of_every_kind, takes_white_space_between_tokens_only, takes_numbers,
           refuses_what_is_no_number, takes_strings, refuses_what_is_no_string, refuses_broken_structure,
           limits_the_depth, remembers_what_each_level_is, finds_special_bytes_wherever_they_stand,
           survives_every_small_damage, lists_members_raw_and_in_order, lists_members_of_valid_objects_only,
           says_when_members_are_too_many, unescapes_strings, refuses_strings_without_a_meaning, writes_strings,
           reads_back_every_character_it_writes, writes_base64)
