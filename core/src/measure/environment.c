/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/environment.h"

#include <gnu/libc-version.h>
#include <hwloc.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/base.h"
#include "measure/quota.h"

enum { SMALL_FILE = 1 << 20 };

/* First line of a small file, without its newline; 0 when there is none. */
static int read_line(const char *path, char *out, size_t bytes)
{
	FILE *file = fopen(path, "re");

	*out = '\0';
	if (!file)
		return 0;
	if (!fgets(out, (int)bytes, file))
		*out = '\0';
	(void)fclose(file);
	out[strcspn(out, "\n")] = '\0';
	return *out != '\0';
}

static json_t *line_or_null(const char *path)
{
	char line[256];
	json_t *text = read_line(path, line, sizeof(line)) ? json_string(line) : NULL;

	return text ? text : json_null();
}

/* Value of the first line `KEY<blanks><separator><blanks>VALUE` of a text; 0 when there is none. */
static int find_value(const char *text, const char *key, char separator, char *out, size_t bytes)
{
	const size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *at;
		size_t n;

		line += *line == '\n';
		if (strncmp(line, key, length) != 0)
			continue;
		at = line + length + strspn(line + length, " \t");
		if (*at != separator)
			continue;
		at += 1 + strspn(at + 1, " \t\"");
		n = strcspn(at, "\"\n");
		(void)snprintf(out, bytes, "%.*s", (int)(n < bytes ? n : bytes - 1), at);
		return 1;
	}
	return 0;
}

static json_t *file_value(const char *path, const char *key, char separator)
{
	char value[256], *text = NULL;
	json_t *out = NULL;
	size_t n;

	if (lsb_file_read(path, SMALL_FILE, &text, &n, NULL) == LSB_OK &&
	    find_value(text, key, separator, value, sizeof(value)))
		out = json_string(value);
	free(text);
	return out ? out : json_null();
}

/* --- processor --- */

static json_t *allowed_cpus(void)
{
	json_t *list = json_array();
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				json_array_append_new(list, json_integer(i));
	return list;
}

/* Instruction sets that decide which kernels run, of those the processor has. */
static json_t *instruction_sets(void)
{
	static const char *const wanted[] = { "avx2",	  "fma",	 "f16c",     "avx512f",
					      "avx512bw", "avx512_vnni", "avx_vnni", "avx512_bf16",
					      "amx_int8", "amx_bf16",	 "asimddp",  "i8mm",
					      "sve" };
	json_t *list = json_array();
	char *text = NULL, *flags, *rest = NULL;
	size_t n;

	if (lsb_file_read("/proc/cpuinfo", 16 * SMALL_FILE, &text, &n, NULL))
		return list;
	flags = strstr(text, "\nflags");
	flags = flags ? flags : strstr(text, "\nFeatures");
	if (flags)
		flags[1 + strcspn(flags + 1, "\n")] = '\0';
	for (char *word = flags ? strtok_r(flags, " \t:\n", &rest) : NULL; word;
	     word = strtok_r(NULL, " \t:\n", &rest))
		for (size_t i = 0; i < LSB_COUNT(wanted); i++)
			if (strcmp(word, wanted[i]) == 0)
				json_array_append_new(list, json_string(word));
	free(text);
	return list;
}

static json_t *describe_cpu(hwloc_topology_t topology)
{
	static const char frequency[] = "/sys/devices/system/cpu/cpu0/cpufreq/";
	json_t *cpu = json_object();
	char path[128];
	static const struct {
		const char *name, *file;
	} files[] = { { "governor", "scaling_governor" },
		      { "driver", "scaling_driver" },
		      { "max_khz", "cpuinfo_max_freq" } };

	json_object_set_new(cpu, "model", file_value("/proc/cpuinfo", "model name", ':'));
	json_object_set_new(cpu, "microcode", file_value("/proc/cpuinfo", "microcode", ':'));
	json_object_set_new(cpu, "packages",
			    json_integer(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE)));
	json_object_set_new(cpu, "numa_nodes",
			    json_integer(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE)));
	json_object_set_new(cpu, "cores", json_integer(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE)));
	json_object_set_new(cpu, "threads", json_integer(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU)));
	json_object_set_new(cpu, "allowed", allowed_cpus());
	json_object_set_new(cpu, "instruction_sets", instruction_sets());
	json_object_set_new(cpu, "smt", line_or_null("/sys/devices/system/cpu/smt/control"));
	json_object_set_new(cpu, "turbo_off", line_or_null("/sys/devices/system/cpu/intel_pstate/no_turbo"));
	for (size_t i = 0; i < LSB_COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", frequency, files[i].file);
		json_object_set_new(cpu, files[i].name, line_or_null(path));
	}
	return cpu;
}

