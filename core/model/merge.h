/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greedy merging of neighbours, the heart of BPE and of SentencePiece's BPE:
 * again and again the pair with the least priority becomes one piece, the
 * leftmost of equals first, until no pair merges. A linked list and a heap:
 * O(n log n) for n pieces, whatever the text.
 */
#ifndef LSB_MERGE_H
#define LSB_MERGE_H

#include <stddef.h>
#include <stdint.h>

#define LSB_PIECE_END UINT32_MAX

struct lsb_piece {
	int32_t id;	       /* -1: not a token */
	uint32_t start, bytes; /* in the text; set by the caller */
	uint32_t prev, next;   /* LSB_PIECE_END: none */
};

/*
 * What two neighbours become: an id, with the pair's priority in *priority, or
 * -1. The answer may depend on the pieces' ids and text alone.
 */
typedef int32_t (*lsb_pair)(const void *context, const struct lsb_piece *left, const struct lsb_piece *right,
			    uint32_t *priority);

struct lsb_merger {
	struct lsb_piece *pieces; /* [room] */
	uint64_t *heap;		  /* [2 * room] priority << 32 | left piece */
	size_t room, heap_n;
};

/* Room for n pieces; returns 0, or -1 for lack of memory. Earlier pieces are kept. */
int lsb_merger_reserve(struct lsb_merger *m, size_t n);
void lsb_merger_free(struct lsb_merger *m);

/* Merge pieces[0..n), n >= 1; what remains is the list from piece 0 along `next`. */
void lsb_merge(struct lsb_merger *m, uint32_t n, lsb_pair pair, const void *context);

#endif
