/* host_posix.c - see host.h: it is so. */
#include "host.h"

void cli_host_begin(int *argc, char ***argv)
{
	(void)argc, (void)argv;
}

void cli_host_linger(void)
{
}
