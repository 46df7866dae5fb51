/* test_core_move.c - a guest saved in the middle of its run on one accelerator goes on on another, for all ordered
 * pairs that this machine has (T108), with its saved state byte-equal on both sides. */
#include "accels.h"
#include "test_core_null.h"

enum { MEMORY = 0x100000, CODE = 0x1000, ROUNDS = 5 };

/* again: inc ebx; out 0x80, al; jmp again */
static const uint8_t code[] = {0x66, 0x43, 0xe6, 0x80, 0xeb, 0xfa};

static void open_model(struct rig *r, vma_accel accel, vma_irqchip irqchip, const char *model)
{
	vma_vm_config c = rig_config(irqchip);

	c.accel = accel;
	c.cpu_model = model;
	ok(vma_vm_create(&c, &r->vm));
	ok(vma_mem_anon(MEMORY, &r->mem));
	ok(vma_vm_map(r->vm, 0, r->mem, 0, MEMORY, VMA_MAP_RWX));
	ok(vma_vm_finalize(r->vm));
	ok(vma_vcpu_create(r->vm, 0, &r->v));
}

static void open_on(struct rig *r, vma_accel accel, vma_irqchip irqchip)
{
	open_model(r, accel, irqchip, "x86-64-v1");
}

static void rounds(struct rig *r, uint64_t expected_rbx)
{
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
		assert_int_equal(vma_vcpu_exit(r->v)->io.port, 0x80);
	}
	assert_int_equal(get1(r->v, VMA_X86_RBX), expected_rbx);
}

/* Machine check banks, MTRRs: both have them. */
static const struct {
	uint32_t id;
	uint64_t value;
} kept[] = {
	{VMA_X86_MSR_LSTAR, 0xffffffff81000040},
	{VMA_X86_MSR_MTRR_PHYSBASE0, 0x80000006},
	{VMA_X86_MSR_MTRR_PHYSMASK0, 0xf80000800},
	{VMA_X86_MSR_MTRR_PHYSMASK7, 0xffffff800},
	{VMA_X86_MSR_MTRR_FIX64K_00000, 0x0606060606060606},
	{VMA_X86_MSR_MTRR_FIX4K_F8000, 0x0505050505050505},
	{VMA_X86_MSR_MCG_STATUS, 5},
	{VMA_X86_MSR_MCG_CTL, 0},
	{VMA_X86_MSR_MC0_CTL, 0},
	{VMA_X86_MSR_MC1_STATUS, 0xb200000000000115},
	{VMA_X86_MSR_MC1_ADDR, 0x123456789a},
	{VMA_X86_MSR_MC9_MISC, 0x8c},
};
enum { KEPT = sizeof kept / sizeof *kept };

static void start(struct rig *r)
{
	memcpy((uint8_t *)vma_mem_hva(r->mem) + CODE, code, sizeof(code));
	set1(r->v, VMA_X86_CS, CODE >> 4);
	set1(r->v, VMA_X86_CS_BASE, CODE);
	set1(r->v, VMA_X86_RIP, 0);
	set1(r->v, VMA_X86_XCR0, vma_x86_has_feature(r->vm, "xsave") == 1 ? 3 : 1);
	for (size_t i = 0; i < KEPT; i++)
		set1(r->v, kept[i].id, kept[i].value);
}

static void move(vma_accel from, vma_irqchip chip_from, vma_accel to, vma_irqchip chip_to)
{
	uint8_t a[8192], b[8192];
	size_t n = sizeof(a), m = sizeof(b);
	struct rig s, t;

	open_on(&s, from, chip_from);
	open_on(&t, to, chip_to);
	start(&s);
	rounds(&s, ROUNDS);
	ok(vma_vcpu_complete(s.v));
	ok(vma_vcpu_save(s.v, a, &n, 0));
	memcpy(vma_mem_hva(t.mem), vma_mem_hva(s.mem), MEMORY);
	ok(vma_vcpu_restore(t.v, a, n, 0, NULL));
	ok(vma_vcpu_save(t.v, b, &m, 0));
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	if (chip_from != VMA_IRQCHIP_NONE) {
		n = m = sizeof(a);
		ok(vma_vm_save(s.vm, a, &n, 0));
		ok(vma_vm_restore(t.vm, a, n, 0, NULL));
		ok(vma_vm_save(t.vm, b, &m, 0));
		assert_int_equal(n, m);
		assert_memory_equal(a, b, n);
	}
	for (size_t i = 0; i < KEPT; i++)
		assert_int_equal(get1(t.v, kept[i].id), kept[i].value);
	rounds(&t, 2 * ROUNDS);
	ok(vma_vcpu_complete(t.v));
	ok(vma_vcpu_reset(t.v));
	assert_int_equal(get1(t.v, VMA_X86_MSR_MC1_STATUS), 0);
	assert_int_equal(get1(t.v, VMA_X86_MSR_MC0_CTL), UINT64_MAX);
	assert_int_equal(get1(t.v, VMA_X86_MSR_MTRR_PHYSBASE0), 0);
	rig_close(&s);
	rig_close(&t);
}

