/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a run: whoever asks for the date gets one an hour too early and
 * one an hour too late in turn, as if somebody set the clock each time. Clocks
 * that setting the date does not touch stay as they are.
 */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

enum { STEP_S = 3600 };

static long step(void)
{
	static atomic_int looks;

	return atomic_fetch_add(&looks, 1) % 2 ? STEP_S : -STEP_S;
}

SEEN int clock_gettime(clockid_t clock, struct timespec *out)
{
	const int rc = (int)syscall(SYS_clock_gettime, clock, out);

	if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		out->tv_sec += step();
	return rc;
}

SEEN time_t time(time_t *out)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

SEEN int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now = { 0 };

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}
