/* test_core_vcpu.c - vCPUs on the scripted back end: ownership, exits and their completion, registers, events,
 * translation. Numbers are the checks of the conformance list. */
#include <vmaccel/arm64.h>
#include "test_core_null.h"

/* ------ ownership ------ */

struct foreign {
	struct rig *r;
	int rc[6];
	vma_vcpu *mine;
};

static void *other_thread(void *p)
{
	struct foreign *f = p;
	vma_x86_regs regs;
	uint64_t value;
	uint32_t id = VMA_X86_RAX;

	f->rc[0] = vma_vcpu_run(f->r->v);
	f->rc[1] = vma_x86_get_regs(f->r->v, &regs);
	f->rc[2] = vma_vcpu_get(f->r->v, &id, &value, 1);
	f->rc[3] = vma_vcpu_destroy(f->r->v);
	f->rc[4] = vma_vm_destroy(f->r->vm);
	f->rc[5] = vma_vcpu_create(f->r->vm, 1, &f->mine);
	return NULL;
}

/* T003 */
static void belongs_to_its_thread(void **state)
{
	struct foreign f = {.r = *state};
	pthread_t t;

	pthread_create(&t, NULL, other_thread, &f);
	pthread_join(t, NULL);
	for (int i = 0; i < 4; i++)
		fails(f.rc[i], VMA_E_WRONG_THREAD);
	fails(f.rc[4], VMA_E_BUSY);
	assert_int_equal(f.rc[5], 0);
	/* its owner has ended */
	fails(vma_vcpu_run(f.mine), VMA_E_OWNER_GONE);
	ok(vma_vcpu_destroy(f.mine));
	ok(vma_vcpu_create(f.r->vm, 1, &f.mine)); /* destroyed with the VM */
}

static void places(void **state)
{
	struct rig *r = *state;
	vma_vcpu *v;

	fails(vma_vcpu_create(r->vm, 0, &v), VMA_E_EXIST);
	fails(vma_vcpu_create(r->vm, 4, &v), VMA_E_INVALID);
	fails(vma_vcpu_create(NULL, 1, &v), VMA_E_INVALID);
	fails(vma_vcpu_create(r->vm, 1, NULL), VMA_E_INVALID);
	assert_ptr_equal(vma_vcpu_vm(r->v), r->vm);
	ok(vma_vcpu_create(r->vm, 3, &v));
	assert_int_equal(vma_vcpu_index(v), 3);
	ok(vma_vcpu_destroy(v));
	ok(vma_vcpu_create(r->vm, 3, &v));
}

/* ------ exits ------ */

/* T020 on null: only the bytes of the access change, and a 32-bit one clears the rest. */
static void in_widths(void **state)
{
	static const uint64_t want[5] = {0, 0x1122334455667781, 0x1122334455668281, 0, 0x84838281};
	struct rig *r = *state;
	vma_exit *e = vma_vcpu_exit(r->v);

	for (uint8_t w = 1; w <= 4; w *= 2) {
		vma_null_step s = step_in(0x60, w);
		ok(vma_null_script(r->v, &s, 1));
		set1(r->v, VMA_X86_RAX, 0x1122334455667788);
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
		assert_true(e->pending && e->io.width == w && !e->io.write);
		for (uint8_t i = 0; i < w; i++)
			e->io.data[i] = 0x81 + i;
		assert_int_equal(get1(r->v, VMA_X86_RAX), 0x1122334455667788);
		assert_int_equal(vma_vcpu_complete(r->v), 0);
		assert_false(e->pending);
		assert_int_equal(get1(r->v, VMA_X86_RAX), want[w]);
		assert_int_equal(vma_vcpu_complete(r->v), 0);
	}
}

/* T024: the caller's write wins over the completion's; reads show what was. */
static void set_rax_after_in(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);

	ok(vma_null_script(r->v, &s, 1));
	set1(r->v, VMA_X86_RAX, 0x100);
	set1(r->v, VMA_X86_RIP, 0x1000);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	vma_vcpu_exit(r->v)->io.data[0] = 0x55;
	set1(r->v, VMA_X86_RAX, 0x777);
	set1(r->v, VMA_X86_RBX, 3);
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0x100);
	assert_int_equal(get1(r->v, VMA_X86_RIP), 0x1000);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0x777);
	assert_int_equal(get1(r->v, VMA_X86_RBX), 3);
	assert_int_equal(get1(r->v, VMA_X86_RIP), 0x1001);
}

