/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/prune.h"

#include <string.h>

struct text {
	const char *data;
	size_t bytes;
};

/* Behind the string that begins at `at`; 0: it does not end. */
static size_t skip_string(const struct text *t, size_t at)
{
	for (at++; at < t->bytes; at++) {
		if (t->data[at] == '"')
			return at + 1;
		at += t->data[at] == '\\';
	}
	return 0;
}

static size_t skip_blanks(const struct text *t, size_t at)
{
	while (at < t->bytes && strchr(" \t\r", t->data[at]) && t->data[at])
		at++;
	return at;
}

/* Behind the value that begins at `at`; 0: it does not end. */
static size_t skip_value(const struct text *t, size_t at)
{
	size_t depth = 0;

	while (at < t->bytes) {
		const char c = t->data[at];

		if (c == '"') {
			at = skip_string(t, at);
			if (at == 0 || depth == 0)
				return at;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return at; /* behind a number or a word */
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		at++;
		if (depth == 0 && (c == ']' || c == '}'))
			return at;
	}
	return 0;
}

static int is_named(const char *name, size_t bytes, size_t depth, const char *const *names)
{
	for (; *names; names++) {
		const size_t outermost = **names == '/';

		if (strlen(*names + outermost) == bytes && memcmp(*names + outermost, name, bytes) == 0 &&
		    (depth == 1 || !outermost))
			return 1;
	}
	return 0;
}

/*
 * Where the member whose name is the string [at, end) ends, with its comma when
 * one follows; 0 when it is no member to take out, or does not end.
 */
static size_t end_of_member(const struct text *t, size_t at, size_t end, size_t depth,
			    const char *const *names)
{
	size_t value;

	if (!is_named(t->data + at + 1, end - at - 2, depth, names))
		return 0;
	value = skip_blanks(t, end);
	if (value >= t->bytes || t->data[value] != ':')
		return 0; /* a string, not a name */
	value = skip_blanks(t, value + 1);
	end = skip_value(t, value);
	return end > value ? skip_blanks(t, end) : 0;
}

size_t lsb_json_prune(const char *text, size_t bytes, const char *const *names, char *out)
{
	const struct text t = { text, bytes };
	size_t at = 0, to = 0, depth = 0;

	while (at < bytes) {
		const char c = text[at];
		size_t end, behind;

		if (c != '"') {
			depth += c == '{' || c == '[';
			depth -= c == '}' ||
				 c == ']'; /* of text that is no JSON it may wrap: nothing is named then */
			out[to++] = c;
			at++;
			continue;
		}
		end = skip_string(&t, at);
		behind = end ? end_of_member(&t, at, end, depth, names) : 0;
		if (behind == 0) {
			end = end ? end : bytes;
			memcpy(out + to, text + at, end - at);
			to += end - at;
			at = end;
			continue;
		}
		/* of the two commas around it one goes; the last member takes the one before it */
		at = behind;
		if (at < bytes && text[at] == ',')
			at++;
		else
			while (to && (out[to - 1] == ',' || out[to - 1] == ' '))
				to--;
	}
	return to;
}
