/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words become small numbers, equal words equal numbers, over both texts; all
 * scores are then about sequences of numbers.
 */
#include "rouge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "porter.h"

enum { STEM_LONGER_THAN = 3, LCS_CELLS_MAX = 1 << 28 };

/* A text as word numbers, and where its sentences (lines) begin. */
struct words {
	uint32_t *list; /* [n] */
	size_t n;
	size_t *starts; /* [n_sentences + 1]; sentence i is [starts[i], starts[i + 1]) */
	size_t n_sentences;
};

/* Numbers words: an open-addressing table of offsets into `text`. */
struct lexicon {
	char *text; /* NUL-terminated words, one after the other */
	size_t used;
	uint32_t *slots; /* [mask + 1], 0: empty, else number */
	size_t *offsets; /* of number - 1 */
	size_t mask;
	uint32_t n;
};

static int is_word_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/*
 * One lower-case letter at `at`, its bytes in *bytes. Two signs outside ASCII
 * become ASCII letters in lower case: the Kelvin sign, and dotted capital I
 * (followed by a combining dot, which separates).
 */
static unsigned char lower(const unsigned char *at, size_t *bytes)
{
	*bytes = 1;
	if (*at >= 'A' && *at <= 'Z')
		return (unsigned char)(*at - 'A' + 'a');
	if (at[0] == 0xe2 && at[1] == 0x84 && at[2] == 0xaa) {
		*bytes = 3;
		return 'k';
	}
	if (at[0] == 0xc4 && at[1] == 0xb0) {
		*bytes = 2;
		return 'I'; /* an i that ends its word */
	}
	return *at;
}

static uint32_t lexicon_number(struct lexicon *lexicon, const char *word, size_t n)
{
	uint64_t hash = 14695981039346656037u;
	size_t slot;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)word[i]) * 1099511628211u;
	for (slot = hash & lexicon->mask; lexicon->slots[slot]; slot = (slot + 1) & lexicon->mask) {
		const char *known = lexicon->text + lexicon->offsets[lexicon->slots[slot] - 1];

		if (strncmp(known, word, n) == 0 && known[n] == '\0')
			return lexicon->slots[slot];
	}
	lexicon->offsets[lexicon->n] = lexicon->used;
	memcpy(lexicon->text + lexicon->used, word, n);
	lexicon->text[lexicon->used + n] = '\0';
	lexicon->used += n + 1;
	lexicon->slots[slot] = ++lexicon->n;
	return lexicon->n;
}

static void end_word(struct lexicon *lexicon, struct words *out, char *word, size_t n, int stem)
{
	if (n == 0)
		return;
	if (stem && n > STEM_LONGER_THAN)
		n = lsb_porter_stem(word, n);
	out->list[out->n++] = lexicon_number(lexicon, word, n);
}

/* `word` has room for the longest word and one byte. Empty lines are no sentences. */
static void split_words(struct lexicon *lexicon, const char *text, int stem, char *word, struct words *out)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *line = at;
	size_t n = 0, bytes;

	out->starts[0] = 0;
	for (; *at; at += bytes) {
		const unsigned char c = lower(at, &bytes);

		if (is_word_byte(c)) {
			word[n++] = (char)c;
			continue;
		}
		if (c == 'I')
			word[n++] = 'i';
		end_word(lexicon, out, word, n, stem);
		n = 0;
		if (c == '\n') {
			if (at > line)
				out->starts[++out->n_sentences] = out->n;
			line = at + 1;
		}
	}
	end_word(lexicon, out, word, n, stem);
	if (at > line)
		out->starts[++out->n_sentences] = out->n;
}

static struct lsb_rouge_score score(double hits, double reference, double prediction)
{
	struct lsb_rouge_score out = { 0 };

	out.precision = prediction > 0 ? hits / prediction : 0;
	out.recall = reference > 0 ? hits / reference : 0;
	if (out.precision + out.recall > 0)
		out.f = 2 * out.precision * out.recall / (out.precision + out.recall);
	return out;
}

static int compare_grams(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sorted n-grams (n is 1 or 2) as numbers; returns how many. */
static size_t make_grams(const struct words *words, size_t n, uint64_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i + n <= words->n; i++)
		out[count++] = n == 1 ? words->list[i] : (uint64_t)words->list[i] << 32 | words->list[i + 1];
	qsort(out, count, sizeof(*out), compare_grams);
	return count;
}

static int rouge_n(const struct words *reference, const struct words *prediction, size_t n,
		   struct lsb_rouge_score *out)
{
	uint64_t *a = malloc((reference->n + 1) * sizeof(*a)), *b = malloc((prediction->n + 1) * sizeof(*b));
	size_t n_a, n_b, hits = 0;

	if (!a || !b) {
		free(a);
		free(b);
		return -1;
	}
	n_a = make_grams(reference, n, a);
	n_b = make_grams(prediction, n, b);
	for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
		if (a[i] == b[j]) {
			hits++;
			i++;
			j++;
		} else if (a[i] < b[j]) {
			i++;
		} else {
			j++;
		}
	}
	*out = score((double)hits, (double)n_a, (double)n_b);
	free(a);
	free(b);
	return 0;
}

/*
 * Table of longest common subsequences: [n + 1][m + 1], first row and column 0. NULL when that is too large.
 */
static uint32_t *lcs_table(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
	uint32_t *table = n + 1 <= LCS_CELLS_MAX / (m + 1) ? calloc((n + 1) * (m + 1), sizeof(*table)) : NULL;

	for (size_t i = 1; table && i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			uint32_t *row = table + i * (m + 1), *above = row - (m + 1);

			row[j] = a[i - 1] == b[j - 1]	 ? above[j - 1] + 1
				 : above[j] > row[j - 1] ? above[j]
							 : row[j - 1];
		}
	return table;
}

