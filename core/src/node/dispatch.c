/* SPDX-License-Identifier: Apache-2.0 */
#include "node/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { WORD = 4, CLAIM = 2 * WORD, GRANT_HEADER = 2 * WORD, DISPATCHER = 0 };

/* A replica as the dispatcher sees it; its own, too, without boxes. */
struct claimer {
	struct lsb_box claims_in, grants_out;
	uint32_t wanted;   /* of the claim that waits; 0: none */
	uint32_t room;	   /* of it, left for tokens of prompts; the last prompt may have more */
	uint32_t given;	   /* of it, not yet sent */
	uint32_t *indices; /* [slots], those */
	int is_done;	   /* told that there is no more, or gone */
};

struct lsb_dispatch {
	struct lsb_dispatch_setup setup;
	struct lsb_scheduler *scheduler;
	struct lsb_sequence **order; /* [n], those that can be served, by arrival */
	int32_t *owners;	     /* [n] */
	uint32_t n_order, next;	     /* next: to be handed out; the dispatcher's alone after the start */
	/* dispatcher */
	struct claimer *claimers; /* [replicas] */
	uint32_t turn;		  /* who gets the next one */
	/* claimer */
	struct lsb_box claims_out, grants_in;
	int is_claiming, is_over;
};

uint32_t lsb_dispatch_messages(uint32_t replicas)
{
	return 2 * replicas;
}

int lsb_dispatch_serves(const struct lsb_dispatch *d)
{
	return d->setup.replica == DISPATCHER;
}

int32_t lsb_dispatch_owner(const struct lsb_dispatch *d, uint32_t i)
{
	return d->owners[i];
}

/* --- memory ---------------------------------------------------------------------------- */

static int32_t rank_of(const struct lsb_dispatch *d, uint32_t replica)
{
	return (int32_t)(replica * d->setup.stages);
}

static int open_boxes(struct lsb_dispatch *d, struct lsb_link *link, struct lsb_error *err)
{
	const struct lsb_box_memory claim = { .bytes = CLAIM },
				    grant = { .bytes = GRANT_HEADER + WORD * (uint64_t)d->setup.slots };
	int rc = LSB_OK;

	if (!lsb_dispatch_serves(d)) {
		const int32_t rank = rank_of(d, DISPATCHER);

		rc = lsb_outbox_open(&d->claims_out, link, rank, LSB_TAG_CLAIM, 1, &claim, err);
		if (rc == LSB_OK)
			rc = lsb_inbox_open(&d->grants_in, link, rank, LSB_TAG_GRANT, 1, &grant, err);
		d->claims_out.may_be_lost = d->grants_in.may_be_lost = 1;
		return rc;
	}
	for (uint32_t r = 0; r < d->setup.replicas && rc == LSB_OK; r++) {
		struct claimer *c = &d->claimers[r];

		c->indices = calloc(d->setup.slots, sizeof(*c->indices));
		if (!c->indices)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory to share out requests");
		if (r == DISPATCHER)
			continue;
		rc = lsb_inbox_open(&c->claims_in, link, rank_of(d, r), LSB_TAG_CLAIM, 1, &claim, err);
		if (rc == LSB_OK)
			rc = lsb_outbox_open(&c->grants_out, link, rank_of(d, r), LSB_TAG_GRANT, 1, &grant,
					     err);
		c->claims_in.may_be_lost = c->grants_out.may_be_lost = 1;
	}
	return rc;
}

int lsb_dispatch_open(const struct lsb_dispatch_setup *setup, struct lsb_link *link,
		      struct lsb_dispatch **out, struct lsb_error *err)
{
	struct lsb_dispatch *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to share out requests");
	d->setup = *setup;
	d->order = calloc((size_t)setup->n + 1, sizeof(*d->order));
	d->owners = calloc((size_t)setup->n + 1, sizeof(*d->owners));
	d->claimers = calloc(setup->replicas, sizeof(*d->claimers));
	rc = d->order && d->owners && d->claimers
		     ? open_boxes(d, link, err)
		     : lsb_fail(err, LSB_ENOMEM, 0, "no memory to share out %u requests", setup->n);
	if (rc) {
		lsb_dispatch_close(d);
		return rc;
	}
	*out = d;
	return LSB_OK;
}

