/* SPDX-License-Identifier: Apache-2.0 */
#include "node/energy.h"

#include <inttypes.h>
#include <stdio.h>

/* One number from FOLDER/intel-rapl:PACKAGE/NAME; 0, or -1 when it cannot be read. */
static int read_counter(const char *folder, size_t package, const char *name, uint64_t *value)
{
	char path[256];
	FILE *file;
	int n;

	if (snprintf(path, sizeof(path), "%s/intel-rapl:%zu/%s", folder, package, name) >= (int)sizeof(path))
		return -1;
	file = fopen(path, "re");
	if (!file)
		return -1;
	n = fscanf(file, "%" SCNu64, value);
	(void)fclose(file);
	return n == 1 ? 0 : -1;
}

void lsb_energy_read(const char *folder, struct lsb_energy *out)
{
	*out = (struct lsb_energy){ 0 };
	while (out->n < LSB_ENERGY_PACKAGES_MAX &&
	       read_counter(folder, out->n, "energy_uj", &out->used_uj[out->n]) == 0 &&
	       read_counter(folder, out->n, "max_energy_range_uj", &out->range_uj[out->n]) == 0)
		out->n++;
}

double lsb_energy_between(const struct lsb_energy *from, const struct lsb_energy *to)
{
	double joules = 0;

	if (from->n != to->n)
		return 0;
	for (size_t i = 0; i < from->n; i++) {
		const uint64_t a = from->used_uj[i], b = to->used_uj[i];

		joules += (double)(b >= a ? b - a : to->range_uj[i] - a + b) * 1e-6;
	}
	return joules;
}
