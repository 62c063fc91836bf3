/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's way to the controller: every address it may be at, until one of
 * them proves to be it.
 */
#ifndef LSB_DIAL_H
#define LSB_DIAL_H

#include "wire/handshake.h"

/*
 * Try `addresses` ("192.0.2.1:4000,[2001:db8::1]:4000") in turn, again and
 * again for `patience_ms`. On success *fd is a proven connection. LSB_EPEER
 * names every address and what came of it.
 */
int lsb_dial(const char *addresses, const uint8_t secret[LSB_SECRET_BYTES], int32_t rank, int32_t size,
	     int patience_ms, int *fd, struct lsb_error *err);

#endif
