/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks elsewhere: what their agents tell, and what follows from all of it. Who
 * shares a host is seen, not believed from names: a host list may name one
 * machine twice, and a launcher place ranks as it likes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "launch/ranks.h"

enum { CPUS_MAX = 65536 };

/* The processors a rank may use, as placement.h orders them. */
static int take_machine(struct rank *r, const json_t *join, struct lsb_error *err)
{
	const json_t *cpus = json_object_get(join, "cpus");
	const json_int_t cores = json_integer_value(json_object_get(join, "cores"));
	const size_t n = json_array_size(cpus);

	if (n < 1 || n > CPUS_MAX || cores < 1 || (uint64_t)cores > n)
		return lsb_fail(err, LSB_EPEER, 0, "its agent lists %zu processors of %lld cores", n,
				(long long)cores);
	r->machine.cpus = calloc(n, sizeof(*r->machine.cpus));
	if (!r->machine.cpus)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for its %zu processors", n);
	r->machine.n_cpus = (uint32_t)n;
	r->machine.n_cores = (uint32_t)cores;
	for (size_t i = 0; i < n; i++) {
		const json_int_t cpu = json_integer_value(json_array_get(cpus, i));

		if (cpu < 0 || cpu >= CPUS_MAX)
			return lsb_fail(err, LSB_EPEER, 0, "its agent lists processor %lld", (long long)cpu);
		r->machine.cpus[i] = (uint32_t)cpu;
	}
	return LSB_OK;
}

static int check_program(const struct rank *r, const json_t *join, struct lsb_error *err)
{
	const char *version = json_string_value(json_object_get(join, "version"));
	const char *digest = json_string_value(json_object_get(join, "lsbench"));
	const char *own = json_string_value(json_object_get(r->launch->what->digests, "lsbench"));

	if (!version || strcmp(version, LSB_VERSION) != 0)
		return lsb_fail(err, LSB_EPEER, 0,
				"it is lsbench %.32s where the controller is %s: use one version everywhere",
				version ? version : "of an unknown version", LSB_VERSION);
	if (own && (!digest || strcmp(digest, own) != 0))
		return lsb_fail(
			err, LSB_EPEER, 0,
			"its lsbench %s is another build (sha256 %.12s) than the controller's (%.12s): "
			"install one file everywhere",
			version, digest ? digest : "unknown", own);
	return LSB_OK;
}

int rank_take_join(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *join = rank_parse(payload, length, "JOIN", err);
	struct lsb_error why = { 0 };
	int rc;

	if (!join)
		return LSB_EPEER;
	rank_copy_text(r->host, sizeof(r->host), json_string_value(json_object_get(join, "host")));
	rank_copy_text(r->boot_id, sizeof(r->boot_id), json_string_value(json_object_get(join, "boot_id")));
	rank_copy_text(r->place, sizeof(r->place), json_string_value(json_object_get(join, "place")));
	rc = take_machine(r, join, err);
	if (rc == LSB_OK && check_program(r, join, &why)) {
		cause_note(r->launch, r, CAUSE_STATEMENT, why.code, LOG_NONE, "rank %d on %s is refused: %s",
			   r->number, rank_host(r), why.msg);
		launch_end(r->launch, ENDING_FAILED);
	}
	json_decref(join);
	r->state = RANK_HELLO;
	return rc;
}

/* The file name of a path. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int rank_check_files(const struct rank *r, const json_t *files, struct lsb_error *err)
{
	json_t *known = json_object_get(r->launch->what->digests, "plugins"), *theirs, *ours;
	const char *their_path, *our_path;

	json_object_foreach((json_t *)(uintptr_t)files, their_path, theirs)
	{
		json_object_foreach(known, our_path, ours)
		{
			if (strcmp(base_name(their_path), base_name(our_path)) == 0 &&
			    !json_equal(theirs, ours))
				return lsb_fail(
					err, LSB_EPEER, 0,
					"its '%.200s' is another file (sha256 %.12s) than the one here "
					"(%.12s): install one everywhere",
					their_path, json_is_string(theirs) ? json_string_value(theirs) : "?",
					json_is_string(ours) ? json_string_value(ours) : "?");
		}
	}
	return LSB_OK;
}

int rank_take_ended(struct rank *r, const char *payload, size_t length, struct lsb_error *err)
{
	json_t *ended = rank_parse(payload, length, "ENDED", err);
	const json_int_t number = json_integer_value(json_object_get(ended, "signal"));

	if (!ended)
		return LSB_EPEER;
	r->ended = 1;
	r->how.si_code = number ? CLD_KILLED : CLD_EXITED;
	r->how.si_status = number > 0 && number < 128
				   ? (int)number
				   : (int)json_integer_value(json_object_get(ended, "status"));
	/* an end by force is no news: why it was needed is */
	if (!json_is_true(json_object_get(ended, "forced")))
		launch_judge_rank(r);
	json_decref(ended);
	rank_close_pipe(r); /* the agent waits for it */
	return LSB_OK;
}

/* Number the hosts in the order of their first ranks, and each host's ranks in their own. */
static void number_hosts(struct running *l)
{
	int32_t n = 0;

	for (int32_t i = 0; i < l->n; i++) {
		struct lsb_job *job = &l->jobs[i];
		int32_t first = 0;

		job->host_rank = 0;
		while (first < i && strcmp(l->ranks[first].place, l->ranks[i].place) != 0)
			first++;
		job->host = first < i ? l->jobs[first].host : n++;
		for (int32_t k = first; k < i; k++)
			job->host_rank += l->jobs[k].host == job->host;
	}
	for (int32_t i = 0; i < l->n; i++) {
		l->jobs[i].host_count = n;
		l->jobs[i].host_size = 0;
		for (int32_t k = 0; k < l->n; k++)
			l->jobs[i].host_size += l->jobs[k].host == l->jobs[i].host;
	}
}

int launch_place(struct running *l, struct lsb_error *err)
{
	static char loopback[] = "127.0.0.1", anywhere[] = "*";
	const struct lsb_site *site = l->what->site;
	const uint32_t threads = l->jobs[0].threads;
	struct lsb_seat *seats = calloc((size_t)l->n, sizeof(*seats));
	struct lsb_identity here;
	int rc = LSB_OK;

	lsb_identity_tell(&here);
	l->cpus = calloc((size_t)l->n * threads, sizeof(*l->cpus));
	if (!seats || !l->cpus) {
		free(seats);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to place %d ranks", l->n);
	}
	for (int32_t i = 0; i < l->n; i++)
		seats[i] = (struct lsb_seat){ .machine = &l->ranks[i].machine, .owner = l->ranks[i].boot_id };
	rc = lsb_place_seats(seats, (uint32_t)l->n, threads, l->cpus, &l->oversubscribed, err);
	number_hosts(l);
	for (int32_t i = 0; i < l->n; i++) {
		struct lsb_job *job = &l->jobs[i];

		if (strcmp(l->ranks[i].boot_id, here.boot_id) != 0)
			job->files = NULL; /* the results folder is not there */
		job->n_cpus = threads;
		job->cpus = l->cpus + (size_t)i * threads;
		job->is_remote = 1;
		if (job->host_count > 1)
			job->bind_address = site && site->network ? site->network : anywhere;
		else
			job->bind_address = loopback;
	}
	free(seats);
	return rc;
}
