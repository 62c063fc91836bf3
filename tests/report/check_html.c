/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.html of crafted and hostile journals: well-formed, of known elements
 * alone, the same bytes every time, and whole without gnuplot, with one that
 * fails and with one that never answers.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "crafted.h"
#include "measure/summary.h"
#include "report/html.h"
#include "report/report.h"

static const struct crafted points[] = {
	{ "1111111111111111", "pipeline", "strong", 1, 1, 1, 5, 6, "1111111111111111", NULL, NULL,
	  "1111111111111111", 0 },
	{ "2222222222222222", "pipeline", "strong", 2, 1, 2, 5, 6, "1111111111111111", "3333333333333333",
	  "3333333333333333", "2222222222222222", 0 },
	{ "3333333333333333", "wide", "strong", 1, 2, 1, 5, 6, "3333333333333333", NULL, NULL,
	  "1111111111111111", 0 },
	{ "6666666666666666", "sweep", "batch", 2, 1, 2, 10, 6, NULL, NULL, NULL, "6666666666666666", 0 },
	{ "7777777777777777", "sweep", "batch", 2, 4, 2, 10, 6, NULL, NULL, NULL, "6666666666666666", 0 },
	{ "8888888888888888", "pipeline", "weak", 2, 1, 2, 5, 6, "1111111111111111", NULL, NULL, NULL, 0 },
};

static const double run_s[] = { 16, 10, 12, 24, 14.4 };

static char folder[] = "/tmp/lsb-html-XXXXXX";

