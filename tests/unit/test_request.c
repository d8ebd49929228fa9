/* SPDX-License-Identifier: Apache-2.0 */
#include "server/door.h"
#include "server/request.h"

#include <stdlib.h>

#include "tap.h"
#include "wiped.h"

#define GOOD   "{\"imageUrl\": \"https://g.example/d/U\"}"
#define BEARER "HTTP_AUTHORIZATION=Bearer glsa_Ab1"

static char text[65600]; /* of bodies and credentials that are made here */
static struct request request;
static struct problem problem;

static char *asked, *those[16];

/* Those variables, separated by newlines, until the next call. */
static void
given(const char *variables)
{
	size_t n = 0;
	char *p;

	free(asked);
	asked = strdup(variables);
	for (p = asked; p != NULL && n < 15; n++) {
		those[n] = p;
		p = strchr(p, '\n');
		if (p != NULL)
			*p++ = '\0';
	}
	those[n] = NULL;
}

/* As the service does it. */
static enum outcome
read_all(char *const envp[], const struct body *body)
{
	enum outcome o;

	request_free(&request);
	memset(&problem, 0, sizeof(problem));
	if (door_find(envp, false).door != DOOR_POST)
		return OUTCOME_METHOD;
	o = request_head(&request, envp, &problem);
	if (o == OUTCOME_OK)
		o = request_body(&request, envp, body, &problem);
	return o;
}

/* One request with those variables and that body. */
static enum outcome
ask(const char *variables, struct body body)
{
	given(variables);
	return read_all(those, &body);
}

/* Only read, so that a constant will do. */
static struct body
of_bytes(const char *bytes, size_t len)
{
	return (struct body){ .bytes = { .bytes = (char *)(uintptr_t)bytes,
				  .len = len } };
}

static struct body
whole(const char *bytes)
{
	return of_bytes(bytes, strlen(bytes));
}

static const char *
post(const char *bytes, size_t len)
{
	/* to the byte, so that a sanitizer sees a read past the end */
	char *exact = malloc(len > 0 ? len : 1);
	enum outcome o;

	if (exact == NULL)
		abort();
	if (len > 0)
		memcpy(exact, bytes, len);
	o = ask("REQUEST_METHOD=POST\n" BEARER, of_bytes(exact, len));
	free(exact);
	return outcome_word(o);
}

static const struct {
	const char *variables, *body, *verdict, *phrase;
} orders[] = {
	{ "REQUEST_METHOD=POST\n" BEARER, GOOD, "ok",
	    "a POST with a token and a body is read" },
	{ "REQUEST_METHOD=GET", "", "method",
	    "the method is looked at before the credentials" },
	{ "REQUEST_METHOD=POST", "{", "no-token",
	    "the credentials are looked at before the body" },
	{ "REQUEST_METHOD=POST\n" BEARER, "{", "malformed",
	    "the body comes last" },
	{ BEARER, GOOD, "method", "without a method it is none of ours" },
	{ "REQUEST_METHOD=\n" BEARER, GOOD, "method",
	    "an empty method is none of ours" },
	{ "REQUEST_METHOD=post\n" BEARER, GOOD, "method",
	    "a method's case matters" },
	{ "REQUEST_METHOD=POSTX\n" BEARER, GOOD, "method",
	    "a method that begins with POST is another one" },
	{ "REQUEST_METHOD=PUT\n" BEARER, GOOD, "method",
	    "PUT is another method" },
	{ "REQUEST_METHOD=POST\nHTTP_AUTHORIZATIONS=Bearer x", GOOD, "no-token",
	    "a variable with a longer name is another one" },
	{ "REQUEST_METHOD=POST\nHTTP_SEC_FETCH_SITE=cross-site\n" BEARER, GOOD,
	    "not-allowed", "another site's page may not ask" },
	{ "REQUEST_METHOD=POST\nHTTP_SEC_FETCH_SITE=Cross-Site\n" BEARER, GOOD,
	    "not-allowed", "nor in another case" },
	{ "REQUEST_METHOD=POST\nHTTP_SEC_FETCH_SITE=same-origin\n" BEARER, GOOD,
	    "ok", "a page of the same origin may ask" },
	{ "REQUEST_METHOD=POST\nHTTP_SEC_FETCH_SITE=none\n" BEARER, GOOD, "ok",
	    "what a person typed may ask" },
	{ "REQUEST_METHOD=POST\nCONTENT_TYPE=application/x-www-form-urlencoded"
	  "; charset=utf-8\nHTTP_X_UNKNOWN=1\n" BEARER,
	    GOOD, "ok", "any Content-Type and unknown headers are taken" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=37\n" BEARER, GOOD, "ok",
	    "a body as long as Content-Length says is whole" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=\n" BEARER, GOOD, "ok",
	    "an empty Content-Length says nothing" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=-1\n" BEARER, GOOD, "ok",
	    "a Content-Length of -1 says nothing" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=38\n" BEARER, GOOD, "malformed",
	    "a body that is shorter than announced is cut off" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=36\n" BEARER, GOOD, "malformed",
	    "a body that is longer than announced is not what was meant" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=0\n" BEARER, GOOD, "malformed",
	    "a body where none was announced is not either" },
	{ "REQUEST_METHOD=POST\nCONTENT_LENGTH=18446744073709551653\n" BEARER,
	    GOOD, "too-large", "a Content-Length does not wrap round" },
};

