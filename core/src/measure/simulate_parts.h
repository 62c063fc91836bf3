/* SPDX-License-Identifier: Apache-2.0 */
/* What simulate.c (time) and simulate_setup.c (memory) share; nobody else includes it. */
#ifndef LSB_SIMULATE_PARTS_H
#define LSB_SIMULATE_PARTS_H

#include "measure/simulate.h"
#include "schedule/scheduler.h"

enum lsb_sim_state { LSB_SIM_IDLE, LSB_SIM_OWN, LSB_SIM_COMPUTE, LSB_SIM_DONE };

/* Hidden states or ids on their way to a rank. */
struct lsb_simulated_message {
	struct lsb_sim_step step;
	double sent, arrives;
};

struct lsb_simulated_rank {
	enum lsb_sim_state state;
	double since;		   /* of its state */
	double until;		   /* OWN: its end */
	double left;		   /* COMPUTE: seconds of the step that it would need alone */
	struct lsb_sim_step step;  /* of OWN and COMPUTE */
	struct lsb_sim_step ahead; /* asynchronous backends: what is queued behind it */
	int has_ahead;
	struct lsb_simulated_message *queue; /* [window], a ring in order of arrival */
	uint32_t first, n;
	double drained, delivered; /* of the link that it sends on */
};

struct lsb_simulated_pipeline {
	struct lsb_scheduler *scheduler;
	double end_s; /* of its last answer so far */
	/* balance = dynamic: its claim at the dispatcher, or what was granted, on the way */
	enum lsb_sim_claim { LSB_SIM_NO_CLAIM, LSB_SIM_CLAIM, LSB_SIM_WAITS, LSB_SIM_GRANT } claim;
	double claim_s;	       /* CLAIM, GRANT: when it is there */
	uint32_t wanted, room; /* CLAIM, WAITS: requests, and tokens of their prompts */
	size_t *granted;       /* [batch x in_flight], of the first n_granted; a view into `grants` */
	uint32_t n_granted;
	int has_more; /* was granted some since it was last looked at */
};

struct lsb_simulation {
	const struct lsb_sim_setup *setup;
	struct lsb_sim_result *out;
	struct lsb_simulated_rank *ranks;
	struct lsb_simulated_pipeline *pipelines;
	struct lsb_sequence *sequences;		/* [n_requests] */
	double *first_s, *last_s;		/* [n_requests] when each got its first and last token */
	int32_t *ids;				/* storage of all sequences, zeros */
	size_t *grants;				/* storage of what is granted */
	size_t next;				/* balance = dynamic: the request to be handed out next */
	uint32_t turn;				/* and the replica that is asked first whether it wants it */
	struct lsb_sequence **touched;		/* [batch] */
	int32_t *zeros;				/* a prompt and ids of any request */
	struct lsb_simulated_message *messages; /* storage of all queues */
	uint32_t n_ranks, window;
	double now;
};

static inline struct lsb_simulated_rank *lsb_simulated(struct lsb_simulation *s, uint32_t pipeline,
						       uint32_t stage)
{
	return &s->ranks[pipeline * s->setup->stages + stage];
}

static inline struct lsb_sim_rank *lsb_simulated_ledger(struct lsb_simulation *s,
							const struct lsb_simulated_rank *r)
{
	return &s->out->ranks[r - s->ranks];
}

/* --- simulate_share.c: requests that replicas share out during the run --- */

/* Deal out what is there at the start. */
void lsb_simulation_deal(struct lsb_simulation *s);
/* When claims or grants move next; INFINITY: not by themselves. */
double lsb_simulation_next_share(const struct lsb_simulation *s);
/* Move them as far as they are now, and claim for who wants more. */
void lsb_simulation_share(struct lsb_simulation *s);

/* --- simulate_setup.c --- */

/* LSB_EINVAL, LSB_ENOMEM; to be closed in any case. `setup` and `out` are set. */
int lsb_simulation_open(struct lsb_simulation *s, struct lsb_error *err);
void lsb_simulation_close(struct lsb_simulation *s);
/* Means over requests; and what ranks wait at the end for their pipeline's last answer. */
void lsb_simulation_sum(struct lsb_simulation *s);

#endif
