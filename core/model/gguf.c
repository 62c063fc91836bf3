/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of GGUF headers.
 *
 * A reader pulls the file in pieces into one growing buffer. Its take_*
 * functions give zeros after the first failure, so that parsing code reads
 * straight on and looks at r->rc where a loop or an allocation would depend on
 * the value. Positions are kept as offsets until the buffer has its last place;
 * then place() turns them into pointers.
 */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#include "gguf_file.h"
#include "lsbench/host.h"

struct reader {
	struct lsb_gguf *g;
	struct lsb_error *err;
	uint64_t pos, loaded, room; /* of g->header */
	uint64_t *offsets;	    /* values: key, data; tensors: name */
	char what[96];		    /* being read, for messages */
	int rc;
};

#define WRONG(r, ...) ((r)->rc = lsb_gguf_wrong((r)->g, (r)->err, __VA_ARGS__))

/* --- bytes ------------------------------------------------------------------------------ */

static int grow(struct reader *r, uint64_t need)
{
	uint64_t room = r->room ? r->room : 1u << 16;
	uint8_t *moved;

	while (room < need)
		room *= 2;
	if (room == r->room)
		return 0;
	moved = realloc(r->g->header, room + 1); /* one more: a NUL behind a string at the end */
	if (!moved)
		return -1;
	r->g->header = moved;
	r->room = room;
	return 0;
}

/* Make bytes [pos, pos + n) of the file present. */
static int need(struct reader *r, uint64_t n)
{
	struct lsb_gguf *g = r->g;
	uint64_t end, to;

	if (r->rc)
		return r->rc;
	if (n > g->file_bytes - r->pos)
		return WRONG(r, "the file ends at byte %llu, inside %s: it is cut short or damaged",
			     (unsigned long long)g->file_bytes, r->what);
	end = r->pos + n;
	if (end > LSB_GGUF_HEADER_MAX)
		return WRONG(r, "the header is longer than the %d MiB read here (at %s)",
			     LSB_GGUF_HEADER_MAX >> 20, r->what);
	if (end <= r->loaded)
		return 0;
	if (grow(r, end) < 0)
		return r->rc = lsb_fail(r->err, LSB_ENOMEM, 0, "model: %s: no memory for the header",
					g->shown);
	to = r->room < g->file_bytes ? r->room : g->file_bytes;
	r->rc = lsb_gguf_pread(g, r->loaded, to - r->loaded, g->header + r->loaded, r->err);
	r->loaded = to;
	return r->rc;
}

static uint32_t take_u32(struct reader *r)
{
	uint32_t v = 0;

	if (!need(r, sizeof(v))) {
		memcpy(&v, r->g->header + r->pos, sizeof(v));
		r->pos += sizeof(v);
	}
	return v;
}

static uint64_t take_u64(struct reader *r)
{
	uint64_t v = 0;

	if (!need(r, sizeof(v))) {
		memcpy(&v, r->g->header + r->pos, sizeof(v));
		r->pos += sizeof(v);
	}
	return v;
}

static void skip(struct reader *r, uint64_t n)
{
	if (!need(r, n))
		r->pos += n;
}

/* A string of at most `limit` bytes: its length, its first byte's offset in *at. */
static uint64_t take_string(struct reader *r, uint64_t limit, uint64_t *at)
{
	const uint64_t n = take_u64(r);

	*at = r->pos;
	if (!r->rc && n > limit)
		WRONG(r, "%s says it is %llu bytes long, more than %llu", r->what, (unsigned long long)n,
		      (unsigned long long)limit);
	skip(r, n);
	return r->rc ? 0 : n;
}

/* --- values ----------------------------------------------------------------------------- */

uint32_t lsb_gguf_size(uint32_t type)
{
	static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

	return type < sizeof(sizes) ? sizes[type] : 0;
}

static void check_bools(struct reader *r, uint64_t at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		if (r->g->header[at + i] > 1) {
			WRONG(r, "%s is a bool with the value %d", r->what, r->g->header[at + i]);
			return;
		}
	}
}

/* Walk a string array once and keep where each element is. */
static void take_strings(struct reader *r, struct lsb_gguf_value *v)
{
	uint64_t room = 0, at;

	for (uint64_t i = 0; i < v->count && !r->rc; i++) {
		const uint64_t start = r->pos;

		take_string(r, LSB_GGUF_HEADER_MAX, &at);
		if (r->rc)
			break;
		if (i == room) { /* grows with what is read, whatever the count says */
			uint32_t *more;

			room = room ? 2 * room : 64;
			more = realloc(v->starts, room * sizeof(*more));
			if (!more) {
				r->rc = lsb_fail(r->err, LSB_ENOMEM, 0, "model: %s: no memory for the header",
						 r->g->shown);
				break;
			}
			v->starts = more;
		}
		v->starts[i] = (uint32_t)start;
	}
}

