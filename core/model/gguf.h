/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside core/model: a GGUF file (versions 2 and 3, little-endian) as its
 * header says it: keys with values, tensors with places. Knows no architecture.
 *
 * The header is read into memory of our own, never mapped, so that a file that
 * changes or shrinks gives an error and not a signal. Every count and length is
 * checked against what is left of the file before anything is allocated for it,
 * and the whole header against LSB_GGUF_HEADER_MAX: memory stays proportional to
 * the bytes really there.
 */
#ifndef LSB_GGUF_H
#define LSB_GGUF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lsbench/types.h"

enum {
	LSB_GGUF_HEADER_MAX = 32 << 20, /* bytes; Llama 3's is 8 MB */
	LSB_GGUF_KEYS_MAX = 4096,
	LSB_GGUF_TENSORS_MAX = 16384,
	LSB_GGUF_KEY_BYTES_MAX = 65535, /* the format's own limit */
	LSB_GGUF_NAME_BYTES_MAX = 255,
	LSB_GGUF_DIMS_MAX = 4,
	LSB_GGUF_ALIGNMENT_MAX = 1 << 20,
};

/* Value types, as files have them. */
enum lsb_gguf_type {
	LSB_GGUF_U8 = 0,
	LSB_GGUF_I8 = 1,
	LSB_GGUF_U16 = 2,
	LSB_GGUF_I16 = 3,
	LSB_GGUF_U32 = 4,
	LSB_GGUF_I32 = 5,
	LSB_GGUF_F32 = 6,
	LSB_GGUF_BOOL = 7,
	LSB_GGUF_STRING = 8,
	LSB_GGUF_ARRAY = 9,
	LSB_GGUF_U64 = 10,
	LSB_GGUF_I64 = 11,
	LSB_GGUF_F64 = 12,
};

/* Pointers go into the header's copy. */
struct lsb_gguf_value {
	const char *key;     /* not NUL-terminated */
	const uint8_t *data; /* first byte of the value: of a string or array its first element's */
	uint32_t *starts;    /* of a string array: where element i's length stands in the header; owned */
	uint64_t count;	     /* elements of an array, bytes of a string */
	uint32_t key_bytes;
	uint32_t type; /* enum lsb_gguf_type */
	uint32_t item; /* elements' type, of an array */
};

struct lsb_gguf_tensor {
	const char *name;		  /* not NUL-terminated */
	uint64_t dims[LSB_GGUF_DIMS_MAX]; /* contiguous one first; 1 beyond n_dims */
	uint64_t offset;		  /* of the data, absolute */
	uint32_t name_bytes;
	uint32_t n_dims;
	uint32_t type;
};

struct lsb_gguf {
	int fd;
	char *path;	 /* absolute */
	char shown[200]; /* the path as messages have it */
	dev_t device;
	ino_t inode;
	struct timespec mtime;
	uint64_t file_bytes;

	uint8_t *header;
	struct lsb_gguf_value *values; /* in order of (length of key, key) */
	struct lsb_gguf_tensor *tensors;
	uint32_t n_values, n_tensors;
	uint32_t version, alignment;
};

/*
 * LSB_EMODEL when it cannot be opened or has a wrong header, LSB_EIO when reading fails. See lsb_gguf_close.
 */
int lsb_gguf_open(const char *path, struct lsb_gguf **out, struct lsb_error *err);
void lsb_gguf_close(struct lsb_gguf *g);

/* The value of `key`, or NULL. */
const struct lsb_gguf_value *lsb_gguf_find(const struct lsb_gguf *g, const char *key);
/* Puts the values in order; returns one whose key appears twice, or NULL. */
const struct lsb_gguf_value *lsb_gguf_sort(struct lsb_gguf *g);
/* A scalar or the element at `at` of type `type` as a number; returns 0, or -1 when it is none. */
int lsb_gguf_integer(uint32_t type, const uint8_t *at, int64_t *value);
int lsb_gguf_number(uint32_t type, const uint8_t *at, double *value);
/* Bytes of a value type of fixed size; 0 for the others. */
uint32_t lsb_gguf_size(uint32_t type);

/* Bytes [offset, offset + bytes) of the file; LSB_EMODEL when it is no longer the file that was opened. */
int lsb_gguf_read(const struct lsb_gguf *g, uint64_t offset, uint64_t bytes, void *to, struct lsb_error *err);

/*
 * At most `room` - 1 bytes of `text` for a message; what is not printable ASCII becomes '?'. Returns `out`.
 */
const char *lsb_gguf_shown(const char *text, uint64_t bytes, char *out, size_t room);

#endif
