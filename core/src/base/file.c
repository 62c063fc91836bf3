/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int lsb_file_read(const char *path, size_t limit, char **data, size_t *bytes, struct lsb_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct lsb_text text = { 0 };
	struct stat st;
	int rc = LSB_OK;

	if (fd < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = lsb_fail(err, LSB_EIO, EISDIR, "cannot read '%s': it is a folder", path);
		goto done;
	}
	for (;;) {
		char piece[65536];
		const ssize_t n = read(fd, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = lsb_fail(err, LSB_EIO, errno, "cannot read '%s': %s", path, strerror(errno));
			goto done;
		}
		if (n == 0)
			break;
		if (text.length + (size_t)n > limit) {
			rc = lsb_fail(err, LSB_EINVAL, 0, "'%s' is larger than %zu bytes", path, limit);
			goto done;
		}
		lsb_text_bytes(&text, piece, (size_t)n);
	}
	lsb_text_bytes(&text, "", 0);
	if (text.failed)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for '%s'", path);
done:
	close(fd);
	if (rc) {
		lsb_text_free(&text);
		return rc;
	}
	*data = text.data;
	*bytes = text.length;
	return LSB_OK;
}

int lsb_file_write(const char *path, const void *data, size_t bytes, struct lsb_error *err)
{
	char *temporary = lsb_format("%s.tmp.%ld", path, (long)getpid());
	const char *at = data;
	int fd = -1, rc = LSB_OK;

	if (!temporary)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to write '%s'", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		goto failed;
	while (bytes) {
		const ssize_t n = write(fd, at, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			goto failed;
		at += n;
		bytes -= (size_t)n;
	}
	if (fsync(fd) || close(fd)) {
		fd = -1;
		goto failed;
	}
	fd = -1;
	if (rename(temporary, path) == 0)
		goto done;
failed:
	rc = lsb_fail(err, LSB_EIO, errno, "cannot write '%s': %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	unlink(temporary);
done:
	free(temporary);
	return rc;
}

/*
 * A digest of what decides which clock this process has: the boot, and the time namespace if there are any.
 */
static void tell_clock(struct lsb_identity *out)
{
	char digest[LSB_DIGEST_HEX], name[160];
	ssize_t n;

	if (!*out->boot_id)
		return;
	(void)snprintf(name, sizeof(name), "%s ", out->boot_id);
	n = readlink("/proc/self/ns/time", name + strlen(name), sizeof(name) - strlen(name));
	lsb_digest(name, strlen(out->boot_id) + 1 + (n > 0 ? (size_t)n : 0), digest);
	memcpy(out->clock_id, digest, LSB_CLOCK_ID_CHARS);
}

void lsb_identity_tell(struct lsb_identity *out)
{
	char *boot = NULL;
	size_t bytes;

	*out = (struct lsb_identity){ 0 };
	(void)gethostname(out->host, sizeof(out->host) - 1);
	if (lsb_file_read("/proc/sys/kernel/random/boot_id", sizeof(out->boot_id) - 1, &boot, &bytes, NULL) ==
	    LSB_OK)
		memcpy(out->boot_id, boot, strcspn(boot, "\n"));
	free(boot);
	tell_clock(out);
}

int lsb_self_folder(char *out, size_t bytes, struct lsb_error *err)
{
	char path[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot tell where this program is: %s",
				strerror(errno));
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash && slash > path)
		*slash = '\0';
	if (strlen(path) + 1 > bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "the path '%s' is too long", path);
	memcpy(out, path, strlen(path) + 1);
	return LSB_OK;
}