static void all_pairs(void **state)
{
	int moved = 0;

	(void)state;
	for (size_t i = 0; i < ACCELS; i++)
		for (size_t k = 0; k < ACCELS; k++) {
			if (!have(accels[i]) || !have(accels[k]))
				continue;
			move(accels[i], VMA_IRQCHIP_NONE, accels[k], VMA_IRQCHIP_NONE);
			for (int a = VMA_IRQCHIP_PLATFORM; a <= VMA_IRQCHIP_LIBRARY; a++)
				for (int b = VMA_IRQCHIP_PLATFORM; b <= VMA_IRQCHIP_LIBRARY; b++)
					move(accels[i], (vma_irqchip)a, accels[k], (vma_irqchip)b);
			moved++;
		}
	if (!moved)
		skip();
}

/* ------ three legs: one guest on every accelerator after the other, in every order ------ */

enum { INTERRUPT = 0x40, NMI = 2 };

static const char *portable(const vma_accel legs[], int count)
{
	static const char *const names[] = {"x86-64-v3", "x86-64-v2"};

	for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
		int offered = 0;
		for (int i = 0; i < count; i++) {
			vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
			vma_vm *vm;
			c.accel = legs[i];
			c.cpu_model = names[n];
			if (!vma_vm_create(&c, &vm) && ++offered)
				ok(vma_vm_destroy(vm));
		}
		if (offered == count)
			return names[n];
	}
	return "x86-64-v1";
}

/* What the guest itself does not touch, and each leg must hand on. */
static void enrich(struct rig *r, vma_x86_fpu_regs *f)
{
	vma_x86_regs g;

	ok(vma_x86_get_regs(r->v, &g));
	for (unsigned i = VMA_X86_R8; i <= VMA_X86_R15; i++)
		(&g.rax)[i] = 0x1111111111111111u * i;
	g.rsp = 0x8000;
	g.rflags |= 0x200;
	ok(vma_x86_set_regs(r->v, &g, VMA_X86_ALL_REGS));
	if (vma_x86_has_feature(r->vm, "avx") == 1)
		set1(r->v, VMA_X86_XCR0, 7);
	ok(vma_x86_get_fpu_regs(r->v, f));
	for (unsigned i = 0; i < 256; i++) {
		f->xmm[i / 16][i % 16] = (uint8_t)(i * 7 + 1);
		f->ymmh[i / 16][i % 16] = get1(r->v, VMA_X86_XCR0) & 4 ? (uint8_t)(i * 5 + 3) : 0;
	}
	f->mxcsr = 0x1fa0;
	f->fcw = 0x27f;
	ok(vma_x86_set_fpu_regs(r->v, f));
	set1(r->v, VMA_X86_CR2, 0x12345000);
	set1(r->v, VMA_X86_DR1, 0x1234567);
	set1(r->v, VMA_X86_CR8, 0);
}

/* An interrupt or NMI is under way when the guest is moved: the next accelerator delivers it, once. */
static void send(struct rig *r, unsigned vector)
{
	if (vector == NMI)
		ok(vma_x86_nmi(r->v));
	else
		ok(vma_x86_interrupt(r->v, (uint8_t)vector));
}

static void delivered(struct rig *r, unsigned vector)
{
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	assert_int_equal(vma_vcpu_exit(r->v)->io.port, vector);
}

static void place_handler(struct rig *r, unsigned vector)
{
	const uint16_t at = (uint16_t)(0x2000 + 16 * vector), entry[] = {at, 0};
	const uint8_t handler[] = {0xe6, (uint8_t)vector, 0xcf}; /* out vector, al; iret */

	memcpy((uint8_t *)vma_mem_hva(r->mem) + (size_t)4 * vector, entry, sizeof entry);
	memcpy((uint8_t *)vma_mem_hva(r->mem) + at, handler, sizeof handler);
}

