/* test_soft_insns.c - instruction budgets and the clock of instructions: exact stops, time out of the count, runs that
 * repeat, in one piece, in many, and across a save. test-labels: threads */
#include <pthread.h>
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

static vma_vm_config config_of(uint64_t hz, vma_irqchip irqchip)
{
	return (vma_vm_config){.size = sizeof(vma_vm_config),
			       .accel = VMA_ACCEL_SOFT,
			       .arch = VMA_ARCH_X86_64,
			       .cpu_model = "max",
			       .irqchip = irqchip,
			       .insn_hz = hz};
}

/* No model shows MONITOR: asked for by hand. */
static void add_monitor(vma_vm *vm)
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
static void open_guest(struct guest *g, uint64_t hz, vma_irqchip irqchip)
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

static void close_guest(struct guest *g)
{
	vma_vm_destroy(g->vm);
	vma_mem_unref(g->mem);
}

static uint64_t insns(const struct guest *g)
{
	uint64_t n = 0;
	assert_int_equal(vma_vcpu_insns(g->v, &n), 0);
	return n;
}

static uint64_t now(const struct guest *g)
{
	uint64_t ns = 0;
	assert_int_equal(vma_vm_clock_get(g->vm, &ns), 0);
	return ns;
}

static void run_to(const struct guest *g, uint64_t n)
{
	assert_int_equal(vma_vcpu_budget(g->v, n, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g->v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(g), n);
}

static uint64_t rip(const struct guest *g)
{
	vma_x86_regs r;
	assert_int_equal(vma_x86_get_regs(g->v, &r), 0);
	return r.rip;
}

/* Also where the budget is used up already, and without a limit again. */
static void stops_exactly(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g, 0, VMA_IRQCHIP_NONE);
	memset(g.ram + CODE, 0x90, 200);
	memcpy(g.ram + CODE + 200, "\xe6\x10\xf4", 3); /* OUT 10H, AL; HLT */
	for (uint64_t n = 1; n < 200; n += n % 7 + 1) {
		run_to(&g, n);
		assert_int_equal(rip(&g), CODE + n);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
		assert_int_equal(insns(&g), n);
	}
	run_to(&g, 200);
	assert_int_equal(vma_vcpu_budget(g.v, 201, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(insns(&g), 200); /* half done */
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), 201);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	assert_int_equal(insns(&g), 202);
	close_guest(&g);
}

/* What cannot be is refused, the same way everywhere. */
static void refusals(void **state)
{
	struct guest g;
	vma_vm *vm = NULL;
	vma_vm_config config = config_of(999999, VMA_IRQCHIP_NONE);
	uint64_t n;
	(void)state;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.insn_hz = UINT64_C(10000000001);
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.insn_hz = HZ;
	config.max_vcpus = 2;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.max_vcpus = 1;
	config.accel = VMA_ACCEL_NULL;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_NO_ACCEL);
	config.insn_hz = 0;
	assert_int_equal(vma_vm_create(&config, &g.vm), 0);
	assert_int_equal(vma_vm_finalize(g.vm), 0);
	assert_int_equal(vma_vcpu_create(g.vm, 0, &g.v), 0);
	assert_int_equal(vma_vcpu_insns(g.v, &n), VMA_E_NO_ACCEL);
	assert_int_equal(vma_vcpu_budget(g.v, 1, UINT64_MAX), VMA_E_NO_ACCEL);
	vma_vm_destroy(g.vm);
	open_guest(&g, 0, VMA_IRQCHIP_NONE);
	assert_int_equal(vma_vcpu_budget(g.v, 1, 1), VMA_E_STATE);
	assert_int_equal(vma_vcpu_insns(g.v, NULL), VMA_E_INVALID);
	close_guest(&g);
}

/* The same instant whichever way it is read, whatever block the instruction is in. */
static void time_is_the_count(void **state)
{
	struct guest g;
	vma_x86_regs r;
	(void)state;
	open_guest(&g, 2 * HZ, VMA_IRQCHIP_NONE);
	memset(g.ram + CODE, 0x90, 100);
	memcpy(g.ram + CODE + 39, "\x0f\x31", 2); /* RDTSC, the 40th; its count goes up with it */
	run_to(&g, 60);
	assert_int_equal(vma_x86_get_regs(g.v, &r), 0);
	assert_int_equal(r.rax, 40);
	assert_int_equal(now(&g), 30);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, 35), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), 70);
	assert_int_equal(vma_vm_clock_set(g.vm, 1000), 0);
	assert_int_equal(now(&g), 1000);
	close_guest(&g);
}

