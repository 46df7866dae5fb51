/* report.c - vmaccel check --report: what this host is, what its platforms say of themselves, and what the suite and
 * the clock found, in one JSON file that can be sent to somebody else and replayed there (docs/report.md). */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include "cli.h"
#include "suite.h"

enum { REPORT_VERSION = 1 };

static void add_host(cJSON *report)
{
	cJSON *host = cJSON_AddObjectToObject(report, "host");
	uv_utsname_t os;
	uv_cpu_info_t *cpus;
	char text[64];
	int count;

	snprintf(text, sizeof(text), "%d.%d.%d", VMA_VERSION_MAJOR, VMA_VERSION_MINOR, VMA_VERSION_PATCH);
	cJSON_AddStringToObject(report, "library", text);
	if (uv_os_uname(&os) == 0) {
		cJSON_AddStringToObject(host, "os", os.sysname);
		cJSON_AddStringToObject(host, "release", os.release);
		cJSON_AddStringToObject(host, "build", os.version);
		cJSON_AddStringToObject(host, "machine", os.machine);
	}
	if (uv_cpu_info(&cpus, &count) == 0) {
		cJSON_AddStringToObject(host, "cpu", count ? cpus[0].model : "");
		cJSON_AddNumberToObject(host, "cpus", count);
		uv_free_cpu_info(cpus, count);
	}
	cJSON_AddNumberToObject(host, "memory", (double)uv_get_total_memory());
}

/* Open it empty and write all; libuv's paths are UTF-8 on every host. */
static int write_file(const char *path, const char *text, size_t size)
{
	uv_fs_t request;
	int fd = uv_fs_open(NULL, &request, path, UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_TRUNC, 0644, NULL), n = 0;

	uv_fs_req_cleanup(&request);
	if (fd < 0)
		return fd;
	while (size && n >= 0) {
		uv_buf_t part = uv_buf_init((char *)text, (unsigned)(size < 1 << 20 ? size : 1 << 20));

		n = uv_fs_write(NULL, &request, fd, &part, 1, -1, NULL);
		uv_fs_req_cleanup(&request);
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	uv_fs_close(NULL, &request, fd, NULL);
	uv_fs_req_cleanup(&request);
	return n < 0 ? n : 0;
}

static int save(const cJSON *report, const char *path)
{
	char *text = cJSON_Print(report);
	int error = text ? write_file(path, text, strlen(text)) : UV_ENOMEM;

	cJSON_free(text);
	if (error < 0)
		fprintf(stderr, "vmaccel check: --report %s: %s\n", path, uv_strerror(error));
	return error < 0 ? STATUS_USAGE : STATUS_OK;
}

static void add_fact(void *facts, const char *key, const char *value)
{
	cJSON_AddStringToObject(facts, key, value);
}

struct reporting {
	cJSON *report;
	const char *path;
	uint32_t only, timeout_ms;
};

static int check_platform(const struct reporting *r, const vma_platform_info *info, cJSON *entry)
{
	struct suite suite = {.subject = {info->accel, info->arch}, .only = r->only, .timeout_ms = r->timeout_ms};
	int status, saved;

	printf("%s:\n", info->name);
	suite.rows = cJSON_AddArrayToObject(entry, "checks");
	status = suite_run(&suite);
	suite_totals(&suite, entry);
	saved = save(r->report, r->path);
	if (!saved && info->accel != VMA_ACCEL_NULL)
		bench_rows(info->accel, info->arch, cJSON_AddArrayToObject(entry, "times"));
	return saved ? saved : status;
}

static int add_platform(const struct reporting *r, const vma_platform_info *info, int checked)
{
	cJSON *list = cJSON_GetObjectItem(r->report, "platforms"), *entry = cli_platform_json(info);
	int status = STATUS_OK;

	cJSON_AddItemToArray(list, entry);
	if (checked && info->available)
		status = check_platform(r, info, entry);
	vma_platform_facts(info->accel, info->arch, add_fact, cJSON_AddObjectToObject(entry, "facts"));
	return status == STATUS_USAGE ? status : save(r->report, r->path) ? STATUS_USAGE : status;
}

int report_run(const char *path, const vma_accel *accel, vma_arch arch, uint32_t only, uint32_t timeout_ms)
{
	struct reporting r = {.report = cJSON_CreateObject(), .path = path, .only = only, .timeout_ms = timeout_ms};
	vma_platform_info info = {.size = sizeof(info)};
	int status;

	cJSON_AddStringToObject(r.report, "format", "vmaccel report");
	cJSON_AddNumberToObject(r.report, "version", REPORT_VERSION);
	add_host(r.report);
	cJSON_AddArrayToObject(r.report, "platforms");
	status = save(r.report, path);
	for (int i = 0; status != STATUS_USAGE && i < vma_platform_count(); i++) {
		if (vma_platform_get(i, &info) < 0 || info.arch != arch)
			continue;
		int one = add_platform(&r, &info, accel ? info.accel == *accel : info.accel != VMA_ACCEL_NULL);
		status = one ? one : status;
	}
	cJSON_Delete(r.report);
	if (status != STATUS_USAGE)
		printf("the report is in %s\n", path);
	return status;
}
