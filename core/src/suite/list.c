/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static int append(struct lsb_list *list, const char *text, size_t n, struct lsb_error *err)
{
	char **items;
	char *item;

	if (list->n >= LSB_LIST_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "the list has more than %d items", LSB_LIST_MAX);
	for (size_t i = 0; i < list->n; i++)
		if (strlen(list->items[i]) == n && memcmp(list->items[i], text, n) == 0)
			return lsb_fail(err, LSB_ESUITE, 0, "the list has '%s' twice", list->items[i]);
	item = strndup(text, n);
	items = item ? realloc(list->items, (list->n + 1) * sizeof(*items)) : NULL;
	if (!items) {
		free(item);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a list");
	}
	list->items = items;
	items[list->n++] = item;
	return LSB_OK;
}

static int append_number(struct lsb_list *list, int64_t value, struct lsb_error *err)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	return append(list, text, strlen(text), err);
}

/* The whole number at *at, moved behind it; 0 or -1. */
static int number_at(const char **at, int64_t *out)
{
	const int negative = **at == '-';
	const char *p = *at + negative;

	*out = 0;
	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *p - '0', out))
			return -1;
	*out = negative ? -*out : *out;
	*at = p;
	return 0;
}

static int power(int64_t base, int64_t exponent, int64_t *out)
{
	*out = 1;
	for (int64_t i = 0; i < exponent; i++) {
		if (__builtin_mul_overflow(*out, base, out))
			return -1;
		if (*out == 0 || *out == 1)
			return 0;
	}
	return 0;
}

/* One item: a range or power that is counted out, or any other text as it is. */
static int append_item(struct lsb_list *list, const char *text, struct lsb_error *err)
{
	const char *at = text;
	int64_t base = 0, first, last, value;
	int has_base = 0;

	if (number_at(&at, &first))
		return append(list, text, strlen(text), err);
	if (*at == '^') {
		at++;
		base = first;
		has_base = 1;
		if (number_at(&at, &first))
			return append(list, text, strlen(text), err);
	}
	last = first;
	if (at[0] == '.' && at[1] == '.') {
		at += 2;
		if (number_at(&at, &last))
			return append(list, text, strlen(text), err);
	} else if (!has_base) {
		return append(list, text, strlen(text), err);
	}
	if (*at)
		return append(list, text, strlen(text), err);
	if (last < first)
		return lsb_fail(err, LSB_ESUITE, 0, "the range '%s' goes down", text);
	if (has_base && first < 0)
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' has a negative exponent", text);
	for (int64_t i = first;; i++) {
		int rc;

		if (has_base && power(base, i, &value))
			return lsb_fail(err, LSB_ESUITE, 0, "'%s' does not fit in 64 bits", text);
		rc = append_number(list, has_base ? value : i, err);
		if (rc)
			return rc;
		if (i == last)
			return LSB_OK;
	}
}

int lsb_list_parse(const char *text, struct lsb_list *out, struct lsb_error *err)
{
	char *copy = strdup(text), *at = copy;
	int rc = copy ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a list");

	*out = (struct lsb_list){ 0 };
	while (rc == LSB_OK && at) {
		char *comma = strchr(at, ','), *end;

		if (comma)
			*comma = '\0';
		at += strspn(at, " \t");
		for (end = at + strlen(at); end > at && (end[-1] == ' ' || end[-1] == '\t'); end--)
			continue;
		*end = '\0';
		rc = *at ? append_item(out, at, err)
			 : lsb_fail(err, LSB_ESUITE, 0, "the list '%s' has an empty item", text);
		at = comma ? comma + 1 : NULL;
	}
	free(copy);
	if (rc)
		lsb_list_free(out);
	return rc;
}

void lsb_list_free(struct lsb_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct lsb_list){ 0 };
}