/* Only the length is wanted here, so two rows of the table do. */
static int rouge_l(const struct words *reference, const struct words *prediction, struct lsb_rouge_score *out)
{
	const size_t m = prediction->n;
	uint32_t *rows = calloc(m + 1, 2 * sizeof(*rows)), *row = rows, *above = rows ? rows + m + 1 : NULL;

	if (!rows)
		return -1;
	for (size_t i = 0; i < reference->n; i++) {
		uint32_t *last = row;

		row = above;
		above = last;
		for (size_t j = 1; j <= m; j++)
			row[j] = reference->list[i] == prediction->list[j - 1] ? above[j - 1] + 1
				 : above[j] > row[j - 1]		       ? above[j]
									       : row[j - 1];
	}
	*out = score(row[m], (double)reference->n, (double)m);
	free(rows);
	return 0;
}

/* Mark in `used` the words of a[n] that one longest common subsequence with b[m] takes. */
static int mark_lcs(const uint32_t *a, size_t n, const uint32_t *b, size_t m, char *used)
{
	uint32_t *table = lcs_table(a, n, b, m);
	size_t i = n, j = m;

	if (!table)
		return -1;
	while (i > 0 && j > 0) {
		if (a[i - 1] == b[j - 1]) {
			used[i - 1] = 1;
			i--;
			j--;
		} else if (table[i * (m + 1) + j - 1] > table[(i - 1) * (m + 1) + j]) {
			j--;
		} else {
			i--;
		}
	}
	free(table);
	return 0;
}

/*
 * Union over the prediction's sentences per reference sentence; no word counts more often than either text
 * has it.
 */
static int rouge_lsum(const struct words *reference, const struct words *prediction, uint32_t n_numbers,
		      struct lsb_rouge_score *out)
{
	uint32_t *left = calloc(((size_t)n_numbers + 1) * 2, sizeof(*left));
	uint32_t *left_prediction = left ? left + n_numbers + 1 : NULL;
	char *used = malloc(reference->n + 1);
	size_t hits = 0;
	int rc = left && used ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < reference->n; i++)
		left[reference->list[i]]++;
	for (size_t i = 0; rc == 0 && i < prediction->n; i++)
		left_prediction[prediction->list[i]]++;
	for (size_t r = 0; rc == 0 && r < reference->n_sentences; r++) {
		const uint32_t *sentence = reference->list + reference->starts[r];
		const size_t n = reference->starts[r + 1] - reference->starts[r];

		memset(used, 0, n + 1);
		for (size_t p = 0; rc == 0 && p < prediction->n_sentences; p++)
			rc = mark_lcs(sentence, n, prediction->list + prediction->starts[p],
				      prediction->starts[p + 1] - prediction->starts[p], used);
		for (size_t i = 0; rc == 0 && i < n; i++)
			if (used[i] && left[sentence[i]] && left_prediction[sentence[i]]) {
				left[sentence[i]]--;
				left_prediction[sentence[i]]--;
				hits++;
			}
	}
	*out = score((double)hits, (double)reference->n, (double)prediction->n);
	free(left);
	free(used);
	return rc;
}

static int words_open(struct words *words, size_t bytes)
{
	words->list = malloc((bytes + 1) * sizeof(*words->list));
	words->starts = malloc((bytes + 2) * sizeof(*words->starts));
	return words->list && words->starts ? 0 : -1;
}

static void words_close(struct words *words)
{
	free(words->list);
	free(words->starts);
}

static int lexicon_open(struct lexicon *lexicon, size_t bytes)
{
	size_t size = 16;

	while (size < bytes + 2) /* at most every second byte begins a word */
		size *= 2;
	lexicon->mask = size - 1;
	lexicon->text = malloc(2 * bytes + 2);
	lexicon->slots = calloc(size, sizeof(*lexicon->slots));
	lexicon->offsets = malloc((bytes + 1) * sizeof(*lexicon->offsets));
	return lexicon->text && lexicon->slots && lexicon->offsets ? 0 : -1;
}

static void lexicon_close(struct lexicon *lexicon)
{
	free(lexicon->text);
	free(lexicon->slots);
	free(lexicon->offsets);
}

int lsb_rouge(const char *reference, const char *prediction, int stem, struct lsb_rouge *out)
{
	const size_t bytes = strlen(reference) + strlen(prediction);
	struct words a = { 0 }, b = { 0 };
	struct lexicon lexicon = { 0 };
	char *word = malloc(bytes + 2);
	int rc = word ? 0 : -1;

	*out = (struct lsb_rouge){ 0 };
	if (words_open(&a, strlen(reference)) || words_open(&b, strlen(prediction)) ||
	    lexicon_open(&lexicon, bytes))
		rc = -1;
	if (rc == 0) {
		split_words(&lexicon, reference, stem, word, &a);
		split_words(&lexicon, prediction, stem, word, &b);
	}
	if (rc == 0 && (rouge_n(&a, &b, 1, &out->rouge1) || rouge_n(&a, &b, 2, &out->rouge2) ||
			rouge_l(&a, &b, &out->rougeL) || rouge_lsum(&a, &b, lexicon.n, &out->rougeLsum)))
		rc = -1;
	words_close(&a);
	words_close(&b);
	lexicon_close(&lexicon);
	free(word);
	return rc;
}
