/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/base.h"

enum { LINE_MAX_BYTES = 512 };

int lsb_progress_open(struct lsb_progress *p, size_t n_points, int is_quiet, struct lsb_error *err)
{
	*p = (struct lsb_progress){ .is_quiet = is_quiet,
				    .is_terminal = isatty(STDERR_FILENO),
				    .n_points = n_points };
	p->spent_ns = calloc(n_points + 1, sizeof(*p->spent_ns));
	p->finished = calloc(n_points + 1, sizeof(*p->finished));
	p->left = calloc(n_points + 1, sizeof(*p->left));
	if (p->spent_ns && p->finished && p->left)
		return LSB_OK;
	lsb_progress_close(p);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu points", n_points);
}

void lsb_progress_close(struct lsb_progress *p)
{
	free(p->spent_ns);
	free(p->finished);
	free(p->left);
	*p = (struct lsb_progress){ .is_quiet = 1 };
}

void lsb_progress_expect(struct lsb_progress *p, size_t point)
{
	p->left[point]++;
	p->n_launches++;
}

void lsb_progress_skip(struct lsb_progress *p, size_t point)
{
	p->left[point]--;
	p->done++;
}

/*
 * Seconds that the launches to come will take, by those of the same point, or of all; below 0: nothing known.
 */
static double estimate_left(const struct lsb_progress *p)
{
	double all_s = 0, left_s = 0;
	uint64_t n = 0;

	for (size_t i = 0; i < p->n_points; i++) {
		all_s += (double)p->spent_ns[i] * 1e-9;
		n += p->finished[i];
	}
	if (n == 0)
		return -1;
	for (size_t i = 0; i < p->n_points; i++)
		left_s += p->left[i] * (p->finished[i] ? (double)p->spent_ns[i] * 1e-9 / p->finished[i]
						       : all_s / (double)n);
	return left_s;
}

/* Print over the line on the terminal, no wider than it is. */
static void rewrite(const char *line)
{
	struct winsize size;
	int columns = 80;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		columns = size.ws_col;
	(void)fprintf(stderr, "\r\033[K%.*s", columns - 1, line);
	(void)fflush(stderr);
}

static void format_left(const struct lsb_progress *p, char *out, size_t bytes)
{
	const double left_s = estimate_left(p);

	if (left_s < 0)
		*out = '\0';
	else if (left_s < 120)
		(void)snprintf(out, bytes, ", about %.0f s left", left_s);
	else
		(void)snprintf(out, bytes, ", about %.0f min left", left_s / 60);
}

void lsb_progress_begin(struct lsb_progress *p, size_t point, const char *label, uint32_t round,
			uint32_t rounds)
{
	p->point = point;
	p->label = label;
	p->round = round;
	p->rounds = rounds;
	p->begun_ns = lsb_now_ns();
	lsb_progress_show(p, &(struct lsb_launch_progress){ .phase = "start" });
}

void lsb_progress_show(struct lsb_progress *p, const struct lsb_launch_progress *now)
{
	char line[LINE_MAX_BYTES], left[64], rate[64] = "";

	if (p->is_quiet || !p->is_terminal)
		return;
	if (now->run_ns && now->tokens)
		(void)snprintf(rate, sizeof(rate), ", %.1f tokens/s",
			       (double)now->tokens / ((double)now->run_ns * 1e-9));
	format_left(p, left, sizeof(left));
	(void)snprintf(line, sizeof(line), "[%zu/%zu] round %u/%u  %s  %s%s%s", p->done + 1, p->n_launches,
		       p->round + 1, p->rounds, p->label, now->phase, rate, left);
	rewrite(line);
}

void lsb_progress_end(struct lsb_progress *p, enum lsb_launch_status status, double rate, const char *reason)
{
	const uint64_t spent_ns = lsb_now_ns() - p->begun_ns;
	char left[64], result[LINE_MAX_BYTES];

	p->done++;
	p->left[p->point]--;
	p->finished[p->point]++;
	p->spent_ns[p->point] += spent_ns;
	if (p->is_quiet)
		return;
	if (status == LSB_LAUNCH_OK)
		(void)snprintf(result, sizeof(result), rate > 0 ? "%.1f tokens/s" : "ok",
			       rate); /* links give none */
	else if (status == LSB_LAUNCH_INTERRUPTED)
		(void)snprintf(result, sizeof(result), "%s", reason);
	else
		(void)snprintf(result, sizeof(result), "%s: %s", lsb_launch_status_name(status), reason);
	format_left(p, left, sizeof(left));
	if (p->is_terminal && status == LSB_LAUNCH_OK && p->done < p->n_launches)
		return; /* the next launch rewrites the line */
	(void)fprintf(stderr, "%s[%zu/%zu] round %u/%u  %s  %s (%.1f s%s)\n",
		      p->is_terminal ? "\r\033[K" : "", p->done, p->n_launches, p->round + 1, p->rounds,
		      p->label, result, (double)spent_ns * 1e-9, p->done < p->n_launches ? left : "");
}
