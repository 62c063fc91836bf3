/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are wrong: each is refused with a message that names the file and
 * what is wrong with it, in bounded memory.
 */
#include <check.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gguf_writer.h"
#include "model.h"
#include "scratch.h"

#define RAW(w, key, text) gguf_writer_raw(w, key, text, sizeof(text) - 1)

/* One function for each wrong file, then a table of them. */
#define X(name, fragment, ...)                                                                               \
	static void make_##name(struct gguf_writer *w)                                                       \
	{                                                                                                    \
		__VA_ARGS__;                                                                                 \
	}
#include "bad_headers.def"
#undef X

#define X(name, fragment, ...) { #name, fragment, make_##name },
static const struct {
	const char *name, *fragment;
	void (*make)(struct gguf_writer *w);
} wrong[] = {
#include "bad_headers.def"
};
#undef X

enum { N_WRONG = sizeof(wrong) / sizeof(wrong[0]) };

static const char *path;

static void set_up(void)
{
	path = scratch_make();
}

static void tear_down(void)
{
	scratch_remove();
}

static void expect_refused(const char *what, const char *fragment)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;
	const int rc = lsb_model_open(path, &m, &err);

	ck_assert_msg(rc == LSB_EMODEL && err.code == LSB_EMODEL && !m, "%s: status %d: %s", what, rc,
		      err.msg);
	ck_assert_msg(!strncmp(err.msg, "model: ", 7) && strstr(err.msg, path), "%s: %s", what, err.msg);
	ck_assert_msg(strstr(err.msg, fragment) != NULL, "%s: '%s' is not in: %s", what, fragment, err.msg);
}

START_TEST(wrong_model_is_refused_and_says_why)
{
	struct gguf_writer w;
	size_t bytes, header;
	uint8_t *image;

	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
	wrong[_i].make(&w);
	image = gguf_writer_build(&w, &bytes, &header);
	gguf_writer_save(path, image, bytes);
	expect_refused(wrong[_i].name, wrong[_i].fragment);
	free(image);
	gguf_writer_free(&w);
}
END_TEST

/* A valid file, then cut from its end to its beginning. */
START_TEST(file_cut_at_any_byte_is_refused)
{
	struct gguf_writer w;
	size_t bytes, header;
	uint8_t *image;

	gguf_writer_llama(&w, LSB_TYPE_Q4_1);
	gguf_writer_bool(&w, "general.flag", 1);
	image = gguf_writer_build(&w, &bytes, &header);
	gguf_writer_save(path, image, bytes);
	for (size_t n = bytes - 1; n + 1 > 0; n -= n > header ? 97 : 1) {
		char what[32];

		if (n > header && n - header < 97)
			n = header;
		snprintf(what, sizeof(what), "%zu bytes", n);
		ck_assert_int_eq(truncate(path, (off_t)n), 0);
		expect_refused(what, n < header ? "cut short" : "e");
	}
	free(image);
	gguf_writer_free(&w);
}
END_TEST

/* Every byte of the header in turn is set to values that hurt: refused or not, but never worse. */
START_TEST(header_with_any_byte_changed_does_no_harm)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct gguf_writer w;
	size_t bytes, header, opened = 0;
	uint8_t *image;

	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
	image = gguf_writer_build(&w, &bytes, &header);
	gguf_writer_save(path, image, bytes);
	for (size_t i = 0; i < header; i++) {
		for (size_t k = 0; k < sizeof(values); k++) {
			struct lsb_error err = { 0 };
			struct lsb_model *m = NULL;
			FILE *f = fopen(path, "r+b");
			int rc;

			fseek(f, (long)i, SEEK_SET);
			fputc(values[k], f);
			fclose(f);
			rc = lsb_model_open(path, &m, &err);
			ck_assert(rc == LSB_OK || (rc == LSB_EMODEL && !strncmp(err.msg, "model: ", 7)));
			opened += rc == LSB_OK;
			lsb_model_close(m);
			f = fopen(path, "r+b");
			fseek(f, (long)i, SEEK_SET);
			fputc(image[i], f);
			fclose(f);
		}
	}
	ck_assert_uint_gt(opened, 0); /* a token's letter does not matter */
	free(image);
	gguf_writer_free(&w);
}
END_TEST

/* --- memory: under a limit of 64 MiB above what the process has ----------------------- */

/* Sanitizers reserve terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static void limit_memory(void)
{
#if !SANITIZED
	unsigned long pages = 0;
	struct rlimit limit;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (64u << 20);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

/* A sparse file of 8 GiB whose header is followed by zeros: whatever is promised seems to be there. */
static void save_with_hole(struct gguf_writer *w)
{
	size_t bytes, header;
	uint8_t *image = gguf_writer_build(w, &bytes, &header);

	gguf_writer_save(path, image, header);
	ck_assert_int_eq(truncate(path, (off_t)8 << 30), 0);
	free(image);
	gguf_writer_free(w);
}

START_TEST(endless_array_of_strings_takes_bounded_memory)
{
	struct gguf_writer w;

	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
	w.n_tensors = 0;
	gguf_writer_array(&w, "x", 8, UINT64_C(1) << 29, "", 0);
	save_with_hole(&w);
	limit_memory();
	expect_refused("strings", "the header is longer than");
}
END_TEST

START_TEST(endless_array_of_numbers_takes_bounded_memory)
{
	struct gguf_writer w;

	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
	w.n_tensors = 0;
	gguf_writer_array(&w, "x", 0, UINT64_C(1) << 32, "", 0);
	save_with_hole(&w);
	limit_memory();
	expect_refused("numbers", "the header is longer than");
}
END_TEST

START_TEST(string_of_a_gibibyte_takes_bounded_memory)
{
	struct gguf_writer w;

	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
	w.n_tensors = 0;
	RAW(&w, "x", "\x08\0\0\0\0\0\0\x40\0\0\0\0");
	save_with_hole(&w);
	limit_memory();
	expect_refused("string", "key 'x' says it is");
}
END_TEST

/* --- things that are no model ----------------------------------------------------------- */

START_TEST(empty_file_is_refused)
{
	gguf_writer_save(path, "", 0);
	expect_refused("empty", "cut short");
}
END_TEST

START_TEST(fifo_is_refused_without_waiting)
{
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refused("fifo", "not a regular file");
}
END_TEST

START_TEST(folder_is_refused)
{
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_refused("folder", "not a regular file");
	rmdir(path);
}
END_TEST

START_TEST(missing_file_is_the_models_fault)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;

	unlink(path);
	ck_assert_int_eq(lsb_model_open(path, &m, &err), LSB_EMODEL);
	ck_assert(strstr(err.msg, "model: cannot open") && strstr(err.msg, "No such file"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bad_gguf");
	TCase *tc = tcase_create("refused");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, wrong_model_is_refused_and_says_why, 0, N_WRONG);
	tcase_add_test(tc, file_cut_at_any_byte_is_refused);
	tcase_add_test(tc, header_with_any_byte_changed_does_no_harm);
	tcase_add_test(tc, endless_array_of_strings_takes_bounded_memory);
	tcase_add_test(tc, endless_array_of_numbers_takes_bounded_memory);
	tcase_add_test(tc, string_of_a_gibibyte_takes_bounded_memory);
	tcase_add_test(tc, empty_file_is_refused);
	tcase_add_test(tc, fifo_is_refused_without_waiting);
	tcase_add_test(tc, folder_is_refused);
	tcase_add_test(tc, missing_file_is_the_models_fault);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
