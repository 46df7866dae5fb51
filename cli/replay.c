/* replay.c - vmaccel check --replay: the suite on the simulated platform as a report's was, and what differs from the
 * report. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include "cli.h"
#include "conformance.h"
#include "suite.h"

enum { REPORT_MAX = 16 << 20 };

static int load(const char *path, char **text, size_t *size)
{
	uv_fs_t request;
	uv_buf_t buf;
	int fd = uv_fs_open(NULL, &request, path, UV_FS_O_RDONLY, 0, NULL), n = 1;

	uv_fs_req_cleanup(&request);
	if (fd < 0)
		return fd;
	*size = 0;
	*text = malloc(REPORT_MAX + 1);
	while (*text && n > 0 && *size <= REPORT_MAX) {
		buf = uv_buf_init(*text + *size, (unsigned)(REPORT_MAX + 1 - *size));
		n = buf.len ? uv_fs_read(NULL, &request, fd, &buf, 1, -1, NULL) : 0;
		uv_fs_req_cleanup(&request);
		*size += n > 0 ? (size_t)n : 0;
	}
	uv_fs_close(NULL, &request, fd, NULL);
	uv_fs_req_cleanup(&request);
	return !*text ? UV_ENOMEM : n < 0 ? n : *size > REPORT_MAX ? UV_EFBIG : 0;
}

static int result_in(const cJSON *rows, int number)
{
	const cJSON *row;
	char id[16];

	snprintf(id, sizeof(id), "T%03d", number);
	cJSON_ArrayForEach(row, rows)
	{
		if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "check")), id))
			return report_result(cJSON_GetStringValue(cJSON_GetObjectItem(row, "result")));
	}
	return -1;
}

/* Returns how many differ. */
static int compare(const struct replay *replay, const cJSON *rows)
{
	int differ = 0, same = 0;

	for (int i = 0; i < replay->count; i++) {
		const int here = result_in(rows, replay->rows[i].number);

		if (here < 0)
			continue;
		if (here == replay->rows[i].result) {
			same++;
			continue;
		}
		printf("T%03d: %s there, %s on the simulation\n", replay->rows[i].number,
		       conf_results[replay->rows[i].result], conf_results[here]);
		differ++;
	}
	printf("%d results as in the report, %d others\n", same, differ);
	return differ;
}

static void look_for_simulation(void *found, const char *key, const char *value)
{
	if (!strcmp(key, "simulation") && !strcmp(value, "yes"))
		*(int *)found = 1;
}

static int replay(const struct replay *report, uint32_t only, uint32_t timeout_ms)
{
	struct suite suite = {.subject = {VMA_ACCEL_WHPX, VMA_ARCH_X86_64}, .only = only, .timeout_ms = timeout_ms};
	vma_accel accel = VMA_ACCEL_WHPX;
	int found = 0, status, differ;

	uv_os_setenv("VMA_WHPX_SIM", report->simulation);
	vma_platform_facts(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, look_for_simulation, &found);
	if (!found) {
		fprintf(stderr,
			"vmaccel check: --replay: this vmaccel has no simulation: vmaccel-sim of a build folder has\n");
		return STATUS_ACCEL;
	}
	printf("%s, simulated:\n", report->os);
	status = cli_choose("check", VMA_ARCH_X86_64, &accel);
	if (status)
		return status;
	suite.rows = cJSON_CreateArray();
	suite_run(&suite);
	differ = compare(report, suite.rows);
	cJSON_Delete(suite.rows);
	return differ ? STATUS_FAILED : STATUS_OK;
}

int replay_run(const char *path, uint32_t only, uint32_t timeout_ms)
{
	static struct replay report;
	char *text = NULL, error[160];
	size_t size;
	int result = load(path, &text, &size);

	if (result < 0)
		snprintf(error, sizeof(error), "%s", result == UV_EFBIG ? "larger than 16 MiB" : uv_strerror(result));
	else
		result = replay_read(text, size, &report, error, sizeof(error));
	free(text);
	if (result < 0) {
		fprintf(stderr, "vmaccel check: --replay %s: %s\n", path, error);
		return STATUS_USAGE;
	}
	return replay(&report, only, timeout_ms);
}
