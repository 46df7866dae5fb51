/* test_whpx_agree.c - random guests run on the software CPU and, through the WHPX back end, on the simulation, which executes by the same
 * software CPU: so whatever differs is the back end's or the simulation's. The host meddles with what it may: completes, injects, steps, saves.
 * VMA_AGREE_SEEDS and VMA_AGREE_FROM: how many, from which; an argument: which of the two kinds; VMA_WHPX_SIM: through which Windows.
 * test-timeout: 300 */
#include "unit/agree.h"
#include "whpx_corners.h"
#include <stdlib.h>

enum { PIECES = 40, SEEDS = 350, CORNER_SEEDS = 200 };

/* ------ the guest's handlers ------ */

static void handler(struct guest *g, unsigned vector, const uint8_t *code, size_t size)
{
	uint64_t at = GUEST_TRAPS + 32 * vector;
	const uint8_t out[] = {0xe6, (uint8_t)vector};

	guest_code(g, at, out, sizeof out);
	guest_code(g, at + 2, code, size);
	guest_gate(g, vector, at);
}

static void prepare(struct guest *g, const struct agree_program *p)
{
	/* [add rsp, 8;] mov [rsp], r15; iretq */
	static const uint8_t resume[] = {0x4c, 0x89, 0x3c, 0x24, 0x48, 0xcf}, resume_error[] = {0x48, 0x83, 0xc4, 8, 0x4c, 0x89, 0x3c, 0x24, 0x48, 0xcf};
	/* and dword [rsp + 16], ~RF; iretq. RF of what comes between two iterations of a string instruction (SDM vol. 3, 18.3.1.1): a processor
	 * that exited there has it in its RFLAGS, soft knows it without */
	static const uint8_t back[] = {0x81, 0x64, 0x24, 0x10, 0xff, 0xff, 0xfe, 0xff, 0x48, 0xcf}, no_trap[] = {0x81, 0x64, 0x24, 0x10, 0xff, 0xfe, 0xff, 0xff, 0x48, 0xcf};

	if (p->mode != GUEST_LONG)
		return;
	for (unsigned v = 0; v < 32; v++)
		if (v == 8 || (v >= 10 && v <= 14) || v == 17)
			handler(g, v, resume_error, sizeof resume_error);
		else
			handler(g, v, resume, sizeof resume);
	handler(g, 1, no_trap, sizeof no_trap);
	handler(g, 2, back, sizeof back);
	for (unsigned v = 0x40; v < 0x44; v++)
		handler(g, v, back, sizeof back);
}

/* Each kind of event has a stack of its own: 1 faults, 2 #DB, 3 NMIs, 4 interrupts (SDM vol. 3, 6.14.5). */
static void corner_gate(struct guest *g, unsigned vector, unsigned ist)
{
	uint64_t stack = CORNER_STACKS + 0x800 * ist;

	g->ram[GUEST_IDT + 16 * vector + 4] = (uint8_t)ist;
	memcpy(g->ram + GUEST_TSS + 0x24 + 8 * (ist - 1), &stack, sizeof stack);
}

static void patchwork(struct guest *g, uint64_t seed)
{
	const uint64_t table = PATCH_TABLE | 7;
	struct code random = {.random = seed};
	uint8_t *rom;

	memcpy(g->ram + GUEST_TABLES + 0x2000 + (PATCH >> 30) * 0x1000, &table, sizeof table);
	for (unsigned n = 0; n < PATCH_PAGES; n++) {
		uint64_t entry = patch_entry(&random, n);
		memcpy(g->ram + PATCH_TABLE + 8 * n, &entry, sizeof entry);
	}
	assert_int_equal(guest_map(g, PATCH_ROM, PATCH_ROM_PAGES * 0x1000, VMA_MAP_READ | VMA_MAP_EXEC, &rom), CONF_PASS);
	for (unsigned i = 0; i < PATCH_ROM_PAGES * 0x1000; i++)
		rom[i] = (uint8_t)(i * 7 + i / 0x1000);
	for (unsigned i = 0; i < 6 * 0x1000; i++)
		g->ram[PATCH_RAM + i] = (uint8_t)(i * 5 + i / 0x1000);
}

