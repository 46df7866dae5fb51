/* bench.c - vmaccel bench: what the library's calls cost, each beside the same thing done with the platform's own calls
 * in the same run. Samples of both alternate; times are medians, and a ratio is the median of the pairs' ratios, so
 * that a busy machine, or one whose speed drifts, disturbs both alike. */
#include "bench.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

enum { SAMPLES = 101, SAMPLE_NS = 1000000 };

struct bench_options {
	struct arg_common common;
	int accel, arch, json;
};

#define AT(member) offsetof(struct bench_options, member)
static const struct arg args[] = {
	{"--accel", "-accel", ARG_CHOICE, AT(accel), 0, 0, "A", "auto (default), kvm, whpx or soft", cli_accels, 0},
	{"--arch", NULL, ARG_CHOICE, AT(arch), 0, 0, "ARCH", "of the guest: x86-64 or arm64 (the host's)", cli_arches, 0},
	{"--json", NULL, ARG_FLAG, AT(json), 0, 0, NULL, "as JSON", NULL, 0},
	{NULL, NULL, ARG_FLAG, 0, 0, 0, NULL, NULL, NULL, 0},
};
#undef AT

static const struct measurement {
	enum bench_op op;
	const char *key, *text; /* NULL: as the guest's architecture says */
	int beside_exit; /* the reference is the library's plain exit, not the platform's call */
} measurements[BENCH_OPS] = {
	{BENCH_EXIT, "exit", NULL, 0},
	{BENCH_EXIT_REGS, "exit_registers", "the same, registers read and written (beside the exit alone)", 1},
	{BENCH_GET_REGS, "get_registers", "read the registers", 0},
	{BENCH_SET_REGS, "set_registers", "write the registers", 0},
	{BENCH_CREATE, "create", "create to first exit, and destroy", 0},
	{BENCH_MAP_UNMAP, "map", "map and unmap 2 MiB", 0},
	{BENCH_KICK, "kick", "kick and the run that it ends", 0},
};

/* The same machine through the library. */
struct lib {
	vma_accel accel;
	const struct bench_guest *guest;
	vma_mem *mem, *spare;
	vma_vm *vm;
	vma_vcpu *vcpu;
	vma_kick *kick;
	union bench_regs regs;
};

static void lib_close(struct lib *lib)
{
	vma_kick_unref(lib->kick);
	if (lib->vcpu)
		vma_vcpu_destroy(lib->vcpu);
	if (lib->vm)
		vma_vm_destroy(lib->vm);
	vma_mem_unref(lib->mem);
	lib->kick = NULL;
	lib->vcpu = NULL;
	lib->vm = NULL;
	lib->mem = NULL;
}

static int lib_exit(struct lib *lib)
{
	return vma_vcpu_run(lib->vcpu) == lib->guest->exit ? 0 : -1;
}

static int lib_open(struct lib *lib)
{
	vma_vm_config config = {.size = sizeof(config), .accel = lib->accel, .arch = lib->guest->arch, .max_vcpus = 1};

	if (vma_vm_create(&config, &lib->vm) < 0 || vma_vm_finalize(lib->vm) < 0 ||
	    vma_mem_anon(BENCH_MEM, &lib->mem) < 0)
		return -1;
	memcpy((char *)vma_mem_hva(lib->mem) + BENCH_CODE, lib->guest->code, sizeof(lib->guest->code));
	if (vma_vm_map(lib->vm, 0, lib->mem, 0, BENCH_MEM, VMA_MAP_RWX) < 0 ||
	    vma_vcpu_create(lib->vm, 0, &lib->vcpu) < 0 || lib->guest->start(lib->vcpu) < 0)
		return -1;
	return lib_exit(lib);
}

static int lib_create(const struct lib *lib)
{
	struct lib other = {.accel = lib->accel, .guest = lib->guest};
	int result = lib_open(&other);

	lib_close(&other);
	return result;
}

