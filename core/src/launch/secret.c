/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/agent.h"
#include "lsbench/host.h"

enum { TOKEN_BYTES_MIN = 16, TOKEN_BYTES_MAX = 4096 };

void lsb_secret_make(uint8_t secret[LSB_SECRET_BYTES], char variable[LSB_SECRET_VARIABLE_BYTES])
{
	char hex[2 * LSB_SECRET_BYTES + 1];

	randombytes_buf(secret, LSB_SECRET_BYTES);
	(void)sodium_bin2hex(hex, sizeof(hex), secret, LSB_SECRET_BYTES);
	(void)snprintf(variable, LSB_SECRET_VARIABLE_BYTES, LSB_SECRET_VARIABLE "=%s", hex);
	sodium_memzero(hex, sizeof(hex));
}

/* Whether nobody but this user can have read or written it. */
static int check_file(int fd, const char *path, struct lsb_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return lsb_fail(err, LSB_EINVAL, errno, "cannot look at the token file '%s': %s", path,
				strerror(errno));
	if (!S_ISREG(st.st_mode))
		return lsb_fail(err, LSB_EINVAL, 0, "the token file '%s' is no regular file", path);
	if (st.st_uid != geteuid())
		return lsb_fail(err, LSB_EINVAL, 0, "the token file '%s' belongs to another user", path);
	if (st.st_mode & 077)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"others may use the token file '%s' (mode %03o): chmod 600 it, and write a new "
			"secret into it",
			path, (unsigned)st.st_mode & 0777);
	return LSB_OK;
}

int lsb_secret_read(const char *path, uint8_t secret[LSB_SECRET_BYTES], struct lsb_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char token[TOKEN_BYTES_MAX + 1];
	size_t begin = 0, end = 0;
	ssize_t n;
	int rc;

	if (fd < 0)
		return lsb_fail(err, LSB_EINVAL, errno, "cannot open the token file '%s': %s", path,
				strerror(errno));
	rc = check_file(fd, path, err);
	while (rc == LSB_OK && end < sizeof(token) && (n = read(fd, token + end, sizeof(token) - end)) > 0)
		end += (size_t)n;
	close(fd);
	if (rc)
		return rc;
	if (end > TOKEN_BYTES_MAX)
		rc = lsb_fail(err, LSB_EINVAL, 0, "the token file '%s' has more than %d bytes", path,
			      TOKEN_BYTES_MAX);
	while (end > 0 && isspace((unsigned char)token[end - 1]))
		end--;
	while (begin < end && isspace((unsigned char)token[begin]))
		begin++;
	if (rc == LSB_OK && end - begin < TOKEN_BYTES_MIN)
		rc = lsb_fail(err, LSB_EINVAL, 0, "the token file '%s' has fewer than %d bytes", path,
			      TOKEN_BYTES_MIN);
	if (rc == LSB_OK)
		(void)crypto_generichash(secret, LSB_SECRET_BYTES, (const uint8_t *)token + begin,
					 end - begin, NULL, 0);
	sodium_memzero(token, sizeof(token));
	return rc;
}

int lsb_secret_take(uint8_t secret[LSB_SECRET_BYTES], struct lsb_error *err)
{
	char *text = getenv(LSB_SECRET_VARIABLE);
	size_t n = 0;
	int rc;

	if (!text)
		return lsb_fail(err, LSB_EINVAL, 0,
				"there is no " LSB_SECRET_VARIABLE " in the environment: is this not started "
				"by lsbench, or does its launcher not pass the variable on?");
	rc = sodium_hex2bin(secret, LSB_SECRET_BYTES, text, strlen(text), NULL, &n, NULL);
	sodium_memzero(text, strlen(text));
	(void)unsetenv(LSB_SECRET_VARIABLE);
	if (rc || n != LSB_SECRET_BYTES)
		return lsb_fail(err, LSB_EINVAL, 0, LSB_SECRET_VARIABLE " does not hold a secret");
	return LSB_OK;
}
