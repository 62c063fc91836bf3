/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/loggp.h"

#include <math.h>
#include <stdlib.h>

/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/loggp.h"

#include <math.h>
#include <stdlib.h>

static int has_three_different(const struct lsb_line_sample *samples, size_t n)
{
	size_t other = 0; /* the first that is not samples[0] */

	for (size_t i = 1; i < n; i++) {
		if (other && samples[i].x != samples[other].x && samples[i].x != samples[0].x)
			return 1;
		if (!other && samples[i].x != samples[0].x)
			other = i;
	}
	return 0;
}

int lsb_line_fit(const struct lsb_line_sample *samples, size_t n, struct lsb_line *out)
{
	double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0, determinant, squares = 0;

	*out = (struct lsb_line){ 0 };
	for (size_t i = 0; i < n; i++) {
		const double x = samples[i].x, y = samples[i].y, weight = 1 / (y * y);

		if (!(y > 0) || !(x >= 0))
			return -1;
		w += weight;
		wx += weight * x;
		wxx += weight * x * x;
		wy += weight * y;
		wxy += weight * x * y;
	}
	determinant = w * wxx - wx * wx;
	if (!has_three_different(samples, n) || !(determinant > 0))
		return -1;
	out->start = (wxx * wy - wx * wxy) / determinant;
	out->slope = (w * wxy - wx * wy) / determinant;
	for (size_t i = 0; i < n; i++) {
		const double error = (out->start + samples[i].x * out->slope - samples[i].y) / samples[i].y;

		squares += error * error;
	}
	out->residual = sqrt(squares / (double)n);
	return 0;
}

int lsb_loggp_fit(const struct lsb_loggp_sample *samples, size_t n, struct lsb_loggp *out)
{
	const struct lsb_loggp_sample *smallest = samples;
	struct lsb_line_sample *points = calloc(n + 1, sizeof(*points));
	struct lsb_line line;
	int rc = points ? 0 : -1;

	*out = (struct lsb_loggp){ 0 };
	for (size_t i = 0; rc == 0 && i < n; i++) {
		points[i] = (struct lsb_line_sample){ samples[i].bytes - 1, samples[i].latency_s };
		if (samples[i].bytes < smallest->bytes)
			smallest = &samples[i];
	}
	rc = rc ? rc : lsb_line_fit(points, n, &line);
	free(points);
	if (rc)
		return -1;
	out->start_s = line.start;
	out->gap_per_byte_s = line.slope;
	out->residual = line.residual;
	out->overhead_s = smallest->send_s;
	out->gap_s = smallest->messages_per_s > 0 ? 1 / smallest->messages_per_s : 0;
	out->latency_s = fmax(out->start_s - 2 * out->overhead_s, 0);
	return 0;
}
