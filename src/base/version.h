/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERSION_H
#define VERSION_H

/* The one place that says which release this is. */
#define VERSION "0.1.0"

#endif
