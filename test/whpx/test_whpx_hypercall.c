/* test_whpx_hypercall.c - exits for VMCALL and VMMCALL on WHPX: by an exit of Windows' own where it has one, else by #UD; in every mode, with prefixes, at the
 * end of a page, beside breakpoints and steps; whether RIP stands at the instruction or behind it. What else is #UD stays the guest's. */
#include "each_windows.h"
#include "whpx/whpx.h"

enum { UD = 6, ARGS = 6, PAGE = 0x1000 };
#define RESULT UINT64_C(0xfedcba9876543210)

#define OPEN(g, options, code)                                                                                         \
	if (guest_open(g, &conf, &(options), code, sizeof code) != CONF_PASS)                                          \
	return conf.reason
#define EXITS(mode_) ((struct guest_options){.mode = mode_, .hypercall_exits = 1})
#define LONG EXITS(GUEST_LONG)
#define EXPECT_CALL(g, at, number)                                                                                     \
	if (!is_call(g, at, number))                                                                                   \
	return why
#define EXPECT_NO_MORE(g)                                                                                              \
	EXPECT(vma_vcpu_run((g)->v) == VMA_EXIT_HLT);                                                                  \
	guest_close(g);                                                                                                \
	return NULL

static char why[200];

/* Run into the call at `rip` (an offset into the segment); its arguments are the registers as they are then. */
static bool is_call(struct guest *g, uint64_t rip, uint64_t number)
{
	static const uint32_t registers[ARGS] = {VMA_X86_RBX, VMA_X86_RCX, VMA_X86_RDX, VMA_X86_RSI, VMA_X86_RDI, VMA_X86_R8};
	int kind = vma_vcpu_run(g->v);
	bool same = true;

	snprintf(why, sizeof why, "at %#llx: exit %s, pending %u, RIP %#llx, number %#llx: %s", (unsigned long long)rip, vma_exit_name(kind), g->exit->pending,
		 (unsigned long long)guest_get(g, VMA_X86_RIP), (unsigned long long)g->exit->hypercall.number, kind < 0 ? vma_why() : "");
	for (int i = 0; i < ARGS; i++)
		same &= g->exit->hypercall.args[i] == guest_get(g, registers[i]);
	return kind == VMA_EXIT_HYPERCALL && same && g->exit->pending && g->exit->hypercall.number == number &&
	       guest_get(g, VMA_X86_RIP) == rip && guest_get(g, VMA_X86_RAX) == number;
}

/* 1: vmcall; inc rbx; vmmcall; loop 1b; hlt. The result of one is the number of the next. */
static const char *both(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x48, 0xff, 0xc3, 0x0f, 0x01, 0xd9, 0xe2, 0xf5, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	guest_set(&g, VMA_X86_RCX, 20);
	for (uint64_t i = 0; i < 40; i++) {
		EXPECT_CALL(&g, GUEST_CODE + (i & 1 ? 6 : 0), i);
		EXPECT(g.exit->hypercall.args[0] == (i + 1) / 2);
		g.exit->hypercall.result = i + 1;
		if (i % 3)
			EXPECT(vma_vcpu_complete(g.v) == 0 && guest_get(&g, VMA_X86_RAX) == i + 1);
	}
	EXPECT_NO_MORE(&g);
}

/* vmcall; nop; and vmcall three times in a row, with the same code on either side of RIP: which one it is, the first has told. */
static const char *in_a_row(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xc1, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_CALL(&g, GUEST_CODE + 3 * i + !!i, i);
		g.exit->hypercall.result = i + 1;
	}
	EXPECT_NO_MORE(&g);
}

/* cs vmcall; rex.w vmmcall; ds vmcall: RIP is at the prefix, but where Windows leaves it behind an instruction whose length it does not tell. */
static const char *prefixed(void)
{
	static const uint8_t code[] = {0x90, 0x2e, 0x0f, 0x01, 0xc1, 0x48, 0x0f, 0x01, 0xd9, 0x90, 0x3e, 0x0f, 0x01, 0xc1, 0xf4};
	static const unsigned at[] = {1, 5, 10};
	struct guest g;

	OPEN(&g, LONG, code);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_CALL(&g, GUEST_CODE + at[i], i);
		g.exit->hypercall.result = i + 1;
	}
	EXPECT_NO_MORE(&g);
}

