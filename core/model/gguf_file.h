/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside core/model: the file under a GGUF, opened once, checked to be the same
 * at every read.
 */
#ifndef LSB_GGUF_FILE_H
#define LSB_GGUF_FILE_H

#include "gguf.h"

/* Open a regular file for reading and remember which it is. */
int lsb_gguf_open_file(const char *path, struct lsb_gguf **out, struct lsb_error *err);
/* Closes and frees `g` itself. */
void lsb_gguf_close_file(struct lsb_gguf *g);

/* Exactly `bytes` bytes from `offset`; LSB_EMODEL when the file has fewer. */
int lsb_gguf_pread(const struct lsb_gguf *g, uint64_t offset, uint64_t bytes, void *to,
		   struct lsb_error *err);

/* LSB_EMODEL with "model: FILE: " before the message. */
int lsb_gguf_wrong(const struct lsb_gguf *g, struct lsb_error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