static void prepare_corners(struct guest *g, const struct agree_program *p)
{
	/* pop r12; mov r13, cr2; mov [rsp], r15; iretq */
	static const uint8_t resume_error[] = {0x41, 0x5c, 0x41, 0x0f, 0x20, 0xd5, 0x4c, 0x89, 0x3c, 0x24, 0x48, 0xcf};
	/* mov r13, dr6; or dword [rsp + 16], RF; and dword [rsp + 16], ~TF; iretq */
	static const uint8_t no_trap[] = {0x41, 0x0f, 0x21, 0xf5, 0x81, 0x4c, 0x24, 0x10, 0x00, 0x00, 0x01, 0x00,
					  0x81, 0x64, 0x24, 0x10, 0xff, 0xfe, 0xff, 0xff, 0x48, 0xcf};
	vma_x86_sregs s;

	prepare(g, p);
	for (unsigned v = 0; v < 32; v++) {
		if (v == 8 || (v >= 10 && v <= 14) || v == 17)
			handler(g, v, resume_error, sizeof resume_error);
		corner_gate(g, v, v == 1 ? 2 : v == 2 ? 3 : 1);
	}
	for (unsigned v = 0x40; v < 0x44; v++)
		corner_gate(g, v, 4);
	handler(g, 1, no_trap, sizeof no_trap);
	corner_gate(g, 1, 2);
	patchwork(g, p->seed);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cr0 |= 1 << 16; /* WP */
	s.cr4 |= 1 << 3;  /* DE */
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
}

/* ------ what the host does at an exit, by the seed and the exit's number alone ------ */

static uint64_t read_all(struct guest *g)
{
	static const uint32_t indices[] = {0xc0000081, 0xc0000082, 0xc0000102, 0x277, 0x174, 0xc0000084};
	uint64_t msrs[6], h;
	vma_x86_sregs s;
	vma_x86_dregs d;
	vma_x86_fpu_regs f;

	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	assert_int_equal(vma_x86_get_debug_regs(g->v, &d), 0);
	assert_int_equal(vma_x86_get_fpu_regs(g->v, &f), 0);
	assert_int_equal(vma_x86_get_msrs(g->v, indices, msrs, 6), 6);
	h = agree_digest(&s, sizeof s) ^ agree_digest(&d, sizeof d) * 3;
	return h ^ agree_digest(&f, sizeof f) * 5 ^ agree_digest(msrs, sizeof msrs) * 7;
}

static uint64_t save_restore(struct guest *g, struct agree_record *r)
{
	static uint8_t state[16384];
	size_t size = sizeof state;

	agree_complete(g, r);
	if (vma_vcpu_save(g->v, state, &size, 0) || vma_vcpu_restore(g->v, state, size, 0, NULL))
		fail_msg("%s: %s", vma_accel_name(r->accel), vma_why());
	return size;
}

/* Difference: an NMI that waits behind an exception is taken at its handler's first instruction (SDM vol. 3, table 6-2), and on WHPX, where the
 * caller steps, behind that one: a step there is the delivery and an instruction. */
static uint64_t inject_nmi(struct guest *g)
{
	vma_x86_events e;
	vma_x86_regs regs;

	assert_int_equal(vma_x86_get_events(g->v, &e), 0);
	assert_int_equal(vma_x86_get_regs(g->v, &regs), 0);
	return e.exception_injected || regs.rflags & 0x100 /* TF: it will be */ ? 0 : (uint64_t)(int64_t)vma_x86_nmi(g->v);
}

static uint64_t inject(struct guest *g, unsigned vector)
{
	int rc;

	if (vector == 2)
		return inject_nmi(g);
	rc = vma_x86_interrupt(g->v, (uint8_t)vector);

	if (rc == VMA_E_BUSY)
		assert_int_equal(vma_x86_irq_window(g->v, 1), 0);
	return (uint64_t)(int64_t)rc;
}

static void kick(struct guest *g)
{
	vma_kick *k;

	assert_int_equal(vma_vcpu_kick_handle(g->v, &k), 0);
	vma_kick_send(k);
	vma_kick_unref(k);
}

/* The guest finds it behind the instruction, whether that is done by now or not. RAX may be on its way to a CPUID, and WHPX has exits for the
 * leaves of the table alone (WHP, CpuidExitList). */
static void write_registers(struct guest *g, const struct agree_program *p, uint64_t value)
{
	static const uint32_t ids[] = {VMA_X86_R13, VMA_X86_RAX};
	const uint64_t values[] = {value * 0x9e3779b97f4a7c15u, ~value};

	assert_int_equal(vma_vcpu_set(g->v, ids, values, p->cpuid_exits ? 1 : 2), 0);
}

static void step(struct guest *g, bool on)
{
	const vma_debug debug = {.size = sizeof debug, .single_step = on};

	assert_int_equal(vma_vcpu_debug(g->v, &debug), 0);
}

