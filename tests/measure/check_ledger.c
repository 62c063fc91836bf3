/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers of crafted records: who waited, who was transferring, and that it adds up. Times in milliseconds.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "measure/ledger.h"
#include "turns.h"

#define MS 1000000u
enum { ORIGIN = 1000 }; /* ms; t0 of all runs here, since 0 means unknown */

static struct lsb_record record(uint32_t kind, uint32_t from, uint32_t to)
{
	return (struct lsb_record){ .kind = kind,
				    .t0_ns = (uint64_t)(ORIGIN + from) * MS,
				    .t1_ns = (uint64_t)(ORIGIN + to) * MS,
				    .peer = -1,
				    .group = ~0u };
}

static struct lsb_record message(uint32_t kind, uint32_t from, uint32_t to, int32_t peer, uint32_t tag,
				 uint32_t sequence, uint32_t arrived)
{
	struct lsb_record out = record(kind, from, to);

	out.peer = peer;
	out.tag = tag;
	out.sequence = sequence;
	out.aux = arrived ? (uint64_t)(ORIGIN + arrived) * MS : 0;
	return out;
}

static struct lsb_ledger close_one(const struct lsb_record *mine, size_t n, const struct lsb_record *theirs,
				   size_t m, uint32_t from, uint32_t to)
{
	const struct lsb_rank_records ranks[] = { { 0, mine, n, 0 }, { 1, theirs, m, 0 } };
	struct lsb_ledger ledger;
	double sum;

	ck_assert_int_eq(lsb_ledger_close(ranks, 2, 0, (uint64_t)(ORIGIN + from) * MS,
					  (uint64_t)(ORIGIN + to) * MS, &ledger, NULL),
			 0);
	sum = ledger.compute_s + ledger.wait_s + ledger.transfer_s + ledger.wait_transfer_s +
	      ledger.overhead_s + ledger.idle_s + ledger.unattributed_s;
	ck_assert_double_eq_tol(sum, ledger.wall_s, 1e-12);
	return ledger;
}

#define ck_ms(value, ms) ck_assert_double_eq_tol(value, (ms)*1e-3, 1e-9)

/* The peer computes 10 ms longer than usual, then sends; the message takes 1 ms. */
START_TEST(a_sleep_in_the_peer_s_compute_is_its_compute_and_my_wait)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 21, 1, LSB_TAG_HIDDEN, 0, 21),
					   record(LSB_REC_COMPUTE, 21, 30) };
	const struct lsb_record theirs[] = { record(LSB_REC_COMPUTE, 0, 20),
					     message(LSB_REC_SEND, 20, 20, 0, LSB_TAG_HIDDEN, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 2, theirs, 2, 0, 30);

	ck_ms(ledger.wait_s, 20);
	ck_ms(ledger.transfer_s, 1);
	ck_ms(ledger.compute_s, 9);
	ck_ms(ledger.overhead_s, 0);
	ck_ms(ledger.unattributed_s, 0);
}
END_TEST

/* It is launched from 0 to 4, at work from 2 to 12, and seen to have ended at 13. */
START_TEST(a_device_at_work_is_compute_whatever_its_rank_does_meanwhile)
{
	const struct lsb_record mine[] = { record(LSB_REC_SCHEDULE, 0, 4), record(LSB_REC_TICKET, 4, 13),
					   record(LSB_REC_COMPUTE, 2, 12),
					   message(LSB_REC_SEND, 13, 14, 1, LSB_TAG_HIDDEN, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 4, NULL, 0, 0, 14);

	ck_ms(ledger.compute_s, 10);
	ck_ms(ledger.overhead_s, 4);
	ck_ms(ledger.unattributed_s, 0);
}
END_TEST

START_TEST(a_delay_on_the_link_is_transfer)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 15, 1, LSB_TAG_HIDDEN, 0, 15),
					   record(LSB_REC_COMPUTE, 15, 25) };
	const struct lsb_record theirs[] = { record(LSB_REC_COMPUTE, 0, 10),
					     message(LSB_REC_SEND, 10, 10, 0, LSB_TAG_HIDDEN, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 2, theirs, 2, 0, 25);

	ck_ms(ledger.wait_s, 10);
	ck_ms(ledger.transfer_s, 5);
	ck_ms(ledger.compute_s, 10);
}
END_TEST

