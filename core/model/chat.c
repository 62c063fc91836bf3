/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat turns as a prompt.
 *
 * Templates in model files are Jinja programs. lsbench does not run them: it
 * recognises which of four families one belongs to by the markers in it, takes
 * a default system turn from its text, and writes the family's format. What
 * varies within a family (spaces in [INST], trimming, dates) is read off the
 * template too. The markers it writes are special tokens, what turns say is not.
 */
#include <stdlib.h>
#include <string.h>

#include "chat_text.h"
#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "tokenizer.h"

#define WHITE " \t\n\v\f\r"

/* What the turns are formatted by. */
struct format {
	enum lsb_chat kind;
	int trims;		     /* turns lose the white space around them */
	int sys_block;		     /* Llama 2 proper: <<SYS>>, and BOS before each user turn */
	const char *inst, *inst_end; /* around a user turn of the [INST] family */
	char *system;		     /* default system turn; NULL: none */
	char *preamble;		     /* put before the system turn; NULL: nothing */
	struct lsb_span bos, eos;    /* their text */
};

static int has(const char *template, const char *part)
{
	return strstr(template, part) != NULL;
}

int lsb_chat_recognise(const struct lsb_tokenizer *t, enum lsb_chat *out, struct lsb_error *err)
{
	const char *template = lsb_tokenizer_template(t);

	if (lsb_tokenizer_is_random(t))
		*out = LSB_CHAT_PLAIN;
	else if (has(template, "<|im_start|>"))
		*out = LSB_CHAT_CHATML;
	else if (has(template, "<|start_header_id|>") && has(template, "<|eot_id|>"))
		*out = LSB_CHAT_LLAMA3;
	else if (has(template, "[/INST]") && !has(template, "[SYSTEM_PROMPT]"))
		*out = LSB_CHAT_LLAMA2;
	else if (has(template, "<|user|>") && has(template, "<|assistant|>") && !has(template, "<|end|>"))
		*out = LSB_CHAT_ZEPHYR;
	else
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: %s; set the backend's option `chat` to chatml, llama2, llama3, "
				"zephyr or plain",
				*template ? "the chat template is of no known shape"
					  : "the file has no chat template");
	return LSB_OK;
}

/* Reads off the template what format_turns needs. */
static int open_format(struct format *f, const struct lsb_tokenizer *t, enum lsb_chat kind,
		       struct lsb_error *err)
{
	const char *template = lsb_tokenizer_template(t);
	int rc = LSB_OK;

	*f = (struct format){ .kind = kind,
			      .bos = lsb_tokenizer_text(t, lsb_tokenizer_bos(t)),
			      .eos = lsb_tokenizer_text(t, lsb_tokenizer_eos(t)) };
	if (kind == LSB_CHAT_AUTO)
		rc = lsb_chat_recognise(t, &f->kind, err);
	if (rc)
		return rc;
	f->trims = has(template, "|trim") || has(template, "| trim") || has(template, ".strip()");
	f->sys_block = has(template, "<<SYS>>") || !has(template, "[/INST]");
	f->inst = has(template, "[INST]") && !has(template, "[INST] ") ? "[INST]" : "[INST] ";
	f->inst_end = has(template, "[/INST]") && !has(template, " [/INST]") ? "[/INST]" : " [/INST]";
	switch (f->kind) {
	case LSB_CHAT_CHATML:
		f->system = lsb_chat_literal(template, "<|im_start|>system\n", "<|im_end|>");
		break;
	case LSB_CHAT_LLAMA2:
		f->system = lsb_chat_literal(template, "<<SYS>>\n", "\n<</SYS>>");
		break;
	case LSB_CHAT_LLAMA3:
		f->trims |= !*template; /* Meta's own format trims */
		f->system = lsb_chat_literal(template, "<|start_header_id|>system<|end_header_id|>\n\n",
					     "<|eot_id|>");
		f->preamble = lsb_chat_preamble(template);
		break;
	case LSB_CHAT_ZEPHYR:
		f->system = lsb_chat_literal(template, "<|system|>\n", "</s>");
		break;
	default:
		break;
	}
	return LSB_OK;
}

static void close_format(struct format *f)
{
	free(f->system);
	free(f->preamble);
}

/* The text of a turn, trimmed if the template does. */
static void put_said(struct lsb_chat_text *p, const struct format *f, const char *said)
{
	size_t bytes;

	if (f->trims)
		said += strspn(said, WHITE);
	bytes = strlen(said);
	while (f->trims && bytes && strchr(WHITE, said[bytes - 1]))
		bytes--;
	lsb_chat_put(p, said, bytes);
}

static void put_span(struct lsb_chat_text *p, struct lsb_span token)
{
	lsb_chat_mark(p, token.ptr, token.bytes);
}

static void put_chatml(struct lsb_chat_text *p, const struct format *f, const struct lsb_turn *turn)
{
	lsb_chat_marks(p, "<|im_start|>");
	lsb_chat_marks(p, turn->role);
	lsb_chat_marks(p, "\n");
	if (turn->text) {
		put_said(p, f, turn->text);
		lsb_chat_marks(p, "<|im_end|>\n");
	}
}

static void put_llama3(struct lsb_chat_text *p, const struct format *f, const struct lsb_turn *turn)
{
	lsb_chat_marks(p, "<|start_header_id|>");
	lsb_chat_marks(p, turn->role);
	lsb_chat_marks(p, "<|end_header_id|>\n\n");
	if (f->preamble && strcmp(turn->role, "system") == 0)
		lsb_chat_marks(p, f->preamble);
	if (turn->text) {
		put_said(p, f, turn->text);
		lsb_chat_marks(p, "<|eot_id|>");
	}
}

