/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

int lsb_report_json(const char *dir, const json_t *summary, struct lsb_error *err)
{
	char *dumped = json_dumps(summary, JSON_INDENT(2));
	struct lsb_text text = { .failed = !dumped };

	if (dumped)
		lsb_text_add(&text, "%s\n", dumped);
	free(dumped);
	return lsb_report_file(dir, "summary.json", &text, err);
}
