/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target without libFuzzer: tries files, and mutations of them that are
 * the same in every run.
 *
 *	fuzz_NAME MUTATIONS FILE-OR-FOLDER...
 *
 * Passing means: nothing crashed, and no sanitizer spoke.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

enum { FILE_MAX = 1 << 20, STEPS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

static uint64_t draw(void) /* xorshift64* */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

static size_t draw_below(size_t n)
{
	return n ? (size_t)(draw() % n) : 0;
}

/* One change of `data`, which has room for twice its largest size. Returns the new size. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t edges[] = { 0,   1,   0x7f, 0x80, 0xff, '\n', '[', ']',
					 '=', '$', '{',	 '}',  ',',  ' ',  '9' };
	const size_t at = draw_below(size), n = 1 + draw_below(size - at < 16 ? size - at : 16);

	if (size == 0) {
		data[0] = (uint8_t)draw();
		return 1;
	}
	switch (draw_below(6)) {
	case 0:
		data[at] ^= (uint8_t)(1u << draw_below(8));
		return size;
	case 1:
		data[at] = edges[draw_below(sizeof(edges))];
		return size;
	case 2: /* cut the end */
		return at;
	case 3: /* take a piece out */
		memmove(data + at, data + at + (n > size - at ? size - at : n),
			size - at - (n > size - at ? size - at : n));
		return size - (n > size - at ? size - at : n);
	case 4: /* repeat a piece */
		if (size + n > FILE_MAX || n > size - at)
			return size;
		memmove(data + at + n, data + at, size - at);
		return size + n;
	default: /* a large or small number where four bytes were */
		if (size - at >= 4)
			memcpy(data + at, &(uint32_t){ (uint32_t)(draw() >> draw_below(64)) }, 4);
		return size;
	}
}

/* The bytes in a block of their own, so that reading past them is seen. */
static void try_bytes(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		exit(EXIT_FAILURE);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int try_file(const char *path, unsigned long mutations)
{
	struct lsb_error err;
	uint8_t *work;
	char *data;
	size_t size;

	if (lsb_file_read(path, FILE_MAX, &data, &size, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	work = malloc(2 * (size_t)FILE_MAX);
	if (!work)
		exit(EXIT_FAILURE);
	try_bytes((const uint8_t *)data, size);
	for (unsigned long i = 0; i < mutations; i++) {
		size_t n = size;

		state = 0x9e3779b97f4a7c15u * (i + 1);
		memcpy(work, data, size);
		for (size_t steps = 1 + draw_below(STEPS_MAX); steps > 0; steps--)
			n = mutate(work, n);
		try_bytes(work, n);
	}
	free(work);
	free(data);
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int try_folder(const char *folder, unsigned long mutations)
{
	struct dirent **entries;
	const int n = scandir(folder, &entries, is_visible, alphasort);
	int failed = n <= 0;

	if (failed)
		fprintf(stderr, "no corpus in '%s'\n", folder);
	for (int i = 0; i < n; i++) {
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		failed |= try_file(path, mutations) != 0;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
	unsigned long mutations;
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s MUTATIONS FILE-OR-FOLDER...\n", argv[0]);
		return EXIT_FAILURE;
	}
	mutations = strtoul(argv[1], NULL, 10);
	for (int i = 2; i < argc; i++) {
		struct stat st;
		const int is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

		failed |= is_folder ? try_folder(argv[i], mutations) : try_file(argv[i], mutations);
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
