/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them. A unit is never guessed: a bare number is
 * accepted where it has none, and 0 everywhere.
 */
#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit sizes[] = {
	{ "B", 1 },    { "kB", 1e3 },	  { "KB", 1e3 },	{ "MB", 1e6 },
	{ "GB", 1e9 }, { "KiB", 1024.0 }, { "MiB", 1048576.0 }, { "GiB", 1073741824.0 },
};
static const struct unit times[] = {
	{ "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "min", 60e9 }, { "h", 3600e9 },
};

int lsb_parse_real(const char *text, double *value, struct lsb_error *err)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(*value) || isspace((unsigned char)*text))
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is not a number", text);
	return LSB_OK;
}

int lsb_parse_int(const char *text, int64_t *value, struct lsb_error *err)
{
	char *end;
	long long parsed;

	errno = 0;
	parsed = strtoll(text, &end, 10);
	if (end == text || *end || isspace((unsigned char)*text))
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is not a whole number", text);
	if (errno)
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is out of range", text);
	*value = parsed;
	return LSB_OK;
}

static int parse_quantity(const char *text, const struct unit *units, size_t n, const char *what,
			  const char *example, uint64_t *out, struct lsb_error *err)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || errno || !isfinite(value) || isspace((unsigned char)*text) || strpbrk(text, "xX"))
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is not a %s (write it like %s)", text, what,
				example);
	if (value < 0)
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is negative", text);
	if (!*end) {
		if (value != 0)
			return lsb_fail(err, LSB_ESUITE, 0, "'%s' has no unit (write it like %s)", text,
					example);
		*out = 0;
		return LSB_OK;
	}
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		value *= units[i].factor;
		if (value >= 9.2e18)
			return lsb_fail(err, LSB_ESUITE, 0, "'%s' is out of range", text);
		*out = (uint64_t)(value + 0.5);
		return LSB_OK;
	}
	return lsb_fail(err, LSB_ESUITE, 0, "'%s' has an unknown unit '%s' (write it like %s)", text, end,
			example);
}

int lsb_parse_size(const char *text, uint64_t *bytes, struct lsb_error *err)
{
	return parse_quantity(text, sizes, LSB_COUNT(sizes), "size", "64KiB or 1MB", bytes, err);
}

int lsb_parse_time(const char *text, uint64_t *ns, struct lsb_error *err)
{
	return parse_quantity(text, times, LSB_COUNT(times), "time", "20ms or 2s", ns, err);
}

int lsb_parse_bool(const char *text, uint32_t *value, struct lsb_error *err)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < LSB_COUNT(words); i++)
		if (strcmp(text, words[i]) == 0) {
			*value = (uint32_t)(i % 2);
			return LSB_OK;
		}
	return lsb_fail(err, LSB_ESUITE, 0, "'%s' is neither yes nor no", text);
}
