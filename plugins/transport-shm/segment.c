/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: made as sealed anonymous memory, found through /proc/PID/fd/N, which
 * the address names. Whoever can open that is the same user on the same machine;
 * the nonce in the header, and the one that each peer writes into its ring, show
 * that it is of the same launch.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm.h"

#define SEGMENT_MAGIC UINT64_C(0x314d48532e42534c) /* "LSB.SHM1" */
#define POPULATED_BYTES_MAX (UINT64_C(64) << 20)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct address {
	uint64_t magic, segment_bytes;
	int32_t pid, fd;
};

/* Present before the run, so that it meets no page faults; a huge world is left to them. */
static int map_flags(const struct lsb_transport *t)
{
	return MAP_SHARED | (t->segment_bytes <= POPULATED_BYTES_MAX ? MAP_POPULATE : 0);
}

/* The time namespace of this process; 0 where the kernel has none. */
static uint64_t own_clock(void)
{
	struct stat space;

	return stat("/proc/self/ns/time", &space) ? 0 : (uint64_t)space.st_ino;
}

static uint8_t *ring_bytes_of(const struct lsb_transport *t, struct shm_segment *s, int32_t writer)
{
	uint8_t *after = (uint8_t *)&s->rings[t->world->size];

	return after + (size_t)writer * t->ring_bytes;
}

int shm_segment_make(struct lsb_transport *t, struct lsb_error *err)
{
	const uint64_t size = (uint64_t)t->world->size;

	t->ring_bytes = (t->options->ring_bytes + SHM_LINE - 1) / SHM_LINE * SHM_LINE;
	t->segment_bytes = sizeof(struct shm_segment) + size * (sizeof(struct shm_ring) + t->ring_bytes);
	t->fd = memfd_create("lsbench-transport-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->fd < 0 || ftruncate(t->fd, (off_t)t->segment_bytes) || fcntl(t->fd, F_ADD_SEALS, SEALS))
		return lsb_fail(err, LSB_ENOMEM, errno, "cannot make %llu bytes of shared memory: %s",
				(unsigned long long)t->segment_bytes, strerror(errno));
	t->mine = mmap(NULL, t->segment_bytes, PROT_READ | PROT_WRITE, map_flags(t), t->fd, 0);
	if (t->mine == MAP_FAILED) {
		t->mine = NULL;
		return lsb_fail(err, LSB_ENOMEM, errno, "cannot map %llu bytes of shared memory: %s",
				(unsigned long long)t->segment_bytes, strerror(errno));
	}
	t->mine->magic = SEGMENT_MAGIC;
	t->mine->ring_bytes = t->ring_bytes;
	t->mine->clock = own_clock();
	t->mine->rank = (uint32_t)t->world->rank;
	t->mine->size = (uint32_t)t->world->size;
	memcpy(t->mine->nonce, t->world->nonce, sizeof(t->mine->nonce));
	return LSB_OK;
}

int shm_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	const struct address a = {
		.magic = SEGMENT_MAGIC, .segment_bytes = t->segment_bytes, .pid = getpid(), .fd = t->fd
	};

	(void)err;
	memcpy(to, &a, sizeof(a));
	*bytes = sizeof(a);
	return LSB_OK;
}