static json_t *describe_caches(hwloc_topology_t topology)
{
	json_t *list = json_array();

	for (int depth = hwloc_topology_get_depth(topology) - 1; depth >= 0; depth--) {
		const hwloc_obj_t first = hwloc_get_obj_by_depth(topology, depth, 0);
		static const char *const kinds[] = { "unified", "data", "instruction" };

		if (!first || !hwloc_obj_type_is_cache(first->type))
			continue;
		json_array_append_new(
			list, json_pack("{s:i, s:s, s:I, s:I, s:i}", "level", (int)first->attr->cache.depth,
					"type", kinds[first->attr->cache.type % LSB_COUNT(kinds)], "bytes",
					(json_int_t)first->attr->cache.size, "line_bytes",
					(json_int_t)first->attr->cache.linesize, "count",
					(int)hwloc_get_nbobjs_by_depth(topology, depth)));
	}
	return list;
}

/* --- memory, quota, load --- */

static json_t *describe_memory(void)
{
	static const char *const keys[] = { "MemTotal", "MemAvailable", "SwapTotal",
					    "SwapFree", "Hugepagesize", "HugePages_Total" };
	json_t *memory = json_object();
	char *text = NULL;
	size_t n;

	if (lsb_file_read("/proc/meminfo", SMALL_FILE, &text, &n, NULL))
		return memory;
	for (size_t i = 0; i < LSB_COUNT(keys); i++) {
		char value[64], name[64];
		char *end;
		long long number;

		if (!find_value(text, keys[i], ':', value, sizeof(value)))
			continue;
		number = strtoll(value, &end, 10);
		if (strcmp(end, " kB") == 0) {
			number *= 1024;
			(void)snprintf(name, sizeof(name), "%s_bytes", keys[i]);
		} else {
			(void)snprintf(name, sizeof(name), "%s", keys[i]);
		}
		json_object_set_new(memory, name, json_integer(number));
	}
	free(text);
	json_object_set_new(memory, "transparent_hugepages",
			    line_or_null("/sys/kernel/mm/transparent_hugepage/enabled"));
	return memory;
}

static json_t *describe_limits(void)
{
	const double quota = lsb_quota_read("");

	return json_pack("{s:o, s:o}", "cpu_quota_cores", quota > 0 ? json_real(quota) : json_null(),
			 "memory_max", line_or_null("/sys/fs/cgroup/memory.max"));
}

static json_t *describe_load(void)
{
	double load[3];
	const int n = getloadavg(load, 3);
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_real(load[i]));
	return list;
}

/* --- system and software --- */

static json_t *describe_system(void)
{
	struct utsname name;
	struct lsb_identity here;

	if (uname(&name))
		return json_null();
	lsb_identity_tell(&here);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "host", name.nodename, "kernel", name.release,
			 "kernel_build", name.version, "machine", name.machine, "boot_id", here.boot_id, "os",
			 file_value("/etc/os-release", "PRETTY_NAME", '='), "clock_source",
			 line_or_null("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
}

static json_t *describe_build(void)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:s}", "version", LSB_VERSION, "type", LSB_BUILD_TYPE,
			 "compiler", LSB_BUILD_COMPILER, "commit",
			 *LSB_BUILD_COMMIT ? json_string(LSB_BUILD_COMMIT) : json_null(), "sanitizers",
			 LSB_BUILD_SANITIZE);
}

static json_t *describe_libraries(void)
{
	char hwloc[32];
	const unsigned version = hwloc_get_api_version();

	(void)snprintf(hwloc, sizeof(hwloc), "%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
	return json_pack("{s:s, s:s, s:s, s:s}", "glibc", gnu_get_libc_version(), "hwloc", hwloc, "jansson",
			 jansson_version_str(), "libsodium", sodium_version_string());
}

int lsb_environment_collect(json_t **out, struct lsb_error *err)
{
	json_t *root = json_object();
	const time_t now = time(NULL);
	char when[32] = "";
	hwloc_topology_t topology;
	struct tm utc;

	if (!root)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to describe the machine");
	if (gmtime_r(&now, &utc))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_object_set_new(root, "collected", json_string(when));
	json_object_set_new(root, "system", describe_system());
	if (hwloc_topology_init(&topology) == 0) {
		if (hwloc_topology_load(topology) == 0) {
			json_object_set_new(root, "cpu", describe_cpu(topology));
			json_object_set_new(root, "caches", describe_caches(topology));
		}
		hwloc_topology_destroy(topology);
	}
	json_object_set_new(root, "memory", describe_memory());
	json_object_set_new(root, "limits", describe_limits());
	json_object_set_new(root, "load", describe_load());
	json_object_set_new(root, "libraries", describe_libraries());
	json_object_set_new(root, "build", describe_build());
	*out = root;
	return LSB_OK;
}
