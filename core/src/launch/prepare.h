/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From points to launches that can begin: what plugins and model say about each
 * point, and what follows from it (layers of each stage, context, processors).
 *
 * Opens no plugin itself: it asks lsbench inspect, once for equal questions.
 */
#ifndef LSB_PREPARE_H
#define LSB_PREPARE_H

#include <jansson.h>

#include "launch/launcher.h"
#include "launch/placement.h"
#include "launch/provenance.h"
#include "suite/suite.h"
#include "wire/job.h"

struct lsb_prepared_point {
	const struct lsb_point *point; /* borrowed from the suite */
	int code;		       /* LSB_OK: can be launched; LSB_EUNAVAIL: waived; else broken */
	char *reason;		       /* why not; NULL when it can; owned */
	uint32_t *layers;	       /* [stages], owned; NULL unless it can be launched */
	json_t *split;		       /* how they were chosen (layers.h), or NULL; owned */
	uint32_t *cpus;		       /* [nodes][threads], owned */
	uint32_t context, max_records;
	uint32_t *sizes; /* of kind = link: [n_sizes] bytes, the point's and its model's, ascending; owned */
	uint32_t n_sizes;
	const struct lsb_launcher *launcher; /* NULL: local */
	const char *why_launcher;	     /* how `launcher = auto` came to it; NULL: the suite names it */
	const char *pmi;		     /* what its transport's MPI speaks ("pmix"); NULL: not told */
	int needs_mpi;			     /* its transport wants ranks that an MPI launcher has started */
	int oversubscribed; /* as far as this machine tells: ranks elsewhere are placed once they are there */
	char model_state[LSB_FILE_STATE]; /* of the model's file, from before its digest was taken */
};

struct lsb_prepared {
	const struct lsb_suite *suite;
	char *folders; /* of plugins; owned */
	struct lsb_prepared_point *points;
	size_t n_points;
	json_t *provenance; /* as in the journal's first line; owned */
};

/*
 * Prepare every point. Trouble with a point is noted in it, so that all of it
 * can be told at once; an error is returned only for lack of memory or when
 * this machine cannot be looked at. The caller frees `out` in either case. With
 * `before`, the first line of a journal, stages hold the layers that they have there.
 */
int lsb_prepare(const struct lsb_suite *suite, const char *folders, const json_t *before,
		struct lsb_prepared *out, struct lsb_error *err);
void lsb_prepared_free(struct lsb_prepared *p);

/*
 * The job of rank `rank`; its strings and arrays are borrowed from the point.
 * `nonce` is of the launch.
 */
void lsb_prepared_job(const struct lsb_prepared *p, const struct lsb_prepared_point *point, uint32_t rank,
		      const uint8_t nonce[16], struct lsb_job *out);

/* PLUGIN of plugin/inspect.h. New reference, NULL when it is not UTF-8. */
json_t *lsb_prepare_plugin(const struct lsb_point_plugin *plugin);

#endif
