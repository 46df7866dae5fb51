/* info.c - vmaccel info: each accelerator, whether it works here, how fast it is, what it can. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

struct info_options {
	struct arg_common common;
	int json;
};

static const struct arg args[] = {
	{"--json", NULL, ARG_FLAG, offsetof(struct info_options, json), 0, 0, NULL, "as JSON", NULL, 0},
	{NULL, NULL, ARG_FLAG, 0, 0, 0, NULL, NULL, NULL, 0},
};

static const struct cap {
	uint32_t bit;
	const char *name, *text;
} caps[] = {
#define VMA_X(NAME, bit, text) {1u << (bit), #NAME, text},
	VMA_CAPS(VMA_X)
#undef VMA_X
};
enum { CAPS = sizeof(caps) / sizeof(caps[0]) };

/* The back ends of the plan that no build has yet. */
static const vma_accel planned[] = {VMA_ACCEL_HVF, VMA_ACCEL_WHPX, VMA_ACCEL_VZ};

static const char *arch_name(vma_arch arch)
{
	return arch == VMA_ARCH_X86_64 ? "x86_64" : arch == VMA_ARCH_ARM64 ? "arm64" : "?";
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* Guest instructions a second, 0 where nothing can be measured. */
static uint64_t measure(const vma_platform_info *info)
{
	uint64_t speed = 0;

	if (!info->available || info->machine_level || info->accel == VMA_ACCEL_NULL)
		return 0;
	return vma_platform_measure(info->accel, info->arch, &speed) < 0 ? 0 : speed;
}

static int compiled_in(vma_accel accel)
{
	vma_platform_info info = {.size = sizeof(info)};

	for (int i = 0; i < vma_platform_count(); i++)
		if (vma_platform_get(i, &info) == 0 && info.accel == accel)
			return 1;
	return 0;
}

cJSON *cli_platform_json(const vma_platform_info *info)
{
	cJSON *json = cJSON_CreateObject(), *list;
	uint64_t speed = measure(info);

	cJSON_AddStringToObject(json, "accel", info->name);
	cJSON_AddStringToObject(json, "arch", arch_name(info->arch));
	cJSON_AddBoolToObject(json, "available", info->available);
	if (!info->available) {
		cJSON_AddStringToObject(json, "why", text_of(info->why));
		cJSON_AddStringToObject(json, "remedy", text_of(info->remedy));
	}
	cJSON_AddStringToObject(json, "version", text_of(info->version));
	cJSON_AddStringToObject(json, "proved", text_of(info->proved));
	if (speed)
		cJSON_AddNumberToObject(json, "instructions_per_second", (double)speed);
	list = cJSON_AddArrayToObject(json, "capabilities");
	for (int i = 0; i < CAPS; i++)
		if (info->caps & caps[i].bit)
			cJSON_AddItemToArray(list, cJSON_CreateString(caps[i].name));
	list = cJSON_AddObjectToObject(json, "limits");
	cJSON_AddNumberToObject(list, "vcpus", info->max_vcpus);
	cJSON_AddNumberToObject(list, "vms", info->max_vms);
	cJSON_AddNumberToObject(list, "regions", info->max_regions);
	cJSON_AddNumberToObject(list, "gpa_bits", info->gpa_bits);
	cJSON_AddNumberToObject(list, "granule", info->granule);
	cJSON_AddNumberToObject(list, "breakpoints", info->breakpoints);
	return json;
}

static int print_json(void)
{
	cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "accelerators");
	vma_platform_info info = {.size = sizeof(info)};
	char reason[256] = "";
	vma_accel accel;

	for (int i = 0; i < vma_platform_count(); i++)
		if (vma_platform_get(i, &info) == 0)
			cJSON_AddItemToArray(list, cli_platform_json(&info));
	if (vma_platform_choose(VMA_ARCH_X86_64, &accel, reason, sizeof(reason)) == 0) {
		cJSON_AddStringToObject(json, "auto", vma_accel_name(accel));
		cJSON_AddStringToObject(json, "auto_reason", reason);
	} else {
		cJSON_AddNullToObject(json, "auto");
	}
	cli_print_json(json, 1);
	return STATUS_OK;
}

static void print_speed(uint64_t speed)
{
	if (speed >= 10000000)
		printf("  speed:   %.0f million guest instructions a second, measured\n", (double)speed / 1e6);
	else if (speed)
		printf("  speed:   %.3g million guest instructions a second, measured\n", (double)speed / 1e6);
}

static void print_caps(uint32_t mask)
{
	const char *separator = "  can:     ";
	int column = 0;

	for (int i = 0; i < CAPS; i++) {
		if (!(mask & caps[i].bit))
			continue;
		column += printf("%s%s", separator, caps[i].text);
		separator = column > 90 ? ",\n           " : ", ";
		column = column > 90 ? 0 : column;
	}
	if (mask)
		printf("\n");
}

static void print_platform(const vma_platform_info *info)
{
	printf("%s (%s guests): ", info->name, arch_name(info->arch));
	if (!info->available) {
		printf("not available: %s\n", text_of(info->why));
		if (info->remedy && info->remedy[0])
			printf("  remedy:  %s\n", info->remedy);
	} else {
		printf("available%s%s\n", info->version && info->version[0] ? ", " : "", text_of(info->version));
	}
	if (info->proved && info->proved[0])
		printf("  proved:  %s\n", info->proved);
	if (!info->available)
		return;
	print_speed(measure(info));
	print_caps(info->caps);
	printf("  limits:  %u vCPUs, %u mappings, %u-bit guest addresses, granule %u, %u hardware breakpoints", info->max_vcpus,
	       info->max_regions, info->gpa_bits, info->granule, info->breakpoints);
	if (info->max_vms)
		printf(", %u VMs a process", info->max_vms);
	printf("\n");
}

static int print_text(void)
{
	vma_platform_info info = {.size = sizeof(info)};
	char reason[256] = "";
	vma_accel accel;

	for (int i = 0; i < vma_platform_count(); i++)
		if (vma_platform_get(i, &info) == 0)
			print_platform(&info);
	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (!compiled_in(planned[i]))
			printf("%s: not written yet\n", vma_accel_name(planned[i]));
	if (vma_platform_choose(VMA_ARCH_X86_64, &accel, reason, sizeof(reason)) == 0)
		printf("auto: %s%s%s\n", vma_accel_name(accel), reason[0] ? ": " : "", reason);
	else
		printf("auto: none: %s\n", vma_why());
	return STATUS_OK;
}

int verb_info(int argc, char **argv)
{
	struct info_options options = {0};

	if (args_parse("info", args, &options, argc, argv))
		return STATUS_USAGE;
	if (options.common.help) {
		args_help("info", "the accelerators of this machine", args);
		return STATUS_OK;
	}
	return options.json ? print_json() : print_text();
}
