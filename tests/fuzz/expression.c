/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an expression: a result or an error, soon. Keys a..e refer to the text itself and to each
 * other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/expression.h"
#include "suite/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *find(void *user, const char *key, int *literal, struct lsb_error *err)
{
	*literal = *key == 'l';
	switch (*key) {
	case 'a':
		return user;
	case 'b':
		return "${a}${a}";
	case 'c':
		return "7";
	case 'l':
		return "${a}";
	default:
		lsb_fail(err, LSB_ESUITE, 0, "no key '%s'", key);
		return NULL;
	}
}

static const char *environment(void *user, const char *name)
{
	(void)user;
	return *name == 'A' ? "${a}" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *out = NULL;
	struct lsb_scope scope = { .find = find, .environment = environment };
	struct lsb_list list;
	struct lsb_error err;
	int64_t value;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	scope.user = text;
	if (lsb_expand(text, "key", &scope, &out, &err) == LSB_OK) {
		if (lsb_list_parse(out, &list, &err) == LSB_OK)
			lsb_list_free(&list);
		free(out);
	}
	(void)lsb_arithmetic(text, &scope, &value, &err);
	free(text);
	return 0;
}
