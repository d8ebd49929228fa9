/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_H
#define MEMORY_H

/* From so many bytes on malloc() asks the kernel for a mapping of its own
 * (mallopt(3), M_MMAP_THRESHOLD). */
#define MEMORY_MAPPED (1024 * 1024)

#endif
