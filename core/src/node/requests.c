/* SPDX-License-Identifier: Apache-2.0 */
#include "node/requests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/prompt.h"

/* Load without meaning: ids that differ by request and position, within the vocabulary. */
static int arbitrary_prompt(const struct lsb_loaded *backend, struct lsb_backend *handle, uint64_t item,
			    size_t n, int32_t **ids, struct lsb_error *err)
{
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	int rc;

	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(backend, "info", backend->ops.backend.info(handle, &info, err), err);
	if (rc)
		return rc;
	if (info.vocabulary == 0)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' has no vocabulary", backend->plugin.name);
	*ids = malloc(n * sizeof(**ids));
	if (!*ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu prompt tokens", n);
	for (size_t i = 0; i < n; i++)
		(*ids)[i] = (int32_t)(((item + 1) * 2654435761u + i * 40503u) % info.vocabulary);
	return LSB_OK;
}

static int request_encode(struct lsb_answered *answer, struct lsb_sequence *sequence,
			  const struct lsb_request *request, const struct lsb_loaded *backend,
			  struct lsb_backend *handle, struct lsb_error *err)
{
	struct lsb_prompt prompt = { .n = request->prompt_tokens };
	int rc;

	if (request->n_turns || request->text)
		rc = lsb_prompt_encode(backend, handle, request, 0, &prompt, err);
	else if (prompt.n)
		rc = arbitrary_prompt(backend, handle, answer->item, prompt.n, &prompt.ids, err);
	else
		return lsb_fail(err, LSB_EINVAL, 0, "request '%s' is empty", request->id);
	answer->prompt = prompt.ids;
	answer->prompt_is_cut = prompt.is_cut;
	sequence->prompt = prompt.ids;
	sequence->n_prompt = (uint32_t)prompt.n;
	return rc;
}

/* Mark a request as failed before it starts. */
static int request_refuse(struct lsb_answered *answer, struct lsb_sequence *sequence, char *reason,
			  struct lsb_error *err)
{
	sequence->finish = LSB_FINISH_FAILED;
	answer->reason = reason;
	return reason ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a reason");
}

/* What a workload must not say. */
static int request_check(const struct lsb_request *request, uint64_t item, const struct lsb_loaded *workload,
			 struct lsb_error *err)
{
	const char *name = workload->plugin.name;

	if (!request->id || (request->n_turns && !request->turns))
		return lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s': request %llu has no %s", name,
				(unsigned long long)item, request->id ? "turns" : "id");
	for (uint32_t i = 0; i < request->n_turns; i++)
		if (!request->turns[i].role || !request->turns[i].text)
			return lsb_fail(err, LSB_EPLUGIN, 0,
					"workload '%s': turn %u of request '%s' has no role or text", name, i,
					request->id);
	return LSB_OK;
}

/* arrivals = trace: request `i` of this replica arrives when the workload says, and not before those above
 * it.
 */
static int take_arrival(struct lsb_requests *r, uint32_t i, const struct lsb_request *request,
			const struct lsb_loaded *workload, struct lsb_error *err)
{
	const uint64_t before = i ? r->answers[i - 1].arrival_ns : 0;

	if (r->arrivals != LSB_ARRIVALS_WORKLOAD)
		return LSB_OK;
	if (request->arrival_ns < before)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"workload '%s': request '%s' arrives before the one above it: its times must "
				"ascend, and it must have as many items as prompts = asks for",
				workload->plugin.name, request->id);
	if (request->arrival_ns > LSB_ARRIVAL_MAX_NS)
		return lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s': request '%s' arrives later than 168h",
				workload->plugin.name, request->id);
	r->answers[i].arrival_ns = request->arrival_ns;
	return LSB_OK;
}

static int request_open(struct lsb_requests *r, uint32_t i, uint32_t index, const struct lsb_job *job,
			uint32_t context, const struct lsb_loaded *workload,
			struct lsb_workload *workload_handle, const struct lsb_loaded *backend,
			struct lsb_backend *backend_handle, struct lsb_error *err)
{
	struct lsb_answered *answer = &r->answers[i];
	struct lsb_sequence *sequence = &r->sequences[i];
	struct lsb_request request = { .struct_size = sizeof(request) };
	int rc;

