/* run.c - vmaccel run: a guest from its files to its end, and an exit status that says how it ended. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include "vmm/vmm.h"

struct run_options {
	struct arg_common common;
	int accel, arch;
	uint32_t cpus, gic;
	uint64_t mem;
	const char *cpu, *kernel, *initrd, *append, *console, *marker;
	uint32_t timeout_ms;
	int debug_exit, json, flat_given, entry, on_reset, irqchip;
	uint64_t flat;
	uint32_t reset_limit, flat_bits;
	uint64_t max_insns, insn_hz;
};

static const struct arg_choice entries[] = {
	{"auto", VMM_ENTRY_AUTO},           {"direct", VMM_ENTRY_DIRECT}, {"classic", VMM_ENTRY_CLASSIC},
	{"classic32", VMM_ENTRY_CLASSIC32}, {NULL, 0},
};
static const struct arg_choice irqchips[] = {
	{"auto", VMM_IRQCHIP_AUTO}, {"platform", VMM_IRQCHIP_PLATFORM}, {"library", VMM_IRQCHIP_LIBRARY}, {NULL, 0}};
static const struct arg_choice resets[] = {{"stop", VMM_RESET_STOP}, {"reboot", VMM_RESET_REBOOT}, {NULL, 0}};

#define AT(member) offsetof(struct run_options, member)
static const struct arg args[] = {
	{"--accel", "-accel", ARG_CHOICE, AT(accel), 0, 0, "A", "auto (default), kvm, whpx or soft", cli_accels, 0},
	{"--arch", NULL, ARG_CHOICE, AT(arch), 0, 0, "ARCH", "of the guest: x86-64 or arm64 (the host's)", cli_arches, 0},
	{"--gic", NULL, ARG_COUNT, AT(gic), 2, 3, "V", "arm64: version of the interrupt controller (3 where there is one)", NULL, 0},
	{"--cpus", "-smp", ARG_COUNT, AT(cpus), 1, 4096, "N", "virtual CPUs (1)", NULL, 0},
	{"--cpu", "-cpu", ARG_TEXT, AT(cpu), 0, 0, "MODEL", "x86-64-v1, x86-64-v2, x86-64-v3, armv8.0-a, armv8.2-a, max or host", NULL, 0},
	{"--irqchip", NULL, ARG_CHOICE, AT(irqchip), 0, 0, "I", "interrupt controllers: platform, the accelerator's, library, or auto (default): library where it has none", irqchips, 0},
	{"--mem", "-m", ARG_SIZE, AT(mem), 1 << 20, 1ull << 44, "SIZE", "guest memory: 512M, 2G (256M); a bare number is MiB", NULL, 0},
	{"--kernel", "-kernel", ARG_TEXT, AT(kernel), 0, 0, "FILE", "bzImage, ELF with a PVH note, Multiboot 1, arm64 Image, or see --flat", NULL, 0},
	{"--initrd", "-initrd", ARG_TEXT, AT(initrd), 0, 0, "FILE", "initial RAM disk", NULL, 0},
	{"--append", "-append", ARG_TEXT, AT(append), 0, 0, "TEXT", "kernel command line", NULL, 0},
	{"--console", NULL, ARG_TEXT, AT(console), 0, 0, "C", "serial port: stdio (default), none, or file:PATH", NULL, 0},
	{"--timeout", NULL, ARG_SECONDS, AT(timeout_ms), 1, UINT32_MAX, "S", "end with status 124 after S seconds", NULL, 0},
	{"--debug-exit", NULL, ARG_FLAG, AT(debug_exit), 0, 0, NULL, "writing V to port 0xf4 ends with status (V << 1) | 1", NULL, 0},
	{"--flat", NULL, ARG_ADDRESS, AT(flat), 0, UINT64_MAX, "ADDR", "the kernel is a flat binary, loaded and entered at ADDR", NULL,
	 AT(flat_given)},
	{"--flat-bits", NULL, ARG_COUNT, AT(flat_bits), 16, 64, "BITS", "mode in which it is entered: 16, 32 or 64 (64)", NULL, 0},
	{"--entry", NULL, ARG_CHOICE, AT(entry), 0, 0, "E", "of a bzImage: auto, direct, classic or classic32", entries, 0},
	{"--on-reset", NULL, ARG_CHOICE, AT(on_reset), 0, 0, "R", "the guest's reset: stop (default) or reboot", resets, 0},
	{"--reset-limit", NULL, ARG_COUNT, AT(reset_limit), 1, UINT32_MAX, "N", "with --on-reset reboot: at most N times", NULL, 0},
	{"--max-insns", NULL, ARG_NUMBER, AT(max_insns), 1, INT64_MAX, "N", "end with status 122 after exactly N instructions (soft)", NULL, 0},
	{"--insn-hz", NULL, ARG_NUMBER, AT(insn_hz), 1000000, 10000000000, "HZ", "time is the instructions', HZ a second (10^9)", NULL, 0},
	{"--marker", NULL, ARG_TEXT, AT(marker), 0, 0, "TEXT", "note when TEXT appears on the console (see --json)", NULL, 0},
	{"--json", NULL, ARG_FLAG, AT(json), 0, 0, NULL, "how it ended, as one JSON object on the last line of stdout", NULL, 0},
	{NULL, NULL, ARG_FLAG, 0, 0, 0, NULL, NULL, NULL, 0},
};
#undef AT

static int bad(const char *flag, const char *why)
{
	fprintf(stderr, "vmaccel run: %s: %s\n", flag, why);
	return STATUS_USAGE;
}

static int set_console(struct vmm_config *config, const char *console)
{
	if (!console || !strcmp(console, "stdio"))
		config->console = VMM_CONSOLE_STDIO;
	else if (!strcmp(console, "none"))
		config->console = VMM_CONSOLE_NONE;
	else if (!strncmp(console, "file:", 5) && console[5]) {
		config->console = VMM_CONSOLE_FILE;
		config->console_path = console + 5;
	} else
		return bad("--console", "must be stdio, none or file:PATH");
	return 0;
}

static int configure(const struct run_options *o, struct vmm_config *config)
{
	*config = (struct vmm_config){
		.size = sizeof(*config),
		.accel = (vma_accel)o->accel,
		.arch = cli_arch(o->arch),
		.cpu_model = o->cpu,
		.cpus = o->cpus,
		.gic = o->gic,
		.mem = o->mem,
		.kernel = o->kernel,
		.initrd = o->initrd,
		.append = o->append,
		.flat = (uint32_t)o->flat_given,
		.flat_address = o->flat,
		.flat_bits = o->flat_bits,
		.entry = (enum vmm_entry)o->entry,
		.marker = o->marker,
		.timeout_ms = o->timeout_ms,
		.debug_exit = (uint32_t)o->debug_exit,
		.on_reset = (enum vmm_on_reset)o->on_reset,
		.reset_limit = o->reset_limit,
		.handle_signals = 1,
		.max_insns = o->max_insns,
		.insn_hz = o->insn_hz,
		.irqchip = (enum vmm_irqchip)o->irqchip,
	};
	if (!o->kernel)
		return bad("--kernel", "is required");
	if (!o->kernel[0])
		return bad("--kernel", "must not be empty");
	if (o->gic && config->arch != VMA_ARCH_ARM64)
		return bad("--gic", "is of arm64 guests only (--arch arm64)");
	if (o->marker && !o->marker[0])
		return bad("--marker", "must not be empty");
	return set_console(config, o->console);
}

static void print_failure(const struct vmm_error *error)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "end", "not started");
	cJSON_AddNumberToObject(json, "status", error->status);
	cJSON_AddStringToObject(json, "text", error->text);
	cli_print_json(json, 0);
}

static void print_result(const struct vmm *vmm, const struct vmm_result *result)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "accel", vma_accel_name(vmm_accel(vmm)));
	cJSON_AddStringToObject(json, "accel_reason", vmm_accel_reason(vmm));
	cJSON_AddStringToObject(json, "kernel", vmm_kernel_kind(vmm));
	cJSON_AddStringToObject(json, "end", vmm_end_text(result->end));
	cJSON_AddNumberToObject(json, "status", result->status);
	if (result->end == VMM_END_SIGNAL)
		cJSON_AddNumberToObject(json, "signal", result->signal);
	cJSON_AddNumberToObject(json, "resets", result->resets);
	if (result->marker_ms >= 0)
		cJSON_AddNumberToObject(json, "marker_ms", (double)result->marker_ms);
	else
		cJSON_AddNullToObject(json, "marker_ms");
	cJSON_AddNumberToObject(json, "run_ms", (double)result->run_ms);
	cJSON_AddNumberToObject(json, "exits", (double)result->exits);
	cJSON_AddStringToObject(json, "text", result->text);
	if (result->state[0]) {
		cJSON_AddNumberToObject(json, "insns", (double)result->insns);
		cJSON_AddNumberToObject(json, "virtual_ns", (double)result->virtual_ns);
		cJSON_AddStringToObject(json, "state", result->state);
	}
	cli_print_json(json, 0);
}

/* Where a run by instruction count stands. */
static void tell_count(const struct vmm_result *result)
{
	fprintf(stderr,
		"vmaccel: %s after %" PRIu64 " instructions and %" PRIu64 ".%09" PRIu64 " s of guest time at 0x%" PRIx64
		", state %s\n",
		vmm_end_text(result->end), result->insns, result->virtual_ns / 1000000000,
		result->virtual_ns % 1000000000, result->pc, result->state);
}

