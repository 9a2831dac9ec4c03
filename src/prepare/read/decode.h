// SPDX-License-Identifier: Apache-2.0
//
// From a source's bytes to UTF-8. Bytes that are wrong in their encoding don't end the reading:
// they come through as what is never valid in UTF-8, so that the row they stand in can be refused
// by name. In a UTF-8 file they stay as they are; elsewhere the byte 0xHL becomes 0xFF 0x8H 0x8L.
#ifndef HD_PREPARE_READ_DECODE_H
#define HD_PREPARE_READ_DECODE_H

#include "base/unicode.h"
#include "prepare/read/source.h"

typedef struct hd_decoder hd_decoder;

// source: borrowed. encoding: a name ("gb18030", "gbk", "utf-16", "latin-1", …), or NULL to guess.
// An empty or a binary file fails here, and says what it seems to be.
heed_err hd_decoder_open(hd_source *source, const char *encoding, hd_decoder **out) HEED_CHECK;
void hd_decoder_close(hd_decoder *decoder);
// Up to `size` (16 at least) bytes of UTF-8; *got is 0 at the end only.
heed_err hd_decoder_read(hd_decoder *decoder, char *buf, size_t size, size_t *got) HEED_CHECK;
// As far as it is known: a file may be plain ASCII for a long while.
hd_encoding hd_decoder_encoding(const hd_decoder *decoder);

// The byte that was wrong at text[at], as it stood in the file.
unsigned char hd_decoder_wrong_byte(const char *text, size_t n, size_t at);

#endif
