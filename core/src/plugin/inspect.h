/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about plugins, answered by a short-lived child.
 *
 * A plugin file is foreign code from its first constructor on: it may crash,
 * hang or exit. The controller therefore never opens one itself. It asks
 * `lsbench inspect`, a child of its own program, in JSON, and gives it a time
 * limit; what happens to the child becomes an error that names file and
 * operation.
 *
 * Requests:
 *   {"want": "list", "folders"}            every plugin file found, each opened in a child of its own
 *     -> {"folders", "plugins": [DESCRIPTION + {"shadowed": bool}, or
 *                                {"path", "kind", "name", "shadowed", "error": {"code", "message"}}]}
 *   {"want": "file", "path"}               one file -> DESCRIPTION
 *   {"want": "describe", "kind", "name", "folders"}   one plugin or chain -> DESCRIPTION
 *   {"want": "check", "path", "model"}     conformance run (`lsbench check`)
 *     -> {"results": [{"name", "passed", "detail"}]}, in order; a crash or hang is a failed result
 *   {"want": "plan", "folders", "base", "model", "prompts",
 *    "backend": PLUGIN, "transport": PLUGIN, "workload": PLUGIN}
 *     PLUGIN = {"name", "options": [{"name", "value", "where"}]}; each of the three, "model" and "base" may
 *     be absent or null. "prompts": how many requests are asked for; 0 or absent: as many as there are.
 *     -> {"backend": FILES, "transport": FILES, "workload": FILES, "data", "waived",
 *         "model", "prompt_tokens", "max_new"}
 *     FILES = {"name", "version", "path", "sha256", "files": {path: sha256}}; "files" covers a whole chain.
 *             transport has "needs_mpirun" and "pmi" ("pmix", "pmi2" or null) as well, backend "device",
 *             workload "count".
 *     "data" = {path: sha256} of the files that options name.
 *     "waived" = null, or why one of the three cannot work here; then what comes after is absent.
 *     "model" = {"name", "layers", "hidden", "hidden_elem", "vocab", "context", "layer_macs", "head_macs",
 *                "layer_bytes", "head_bytes", "kv_bytes_per_position", "invariant_over"}
 *     "prompt_tokens", "max_new" = one number per request, min(prompts, count) of them.
 *   {"want": "costs", "folders", "base", "model", "backend": PLUGIN, "model_layers", "layers", "chunk",
 * "batch", "positions", "ranks", "threads", "cpus"}    what steps of a last stage of so many `layers` take
 * while `ranks` processes step at once, each on `threads` of `cpus` [ranks][threads]: chunks of prompts, and
 *     decode steps of `batch` sequences that stand at about `positions`
 *     -> {"waived", "chunk_s", "batch_s": of one layer; "head_s": of the head, for a batch; "steps": timed}
 *
 * DESCRIPTION = {"path", "kind", "name", "version", "summary", "abi_minor", "interposer", "global",
 *                "waived": null or reason, "operations": [names], "direct": [memory kinds], "flags": [words],
 *                "options": [{"name", "type", "unit", "default", "range", "min", "max", "choices", "help"}],
 *                "inner": DESCRIPTION or null}
 */
#ifndef LSB_INSPECT_H
#define LSB_INSPECT_H

#include <stdint.h>

#include "lsbench/types.h"

enum { LSB_INSPECT_TIMEOUT_MS = 10000 };

/*
 * Ask. `timeout_ms` is for one child (0: LSB_INSPECT_TIMEOUT_MS). On LSB_OK
 * *reply_json is malloc'ed JSON, the caller's. An error of the answer comes back
 * as itself; a crash, exit or hang of the child is LSB_EPLUGIN.
 */
int lsb_inspect(const char *request_json, uint64_t timeout_ms, char **reply_json, struct lsb_error *err);

/*
 * Be the child: answer the request that descriptor `in` holds on `out`, which
 * afterwards leads to stderr, so that a plugin that prints cannot spoil the
 * answer. The process must end soon after. LSB_OK once something was answered.
 */
int lsb_inspect_serve(int in, int out);

#endif
