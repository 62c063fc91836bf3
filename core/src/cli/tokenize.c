/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench tokenize --model M [--special] < text`: token ids on one line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/engine.h"

enum { TEXT_MAX = 256 << 20 };

static const char help[] =
	"usage: lsbench tokenize --model M [--special] [--bos] [--backend NAME] < TEXT\n\n"
	"Prints the token ids of the text on standard input, on one line.\n\n"
	"  --model M        a GGUF file, or random:NAME\n"
	"  --special        text of special tokens, as <|im_start|>, means those tokens\n"
	"  --bos            begin with BOS where the model asks for it\n"
	"  --backend NAME   whose tokenizer (default: cpu)\n"
	"  --set NAME=VALUE an option of the backend; see 'lsbench describe backend-NAME'\n"
	"  --plugins DIR    search for plugins here first\n";

static int tokenize(const struct lsb_engine_request *request, uint32_t flags, struct lsb_error *err)
{
	struct lsb_place place = { .stages = 1, .flags = LSB_PLACE_VOCABULARY, .threads = 1, .device = -1 };
	struct lsb_engine engine;
	struct lsb_turn turn = { .role = "user" };
	int32_t *ids = NULL;
	char *text = NULL;
	size_t bytes, n = 0;
	int rc = lsb_engine_open(&engine, request, &place, err);

	if (rc == LSB_OK)
		rc = lsb_file_read("/dev/stdin", TEXT_MAX, &text, &bytes, err);
	if (rc == LSB_OK && strlen(text) != bytes)
		rc = lsb_fail(err, LSB_EINVAL, 0, "the text has a NUL at byte %zu", strlen(text));
	turn.text = text;
	if (rc == LSB_OK)
		rc = lsb_loaded_encode(engine.loaded, engine.handle, &turn, 1, flags, &ids, &n, err);
	for (size_t i = 0; i < n && rc == LSB_OK; i++)
		printf(i ? " %d" : "%d", ids[i]);
	if (rc == LSB_OK)
		putchar('\n');
	free(ids);
	free(text);
	lsb_engine_close(&engine);
	return rc;
}

int lsb_cmd_tokenize(int argc, char **argv)
{
	static const struct option options[] = {
		{ "model", required_argument, NULL, 'm' }, { "special", no_argument, NULL, 's' },
		{ "bos", no_argument, NULL, 'b' },	   { "backend", required_argument, NULL, 'B' },
		{ "set", required_argument, NULL, 'S' },   { "plugins", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
	};
	struct lsb_engine_request request = { .backend = "cpu" };
	struct lsb_error err = { 0 };
	uint32_t flags = 0;
	int option, status = LSB_EXIT_OK;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1 && status == LSB_EXIT_OK) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		if (option == 'm')
			request.model = optarg;
		else if (option == 's')
			flags |= LSB_ENCODE_SPECIAL;
		else if (option == 'b')
			flags |= LSB_ENCODE_BOS;
		else if (option == 'B')
			request.backend = optarg;
		else if (option == 'p')
			request.plugins = optarg;
		else if (option != 'S')
			status = LSB_EXIT_USAGE;
		else if (lsb_engine_set(&request, optarg, &err))
			status = lsb_cli_failed(&err);
	}
	if (status == LSB_EXIT_OK && optind != argc)
		status = lsb_cli_usage("tokenize", "the text comes on standard input, not as '%s'",
				       argv[optind]);
	if (status == LSB_EXIT_OK)
		status = tokenize(&request, flags, &err) ? lsb_cli_failed(&err) : lsb_cli_done(LSB_EXIT_OK);
	lsb_engine_request_free(&request);
	return status;
}
