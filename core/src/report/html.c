/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.html: one file that needs no other. Its order is a reader's: what came
 * out, why, the numbers, and then what they rest on.
 */
#include "report/html.h"

#include <string.h>

#include "report/section.h"

void lsb_html_chart(const struct lsb_page *page, struct lsb_chart *chart)
{
	struct lsb_error err = { 0 };
	struct lsb_text svg = { 0 };

	if (lsb_chart_draw(chart, page->gnuplot, &svg, &err)) {
		lsb_html_add(page->to, "<p class=\"missing\">Chart not drawn: %s. %s.</p>\n", chart->title,
			     err.msg);
	} else {
		lsb_html_add(page->to, "<figure>\n<figcaption>%s</figcaption>\n", chart->title);
		lsb_text_bytes(page->to, svg.data, svg.length);
		if (chart->legend.length)
			lsb_text_add(page->to, "<ul class=\"legend\">%s</ul>\n", chart->legend.data);
		lsb_text_add(page->to, "</figure>\n");
	}
	page->to->failed |= chart->legend.failed;
	lsb_text_free(&svg);
	lsb_chart_free(chart);
}

static void add_head(const struct lsb_page *page)
{
	const json_t *summary = page->summary;

	lsb_html_add(page->to,
		     "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		     "<meta name=\"color-scheme\" content=\"light dark\">\n"
		     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
		     "'unsafe-inline'\">\n<title>%s</title>\n<style>\n",
		     lsb_text_of(summary, "title"));
	lsb_text_bytes(page->to, lsb_html_style, lsb_html_style_bytes);
	lsb_html_add(page->to,
		     "</style>\n</head>\n<body>\n<a class=\"unseen\" href=\"#summary\">To the summary</a>\n"
		     "<header>\n<h1>%s</h1>\n<p>Suite <code>%s</code>, begun %s, lsbench %s</p>\n</header>\n",
		     lsb_text_of(summary, "title"), lsb_text_of(summary, "suite"),
		     lsb_text_of(summary, "started"), lsb_text_of(summary, "version"));
}

static void add_links(const struct lsb_page *page, const struct lsb_section *const *sections)
{
	for (; *sections; sections++)
		if ((*sections)->is_there(page->summary))
			lsb_html_add(page->to, "<li><a href=\"#%s\">%s</a></li>", (*sections)->anchor,
				     (*sections)->link);
}

static void add_contents(const struct lsb_page *page)
{
	static const struct {
		const char *anchor, *words;
	} front[] = { { "summary", "In short" }, { "why", "Why" }, { "advice", "What to do" } },
	  back[] = { { "bounds", "Bounds" },
		     { "latency", "Latency" },
		     { "ranks", "Ranks and memory" },
		     { "cold", "Cold start" },
		     { "answers", "Answers" },
		     { "flags", "Flags and checks" },
		     { "configuration", "Configuration" },
		     { "environment", "Environment" },
		     { "definitions", "Definitions" },
		     { "reproduce", "Doing it again" } };

	lsb_text_add(page->to, "<nav aria-label=\"Contents\"><ul>");
	for (size_t i = 0; i < LSB_COUNT(front); i++)
		lsb_html_add(page->to, "<li><a href=\"#%s\">%s</a></li>", front[i].anchor, front[i].words);
	add_links(page, lsb_sections_compared);
	for (size_t i = 0; lsb_report_kinds[i]; i++)
		if (lsb_count_kind(page->summary, lsb_report_kinds[i]))
			lsb_html_add(page->to, "<li><a href=\"#%s\">%s</a></li>", lsb_report_kinds[i],
				     lsb_kind_title(lsb_report_kinds[i]));
	add_links(page, lsb_sections_done);
	for (size_t i = 0; i < LSB_COUNT(back); i++)
		lsb_html_add(page->to, "<li><a href=\"#%s\">%s</a></li>", back[i].anchor, back[i].words);
	lsb_text_add(page->to, "</ul></nav>\n<main>\n");
}

static void add_sections(const struct lsb_page *page, const struct lsb_section *const *sections)
{
	for (; *sections; sections++) {
		if (!(*sections)->is_there(page->summary))
			continue;
		lsb_html_open(page, (*sections)->anchor, (*sections)->title);
		(*sections)->html(page);
		lsb_html_close(page);
	}
}

void lsb_html_page(const struct lsb_report_source *source, struct lsb_gnuplot *gnuplot, struct lsb_text *to)
{
	const struct lsb_page page = {
		.to = to, .source = source, .summary = source->summary, .gnuplot = gnuplot
	};

	add_head(&page);
	add_contents(&page);
	lsb_html_verdict(&page);
	lsb_html_why(&page);
	lsb_html_advice(&page);
	add_sections(&page, lsb_sections_compared);
	lsb_html_kinds(&page);
	add_sections(&page, lsb_sections_done);
	lsb_html_bounds(&page);
	lsb_html_latency(&page);
	lsb_html_ranks(&page);
	lsb_html_answers(&page);
	lsb_html_flags(&page);
	lsb_html_configuration(&page);
	lsb_html_environment(&page);
	lsb_html_definitions(&page);
	lsb_html_reproduce(&page);
	lsb_text_add(to, "</main>\n</body>\n</html>\n");
}

int lsb_report_html(const char *dir, const struct lsb_report_source *source, struct lsb_error *err)
{
	struct lsb_gnuplot gnuplot;
	struct lsb_text text = { 0 };

	lsb_gnuplot_find(&gnuplot);
	lsb_html_page(source, &gnuplot, &text);
	return lsb_report_file(dir, "report.html", &text, err);
}
