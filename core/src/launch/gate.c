/* SPDX-License-Identifier: Apache-2.0 */
/* [gate]: whether the machine is fit for measuring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "launch/run.h"
#include "lsbench/host.h"
#include "measure/quota.h"

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

int lsb_run_gate(const struct lsb_prepared *p, json_t **reasons, struct lsb_error *err)
{
	const struct lsb_gate *gate = &p->suite->gate;
	const double quota = lsb_quota_read("");
	struct lsb_machine machine;
	char text[160], governor[64];
	double load;
	struct lsb_text refused = { 0 };
	int rc = lsb_machine_read(&machine, err);

	if (rc)
		return rc;
	*reasons = json_array();
	if (getloadavg(&load, 1) == 1 && load > gate->max_load * machine.n_cores) {
		(void)snprintf(text, sizeof(text), "other work on the machine: %.2f tasks on %u cores", load,
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
