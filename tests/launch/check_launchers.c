/* SPDX-License-Identifier: Apache-2.0 */
/* Who starts whom, where: ranks by environment, processors over hosts, one launcher for what is compared. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"
#include "base/base.h"
#include "launch/choose.h"
#include "launch/dial.h"
#include "launch/world.h"

/* --- a made-up environment --- */

static const char *const (*variables)[2];

static const char *get(const char *name)
{
	for (size_t i = 0; variables && variables[i][0]; i++)
		if (strcmp(variables[i][0], name) == 0)
			return variables[i][1];
	return NULL;
}

static int find_world(const char *const (*list)[2], struct lsb_world_place *out)
{
	struct lsb_error err;

	variables = list;
	return lsb_world_find(get, out, &err);
}

START_TEST(rank_is_what_the_innermost_launcher_says)
{
	static const char *const nested[][2] = { { "SLURM_PROCID", "0" },
						 { "SLURM_STEP_NUM_TASKS", "1" },
						 { "OMPI_COMM_WORLD_RANK", "3" },
						 { "OMPI_COMM_WORLD_SIZE", "4" },
						 { 0 } };
	static const char *const mpich[][2] = { { "PMI_RANK", "1" }, { "PMI_SIZE", "2" }, { 0 } };
	static const char *const pmix[][2] = {
		{ "PMIX_RANK", "5" }, { "SLURM_PROCID", "4" }, { "SLURM_STEP_NUM_TASKS", "6" }, { 0 }
	};
	static const char *const batch[][2] = { { "SLURM_PROCID", "0" }, { "SLURM_NTASKS", "8" }, { 0 } };
	struct lsb_world_place place;

	ck_assert_int_eq(find_world(nested, &place), 0);
	ck_assert_int_eq(place.rank, 3);
	ck_assert_int_eq(place.size, 4);
	ck_assert_int_eq(find_world(mpich, &place), 0);
	ck_assert_int_eq(place.rank, 1);
	ck_assert_int_eq(find_world(pmix, &place), 0);
	ck_assert_int_eq(place.rank, 5);
	ck_assert_int_eq(find_world(batch, &place), LSB_EINVAL); /* a batch script is no rank */
}
END_TEST

START_TEST(senseless_worlds_are_refused)
{
	static const char *const sizes[] = { "0", "-1", "x", "", "99999999999", "3" };

	for (size_t i = 0; i < LSB_COUNT(sizes); i++) {
		const char *const list[][2] = { { "PMI_RANK", "3" }, { "PMI_SIZE", sizes[i] }, { 0 } };
		struct lsb_world_place place;

		ck_assert_int_eq(find_world(list, &place), LSB_EINVAL);
	}
}
END_TEST

START_TEST(auto_follows_allocation_mpi_and_hosts)
{
	static const char *const none[][2] = { { 0 } };
	static const char *const one[][2] = { { "SLURM_JOB_ID", "7" },
					      { "SLURM_JOB_NUM_NODES", "1" },
					      { 0 } };
	static const char *const two[][2] = { { "SLURM_JOB_ID", "7" },
					      { "SLURM_JOB_NUM_NODES", "2" },
					      { 0 } };

	const char *why;

	variables = none;
	ck_assert_str_eq(lsb_launcher_choose(0, 0, get, &why)->name, "local");
	ck_assert_str_eq(lsb_launcher_choose(1, 0, get, &why)->name, "mpirun");
	ck_assert_str_eq(lsb_launcher_choose(1, 1, get, &why)->name, "mpirun");
	ck_assert_str_eq(lsb_launcher_choose(0, 1, get, &why)->name, "ssh");
	variables = one;
	ck_assert_str_eq(lsb_launcher_choose(0, 0, get, &why)->name, "local");
	ck_assert_str_eq(lsb_launcher_choose(1, 0, get, &why)->name, "srun");
	variables = two;
	ck_assert_str_eq(lsb_launcher_choose(0, 0, get, &why)->name, "srun");
}
END_TEST

/* --- one launcher for what is compared --- */

