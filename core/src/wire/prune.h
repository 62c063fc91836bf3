/* SPDX-License-Identifier: Apache-2.0 */
/* Members left out of JSON text before it is parsed. Pure. */
#ifndef LSB_PRUNE_H
#define LSB_PRUNE_H

#include <stddef.h>

/*
 * Copy the `bytes` of `text` to `out`, which has as much room, without the members
 * named in `names` (NULL at its end; plain names, without escapes): "name" at any
 * depth, "/name" of the outermost object alone.
 * Returns the bytes of the copy. What is left out is looked at only as far as
 * finding its end needs; text whose strings or brackets do not end is copied as it
 * is from there on, for the parser to refuse.
 */
size_t lsb_json_prune(const char *text, size_t bytes, const char *const *names, char *out);

#endif
