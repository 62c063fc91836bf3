/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/self/cgroup names this process's group in each hierarchy, as a path from
 * the hierarchy's root. Where that is to be found is in /proc/self/mountinfo: a
 * hierarchy is mounted anywhere, and a container may see only a part of it, from
 * the group `root` of the mount on. Every group from the own one up to the
 * mount's may have a quota; all hold at once, so the least counts.
 *
 * Sources: proc(5); kernel documentation, cgroup-v2 (cpu.max) and
 * scheduler/sched-bwc (cpu.cfs_quota_us, cpu.cfs_period_us).
 */
#include "measure/quota.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { SMALL_FILE = 1 << 20, MOUNT_FIELDS = 5 };

/* The first line of a group's file; 0 when there is none. */
static int read_line(const char *folder, const char *name, char *line, int bytes)
{
	char path[PATH_MAX];
	FILE *file;
	int there;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	there = fgets(line, bytes, file) != NULL;
	(void)fclose(file);
	return there;
}

/* Cores that one group allows, by its folder; 0: no quota. */
static double group_quota(const char *folder, int version)
{
	char line[128];
	double quota = 0, period = 0;

	if (version == 2) {
		if (!read_line(folder, "cpu.max", line, sizeof(line)) ||
		    sscanf(line, "%lf %lf", &quota, &period) != 2)
			return 0; /* "max 100000": none */
	} else {
		if (read_line(folder, "cpu.cfs_quota_us", line, sizeof(line)))
			quota = strtod(line, NULL);
		if (read_line(folder, "cpu.cfs_period_us", line, sizeof(line)))
			period = strtod(line, NULL);
	}
	return quota > 0 && period > 0 ? quota / period : 0;
}

/* Is `word` one of the words of a list that commas divide and `end` ends? */
static int has_word(const char *list, const char *end, const char *word)
{
	const size_t length = strlen(word);

	while (list < end) {
		const size_t n = strcspn(list, ",:\n");

		if (n == length && strncmp(list, word, n) == 0)
			return 1;
		list += n + 1;
	}
	return 0;
}

/* This process's group of the hierarchy that knows of the processor, as a path from its root; 0: in none. */
static int own_group(const char *cgroup, int version, char *group, size_t bytes)
{
	for (const char *line = cgroup; line && *line; line = strchr(line, '\n')) {
		const char *controllers, *path;

		line += *line == '\n';
		controllers = strchr(line, ':');
		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		if (version == 2 ? strncmp(line, "0::", 3) != 0 : !has_word(controllers + 1, path, "cpu"))
			continue;
		return snprintf(group, bytes, "%.*s", (int)strcspn(path + 1, "\n"), path + 1) < (int)bytes;
	}
	return 0;
}

/* Blanks and backslashes stand as \OOO in mountinfo; put back in place. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++)
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*out++ = *text;
		}
	*out = '\0';
}

/*
 * One line of mountinfo, which is cut up: the group at which it begins and where
 * it is mounted, when it is the hierarchy; else 0.
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS... - TYPE SOURCE SUPEROPTIONS
 */
static int is_hierarchy(char *line, int version, char **root, char **point)
{
	char *tail = strstr(line, " - "), *fields[MOUNT_FIELDS], *type, *options, *rest = NULL;

	if (!tail)
		return 0;
	*tail = '\0';
	type = strtok_r(tail + 3, " ", &rest);
	(void)strtok_r(NULL, " ", &rest);
	options = strtok_r(NULL, " ", &rest);
	if (!type || strcmp(type, version == 2 ? "cgroup2" : "cgroup") != 0)
		return 0;
	if (version == 1 && (!options || !has_word(options, options + strlen(options), "cpu")))
		return 0;
	rest = NULL;
	for (size_t i = 0; i < MOUNT_FIELDS; i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!fields[i])
			return 0;
	}
	*root = fields[3];
	*point = fields[4];
	unescape(*root);
	unescape(*point);
	return 1;
}

/* The least quota from group POINT/BELOW up to the mount's own folder. */
static double least_quota(const char *prefix, const char *point, const char *below, int version)
{
	char folder[PATH_MAX];
	const int length = snprintf(folder, sizeof(folder), "%s%s", prefix, point);
	double least = 0;

	if (length < 0 || length + strlen(below) + 2 > sizeof(folder))
		return 0;
	(void)snprintf(folder + length, sizeof(folder) - (size_t)length, "%s", below);
	for (;;) {
		const double quota = group_quota(folder, version);
		char *slash;

		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
		if (strlen(folder) <= (size_t)length)
			return least;
		slash = strrchr(folder + length, '/');
		*(slash ? slash : folder + length) = '\0';
	}
}

/* What of the own group's path lies below the group `root`; "" where it is seen from elsewhere. */
static const char *below_root(const char *group, const char *root)
{
	const size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(group, root, n) != 0 || (group[n] && group[n] != '/') || strstr(group, "/.."))
		return "";
	return strcmp(group + n, "/") == 0 ? "" : group + n;
}

static double hierarchy_quota(const char *prefix, const char *cgroup, const char *mounts, int version)
{
	char group[PATH_MAX], *copy, *rest = NULL, *root, *point;
	double least = 0;

	if (!own_group(cgroup, version, group, sizeof(group)))
		return 0;
	copy = strdup(mounts);
	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		double quota;

		if (!is_hierarchy(line, version, &root, &point))
			continue;
		quota = least_quota(prefix, point, below_root(group, root), version);
		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
	}
	free(copy);
	return least;
}

static char *read_proc(const char *root, const char *name)
{
	char *path = lsb_format("%s/proc/self/%s", root, name), *text = NULL;
	size_t n;

	if (path && lsb_file_read(path, SMALL_FILE, &text, &n, NULL))
		text = NULL;
	free(path);
	return text;
}

double lsb_quota_read(const char *root)
{
	char *cgroup = read_proc(root, "cgroup"), *mounts = read_proc(root, "mountinfo");
	double least = 0;

	for (int version = 1; cgroup && mounts && version <= 2; version++) {
		const double quota = hierarchy_quota(root, cgroup, mounts, version);

		if (quota > 0 && (least == 0 || quota < least))
			least = quota;
	}
	free(cgroup);
	free(mounts);
	return least;
}