/* T025: a written RIP replaces the one that the completion leaves. */
static void set_rip_after_out(void **state)
{
	struct rig *r = *state;
	uint8_t byte = 9;
	vma_null_step s = step_out(0x80, &byte);

	for (int with_rip = 0; with_rip < 2; with_rip++) {
		ok(vma_null_script(r->v, &s, 1));
		set1(r->v, VMA_X86_RIP, 0x1000);
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
		assert_int_equal(vma_vcpu_exit(r->v)->io.data[0], 9);
		set1(r->v, VMA_X86_RCX, 5);
		if (with_rip)
			set1(r->v, VMA_X86_RIP, 0x2000);
		vma_null_clear();
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
		/* Without RIP nothing but one entry and one write was needed. */
		assert_int_equal(vma_null_calls("complete"), with_rip);
		assert_int_equal(vma_null_calls("run"), 1);
		assert_int_equal(vma_null_calls("commit"), 1);
		assert_int_equal(get1(r->v, VMA_X86_RIP), with_rip ? 0x2000 : 0x1001);
		assert_int_equal(get1(r->v, VMA_X86_RCX), 5);
	}
}

/* T036 */
static void second_fragment_after_a_kick(void **state)
{
	struct rig *r = *state;
	vma_null_step s[2] = {step_read(0x1ffffe, 2, 1), step_read(0x200000, 2, 0)};
	vma_exit *e = vma_vcpu_exit(r->v);
	vma_kick *k;

	ok(vma_null_script(r->v, s, 2));
	ok(vma_vcpu_kick_handle(r->v, &k));
	set1(r->v, VMA_X86_RIP, 0x1000);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_MMIO);
	memcpy(e->mmio.data, "\x11\x22", 2);
	set1(r->v, VMA_X86_RCX, 77);
	vma_kick_send(k);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_MMIO);
	assert_true(e->pending && e->mmio.gpa == 0x200000);
	assert_int_equal(get1(r->v, VMA_X86_RIP), 0x1000);
	memcpy(e->mmio.data, "\x33\x44", 2);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_CANCELED);
	assert_false(e->pending);
	assert_int_equal(get1(r->v, VMA_X86_RBX), 0x44332211);
	assert_int_equal(get1(r->v, VMA_X86_RCX), 77);
	assert_int_equal(get1(r->v, VMA_X86_RIP), 0x1004);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	vma_kick_unref(k);
}

static void complete_in_a_loop(void **state)
{
	struct rig *r = *state;
	vma_null_step s[3] = {step_read(0x200000, 4, 1), step_read(0x200004, 2, 1), step_read(0x200006, 2, 0)};
	vma_exit *e = vma_vcpu_exit(r->v);
	int fragments = 0;

	ok(vma_null_script(r->v, s, 3));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_MMIO);
	do
		memset(e->mmio.data, ++fragments, e->mmio.length);
	while (vma_vcpu_complete(r->v) == 1);
	assert_int_equal(fragments, 3);
	assert_int_equal(get1(r->v, VMA_X86_RBX), 0x0303020201010101);
}

/* T040 */
static void exits_of_all_kinds(void **state)
{
	struct rig *r = *state;
	vma_exit *e = vma_vcpu_exit(r->v);

	for (uint32_t kind = VMA_EXIT_IO; kind <= VMA_EXIT_OTHER; kind++) {
		vma_null_step s = {.size = sizeof(s), .exit.kind = kind};
		if (kind == VMA_EXIT_CANCELED)
			continue;
		if (kind == VMA_EXIT_IO)
			s = step_in(1, 1);
		if (kind == VMA_EXIT_MMIO)
			s = step_read(0x200000, 4, 0);
		if (kind == VMA_EXIT_OTHER)
			s.exit.other.native = 0xdead;
		ok(vma_null_script(r->v, &s, 1));
		assert_int_equal(vma_vcpu_run(r->v), kind);
		assert_int_equal(e->kind, kind);
		assert_string_not_equal(vma_exit_name((int)kind), "?");
		if (kind == VMA_EXIT_OTHER)
			assert_int_equal(e->other.native, 0xdead);
		ok(vma_vcpu_complete(r->v));
	}
	assert_ptr_equal(e, vma_vcpu_exit(r->v));
}

