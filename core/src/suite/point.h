/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point: one case with every sweep value fixed, fully resolved.
 *
 * Built by suite/, const afterwards. A point owns its strings. It says what to
 * run and nothing about how it went.
 */
#ifndef LSB_POINT_H
#define LSB_POINT_H

#include <stddef.h>
#include <stdint.h>

enum lsb_case_kind {
	LSB_CASE_INFER,
	LSB_CASE_STRONG,
	LSB_CASE_WEAK,
	LSB_CASE_BATCH,
	LSB_CASE_REPLICA,
	LSB_CASE_LINK
};
enum lsb_stop { LSB_STOP_EOS, LSB_STOP_LENGTH };
enum lsb_batching { LSB_BATCHING_STATIC, LSB_BATCHING_CONTINUOUS };
enum lsb_balance { LSB_BALANCE_STATIC, LSB_BALANCE_DYNAMIC };

/* A plugin option as written; owned. */
struct lsb_point_option {
	char *name, *value, *where;
};

struct lsb_point_plugin {
	char *name; /* "cpu", "fault:tcp" */
	struct lsb_point_option *options;
	size_t n_options;
};

/* Every key, resolved, with where it came from: for `plan`, the id and summary.json's params. */
struct lsb_point_value {
	char *key, *value;
	char *where;   /* "suite.ini:12", "default", "--set" */
	int is_factor; /* part of the id */
};

/* How ranks are started on the hosts of a point, of [hosts X]. Owned texts; NULL: not said. */
struct lsb_site {
	char *control_address; /* where the controller listens: an address, network or interface of its own */
	char *network;	       /* which addresses of the hosts carry the data; the same forms */
	char *program;	       /* path of lsbench there; NULL: the same as here */
	char *token_file;      /* holds the run's secret, here and there; NULL: the launcher passes one on */
	char *ssh_config;
	char *mpirun, *mpirun_arguments; /* the program; further words for it */
	char *srun_mpi, *srun_arguments;
};

struct lsb_point {
	char id[17];	 /* 16 hex digits of a hash over the factors */
	char *case_name; /* of [case NAME] */
	char *label;	 /* "strong nodes=2": the case and its sweep values */
	char *base;	 /* folder of the suite file; relative paths start there */
	enum lsb_case_kind kind;
	enum lsb_stop stop;
	enum lsb_batching batching;
	enum lsb_balance balance;
	uint32_t nodes, stages, replicas; /* nodes = stages x replicas */
	uint32_t batch, in_flight;	  /* sequences a group; groups on their way */
	uint32_t prompts, distinct;	  /* requests; request i asks workload item i % distinct */
	uint32_t max_new;		  /* new tokens a request at most */
	uint32_t chunk;			  /* tokens of a prefill step at most */
	uint32_t context;		  /* KV positions a slot; 0: longest prompt + max_new */
	uint32_t threads;		  /* compute threads a rank */
	uint32_t warmup;		  /* requests run before the timed part */
	uint32_t reps, max_reps;
	uint64_t seed;
	uint64_t slo_ttft_ns, slo_tpot_ns, slo_e2e_ns; /* limits of a request; 0: none */
	double slo_share;			       /* of the requests that must keep them */
	uint64_t timeout_ns, stall_timeout_ns;	       /* of a launch; of a stage loop that stands still */
	double temperature, top_p;
	uint32_t top_k;
	uint32_t *sizes; /* of kind = link: [n_sizes] bytes; the next three are of it too */
	uint32_t n_sizes;
	uint32_t iterations; /* of a ping-pong up to 8 KiB */
	uint64_t gap_ns;
	char *arrivals; /* schedule/arrivals.h */
	char *model, *launcher, *order, *baseline, *pair_by, *keep_records, *search;
	uint32_t *split; /* layers per stage as written (`split = 16,14`), n_split of them; NULL: by cost */
	uint32_t n_split;
	struct lsb_point_plugin backend, transport, workload;
	struct lsb_point_value *values;
	size_t n_values;
	char **hosts; /* of `hosts = X`, one a rank to place, in order; NULL: this machine */
	size_t n_hosts;
	struct lsb_site site;
};

#endif
