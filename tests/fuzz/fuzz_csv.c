// SPDX-License-Identifier: Apache-2.0
//
// CSV and its relatives (packed ones too) through the whole importer.
#include "import_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    import_check_file(data, size, "data.csv");
    return 0;
}