static void
order(void)
{
	struct body body;
	size_t i;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		test (orders[i].phrase) {
			check_str(outcome_word(ask(orders[i].variables,
				      whole(orders[i].body))),
			    orders[i].verdict);
		}
	test ("a body over the limit is too large, whatever is in it") {
		body = whole("{");
		body.over = true;
		check_str(
		    outcome_word(ask("REQUEST_METHOD=POST\n" BEARER, body)),
		    "too-large");
		check_str(
		    outcome_word(ask("REQUEST_METHOD=POST", body)), "no-token");
	}
	test ("a body that there was no memory for is not its sender's fault") {
		body = whole(GOOD);
		body.no_memory = true;
		check_str(
		    outcome_word(ask("REQUEST_METHOD=POST\n" BEARER, body)),
		    "internal");
	}
	test ("a body that broke off is malformed, even if it is JSON") {
		body = whole(GOOD);
		body.broken = true;
		check_str(
		    outcome_word(ask("REQUEST_METHOD=POST\n" BEARER, body)),
		    "malformed");
	}
}

/* NULL as "passed on": it is no credential. */
static const struct {
	const char *header, *passed_on, *phrase;
} credentials[] = {
	{ "Bearer glsa_Ab1", "Bearer glsa_Ab1", "Bearer is passed on" },
	{ "Basic dXNlcjpwdw==", "Basic dXNlcjpwdw==", "Basic is passed on" },
	{ "bEARER x", "Bearer x", "Bearer in another case is passed on right" },
	{ "BASIC x", "Basic x", "Basic in another case is passed on right" },
	{ "Bearer   x", "Bearer x", "several blanks are one" },
	{ "Bearer x  \t", "Bearer x", "blanks at the end are cut off" },
	{ "Bearer -._~+/=09azAZ", "Bearer -._~+/=09azAZ",
	    "all characters of RFC 9110's token68 are taken" },
	{ "", NULL, "an empty header is none" },
	{ "Bearer", NULL, "a scheme alone is none" },
	{ "Bearer ", NULL, "a scheme and a blank are none" },
	{ "glsa_Ab1", NULL, "a token without a scheme is none" },
	{ "Bearerglsa_Ab1", NULL, "a scheme without a blank is none" },
	{ "Bearer:x", NULL, "a scheme and a colon are none" },
	{ "Digest username=x", NULL, "another scheme is none" },
	{ "Negotiate x", NULL, "one more scheme is none" },
	{ " Bearer x", NULL, "a blank before the scheme is none" },
	{ "Bearer x, Bearer y", NULL, "two headers joined are none" },
	{ "Bearer x,", NULL, "a comma at the end is none" },
	{ "Bearer x y", NULL, "two tokens are none" },
	{ "Bearer \"x\"", NULL, "a token in quotes is none" },
	{ "Bearer x:y", NULL, "a colon is none" },
	{ "Bearer x;y", NULL, "a semicolon is none" },
	{ "Bearer x\ry", NULL, "a return is none" },
	{ "Bearer x\r", NULL, "a return at the end is none" },
	{ "Bearer x\tX-Evil", NULL, "a tab inside is none" },
	{ "Bearer x\x01", NULL, "a control is none" },
	{ "Bearer x\x7f", NULL, "a delete is none" },
	{ "Bearer x\xc3\xa9", NULL, "a letter beyond ASCII is none" },
	{ "Bearer x%0d", NULL, "an escape is none" },
	{ "Bearer \xe2\x80\x8bx", NULL, "an invisible blank is none" },
};

