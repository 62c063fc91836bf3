/* SPDX-License-Identifier: Apache-2.0 */
/* Old and new tables, chains, and names that are not there. */
#include "fixture.h"

#include <dlfcn.h>

#include "base/base.h"
#include "plugin/loader.h"

static const char folder[] = LSB_FIXTURES "/good";
static struct lsb_error err;

static struct lsb_loaded *load(const char *name)
{
	struct lsb_loaded *l = NULL;
	const int rc = lsb_plugin_load(LSB_TRANSPORT, name, folder, &l, &err);

	ck_assert_msg(rc == LSB_OK, "%s", err.msg);
	return l;
}

static const char *const versions[] = { "old", "older", "newer" };

START_TEST(plugins_of_other_versions_load_and_run)
{
	struct lsb_loaded *l = load(versions[_i]);
	const struct lsb_transport_ops *ops = &l->ops.transport;
	const struct lsb_world world = { .struct_size = sizeof(world),
					 .size = 2,
					 .bind_address = "127.0.0.1" };
	char address[LSB_ADDRESS_MAX];
	size_t bytes = sizeof(address);
	uint64_t now, peak;
	struct lsb_transport *t;

	ck_assert_ptr_eq(l->plugin.ops.transport, ops);
	ck_assert_uint_eq(l->plugin.struct_size, sizeof(l->plugin));
	ck_assert_uint_eq(ops->struct_size, sizeof(*ops));
	ck_assert(ops->buf_register == NULL);
	ck_assert(ops->counters == NULL);
	ck_assert(l->plugin.self_test == NULL);
	ck_assert_int_eq(lsb_loaded_configure(l, NULL, 0, NULL, &err), LSB_OK);
	ck_assert_int_eq(ops->open(&l->host, l->options, &world, &t, &err), LSB_OK);
	lsb_host_memory(&now, &peak);
	ck_assert_uint_gt(now, 0);
	ck_assert_uint_ge(peak, now);
	ck_assert_int_eq(ops->address(t, address, &bytes, &err), LSB_OK);
	ck_assert_uint_eq(bytes, 4);
	ops->close(t);
	lsb_host_memory(&now, &peak);
	ck_assert_uint_eq(now, 0);
	lsb_loaded_free(l);
}
END_TEST

