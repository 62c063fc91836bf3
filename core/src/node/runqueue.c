/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedstat holds three numbers: nanoseconds on a core, nanoseconds ready to run
 * without one, and how often the thread was put on a core. All are 0 where the
 * kernel does not count. Source: kernel documentation, scheduler/sched-stats.
 */
#include "node/runqueue.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int read_thread(const char *folder, const char *id, uint64_t *ran_ns, uint64_t *waited_ns)
{
	char path[512];
	FILE *file;
	int n;

	if (snprintf(path, sizeof(path), "%s/%s/schedstat", folder, id) >= (int)sizeof(path))
		return -1;
	file = fopen(path, "re");
	if (!file)
		return -1; /* the thread has ended, or this kernel has none */
	n = fscanf(file, "%" SCNu64 " %" SCNu64, ran_ns, waited_ns);
	(void)fclose(file);
	return n == 2 ? 0 : -1;
}

void lsb_runqueue_read(const char *folder, struct lsb_runqueue *out)
{
	DIR *dir = opendir(folder);
	uint64_t counted = 0;

	out->n = 0;
	if (!dir)
		return;
	for (const struct dirent *entry = readdir(dir); entry && out->n < LSB_RUNQUEUE_THREADS_MAX;
	     entry = readdir(dir)) {
		char *end;
		const long id = strtol(entry->d_name, &end, 10);
		uint64_t ran_ns, waited_ns;

		if (end == entry->d_name || *end || read_thread(folder, entry->d_name, &ran_ns, &waited_ns))
			continue;
		out->threads[out->n].id = id;
		out->threads[out->n].ran_ns = ran_ns;
		out->threads[out->n++].waited_ns = waited_ns;
		counted += ran_ns;
	}
	(void)closedir(dir);
	if (counted == 0)
		out->n = 0;
}

double lsb_runqueue_between(const struct lsb_runqueue *from, const struct lsb_runqueue *to,
			    uint64_t elapsed_ns)
{
	uint64_t most_ran = 0, waited_of_most = 0, most_waited = 0;

	if (!from->n || !to->n)
		return -1;
	for (size_t i = 0; i < to->n; i++) {
		uint64_t ran = to->threads[i].ran_ns, waited = to->threads[i].waited_ns;

		for (size_t k = 0; k < from->n; k++)
			if (from->threads[k].id == to->threads[i].id && from->threads[k].ran_ns <= ran &&
			    from->threads[k].waited_ns <= waited) {
				ran -= from->threads[k].ran_ns;
				waited -= from->threads[k].waited_ns;
				break;
			}
		if (ran > most_ran) {
			most_ran = ran;
			waited_of_most = waited;
		}
		if (ran >= elapsed_ns / 10 && waited > most_waited)
			most_waited = waited;
	}
	return (double)(waited_of_most > most_waited ? waited_of_most : most_waited) * 1e-9;
}
