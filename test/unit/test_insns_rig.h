/* test_insns_rig.h - guests that count their instructions: a VM in real mode, one that is interrupted by the PIT, one
 * by its local APIC's timer too; running to a count; a whole state to compare. */
#ifndef TEST_INSNS_RIG_H
#define TEST_INSNS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/x86.h>

enum { RAM = 0x10000, CODE = 0x1000, HANDLER = 0x1100, COUNTS = 0x600 };
#define HZ UINT64_C(1000000000)

struct guest {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
	uint8_t *ram;
};

static inline vma_vm_config config_of(uint64_t hz, vma_irqchip irqchip)
{
	return (vma_vm_config){.size = sizeof(vma_vm_config),
			       .accel = VMA_ACCEL_SOFT,
			       .arch = VMA_ARCH_X86_64,
			       .cpu_model = "max",
			       .irqchip = irqchip,
			       .insn_hz = hz};
}

/* No model shows MONITOR: asked for by hand. */
static inline void add_monitor(vma_vm *vm)
{
	static vma_x86_cpuid table[256];
	size_t n = 256;
	assert_int_equal(vma_x86_get_cpuid(vm, table, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 1)
			table[i].ecx |= 1 << 3;
	assert_int_equal(vma_x86_set_cpuid(vm, table, n), 0);
}

/* Real mode at CODE. */
static inline void open_guest(struct guest *g, uint64_t hz, vma_irqchip irqchip)
{
	vma_vm_config config = config_of(hz, irqchip);
	vma_x86_sregs s;
	assert_int_equal(vma_vm_create(&config, &g->vm), 0);
	add_monitor(g->vm);
	assert_int_equal(vma_vm_finalize(g->vm), 0);
	assert_int_equal(vma_mem_anon(RAM, &g->mem), 0);
	assert_int_equal(vma_vm_map(g->vm, 0, g->mem, 0, RAM, VMA_MAP_RWX), 0);
	g->ram = vma_mem_hva(g->mem);
	assert_int_equal(vma_vcpu_create(g->vm, 0, &g->v), 0);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cs.base = s.cs.selector = 0;
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
	vma_x86_regs r = {.rip = CODE, .rsp = 0x8000, .rflags = 2};
	assert_int_equal(vma_x86_set_regs(g->v, &r, VMA_X86_ALL_REGS), 0);
}

static inline void close_guest(struct guest *g)
{
	vma_vm_destroy(g->vm);
	vma_mem_unref(g->mem);
}

static inline uint64_t insns(const struct guest *g)
{
	uint64_t n = 0;
	assert_int_equal(vma_vcpu_insns(g->v, &n), 0);
	return n;
}

static inline uint64_t now(const struct guest *g)
{
	uint64_t ns = 0;
	assert_int_equal(vma_vm_clock_get(g->vm, &ns), 0);
	return ns;
}

static inline void run_to(const struct guest *g, uint64_t n)
{
	assert_int_equal(vma_vcpu_budget(g->v, n, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g->v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(g), n);
}

/* The PIT interrupts each 1024 of its ticks; the handler notes TSC and RDRAND; between interrupts a bit of work and
 * HLT. */
static const uint8_t ticking[] = {
	0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x08, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21,
	0xb0, 0x01, 0xe6, 0x21, /* PIC: IRQ 0 is 8 */
	0xb0, 0xfe, 0xe6, 0x21, 0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40,
	0xb0, 0x04, 0xe6, 0x40,                                                  /* PIT */
	0xfb,                                                                    /* STI */
	0xf4, 0xff, 0x06, 0x00, 0x06, 0xb9, 0x25, 0x00, 0xe2, 0xfe, 0xeb, 0xf4}; /* HLT; INC [600H]; LOOP; again */
static const uint8_t handler[] = {0x50, 0x52, 0x0f, 0x31,                        /* RDTSC */
				  0x01, 0x06, 0x04, 0x06,                        /* ADD [604H], AX */
				  0x0f, 0xc7, 0xf0,                              /* RDRAND AX */
				  0x31, 0x06, 0x08, 0x06,                        /* XOR [608H], AX */
				  0xff, 0x06, 0x0a, 0x06,                        /* INC [60AH] */
				  0xb0, 0x20, 0xe6, 0x20, 0x5a, 0x58,            /* EOI */
				  0xcf};

static inline void open_ticking(struct guest *g, uint64_t hz)
{
	open_guest(g, hz, VMA_IRQCHIP_PLATFORM);
	memcpy(g->ram + CODE, ticking, sizeof ticking);
	memcpy(g->ram + HANDLER, handler, sizeof handler);
	memcpy(g->ram + 8 * 4, "\x00\x11\0\0", 4);
}

struct state {
	uint8_t ram[RAM], vcpu[32768], vm[32768];
	size_t vcpu_size, vm_size;
	uint64_t ns;
};
static inline struct state *state_of(const struct guest *g)
{
	struct state *s = calloc(1, sizeof *s);
	memcpy(s->ram, g->ram, RAM);
	s->vcpu_size = sizeof s->vcpu;
	s->vm_size = sizeof s->vm;
	assert_int_equal(vma_vcpu_save(g->v, s->vcpu, &s->vcpu_size, VMA_STATE_TIME), 0);
	assert_int_equal(vma_vm_save(g->vm, s->vm, &s->vm_size, VMA_STATE_TIME), 0);
	s->ns = now(g);
	return s;
}
static inline void same_state(const struct guest *g, struct state *s)
{
	struct state *mine = state_of(g);
	assert_int_equal(mine->ns, s->ns);
	assert_memory_equal(mine->ram, s->ram, RAM);
	assert_int_equal(mine->vcpu_size, s->vcpu_size);
	assert_memory_equal(mine->vcpu, s->vcpu, s->vcpu_size);
	assert_memory_equal(mine->vm, s->vm, s->vm_size);
	free(mine);
}

/* The local APIC's timer, every 777 * 16 ns, beside the PIT; the handlers note TSC and RDRAND. ES is its page. */
static const uint8_t apic_setup[] = {
	0x66, 0x26, 0xc7, 0x06, 0xf0, 0x00, 0xff, 0x01, 0x00, 0x00,  /* SVR: enabled */
	0x66, 0x26, 0xc7, 0x06, 0x50, 0x03, 0x00, 0x07, 0x00, 0x00,  /* LINT0: ExtINT */
	0x66, 0x26, 0xc7, 0x06, 0xe0, 0x03, 0x03, 0x00, 0x00, 0x00,  /* divide by 16 */
	0x66, 0x26, 0xc7, 0x06, 0x20, 0x03, 0x40, 0x00, 0x02, 0x00,  /* LVT timer: periodic, vector 40H */
	0x66, 0x26, 0xc7, 0x06, 0x80, 0x03, 0x09, 0x03, 0x00, 0x00}; /* initial count */
static const uint8_t apic_handler[] = {0x50, 0x52, 0x0f, 0x31, 0x01, 0x06, 0x14, 0x06, /* RDTSC; ADD [614H], AX */
				       0x0f, 0xc7, 0xf0, 0x31, 0x06, 0x18, 0x06,       /* RDRAND AX; XOR [618H], AX */
				       0xff, 0x06, 0x1a, 0x06,                         /* INC [61AH] */
				       0x66, 0x26, 0xc7, 0x06, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5a, 0x58, 0xcf};

static inline void open_apic(struct guest *g, uint64_t hz)
{
	vma_x86_sregs s;
	open_ticking(g, hz);
	memcpy(g->ram + CODE, apic_setup, sizeof apic_setup);
	memcpy(g->ram + CODE + sizeof apic_setup, ticking, sizeof ticking);
	memcpy(g->ram + HANDLER + 0x80, apic_handler, sizeof apic_handler);
	memcpy(g->ram + 0x40 * 4, "\x80\x11\0\0", 4);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.es.base = 0xfee00000;
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
}

#endif
