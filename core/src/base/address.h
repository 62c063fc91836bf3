/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of this machine, by what people write of them: an address, a
 * network ("10.1.0.0/16", "fd00::/64"), an interface ("ib0"), a host name.
 */
#ifndef LSB_ADDRESS_H
#define LSB_ADDRESS_H

#include <stddef.h>

#include "lsbench/types.h"

enum { LSB_ADDRESS_TEXT = 64, LSB_ADDRESSES_MAX = 16 };

/*
 * Numeric addresses of this machine that `what` means, IPv4 before IPv6, at most
 * LSB_ADDRESSES_MAX. NULL: all of its interfaces that are up, but loopback and
 * link-local ones. LSB_EINVAL when there is none, with those that there are.
 */
int lsb_addresses_find(const char *what, char out[LSB_ADDRESSES_MAX][LSB_ADDRESS_TEXT], size_t *n,
		       struct lsb_error *err);

/* The address that stands for all interfaces here: "::", or "0.0.0.0" where there is no IPv6. */
const char *lsb_address_any(void);

/* Whether the host called `name` is this machine, as far as its addresses tell. */
int lsb_address_is_here(const char *name);

/* Whether a numeric address is one that only this machine reaches. */
int lsb_address_is_loopback(const char *address);

#endif