/* The PIT interrupts each 1024 of its ticks; the handler notes TSC and RDRAND; between interrupts a bit of work and HLT. */
static const uint8_t ticking[] = {
    0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x08, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, /* PIC: IRQ 0 is 8 */
    0xb0, 0xfe, 0xe6, 0x21, 0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xb0, 0x04, 0xe6, 0x40, /* PIT */
    0xfb,                                                                 /* STI */
    0xf4, 0xff, 0x06, 0x00, 0x06, 0xb9, 0x25, 0x00, 0xe2, 0xfe, 0xeb, 0xf4}; /* HLT; INC [600H]; LOOP; again */
static const uint8_t handler[] = {0x50, 0x52, 0x0f, 0x31,             /* RDTSC */
				  0x01, 0x06, 0x04, 0x06,             /* ADD [604H], AX */
				  0x0f, 0xc7, 0xf0,                   /* RDRAND AX */
				  0x31, 0x06, 0x08, 0x06,             /* XOR [608H], AX */
				  0xff, 0x06, 0x0a, 0x06,             /* INC [60AH] */
				  0xb0, 0x20, 0xe6, 0x20, 0x5a, 0x58, /* EOI */
				  0xcf};

static void open_ticking(struct guest *g, uint64_t hz)
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
static struct state *state_of(const struct guest *g)
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
static void same_state(const struct guest *g, struct state *s)
{
	struct state *mine = state_of(g);
	assert_int_equal(mine->ns, s->ns);
	assert_memory_equal(mine->ram, s->ram, RAM);
	assert_int_equal(mine->vcpu_size, s->vcpu_size);
	assert_memory_equal(mine->vcpu, s->vcpu, s->vcpu_size);
	assert_memory_equal(mine->vm, s->vm, s->vm_size);
	free(mine);
}

static void runs_repeat(uint64_t hz)
{
	enum { N = 100000 };
	struct guest g;
	open_ticking(&g, hz);
	run_to(&g, N);
	struct state *first = state_of(&g);
	uint16_t loops, ticks;
	memcpy(&loops, g.ram + COUNTS, 2);
	memcpy(&ticks, g.ram + COUNTS + 10, 2);
	assert_true(ticks > 1000 && loops == ticks);
	/* HLT went from tick to tick: 1024 periods of 1193182 Hz each */
	assert_true(first->ns / 1000 > ticks * 858ull - 2000 && first->ns / 1000 < ticks * 859ull + 2000);
	close_guest(&g);

	open_ticking(&g, hz); /* again, in one piece */
	run_to(&g, N);
	same_state(&g, first);
	close_guest(&g);

	open_ticking(&g, hz); /* and in pieces, kicked now and then */
	vma_kick *kick;
	assert_int_equal(vma_vcpu_kick_handle(g.v, &kick), 0);
	for (uint64_t n = 0; n < N;) {
		n = n + 1 + n % 257 < N ? n + 1 + n % 257 : N;
		if (n % 5 == 0) {
			vma_kick_send(kick);
			assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_CANCELED);
		}
		run_to(&g, n);
	}
	same_state(&g, first);
	vma_kick_unref(kick);
	close_guest(&g);
	free(first);
}

static void repeats(void **state)
{
	(void)state;
	runs_repeat(HZ);
	runs_repeat(3333333);
}

/* The limit of time ends a HLT, too. */
static void a_halt_ends_at_the_limit_of_time(void **state)
{
	struct guest g;
	(void)state;
	open_ticking(&g, HZ);
	for (uint64_t ns = 100000; ns < 3000000; ns += 77777) {
		assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, ns), 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
		assert_int_equal(now(&g), ns);
	}
	close_guest(&g);
}

/* ------ saved state ------ */

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

static void open_apic(struct guest *g, uint64_t hz)
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

/* A generator of numbers in memory, strings, TSC: MOV CX, 9; MOV DI, AX; AND DI, 7FFFH; OR DI, 8000H; REP STOSB; RDTSC;
 * ADD BX, AX; IMUL AX, BX, 4E6DH; JMP */
static void open_strings(struct guest *g, uint64_t hz)
{
	static const uint8_t code[] = {0xb9, 9, 0, 0x89, 0xc7, 0x81, 0xe7, 0xff, 0x7f, 0x81, 0xcf, 0x00, 0x80, 0xf3, 0xaa,
				       0x0f, 0x31, 0x01, 0xc3, 0x69, 0xc3, 0x6d, 0x4e, 0xeb, 0xe7};
	open_guest(g, hz, VMA_IRQCHIP_NONE);
	memcpy(g->ram + CODE, code, sizeof code);
}