START_TEST(what_a_block_takes_after_arrival_is_overhead)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 20, 1, LSB_TAG_IDS, 3, 12) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_IDS, 3, 0) };
	const struct lsb_ledger ledger = close_one(mine, 1, theirs, 1, 0, 20);

	ck_ms(ledger.wait_s, 5);
	ck_ms(ledger.transfer_s, 7);
	ck_ms(ledger.overhead_s, 8);
}
END_TEST

START_TEST(an_unknown_arrival_makes_the_rest_of_the_block_transfer)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 20, 1, LSB_TAG_IDS, 0, 0) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_IDS, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 1, theirs, 1, 0, 20);

	ck_ms(ledger.wait_s, 5);
	ck_ms(ledger.transfer_s, 15);
}
END_TEST

/* Sent before I looked, arrived before I looked: nothing of it was exposed. */
START_TEST(a_message_that_was_there_before_the_block_is_neither_wait_nor_transfer)
{
	const struct lsb_record mine[] = { record(LSB_REC_COMPUTE, 0, 10),
					   message(LSB_REC_BLOCK, 10, 11, 1, LSB_TAG_IDS, 0, 8) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_IDS, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 2, theirs, 1, 0, 11);

	ck_ms(ledger.wait_s, 0);
	ck_ms(ledger.transfer_s, 0);
	ck_ms(ledger.overhead_s, 1);
}
END_TEST

START_TEST(a_block_whose_send_nobody_recorded_is_unattributed)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 20, 1, LSB_TAG_IDS, 7, 12) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_IDS, 6, 0),
					     message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_PLAN, 7, 0) };
	const struct lsb_ledger ledger = close_one(mine, 1, theirs, 2, 0, 20);

	ck_ms(ledger.unattributed_s, 20);
}
END_TEST

START_TEST(overlapping_compute_counts_once)
{
	const struct lsb_record mine[] = { record(LSB_REC_COMPUTE, 0, 10), record(LSB_REC_COMPUTE, 5, 15),
					   record(LSB_REC_COMPUTE, 6, 8), record(LSB_REC_COMPUTE, 15, 16) };
	const struct lsb_ledger ledger = close_one(mine, 4, NULL, 0, 0, 20);

	ck_ms(ledger.compute_s, 16);
	ck_ms(ledger.unattributed_s, 4);
}
END_TEST

START_TEST(a_send_inside_scheduling_counts_once_and_not_under_compute)
{
	const struct lsb_record mine[] = { record(LSB_REC_SCHEDULE, 0, 10),
					   message(LSB_REC_SEND, 2, 4, 1, LSB_TAG_PLAN, 0, 0),
					   record(LSB_REC_COPY, 9, 12), record(LSB_REC_COMPUTE, 11, 20) };
	const struct lsb_ledger ledger = close_one(mine, 4, NULL, 0, 0, 20);

	ck_ms(ledger.overhead_s, 11);
	ck_ms(ledger.compute_s, 9);
}
END_TEST

START_TEST(records_are_clipped_to_the_run)
{
	const struct lsb_record mine[] = { record(LSB_REC_COMPUTE, 0, 12),
					   message(LSB_REC_BLOCK, 12, 40, 1, LSB_TAG_IDS, 0, 40),
					   record(LSB_REC_COMPUTE, 50, 60) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 18, 18, 0, LSB_TAG_IDS, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 3, theirs, 1, 10, 30);

	ck_ms(ledger.wall_s, 20);
	ck_ms(ledger.compute_s, 2);
	ck_ms(ledger.wait_s, 6);
	ck_ms(ledger.transfer_s, 12);
}
END_TEST

