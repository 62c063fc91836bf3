/* SPDX-License-Identifier: Apache-2.0 */
/* From a results folder to what is to be reported. */
#include <stdlib.h>
#include <string.h>

#include "measure/choose.h"
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

/*
 * The journal's launches: with all that they say where all is wanted, without the
 * bulk of it elsewhere.
 */
static int read_launches(const char *journal, struct lsb_report_source *out, struct lsb_error *err)
{
	json_t *lines = NULL;
	size_t n, *wanted;
	int rc = lsb_journal_read(journal, lsb_launches_dispensable, &lines, NULL, err);

	if (rc)
		return rc;
	out->header = json_incref(json_array_get(lines, 0));
	json_array_remove(lines, 0);
	out->launches = lines;
	wanted = calloc(2 * json_array_size(json_object_get(out->header, "points")) + 1, sizeof(*wanted));
	if (!wanted)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", journal);
	n = lsb_launches_wanted(out->header, lines, wanted);
	rc = lsb_journal_restore(journal, wanted, n, lines, err);
	free(wanted);
	return rc;
}

int lsb_report_open(const char *dir, struct lsb_report_source *out, struct lsb_error *err)
{
	char *journal = lsb_format("%s/journal.jsonl", dir);
	int rc;

	*out = (struct lsb_report_source){ .dir = dir };
	rc = journal ? read_launches(journal, out, err)
		     : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	free(journal);
	if (rc == LSB_OK)
		rc = lsb_summary_build(out->header, out->launches, &out->summary, err);
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