/* Into a new VM of the same kind, the VM's part before or after the vCPU's; or into an old one, whose clock is elsewhere. */
static void restore_into(struct guest *g, const struct state *s, bool vm_first)
{
	memcpy(g->ram, s->ram, RAM);
	if (vm_first)
		assert_int_equal(vma_vm_restore(g->vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(vma_vcpu_restore(g->v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), 0);
	if (!vm_first)
		assert_int_equal(vma_vm_restore(g->vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
}

/* Save at n, restore into another VM, go on: as if nothing had been. */
static void goes_on(void (*open)(struct guest *g, uint64_t hz), uint64_t hz, uint64_t n, unsigned how)
{
	enum { MORE = 3001 };
	struct guest a, b;
	open(&a, hz);
	run_to(&a, n);
	struct state *s = state_of(&a);
	open(&b, hz);
	if (how & 2)
		run_to(&b, n / 3);
	restore_into(&b, s, how & 1);
	same_state(&b, s);
	free(s);
	run_to(&a, n + MORE);
	run_to(&b, n + MORE);
	s = state_of(&a);
	same_state(&b, s);
	free(s);
	close_guest(&a);
	close_guest(&b);
}

static void save_and_go_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 52; i++) {
		uint64_t hz = i & 4 ? HZ : i & 8 ? 3333333 : 7 * HZ + 1;
		goes_on(open_strings, hz, 4990 + i, i);
		goes_on(open_ticking, hz, 50000 + 7 * i, i);
		goes_on(open_apic, hz, 50000 + 7 * i, i);
	}
}

static void apic_timer_repeats(void **state)
{
	struct guest a, b;
	uint16_t ticks;
	(void)state;
	open_apic(&a, HZ);
	run_to(&a, 100000);
	memcpy(&ticks, a.ram + 0x61a, 2);
	assert_true(ticks > 500);
	struct state *s = state_of(&a);
	open_apic(&b, HZ);
	for (uint64_t n = 1; n < 100000; n += 1 + n % 97)
		run_to(&b, n);
	run_to(&b, 100000);
	same_state(&b, s);
	free(s);
	close_guest(&a);
	close_guest(&b);
}

/* Idle by MWAIT: XOR CX, CX; XOR DX, DX; MONITOR; MWAIT; INC [600H]; JMP */
static void mwait_skips_to_the_tick(void **state)
{
	static const uint8_t idle[] = {0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x0f,
				       0x01, 0xc9, 0xff, 0x06, 0x00, 0x06, 0xeb, 0xf0};
	enum { STI_END = 33, N = 20000 };
	struct guest g[2];
	struct state *s = NULL;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_ticking(&g[i], HZ);
		memcpy(g[i].ram + CODE + STI_END, idle, sizeof idle);
		for (uint64_t n = N - i * (N - 1); n < N; n += 1 + n % 31)
			run_to(&g[i], n);
		run_to(&g[i], N);
		uint16_t loops, ticks;
		memcpy(&loops, g[i].ram + COUNTS, 2);
		memcpy(&ticks, g[i].ram + COUNTS + 10, 2);
		assert_true(ticks > 500 && loops >= ticks && loops <= 2 * ticks);
		if (i)
			same_state(&g[i], s);
		else
			s = state_of(&g[i]);
	}
	free(s);
	close_guest(&g[0]);
	close_guest(&g[1]);
}

static void note(void *opaque, const char *element, const char *reason)
{
	(void)reason;
	if (!strcmp(element, "instruction clock"))
		++*(int *)opaque;
}

/* Other kinds of time: what can be carried is, the rest is told, nothing fails. */
static void state_of_another_clock(void **state)
{
	struct guest a, b;
	int told = 0;
	const vma_report report = {.line = note, .opaque = &told};
	(void)state;
	open_strings(&a, HZ);
	run_to(&a, 5000);
	struct state *s = state_of(&a);

	open_strings(&b, 2 * HZ); /* the clock goes on from there, twice as many instructions to the second */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(vma_vm_restore(b.vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(told, 1);
	assert_int_equal(insns(&b), 5000);
	assert_int_equal(now(&b), 5000);
	run_to(&b, 6000);
	assert_int_equal(now(&b), 5500);
	close_guest(&b);

	open_strings(&b, HZ / 2); /* the count is ahead of the clock */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(vma_vm_restore(b.vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(told, 2);
	assert_int_equal(vma_vcpu_budget(b.v, UINT64_MAX, 5500), 0);
	assert_int_equal(vma_vcpu_run(b.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&b), 5250);
	close_guest(&b);

	open_strings(&b, 0); /* the host's time */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(told, 3);
	assert_int_equal(insns(&b), 5000);
	run_to(&b, 5100);
	close_guest(&b);

	open_strings(&b, HZ); /* a copy that keeps its own time */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, 0, &report), 0);
	assert_int_equal(told, 3);
	assert_int_equal(insns(&b), 0);
	close_guest(&b);

	struct guest nothing = {0}; /* nobody counts */
	vma_vm_config config = config_of(0, VMA_IRQCHIP_NONE);
	config.accel = VMA_ACCEL_NULL;
	assert_int_equal(vma_vm_create(&config, &nothing.vm), 0);
	assert_int_equal(vma_vm_finalize(nothing.vm), 0);
	assert_int_equal(vma_vcpu_create(nothing.vm, 0, &nothing.v), 0);
	assert_int_equal(vma_vcpu_restore(nothing.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(told, 4);
	vma_vm_destroy(nothing.vm);
	free(s);
	close_guest(&a);
}

/* The element is the last: its payload is the last 32 bytes. */
static void impossible_counts(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
	} bad[] = {{32, UINT64_MAX}, {24, UINT64_MAX}, {16, 0}, {16, UINT64_C(10000000001)}};
	struct guest g;
	(void)state;
	open_strings(&g, HZ);
	run_to(&g, 5000);
	struct state *s = state_of(&g);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t *at = s->vcpu + s->vcpu_size - bad[i].at;
		uint64_t good;
		memcpy(&good, at, 8);
		memcpy(at, &bad[i].value, 8);
		assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), VMA_E_FORMAT);
		memcpy(at, &good, 8);
	}
	same_state(&g, s);
	const uint64_t most = UINT64_C(1) << 61; /* 73 years of nanoseconds */
	memcpy(s->vcpu + s->vcpu_size - 32, &most, 8);
	assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, now(&g) + 1000), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), most + 1000);
	close_guest(&g);
	open_strings(&g, 1000000); /* of microseconds, a thousand times as many */
	assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), VMA_E_FORMAT);
	free(s);
	close_guest(&g);
}