static char *path_of(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void)
{
	(void)remove(path_of("gnuplot"));
	(void)rmdir(folder);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

/* Put hostile text in the place of every string below `value`, but of those that decide what is shown. */
static void spoil(json_t *value, const char *with)
{
	static const char *const kept[] = { "kind", "status", "id", "point", "name" };
	const char *key;
	json_t *inner;
	void *next;
	size_t i;

	json_array_foreach(value, i, inner)
	{
		if (json_is_string(inner))
			json_array_set_new(value, i, json_string(with));
		else
			spoil(inner, with);
	}
	json_object_foreach_safe(value, next, key, inner)
	{
		int keep = 0;

		for (size_t k = 0; k < LSB_COUNT(kept); k++)
			keep |= strcmp(kept[k], key) == 0;
		if (json_is_string(inner) && !keep)
			json_object_set_new(value, key, json_string(with));
		else if (!json_is_string(inner))
			spoil(inner, with);
	}
}

/* Requests of a launch, so that there are latencies to draw. */
static void add_requests(json_t *launch)
{
	json_t *requests = json_array();

	for (int i = 0; i < 5; i++)
		json_array_append_new(requests,
				      json_pack("{s:i, s:I, s:I, s:I, s:i, s:s}", "i", i, "arrival_ns",
						(json_int_t)0, "first_ns", (json_int_t)(i + 1) * 100000000,
						"last_ns", (json_int_t)(i + 9) * 100000000,
						"generated_tokens", 50, "finish", "length"));
	json_object_set_new(json_array_get(json_object_get(launch, "ranks"), 0), "requests", requests);
}

/* A report's source of all points; every text of it is `hostile` unless that is NULL. */
static struct lsb_report_source source_of(const char *hostile)
{
	struct lsb_report_source source = { .header = crafted_header(points, LSB_COUNT(points)),
					    .launches = json_array(),
					    .environment = json_pack("{s:{s:s}, s:[s]}", "cpu", "model",
								     "a <cpu>", "list", "x") };
	int number = 0;

	json_object_set_new(source.header, "suite_text", json_string("[suite]\nname = a & b\n"));
	json_object_set_new(source.header, "argv", json_pack("[s, s]", "lsbench", "a.ini"));
	for (int round = 0; round < 6; round++)
		for (size_t i = 0; i < LSB_COUNT(run_s); i++) {
			const double run = run_s[i] * (1 + 0.01 * round);
			const struct crafted_launch l = { round, run, run * 0.95, 250,
							  50.0 * points[i].prompts };
			json_t *launch = crafted_ok(&points[i], number++, &l);

			add_requests(launch);
			json_array_append_new(source.launches, launch);
		}
	json_array_append_new(source.launches, crafted_bad(&points[5], number++, 0, "failed",
							   "rank 1 on <vm> died of signal 9"));
	if (hostile) {
		spoil(source.header, hostile);
		spoil(source.launches, hostile);
		spoil(source.environment, hostile);
	}
	ck_assert_int_eq(lsb_summary_build(source.header, source.launches, &source.summary, NULL), 0);
	if (hostile)
		spoil(source.summary, hostile);
	return source;
}

static struct lsb_text page_of(const char *hostile, struct lsb_gnuplot *gnuplot)
{
	struct lsb_report_source source = source_of(hostile);
	struct lsb_text page = { 0 };

	lsb_html_page(&source, gnuplot, &page);
	lsb_report_close(&source);
	ck_assert(!page.failed);
	return page;
}

/* gnuplot of this machine; unusable where there is none. */
static struct lsb_gnuplot real_gnuplot(void)
{
	struct lsb_gnuplot gnuplot;

	lsb_gnuplot_find(&gnuplot);
	return gnuplot;
}

/* --- escaping --- */

static const struct {
	const char *text, *html;
	size_t bytes;
} escapes[] = {
	{ "plain text, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
	  "plain text, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 0 },
	{ "<script>alert('&\")</script>", "&lt;script&gt;alert(&#39;&amp;&quot;)&lt;/script&gt;", 0 },
	{ "a\nb\tc", "a\nb\tc", 0 },
	{ "a\0b",
	  "a\xE2\x90\x80"
	  "b",
	  3 },
	{ "\x1b[1m\x7f\r", "\xE2\x90\x9B[1m\xE2\x90\xA1\xE2\x90\x8D", 0 },
	{ "\xFF", "\xEF\xBF\xBD", 0 },						       /* never in UTF-8 */
	{ "\xC3", "\xEF\xBF\xBD", 0 },						       /* cut */
	{ "\xC3<", "\xEF\xBF\xBD&lt;", 0 },					       /* cut before markup */
	{ "\xC0\xBC", "\xEF\xBF\xBD\xEF\xBF\xBD", 0 },				       /* '<' in two bytes */
	{ "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0 },		       /* a surrogate */
	{ "\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0 }, /* above U+10FFFF */
	{ "\xC2\x85\xE2\x80\xAE", "\xEF\xBF\xBD\xEF\xBF\xBD", 0 }, /* a C1 control; text from right to left */
};

START_TEST(text_is_escaped)
{
	struct lsb_text out = { 0 };

	lsb_html_escape(&out, escapes[_i].text,
			escapes[_i].bytes ? escapes[_i].bytes : strlen(escapes[_i].text));
	ck_assert_str_eq(out.data, escapes[_i].html);
	lsb_text_free(&out);
}
END_TEST

START_TEST(markup_escapes_strings_and_nothing_else)
{
	struct lsb_text out = { 0 };

	lsb_html_add(&out, "<a href=\"%s\">%d %zu %.2f %3.0f%% %g</a>", "\"<&'>", -3, (size_t)7, 1.005, 12.0,
		     0.5);
	ck_assert_str_eq(out.data, "<a href=\"&quot;&lt;&amp;&#39;&gt;\">-3 7 1.00  12% 0.5</a>");
	lsb_text_free(&out);
}
END_TEST

/* --- well-formedness --- */

static int is_one_of(const char *name, size_t bytes, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == bytes && strncmp(*names, name, bytes) == 0)
			return 1;
	return 0;
}

/* Pass over the attributes of a tag: each name known, each value quoted. Returns the tag's '>'. */
static const char *attributes(const char *at)
{
	static const char *const known[] = { "lang",
					     "charset",
					     "name",
					     "content",
					     "http-equiv",
					     "class",
					     "id",
					     "href",
					     "role",
					     "tabindex",
					     "aria-label",
					     "aria-labelledby",
					     "scope",
					     "colspan",
					     "title",
					     "width",
					     "height",
					     "viewBox",
					     "x",
					     "y",
					     "fill",
					     "stroke",
					     "color",
					     "d",
					     "r",
					     "cx",
					     "cy",
					     "transform",
					     "xlink:href",
					     "points",
					     "style",
					     "font-size",
					     "text-anchor",
					     "stroke-width",
					     "stroke-linecap",
					     "stroke-linejoin",
					     "stroke-dasharray",
					     "shape-rendering",
					     "fill-opacity",
					     "preserveAspectRatio",
					     NULL };

	for (;;) {
		size_t bytes;
		char quote;

		at += strspn(at, " \t\n");
		if (*at == '>' || (*at == '/' && at[1] == '>'))
			return at;
		bytes = strcspn(at, "= \t\n>/");
		ck_assert_msg(is_one_of(at, bytes, known), "attribute: %.60s", at);
		at += bytes;
		at += strspn(at, " "); /* gnuplot writes fill = 'none' */
		ck_assert_int_eq(*at, '=');
		at += 1 + strspn(at + 1, " ");
		quote = *at;
		ck_assert_msg(quote == '"' || quote == '\'', "value without quotes: %.60s", at);
		at = strchr(at + 1, quote);
		ck_assert_ptr_nonnull(at);
		at++;
	}
}

/* Every tag of known elements, closed in the order in which they were opened. */
static void assert_well_formed(const char *page)
{
	static const char *const elements[] = {
		"html", "head",	    "title",   "style",	     "body",	 "a",	  "header", "h1",      "h2",
		"h3",	"p",	    "code",    "nav",	     "ul",	 "li",	  "main",   "section", "div",
		"span", "strong",   "b",       "table",	     "caption",	 "thead", "tbody",  "tr",      "th",
		"td",	"colgroup", "figure",  "figcaption", "article",	 "svg",	  "rect",   "g",       "path",
		"text", "tspan",    "defs",    "circle",     "use",	 "desc",  "dl",	    "dt",      "dd",
		"pre",	"details",  "summary", "polygon",    "polyline", "ol",	  NULL
	};
	static const char *const empty[] = { "meta", "br", "col", NULL };
	const char *open[128];
	size_t depth = 0;

	ck_assert_int_eq(strncmp(page, "<!DOCTYPE html>\n", 16), 0);
	for (const char *at = page + 16; *at; at++) {
		const int closes = *at == '<' && at[1] == '/';
		const char *name = at + 1 + closes;
		const size_t bytes = strcspn(name, " \t\n>/");

		ck_assert_msg(*at != '>' || depth == 0 || strncmp(open[depth - 1], "style", 5) == 0,
			      "bare >: %.60s", at);
		if (*at != '<')
			continue;
		if (closes) {
			ck_assert_msg(depth && strlen(open[depth - 1]) >= bytes &&
					      strncmp(open[depth - 1], name, bytes) == 0,
				      "closed, but not the last one opened: %.60s", at);
			depth--;
			at = name + bytes;
			ck_assert_int_eq(*at, '>');
			continue;
		}
		ck_assert_msg(is_one_of(name, bytes, elements) || is_one_of(name, bytes, empty),
			      "element: %.60s", at);
		at = attributes(name + bytes);
		if (*at == '/')
			at++;
		else if (!is_one_of(name, bytes, empty)) {
			ck_assert_uint_lt(depth, LSB_COUNT(open));
			open[depth++] = name;
		}
	}
	ck_assert_uint_eq(depth, 0);
}

/* No id twice. */
static void assert_ids_are_unique(const char *page)
{
	json_t *seen = json_object();

	for (const char *at = page; (at = strstr(at, " id=")) != NULL;) {
		const size_t bytes = strcspn(at + 5, "\"'");
		char *id = lsb_format("%.*s", (int)bytes, at + 5);

		ck_assert_msg(!json_object_get(seen, id), "id '%s' twice", id);
		json_object_set_new(seen, id, json_true());
		free(id);
		at += 5 + bytes;
	}
	json_decref(seen);
}

static const char *const hostile[] = {
	NULL,
	"<script>alert(1)</script>",
	"\"><img src=x onerror=alert(1)>",
	"'><svg onload=alert(1)>",
	"</style></title></pre><script>",
	"{{javascript:alert(1)}} `<b>` **<i>** %s %n",
	"\x01\x02\x1b[2J\x7f\xE2\x80\xAE\xC2\x9B",
	"a\nb\n- `x`\n\n# c",
};

static const struct {
	const char *label, *cut;
} labels[] = {
	{ "pipeline nodes=2", "pipeline nodes=2" },
	{ "0123456789012345678901", "0123456789012345678901" },
	{ "load arrivals=poisson:2/s batch=8", "load arriv../s batch=8" },
	{ "load arrivals=poisson:2/s batch=16", "load arriv..s batch=16" },
	{ "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9 "
	  "x=\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4",
	  "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9.."
	  "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4" },
};

START_TEST(labels_that_are_too_long_keep_the_end_that_tells_them_apart)
{
	char *cut = lsb_text_cut(labels[_i].label, LSB_LABEL_WIDTH);

	ck_assert_str_eq(cut, labels[_i].cut);
	free(cut);
}
END_TEST

START_TEST(pages_are_well_formed_whatever_the_journal_says)
{
	struct lsb_gnuplot gnuplot = real_gnuplot();
	struct lsb_text page = page_of(hostile[_i], &gnuplot);

	assert_well_formed(page.data);
	assert_ids_are_unique(page.data);
	ck_assert_ptr_null(strstr(page.data, "<script"));
	ck_assert_ptr_null(strstr(page.data, "@L"));
	ck_assert_ptr_null(strstr(page.data, "&lt;br")); /* markup of our own that was taken for text */
	ck_assert_ptr_null(strstr(page.data, "http:"));
	ck_assert_ptr_null(strstr(page.data, "https:"));
	ck_assert_ptr_null(strstr(page.data, "url("));
	lsb_text_free(&page);
}
END_TEST

START_TEST(terminals_are_sent_no_sequence_of_the_journals)
{
	struct lsb_report_source source = source_of(hostile[_i]);
	struct lsb_text shown = { 0 };

	lsb_report_text(source.summary, 0, &shown);
	for (size_t i = 0; i < shown.length; i++) {
		const unsigned char c = (unsigned char)shown.data[i];

		ck_assert_msg((c >= 0x20 && c != 0x7F) || c == '\n', "control character %d", c);
		ck_assert(c != 0xC2 || (unsigned char)shown.data[i + 1] >= 0xA0);
	}
	lsb_text_free(&shown);
	lsb_report_close(&source);
}
END_TEST

START_TEST(the_same_journal_gives_the_same_bytes)
{
	struct lsb_gnuplot gnuplot = real_gnuplot();
	struct lsb_text once = page_of(NULL, &gnuplot), again = page_of(NULL, &gnuplot);

	ck_assert_str_eq(once.data, again.data);
	lsb_text_free(&once);
	lsb_text_free(&again);
}
END_TEST

/* --- gnuplot --- */

/* A program named gnuplot, alone on PATH. */
static struct lsb_gnuplot fake_gnuplot(const char *text)
{
	struct lsb_gnuplot gnuplot;

	ck_assert_int_eq(lsb_file_write(path_of("gnuplot"), text, strlen(text), NULL), 0);
	ck_assert_int_eq(chmod(path_of("gnuplot"), 0755), 0);
	ck_assert_int_eq(setenv("PATH", folder, 1), 0);
	lsb_gnuplot_find(&gnuplot);
	return gnuplot;
}

static void assert_charts_are_missed(struct lsb_gnuplot *gnuplot, const char *why)
{
	struct lsb_text page = page_of(NULL, gnuplot);

	assert_well_formed(page.data);
	ck_assert_ptr_nonnull(strstr(page.data, "Chart not drawn: Strong scaling: speedup over nodes. "));
	ck_assert_msg(strstr(page.data, why) != NULL, "'%s' is not said: %.200s", why,
		      strstr(page.data, "Chart not drawn"));
	ck_assert_ptr_null(strstr(page.data, "svg class=\"chart\""));
	ck_assert_ptr_nonnull(strstr(page.data, "svg class=\"bar\"")); /* the ledger needs no gnuplot */
	lsb_text_free(&page);
}

START_TEST(without_gnuplot_the_report_says_which_charts_are_missing)
{
	struct lsb_gnuplot gnuplot;

	ck_assert_int_eq(setenv("PATH", "/nonexistent:relative:", 1), 0);
	lsb_gnuplot_find(&gnuplot);
	assert_charts_are_missed(&gnuplot, "gnuplot is not on PATH");
	ck_assert_int_eq(unsetenv("PATH"), 0);
	lsb_gnuplot_find(&gnuplot);
	assert_charts_are_missed(&gnuplot, "gnuplot is not on PATH");
}
END_TEST

static const struct {
	const char *program, *why;
} broken[] = {
	{ "#!/bin/sh\necho 'line 3: no <such> command' >&2\nexit 3\n",
	  "gnuplot ended with status 3: line 3: no &lt;such&gt; command" },
	{ "#!/bin/sh\nkill -9 $$\n", "gnuplot ended with status 137" },
	{ "#!/bin/sh\nexit 0\n", "gnuplot gave no SVG" },
	{ "#!/bin/sh\necho '<svg><desc>a</desc>cut'\n", "gnuplot gave no SVG" },
	{ "#!/nonexistent/interpreter\n", "gnuplot cannot be started" },
};

START_TEST(a_gnuplot_that_fails_is_survived)
{
	struct lsb_gnuplot gnuplot = fake_gnuplot(broken[_i].program);

	assert_charts_are_missed(&gnuplot, broken[_i].why);
}
END_TEST

START_TEST(a_gnuplot_that_never_answers_is_asked_once)
{
	struct lsb_gnuplot gnuplot = fake_gnuplot("#!/bin/sh\nexec /bin/sleep 1000\n");
	const uint64_t begin = lsb_now_ns();

	gnuplot.timeout_ms = 200;
	assert_charts_are_missed(&gnuplot, "gnuplot gave no chart within 200 ms");
	ck_assert_uint_ge(lsb_now_ns() - begin, 200000000u);
	ck_assert_str_ne(gnuplot.why, "");
}
END_TEST

START_TEST(charts_have_the_pages_colours_and_words_for_those_who_cannot_see_them)
{
	struct lsb_gnuplot gnuplot = real_gnuplot();
	struct lsb_text page = { 0 };

	if (gnuplot.why[0])
		return; /* the other tests hold without it */
	page = page_of(NULL, &gnuplot);
	ck_assert_msg(!strstr(page.data, "Chart not drawn"), "%.200s", strstr(page.data, "Chart not drawn"));
	ck_assert_ptr_nonnull(strstr(page.data, "var(--s0)"));
	ck_assert_ptr_nonnull(strstr(page.data, "var(--bound)"));
	ck_assert_ptr_null(strstr(page.data, "rgb("));
	ck_assert_ptr_null(strstr(page.data, "black"));
	ck_assert_ptr_nonnull(
		strstr(page.data, "<title id=\"scaling0-t\">Strong scaling: speedup over nodes</title>"));
	ck_assert_ptr_nonnull(strstr(page.data, "pipeline nodes=2 batch=1: speedup 1.6"));
	ck_assert_ptr_nonnull(strstr(page.data, "half of 30 requests within"));
	lsb_text_free(&page);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("html");
	TCase *tc = tcase_create("html");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, text_is_escaped, 0, LSB_COUNT(escapes));
	tcase_add_test(tc, markup_escapes_strings_and_nothing_else);
	tcase_add_loop_test(tc, labels_that_are_too_long_keep_the_end_that_tells_them_apart, 0,
			    LSB_COUNT(labels));
	tcase_add_loop_test(tc, pages_are_well_formed_whatever_the_journal_says, 0, LSB_COUNT(hostile));
	tcase_add_loop_test(tc, terminals_are_sent_no_sequence_of_the_journals, 0, LSB_COUNT(hostile));
	tcase_add_test(tc, the_same_journal_gives_the_same_bytes);
	tcase_add_test(tc, without_gnuplot_the_report_says_which_charts_are_missing);
	tcase_add_loop_test(tc, a_gnuplot_that_fails_is_survived, 0, LSB_COUNT(broken));
	tcase_add_test(tc, a_gnuplot_that_never_answers_is_asked_once);
	tcase_add_test(tc, charts_have_the_pages_colours_and_words_for_those_who_cannot_see_them);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
