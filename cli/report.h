/* report.h - reports of `vmaccel check --report`, and their replay. docs/report.md. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <vmaccel/vmaccel.h>

/* The suite on `accel` (NULL: on every accelerator that works here), and all that is known of host and platforms, into
 * a file, which is written again after each step, so that what crashes this process leaves a report. A status. */
int report_run(const char *path, const vma_accel *accel, vma_arch arch, uint32_t only, uint32_t timeout_ms);

/* What of a report is replayed. */
struct replay {
	char simulation[16384]; /* for the simulated platform: VMA_WHPX_SIM */
	struct replay_row {
		int number, result; /* enum conf_result */
	} rows[512];
	int count;
	char os[128];
};
/* Read a report, whose text may be anything. 0, or -1 with a line in error. */
int replay_read(const char *text, size_t size, struct replay *out, char *error, size_t error_size);
int report_result(const char *text); /* an enum conf_result by its name in JSON; -1: none */
/* The suite on the simulated Windows Hypervisor Platform as the report's was; STATUS_FAILED when a result differs. */
int replay_run(const char *path, uint32_t only, uint32_t timeout_ms);

#endif
