/* raw_kvm.c - the operations of `vmaccel bench` as bare KVM ioctls: what the library's cost is measured against. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <vmaccel/x86.h>

enum { CPUID_MAX = 256 };
#define TSS_AT 0xfffbd000ul /* three pages below the firmware's place, as the library has them */

struct machine {
	int kvm, vm, vcpu, memfd;
	void *mem;
	struct kvm_run *run;
};

struct raw {
	int kvm, run_size;
	struct kvm_cpuid2 *cpuid;
	struct machine machine; /* of every operation but create */
	struct kvm_regs regs;
	void *spare;
};

static const struct msr {
	uint32_t index;
	uint64_t reset;
} msrs[] = {
#define KEEP_STATE(index, reset) {index, reset},
#define KEEP_TIME(index, reset)
#define VMA_X(NAME, index, whpx, reset, kind) KEEP_##kind(index, reset)
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
};
enum { MSRS = sizeof(msrs) / sizeof(msrs[0]) };

static int fail(char *why, uint32_t size, const char *call)
{
	snprintf(why, size, "%s: %s", call, strerror(errno));
	return -1;
}

int raw_available(const char *accel)
{
	return !strcmp(accel, "kvm");
}

static int read_cpuid(struct raw *raw)
{
	raw->cpuid = calloc(1, sizeof(*raw->cpuid) + CPUID_MAX * sizeof(raw->cpuid->entries[0]));
	if (!raw->cpuid)
		return -1;
	raw->cpuid->nent = CPUID_MAX;
	return ioctl(raw->kvm, KVM_GET_SUPPORTED_CPUID, raw->cpuid);
}

static void machine_close(struct machine *m, int run_size)
{
	if (m->run && m->run != MAP_FAILED)
		munmap(m->run, (size_t)run_size);
	if (m->vcpu > 0)
		close(m->vcpu);
	if (m->vm > 0)
		close(m->vm);
	if (m->mem && m->mem != MAP_FAILED)
		munmap(m->mem, BENCH_MEM);
	if (m->memfd > 0)
		close(m->memfd);
	if (m->kvm > 0)
		close(m->kvm);
	memset(m, 0, sizeof(*m));
}

static int set_slot(int vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)hva};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static const char *make_memory(struct machine *m)
{
	static const uint8_t code[] = BENCH_CODE_BYTES;

	m->memfd = memfd_create("bench", MFD_CLOEXEC);
	if (m->memfd < 0 || ftruncate(m->memfd, BENCH_MEM) < 0)
		return "memfd_create";
	m->mem = mmap(NULL, BENCH_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, m->memfd, 0);
	if (m->mem == MAP_FAILED)
		return "mmap";
	memcpy((char *)m->mem + BENCH_CODE, code, sizeof(code));
	return set_slot(m->vm, 0, 0, BENCH_MEM, m->mem) < 0 ? "KVM_SET_USER_MEMORY_REGION" : NULL;
}

static const char *set_msrs(int vcpu)
{
	_Alignas(struct kvm_msrs) static char room[sizeof(struct kvm_msrs) + MSRS * sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *all = (struct kvm_msrs *)room;

	all->nmsrs = MSRS;
	for (int i = 0; i < MSRS; i++)
		all->entries[i] = (struct kvm_msr_entry){.index = msrs[i].index, .data = msrs[i].reset};
	return ioctl(vcpu, KVM_SET_MSRS, all) < 0 ? "KVM_SET_MSRS" : NULL;
}

/* The state that the library gives a vCPU before its first run: the architecture's reset state, all of it. */
static const char *set_state(int vcpu)
{
	struct kvm_regs regs = {.rip = BENCH_CODE, .rflags = 2};
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = 1}}};
	struct kvm_vcpu_events events = {0};
	struct kvm_xsave xsave = {.region = {[0] = 0x40, [6] = 0x1f80, [7] = 0xffff, [128] = 3}};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return "KVM_GET_SREGS";
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return "KVM_SET_SREGS";
	ioctl(vcpu, KVM_SET_XCRS, &xcrs); /* where there is XSAVE */
	if (ioctl(vcpu, KVM_SET_XSAVE, &xsave) < 0)
		return "KVM_SET_XSAVE";
	if (ioctl(vcpu, KVM_SET_DEBUGREGS, &debug) < 0)
		return "KVM_SET_DEBUGREGS";
	if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return "KVM_SET_REGS";
	if (ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events) < 0)
		return "KVM_SET_VCPU_EVENTS";
	return set_msrs(vcpu);
}

static int run_to_exit(struct machine *m)
{
	return ioctl(m->vcpu, KVM_RUN, 0) == 0 && m->run->exit_reason == KVM_EXIT_IO ? 0 : -1;
}

