/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernels this processor can run. Compiled for the baseline processor:
 * nothing of the other files may be called before the answer is yes.
 */
#include "kernels_pack.h"

#include <string.h>

#if LSB_KERNELS_X86
#include <cpuid.h>

/* gcc's and clang's check includes the operating system's consent to the wide registers. */
static int has_avx2(void)
{
	unsigned int a, b, c = 0, d;

	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	       __builtin_cpu_supports("bmi2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vnni");
}

const struct lsb_kernels *lsb_kernels_avx2(void)
{
	return has_avx2() ? &lsb_table_avx2 : NULL;
}

const struct lsb_kernels *lsb_kernels_avx512(void)
{
	if (!has_avx512())
		return NULL;
	return __builtin_cpu_supports("avx512bf16") ? &lsb_table_avx512_bf16 : &lsb_table_avx512;
}
#else
const struct lsb_kernels *lsb_kernels_avx2(void)
{
	return NULL;
}

const struct lsb_kernels *lsb_kernels_avx512(void)
{
	return NULL;
}
#endif

const struct lsb_kernels *lsb_kernels_find(const char *name)
{
	const struct lsb_kernels *found;

	if (!strcmp(name, "avx512"))
		return lsb_kernels_avx512();
	if (!strcmp(name, "avx2"))
		return lsb_kernels_avx2();
	if (!strcmp(name, "plain"))
		return lsb_kernels_plain();
	if (strcmp(name, "auto"))
		return NULL;
	found = lsb_kernels_avx512();
	if (!found)
		found = lsb_kernels_avx2();
	return found ? found : lsb_kernels_plain();
}