START_TEST(files_of_a_rank_lie_beside_its_log_and_nowhere_else)
{
	static const char *const wrong[] = { "", ".", "../x", "a/b", "a b", "x\ny" };
	struct lsb_loaded *l = load("old");
	char path[256];

	ck_assert_int_eq(l->host.file_path(l->host.context, "a.json", path, sizeof(path), &err),
			 LSB_EUNAVAIL);
	ck_assert_int_eq(lsb_host_set_files(LSB_BINARY_DIR "/7.1"), LSB_OK);
	ck_assert_int_eq(l->host.file_path(l->host.context, "a.json", path, sizeof(path), &err), LSB_OK);
	ck_assert_str_eq(path, LSB_BINARY_DIR "/7.1.a.json");
	ck_assert_int_eq(
		l->host.file_path(l->host.context, "a.json", path, sizeof(LSB_BINARY_DIR "/7.1"), &err),
		LSB_EINVAL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_int_eq(l->host.file_path(l->host.context, wrong[i], path, sizeof(path), &err),
				 LSB_EINVAL);
	ck_assert_int_eq(lsb_host_set_files("/no/such/folder/7.1"), LSB_OK);
	ck_assert_int_eq(l->host.file_path(l->host.context, "a.json", path, sizeof(path), &err),
			 LSB_EUNAVAIL);
	ck_assert_int_eq(lsb_host_set_files(NULL), LSB_OK);
	lsb_loaded_free(l);
}
END_TEST

START_TEST(each_link_of_a_chain_wraps_the_next)
{
	struct lsb_loaded *l = load("wrap:wrap2:wrap:old");
	const struct lsb_world world = { .struct_size = sizeof(world),
					 .size = 2,
					 .bind_address = "127.0.0.1" };
	char address[LSB_ADDRESS_MAX + 1];
	size_t bytes = LSB_ADDRESS_MAX;
	struct lsb_transport *t;

	ck_assert_int_eq(lsb_loaded_configure(l, NULL, 0, NULL, &err), LSB_OK);
	ck_assert_int_eq(l->ops.transport.open(&l->host, l->options, &world, &t, &err), LSB_OK);
	ck_assert_int_eq(l->ops.transport.address(t, address, &bytes, &err), LSB_OK);
	address[bytes] = '\0';
	ck_assert_str_eq(address, "wrap(wrap2(wrap(idle)))");
	l->ops.transport.close(t);
	lsb_loaded_free(l);
}
END_TEST

START_TEST(an_option_goes_to_the_first_of_the_chain_that_knows_it)
{
	const struct lsb_setting settings[] = { { "size", "64KiB", "s.ini:4" },
						{ "label", "here", "s.ini:5" },
						{ "depth", "3", NULL } };
	struct {
		int64_t depth;
		uint64_t size;
	} wrap;
	struct {
		uint64_t size;
		const char *label;
	} old;
	struct lsb_loaded *l = load("wrap:old");

	ck_assert_int_eq(lsb_loaded_configure(l, settings, LSB_COUNT(settings), NULL, &err), LSB_OK);
	memcpy(&wrap, l->options, sizeof(wrap));
	memcpy(&old, l->inner->options, sizeof(old));
	ck_assert_int_eq(wrap.depth, 3);
	ck_assert_uint_eq(wrap.size, 65536);
	ck_assert_uint_eq(old.size, 4096);
	ck_assert_str_eq(old.label, "here");
	lsb_loaded_free(l);
}
END_TEST

START_TEST(an_unknown_option_names_the_nearest_and_its_line)
{
	const struct lsb_setting setting = { "lable", "x", "suite.ini:12" };
	struct lsb_loaded *l = load("wrap:old");

	ck_assert_int_eq(lsb_loaded_configure(l, &setting, 1, NULL, &err), LSB_ESUITE);
	ck_assert_str_eq(err.msg,
			 "suite.ini:12: transport 'wrap' has no option 'lable' (did you mean 'label'?); "
			 "'lsbench describe transport-wrap' lists them");
	lsb_loaded_free(l);
}
END_TEST

START_TEST(a_plugin_that_asks_for_it_becomes_global_and_no_other_does)
{
	struct lsb_loaded *old = load("old"), *wrap;

	ck_assert_ptr_null(dlsym(RTLD_DEFAULT, LSB_PLUGIN_SYMBOL));
	wrap = load("wrap:old");
	ck_assert_ptr_nonnull(dlsym(RTLD_DEFAULT, LSB_PLUGIN_SYMBOL));
	lsb_loaded_free(old);
	lsb_loaded_free(wrap);
}
END_TEST

static const struct {
	const char *name, *message;
} wrong[] = {
	{ "odl", "no transport 'odl' (did you mean 'old'?): there is no file lsbench-transport-odl.so in "
		 "/nowhere:" LSB_FIXTURES "/good" },
	{ "nothing-like-it", "no transport 'nothing-like-it': there is no file "
			     "lsbench-transport-nothing-like-it.so in /nowhere:" LSB_FIXTURES "/good" },
	{ "wrap", "transport 'wrap' only wraps another: write wrap:NAME" },
	{ "old:older", "transport 'old' wraps no other: 'older' cannot stand behind it" },
	{ "../old", "'../old' is not the name of a transport, wanted [a-z0-9-]+, or up to 4 of them as in "
		    "fault:tcp" },
	{ "wrap::old",
	  "'wrap::old' is not the name of a transport, wanted [a-z0-9-]+, or up to 4 of them as in "
	  "fault:tcp" },
	{ "", "'' is not the name of a transport, wanted [a-z0-9-]+, or up to 4 of them as in fault:tcp" },
	{ "wrap:wrap:wrap:wrap:old",
	  "'wrap:wrap:wrap:wrap:old' is not the name of a transport, wanted [a-z0-9-]+, "
	  "or up to 4 of them as in fault:tcp" },
};

START_TEST(a_wrong_name_says_what_is_wrong)
{
	struct lsb_loaded *l;

	ck_assert_int_eq(
		lsb_plugin_load(LSB_TRANSPORT, wrong[_i].name, "/nowhere:" LSB_FIXTURES "/good", &l, &err),
		LSB_EPLUGIN);
	ck_assert_str_eq(err.msg, wrong[_i].message);
}
END_TEST

START_TEST(the_first_folder_wins)
{
	struct lsb_loaded *l;

	ck_assert_int_eq(
		lsb_plugin_load(LSB_WORKLOAD, "small", "::/nowhere:" LSB_FIXTURES "/good:/tmp", &l, &err),
		LSB_OK);
	ck_assert_str_eq(l->path, LSB_FIXTURES "/good/lsbench-workload-small.so");
	lsb_loaded_free(l);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = tcase_create("versions");

	tcase_add_loop_test(tc, plugins_of_other_versions_load_and_run, 0, LSB_COUNT(versions));
	tcase_add_test(tc, files_of_a_rank_lie_beside_its_log_and_nowhere_else);
	tcase_add_test(tc, each_link_of_a_chain_wraps_the_next);
	tcase_add_test(tc, an_option_goes_to_the_first_of_the_chain_that_knows_it);
	tcase_add_test(tc, an_unknown_option_names_the_nearest_and_its_line);
	tcase_add_test(tc, a_plugin_that_asks_for_it_becomes_global_and_no_other_does);
	tcase_add_loop_test(tc, a_wrong_name_says_what_is_wrong, 0, LSB_COUNT(wrong));
	tcase_add_test(tc, the_first_folder_wins);
	return fixture_main(argc, argv, "versions", tc);
}
