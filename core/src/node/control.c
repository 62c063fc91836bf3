/* SPDX-License-Identifier: Apache-2.0 */
#include "node/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

enum { HEARTBEAT_MS = 250, GRACE_MS = 3000, EXIT_ABANDONED = 70 };

struct lsb_control {
	struct lsb_channel channel; /* sending under `lock`, receiving by the thread alone */
	struct lsb_stage_status *status;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	int stop_fd;
	/* One frame handed over, under `lock`. */
	int has_frame;
	enum lsb_frame_type type;
	char *payload;
	size_t length;
	int gone; /* QUIT, end of file or nonsense came */
	struct lsb_error why;
	_Atomic(const char *) phase;
};

int lsb_control_send(struct lsb_control *c, enum lsb_frame_type type, const void *payload, size_t length,
		     struct lsb_error *err)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = lsb_channel_send(&c->channel, type, payload, length, err);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

const char *lsb_control_phase_now(const struct lsb_control *c)
{
	return atomic_load(&c->phase);
}

static void send_heartbeat(struct lsb_control *c)
{
	char text[256];
	const int n = snprintf(text, sizeof(text),
			       "{\"phase\":\"%s\",\"steps\":%llu,\"tokens\":%llu,\"idled\":%llu}",
			       lsb_control_phase_now(c), (unsigned long long)atomic_load(&c->status->steps),
			       (unsigned long long)atomic_load(&c->status->tokens),
			       (unsigned long long)atomic_load(&c->status->idled));

	(void)lsb_control_send(c, LSB_FRAME_HEARTBEAT, text, (size_t)n, NULL);
}

void lsb_control_phase(struct lsb_control *c, const char *phase)
{
	atomic_store(&c->phase, phase);
	send_heartbeat(c);
}

/* The controller is gone or wants the end: tell the rank, and wait no longer than `patience_ms` for it. */
static void abandon(struct lsb_control *c, const struct lsb_error *why, int patience_ms)
{
	struct pollfd stop = { .fd = c->stop_fd, .events = POLLIN };

	pthread_mutex_lock(&c->lock);
	c->gone = 1;
	c->why = *why;
	pthread_cond_broadcast(&c->arrived);
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->status->cancelled, 1);
	if (poll(&stop, 1, patience_ms) == 0)
		_exit(EXIT_ABANDONED);
}

/* Hand one frame to the main thread; 0, or -1 when the conversation is over. */
static int take_frame(struct lsb_control *c)
{
	struct lsb_error why = { .code = LSB_ECANCELED, .msg = "the controller ended the run" };
	enum lsb_frame_type type = LSB_FRAME_QUIT;
	char *payload = NULL;
	size_t length = 0;
	const int rc = lsb_channel_receive(&c->channel, GRACE_MS, &type, &payload, &length, &why);

	if (rc || type == LSB_FRAME_QUIT) {
		const int is_done = rc == LSB_OK && lsb_quit_is_done(payload, length);

		free(payload);
		abandon(c, &why, is_done ? LSB_DONE_GRACE_MS : GRACE_MS);
		return -1;
	}
	pthread_mutex_lock(&c->lock);
	while (c->has_frame && !c->gone) /* bounded: the main thread expects each frame in turn */
		pthread_cond_wait(&c->arrived, &c->lock);
	if (c->gone) { /* the rank has ended meanwhile */
		pthread_mutex_unlock(&c->lock);
		free(payload);
		return -1;
	}
	c->type = type;
	c->payload = payload;
	c->length = length;
	c->has_frame = 1;
	pthread_cond_broadcast(&c->arrived);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static void *control_thread(void *control)
{
	struct lsb_control *c = control;

	for (;;) {
		struct pollfd fds[] = { { .fd = c->channel.fd, .events = POLLIN },
					{ .fd = c->stop_fd, .events = POLLIN } };
		const int n = poll(fds, 2, HEARTBEAT_MS);

		if (n < 0 && errno != EINTR)
			return NULL;
		if (n > 0 && fds[1].revents)
			return NULL;
		if (n > 0 && fds[0].revents && take_frame(c))
			return NULL;
		if (n == 0)
			send_heartbeat(c);
	}
}

int lsb_control_open(int fd, struct lsb_stage_status *status, struct lsb_control **out, struct lsb_error *err)
{
	struct lsb_control *c = calloc(1, sizeof(*c));
	pthread_condattr_t attributes;
	int failed;

	if (!c)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the control channel");
	c->channel.fd = fd;
	c->status = status;
	atomic_store(&c->phase, "start");
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (c->stop_fd < 0) {
		free(c);
		return lsb_fail(err, LSB_EIO, errno, "cannot make an event descriptor: %s", strerror(errno));
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->arrived, &attributes);
	pthread_condattr_destroy(&attributes);
	failed = pthread_create(&c->thread, NULL, control_thread, c);
	if (failed) {
		pthread_cond_destroy(&c->arrived);
		pthread_mutex_destroy(&c->lock);
		close(c->stop_fd);
		free(c);
		return lsb_fail(err, LSB_ENOMEM, failed, "cannot start the control thread: %s",
				strerror(failed));
	}
	*out = c;
	return LSB_OK;
}

void lsb_control_close(struct lsb_control *c)
{
	const uint64_t one = 1;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->gone = 1;
	pthread_cond_broadcast(&c->arrived);
	pthread_mutex_unlock(&c->lock);
	if (write(c->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(c->thread, NULL);
	close(c->stop_fd);
	pthread_cond_destroy(&c->arrived);
	pthread_mutex_destroy(&c->lock);
	free(c->payload);
	free(c);
}

int lsb_control_expect(struct lsb_control *c, enum lsb_frame_type type, uint64_t timeout_ns, char **payload,
		       size_t *length, struct lsb_error *err)
{
	const uint64_t deadline = lsb_now_ns() + timeout_ns;
	const struct timespec at = { .tv_sec = (time_t)(deadline / 1000000000u),
				     .tv_nsec = (long)(deadline % 1000000000u) };
	int rc = LSB_OK;

	pthread_mutex_lock(&c->lock);
	while (!c->has_frame && !c->gone && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&c->arrived, &c->lock, &at);
	if (c->has_frame && c->type == type) {
		*payload = c->payload;
		*length = c->length;
		c->payload = NULL;
		c->has_frame = 0;
		pthread_cond_broadcast(&c->arrived);
		rc = LSB_OK;
	} else if (c->has_frame) {
		rc = lsb_fail(err, LSB_EPEER, 0, "the controller sent frame type %d where %d was due",
			      (int)c->type, (int)type);
	} else if (c->gone) {
		rc = lsb_fail(err, LSB_ECANCELED, 0, "%s", c->why.msg);
	} else {
		rc = lsb_fail(err, LSB_ETIMEDOUT, 0, "the controller said nothing for %.0f s",
			      (double)timeout_ns * 1e-9);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}
