/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a workload's request to the tokens of its prompt. This is where its limit of
 * tokens is kept: the workload knows no tokens, and says what of its text may go.
 */
#ifndef LSB_PROMPT_H
#define LSB_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include "plugin/loader.h"

struct lsb_prompt {
	int32_t *ids; /* [n], malloc'ed for the caller; NULL where tokens were only counted */
	size_t n;
	int is_cut; /* something of it was left out, here or by the workload */
};

/*
 * Encode the turns or the text of `request`, checked before; ids = NULL of `out` where
 * `counts` only. One of more than max_prompt tokens loses the end of what may be cut,
 * as little as fits (between words where there are any). What cannot be cut so far
 * comes as it is when all that may go is gone: *n tells. LSB_EPLUGIN where what may be
 * cut is not in the text; errors of the backend.
 */
int lsb_prompt_encode(const struct lsb_loaded *backend, struct lsb_backend *handle,
		      const struct lsb_request *request, int counts, struct lsb_prompt *out,
		      struct lsb_error *err);

#endif