void lsb_dispatch_close(struct lsb_dispatch *d)
{
	if (!d)
		return;
	for (uint32_t r = 0; d->claimers && r < d->setup.replicas; r++) {
		lsb_box_close(&d->claimers[r].claims_in);
		lsb_box_close(&d->claimers[r].grants_out);
		free(d->claimers[r].indices);
	}
	lsb_box_close(&d->claims_out);
	lsb_box_close(&d->grants_in);
	free(d->claimers);
	free(d->order);
	free(d->owners);
	free(d);
}

int lsb_dispatch_post(struct lsb_dispatch *d, struct lsb_error *err)
{
	int rc = LSB_OK;

	if (!lsb_dispatch_serves(d))
		return lsb_inbox_post(&d->grants_in, err);
	for (uint32_t r = DISPATCHER + 1; r < d->setup.replicas && rc == LSB_OK; r++)
		rc = lsb_inbox_post(&d->claimers[r].claims_in, err);
	return rc;
}

/* --- the start ------------------------------------------------------------------------- */

/* The next request is replica `r`'s. */
static uint32_t hand_out(struct lsb_dispatch *d, uint32_t r)
{
	const uint32_t index = (uint32_t)(d->order[d->next++] - d->setup.sequences);

	d->owners[index] = (int32_t)r;
	return index;
}

/* It is mine: it waits for its slot. There is room for all. */
static void schedule(struct lsb_dispatch *d, uint32_t index)
{
	(void)lsb_scheduler_add(d->scheduler, &d->setup.sequences[index]);
}

void lsb_dispatch_begin(struct lsb_dispatch *d, struct lsb_scheduler *scheduler)
{
	const uint32_t me = d->setup.replica;
	const uint64_t n_slots = (uint64_t)d->setup.replicas * d->setup.slots;

	d->scheduler = scheduler;
	d->n_order = d->next = d->turn = 0;
	d->is_claiming = d->is_over = 0;
	for (uint32_t i = 0; i < d->setup.n; i++) {
		const int is_refused = d->setup.sequences[i].finish != LSB_FINISH_NONE;

		d->owners[i] = is_refused && lsb_dispatch_serves(d) ? DISPATCHER : -1;
		if (!is_refused)
			d->order[d->n_order++] = &d->setup.sequences[i];
	}
	qsort(d->order, d->n_order, sizeof(struct lsb_sequence *), lsb_sequence_compare);
	while (d->next < d->n_order && d->next < n_slots && d->order[d->next]->arrival_ns == 0) {
		const uint32_t r = d->next % d->setup.replicas, index = hand_out(d, r);

		if (r == me)
			schedule(d, index);
		else if (!lsb_dispatch_serves(d))
			d->owners[index] = -1;
	}
	d->is_over = d->next == d->n_order;
	lsb_scheduler_expect(scheduler, !d->is_over);
	for (uint32_t r = 0; r < d->setup.replicas; r++) {
		d->claimers[r].wanted = d->claimers[r].given = 0;
		d->claimers[r].is_done |= d->is_over;
	}
}

/* --- the dispatcher -------------------------------------------------------------------- */

static uint32_t load(const unsigned char *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value)); /* little-endian, as all of lsbench's machines are */
	return value;
}

