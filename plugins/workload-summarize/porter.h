/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Porter's stemmer, with the extensions that the rouge-score package's stemmer
 * (NLTK's default mode) has, so that stemmed ROUGE agrees with it.
 *
 * Source: M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980);
 * extensions as NLTK documents them. Pure.
 */
#ifndef LSB_PORTER_H
#define LSB_PORTER_H

#include <stddef.h>

/*
 * Stem a lower-case word of [a-z0-9] in place; `length` bytes, no NUL needed,
 * room for one byte more. Returns the stem's length.
 */
size_t lsb_porter_stem(char *word, size_t length);

#endif
