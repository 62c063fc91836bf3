/* SPDX-License-Identifier: Apache-2.0 */
#include "pretokenize.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lsbench/host.h"

/*
 * Unicode's White_Space, which is what \s means in the engines that the models
 * were trained with. PCRE2's own \s also takes U+180E.
 */
#define SPACE                                                                                                \
	"\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define LETTERS " ?\\p{L}+"
#define OTHERS " ?[^" SPACE "\\p{L}\\p{N}]+"

/* Each pattern matches at every position: a letter, number, space or other begins some alternative. */
static const struct rule {
	const char *name, *pattern;
	struct lsb_pretokenizer_traits traits;
} rules[] = {
	/* The last of several spaces goes with the word behind them. */
	{ "gpt-2",
	  "'(?:[sdmt]|ll|ve|re)|" LETTERS "| ?\\p{N}+|" OTHERS "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+",
	  { 0, 0 } },
	/*
	 * Digits stand alone, and are cut out before GPT-2's rule sees the rest:
	 * so they take no space, and spaces before one are together as at the end.
	 */
	{ "smollm",
	  "'(?:[sdmt]|ll|ve|re)|" LETTERS "|\\p{N}|" OTHERS "|[" SPACE "]+(?![^" SPACE "\\p{N}])|[" SPACE
	  "]+",
	  { 0, 0 } },
	{ "llama-bpe",
	  "(?i:'(?:[sdmt]|ll|ve|re))|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|"
	  "[" SPACE "]*[\\r\\n]+|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+",
	  { 1, 1 } },
};

struct lsb_pretokenizer {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

static const struct rule *find_rule(const char *name)
{
	if (!name || !*name || strcmp(name, "default") == 0)
		return &rules[0];
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(name, rules[i].name) == 0)
			return &rules[i];
	return NULL;
}

int lsb_pretokenizer_open(const char *name, struct lsb_pretokenizer **out,
			  struct lsb_pretokenizer_traits *traits, struct lsb_error *err)
{
	const struct rule *rule = find_rule(name);
	struct lsb_pretokenizer *p;
	PCRE2_SIZE where;
	int code = 0;

	if (!rule)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: the pre-tokenizer '%.64s' (tokenizer.ggml.pre) is not supported; "
				"supported are gpt-2 (default), smollm and llama-bpe",
				name);
	p = calloc(1, sizeof(*p));
	if (!p)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a pre-tokenizer");
	p->code = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED,
				PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &code, &where, NULL);
	p->match = p->code ? pcre2_match_data_create_from_pattern(p->code, NULL) : NULL;
	p->limits = pcre2_match_context_create(NULL);
	if (!p->match || !p->limits) {
		lsb_pretokenizer_close(p);
		return lsb_fail(err, LSB_ENOMEM, code,
				"cannot prepare the pre-tokenizer '%s' (PCRE2 says %d)", rule->name, code);
	}
	/* Without a JIT compiler, or where the system forbids one, matching is interpreted: same words. */
	(void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	/* The patterns backtrack at most once over a run of characters, so the limits guard nothing. */
	(void)pcre2_set_match_limit(p->limits, UINT32_MAX);
	(void)pcre2_set_depth_limit(p->limits, UINT32_MAX);
	*traits = rule->traits;
	*out = p;
	return LSB_OK;
}

void lsb_pretokenizer_close(struct lsb_pretokenizer *p)
{
	if (!p)
		return;
	pcre2_match_context_free(p->limits);
	pcre2_match_data_free(p->match);
	pcre2_code_free(p->code);
	free(p);
}

/* If PCRE2 gives up (memory), the rest is one word: a result that depends on nothing but the text. */
size_t lsb_pretoken_end(const struct lsb_pretokenizer *p, const char *text, size_t bytes, size_t at)
{
	const PCRE2_SIZE *span = pcre2_get_ovector_pointer(p->match);
	const int rc =
		pcre2_match(p->code, (PCRE2_SPTR)text, bytes, at, PCRE2_NO_UTF_CHECK, p->match, p->limits);

	return rc < 0 || span[1] <= at ? bytes : span[1];
}
