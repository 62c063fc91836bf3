/* SPDX-License-Identifier: Apache-2.0 */
#include "porter.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct word {
	char *text;
	size_t length;
};

/* A rule: `suffix` becomes `to` when the stem before it passes the test. */
struct rule {
	const char *suffix, *to;
};

/* y is a consonant at the start and after a vowel. */
static int is_consonant(const char *text, size_t i)
{
	int flips = 0;

	while (text[i] == 'y' && i > 0) {
		i--;
		flips++;
	}
	/* A run of y's alternates, beginning from what stands before it. */
	return (text[i] == 'y' || !strchr("aeiou", text[i])) ^ (flips & 1);
}

/* Number of vowel-consonant sequences in the first n letters. */
static size_t measure(const char *text, size_t n)
{
	size_t count = 0;
	int before = 1;

	for (size_t i = 0; i < n; i++) {
		const int consonant = is_consonant(text, i);

		count += consonant && !before;
		before = consonant;
	}
	return count;
}

static int has_vowel(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_consonant(text, i))
			return 1;
	return 0;
}

static int ends_double_consonant(const char *text, size_t n)
{
	return n >= 2 && text[n - 1] == text[n - 2] && is_consonant(text, n - 1);
}

/* Consonant, vowel, consonant other than w, x, y; or a word of vowel and consonant. */
static int ends_cvc(const char *text, size_t n)
{
	if (n >= 3 && is_consonant(text, n - 3) && !is_consonant(text, n - 2) && is_consonant(text, n - 1) &&
	    !strchr("wxy", text[n - 1]))
		return 1;
	return n == 2 && !is_consonant(text, 0) && is_consonant(text, 1);
}

/* Length of the stem if the word ends in `suffix`, else (size_t)-1. */
static size_t stem_before(const struct word *w, const char *suffix)
{
	const size_t n = strlen(suffix);

	if (w->length < n || memcmp(w->text + w->length - n, suffix, n) != 0)
		return (size_t)-1;
	return w->length - n;
}

static void replace(struct word *w, size_t stem, const char *to)
{
	const size_t n = strlen(to);

	memcpy(w->text + stem, to, n);
	w->length = stem + n;
}

/* The first rule whose suffix matches decides, whether or not its stem measures more than `least`. */
static void apply(struct word *w, const struct rule *rules, size_t n, size_t least)
{
	for (size_t i = 0; i < n; i++) {
		const size_t stem = stem_before(w, rules[i].suffix);

		if (stem == (size_t)-1)
			continue;
		if (measure(w->text, stem) > least)
			replace(w, stem, rules[i].to);
		return;
	}
}

/* Plurals. */
static void step_1a(struct word *w)
{
	static const struct rule rules[] = { { "sses", "ss" }, { "ies", "i" }, { "ss", "ss" }, { "s", "" } };

	if (w->length == 4 && stem_before(w, "ies") != (size_t)-1) {
		replace(w, 1, "ie");
		return;
	}
	for (size_t i = 0; i < COUNT(rules); i++) {
		const size_t stem = stem_before(w, rules[i].suffix);

		if (stem != (size_t)-1) {
			replace(w, stem, rules[i].to);
			return;
		}
	}
}

/* Put back what -ed and -ing took: hop(p)ing, fil(e)ing. */
static void step_1b_mend(struct word *w)
{
	static const struct rule rules[] = { { "at", "ate" }, { "bl", "ble" }, { "iz", "ize" } };

	for (size_t i = 0; i < COUNT(rules); i++) {
		const size_t stem = stem_before(w, rules[i].suffix);

		if (stem != (size_t)-1) {
			replace(w, stem, rules[i].to);
			return;
		}
	}
	if (ends_double_consonant(w->text, w->length)) {
		if (!strchr("lsz", w->text[w->length - 1]))
			w->length--;
	} else if (measure(w->text, w->length) == 1 && ends_cvc(w->text, w->length)) {
		w->text[w->length++] = 'e';
	}
}

/* Past and progressive. */
static void step_1b(struct word *w)
{
	static const char *const endings[] = { "ed", "ing" };
	size_t stem = stem_before(w, "ied");

	if (stem != (size_t)-1) {
		replace(w, stem, w->length == 4 ? "ie" : "i");
		return;
	}
	stem = stem_before(w, "eed");
	if (stem != (size_t)-1) {
		if (measure(w->text, stem) > 0)
			replace(w, stem, "ee");
		return;
	}
	for (size_t i = 0; i < COUNT(endings); i++) {
		stem = stem_before(w, endings[i]);
		if (stem != (size_t)-1 && has_vowel(w->text, stem)) {
			w->length = stem;
			step_1b_mend(w);
			return;
		}
	}
}

