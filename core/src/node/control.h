/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's end of the control channel: a thread that hears and is heard.
 *
 * It alone reads the channel, sends a heartbeat every 250 ms, and sets the
 * stage's `cancelled` when the controller says QUIT or is gone. Should the rank
 * then not end by itself (a plugin hangs), it ends the process after a grace
 * period: nothing outlives its controller.
 */
#ifndef LSB_CONTROL_H
#define LSB_CONTROL_H

#include "node/stage.h"
#include "wire/frame.h"

struct lsb_control;

/* Starts the thread on `fd`. `status` lives as long as the control. */
int lsb_control_open(int fd, struct lsb_stage_status *status, struct lsb_control **out,
		     struct lsb_error *err);
/* Stops the thread; does not close the descriptor. */
void lsb_control_close(struct lsb_control *c);

/*
 * What heartbeats say from now on: "load", "connect", "run" and the like; a string constant. Sends one at
 * once.
 */
void lsb_control_phase(struct lsb_control *c, const char *phase);
const char *lsb_control_phase_now(const struct lsb_control *c);

/* Send one frame. [any thread] */
int lsb_control_send(struct lsb_control *c, enum lsb_frame_type type, const void *payload, size_t length,
		     struct lsb_error *err);

/*
 * Wait for the next frame, which must be of `type`: *payload is malloc'ed.
 * LSB_ECANCELED when the controller ended the run or is gone. [main]
 */
int lsb_control_expect(struct lsb_control *c, enum lsb_frame_type type, uint64_t timeout_ns, char **payload,
		       size_t *length, struct lsb_error *err);

#endif