/* T037: the answer of a read, or #GP */
static void msr_exit(void **state)
{
	struct rig *r = *state;
	vma_null_step s = {.size = sizeof(s), .insn_length = 2, .exit = {.kind = VMA_EXIT_MSR, .msr.index = 0x1234}};
	vma_null_step both[2] = {s, s};
	vma_exit *e = vma_vcpu_exit(r->v);
	vma_x86_events ev;

	ok(vma_null_script(r->v, both, 2));
	set1(r->v, VMA_X86_RIP, 0);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_MSR);
	e->msr.value = 0x123456789abcdef0;
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_MSR);
	e->msr.fault = 1;
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0x9abcdef0);
	assert_int_equal(get1(r->v, VMA_X86_RDX), 0x12345678);
	ok(vma_vcpu_complete(r->v));
	assert_int_equal(get1(r->v, VMA_X86_RIP), 2);
	ok(vma_x86_get_events(r->v, &ev));
	assert_true(ev.exception_injected && ev.exception_vector == 13);
}

/* T006 */
static void destroyed_with_a_pending_exit(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 4);

	ok(vma_null_script(r->v, &s, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	ok(vma_vcpu_destroy(r->v));
}

/* ------ registers ------ */

/* What of a pattern a register keeps; the masks of the manual, and of fields that have none of the whole. */
static uint64_t kept(uint32_t id, uint64_t value)
{
	switch (id) {
	case VMA_X86_RFLAGS:
		return (value & 0x3f7fd7) | 2;
	case VMA_X86_DR6:
		return (value & 0xe00f) | 0xffff0ff0;
	case VMA_X86_DR7:
		return (value & 0xffff23ff) | 0x400;
	default:
		return value;
	}
}

static bool is_attr(const char *name)
{
	return strlen(name) > 5 && !strcmp(name + strlen(name) - 5, "_attr");
}

/* T061, T071: each bit that is accepted reads back, and nothing else moves. */
static void walking_bits(void **state)
{
	struct rig *r = *state;
	uint32_t ids[256];
	uint64_t before[256], after[256];
	size_t n = 256;

	ok(vma_reg_list(VMA_ARCH_X86_64, ids, &n));
	for (size_t i = 0; i < n; i++) {
		int accepted = 0;
		if (is_attr(vma_reg_name(VMA_ARCH_X86_64, ids[i])))
			continue; /* segment_attributes below */
		ok(vma_vcpu_get(r->v, ids, before, n));
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t value = before[i] ^ 1ull << bit;
			if (vma_vcpu_set(r->v, ids + i, &value, 1))
				continue;
			accepted++;
			ok(vma_vcpu_get(r->v, ids, after, n));
			assert_int_equal(after[i], kept(ids[i], value));
			after[i] = before[i];
			assert_memory_equal(before, after, n * sizeof(before[0]));
			set1(r->v, ids[i], before[i]);
		}
		assert_true(accepted > 0);
	}
}

static void segment_attributes(void **state)
{
	struct rig *r = *state;

	set1(r->v, VMA_X86_DS_ATTR, 0x1c093); /* unusable: only the DPL is left */
	assert_int_equal(get1(r->v, VMA_X86_DS_ATTR), VMA_SEG_UNUSABLE);
	set1(r->v, VMA_X86_SS_ATTR, 0x73); /* not present */
	assert_int_equal(get1(r->v, VMA_X86_SS_ATTR), VMA_SEG_UNUSABLE | 0x60);
	set1(r->v, VMA_X86_SS_ATTR, 0xc0f3);
	assert_int_equal(get1(r->v, VMA_X86_SS_ATTR), 0xc0f3);
}

