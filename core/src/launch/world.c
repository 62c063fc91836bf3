/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/world.h"

#include "base/base.h"

static const struct {
	const char *rank, *size, *launcher;
} worlds[] = {
	{ "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun (Open MPI)" },
	{ "PMI_RANK", "PMI_SIZE", "mpirun (MPICH)" },
	{ "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "srun (PMIx)" },
	{ "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun" },
};

int lsb_world_find(const char *(*get)(const char *name), struct lsb_world_place *out, struct lsb_error *err)
{
	for (size_t i = 0; i < LSB_COUNT(worlds); i++) {
		const char *rank_text = get(worlds[i].rank), *size_text = get(worlds[i].size);
		int64_t rank, size;

		if (!rank_text || !size_text)
			continue;
		if (lsb_parse_int(rank_text, &rank, NULL) || lsb_parse_int(size_text, &size, NULL) ||
		    size < 1 || size > INT32_MAX || rank < 0 || rank >= size)
			return lsb_fail(err, LSB_EINVAL, 0, "%s=%.32s and %s=%.32s name no rank of a world",
					worlds[i].rank, rank_text, worlds[i].size, size_text);
		*out = (struct lsb_world_place){ .rank = (int32_t)rank,
						 .size = (int32_t)size,
						 .launcher = worlds[i].launcher };
		return LSB_OK;
	}
	return lsb_fail(err, LSB_EINVAL, 0,
			"no launcher has told this process its rank: it is started by mpirun or srun, not by "
			"hand");
}
