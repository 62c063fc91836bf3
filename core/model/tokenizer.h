/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to token ids and back, as the model's own vocabulary says.
 *
 * Built from a model's metadata: `gpt2` (byte-level BPE with the named
 * pre-tokenizer) and `llama` (SentencePiece, byte fallback). Keeps its own copy
 * of what it needs; the model may be closed. Not thread-safe.
 *
 * random: models have no vocabulary and get one of bytes: id 1 begins a text,
 * id 2 ends it, byte b is id b + 3; 0 and ids from 259 on stand for no text.
 */
#ifndef LSB_TOKENIZER_H
#define LSB_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/workload.h" /* lsb_turn */
#include "model.h"

struct lsb_tokenizer;

/* Part of a text, in which the text of a control token means that token. */
struct lsb_marker {
	size_t start, end; /* bytes */
};

/* Flags are LSB_ENCODE_SPECIAL and LSB_ENCODE_BOS of lsbench/backend.h. */

/* LSB_EMODEL when the vocabulary is missing, damaged or of an unsupported kind. */
int lsb_tokenizer_open(const struct lsb_model *m, struct lsb_tokenizer **out, struct lsb_error *err);
void lsb_tokenizer_close(struct lsb_tokenizer *t);

/*
 * Writes at most `capacity` ids, the number there are to *n (may be larger).
 * Invalid UTF-8 is encoded byte by byte, never an error; a byte without a token
 * is left out. User-defined tokens are found in any text, control tokens with
 * LSB_ENCODE_SPECIAL only. Time is O(n log n); LSB_EINVAL above 1 GiB.
 */
int lsb_tokenizer_encode(struct lsb_tokenizer *t, const char *text, size_t bytes, uint32_t flags,
			 int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err);

/* Likewise, with control tokens in `markers` only: ascending, apart, within the text. */
int lsb_tokenizer_encode_marked(struct lsb_tokenizer *t, const char *text, size_t bytes,
				const struct lsb_marker *markers, size_t n_markers, uint32_t flags,
				int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err);

/*
 * Special tokens, and ids that are no token, give no text; negative ids are
 * LSB_EINVAL. Writes at most `capacity` bytes, the number there are to *bytes.
 */
int lsb_tokenizer_decode(struct lsb_tokenizer *t, const int32_t *ids, size_t n, char *text, size_t capacity,
			 size_t *bytes, struct lsb_error *err);

int32_t lsb_tokenizer_bos(const struct lsb_tokenizer *t); /* -1: none */
int32_t lsb_tokenizer_eos(const struct lsb_tokenizer *t); /* -1: none */
int lsb_tokenizer_adds_bos(const struct lsb_tokenizer *t);
/* Ids that end an answer: EOS, EOT and the like; at most `capacity`, returns how many. */
uint32_t lsb_tokenizer_stop_ids(const struct lsb_tokenizer *t, int32_t *ids, uint32_t capacity);
/* Text of one token, special ones included; lives as long as the tokenizer. */
struct lsb_span lsb_tokenizer_text(const struct lsb_tokenizer *t, int32_t id);
/* The model's chat template; "" when it has none, which is so for random: models. */
const char *lsb_tokenizer_template(const struct lsb_tokenizer *t);
int lsb_tokenizer_is_random(const struct lsb_tokenizer *t);

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

/*
 * Which shape the model's template has; LSB_CHAT_PLAIN for random: models.
 * LSB_EMODEL when there is none or an unknown one, naming the option `chat`.
 */
int lsb_chat_recognise(const struct lsb_tokenizer *t, enum lsb_chat *out, struct lsb_error *err);

/*
 * The turns as a prompt ready for the answer, with the default system turn that
 * the model's template has, and BOS where the template or the model wants it.
 * What turns say is text: a control token's name in it stays text. Ids as for
 * lsb_tokenizer_encode. LSB_EINVAL for a role but system, user and assistant.
 */
int lsb_chat_encode(struct lsb_tokenizer *t, enum lsb_chat kind, const struct lsb_turn *turns, size_t n_turns,
		    int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err);

#endif
