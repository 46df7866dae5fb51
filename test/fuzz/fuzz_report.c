/* fuzz_report.c - a report for `vmaccel check --replay`: read or refused with a reason, and the text for the simulation is one that it
 * understands or refuses. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct replay replay;
	char error[160] = "";
	int result = replay_read((const char *)data, size, &replay, error, sizeof(error));

	if (result ? !*error : strncmp(replay.simulation, "24h2", 4) || replay.count < 0)
		abort();
	return 0;
}
