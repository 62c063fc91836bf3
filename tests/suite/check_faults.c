/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong suites: each finding word by word, since users and scripts read them. */
#include "parse.h"

#include <sys/stat.h>
#include <unistd.h>

#define HEAD "[defaults]\nmodel = m.gguf\n" /* lines 1 and 2 */

static const struct {
	const char *text, *found;
} faults[] = {
	{ "", "t.ini:1: nothing to run: the suite is empty\n" },
	{ "# only a comment\n", "t.ini:1: nothing to run: the suite is empty\n" },
	{ HEAD, "t.ini:1: nothing to run: the suite has no [case NAME]\n" },
	{ HEAD "nods = 1\n[case a]\n", "t.ini:3: unknown key 'nods' (did you mean 'nodes'?)\n" },
	{ HEAD "[case a]\nsweep.bach = 1, 2\n",
	  "t.ini:4: unknown key 'sweep.bach' (did you mean 'sweep.batch'?)\n" },
	{ HEAD "xyzzyplugh = 1\n[case a]\n", "t.ini:3: unknown key 'xyzzyplugh'\n" },
	{ HEAD "[case a]\nbatch = 1\nbatch = 2\n",
	  "t.ini:5: 'batch' is set twice in [case a] (first on line 4)\n" },
	{ HEAD "[case a]\n[case a]\n", "t.ini:4: [case a] appears twice (first on line 3)\n" },
	{ HEAD "[case a]\n[case a : b]\n[case b]\n",
	  "t.ini:4: case 'a' is defined twice (first on line 3)\n" },
	{ HEAD "[defaults]\n[case a]\n", "t.ini:3: [defaults] appears twice (first on line 1)\n" },
	{ HEAD "[csae a]\n[case b]\n", "t.ini:3: unknown section 'csae' (did you mean 'case'?)\n" },
	{ HEAD "[case a\nbatch = 1\n[case b]\n", "t.ini:3: missing ']' after '[case a'\n" },
	{ HEAD "[case a] batch = 1\n[case b]\n",
	  "t.ini:3: 'batch = 1' after ']': a section stands on a line of its own\n" },
	{ HEAD "[]\n[case b]\n", "t.ini:3: a section needs a name between '[' and ']'\n" },
	{ HEAD "[case]\n[case b]\n", "t.ini:3: [case] needs a name: [case NAME]\n" },
	{ HEAD "[defaults x]\n[case b]\n", "t.ini:3: [defaults] takes no name, found [defaults x]\n" },
	{ HEAD "[case a b]\n",
	  "t.ini:3: [case a b] is not [case NAME] or [case NAME : PARENT] (letters, digits, '-', '_')\n" },
	{ HEAD "[case backend]\n",
	  "t.ini:3: a case cannot be called 'backend': '--set backend.KEY' means another thing\n" },
	{ HEAD "[case a]\nbatch 1\n", "t.ini:4: missing '=' in 'batch 1'\n" },
	{ HEAD "[case a]\nbatch: 1\n", "t.ini:4: missing '=' in 'batch: 1'\n" },
	{ HEAD "[case a]\nbatch : x = 1\n",
	  "t.ini:4: the key 'batch : x ' has a ':' in it (write KEY = VALUE)\n" },
	{ HEAD "[case a]\n= 1\n", "t.ini:4: no key before '='\n" },
	{ HEAD "[case a]\nbatch ; = 1\n", "t.ini:4: missing '=' before the comment\n" },
	{ "batch = 1\n" HEAD "[case a]\n",
	  "t.ini:1: keys before the first section (put them under [defaults] or [case NAME])\n" },
	{ HEAD "[case a]\nbatch =\n", "t.ini:4: batch has no value\n" },
	{ HEAD "[case a]\nbatch = two\n", "t.ini:4: batch: 'two' is not a whole number\n" },
	{ HEAD "[case a]\nbatch = 1.5\n", "t.ini:4: batch: '1.5' is not a whole number\n" },
	{ HEAD "[case a]\nbatch = 0\n", "t.ini:4: batch = 0 is out of range (1 to 1024)\n" },
	{ HEAD "[case a]\nbatch = -1\n", "t.ini:4: batch = -1 is out of range (1 to 1024)\n" },
	{ HEAD "[case a]\nprompts = 99999999999999999999\n",
	  "t.ini:4: prompts: '99999999999999999999' is out of range\n" },
	{ HEAD "[case a]\ntop_p = 1.5\n", "t.ini:4: top_p = 1.5 is out of range (1e-06 to 1)\n" },
	{ HEAD "[case a]\ntemperature = nan\n", "t.ini:4: temperature: 'nan' is not a number\n" },
	{ HEAD "[case a]\nseed = -1\n", "t.ini:4: seed = -1 is negative\n" },
	{ HEAD "[case a]\ntimeout = 20\n",
	  "t.ini:4: timeout: '20' has no unit (write it like 20ms or 2s)\n" },
	{ HEAD "[case a]\ntimeout = 20parsecs\n",
	  "t.ini:4: timeout: '20parsecs' has an unknown unit 'parsecs' (write it like 20ms or 2s)\n" },
	{ HEAD "[case a]\ntimeout = 0\n", "t.ini:4: timeout = 0 is out of range (1ms to 168h)\n" },
	{ HEAD "[case a]\nstall_timeout = 1h\n",
	  "t.ini:4: stall_timeout is longer than timeout, so it would never be reached (set it at most as "
	  "long)\n" },
	{ HEAD "[case a]\nkind = stron\n", "t.ini:4: kind = stron is none of infer, strong, weak, batch, "
					   "replica, link (did you mean 'strong'?)\n" },
	{ HEAD "[case a]\nlauncher = kubernetes\n",
	  "t.ini:4: launcher = kubernetes is none of auto, local, mpirun, srun, ssh\n" },
	{ HEAD "[case a]\nlauncher = ssh\n",
	  "t.ini:4: launcher = ssh needs hosts = X and a section [hosts X]\n" },
	{ HEAD "[case a]\nsplit = 16+x\n",
	  "t.ini:4: split = 16+x is not a split (layers of each stage, as 16+14, or auto)\n" },
	{ HEAD "[case a]\nsplit = 16+14\n", "t.ini:4: split names 2 stages, the pipeline has 1\n" },
	{ HEAD "[case a]\nmodel = ${env:NONE}\n", "t.ini:4: model: the environment variable NONE is not set "
						  "(set it, or write ${env:NONE:-DEFAULT})\n" },
	{ HEAD "[case a]\nbatch = ${prompts}\nprompts = ${batch}\n",
	  "t.ini:4: batch: expression loop: batch <- prompts <- batch\n"
	  "t.ini:5: prompts: expression loop: prompts <- batch <- prompts\n" },
	{ HEAD "[case a]\nnodes = ${nodes}\n", "t.ini:4: nodes: expression loop: nodes <- nodes\n" },
	{ HEAD "[case a]\nbatch = ${bach}\n",
	  "t.ini:4: batch: unknown key 'bach' in an expression (did you mean 'batch'?)\n" },
	{ HEAD "[case a]\nbatch = ${= 1/0}\n", "t.ini:4: batch: division by zero\n" },
	{ HEAD "[case a]\nbatch = ${= 1\n", "t.ini:4: batch: missing '}' after '${= 1'\n" },
	{ HEAD "[case a]\nsweep.batch = 1,,2\n",
	  "t.ini:4: sweep.batch: the list '1,,2' has an empty item\n" },
	{ HEAD "[case a]\nsweep.batch = 1, 2, 1\n", "t.ini:4: sweep.batch: the list has '1' twice\n" },
	{ HEAD "[case a]\nsweep.batch = 1, x\n", "t.ini:4: batch: 'x' is not a whole number\n" },
	{ HEAD "[case a]\nsweep.reps = 1, 2\n",
	  "t.ini:4: 'reps' cannot be swept: it is not a factor of a point\n" },
	{ HEAD "[case a]\nbatch = 1\nsweep.batch = 1, 2\n",
	  "t.ini:5: 'batch' is set and swept in the same section\n" },
	{ HEAD "[case a]\nsweep.batch = 1, 2\nsweep.prompts = 1..${batch}\n",
	  "t.ini:5: sweep.prompts: sweep.prompts uses 'batch', which is swept itself\n" },
	{ HEAD "[case a]\nsweep.batch = 1..100\nsweep.prompts = 1..100\n",
	  "t.ini:3: too many points: with case 'a' the suite has more than 4096\n" },
	{ HEAD "[case a : b]\n[case c]\n", "t.ini:3: unknown parent 'b' (did you mean 'c'?)\n" },
	{ HEAD "[case a : pipelin]\n[case pipeline]\n",
	  "t.ini:3: unknown parent 'pipelin' (did you mean 'pipeline'?)\n" },
	{ HEAD "[case a : b]\n[case b : a]\n", "t.ini:3: the parents of case 'a' form a loop through 'b'\n"
					       "t.ini:4: the parents of case 'b' form a loop through 'a'\n" },
	{ HEAD "[case a]\nbaseline = pipelin\n[case pipeline]\n",
	  "t.ini:4: unknown baseline 'pipelin' (did you mean 'pipeline'?)\n" },
	{ HEAD "[case a]\nnodes = 3\nstages = 2\nreplicas = 2\n",
	  "t.ini:4: nodes = 3 is not stages x replicas = 2 x 2\n" },
	{ HEAD "[case a]\nnodes = 3\nstages = 2\n", "t.ini:4: nodes = 3 is not stages x replicas = 2 x 1\n" },
	{ HEAD "[case a]\nstages = 1000\nreplicas = 1000\n",
	  "t.ini:3: nodes = 1000000 is out of range (1 to 1024)\n" },
	{ HEAD "[case a]\nkind = weak\nnodes = 2\nprompts = 5\n",
	  "t.ini:6: kind = weak: prompts = 5 is not a multiple of nodes = 2 (write prompts = ${= "
	  "nodes*5})\n" },
	{ HEAD "[case a]\nkind = link\n",
	  "t.ini:3: kind = link measures between ranks: it needs nodes = 2 or more\n" },
	{ HEAD "[case a]\ndistinct = 20\n", "t.ini:4: distinct = 20 is more than prompts = 10\n" },
	{ HEAD "[case a]\nmax_reps = 3\n", "t.ini:4: max_reps = 3 is below reps = 10\n" },
	{ "[case a]\n", "t.ini:1: case 'a' has no model (write model = FILE.gguf under [defaults])\n" },
	{ HEAD "[case a]\norder = sequential\n[case b]\n",
	  "t.ini: case 'a' has order = sequential and case 'b' has order = interleaved: a suite has one "
	  "order\n" },
	{ HEAD "[case a]\ntransport = t/cp\n",
	  "t.ini:4: transport = t/cp is not a name (letters, digits, '-', '_', ':')\n" },
	{ HEAD "[case a]\ntransport = fault:\n", "t.ini:4: transport = fault: is not a plugin's name (small "
						 "letters, digits, '-'; WRAPPER:NAME for one in "
						 "another)\n" },
	{ HEAD "[case a]\ntransport.Wait = poll\n",
	  "t.ini:4: 'transport.Wait' names no option (small letters, digits, '_')\n" },
	{ HEAD "[transport x]\nPlugin = tcp\n[case a]\n",
	  "t.ini:4: 'Plugin' names no option (small letters, digits, '_')\n" },
	{ HEAD "[case a]\nhosts = x\n", "t.ini:4: unknown hosts 'x': there is no section [hosts x]\n" },
	{ HEAD "[hosts x]\nlist = a, -oProxyCommand\n[case a]\nhosts = x\n",
	  "t.ini:4: '-oProxyCommand' is not a host name\n" },
	{ HEAD "[hosts x]\nlist = a:0\n[case a]\nhosts = x\n",
	  "t.ini:4: host 'a' takes '0' ranks (1 to 1024)\n" },
	{ HEAD "[hosts x]\nlist = a\n[case a]\nhosts = x\nnodes = 2\n",
	  "t.ini:6: the hosts take 1 ranks, nodes = 2 (write NAME:N to place N ranks on a host)\n" },
	{ HEAD "[hosts x]\nlsit = a\n[case a]\n",
	  "t.ini:4: unknown key 'lsit' in [hosts x] (did you mean 'list'?)\n" },
	{ HEAD "[suite]\ntitel = x\n[case a]\n",
	  "t.ini:4: unknown key 'titel' in [suite] (did you mean 'title'?)\n" },
	{ HEAD "[gate]\nload = maybe\n[case a]\n",
	  "t.ini:4: load = maybe is none of ignore, mark, refuse\n" },
	{ HEAD "[report]\nnoise_floor = 2\n[case a]\n",
	  "t.ini:4: noise_floor = 2 is out of range (0 to 1)\n" },
};

