/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas beside each other: what each was asked, completed and lost, and how fast. */
#ifndef LSB_REPORT_REPLICAS_H
#define LSB_REPORT_REPLICAS_H

#include "report/parts.h"

/* Whether some point has several. */
int lsb_replicas_are_there(const json_t *summary);
/* A row a replica, as Markdown or as text. */
void lsb_replicas_show(const json_t *summary, int is_markdown, struct lsb_text *to);

#endif
