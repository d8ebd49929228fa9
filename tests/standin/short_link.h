/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHORT_LINK_H
#define SHORT_LINK_H

#include <stdbool.h>

#include "request.h"

struct reply;

/* Where "/goto/KEY" leads from now on: key and location from a query; false
 * when one is missing or there is no room. */
bool short_link_add(struct span query);

/* Answer "/goto/KEY", the key given. */
void short_link_answer(struct reply *, const struct request *, struct span key);

#endif
