/* fuzz_report.c - a report for `vmaccel check --replay`: refused with a reason, or read into a text that the simulation
 * understands. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "sim/whpx/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct replay replay;
	char error[160] = "";
	int result = replay_read((const char *)data, size, &replay, error, sizeof(error));

	if (result ? !*error : whpsim_configure(replay.simulation))
		abort();
	return 0;
}
