/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <string.h>

enum { NEAREST_MAX = 63 };

/* Edit distance (insert, delete, replace, swap of neighbours) of two short words. */
static size_t edit_distance(const char *a, const char *b)
{
	const size_t n = strlen(a), m = strlen(b);
	size_t row[3][NEAREST_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *lsb_nearest(const char *word, const char *const *names, size_t n)
{
	const size_t length = strlen(word);
	const char *best = NULL;
	size_t best_distance = length < 4 ? 2 : length / 3 + 2; /* farther than this is another word */

	if (length > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t distance;

		if (strlen(names[i]) > NEAREST_MAX)
			continue;
		distance = edit_distance(word, names[i]);
		if (distance < best_distance) {
			best_distance = distance;
			best = names[i];
		}
	}
	return best;
}