START_TEST(a_fault_is_found_where_it_is_written)
{
	struct lsb_suite *suite;
	char *found = parse_bytes(faults[_i].text, strlen(faults[_i].text), NULL, 0, NULL, &suite);

	ck_assert_str_eq(found, faults[_i].found);
	free(found);
}
END_TEST

START_TEST(all_faults_are_told_at_once_in_the_order_of_lines)
{
	static const char text[] =
		"[defaults]\nmodel = m.gguf\nbatch = x\nnods = 2\n[case a : q]\ntimeout = 5\n"
		"[case b]\nkind = weka\nline\n";
	static const char *const sets[] = { "zz.batch=1", "reps=none" };
	struct lsb_suite *suite;
	char *found = parse_bytes(text, strlen(text), sets, 2, NULL, &suite);

	ck_assert_str_eq(found,
			 "t.ini:3: batch: 'x' is not a whole number\n"
			 "t.ini:4: unknown key 'nods' (did you mean 'nodes'?)\n"
			 "t.ini:5: unknown parent 'q' (did you mean 'b'?)\n"
			 "t.ini:8: kind = weka is none of infer, strong, weak, batch, replica, link (did you "
			 "mean 'weak'?)\n"
			 "t.ini:9: missing '=' in 'line'\n"
			 "--set zz.batch=1: unknown case 'zz'\n"
			 "--set reps=none: reps: 'none' is not a whole number\n");
	free(found);
}
END_TEST

