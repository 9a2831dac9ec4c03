// SPDX-License-Identifier: Apache-2.0
//
// What fitted segments are made of: shared by fitting (segments.c), wording (segments_words.c) and
// files (segments_file.c).
#ifndef HD_PROFILE_SEGMENTS_H
#define HD_PROFILE_SEGMENTS_H

#include "profile/profile.h"

enum { HD_SEGMENTS_MAX = 1024 };

// Letters: D dimensions of the profile's vector, k segments.
struct hd_segments {
    size_t d, k;
    double *mean;    // (D) of the known values, after hd_segments_scale's logarithm
    double *spread;  // (D) standard deviation; 0: the dimension tells users nothing apart
    double *centre;  // (k, D) standardised
    double *natural; // (k, D) means in natural units; NaN: known of nobody
    uint64_t *users; // (k) when fitted
    double silhouette;
    char **name[2]; // (k) by heed_lang
};

heed_err hd_segments_new(size_t k, hd_segments **out) HEED_CHECK;
// Standardises a vector (D): skewed dimensions by sign(x) · log(1 + |x|), then (x − mean) / spread
// within ±3, times hd_dimension_weight; what isn't known becomes the mean.
void hd_segments_scale(const hd_segments *segments, const double *vector, double *out);
// How far a segment's centre stands from the mean in a dimension, in standard deviations.
double hd_segments_deviation(const hd_segments *segments, size_t id, size_t dimension);
// Dimensions by how far a segment's centre stands from the mean, farthest first: those beyond half
// a standard deviation. order: (D). Returns how many.
size_t hd_segments_distinct(const hd_segments *segments, size_t id, size_t *order);
// Makes the names from the centres.
heed_err hd_segments_make_names(hd_segments *segments) HEED_CHECK;

#endif