static void take_array(struct reader *r, struct lsb_gguf_value *v, uint64_t *data)
{
	uint32_t size;

	v->item = take_u32(r);
	v->count = take_u64(r);
	*data = r->pos;
	if (r->rc)
		return;
	size = lsb_gguf_size(v->item);
	if (v->item == LSB_GGUF_ARRAY)
		WRONG(r, "%s is an array of arrays, which no Llama model needs", r->what);
	else if (v->item != LSB_GGUF_STRING && !size)
		WRONG(r, "%s is an array of unknown type %u", r->what, v->item);
	/* Each element is a byte at least; a string's length is 8. */
	else if (v->count > (r->g->file_bytes - r->pos) / (size ? size : 8))
		WRONG(r, "%s says it has %llu elements, more than the file holds: it is cut short or damaged",
		      r->what, (unsigned long long)v->count);
	else if (v->item == LSB_GGUF_STRING)
		take_strings(r, v);
	else
		skip(r, v->count * size);
	if (!r->rc && v->item == LSB_GGUF_BOOL)
		check_bools(r, *data, v->count);
}

static void take_value(struct reader *r, struct lsb_gguf_value *v, uint64_t *data)
{
	v->type = take_u32(r);
	*data = r->pos;
	if (r->rc)
		return;
	if (v->type == LSB_GGUF_STRING)
		v->count = take_string(r, LSB_GGUF_HEADER_MAX, data);
	else if (v->type == LSB_GGUF_ARRAY)
		take_array(r, v, data);
	else if (lsb_gguf_size(v->type))
		skip(r, lsb_gguf_size(v->type));
	else
		WRONG(r, "%s has unknown type %u", r->what, v->type);
	if (!r->rc && v->type == LSB_GGUF_BOOL)
		check_bools(r, *data, 1);
}

static void take_values(struct reader *r)
{
	struct lsb_gguf *g = r->g;

	for (uint32_t i = 0; i < g->n_values && !r->rc; i++) {
		struct lsb_gguf_value *v = &g->values[i];
		char key[64];

		snprintf(r->what, sizeof(r->what), "the name of key %u of %u", i + 1, g->n_values);
		v->key_bytes = (uint32_t)take_string(r, LSB_GGUF_KEY_BYTES_MAX, &r->offsets[2 * i]);
		if (r->rc)
			return;
		if (!v->key_bytes) {
			WRONG(r, "%s is empty", r->what);
			return;
		}
		snprintf(r->what, sizeof(r->what), "key '%s'",
			 lsb_gguf_shown((const char *)g->header + r->offsets[2 * i], v->key_bytes, key,
					sizeof(key)));
		take_value(r, v, &r->offsets[2 * i + 1]);
	}
}

/* The header is whole: offsets become pointers, values sorted, strings end with a NUL. */
static void place(struct reader *r)
{
	struct lsb_gguf *g = r->g;
	const uint64_t *names = r->offsets + 2 * (size_t)g->n_values;
	const struct lsb_gguf_value *twice;
	char key[64];

	for (uint32_t i = 0; i < g->n_values; i++) {
		g->values[i].key = (const char *)g->header + r->offsets[2 * i];
		g->values[i].data = g->header + r->offsets[2 * i + 1];
	}
	for (uint32_t i = 0; i < g->n_tensors; i++)
		g->tensors[i].name = (const char *)g->header + names[i];
	twice = lsb_gguf_sort(g);
	if (twice) {
		WRONG(r, "key '%s' appears twice",
		      lsb_gguf_shown(twice->key, twice->key_bytes, key, sizeof(key)));
		return;
	}
	/* What follows a string is a length that has been read, so its first byte is free. */
	for (uint32_t i = 0; i < g->n_values; i++)
		if (g->values[i].type == LSB_GGUF_STRING)
			g->header[(size_t)(g->values[i].data - g->header) + g->values[i].count] = 0;
}

/* --- tensors ---------------------------------------------------------------------------- */

static void take_tensor(struct reader *r, uint32_t index, uint64_t *name_at)
{
	struct lsb_gguf *g = r->g;
	struct lsb_gguf_tensor *t = &g->tensors[index];
	char name[64];

	snprintf(r->what, sizeof(r->what), "the name of tensor %u of %u", index + 1, g->n_tensors);
	t->name_bytes = (uint32_t)take_string(r, LSB_GGUF_NAME_BYTES_MAX, name_at);
	if (r->rc)
		return;
	snprintf(r->what, sizeof(r->what), "tensor '%s'",
		 lsb_gguf_shown((const char *)g->header + *name_at, t->name_bytes, name, sizeof(name)));
	t->n_dims = take_u32(r);
	if (!r->rc && (t->n_dims == 0 || t->n_dims > LSB_GGUF_DIMS_MAX)) {
		WRONG(r, "%s has %u dimensions; 1 to %d are possible", r->what, t->n_dims, LSB_GGUF_DIMS_MAX);
		return;
	}
	for (uint32_t d = 0; d < LSB_GGUF_DIMS_MAX; d++) {
		t->dims[d] = d < t->n_dims ? take_u64(r) : 1;
		if (!r->rc && (t->dims[d] == 0 || t->dims[d] > INT64_MAX)) {
			WRONG(r, "%s has dimension %lld", r->what, (long long)t->dims[d]);
			return;
		}
	}
	t->type = take_u32(r);
	t->offset = take_u64(r); /* in the data; made absolute when the header's end is known */
	if (!r->rc && t->offset % g->alignment)
		WRONG(r, "%s begins at offset %llu, which is no multiple of the alignment %u", r->what,
		      (unsigned long long)t->offset, g->alignment);
}

