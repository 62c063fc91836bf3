/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/expression.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum {
	DEPTH_MAX = 32,		/* of keys in keys, braces in braces, parentheses */
	LOOKUPS_MAX = 10000,	/* of one expansion; ${a}${a} in ${b}${b} in ... doubles */
	RESULT_MAX = 64 * 1024, /* bytes */
	NAME_MAX_BYTES = 64,
};

/* Keys under expansion, innermost first: what a loop would come back to. */
struct frame {
	const char *key;
	const struct frame *outer;
};

struct expansion {
	const struct lsb_scope *scope;
	unsigned lookups;
};

static int expand(struct expansion *x, const char *text, size_t n, const struct frame *in, unsigned depth,
		  struct lsb_text *out, struct lsb_error *err);

static int is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static int loop_error(const struct frame *in, const char *key, struct lsb_error *err)
{
	struct lsb_text chain = { 0 };
	int rc;

	lsb_text_add(&chain, "%s", key);
	for (const struct frame *f = in; f && f->key; f = f->outer) {
		lsb_text_add(&chain, " <- %s", f->key);
		if (strcmp(f->key, key) == 0)
			break;
	}
	rc = lsb_fail(err, LSB_ESUITE, 0, "expression loop: %s", chain.data ? chain.data : key);
	lsb_text_free(&chain);
	return rc;
}

/* Append what `key` stands for. */
static int expand_key(struct expansion *x, const char *key, const struct frame *in, unsigned depth,
		      struct lsb_text *out, struct lsb_error *err)
{
	const struct frame frame = { .key = key, .outer = in };
	const char *text;
	int literal = 0;

	for (const struct frame *f = in; f; f = f->outer)
		if (f->key && strcmp(f->key, key) == 0)
			return loop_error(in, key, err);
	if (++x->lookups > LOOKUPS_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "the expression needs more than %d look-ups",
				LOOKUPS_MAX);
	text = x->scope->find(x->scope->user, key, &literal, err);
	if (!text)
		return LSB_ESUITE;
	if (literal) {
		lsb_text_add(out, "%s", text);
		return LSB_OK;
	}
	return expand(x, text, strlen(text), &frame, depth + 1, out, err);
}

/* --- arithmetic ------------------------------------------------------- */

struct calculator {
	struct expansion *x;
	const struct frame *in;
	const char *at, *end;
	unsigned depth;
	struct lsb_error *err;
};

static int calculate_sum(struct calculator *c, int64_t *out);

static char peek(struct calculator *c)
{
	while (c->at < c->end && isspace((unsigned char)*c->at))
		c->at++;
	return c->at < c->end ? *c->at : '\0';
}

static int overflow(struct calculator *c)
{
	return lsb_fail(c->err, LSB_ESUITE, 0, "the result of the arithmetic does not fit in 64 bits");
}

static int calculate_number(struct calculator *c, int64_t *out)
{
	*out = 0;
	for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++)
		if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *c->at - '0', out))
			return overflow(c);
	if (c->at < c->end && is_name_char(*c->at))
		return lsb_fail(c->err, LSB_ESUITE, 0, "'%c' after a number: only whole numbers here",
				*c->at);
	return LSB_OK;
}

static int calculate_name(struct calculator *c, int64_t *out)
{
	char name[NAME_MAX_BYTES + 1];
	struct lsb_text text = { 0 };
	struct lsb_error why;
	size_t n = 0;
	int rc;

	while (c->at < c->end && is_name_char(*c->at)) {
		if (n == NAME_MAX_BYTES)
			return lsb_fail(c->err, LSB_ESUITE, 0, "a name longer than %d bytes", NAME_MAX_BYTES);
		name[n++] = *c->at++;
	}
	name[n] = '\0';
	rc = expand_key(c->x, name, c->in, c->depth, &text, c->err);
	if (rc == LSB_OK && lsb_parse_int(text.data ? text.data : "", out, &why))
		rc = lsb_fail(c->err, LSB_ESUITE, 0, "%s in arithmetic: %s", name, why.msg);
	lsb_text_free(&text);
	return rc;
}

