/* bench_kvm.c - KVM through the library beside raw ioctls, interleaved in one run; times are medians, a ratio is the
 * median of the rounds' ratios, so that a machine whose speed drifts does not matter.
 *
 * exit: run to a port write.  registers: the same with all registers read and written at each exit, RIP not among the
 * writes. create: from nothing to the first exit; the raw side makes the ioctls that set the same state. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>

enum { RAM = 0x10000, CODE = 0x1000, ROUNDS = 1001, EXITS = 20, CREATES = 101 };

static const uint8_t loop[] = {0xee, 0xeb, 0xfd}; /* out dx,al; jmp */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_kvm: %s: %s\n", what, vma_why());
	exit(1);
}

static void ok(int rc, const char *what)
{
	if (rc < 0)
		die(what);
}

/* ------ raw ------ */

struct raw {
	int system, vm, vcpu;
	struct kvm_run *run;
};

/* What the library asks of KVM for a vCPU in the reset state, the caller's registers in it. */
static int raw_state(struct raw *r, const struct kvm_cpuid2 *cpuid, uint64_t rip)
{
	static const uint32_t msrs[] = {0x174,      0x175,      0x176,      0x277,     0xc0000081,
					0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102};
	struct {
		uint32_t nmsrs, pad; /* struct kvm_msrs, with room behind it */
		struct kvm_msr_entry e[16];
	} m = {.nmsrs = sizeof(msrs) / sizeof(*msrs)};
	struct kvm_regs regs = {.rip = rip, .rflags = 2};
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
	struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.value = 1}}};
	struct kvm_vcpu_events events;
	struct kvm_xsave xsave;
	struct kvm_sregs sregs;

	for (size_t i = 0; i < m.nmsrs; i++)
		m.e[i].index = msrs[i];
	m.e[3].data = 0x0007040600070406;
	if (ioctl(r->vcpu, KVM_SET_CPUID2, cpuid) || ioctl(r->vcpu, KVM_SET_MSRS, &m) < 0 ||
	    ioctl(r->vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = sregs.cs.selector = 0;
	memset(&xsave, 0, sizeof(xsave));
	memset(&events, 0, sizeof(events));
	((uint32_t *)xsave.region)[6] = 0x1f80;
	if (ioctl(r->vcpu, KVM_SET_SREGS, &sregs) || ioctl(r->vcpu, KVM_SET_XCRS, &xcrs) ||
	    ioctl(r->vcpu, KVM_SET_XSAVE, &xsave) || ioctl(r->vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(r->vcpu, KVM_SET_DEBUGREGS, &debug) || ioctl(r->vcpu, KVM_SET_MP_STATE, &mp) ||
	    ioctl(r->vcpu, KVM_SET_VCPU_EVENTS, &events))
		return -1;
	return 0;
}

/* The same for the whole process: not part of a creation. */
static const struct kvm_cpuid2 *supported(int system)
{
	static struct kvm_cpuid2 *cpuid;

	if (cpuid)
		return cpuid;
	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die("out of memory");
	cpuid->nent = 256;
	if (ioctl(system, KVM_GET_SUPPORTED_CPUID, cpuid))
		die("KVM_GET_SUPPORTED_CPUID");
	return cpuid;
}

static int raw_open(struct raw *r, uint8_t *ram, uint64_t size, uint64_t rip)
{
	struct kvm_userspace_memory_region slot = {.memory_size = size, .userspace_addr = (uintptr_t)ram};
	uint64_t identity = 0xfffbc000;
	int bytes;

	r->system = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	r->vm = ioctl(r->system, KVM_CREATE_VM, 0);
	ioctl(r->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	ioctl(r->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (ioctl(r->vm, KVM_SET_USER_MEMORY_REGION, &slot))
		return -1;
	r->vcpu = ioctl(r->vm, KVM_CREATE_VCPU, 0);
	bytes = ioctl(r->system, KVM_GET_VCPU_MMAP_SIZE, 0);
	r->run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu, 0);
	return r->run == MAP_FAILED ? -1 : raw_state(r, supported(r->system), rip);
}

static void raw_close(struct raw *r)
{
	munmap(r->run, (size_t)ioctl(r->system, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(r->vcpu);
	close(r->vm);
	close(r->system);
}

static int raw_run(struct raw *r)
{
	return ioctl(r->vcpu, KVM_RUN, 0) ? -1 : (int)r->run->exit_reason;
}

static double raw_exits(struct raw *r)
{
	double t = now();

	for (int i = 0; i < EXITS; i++)
		if (raw_run(r) != KVM_EXIT_IO)
			die("the raw loop left its guest");
	return (now() - t) / EXITS;
}

/* ------ the library ------ */

struct lib {
	vma_vm *vm;
	vma_vcpu *cpu;
};

static void lib_open(struct lib *l, vma_mem *mem)
{
	vma_vm_config c = {.size = sizeof(c), .accel = VMA_ACCEL_KVM, .arch = VMA_ARCH_X86_64, .cpu_model = "max"};
	vma_x86_regs regs = {.rip = CODE, .rflags = 2};
	static const uint32_t ids[] = {VMA_X86_CS, VMA_X86_CS_BASE};
	static const uint64_t zero[2];

	ok(vma_vm_create(&c, &l->vm), "create");
	ok(vma_vm_finalize(l->vm), "finalize");
	ok(vma_vm_map(l->vm, 0, mem, 0, RAM, VMA_MAP_RWX), "map");
	ok(vma_vcpu_create(l->vm, 0, &l->cpu), "vCPU");
	ok(vma_vcpu_set(l->cpu, ids, zero, 2), "registers");
	ok(vma_x86_set_regs(l->cpu, &regs, VMA_X86_ALL_REGS), "registers");
}

static void lib_run(struct lib *l)
{
	if (vma_vcpu_run(l->cpu) != VMA_EXIT_IO)
		die("the guest left its loop");
}

static double lib_exits(struct lib *l)
{
	double t = now();

	for (int i = 0; i < EXITS; i++)
		lib_run(l);
	return (now() - t) / EXITS;
}

static double lib_register_exits(struct lib *l)
{
	double t = now();
	vma_x86_regs regs;

	for (int i = 0; i < EXITS; i++) {
		lib_run(l);
		vma_x86_get_regs(l->cpu, &regs);
		regs.rbx++;
		vma_x86_set_regs(l->cpu, &regs, VMA_X86_ALL_BUT_RIP);
	}
	return (now() - t) / EXITS;
}

/* ------ measuring ------ */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *t, size_t n)
{
	qsort(t, n, sizeof(*t), compare);
	return t[n / 2];
}

static void line(const char *name, double *ours, double *reference, size_t n, double goal)
{
	static double ratios[ROUNDS];
	double ratio;

	for (size_t i = 0; i < n; i++)
		ratios[i] = ours[i] / reference[i];
	ratio = median(ratios, n);
	printf("%-28s %10.2f us  reference %10.2f us  ratio %.3f  goal %.2f  %s\n", name, median(ours, n),
	       median(reference, n), ratio, goal, ratio <= goal ? "met" : "MISSED");
}

static void bench_exits(vma_mem *mem)
{
	static double raw[ROUNDS], plain[ROUNDS], plain2[ROUNDS], registers[ROUNDS];
	struct lib l;
	struct raw r;

	lib_open(&l, mem);
	if (raw_open(&r, vma_mem_hva(mem), RAM, CODE))
		die("raw ioctls failed");
	for (int i = 0; i < ROUNDS; i++) {
		raw[i] = raw_exits(&r);
		plain[i] = lib_exits(&l);
		plain2[i] = plain[i];
		registers[i] = lib_register_exits(&l);
	}
	line("with registers at each exit", registers, plain, ROUNDS, 1.10); /* first: a median sorts its times */
	line("run + port exit", plain2, raw, ROUNDS, 1.05);
	raw_close(&r);
	ok(vma_vm_destroy(l.vm), "destroy");
}

static void bench_create(vma_mem *mem)
{
	static double raw[CREATES], ours[CREATES];

	for (int i = 0; i < CREATES; i++) {
		struct lib l;
		struct raw r;
		double t = now();

		if (raw_open(&r, vma_mem_hva(mem), RAM, CODE) || raw_run(&r) != KVM_EXIT_IO)
			die("raw ioctls failed");
		raw[i] = now() - t;
		raw_close(&r);
		t = now();
		lib_open(&l, mem);
		lib_run(&l);
		ours[i] = now() - t;
		ok(vma_vm_destroy(l.vm), "destroy");
	}
	line("create to first exit", ours, raw, CREATES, 1.10);
}

int main(void)
{
	vma_platform_info info = {.size = sizeof(info)};
	vma_mem *mem;

	if (vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info) || !info.available) {
		printf("bench_kvm: skipped, %s\n", info.why ? info.why : vma_why());
		return 0;
	}
	printf("kvm: %s\n", info.version);
	ok(vma_mem_anon(RAM, &mem), "memory");
	memcpy((uint8_t *)vma_mem_hva(mem) + CODE, loop, sizeof(loop));
	bench_exits(mem);
	bench_create(mem);
	vma_mem_unref(mem);
	return 0;
}
