/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HELP_H
#define HELP_H

/* What the program says about itself, each line with its end. */
const char *help(void);

/* The same for a command: its arguments, and what they mean; NULL for a name
 * that is none of a command. */
const char *help_of(const char *command);

#endif
