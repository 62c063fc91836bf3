/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts side by side and break-even, for the terminal and for Markdown; HTML's is in html.h. */
#ifndef LSB_REPORT_SIDE_H
#define LSB_REPORT_SIDE_H

#include "report/parts.h"

/* Whether there is anything to show: the suite compares something; some point has break-even answers. */
int lsb_side_is_there(const json_t *summary);
int lsb_break_even_is_there(const json_t *summary);

void lsb_side_show(const json_t *summary, int is_markdown, struct lsb_text *to);
void lsb_break_even_show(const json_t *summary, int is_markdown, struct lsb_text *to);

#endif