/* ------ waiting, other threads ------ */

/* A halt that no timer ends comes back; the caller can end it. */
static void a_halt_for_good_exits(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g, HZ, VMA_IRQCHIP_PLATFORM);
	memcpy(g.ram + CODE, "\xfb\x90\xf4\x90\x90", 5); /* STI; NOP; HLT; NOP; NOP */
	memcpy(g.ram + 2 * 4, "\x00\x11\0\0", 4);
	g.ram[HANDLER] = 0xcf;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
		assert_int_equal(insns(&g), 3);
		assert_int_equal(now(&g), 3);
	}
	assert_int_equal(vma_x86_nmi(g.v), 0);
	run_to(&g, 6); /* IRET, two NOPs */
	assert_int_equal(rip(&g), CODE + 5);
	close_guest(&g);
}

static void *ask(void *opaque)
{
	const struct guest *g = opaque;
	uint64_t last = 0, ns = 0;
	while (ns < 3000000) {
		assert_int_equal(vma_vm_clock_get(g->vm, &ns), 0);
		assert_true(ns >= last);
		last = ns;
	}
	assert_int_equal(vma_vm_irq_line(g->vm, 5, 1), 0);
	return NULL;
}

/* Another thread sees time go forward, and the end of a run exactly. */
static void another_thread_asks(void **state)
{
	struct guest g;
	pthread_t thread;
	(void)state;
	open_ticking(&g, HZ);
	assert_int_equal(pthread_create(&thread, NULL, ask, &g), 0);
	for (uint64_t n = 1000; now(&g) < 5000000; n += 1000)
		run_to(&g, n);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close_guest(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stops_exactly),	 cmocka_unit_test(refusals),
	    cmocka_unit_test(time_is_the_count), cmocka_unit_test(repeats),
	    cmocka_unit_test(a_halt_ends_at_the_limit_of_time), cmocka_unit_test(save_and_go_on),
	    cmocka_unit_test(mwait_skips_to_the_tick), cmocka_unit_test(apic_timer_repeats), cmocka_unit_test(state_of_another_clock), cmocka_unit_test(impossible_counts),
	    cmocka_unit_test(a_halt_for_good_exits), cmocka_unit_test(another_thread_asks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
