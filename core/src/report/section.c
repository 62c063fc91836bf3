/* SPDX-License-Identifier: Apache-2.0 */
#include "report/section.h"

const struct lsb_section *const lsb_sections_compared[] = { &lsb_section_side, &lsb_section_break_even,
							    &lsb_section_sensitivity, NULL };
const struct lsb_section *const lsb_sections_done[] = { &lsb_section_speed, &lsb_section_load,
							&lsb_section_replicas, NULL };
