/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/inspect.h"
#include "report/report.h"

int lsb_exit_status(int code)
{
	switch (code) {
	case LSB_OK:
		return LSB_EXIT_OK;
	case LSB_EINVAL:
	case LSB_ESUITE:
		return LSB_EXIT_USAGE;
	case LSB_EMODEL:
		return LSB_EXIT_MODEL;
	case LSB_EPLUGIN:
	case LSB_EUNAVAIL:
		return LSB_EXIT_PLUGIN;
	case LSB_EIO:
	case LSB_ENOMEM:
		return LSB_EXIT_IO;
	case LSB_ECANCELED:
		return LSB_EXIT_INTERRUPTED;
	default:
		return LSB_EXIT_FAILED;
	}
}

int lsb_cli_failed(const struct lsb_error *err)
{
	fprintf(stderr, "lsbench: %s\n", err->msg);
	return lsb_exit_status(err->code);
}

int lsb_cli_usage(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "lsbench %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see 'lsbench %s --help'\n", command);
	return LSB_EXIT_USAGE;
}

int lsb_cli_done(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "lsbench: cannot write the output: %s\n", strerror(errno));
	return status ? status : LSB_EXIT_IO;
}

int lsb_cli_inspect(json_t *request, uint64_t timeout_ms, json_t **reply, struct lsb_error *err)
{
	char *asked = request ? json_dumps(request, JSON_COMPACT) : NULL, *answered = NULL;
	int rc;

	json_decref(request);
	if (!asked)
		return lsb_fail(err, LSB_EINVAL, 0, "a name on the command line is not UTF-8");
	rc = lsb_inspect(asked, timeout_ms, &answered, err);
	free(asked);
	if (rc)
		return rc;
	*reply = json_loads(answered, 0, NULL);
	free(answered);
	return *reply ? LSB_OK : lsb_fail(err, LSB_EPLUGIN, 0, "an answer about plugins cannot be read");
}

void lsb_cli_print_report(const json_t *summary)
{
	const char *no_colour = getenv("NO_COLOR");
	struct lsb_text text = { 0 };

	lsb_report_text(summary, isatty(STDOUT_FILENO) && !(no_colour && *no_colour), &text);
	if (text.data)
		fputs(text.data, stdout);
	lsb_text_free(&text);
}

const char *lsb_cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}
