/* HMAC-SHA256 under one key (RFC 2104). The one place of wire/ that knows OpenSSL. Not for several threads at once. */
#ifndef GRID_WIRE_HMAC_H
#define GRID_WIRE_HMAC_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define HMAC_LEN 32

struct hmac;

/* -ENOMEM, also when OpenSSL has no HMAC-SHA256. */
GRID_MUST_CHECK int hmac_new(struct str key, struct hmac **hmacp);
struct hmac *hmac_free(struct hmac *hmac); /* takes and returns NULL */
/* Of the pieces as if they stood in one row. -ENOMEM. */
GRID_MUST_CHECK int hmac_sign(struct hmac *hmac, const struct str *pieces, size_t n, unsigned char out[HMAC_LEN]);
/* Compares in a time that says nothing about where they differ. */
bool hmac_eq(const unsigned char a[HMAC_LEN], const unsigned char b[HMAC_LEN]);

#endif
