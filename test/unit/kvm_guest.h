/* kvm_guest.h - a small guest for the KVM tests: 1 MiB of memory, code as bytes, started in real mode with flat
 * zero-based segments. */
#ifndef KVM_GUEST_H
#define KVM_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>

enum { CODE = 0x1000, DATA = 0x4000, STACK = 0x8000, RAM = 0x100000, HOLE = 0x200000 };

struct guest {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *cpu;
	vma_exit *exit;
	uint8_t *ram;
};

/* One line, and status 77 for CTest, where there is no KVM: the other accelerators' tests cover the rest. */
#define SKIP_WITHOUT_KVM()                                                                                             \
	do {                                                                                                           \
		vma_platform_info info_ = {.size = sizeof(info_)};                                                     \
		if (vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info_) || !info_.available) {                   \
			printf("skipped: no KVM here (%s)\n", info_.why ? info_.why : vma_why());                      \
			return 77; /* CTest: skipped */                                                                \
		}                                                                                                      \
	} while (0)

#define OK(call) check_ok((call), #call, __FILE__, __LINE__)
static inline int check_ok(int rc, const char *call, const char *file, int line)
{
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", call, vma_why());
	_assert_true(rc >= 0, call, file, line);
	return rc;
}

static inline vma_vm_config guest_config(void)
{
	return (vma_vm_config){
	    .size = sizeof(vma_vm_config), .accel = VMA_ACCEL_KVM, .arch = VMA_ARCH_X86_64, .cpu_model = "max"};
}

static inline void guest_vcpu(struct guest *g)
{
	vma_x86_sregs s;
	vma_x86_regs r = {.rip = CODE, .rsp = STACK, .rflags = 2};

	OK(vma_vcpu_create(g->vm, 0, &g->cpu));
	g->exit = vma_vcpu_exit(g->cpu);
	OK(vma_x86_get_sregs(g->cpu, &s));
	s.cs.base = 0;
	s.cs.selector = 0;
	OK(vma_x86_set_sregs(g->cpu, &s));
	OK(vma_x86_set_regs(g->cpu, &r, VMA_X86_ALL_REGS));
}

static inline void guest_memory(struct guest *g, const void *code, size_t size, uint32_t flags)
{
	OK(vma_mem_anon(RAM, &g->mem));
	g->ram = vma_mem_hva(g->mem);
	memcpy(g->ram + CODE, code, size);
	OK(vma_vm_map(g->vm, 0, g->mem, 0, RAM, flags));
}

static inline void guest_start(struct guest *g, const vma_vm_config *config, const void *code, size_t size)
{
	*g = (struct guest){0};
	OK(vma_vm_create(config, &g->vm));
	OK(vma_vm_finalize(g->vm));
	guest_memory(g, code, size, VMA_MAP_RWX);
	guest_vcpu(g);
}

static inline void guest_new(struct guest *g, const void *code, size_t size)
{
	vma_vm_config c = guest_config();

	guest_start(g, &c, code, size);
}

#define GUEST(g, ...)                                                                                                  \
	static const uint8_t code_[] = {__VA_ARGS__};                                                                  \
	struct guest g;                                                                                                \
	guest_new(&g, code_, sizeof(code_))

static inline void guest_end(struct guest *g)
{
	OK(vma_vm_destroy(g->vm));
	vma_mem_unref(g->mem);
}

static inline int run(struct guest *g)
{
	return OK(vma_vcpu_run(g->cpu));
}

#define EXPECT(g, kind) assert_string_equal(vma_exit_name(run(g)), #kind)

static inline uint64_t reg(struct guest *g, uint32_t id)
{
	uint64_t value;

	OK(vma_vcpu_get(g->cpu, &id, &value, 1));
	return value;
}

static inline void set_reg(struct guest *g, uint32_t id, uint64_t value)
{
	OK(vma_vcpu_set(g->cpu, &id, &value, 1));
}

/* Flat 32-bit protected mode, paging off. The caller may change *s and set it again. */
static inline void guest_protected(struct guest *g, vma_x86_sregs *s)
{
	const vma_x86_seg data = {.limit = 0xffffffff, .selector = 0x10, .attr = 0x93 | VMA_SEG_DB | VMA_SEG_G};

	OK(vma_x86_get_sregs(g->cpu, s));
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->cs = data;
	s->cs.selector = 8;
	s->cs.attr = 0x9b | VMA_SEG_DB | VMA_SEG_G;
	s->cr0 |= 1;
	OK(vma_x86_set_sregs(g->cpu, s));
}

enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000 };

/* 64-bit mode with the first GiB mapped one to one in 2 MiB pages. */
static inline void guest_long(struct guest *g, vma_x86_sregs *s)
{
	uint64_t *pml4 = (uint64_t *)(g->ram + PML4), *pdpt = (uint64_t *)(g->ram + PDPT),
		 *pd = (uint64_t *)(g->ram + PD);

	pml4[0] = PDPT | 7;
	pdpt[0] = PD | 7;
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i << 21 | 0x87;
	guest_protected(g, s);
	s->cs.attr = 0x9b | VMA_SEG_L | VMA_SEG_G;
	s->cr3 = PML4;
	s->cr4 |= 0x20;
	s->efer |= 0x500;
	s->cr0 |= 0x80000000;
	OK(vma_x86_set_sregs(g->cpu, s));
}

#endif
