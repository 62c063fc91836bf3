/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/summary.h"
#include "wire/journal.h"

static int write_json(const char *dir, const char *name, const json_t *value, struct lsb_error *err)
{
	char *path = lsb_format("%s/%s", dir, name), *text = json_dumps(value, JSON_INDENT(2));
	const int rc = path && text ? lsb_file_write(path, text, strlen(text), err)
				    : lsb_fail(err, LSB_ENOMEM, 0, "no memory for '%s'", name);

	free(path);
	free(text);
	return rc;
}

int lsb_report_write(const char *dir, int flags, struct lsb_error *err)
{
	char *journal = lsb_format("%s/journal.jsonl", dir);
	json_t *lines = NULL, *header = NULL, *summary = NULL;
	int rc = journal ? lsb_journal_read(journal, &lines, NULL, err)
			 : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");

	free(journal);
	if (rc)
		return rc;
	header = json_incref(json_array_get(lines, 0));
	json_array_remove(lines, 0);
	rc = lsb_summary_build(header, lines, (flags & LSB_REPORT_INTERRUPTED) != 0, &summary, err);
	if (rc == LSB_OK)
		rc = write_json(dir, "summary.json", summary, err);
	json_decref(summary);
	json_decref(header);
	json_decref(lines);
	return rc;
}