START_TEST(hidden_transfer_is_what_lies_under_compute)
{
	const struct lsb_record mine[] = { record(LSB_REC_COMPUTE, 0, 10), record(LSB_REC_SCHEDULE, 10, 12),
					   record(LSB_REC_COMPUTE, 12, 20),
					   message(LSB_REC_RECV, 1, 14, 1, LSB_TAG_HIDDEN, 0, 14) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 6, 6, 0, LSB_TAG_HIDDEN, 0, 0) };
	const struct lsb_ledger ledger = close_one(mine, 4, theirs, 1, 0, 20);

	ck_assert_int_eq(ledger.knows_hidden, 1);
	ck_ms(ledger.hidden_transfer_s, 6);
	ck_ms(ledger.transfer_s, 0);
}
END_TEST

START_TEST(hidden_transfer_is_unknown_where_no_arrival_is)
{
	const struct lsb_record mine[] = { message(LSB_REC_RECV, 1, 14, 1, LSB_TAG_HIDDEN, 0, 0) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 6, 6, 0, LSB_TAG_HIDDEN, 0, 0) };

	ck_assert_int_eq(close_one(mine, 1, theirs, 1, 0, 20).knows_hidden, 0);
}
END_TEST

/* Records come from another process. */
START_TEST(nonsense_records_are_left_out)
{
	struct lsb_record mine[] = { record(200, 0, 20), record(~0u, 0, 20), record(LSB_REC_COMPUTE, 20, 5),
				     message(LSB_REC_BLOCK, 15, 3, 1, LSB_TAG_IDS, 0, 1) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 5, 6, 0, LSB_TAG_IDS, 0, 0) };

	ck_ms(close_one(mine, 4, theirs, 1, 0, 20).unattributed_s, 20);
}
END_TEST

/* Random records without overlap on a rank: parts are never negative and add up to what they cover. */
START_TEST(random_records_always_close)
{
	struct lsb_record mine[64], theirs[64];
	uint32_t at = 0, covered = 0;

	srand((unsigned)_i);
	for (uint32_t i = 0; i < 64; i++) {
		const uint32_t gap = (uint32_t)rand() % 3, length = (uint32_t)rand() % 9;
		const uint32_t kind = LSB_REC_COMPUTE + (uint32_t)rand() % 5;

		mine[i] =
			message(kind, at + gap, at + gap + length, 1, LSB_TAG_IDS, i, (uint32_t)rand() % 400);
		theirs[i] = message(LSB_REC_SEND, (uint32_t)rand() % 400, 400, 0, LSB_TAG_IDS, i, 0);
		at += gap + length;
		covered += length;
	}
	{
		const struct lsb_ledger ledger = close_one(mine, 64, theirs, 64, 0, 700);

		ck_assert_double_ge(ledger.wait_s, 0);
		ck_assert_double_ge(ledger.transfer_s, 0);
		ck_assert_double_ge(ledger.overhead_s, 0);
		ck_assert_double_eq_tol(ledger.unattributed_s, (700 - covered) * 1e-3, 1e-9);
	}
}
END_TEST

/* --- clocks that are known to 2 ms ------------------------------------------------------ */

static struct lsb_ledger close_with_error(const struct lsb_record *block, const struct lsb_record *send)
{
	const struct lsb_rank_records ranks[] = { { 1, block, 1, 3 * MS }, { 2, send, 1, 5 * MS } };
	struct lsb_ledger ledger;

	ck_assert_int_eq(lsb_ledger_close(ranks, 2, 0, ORIGIN * (uint64_t)MS, (ORIGIN + 20) * (uint64_t)MS,
					  &ledger, NULL),
			 0);
	return ledger;
}

START_TEST(a_transfer_below_the_clocks_error_is_not_told_from_waiting)
{
	const struct lsb_record block = message(LSB_REC_BLOCK, 0, 12, 2, LSB_TAG_IDS, 0, 11);
	const struct lsb_record send = message(LSB_REC_SEND, 10, 10, 1, LSB_TAG_IDS, 0, 0);
	const struct lsb_ledger ledger = close_with_error(&block, &send);

	ck_ms(ledger.wait_transfer_s, 11);
	ck_ms(ledger.wait_s, 0);
	ck_ms(ledger.transfer_s, 0);
	ck_ms(ledger.overhead_s, 1);
	ck_ms(ledger.unattributed_s, 8);
}
END_TEST

