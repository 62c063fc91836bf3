/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MPI library as a whole: started once a process, checked against the job,
 * and ended where that cannot block. Nothing here is hot.
 */
#include <mpi.h>
#if defined(OPEN_MPI) && defined(LSB_MPI_QUERIES_CUDA)
#include <mpi-ext.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_transport.h"

static int started_here; /* MPI_Init was ours, and so is MPI_Finalize */

int mpi_failed(struct lsb_error *err, int code, const char *what)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int length = 0, class = MPI_ERR_UNKNOWN;

	(void)MPI_Error_class(code, &class);
	(void)MPI_Error_string(code, text, &length);
	text[strcspn(text, "\n")] = '\0';
	return lsb_fail(err, class == MPI_ERR_TRUNCATE ? LSB_EINVAL : LSB_EIO, class, "%s failed: %.300s",
			what, text);
}

void mpi_library_name(char *to, size_t bytes)
{
	char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
	int length = 0;

	(void)MPI_Get_library_version(text, &length);
	text[strcspn(text, ",\n")] = '\0';
	for (char *at = text; *at; at++) /* "MPICH Version:\t4.0.2" */
		if (*at == '\t')
			*at = ' ';
	(void)snprintf(to, bytes, "%s", *text ? text : "MPI");
}

/* --- what carries the messages ------------------------------------------------------------ */

/* What a library reads from the environment while it starts: the only way in that both have. */
struct route {
	const char *name, *value;
};

#ifdef OPEN_MPI
#if OMPI_MAJOR_VERSION >= 5
#define SHARED_MEMORY "self,sm"
#else
#define SHARED_MEMORY "self,vader"
#endif
static const struct route via_shm[] = { { "OMPI_MCA_pml", "ob1" },
					{ "OMPI_MCA_btl", SHARED_MEMORY },
					{ NULL, NULL } };
static const struct route via_tcp[] = { { "OMPI_MCA_pml", "ob1" },
					{ "OMPI_MCA_btl", "self,tcp" },
					{ NULL, NULL } };
#elif defined(MPICH_VERSION)
/* Ranks of one machine take MPICH's own shared memory, unless told that nobody is near. */
static const struct route via_shm[] = { { "MPIR_CVAR_NOLOCAL", "0" }, { NULL, NULL } };
/* the second for builds on UCX, the third for those on libfabric: each passes over the other's */
static const struct route via_tcp[] = { { "MPIR_CVAR_NOLOCAL", "1" },
					{ "UCX_TLS", "tcp,self" },
					{ "FI_PROVIDER", "tcp" },
					{ NULL, NULL } };
#else
static const struct route via_shm[] = { { NULL, NULL } }, via_tcp[] = { { NULL, NULL } };
#endif

/* Before MPI starts. The process's other thread, of the control channel, reads no environment. */
static int take_route(uint32_t via, struct lsb_error *err)
{
	const struct route *route = via == MPI_VIA_SHM ? via_shm : via_tcp;

	if (via == MPI_VIA_AUTO)
		return LSB_OK;
	if (!route->name)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"via = %s: how this MPI library is told so is not known (Open MPI and MPICH "
				"are); say it in the library's own way, and via = auto",
				via == MPI_VIA_SHM ? "shm" : "tcp");
	for (; route->name; route++)
		if (setenv(route->name, route->value, 1))
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory to set %s", route->name);
	return LSB_OK;
}

/* Start MPI, unless somebody else in this process has. */
static int start(const struct mpi_options *options, struct lsb_error *err)
{
	int initialized = 0, finalized = 0, provided = MPI_THREAD_SINGLE, rc;

	(void)MPI_Finalized(&finalized);
	if (finalized)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"MPI has ended in this process and cannot be started again: one process, one "
				"launch");
	(void)MPI_Initialized(&initialized);
	rc = initialized ? LSB_OK : take_route(options->via, err);
	if (rc)
		return rc;
	rc = initialized ? MPI_Query_thread(&provided)
			 : MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
	if (rc != MPI_SUCCESS)
		return mpi_failed(err, rc, "MPI_Init_thread");
	started_here |= !initialized;
	(void)MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	(void)MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	if (provided < MPI_THREAD_FUNNELED)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"this MPI allows no second thread in a rank (MPI_THREAD_SINGLE), and lsbench has "
			"one");
	return LSB_OK;
}

/* The launcher of another library leaves each process a world of its own. */
static int check_world(const struct lsb_world *world, struct lsb_error *err)
{
	int rank = -1, size = -1;
	char name[64];

	(void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	(void)MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (rank == world->rank && size == world->size)
		return LSB_OK;
	mpi_library_name(name, sizeof(name));
	if (size == 1)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"the launcher and the MPI library do not know each other: for %s this process is "
			"alone, where the job has %d ranks; use that library's own mpirun (or the right "
			"srun --mpi=TYPE), or build transport-mpi with the launcher's MPI (LSB_MPI)",
			name, world->size);
	return lsb_fail(
		err, LSB_EUNAVAIL, 0,
		"for %s this process is rank %d of %d, but the job wants rank %d of %d: start as many "
		"ranks as the point has nodes, numbered as MPI does",
		name, rank, size, world->rank, world->size);
}

static int check_tags(const struct lsb_world *world, struct lsb_error *err)
{
	const int *bound = NULL;
	int found = 0;

	(void)MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &bound, &found);
	if (!found || !bound || *bound < 0 || (uint32_t)*bound < world->max_tag)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "this MPI has tags to %d only, and %u are needed",
				found && bound ? *bound : 0, world->max_tag);
	return LSB_OK;
}

static uint32_t memory_kinds(void)
{
	uint32_t kinds = 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED;

#ifdef LSB_MPI_QUERIES_CUDA
	if (MPIX_Query_cuda_support() == 1)
		kinds |= 1u << LSB_MEM_CUDA;
#endif
	return kinds;
}

static void tell(const struct lsb_transport *t)
{
	static const char *const via[] = { "", ", its shared memory", ", its TCP" };
	char name[64], line[192];

	mpi_library_name(name, sizeof(name));
	(void)snprintf(line, sizeof(line), "%s%s: rank %d of %d, %s", name, via[t->options->via],
		       t->world->rank, t->world->size,
		       t->mem_caps & 1u << LSB_MEM_CUDA ? "takes CUDA memory directly"
							: "host memory only (no CUDA support)");
	t->host->log(t->host->context, LSB_LOG_INFO, line);
}

int mpi_library_open(struct lsb_transport *t, struct lsb_error *err)
{
	int size = 0, rc = start(t->options, err);

	if (rc)
		return rc;
	rc = check_world(t->world, err);
	if (rc == LSB_OK)
		rc = check_tags(t->world, err);
	if (rc) {
		(void)MPI_Comm_size(MPI_COMM_WORLD, &size);
		mpi_library_close(t, size == 1);
		return rc;
	}
	rc = MPI_Comm_dup(MPI_COMM_WORLD, &t->comm);
	if (rc != MPI_SUCCESS)
		return mpi_failed(err, rc, "MPI_Comm_dup");
	(void)MPI_Comm_set_errhandler(t->comm, MPI_ERRORS_RETURN);
	t->mem_caps = memory_kinds();
	tell(t);
	return LSB_OK;
}

void mpi_library_close(struct lsb_transport *t, int together)
{
	if (!together)
		return;
	if (t->comm != MPI_COMM_NULL)
		(void)MPI_Comm_free(&t->comm);
	if (started_here)
		(void)MPI_Finalize();
	started_here = 0;
}
