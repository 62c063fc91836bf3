/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cuDNN that makes descriptors, counts them and runs nothing: what it lacks or refuses is
 * the test's choice (fake_cuda.h).
 */
#pragma GCC diagnostic ignored "-Wpedantic" /* functions given as objects, as dlsym does */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dnn_abi.h"
#include "fake_cuda.h"

enum { REFUSED = 3000 };

static size_t version(void)
{
	return fake.dnn_version;
}

static void last_error(char *message, size_t most)
{
	snprintf(message, most, "as the test asked");
}

static int create(void **handle)
{
	return fake.dnn_refuses == FAKE_DNN_HANDLE ? REFUSED : (*handle = &fake, 0);
}

static int nothing(void)
{
	return 0;
}

static int create_descriptor(int type, void **descriptor)
{
	int *d = malloc(sizeof(*d));

	*d = type;
	*descriptor = d;
	fake.live++;
	return 0;
}

static int destroy_descriptor(void *descriptor)
{
	fake.live--;
	free(descriptor);
	return 0;
}

static int get_attribute(void *descriptor, int name, int type, int64_t most, int64_t *n, void *values)
{
	(void)descriptor, (void)type, (void)most;
	*n = 1;
	if (name == DNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)
		memcpy(values, &(int64_t){ 512 }, sizeof(int64_t));
	return 0;
}

static int finalize(void *descriptor)
{
	const int type = *(const int *)descriptor;

	return (fake.dnn_refuses == FAKE_DNN_TENSORS && type == DNN_TENSOR) ||
			       (fake.dnn_refuses == FAKE_DNN_PLANS && type == DNN_EXECUTION_PLAN)
		       ? REFUSED
		       : 0;
}

static int execute(void *handle, void *plan, void *pack)
{
	(void)handle, (void)plan, (void)pack;
	fake.dnn_runs++;
	return fake.dnn_refuses == FAKE_DNN_RUNS ? REFUSED : 0;
}

void *fake_dnn_symbol(const char *name)
{
	static const struct {
		const char *name;
		void *call;
	} calls[] = { { "cudnnGetVersion", (void *)version },
		      { "cudnnGetLastErrorString", (void *)last_error },
		      { "cudnnCreate", (void *)create },
		      { "cudnnBackendCreateDescriptor", (void *)create_descriptor },
		      { "cudnnBackendDestroyDescriptor", (void *)destroy_descriptor },
		      { "cudnnBackendGetAttribute", (void *)get_attribute },
		      { "cudnnBackendFinalize", (void *)finalize },
		      { "cudnnBackendExecute", (void *)execute } };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].call;
	return (void *)nothing;
}
