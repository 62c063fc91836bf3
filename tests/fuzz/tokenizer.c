/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any vocabulary, any chat template and any text.
 *
 * For libFuzzer configure with -DLSB_FUZZER=ON; else this is a program that
 * replays the files it is given (tests/tokenizer).
 *
 * An input is a byte of choices and four parts with an empty line between:
 * tokens, one a line ("!" before a control token, "+" before a user-defined
 * one); merges, one a line; the chat template; the text, to the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_model.h"
#include "lsbench/backend.h"
#include "tokenizer.h"
#include "vocabulary.h"

enum { WITH_BYTES = 1, SENTENCEPIECE = 2, SMOLLM = 4, LLAMA3 = 8, NO_PREFIX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

/* What is before the next `end` (or all that is left), taken off *rest. */
static struct lsb_span take(struct lsb_span *rest, const char *end)
{
	const size_t n = strlen(end);
	const char *found = rest->bytes ? memmem(rest->ptr, rest->bytes, end, n) : NULL;
	struct lsb_span part = { rest->ptr,
				 found ? (uint64_t)(found - (const char *)rest->ptr) : rest->bytes };

	rest->bytes -= found ? part.bytes + n : part.bytes;
	rest->ptr = found ? found + n : (const char *)rest->ptr + part.bytes;
	return part;
}

static void put_token(struct lsb_model *m, struct lsb_span line)
{
	const char *text = line.ptr;
	const int marked = line.bytes > 1 && (*text == '!' || *text == '+');
	const int32_t id = fake_token(m, "", LSB_TOKEN_NORMAL, 0);

	m->tokens[id] = (struct lsb_span){ text + marked, line.bytes - (uint64_t)marked };
	m->types[id] = !marked ? LSB_TOKEN_NORMAL : *text == '!' ? LSB_TOKEN_CONTROL : LSB_TOKEN_USER_DEFINED;
	m->scores[id] = -(double)(id % 7);
}

/* Parts of the input as a model; its chat template is malloc'ed. */
static void make_model(struct lsb_model *m, uint8_t choices, struct lsb_span *rest)
{
	struct lsb_span tokens, merges, template;

	(choices & SENTENCEPIECE ? fake_spm : fake_gpt2)(m);
	if (!(choices & WITH_BYTES))
		m->n_tokens = 0;
	m->pre = choices & LLAMA3 ? "llama-bpe" : choices & SMOLLM ? "smollm" : NULL;
	tokens = take(rest, "\n\n");
	while (tokens.bytes && m->n_tokens < FAKE_TOKENS_MAX)
		put_token(m, take(&tokens, "\n"));
	merges = take(rest, "\n\n");
	while (merges.bytes && m->n_merges < FAKE_MERGES_MAX)
		m->merges[m->n_merges++] = take(&merges, "\n");
	template = take(rest, "\n\n");
	m->chat_template = strndup(template.bytes ? template.ptr : "", template.bytes);
	m->n_scores = choices & SENTENCEPIECE ? m->n_tokens : 0;
	fake_int(m, "tokenizer.ggml.add_space_prefix", !(choices & NO_PREFIX));
}

static void encode(struct lsb_tokenizer *t, const struct lsb_model *m, struct lsb_span text, uint32_t flags,
		   int exact)
{
	const size_t room = 3 * text.bytes + 8;
	int32_t *ids = malloc(room * sizeof(*ids));
	char *back = malloc(room);
	struct lsb_error err;
	size_t n, again, n_back = 0;

	must(ids && back, "memory");
	must(!lsb_tokenizer_encode(t, text.ptr, text.bytes, flags, ids, room, &n, &err), "encodes");
	must(!lsb_tokenizer_encode(t, text.ptr, text.bytes, flags, NULL, 0, &again, &err), "counts");
	must(n == again && n <= room, "counts alike");
	for (size_t i = 0; i < n; i++)
		must(ids[i] >= 0 && (uint64_t)ids[i] < m->n_tokens, "ids are tokens");
	must(!lsb_tokenizer_decode(t, ids, n, back, exact ? room : 1, &n_back, &err), "decodes");
	must(!exact || (n_back == text.bytes && (!n_back || !memcmp(back, text.ptr, n_back))), "comes back");
	free(back);
	free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct lsb_model m;
	struct lsb_span rest = { data + 1, bytes - 1 };
	struct lsb_tokenizer *t = NULL;
	struct lsb_error err = { 0 };
	int rc;

	if (bytes == 0)
		return 0;
	make_model(&m, data[0], &rest);
	rc = lsb_tokenizer_open(&m, &t, &err);
	must(rc == LSB_OK || (rc == LSB_EMODEL && !strncmp(err.msg, "model: ", 7)), "opens or says why");
	if (rc == LSB_OK) {
		const int exact = data[0] & WITH_BYTES && !(data[0] & SENTENCEPIECE);
		char *said = strndup(rest.bytes ? rest.ptr : "", rest.bytes);
		const struct lsb_turn turns[] = { { "user", said }, { "assistant", said } };
		size_t n;

		encode(t, &m, rest, 0, exact);
		encode(t, &m, rest, LSB_ENCODE_SPECIAL | LSB_ENCODE_BOS, 0);
		for (int kind = LSB_CHAT_AUTO; kind <= LSB_CHAT_PLAIN; kind++) {
			rc = lsb_chat_encode(t, (enum lsb_chat)kind, turns, 2, NULL, 0, &n, &err);
			must(rc == LSB_OK || (kind == LSB_CHAT_AUTO && rc == LSB_EMODEL), "formats");
		}
		free(said);
		lsb_tokenizer_close(t);
	}
	free((char *)m.chat_template);
	return 0;
}

#ifndef LSB_LIBFUZZER
int main(int argc, char **argv)
{
	static uint8_t data[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (!file) {
			fprintf(stderr, "cannot open '%s'\n", argv[i]);
			return EXIT_FAILURE;
		}
		(void)LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), file));
		fclose(file);
	}
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif
