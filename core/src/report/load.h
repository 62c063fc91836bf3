/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, goodput and the knee, for the terminal and for Markdown; HTML's is in html.h. */
#ifndef LSB_REPORT_LOAD_H
#define LSB_REPORT_LOAD_H

#include "report/parts.h"

/* Whether any point has limits. */
int lsb_load_is_there(const json_t *summary);
void lsb_load_show(const json_t *summary, int is_markdown, struct lsb_text *to);

#endif