static void store(unsigned char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* A message to a rank that is gone is no failure of this one. */
static int unless_lost(struct lsb_box *box, int rc, struct lsb_error *err)
{
	if (rc != LSB_EPEER)
		return rc;
	box->is_lost = 1;
	*err = (struct lsb_error){ 0 };
	return LSB_OK;
}

/* Note replica r's claim, if one has come. 1, 0, or an error. */
static int note_claim(struct lsb_dispatch *d, uint32_t r, struct lsb_error *err)
{
	struct claimer *c = &d->claimers[r];
	struct lsb_message *message;
	int rc;

	if (c->claims_in.is_lost || c->grants_out.is_lost) {
		const int was_done = c->is_done;

		c->is_done = 1;
		c->wanted = c->given = 0;
		return !was_done;
	}
	if (c->wanted || !lsb_inbox_next(&c->claims_in))
		return 0;
	rc = lsb_inbox_take(&c->claims_in, &message, err);
	if (rc)
		return rc;
	c->wanted = message->bytes == CLAIM ? load(message->local.ptr) : 0;
	if (c->wanted == 0 || c->wanted > d->setup.slots)
		return lsb_fail(err, LSB_EPEER, 0,
				"replica %u claims %u requests in %llu bytes, of at most %u", r, c->wanted,
				(unsigned long long)message->bytes, d->setup.slots);
	c->room = load((const unsigned char *)message->local.ptr + WORD);
	/* Before the grant, which allows the next claim. */
	rc = unless_lost(&c->claims_in, lsb_inbox_release(&c->claims_in, err), err);
	return rc ? rc : 1;
}

/* Send what replica r was given, and whether that was all. 1; 0: its buffer is still in use; or an error. */
static int send_grant(struct lsb_dispatch *d, uint32_t r, struct lsb_error *err)
{
	struct claimer *c = &d->claimers[r];
	struct lsb_message *message = lsb_outbox_acquire(&c->grants_out);
	unsigned char *to;
	int rc;

	if (!message)
		return 0;
	to = message->local.ptr;
	store(to, c->given);
	store(to + WORD, d->next == d->n_order);
	for (uint32_t i = 0; i < c->given; i++)
		store(to + GRANT_HEADER + WORD * i, c->indices[i]);
	rc = lsb_outbox_send(&c->grants_out, GRANT_HEADER + WORD * (uint64_t)c->given, ~0u, 0, err);
	c->is_done = d->next == d->n_order;
	c->wanted = c->given = 0;
	rc = unless_lost(&c->grants_out, rc, err);
	return rc ? rc : 1;
}

static int has_arrived(const struct lsb_dispatch *d, uint64_t now_ns)
{
	return d->next < d->n_order && d->order[d->next]->arrival_ns <= now_ns;
}

/* One to each who wants more, in turn, as long as there are both. */
static void share_out(struct lsb_dispatch *d, uint64_t now_ns)
{
	uint32_t passed = 0;

	for (; passed < d->setup.replicas && has_arrived(d, now_ns);
	     d->turn = (d->turn + 1) % d->setup.replicas) {
		struct claimer *c = &d->claimers[d->turn];
		uint32_t index, n_prompt;

		if (c->given == c->wanted || c->room == 0) {
			passed++;
			continue;
		}
		index = hand_out(d, d->turn);
		n_prompt = d->setup.sequences[index].n_prompt;
		c->room -= n_prompt < c->room ? n_prompt : c->room;
		c->indices[c->given++] = index;
		passed = 0;
	}
}

static int serve(struct lsb_dispatch *d, uint64_t now_ns, struct lsb_error *err)
{
	struct claimer *own = &d->claimers[DISPATCHER];
	int moved = 0;

	own->wanted = lsb_scheduler_wants_soon(d->scheduler, &own->room);
	own->wanted = own->wanted < d->setup.slots ? own->wanted : d->setup.slots;
	for (uint32_t r = DISPATCHER + 1; r < d->setup.replicas; r++) {
		const int rc = note_claim(d, r, err);

		if (rc < 0)
			return rc;
		moved |= rc;
	}
	share_out(d, now_ns);
	for (uint32_t i = 0; i < own->given; i++)
		schedule(d, own->indices[i]);
	moved |= own->given > 0;
	own->given = 0;
	for (uint32_t r = DISPATCHER + 1; r < d->setup.replicas; r++) {
		const struct claimer *c = &d->claimers[r];
		int rc = 0;

		if (c->wanted && (c->given || d->next == d->n_order))
			rc = send_grant(d, r, err);
		if (rc < 0)
			return rc;
		moved |= rc;
	}
	if (d->next == d->n_order && !d->is_over) {
		d->is_over = moved = 1;
		lsb_scheduler_expect(d->scheduler, 0);
	}
	return moved;
}

/* --- a claimer ------------------------------------------------------------------------- */

/* Schedule what was granted. */
static int take_grant(struct lsb_dispatch *d, struct lsb_error *err)
{
	struct lsb_message *message;
	const unsigned char *from;
	uint32_t n;
	int rc = lsb_inbox_take(&d->grants_in, &message, err);

	if (rc)
		return rc;
	from = message->local.ptr;
	n = message->bytes >= GRANT_HEADER ? load(from) : UINT32_MAX;
	if (n > d->setup.slots || message->bytes != GRANT_HEADER + WORD * (uint64_t)n)
		return lsb_fail(err, LSB_EPEER, 0, "the dispatcher granted %u requests in %llu bytes", n,
				(unsigned long long)message->bytes);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t index = load(from + GRANT_HEADER + WORD * i);

		if (index >= d->setup.n || d->owners[index] >= 0 ||
		    d->setup.sequences[index].finish != LSB_FINISH_NONE)
			return lsb_fail(err, LSB_EPEER, 0,
					"the dispatcher granted request %u, which is not to "
					"be had",
					index);
		d->owners[index] = (int32_t)d->setup.replica;
		schedule(d, index);
	}
	d->is_claiming = 0;
	d->is_over = load(from + WORD) != 0;
	return unless_lost(&d->grants_in, lsb_inbox_release(&d->grants_in, err), err);
}