static void names(void **state)
{
	uint32_t ids[256], id;
	size_t n = 0;

	(void)state;
	ok(vma_reg_list(VMA_ARCH_X86_64, NULL, &n));
	assert_in_range(n, 80, 256);
	ok(vma_reg_list(VMA_ARCH_X86_64, ids, &n));
	for (size_t i = 0; i < n; i++) {
		ok(vma_reg_parse(VMA_ARCH_X86_64, vma_reg_name(VMA_ARCH_X86_64, ids[i]), &id));
		assert_int_equal(id, ids[i]);
	}
	assert_string_equal(vma_reg_name(VMA_ARCH_X86_64, VMA_X86_MSR_KERNEL_GS_BASE), "kernel_gs_base");
	assert_null(vma_reg_name(VMA_ARCH_X86_64, 0xffff));
	fails(vma_reg_parse(VMA_ARCH_X86_64, "RAX", &id), VMA_E_NOENT);
	n--;
	fails(vma_reg_list(VMA_ARCH_X86_64, ids, &n), VMA_E_LIMIT);
	ok(vma_reg_list(VMA_ARCH_ARM64, NULL, &n));
	assert_in_range(n, 80, sizeof(ids) / sizeof(*ids));
	ok(vma_reg_list(VMA_ARCH_ARM64, ids, &n));
	for (size_t i = 0; i < n; i++) {
		ok(vma_reg_parse(VMA_ARCH_ARM64, vma_reg_name(VMA_ARCH_ARM64, ids[i]), &id));
		assert_int_equal(id, ids[i]);
	}
	ok(vma_reg_parse(VMA_ARCH_ARM64, "s3_0_c1_c0_0", &id));
	assert_int_equal(id, VMA_ARM64_SCTLR_EL1);
	fails(vma_reg_parse(VMA_ARCH_ARM64, "s1_0_c1_c0_0", &id), VMA_E_NOENT);
	fails(vma_reg_list((vma_arch)3, NULL, &n), VMA_E_INVALID);
}

/* T073 */
static void batch_is_all_or_nothing(void **state)
{
	struct rig *r = *state;
	uint32_t ids[] = {VMA_X86_RAX, VMA_X86_CR3, VMA_X86_MSR_LSTAR, 0x4444};
	uint64_t values[] = {11, 0x3000, 0x99, 1};

	fails(vma_vcpu_set(r->v, ids, values, 4), VMA_E_INVALID);
	assert_non_null(strstr(vma_why(), "entry 3"));
	ids[3] = VMA_X86_CS; /* 16 bits */
	values[3] = 0x10000;
	fails(vma_vcpu_set(r->v, ids, values, 4), VMA_E_INVALID);
	ids[3] = VMA_X86_CR0;
	values[3] = 0x80000000; /* paging without protection */
	fails(vma_vcpu_set(r->v, ids, values, 4), VMA_E_INVALID);
	ok(vma_null_fail("set_msrs", 1, VMA_E_NATIVE));
	assert_true(vma_vcpu_set(r->v, ids, values, 3) < 0);
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0);
	assert_int_equal(get1(r->v, VMA_X86_CR3), 0);
	assert_int_equal(get1(r->v, VMA_X86_MSR_LSTAR), 0);
	ok(vma_vcpu_set(r->v, ids, values, 3));
	assert_int_equal(get1(r->v, VMA_X86_MSR_LSTAR), 0x99);
	fails(vma_vcpu_set(r->v, NULL, values, 1), VMA_E_INVALID);
	fails(vma_vcpu_get(r->v, ids, NULL, 1), VMA_E_INVALID);
	ok(vma_vcpu_get(r->v, NULL, NULL, 0));
}

/* T072: only what changed is pushed, and only what is missing is fetched. */
static void lazy_and_minimal(void **state)
{
	struct rig *r = *state;
	vma_x86_regs regs;
	vma_x86_sregs sregs;

	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	vma_null_clear();
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(vma_null_calls("commit") + vma_null_calls("fetch"), 0);
	ok(vma_x86_get_regs(r->v, &regs));
	ok(vma_x86_get_regs(r->v, &regs));
	set1(r->v, VMA_X86_RAX, 1);
	assert_int_equal(vma_null_calls("fetch"), 1);
	assert_int_equal(vma_null_calls("commit"), 0);
	ok(vma_x86_get_sregs(r->v, &sregs));
	ok(vma_x86_set_sregs(r->v, &sregs));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(vma_null_calls("commit"), 1);
	ok(vma_x86_set_regs(r->v, &regs, VMA_X86_ALL_REGS));
	assert_int_equal(vma_null_calls("fetch"), 2);
	fails(vma_x86_set_regs(r->v, &regs, 0), VMA_E_INVALID);
	fails(vma_x86_set_regs(r->v, &regs, 1u << 30), VMA_E_INVALID);
}

