/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_tokenizer NAME MODEL: a real vocabulary against the answers of
 * independent implementations in the golden folder; for smollm2 also its chat
 * format. Exits 77 (skipped) where the answers are not there.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "tokenizer.h"

enum { IDS_MAX = 4096 };

static int32_t ids[IDS_MAX];
static char text_back[1 << 16];

static int equal(json_t *want, size_t n, const char *what, const char *text)
{
	size_t same = 0;

	while (same < n && same < json_array_size(want) &&
	       json_integer_value(json_array_get(want, same)) == ids[same])
		same++;
	if (same == n && n == json_array_size(want))
		return 1;
	printf("%s: %zu ids, %zu wanted, different from index %zu on: '%.60s'\n", what, n,
	       json_array_size(want), same, text);
	return 0;
}

/* Ids of each text; without special tokens also the text of the ids. Returns how many fail. */
static int compare(struct lsb_tokenizer *t, json_t *cases, uint32_t flags, const char *what)
{
	int failed = 0;
	size_t i;
	json_t *c;

	json_array_foreach(cases, i, c)
	{
		json_t *text = json_object_get(c, "text");
		const size_t bytes = json_string_length(text);
		struct lsb_error err = { 0 };
		size_t n = 0, back = 0;

		if (lsb_tokenizer_encode(t, json_string_value(text), bytes, flags, ids, IDS_MAX, &n, &err) ||
		    lsb_tokenizer_decode(t, ids, n, text_back, sizeof(text_back), &back, &err)) {
			printf("%s: %s\n", what, err.msg);
			failed++;
		} else if (!equal(json_object_get(c, "ids"), n, what, json_string_value(text))) {
			failed++;
		} else if (!flags && (back != bytes || memcmp(text_back, json_string_value(text), bytes))) {
			printf("%s: comes back as another text: '%.60s'\n", what, json_string_value(text));
			failed++;
		}
	}
	printf("%s: %zu texts, %d failed\n", what, json_array_size(cases), failed);
	return failed;
}

/* The prompts were made by the model's own template around one user turn: take that out, and format it. */
static int compare_chats(struct lsb_tokenizer *t, json_t *cases)
{
	static const char before[] = "<|im_start|>user\n", after[] = "<|im_end|>\n<|im_start|>assistant\n";
	int failed = 0;
	size_t i;
	json_t *c;

	json_array_foreach(cases, i, c)
	{
		const char *prompt = json_string_value(json_object_get(c, "prompt"));
		const char *user = prompt ? strstr(prompt, before) : NULL;
		struct lsb_turn turn = { "user", NULL };
		struct lsb_error err = { 0 };
		size_t n = 0, bytes;
		char *said;

		if (!user || strlen(user) < sizeof(before) + sizeof(after)) {
			printf("chat %zu has no user turn\n", i);
			return 1;
		}
		bytes = strlen(user) - (sizeof(before) - 1) - (sizeof(after) - 1);
		said = strndup(user + sizeof(before) - 1, bytes);
		turn.text = said;
		if (lsb_chat_encode(t, LSB_CHAT_AUTO, &turn, 1, ids, IDS_MAX, &n, &err)) {
			printf("chat %zu: %s\n", i, err.msg);
			failed++;
		} else if (!equal(json_object_get(c, "ids"), n, "chat", said)) {
			failed++;
		}
		free(said);
	}
	printf("chat: %zu prompts, %d failed\n", json_array_size(cases), failed);
	return failed;
}

static json_t *load(const char *name)
{
	char path[4096];
	json_error_t why;
	json_t *root;

	snprintf(path, sizeof(path), "%s/%s.json", LSB_GOLDEN, name);
	if (access(path, R_OK) != 0) {
		printf("skipped: no golden answers at %s\n", path);
		exit(77);
	}
	root = json_load_file(path, 0, &why);
	if (!root) {
		printf("%s: %s\n", path, why.text);
		exit(1);
	}
	return root;
}

int main(int argc, char **argv)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;
	struct lsb_tokenizer *t = NULL;
	char name[64];
	json_t *golden;
	int failed;

	if (argc != 3) {
		fprintf(stderr, "usage: golden_tokenizer NAME MODEL\n");
		return 2;
	}
	snprintf(name, sizeof(name), "tokenizer_%s", argv[1]);
	golden = load(name);
	if (lsb_model_open(argv[2], &m, &err) || lsb_tokenizer_open(m, &t, &err)) {
		printf("%s\n", err.msg);
		lsb_model_close(m);
		return 1;
	}
	lsb_model_close(m); /* a tokenizer needs its model no longer */
	failed = compare(t, json_object_get(golden, "plain"), 0, "plain");
	if (json_object_get(golden, "parse_special"))
		failed += compare(t, json_object_get(golden, "parse_special"), LSB_ENCODE_SPECIAL,
				  "parse_special");
	json_decref(golden);
	if (strcmp(argv[1], "smollm2") == 0) {
		golden = load("greedy_smollm2");
		failed += compare_chats(t, json_object_get(golden, "cases"));
		json_decref(golden);
	}
	lsb_tokenizer_close(t);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
