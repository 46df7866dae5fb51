/* conf_debug.c - checks of debugging, translation and emulation (T100-T106). A failed condition leaves the guest open: the process ends after a
 * check. */
#include "bodies_arm64.h"
#include "guest.h"

#include <string.h>

/* A step over an instruction that exits is reported once the instruction is complete. */
static int step_over_exits(struct guest *g)
{
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	CONF_TRY(guest_run_out(g, 0x10, 1, NULL));
	CONF_TRY(guest_run(g, VMA_EXIT_DEBUG));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 2);
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	memset(g->exit->mmio.data, 0x11, 4);
	CONF_TRY(guest_run(g, VMA_EXIT_DEBUG));
	CONF_EQUAL(conf, g->exit->debug.reason & VMA_DEBUG_STEP, VMA_DEBUG_STEP);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 4);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), 0x11111111);
	return CONF_PASS;
}

/* Single step over straight code, a jump, a call and a return: RIP after each. */
static int t100(struct conf *conf)
{
	/* nop; mov eax, 5; push rax; pop rbx; call next; hlt; next: ret */
	static const uint8_t code[] = {
		0x90, 0xb8, 0x05, 0x00, 0x00, 0x00, 0x50, 0x5b, 0xe8, 0x01, 0x00, 0x00, 0x00, 0xf4, 0xc3,
	};
	static const uint8_t exits[] = {0xe6, 0x10, 0x8b, 0x03, 0xf4}; /* out 0x10, al; mov eax, [rbx]; hlt */
	static const uint8_t after[] = {1, 6, 7, 8, 14, 13}; /* offsets */
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct guest g;

	if (!(conf->info.caps & VMA_CAP_SINGLE_STEP))
		return conf_skip(conf, "%s has no single step", conf->info.name);
	CONF_TRY(guest_open(&g, conf, NULL, code, sizeof code));
	CONF_OK(conf, vma_vcpu_debug(g.v, &debug));
	for (size_t i = 0; i < sizeof after; i++) {
		CONF_TRY(guest_run(&g, VMA_EXIT_DEBUG));
		CONF_EQUAL(conf, g.exit->debug.reason & VMA_DEBUG_STEP, VMA_DEBUG_STEP);
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RIP), GUEST_CODE + after[i]);
	}
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RFLAGS) & 0x100, 0); /* no TF of ours in the guest's flags */
	debug.single_step = 0;
	CONF_OK(conf, vma_vcpu_debug(g.v, &debug));
	CONF_TRY(guest_run(&g, VMA_EXIT_HLT));
	guest_close(&g);
	return guest_with(conf, NULL, exits, sizeof exits, step_over_exits);
}

/* Four execution breakpoints, each hit once, in order. */
static int t101(struct conf *conf)
{
	static const uint8_t code[] = {0x90, 0x90, 0x90, 0x90, 0x90, 0xf4};
	vma_debug debug = {.size = sizeof debug, .count = 4};
	struct guest g;

	if (!(conf->info.caps & VMA_CAP_HW_BREAK) || conf->info.breakpoints < 4)
		return conf_skip(conf, "%s has no four breakpoints", conf->info.name);
	CONF_TRY(guest_open(&g, conf, NULL, code, sizeof code));
	for (unsigned i = 0; i < 4; i++) {
		debug.hw[i].address = GUEST_CODE + 1 + i;
		debug.hw[i].type = VMA_BREAK_EXEC;
		debug.hw[i].length = 1;
	}
	CONF_OK(conf, vma_vcpu_debug(g.v, &debug));
	for (unsigned i = 0; i < 4; i++) {
		CONF_TRY(guest_run(&g, VMA_EXIT_DEBUG));
		CONF_EQUAL(conf, g.exit->debug.reason & VMA_DEBUG_HW, VMA_DEBUG_HW);
		CONF_EQUAL(conf, g.exit->debug.pc, GUEST_CODE + 1 + i);
		CONF_EQUAL(conf, g.exit->debug.dr6 & 15, 1u << i);
	}
	CONF_TRY(guest_run(&g, VMA_EXIT_HLT));
	guest_close(&g);
	return CONF_PASS;
}

