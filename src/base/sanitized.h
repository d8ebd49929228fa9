/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANITIZED_H
#define SANITIZED_H

/*
 * Is a sanitizer in this build?  Its frames are larger, it has taken malloc()'s
 * place, it reads what nobody else does and makes calls of its own.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
