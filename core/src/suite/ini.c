/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/ini.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/*
 * Between text and inih: hands out the lines that hold a pair, one at a time,
 * and keeps the rest to itself. `line` is therefore the line of the pair that
 * the handler is called for.
 */
struct reader {
	const char *file;
	const char *at, *end;
	unsigned line;
	int pair_expected;	     /* a line was handed out and the handler was not called yet */
	int skipping;		     /* under a header that was refused */
	struct lsb_ini_section *now; /* in ini->sections, refreshed when that moves */
	struct lsb_ini *ini;
	struct lsb_diagnostics *d;
	int no_memory;
};

static struct lsb_place_in_suite here(const struct reader *r)
{
	return (struct lsb_place_in_suite){ .file = r->file, .line = r->line };
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* `n` bytes as a name: outer blanks gone, inner runs of them one space. NULL without memory. */
static char *tidy_name(const char *text, size_t n)
{
	char *out = malloc(n + 1);
	size_t length = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!is_blank(text[i]))
			out[length++] = text[i];
		else if (length && out[length - 1] != ' ')
			out[length++] = ' ';
	}
	while (length && out[length - 1] == ' ')
		length--;
	out[length] = '\0';
	return out;
}

/* Begin section `name`, which becomes the list's. */
static void open_section(struct reader *r, char *name)
{
	struct lsb_ini *ini = r->ini;
	struct lsb_ini_section *more;

	more = name ? realloc(ini->sections, (ini->n_sections + 1) * sizeof(*more)) : NULL;
	if (!more) {
		free(name);
		r->no_memory = r->skipping = 1;
		return;
	}
	ini->sections = more;
	r->now = &more[ini->n_sections++];
	*r->now = (struct lsb_ini_section){ .name = name, .line = r->line };
	r->skipping = 0;
}

static void take_header(struct reader *r, const char *line, size_t n)
{
	const char *close = memchr(line, ']', n);
	const char *rest;
	char *name;

	r->skipping = 1;
	if (!close) {
		lsb_diagnose(r->d, here(r), "missing ']' after '%.*s'", (int)n, line);
		return;
	}
	for (rest = close + 1; rest < line + n && is_blank(*rest); rest++)
		continue;
	if (rest < line + n && *rest != ';' && *rest != '#') {
		lsb_diagnose(r->d, here(r), "'%.*s' after ']': a section stands on a line of its own",
			     (int)(line + n - rest), rest);
		return;
	}
	name = tidy_name(line + 1, (size_t)(close - line - 1));
	for (size_t i = 0; name && i < r->ini->n_sections; i++) {
		if (strcmp(r->ini->sections[i].name, name) == 0) {
			lsb_diagnose(r->d, here(r), "[%s] appears twice (first on line %u)", name,
				     r->ini->sections[i].line);
			free(name);
			return;
		}
	}
	if (name && !*name) {
		lsb_diagnose(r->d, here(r), "a section needs a name between '[' and ']'");
		free(name);
		return;
	}
	open_section(r, name);
}

/* Whether inih would find a name and a value here; otherwise says why not. */
static int looks_like_a_pair(struct reader *r, const char *line, size_t n)
{
	const char *equals = memchr(line, '=', n);
	const char *colon = memchr(line, ':', n);

	if (!equals) {
		lsb_diagnose(r->d, here(r), "missing '=' in '%.*s'", (int)n, line);
		return 0;
	}
	if (equals == line) {
		lsb_diagnose(r->d, here(r), "no key before '='");
		return 0;
	}
	/* inih would end the name at the colon */
	if (colon && colon < equals) {
		lsb_diagnose(r->d, here(r), "the key '%.*s' has a ':' in it (write KEY = VALUE)",
			     (int)(equals - line), line);
		return 0;
	}
	return 1;
}

/* Every line that was handed to inih must have come back as a pair. */
static void settle(struct reader *r)
{
	if (r->pair_expected)
		lsb_diagnose(r->d, here(r), "missing '=' before the comment");
	r->pair_expected = 0;
}

/* fgets for inih. */
static char *next_pair_line(char *out, int room, void *user)
{
	struct reader *r = user;
	const size_t limit = room > 3 ? (size_t)room - 3 : 0;

	settle(r);
	while (r->at < r->end && !r->no_memory) {
		const char *line = r->at;
		const char *newline = memchr(line, '\n', (size_t)(r->end - line));
		size_t n = (size_t)((newline ? newline : r->end) - line);

		r->at = newline ? newline + 1 : r->end;
		r->line++;
		if (n && line[n - 1] == '\r')
			n--;
		if (memchr(line, '\0', n)) {
			lsb_diagnose(r->d, here(r), "a NUL byte: this is not a text file");
			continue;
		}
		if (n > limit) {
			lsb_diagnose(r->d, here(r), "this line has %zu bytes, the limit is %zu", n, limit);
			continue;
		}
		while (n && is_blank(*line)) {
			line++;
			n--;
		}
		if (n == 0 || *line == ';' || *line == '#')
			continue;
		if (*line == '[') {
			take_header(r, line, n);
			continue;
		}
		if (!looks_like_a_pair(r, line, n))
			continue;
		memcpy(out, line, n);
		out[n] = '\0';
		r->pair_expected = 1;
		return out;
	}
	return NULL;
}

/* inih found a pair on the line handed out last. Its section is ours to know. */
static int take_pair(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;
	struct lsb_ini_pair pair, *pairs;

	(void)section;
	r->pair_expected = 0;
	if (r->skipping)
		return 1;
	if (!r->now)
		open_section(r, strdup(""));
	if (r->no_memory)
		return 1;
	for (size_t i = 0; i < r->now->n_pairs; i++) {
		if (strcmp(r->now->pairs[i].key, key) == 0) {
			lsb_diagnose(r->d, here(r), "'%s' is set twice in [%s] (first on line %u)", key,
				     r->now->name, r->now->pairs[i].line);
			return 1;
		}
	}
	pair = (struct lsb_ini_pair){ .key = strdup(key), .value = strdup(value), .line = r->line };
	pairs = realloc(r->now->pairs, (r->now->n_pairs + 1) * sizeof(*pairs));
	if (pairs)
		r->now->pairs = pairs;
	if (!pairs || !pair.key || !pair.value) {
		free(pair.key);
		free(pair.value);
		r->no_memory = 1;
		return 1;
	}
	pairs[r->now->n_pairs++] = pair;
	return 1;
}

int lsb_ini_parse(const char *file, const char *text, size_t bytes, struct lsb_ini *out,
		  struct lsb_diagnostics *d)
{
	struct reader r = { .file = file, .at = text, .end = text + bytes, .ini = out, .d = d };

	*out = (struct lsb_ini){ 0 };
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	/* its own verdict names only the first wrong line; ours are in `d` already */
	if (ini_parse_stream(next_pair_line, &r, take_pair, &r) < 0)
		r.no_memory = 1;
	settle(&r);
	if (r.no_memory)
		return d->failed = 1, LSB_ENOMEM;
	return LSB_OK;
}

void lsb_ini_free(struct lsb_ini *ini)
{
	for (size_t i = 0; i < ini->n_sections; i++) {
		struct lsb_ini_section *s = &ini->sections[i];

		for (size_t j = 0; j < s->n_pairs; j++) {
			free(s->pairs[j].key);
			free(s->pairs[j].value);
		}
		free(s->pairs);
		free(s->name);
	}
	free(ini->sections);
	*ini = (struct lsb_ini){ 0 };
}
