/* SPDX-License-Identifier: Apache-2.0 */
#include "node/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int lsb_link_open(struct lsb_link *link, uint32_t max_pending, struct lsb_error *err)
{
	link->n_pending = 0;
	link->max_pending = max_pending;
	link->requests = calloc(max_pending, sizeof(*link->requests));
	link->owners = calloc(max_pending, sizeof(struct lsb_message *));
	link->done = calloc(max_pending, sizeof(*link->done));
	if (link->requests && link->owners && link->done)
		return LSB_OK;
	lsb_link_close(link);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u pending messages", max_pending);
}

void lsb_link_close(struct lsb_link *link)
{
	free(link->requests);
	free(link->owners);
	free(link->done);
	link->requests = NULL;
	link->owners = NULL;
	link->done = NULL;
	link->n_pending = 0;
}

/* Note a request that the transport has accepted. */
static void link_add(struct lsb_link *link, uint32_t request, struct lsb_message *message)
{
	link->requests[link->n_pending] = request;
	link->owners[link->n_pending] = message;
	link->n_pending++;
	message->state = LSB_MESSAGE_PENDING;
}

/* A request is complete: tell its message. */
static int link_complete(struct lsb_link *link, const struct lsb_completion *done, struct lsb_error *err)
{
	const char *verb;
	struct lsb_message *message;
	uint32_t i = 0;

	while (i < link->n_pending && link->requests[i] != done->request)
		i++;
	if (i == link->n_pending)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"transport '%s' completed request %u, which is not pending",
				link->transport->plugin.name, done->request);
	message = link->owners[i];
	link->n_pending--;
	link->requests[i] = link->requests[link->n_pending];
	link->owners[i] = link->owners[link->n_pending];
	verb = message->box->receives ? "from" : "to";
	if (done->status == LSB_EPEER && message->box->may_be_lost) {
		message->box->is_lost = 1;
		message->state = LSB_MESSAGE_FREE;
		return LSB_OK;
	}
	if (done->status != LSB_OK) {
		lsb_fail(err, done->status, 0, "message %u with tag %u %s rank %d failed: %s",
			 message->sequence, message->box->tag, verb, message->box->peer,
			 done->status == LSB_EPEER    ? "the rank is gone (see its log)"
			 : done->status == LSB_EINVAL ? "it is longer than its receive"
						      : "the link broke");
		return lsb_plugin_result(link->transport, "wait_any", done->status, err);
	}
	message->state = message->box->receives ? LSB_MESSAGE_COMPLETE : LSB_MESSAGE_FREE;
	if (message->box->receives) {
		struct lsb_record *record = lsb_recorder_next(link->recorder, LSB_REC_RECV,
							      message->posted_ns, lsb_recorder_now());

		if (done->bytes > message->wire.bytes)
			return lsb_fail(err, LSB_EPLUGIN, 0,
					"transport '%s' says %llu bytes came into a buffer of %llu",
					link->transport->plugin.name, (unsigned long long)done->bytes,
					(unsigned long long)message->wire.bytes);
		message->bytes = done->bytes;
		message->arrived_ns = done->arrived_ns;
		record->peer = message->box->peer;
		record->tag = message->box->tag;
		record->sequence = message->sequence;
		record->bytes = done->bytes;
		record->aux = done->arrived_ns;
	}
	return LSB_OK;
}

/* Whether the first `n` completions fail nothing that this rank needs. */
static int may_go_on(const struct lsb_link *link, size_t n)
{
	for (size_t k = 0; k < n && k < link->n_pending; k++) {
		uint32_t i = 0;

		while (i < link->n_pending && link->requests[i] != link->done[k].request)
			i++;
		if (link->done[k].status && (i == link->n_pending || !link->owners[i]->box->may_be_lost))
			return 0;
	}
	return n > 0;
}

int lsb_link_poll(struct lsb_link *link, uint64_t deadline_ns, struct lsb_error *err)
{
	size_t n_done = 0;
	int rc;

	if (link->n_pending == 0)
		return LSB_OK;
	rc = link->transport->ops.transport.wait_any(link->transport_handle, link->requests, link->n_pending,
						     deadline_ns, link->done, &n_done, err);
	if (rc == LSB_ETIMEDOUT || (rc == LSB_EPEER && may_go_on(link, n_done)))
		*err = (struct lsb_error){ 0 }; /* no failure, and nobody may take it for one later */
	else if (rc)
		return lsb_plugin_result(link->transport, "wait_any", rc, err);
	if (n_done > link->n_pending)
		return lsb_fail(err, LSB_EPLUGIN, 0, "transport '%s' completed %zu of %u messages",
				link->transport->plugin.name, n_done, link->n_pending);
	for (size_t i = 0; i < n_done; i++) {
		const int failed = link_complete(link, &link->done[i], err);

		if (failed)
			return failed;
	}
	return rc == LSB_EPEER ? LSB_OK : rc;
}

