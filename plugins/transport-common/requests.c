/* SPDX-License-Identifier: Apache-2.0 */
#include "transport-common/requests.h"

static void request_free(struct requests *requests, struct request *r)
{
	r->state = REQUEST_FREE;
	r->next = requests->free;
	requests->free = r;
}

int requests_open(struct requests *requests, const struct lsb_host *host, uint32_t n, struct lsb_error *err)
{
	*requests = (struct requests){ .all = host->alloc(host->context, n * sizeof(struct request), 64) };
	if (!requests->all)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u requests", n);
	requests->n = n;
	for (uint32_t i = n; i-- > 0;)
		request_free(requests, &requests->all[i]);
	return LSB_OK;
}

void requests_close(struct requests *requests, const struct lsb_host *host)
{
	host->free(host->context, requests->all);
	*requests = (struct requests){ 0 };
}

int request_take(struct requests *requests, const struct lsb_buf *b, uint32_t tag, struct request **out,
		 struct lsb_error *err)
{
	static uint8_t nothing[1]; /* where messages of 0 bytes come from and go to */
	struct request *r = requests->free;

	if (!r)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u messages are pending", requests->n);
	requests->free = r->next;
	*r = (struct request){
		.data = b->bytes ? b->ptr : nothing, .bytes = b->bytes, .tag = tag, .state = REQUEST_PENDING
	};
	*out = r;
	return LSB_OK;
}

void request_done(struct requests *requests, struct request *r, int status)
{
	r->status = status;
	r->state = REQUEST_DONE;
	if (r->is_own)
		request_free(requests, r);
	else
		requests->n_untold++;
}

int requests_collect(struct requests *requests, const uint32_t *numbers, size_t n,
		     struct lsb_completion *done, size_t *n_done, const struct lsb_error *why,
		     struct lsb_error *err)
{
	int status = LSB_OK, good = 0;

	*n_done = 0;
	for (size_t i = 0; i < n; i++) {
		struct request *r;

		if (numbers[i] >= requests->n || requests->all[numbers[i]].state == REQUEST_FREE)
			return lsb_fail(err, LSB_EINVAL, 0, "request %u is not pending", numbers[i]);
		r = &requests->all[numbers[i]];
		if (r->state != REQUEST_DONE)
			continue;
		done[(*n_done)++] = (struct lsb_completion){
			.status = r->status,
			.request = numbers[i],
			.bytes = r->status == LSB_OK ? r->bytes : 0,
			.arrived_ns = r->arrived_ns,
		};
		good += r->status == LSB_OK;
		status = r->status ? r->status : status;
		request_free(requests, r);
		requests->n_untold--;
	}
	if (status == LSB_OK || good)
		return LSB_OK;
	if (err)
		*err = *why;
	return status;
}

void queue_fail(struct request_queue *q, struct requests *requests, int status)
{
	while (q->head)
		request_done(requests, queue_take(q, &q->head), status);
}