/* T065 */
static void control_register_rules(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer;
		int rc;
	} cases[] = {
		{0x60000010, 0, 0, 0},
		{0x80000011, 0x20, 0x500, 0},
		{0x80000010, 0, 0, VMA_E_INVALID},        /* PG without PE */
		{0x20000011, 0, 0, VMA_E_INVALID},        /* NW without CD */
		{0x100000011, 0, 0, VMA_E_INVALID},       /* reserved */
		{0x80000011, 0, 0x500, VMA_E_INVALID},    /* long mode without PAE */
		{0x80000011, 0x20, 0x100, VMA_E_INVALID}, /* LME and PG make LMA */
		{0x11, 0x20, 0x400, VMA_E_INVALID},       /* LMA without */
		{0x11, 0x20, 0x100, 0},
		{0x11, 0x2000, 0, VMA_E_INVALID},  /* VMX */
		{0x11, 0x20000, 0, VMA_E_INVALID}, /* PCID is not in the model */
		{0x11, 0, 0x2, VMA_E_INVALID},
	};
	struct rig *r = *state;
	vma_x86_sregs s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ok(vma_x86_get_sregs(r->v, &s));
		s.cr0 = cases[i].cr0;
		s.cr4 = cases[i].cr4;
		s.efer = cases[i].efer;
		fails(vma_x86_set_sregs(r->v, &s), cases[i].rc);
	}
	s.cr0 = 0x11, s.cr4 = 0, s.efer = 0, s.cr8 = 16;
	fails(vma_x86_set_sregs(r->v, &s), VMA_E_INVALID);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
}

/* CR8 is the APIC's task priority. */
static void cr8_is_the_tpr(void **state)
{
	struct rig *r = *state;
	uint8_t lapic[0x400];

	set1(r->v, VMA_X86_CR8, 5);
	ok(vma_x86_get_lapic(r->v, lapic));
	assert_int_equal(lapic[0x80], 0x50);
	lapic[0x80] = 0x70;
	ok(vma_x86_set_lapic(r->v, lapic));
	assert_int_equal(get1(r->v, VMA_X86_CR8), 7);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(get1(r->v, VMA_X86_CR8), 7);
}

/* T074 */
static void msrs(void **state)
{
	struct rig *r = *state;
	uint32_t idx[] = {0x174, 0xc0000080, 0xc0000100, 0xdead};
	uint64_t values[] = {0x10, 0x100, 0x7000, 5}, got[4] = {0};

	assert_int_equal(vma_x86_set_msrs(r->v, idx, values, 4), 3);
	assert_non_null(strstr(vma_why(), "0xdead"));
	assert_int_equal(vma_x86_get_msrs(r->v, idx, got, 4), 3);
	assert_memory_equal(got, values, 3 * 8);
	assert_int_equal(get1(r->v, VMA_X86_FS_BASE), 0x7000);
	assert_int_equal(get1(r->v, VMA_X86_EFER), 0x100);
	fails(vma_x86_get_msrs(r->v, idx + 3, got, 1), VMA_E_NO_ACCEL);
	fails(vma_x86_set_msrs(r->v, idx + 3, got, 1), VMA_E_NO_ACCEL);
	assert_int_equal(vma_x86_get_msrs(r->v, NULL, NULL, 0), 0);
	fails(vma_x86_get_msrs(r->v, NULL, got, 1), VMA_E_INVALID);
	values[1] = 0x2;
	assert_int_equal(vma_x86_set_msrs(r->v, idx, values, 2), 1); /* EFER bit 1 is reserved */
}

