/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a data set: refused, or items that have a text each, whole or shortened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The built-in collection is not what is tried. */
const char lsb_articles[] = "";
const size_t lsb_articles_bytes = 0;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;
	struct lsb_error err = { 0 };
	struct lsb_dataset set;
	size_t before, n_long;
	int rc;

	if (!file)
		return 0;
	rc = lsb_dataset_read(&set, file, "f.jsonl", &err);
	fclose(file);
	if ((rc == 0) != (set.n > 0) || (rc != 0) != (err.msg[0] != '\0'))
		abort();
	for (size_t i = 0; i < set.n; i++)
		if (!set.items[i].id || (!set.items[i].article && !set.items[i].reference))
			abort();
	before = set.n;
	n_long = lsb_dataset_shorten(&set, 2, size % 2);
	if (set.n != before - (size % 2 ? n_long : 0))
		abort();
	lsb_dataset_close(&set);
	return 0;
}
