/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNCED_H
#define SYNCED_H

#include <stdbool.h>

/*
 * Files that this process has put on the disk itself, bytes and name.
 *
 * To sync such a file again would cost two writes to the disk for each answer
 * that is reused.  A file that a sibling process made is not among them, nor
 * one that was removed and made again: it may have its name and not be on the
 * disk yet.
 *
 * A file is known by its device, its inode and the time at which that was
 * made, because inodes are used again.  Where a file system does not tell that
 * time, no file is remembered.  A fixed table: one that is pushed out of it is
 * synced once more.
 */
struct synced;

/* NULL when there is no memory. */
struct synced *synced_open(void);
void synced_close(struct synced *);

/* The file that is open as "fd".  May be called by several threads at once. */
void synced_add(struct synced *, int fd);
bool synced_has(struct synced *, int fd);

#endif
