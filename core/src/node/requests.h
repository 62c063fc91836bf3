/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a first stage: fetched and encoded before the timed part,
 * decoded and scored after it.
 */
#ifndef LSB_REQUESTS_H
#define LSB_REQUESTS_H

#include "schedule/arrivals.h"
#include "schedule/scheduler.h"
#include "node/stage.h"
#include "plugin/loader.h"
#include "wire/job.h"

/* One request and its answer. */
struct lsb_answered {
	uint32_t index; /* of the launch: request i asks workload item i % distinct */
	uint64_t item;	/* of the workload */
	char *id;
	char *reason;  /* why it failed, else NULL */
	int is_others; /* another replica served it: balance = dynamic */
	int32_t *prompt;
	int prompt_is_cut;   /* it is not the whole of what the data has */
	uint64_t arrival_ns; /* since the run begins; a warm-up has all at once */
	uint32_t max_new;    /* its own limit; the sequence's is shorter during a warm-up */
	uint64_t first_ns, last_ns;
	uint64_t *token_ns; /* [max_new], when each id was available */
	char *text;
	struct lsb_metric scores[LSB_SCORES_MAX];
	size_t n_scores;
};

struct lsb_requests {
	uint32_t n;
	enum lsb_arrivals_kind arrivals;
	struct lsb_sequence *sequences; /* [n], parallel to answers */
	struct lsb_answered *answers;
	struct lsb_token_sink sink; /* stamps ids as they come */
};

/*
 * Fetch and encode this replica's requests, which are all where they are shared out
 * during the run. A prompt that does not fit the
 * context fails alone, with its reason; the others go on.
 */
int lsb_requests_open(struct lsb_requests *r, const struct lsb_job *job, uint32_t context,
		      const struct lsb_loaded *workload, struct lsb_workload *workload_handle,
		      const struct lsb_loaded *backend, struct lsb_backend *backend_handle,
		      struct lsb_error *err);
void lsb_requests_close(struct lsb_requests *r);

/* Shorten to the first `n` requests of `max_new` tokens for a warm-up, and put everything back after it. */
void lsb_requests_warmup(struct lsb_requests *r, uint32_t n, uint32_t max_new);
void lsb_requests_rewind(struct lsb_requests *r);

/* Decode and score all answers. */
int lsb_requests_judge(struct lsb_requests *r, const struct lsb_loaded *workload,
		       struct lsb_workload *workload_handle, const struct lsb_loaded *backend,
		       struct lsb_backend *backend_handle, struct lsb_error *err);

#endif
