/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERSION_H
#define VERSION_H

/* The one place that says which release this is; the Makefile reads it too. */
#define VERSION "0.1.0"

#endif
