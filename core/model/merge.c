/* SPDX-License-Identifier: Apache-2.0 */
#include "merge.h"

#include <stdlib.h>

int lsb_merger_reserve(struct lsb_merger *m, size_t n)
{
	size_t room = m->room ? m->room : 64;
	void *grown;

	if (n <= m->room)
		return 0;
	while (room < n)
		room *= 2;
	grown = realloc(m->pieces, room * sizeof(*m->pieces));
	if (!grown)
		return -1;
	m->pieces = grown;
	grown = realloc(m->heap, 2 * room * sizeof(*m->heap));
	if (!grown)
		return -1;
	m->heap = grown;
	m->room = room;
	return 0;
}

void lsb_merger_free(struct lsb_merger *m)
{
	free(m->pieces);
	free(m->heap);
	*m = (struct lsb_merger){ 0 };
}

enum { ARITY = 4 }; /* children of a heap's node: shallower than a binary heap, and they share a cache line */

static void heap_push(struct lsb_merger *m, uint64_t key)
{
	size_t at = m->heap_n++;

	for (; at && m->heap[(at - 1) / ARITY] > key; at = (at - 1) / ARITY)
		m->heap[at] = m->heap[(at - 1) / ARITY];
	m->heap[at] = key;
}

static uint64_t heap_pop(struct lsb_merger *m)
{
	const uint64_t top = m->heap[0], last = m->heap[--m->heap_n];
	size_t at = 0;

	for (size_t first = 1; first < m->heap_n; first = ARITY * at + 1) {
		const size_t end = first + ARITY < m->heap_n ? first + ARITY : m->heap_n;
		size_t least = first;

		for (size_t child = first + 1; child < end; child++)
			least = m->heap[child] < m->heap[least] ? child : least;
		if (m->heap[least] >= last)
			break;
		m->heap[at] = m->heap[least];
		at = least;
	}
	m->heap[at] = last;
	return top;
}

static void offer(struct lsb_merger *m, uint32_t left, lsb_pair pair, const void *context)
{
	const struct lsb_piece *l = &m->pieces[left];
	uint32_t priority;

	if (l->next != LSB_PIECE_END && pair(context, l, &m->pieces[l->next], &priority) >= 0)
		heap_push(m, (uint64_t)priority << 32 | left);
}

/*
 * The heap is never searched for pairs that a merge has made stale. One that
 * comes up is looked at again instead: it counts if the piece still stands and
 * its pair of today has the very priority that was pushed. A merge takes one
 * entry out and puts at most two in, so the heap stays below 2 n.
 */
void lsb_merge(struct lsb_merger *m, uint32_t n, lsb_pair pair, const void *context)
{
	struct lsb_piece *const p = m->pieces;

	for (uint32_t i = 0; i < n; i++) {
		p[i].prev = i ? i - 1 : LSB_PIECE_END;
		p[i].next = i + 1 < n ? i + 1 : LSB_PIECE_END;
	}
	m->heap_n = 0;
	for (uint32_t i = 0; i + 1 < n; i++)
		offer(m, i, pair, context);
	while (m->heap_n) {
		const uint64_t key = heap_pop(m);
		const uint32_t left = (uint32_t)key, right = p[left].next;
		uint32_t priority;
		int32_t merged;

		if (p[left].bytes == 0 || right == LSB_PIECE_END)
			continue;
		merged = pair(context, &p[left], &p[right], &priority);
		if (merged < 0 || priority != key >> 32)
			continue;
		p[left].id = merged;
		p[left].bytes += p[right].bytes;
		p[left].next = p[right].next;
		p[right].bytes = 0; /* gone */
		if (p[left].next != LSB_PIECE_END)
			p[p[left].next].prev = left;
		offer(m, left, pair, context);
		if (p[left].prev != LSB_PIECE_END)
			offer(m, p[left].prev, pair, context);
	}
}
