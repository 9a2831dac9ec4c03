// SPDX-License-Identifier: Apache-2.0
//
// How a cell becomes a value, by type of field: between fill.c and setters.c.
#ifndef HD_PREPARE_READ_SETTERS_H
#define HD_PREPARE_READ_SETTERS_H

#include "prepare/read/fill.h"

// Writes to `place`, or makes the row bad (f->bad). Fails for want of memory only.
typedef heed_err (*hd_setter)(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                              void *place);
extern const hd_setter hd_setters[HD_FIELD_TYPES];

// Members of an object join the rest of the row (in fill.c, beside the rest).
heed_err hd_set_object(hd_fill *f, const hd_import_column *col, const hd_cell *cell, void *place);

#endif
