/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/spans.h"

#include <stdlib.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int lsb_spans_add(struct lsb_spans *spans, uint64_t from, uint64_t to)
{
	if (to <= from)
		return 0;
	if (spans->n == spans->room) {
		const size_t room = spans->room ? spans->room * 2 : 64;
		struct lsb_interval_ns *list = realloc(spans->list, room * sizeof(*list));

		if (!list)
			return -1;
		spans->list = list;
		spans->room = room;
	}
	spans->list[spans->n++] = (struct lsb_interval_ns){ from, to };
	return 0;
}

void lsb_spans_free(struct lsb_spans *spans)
{
	free(spans->list);
	*spans = (struct lsb_spans){ 0 };
}

static int compare(const void *a, const void *b)
{
	const struct lsb_interval_ns *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

void lsb_spans_merge(struct lsb_spans *spans)
{
	struct lsb_interval_ns *list = spans->list;
	size_t merged = 0;

	if (spans->n == 0)
		return;
	qsort(list, spans->n, sizeof(*list), compare);
	for (size_t i = 1; i < spans->n; i++) {
		if (list[i].from < list[merged].to)
			list[merged].to = later(list[merged].to, list[i].to);
		else
			list[++merged] = list[i];
	}
	spans->n = merged + 1;
}

int lsb_spans_subtract(struct lsb_spans *spans, const struct lsb_spans *other)
{
	struct lsb_spans left = { 0 };
	size_t k = 0;

	for (size_t i = 0; i < spans->n; i++) {
		uint64_t from = spans->list[i].from;
		const uint64_t to = spans->list[i].to;

		while (k < other->n && other->list[k].to <= from)
			k++;
		for (size_t m = k; m < other->n && other->list[m].from < to; m++) {
			if (lsb_spans_add(&left, from, other->list[m].from))
				goto fail;
			from = later(from, other->list[m].to);
		}
		if (lsb_spans_add(&left, from, to))
			goto fail;
	}
	lsb_spans_free(spans);
	*spans = left;
	return 0;
fail:
	lsb_spans_free(&left);
	return -1;
}

int lsb_spans_unite(struct lsb_spans *spans, const struct lsb_spans *other)
{
	for (size_t i = 0; i < other->n; i++)
		if (lsb_spans_add(spans, other->list[i].from, other->list[i].to))
			return -1;
	lsb_spans_merge(spans);
	return 0;
}

size_t lsb_spans_find(const struct lsb_spans *spans, uint64_t at)
{
	size_t low = 0, high = spans->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (spans->list[middle].to <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t lsb_spans_under(const struct lsb_spans *spans, uint64_t from, uint64_t to)
{
	uint64_t under = 0;

	for (size_t i = lsb_spans_find(spans, from); i < spans->n && spans->list[i].from < to; i++)
		under += earlier(spans->list[i].to, to) - later(spans->list[i].from, from);
	return under;
}
