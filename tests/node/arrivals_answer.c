/* SPDX-License-Identifier: Apache-2.0 */
/* For arrivals_peer.py: arrivals_answer ARRIVALS SEED N prints N times in nanoseconds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "schedule/arrivals.h"

int main(int argc, char **argv)
{
	const size_t n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	uint64_t *times = calloc(n + 1, sizeof(*times));
	struct lsb_arrivals arrivals;
	struct lsb_error err = { 0 };

	if (!n || !times || lsb_arrivals_parse(argv[1], &arrivals, &err) ||
	    lsb_arrivals_times(&arrivals, NULL, strtoull(argv[2], NULL, 10), times, n, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < n; i++)
		printf("%" PRIu64 "\n", times[i]);
	free(times);
	return EXIT_SUCCESS;
}
