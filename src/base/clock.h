/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOCK_H
#define CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Milliseconds of a clock that only goes forward: all deadlines are on it,
 * whatever becomes of the time of day.
 */
int64_t now_ms(void);

/* The time of day, in milliseconds since 1970. */
int64_t unix_time_ms(void);

/* Wait for the condition, until then at most; false: it is that late.  As
 * always with conditions, true does not say that it holds. */
bool clock_wait(pthread_cond_t *, pthread_mutex_t *, int64_t until_ms);

#endif