static int calculate_atom(struct calculator *c, int64_t *out)
{
	const char next = peek(c);
	int rc;

	if (++c->depth > DEPTH_MAX)
		return lsb_fail(c->err, LSB_ESUITE, 0, "the expression is nested deeper than %d", DEPTH_MAX);
	if (next == '(') {
		c->at++;
		rc = calculate_sum(c, out);
		if (rc == LSB_OK && peek(c) != ')')
			rc = lsb_fail(c->err, LSB_ESUITE, 0, "missing ')' in the arithmetic");
		c->at++;
	} else if (next == '-') {
		c->at++;
		rc = calculate_atom(c, out);
		if (rc == LSB_OK && __builtin_sub_overflow(0, *out, out))
			rc = overflow(c);
	} else if (isdigit((unsigned char)next)) {
		rc = calculate_number(c, out);
	} else if (isalpha((unsigned char)next) || next == '_') {
		rc = calculate_name(c, out);
	} else if (next) {
		rc = lsb_fail(c->err, LSB_ESUITE, 0, "'%c' where a number, a key or '(' should be", next);
	} else {
		rc = lsb_fail(c->err, LSB_ESUITE, 0, "the arithmetic ends where a number should be");
	}
	c->depth--;
	return rc;
}

static int calculate_product(struct calculator *c, int64_t *out)
{
	int rc = calculate_atom(c, out);

	while (rc == LSB_OK) {
		const char op = peek(c);
		int64_t right;

		if (op != '*' && op != '/' && op != '%')
			break;
		c->at++;
		rc = calculate_atom(c, &right);
		if (rc)
			break;
		if (op == '*') {
			if (__builtin_mul_overflow(*out, right, out))
				return overflow(c);
			continue;
		}
		if (right == 0)
			return lsb_fail(c->err, LSB_ESUITE, 0, "division by zero");
		if (*out == INT64_MIN && right == -1)
			return overflow(c);
		*out = op == '/' ? *out / right : *out % right;
	}
	return rc;
}

static int calculate_sum(struct calculator *c, int64_t *out)
{
	int rc = calculate_product(c, out);

	while (rc == LSB_OK) {
		const char op = peek(c);
		int64_t right;

		if (op != '+' && op != '-')
			break;
		c->at++;
		rc = calculate_product(c, &right);
		if (rc)
			break;
		if (op == '+' ? __builtin_add_overflow(*out, right, out)
			      : __builtin_sub_overflow(*out, right, out))
			return overflow(c);
	}
	return rc;
}

static int calculate(struct expansion *x, const char *text, size_t n, const struct frame *in, unsigned depth,
		     int64_t *out, struct lsb_error *err)
{
	struct calculator c = { .x = x, .in = in, .at = text, .end = text + n, .depth = depth, .err = err };
	int rc = calculate_sum(&c, out);

	if (rc == LSB_OK && peek(&c))
		rc = lsb_fail(err, LSB_ESUITE, 0, "'%c' where the arithmetic should end", *c.at);
	return rc;
}

/* --- text ------------------------------------------------------------- */

/* The brace that closes the one before `text`; NULL when there is none. */
static const char *closing_brace(const char *text, const char *end)
{
	unsigned open = 1;

	for (; text < end; text++) {
		if (text[0] == '$' && text + 1 < end && text[1] == '{') {
			open++;
			text++;
		} else if (text[0] == '}' && --open == 0) {
			return text;
		}
	}
	return NULL;
}

/* What stands after "env:". */
static int expand_environment(struct expansion *x, const char *body, size_t n, const struct frame *in,
			      unsigned depth, struct lsb_text *out, struct lsb_error *err)
{
	char name[NAME_MAX_BYTES + 1];
	const char *value, *fallback;
	size_t length = 0;

	while (length < n && (isalnum((unsigned char)body[length]) || body[length] == '_'))
		length++;
	fallback = n - length >= 2 && memcmp(body + length, ":-", 2) == 0 ? body + length + 2 : NULL;
	if (length == 0 || length > NAME_MAX_BYTES || (!fallback && length < n))
		return lsb_fail(err, LSB_ESUITE, 0,
				"'${env:%.*s}' is not an environment variable (write ${env:NAME} or "
				"${env:NAME:-DEFAULT})",
				(int)n, body);
	memcpy(name, body, length);
	name[length] = '\0';
	value = x->scope->environment(x->scope->user, name);
	if (value && (*value || !fallback)) {
		lsb_text_add(out, "%s", value);
		return LSB_OK;
	}
	if (!fallback)
		return lsb_fail(
			err, LSB_ESUITE, 0,
			"the environment variable %s is not set (set it, or write ${env:%s:-DEFAULT})", name,
			name);
	return expand(x, fallback, (size_t)(body + n - fallback), in, depth + 1, out, err);
}

