/* SPDX-License-Identifier: Apache-2.0 */
/* The proof that goes before frames: who is let in, who is not, and what a stranger learns. */
#include <check.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/agent.h"
#include "launch/secret.h"
#include "wire/frame.h"
#include "wire/handshake.h"

static uint8_t secret[LSB_SECRET_BYTES], other[LSB_SECRET_BYTES], challenge[LSB_CHALLENGE_BYTES];

static void set_up(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	randombytes_buf(secret, sizeof(secret));
	randombytes_buf(other, sizeof(other));
	randombytes_buf(challenge, sizeof(challenge));
}

static void make_knock(int32_t rank, int32_t size, uint8_t out[LSB_KNOCK_BYTES])
{
	struct lsb_knock k = { .rank = rank, .size = size };

	randombytes_buf(k.challenge, sizeof(k.challenge));
	lsb_knock_format(&k, out);
}

/* One visit with `mine` against a door of `secret`, `piece` bytes at a time; what the door said last. */
static enum lsb_door_says visit(struct lsb_door *d, const uint8_t *mine, size_t piece)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES];
	enum lsb_door_says says = LSB_DOOR_WAITS;
	const char *why;
	size_t n = 0;

	lsb_door_close(d, secret, challenge);
	make_knock(3, 7, knock);
	for (size_t i = 0; i < sizeof(knock); i += piece)
		says = lsb_door_hear(d, knock + i, piece < sizeof(knock) - i ? piece : sizeof(knock) - i,
				     answer, &n, &why);
	ck_assert_int_eq(says, LSB_DOOR_SPEAKS);
	ck_assert_uint_eq(n, LSB_ANSWER_BYTES);
	if (lsb_knock_prove(mine, knock, answer, proof, NULL))
		randombytes_buf(proof, sizeof(proof)); /* he tries his luck */
	for (size_t i = 0; i < sizeof(proof); i += piece)
		says = lsb_door_hear(d, proof + i, piece < sizeof(proof) - i ? piece : sizeof(proof) - i,
				     answer, &n, &why);
	return says;
}

START_TEST(right_secret_opens_the_door_whatever_the_pieces)
{
	static const size_t pieces[] = { 1, 3, 17, 48 };

	for (size_t i = 0; i < LSB_COUNT(pieces); i++) {
		struct lsb_door d;

		ck_assert_int_eq(visit(&d, secret, pieces[i]), LSB_DOOR_OPENS);
		ck_assert_int_eq(d.visitor.rank, 3);
		ck_assert_int_eq(d.visitor.size, 7);
		ck_assert(sodium_is_zero(d.secret, sizeof(d.secret))); /* no longer kept */
	}
}
END_TEST

START_TEST(wrong_and_empty_secrets_do_not)
{
	static const uint8_t empty[LSB_SECRET_BYTES];
	struct lsb_door d;

	ck_assert_int_eq(visit(&d, other, 48), LSB_DOOR_REFUSES);
	ck_assert_int_eq(visit(&d, empty, 48), LSB_DOOR_REFUSES);
}
END_TEST

START_TEST(node_finds_a_controller_of_another_run)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES];
	struct lsb_error err;
	struct lsb_door d;
	const char *why;
	size_t n;

	lsb_door_close(&d, other, challenge);
	make_knock(0, 2, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	ck_assert_int_eq(lsb_knock_prove(secret, knock, answer, proof, &err), LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(err.msg, "secret of this run"));
}
END_TEST

START_TEST(replayed_proof_fits_no_other_visit)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES],
		out[LSB_ANSWER_BYTES];
	uint8_t fresh[LSB_CHALLENGE_BYTES];
	struct lsb_door d;
	const char *why;
	size_t n;

	lsb_door_close(&d, secret, challenge);
	make_knock(1, 2, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	ck_assert_int_eq(lsb_knock_prove(secret, knock, answer, proof, NULL), 0);
	ck_assert_int_eq(lsb_door_hear(&d, proof, sizeof(proof), out, &n, &why), LSB_DOOR_OPENS);

	randombytes_buf(fresh, sizeof(fresh));
	lsb_door_close(&d, secret, fresh);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	ck_assert_int_eq(lsb_door_hear(&d, proof, sizeof(proof), out, &n, &why), LSB_DOOR_REFUSES);
}
END_TEST