static void
check_credential(const char *header, const char *passed_on)
{
	static char variables[20000];
	enum outcome o;

	snprintf(variables, sizeof(variables),
	    "REQUEST_METHOD=POST\nHTTP_AUTHORIZATION=%s", header);
	o = ask(variables, whole(GOOD));
	check_str(outcome_word(o), passed_on == NULL ? "no-token" : "ok");
	if (o == OUTCOME_OK)
		check_str(
		    request.authorization, passed_on == NULL ? "" : passed_on);
	else
		check(request.url == NULL);
}

static void
who_asks(void)
{
	char newline[] = "HTTP_AUTHORIZATION=Bearer x\nX-Evil: 1",
	     method[] = "REQUEST_METHOD=POST",
	     *envp[] = { method, newline, NULL };
	struct body body = whole(GOOD);
	size_t i;

	for (i = 0; i < sizeof(credentials) / sizeof(credentials[0]); i++)
		test (credentials[i].phrase) {
			check_credential(
			    credentials[i].header, credentials[i].passed_on);
		}
	test ("a newline is none: no header can be added") {
		check_str(outcome_word(read_all(envp, &body)), "no-token");
	}
	test ("a credential may have 16,384 bytes, and not one more") {
		memset(text, 0, sizeof(text));
		memcpy(text, "Bearer ", 7);
		memset(text + 7, 'x', REQUEST_CREDENTIAL_MAX);
		check_credential(text, text);
		text[7 + REQUEST_CREDENTIAL_MAX] = 'x';
		check_credential(text, NULL);
		check(strstr(problem.why, "16385 bytes") != NULL);
	}
}

/* What is said of them: words that must be in it. */
static const struct {
	const char *header, *says, *phrase;
} refusals[] = {
	{ "", "did not pass it on", "no header: a server between may drop it" },
	{ "Bearer", "the word Bearer and nothing", "a scheme alone" },
	{ "basic", "the word Basic and nothing", "a scheme alone, of Basic" },
	{ "Bearer  ", "the word Bearer and nothing", "a scheme and blanks" },
	{ "glsa_Ab1", "neither Bearer nor Basic", "a token alone" },
	{ "Digest x", "neither Bearer nor Basic", "another scheme" },
	{ "Bearer T,Bearer T", "sent it twice",
	    "two headers that were joined" },
	{ "Bearer T, Basic dTpw", "sent it twice", "two schemes, joined" },
	{ "Bearer Bearer T", "the word Bearer (or Basic) twice",
	    "the scheme twice" },
	{ "Bearer bearer T", "twice", "the scheme twice, in another case" },
	{ "Basic Bearer T", "twice", "two schemes in a row" },
	{ "Bearer \"T\"", "quotes", "quotes" },
	{ "Bearer 'T'", "quotes", "quotes of a shell" },
	{ "Bearer T\xc3\xa9", "characters", "a letter beyond ASCII" },
	{ "Bearer a b", "in one line", "a token with a blank in it" },
};

static void
sentences(void)
{
	static const char utf16[] = "\xff\xfe{\0\"\0", big[] = "\0{\0\"";
	char name[128];
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		snprintf(name, sizeof(name), "a true sentence is said of %s",
		    refusals[i].phrase);
		test (name) {
			check_credential(refusals[i].header, NULL);
			check(strstr(problem.why, refusals[i].says) != NULL);
			/* the credential is not */
			check(strstr(problem.why, "glsa_Ab1") == NULL);
			if (!tap_held)
				printf("#   %s\n", problem.why);
		}
	}
	test ("a body in UTF-16 is called that, with and without a mark") {
		check_str(post(utf16, sizeof(utf16) - 1), "malformed");
		check(strstr(problem.why, "UTF-16") != NULL);
		check_str(post(big, sizeof(big) - 1), "malformed");
		check(strstr(problem.why, "UTF-16") != NULL);
	}
}

