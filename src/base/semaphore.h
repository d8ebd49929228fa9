/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEMAPHORE_H
#define SEMAPHORE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * At most so many threads at one time, first come first served.
 *
 * Threads come in two classes, each with a limit of its own.  While threads of
 * both wait, the class that has held the semaphore for less time goes first:
 * so one class may have long work and the other short, and neither waits for
 * more than one piece of the other's, however many threads of it wait.
 */
#define SEMAPHORE_CLASSES 2

struct semaphore;

/* "limits" are the classes' own, at most "count"; 0 for a class that is not
 * used.  NULL when there is no memory. */
struct semaphore *semaphore_open(
    int count, const int limits[SEMAPHORE_CLASSES]);

/* Nobody may hold it or wait for it any more. */
void semaphore_close(struct semaphore *);

/* One thread's hold on it; the struct is the caller's. */
struct semaphore_hold {
	struct semaphore *semaphore;
	int class;
	int64_t since_ms; /* on now_ms()'s clock */
};

/*
 * Wait until "until_ms" on now_ms()'s clock at most, and stop waiting when
 * nobody has given it back for "idle_ms".  False: not taken.
 */
bool semaphore_take(struct semaphore *, struct semaphore_hold *, int class,
    int64_t until_ms, int64_t idle_ms);
void semaphore_give(struct semaphore_hold *);

/* How many threads of that class wait just now: what tests watch instead of
 * sleeping. */
int semaphore_waiting(struct semaphore *, int class);

#endif
