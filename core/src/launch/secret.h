/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret of a run: how it comes to be, and how it reaches the nodes. Never
 * on a command line, in a log or in a message.
 */
#ifndef LSB_SECRET_H
#define LSB_SECRET_H

#include "wire/handshake.h"

enum { LSB_SECRET_VARIABLE_BYTES = 96 };

/* A fresh one, and the variable that carries it: "LSBENCH_SECRET=" and 64 hex digits. */
void lsb_secret_make(uint8_t secret[LSB_SECRET_BYTES], char variable[LSB_SECRET_VARIABLE_BYTES]);

/*
 * That of a token file: at least 16 bytes without the white space around them, in
 * a file that only its owner, who is this user, can read. LSB_EINVAL.
 */
int lsb_secret_read(const char *path, uint8_t secret[LSB_SECRET_BYTES], struct lsb_error *err);

/* That of the environment, which forgets it, /proc/self/environ too. LSB_EINVAL when it has none. */
int lsb_secret_take(uint8_t secret[LSB_SECRET_BYTES], struct lsb_error *err);

#endif