/* T077 */
static void reset_state(void **state)
{
	struct rig *r = *state;
	vma_x86_fpu_regs f;

	for (int again = 0; again < 2; again++) {
		assert_int_equal(get1(r->v, VMA_X86_RIP), 0xfff0);
		assert_int_equal(get1(r->v, VMA_X86_RFLAGS), 2);
		assert_int_equal(get1(r->v, VMA_X86_RDX), 0x106ca);
		assert_int_equal(get1(r->v, VMA_X86_CS), 0xf000);
		assert_int_equal(get1(r->v, VMA_X86_CS_BASE), 0xffff0000);
		assert_int_equal(get1(r->v, VMA_X86_LDTR_ATTR), 0x82);
		assert_int_equal(get1(r->v, VMA_X86_IDTR_LIMIT), 0xffff);
		assert_int_equal(get1(r->v, VMA_X86_CR0), 0x60000010);
		assert_int_equal(get1(r->v, VMA_X86_DR6), 0xffff0ff0);
		assert_int_equal(get1(r->v, VMA_X86_DR7), 0x400);
		assert_int_equal(get1(r->v, VMA_X86_XCR0), 1);
		assert_int_equal(get1(r->v, VMA_X86_MSR_PAT), 0x0007040600070406);
		ok(vma_x86_get_fpu_regs(r->v, &f));
		assert_int_equal(f.fcw, 0x40);
		assert_int_equal(f.mxcsr, 0x1f80);
		set1(r->v, VMA_X86_MSR_PAT, 0);
		set1(r->v, VMA_X86_CR3, 0x5000);
		set1(r->v, VMA_X86_RIP, 1);
		ok(vma_vcpu_reset(r->v));
	}
}

static void reset_of_the_apic(void **state)
{
	struct rig *r = *state;
	uint8_t lapic[0x400];
	vma_vcpu *v;
	vma_mp mp;

	assert_int_equal(get1(r->v, VMA_X86_APIC_BASE), 0xfee00900);
	ok(vma_vcpu_reset(r->v));
	ok(vma_x86_get_lapic(r->v, lapic));
	assert_int_equal(lapic[0xf0], 0xff);
	assert_int_equal(lapic[0x352], 1);
	ok(vma_vcpu_create(r->vm, 1, &v));
	ok(vma_vcpu_get_mp(v, &mp));
	assert_int_equal(mp, VMA_MP_WAIT_SIPI);
	assert_int_equal(get1(v, VMA_X86_APIC_BASE), 0xfee00800);
}

/* A device's reset line is an OUT that waits: the reset comes after its completion. */
static void reset_while_pending(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0xcf9, 1);

	ok(vma_null_script(r->v, &s, 1));
	set1(r->v, VMA_X86_RBX, 5);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	vma_vcpu_exit(r->v)->io.data[0] = 0xff;
	ok(vma_vcpu_reset(r->v));
	assert_int_equal(get1(r->v, VMA_X86_RBX), 5);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(get1(r->v, VMA_X86_RBX), 0);
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0);
	assert_int_equal(get1(r->v, VMA_X86_RIP), 0xfff0);
}

/* A class written in part while pending leaves the rest to the completion, and later parts add to earlier ones. */
static void parts_while_pending(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);

	ok(vma_null_script(r->v, &s, 1));
	set1(r->v, VMA_X86_CR2, 1);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	set1(r->v, VMA_X86_CR3, 0x4000);
	set1(r->v, VMA_X86_FS_BASE, 0x1234);
	set1(r->v, VMA_X86_DR0, 0x88);
	set1(r->v, VMA_X86_XCR0, 3);
	assert_int_equal(get1(r->v, VMA_X86_CR3), 0);
	assert_int_equal(vma_vcpu_complete(r->v), 0);
	assert_int_equal(get1(r->v, VMA_X86_CR2), 1);
	assert_int_equal(get1(r->v, VMA_X86_CR3), 0x4000);
	assert_int_equal(get1(r->v, VMA_X86_FS_BASE), 0x1234);
	assert_int_equal(get1(r->v, VMA_X86_DR0), 0x88);
	assert_int_equal(get1(r->v, VMA_X86_XCR0), 3);
}

/* ------ x87 and SSE ------ */

