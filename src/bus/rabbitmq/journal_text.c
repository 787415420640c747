#include "bus/rabbitmq/journal_text.h"

#include <errno.h>
#include <stdlib.h>

#define MAGIC "grid-journal "
#define VERSION "1"

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct line {
	struct str key;
	size_t no;
	char mark;
};

/* Cuts the first line off; `*linep` without its end. False: there is none that has one. */
static bool next_line(struct str *text, struct str *linep)
{
	const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;

	if (!end)
		return false;
	*linep = (struct str){text->p, (size_t)(end - text->p)};
	*text = (struct str){end + 1, text->n - linep->n - 1};
	return true;
}

static bool is_mark(char c)
{
	return c == JOURNAL_BINDING || c == JOURNAL_BOUND || c == JOURNAL_UNBINDING || c == JOURNAL_UNBOUND;
}

static bool set_field(char *out, size_t size, struct str value)
{
	if (value.n >= size || memchr(value.p, '\0', value.n))
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return true;
}

static bool add_left(struct journal_header *h, struct str name)
{
	return h->n_left < JOURNAL_LEFT_MAX && set_field(h->left[h->n_left++], sizeof(h->left[0]), name);
}

static bool set_header(struct journal_header *h, struct str line)
{
	const struct {
		struct str name;
		char *at;
		size_t size;
	} fields[] = {
	    {STR("boot "), h->boot, sizeof(h->boot)},
	    {STR("vhost "), h->vhost, sizeof(h->vhost)},
	    {STR("queue "), h->queue, sizeof(h->queue)},
	    {STR("epoch "), h->epoch, sizeof(h->epoch)},
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(fields); i++)
		if (str_starts(line, fields[i].name))
			return set_field(fields[i].at, fields[i].size,
			                 (struct str){line.p + fields[i].name.n, line.n - fields[i].name.n});
	return str_starts(line, STR("left ")) && add_left(h, (struct str){line.p + 5, line.n - 5});
}

static int parse_header(struct str *text, struct journal_header *h)
{
	struct str line = STR_NONE;

	*h = (struct journal_header){.n_left = 0};
	if (!next_line(text, &line) || !str_starts(line, STR(MAGIC)))
		return JOURNAL_E_GARBAGE;
	if (!str_eq(line, STR(MAGIC VERSION)))
		return JOURNAL_E_VERSION;
	while (text->n && !is_mark(*text->p) && next_line(text, &line))
		if (!set_header(h, line))
			return JOURNAL_E_GARBAGE;
	return *h->boot && *h->queue && strlen(h->epoch) == ULID_LEN ? 0 : JOURNAL_E_GARBAGE;
}

static size_t count_lines(struct str text)
{
	size_t n = 0;
	for (struct str line; next_line(&text, &line);)
		n++;
	return n;
}

static bool line_key(const struct line *line, struct key *key)
{
	return key_from_routing_key(line->key, key) == 0 && key->len == line->key.n;
}

/* False: a line that nobody has written. */
static bool read_lines(struct str text, struct line *lines)
{
	struct str line = STR_NONE;
	struct key key;

	for (size_t no = 0; next_line(&text, &line); no++) {
		if (line.n < 2 || !is_mark(*line.p))
			return false;
		lines[no] = (struct line){.key = {line.p + 1, line.n - 1}, .no = no, .mark = *line.p};
		if (!line_key(&lines[no], &key))
			return false;
	}
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int order = memcmp(x->key.p, y->key.p, n);

	if (order == 0)
		order = (x->key.n > y->key.n) - (x->key.n < y->key.n);
	return order ? order : (x->no > y->no) - (x->no < y->no);
}

static void keep(const struct line *line, char mark, struct journal_keys *keys)
{
	if (mark == JOURNAL_UNBOUND)
		return;
	struct key *to = mark == JOURNAL_BOUND ? &keys->bound[keys->n_bound++] : &keys->unsure[keys->n_unsure++];
	bool valid = line_key(line, to);
	GRID_ASSERT(valid); /* read_lines() has looked */
}

/* The last line of each key, which are together once sorted. But one that is bound stays so while it is bound anew. */
static void keep_last(const struct line *lines, size_t n, struct journal_keys *keys)
{
	char mark = JOURNAL_UNBOUND;

	for (size_t i = 0; i < n; i++) {
		if (lines[i].mark != JOURNAL_BINDING || mark != JOURNAL_BOUND)
			mark = lines[i].mark;
		if (i + 1 < n && str_eq(lines[i].key, lines[i + 1].key))
			continue;
		keep(&lines[i], mark, keys);
		mark = JOURNAL_UNBOUND;
	}
}

static size_t count_mark(const struct line *lines, size_t n, bool bound)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += (lines[i].mark == JOURNAL_BOUND) == bound;
	return count;
}

static int parse_keys(struct str text, struct line *lines, size_t n, struct journal_keys *keys)
{
	if (!read_lines(text, lines))
		return JOURNAL_E_GARBAGE;
	keys->bound = calloc(count_mark(lines, n, true) + 1, sizeof(*keys->bound));
	keys->unsure = calloc(count_mark(lines, n, false) + 1, sizeof(*keys->unsure));
	if (!keys->bound || !keys->unsure) {
		journal_keys_deinit(keys);
		return -ENOMEM;
	}
	qsort(lines, n, sizeof(*lines), by_key);
	keep_last(lines, n, keys);
	return 0;
}

int journal_parse(struct str text, struct journal_header *header, struct journal_keys *keys)
{
	*keys = (struct journal_keys){.n_bound = 0};
	int rc = parse_header(&text, header);
	if (rc != 0)
		return rc;
	size_t n = count_lines(text);
	struct line *lines = calloc(n + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	rc = parse_keys(text, lines, n, keys);
	free(lines);
	return rc;
}

void journal_keys_deinit(struct journal_keys *keys)
{
	free(keys->bound);
	free(keys->unsure);
	*keys = (struct journal_keys){.n_bound = 0};
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void journal_put_header(struct buf *out, const struct journal_header *h)
{
	buf_printf(out, MAGIC VERSION "\nboot %s\nvhost %s\nqueue %s\nepoch %s\n", h->boot, h->vhost, h->queue, h->epoch);
	for (size_t i = 0; i < h->n_left; i++)
		buf_printf(out, "left %s\n", h->left[i]);
}

void journal_put_key(struct buf *out, enum journal_mark mark, const struct key *key)
{
	buf_putc(out, (char)mark);
	buf_put_str(out, key_str(key));
	buf_putc(out, '\n');
}

void journal_put_keys(struct buf *out, const struct journal_keys *keys)
{
	for (size_t i = 0; i < keys->n_bound; i++)
		journal_put_key(out, JOURNAL_BOUND, &keys->bound[i]);
	for (size_t i = 0; i < keys->n_unsure; i++)
		journal_put_key(out, JOURNAL_BINDING, &keys->unsure[i]);
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

const char *journal_mismatch(const struct journal_header *found, const struct journal_header *ours)
{
	if (strcmp(found->boot, ours->boot) != 0)
		return "the machine has booted since the journal was written";
	if (strcmp(found->vhost, ours->vhost) != 0)
		return "the journal is about another virtual host";
	if (strcmp(found->queue, ours->queue) != 0)
		return "the journal is about another queue";
	return NULL;
}