START_TEST(a_message_that_seems_to_arrive_before_it_was_sent_is_not_told_from_waiting)
{
	const struct lsb_record block = message(LSB_REC_BLOCK, 0, 12, 2, LSB_TAG_IDS, 0, 11);
	const struct lsb_record send = message(LSB_REC_SEND, 13, 13, 1, LSB_TAG_IDS, 0, 0);

	ck_ms(close_with_error(&block, &send).wait_transfer_s, 12);
}
END_TEST

START_TEST(a_transfer_above_the_clocks_error_is_told_apart)
{
	const struct lsb_record block = message(LSB_REC_BLOCK, 0, 12, 2, LSB_TAG_IDS, 0, 11);
	const struct lsb_record send = message(LSB_REC_SEND, 8, 8, 1, LSB_TAG_IDS, 0, 0);
	const struct lsb_ledger ledger = close_with_error(&block, &send);

	ck_ms(ledger.wait_transfer_s, 0);
	ck_ms(ledger.wait_s, 8);
	ck_ms(ledger.transfer_s, 3);
}
END_TEST

START_TEST(messages_that_arrive_before_they_were_sent_are_counted)
{
	const struct lsb_record mine[] = { message(LSB_REC_RECV, 0, 12, 1, LSB_TAG_IDS, 0, 11),
					   message(LSB_REC_RECV, 0, 12, 1, LSB_TAG_IDS, 1, 5),
					   message(LSB_REC_RECV, 0, 4, 1, LSB_TAG_IDS, 2, 0) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 6, 6, 0, LSB_TAG_IDS, 0, 0),
					     message(LSB_REC_SEND, 6, 6, 0, LSB_TAG_IDS, 1, 0),
					     message(LSB_REC_SEND, 6, 6, 0, LSB_TAG_IDS, 2, 0) };
	const struct lsb_rank_records ranks[] = { { 0, mine, 3, 0 }, { 1, theirs, 3, 0 } };
	struct lsb_division division;

	ck_assert_int_eq(
		lsb_divide(ranks, 2, 0, ORIGIN * (uint64_t)MS, (ORIGIN + 20) * (uint64_t)MS, &division, NULL),
		0);
	ck_assert_uint_eq(division.misordered, 2);
	lsb_division_free(&division);
}
END_TEST

/* --- whole runs and their steps ---------------------------------------------------------- */

#define ck_ns(value, ns) ck_assert_double_eq_tol(value, (double)(ns)*1e-9, 1e-12)

START_TEST(a_run_of_two_ranks_closes_with_what_was_put_into_it)
{
	static struct turns t;

	turns_make(&t, (unsigned)_i, 20, 30000, 0);
	for (size_t rank = 0; rank < 2; rank++) {
		struct lsb_ledger ledger;

		ck_assert_int_eq(lsb_ledger_close(t.ranks, 2, rank, t.t0, t.t1, &ledger, NULL), 0);
		ck_ns(ledger.compute_s, t.computed[rank]);
		ck_ns(ledger.wait_s, t.waited[rank]);
		ck_ns(ledger.transfer_s, t.transferred[rank]);
		ck_ns(ledger.overhead_s, t.own[rank]);
		ck_ns(ledger.unattributed_s, 0);
		ck_ns(ledger.wall_s, t.t1 - t.t0);
	}
}
END_TEST

