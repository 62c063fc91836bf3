/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picking a token.
 *
 * Candidates are ordered by logit, then by lower id. Both cuts keep a prefix of
 * that order: top_k its first k, top_p the shortest whose probability reaches
 * top_p. Where the prefix ends is found without sorting, by four passes of a
 * radix search over the logits' bits, most significant byte first, counting
 * candidates or summing their probability; so time is O(vocab) for any k and p.
 * The draw walks what is left in order of id.
 *
 * A NaN counts as minus infinity: never drawn while there is anything else.
 */
#include "sample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "random_mix.h"

float lsb_uniform(uint64_t seed, uint64_t request, uint64_t position)
{
	return (float)(lsb_mix_counters(seed, request, position) >> 40) * 0x1p-24f;
}

enum { BLOCK = 64 };

static bool any_above(const float *logits, float most)
{
	int found = 0;

	for (uint32_t i = 0; i < BLOCK; i++) /* no exit on the way, so that it becomes vector code */
		found |= logits[i] > most;
	return found;
}

/* A block that holds no new maximum, as nearly all do not, is passed over at once. */
static uint32_t largest(const float *logits, uint32_t vocab)
{
	uint32_t best = 0;
	float most = -INFINITY;

	for (uint32_t from = 0; from < vocab; from += BLOCK) {
		const uint32_t n = vocab - from < BLOCK ? vocab - from : BLOCK;

		if (n == BLOCK && !any_above(logits + from, most))
			continue;
		for (uint32_t i = from; i < from + n; i++) {
			if (logits[i] > most) {
				most = logits[i];
				best = i;
			}
		}
	}
	return best;
}

/* An integer that orders as the float does; 0, below all others, for NaN. */
static uint32_t key_of(float logit)
{
	const float x = logit + 0.0f; /* -0 becomes +0, its equal */
	uint32_t bits;

	if (isnan(x))
		return 0;
	memcpy(&bits, &x, sizeof(bits));
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* What a cut keeps: every key above `key`, and of those equal to it the first `ties` ids. */
struct cut {
	uint32_t key, ties;
};

/*
 * The shortest prefix whose count (weights NULL) or weight reaches `goal` > 0,
 * which is at most that of all.
 */
static struct cut find_cut(const uint32_t *keys, const float *weights, uint32_t vocab, double goal)
{
	uint32_t prefix = 0;
	double last = 0.0;

	for (int shift = 24; shift >= 0; shift -= 8) {
		uint32_t members[256] = { 0 };
		double bins[256] = { 0 };
		int bin = -1;

		for (uint32_t i = 0; i < vocab; i++) {
			const uint32_t b = keys[i] >> shift & 255u;

			if ((uint64_t)(keys[i] ^ prefix) >> (shift + 8))
				continue;
			members[b]++;
			bins[b] += weights ? (double)weights[i] : 1.0;
		}
		/* Sums of parts may round below the sum of all; then the lowest bin is meant. */
		for (int b = 255; b >= 0; b--) {
			if (bins[b] <= 0.0)
				continue;
			if (bin >= 0)
				goal -= bins[bin];
			bin = b;
			if (bins[b] >= goal)
				break;
		}
		if (bin < 0) /* no weight at all: keep everything */
			return (struct cut){ 0, vocab };
		prefix |= (uint32_t)bin << shift;
		last = bins[bin] / members[bin];
	}
	/* All of `prefix` have one weight: as many as reach what is left of the goal, and one at least. */
	goal = ceil(goal / last);
	return (struct cut){ prefix, goal < 1.0 ? 1 : goal < vocab ? (uint32_t)goal : vocab };
}

/* Give all others weight 0 and the lowest key. Returns the weight left, summed in order of id. */
static double apply(struct cut cut, uint32_t *keys, float *weights, uint32_t vocab)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < vocab; i++) {
		if (keys[i] < cut.key || (keys[i] == cut.key && cut.ties == 0)) {
			keys[i] = 0;
			weights[i] = 0.0f;
		} else if (keys[i] == cut.key) {
			cut.ties--;
		}
		sum += (double)weights[i];
	}
	return sum;
}

int32_t lsb_sample(const float *logits, uint32_t vocab, const struct lsb_sampling *s, uint32_t position,
		   uint32_t *work)
{
	const uint32_t best = largest(logits, vocab);
	uint32_t *keys = work;
	float *weights = (float *)(work + vocab);
	double sum = 0.0, reached = 0.0, goal;
	uint32_t chosen = best;

	/* Also greedy: a maximum that is infinite, of either sign, or no number. */
	if (!(s->temperature > 0.0f) || !isfinite(logits[best]))
		return (int32_t)best;
	for (uint32_t i = 0; i < vocab; i++) {
		keys[i] = key_of(logits[i]);
		weights[i] = logits[i] > -INFINITY ? expf((logits[i] - logits[best]) / s->temperature) : 0.0f;
		sum += (double)weights[i];
	}
	if (s->top_k && s->top_k < vocab)
		sum = apply(find_cut(keys, NULL, vocab, (double)s->top_k), keys, weights, vocab);
	if (s->top_p < 1.0f)
		sum = apply(find_cut(keys, weights, vocab, (double)s->top_p * sum), keys, weights, vocab);
	goal = (double)lsb_uniform(s->seed, s->request, position) * sum;
	for (uint32_t i = 0; i < vocab && reached <= goal; i++) {
		reached += (double)weights[i];
		if (weights[i] > 0.0f)
			chosen = i;
	}
	return (int32_t)chosen;
}