/* T067, T069 */
static void xsave_images(void **state)
{
	struct rig *r = *state;
	_Alignas(64) uint8_t image[832], again[832];
	size_t size = 0;
	vma_x86_fpu_regs f, g;
	uint64_t bv = 0;

	ok(vma_x86_get_xsave(r->v, NULL, &size));
	assert_int_equal(size, 832);
	size = 600;
	fails(vma_x86_get_xsave(r->v, image, &size), VMA_E_LIMIT);
	assert_int_equal(size, 832);
	ok(vma_x86_get_xsave(r->v, image, &size));
	memset(image, 0xee, 512); /* not present: none of it counts */
	memcpy(image + 512, &bv, 8);
	ok(vma_x86_set_xsave(r->v, image, size));
	ok(vma_x86_get_fpu_regs(r->v, &f));
	assert_int_equal(f.fcw, 0x37f);
	assert_int_equal(f.ftw, 0);
	assert_int_equal(f.mxcsr, 0x1f80);
	assert_int_equal(f.xmm[15][15], 0);
	f.mxcsr = 0x1fa0, f.xmm[3][2] = 0x42, f.ymmh[3][2] = 0x43, f.fcw = 0x27f;
	memset(f.st[2], 0x5a, 10);
	ok(vma_x86_set_fpu_regs(r->v, &f));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	ok(vma_x86_get_fpu_regs(r->v, &g));
	assert_memory_equal(&f, &g, sizeof(f));
	ok(vma_x86_get_xsave(r->v, image, &size));
	assert_int_equal(image[512], 7);
	ok(vma_x86_set_xsave(r->v, image, size));
	ok(vma_x86_get_xsave(r->v, again, &size));
	assert_memory_equal(image, again, size);
	image[512] = 0xf; /* a component that the model has not */
	fails(vma_x86_set_xsave(r->v, image, size), VMA_E_FEATURE);
	image[512] = 7, image[520 + 7] = 0x80; /* compacted */
	fails(vma_x86_set_xsave(r->v, image, size), VMA_E_INVALID);
	fails(vma_x86_set_xsave(r->v, again, 575), VMA_E_INVALID);
	fails(vma_x86_set_xsave(r->v, again, 700), VMA_E_INVALID); /* AVX is said to be there and is not */
	f.mxcsr = 0x10000;
	fails(vma_x86_set_fpu_regs(r->v, &f), VMA_E_INVALID);
}

static void xcr0_rules(void **state)
{
	static const struct {
		uint64_t value;
		int rc;
	} cases[] = {{1, 0},
		     {3, 0},
		     {7, 0},
		     {0, VMA_E_INVALID},
		     {5, VMA_E_INVALID},
		     {0x207, VMA_E_FEATURE},
		     {0xe7, VMA_E_FEATURE}};
	struct rig *r = *state;
	uint32_t id = VMA_X86_XCR0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		fails(vma_vcpu_set(r->v, &id, &cases[i].value, 1), cases[i].rc);
}

/* ------ events ------ */

static void interrupts_by_hand(void **state)
{
	struct rig *r = *state;
	vma_x86_events e = {.shadow = 1};

	fails(vma_x86_interrupt(r->v, 0x30), VMA_E_BUSY); /* IF is clear */
	ok(vma_x86_irq_window(r->v, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	set1(r->v, VMA_X86_RFLAGS, 0x202);
	ok(vma_x86_set_events(r->v, &e));
	fails(vma_x86_interrupt(r->v, 0x30), VMA_E_BUSY); /* the shadow */
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IRQ_WINDOW);
	ok(vma_x86_interrupt(r->v, 0x30));
	fails(vma_x86_interrupt(r->v, 0x31), VMA_E_BUSY); /* T085 */
	ok(vma_x86_get_events(r->v, &e));
	assert_true(e.interrupt_injected && e.interrupt_vector == 0x30);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT); /* T084: the window exits once */
	ok(vma_x86_interrupt(r->v, 0x31));
	fails(vma_x86_irq_window(r->v, 2), VMA_E_INVALID);
}

