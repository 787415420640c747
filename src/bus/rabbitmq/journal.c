#include "bus/rabbitmq/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define BYTES_MAX (256L * 1024 * 1024)
#define REWRITE_ABOVE 1024 /* lines */
#define LINES_PER_KEY 3    /* of those it began with: what is written anew costs less than what was added meanwhile */

struct journal {
	char *path;
	char *new_path;
	int fd;       /* -1: not begun, or dropped */
	bool dropped; /* for good */
	struct journal_header header;
	struct buf pending;
	size_t lines; /* written and pending, without the header */
	size_t keys;  /* lines that it began with, one for each key */
};

int journal_new(const char *dir, const char *name, struct journal **journalp)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->fd = -1;
	if (asprintf(&j->path, "%s/%s.journal", dir, name) < 0)
		j->path = NULL;
	if (asprintf(&j->new_path, "%s/%s.journal.new", dir, name) < 0)
		j->new_path = NULL;
	if (!j->path || !j->new_path) {
		journal_free(j);
		return -ENOMEM;
	}
	*journalp = j;
	return 0;
}

struct journal *journal_free(struct journal *j)
{
	if (!j)
		return NULL;
	journal_flush(j);
	if (j->fd >= 0)
		close(j->fd);
	buf_deinit(&j->pending);
	free(j->path);
	free(j->new_path);
	free(j);
	return NULL;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_all(int fd, struct buf *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > BYTES_MAX)
		return JOURNAL_E_GARBAGE;
	char *to = buf_reserve(out, (size_t)st.st_size);
	if (!to)
		return -ENOMEM;
	while (out->n < (size_t)st.st_size) {
		ssize_t got = pread(fd, to + out->n, (size_t)st.st_size - out->n, (off_t)out->n);
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		out->n += (size_t)got;
	}
	return 0;
}

static int load(int fd, struct journal_header *header, struct journal_keys *keys)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	int rc = read_all(fd, &text);
	return rc != 0 ? rc : journal_parse(buf_str(&text), header, keys);
}

int journal_load(const struct journal *j, struct journal_header *header, struct journal_keys *keys)
{
	int fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? JOURNAL_E_NONE : -errno;
	int rc = load(fd, header, keys);
	close(fd);
	return rc;
}

bool journal_taken_over(const struct journal *j)
{
	struct stat mine, there;

	return j && j->fd >= 0 && fstat(j->fd, &mine) == 0 && stat(j->path, &there) == 0 &&
	       (mine.st_ino != there.st_ino || mine.st_dev != there.st_dev);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void journal_drop(struct journal *j)
{
	if (!j || j->dropped)
		return;
	j->dropped = true;
	buf_deinit(&j->pending);
	/* One that is not removed says nothing more when it is empty. */
	if (!journal_taken_over(j) && unlink(j->path) != 0 && errno != ENOENT && truncate(j->path, 0) != 0)
		log_error("bus.journal_stays", "path=%s why=%s hint=\"remove it before the node starts again\"",
		          LOG_QUOTED(str_from(j->path)), LOG_QUOTED(str_from(strerrordesc_np(errno))));
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

static void fail(struct journal *j, const char *doing, int err)
{
	log_error("bus.journal_failed", "path=%s doing=%s why=%s hint=\"goes on without it; the next start is a cold one\"",
	          LOG_QUOTED(str_from(j->path)), doing, LOG_QUOTED(str_from(strerrordesc_np(err))));
	journal_drop(j);
}

static int write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text = (struct str){text.p + n, text.n - (size_t)n};
	}
	return 0;
}

/* The new file, in its place; its descriptor. -errno. */
static int replace_file(const struct journal *j, struct str text)
{
	int fd = open(j->new_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int rc = write_all(fd, text);
	if (rc == 0 && rename(j->new_path, j->path) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	unlink(j->new_path);
	close(fd);
	return rc;
}

static void rewrite(struct journal *j, const struct journal_keys *keys)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	journal_put_header(&text, &j->header);
	journal_put_keys(&text, keys);
	int fd = text.failed ? -ENOMEM : replace_file(j, buf_str(&text));
	if (fd < 0) {
		fail(j, "rewriting", -fd);
		return;
	}
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	j->keys = j->lines = keys->n_bound + keys->n_unsure;
}

void journal_begin(struct journal *j, const struct journal_header *header, const struct journal_keys *keys)
{
	if (!j || j->dropped)
		return;
	buf_reset(&j->pending); /* about a queue of before */
	j->header = *header;
	rewrite(j, keys);
}

/* Without the lines that count no more. A file that is not ours any more is left alone. */
static void compact(struct journal *j)
{
	struct journal_header written;
	struct journal_keys keys;

	if (journal_taken_over(j))
		return;
	int rc = load(j->fd, &written, &keys);
	if (rc != 0) {
		fail(j, "reading", rc < 0 ? -rc : EBADMSG);
		return;
	}
	rewrite(j, &keys);
	journal_keys_deinit(&keys);
}

void journal_set_header(struct journal *j, const struct journal_header *header)
{
	if (!j || j->fd < 0)
		return;
	journal_flush(j);
	j->header = *header;
	if (j->fd >= 0)
		compact(j);
}

void journal_add(struct journal *j, enum journal_mark mark, const struct key *key)
{
	if (!j || j->fd < 0)
		return;
	journal_put_key(&j->pending, mark, key);
	j->lines++;
}

void journal_flush(struct journal *j)
{
	if (!j || j->fd < 0 || (j->pending.n == 0 && !j->pending.failed))
		return;
	int rc = j->pending.failed ? -ENOMEM : write_all(j->fd, buf_str(&j->pending));
	if (rc != 0) {
		fail(j, "writing", -rc);
		return;
	}
	buf_reset(&j->pending);
	if (j->lines > LINES_PER_KEY * j->keys + REWRITE_ABOVE)
		compact(j);
}