/* Answered or not, what is written into the registers meanwhile comes after it. */
static const char *caller_wins(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0xf4, 0x90, 0x0f, 0x01, 0xd9, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	EXPECT_CALL(&g, GUEST_CODE, 0);
	g.exit->hypercall.result = RESULT;
	guest_set(&g, VMA_X86_RAX, 5);
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 5);
	EXPECT(guest_get(&g, VMA_X86_RAX) == 0 && guest_get(&g, VMA_X86_RIP) == GUEST_CODE);
	EXPECT_CALL(&g, GUEST_CODE + 5, 5);
	EXPECT_NO_MORE(&g);
}

/* In real and protected mode, where the result is EAX's alone; in user mode. */
static const char *in_each_mode(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0xe6, 0x10};
	static const enum guest_mode modes[] = {GUEST_REAL, GUEST_PROT, GUEST_LONG, GUEST_LONG};
	vma_x86_sregs s;

	for (unsigned i = 0; i < 4; i++) {
		struct guest g;

		OPEN(&g, EXITS(modes[i]), code);
		if (i == 3) {
			EXPECT(vma_x86_get_sregs(g.v, &s) == 0);
			s.cs.selector |= 3, s.cs.attr |= 0x60, s.ss.selector |= 3, s.ss.attr |= 0x60;
			EXPECT(vma_x86_set_sregs(g.v, &s) == 0);
			guest_set(&g, VMA_X86_RFLAGS, 0x3002); /* IOPL 3 */
		}
		EXPECT_CALL(&g, GUEST_CODE, 0);
		g.exit->hypercall.result = 7;
		EXPECT_CALL(&g, GUEST_CODE + 4, 7);
		g.exit->hypercall.result = 8;
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_IO && guest_get(&g, VMA_X86_RAX) == 8);
		guest_close(&g);
	}
	return NULL;
}

/* The last bytes of a page, behind which there is nothing; and across two pages. */
static const char *at_the_edge(void)
{
	static const uint8_t call[] = {0x0f, 0x01, 0xd9, 0xf4};
	static const uint64_t gpa = 0x60000000;
	struct guest g;
	uint8_t *ram;

	OPEN(&g, LONG, call);
	EXPECT(guest_map(&g, gpa, 2 * PAGE, VMA_MAP_RWX, &ram) == CONF_PASS);
	memcpy(ram + 2 * PAGE - 3, call, 3);
	memcpy(ram + PAGE - 1, call, 4);
	guest_set(&g, VMA_X86_RIP, gpa + PAGE - 1);
	EXPECT_CALL(&g, gpa + PAGE - 1, 0);
	guest_set(&g, VMA_X86_RIP, gpa + 2 * PAGE - 3);
	EXPECT_CALL(&g, gpa + 2 * PAGE - 3, 0);
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 3);
	EXPECT_NO_MORE(&g);
}

/* ud2; lock vmcall; an instruction of another set: the guest's, at the instruction, without an error code. */
static const char *others(void)
{
	static const uint8_t code[] = {0x0f, 0x0b, 0x90, 0x90, 0xf0, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xd8, 0x90, 0x0f, 0x01, 0xc1, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	guest_traps(&g);
	for (uint64_t rip = GUEST_CODE; rip < GUEST_CODE + 12; rip += 4) {
		guest_set(&g, VMA_X86_RIP, rip);
		guest_set(&g, VMA_X86_RSP, GUEST_STACK);
		if (guest_run_trap(&g, UD) != CONF_PASS)
			return conf.reason;
		EXPECT(guest_read64(&g, guest_get(&g, VMA_X86_RSP)) == rip);
		EXPECT(guest_get(&g, VMA_X86_RSP) == GUEST_STACK - 40);
		EXPECT(vma_vcpu_complete(g.v) == 0);
	}
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 12);
	EXPECT_CALL(&g, GUEST_CODE + 12, 0);
	EXPECT_NO_MORE(&g);
}

