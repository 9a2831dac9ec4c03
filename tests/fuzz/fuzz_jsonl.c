// SPDX-License-Identifier: Apache-2.0
//
// JSON lines through the whole importer; and the scanner's verdict on the same bytes against
// jansson's.
#include "import_check.h"
#include "prepare/read/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare_with_jansson(const char *text, size_t n) {
    hd_arena arena;
    hd_json_scan scan;
    bool ok = false;
    json_error_t error;
    hd_arena_init(&arena);
    hd_json_scan_init(&scan, &arena);
    if (hd_utf8_valid(text, n) == n && !memchr(text, 0, n)) {
        IMPORT_CHECK(hd_json_scan_run(&scan, (hd_slice){text, n}, &ok) == HEED_OK);
    }
    // Nesting alone is limited here and not there.
    bool deep = !ok && scan.problem.en && strstr(scan.problem.en, "64 deep");
    json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    IMPORT_CHECK(deep || ok == (json != NULL));
    json_decref(json);
    hd_json_scan_clear(&scan);
    hd_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0) compare_with_jansson((const char *)data + 1, size - 1);
    import_check_file(data, size, "data.jsonl");
    return 0;
}
