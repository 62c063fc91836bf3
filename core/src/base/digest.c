/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(LSB_DIGEST_HEX == 2 * crypto_hash_sha256_BYTES + 1, "SHA-256 in hex");

static void digest_finish(crypto_hash_sha256_state *state, char hex[LSB_DIGEST_HEX])
{
	unsigned char digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(state, digest);
	sodium_bin2hex(hex, LSB_DIGEST_HEX, digest, sizeof(digest));
}

void lsb_digest(const void *data, size_t bytes, char hex[LSB_DIGEST_HEX])
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, data, bytes);
	digest_finish(&state, hex);
}

int lsb_digest_file(const char *path, char hex[LSB_DIGEST_HEX], struct lsb_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	crypto_hash_sha256_state state;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) { /* nor a device that has no end */
		close(fd);
		return lsb_fail(err, LSB_EINVAL, 0, "cannot read '%s': it is not a regular file", path);
	}
	crypto_hash_sha256_init(&state);
	do {
		unsigned char piece[65536];

		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			crypto_hash_sha256_update(&state, piece, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		lsb_fail(err, LSB_EIO, errno, "cannot read '%s': %s", path, strerror(errno));
	close(fd);
	if (n < 0)
		return LSB_EIO;
	digest_finish(&state, hex);
	return LSB_OK;
}