/* The saved state of from in to, which says the same when it is saved there. */
static void hand_over(struct rig *from, struct rig *to)
{
	uint8_t a[16384], b[16384];
	size_t n = sizeof a, m = sizeof b;

	ok(vma_vcpu_save(from->v, a, &n, 0));
	memcpy(vma_mem_hva(to->mem), vma_mem_hva(from->mem), MEMORY);
	ok(vma_vcpu_restore(to->v, a, n, 0, NULL));
	ok(vma_vcpu_save(to->v, b, &m, 0));
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
}

static void arrived(struct rig *r, const vma_x86_fpu_regs *want)
{
	vma_x86_fpu_regs f;

	ok(vma_x86_get_fpu_regs(r->v, &f));
	f.mxcsr_mask = want->mxcsr_mask; /* the processor's */
	assert_memory_equal(&f, want, sizeof f);
	for (unsigned i = VMA_X86_R8; i <= VMA_X86_R15; i++)
		assert_int_equal(get1(r->v, i), 0x1111111111111111u * i);
	assert_int_equal(get1(r->v, VMA_X86_DR1), 0x1234567);
	assert_int_equal(get1(r->v, VMA_X86_CR2), 0x12345000);
	for (size_t i = 0; i < KEPT; i++)
		assert_int_equal(get1(r->v, kept[i].id), kept[i].value);
}

static void run_legs(const vma_accel legs[ACCELS], int count)
{
	static const unsigned under_way[] = {INTERRUPT, NMI};
	struct rig r[ACCELS];
	vma_x86_fpu_regs f;

	for (int i = 0; i < count; i++)
		open_model(&r[i], legs[i], VMA_IRQCHIP_NONE, portable(legs, count));
	start(&r[0]);
	enrich(&r[0], &f);
	place_handler(&r[0], INTERRUPT);
	place_handler(&r[0], NMI);
	for (int i = 0; i < count; i++) {
		rounds(&r[i], (uint64_t)(i + 1) * ROUNDS);
		ok(vma_vcpu_complete(r[i].v));
		arrived(&r[i], &f);
		if (i + 1 == count)
			break;
		send(&r[i], under_way[i % 2]);
		hand_over(&r[i], &r[i + 1]);
		delivered(&r[i + 1], under_way[i % 2]);
	}
	for (int i = 0; i < count; i++)
		rig_close(&r[i]);
}

/* All orders of those that are here: legs[0..at-1] are chosen. */
static int orders(vma_accel legs[ACCELS], int at, int count)
{
	int done = 0;

	if (at == count) {
		run_legs(legs, count);
		return 1;
	}
	for (int i = 0; i < ACCELS; i++) {
		bool used = !have(accels[i]);
		for (int k = 0; k < at; k++)
			used |= legs[k] == accels[i];
		legs[at] = accels[i];
		if (!used)
			done += orders(legs, at + 1, count);
	}
	return done;
}

static void all_orders(void **state)
{
	vma_accel legs[ACCELS];
	int count = 0, factorial = 1;

	(void)state;
	for (int i = 0; i < ACCELS; i++)
		count += have(accels[i]);
	for (int i = 2; i <= count; i++)
		factorial *= i;
	if (count < 2)
		skip();
	assert_int_equal(orders(legs, 0, count), factorial);
}

/* DEBUGCTL and PKRS, which not every KVM keeps: soft does, and says so nowhere as a loss. */
static void count_lines(void *opaque, const char *element, const char *text)
{
	(void)element;
	(void)text;
	++*(unsigned *)opaque;
}
static void soft_keeps_debugctl_and_pkrs(void **state)
{
	uint8_t a[8192];
	size_t n = sizeof(a);
	unsigned lines = 0;
	vma_report report = {.line = count_lines, .opaque = &lines};
	struct rig s, t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig *r = i ? &t : &s;
		vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
		c.accel = VMA_ACCEL_SOFT;
		c.cpu_model = "max";
		ok(vma_vm_create(&c, &r->vm));
		ok(vma_mem_anon(MEMORY, &r->mem));
		ok(vma_vm_finalize(r->vm));
		ok(vma_vcpu_create(r->vm, 0, &r->v));
	}
	set1(s.v, VMA_X86_MSR_DEBUGCTL, 2);
	set1(s.v, VMA_X86_MSR_PKRS, 0xfffffff0);
	ok(vma_vcpu_save(s.v, a, &n, 0));
	ok(vma_vcpu_restore(t.v, a, n, 0, &report));
	assert_int_equal(lines, 0);
	assert_int_equal(get1(t.v, VMA_X86_MSR_DEBUGCTL), 2);
	assert_int_equal(get1(t.v, VMA_X86_MSR_PKRS), 0xfffffff0);
	rig_close(&s);
	rig_close(&t);
}