/* An interrupt that finds queued events joins them. */
static void interrupt_while_events_are_queued(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);
	vma_x86_events e = {.nmi_masked = 1};

	set1(r->v, VMA_X86_RFLAGS, 0x202);
	ok(vma_null_script(r->v, &s, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	ok(vma_x86_set_events(r->v, &e));
	ok(vma_x86_interrupt(r->v, 0x44));
	ok(vma_vcpu_complete(r->v));
	ok(vma_x86_get_events(r->v, &e));
	assert_true(e.nmi_masked && e.interrupt_injected && e.interrupt_vector == 0x44);
}

/* T088 */
static void exceptions(void **state)
{
	struct rig *r = *state;
	vma_x86_events e;

	ok(vma_x86_exception(r->v, 14, 1, 2, 0xabc000));
	fails(vma_x86_exception(r->v, 13, 1, 0, 0), VMA_E_BUSY);
	assert_int_equal(get1(r->v, VMA_X86_CR2), 0xabc000);
	ok(vma_x86_get_events(r->v, &e));
	assert_true(e.exception_injected && e.exception_vector == 14 && e.exception_error == 2);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	ok(vma_x86_exception(r->v, 6, 0, 0, 0));
	fails(vma_x86_exception(r->v, 2, 0, 0, 0), VMA_E_INVALID);
	fails(vma_x86_exception(r->v, 32, 0, 0, 0), VMA_E_INVALID);
	fails(vma_x86_exception(r->v, 6, 1, 0, 0), VMA_E_INVALID);
	memset(&e, 0, sizeof(e));
	e.exception_injected = e.exception_pending = 1;
	fails(vma_x86_set_events(r->v, &e), VMA_E_INVALID);
	ok(vma_x86_nmi(r->v));
	ok(vma_x86_get_events(r->v, &e));
	assert_true(e.nmi_pending);
}

static void debugging_arguments(void **state)
{
	struct rig *r = *state;
	vma_debug d = {.size = sizeof(d), .count = 1, .hw[0] = {0x1000, VMA_BREAK_EXEC, 1}};

	ok(vma_vcpu_debug(r->v, &d));
	d.hw[0].length = 2;
	fails(vma_vcpu_debug(r->v, &d), VMA_E_INVALID);
	d.hw[0].type = VMA_BREAK_WRITE;
	ok(vma_vcpu_debug(r->v, &d));
	d.hw[0].address = 0x1001;
	fails(vma_vcpu_debug(r->v, &d), VMA_E_INVALID);
	d.hw[0].type = 2;
	fails(vma_vcpu_debug(r->v, &d), VMA_E_INVALID);
	d.count = 5;
	fails(vma_vcpu_debug(r->v, &d), VMA_E_LIMIT);
	d = (vma_debug){.size = sizeof(d), .single_step = 2};
	fails(vma_vcpu_debug(r->v, &d), VMA_E_INVALID);
	fails(vma_vcpu_debug(r->v, NULL), VMA_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(belongs_to_its_thread),
		RIG_TEST(places),
		RIG_TEST(in_widths),
		RIG_TEST(set_rax_after_in),
		RIG_TEST(set_rip_after_out),
		RIG_TEST(second_fragment_after_a_kick),
		RIG_TEST(complete_in_a_loop),
		RIG_TEST(exits_of_all_kinds),
		RIG_TEST(msr_exit),
		RIG_TEST(destroyed_with_a_pending_exit),
		RIG_TEST(walking_bits),
		CHIP_TEST(walking_bits),
		RIG_TEST(segment_attributes),
		RIG_TEST(names),
		RIG_TEST(batch_is_all_or_nothing),
		RIG_TEST(lazy_and_minimal),
		RIG_TEST(control_register_rules),
		CHIP_TEST(cr8_is_the_tpr),
		RIG_TEST(msrs),
		RIG_TEST(reset_state),
		CHIP_TEST(reset_of_the_apic),
		RIG_TEST(reset_while_pending),
		RIG_TEST(parts_while_pending),
		RIG_TEST(xsave_images),
		RIG_TEST(xcr0_rules),
		RIG_TEST(interrupts_by_hand),
		RIG_TEST(interrupt_while_events_are_queued),
		RIG_TEST(exceptions),
		RIG_TEST(debugging_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
