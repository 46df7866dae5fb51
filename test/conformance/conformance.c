/* conformance.c - runs one check of the suite and applies the table of known differences. */
#include "conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const conf_results[CONF_RESULTS] = {"pass", "fail", "skip", "known-difference", "not-yet"};

static int note(struct conf *conf, int result, const char *format, va_list ap)
{
	if (!conf->reason[0]) {
		vsnprintf(conf->reason, sizeof(conf->reason), format, ap);
		for (char *p = conf->reason; *p; p++)
			if (*p == '\n')
				*p = ' ';
	}
	return result;
}

int conf_fail(struct conf *conf, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(conf, CONF_FAIL, format, ap);
	va_end(ap);
	return CONF_FAIL;
}

int conf_skip(struct conf *conf, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(conf, CONF_SKIP, format, ap);
	va_end(ap);
	return CONF_SKIP;
}

bool conf_emulated(const struct conf *conf)
{
	return (conf->info.version && strstr(conf->info.version, "QEMU")) || getenv("VMACCEL_SELF");
}

const char *conf_file(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int conf_tagged(const struct conf_check *check, const char *word)
{
	size_t length = strlen(word);

	for (const char *p = check->tags; p && *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == length && !memcmp(p, word, n))
			return 1;
		p += n;
	}
	return 0;
}

bool conf_applies(const struct conf_check *check, vma_arch arch)
{
	return conf_tagged(check, "any") || conf_tagged(check, arch == VMA_ARCH_ARM64 ? "arm64" : "x86");
}

int (*conf_body(const struct conf_check *check, vma_arch arch, const char **why))(struct conf *conf)
{
	int (*run)(struct conf *conf) = arch == VMA_ARCH_ARM64 ? check->run_arm64 : check->run;

	*why = run ? "" : check->not_yet ? check->not_yet : "not written yet for this architecture";
	return run;
}

int conf_run(const struct conf_check *check, struct conf *conf)
{
	const char *known, *why;
	int (*run)(struct conf *conf) = conf_body(check, conf->arch, &why);
	int result;

	conf->reason[0] = 0;
	if (!conf_applies(check, conf->arch))
		return conf_skip(conf, "it is a check of another architecture");
	if (!run) {
		snprintf(conf->reason, sizeof(conf->reason), "%s", why);
		return CONF_NOT_YET;
	}
	conf->info.size = sizeof(conf->info);
	if (vma_platform_find(conf->accel, conf->arch, &conf->info) < 0)
		return conf_fail(conf, "%s", vma_why());
	if (conf->accel == VMA_ACCEL_NULL && conf_tagged(check, "guest"))
		return conf_skip(conf, "the null back end runs no guest code");
	known = conf_known_difference(check->number, &conf->info);
	result = run(conf);
	if (!known)
		return result;
	if (result == CONF_PASS)
		return conf_fail(conf, "passes, although it is declared as a known difference: %s", known);
	if (result == CONF_FAIL) {
		snprintf(conf->reason, sizeof(conf->reason), "%s", known);
		return CONF_KNOWN;
	}
	return result;
}
