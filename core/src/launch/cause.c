/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong first. When a rank dies its peers complain within the same
 * millisecond, and the order in which that is heard is chance: so findings are
 * weighed, and the reason, of the launch or of a replica, is only told once everything has ended.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/ranks.h"

void cause_set(struct cause *cause, const struct rank *r, enum cause_weight weight, int code,
	       enum log_wanted wants_log, const char *format, va_list args)
{
	if (weight <= cause->weight)
		return;
	cause->weight = weight;
	cause->rank = r ? r->number : -1;
	cause->code = code;
	cause->wants_log = wants_log;
	(void)vsnprintf(cause->text, sizeof(cause->text), format, args);
}

void cause_note(struct running *l, const struct rank *r, enum cause_weight weight, int code,
		enum log_wanted wants_log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cause_set(&l->cause, r, weight, code, wants_log, format, args);
	va_end(args);
}

/* Copy a line of a log, printable, at most `bytes` with its NUL. */
static void copy_line(const char *from, size_t n, char *out, size_t bytes)
{
	size_t k = 0;

	while (n > 0 && isspace((unsigned char)from[n - 1])) /* ssh ends its lines as terminals do */
		n--;
	for (size_t i = 0; i < n && k + 1 < bytes; i++)
		out[k++] = isprint((unsigned char)from[i]) ? from[i] : '?';
	out[k] = '\0';
}

/* The last line of a log that is not blank; "" if there is none. */
static void last_line(const char *text, size_t n, char *out, size_t bytes)
{
	size_t begin, end = n;

	while (end > 0 && isspace((unsigned char)text[end - 1]))
		end--;
	for (begin = end; begin > 0 && text[begin - 1] != '\n';)
		begin--;
	copy_line(text + begin, end - begin, out, bytes);
}

/* The first line of a log that has a word; launchers begin with the cause and end with general advice. */
static void first_line(const char *text, size_t n, char *out, size_t bytes)
{
	size_t begin = 0, end = 0;
	int has_word = 0;

	for (size_t i = 0; i < n && !(has_word && text[i] == '\n'); i++) {
		if (text[i] == '\n')
			begin = i + 1;
		has_word |= isalpha((unsigned char)text[i]) != 0;
		end = i + 1;
	}
	if (has_word)
		copy_line(text + begin, end - begin, out, bytes);
}

/* What a log has to say in one line; "" when nothing. */
static void quote_log(const char *path, int is_launcher, char *out, size_t bytes)
{
	char text[2048];
	FILE *log = fopen(path, "re");
	size_t n = 0;

	*out = '\0';
	if (!log)
		return;
	if (fseek(log, 0, SEEK_END) == 0) {
		const long size = ftell(log);
		const long skip = is_launcher || size <= (long)sizeof(text) ? 0 : size - (long)sizeof(text);

		if (size >= 0 && fseek(log, skip, SEEK_SET) == 0)
			n = fread(text, 1, sizeof(text), log);
	}
	(void)fclose(log);
	if (is_launcher)
		first_line(text, n, out, bytes);
	else
		last_line(text, n, out, bytes);
}

void cause_tell(const struct running *l, const struct cause *cause, char *out, size_t bytes)
{
	const int is_launcher = cause->wants_log == LOG_LAUNCHER;
	char *path = NULL, line[256] = "";

	if (is_launcher || (cause->wants_log == LOG_RANK && cause->rank >= 0))
		path = launch_log_path(l, is_launcher ? -1 : cause->rank);
	if (path)
		quote_log(path, is_launcher, line, sizeof(line));
	if (*line)
		(void)snprintf(out, bytes, "%s; its %s: \"%s\"", cause->text,
			       is_launcher ? "launcher's log begins" : "log ends", line);
	else
		(void)snprintf(out, bytes, "%s", cause->text);
	free(path);
}
