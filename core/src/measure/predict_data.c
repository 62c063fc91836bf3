/* SPDX-License-Identifier: Apache-2.0 */
/* From a journal's point and its launches to what predictions are made of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/open_loop.h"
#include "measure/predict_parts.h"
#include "measure/stage_times.h"
#include "measure/statistics.h"

enum { LAUNCHES_MAX = 32, COUNT_MAX = 1 << 20 }; /* launches of a point that are looked at; of anything */

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static uint32_t count(const json_t *object, const char *key)
{
	const json_int_t value = json_integer_value(json_object_get(object, key));

	return value < 0 ? 0 : value > COUNT_MAX ? COUNT_MAX : (uint32_t)value;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static double at(const json_t *line, size_t i)
{
	return json_number_value(json_array_get(line, i));
}

/* --- factors -------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "key=value" lines of those params that `wanted` accepts, sorted; NULL without memory. */
static char *key_of(const json_t *params, int (*wanted)(const char *key))
{
	const char **names = calloc(json_object_size(params) + 1, sizeof(*names)), *name;
	struct lsb_text key = { 0 };
	json_t *value;
	size_t n = 0;

	if (!names)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)params, name, value)
	{
		if (wanted(name))
			names[n++] = name;
	}
	qsort(names, n, sizeof(*names), compare_names);
	lsb_text_add(&key, "%s", "");
	for (size_t i = 0; i < n; i++) {
		const char *said = text(params, names[i]);

		/* an interposer that slows a link down is accounted for by itself */
		if (strcmp(names[i], "transport") == 0 && strncmp(said, "fault:", 6) == 0)
			said += 6;
		lsb_text_add(&key, "%s=%s\n", names[i], said);
	}
	free(names);
	if (!key.failed)
		return key.data;
	lsb_text_free(&key);
	return NULL;
}

static int is_of_engine(const char *key)
{
	return strcmp(key, "model") == 0 || strcmp(key, "backend") == 0 || strcmp(key, "threads") == 0 ||
	       strncmp(key, "backend.", 8) == 0;
}

static int is_of_link(const char *key)
{
	static const char *const fault[] = { "delay",	"jitter",      "bandwidth",  "drop_after",
					     "drop_at", "truncate_at", "corrupt_at", "reset_at",
					     "fail_at", "fail_op",     "only_tag",   "from_rank",
					     "seed" };

	if (strcmp(key, "transport") == 0)
		return 1;
	if (strncmp(key, "transport.", 10) != 0)
		return 0;
	for (size_t i = 0; i < LSB_COUNT(fault); i++)
		if (strcmp(key + 10, fault[i]) == 0)
			return 0;
	return 1;
}

/* What transport-fault does to every message of the point. */
static void read_fault(const json_t *params, struct lsb_measured *m)
{
	uint64_t delay_ns = 0, jitter_ns = 0, bandwidth = 0;
	const char *from = text(params, "transport.from_rank"), *tag = text(params, "transport.only_tag");

	if (strncmp(text(params, "transport"), "fault:", 6) != 0)
		return;
	if (*text(params, "transport.delay"))
		(void)lsb_parse_time(text(params, "transport.delay"), &delay_ns, NULL);
	if (*text(params, "transport.jitter"))
		(void)lsb_parse_time(text(params, "transport.jitter"), &jitter_ns, NULL);
	if (*text(params, "transport.bandwidth"))
		(void)lsb_parse_size(text(params, "transport.bandwidth"), &bandwidth, NULL);
	m->delay_s = (double)delay_ns * 1e-9 + (double)jitter_ns * 0.5e-9;
	m->bytes_per_s = (double)bandwidth;
	m->is_slowed = 1;
	m->is_partly_slowed = (*from && strcmp(from, "-1") != 0) || (*tag && strcmp(tag, "-1") != 0);
}

static int read_factors(const json_t *point, struct lsb_measured *m)
{
	const json_t *params = json_object_get(point, "params"), *layers = json_object_get(point, "layers");
	int64_t chunk = 0, seed = 0;

	m->id = text(point, "id");
	m->label = text(point, "label");
	m->stages = count(point, "stages");
	m->replicas = count(point, "replicas");
	m->batch = count(point, "batch");
	m->in_flight = count(point, "in_flight");
	m->prompts = count(point, "prompts");
	m->max_new = count(point, "max_new");
	m->stops_at_length = strcmp(text(point, "stop"), "length") == 0;
	if (lsb_parse_int(text(params, "chunk"), &chunk, NULL) == LSB_OK && chunk > 0 && chunk < COUNT_MAX)
		m->chunk = (uint32_t)chunk;
	if (lsb_parse_int(text(params, "seed"), &seed, NULL) == LSB_OK && seed > 0)
		m->seed = (uint64_t)seed;
	m->is_continuous = strcmp(text(params, "batching"), "continuous") == 0;
	m->is_dynamic = m->replicas > 1 && strcmp(text(point, "balance"), "dynamic") == 0;
	read_fault(params, m);
	if (!m->stages || !m->replicas || !m->batch || !m->in_flight || !m->prompts || !m->chunk ||
	    json_array_size(layers) != m->stages)
		return 0;
	m->engine = key_of(params, is_of_engine);
	m->link = key_of(params, is_of_link);
	m->layers = calloc(m->stages, sizeof(*m->layers));
	m->prompt_tok = calloc(m->prompts, sizeof(*m->prompt_tok));
	m->new_tok = calloc(m->prompts, sizeof(*m->new_tok));
	if (lsb_is_open_loop(point))
		m->arrival_s = calloc(m->prompts, sizeof(*m->arrival_s));
	if (!m->engine || !m->link || !m->layers || !m->prompt_tok || !m->new_tok ||
	    (lsb_is_open_loop(point) && !m->arrival_s))
		return LSB_ENOMEM;
	for (uint32_t i = 0; i < m->stages; i++) {
		const json_int_t n = json_integer_value(json_array_get(layers, i));

		if (n < 1 || n > COUNT_MAX)
			return 0;
		m->layers[i] = (uint32_t)n;
	}
	return 1;
}

