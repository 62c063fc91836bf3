/* SPDX-License-Identifier: Apache-2.0 */
/* [gate]: whether the machine is fit for measuring. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/run.h"
#include "lsbench/host.h"
#include "measure/quota.h"

enum { WATCH_MS = 500 }; /* how long the machine is watched for other work */

/* Act on one finding; what the suite does not want of a machine is added to `refused`. */
static void find(enum lsb_gate_action action, const char *reason, json_t *reasons, struct lsb_text *refused)
{
	if (action == LSB_GATE_IGNORE)
		return;
	json_array_append_new(reasons, json_string(reason));
	if (action == LSB_GATE_REFUSE)
		lsb_text_add(refused, "%s%s", refused->length ? "; " : "", reason);
}

static int is_slow_governor(char *name, size_t bytes)
{
	FILE *file = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "re");

	*name = '\0';
	if (!file)
		return 0; /* none to be seen: a virtual machine, mostly */
	if (!fgets(name, (int)bytes, file))
		*name = '\0';
	(void)fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return *name && strcmp(name, "performance") != 0;
}

static int may_use(const struct lsb_machine *m, unsigned cpu)
{
	for (uint32_t i = 0; i < m->n_cpus; i++)
		if (m->cpus[i] == cpu)
			return 1;
	return 0;
}

/* Seconds that the processors we may use have been busy since boot, or stolen by a host; NAN: not told. */
static double read_busy_s(const struct lsb_machine *m)
{
	unsigned long long user, nice, system, irq, softirq, steal, ticks = 0;
	FILE *file = fopen("/proc/stat", "re");
	uint32_t n = 0;
	char line[256];
	unsigned cpu;

	while (file && fgets(line, sizeof(line), file))
		if (line[3] != ' ' &&
		    sscanf(line, "cpu%u %llu %llu %llu %*u %*u %llu %llu %llu", &cpu, &user, &nice, &system,
			   &irq, &softirq, &steal) == 7 &&
		    may_use(m, cpu)) {
			ticks += user + nice + system + irq + softirq + steal;
			n++;
		}
	if (file)
		(void)fclose(file);
	return n == m->n_cpus ? (double)ticks / (double)sysconf(_SC_CLK_TCK) : NAN;
}

/*
 * Processors that other work keeps busy now; NAN: not told. A load average would for minutes count a run that
 * has just ended.
 */
static double watch_busy(const struct lsb_machine *m)
{
	const struct timespec watch = { .tv_nsec = WATCH_MS * 1000000L };
	const uint64_t began_ns = lsb_now_ns();
	const double before_s = read_busy_s(m);

	(void)nanosleep(&watch, NULL);
	return (read_busy_s(m) - before_s) / ((double)(lsb_now_ns() - began_ns) * 1e-9);
}

int lsb_run_gate(const struct lsb_prepared *p, json_t **reasons, struct lsb_error *err)
{
	const struct lsb_gate *gate = &p->suite->gate;
	const double quota = lsb_quota_read("");
	struct lsb_machine machine;
	char text[160], governor[64];
	double busy;
	struct lsb_text refused = { 0 };
	int rc = lsb_machine_read(&machine, err);

	if (rc)
		return rc;
	*reasons = json_array();
	busy = gate->load == LSB_GATE_IGNORE ? NAN : watch_busy(&machine);
	if (busy > gate->max_load * machine.n_cores) { /* never of NAN */
		(void)snprintf(text, sizeof(text), "other work on the machine: %.2f of %u cores busy", busy,
			       machine.n_cores);
		find(gate->load, text, *reasons, &refused);
	}
	if (is_slow_governor(governor, sizeof(governor))) {
		(void)snprintf(text, sizeof(text), "the frequency governor is '%s', not 'performance'",
			       governor);
		find(gate->governor, text, *reasons, &refused);
	}
	if (quota > 0 && quota < machine.n_cores) {
		(void)snprintf(text, sizeof(text),
			       "the control group allows the time of %.2f cores, the machine has %u", quota,
			       machine.n_cores);
		find(gate->quota, text, *reasons, &refused);
	}
	for (size_t i = 0; i < p->n_points && gate->oversubscribed == LSB_GATE_REFUSE; i++)
		if (p->points[i].oversubscribed) {
			(void)snprintf(text, sizeof(text), "'%.80s' has more threads than the %u cores",
				       p->points[i].point->label, machine.n_cores);
			find(gate->oversubscribed, text, *reasons, &refused);
		}
	lsb_machine_free(&machine);
	if (!refused.length)
		return LSB_OK;
	rc = lsb_fail(err, LSB_EDEVICE, 0, "the suite's [gate] refuses this machine: %s",
		      refused.data ? refused.data : "?");
	lsb_text_free(&refused);
	json_decref(*reasons);
	*reasons = NULL;
	return rc;
}
