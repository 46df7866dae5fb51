/* selftest.c - what vmaccel-selftest does without arguments: it tries every accelerator, says what it finds and writes
 * a report beside itself, which its user can send. Somebody who starts it with the mouse has to be able to read that
 * before the window closes. */
#include "selftest.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "cli.h"
#include "host.h"
#include "report.h"
#include "suite.h"

static const char report_name[] = "vmaccel-report.json";

/* Beside the program, or (it may be where nobody may write) where temporary files are. */
static int place_report(char *path, size_t size)
{
	size_t used = size;
	uv_fs_t request;
	char *end;
	int fd;

	if (uv_exepath(path, &used) < 0)
		return -1;
	end = path + used;
	while (end > path && end[-1] != '/' && end[-1] != '\\')
		end--;
	snprintf(end, size - (size_t)(end - path), "%s", report_name);
	fd = uv_fs_open(NULL, &request, path, UV_FS_O_WRONLY | UV_FS_O_CREAT, 0644, NULL);
	uv_fs_req_cleanup(&request);
	if (fd >= 0) {
		uv_fs_close(NULL, &request, fd, NULL);
		uv_fs_req_cleanup(&request);
		return 0;
	}
	used = size;
	if (uv_os_tmpdir(path, &used) < 0)
		return -1;
	snprintf(path + used, size - used, "/%s", report_name);
	return 0;
}

int selftest(void)
{
	static char path[4096];
	int status;

	printf("vmaccel %d.%d.%d: which accelerators there are, and whether they keep their promises. This takes some "
	       "minutes.\n\n",
	       VMA_VERSION_MAJOR, VMA_VERSION_MINOR, VMA_VERSION_PATCH);
	verb_info(0, NULL);
	printf("\n");
	fflush(stdout);
	if (place_report(path, sizeof(path)) < 0) {
		fprintf(stderr, "vmaccel-selftest: there is no place for the report\n");
		status = STATUS_USAGE;
	} else {
		status = report_run(path, NULL, cli_arch(0), 0, SUITE_SECONDS * 1000);
		if (status != STATUS_USAGE)
			printf("Please send that file to whoever asked you to run this.\n");
	}
	cli_host_linger();
	return status;
}
