/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much processor time control groups allow this process: the group that it
 * is in and every one above it, of version 1 and of version 2.
 */
#ifndef LSB_QUOTA_H
#define LSB_QUOTA_H

/*
 * The least quota on the way from this process's groups to what is seen of the
 * root, in cores; 0 when there is none. `root` stands before every path that is
 * read ("" for the system; a test's own folder).
 */
double lsb_quota_read(const char *root);

#endif
