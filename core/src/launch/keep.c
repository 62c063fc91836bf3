/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "measure/keep.h"

int lsb_kept_open(struct lsb_kept *kept, size_t n_points, struct lsb_error *err)
{
	kept->points = calloc(n_points + 1, sizeof(*kept->points));
	kept->n_points = kept->points ? n_points : 0;
	return kept->points ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", n_points);
}

void lsb_kept_close(struct lsb_kept *kept)
{
	for (size_t i = 0; i < kept->n_points; i++) {
		free(kept->points[i].run_s);
		free(kept->points[i].launches);
	}
	free(kept->points);
	*kept = (struct lsb_kept){ 0 };
}

static int grow(struct lsb_kept_point *p)
{
	const size_t room = p->room ? p->room * 2 : 16;
	double *run_s = realloc(p->run_s, room * sizeof(*run_s));
	int64_t *launches;

	if (!run_s)
		return -1;
	p->run_s = run_s;
	launches = realloc(p->launches, room * sizeof(*launches));
	if (!launches)
		return -1;
	p->launches = launches;
	p->room = room;
	return 0;
}

int lsb_kept_note(struct lsb_kept *kept, size_t point, const json_t *line, struct lsb_error *err)
{
	struct lsb_kept_point *p = &kept->points[point];
	const char *status = json_string_value(json_object_get(line, "status"));
	const json_t *run_s = json_object_get(json_object_get(line, "metrics"), "run_s");

	if (!status || strcmp(status, "ok") != 0 || !json_is_number(run_s))
		return LSB_OK;
	if (p->n == p->room && grow(p))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu launches of a point", p->n);
	p->run_s[p->n] = json_number_value(run_s);
	p->launches[p->n++] = json_integer_value(json_object_get(line, "launch"));
	return LSB_OK;
}

/* A file that is not there was deleted before; one that cannot be is left to the user. */
void lsb_kept_prune(const struct lsb_kept *kept, size_t point, size_t left, const char *folder)
{
	const struct lsb_kept_point *p = &kept->points[point];
	const size_t stands = p->n ? lsb_median_member(p->run_s, p->n) : 0;

	for (size_t i = 0; i < p->n; i++) {
		char *path;

		if (i == stands || (left && lsb_may_be_median(p->run_s, p->n, i, left)))
			continue;
		path = lsb_format("%s/records/%lld.bin", folder, (long long)p->launches[i]);
		if (path)
			(void)unlink(path);
		free(path);
	}
}
