/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of chat.c that know no family: a prompt under construction, and literals of a template. */
#ifndef LSB_CHAT_TEXT_H
#define LSB_CHAT_TEXT_H

#include "tokenizer.h"

/* Zero-initialise. On lack of memory `failed` is set and the rest is dropped. */
struct lsb_chat_text {
	char *text;
	size_t bytes, room;
	struct lsb_marker *markers; /* parts that the template wrote; neighbours are one */
	size_t n_markers, markers_room;
	int failed;
};

void lsb_chat_put(struct lsb_chat_text *p, const char *text, size_t bytes);  /* what somebody said */
void lsb_chat_mark(struct lsb_chat_text *p, const char *text, size_t bytes); /* what the template says */
void lsb_chat_marks(struct lsb_chat_text *p, const char *text);		     /* likewise, to the NUL */
void lsb_chat_text_free(struct lsb_chat_text *p);

/*
 * The fixed text between `open` and `close` in a string literal of the template,
 * escapes undone; malloc'ed, NULL when there is none. Where the template puts
 * an expression between them, that is no fixed text and the next place counts.
 * `open` and `close` are given with real newlines and also match \n escapes.
 */
char *lsb_chat_literal(const char *template, const char *open, const char *close);

/*
 * Llama 3.1's dates before the system turn, NULL when the template has none. Of
 * a template that asks for today's date, its own fixed default is used: prompts
 * must not change overnight.
 */
char *lsb_chat_preamble(const char *template);

#endif