static const char *machine_open(struct raw *raw, struct machine *m)
{
	uint64_t identity = TSS_AT - 0x1000;
	const char *call;

	memset(m, 0, sizeof(*m));
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		return "/dev/kvm";
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	if (m->vm < 0)
		return "KVM_CREATE_VM";
	if (ioctl(m->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 || ioctl(m->vm, KVM_SET_TSS_ADDR, TSS_AT) < 0)
		return "KVM_SET_TSS_ADDR";
	call = make_memory(m);
	if (call)
		return call;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0)
		return "KVM_CREATE_VCPU";
	m->run = mmap(NULL, (size_t)raw->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED)
		return "mmap of kvm_run";
	if (ioctl(m->vcpu, KVM_SET_CPUID2, raw->cpuid) < 0)
		return "KVM_SET_CPUID2";
	call = set_state(m->vcpu);
	if (call)
		return call;
	return run_to_exit(m) < 0 ? "KVM_RUN" : NULL;
}

struct raw *raw_open(char *why, uint32_t why_size)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	const char *call = "calloc";

	if (!raw)
		return fail(why, why_size, call), NULL;
	raw->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	call = raw->kvm < 0 ? "/dev/kvm" : NULL;
	if (!call) {
		raw->run_size = ioctl(raw->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
		call = raw->run_size < 0 || read_cpuid(raw) < 0 ? "KVM_GET_SUPPORTED_CPUID"
								: machine_open(raw, &raw->machine);
	}
	if (!call) {
		raw->spare = mmap(NULL, BENCH_MAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		call = raw->spare == MAP_FAILED ? "mmap" : NULL;
	}
	if (call) {
		fail(why, why_size, call);
		raw_close(raw);
		return NULL;
	}
	return raw;
}

static const char *create(struct raw *raw)
{
	struct machine m;
	const char *call = machine_open(raw, &m);

	machine_close(&m, raw->run_size);
	return call;
}

static const char *exit_and_registers(struct raw *raw)
{
	struct machine *m = &raw->machine;

	if (run_to_exit(m) < 0)
		return "KVM_RUN";
	if (ioctl(m->vcpu, KVM_GET_REGS, &raw->regs) < 0)
		return "KVM_GET_REGS";
	return ioctl(m->vcpu, KVM_SET_REGS, &raw->regs) < 0 ? "KVM_SET_REGS" : NULL;
}

static const char *map_unmap(struct raw *raw)
{
	if (set_slot(raw->machine.vm, 1, BENCH_MAP_GPA, BENCH_MAP, raw->spare) < 0 ||
	    set_slot(raw->machine.vm, 1, BENCH_MAP_GPA, 0, raw->spare) < 0)
		return "KVM_SET_USER_MEMORY_REGION";
	return NULL;
}

static const char *kick(struct raw *raw)
{
	struct machine *m = &raw->machine;
	int result;

	m->run->immediate_exit = 1;
	result = ioctl(m->vcpu, KVM_RUN, 0);
	m->run->immediate_exit = 0;
	return result < 0 && errno == EINTR ? NULL : "KVM_RUN with immediate_exit";
}

static const char *once(struct raw *raw, enum bench_op op)
{
	struct machine *m = &raw->machine;

	switch (op) {
	case BENCH_EXIT:
		return run_to_exit(m) < 0 ? "KVM_RUN" : NULL;
	case BENCH_EXIT_REGS:
		return exit_and_registers(raw);
	case BENCH_GET_REGS:
		return ioctl(m->vcpu, KVM_GET_REGS, &raw->regs) < 0 ? "KVM_GET_REGS" : NULL;
	case BENCH_SET_REGS:
		return ioctl(m->vcpu, KVM_SET_REGS, &raw->regs) < 0 ? "KVM_SET_REGS" : NULL;
	case BENCH_CREATE:
		return create(raw);
	case BENCH_MAP_UNMAP:
		return map_unmap(raw);
	case BENCH_KICK:
		return kick(raw);
	default:
		return "no such operation";
	}
}

int raw_do(struct raw *raw, enum bench_op op, uint64_t n, char *why, uint32_t why_size)
{
	if (op == BENCH_SET_REGS && ioctl(raw->machine.vcpu, KVM_GET_REGS, &raw->regs) < 0)
		return fail(why, why_size, "KVM_GET_REGS");
	for (; n; n--) {
		const char *call = once(raw, op);

		if (call)
			return fail(why, why_size, call);
	}
	return 0;
}

void raw_close(struct raw *raw)
{
	if (!raw)
		return;
	machine_close(&raw->machine, raw->run_size);
	if (raw->spare && raw->spare != MAP_FAILED)
		munmap(raw->spare, BENCH_MAP);
	if (raw->kvm > 0)
		close(raw->kvm);
	free(raw->cpuid);
	free(raw);
}
