/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lsbench generate`: one answer from one backend in this process, greedy by
 * default. Checks from outside compare its ids and logits with other programs.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/engine.h"

enum { CHUNK_MAX = 512, WAIT_MS = 600 * 1000 };

static const char help[] =
	"usage: lsbench generate --model M (--prompt TEXT | --chat TEXT | --ids \"1 2 3\") [OPTION]...\n\n"
	"Prints the model's answer. Greedy unless a temperature is given.\n\n"
	"  --model M          a GGUF file, or random:NAME\n"
	"  --prompt TEXT      plain text; special tokens are recognised\n"
	"  --chat TEXT        one user turn through the model's chat template\n"
	"  --ids \"1 2 3\"      token ids as they are\n"
	"  --max-new N        new tokens at most (default: 64)\n"
	"  --ignore-eos       do not stop at the model's end of answer\n"
	"  --json             print {\"prompt_ids\", \"ids\", \"text\"}\n"
	"  --logits FILE      raw float32 [step][vocabulary] of the last prompt position and each new token\n"
	"  --temperature X, --top-k N, --top-p X, --seed N\n"
	"                     sample instead; equal seeds give equal answers\n"
	"  --threads N        compute threads (default: 1)\n"
	"  --chunk N          prompt tokens a step (default: 512)\n"
	"  --backend NAME     (default: cpu)\n"
	"  --set NAME=VALUE   an option of the backend; see 'lsbench describe backend-NAME'\n"
	"  --plugins DIR      search for plugins here first\n";

struct generation {
	struct lsb_engine_request engine;
	const char *prompt, *chat, *ids, *logits;
	int64_t max_new, threads, chunk;
	struct lsb_sampling sampling;
	int json, ignore_eos;
};

/* What a generation works on; everything owned. */
struct work {
	struct lsb_engine engine;
	int32_t *prompt, *ids;
	size_t n_prompt, n_ids;
	float *logits;
	FILE *file;
};

/* "1 2 3" into malloc'ed ids. */
static int parse_ids(const char *text, int32_t **ids, size_t *n, struct lsb_error *err)
{
	const char *at = text;

	*n = 0;
	*ids = malloc((strlen(text) / 2 + 1) * sizeof(**ids));
	if (!*ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the ids");
	for (;;) {
		char *end;
		long value;

		at += strspn(at, " ,\t\n");
		if (!*at)
			return *n ? LSB_OK : lsb_fail(err, LSB_ESUITE, 0, "--ids has no ids");
		errno = 0;
		value = strtol(at, &end, 10);
		if (end == at || errno || value < 0 || value > INT32_MAX)
			return lsb_fail(err, LSB_ESUITE, 0, "--ids: '%.20s' is not a token id", at);
		(*ids)[(*n)++] = (int32_t)value;
		at = end;
	}
}

/* The prompt's ids: needs the vocabulary alone, so that the KV cache can be sized before weights are read. */
static int encode_prompt(const struct generation *g, struct work *w, struct lsb_error *err)
{
	struct lsb_place place = { .stages = 1, .flags = LSB_PLACE_VOCABULARY, .threads = 1, .device = -1 };
	const struct lsb_turn turn = { .role = "user", .text = g->chat ? g->chat : g->prompt };
	struct lsb_engine vocabulary;
	int rc;

	if (g->ids)
		return parse_ids(g->ids, &w->prompt, &w->n_prompt, err);
	rc = lsb_engine_open(&vocabulary, &g->engine, &place, err);
	if (rc == LSB_OK)
		rc = lsb_loaded_encode(vocabulary.loaded, vocabulary.handle, &turn, 1,
				       g->chat ? LSB_ENCODE_CHAT : LSB_ENCODE_SPECIAL | LSB_ENCODE_BOS,
				       &w->prompt, &w->n_prompt, err);
	lsb_engine_close(&vocabulary);
	if (rc == LSB_OK && w->n_prompt == 0)
		rc = lsb_fail(err, LSB_ESUITE, 0, "the prompt has no tokens");
	return rc;
}

static int is_stop_id(const struct lsb_backend_info *info, int32_t id)
{
	for (uint32_t i = 0; i < info->n_stop_ids; i++)
		if (info->stop_ids[i] == id)
			return 1;
	return 0;
}

/* One step of n tokens from `position`; the last one's id goes to *id when `output`. */
static int step(struct work *w, const struct generation *g, const int32_t *ids, size_t n, size_t position,
		int output, int32_t *id, struct lsb_error *err)
{
	struct lsb_token tokens[CHUNK_MAX];
	const struct lsb_batch batch = { .struct_size = sizeof(batch),
					 .n_tokens = (uint32_t)n,
					 .n_outputs = output ? 1 : 0,
					 .tokens = tokens,
					 .sampling = &g->sampling };
	const struct lsb_step_io io = { .struct_size = sizeof(io),
					.ids = id,
					.logits = output ? w->logits : NULL };
	const struct lsb_backend_ops *ops = w->engine.ops;
	uint64_t ticket;
	int rc;

	for (size_t i = 0; i < n; i++)
		tokens[i] = (struct lsb_token){ .id = ids[i],
						.position = (uint32_t)(position + i),
						.flags = output && i + 1 == n ? LSB_TOKEN_OUTPUT : 0 };
	rc = ops->submit(w->engine.handle, &batch, &io, &ticket, err);
	return rc ? rc : ops->wait(w->engine.handle, ticket, lsb_now_ns() + WAIT_MS * UINT64_C(1000000), err);
}

static int write_logits(struct work *w, const char *path, struct lsb_error *err)
{
	const size_t n = w->engine.info.vocabulary;

	if (w->file && fwrite(w->logits, sizeof(float), n, w->file) != n)
		return lsb_fail(err, LSB_EIO, errno, "cannot write '%s': %s", path, strerror(errno));
	return LSB_OK;
}

static int generate_ids(const struct generation *g, struct work *w, struct lsb_error *err)
{
	const size_t chunk = (size_t)g->chunk;
	int32_t id = 0;
	int rc = LSB_OK;

	for (size_t at = 0; at < w->n_prompt && rc == LSB_OK; at += chunk) {
		const size_t left = w->n_prompt - at, n = left < chunk ? left : chunk;

		rc = step(w, g, w->prompt + at, n, at, n == left, &id, err);
	}
	if (rc == LSB_OK)
		rc = write_logits(w, g->logits, err);
	for (int over = 0; rc == LSB_OK && !over;) {
		w->ids[w->n_ids++] = id;
		over = w->n_ids == (size_t)g->max_new || (!g->ignore_eos && is_stop_id(&w->engine.info, id));
		/* The last token's own logits are of interest only to whoever asked for them. */
		if (over && !w->file)
			break;
		rc = step(w, g, &w->ids[w->n_ids - 1], 1, w->n_prompt + w->n_ids - 1, 1, &id, err);
		if (rc == LSB_OK)
			rc = write_logits(w, g->logits, err);
	}
	return rc;
}

static int print_answer(const struct generation *g, struct work *w, struct lsb_error *err)
{
	json_t *prompt = json_array(), *ids = json_array(), *answer, *value;
	char *text = NULL;
	int rc = lsb_loaded_decode(w->engine.loaded, w->engine.handle, w->ids, w->n_ids, &text, err);

	for (size_t i = 0; i < w->n_prompt; i++)
		json_array_append_new(prompt, json_integer(w->prompt[i]));
	for (size_t i = 0; i < w->n_ids; i++)
		json_array_append_new(ids, json_integer(w->ids[i]));
	value = text ? json_string(text) : NULL; /* NULL too when the bytes are no UTF-8 */
	answer = json_pack("{s:o, s:o, s:o}", "prompt_ids", prompt, "ids", ids, "text",
			   value ? value : json_null());
	if (rc == LSB_OK && g->json) {
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (rc == LSB_OK) {
		puts(text);
	}
	json_decref(answer);
	free(text);
	return rc;
}

static int generate(const struct generation *g, struct lsb_error *err)
{
	struct lsb_place place = { .stages = 1,
				   .slots = 1,
				   .max_tokens = (uint32_t)g->chunk,
				   .max_outputs = 1,
				   .max_tickets = 1,
				   .device = -1,
				   .threads = (uint32_t)g->threads };
	struct work w = { 0 };
	int rc = encode_prompt(g, &w, err);

	if (rc == LSB_OK && w.n_prompt + (size_t)g->max_new > UINT32_MAX)
		rc = lsb_fail(err, LSB_ESUITE, 0, "%zu prompt tokens are too many", w.n_prompt);
	place.context = (uint32_t)(w.n_prompt + (size_t)g->max_new + 1);
	if (rc == LSB_OK)
		rc = lsb_engine_open(&w.engine, &g->engine, &place, err);
	if (rc == LSB_OK) {
		w.ids = calloc((size_t)g->max_new + 1, sizeof(*w.ids));
		w.logits = g->logits ? calloc(w.engine.info.vocabulary, sizeof(*w.logits)) : NULL;
		if (!w.ids || (g->logits && !w.logits))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for an answer of %lld tokens",
				      (long long)g->max_new);
	}
	if (rc == LSB_OK && g->logits && !(w.file = fopen(g->logits, "wbe")))
		rc = lsb_fail(err, LSB_EIO, errno, "cannot write '%s': %s", g->logits, strerror(errno));
	if (rc == LSB_OK)
		rc = generate_ids(g, &w, err);
	if (rc == LSB_OK)
		rc = print_answer(g, &w, err);
	if (w.file && fclose(w.file) && rc == LSB_OK)
		rc = lsb_fail(err, LSB_EIO, errno, "cannot write '%s': %s", g->logits, strerror(errno));
	lsb_engine_close(&w.engine);
	free(w.logits);
	free(w.ids);
	free(w.prompt);
	return rc;
}

/* Options with a number; 0, or -1 when `option` is another one. */
static int take_number(struct generation *g, int option, const char *text, struct lsb_error *err)
{
	int64_t whole = 0;
	double real = 0;
	int rc = option == 't' || option == 'P' ? lsb_parse_real(text, &real, err)
						: lsb_parse_int(text, &whole, err);

	if (rc)
		return rc;
	switch (option) {
	case 'n':
		g->max_new = whole;
		return whole >= 1 && whole <= 1 << 20
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--max-new must be 1 to 1048576");
	case 'T':
		g->threads = whole;
		return whole >= 1 && whole <= 1024
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--threads must be 1 to 1024");
	case 'c':
		g->chunk = whole;
		return whole >= 1 && whole <= CHUNK_MAX
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--chunk must be 1 to %d", CHUNK_MAX);
	case 'k':
		g->sampling.top_k = (uint32_t)whole;
		return whole >= 0 && whole <= INT32_MAX
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--top-k must be 0 (off) or more");
	case 'e':
		g->sampling.seed = (uint64_t)whole;
		return 0;
	case 't':
		g->sampling.temperature = (float)real;
		return real >= 0 && real <= 100
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--temperature must be 0 to 100");
	default:
		g->sampling.top_p = (float)real;
		return real > 0 && real <= 1
			       ? 0
			       : lsb_fail(err, LSB_ESUITE, 0, "--top-p must be above 0, at most 1");
	}
}

static int take_option(struct generation *g, int option, struct lsb_error *err)
{
	switch (option) {
	case 'm':
		g->engine.model = optarg;
		return 0;
	case 'p':
		g->prompt = optarg;
		return 0;
	case 'C':
		g->chat = optarg;
		return 0;
	case 'i':
		g->ids = optarg;
		return 0;
	case 'j':
		g->json = 1;
		return 0;
	case 'E':
		g->ignore_eos = 1;
		return 0;
	case 'l':
		g->logits = optarg;
		return 0;
	case 'B':
		g->engine.backend = optarg;
		return 0;
	case 'L':
		g->engine.plugins = optarg;
		return 0;
	case 'S':
		return lsb_engine_set(&g->engine, optarg, err);
	default:
		return take_number(g, option, optarg, err);
	}
}

int lsb_cmd_generate(int argc, char **argv)
{
	static const struct option options[] = {
		{ "model", required_argument, NULL, 'm' },
		{ "prompt", required_argument, NULL, 'p' },
		{ "chat", required_argument, NULL, 'C' },
		{ "ids", required_argument, NULL, 'i' },
		{ "max-new", required_argument, NULL, 'n' },
		{ "ignore-eos", no_argument, NULL, 'E' },
		{ "json", no_argument, NULL, 'j' },
		{ "logits", required_argument, NULL, 'l' },
		{ "temperature", required_argument, NULL, 't' },
		{ "top-k", required_argument, NULL, 'k' },
		{ "top-p", required_argument, NULL, 'P' },
		{ "seed", required_argument, NULL, 'e' },
		{ "threads", required_argument, NULL, 'T' },
		{ "chunk", required_argument, NULL, 'c' },
		{ "backend", required_argument, NULL, 'B' },
		{ "set", required_argument, NULL, 'S' },
		{ "plugins", required_argument, NULL, 'L' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct generation g = { .engine = { .backend = "cpu" },
				.max_new = 64,
				.threads = 1,
				.chunk = CHUNK_MAX,
				.sampling = { .top_p = 1.0f } };
	struct lsb_error err = { 0 };
	int option, status = LSB_EXIT_OK;

	while (status == LSB_EXIT_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		if (option == '?')
			status = LSB_EXIT_USAGE;
		else if (take_option(&g, option, &err))
			status = lsb_cli_failed(&err);
	}
	if (status == LSB_EXIT_OK && (optind != argc || !g.prompt + !g.chat + !g.ids != 2))
		status = lsb_cli_usage("generate", "give one of --prompt, --chat and --ids");
	if (status == LSB_EXIT_OK)
		status = generate(&g, &err) ? lsb_cli_failed(&err) : lsb_cli_done(LSB_EXIT_OK);
	lsb_engine_request_free(&g.engine);
	return status;
}
