/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { DIAGNOSTICS_MAX = 1000 }; /* of a file that is no suite at all, this many say it */

void lsb_diagnose(struct lsb_diagnostics *d, struct lsb_place_in_suite at, const char *format, ...)
{
	struct lsb_diagnostic item = { .line = at.line }, *items;
	va_list args;

	if (d->n >= DIAGNOSTICS_MAX)
		return;
	va_start(args, format);
	if (vasprintf(&item.message, format, args) < 0)
		item.message = NULL;
	va_end(args);
	item.file = strdup(at.file);
	if (!item.message || !item.file)
		goto failed;
	for (size_t i = 0; i < d->n; i++)
		if (d->items[i].line == item.line && strcmp(d->items[i].message, item.message) == 0 &&
		    strcmp(d->items[i].file, item.file) == 0)
			goto done;
	items = realloc(d->items, (d->n + 1) * sizeof(*items));
	if (!items)
		goto failed;
	d->items = items;
	d->items[d->n++] = item;
	return;
failed:
	d->failed = 1;
done:
	free(item.message);
	free(item.file);
}

/* Insertion sort: stable, and the list is short. */
void lsb_diagnostics_sort(struct lsb_diagnostics *d)
{
	for (size_t i = 1; i < d->n; i++) {
		const struct lsb_diagnostic item = d->items[i];
		size_t j = i;

		/* line - 1 makes "no line" the largest */
		for (; j > 0 && d->items[j - 1].line - 1u > item.line - 1u; j--)
			d->items[j] = d->items[j - 1];
		d->items[j] = item;
	}
}

void lsb_diagnostics_print(const struct lsb_diagnostics *d, FILE *out)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->items[i].line)
			fprintf(out, "%s:%u: %s\n", d->items[i].file, d->items[i].line, d->items[i].message);
		else
			fprintf(out, "%s: %s\n", d->items[i].file, d->items[i].message);
	}
	if (d->failed)
		fprintf(out, "lsbench: no memory to read the suite\n");
}

void lsb_diagnostics_free(struct lsb_diagnostics *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].file);
		free(d->items[i].message);
	}
	free(d->items);
	*d = (struct lsb_diagnostics){ 0 };
}
