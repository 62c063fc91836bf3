/* SPDX-License-Identifier: Apache-2.0 */
/* Text to HTML: the one place that escapes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

/* --- escaping --- */

/* Bytes of the well-formed UTF-8 character at `at`, of `left` bytes; 0 when there is none. */
static size_t utf8_length(const unsigned char *at, size_t left, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t n = at[0] < 0x80		  ? 1
			 : (at[0] & 0xE0) == 0xC0 ? 2
			 : (at[0] & 0xF0) == 0xE0 ? 3
			 : (at[0] & 0xF8) == 0xF0 ? 4
						  : 0;

	if (n == 0 || n > left)
		return 0;
	*code = n == 1 ? at[0] : at[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xC0) != 0x80)
			return 0;
		*code = *code << 6 | (at[i] & 0x3F);
	}
	if (*code < least[n] || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF))
		return 0;
	return n;
}

/* Characters that turn the direction of what stands around them. */
static int turns_text(uint32_t code)
{
	return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
	       (code >= 0x2066 && code <= 0x2069);
}

/* What stands for a byte of ASCII that may not stand for itself; NULL when it may. */
static const char *entity_of(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void lsb_html_escape(struct lsb_text *to, const char *text, size_t bytes)
{
	const unsigned char *at = (const unsigned char *)text;

	while (bytes) {
		uint32_t code = 0;
		size_t n = utf8_length(at, bytes, &code);
		const char *entity = n == 1 ? entity_of(*at) : NULL;

		if (entity)
			lsb_text_add(to, "%s", entity);
		else if (n == 0 || turns_text(code) || (code >= 0x80 && code < 0xA0) || code == 0xFFFE ||
			 code == 0xFFFF)
			lsb_text_add(to, "\xEF\xBF\xBD");
		else if (code == 0x7F || (code < 0x20 && code != '\n' && code != '\t'))
			lsb_text_add(to, "\xE2\x90%c", (int)(code == 0x7F ? 0xA1 : 0x80 + code));
		else
			lsb_text_bytes(to, at, n);
		at += n ? n : 1;
		bytes -= n ? n : 1;
	}
}

/* One conversion of `spec` with the next argument. Arguments come as a pointer: reading moves it on. */
static void add_conversion(struct lsb_text *to, const char *spec, va_list *args)
{
	const char kind = spec[strlen(spec) - 1];
	char shown[64];

	if (kind == 's') {
		const char *text = va_arg(*args, const char *);

		lsb_html_escape(to, text ? text : "", text ? strlen(text) : 0);
	} else if (kind == 'd') {
		lsb_text_add(to, "%d", va_arg(*args, int));
	} else if (kind == 'u') {
		lsb_text_add(to, "%zu", va_arg(*args, size_t));
	} else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(shown, sizeof(shown), spec, va_arg(*args, double));
#pragma GCC diagnostic pop
		lsb_text_add(to, "%s", shown);
	}
}

void lsb_html_vadd(struct lsb_text *to, const char *format, va_list *args)
{
	while (*format) {
		const size_t plain = strcspn(format, "%");
		char spec[16];
		size_t n;

		lsb_text_bytes(to, format, plain);
		format += plain;
		if (!*format)
			return;
		if (format[1] == '%') {
			lsb_text_bytes(to, "%", 1);
			format += 2;
			continue;
		}
		n = strcspn(format, "sdufg") + 1;
		if (n >= sizeof(spec)) {
			to->failed = 1; /* a format that this does not know */
			return;
		}
		memcpy(spec, format, n);
		spec[n] = '\0';
		add_conversion(to, spec, args);
		format += n;
	}
}

void lsb_html_add(struct lsb_text *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lsb_html_vadd(to, format, &args);
	va_end(args);
}

/* --- prose --- */

static const json_t *point_of(const struct lsb_page *page, const char *id, size_t bytes)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const char *its = lsb_text_of(point, "id");

		if (strlen(its) == bytes && bytes && memcmp(its, id, bytes) == 0)
			return point;
	}
	return NULL;
}

/* What stands between backquotes: the id of a point, or code. */
static void add_quoted(const struct lsb_page *page, const char *text, size_t bytes)
{
	const int is_point = point_of(page, text, bytes) != NULL;

	if (is_point) {
		lsb_text_add(page->to, "<a class=\"id\" href=\"#p-");
		lsb_html_escape(page->to, text, bytes);
		lsb_text_add(page->to, "\">");
	} else {
		lsb_text_add(page->to, "<code>");
	}
	lsb_html_escape(page->to, text, bytes);
	lsb_text_add(page->to, is_point ? "</a>" : "</code>");
}

void lsb_html_phrase(const struct lsb_page *page, const char *text, size_t bytes)
{
	int is_strong = 0;
	size_t i = 0, from = 0;

	while (i < bytes) {
		const char *end = text[i] == '`' ? memchr(text + i + 1, '`', bytes - i - 1) : NULL;

		if (end) {
			lsb_html_escape(page->to, text + from, i - from);
			add_quoted(page, text + i + 1, (size_t)(end - text) - i - 1);
			from = i = (size_t)(end - text) + 1;
		} else if (text[i] == '*' && i + 1 < bytes && text[i + 1] == '*') {
			lsb_html_escape(page->to, text + from, i - from);
			lsb_text_add(page->to, is_strong ? "</strong>" : "<strong>");
			is_strong = !is_strong;
			from = i += 2;
		} else {
			i++;
		}
	}
	lsb_html_escape(page->to, text + from, bytes - from);
	if (is_strong)
		lsb_text_add(page->to, "</strong>");
}

void lsb_html_prose(const struct lsb_page *page, const char *markdown)
{
	enum { NOTHING, LIST, PARAGRAPH } in = NOTHING;
	static const char *const ends[] = { "", "</li></ul>\n", "</p>\n" };

	while (*markdown) {
		const size_t bytes = strcspn(markdown, "\n");
		const int is_item = bytes > 2 && strncmp(markdown, "- ", 2) == 0;
		const size_t skipped = is_item ? 2 : 0;

		if (bytes == 0) {
			lsb_text_add(page->to, "%s", ends[in]);
			in = NOTHING;
		} else if (is_item) {
			lsb_text_add(page->to, "%s", in == LIST ? "</li>\n<li>" : ends[in]);
			lsb_text_add(page->to, "%s", in == LIST ? "" : "<ul class=\"prose\"><li>");
			in = LIST;
		} else if (in == NOTHING) {
			lsb_text_add(page->to, "<p>");
			in = PARAGRAPH;
		} else {
			lsb_text_add(page->to, " ");
		}
		lsb_html_phrase(page, markdown + skipped, bytes - skipped);
		markdown += bytes + (markdown[bytes] == '\n');
	}
	lsb_text_add(page->to, "%s", ends[in]);
}