/* Nobody asked for INT3: it is the guest's, RIP behind it. */
static int t102(struct conf *conf)
{
	struct guest g;

	CONF_TRY(guest_open(&g, conf, NULL, "\xcc\xf4", 2));
	guest_traps(&g);
	CONF_TRY(guest_run_trap(&g, 3));
	CONF_EQUAL(conf, guest_read64(&g, guest_get(&g, VMA_X86_RSP)), GUEST_CODE + 1);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T103 ------ */

static int no(struct guest *g, uint64_t gva, uint32_t access)
{
	struct conf *conf = g->conf;
	vma_translation t;

	if (vma_vcpu_translate(g->v, gva, access, &t) != VMA_E_FAULT)
		return conf_fail(conf, "gva %#llx, access %#x: translates", (unsigned long long)gva, access);
	return CONF_PASS;
}

static void entry(struct guest *g, uint64_t at, uint64_t value)
{
	guest_code(g, at, &value, 8);
}

/* 4 levels: a 4 KiB page read-only for users, one without execution, a hole; then the same tables' PAE and 32-bit forms. */
static int four_levels(struct guest *g)
{
	enum { PT = GUEST_TABLES + 0x8000 };
	struct conf *conf = g->conf;
	vma_x86_sregs s;

	entry(g, GUEST_TABLES + 0x2008, PT + 7);
	entry(g, PT, 0x20005);                    /* present, user, not writable */
	entry(g, PT + 8, 0x21003 | 1ull << 63);   /* writable, supervisor, NX */
	CONF_OK(conf, vma_x86_get_sregs(g->v, &s));
	s.efer |= 0x800;
	s.cr0 |= 0x10000;
	CONF_OK(conf, vma_x86_set_sregs(g->v, &s));
	CONF_TRY(guest_translates(g, 0x12345, 0, 0x12345, 0x200000));
	CONF_TRY(guest_translates(g, 0x200123, VMA_ACCESS_USER, 0x20123, 0x1000));
	CONF_TRY(no(g, 0x200123, VMA_ACCESS_WRITE)); /* CR0.WP */
	CONF_TRY(guest_translates(g, 0x201123, VMA_ACCESS_WRITE, 0x21123, 0x1000));
	CONF_TRY(no(g, 0x201123, VMA_ACCESS_EXEC));
	CONF_TRY(no(g, 0x201123, VMA_ACCESS_USER));
	CONF_TRY(no(g, 0x202000, 0));
	CONF_TRY(no(g, 0x8000000000, 0));
	CONF_TRY(no(g, 0x800000000000, 0)); /* not canonical */
	CONF_EQUAL(conf, guest_read64(g, PT), 0x20005); /* no accessed bit */
	return CONF_PASS;
}

static int other_modes(struct guest *g)
{
	struct conf *conf = g->conf;
	const uint32_t large = 0x00400083, table = GUEST_TABLES + 0xa007, page = 0x23007;
	vma_x86_sregs s;

	CONF_TRY(guest_set_mode(g, g->v, GUEST_PROT));
	guest_code(g, GUEST_TABLES + 0x9000, &large, 4);
	guest_code(g, GUEST_TABLES + 0x9004, &table, 4);
	guest_code(g, GUEST_TABLES + 0xa000, &page, 4);
	CONF_OK(conf, vma_x86_get_sregs(g->v, &s));
	s.efer = 0;
	s.cr0 |= 0x80000000;
	s.cr4 = 0x10; /* PSE */
	s.cr3 = GUEST_TABLES + 0x9000;
	CONF_OK(conf, vma_x86_set_sregs(g->v, &s));
	CONF_TRY(guest_translates(g, 0x1234, VMA_ACCESS_WRITE, 0x401234, 0x400000));
	CONF_TRY(guest_translates(g, 0x400567, VMA_ACCESS_USER, 0x23567, 0x1000));
	CONF_TRY(no(g, 0x401000, 0));
	s.cr4 = 0x20; /* PAE: four pointers; the second GiB by the second */
	s.cr3 = GUEST_TABLES + 0xb000;
	entry(g, GUEST_TABLES + 0xb008, GUEST_TABLES + 0xc001);
	entry(g, GUEST_TABLES + 0xc018, 0x600083);
	CONF_OK(conf, vma_x86_set_sregs(g->v, &s));
	CONF_TRY(guest_translates(g, 0x40612345, VMA_ACCESS_WRITE, 0x612345, 0x200000));
	return no(g, 0x612345, 0);
}

static int t103(struct conf *conf)
{
	struct guest g;

	CONF_TRY(guest_open(&g, conf, NULL, "\xf4", 1));
	CONF_TRY(four_levels(&g));
	CONF_TRY(other_modes(&g));
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T106 ------ */

/* A load or store that faults: vector, error code, RIP at the instruction, nothing changed. */
static int t106(struct conf *conf)
{
	static const struct {
		uint8_t code[4], vector;
		uint64_t rbx, error;
	} rows[] = {
		{{0x48, 0x8b, 0x03, 0xf4}, 14, 0x8000000000, 0},     /* mov rax, [rbx] */
		{{0x48, 0x89, 0x03, 0xf4}, 14, 0x8000000000, 2},     /* mov [rbx], rax */
		{{0x48, 0x8b, 0x03, 0xf4}, 13, 0x800000000000, 0},   /* not canonical */
		{{0xff, 0x33, 0xf4, 0xf4}, 14, 0x8000000000, 0},     /* push [rbx] */
		{{0x8f, 0x03, 0xf4, 0xf4}, 14, 0x8000000000, 2},     /* pop [rbx] */
	};
	struct guest g;

	CONF_TRY(guest_open(&g, conf, NULL, NULL, 0));
	guest_traps(&g);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CONF_TRY(guest_set_mode(&g, g.v, GUEST_LONG));
		guest_code(&g, GUEST_CODE, rows[i].code, 4);
		guest_set(&g, VMA_X86_RBX, rows[i].rbx);
		guest_set(&g, VMA_X86_RAX, 0x55);
		CONF_TRY(guest_run_trap(&g, rows[i].vector));
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RSP), GUEST_STACK - 48);
		CONF_EQUAL(conf, guest_read64(&g, GUEST_STACK - 48), rows[i].error);
		CONF_EQUAL(conf, guest_read64(&g, GUEST_STACK - 40), GUEST_CODE);
		CONF_EQUAL(conf, guest_read64(&g, GUEST_STACK - 16), GUEST_STACK);
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0x55);
		if (rows[i].vector == 14)
			CONF_EQUAL(conf, guest_get(&g, VMA_X86_CR2), rows[i].rbx);
	}
	guest_close(&g);
	return CONF_PASS;
}

