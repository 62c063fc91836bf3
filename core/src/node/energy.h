/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Energy that this machine's processors have used, as RAPL counts it. Most virtual
 * machines have no such counters, and most systems let only root read them: then
 * there is no figure.
 */
#ifndef LSB_ENERGY_H
#define LSB_ENERGY_H

#include <stddef.h>
#include <stdint.h>

enum { LSB_ENERGY_PACKAGES_MAX = 64 };
#define LSB_ENERGY_FOLDER "/sys/class/powercap"

/* The counters of all packages at one moment, in microjoules. */
struct lsb_energy {
	uint64_t used_uj[LSB_ENERGY_PACKAGES_MAX];
	uint64_t range_uj[LSB_ENERGY_PACKAGES_MAX]; /* a counter starts again at 0 beyond it */
	size_t n;				    /* 0: none can be read */
};

/* Read "intel-rapl:N" under `folder`: packages, not their parts. */
void lsb_energy_read(const char *folder, struct lsb_energy *out);

/* Joules between two moments, each counter starting again once at most; 0: not known. */
double lsb_energy_between(const struct lsb_energy *from, const struct lsb_energy *to);

#endif