/* --- launches ---------------------------------------------------------------------------- */

/* Lengths of all requests, and when they arrived; 0 when one is not told. */
static int read_requests(const json_t *ranks, struct lsb_measured *m)
{
	const json_t *rank, *request;
	size_t r, k, n = 0;

	json_array_foreach(ranks, r, rank)
	{
		json_array_foreach(json_object_get(rank, "requests"), k, request)
		{
			const json_int_t i = json_integer_value(json_object_get(request, "i"));

			if (i < 0 || i >= m->prompts || m->prompt_tok[i])
				return 0;
			m->prompt_tok[i] = count(request, "prompt_tokens");
			m->new_tok[i] = count(request, "generated_tokens");
			if (m->arrival_s) /* stamps of one clock, too large for a double's mantissa */
				m->arrival_s[i] =
					(double)(json_integer_value(json_object_get(request, "arrival_ns")) -
						 json_integer_value(json_object_get(rank, "run_t0_ns"))) *
					1e-9;
			n += m->prompt_tok[i] > 0;
		}
	}
	for (uint32_t i = 0; i < m->prompts; i++)
		if (m->new_tok[i] == 0)
			m->new_tok[i] = 1; /* a request that failed: its prompt was computed */
	return n == m->prompts;
}

/* How many ranks share a machine; 0 when all do. */
static uint32_t sharing(const json_t *ranks)
{
	const size_t n = json_array_size(ranks);
	size_t machines = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < i && !json_equal(json_object_get(json_array_get(ranks, i), "boot_id"),
					    json_object_get(json_array_get(ranks, k), "boot_id")))
			k++;
		machines += k == i;
	}
	return machines <= 1 ? 0 : (uint32_t)((n + machines - 1) / machines);
}

/* Values of several launches, of which the median counts. */
struct medians {
	double run_s[LAUNCHES_MAX], e2e_s[LAUNCHES_MAX], tokens_per_s[LAUNCHES_MAX], own_s[2][LAUNCHES_MAX],
		wake_s[LAUNCHES_MAX], demand[LAUNCHES_MAX];
	size_t n;
};

static double median_of(double *values, size_t n)
{
	lsb_sort(values, n);
	return n ? lsb_median(values, n) : 0;
}

static int grow(void **array, size_t n, size_t more, size_t bytes)
{
	void *grown = realloc(*array, (n + more + 1) * bytes);

	if (!grown)
		return LSB_ENOMEM;
	*array = grown;
	return LSB_OK;
}

/* The steps and messages of one rank of one launch. */
static int add_rank(const json_t *times, uint32_t stage, struct lsb_measured *m)
{
	const json_t *steps = json_object_get(times, "steps"), *messages = json_object_get(times, "messages"),
		     *line;
	size_t i;

	if (grow((void **)&m->samples, m->n_samples, json_array_size(steps), sizeof(*m->samples)) ||
	    grow((void **)&m->messages, m->n_messages, json_array_size(messages), sizeof(*m->messages)))
		return LSB_ENOMEM;
	json_array_foreach(steps, i, line)
	{
		const struct lsb_step_sample sample = { .layers = m->layers[stage],
							.is_last = stage + 1 == m->stages,
							.tokens = at(line, LSB_STEP_TOKENS),
							.outputs = at(line, LSB_STEP_OUTPUTS),
							.positions = at(line, LSB_STEP_POSITIONS),
							.busy = at(line, LSB_STEP_BUSY),
							.seconds = at(line, LSB_STEP_MEAN_S),
							.weight = at(line, LSB_STEP_COUNT) *
								  at(line, LSB_STEP_MEAN_S) };

		if (sample.seconds > 0 && sample.weight > 0 && sample.tokens >= 1)
			m->samples[m->n_samples++] = sample;
	}
	json_array_foreach(messages, i, line)
	{
		if (at(line, LSB_MESSAGE_TAG) != LSB_TAG_PLAN && at(line, LSB_MESSAGE_MEDIAN_S) > 0)
			m->messages[m->n_messages++] =
				(struct lsb_message_sample){ .bytes = at(line, LSB_MESSAGE_BYTES),
							     .seconds = at(line, LSB_MESSAGE_MEDIAN_S),
							     .weight = at(line, LSB_MESSAGE_COUNT),
							     .is_ids = at(line, LSB_MESSAGE_TAG) ==
								       LSB_TAG_IDS };
	}
	return LSB_OK;
}

