/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-mpi against bare MPI: what does the transport cost?
 *
 *	mpirun -n 2 bench_mpi [--wait block|poll|hybrid] [--rounds N] [--latency | --bandwidth] [PLUGIN.so]
 *
 * The bare side is the textbook's: MPI_Send and MPI_Recv for latency, a window of
 * MPI_Isend or MPI_Irecv and one MPI_Waitall for bandwidth, on MPI_COMM_WORLD of
 * the very library that the plugin has started. One launch;
 * bench/transport_speed.py makes several.
 */
#include <mpi.h>

#include "../plugins/transport-mpi/mpi_transport.h"
#include "transport_speed.h"

static void bare_send(struct speed *s, size_t bytes)
{
	if (MPI_Send(s->out, (int)bytes, MPI_BYTE, !s->rank, 1, MPI_COMM_WORLD))
		speed_die("MPI_Send");
}

static void bare_receive(struct speed *s, size_t bytes)
{
	if (MPI_Recv(s->in, (int)bytes, MPI_BYTE, !s->rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE))
		speed_die("MPI_Recv");
}

static void bare_window(struct speed *s, size_t bytes)
{
	MPI_Request requests[WINDOW];

	for (int i = 0; i < WINDOW; i++)
		if (s->rank ? MPI_Irecv(s->in, (int)bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &requests[i])
			    : MPI_Isend(s->out, (int)bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &requests[i]))
			speed_die("MPI_Isend or MPI_Irecv");
	if (MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE))
		speed_die("MPI_Waitall");
}

/* Rank as the launcher tells it: MPI is started by the plugin. */
static int32_t told_rank(void)
{
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");

	rank = rank ? rank : getenv("PMI_RANK");
	return rank && atoi(rank) == 1;
}

int main(int argc, char **argv)
{
	struct speed s = { .plugin_name = "mpi",
			   .rank = told_rank(),
			   .bare_send = bare_send,
			   .bare_receive = bare_receive,
			   .bare_window = bare_window };
	const char *file =
		speed_arguments(&s, argc, argv, LSB_BINARY_DIR "/plugins/lsbench-transport-mpi.so");
	const struct mpi_options options = { .wait = s.wait, .nap_ns = 100000 };

	speed_open(&s, file, &options, NULL);
	speed_compare(&s);
	speed_close(&s);
	return 0;
}