static const struct {
	const char *body, *url, *phrase;
} bodies[] = {
	{ "{\"imageUrl\":\"x\"}", "x", "an object with imageUrl is read" },
	{ " \t\r\n{ \"imageUrl\" : \"x\" } \r\n\t", "x",
	    "blanks are free round everything" },
	{ "{\"a\":[1,{\"b\":null}],\"imageUrl\":\"x\",\"z\":-1.5e3}", "x",
	    "other members are ignored" },
	{ "{\"imageUrl\":\"https:\\/\\/g\\u002fd\"}", "https://g/d",
	    "escapes are undone" },
	{ "{\"image\\u0055rl\":\"x\"}", "x", "also in the name" },
	{ "{\"imageUrl\":\"\xc3\xa9\"}", "\xc3\xa9",
	    "what the address is made of is not judged here" },
	{ "", NULL, "nothing is malformed" },
	{ " ", NULL, "a blank is malformed" },
	{ "https://g.example/d/U", NULL, "a bare address is malformed" },
	{ "imageUrl=https://g.example/d/U", NULL, "a form is malformed" },
	{ "<x/>", NULL, "XML is malformed" },
	{ "null", NULL, "null is malformed" },
	{ "5", NULL, "a number is malformed" },
	{ "\"x\"", NULL, "a string is malformed" },
	{ "[\"imageUrl\",\"x\"]", NULL, "an array is malformed" },
	{ "[{\"imageUrl\":\"x\"}]", NULL, "an object in an array is" },
	{ "{}", NULL, "an object without imageUrl is malformed" },
	{ "{\"ImageUrl\":\"x\"}", NULL, "a name's case matters" },
	{ "{\"imageurl\":\"x\"}", NULL, "in the other direction too" },
	{ "{\"a\":{\"imageUrl\":\"x\"}}", NULL, "a nested imageUrl is none" },
	{ "{\"a\":{\"imageUrl\":\"y\"},\"imageUrl\":\"x\"}", "x",
	    "and does not count beside a real one" },
	{ "{\"imageUrl\":\"x\",\"imageUrl\":\"x\"}", NULL,
	    "imageUrl twice is malformed" },
	{ "{\"imageUrl\":\"x\",\"image\\u0055rl\":\"y\"}", NULL,
	    "also when one is escaped" },
	{ "{\"imageUrl\":null,\"imageUrl\":\"y\"}", NULL,
	    "also when one is no string" },
	{ "{\"a\":1,\"a\":2,\"imageUrl\":\"x\"}", "x",
	    "what is ignored may come twice" },
	{ "{\"imageUrl\":\"\\ud800\"}", NULL, "half a character is malformed" },
	{ "{\"imageUrl\":null}", NULL, "imageUrl as null is malformed" },
	{ "{\"imageUrl\":5}", NULL, "imageUrl as a number is" },
	{ "{\"imageUrl\":true}", NULL, "imageUrl as a truth is" },
	{ "{\"imageUrl\":[\"x\"]}", NULL, "imageUrl as an array is" },
	{ "{\"imageUrl\":{\"a\":\"x\"}}", NULL, "imageUrl as an object is" },
	{ "{\"imageUrl\":\"x\\u0000y\"}", NULL, "a NUL in the address is" },
	{ "{\"imageUrl\":\"\\u0000\"}", NULL, "an address of a NUL is" },
	{ "{\"imageUrl\\u0000z\":\"x\"}", NULL,
	    "a name that goes on after a NUL is another one" },
	{ "{\"imageUrl\":\"x\"", NULL, "an object cut off is malformed" },
	{ "{\"imageUrl\":\"x", NULL, "a string cut off is" },
	{ "{\"imageUrl\":\"x\\", NULL, "an escape cut off is" },
	{ "{\"imageUrl\":\"x\\u00", NULL, "a number in an escape cut off is" },
	{ "{\"imageUrl\":", NULL, "a member cut off is" },
	{ "{", NULL, "a brace is" },
	{ "{\"imageUrl\":\"x\"}}", NULL, "a brace too many is malformed" },
	{ "{\"imageUrl\":\"x\"}x", NULL, "a letter after the object is" },
	{ "{\"imageUrl\":\"x\"} {}", NULL, "a second object is" },
	{ "{\"imageUrl\":\"x\"}\v", NULL, "a blank that JSON has not is" },
	{ "\xef\xbb\xbf{\"imageUrl\":\"x\"}", "x",
	    "a byte order mark is skipped (RFC 8259, 8.1)" },
	{ "\xef\xbb\xbf\xef\xbb\xbf{\"imageUrl\":\"x\"}", NULL,
	    "a second one is malformed" },
	{ " \xef\xbb\xbf{\"imageUrl\":\"x\"}", NULL, "one after a blank is" },
	{ "\xef\xbb\xbf", NULL, "one alone is" },
	{ "\xef\xbb{}", NULL, "half a byte order mark is" },
	{ "{\"imageUrl\":\"x\",}", NULL, "a comma too many is" },
	{ "{\"imageUrl\":\"x\" \"a\":1}", NULL, "a comma too few is" },
	{ "{\"imageUrl\" \"x\"}", NULL, "a colon too few is" },
	{ "{'imageUrl':'x'}", NULL, "other quotes are" },
	{ "{imageUrl:\"x\"}", NULL, "a name without quotes is" },
	{ "{\"imageUrl\":x}", NULL, "a value without quotes is" },
	{ "{\"imageUrl\":\"x\" /* */}", NULL, "a comment is" },
	{ "{\"imageUrl\":\"\\x41\"}", NULL, "an escape that JSON has not is" },
	{ "{\"imageUrl\":\"x\",\"a\":tru}", NULL, "half a word is" },
	{ "{\"imageUrl\":\"\xff\"}", NULL, "a byte that UTF-8 has not is" },
	{ "{\"imageUrl\":\"\x80\"}", NULL, "half a character is" },
	{ "{\"imageUrl\":\"\xc3\"}", NULL, "the other half is" },
	{ "{\"imageUrl\":\"x\",\"a\":\"\xff\"}", NULL,
	    "bad UTF-8 is malformed also where it is ignored" },
};

