// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a file or of stdin, unpacked. Whatever was packed (gzip with all its members, zstd
// with all its frames) comes out plain; the hash is over the bytes as they came in.
#ifndef HD_PREPARE_READ_SOURCE_H
#define HD_PREPARE_READ_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct hd_source hd_source;

// "-" is stdin. A folder, a missing or an unreadable file fails here.
heed_err hd_source_open(const char *path, hd_source **out) HEED_CHECK;
// From memory (borrowed), under a name for messages: tests and fuzzing.
heed_err hd_source_open_memory(const char *name, const void *bytes, size_t n,
                               hd_source **out) HEED_CHECK;
void hd_source_close(hd_source *source);

// Up to `size` unpacked bytes; *got is 0 at the end only.
heed_err hd_source_read(hd_source *source, char *buf, size_t size, size_t *got) HEED_CHECK;

const char *hd_source_name(const hd_source *source);    // the path, or "stdin"
const char *hd_source_packing(const hd_source *source); // "", "gzip" or "zstd"
uint64_t hd_source_bytes(const hd_source *source);      // taken in so far, packed
uint64_t hd_source_total(const hd_source *source);      // 0: unknown
// BLAKE2b-256 of all bytes as they came, in hexadecimal. Before the end only a regular file knows.
heed_err hd_source_hash(hd_source *source, char out[65]) HEED_CHECK;

#endif