/* Launchers of a suite's points, where points over transport mpi need MPI: "mpirun mpirun local". */
static void choose(const char *text, char *out, size_t bytes)
{
	static const char *const none[][2] = { { 0 } };
	const struct lsb_suite_request request = { .path = "t.ini" };
	struct lsb_diagnostics findings = { 0 };
	struct lsb_suite *suite;
	struct lsb_prepared p = { 0 };
	struct lsb_error err;
	size_t used = 0;
	const int rc = lsb_suite_parse(&request, text, strlen(text), &suite, &findings);

	lsb_diagnostics_print(&findings, stderr);
	lsb_diagnostics_free(&findings);
	ck_assert_int_eq(rc, 0);
	p.suite = suite;
	p.n_points = suite->n_points;
	p.points = calloc(p.n_points, sizeof(*p.points));
	for (size_t i = 0; i < p.n_points; i++) {
		p.points[i].point = &suite->points[i];
		p.points[i].needs_mpi =
			suite->points[i].nodes > 1 && strcmp(suite->points[i].transport.name, "mpi") == 0;
	}
	variables = none;
	ck_assert_int_eq(lsb_launchers_choose(&p, get, &err), 0);
	*out = '\0';
	for (size_t i = 0; i < p.n_points; i++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%s", i ? " " : "",
					 p.points[i].launcher->name);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}

#define HEAD "[suite]\nname = t\n[defaults]\nmodel = random:x\nprompts = 2\n"
#define HOSTS "[hosts two]\nlist = a, b\n"

static const struct {
	const char *text, *launchers;
} comparisons[] = {
	{ HEAD "[case a]\nsweep.nodes = 1, 2\n", "local local" },
	/* one swept value needs MPI: so do those it is compared with, its one-node baseline included */
	{ HEAD "[case a]\nnodes = 2\nsweep.transport = tcp, mpi\n", "mpirun mpirun" },
	{ HEAD "[case base]\nnodes = 1\n[case mpi]\nnodes = 2\ntransport = mpi\n", "mpirun mpirun" },
	/* and, over a shared baseline, another case */
	{ HEAD "[case base]\nnodes = 1\n[case mpi]\nnodes = 2\ntransport = mpi\n[case tcp]\nnodes = 2\n",
	  "mpirun mpirun mpirun" },
	/* cases of different questions are not compared */
	{ HEAD "[case mpi]\nnodes = 2\ntransport = mpi\n[case other]\nnodes = 2\nmax_new = 7\n",
	  "mpirun local" },
	/* unless the report compares them */
	{ HEAD
	  "[report]\ncompare = transport\n[case mpi]\nnodes = 2\ntransport = mpi\n[case tcp]\nnodes = 2\n",
	  "mpirun mpirun" },
	{ HEAD "[report]\ncompare = batch\n[case mpi]\nnodes = 2\ntransport = mpi\n[case tcp]\nnodes = 2\n",
	  "mpirun local" },
	/* a named launcher is everybody's who leaves it open, if it can do it */
	{ HEAD "[case base]\nnodes = 1\n[case b]\nnodes = 2\nlauncher = mpirun\n", "mpirun mpirun" },
	{ HEAD "[case a]\nsweep.nodes = 1, 2\n[case b : a]\nlauncher = mpirun\n",
	  "local local mpirun mpirun" },
	{ HEAD "[case a]\nnodes = 2\ntransport = mpi\n[case base]\nnodes = 1\nlauncher = local\n",
	  "mpirun local" },
	{ HEAD "[case a]\nhosts = two\nsweep.nodes = 1, 2\n" HOSTS, "ssh ssh" },
	{ HEAD "[case a]\nhosts = two\nnodes = 2\nsweep.transport = tcp, mpi\n" HOSTS, "mpirun mpirun" },
};

START_TEST(what_is_compared_has_one_launcher)
{
	char got[256];

	choose(comparisons[_i].text, got, sizeof(got));
	ck_assert_str_eq(got, comparisons[_i].launchers);
}
END_TEST

/* --- processors over hosts --- */

