/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/loggp.h"

#include <math.h>

static size_t count_sizes(const struct lsb_loggp_sample *samples, size_t n)
{
	size_t different = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < i && samples[k].bytes != samples[i].bytes)
			k++;
		different += k == i;
	}
	return different;
}

int lsb_loggp_fit(const struct lsb_loggp_sample *samples, size_t n, struct lsb_loggp *out)
{
	const struct lsb_loggp_sample *smallest = samples;
	double w = 0, wx = 0, wxx = 0, wy = 0, wxy = 0, determinant, squares = 0;

	*out = (struct lsb_loggp){ 0 };
	for (size_t i = 0; i < n; i++)
		if (!(samples[i].latency_s > 0) || !(samples[i].bytes >= 1))
			return -1;
	if (count_sizes(samples, n) < 3)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const double x = samples[i].bytes - 1, y = samples[i].latency_s, weight = 1 / (y * y);

		w += weight;
		wx += weight * x;
		wxx += weight * x * x;
		wy += weight * y;
		wxy += weight * x * y;
		if (samples[i].bytes < smallest->bytes)
			smallest = &samples[i];
	}
	determinant = w * wxx - wx * wx;
	if (!(determinant > 0))
		return -1;
	out->start_s = (wxx * wy - wx * wxy) / determinant;
	out->gap_per_byte_s = (w * wxy - wx * wy) / determinant;
	for (size_t i = 0; i < n; i++) {
		const double fitted = out->start_s + (samples[i].bytes - 1) * out->gap_per_byte_s;
		const double error = (fitted - samples[i].latency_s) / samples[i].latency_s;

		squares += error * error;
	}
	out->residual = sqrt(squares / (double)n);
	out->overhead_s = smallest->send_s;
	out->gap_s = smallest->messages_per_s > 0 ? 1 / smallest->messages_per_s : 0;
	out->latency_s = fmax(out->start_s - 2 * out->overhead_s, 0);
	return 0;
}