static const char *step_to(struct guest *g, uint64_t rip)
{
	EXPECT(vma_vcpu_run(g->v) == VMA_EXIT_DEBUG);
	EXPECT(g->exit->debug.reason == VMA_DEBUG_STEP && g->exit->debug.pc == rip);
	EXPECT(guest_get(g, VMA_X86_RIP) == rip);
	return NULL;
}

/* nop; vmcall; nop; vmmcall; nop: a step over each is told once the call has its answer; also when asked for meanwhile. */
static const char *stepped(void)
{
	static const uint8_t code[] = {0x90, 0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0x90, 0x0f, 0x01, 0xc1, 0xf4};
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct guest g;

	OPEN(&g, LONG, code);
	EXPECT(vma_vcpu_debug(g.v, &debug) == 0);
	EXPECT(!step_to(&g, GUEST_CODE + 1));
	EXPECT_CALL(&g, GUEST_CODE + 1, 0);
	g.exit->hypercall.result = RESULT;
	EXPECT(!step_to(&g, GUEST_CODE + 4));
	EXPECT(guest_get(&g, VMA_X86_RAX) == RESULT);
	EXPECT(!step_to(&g, GUEST_CODE + 5));
	EXPECT_CALL(&g, GUEST_CODE + 5, RESULT);
	EXPECT(!step_to(&g, GUEST_CODE + 8));
	debug.single_step = 0;
	EXPECT(vma_vcpu_debug(g.v, &debug) == 0);
	EXPECT_CALL(&g, GUEST_CODE + 9, 0);
	debug.single_step = 1;
	EXPECT(vma_vcpu_debug(g.v, &debug) == 0);
	EXPECT(!step_to(&g, GUEST_CODE + 12));
	EXPECT_NO_MORE(&g);
}

/* Breakpoints on both calls, and an INT3 right behind the second. */
static const char *breakpoints(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0xcc, 0xf4};
	vma_debug debug = {.size = sizeof debug, .software = 1, .count = 2};
	struct guest g;

	OPEN(&g, LONG, code);
	for (unsigned i = 0; i < 2; i++) {
		debug.hw[i].address = GUEST_CODE + 4 * i;
		debug.hw[i].type = VMA_BREAK_EXEC;
		debug.hw[i].length = 1;
	}
	EXPECT(vma_vcpu_debug(g.v, &debug) == 0);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_DEBUG);
		EXPECT(g.exit->debug.reason == VMA_DEBUG_HW && g.exit->debug.pc == GUEST_CODE + 4 * i);
		EXPECT_CALL(&g, GUEST_CODE + 4 * i, i);
		g.exit->hypercall.result = i + 1;
	}
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_DEBUG && g.exit->debug.reason == VMA_DEBUG_SW);
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 8);
	EXPECT_NO_MORE(&g);
}

/* The guest's own trap flag: #DB behind the call. */
static const char *trap_flag(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	guest_traps(&g);
	guest_set(&g, VMA_X86_RFLAGS, 0x102);
	EXPECT_CALL(&g, GUEST_CODE, 0);
	g.exit->hypercall.result = RESULT;
	if (guest_run_trap(&g, 1) != CONF_PASS)
		return conf.reason;
	EXPECT(guest_read64(&g, guest_get(&g, VMA_X86_RSP)) == GUEST_CODE + 3);
	EXPECT(guest_get(&g, VMA_X86_RAX) == RESULT);
	guest_close(&g);
	return NULL;
}

/* sti; vmcall: the interrupt that waits comes behind the call, whose shadow is over. */
static const char *in_a_shadow(void)
{
	static const uint8_t code[] = {0xfb, 0x0f, 0x01, 0xc1, 0xf4}, handler[] = {0xe6, 0x77, 0xf4};
	struct guest g;

	OPEN(&g, LONG, code);
	guest_gate(&g, 0x40, GUEST_TRAPS);
	guest_code(&g, GUEST_TRAPS, handler, sizeof handler);
	EXPECT_CALL(&g, GUEST_CODE + 1, 0);
	EXPECT(vma_vcpu_complete(g.v) == 0);
	EXPECT(vma_x86_irq_window(g.v, 1) == 0);
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_IRQ_WINDOW && guest_get(&g, VMA_X86_RIP) == GUEST_CODE + 4);
	EXPECT(vma_x86_interrupt(g.v, 0x40) == 0);
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_IO && g.exit->io.port == 0x77);
	guest_close(&g);
	return NULL;
}