static int host_alloc(uint64_t bytes, struct lsb_buf *out, struct lsb_error *err)
{
	*out = (struct lsb_buf){ .ptr = calloc(1, bytes), .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	return out->ptr ? LSB_OK
			: lsb_fail(err, LSB_ENOMEM, 0, "no memory for messages of %llu bytes",
				   (unsigned long long)bytes);
}

static int backend_alloc(struct lsb_link *link, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			 struct lsb_error *err)
{
	int rc;

	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(
		link->backend, "buf_alloc",
		link->backend->ops.backend.buf_alloc(link->backend_handle, mem, bytes, out, err), err);
	if (rc)
		*out = (struct lsb_buf){ 0 };
	else if (!out->ptr || out->bytes < bytes || out->mem != mem)
		rc = lsb_fail(err, LSB_EPLUGIN, 0,
			      "backend '%s' gave %llu bytes of memory kind %u, not %llu of kind %u",
			      link->backend->plugin.name, (unsigned long long)out->bytes, out->mem,
			      (unsigned long long)bytes, mem);
	return rc;
}

/* Memory of one message, registered with the transport where that is wanted. */
static int message_open(struct lsb_message *message, const struct lsb_box_memory *memory,
			struct lsb_error *err)
{
	const struct lsb_box *box = message->box;
	struct lsb_link *link = box->link;
	int rc = memory->from_backend
			 ? backend_alloc(link, memory->local_mem, memory->bytes, &message->local, err)
			 : host_alloc(memory->bytes, &message->local, err);

	if (rc)
		return rc;
	message->wire = message->local;
	if (box->staged)
		rc = host_alloc(memory->bytes, &message->wire, err);
	if (rc == LSB_OK && LSB_HAS(&link->transport->ops.transport, buf_register)) {
		*err = (struct lsb_error){ 0 };
		rc = lsb_plugin_result(link->transport, "buf_register",
				       link->transport->ops.transport.buf_register(link->transport_handle,
										   &message->wire, err),
				       err);
	}
	return rc;
}

static int box_open(struct lsb_box *box, struct lsb_link *link, int32_t peer, enum lsb_tag tag,
		    uint32_t depth, const struct lsb_box_memory *memory, int receives, struct lsb_error *err)
{
	*box = (struct lsb_box){
		.link = link, .peer = peer, .tag = tag, .depth = depth, .receives = receives
	};
	box->from_backend = memory->from_backend;
	box->staged = memory->local_mem != memory->wire_mem;
	box->ring = calloc(depth, sizeof(*box->ring));
	if (!box->ring)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a ring of %u messages", depth);
	for (uint32_t i = 0; i < depth; i++) {
		int rc;

		box->ring[i].box = box;
		rc = message_open(&box->ring[i], memory, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

void lsb_box_close(struct lsb_box *box)
{
	struct lsb_link *link = box->link;

	for (uint32_t i = 0; box->ring && i < box->depth; i++) {
		struct lsb_message *message = &box->ring[i];

		if (box->staged)
			free(message->wire.ptr);
		if (!box->from_backend)
			free(message->local.ptr);
		else if (message->local.ptr)
			link->backend->ops.backend.buf_free(link->backend_handle, &message->local);
	}
	free(box->ring);
	*box = (struct lsb_box){ 0 };
}

/* Copy between the two buffers of a staged message, recorded. */
static int message_stage(struct lsb_message *message, const struct lsb_buf *to, const struct lsb_buf *from,
			 uint64_t bytes, struct lsb_error *err)
{
	struct lsb_link *link = message->box->link;
	const uint64_t t0 = lsb_recorder_now();
	struct lsb_record *record;
	const int rc = link->backend->ops.backend.buf_copy(link->backend_handle, to, from, bytes, err);

	record = lsb_recorder_next(link->recorder, LSB_REC_COPY, t0, lsb_recorder_now());
	record->peer = message->box->peer;
	record->tag = message->box->tag;
	record->sequence = message->sequence;
	record->bytes = bytes;
	return lsb_plugin_result(link->backend, "buf_copy", rc, err);
}

/* --- inboxes ------------------------------------------------------------------------- */

int lsb_inbox_open(struct lsb_box *in, struct lsb_link *link, int32_t peer, enum lsb_tag tag, uint32_t depth,
		   const struct lsb_box_memory *memory, struct lsb_error *err)
{
	return box_open(in, link, peer, tag, depth, memory, 1, err);
}

static int inbox_post_one(struct lsb_box *in, uint32_t sequence, struct lsb_error *err)
{
	struct lsb_message *message = &in->ring[sequence % in->depth];
	uint32_t request;
	int rc;

	message->sequence = sequence;
	message->posted_ns = lsb_recorder_now();
	rc = in->link->transport->ops.transport.irecv(in->link->transport_handle, in->peer, in->tag,
						      &message->wire, &request, err);
	if (rc)
		return lsb_plugin_result(in->link->transport, "irecv", rc, err);
	link_add(in->link, request, message);
	return LSB_OK;
}

int lsb_inbox_post(struct lsb_box *in, struct lsb_error *err)
{
	for (uint32_t i = 0; i < in->depth; i++) {
		const int rc = inbox_post_one(in, i, err);

		if (rc)
			return rc;
	}
	return LSB_OK;
}

struct lsb_message *lsb_inbox_next(const struct lsb_box *in)
{
	struct lsb_message *message = &in->ring[in->taken % in->depth];

	return message->state == LSB_MESSAGE_COMPLETE && message->sequence == in->taken ? message : NULL;
}

int lsb_inbox_take(struct lsb_box *in, struct lsb_message **out, struct lsb_error *err)
{
	struct lsb_message *message = &in->ring[in->taken % in->depth];

	*out = message;
	message->state = LSB_MESSAGE_HELD;
	in->taken++;
	return in->staged ? message_stage(message, &message->local, &message->wire, message->bytes, err)
			  : LSB_OK;
}

int lsb_inbox_release(struct lsb_box *in, struct lsb_error *err)
{
	const uint32_t sequence = in->released++ + in->depth;

	return inbox_post_one(in, sequence, err);
}

/* --- outboxes ------------------------------------------------------------------------ */

int lsb_outbox_open(struct lsb_box *out, struct lsb_link *link, int32_t peer, enum lsb_tag tag,
		    uint32_t depth, const struct lsb_box_memory *memory, struct lsb_error *err)
{
	return box_open(out, link, peer, tag, depth, memory, 0, err);
}

struct lsb_message *lsb_outbox_acquire(struct lsb_box *out)
{
	struct lsb_message *message = &out->ring[out->taken % out->depth];

	if (message->state != LSB_MESSAGE_FREE)
		return NULL;
	message->state = LSB_MESSAGE_HELD;
	message->sequence = out->taken++;
	return message;
}

int lsb_outbox_send(struct lsb_box *out, uint64_t bytes, uint32_t lane, uint32_t step, struct lsb_error *err)
{
	struct lsb_message *message = &out->ring[out->released++ % out->depth];
	struct lsb_link *link = out->link;
	struct lsb_record *record;
	uint64_t t0;
	uint32_t request;
	int rc;

	if (out->staged) {
		rc = message_stage(message, &message->wire, &message->local, bytes, err);
		if (rc)
			return rc;
	}
	message->sent = message->wire;
	message->sent.bytes = bytes;
	t0 = lsb_recorder_now();
	rc = link->transport->ops.transport.isend(link->transport_handle, out->peer, out->tag, &message->sent,
						  &request, err);
	if (rc)
		return lsb_plugin_result(link->transport, "isend", rc, err);
	record = lsb_recorder_next(link->recorder, LSB_REC_SEND, t0, lsb_recorder_now());
	record->peer = out->peer;
	record->tag = out->tag;
	record->sequence = message->sequence;
	record->bytes = bytes;
	record->group = lane;
	record->step = step;
	link_add(link, request, message);
	return LSB_OK;
}

int lsb_outbox_idle(const struct lsb_box *out)
{
	for (uint32_t i = 0; i < out->depth; i++)
		if (out->ring[i].state != LSB_MESSAGE_FREE)
			return 0;
	return 1;
}