/* What stands after "=". */
static int expand_arithmetic(struct expansion *x, const char *body, size_t n, const struct frame *in,
			     unsigned depth, struct lsb_text *out, struct lsb_error *err)
{
	struct lsb_text plain = { 0 };
	int64_t value;
	int rc = expand(x, body, n, in, depth + 1, &plain, err);

	if (rc == LSB_OK)
		rc = calculate(x, plain.data ? plain.data : "", plain.length, in, depth + 1, &value, err);
	if (rc == LSB_OK)
		lsb_text_add(out, "%" PRId64, value);
	lsb_text_free(&plain);
	return rc;
}

/* What stands between "${" and "}". */
static int expand_braces(struct expansion *x, const char *body, size_t n, const struct frame *in,
			 unsigned depth, struct lsb_text *out, struct lsb_error *err)
{
	char name[NAME_MAX_BYTES + 1];

	if (n && *body == '=')
		return expand_arithmetic(x, body + 1, n - 1, in, depth, out, err);
	if (n >= 4 && memcmp(body, "env:", 4) == 0)
		return expand_environment(x, body + 4, n - 4, in, depth, out, err);
	for (size_t i = 0; i < n; i++)
		if (!is_name_char(body[i]))
			return lsb_fail(err, LSB_ESUITE, 0,
					"'${%.*s}' is no expression (write ${key}, ${env:NAME:-DEFAULT} or "
					"${= nodes*5})",
					(int)n, body);
	if (n == 0 || n > NAME_MAX_BYTES)
		return lsb_fail(err, LSB_ESUITE, 0, "'${%.*s}' names no key", n > 20 ? 20 : (int)n, body);
	memcpy(name, body, n);
	name[n] = '\0';
	return expand_key(x, name, in, depth, out, err);
}

static int expand(struct expansion *x, const char *text, size_t n, const struct frame *in, unsigned depth,
		  struct lsb_text *out, struct lsb_error *err)
{
	const char *end = text + n;

	if (depth > DEPTH_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "the expression is nested deeper than %d", DEPTH_MAX);
	while (text < end) {
		const char *dollar = memchr(text, '$', (size_t)(end - text));
		const char *close;
		int rc;

		lsb_text_bytes(out, text, (size_t)((dollar ? dollar : end) - text));
		if (out->length > RESULT_MAX)
			return lsb_fail(err, LSB_ESUITE, 0, "the expanded text is longer than %d bytes",
					RESULT_MAX);
		if (!dollar)
			break;
		text = dollar + 1;
		if (text == end || *text != '{') {
			lsb_text_bytes(out, "$", 1);
			text += text < end && *text == '$';
			continue;
		}
		text++;
		close = closing_brace(text, end);
		if (!close)
			return lsb_fail(err, LSB_ESUITE, 0, "missing '}' after '${%.*s'", (int)(end - text),
					text);
		rc = expand_braces(x, text, (size_t)(close - text), in, depth, out, err);
		if (rc)
			return rc;
		text = close + 1;
	}
	return out->failed ? lsb_fail(err, LSB_ENOMEM, 0, "no memory to expand a value") : LSB_OK;
}

int lsb_expand(const char *text, const char *key, const struct lsb_scope *scope, char **out,
	       struct lsb_error *err)
{
	struct expansion x = { .scope = scope };
	const struct frame frame = { .key = key };
	struct lsb_text result = { 0 };
	int rc;

	lsb_text_bytes(&result, "", 0);
	rc = expand(&x, text, strlen(text), &frame, 0, &result, err);
	if (rc) {
		lsb_text_free(&result);
		return rc;
	}
	*out = result.data;
	return LSB_OK;
}

int lsb_arithmetic(const char *text, const struct lsb_scope *scope, int64_t *out, struct lsb_error *err)
{
	struct expansion x = { .scope = scope };

	return calculate(&x, text, strlen(text), NULL, 0, out, err);
}