static void step_1c(struct word *w)
{
	const size_t stem = stem_before(w, "y");

	if (stem != (size_t)-1 && stem > 1 && is_consonant(w->text, stem - 1))
		replace(w, stem, "i");
}

static void step_2(struct word *w)
{
	static const struct rule rules[] = {
		{ "ational", "ate" }, { "tional", "tion" }, { "enci", "ence" },	  { "anci", "ance" },
		{ "izer", "ize" },    { "bli", "ble" },	    { "alli", "al" },	  { "entli", "ent" },
		{ "eli", "e" },	      { "ousli", "ous" },   { "ization", "ize" }, { "ation", "ate" },
		{ "ator", "ate" },    { "alism", "al" },    { "iveness", "ive" }, { "fulness", "ful" },
		{ "ousness", "ous" }, { "aliti", "al" },    { "iviti", "ive" },	  { "biliti", "ble" },
		{ "fulli", "ful" },
	};
	size_t stem = stem_before(w, "alli");

	if (stem != (size_t)-1 && measure(w->text, stem) > 0) {
		replace(w, stem, "al");
		step_2(w);
		return;
	}
	stem = stem_before(w, "logi");
	if (stem != (size_t)-1) { /* no other suffix of the table matches it; its l counts with the stem */
		if (measure(w->text, stem + 1) > 0)
			replace(w, stem, "log");
		return;
	}
	apply(w, rules, COUNT(rules), 0);
}

static void step_3(struct word *w)
{
	static const struct rule rules[] = { { "icate", "ic" }, { "ative", "" },  { "alize", "al" },
					     { "iciti", "ic" }, { "ical", "ic" }, { "ful", "" },
					     { "ness", "" } };

	apply(w, rules, COUNT(rules), 0);
}

static void step_4(struct word *w)
{
	static const struct rule before_ion[] = { { "al", "" },	  { "ance", "" }, { "ence", "" },
						  { "er", "" },	  { "ic", "" },	  { "able", "" },
						  { "ible", "" }, { "ant", "" },  { "ement", "" },
						  { "ment", "" }, { "ent", "" } };
	static const struct rule after_ion[] = { { "ou", "" },	{ "ism", "" }, { "ate", "" }, { "iti", "" },
						 { "ous", "" }, { "ive", "" }, { "ize", "" } };
	const size_t stem = stem_before(w, "ion");

	if (stem != (size_t)-1) { /* neither list has a suffix that ends so */
		if (measure(w->text, stem) > 1 && stem > 0 && strchr("st", w->text[stem - 1]))
			w->length = stem;
		return;
	}
	for (size_t i = 0; i < COUNT(before_ion); i++)
		if (stem_before(w, before_ion[i].suffix) != (size_t)-1) {
			apply(w, before_ion, COUNT(before_ion), 1);
			return;
		}
	apply(w, after_ion, COUNT(after_ion), 1);
}

static void step_5(struct word *w)
{
	const size_t stem = stem_before(w, "e");

	if (stem != (size_t)-1) {
		const size_t m = measure(w->text, stem);

		if (m > 1 || (m == 1 && !ends_cvc(w->text, stem)))
			w->length = stem;
	}
	if (stem_before(w, "ll") != (size_t)-1 && measure(w->text, w->length - 1) > 1)
		w->length--;
}

/* Words that the rules would get wrong. */
static int irregular(struct word *w)
{
	static const struct rule forms[] = {
		{ "sky", "sky" },	  { "skies", "sky" },	     { "dying", "die" },
		{ "lying", "lie" },	  { "tying", "tie" },	     { "news", "news" },
		{ "innings", "inning" },  { "inning", "inning" },    { "outings", "outing" },
		{ "outing", "outing" },	  { "cannings", "canning" }, { "canning", "canning" },
		{ "howe", "howe" },	  { "proceed", "proceed" },  { "exceed", "exceed" },
		{ "succeed", "succeed" },
	};

	for (size_t i = 0; i < COUNT(forms); i++)
		if (strlen(forms[i].suffix) == w->length &&
		    memcmp(w->text, forms[i].suffix, w->length) == 0) {
			replace(w, 0, forms[i].to);
			return 1;
		}
	return 0;
}

size_t lsb_porter_stem(char *word, size_t length)
{
	struct word w = { word, length };

	if (length <= 2 || irregular(&w))
		return w.length;
	step_1a(&w);
	step_1b(&w);
	step_1c(&w);
	step_2(&w);
	step_3(&w);
	step_4(&w);
	step_5(&w);
	return w.length;
}
