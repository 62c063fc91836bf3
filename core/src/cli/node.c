/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench node --fd N`: one rank. Launchers call it; people do not. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "node/node.h"

int lsb_cmd_node(int argc, char **argv)
{
	const uint64_t started_ns = lsb_now_ns();
	struct lsb_error err = { 0 };
	int64_t fd;

	if (argc != 3 || strcmp(argv[1], "--fd") != 0 || lsb_parse_int(argv[2], &fd, &err) || fd < 0 ||
	    fd > 1 << 20)
		return lsb_cli_usage(
			"node", "started by a launcher as 'node --fd N', where N is its control channel");
	return lsb_node_serve((int)fd, started_ns, &err) ? lsb_cli_failed(&err) : lsb_cli_done(LSB_EXIT_OK);
}
