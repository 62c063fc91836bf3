/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small things that everything uses: time, text that grows, files, digests.
 * Knows nothing of benchmarks.
 */
#ifndef LSB_BASE_H
#define LSB_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/host.h"
#include "lsbench/types.h"

#define LSB_VERSION "0.1.0"
#define LSB_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* CLOCK_MONOTONIC. [any, hot] */
uint64_t lsb_now_ns(void);

/* Text under construction; zero-initialise. On lack of memory it stays as it is and .failed is set. */
struct lsb_text {
	char *data; /* NUL-terminated once anything was added; owned */
	size_t length, room;
	int failed;
};
void lsb_text_add(struct lsb_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lsb_text_bytes(struct lsb_text *t, const void *bytes, size_t n);
void lsb_text_free(struct lsb_text *t);

/* printf into malloc'ed memory; NULL when there is none. */
char *lsb_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A whole file of at most `limit` bytes, NUL behind it; malloc'ed into *data. LSB_EIO, LSB_EINVAL if larger.
 */
int lsb_file_read(const char *path, size_t limit, char **data, size_t *bytes, struct lsb_error *err);
/* Write a file whole or not at all: a temporary beside it, fsync, rename. */
int lsb_file_write(const char *path, const void *data, size_t bytes, struct lsb_error *err);

enum { LSB_DIGEST_HEX = 65 };
/* SHA-256 as 64 hex digits and a NUL; of a file: LSB_EINVAL when it is no regular one. */
void lsb_digest(const void *data, size_t bytes, char hex[LSB_DIGEST_HEX]);
int lsb_digest_file(const char *path, char hex[LSB_DIGEST_HEX], struct lsb_error *err);

/* The nearest of n `names` to `word` by edit distance; NULL when none is near enough to be meant. */
const char *lsb_nearest(const char *word, const char *const *names, size_t n);

/* Folder of the running binary, without a slash at its end. */
int lsb_self_folder(char *out, size_t bytes, struct lsb_error *err);

/*
 * Who this machine is, each empty where the system does not tell. Processes of
 * equal clock_id share one CLOCK_MONOTONIC: those of one boot and one time namespace.
 */
enum { LSB_CLOCK_ID_CHARS = 32 };
struct lsb_identity {
	char host[256], boot_id[64];
	char clock_id[LSB_CLOCK_ID_CHARS + 1]; /* hex digits */
};
void lsb_identity_tell(struct lsb_identity *out);

/*
 * Quantities as suites write them: "64KiB", "1MB" to bytes, "20ms" to
 * nanoseconds, whole decimal numbers, reals; never a guessed unit ("0" alone
 * needs none). Return 0 or LSB_ESUITE with a message about the text alone.
 */
int lsb_parse_size(const char *text, uint64_t *bytes, struct lsb_error *err);
int lsb_parse_time(const char *text, uint64_t *ns, struct lsb_error *err);
int lsb_parse_int(const char *text, int64_t *value, struct lsb_error *err);
int lsb_parse_real(const char *text, double *value, struct lsb_error *err);
int lsb_parse_bool(const char *text, uint32_t *value, struct lsb_error *err);

#endif
