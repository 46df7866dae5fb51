/* check.c - vmaccel check: the conformance suite, as a list, as a report to be sent, or again by somebody's report. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "conformance.h"
#include "report.h"
#include "suite.h"

struct check_options {
	struct arg_common common;
	int accel, arch, json, list;
	uint32_t one, only, timeout_ms;
	const char *report, *replay;
};

#define AT(member) offsetof(struct check_options, member)
static const struct arg args[] = {
	{"--accel", "-accel", ARG_CHOICE, AT(accel), 0, 0, "A", "auto (default), kvm, whpx, soft or null", cli_accels, 0},
	{"--arch", NULL, ARG_CHOICE, AT(arch), 0, 0, "ARCH", "of the guests: x86-64 or arm64 (the host's)", cli_arches,
	 0},
	{"--only", NULL, ARG_COUNT, AT(only), 1, 9999, "N", "only check N: 20 is T020", NULL, 0},
	{"--list", NULL, ARG_FLAG, AT(list), 0, 0, NULL, "name the checks, run none", NULL, 0},
	{"--timeout", NULL, ARG_SECONDS, AT(timeout_ms), 1, UINT32_MAX, "S", "of each check (60)", NULL, 0},
	{"--json", NULL, ARG_FLAG, AT(json), 0, 0, NULL, "as JSON", NULL, 0},
	{"--report", NULL, ARG_TEXT, AT(report), 0, 0, "FILE",
	 "write what this host is and all that was found, to be sent", NULL, 0},
	{"--replay", NULL, ARG_TEXT, AT(replay), 0, 0, "FILE",
	 "a report's Windows, simulated, and what differs from it", NULL, 0},
	{"--one", NULL, ARG_COUNT, AT(one), 1, 9999, "N", "run check N in this process: for a debugger", NULL, 0},
	{NULL, NULL, ARG_FLAG, 0, 0, 0, NULL, NULL, NULL, 0},
};
#undef AT

static int run_suite(const struct check_options *options, const struct subject *s)
{
	cJSON *json = options->json ? cJSON_CreateObject() : NULL;
	struct suite suite = {
		.subject = *s, .only = options->only, .timeout_ms = options->timeout_ms, .quiet = options->json};
	int status;

	suite.rows = json ? cJSON_AddArrayToObject(json, "checks") : NULL;
	status = suite_run(&suite);
	if (json) {
		cJSON_AddStringToObject(json, "accel", vma_accel_name(s->accel));
		suite_totals(&suite, json);
		cli_print_json(json, 1);
	}
	return status;
}

static int list_suite(vma_arch arch, int json)
{
	cJSON *list = json ? cJSON_CreateArray() : NULL;

	for (int i = 0; i < conf_count(); i++) {
		const struct conf_check *check = conf_at(i);
		const char *why;

		if (!conf_applies(check, arch))
			continue;
		conf_body(check, arch, &why);
		if (json)
			cJSON_AddItemToArray(list, suite_check_json(check));
		else
			printf("T%03d %s [%s]%s%s\n", check->number, check->name, check->tags,
			       *why ? ": not yet: " : "", why);
	}
	if (json)
		cli_print_json(list, 1);
	return STATUS_OK;
}

int verb_check(int argc, char **argv)
{
	struct check_options options = {.accel = VMA_ACCEL_AUTO, .timeout_ms = SUITE_SECONDS * 1000};
	struct subject s;
	int status;

	if (args_parse("check", args, &options, argc, argv))
		return STATUS_USAGE;
	if (options.common.help) {
		args_help("check", "the conformance suite, on this machine", args);
		return STATUS_OK;
	}
	s.arch = cli_arch(options.arch);
	if (options.list)
		return list_suite(s.arch, options.json);
	if (options.only && !conf_find((int)options.only)) {
		fprintf(stderr, "vmaccel check: --only: there is no check T%03u\n", options.only);
		return STATUS_USAGE;
	}
	if (options.replay)
		return replay_run(options.replay, options.only, options.timeout_ms);
	s.accel = (vma_accel)options.accel;
	if (options.report && s.accel == VMA_ACCEL_AUTO)
		return report_run(options.report, NULL, s.arch, options.only, options.timeout_ms);
	status = cli_choose("check", s.arch, &s.accel);
	if (status)
		return status;
	if (options.report)
		return report_run(options.report, &s.accel, s.arch, options.only, options.timeout_ms);
	return options.one ? suite_one((int)options.one, &s) : run_suite(&options, &s);
}
