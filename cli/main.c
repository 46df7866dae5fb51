/* main.c - the command vmaccel: its verbs, and what they share. */
#include "cli.h"
#include "host.h"
#include "selftest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"run", verb_run, "run a guest: a Linux kernel, a PVH or Multiboot image, or a flat binary"},
	{"info", verb_info, "the accelerators of this machine: which work, how fast, what they can"},
	{"check", verb_check, "the conformance suite, on this machine"},
	{"bench", verb_bench, "what the library's calls cost, beside the platform's own"},
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

const struct arg_choice cli_accels[] = {
	{"auto", VMA_ACCEL_AUTO}, {"kvm", VMA_ACCEL_KVM},   {"hvf", VMA_ACCEL_HVF},   {"whpx", VMA_ACCEL_WHPX},
	{"vz", VMA_ACCEL_VZ},     {"soft", VMA_ACCEL_SOFT}, {"null", VMA_ACCEL_NULL}, {NULL, 0},
};

const struct arg_choice cli_arches[] = {{"x86-64", VMA_ARCH_X86_64}, {"arm64", VMA_ARCH_ARM64}, {NULL, 0}};

/* uname's names, as Linux and macOS have them. */
vma_arch cli_arch(int option)
{
	uv_utsname_t host;

	if (option)
		return (vma_arch)option;
	if (uv_os_uname(&host) == 0 && (!strcmp(host.machine, "aarch64") || !strcmp(host.machine, "arm64")))
		return VMA_ARCH_ARM64;
	return VMA_ARCH_X86_64;
}

static int help(FILE *out)
{
	fprintf(out, "usage: vmaccel VERB [flag...]\n\n");
	for (int i = 0; i < VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	fprintf(out, "\nvmaccel VERB --help tells a verb's flags; vmaccel --version the version. See vmaccel(1).\n");
	return out == stdout ? STATUS_OK : STATUS_USAGE;
}

void cli_print_json(struct cJSON *json, int pretty)
{
	char *text = json ? (pretty ? cJSON_Print(json) : cJSON_PrintUnformatted(json)) : NULL;

	if (text)
		puts(text);
	else
		fprintf(stderr, "vmaccel: out of memory\n");
	cJSON_free(text);
	cJSON_Delete(json);
}

int cli_status(int error)
{
	switch (error) {
	case VMA_E_NO_HOST:
	case VMA_E_PERM:
	case VMA_E_NOENT:
		return STATUS_ACCEL;
	case VMA_E_INVALID:
		return STATUS_USAGE;
	default:
		return STATUS_VMM;
	}
}

int cli_choose(const char *verb, vma_arch arch, vma_accel *accel)
{
	vma_platform_info info = {.size = sizeof(info)};
	int error;

	if (*accel == VMA_ACCEL_AUTO) {
		error = vma_platform_choose(arch, accel, NULL, 0);
		if (error < 0) {
			fprintf(stderr, "vmaccel %s: --accel auto: %s\n", verb, vma_why());
			return STATUS_ACCEL;
		}
		return 0;
	}
	if (vma_platform_find(*accel, arch, &info) < 0) {
		fprintf(stderr, "vmaccel %s: --accel %s: not in this build for %s guests\n", verb,
			vma_accel_name(*accel), arch == VMA_ARCH_ARM64 ? "arm64" : "x86-64");
		return STATUS_ACCEL;
	}
	if (!info.available) {
		fprintf(stderr, "vmaccel %s: --accel %s: %s%s%s\n", verb, info.name, info.why ? info.why : "not available",
			info.remedy && info.remedy[0] ? "; " : "", info.remedy ? info.remedy : "");
		return STATUS_ACCEL;
	}
	return 0;
}

int cli_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "vmaccel: cannot write to standard output: %s\n", strerror(errno));
	return status ? status : STATUS_VMM;
}

int main(int argc, char **argv)
{
	cli_host_begin(&argc, &argv);
#ifdef VMA_SELFTEST
	if (argc < 2)
		return cli_finish(selftest());
#endif
	if (argc < 2)
		return help(stderr);
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cli_finish(help(stdout));
	if (!strcmp(argv[1], "--version")) {
		printf("vmaccel %d.%d.%d\n", VMA_VERSION_MAJOR, VMA_VERSION_MINOR, VMA_VERSION_PATCH);
		return cli_finish(STATUS_OK);
	}
	for (int i = 0; i < VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return cli_finish(verbs[i].run(argc - 2, argv + 2));
	fprintf(stderr, "vmaccel: '%s' is not a verb (run, info, check, bench); see vmaccel --help\n", argv[1]);
	return STATUS_USAGE;
}