static void put_zephyr(struct lsb_chat_text *p, const struct format *f, const struct lsb_turn *turn)
{
	lsb_chat_marks(p, "<|");
	lsb_chat_marks(p, turn->role);
	lsb_chat_marks(p, "|>\n");
	if (turn->text) {
		put_said(p, f, turn->text);
		put_span(p, f->eos);
		lsb_chat_marks(p, "\n");
	}
}

/* Families in which each turn stands for itself, system first, and an open turn asks for the answer. */
static void put_turns(struct lsb_chat_text *p, const struct format *f, const struct lsb_turn *turns, size_t n)
{
	void (*const put)(struct lsb_chat_text *, const struct format *, const struct lsb_turn *) =
		f->kind == LSB_CHAT_CHATML   ? put_chatml
		: f->kind == LSB_CHAT_LLAMA3 ? put_llama3
					     : put_zephyr;

	if (strcmp(turns[0].role, "system") != 0 && (f->system || f->preamble))
		put(p, f, &(struct lsb_turn){ "system", f->system ? f->system : "" });
	for (size_t i = 0; i < n; i++)
		put(p, f, &turns[i]);
	put(p, f, &(struct lsb_turn){ "assistant", NULL });
}

/* The system turn goes into the first user turn. */
static void put_inst(struct lsb_chat_text *p, const struct format *f, const struct lsb_turn *turns, size_t n)
{
	const char *system = f->system;

	for (size_t i = 0; i < n; i++) {
		const struct lsb_turn *turn = &turns[i];

		if (strcmp(turn->role, "system") == 0) {
			system = turn->text;
			continue;
		}
		if (strcmp(turn->role, "assistant") == 0) {
			lsb_chat_marks(p, " ");
			put_said(p, f, turn->text);
			lsb_chat_marks(p, f->sys_block ? " " : "");
			put_span(p, f->eos);
			continue;
		}
		if (f->sys_block && p->bytes)
			put_span(p, f->bos);
		lsb_chat_marks(p, f->inst);
		if (system) {
			lsb_chat_marks(p, f->sys_block ? "<<SYS>>\n" : "");
			put_said(p, f, system);
			lsb_chat_marks(p, f->sys_block ? "\n<</SYS>>\n\n" : "\n\n");
			system = NULL;
		}
		put_said(p, f, turn->text);
		lsb_chat_marks(p, f->inst_end);
	}
}

/* No template: what was said, a blank line between turns. */
static void put_plain(struct lsb_chat_text *p, const struct lsb_turn *turns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		lsb_chat_put(p, "\n\n", i ? 2 : 0);
		lsb_chat_put(p, turns[i].text, strlen(turns[i].text));
	}
}

static int check_turns(const struct lsb_turn *turns, size_t n, struct lsb_error *err)
{
	if (n == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "a chat needs at least one turn");
	for (size_t i = 0; i < n; i++) {
		const char *role = turns[i].role;

		if (!role || (strcmp(role, "system") && strcmp(role, "user") && strcmp(role, "assistant")))
			return lsb_fail(err, LSB_EINVAL, 0,
					"turn %zu of the chat has the role '%.32s'; it can be system, user "
					"or assistant",
					i, role ? role : "");
		if (!turns[i].text)
			return lsb_fail(err, LSB_EINVAL, 0, "turn %zu of the chat has no text", i);
	}
	return LSB_OK;
}

/* Whether BOS goes before the prompt, unless the prompt's first marker is BOS already. */
static int wants_bos(const struct lsb_tokenizer *t, const struct format *f, const struct lsb_chat_text *p)
{
	const int wanted = lsb_tokenizer_adds_bos(t) || has(lsb_tokenizer_template(t), "bos_token") ||
			   f->kind == LSB_CHAT_LLAMA2 || f->kind == LSB_CHAT_LLAMA3;
	const int there = f->bos.bytes && p->n_markers && p->markers[0].start == 0 &&
			  p->markers[0].end >= f->bos.bytes && memcmp(p->text, f->bos.ptr, f->bos.bytes) == 0;

	return wanted && !there && lsb_tokenizer_bos(t) >= 0;
}

int lsb_chat_encode(struct lsb_tokenizer *t, enum lsb_chat kind, const struct lsb_turn *turns, size_t n_turns,
		    int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	struct lsb_chat_text p = { 0 };
	struct format f;
	size_t bos = 0;
	int rc = check_turns(turns, n_turns, err);

	if (rc)
		return rc;
	rc = open_format(&f, t, kind, err);
	if (rc)
		return rc;
	if (f.kind == LSB_CHAT_PLAIN)
		put_plain(&p, turns, n_turns);
	else if (f.kind == LSB_CHAT_LLAMA2)
		put_inst(&p, &f, turns, n_turns);
	else
		put_turns(&p, &f, turns, n_turns);
	if (p.failed) {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the prompt of a chat");
	} else {
		if (wants_bos(t, &f, &p)) {
			if (capacity)
				ids[0] = lsb_tokenizer_bos(t);
			bos = 1;
		}
		rc = lsb_tokenizer_encode_marked(t, p.text ? p.text : "", p.bytes, p.markers, p.n_markers, 0,
						 capacity > bos ? ids + bos : NULL,
						 capacity > bos ? capacity - bos : 0, n, err);
		*n += bos;
	}
	close_format(&f);
	lsb_chat_text_free(&p);
	return rc;
}
