/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS: which certificates are trusted, and why one was not.
 */
#include "net/http_transfer.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/*
 * One for all handles: libcurl 7.88 parses the CA bundle again for each new
 * connection, 20 ms and 900 KB a time.
 */
static X509_STORE *trusted;

bool
http_tls_start(const struct http_options *options, FILE *complaints)
{
	const char *file = options->ca_file;

	if (file == NULL)
		file = curl_version_info(CURLVERSION_NOW)->cainfo;
	trusted = X509_STORE_new();
	/* as libcurl: a certificate in the file is trusted, root or not */
	if (trusted == NULL ||
	    X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
		fputs("grafana-images: OpenSSL cannot be set up\n", complaints);
		return false;
	}
	if (file == NULL || X509_STORE_load_file(trusted, file) == 1)
		return true;
	/* without the system's bundle every https Grafana is refused, but http
	 * ones work; a file that was asked for must be there */
	if (options->ca_file != NULL)
		fprintf(complaints,
		    "grafana-images: %s = %s holds no certificates\n",
		    options->ca_name, file);
	else
		fprintf(complaints,
		    "grafana-images: warning: %s holds no certificates; "
		    "install ca-certificates to reach a Grafana over https\n",
		    file);
	return options->ca_file == NULL;
}

void
http_tls_stop(void)
{
	X509_STORE_free(trusted);
	trusted = NULL;
}

/* Changes no verdict; remembers which certificate it was about. */
static int
on_verify(int ok, X509_STORE_CTX *verify)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    verify, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *cert = X509_STORE_CTX_get_current_cert(verify);
	struct http *h;
	char subject[100], issuer[100];

	if (ok || ssl == NULL || cert == NULL)
		return ok;
	h = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	h->certificate_depth = X509_STORE_CTX_get_error_depth(verify);
	X509_NAME_oneline(
	    X509_get_subject_name(cert), subject, sizeof(subject));
	X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	snprintf(h->certificate, sizeof(h->certificate),
	    "; certificate of %s, signed by %s", subject, issuer);
	return ok;
}

static CURLcode
on_tls(CURL *easy, void *context, void *user)
{
	struct http *h = user;

	(void)easy;
	h->tls_began = true;
	SSL_CTX_set1_cert_store(context, trusted);
	SSL_CTX_set_app_data(context, h);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
	return CURLE_OK;
}

bool
http_tls_options(struct http *h)
{
	CURL *e = h->easy;
	bool ok = true;

#define SET(option, value)                                                     \
	(ok = curl_easy_setopt(e, option, value) == CURLE_OK && ok)
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, NULL); /* on_tls() brings them */
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
	SET(CURLOPT_SSL_CTX_DATA, h);
#undef SET
	return ok;
}

static enum http_end
end_of_certificate(const struct http *h)
{
	long result = X509_V_OK;

	curl_easy_getinfo(h->easy, CURLINFO_SSL_VERIFYRESULT, &result);
	switch (result) {
	/* the chain is good; libcurl then compares the name */
	case X509_V_OK:
	case X509_V_ERR_UNSPECIFIED:
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return HTTP_CERT_OTHER_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return h->certificate_depth == 0 ? HTTP_CERT_EXPIRED
						 : HTTP_CA_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return HTTP_CERT_NOT_YET;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return HTTP_CERT_SELF_SIGNED;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return HTTP_CERT_UNKNOWN_CA;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return HTTP_CERT_INCOMPLETE;
	default:
		return HTTP_CERT_BAD;
	}
}

/* Does libcurl hand on these words of OpenSSL? */
static bool
has_reason(const struct http *h, int reason)
{
	const char *words =
	    ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));

	return words != NULL && strstr(h->words, words) != NULL;
}

enum http_end
http_tls_end(const struct http *h, CURLcode rc)
{
	if (rc == CURLE_PEER_FAILED_VERIFICATION)
		return end_of_certificate(h);
	/* what came is no TLS record: the five bytes of its head say so */
	if (has_reason(h, SSL_R_WRONG_VERSION_NUMBER) ||
	    has_reason(h, SSL_R_PACKET_LENGTH_TOO_LONG) ||
	    has_reason(h, SSL_R_HTTP_REQUEST))
		return HTTP_SPEAKS_NO_TLS;
	/* ours, and the peer's alert */
	if (has_reason(h, SSL_R_UNSUPPORTED_PROTOCOL) ||
	    has_reason(h, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION))
		return HTTP_OLD_TLS;
	return HTTP_BAD_TLS;
}
