/* SPDX-License-Identifier: Apache-2.0 */
/* How much link a pipeline bears, measured beside predicted: for the terminal, Markdown and HTML. */
#ifndef LSB_REPORT_SENSITIVITY_H
#define LSB_REPORT_SENSITIVITY_H

#include "report/html.h"

/* Whether the run slowed links on purpose, by two amounts at least. */
int lsb_sensitivity_is_there(const json_t *summary);
void lsb_sensitivity_show(const json_t *summary, int is_markdown, struct lsb_text *to);
/* A section of the page; nothing where there is nothing. */
void lsb_html_sensitivity(const struct lsb_page *page);

#endif
