/* SPDX-License-Identifier: Apache-2.0 */
/* What a rank reports at its end: the RANK object of docs/journal.md. */
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "node/session_parts.h"

static const char *finish_word(enum lsb_finish finish)
{
	switch (finish) {
	case LSB_FINISH_STOP:
		return "stop";
	case LSB_FINISH_LENGTH:
		return "length";
	default:
		return "failed";
	}
}

/* Length of the well-formed UTF-8 character at `at` (Unicode 15, table 3-7); 0 where there is none. */
static size_t utf8_length(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;
	const size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;

	if (b[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
	    (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return n;
}

/*
 * Text of a model or plugin, whose bytes need not be UTF-8 where JSON's must be:
 * what is none becomes U+FFFD. An answer often ends within a character.
 */
static json_t *text_value(const char *text)
{
	struct lsb_text clean = { 0 };
	json_t *value = json_string(text ? text : "");

	if (value)
		return value;
	for (size_t n; *text; text += n ? n : 1) {
		n = utf8_length(text);
		lsb_text_bytes(&clean, n ? text : "\xef\xbf\xbd", n ? n : 3);
	}
	value = json_string(clean.data ? clean.data : "");
	lsb_text_free(&clean);
	return value;
}

json_t *lsb_session_failure(const char *phase, int code, const char *message)
{
	return json_pack("{s:s, s:i, s:o}", "phase", phase, "code", code, "message", text_value(message));
}

static json_t *request_json(const struct lsb_answered *answer, const struct lsb_sequence *sequence,
			    uint64_t run_t0_ns)
{
	const int was_admitted = sequence->n_ids > 0;
	json_t *ids = json_array(), *times = json_array(), *scores = json_object(), *out;

	for (uint32_t i = 0; i < sequence->n_ids; i++) {
		json_array_append_new(ids, json_integer(sequence->ids[i]));
		json_array_append_new(times,
				      json_integer((json_int_t)(answer->token_ns[i] - answer->first_ns)));
	}
	for (size_t i = 0; i < answer->n_scores; i++)
		json_object_set_new(scores, answer->scores[i].name, json_real(answer->scores[i].value));
	out = json_pack(
		"{s:i, s:o, s:i, s:i, s:i, s:i, s:i, s:s, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "i",
		(int)answer->index, "id", text_value(answer->id), "lane", (int)sequence->lane, "slot",
		(int)sequence->slot, "prompt_tokens", (int)sequence->n_prompt, "max_new",
		(int)answer->max_new, "generated_tokens", (int)sequence->n_ids, "finish",
		finish_word(sequence->finish), "reason",
		answer->reason ? text_value(answer->reason) : json_null(), "arrival_ns",
		(json_int_t)(run_t0_ns + answer->arrival_ns), "admitted_ns",
		was_admitted ? json_integer((json_int_t)(run_t0_ns + sequence->admitted_ns)) : json_null(),
		"first_ns", (json_int_t)answer->first_ns, "last_ns", (json_int_t)answer->last_ns, "token_ns",
		times, "ids", ids, "text", text_value(answer->text), "scores", scores);
	if (answer->prompt_is_cut)
		json_object_set_new(out, "prompt_cut", json_true());
	return out;
}

static void set_string(json_t *object, const char *key, const char *value)
{
	json_object_set_new(object, key, text_value(value));
}

static void set_integer(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_seconds(json_t *object, const char *key, double value)
{
	json_object_set_new(object, key, json_real(value));
}

/* What the exchanges with the next rank showed, if there were any. */
static void add_clock(const struct lsb_session *s, json_t *rank)
{
	json_t *samples;

	if (!s->clocks.n_samples)
		return;
	samples = json_array();
	for (size_t i = 0; i < s->clocks.n_samples; i++) {
		const struct lsb_clock_sample *sample = &s->clocks.samples[i];

		json_array_append_new(samples,
				      json_pack("[I, I, I]", (json_int_t)sample->at_ns,
						(json_int_t)sample->offset_ns, (json_int_t)sample->rtt_ns));
	}
	json_object_set_new(rank, "clock", json_pack("{s:o}", "samples", samples));
}

/* Who and where this rank was. */
static void add_identity(const struct lsb_session *s, json_t *rank)
{
	json_t *cpus = json_array();
	struct lsb_identity machine;
	char wait[32];

	lsb_identity_tell(&machine);
	set_integer(rank, "rank", (uint64_t)s->job.rank);
	set_integer(rank, "stage", s->stage);
	set_integer(rank, "replica", (uint64_t)s->job.rank / s->job.stages);
	set_string(rank, "host", machine.host);
	set_integer(rank, "pid", (uint64_t)getpid());
	set_string(rank, "boot_id", machine.boot_id);
	set_string(rank, "clock_id", machine.clock_id);
	for (uint32_t i = 0; i < s->job.n_cpus; i++)
		json_array_append_new(cpus, json_integer(s->job.cpus[i]));
	json_object_set_new(rank, "cpus", cpus);
	if (s->transport)
		json_object_set_new(rank, "transport",
				    json_pack("{s:s, s:o, s:s?, s:o}", "name", s->job.transport.name,
					      "version", text_value(s->transport->plugin.version), "path",
					      s->loop ? lsb_stage_path(s->loop) : NULL, "wait",
					      lsb_loaded_choice(s->transport, "wait", wait, sizeof(wait))
						      ? text_value(wait)
						      : json_null()));
	if (!s->backend)
		return;
	json_object_set_new(rank, "backend",
			    json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "name", s->job.backend.name,
				      "version", text_value(s->backend->plugin.version), "model",
				      text_value(s->info.model_name), "device",
				      text_value(s->info.device_name), "device_id",
				      text_value(s->info.device_id), "engine", text_value(s->info.engine),
				      "async", !(s->info.flags & LSB_BACKEND_INLINE)));
	json_object_set_new(
		rank, "layers",
		json_pack("{s:i, s:i}", "first", (int)s->first_layer, "count", (int)s->job.layers[s->stage]));
}

static void add_figures(const struct lsb_session *s, json_t *rank)
{
	const struct lsb_phases *phases = &s->phases;

	set_integer(rank, "context", s->context);
	set_integer(rank, "slots", (uint64_t)s->job.batch * s->job.in_flight);
	set_seconds(rank, "spawn_s", phases->spawn_s);
	set_seconds(rank, "load_s", phases->load_s);
	set_seconds(rank, "preprocess_s", phases->preprocess_s);
	set_seconds(rank, "connect_s", phases->connect_s);
	set_seconds(rank, "warmup_s", phases->warmup_s);
	set_seconds(rank, "run_s", phases->run_s);
	set_seconds(rank, "cpu_s", s->cpu_s);
	if (s->runqueue_s >= 0)
		set_seconds(rank, "runqueue_s", s->runqueue_s);
	set_integer(rank, "load_bytes", s->info.load_bytes);
	set_integer(rank, "weight_bytes", s->info.weight_bytes);
	set_integer(rank, "kv_bytes", s->info.kv_bytes);
	set_integer(rank, "layer_bytes", s->info.layer_bytes);
	set_integer(rank, "head_bytes", s->info.head_bytes);
	set_integer(rank, "layer_macs", s->info.layer_macs);
	set_integer(rank, "head_macs", s->info.head_macs);
	set_integer(rank, "hidden_size", s->info.hidden_size);
	set_integer(rank, "hidden_bytes", s->loop ? lsb_stage_hidden_bytes(s->loop, 1) : 0);
	set_integer(rank, "kv_bytes_per_position", s->info.kv_bytes_per_position);
	set_integer(rank, "invariant_over", s->info.invariant_over);
	set_integer(rank, "peak_memory_bytes", s->peak_memory_bytes);
	set_integer(rank, "run_t0_ns", s->run_t0_ns);
	set_integer(rank, "run_t1_ns", s->run_t1_ns);
	set_integer(rank, "steps", atomic_load(&s->status->steps));
	set_integer(rank, "records", s->recorder.n);
	set_integer(rank, "records_lost", s->recorder.lost);
	set_seconds(rank, "record_ns", s->record_ns);
	set_integer(rank, "bytes_sent", s->wire.bytes_sent);
	set_integer(rank, "bytes_received", s->wire.bytes_received);
	set_integer(rank, "messages_sent", s->wire.messages_sent);
	set_integer(rank, "messages_received", s->wire.messages_received);
	if (s->energy_j > 0)
		json_object_set_new(rank, "energy_j", json_real(s->energy_j));
	lsb_counters_tell(&s->counters, rank);
	if (!s->is_bereft)
		lsb_peaks_tell(&s->peaks, rank);
}

/* What the link benchmark measured from this rank to others. New reference. */
static json_t *links_json(const struct lsb_session *s)
{
	json_t *out = json_array();
	uint32_t n = 0;
	const struct lsb_link_row *rows = lsb_linkbench_rows(s->linkbench, &n);

	for (uint32_t i = 0; i < n; i++) {
		json_t *row = json_pack(
			"{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "to", (int)rows[i].peer, "bytes",
			(int)rows[i].bytes, "rounds", (int)rows[i].rounds, "latency_mean_s", rows[i].mean_s,
			"latency_p50_s", rows[i].p50_s, "latency_p99_s", rows[i].p99_s, "latency_min_s",
			rows[i].least_s, "latency_max_s", rows[i].most_s, "send_s", rows[i].send_s);

		if (rows[i].windows) {
			set_integer(row, "windows", rows[i].windows);
			set_seconds(row, "bandwidth_bps", rows[i].bytes_per_s);
			set_seconds(row, "messages_per_s", rows[i].messages_per_s);
		}
		json_array_append_new(out, row);
	}
	return out;
}

/* Of the dispatcher: which replica had each request, in order; null: none. */
static json_t *claims_json(const struct lsb_session *s)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < s->requests.n; i++) {
		const int32_t owner = lsb_dispatch_owner(lsb_stage_dispatch(s->loop), i);

		json_array_append_new(out, owner < 0 ? json_null() : json_integer(owner));
	}
	return out;
}

json_t *lsb_session_result(const struct lsb_session *s)
{
	json_t *rank = json_object(), *requests;

	if (!rank)
		return NULL;
	add_identity(s, rank);
	add_figures(s, rank);
	if (s->linkbench) {
		json_object_set_new(rank, "links", links_json(s));
		return rank;
	}
	add_clock(s, rank);
	if (s->stage != 0)
		return rank;
	requests = json_array();
	for (uint32_t i = 0; i < s->requests.n; i++)
		if (!s->requests.answers[i].is_others)
			json_array_append_new(requests,
					      request_json(&s->requests.answers[i], &s->requests.sequences[i],
							   s->run_t0_ns));
	json_object_set_new(rank, "requests", requests);
	if (lsb_session_shares(s) && s->job.rank == 0)
		json_object_set_new(rank, "claims", claims_json(s));
	return rank;
}