static void
what_the_head_says(void)
{
	test ("a body that is announced too long is refused by the head") {
		given("REQUEST_METHOD=POST\nCONTENT_LENGTH=65537\n" BEARER);
		request_free(&request);
		check(request_head(&request, those, &problem) ==
		      OUTCOME_TOO_LARGE);
	}
	test ("but first of all, credentials are asked for") {
		given("REQUEST_METHOD=POST\nCONTENT_LENGTH=65537");
		request_free(&request);
		check(request_head(&request, those, &problem) ==
		      OUTCOME_NO_TOKEN);
	}
}

static const struct {
	const char *path, *name, *phrase; /* name NULL: malformed */
} uploads[] = {
	{ "/a.png", "a", "an upload's name is the last segment without .png" },
	{ "/x/y/Aa_-9.png", "Aa_-9", "whatever comes before it" },
	{ "/.png", NULL, "it is not empty" },
	{ "/a.jpg", NULL, "it ends in .png" },
	{ "/a.PNG", NULL, "in lower case" },
	{ "/a.b.png", NULL, "it has no dot" },
	{ "/a%2e.png", NULL, "nor an escape" },
	{ "/a.png/", NULL, "it is no folder" },
	{ "a.png", NULL, "it follows a slash" },
	{ "", NULL, "there is one" },
	{ "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  ".png",
	    NULL, "it has 64 characters at most" },
};