/* x86-64-v1 has no XSAVE: XCR0 is 1, everywhere. */
static void xcr0_without_xsave(void **state)
{
	static const uint64_t three = 3, one = 1;
	uint32_t id = VMA_X86_XCR0;
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ACCELS; i++) {
		if (!have(accels[i]))
			continue;
		open_on(&r, accels[i], VMA_IRQCHIP_NONE);
		assert_int_equal(vma_x86_has_feature(r.vm, "xsave"), 0);
		fails(vma_vcpu_set(r.v, &id, &three, 1), VMA_E_FEATURE);
		ok(vma_vcpu_set(r.v, &id, &one, 1));
		rig_close(&r);
	}
}

/* SDM vol. 3, 2.5: CR4.MCE clear, and a machine check shuts down; set, vector 18 is called. */
static void machine_checks(void **state)
{
	static const uint8_t vector18[] = {0x00, 0x20, 0x00, 0x00}; /* 0000:2000 */
	static const uint8_t handler[] = {0xe6, 0x81};              /* out 0x81, al */
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ACCELS; i++) {
		if (!have(accels[i]))
			continue;
		for (int mce = 0; mce < 2; mce++) {
			open_on(&r, accels[i], VMA_IRQCHIP_NONE);
			start(&r);
			memcpy((uint8_t *)vma_mem_hva(r.mem) + 18 * 4, vector18, 4);
			memcpy((uint8_t *)vma_mem_hva(r.mem) + 0x2000, handler, 2);
			set1(r.v, VMA_X86_RSP, 0x8000);
			set1(r.v, VMA_X86_CR4, mce ? 0x40 : 0);
			ok(vma_x86_exception(r.v, 18, 0, 0, 0));
			if (mce) {
				assert_int_equal(vma_vcpu_run(r.v), VMA_EXIT_IO);
				assert_int_equal(vma_vcpu_exit(r.v)->io.port, 0x81);
			} else {
				assert_int_equal(vma_vcpu_run(r.v), VMA_EXIT_TRIPLE_FAULT);
			}
			rig_close(&r);
		}
	}
}

/* The guest's own trap waits behind the caller's step: it is state, too. */
static void trap_behind_a_step_moves(void **state)
{
	static const uint8_t vector1[] = {0x00, 0x20, 0x00, 0x00}, handler[] = {0xe6, 0x82}; /* out 0x82, al */
	vma_debug debug = {.size = sizeof(debug), .single_step = 1};
	vma_x86_events e;
	uint8_t a[8192];
	size_t n = sizeof(a);
	struct rig s, t;

	(void)state;
	open_on(&s, VMA_ACCEL_SOFT, VMA_IRQCHIP_NONE);
	open_on(&t, VMA_ACCEL_SOFT, VMA_IRQCHIP_NONE);
	start(&s);
	memcpy((uint8_t *)vma_mem_hva(t.mem) + 4, vector1, 4);
	memcpy((uint8_t *)vma_mem_hva(t.mem) + 0x2000, handler, 2);
	set1(s.v, VMA_X86_RSP, 0x8000);
	set1(s.v, VMA_X86_RFLAGS, 0x102);
	ok(vma_vcpu_debug(s.v, &debug));
	assert_int_equal(vma_vcpu_run(s.v), VMA_EXIT_DEBUG);
	assert_int_equal(get1(s.v, VMA_X86_RIP), 2);
	ok(vma_x86_get_events(s.v, &e));
	assert_true(e.exception_injected && e.exception_vector == 1 && !e.exception_has_error);
	ok(vma_vcpu_save(s.v, a, &n, 0));
	ok(vma_vcpu_restore(t.v, a, n, 0, NULL));
	assert_int_equal(vma_vcpu_run(t.v), VMA_EXIT_IO);
	assert_int_equal(vma_vcpu_exit(t.v)->io.port, 0x82);
	rig_close(&s);
	rig_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pairs),
		cmocka_unit_test(all_orders),
		cmocka_unit_test(soft_keeps_debugctl_and_pkrs),
		cmocka_unit_test(xcr0_without_xsave),
		cmocka_unit_test(machine_checks),
		cmocka_unit_test(trap_behind_a_step_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
