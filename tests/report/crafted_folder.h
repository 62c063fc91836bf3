/* SPDX-License-Identifier: Apache-2.0 */
/* A results folder with a crafted journal: strong and weak scaling, batches, a failed and a waived point. */
#ifndef LSB_TEST_CRAFTED_FOLDER_H
#define LSB_TEST_CRAFTED_FOLDER_H

#include "base/base.h"
#include "crafted.h"

enum { CRAFTED_POINTS = 9 };
extern const struct crafted crafted_points[CRAFTED_POINTS];
extern char crafted_folder[]; /* between set-up and tear-down */

void crafted_set_up(void);
void crafted_tear_down(void);

/* Of a file in the folder; static. */
char *crafted_path(const char *name);
/* The text of any file, malloc'ed. */
char *crafted_read(const char *path);
void crafted_write(const char *name, const char *text, size_t bytes);

/* The whole journal. */
struct lsb_text crafted_journal(void);
/* One line of a journal; takes `line`. */
void crafted_add_line(struct lsb_text *text, json_t *line);

#endif
