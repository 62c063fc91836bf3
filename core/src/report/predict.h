/* SPDX-License-Identifier: Apache-2.0 */
/* What `lsbench predict` prints (docs/predict.md). */
#ifndef LSB_REPORT_PREDICT_H
#define LSB_REPORT_PREDICT_H

#include <jansson.h>

#include "base/base.h"

enum lsb_prediction_format { LSB_PREDICTION_TEXT, LSB_PREDICTION_MARKDOWN, LSB_PREDICTION_JSON };

/* By its name; 0, or -1 when there is none of this name. */
int lsb_prediction_format(const char *name, enum lsb_prediction_format *out);

/* {"schema", "predictions": [PREDICTION...], "holdout": HOLDOUT} in one of the formats. */
void lsb_prediction_render(const json_t *document, enum lsb_prediction_format format, struct lsb_text *to);

#endif
