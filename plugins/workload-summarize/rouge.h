/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ROUGE-1, -2, -L and -Lsum of a prediction against a reference, equal to the
 * rouge-score package with its stemmer: lower case, words of [a-z0-9], stems of
 * words longer than three letters; Lsum splits sentences at newlines. Pure.
 *
 * Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004).
 */
#ifndef LSB_ROUGE_H
#define LSB_ROUGE_H

struct lsb_rouge_score {
	double precision, recall, f; /* 0..1 */
};

struct lsb_rouge {
	struct lsb_rouge_score rouge1, rouge2, rougeL, rougeLsum;
};

/*
 * 0, or -1 without memory (or for lines of more than 16,000 words on both sides). Texts are bytes up to their
 * NUL; what is not ASCII separates words.
 */
int lsb_rouge(const char *reference, const char *prediction, int stem, struct lsb_rouge *out);

#endif