START_TEST(proof_of_the_controller_thrown_back_is_none)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], out[LSB_ANSWER_BYTES];
	struct lsb_door d;
	const char *why;
	size_t n;

	lsb_door_close(&d, secret, challenge);
	make_knock(0, 2, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	ck_assert_int_eq(lsb_door_hear(&d, answer + 8 + LSB_CHALLENGE_BYTES, LSB_PROOF_BYTES, out, &n, &why),
			 LSB_DOOR_REFUSES);
}
END_TEST

/* First bytes of somebody else; each is refused, without an answer, at the first byte that tells. */
static const struct {
	const char *bytes;
	size_t n;
	const char *why;
} strangers[] = {
	{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "does not speak" },
	{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, "does not speak" }, /* TLS ClientHello */
	{ "SSH-2.0-OpenSSH_9.2\r\n", 21, "does not speak" },
	{ "L", 1, NULL }, /* so far so good */
	{ "LSBX", 4, "does not speak" },
	{ "LSBH\x00\x00", 6, "another protocol" },
	{ "LSBH\xff\xff", 6, "another protocol" },
	{ "LSBF\x01\x00\x01\x00", 8, "does not speak" }, /* a frame right away */
	{ "\0\0\0\0\0\0\0\0", 8, "does not speak" },
};

START_TEST(strangers_are_refused_without_a_word)
{
	uint8_t out[LSB_ANSWER_BYTES];
	struct lsb_door d;
	const char *why;
	size_t n;
	enum lsb_door_says says;

	lsb_door_close(&d, secret, challenge);
	says = lsb_door_hear(&d, (const uint8_t *)strangers[_i].bytes, strangers[_i].n, out, &n, &why);
	ck_assert_uint_eq(n, 0);
	if (!strangers[_i].why) {
		ck_assert_int_eq(says, LSB_DOOR_WAITS);
		return;
	}
	ck_assert_int_eq(says, LSB_DOOR_REFUSES);
	ck_assert_msg(strstr(why, strangers[_i].why) != NULL, "%s", why);
}
END_TEST

START_TEST(impossible_worlds_and_long_messages_are_refused)
{
	static const int32_t worlds[][2] = { { 0, 0 }, { 2, 2 }, { -1, 4 }, { 0, -5 }, { 7, 3 } };
	uint8_t knock[LSB_KNOCK_BYTES + 1] = { 0 }, out[LSB_ANSWER_BYTES];
	struct lsb_door d;
	const char *why;
	size_t n;

	for (size_t i = 0; i < LSB_COUNT(worlds); i++) {
		lsb_door_close(&d, secret, challenge);
		make_knock(worlds[i][0], worlds[i][1], knock);
		ck_assert_int_eq(lsb_door_hear(&d, knock, LSB_KNOCK_BYTES, out, &n, &why), LSB_DOOR_REFUSES);
		ck_assert_uint_eq(n, 0);
	}
	lsb_door_close(&d, secret, challenge);
	make_knock(0, 1, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), out, &n, &why), LSB_DOOR_REFUSES);
}
END_TEST

