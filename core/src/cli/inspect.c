/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench inspect`: the child that opens plugins for the controller (plugin/inspect.h). */
#include "plugin/inspect.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"

int lsb_cmd_inspect(int argc, char **argv)
{
	(void)argv;
	if (argc != 1 || isatty(STDIN_FILENO)) {
		fputs("lsbench inspect: lsbench calls this itself; see 'lsbench plugins --help'\n", stderr);
		return LSB_EXIT_USAGE;
	}
	return lsb_inspect_serve(STDIN_FILENO, STDOUT_FILENO) == LSB_OK ? LSB_EXIT_OK : LSB_EXIT_IO;
}