	answer->index = index;
	answer->item = (index % job->distinct) % workload->ops.workload.count(workload_handle);
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(workload, "get",
			       workload->ops.workload.get(workload_handle, answer->item, &request, err), err);
	if (rc == LSB_OK)
		rc = request_check(&request, answer->item, workload, err);
	if (rc == LSB_OK)
		rc = take_arrival(r, i, &request, workload, err);
	if (rc)
		return rc;
	sequence->arrival_ns = answer->arrival_ns;
	answer->id = strdup(request.id);
	answer->max_new = request.max_new && request.max_new < job->max_new ? request.max_new : job->max_new;
	sequence->max_new = answer->max_new;
	sequence->ids = calloc(answer->max_new, sizeof(*sequence->ids));
	answer->token_ns = calloc(answer->max_new, sizeof(*answer->token_ns));
	if (!answer->id || !sequence->ids || !answer->token_ns)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for request %u", index);
	sequence->sampling = (struct lsb_sampling){
		.temperature = (float)job->temperature,
		.top_p = (float)job->top_p,
		.top_k = job->top_k,
		.seed = job->seed,
		.request = answer->item,
	};
	/* Before memory is spent on it. */
	if (!request.n_turns && !request.text && request.prompt_tokens > context)
		return request_refuse(answer, sequence,
				      lsb_format("prompt of %u tokens exceeds the context of %u",
						 request.prompt_tokens, context),
				      err);
	rc = request_encode(answer, sequence, &request, backend, backend_handle, err);
	if (rc)
		return rc;
	if (sequence->n_prompt == 0)
		return request_refuse(answer, sequence, strdup("the prompt has no tokens"), err);
	if (request.max_prompt && sequence->n_prompt > request.max_prompt)
		return request_refuse(answer, sequence,
				      lsb_format("the prompt has %u tokens when all that may be cut of it is "
						 "gone, and the workload's limit is %u",
						 sequence->n_prompt, request.max_prompt),
				      err);
	if ((uint64_t)sequence->n_prompt + sequence->max_new > context)
		return request_refuse(answer, sequence,
				      lsb_format("prompt of %u and %u new tokens exceed the context of %u",
						 sequence->n_prompt, sequence->max_new, context),
				      err);
	return LSB_OK;
}

/* Stamp the ids that came; a sequence is its answer's neighbour by index. */
static void stamp_tokens(void *user, struct lsb_sequence *const *touched, uint32_t n, uint64_t now_ns)
{
	struct lsb_requests *r = user;

	for (uint32_t i = 0; i < n; i++) {
		struct lsb_answered *answer = &r->answers[touched[i] - r->sequences];

		answer->token_ns[touched[i]->n_ids - 1] = now_ns;
		if (touched[i]->n_ids == 1)
			answer->first_ns = now_ns;
		answer->last_ns = now_ns;
	}
}

/* When this replica's requests arrive: those of all replicas are one stream. */
static int find_arrivals(struct lsb_requests *r, const struct lsb_job *job, uint32_t first, uint32_t every,
			 struct lsb_error *err)
{
	uint64_t *times = malloc(job->prompts * sizeof(*times));
	struct lsb_arrivals arrivals;
	int rc;

	if (!times)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the arrivals of %u requests",
				job->prompts);
	rc = lsb_arrivals_parse(job->arrivals ? job->arrivals : "closed", &arrivals, err);
	if (rc == LSB_OK)
		rc = lsb_arrivals_times(&arrivals, job->base, job->seed, times, job->prompts, err);
	for (uint32_t i = first, k = 0; rc == LSB_OK && i < job->prompts; i += every, k++)
		r->answers[k].arrival_ns = times[i];
	r->arrivals = arrivals.kind;
	free(times);
	return rc;
}