static uint64_t meddle(struct guest *g, const struct agree_program *p, struct agree_record *r, int kind)
{
	uint64_t draw = (p->seed + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)r->count * 0xd1342543de82ef95u;

	draw = (draw ^ draw >> 29) * 0xbf58476d1ce4e5b9u;
	if (kind == VMA_EXIT_IRQ_WINDOW)
		return inject(g, 0x42);
	if (kind == VMA_EXIT_IO && g->exit->io.port >= 0x60 && g->exit->io.port < 0x70)
		return 0; /* in the middle of a string, which may be handed over in parts or not */
	if (p->mode != GUEST_LONG && draw >> 58 <= 3)
		return 0; /* it has no handlers */
	switch (draw >> 58) {
	case 0:
		agree_complete(g, r);
		return 1;
	case 1:
		agree_complete(g, r);
		return inject(g, 0x40);
	case 2:
		return inject(g, 0x41);
	case 3:
		return inject(g, 2);
	case 4:
	case 5:
		return read_all(g);
	case 6:
		return save_restore(g, r);
	case 7:
		agree_complete(g, r);
		kick(g);
		return 7;
	case 8:
	case 9:
		write_registers(g, p, draw);
		return 8;
	case 10:
		agree_complete(g, r); /* whether a half-done instruction counts is the accelerator's */
		step(g, true);
		return 10;
	case 11:
	case 12:
	case 13:
		step(g, false);
		return 11;
	default:
		return 0;
	}
}

/* ------ runs ------ */

static const char *model(void)
{
	vma_vm_config config = {.size = sizeof config, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64, .cpu_model = "x86-64-v3"};
	vma_vm *vm;

	if (vma_vm_create(&config, &vm))
		return "x86-64-v2";
	assert_int_equal(vma_vm_destroy(vm), 0);
	return "x86-64-v3";
}

static void both(struct agree_program *p, struct code *code)
{
	static struct agree_record soft, whpx;

	p->code = code->bytes;
	p->size = code->n;
	agree_run(VMA_ACCEL_SOFT, p, &soft);
	if (getenv("VMA_AGREE_LOG"))
		agree_show(&soft);
	if (soft.steps[soft.count - 1].kind != VMA_EXIT_HLT)
		fail_msg("%s ends in %s at %#llx", p->name, vma_exit_name(soft.steps[soft.count - 1].kind), (unsigned long long)soft.regs.rip);
	agree_run(VMA_ACCEL_WHPX, p, &whpx);
	agree_compare(p, &soft, &whpx);
}

static void agree(uint64_t seed)
{
	static struct code code;
	static char name[32];
	bool wide = seed % 4 != 3;
	struct agree_program p = {
		.name = name,
		.mode = wide ? GUEST_LONG : GUEST_PROT,
		.model = model(),
		.look = seed % 3 != 0,
		.vectors = true,
		.msr_policy = seed % 2 ? VMA_MSR_EXIT : VMA_MSR_GP,
		.cpuid_exits = seed % 5 == 0,
		.prepare = prepare,
		.host = seed % 6 >= 2 ? meddle : NULL,
		.seed = seed,
	};

	snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
	generate(&code, seed, wide, wide && !strcmp(p.model, "x86-64-v3"), PIECES);
	both(&p, &code);
}

static void agree_in_corners(uint64_t seed)
{
	static struct code code;
	static char name[32];
	struct agree_program p = {
		.name = name,
		.mode = GUEST_LONG,
		.model = model(),
		.look = seed % 8 != 0,
		.vectors = true,
		.prepare = prepare_corners,
		.host = seed % 4 >= 2 ? meddle : NULL,
		.seed = seed,
	};

	snprintf(name, sizeof name, "corner %llu", (unsigned long long)seed);
	generate_corners(&code, seed, !strcmp(p.model, "x86-64-v3"), PIECES);
	both(&p, &code);
}

static uint64_t number(const char *name, uint64_t usual)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 0) : usual;
}

static void some_seeds(void (*fn)(uint64_t seed), unsigned usual)
{
	uint64_t from = number("VMA_AGREE_FROM", 0), count = number("VMA_AGREE_SEEDS", usual);

	for (uint64_t seed = from; seed < from + count; seed++)
		fn(seed);
}

static void random_guests(void **state)
{
	(void)state;
	some_seeds(agree, SEEDS);
}

static void corners(void **state)
{
	(void)state;
	some_seeds(agree_in_corners, CORNER_SEEDS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_guests), cmocka_unit_test(corners)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
