/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that need a device: without one they end with status 77. */
#ifndef LSB_TEST_WAIVE_H
#define LSB_TEST_WAIVE_H

#include <stdbool.h>

/* Whether a CUDA device can be used; if not, says so in the words of the plugin. */
bool rig_has_device(void);

#endif
