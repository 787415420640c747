#include "wire/hmac.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct hmac {
	EVP_MAC_CTX *keyed; /* never updated: each use starts from a copy */
};

static EVP_MAC_CTX *keyed_ctx(struct str key)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	                             OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac); /* the context has a reference of its own */
	if (ctx && EVP_MAC_init(ctx, (const unsigned char *)key.p, key.n, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int hmac_new(struct str key, struct hmac **hmacp)
{
	struct hmac *hmac = calloc(1, sizeof(*hmac));
	if (!hmac)
		return -ENOMEM;
	hmac->keyed = keyed_ctx(key);
	if (!hmac->keyed) {
		free(hmac);
		return -ENOMEM;
	}
	*hmacp = hmac;
	return 0;
}

struct hmac *hmac_free(struct hmac *hmac)
{
	if (hmac) {
		EVP_MAC_CTX_free(hmac->keyed);
		free(hmac);
	}
	return NULL;
}

int hmac_sign(struct hmac *hmac, const struct str *pieces, size_t n, unsigned char out[HMAC_LEN])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(hmac->keyed);
	size_t len;
	int ok = ctx != NULL;

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_MAC_update(ctx, (const unsigned char *)pieces[i].p, pieces[i].n);
	ok = ok && EVP_MAC_final(ctx, out, &len, HMAC_LEN) == 1;
	EVP_MAC_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}

bool hmac_eq(const unsigned char a[HMAC_LEN], const unsigned char b[HMAC_LEN])
{
	return CRYPTO_memcmp(a, b, HMAC_LEN) == 0;
}
