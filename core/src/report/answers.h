/* SPDX-License-Identifier: Apache-2.0 */
/* Whether answers are the baselines', and as good, for the terminal and for Markdown; HTML's is in html.h. */
#ifndef LSB_REPORT_ANSWERS_H
#define LSB_REPORT_ANSWERS_H

#include "report/parts.h"

/* "baseline", "same", "other" with what its score says, or "-": of a point beside all its baselines. */
const char *lsb_answers_word(const json_t *point);

/* How many points gave what their baselines gave, and a row for each that did not. Nothing without any. */
void lsb_answers_text(const json_t *summary, struct lsb_text *to);
void lsb_answers_markdown(const json_t *summary, struct lsb_text *to);

#endif
