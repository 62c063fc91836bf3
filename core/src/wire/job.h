/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job: what one rank is to do in one launch. Built by the controller from a
 * point, sent as JSON, parsed and bounded by the node. Owns its strings.
 */
#ifndef LSB_JOB_H
#define LSB_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

enum { LSB_RANKS_MAX = 1024, LSB_THREADS_MAX = 1024 };

struct lsb_job_option {
	char *name, *value, *where;
};

struct lsb_job_plugin {
	char *name; /* "cpu", "fault:tcp"; NULL: none needed on this rank */
	struct lsb_job_option *options;
	size_t n_options;
};

struct lsb_job {
	int32_t rank, size;
	uint32_t stages, replicas; /* size = stages x replicas; rank = replica x stages + stage */
	int32_t host, host_count;  /* ranks with equal `host` share a machine */
	int32_t host_rank,
		host_size;  /* this rank's number among the ranks of its host, and how many those are */
	uint8_t nonce[16];  /* of the launch */
	char *bind_address; /* for the transport */
	char *folders;	    /* ':'-separated plugin folders */
	char *base;	    /* folder that relative paths start from */
	char *files;	    /* "/results/logs/0": files of rank r begin with FILES.r; NULL: none */
	struct lsb_job_plugin backend, transport, workload;
	char *model;
	uint32_t *layers; /* [stages], layers of each stage, summing to the model's */
	uint32_t batch, in_flight;
	uint32_t prompts, distinct; /* of the whole launch; request i asks item i % distinct */
	uint32_t max_new, chunk, context, warmup;
	uint32_t stop_at_length; /* 1: ignore EOS */
	uint32_t is_continuous;	 /* 1: continuous batching */
	char *arrivals;		 /* schedule/arrivals.h; a file's path starts at `base` */
	uint32_t is_dynamic;	 /* 1: first stages share out the requests during the run */
	uint64_t seed;
	double temperature, top_p;
	uint32_t top_k;
	uint32_t threads, n_cpus; /* n_cpus 0: do not pin */
	uint32_t *cpus;
	uint64_t timeout_ns;	/* of each blocking operation outside and inside the run */
	uint64_t stall_ns;	/* of one that all ranks begin at once: to connect, to begin the run */
	uint32_t measure_peaks; /* 1: measure the machine's peaks and the link after the run (node/peaks.h) */
	uint32_t is_remote; /* 1: started through an agent: `bind_address` may be a network, files are told */
	uint32_t *
		sizes; /* [n_sizes] bytes of messages; with any, the launch measures links and nothing else */
	uint32_t n_sizes;
	uint32_t iterations;  /* of a small size */
	uint64_t gap_ns;      /* of computing before each message */
	uint32_t max_records; /* room for records; the node stops recording when full and says so */
};

/* JSON text (malloc'ed, caller frees) of a job; NULL when out of memory. */
char *lsb_job_format(const struct lsb_job *job);

/* Parse and bound-check; on success the caller frees with lsb_job_free. LSB_EPEER when wrong. */
int lsb_job_parse(const char *text, size_t length, struct lsb_job *out, struct lsb_error *err);
void lsb_job_free(struct lsb_job *job);

#endif