static int lib_once(struct lib *lib, enum bench_op op)
{
	switch (op) {
	case BENCH_EXIT:
		return lib_exit(lib);
	case BENCH_EXIT_REGS:
		if (lib_exit(lib) < 0 || lib->guest->get(lib->vcpu, &lib->regs) < 0)
			return -1;
		return lib->guest->set(lib->vcpu, &lib->regs);
	case BENCH_GET_REGS:
		return lib->guest->get(lib->vcpu, &lib->regs);
	case BENCH_SET_REGS:
		return lib->guest->set(lib->vcpu, &lib->regs);
	case BENCH_CREATE:
		return lib_create(lib);
	case BENCH_MAP_UNMAP:
		if (vma_vm_map(lib->vm, BENCH_MAP_GPA, lib->spare, 0, BENCH_MAP, VMA_MAP_RWX) < 0)
			return -1;
		return vma_vm_unmap(lib->vm, BENCH_MAP_GPA, BENCH_MAP);
	case BENCH_KICK:
		vma_kick_send(lib->kick);
		return vma_vcpu_run(lib->vcpu) == VMA_EXIT_CANCELED ? 0 : -1;
	default:
		return -1;
	}
}

/* A side of a comparison: the library (raw NULL) or the platform's calls. */
struct side {
	struct lib *lib;
	struct raw *raw;
	enum bench_op op;
	uint64_t batch; /* operations a sample, about SAMPLE_NS long */
	double samples[SAMPLES];
	char why[256];
};

static int side_do(struct side *side, uint64_t n)
{
	if (side->raw)
		return raw_do(side->raw, side->op, n, side->why, sizeof(side->why));
	for (; n; n--) {
		if (lib_once(side->lib, side->op) < 0) {
			snprintf(side->why, sizeof(side->why), "%s", vma_why());
			return -1;
		}
	}
	return 0;
}

static int side_sample(struct side *side, double *ns)
{
	uint64_t start = uv_hrtime();

	if (side_do(side, side->batch) < 0)
		return -1;
	*ns = (double)(uv_hrtime() - start) / (double)side->batch;
	return 0;
}