int lsb_requests_open(struct lsb_requests *r, const struct lsb_job *job, uint32_t context,
		      const struct lsb_loaded *workload, struct lsb_workload *workload_handle,
		      const struct lsb_loaded *backend, struct lsb_backend *backend_handle,
		      struct lsb_error *err)
{
	const uint32_t first = job->is_dynamic ? 0 : (uint32_t)job->rank / job->stages;
	const uint32_t every = job->is_dynamic ? 1 : job->replicas;
	int rc;

	*r = (struct lsb_requests){ .sink = { .tokens = stamp_tokens, .user = r } };
	if (workload->ops.workload.count(workload_handle) == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "workload '%s' has no requests", workload->plugin.name);
	r->sequences = calloc(job->prompts, sizeof(*r->sequences));
	r->answers = calloc(job->prompts, sizeof(*r->answers));
	if (!r->sequences || !r->answers)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u requests", job->prompts);
	rc = find_arrivals(r, job, first, every, err);
	for (uint32_t index = first; rc == LSB_OK && index < job->prompts; index += every)
		rc = request_open(r, r->n++, index, job, context, workload, workload_handle, backend,
				  backend_handle, err);
	return rc;
}

void lsb_requests_close(struct lsb_requests *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		free(r->answers[i].id);
		free(r->answers[i].reason);
		free(r->answers[i].prompt);
		free(r->answers[i].token_ns);
		free(r->answers[i].text);
		free(r->sequences[i].ids);
	}
	free(r->answers);
	free(r->sequences);
	*r = (struct lsb_requests){ 0 };
}

void lsb_requests_warmup(struct lsb_requests *r, uint32_t n, uint32_t max_new)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->sequences[i].max_new > max_new)
			r->sequences[i].max_new = max_new;
		r->sequences[i].arrival_ns = 0;
		if (i >= n && r->sequences[i].finish == LSB_FINISH_NONE)
			r->sequences[i].finish = LSB_FINISH_LENGTH; /* passed over */
	}
}

void lsb_requests_rewind(struct lsb_requests *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		r->sequences[i].max_new = r->answers[i].max_new;
		r->sequences[i].arrival_ns = r->answers[i].arrival_ns;
		r->sequences[i].n_ids = 0;
		if (r->sequences[i].finish != LSB_FINISH_FAILED)
			r->sequences[i].finish = LSB_FINISH_NONE;
	}
}

static int answer_judge(struct lsb_answered *answer, const struct lsb_sequence *sequence,
			const struct lsb_loaded *workload, struct lsb_workload *workload_handle,
			const struct lsb_loaded *backend, struct lsb_backend *backend_handle,
			struct lsb_error *err)
{
	struct lsb_answer asked = { .struct_size = sizeof(asked), .index = answer->item };
	int rc = lsb_loaded_decode(backend, backend_handle, sequence->ids, sequence->n_ids, &answer->text,
				   err);

	if (rc)
		return rc;
	asked.text = answer->text;
	if (!LSB_HAS(&workload->ops.workload, score))
		return LSB_OK;
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(
		workload, "score",
		workload->ops.workload.score(workload_handle, &asked, answer->scores, &answer->n_scores, err),
		err);
	if (rc == LSB_OK && answer->n_scores > LSB_SCORES_MAX)
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s' gave %zu scores, more than %u",
			      workload->plugin.name, answer->n_scores, LSB_SCORES_MAX);
	for (size_t i = 0; rc == LSB_OK && i < answer->n_scores; i++)
		if (!answer->scores[i].name || !isfinite(answer->scores[i].value))
			rc = lsb_fail(err, LSB_EPLUGIN, 0,
				      "workload '%s': score %zu of '%s' has no name or is no number",
				      workload->plugin.name, i, answer->id);
	return rc;
}

int lsb_requests_judge(struct lsb_requests *r, const struct lsb_loaded *workload,
		       struct lsb_workload *workload_handle, const struct lsb_loaded *backend,
		       struct lsb_backend *backend_handle, struct lsb_error *err)
{
	for (uint32_t i = 0; i < r->n; i++) {
		int rc;

		if (r->sequences[i].finish == LSB_FINISH_FAILED || r->answers[i].is_others)
			continue;
		rc = answer_judge(&r->answers[i], &r->sequences[i], workload, workload_handle, backend,
				  backend_handle, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}
