// SPDX-License-Identifier: Apache-2.0
//
// WordNet's files (wndb(5), lexnames(5)) as a list of words with their lexicographers' classes: of
// each word its first sense. Debian's wordnet-base puts them in /usr/share/wordnet.
#ifndef HD_RECIPE_WORDNET_H
#define HD_RECIPE_WORDNET_H

#include "text/lexicon.h"

// HEED_NOT_FOUND names the file that is missing, and the package.
heed_err hd_wordnet_read(const char *folder, hd_lexicon **out) HEED_CHECK;

#endif
