/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop and the signals, which outlive single launches.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/base.h"
#include "launch/ranks.h"

enum { FILES_MIN = 24 };

static void on_signal(uv_signal_t *handle, int number)
{
	struct lsb_controller *c = handle->data;

	if (number == SIGCHLD) {
		if (c->running)
			launch_settle(c->running);
		return;
	}
	c->interrupts++;
	if (c->running)
		launch_interrupted(c->running, c->interrupts);
}

int lsb_controller_interrupts(struct lsb_controller *c)
{
	(void)uv_run(&c->loop, UV_RUN_NOWAIT);
	return c->interrupts;
}

int lsb_controller_open(struct lsb_controller **out, struct lsb_error *err)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	struct lsb_controller *c;
	struct rlimit files;
	int rc;

	/* libuv aborts the process when it lacks descriptors for its signals */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MIN)
		return lsb_fail(
			err, LSB_EIO, 0,
			"only %llu open files are allowed, and a run needs %d and more for each rank: "
			"raise the limit (ulimit -n)",
			(unsigned long long)files.rlim_cur, FILES_MIN);
	c = calloc(1, sizeof(*c));

	if (!c)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the controller");
	rc = uv_loop_init(&c->loop);
	if (rc) {
		free(c);
		return lsb_fail(err, LSB_EIO, -rc, "cannot make the event loop: %s", uv_strerror(rc));
	}
	for (size_t i = 0; i < LSB_COUNT(numbers); i++) {
		(void)uv_signal_init(&c->loop, &c->signals[i]);
		c->signals[i].data = c;
		rc = rc ? rc : uv_signal_start(&c->signals[i], on_signal, numbers[i]);
		uv_unref((uv_handle_t *)&c->signals[i]);
	}
	c->old_sigpipe = signal(SIGPIPE, SIG_IGN);
	if (rc) {
		lsb_controller_close(c);
		return lsb_fail(err, LSB_EIO, -rc, "cannot watch signals: %s", uv_strerror(rc));
	}
	*out = c;
	return LSB_OK;
}

void lsb_controller_close(struct lsb_controller *c)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t held, before;

	if (!c)
		return;
	/* Held meanwhile, so that none falls between the handlers' end and being ignored. */
	sigemptyset(&held);
	for (size_t i = 0; i < LSB_COUNT(numbers); i++)
		sigaddset(&held, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &before);
	for (size_t i = 0; i < LSB_COUNT(c->signals); i++)
		uv_close((uv_handle_t *)&c->signals[i], NULL);
	(void)uv_run(&c->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&c->loop);
	(void)signal(SIGPIPE, c->old_sigpipe);
	for (size_t i = 0; c->interrupts && i < LSB_COUNT(numbers); i++)
		(void)signal(numbers[i], SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	free(c);
}
