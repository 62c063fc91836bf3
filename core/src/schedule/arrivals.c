/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/arrivals.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { LINE_BYTES = 128, BURST_MAX = 1000000 };
#define RATE_MAX 1e9
#define FORMS "closed, fixed:5/s, poisson:5/s, burst:10:2s, trace or trace:FILE"

/* --- reading ------------------------------------------------------------------------------ */

static int parse_rate(const char *text, double *rate, struct lsb_error *err)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "/s", 1 }, { "/min", 60 }, { "/h", 3600 } };
	const char *slash = strchr(text, '/');
	char number[64];

	if (!slash)
		return lsb_fail(err, LSB_ESUITE, 0,
				"the rate '%s' has no unit (write it like 5/s or 300/min)", text);
	if (snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text) >= (int)sizeof(number))
		return lsb_fail(err, LSB_ESUITE, 0, "the rate '%s' is too long for a number", text);
	for (size_t i = 0; i < LSB_COUNT(units); i++) {
		if (strcmp(slash, units[i].unit) != 0)
			continue;
		if (lsb_parse_real(number, rate, err))
			return LSB_ESUITE;
		*rate /= units[i].seconds;
		if (*rate > 0 && *rate <= RATE_MAX)
			return LSB_OK;
		return lsb_fail(err, LSB_ESUITE, 0, "the rate '%s' is out of range (above 0, at most 1e9/s)",
				text);
	}
	return lsb_fail(err, LSB_ESUITE, 0,
			"the rate '%s' has an unknown unit '%s' (write it like 5/s or 300/min)", text, slash);
}

/* "N:EVERY" */
static int parse_burst(const char *text, struct lsb_arrivals *out, struct lsb_error *err)
{
	const char *colon = strchr(text, ':');
	char number[32] = "";
	int64_t n = 0;

	if (!colon || colon - text >= (int)sizeof(number))
		return lsb_fail(err, LSB_ESUITE, 0,
				"'burst:%s' is not burst:N:EVERY (write it like burst:10:2s)", text);
	memcpy(number, text, (size_t)(colon - text));
	if (lsb_parse_int(number, &n, err) || lsb_parse_time(colon + 1, &out->every_ns, err))
		return LSB_ESUITE;
	if (n < 1 || n > BURST_MAX || out->every_ns == 0)
		return lsb_fail(err, LSB_ESUITE, 0,
				"'burst:%s' is out of range (1 to %d at once, a time above 0)", text,
				(int)BURST_MAX);
	out->burst = (uint32_t)n;
	return LSB_OK;
}

/* What follows "NAME:" in `text`; NULL: it does not begin so. */
static const char *behind(const char *text, const char *name)
{
	const size_t n = strlen(name);

	return strncmp(text, name, n) == 0 && text[n] == ':' ? text + n + 1 : NULL;
}

int lsb_arrivals_parse(const char *text, struct lsb_arrivals *out, struct lsb_error *err)
{
	const char *rest;

	*out = (struct lsb_arrivals){ .kind = LSB_ARRIVALS_CLOSED };
	if (strcmp(text, "closed") == 0)
		return LSB_OK;
	if (strcmp(text, "trace") == 0) {
		out->kind = LSB_ARRIVALS_WORKLOAD;
		return LSB_OK;
	}
	if ((rest = behind(text, "fixed"))) {
		out->kind = LSB_ARRIVALS_FIXED;
		return parse_rate(rest, &out->rate, err);
	}
	if ((rest = behind(text, "poisson"))) {
		out->kind = LSB_ARRIVALS_POISSON;
		return parse_rate(rest, &out->rate, err);
	}
	if ((rest = behind(text, "burst"))) {
		out->kind = LSB_ARRIVALS_BURST;
		return parse_burst(rest, out, err);
	}
	if ((rest = behind(text, "trace")) && *rest) {
		out->kind = LSB_ARRIVALS_FILE;
		out->file = rest;
		return LSB_OK;
	}
	return lsb_fail(err, LSB_ESUITE, 0, "'%s' is none of %s", text, FORMS);
}

char *lsb_arrivals_spell(const struct lsb_arrivals *a)
{
	switch (a->kind) {
	case LSB_ARRIVALS_CLOSED:
		return strdup("closed");
	case LSB_ARRIVALS_FIXED:
		return lsb_format("fixed:%.12g/s", a->rate);
	case LSB_ARRIVALS_POISSON:
		return lsb_format("poisson:%.12g/s", a->rate);
	case LSB_ARRIVALS_BURST:
		return lsb_format("burst:%u:%lluns", a->burst, (unsigned long long)a->every_ns);
	case LSB_ARRIVALS_WORKLOAD:
		return strdup("trace");
	case LSB_ARRIVALS_FILE:
		return lsb_format("trace:%s", a->file);
	}
	return NULL;
}