/* The peer's segment, mapped into *out. */
static int map_peer(struct lsb_transport *t, int32_t peer, const struct address *a, struct shm_segment **out,
		    struct lsb_error *err)
{
	struct shm_segment *s = MAP_FAILED;
	const char *why = NULL;
	struct stat st;
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", a->pid, a->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return lsb_fail(
			err, LSB_EPEER, errno,
			"cannot open the memory of rank %d (%s): %s; shm needs ranks of one user that see "
			"each other's processes",
			peer, path, strerror(errno));
	if (fstat(fd, &st) || (uint64_t)st.st_size != t->segment_bytes ||
	    (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
		why = "it is no segment of this size";
	else
		s = mmap(NULL, t->segment_bytes, PROT_READ | PROT_WRITE, map_flags(t), fd, 0);
	close(fd);
	if (!why && s == MAP_FAILED)
		why = strerror(errno);
	else if (!why &&
		 (s->magic != SEGMENT_MAGIC || s->rank != (uint32_t)peer || s->size != t->mine->size ||
		  s->ring_bytes != t->ring_bytes || memcmp(s->nonce, t->world->nonce, sizeof(s->nonce)) != 0))
		why = "it is of another launch";
	if (!why) {
		*out = s;
		return LSB_OK;
	}
	if (s != MAP_FAILED)
		munmap(s, t->segment_bytes);
	return lsb_fail(err, LSB_EPEER, 0, "what rank %d calls its memory cannot be used: %s", peer, why);
}

/* Join one peer: its segment, its process, our proof in its memory. */
static int join_peer(struct lsb_transport *t, int32_t peer, const struct lsb_span *address,
		     struct lsb_error *err)
{
	struct shm_link *l = &t->links[peer];
	struct address a;
	int rc;

	if (address->bytes != sizeof(a))
		return lsb_fail(err, LSB_EPEER, 0, "rank %d has an address of another transport", peer);
	memcpy(&a, address->ptr, sizeof(a));
	if (a.magic != SEGMENT_MAGIC || a.segment_bytes != t->segment_bytes)
		return lsb_fail(err, LSB_EPEER, 0,
				"rank %d has memory of another shape: use one `ring` for all", peer);
	rc = map_peer(t, peer, &a, &l->theirs, err);
	if (rc)
		return rc;
	l->out = &l->theirs->rings[t->world->rank];
	l->out_bytes = ring_bytes_of(t, l->theirs, t->world->rank);
	l->has_other_clock = l->theirs->clock != t->mine->clock;
	l->in = &t->mine->rings[peer];
	l->in_bytes = ring_bytes_of(t, t->mine, peer);
	if (a.pid != getpid()) {
		l->pidfd = (int)syscall(SYS_pidfd_open, a.pid, 0);
		if (l->pidfd < 0)
			return lsb_fail(err, LSB_EPEER, errno, "cannot watch the process of rank %d: %s",
					peer, strerror(errno));
	}
	memcpy(l->out->nonce, t->world->nonce, sizeof(l->out->nonce));
	atomic_store_explicit(&l->out->joined, 1, memory_order_release);
	shm_ring_doorbell(t, l);
	return LSB_OK;
}

/* The first peer that has not joined us; -1 if all have. */
static int32_t first_missing(const struct lsb_transport *t)
{
	for (int32_t peer = 0; peer < t->world->size; peer++)
		if (peer != t->world->rank &&
		    !atomic_load_explicit(&t->mine->rings[peer].joined, memory_order_acquire))
			return peer;
	return -1;
}

static int all_joined(struct lsb_transport *t)
{
	return first_missing(t) < 0;
}

int shm_join(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
	     struct lsb_error *err)
{
	for (int32_t peer = 0; peer < t->world->size; peer++) {
		const int rc = peer == t->world->rank ? LSB_OK : join_peer(t, peer, &addresses[peer], err);

		if (rc)
			return rc;
	}
	while (!all_joined(t)) {
		if (shm_now(t) >= deadline_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "rank %d has not joined in time",
					first_missing(t));
		shm_sleep(t, deadline_ns, all_joined);
	}
	for (int32_t peer = 0; peer < t->world->size; peer++)
		if (peer != t->world->rank &&
		    memcmp(t->mine->rings[peer].nonce, t->world->nonce, sizeof(t->world->nonce)) != 0)
			return lsb_fail(err, LSB_EPEER, 0,
					"what joined as rank %d does not know this launch's secret", peer);
	close(t->fd);
	t->fd = -1;
	return LSB_OK;
}

/* Say goodbye where we have joined, and let go. */
void shm_leave(struct lsb_transport *t)
{
	for (int32_t peer = 0; t->links && peer < t->world->size; peer++) {
		struct shm_link *l = &t->links[peer];

		if (l->theirs && !l->gone && !l->sends.head) {
			atomic_store_explicit(&l->out->closed, 1, memory_order_release);
			shm_ring_doorbell(t, l);
		}
		if (l->theirs)
			munmap(l->theirs, t->segment_bytes);
		if (l->pidfd >= 0)
			close(l->pidfd);
	}
	if (t->mine)
		munmap(t->mine, t->segment_bytes);
	if (t->fd >= 0)
		close(t->fd);
}