static void take_tensors(struct reader *r)
{
	struct lsb_gguf *g = r->g;
	uint64_t data;

	for (uint32_t i = 0; i < g->n_tensors && !r->rc; i++)
		take_tensor(r, i, &r->offsets[2 * (size_t)g->n_values + i]);
	if (r->rc)
		return;
	data = (r->pos + g->alignment - 1) / g->alignment * g->alignment;
	for (uint32_t i = 0; i < g->n_tensors; i++) {
		struct lsb_gguf_tensor *t = &g->tensors[i];

		if (t->offset > g->file_bytes || data > g->file_bytes - t->offset) {
			WRONG(r,
			      "tensor %u of %u begins at byte %llu of the data, beyond the end of the file",
			      i + 1, g->n_tensors, (unsigned long long)t->offset);
			return;
		}
		t->offset += data;
	}
}

/* --- the whole header ------------------------------------------------------------------- */

static void take_counts(struct reader *r)
{
	struct lsb_gguf *g = r->g;
	uint64_t n_tensors, n_values;

	snprintf(r->what, sizeof(r->what), "the first 24 bytes");
	if (!need(r, 4) && memcmp(g->header, "GGUF", 4)) {
		WRONG(r, "not a GGUF file: it does not begin with \"GGUF\"");
		return;
	}
	skip(r, 4);
	g->version = take_u32(r);
	if (!r->rc && (g->version & 0xffffu) == 0 && g->version != 0) {
		WRONG(r, "big-endian GGUF is not supported; make a little-endian file");
		return;
	}
	if (!r->rc && g->version != 2 && g->version != 3) {
		WRONG(r, "GGUF version %u is not supported; 2 and 3 are", g->version);
		return;
	}
	n_tensors = take_u64(r);
	n_values = take_u64(r);
	if (!r->rc && n_tensors > LSB_GGUF_TENSORS_MAX)
		WRONG(r, "it says it has %llu tensors; %d are the most", (unsigned long long)n_tensors,
		      LSB_GGUF_TENSORS_MAX);
	else if (!r->rc && n_values > LSB_GGUF_KEYS_MAX)
		WRONG(r, "it says it has %llu keys; %d are the most", (unsigned long long)n_values,
		      LSB_GGUF_KEYS_MAX);
	g->n_tensors = r->rc ? 0 : (uint32_t)n_tensors;
	g->n_values = r->rc ? 0 : (uint32_t)n_values;
}

/* Values are not sorted yet when tensors need the alignment. */
static void find_alignment(struct reader *r)
{
	static const char key[] = "general.alignment";
	struct lsb_gguf *g = r->g;

	g->alignment = 32;
	for (uint32_t i = 0; i < g->n_values && !r->rc; i++) {
		int64_t value;

		if (g->values[i].key_bytes != sizeof(key) - 1 ||
		    memcmp(g->header + r->offsets[2 * i], key, sizeof(key) - 1))
			continue;
		if (lsb_gguf_integer(g->values[i].type, g->header + r->offsets[2 * i + 1], &value) < 0 ||
		    value <= 0 || value > LSB_GGUF_ALIGNMENT_MAX || (value & (value - 1))) {
			WRONG(r, "general.alignment must be a power of two of at most %d",
			      LSB_GGUF_ALIGNMENT_MAX);
			return;
		}
		g->alignment = (uint32_t)value;
	}
}

static int parse(struct lsb_gguf *g, struct lsb_error *err)
{
	struct reader r = { .g = g, .err = err };

	take_counts(&r);
	if (r.rc)
		return r.rc;
	g->values = calloc(g->n_values + 1, sizeof(*g->values));
	g->tensors = calloc(g->n_tensors + 1, sizeof(*g->tensors));
	r.offsets = calloc(2 * (size_t)g->n_values + g->n_tensors + 1, sizeof(*r.offsets));
	if (!g->values || !g->tensors || !r.offsets) {
		r.rc = lsb_fail(err, LSB_ENOMEM, 0, "model: %s: no memory for the header", g->shown);
		goto out;
	}
	take_values(&r);
	find_alignment(&r);
	take_tensors(&r);
	if (!r.rc)
		place(&r);
out:
	free(r.offsets);
	return r.rc;
}

int lsb_gguf_open(const char *path, struct lsb_gguf **out, struct lsb_error *err)
{
	struct lsb_gguf *g = NULL;
	int rc = lsb_gguf_open_file(path, &g, err);

	if (!rc)
		rc = parse(g, err);
	if (rc) {
		lsb_gguf_close(g);
		return rc;
	}
	*out = g;
	return LSB_OK;
}

void lsb_gguf_close(struct lsb_gguf *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; g->values && i < g->n_values; i++)
		free(g->values[i].starts);
	free(g->values);
	free(g->tensors);
	free(g->header);
	lsb_gguf_close_file(g);
}
