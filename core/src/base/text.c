/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and a NUL; 0, or -1 with .failed set. */
static int text_reserve(struct lsb_text *t, size_t more)
{
	size_t want = t->length + more + 1;
	char *data;

	if (t->failed || want < more)
		return t->failed = 1, -1;
	if (want <= t->room)
		return 0;
	want = want < 64 ? 64 : want + want / 2;
	data = realloc(t->data, want);
	if (!data)
		return t->failed = 1, -1;
	t->data = data;
	t->room = want;
	return 0;
}

void lsb_text_bytes(struct lsb_text *t, const void *bytes, size_t n)
{
	if (text_reserve(t, n))
		return;
	if (n)
		memcpy(t->data + t->length, bytes, n);
	t->length += n;
	t->data[t->length] = '\0';
}

void lsb_text_add(struct lsb_text *t, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		t->failed = 1;
	else if (text_reserve(t, (size_t)n) == 0) {
		(void)vsnprintf(t->data + t->length, (size_t)n + 1, format, again);
		t->length += (size_t)n;
	}
	va_end(again);
}

void lsb_text_free(struct lsb_text *t)
{
	free(t->data);
	*t = (struct lsb_text){ 0 };
}

char *lsb_format(const char *format, ...)
{
	va_list args;
	char *out = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&out, format, args);
	va_end(args);
	return n < 0 ? NULL : out;
}
