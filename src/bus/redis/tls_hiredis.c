/* For a hiredis with TLS. Its own contexts do not check the server's name, so the connection is made by OpenSSL's rules
 * here and handed to it. */
#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>

#include "bus/redis/tls.h"

const char *const redis_tls_lacks = NULL;

static bool use_files(SSL_CTX *ctx, const struct redis_config *config)
{
	if (*config->tls_ca && SSL_CTX_load_verify_locations(ctx, config->tls_ca, NULL) != 1)
		return false;
	if (!*config->tls_cert)
		return true;
	return SSL_CTX_use_certificate_chain_file(ctx, config->tls_cert) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, config->tls_key, SSL_FILETYPE_PEM) == 1;
}

/* The name in the certificate: an address is not a name, and is not sent as one. */
static bool expect_host(SSL *ssl, const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static SSL *make_ssl(const struct redis_config *config, const char *host)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && use_files(ctx, config))
		ssl = SSL_new(ctx);
	SSL_CTX_free(ctx); /* the connection has a reference of its own */
	if (!ssl)
		return NULL;
	SSL_set_verify(ssl, config->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!expect_host(ssl, host)) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

int tls_start(struct redisContext *context, const struct redis_config *config, const char *host, char *why,
              size_t why_size)
{
	ERR_clear_error();
	SSL *ssl = make_ssl(config, host);
	if (ssl && redisInitiateSSL(context, ssl) == REDIS_OK)
		return 0;
	SSL_free(ssl);
	const char *reason = tls_why();
	snprintf(why, why_size, "%s", reason ? reason : context->err ? context->errstr : "out of memory");
	return -EPROTO;
}

const char *tls_why(void)
{
	unsigned long error = ERR_peek_last_error();
	return error ? ERR_reason_error_string(error) : NULL;
}