/* With interrupt controllers of both kinds. */
static const char *controllers(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0xe6, 0x10};
	static const vma_irqchip kinds[] = {VMA_IRQCHIP_LIBRARY, VMA_IRQCHIP_PLATFORM};

	for (unsigned i = 0; i < 2; i++) {
		struct guest_options o = LONG;
		struct guest g;

		o.irqchip = kinds[i];
		OPEN(&g, o, code);
		EXPECT_CALL(&g, GUEST_CODE, 0);
		EXPECT_CALL(&g, GUEST_CODE + 4, 0);
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_IO);
		guest_close(&g);
	}
	return NULL;
}

/* Not asked for, they are the guest's #UD. */
static const char *not_wanted(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9};
	struct guest g;

	OPEN(&g, (struct guest_options){.mode = GUEST_LONG}, code);
	guest_traps(&g);
	for (int i = 0; i < 2; i++) {
		guest_set(&g, VMA_X86_RIP, GUEST_CODE + 4 * (unsigned)i);
		if (guest_run_trap(&g, UD) != CONF_PASS)
			return conf.reason;
		EXPECT(vma_vcpu_complete(g.v) == 0);
	}
	guest_close(&g);
	return NULL;
}

/* Windows' exit has all that is wanted: the first costs a look at the code, all others no read. Those by #UD cost one. */
static const char *costs(void)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xc1, 0xeb, 0xfb}; /* 1: vmcall; jmp 1b */
	const struct whp_counts *n;
	uint64_t gets, sets;
	struct guest g;

	OPEN(&g, LONG, code);
	n = whpsim_counts(whpx_vm(g.vm)->partition, 0);
	for (unsigned i = 0; i < 2; i++)
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_HYPERCALL);
	gets = n->gets;
	sets = n->sets;
	for (unsigned i = 0; i < 20; i++) {
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_HYPERCALL);
		g.exit->hypercall.result = i;
	}
	EXPECT(n->gets - gets == (whpx_host.exits.HypercallExit ? 0 : 20));
	EXPECT(n->sets - sets == 20);
	guest_close(&g);
	return NULL;
}

/* Without exits for exceptions, or where they leave one out, only one of the two would: not what was asked for. */
static const char *refused(void)
{
	vma_vm_config c = {.size = sizeof c, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64, .hypercall_exits = 1};
	vma_vm *vm;

	EXPECT(vma_vm_create(&c, &vm) == VMA_E_NO_ACCEL);
	EXPECT(strstr(vma_why(), "exits for hypercalls"));
	return NULL;
}

/* Hostile by a seed whose RIP stands at the instruction, and behind it. */
#define EVERYWHERE(name)                                                                                               \
	{"2004", #name, name}, {"11", #name, name}, {"11,no-hypercall-exit", #name, name}, {"2004,hostile=5", #name, name},    \
		{"11,hostile=5", #name, name}, {"11,hostile=3", #name, name}
static const struct windows_row rows[] = {
	EVERYWHERE(both), EVERYWHERE(in_a_row), EVERYWHERE(caller_wins), EVERYWHERE(in_each_mode), EVERYWHERE(at_the_edge), EVERYWHERE(others),
	EVERYWHERE(stepped), EVERYWHERE(breakpoints), EVERYWHERE(trap_flag), EVERYWHERE(in_a_shadow), EVERYWHERE(controllers),
	EVERYWHERE(not_wanted), {"2004", "prefixed", prefixed}, {"11", "prefixed", prefixed}, {"11,hostile=5", "prefixed", prefixed},
	{"11", "costs", costs}, {"2004", "costs", costs}, {"11,no-exception-exit", "refused", refused},
	{"11,call-unseen", "refused", refused},
};

int main(void)
{
	return each_on_its_windows(rows, sizeof rows / sizeof *rows);
}