static int send_claim(struct lsb_dispatch *d, uint32_t wanted, uint32_t room, struct lsb_error *err)
{
	struct lsb_message *message = lsb_outbox_acquire(&d->claims_out);
	unsigned char *to;
	int rc;

	if (!message)
		return 0;
	to = message->local.ptr;
	store(to, wanted < d->setup.slots ? wanted : d->setup.slots);
	store(to + WORD, room);
	rc = unless_lost(&d->claims_out, lsb_outbox_send(&d->claims_out, CLAIM, ~0u, 0, err), err);
	d->is_claiming = 1;
	return rc ? rc : 1;
}

static int claim(struct lsb_dispatch *d, struct lsb_error *err)
{
	uint32_t wanted, room;
	int moved = 0, rc;

	if (d->is_over)
		return 0;
	if (lsb_inbox_next(&d->grants_in)) {
		rc = take_grant(d, err);
		if (rc)
			return rc;
		moved = 1;
	}
	if (d->grants_in.is_lost || d->claims_out.is_lost)
		d->is_over = 1; /* what was not handed out is lost with the dispatcher */
	if (d->is_over) {
		lsb_scheduler_expect(d->scheduler, 0);
		return 1;
	}
	wanted = lsb_scheduler_wants_soon(d->scheduler, &room);
	if (d->is_claiming || wanted == 0)
		return moved;
	rc = send_claim(d, wanted, room, err);
	return rc < 0 ? rc : moved | rc;
}

/* --- both ------------------------------------------------------------------------------ */

int lsb_dispatch_move(struct lsb_dispatch *d, uint64_t now_ns, struct lsb_error *err)
{
	return lsb_dispatch_serves(d) ? serve(d, now_ns, err) : claim(d, err);
}

int lsb_dispatch_has_news(const struct lsb_dispatch *d)
{
	if (!lsb_dispatch_serves(d))
		return !d->is_over && (lsb_inbox_next(&d->grants_in) || d->grants_in.is_lost);
	for (uint32_t r = DISPATCHER + 1; r < d->setup.replicas; r++) {
		const struct claimer *c = &d->claimers[r];

		if (!c->is_done && ((!c->wanted && lsb_inbox_next(&c->claims_in)) || c->claims_in.is_lost))
			return 1;
	}
	return 0;
}

uint64_t lsb_dispatch_next_arrival(const struct lsb_dispatch *d)
{
	if (!lsb_dispatch_serves(d) || d->next == d->n_order)
		return LSB_NEVER;
	for (uint32_t r = 0; r < d->setup.replicas; r++)
		if (d->claimers[r].wanted)
			return d->order[d->next]->arrival_ns;
	return LSB_NEVER;
}

int lsb_dispatch_is_over(const struct lsb_dispatch *d)
{
	for (uint32_t r = DISPATCHER + 1; lsb_dispatch_serves(d) && r < d->setup.replicas; r++)
		if (!d->claimers[r].is_done)
			return 0;
	return d->is_over;
}

const struct lsb_box *lsb_dispatch_busy(const struct lsb_dispatch *d)
{
	const struct lsb_box *box = &d->claims_out;

	if (!lsb_dispatch_serves(d))
		return box->is_lost || lsb_outbox_idle(box) ? NULL : box;
	for (uint32_t r = DISPATCHER + 1; r < d->setup.replicas; r++) {
		box = &d->claimers[r].grants_out;
		if (!box->is_lost && !lsb_outbox_idle(box))
			return box;
	}
	return NULL;
}
