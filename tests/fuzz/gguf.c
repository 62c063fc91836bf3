/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a model file.
 *
 * Each input is tried as it is, and with a hole behind it, so that a header
 * alone can be a whole model. What opens is looked at from end to end: a wrong
 * header may be refused in words only, never by a crash.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

enum { HOLE = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char path[] = "/tmp/lsbench-fuzz-XXXXXX";
static int file = -1;

static void clean_up(void)
{
	unlink(path);
}

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "does not hold: %s\n", what);
		abort();
	}
}

/* Reads bytes that nobody uses, so that a sanitizer sees them. */
static void touch(const void *bytes, uint64_t n)
{
	static volatile uint8_t sum;

	for (uint64_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
}

static void look_at_metadata(const struct lsb_model *m)
{
	static const char *const keys[] = { "general.name", "tokenizer.ggml.tokens", "tokenizer.ggml.scores",
					    "llama.block_count", "x" };

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const uint64_t n = lsb_model_array(m, keys[k]);
		uint64_t length = 0;
		const char *text = lsb_model_string(m, keys[k], &length);
		int64_t whole;
		double real;

		if (text)
			touch(text, length + 1);
		(void)lsb_model_int(m, keys[k], &whole);
		(void)lsb_model_float(m, keys[k], &real);
		for (uint64_t i = 0; i < n; i++) {
			const struct lsb_span item = lsb_model_array_string(m, keys[k], i);

			touch(item.ptr, item.ptr ? item.bytes : 0);
			(void)lsb_model_array_number(m, keys[k], i, &real);
		}
	}
}

static void look_at_tensor(const struct lsb_model *m, enum lsb_role role, int32_t layer)
{
	const struct lsb_tensor *t = lsb_model_tensor(m, role, layer);
	struct lsb_error err;
	uint8_t last;

	must(t != NULL, "the tensor is there");
	if (t->rows)
		must(lsb_model_read(m, t, t->bytes - 1, 1, &last, &err) == LSB_OK,
		     "its last byte can be read");
}

static void try_open(void)
{
	struct lsb_model *m = NULL;
	struct lsb_error err = { 0 };
	const int rc = lsb_model_open(path, &m, &err);

	must(rc == LSB_OK || (rc == LSB_EMODEL && !strncmp(err.msg, "model: ", 7)), "opens or says why");
	if (rc)
		return;
	look_at_metadata(m);
	for (int role = LSB_ROLE_EMBED; role <= LSB_ROLE_ROPE_FREQS; role++)
		look_at_tensor(m, (enum lsb_role)role, -1);
	for (uint32_t layer = 0; layer < lsb_model_hparams(m)->layers; layer++)
		for (int role = 0; role < LSB_LAYER_ROLES; role++)
			look_at_tensor(m, (enum lsb_role)role, (int32_t)layer);
	lsb_model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (file < 0) {
		file = mkstemp(path);
		must(file >= 0, "a scratch file can be made");
		atexit(clean_up);
	}
	must(ftruncate(file, 0) == 0 && pwrite(file, data, bytes, 0) == (ssize_t)bytes,
	     "the scratch file is written");
	try_open();
	must(ftruncate(file, (off_t)(bytes + HOLE)) == 0, "the scratch file grows");
	try_open();
	return 0;
}
