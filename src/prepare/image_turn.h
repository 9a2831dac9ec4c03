// SPDX-License-Identifier: Apache-2.0
//
// Which way up: cameras write a photograph as the sensor saw it and note how it is to be turned
// (Exif 2.3, tag 0x0112). Unturned, half of a phone's pictures would lie on their side.
#ifndef HD_PREPARE_IMAGE_TURN_H
#define HD_PREPARE_IMAGE_TURN_H

#include "prepare/image.h"

// 1 … 8 of a JPEG; 1 (as it is) where nothing sound is said. Nothing in the file is believed.
int hd_jpeg_orientation(const void *bytes, size_t n);
// Turns and mirrors as that number says.
heed_err hd_image_turn(hd_image *image, int orientation) HEED_CHECK;

#endif