/* What somebody who looks at the terminal needs to know; a power-off says nothing. */
static void tell_end(const struct vmm_result *result)
{
	if (result->state[0])
		tell_count(result);
	if (result->state[0] && !result->text[0])
		return;
	if (result->end == VMM_END_POWER_OFF || result->end == VMM_END_DEBUG_EXIT || result->end == VMM_END_QUIT)
		return;
	fprintf(stderr, "vmaccel: %s%s%s\n", vmm_end_text(result->end), result->text[0] ? ": " : "", result->text);
	if (result->dump[0])
		fprintf(stderr, "%s%s", result->dump, result->dump[strlen(result->dump) - 1] == '\n' ? "" : "\n");
}

int verb_run(int argc, char **argv)
{
	struct run_options options = {.accel = VMA_ACCEL_AUTO};
	struct vmm_config config;
	struct vmm_error error = {0};
	static struct vmm_result result;
	struct vmm *vmm;

	if (args_parse("run", args, &options, argc, argv))
		return STATUS_USAGE;
	if (options.common.help) {
		args_help("run", "run a guest", args);
		return STATUS_OK;
	}
	if (configure(&options, &config))
		return STATUS_USAGE;
	if (vmm_create(&config, &vmm, &error) < 0) {
		fprintf(stderr, "vmaccel run: %s\n", error.text);
		if (options.json)
			print_failure(&error);
		return error.status;
	}
	vmm_run(vmm, &result);
	tell_end(&result);
	if (options.json)
		print_result(vmm, &result);
	vmm_destroy(vmm);
	return result.status;
}