START_TEST(ranks_of_one_kernel_get_different_processors_whatever_their_hosts)
{
	uint32_t listed[] = { 0, 2, 1, 3 }, cpus[8];
	const struct lsb_machine m = { listed, 4, 2 };
	const struct lsb_seat same[] = { { &m, "k" }, { &m, "k" }, { &m, "k" } };
	const struct lsb_seat apart[] = { { &m, "k" }, { &m, "j" }, { &m, "k" } };
	int over;

	ck_assert_int_eq(lsb_place_seats(same, 2, 1, cpus, &over, NULL), 0);
	ck_assert_uint_eq(cpus[0], 0);
	ck_assert_uint_eq(cpus[1], 2);
	ck_assert_int_eq(over, 0);
	ck_assert_int_eq(lsb_place_seats(same, 3, 1, cpus, &over, NULL), 0);
	ck_assert_uint_eq(cpus[2], 1); /* a sibling: more threads than cores */
	ck_assert_int_eq(over, 1);
	ck_assert_int_eq(lsb_place_seats(apart, 3, 1, cpus, &over, NULL), 0);
	ck_assert_uint_eq(cpus[1], 0);
	ck_assert_uint_eq(cpus[2], 2);
	ck_assert_int_eq(over, 0);
	ck_assert_int_eq(lsb_place_seats(apart, 2, 4, cpus, &over, NULL), 0);
	ck_assert_int_eq(over, 1);
}
END_TEST

START_TEST(masks_that_overlap_are_shared_out)
{
	uint32_t a[] = { 0, 1 }, b[] = { 1, 2 }, c[] = { 5 }, cpus[3];
	const struct lsb_machine ma = { a, 2, 2 }, mb = { b, 2, 2 }, mc = { c, 1, 1 };
	const struct lsb_seat seats[] = { { &ma, "k" }, { &mb, "k" }, { &mc, "k" } };
	const struct lsb_seat twice[] = { { &mc, "k" }, { &mc, "k" } };
	int over;

	ck_assert_int_eq(lsb_place_seats(seats, 3, 1, cpus, &over, NULL), 0);
	ck_assert_uint_eq(cpus[0], 0);
	ck_assert_uint_eq(cpus[1], 1);
	ck_assert_uint_eq(cpus[2], 5);
	ck_assert_int_eq(over, 0);
	ck_assert_int_eq(lsb_place_seats(twice, 2, 1, cpus, &over, NULL), 0);
	ck_assert_int_eq(over, 1);
}
END_TEST

/* --- addresses --- */

START_TEST(addresses_are_found_by_number_network_interface_and_name)
{
	static const char *const ways[] = { "127.0.0.1", "127.0.0.0/8", "lo", "localhost" };
	char found[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT];
	struct lsb_error err;
	size_t n;

	for (size_t i = 0; i < LSB_COUNT(ways); i++) {
		int there = 0;

		ck_assert_msg(lsb_addresses_find(ways[i], found, &n, &err) == 0, "%s: %s", ways[i], err.msg);
		for (size_t k = 0; k < n; k++)
			there |= strcmp(found[k], "127.0.0.1") == 0;
		ck_assert_msg(there || strcmp(ways[i], "localhost") == 0, "%s", ways[i]);
		for (size_t k = 0; k < n; k++)
			ck_assert(lsb_address_is_loopback(found[k]));
	}
	ck_assert(lsb_address_is_here("127.0.0.1"));
	ck_assert(!lsb_address_is_here("203.0.113.77")); /* documentation's own, RFC 5737 */
}
END_TEST

START_TEST(addresses_that_are_not_here_are_refused_with_those_that_are)
{
	static const char *const ways[] = { "203.0.113.77", "203.0.113.0/24",
					    "nosuch0",	    "127.0.0.0/33",
					    "/8",	    "",
					    "::1/129",	    "lsbench-nosuch.invalid" };
	char found[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT];
	struct lsb_error err;
	size_t n;

	for (size_t i = 0; i < LSB_COUNT(ways); i++) {
		ck_assert_int_eq(lsb_addresses_find(ways[i], found, &n, &err), LSB_EINVAL);
		ck_assert_msg(strstr(err.msg, "127.0.0.1 on lo") != NULL, "%s", err.msg);
	}
}
END_TEST

