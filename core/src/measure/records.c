/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/records.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "measure/clock.h"

enum { RANKS_MAX = 1 << 16 };
static const uint64_t bytes_max = 1ull << 32; /* of one file */

static uint32_t u32_at(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Point the ranks at their parts of the data, of `bytes` bytes. */
static int view_ranks(struct lsb_records *r, size_t bytes, const char *path, struct lsb_error *err)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		const char *header = r->data + at;
		uint32_t count;

		if (bytes - at < LSB_RECORDS_HEADER_BYTES || memcmp(header, "LSBR", 4) != 0 ||
		    u32_at(header + 4) != LSB_RECORDS_VERSION || u32_at(header + 8) != i)
			return lsb_fail(err, LSB_EIO, 0, "'%s' has no records of rank %zu where they belong",
					path, i);
		count = u32_at(header + 12);
		at += LSB_RECORDS_HEADER_BYTES;
		if (count > (bytes - at) / sizeof(struct lsb_record))
			return lsb_fail(err, LSB_EIO, 0, "'%s' ends within the records of rank %zu", path, i);
		/* malloc'ed data, and whole multiples of 16 bytes before it: aligned */
		r->ranks[i] = (struct lsb_rank_records){ .rank = (int32_t)i,
							 .records = (const void *)(r->data + at),
							 .n = count };
		at += count * sizeof(struct lsb_record);
	}
	return at == bytes ? LSB_OK
			   : lsb_fail(err, LSB_EIO, 0, "'%s' has bytes behind its last record", path);
}

/* Read the file at `path`, whose size, digest and count the journal told in `described`. */
static int read_file(struct lsb_records *r, const char *path, const json_t *described, struct lsb_error *err)
{
	const json_int_t count = json_integer_value(json_object_get(described, "count"));
	const char *wanted = json_string_value(json_object_get(described, "sha256"));
	char digest[LSB_DIGEST_HEX];
	uint64_t bytes;
	size_t got = 0;
	int rc;

	if (count < 0 || (uint64_t)count > bytes_max / sizeof(struct lsb_record) || !wanted)
		return lsb_fail(err, LSB_EIO, 0,
				"the journal does not say what the records of launch %" PRId64 " are",
				r->launch);
	bytes = (uint64_t)count * sizeof(struct lsb_record) + r->n * LSB_RECORDS_HEADER_BYTES;
	rc = lsb_file_read(path, bytes, &r->data, &got, err);
	if (rc == LSB_EINVAL)
		return lsb_fail(err, LSB_EIO, 0, "'%s' is longer than the journal says", path);
	if (rc)
		return rc;
	lsb_digest(r->data, got, digest);
	if (got != bytes || strcmp(digest, wanted) != 0)
		return lsb_fail(err, LSB_EIO, 0,
				"'%s' is not the file that the journal tells of: it was changed or cut",
				path);
	return view_ranks(r, got, path, err);
}

/* Bring the ranks' times to rank 0's clock, where they have clocks of their own. */
static int align(struct lsb_records *r, const json_t *line, struct lsb_error *err)
{
	struct lsb_clock *clocks = lsb_clocks_of(line);
	struct lsb_rank_records *aligned;
	int shared = 1, rc = LSB_OK;

	for (size_t i = 0; clocks && i < r->n; i++)
		shared = shared && clocks[i].is_shared;
	if (!clocks)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the clocks of %zu ranks", r->n);
	else if (!shared)
		rc = lsb_records_align(r->ranks, r->n, clocks, &aligned, err);
	if (rc == LSB_OK && !shared) {
		free(r->ranks);
		free(r->data);
		r->ranks = aligned;
		r->data = NULL;
	}
	free(clocks);
	return rc;
}

int lsb_records_read(const char *dir, const json_t *line, struct lsb_records *out, struct lsb_error *err)
{
	const json_t *described = json_object_get(line, "records");
	const char *name = json_string_value(json_object_get(described, "file"));
	const json_int_t launch = json_integer_value(json_object_get(line, "launch"));
	char *expected = lsb_format("records/%lld.bin", (long long)launch);
	char *path = lsb_format("%s/records/%lld.bin", dir, (long long)launch);
	int rc = LSB_OK;

	*out = (struct lsb_records){ .launch = launch, .n = json_array_size(json_object_get(line, "ranks")) };
	if (!expected || !path)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	else if (!name || access(path, F_OK))
		rc = lsb_fail(err, LSB_EUNAVAIL, 0, "no step records of launch %" PRId64 " were kept in '%s'",
			      out->launch, dir);
	else if (strcmp(name, expected) != 0 || out->n == 0 || out->n > RANKS_MAX)
		rc = lsb_fail(err, LSB_EIO, 0,
			      "the journal does not say what the records of launch %" PRId64 " are",
			      out->launch);
	if (rc == LSB_OK) {
		out->ranks = calloc(out->n, sizeof(*out->ranks));
		rc = out->ranks ? read_file(out, path, described, err)
				: lsb_fail(err, LSB_ENOMEM, 0, "no memory for records of %zu ranks", out->n);
	}
	if (rc == LSB_OK)
		rc = align(out, line, err);
	free(expected);
	free(path);
	if (rc)
		lsb_records_free(out);
	return rc;
}

void lsb_records_free(struct lsb_records *records)
{
	free(records->ranks);
	free(records->data);
	*records = (struct lsb_records){ 0 };
}
