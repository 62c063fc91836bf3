/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int cpu_product(size_t a, size_t b, size_t c, size_t *out, const char *what, struct lsb_error *err)
{
	if (__builtin_mul_overflow(a, b, out) || __builtin_mul_overflow(*out, c, out) || *out > PTRDIFF_MAX)
		return lsb_fail(err, LSB_ENOMEM, 0, "%s of %zu x %zu x %zu bytes cannot be addressed", what,
				a, b, c);
	return LSB_OK;
}

int cpu_alloc(struct lsb_backend *b, size_t n, size_t m, size_t size, void *out, const char *what,
	      struct lsb_error *err)
{
	size_t bytes;
	void *ptr;
	int rc = cpu_product(n, m, size, &bytes, what, err);

	if (rc)
		return rc;
	ptr = b->host->alloc(b->host->context, cpu_round_up(bytes ? bytes : 1, CPU_LINE), CPU_LINE);
	if (!ptr)
		return lsb_fail(
			err, LSB_ENOMEM, 0,
			"no memory for %s: %zu bytes; use fewer slots, a shorter context or more stages",
			what, bytes);
	memcpy(out, &ptr, sizeof(ptr));
	return LSB_OK;
}

void cpu_free(struct lsb_backend *b, void *ptr)
{
	b->host->free(b->host->context, ptr);
}

int cpu_make_present(void *ptr, size_t bytes, const char *what, struct lsb_error *err)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (madvise(ptr, bytes, MADV_POPULATE_WRITE) == 0)
		return LSB_OK;
	if (errno == ENOMEM)
		return lsb_fail(
			err, LSB_ENOMEM, errno,
			"no memory for %s: %zu bytes; use fewer slots, a shorter context or more stages",
			what, bytes);
	for (size_t at = 0; at < bytes; at += page) /* before Linux 5.14 */
		((volatile char *)ptr)[at] = 0;
	return LSB_OK;
}

int cpu_map(size_t bytes, bool huge, void *out, const char *what, struct lsb_error *err)
{
	void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ptr == MAP_FAILED)
		return lsb_fail(
			err, LSB_ENOMEM, errno,
			"no memory for %s: %zu bytes: %s; use fewer slots, a shorter context or more stages",
			what, bytes, strerror(errno));
	if (huge)
		(void)madvise(ptr, bytes, MADV_HUGEPAGE); /* a wish: older kernels may refuse */
	memcpy(out, &ptr, sizeof(ptr));
	return LSB_OK;
}
