/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels.h"

#include <string.h>

#if !LSB_KERNELS_X86
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
	const struct lsb_kernels *found = NULL;

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