START_TEST(every_changed_bit_of_the_proof_is_refused)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES],
		out[LSB_ANSWER_BYTES];
	struct lsb_door d, asked;
	const char *why;
	size_t n;

	lsb_door_close(&d, secret, challenge);
	make_knock(0, 2, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	ck_assert_int_eq(lsb_knock_prove(secret, knock, answer, proof, NULL), 0);
	for (size_t bit = 0; bit < 8 * sizeof(proof); bit++) {
		asked = d;
		proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(lsb_door_hear(&asked, proof, sizeof(proof), out, &n, &why),
				 LSB_DOOR_REFUSES);
		proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(answer_of_another_protocol_is_named)
{
	uint8_t knock[LSB_KNOCK_BYTES], answer[LSB_ANSWER_BYTES], proof[LSB_PROOF_BYTES];
	struct lsb_error err;
	struct lsb_door d;
	const char *why;
	size_t n;

	lsb_door_close(&d, secret, challenge);
	make_knock(0, 2, knock);
	ck_assert_int_eq(lsb_door_hear(&d, knock, sizeof(knock), answer, &n, &why), LSB_DOOR_SPEAKS);
	answer[4] ^= 0x40;
	ck_assert_int_eq(lsb_knock_prove(secret, knock, answer, proof, &err), LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(err.msg, "protocol"));
	answer[0] = 'X';
	ck_assert_int_eq(lsb_knock_prove(secret, knock, answer, proof, &err), LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(err.msg, "not lsbench"));
}
END_TEST

/* --- where the secret is kept --- */

START_TEST(variable_carries_the_secret_once)
{
	char variable[LSB_SECRET_VARIABLE_BYTES];
	uint8_t made[LSB_SECRET_BYTES], taken[LSB_SECRET_BYTES];
	struct lsb_error err;
	const char *at;

	lsb_secret_make(made, variable);
	ck_assert_int_eq(putenv(variable), 0);
	at = getenv(LSB_SECRET_VARIABLE);
	ck_assert_uint_eq(strlen(at), 64);
	ck_assert_int_eq(lsb_secret_take(taken, &err), 0);
	ck_assert_mem_eq(made, taken, sizeof(made));
	ck_assert_ptr_null(getenv(LSB_SECRET_VARIABLE));
	ck_assert(sodium_is_zero((const uint8_t *)at, 64)); /* nor in /proc/self/environ */
	ck_assert_int_eq(lsb_secret_take(taken, &err), LSB_EINVAL);
	ck_assert_int_eq(setenv(LSB_SECRET_VARIABLE, "1234", 1), 0);
	ck_assert_int_eq(lsb_secret_take(taken, &err), LSB_EINVAL);
	ck_assert_ptr_null(strstr(err.msg, "1234"));
	ck_assert_int_eq(setenv(LSB_SECRET_VARIABLE, "", 1), 0);
	ck_assert_int_eq(lsb_secret_take(taken, &err), LSB_EINVAL);
}
END_TEST

static int read_token(const char *content, mode_t mode, uint8_t out[LSB_SECRET_BYTES], struct lsb_error *err)
{
	char path[] = "/tmp/lsb-token-XXXXXX";
	const int fd = mkstemp(path);
	int rc;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	rc = lsb_secret_read(path, out, err);
	(void)unlink(path);
	return rc;
}

START_TEST(token_file_is_taken_when_nobody_else_can_read_it)
{
	uint8_t a[LSB_SECRET_BYTES], b[LSB_SECRET_BYTES];
	struct lsb_error err;

	ck_assert_int_eq(read_token("0123456789abcdef\n", 0600, a, &err), 0);
	ck_assert_int_eq(read_token("  0123456789abcdef  ", 0400, b, &err), 0);
	ck_assert_mem_eq(a, b, sizeof(a));
	ck_assert_int_eq(read_token("0123456789abcdeX", 0600, b, &err), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert_int_eq(read_token("0123456789abcde", 0600, a, &err), LSB_EINVAL);
	ck_assert_int_eq(read_token("", 0600, a, &err), LSB_EINVAL);
	for (mode_t bit = 1; bit <= 040; bit <<= 1) {
		ck_assert_int_eq(read_token("0123456789abcdef", 0600 | bit, a, &err), LSB_EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, "chmod 600"));
	}
	ck_assert_int_eq(lsb_secret_read("/dev/null", a, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_secret_read("/nowhere/token", a, &err), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handshake");
	TCase *tc = tcase_create("handshake");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, right_secret_opens_the_door_whatever_the_pieces);
	tcase_add_test(tc, wrong_and_empty_secrets_do_not);
	tcase_add_test(tc, node_finds_a_controller_of_another_run);
	tcase_add_test(tc, replayed_proof_fits_no_other_visit);
	tcase_add_test(tc, proof_of_the_controller_thrown_back_is_none);
	tcase_add_loop_test(tc, strangers_are_refused_without_a_word, 0, LSB_COUNT(strangers));
	tcase_add_test(tc, impossible_worlds_and_long_messages_are_refused);
	tcase_add_test(tc, every_changed_bit_of_the_proof_is_refused);
	tcase_add_test(tc, answer_of_another_protocol_is_named);
	tcase_add_test(tc, variable_carries_the_secret_once);
	tcase_add_test(tc, token_file_is_taken_when_nobody_else_can_read_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
