/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KV cache: for each layer, keys then values, [slot][kv head][position][head_dim].
 *
 * One head's vectors are contiguous over positions, which is the order that
 * attention reads. All of it is made present at open: a first touch inside the
 * timed part would be charged to the step that makes it.
 */
#include "cpu.h"

#include <sys/mman.h>

int cpu_kv_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cpu_kv *kv = &b->kv;
	int rc;

	rc = cpu_product(b->place.context, b->hp.head_dim, 1, &kv->head_stride, "a KV head", err);
	if (!rc)
		rc = cpu_product(kv->head_stride, b->hp.kv_heads, 1, &kv->slot_stride, "a slot's KV cache",
				 err);
	if (!rc)
		rc = cpu_product(kv->slot_stride, b->place.slots, 1, &kv->half_stride, "a layer's KV cache",
				 err);
	if (!rc)
		rc = cpu_product(kv->half_stride, 2, 1, &kv->layer_stride, "a layer's KV cache", err);
	if (!rc)
		rc = cpu_product(kv->layer_stride, b->place.n_layers, sizeof(*kv->data), &kv->bytes,
				 "the KV cache", err);
	if (!rc)
		rc = cpu_map(kv->bytes, true, &kv->data, "the KV cache", err);
	return rc ? rc : cpu_make_present(kv->data, kv->bytes, "the KV cache", err);
}

void cpu_kv_close(struct lsb_backend *b)
{
	if (b->kv.data)
		munmap(b->kv.data, b->kv.bytes);
	b->kv.data = NULL;
}
