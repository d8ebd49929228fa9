/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors are in addresses.tsv: one row, one promise. */
#include "net/ip_filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "table.h"
#include "tap.h"

static bool
allowed(const char *address, bool *is_one)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(3000) };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(3000) };

	*is_one = true;
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return address_allowed((const struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
		return address_allowed((const struct sockaddr *)&v6);
	*is_one = false;
	return false;
}

static void
check_row(const struct table *t, char name[256])
{
	bool is_one, is;

	snprintf(
	    name, 256, "%s: %s, %s", t->column[1], t->column[2], t->column[0]);
	test (name) {
		is = allowed(t->column[0], &is_one);
		check(is_one);
		check_str(is ? "allowed" : "never", t->column[1]);
	}
}

int
main(void)
{
	static char names[2][256]; /* one is read while the next is made */
	struct sockaddr other = { .sa_family = AF_UNIX };
	unsigned rows = 0;
	struct table t;

	if (!table_open(&t, "addresses.tsv"))
		return 1;
	while (table_next(&t))
		check_row(&t, names[rows++ % 2]);
	table_close(&t);
	test ("the table holds what it should: at least 60 rows") {
		check(rows >= 60);
	}
	test ("never: an address of another family") {
		check(!address_allowed(&other));
		other.sa_family = AF_UNSPEC;
		check(!address_allowed(&other));
	}
	test ("an address is said as people write it") {
		char text[ADDRESS_TEXT_ROOM];
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		struct sockaddr_in v4 = { .sin_family = AF_INET };

		inet_pton(AF_INET, "169.254.169.254", &v4.sin_addr);
		address_print(text, (const struct sockaddr *)&v4);
		check_str(text, "169.254.169.254");
		inet_pton(AF_INET6, "64:ff9b::a9fe:a9fe", &v6.sin6_addr);
		address_print(text, (const struct sockaddr *)&v6);
		check_str(text, "64:ff9b::a9fe:a9fe");
		other.sa_family = AF_UNSPEC;
		address_print(text, &other);
		check_str(text, "?");
	}
	return tap_done();
}