static const struct {
	const char *set, *only, *found;
} overrides[] = {
	{ "batch", NULL, "--set batch: missing '=' (write --set KEY=VALUE or --set CASE.KEY=VALUE)\n" },
	{ "bach=2", NULL, "--set bach=2: unknown key 'bach' (did you mean 'batch'?)\n" },
	{ "pipline.batch=2", NULL,
	  "--set pipline.batch=2: unknown case 'pipline' (did you mean 'pipeline'?)\n" },
	{ "pipeline.batch=0", NULL, "--set pipeline.batch=0: batch = 0 is out of range (1 to 1024)\n" },
	{ "pipeline.sweep.reps=1,2", NULL,
	  "--set pipeline.sweep.reps=1,2: 'reps' cannot be swept: it is not a factor of a point\n" },
	{ "batch=1", "nothing*", "--only nothing*: matches no case and no point (cases: pipeline)\n" },
	{ "model=a\nb", NULL, "--set model=a\nb: the value of model has a control character\n" },
};

START_TEST(a_wrong_override_is_named)
{
	static const char text[] = HEAD "[case pipeline]\n";
	struct lsb_suite *suite;
	char *found = parse_bytes(text, strlen(text), &overrides[_i].set, 1, overrides[_i].only, &suite);

	ck_assert_str_eq(found, overrides[_i].found);
	free(found);
}
END_TEST

