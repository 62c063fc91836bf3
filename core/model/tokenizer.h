/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to token ids and back, as the model's own vocabulary says.
 *
 * Built from a model's metadata: `gpt2` (byte-level BPE with the named
 * pre-tokenizer) and `llama` (SentencePiece, byte fallback). Keeps its own copy
 * of what it needs; the model may be closed. Not thread-safe.
 */
#ifndef LSB_TOKENIZER_H
#define LSB_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/workload.h" /* lsb_turn */
#include "model.h"

struct lsb_tokenizer;

/* Flags are LSB_ENCODE_SPECIAL and LSB_ENCODE_BOS of lsbench/backend.h. */

/* LSB_EMODEL when the vocabulary is missing, damaged or of an unsupported kind. */
int lsb_tokenizer_open(const struct lsb_model *m, struct lsb_tokenizer **out, struct lsb_error *err);
void lsb_tokenizer_close(struct lsb_tokenizer *t);

/*
 * Writes at most `capacity` ids, the number there are to *n (may be larger).
 * Invalid UTF-8 is encoded byte by byte, never an error. Time is O(n log n).
 */
int lsb_tokenizer_encode(struct lsb_tokenizer *t, const char *text, size_t bytes, uint32_t flags,
			 int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err);
/* Special tokens give no text. Writes at most `capacity` bytes, the number there are to *bytes. */
int lsb_tokenizer_decode(struct lsb_tokenizer *t, const int32_t *ids, size_t n, char *text, size_t capacity,
			 size_t *bytes, struct lsb_error *err);

int32_t lsb_tokenizer_bos(const struct lsb_tokenizer *t); /* -1: none */
/* Ids that end an answer: EOS, EOT and the like; at most `capacity`, returns how many. */
uint32_t lsb_tokenizer_stop_ids(const struct lsb_tokenizer *t, int32_t *ids, uint32_t capacity);

/* --- chat.c ------------------------------------------------------------------------ */

enum lsb_chat {
	LSB_CHAT_AUTO,
	LSB_CHAT_CHATML,
	LSB_CHAT_LLAMA2,
	LSB_CHAT_LLAMA3,
	LSB_CHAT_ZEPHYR,
	LSB_CHAT_PLAIN
};
#define LSB_CHAT_CHOICES "auto|chatml|llama2|llama3|zephyr|plain"

/* Which shape a model's template has; LSB_EMODEL when unknown, naming the option `chat` to set. */
int lsb_chat_recognise(const struct lsb_model *m, enum lsb_chat *out, struct lsb_error *err);

/*
 * The turns as prompt text ready for the answer, with the default system turn
 * that the model's template has; malloc'ed into *text, to be encoded with
 * LSB_ENCODE_SPECIAL. The text holds BOS itself where the template does.
 */
int lsb_chat_format(const struct lsb_model *m, enum lsb_chat kind, const struct lsb_turn *turns, size_t n,
		    char **text, struct lsb_error *err);

#endif
