/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of a model: their text, type and score, and which id a text has.
 *
 * Knows nothing of how text is cut into tokens. Compact: all text in one block,
 * one 32-bit offset and one byte of type a token, and a hash index of ids.
 */
#ifndef LSB_VOCABULARY_H
#define LSB_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

/* tokenizer.ggml.token_type, as files have it. */
enum lsb_token_type {
	LSB_TOKEN_NORMAL = 1,
	LSB_TOKEN_UNKNOWN = 2,
	LSB_TOKEN_CONTROL = 3,
	LSB_TOKEN_USER_DEFINED = 4,
	LSB_TOKEN_UNUSED = 5,
	LSB_TOKEN_BYTE = 6,
};

enum { LSB_PROBES_MAX = 512 }; /* of a hash table at most half full; more means crafted collisions */

struct lsb_vocabulary {
	uint32_t n;
	char *text;	 /* of all tokens, end to end */
	uint32_t *start; /* [n + 1] into text */
	uint8_t *type;	 /* [n] enum lsb_token_type */
	float *score;	 /* [n]; NULL where the file has none */
	uint32_t *slots; /* [mask + 1] id + 1 by hash of the text; 0: free */
	uint32_t mask;
	uint32_t longest; /* bytes of the longest text that find() knows */
};

/*
 * Copy tokens, types and scores out of the metadata and check them: at least
 * one token, no more than the embedding has rows, no text twice, arrays of one
 * length, known types, finite scores. Texts are as the file has them.
 */
int lsb_vocabulary_open(struct lsb_vocabulary *v, const struct lsb_model *m, struct lsb_error *err);
void lsb_vocabulary_close(struct lsb_vocabulary *v);

/* Id of the token with exactly this text; -1 when there is none. */
int32_t lsb_vocabulary_find(const struct lsb_vocabulary *v, const char *text, size_t bytes);

/*
 * Replace the text of ordinary tokens, written in the byte-level alphabet of
 * GPT-2, by the bytes they stand for. Afterwards find() knows ordinary tokens
 * only, by bytes. A token outside the alphabet keeps its text and is not found.
 */
int lsb_vocabulary_to_bytes(struct lsb_vocabulary *v, struct lsb_error *err);

/* Text of `byte` in the byte-level alphabet: one or two bytes of UTF-8 into `to`; returns how many. */
size_t lsb_byte_text(uint8_t byte, char to[2]);

/* Slots of a hash table for n entries: a power of two, at least twice as many. */
uint32_t lsb_slots_for(uint32_t n);

static inline size_t lsb_token_bytes(const struct lsb_vocabulary *v, int32_t id)
{
	return v->start[id + 1] - v->start[id];
}

static inline const char *lsb_token_text(const struct lsb_vocabulary *v, int32_t id)
{
	return v->text + v->start[id];
}

#endif