START_TEST(nul_bytes_are_refused)
{
	static const char text[] = HEAD "[case a]\nbatch = \0 1\n";
	struct lsb_suite *suite;
	char *found = parse_bytes(text, sizeof(text) - 1, NULL, 0, NULL, &suite);

	ck_assert_str_eq(found, "t.ini:4: a NUL byte: this is not a text file\n");
	free(found);
}
END_TEST

/* Only names of files are looked at, so empty files will do. */
START_TEST(an_unknown_plugin_is_a_finding)
{
	static const char text[] = HEAD "[transport slow]\nplugin = falt:tcp\n[case a]\ntransport = tpc\n"
					"[case b]\ntransport = slow\n[case c]\ntransport = fault:tcp\n";
	char folder[] = "/tmp/lsbench_names_XXXXXX", path[128];
	static const char *const files[] = { "backend-cpu", "transport-tcp", "transport-fault",
					     "workload-summarize" };
	struct lsb_suite_request request = { .path = "t.ini", .environment = test_environment };
	struct lsb_diagnostics d = { 0 };
	struct lsb_suite *suite;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	request.folders = folder;
	for (size_t i = 0; i < LSB_COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/lsbench-%s.so", folder, files[i]);
		fclose(fopen(path, "w"));
	}
	ck_assert_int_eq(lsb_suite_parse(&request, text, strlen(text), &suite, &d), LSB_ESUITE);
	for (size_t i = 0; i < LSB_COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/lsbench-%s.so", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
	ck_assert_uint_eq(d.n, 2);
	ck_assert_uint_eq(d.items[0].line, 4);
	ck_assert_str_eq(d.items[0].message, "unknown transport 'falt' (did you mean 'fault'?)");
	ck_assert_uint_eq(d.items[1].line, 6);
	ck_assert_str_eq(d.items[1].message, "unknown transport 'tpc' (did you mean 'tcp'?)");
	lsb_diagnostics_free(&d);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_finding)
{
	struct lsb_diagnostics d = { 0 };
	struct lsb_suite *suite;

	ck_assert_int_eq(lsb_suite_read("/nonexistent/s.ini", NULL, 0, NULL, &suite, &d), LSB_ESUITE);
	ck_assert_ptr_null(suite);
	ck_assert_str_eq(d.items[0].message, "cannot open '/nonexistent/s.ini': No such file or directory");
	lsb_diagnostics_free(&d);
	ck_assert_int_eq(lsb_suite_read("/", NULL, 0, NULL, &suite, &d), LSB_ESUITE);
	ck_assert_str_eq(d.items[0].message, "cannot read '/': it is a folder");
	lsb_diagnostics_free(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("faults");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, a_fault_is_found_where_it_is_written, 0, LSB_COUNT(faults));
	tcase_add_loop_test(tc, a_wrong_override_is_named, 0, LSB_COUNT(overrides));
	tcase_add_test(tc, all_faults_are_told_at_once_in_the_order_of_lines);
	tcase_add_test(tc, nul_bytes_are_refused);
	tcase_add_test(tc, an_unknown_plugin_is_a_finding);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_a_finding);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