/* Stage 0 has no request from 10 to 30; stage 1 has waited for its next plan since 12. */
START_TEST(what_the_first_stage_idles_the_others_do_not_wait)
{
	const struct lsb_record first[] = { record(LSB_REC_COMPUTE, 0, 8), record(LSB_REC_SCHEDULE, 8, 10),
					    record(LSB_REC_IDLE, 10, 30), record(LSB_REC_COMPUTE, 30, 38),
					    message(LSB_REC_SEND, 38, 38, 1, LSB_TAG_HIDDEN, 1, 0) };
	const struct lsb_record second[] = { record(LSB_REC_COMPUTE, 8, 12),
					     message(LSB_REC_BLOCK, 12, 40, 0, LSB_TAG_HIDDEN, 1, 39) };
	const struct lsb_rank_records ranks[] = { { 0, first, 5, 0 }, { 1, second, 2, 0 } };
	const uint64_t t0 = (uint64_t)ORIGIN * MS;
	struct lsb_ledger ledger;

	ck_assert_int_eq(lsb_ledger_close(ranks, 2, 0, t0, t0 + 40 * (uint64_t)MS, &ledger, NULL), 0);
	ck_ms(ledger.compute_s, 16);
	ck_ms(ledger.overhead_s, 2);
	ck_ms(ledger.idle_s, 20);
	ck_assert_int_eq(lsb_ledger_close(ranks, 2, 1, t0, t0 + 40 * (uint64_t)MS, &ledger, NULL), 0);
	ck_ms(ledger.compute_s, 4);
	ck_ms(ledger.idle_s, 18);
	ck_ms(ledger.wait_s, 8);
	ck_ms(ledger.transfer_s, 1);
	ck_ms(ledger.overhead_s, 1);
	ck_ms(ledger.unattributed_s, 8);
}
END_TEST

/* Blocked for ids that are still due when a request arrives and ends the block. */
START_TEST(a_block_that_ends_before_its_message_is_sent_is_wait)
{
	const struct lsb_record mine[] = { message(LSB_REC_BLOCK, 0, 10, 1, LSB_TAG_IDS, 0, 0),
					   record(LSB_REC_COMPUTE, 10, 20) };
	const struct lsb_record theirs[] = { message(LSB_REC_SEND, 15, 15, 0, LSB_TAG_IDS, 0, 0) };

	ck_ms(close_one(mine, 2, theirs, 1, 0, 20).wait_s, 10);
}
END_TEST

static void add_parts(struct lsb_ledger *to, const struct lsb_ledger *l)
{
	to->compute_s += l->compute_s;
	to->wait_s += l->wait_s;
	to->transfer_s += l->transfer_s;
	to->wait_transfer_s += l->wait_transfer_s;
	to->overhead_s += l->overhead_s;
	to->unattributed_s += l->unattributed_s;
	to->wall_s += l->wall_s;
}

/* Also where the run is cut short of the records, and where the clocks are not known. */
START_TEST(steps_add_up_to_the_ledger_of_their_rank)
{
	static struct turns t;
	const size_t rank = (size_t)_i % 2;
	struct lsb_step_ledger *steps;
	struct lsb_division division;
	struct lsb_ledger whole, sum = { 0 };
	size_t n;

	turns_make(&t, (unsigned)_i, 30, 30000, 0);
	t.t0 += (uint64_t)(_i % 3) * 400000;
	t.t1 -= (uint64_t)(_i % 5) * 300000;
	t.ranks[1].clock_error_ns = (uint64_t)(_i % 4) * 20000;
	ck_assert_int_eq(lsb_ledger_close(t.ranks, 2, rank, t.t0, t.t1, &whole, NULL), 0);
	ck_assert_int_eq(lsb_divide(t.ranks, 2, rank, t.t0, t.t1, &division, NULL), 0);
	ck_assert_int_eq(lsb_ledger_steps(&t.ranks[rank], &division, &steps, &n, NULL), 0);
	ck_assert_uint_ge(n, 20);
	for (size_t i = 0; i < n; i++) {
		const struct lsb_ledger *l = &steps[i].parts;

		add_parts(&sum, l);
		ck_assert_double_eq_tol(l->compute_s + l->wait_s + l->transfer_s + l->wait_transfer_s +
						l->overhead_s + l->idle_s + l->unattributed_s,
					l->wall_s, 1e-12);
		ck_assert_uint_eq(steps[i].from_ns, i ? steps[i - 1].to_ns : t.t0);
		if (i + 1 < n)
			ck_assert_uint_eq(steps[i].step, steps[0].step + i);
	}
	ck_assert_uint_eq(steps[n - 1].to_ns, t.t1);
	ck_assert_uint_eq(steps[n - 1].step, LSB_NO_STEP);
	ck_assert_double_eq_tol(sum.compute_s, whole.compute_s, 1e-11);
	ck_assert_double_eq_tol(sum.wait_s, whole.wait_s, 1e-11);
	ck_assert_double_eq_tol(sum.transfer_s, whole.transfer_s, 1e-11);
	ck_assert_double_eq_tol(sum.wait_transfer_s, whole.wait_transfer_s, 1e-11);
	ck_assert_double_eq_tol(sum.overhead_s, whole.overhead_s, 1e-11);
	ck_assert_double_eq_tol(sum.unattributed_s, whole.unattributed_s, 1e-11);
	ck_assert_double_eq_tol(sum.wall_s, whole.wall_s, 1e-11);
	free(steps);
	lsb_division_free(&division);
}
END_TEST

