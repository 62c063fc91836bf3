/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "suite/keys.h"

static const char *type_name(enum lsb_key_type type)
{
	switch (type) {
	case LSB_KEY_COUNT:
	case LSB_KEY_SEED:
		return "whole number";
	case LSB_KEY_REAL:
		return "number";
	case LSB_KEY_TIME:
		return "time";
	case LSB_KEY_TEXT:
		return "text";
	case LSB_KEY_FILE:
		return "file";
	case LSB_KEY_NAME:
		return "name";
	case LSB_KEY_SIZES:
		return "list of sizes";
	case LSB_KEY_ARRIVALS:
		return "arrivals";
	case LSB_KEY_LAYERS:
		return "split";
	case LSB_KEY_CHOICE:
	case LSB_KEY_WORD:
		return "choice";
	}
	return "";
}

static void print_type(const struct lsb_suite_key *key, FILE *out)
{
	fputs(type_name(key->type), out);
	if (key->choices) {
		fputs(": ", out);
		for (const char *c = key->choices; *c; c++)
			fputs(*c == '|' ? ", " : (char[]){ *c, '\0' }, out);
	}
	if (key->type == LSB_KEY_TIME && key->max != 0)
		fputs(", 1ms to 168h", out);
	else if (key->max != 0)
		fprintf(out, ", %.9g to %.9g", key->min, key->max);
	if (key->unit)
		fprintf(out, " (%s)", key->unit);
}

static void print_table(const struct lsb_key_table *table, FILE *out)
{
	const int factors = table == &lsb_case_keys;

	fprintf(out, "\n### [%s]\n\n| key | type | default |%s meaning |\n|---|---|---|%s---|\n",
		table->section, factors ? " factor |" : "", factors ? "---|" : "");
	for (size_t i = 0; i < table->n; i++) {
		const struct lsb_suite_key *key = &table->keys[i];

		fprintf(out, "| `%s` | ", key->name);
		print_type(key, out);
		if (key->def && *key->def)
			fprintf(out, " | `%s` |", key->def);
		else
			fputs(" | |", out);
		if (factors)
			fputs(key->is_factor ? " yes |" : " |", out);
		fprintf(out, " %s |\n", key->help);
	}
}

void lsb_suite_print_keys(FILE *out)
{
	print_table(&lsb_suite_keys, out);
	print_table(&lsb_case_keys, out);
	print_table(&lsb_hosts_keys, out);
	print_table(&lsb_gate_keys, out);
	print_table(&lsb_report_keys, out);
}