/* --- times -------------------------------------------------------------------------------- */

/* The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): number `counter` of stream `seed`. */
static uint64_t mix(uint64_t seed, uint64_t counter)
{
	uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Exponential with mean 1: of request `i`, from a number in (0, 1]. */
static double gap_before(uint64_t seed, uint64_t i)
{
	static const uint64_t arrivals = 0x6172726976616c73u; /* a stream of its own beside sampling's */
	const double u = (double)((mix(mix(arrivals, seed), i) >> 11) + 1) * 0x1p-53;

	return -log(u);
}

static int put(uint64_t *times, size_t i, double ns, struct lsb_error *err)
{
	if (!(ns <= (double)LSB_ARRIVAL_MAX_NS))
		return lsb_fail(err, LSB_ESUITE, 0, "request %zu would arrive after %.0f s, later than 168h",
				i, ns * 1e-9);
	times[i] = (uint64_t)llround(ns);
	return LSB_OK;
}

/* A line of a trace: 1 and its time, 0 for a blank one or a remark, or LSB_ESUITE. */
static int parse_line(char *line, uint64_t *ns, struct lsb_error *err)
{
	char *end;

	line[strcspn(line, "#\r\n")] = '\0';
	line += strspn(line, " \t");
	for (end = line + strlen(line); end > line && (end[-1] == ' ' || end[-1] == '\t'); end--)
		end[-1] = '\0';
	if (!*line)
		return 0;
	if (lsb_parse_time(line, ns, err))
		return LSB_ESUITE;
	if (*ns > LSB_ARRIVAL_MAX_NS)
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' is later than 168h", line);
	return 1;
}

static int read_lines(FILE *file, const char *path, uint64_t *times, size_t n, struct lsb_error *err)
{
	char line[LINE_BYTES];
	struct lsb_error why;
	size_t got = 0;

	for (size_t number = 1; got < n && fgets(line, sizeof(line), file); number++) {
		int rc;

		if (!strchr(line, '\n') && !feof(file))
			return lsb_fail(err, LSB_ESUITE, 0, "%s:%zu: a line of more than %d bytes is no time",
					path, number, LINE_BYTES - 2);
		rc = parse_line(line, &times[got], &why);
		if (rc < 0)
			return lsb_fail(err, LSB_ESUITE, 0, "%s:%zu: %s", path, number, why.msg);
		if (rc && got && times[got] < times[got - 1])
			return lsb_fail(err, LSB_ESUITE, 0, "%s:%zu: this time is before the one above it",
					path, number);
		got += (size_t)rc;
	}
	if (ferror(file))
		return lsb_fail(err, LSB_ESUITE, errno, "cannot read '%s': %s", path, strerror(errno));
	if (got < n)
		return lsb_fail(err, LSB_ESUITE, 0, "'%s' has %zu times, and there are %zu requests", path,
				got, n);
	return LSB_OK;
}

static int read_trace(const char *name, const char *folder, uint64_t *times, size_t n, struct lsb_error *err)
{
	char *path = *name != '/' && folder ? lsb_format("%s/%s", folder, name) : strdup(name);
	FILE *file;
	int rc;

	if (!path)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	file = fopen(path, "re");
	if (file) {
		rc = read_lines(file, path, times, n, err);
		(void)fclose(file);
	} else {
		rc = lsb_fail(err, LSB_ESUITE, errno, "arrivals: cannot open '%s': %s", path,
			      strerror(errno));
	}
	free(path);
	return rc;
}

int lsb_arrivals_times(const struct lsb_arrivals *a, const char *folder, uint64_t seed, uint64_t *times,
		       size_t n, struct lsb_error *err)
{
	double gaps = 0;

	if (a->kind == LSB_ARRIVALS_FILE)
		return read_trace(a->file, folder, times, n, err);
	for (size_t i = 0; i < n; i++) {
		double ns = 0;
		int rc;

		if (a->kind == LSB_ARRIVALS_FIXED)
			ns = (double)i * 1e9 / a->rate;
		else if (a->kind == LSB_ARRIVALS_POISSON)
			ns = (gaps += gap_before(seed, i)) * 1e9 / a->rate;
		else if (a->kind == LSB_ARRIVALS_BURST)
			ns = (double)(i / a->burst) * (double)a->every_ns;
		rc = put(times, i, ns, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}
