/* SPDX-License-Identifier: Apache-2.0 */
#include "chat_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lsb_chat_put(struct lsb_chat_text *p, const char *text, size_t bytes)
{
	if (p->failed || bytes == 0)
		return;
	if (p->room - p->bytes < bytes) {
		const size_t room = 2 * p->room + bytes;
		char *grown = realloc(p->text, room);

		if (!grown) {
			p->failed = 1;
			return;
		}
		p->text = grown;
		p->room = room;
	}
	memcpy(p->text + p->bytes, text, bytes);
	p->bytes += bytes;
}

void lsb_chat_mark(struct lsb_chat_text *p, const char *text, size_t bytes)
{
	const size_t start = p->bytes;

	lsb_chat_put(p, text, bytes);
	if (p->failed || bytes == 0)
		return;
	if (p->n_markers && p->markers[p->n_markers - 1].end == start) {
		p->markers[p->n_markers - 1].end = p->bytes;
		return;
	}
	if (p->n_markers == p->markers_room) {
		const size_t room = 2 * p->markers_room + 8;
		struct lsb_marker *grown = realloc(p->markers, room * sizeof(*grown));

		if (!grown) {
			p->failed = 1;
			return;
		}
		p->markers = grown;
		p->markers_room = room;
	}
	p->markers[p->n_markers++] = (struct lsb_marker){ start, p->bytes };
}

void lsb_chat_marks(struct lsb_chat_text *p, const char *text)
{
	lsb_chat_mark(p, text, strlen(text));
}

void lsb_chat_text_free(struct lsb_chat_text *p)
{
	free(p->text);
	free(p->markers);
	*p = (struct lsb_chat_text){ 0 };
}

/* One character of a literal, \n \t \' \" \\ undone, into *c; bytes used, 0 at the template's end. */
static size_t next_char(const char *at, char *c)
{
	*c = at[0];
	if (at[0] != '\\' || !at[1])
		return at[0] != '\0';
	*c = at[1] == 'n' ? '\n' : at[1] == 't' ? '\t' : at[1];
	return 2;
}

/* Bytes of the template at `at` that spell `part`; 0 if they do not. */
static size_t spells(const char *at, const char *part)
{
	const char *const from = at;

	for (; *part; part++) {
		char c;
		const size_t used = next_char(at, &c);

		if (used == 0 || c != *part)
			return 0;
		at += used;
	}
	return (size_t)(at - from);
}

/* Of a system turn; keeps the search for one cheap in a template that is no real one. */
enum { LITERAL_BYTES_MAX = 8192 };

/*
 * What stands at `at` up to `close`, in a literal in `quote` marks or, if that is
 * 0, in the text between expressions; NULL if it ends, or an expression begins,
 * before `close`, or it is very long.
 */
static char *fixed_text(const char *at, const char *close, char quote)
{
	char *out = malloc(LITERAL_BYTES_MAX + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	while (!spells(at, close)) {
		const int ends =
			quote ? *at == quote : strncmp(at, "{{", 2) == 0 || strncmp(at, "{%", 2) == 0;

		if (!*at || ends || n == LITERAL_BYTES_MAX) {
			free(out);
			return NULL;
		}
		at += next_char(at, &out[n++]);
	}
	out[n] = '\0';
	return out;
}

/* Where the reader of a template stands. */
struct place {
	int in_expression; /* between {{ }} or {% %} */
	char quote;	   /* of the literal there; 0: in none */
};

/* Step over what begins at `at`; returns its bytes, at least 1. */
static size_t step(struct place *p, const char *at)
{
	const char *end;

	if (p->quote) {
		p->quote = *at == p->quote ? 0 : p->quote;
		return *at == '\\' && at[1] ? 2 : 1;
	}
	if (p->in_expression) {
		if (*at == '\'' || *at == '"')
			p->quote = *at;
		p->in_expression = strncmp(at, "}}", 2) != 0 && strncmp(at, "%}", 2) != 0;
		return 1;
	}
	if (strncmp(at, "{#", 2) == 0 && (end = strstr(at, "#}")) != NULL)
		return (size_t)(end + 2 - at);
	p->in_expression = strncmp(at, "{{", 2) == 0 || strncmp(at, "{%", 2) == 0;
	return 1;
}

char *lsb_chat_literal(const char *template, const char *open, const char *close)
{
	struct place place = { 0 };

	for (const char *at = template; *at; at += step(&place, at)) {
		const size_t opened = place.quote || !place.in_expression ? spells(at, open) : 0;
		char *found = opened ? fixed_text(at + opened, close, place.quote) : NULL;

		if (found && *found)
			return found;
		free(found);
	}
	return NULL;
}

char *lsb_chat_preamble(const char *template)
{
	static const char cutoff_key[] = "Cutting Knowledge Date: ", date_key[] = "set date_string = \"";
	const char *const date = strstr(template, date_key);
	char *const cutoff = lsb_chat_literal(template, cutoff_key, "\n");
	char *out = NULL;

	if (cutoff && date) {
		const char *const day = date + sizeof(date_key) - 1;

		if (asprintf(&out, "%s%s\nToday Date: %.*s\n\n", cutoff_key, cutoff, (int)strcspn(day, "\""),
			     day) < 0)
			out = NULL;
	}
	free(cutoff);
	return out;
}
