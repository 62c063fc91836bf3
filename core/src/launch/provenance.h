/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of what a run is made of: the program, plugins, models, data.
 */
#ifndef LSB_PROVENANCE_H
#define LSB_PROVENANCE_H

#include <jansson.h>

#include "base/base.h"

/*
 * SHA-256 of the file `path`. Large files (models) are digested once: results
 * are kept by (device, inode, size, modification time) in
 * ${XDG_CACHE_HOME:-~/.cache}/lsbench/digests.json, which may be deleted.
 */
int lsb_provenance_digest(const char *path, char hex[LSB_DIGEST_HEX], struct lsb_error *err);

/* The file of a model as a suite writes it, malloc'ed; "" for a random:... one; NULL without memory. */
char *lsb_provenance_model_path(const char *model, const char *base);
/*
 * What tells two states of a model's file apart without reading it: (device,
 * inode, size, modification time); "" for a random:... one or one that is not
 * there. LSB_OK or LSB_ENOMEM.
 */
enum { LSB_FILE_STATE = 96 };
int lsb_provenance_model_state(const char *model, const char *base, char out[LSB_FILE_STATE]);

/* The digest of a model as a suite writes it: of the file, or of the text of a random:... one. */
int lsb_provenance_model(const char *model, const char *base, char hex[LSB_DIGEST_HEX],
			 struct lsb_error *err);

#endif
