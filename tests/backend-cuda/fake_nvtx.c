/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profiler that listens to NVTX ranges, linked in: NVTX looks for the symbol at this file's end before it
 * opens a library. Its header makes all definitions of it weak, so this file comes before the plugin's in the
 * link.
 */
#include <nvtx3/nvToolsExt.h>
#include <string.h>

#include "fake_cuda.h"

static int pushed(const char *name)
{
	size_t n = strlen(fake.ranges);

	for (; *name && n + 2 < sizeof(fake.ranges); name++)
		fake.ranges[n++] = *name;
	fake.ranges[n] = ';';
	fake.open_ranges++;
	return 0;
}

static int popped(void)
{
	fake.open_ranges--;
	return 0;
}

static int listen(NvtxGetExportTableFunc_t tables)
{
	const NvtxExportTableCallbacks *callbacks = tables(NVTX_ETID_CALLBACKS);
	NvtxFunctionTable table;
	unsigned n = 0;

	if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &n) ||
	    n <= NVTX_CBID_CORE_RangePushA || n <= NVTX_CBID_CORE_RangePop)
		return 0;
	*table[NVTX_CBID_CORE_RangePushA] = (NvtxFunctionPointer)pushed;
	*table[NVTX_CBID_CORE_RangePop] = (NvtxFunctionPointer)popped;
	return 1;
}

NvtxInitializeInjectionNvtxFunc_t InitializeInjectionNvtx2_fnptr = listen;
