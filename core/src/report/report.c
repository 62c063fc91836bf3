/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdlib.h>

#include "report/parts.h"

int lsb_report_file(const char *dir, const char *name, struct lsb_text *text, struct lsb_error *err)
{
	char *path = lsb_format("%s/%s", dir, name);
	int rc;

	if (path && !text->failed)
		rc = lsb_file_write(path, text->data ? text->data : "", text->length, err);
	else
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for '%s'", name);
	free(path);
	lsb_text_free(text);
	return rc;
}

int lsb_report_write(const char *dir, int flags, json_t **summary, struct lsb_error *err)
{
	struct lsb_report_source source;
	int rc = lsb_report_open(dir, &source, err);

	if (rc)
		return rc;
	rc = lsb_report_json(dir, source.summary, err);
	if (rc == LSB_OK)
		rc = lsb_report_csv(dir, source.summary, err);
	if (rc == LSB_OK)
		rc = lsb_report_markdown(dir, &source, err);
	if (rc == LSB_OK)
		rc = lsb_report_trace(dir, &source, err);
	if (rc == LSB_OK && !(flags & LSB_REPORT_NO_HTML))
		rc = lsb_report_html(dir, &source, err);
	if (rc == LSB_OK && summary)
		*summary = json_incref(source.summary);
	lsb_report_close(&source);
	return rc;
}
