/* SPDX-License-Identifier: Apache-2.0 */
/* A backend's encode and decode: asked for the length first, then for the content, and bounded. */
#include <stdlib.h>

#include "plugin/loader.h"

enum { PROMPT_TOKENS_MAX = 1 << 28, ANSWER_BYTES_MAX = 1 << 30 }; /* beyond these a plugin is wrong */

int lsb_loaded_encode(const struct lsb_loaded *backend, struct lsb_backend *handle,
		      const struct lsb_turn *turns, size_t n_turns, uint32_t flags, int32_t **ids, size_t *n,
		      struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = &backend->ops.backend;
	size_t capacity;
	int rc;

	*err = (struct lsb_error){ 0 };
	*n = 0;
	rc = ops->encode(handle, turns, n_turns, flags, NULL, 0, n, err);
	if (rc)
		return lsb_plugin_result(backend, "encode", rc, err);
	capacity = *n;
	if (capacity > PROMPT_TOKENS_MAX)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' makes %zu tokens of one prompt",
				backend->plugin.name, capacity);
	*ids = malloc((capacity ? capacity : 1) * sizeof(**ids));
	if (!*ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu prompt tokens", capacity);
	rc = ops->encode(handle, turns, n_turns, flags, *ids, capacity, n, err);
	if (rc)
		return lsb_plugin_result(backend, "encode", rc, err);
	if (*n != capacity)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"backend '%s' encoded one text to %zu and then %zu tokens",
				backend->plugin.name, capacity, *n);
	return LSB_OK;
}

int lsb_loaded_decode(const struct lsb_loaded *backend, struct lsb_backend *handle, const int32_t *ids,
		      size_t n, char **text, struct lsb_error *err)
{
	const struct lsb_backend_ops *ops = &backend->ops.backend;
	size_t bytes = 0, written = 0;
	int rc;

	*err = (struct lsb_error){ 0 };
	rc = ops->decode(handle, ids, n, NULL, 0, &bytes, err);
	if (rc)
		return lsb_plugin_result(backend, "decode", rc, err);
	if (bytes > ANSWER_BYTES_MAX)
		return lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' makes %zu bytes of %zu tokens",
				backend->plugin.name, bytes, n);
	*text = malloc(bytes + 1);
	if (!*text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for an answer of %zu bytes", bytes);
	rc = ops->decode(handle, ids, n, *text, bytes, &written, err);
	(*text)[written < bytes ? written : bytes] = '\0';
	return rc ? lsb_plugin_result(backend, "decode", rc, err) : LSB_OK;
}