/* With one group in flight, what one rank computes and works for a step is what the other waits for in it. */
START_TEST(a_step_s_wait_is_the_other_rank_s_work)
{
	static struct turns t;
	struct lsb_step_ledger *steps[2];
	size_t n[2];

	turns_make(&t, 7, 10, 30000, 0);
	for (size_t rank = 0; rank < 2; rank++) {
		struct lsb_division division;

		ck_assert_int_eq(lsb_divide(t.ranks, 2, rank, t.t0, t.t1, &division, NULL), 0);
		ck_assert_int_eq(lsb_ledger_steps(&t.ranks[rank], &division, &steps[rank], &n[rank], NULL),
				 0);
		lsb_division_free(&division);
	}
	ck_assert_uint_eq(n[0], 11);
	ck_assert_uint_eq(n[1], 11);
	for (size_t k = 1; k < 10; k++) {
		const struct lsb_ledger *a = &steps[0][k].parts, *b = &steps[1][k].parts;

		/*
		 * Rank 1's step k: from its compute of k - 1 to that of k. Rank 0 had ids to get meanwhile.
		 */
		ck_assert_double_ge(b->wait_s, a->compute_s);
		ck_assert_double_ge(a->wait_s, steps[1][k - 1].parts.compute_s);
	}
	free(steps[0]);
	free(steps[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *tc = tcase_create("ledger");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, what_the_first_stage_idles_the_others_do_not_wait);
	tcase_add_test(tc, a_block_that_ends_before_its_message_is_sent_is_wait);
	tcase_add_test(tc, a_sleep_in_the_peer_s_compute_is_its_compute_and_my_wait);
	tcase_add_test(tc, a_device_at_work_is_compute_whatever_its_rank_does_meanwhile);
	tcase_add_test(tc, a_delay_on_the_link_is_transfer);
	tcase_add_test(tc, what_a_block_takes_after_arrival_is_overhead);
	tcase_add_test(tc, an_unknown_arrival_makes_the_rest_of_the_block_transfer);
	tcase_add_test(tc, a_message_that_was_there_before_the_block_is_neither_wait_nor_transfer);
	tcase_add_test(tc, a_block_whose_send_nobody_recorded_is_unattributed);
	tcase_add_test(tc, overlapping_compute_counts_once);
	tcase_add_test(tc, a_send_inside_scheduling_counts_once_and_not_under_compute);
	tcase_add_test(tc, records_are_clipped_to_the_run);
	tcase_add_test(tc, hidden_transfer_is_what_lies_under_compute);
	tcase_add_test(tc, hidden_transfer_is_unknown_where_no_arrival_is);
	tcase_add_test(tc, nonsense_records_are_left_out);
	tcase_add_loop_test(tc, random_records_always_close, 0, 50);
	tcase_add_test(tc, a_transfer_below_the_clocks_error_is_not_told_from_waiting);
	tcase_add_test(tc, a_message_that_seems_to_arrive_before_it_was_sent_is_not_told_from_waiting);
	tcase_add_test(tc, a_transfer_above_the_clocks_error_is_told_apart);
	tcase_add_test(tc, messages_that_arrive_before_they_were_sent_are_counted);
	tcase_add_loop_test(tc, a_run_of_two_ranks_closes_with_what_was_put_into_it, 0, 20);
	tcase_add_loop_test(tc, steps_add_up_to_the_ledger_of_their_rank, 0, 60);
	tcase_add_test(tc, a_step_s_wait_is_the_other_rank_s_work);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
