/* states.c [FROM [TO]] - state that moves between accelerators: a guest that adds the numbers 1000 to 1 runs halfway on one, its vCPU
 * is saved, restored on another and runs to its end there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmaccel/x86.h>

enum { MEM_SIZE = 0x10000, HALFWAY = 500, SUM = 500500 };

/* 16-bit code: mov cx, 1000; 1: add eax, ecx; out 0x10, al; loop 1b; hlt */
static const char code[] = "\xb9\xe8\x03\x66\x01\xc8\xe6\x10\xe2\xf9\xf4";

struct machine {
	vma_vm *vm;
	vma_vcpu *vcpu;
};

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "states: %s: %s\n", what, vma_why());
	exit(1);
}

/* Both machines map the same memory, one after the other: only the vCPU's state has to move. */
static struct machine make(vma_accel accel, vma_mem *mem)
{
	vma_vm_config config = {
		.size = sizeof(config), .accel = accel, .arch = VMA_ARCH_X86_64, .cpu_model = "x86-64-v1"};
	struct machine m;

	must(vma_vm_create(&config, &m.vm), "create");
	must(vma_vm_finalize(m.vm), "finalize");
	must(vma_vm_map(m.vm, 0, mem, 0, MEM_SIZE, VMA_MAP_RWX), "map");
	must(vma_vcpu_create(m.vm, 0, &m.vcpu), "vCPU");
	return m;
}

static int run_outs(vma_vcpu *vcpu, int most)
{
	int kind, n = 0;

	while (n < most && (kind = vma_vcpu_run(vcpu)) == VMA_EXIT_IO)
		n++;
	return n;
}

/* An exit that waits for its completion is no state: complete it first. */
static void *save(vma_vcpu *vcpu, size_t *size)
{
	void *state;

	while (vma_vcpu_complete(vcpu) > 0)
		;
	must(vma_vcpu_save(vcpu, NULL, size, 0), "size of the state");
	state = malloc(*size);
	if (!state)
		exit(1);
	must(vma_vcpu_save(vcpu, state, size, 0), "save");
	return state;
}

static void not_carried(void *opaque, const char *element, const char *reason)
{
	(void)opaque;
	printf("not carried: %s: %s\n", element, reason);
}

static vma_accel accel_of(int argc, char **argv, int index, vma_accel otherwise)
{
	vma_accel accel = otherwise;

	if (index < argc)
		must(vma_accel_parse(argv[index], &accel), argv[index]);
	return accel;
}

int main(int argc, char **argv)
{
	uint32_t start[] = {VMA_X86_CS, VMA_X86_CS_BASE, VMA_X86_RIP}, rax = VMA_X86_RAX;
	uint64_t zero[] = {0, 0, 0}, sum;
	vma_report report = {.line = not_carried};
	struct machine from, to;
	size_t size = 0;
	vma_mem *mem;
	void *state;
	int before, after;

	must(vma_mem_anon(MEM_SIZE, &mem), "memory");
	memcpy(vma_mem_hva(mem), code, sizeof(code));
	from = make(accel_of(argc, argv, 1, VMA_ACCEL_AUTO), mem);
	must(vma_vcpu_set(from.vcpu, start, zero, 3), "registers");
	before = run_outs(from.vcpu, HALFWAY);
	state = save(from.vcpu, &size);
	printf("%d numbers on %s, %zu bytes of state\n", before, vma_accel_name(vma_vm_accel(from.vm)), size);
	vma_vm_destroy(from.vm);

	to = make(accel_of(argc, argv, 2, VMA_ACCEL_SOFT), mem);
	must(vma_vcpu_restore(to.vcpu, state, size, 0, &report), "restore");
	after = run_outs(to.vcpu, 2 * HALFWAY);
	must(vma_vcpu_get(to.vcpu, &rax, &sum, 1), "rax");
	printf("%d numbers on %s, sum %llu\n", after, vma_accel_name(vma_vm_accel(to.vm)), (unsigned long long)sum);
	vma_vm_destroy(to.vm);
	vma_mem_unref(mem);
	free(state);
	return before == HALFWAY && after == HALFWAY && sum == SUM ? 0 : 1;
}