/* --- dialling: what answers may not be the controller --- */

/* Answer one visitor after another as `deed` says, until killed. */
static void impersonate(int listener, int deed)
{
	static const uint8_t other[LSB_SECRET_BYTES] = { 9 }, challenge[LSB_CHALLENGE_BYTES];
	static const char http[] =
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		"0123456789012345";

	for (;;) {
		const int fd = accept(listener, NULL, NULL);
		uint8_t knock[LSB_KNOCK_BYTES], out[LSB_ANSWER_BYTES] = { 0 };
		struct lsb_door door;
		const char *why;
		size_t n = sizeof(out);

		if (deed == 0 || recv(fd, knock, sizeof(knock), MSG_WAITALL) != (ssize_t)sizeof(knock)) {
			close(fd);
			continue;
		}
		lsb_door_close(&door, other, challenge);
		(void)lsb_door_hear(&door, knock, sizeof(knock), out, &n, &why);
		if (deed == 1)
			memcpy(out, http, sizeof(out));
		else if (deed == 2)
			out[4] ^= 0x55;
		else if (deed == 3)
			memcpy(out, knock, sizeof(knock)); /* thrown back */
		if (send(fd, out, sizeof(out), MSG_NOSIGNAL) < 0)
			_exit(1);
		(void)recv(fd, knock, 1, 0);
		close(fd);
	}
}

static const char *const findings[] = { "hung up", "not lsbench", "protocol", "secret of this run",
					"secret of this run" };

START_TEST(impostors_are_found_and_every_address_is_told)
{
	static const uint8_t secret[LSB_SECRET_BYTES] = { 1, 2, 3 };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t bytes = sizeof(at);
	char addresses[96];
	struct lsb_error err = { 0 };
	int fd = -1, port;
	pid_t child;

	ck_assert_int_ge(sodium_init(), 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &bytes), 0);
	port = ntohs(at.sin_port);
	child = fork();
	if (child == 0)
		impersonate(listener, _i);
	close(listener);
	(void)snprintf(addresses, sizeof(addresses), "127.0.0.1:%d,[::1]:1,127.0.0.1:1", port);
	ck_assert_int_eq(lsb_dial(addresses, secret, 3, 4, 50, &fd, &err), LSB_EPEER);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_msg(strstr(err.msg, findings[_i]) != NULL, "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "rank 3"));
	ck_assert_ptr_nonnull(strstr(err.msg, "[::1]:1 ("));
	ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.1:1 (Connection refused)"));
}
END_TEST

START_TEST(lists_that_are_none_are_refused)
{
	static const char *const lists[] = { "",      ",",    "a",	     ":1",	   "a:",
					     "[::1]", "[]:1", "1.2.3.4:5,,", "x:123456789" };
	static const uint8_t secret[LSB_SECRET_BYTES];
	struct lsb_error err;
	int fd;

	for (size_t i = 0; i < LSB_COUNT(lists); i++)
		ck_assert_msg(lsb_dial(lists[i], secret, 0, 1, 0, &fd, &err) == LSB_EINVAL, "'%s'", lists[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launchers");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rank_is_what_the_innermost_launcher_says);
	tcase_add_test(tc, senseless_worlds_are_refused);
	tcase_add_test(tc, auto_follows_allocation_mpi_and_hosts);
	tcase_add_loop_test(tc, what_is_compared_has_one_launcher, 0, LSB_COUNT(comparisons));
	tcase_add_test(tc, ranks_of_one_kernel_get_different_processors_whatever_their_hosts);
	tcase_add_test(tc, masks_that_overlap_are_shared_out);
	tcase_add_test(tc, addresses_are_found_by_number_network_interface_and_name);
	tcase_add_test(tc, addresses_that_are_not_here_are_refused_with_those_that_are);
	tcase_add_loop_test(tc, impostors_are_found_and_every_address_is_told, 0, LSB_COUNT(findings));
	tcase_add_test(tc, lists_that_are_none_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