static void
upload_names(void)
{
	char name[REQUEST_NAME_MAX + 1], variables[256];
	enum outcome o;
	size_t i;

	for (i = 0; i < sizeof(uploads) / sizeof(uploads[0]); i++)
		test (uploads[i].phrase) {
			snprintf(variables, sizeof(variables),
			    "REQUEST_METHOD=PUT\nPATH_INFO=%s",
			    uploads[i].path);
			given(variables);
			o = request_upload_head(name, those, 100, &problem);
			check_str(outcome_word(o),
			    uploads[i].name == NULL ? "malformed" : "ok");
			if (uploads[i].name != NULL)
				check_str(name, uploads[i].name);
		}
	test ("an upload that is announced too long is refused by the head") {
		given("REQUEST_METHOD=PUT\nPATH_INFO=/a.png\n"
		      "CONTENT_LENGTH=101");
		check(request_upload_head(name, those, 100, &problem) ==
		      OUTCOME_TOO_BIG);
	}
	test ("a page of another site uploads nothing") {
		given("REQUEST_METHOD=PUT\nPATH_INFO=/a.png\n"
		      "HTTP_SEC_FETCH_SITE=cross-site");
		check(request_upload_head(name, those, 100, &problem) ==
		      OUTCOME_NOT_ALLOWED);
	}
}

static void
what_is_asked(void)
{
	const char *word;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		test (bodies[i].phrase) {
			word = post(bodies[i].body, strlen(bodies[i].body));
			check_str(
			    word, bodies[i].url == NULL ? "malformed" : "ok");
			check_str(request.url == NULL ? "-" : request.url,
			    bodies[i].url == NULL ? "-" : bodies[i].url);
			if (bodies[i].url == NULL)
				check(*problem.why != '\0' &&
				      strstr(problem.why, ". ") != NULL);
		}
	test ("a NUL after the object is malformed") {
		check_str(post(GOOD, sizeof(GOOD)), "malformed");
	}
	test ("a NUL in a string is malformed") {
		check_str(post("{\"imageUrl\":\"x\0y\"}", 18), "malformed");
	}
	test ("an escaped NUL in the address is malformed") {
		check_str(
		    post("{\"imageUrl\":\"x\\u0000y\"}", 23), "malformed");
		check(request.url == NULL);
	}
	test ("in what is ignored it is ignored") {
		check_str(
		    post("{\"imageUrl\":\"x\",\"a\":\"\\u0000\"}", 29), "ok");
		check_str(request.url, "x");
	}
	test ("a body of 65,536 bytes is read whole") {
		memset(text, 'x', sizeof(text));
		memcpy(text, "{\"imageUrl\":\"", 13);
		memcpy(text + REQUEST_BODY_MAX - 2, "\"}", 2);
		check_str(post(text, REQUEST_BODY_MAX), "ok");
		check(request.url != NULL &&
		      strlen(request.url) == REQUEST_BODY_MAX - 15);
	}
	test ("65,536 brackets are malformed, and nothing worse") {
		memset(text, '[', REQUEST_BODY_MAX);
		check_str(post(text, REQUEST_BODY_MAX), "malformed");
		for (i = 0; i + 5 <= REQUEST_BODY_MAX; i += 5)
			memcpy(text + i, "{\"a\":", 5);
		check_str(post(text, i), "malformed");
	}
}

static void
variables(void)
{
	char a[] = "AB=1", b[] = "A=2", c[] = "A=3", d[] = "B",
	     *envp[] = { a, b, c, d, NULL };

	test ("a variable is found by its whole name, the first wins") {
		check_str(request_variable(envp, "A"), "2");
		check_str(request_variable(envp, "AB"), "1");
	}
	test ("a variable that is not there is none") {
		check(request_variable(envp, "B") == NULL);
		check(request_variable(envp, "") == NULL);
		check(request_variable(NULL, "A") == NULL);
	}
}

static void
wiping(void)
{
	char header[32 + SECRET_LEN] = "HTTP_AUTHORIZATION=Bearer ";
	char method[] = "REQUEST_METHOD=POST",
	     *envp[] = { method, header, NULL };
	struct body body = whole(GOOD);
	size_t i, n = strlen(header);

	for (i = 0; i < SECRET_LEN; i++)
		header[n + i] = secret_byte(i);
	read_all(envp, &body);
	explicit_bzero(header, sizeof(header));
	if (!secret_is_in_memory()) {
		test ("memory cannot be looked at here # SKIP") {
			return;
		}
	}
	test ("the credential is wiped when the request is freed") {
		request_free(&request);
		check(!secret_is_in_memory());
	}
}

int
main(void)
{
	order();
	who_asks();
	sentences();
	what_the_head_says();
	upload_names();
	what_is_asked();
	variables();
	wiping();
	request_free(&request);
	free(asked);
	return tap_done();
}
