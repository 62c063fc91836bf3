/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK's headers as CUDA sees them: host and device passes both parse them. */
#include "lsbench/plugin.h"

__global__ void token_id(const struct lsb_token *token, int32_t *id)
{
	*id = token->id;
}
