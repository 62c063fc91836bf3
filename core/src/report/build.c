/* SPDX-License-Identifier: Apache-2.0 */
/* From a results folder to what is to be reported. */
#include <stdlib.h>
#include <string.h>

#include "measure/summary.h"
#include "report/parts.h"
#include "report/report.h"
#include "wire/journal.h"

enum { ENVIRONMENT_BYTES_MAX = 1 << 24 };

/* environment.json of the run; a report without it is still a report. */
static json_t *read_environment(const char *dir)
{
	char *path = lsb_format("%s/environment.json", dir), *text = NULL;
	json_t *environment = NULL;
	size_t bytes;

	if (path && lsb_file_read(path, ENVIRONMENT_BYTES_MAX, &text, &bytes, NULL) == LSB_OK)
		environment = json_loadb(text, bytes, 0, NULL);
	free(text);
	free(path);
	return environment;
}

int lsb_report_open(const char *dir, struct lsb_report_source *out, struct lsb_error *err)
{
	char *journal = lsb_format("%s/journal.jsonl", dir);
	json_t *lines = NULL;
	int rc = journal ? lsb_journal_read(journal, &lines, NULL, err)
			 : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");

	free(journal);
	*out = (struct lsb_report_source){ .dir = dir };
	if (rc)
		return rc;
	out->header = json_incref(json_array_get(lines, 0));
	json_array_remove(lines, 0);
	out->launches = lines;
	rc = lsb_summary_build(out->header, lines, &out->summary, err);
	if (rc == LSB_OK)
		out->environment = read_environment(dir);
	else
		lsb_report_close(out);
	return rc;
}

void lsb_report_close(struct lsb_report_source *source)
{
	json_decref(source->header);
	json_decref(source->summary);
	json_decref(source->environment);
	json_decref(source->launches);
	*source = (struct lsb_report_source){ 0 };
}

int lsb_report_summary(const char *dir, json_t **out, struct lsb_error *err)
{
	struct lsb_report_source source;
	const int rc = lsb_report_open(dir, &source, err);

	if (rc)
		return rc;
	*out = json_incref(source.summary);
	lsb_report_close(&source);
	return LSB_OK;
}
