/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsbench/host.h"

#define PIECE (UINT64_C(1) << 30) /* one pread: below what Linux transfers at once */

const char *lsb_gguf_shown(const char *text, uint64_t bytes, char *out, size_t room)
{
	size_t n = 0;

	for (; n < bytes && n + 1 < room; n++)
		out[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	if (n < bytes && n > 3)
		memcpy(out + n - 3, "...", 3);
	out[n] = 0;
	return out;
}

int lsb_gguf_wrong(const struct lsb_gguf *g, struct lsb_error *err, const char *format, ...)
{
	char text[sizeof(err->msg)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return lsb_fail(err, LSB_EMODEL, 0, "model: %s: %s", g->shown, text);
}

/* The end of a path says more than its beginning. */
static void show_path(const char *path, char *out, size_t room)
{
	const size_t n = strlen(path);

	if (n < room)
		memcpy(out, path, n + 1);
	else
		snprintf(out, room, "...%s", path + n - (room - 4));
}

int lsb_gguf_open_file(const char *path, struct lsb_gguf **out, struct lsb_error *err)
{
	struct lsb_gguf *g = calloc(1, sizeof(*g));
	struct stat st;
	int rc;

	if (!g)
		return lsb_fail(err, LSB_ENOMEM, 0, "model: no memory to open '%s'", path);
	show_path(path, g->shown, sizeof(g->shown));
	g->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	if (g->fd < 0 || fstat(g->fd, &st) < 0 || !(g->path = realpath(path, NULL))) {
		rc = lsb_fail(err, LSB_EMODEL, errno, "model: cannot open '%s': %s", g->shown,
			      strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = lsb_gguf_wrong(g, err, "not a regular file; give the path of a .gguf file");
		goto fail;
	}
	g->device = st.st_dev;
	g->inode = st.st_ino;
	g->mtime = st.st_mtim;
	g->file_bytes = (uint64_t)st.st_size;
	*out = g;
	return LSB_OK;
fail:
	lsb_gguf_close_file(g);
	return rc;
}

void lsb_gguf_close_file(struct lsb_gguf *g)
{
	if (!g)
		return;
	if (g->fd >= 0)
		close(g->fd);
	free(g->path);
	free(g);
}

int lsb_gguf_pread(const struct lsb_gguf *g, uint64_t offset, uint64_t bytes, void *to, struct lsb_error *err)
{
	uint8_t *at = to;

	while (bytes) {
		const ssize_t n = pread(g->fd, at, bytes < PIECE ? bytes : PIECE, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lsb_fail(err, LSB_EIO, errno, "model: %s: cannot read at byte %llu: %s",
					g->shown, (unsigned long long)offset, strerror(errno));
		if (n == 0)
			return lsb_gguf_wrong(
				g, err, "the file became shorter while it was in use (it ends at byte %llu)",
				(unsigned long long)offset);
		at += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return LSB_OK;
}

/*
 * Looked at after the bytes were read, so that a change in between is seen. The
 * path too: another rank would open what is there now.
 */
int lsb_gguf_read(const struct lsb_gguf *g, uint64_t offset, uint64_t bytes, void *to, struct lsb_error *err)
{
	struct stat st;
	int rc = lsb_gguf_pread(g, offset, bytes, to, err);

	if (rc)
		return rc;
	if (stat(g->path, &st) < 0 || st.st_dev != g->device || st.st_ino != g->inode)
		return lsb_gguf_wrong(g, err, "the file was removed or replaced while it was in use");
	if ((uint64_t)st.st_size != g->file_bytes || st.st_mtim.tv_sec != g->mtime.tv_sec ||
	    st.st_mtim.tv_nsec != g->mtime.tv_nsec)
		return lsb_gguf_wrong(g, err, "the file was changed while it was in use");
	return LSB_OK;
}
