/* SPDX-License-Identifier: Apache-2.0 */
#include "lengths.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

enum {
	WORDS_MAX = LSB_LENGTHS_LIST_MAX + 2,
	TEXT_MAX = 1024,
	DRAWS_MAX = 64, /* until one lies within the bounds; then the nearest bound of the mean */
};

#define WIDTHS 4 /* standard deviations beyond the mean at which unbounded lengths are cut */
#define PI 3.14159265358979323846

/* --- as written ------------------------------------------------------------ */

/* Limits of what may be written, and whom to blame. */
struct source {
	const char *option, *text;
	uint32_t ceiling;
	struct lsb_error *err;
};

static int wrong(const struct source *s, const char *what, const char *word)
{
	return lsb_fail(s->err, LSB_EINVAL, 0,
			"%s = %s: %s '%s'; wanted a number of tokens from 1 to %u, LO..HI, normal MEAN SD "
			"[LO..HI], lognormal MEAN SD [LO..HI], or list A B C",
			s->option, s->text, what, word, s->ceiling);
}

/* The whole number at the start of `text`, and where it ends; -1: there is none within the limits. */
static int read_number(const struct source *s, const char *text, uint32_t *out, const char **end)
{
	unsigned long long value;
	char *behind;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoull(text, &behind, 10);
	*end = behind;
	if (errno || value < 1 || value > s->ceiling)
		return -1;
	*out = (uint32_t)value;
	return 0;
}

static int read_length(const struct source *s, const char *word, uint32_t *out)
{
	const char *end;

	if (read_number(s, word, out, &end) || *end)
		return wrong(s, "bad length", word);
	return LSB_OK;
}

static int read_range(const struct source *s, const char *word, uint32_t *least, uint32_t *most)
{
	const char *end;

	if (read_number(s, word, least, &end) || strncmp(end, "..", 2) != 0 ||
	    read_number(s, end + 2, most, &end) || *end || *most < *least)
		return wrong(s, "bad range", word);
	return LSB_OK;
}

/* MEAN SD [LO..HI] behind the distribution's name. */
static int read_moments(const struct source *s, char *const *words, size_t n, struct lsb_lengths *out)
{
	uint32_t mean, sd;
	const char *end;
	double most;

	if (n < 3 || n > 4)
		return wrong(s, "wanted MEAN SD and perhaps bounds behind", words[0]);
	if (read_length(s, words[1], &mean))
		return LSB_EINVAL;
	if (read_number(s, words[2], &sd, &end) || *end)
		return wrong(s, "bad deviation", words[2]);
	out->mean = mean;
	out->sd = sd;
	most = out->mean + WIDTHS * out->sd;
	out->least = 1;
	out->most = most < s->ceiling ? (uint32_t)most : s->ceiling;
	if (n == 4 && read_range(s, words[3], &out->least, &out->most))
		return LSB_EINVAL;
	if (mean < out->least || mean > out->most)
		return wrong(s, "the mean lies outside", n == 4 ? words[3] : s->text);
	return LSB_OK;
}

static int read_list(const struct source *s, char *const *words, size_t n, struct lsb_lengths *out)
{
	if (n < 2)
		return wrong(s, "nothing behind", words[0]);
	out->least = UINT32_MAX;
	for (size_t i = 1; i < n; i++) {
		uint32_t *at = &out->list[out->n_list++];

		if (read_length(s, words[i], at))
			return LSB_EINVAL;
		out->least = *at < out->least ? *at : out->least;
		out->most = *at > out->most ? *at : out->most;
	}
	return LSB_OK;
}

int lsb_lengths_parse(const char *option, const char *text, uint32_t ceiling, struct lsb_lengths *out,
		      struct lsb_error *err)
{
	const struct source s = { option, text, ceiling, err };
	char copy[TEXT_MAX], *words[WORDS_MAX], *rest = NULL;
	size_t n = 0;

	*out = (struct lsb_lengths){ .kind = LSB_LENGTHS_UNIFORM };
	if (strlen(text) >= sizeof(copy))
		return lsb_fail(err, LSB_EINVAL, 0, "%s has more than %d bytes", option, TEXT_MAX - 1);
	strcpy(copy, text);
	for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (n == LSB_LENGTHS_LIST_MAX + 1)
			return wrong(&s, "more words than a list of 64 has, from", word);
		words[n++] = word;
	}
	if (n == 0)
		return wrong(&s, "no length in", text);
	if (strcmp(words[0], "list") == 0) {
		out->kind = LSB_LENGTHS_LIST;
		return read_list(&s, words, n, out);
	}
	if (strcmp(words[0], "normal") == 0 || strcmp(words[0], "lognormal") == 0) {
		out->kind = *words[0] == 'n' ? LSB_LENGTHS_NORMAL : LSB_LENGTHS_LOGNORMAL;
		return read_moments(&s, words, n, out);
	}
	if (n > 1)
		return wrong(&s, "unknown distribution", words[0]);
	if (strstr(words[0], ".."))
		return read_range(&s, words[0], &out->least, &out->most);
	if (read_length(&s, words[0], &out->least))
		return LSB_EINVAL;
	out->most = out->least;
	return LSB_OK;
}

/* --- as drawn -------------------------------------------------------------- */

/* Finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Uniform in [0, 1), from a counter. */
static double uniform(uint64_t key, uint64_t counter)
{
	return (double)(mixed(key ^ mixed(counter)) >> 11) * 0x1p-53;
}

/* Standard normal number `draw` (Box and Muller); rounding to tokens hides how a libm rounds. */
static double normal(uint64_t key, uint64_t draw)
{
	return sqrt(-2 * log(1 - uniform(key, 2 * draw))) * cos(2 * PI * uniform(key, 2 * draw + 1));
}

/* `z` standard deviations from the mean; lognormal: of the logarithm whose exponential has mean and sd. */
static double scaled(const struct lsb_lengths *lengths, double z)
{
	const double spread = lengths->sd / lengths->mean, variance = log1p(spread * spread);

	if (lengths->kind == LSB_LENGTHS_NORMAL)
		return lengths->mean + lengths->sd * z;
	return exp(log(lengths->mean) - variance / 2 + sqrt(variance) * z);
}

uint32_t lsb_lengths_at(const struct lsb_lengths *lengths, uint64_t seed, uint64_t stream, uint64_t index)
{
	const uint64_t key = mixed(mixed(mixed(seed) ^ stream) ^ index);
	const double span = (double)(lengths->most - lengths->least) + 1;

	switch (lengths->kind) {
	case LSB_LENGTHS_LIST:
		return lengths->list[index % lengths->n_list];
	case LSB_LENGTHS_UNIFORM:
		return lengths->least + (uint32_t)(uniform(key, 0) * span);
	default:
		break;
	}
	for (uint64_t draw = 0; draw < DRAWS_MAX; draw++) {
		const double value = round(scaled(lengths, normal(key, draw)));

		if (value >= lengths->least && value <= lengths->most)
			return (uint32_t)value;
	}
	return (uint32_t)lengths->mean; /* bounds that hardly anything fits into */
}