static int add_launch(const json_t *launch, struct lsb_measured *m, struct medians *all)
{
	const json_t *ranks = json_object_get(launch, "ranks"),
		     *times = json_object_get(launch, "stage_times"),
		     *metrics = json_object_get(launch, "metrics"),
		     *ledger = json_object_get(launch, "ledger");
	const size_t n_ranks = (size_t)m->stages * m->replicas, n = all->n;
	double own_s[2] = { 0 }, wake_s = 0, demand = HUGE_VAL;

	if (json_array_size(ranks) != n_ranks || json_array_size(times) != n_ranks ||
	    !(number(metrics, "run_s") > 0) || (m->prompt_tok[0] == 0 && !read_requests(ranks, m)))
		return LSB_OK;
	for (size_t i = 0; i < n_ranks; i++) {
		const json_t *its = json_array_get(times, i), *rank = json_array_get(ranks, i);
		const double compute_s = number(json_array_get(ledger, i), "compute_s");
		const int later = i % m->stages > 0;

		if (add_rank(its, (uint32_t)(i % m->stages), m))
			return LSB_ENOMEM;
		own_s[later] += number(its, "own_s") / (later ? m->stages - 1.0 : 1.0) / m->replicas;
		wake_s += number(its, "wake_s") / (double)n_ranks;
		if (compute_s > 0)
			demand = fmin(demand, number(rank, "cpu_s") / compute_s);
		m->hidden_bytes = fmax(m->hidden_bytes, number(its, "hidden_bytes"));
	}
	all->run_s[n] = number(metrics, "run_s");
	all->e2e_s[n] = number(metrics, "e2e_mean_s");
	all->tokens_per_s[n] = number(metrics, "tokens_per_s");
	all->own_s[0][n] = own_s[0];
	all->own_s[1][n] = own_s[1];
	all->wake_s[n] = wake_s;
	all->demand[n] = demand;
	all->n++;
	return LSB_OK;
}

static void read_engine(const json_t *launch, struct lsb_measured *m)
{
	const json_t *ranks = json_object_get(launch, "ranks"), *first = json_array_get(ranks, 0);
	const double layer_bytes = number(first, "layer_bytes");

	m->ranks_per_machine = sharing(ranks);
	m->is_async = json_is_true(json_object_get(json_object_get(first, "backend"), "async"));
	m->head_layers = layer_bytes > 0 ? number(first, "head_bytes") / layer_bytes : 0;
	m->layer_macs = number(first, "layer_macs");
	m->head_macs = number(first, "head_macs");
}

int lsb_measured_read(const json_t *point, const json_t *launches, struct lsb_measured *m)
{
	struct medians *all = calloc(1, sizeof(*all));
	const json_t *launch;
	int rc;
	size_t i;

	*m = (struct lsb_measured){ 0 };
	rc = all ? read_factors(point, m) : LSB_ENOMEM;
	json_array_foreach(launches, i, launch)
	{
		if (rc != 1 || all->n == LAUNCHES_MAX)
			break;
		if (strcmp(text(launch, "point"), m->id) != 0 || strcmp(text(launch, "status"), "ok") != 0)
			continue;
		if (all->n == 0)
			read_engine(launch, m);
		if (add_launch(launch, m, all))
			rc = LSB_ENOMEM;
	}
	if (rc == 1) {
		m->n_launches = all->n;
		m->run_s = median_of(all->run_s, all->n); /* which sorts them */
		m->run_least_s = all->n ? all->run_s[0] : 0;
		m->run_most_s = all->n ? all->run_s[all->n - 1] : 0;
		m->e2e_s = median_of(all->e2e_s, all->n);
		m->e2e_least_s = all->n ? all->e2e_s[0] : 0;
		m->e2e_most_s = all->n ? all->e2e_s[all->n - 1] : 0;
		m->tokens_per_s = median_of(all->tokens_per_s, all->n);
		m->own_s[0] = median_of(all->own_s[0], all->n);
		m->own_s[1] = median_of(all->own_s[1], all->n);
		m->wake_s = median_of(all->wake_s, all->n);
		m->demand = median_of(all->demand, all->n);
		rc = all->n > 0 && m->n_samples > 0;
	}
	free(all);
	if (rc != 1)
		lsb_measured_free(m);
	return rc;
}

void lsb_measured_free(struct lsb_measured *m)
{
	free(m->engine);
	free(m->link);
	free(m->layers);
	free(m->prompt_tok);
	free(m->new_tok);
	free(m->arrival_s);
	free(m->samples);
	free(m->messages);
	*m = (struct lsb_measured){ 0 };
}