static int side_calibrate(struct side *side)
{
	double ns;

	for (side->batch = 1; side->batch < 1ull << 24; side->batch *= 2) {
		if (side_sample(side, &ns) < 0)
			return -1;
		if (ns * (double)side->batch >= SAMPLE_NS)
			break;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *samples)
{
	qsort(samples, SAMPLES, sizeof(*samples), ascending);
	return samples[SAMPLES / 2];
}

struct result {
	double ns, reference_ns, ratio; /* the latter two 0 without a reference */
};

/* 0, or -1 with the reason in `why`. */
static int compare(struct lib *lib, struct raw *raw, const struct measurement *m, struct result *out, const char **why)
{
	static struct side sides[2];
	static double ratios[SAMPLES];
	int count = raw || m->beside_exit ? 2 : 1;

	sides[0] = (struct side){.lib = lib, .op = m->op};
	sides[1] = (struct side){.raw = raw, .op = m->op};
	if (m->beside_exit)
		sides[1] = (struct side){.lib = lib, .op = BENCH_EXIT};
	for (int i = 0; i < SAMPLES; i++) {
		for (int s = 0; s < count; s++) {
			*why = sides[s].why;
			if ((i == 0 && side_calibrate(&sides[s]) < 0) ||
			    side_sample(&sides[s], &sides[s].samples[i]) < 0)
				return -1;
		}
		ratios[i] = count == 2 ? sides[0].samples[i] / sides[1].samples[i] : 0;
	}
	*out = (struct result){median(sides[0].samples), count == 2 ? median(sides[1].samples) : 0, median(ratios)};
	return 0;
}

static const char *text_of(const struct lib *lib, const struct measurement *m)
{
	return m->text ? m->text : lib->guest->exit_text;
}

static void print_row(const char *text, const struct result *r)
{
	printf("  %-60s %12.3f us", text, r->ns / 1000);
	if (r->reference_ns > 0)
		printf(" %12.3f us %8.3f", r->reference_ns / 1000, r->ratio);
	printf("\n");
}

static cJSON *json_row(const char *key, const char *text, const struct result *r)
{
	cJSON *row = cJSON_CreateObject();

	cJSON_AddStringToObject(row, "name", key);
	cJSON_AddStringToObject(row, "text", text);
	cJSON_AddNumberToObject(row, "ns", r->ns);
	if (r->reference_ns > 0) {
		cJSON_AddNumberToObject(row, "reference_ns", r->reference_ns);
		cJSON_AddNumberToObject(row, "ratio", r->ratio);
	}
	return row;
}

static int measure_all(struct lib *lib, struct raw *raw, cJSON *list)
{
	if (!list)
		printf("%-62s %15s%s\n", vma_accel_name(lib->accel), "library",
		       raw ? "   platform's calls    ratio" : "         reference    ratio");
	for (int i = 0; i < BENCH_OPS; i++) {
		const char *why, *text = text_of(lib, &measurements[i]);
		struct result r;

		if (compare(lib, raw, &measurements[i], &r, &why) < 0) {
			fprintf(stderr, "vmaccel bench: %s: %s\n", text, why);
			return STATUS_VMM;
		}
		if (list)
			cJSON_AddItemToArray(list, json_row(measurements[i].key, text, &r));
		else
			print_row(text, &r);
	}
	return STATUS_OK;
}

static int open_lib(struct lib *lib)
{
	if (lib_open(lib) < 0 || vma_mem_anon(BENCH_MAP, &lib->spare) < 0 ||
	    vma_vcpu_kick_handle(lib->vcpu, &lib->kick) < 0 || lib->guest->get(lib->vcpu, &lib->regs) < 0) {
		fprintf(stderr, "vmaccel bench: %s\n", vma_why());
		return STATUS_VMM;
	}
	return STATUS_OK;
}

static int open_raw(const struct lib *lib, struct raw **raw)
{
	char why[256] = "";

	if (!raw_available(vma_accel_name(lib->accel), lib->guest->arch))
		return STATUS_OK;
	*raw = raw_open(why, sizeof(why));
	if (!*raw) {
		fprintf(stderr, "vmaccel bench: the platform's own calls: %s\n", why);
		return STATUS_VMM;
	}
	return STATUS_OK;
}

static int bench(vma_accel accel, vma_arch arch, int json)
{
	struct lib lib = {.accel = accel, .guest = bench_guest(arch)};
	struct raw *raw = NULL;
	cJSON *out = json ? cJSON_CreateObject() : NULL, *list = NULL;
	int status = open_lib(&lib);

	if (!status)
		status = open_raw(&lib, &raw);
	if (json) {
		cJSON_AddStringToObject(out, "accel", vma_accel_name(accel));
		list = cJSON_AddArrayToObject(out, "results");
	}
	if (!status)
		status = measure_all(&lib, raw, list);
	if (json)
		cli_print_json(out, 1);
	raw_close(raw);
	vma_mem_unref(lib.spare);
	lib_close(&lib);
	return status;
}

int bench_rows(vma_accel accel, vma_arch arch, cJSON *list)
{
	struct lib lib = {.accel = accel, .guest = bench_guest(arch)};
	int status = open_lib(&lib);

	if (!status)
		status = measure_all(&lib, NULL, list);
	vma_mem_unref(lib.spare);
	lib_close(&lib);
	return status;
}

int verb_bench(int argc, char **argv)
{
	struct bench_options options = {.accel = VMA_ACCEL_AUTO};
	vma_accel accel;
	vma_arch arch;
	int status;

	if (args_parse("bench", args, &options, argc, argv))
		return STATUS_USAGE;
	if (options.common.help) {
		args_help("bench", "what the library's calls cost", args);
		return STATUS_OK;
	}
	accel = (vma_accel)options.accel;
	if (accel == VMA_ACCEL_NULL) {
		fprintf(stderr, "vmaccel bench: --accel null: it runs no guest code\n");
		return STATUS_USAGE;
	}
	arch = cli_arch(options.arch);
	status = cli_choose("bench", arch, &accel);
	return status ? status : bench(accel, arch, options.json);
}
