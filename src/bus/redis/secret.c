#include "bus/redis/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_line(const char *path, struct buf *out)
{
	char line[1024];
	FILE *file = fopen(path, "re");

	if (!file)
		return SECRET_E_UNREADABLE;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	buf_puts(out, line);
	bool empty = !line[0];
	explicit_bzero(line, sizeof(line));
	if (!empty)
		return 0;
	errno = ENODATA;
	return SECRET_E_UNREADABLE;
}

int secret_read(const char *value, const char *file, struct buf *out)
{
	int rc = 0;

	if (*file)
		rc = read_line(file, out);
	else
		buf_puts(out, value);
	return out->failed ? -ENOMEM : rc;
}

void secret_deinit(struct buf *secret)
{
	if (secret->p)
		explicit_bzero(secret->p, secret->n);
	buf_deinit(secret);
}
