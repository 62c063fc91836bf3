/* SPDX-License-Identifier: Apache-2.0 */
/* Speed and quality in one row, for the terminal and for Markdown; HTML's is in html.h. */
#ifndef LSB_REPORT_SPEED_H
#define LSB_REPORT_SPEED_H

#include "report/parts.h"

/* Whether any point has answers, and so a speed. */
int lsb_speed_is_there(const json_t *summary);
void lsb_speed_show(const json_t *summary, int is_markdown, struct lsb_text *to);

#endif