static const struct conf_check checks[] = {
	{100, "Single step over plain code, stack, call, return, I/O and MMIO: RIP after each, TF not shown", "any debug guest", t100, NULL,
	 t100_arm64},
	{101, "Four execution breakpoints, each hit once (with its DR6 bit); arm64: a watchpoint", "any debug guest", t101, NULL,
	 t101_arm64},
	{102, "INT3 that nobody asked for goes to the guest, RIP behind it", "x86 debug guest", t102, NULL},
	{103, "Translate: 32-bit, PSE, PAE, 4-level, NX, U/S, write protection, non-canonical; no accessed bits set", "x86 debug", t103, NULL},
	{104, "Translate: 4K/16K/64K granule, TTBR0/1, EPD, block, AP/PXN; no access flags set", "arm64 debug", NULL, NULL, t104_arm64},
	{105, "Emulator differential: random insn on backend vs software CPU, compare all state", "any debug", NULL,
	 "not written yet here; test/silicon compares random instructions with the host's processor"},
	{106, "Faults of loads, stores, PUSH and POP: vector, error code, RIP, CR2, nothing half done", "x86 debug guest", t106, NULL},
};

static const struct conf_difference differences[] = {
	{101, VMA_ACCEL_KVM,
	 "QEMU's processor, in which this KVM runs, does not arm the DR7 that VMRUN loads (APM vol. 2, 15.5.1)", "QEMU"},
	{102, VMA_ACCEL_KVM, "a KVM without VMX or SVM emulates, and gives up on INT3 and INT n outside real mode", "emulating"},
};

CONF_GROUP(debug, checks, differences, sizeof differences / sizeof *differences);
