/* conf_state.c - checks of registers and MSRs (T061-T079). Where a check takes a failed condition with a guest open, the process ends after it, so
 * nothing is closed on the way out. */
#include "bodies_arm64.h"
#include "guest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ------ T061, T071: every register ------ */

/* Which bits of a register can be set and read back whatever the rest of the state is (SDM vol. 3, 2.5, 17.2; MSRs vol. 4). */
static const struct {
	uint32_t first, last;
	uint64_t bits;
} free_bits[] = {
	{VMA_X86_RAX, VMA_X86_R15, UINT64_MAX},
	{VMA_X86_RIP, VMA_X86_RIP, 0x00007fffffffffff},
	{VMA_X86_RFLAGS, VMA_X86_RFLAGS, 0xcd5}, /* arithmetic flags, DF, IF, not TF */
	{VMA_X86_CR2, VMA_X86_CR2, UINT64_MAX},
	{VMA_X86_DR0, VMA_X86_DR3, 0x00007fffffffffff},
	{VMA_X86_FS_BASE, VMA_X86_FS_BASE, 0x00007fffffffffff},
	{VMA_X86_GS_BASE, VMA_X86_GS_BASE, 0x00007fffffffffff},
	{VMA_X86_GDTR_BASE, VMA_X86_GDTR_BASE, 0x00007fffffffffff},
	{VMA_X86_IDTR_BASE, VMA_X86_IDTR_BASE, 0x00007fffffffffff},
	{VMA_X86_MSR_SYSENTER_ESP, VMA_X86_MSR_SYSENTER_EIP, 0x00007fffffffffff},
	{VMA_X86_MSR_STAR, VMA_X86_MSR_STAR, UINT64_MAX},
	{VMA_X86_MSR_LSTAR, VMA_X86_MSR_CSTAR, 0x00007fffffffffff},
	{VMA_X86_MSR_FMASK, VMA_X86_MSR_FMASK, 0xffffffff},
	{VMA_X86_MSR_KERNEL_GS_BASE, VMA_X86_MSR_KERNEL_GS_BASE, 0x00007fffffffffff},
	{VMA_X86_MSR_TSC_AUX, VMA_X86_MSR_TSC_AUX, 0xffffffff},
};
enum { FREE_COUNT = sizeof free_bits / sizeof *free_bits };

/* A model without RDTSCP, where a platform offers no more, has no TSC_AUX. */
static int absent(const struct guest *g, uint32_t id)
{
	return id == VMA_X86_MSR_TSC_AUX && !vma_x86_has_feature(g->vm, "rdtscp");
}

static int walk(struct conf *conf, struct guest *g, uint32_t id, uint64_t bits)
{
	uint64_t old = guest_get(g, id), want, got;
	for (unsigned b = 0; b < 64; b++) {
		if (!(bits >> b & 1))
			continue;
		want = (old & ~bits) | 1ull << b;
		guest_set(g, id, want);
		CONF_OK(conf, vma_x86_get_regs(g->v, &(vma_x86_regs){0}));
		got = guest_get(g, id);
		if (got != want)
			return conf_fail(conf, "%s: wrote %#llx, read %#llx", vma_reg_name(VMA_ARCH_X86_64, id),
					 (unsigned long long)want, (unsigned long long)got);
	}
	guest_set(g, id, old);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

static int t061(struct conf *conf)
{
	struct guest g;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	for (unsigned i = 0; i < FREE_COUNT; i++)
		for (uint32_t id = free_bits[i].first; id <= free_bits[i].last && !absent(&g, id); id++)
			GUEST_TRY(&g, walk(conf, &g, id, free_bits[i].bits));
	guest_close(&g);
	return CONF_PASS;
}

/* All registers, as they are in the back end: a look at what cannot be set is a look. */
static size_t all_registers(struct guest *g, uint32_t *ids, uint64_t *values, size_t room)
{
	size_t n = room, have = 0;
	if (vma_reg_list(VMA_ARCH_X86_64, ids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) /* not every platform has all MSRs: PKRS */
		if (vma_vcpu_get(g->v, &ids[i], &values[have], 1) >= 0)
			ids[have++] = ids[i];
	return have;
}

static bool moves_by_itself(uint32_t id)
{
	return id == VMA_X86_MSR_TSC;
}

static int t071(struct conf *conf)
{
	struct guest g;
	uint32_t ids[256];
	uint64_t before[256], after[256];
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	size_t n = all_registers(&g, ids, before, 256);
	CONF_EXPECT(conf, n > 60);
	for (unsigned i = 0; i < FREE_COUNT; i++) {
		uint32_t id = free_bits[i].first;
		if (absent(&g, id))
			continue;
		uint64_t old = guest_get(&g, id);
		guest_set(&g, id, old ^ (free_bits[i].bits & 0x840));
		CONF_EQUAL(conf, all_registers(&g, ids, after, 256), n);
		for (size_t r = 0; r < n; r++)
			if (ids[r] != id && !moves_by_itself(ids[r]) && before[r] != after[r])
				return conf_fail(conf, "writing %s changed %s from %#llx to %#llx",
						 vma_reg_name(VMA_ARCH_X86_64, id), vma_reg_name(VMA_ARCH_X86_64, ids[r]),
						 (unsigned long long)before[r], (unsigned long long)after[r]);
		guest_set(&g, id, old);
	}
	guest_close(&g);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* ------ T062, T063: parts of registers ------ */

static int t062(struct conf *conf)
{
	/* mov rax, 0x1122334455667788; mov rbx, rcx, rdx, rsi, r8 = rax; mov al, 0xee; mov bh, 0xdd; mov cx, 0xcccc; mov edx, 0xbbbbbbbb;
	 * mov sil, 0xaa; mov r8b, 0x99; hlt */
	static const uint8_t code[] = {
		0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x48, 0x89, 0xc3, 0x48, 0x89,
		0xc1, 0x48, 0x89, 0xc2, 0x48, 0x89, 0xc6, 0x49, 0x89, 0xc0, 0xb0, 0xee, 0xb7, 0xdd, 0x66,
		0xb9, 0xcc, 0xcc, 0xba, 0xbb, 0xbb, 0xbb, 0xbb, 0x40, 0xb6, 0xaa, 0x41, 0xb0, 0x99, 0xf4,
	};
	struct guest g;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0x11223344556677ee);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RBX), 0x112233445566dd88);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RCX), 0x112233445566cccc);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RDX), 0xbbbbbbbb);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RSI), 0x11223344556677aa);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_R8), 0x1122334455667799);
	guest_close(&g);
	return CONF_PASS;
}

static int t063(struct conf *conf)
{
	/* pushfq; pop rax; hlt */
	static const uint8_t code[] = {0x9c, 0x58, 0xf4};
	struct guest g;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	guest_set(&g, VMA_X86_RFLAGS, 0x8d5); /* without bit 1, which is always set (SDM vol. 1, 3.4.3) */
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RFLAGS), 0x8d7);
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0x8d7);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RFLAGS), 0x8d7);
	guest_set(&g, VMA_X86_RFLAGS, 2); /* a write replaces, it does not merge */
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RFLAGS), 2);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T064, T065, T066: system registers ------ */

static int t064(struct conf *conf)
{
	struct guest g;
	vma_x86_sregs a, b;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	CONF_OK(conf, vma_x86_get_sregs(g.v, &a));
	a.ldtr = (vma_x86_seg){.attr = VMA_SEG_UNUSABLE};
	a.es = (vma_x86_seg){.base = 0x12340, .limit = 0xfffff, .selector = GUEST_DS, .attr = 0x93 | VMA_SEG_DB};
	CONF_OK(conf, vma_x86_set_sregs(g.v, &a));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_OK(conf, vma_x86_get_sregs(g.v, &a));
	CONF_EXPECT(conf, a.ldtr.attr & VMA_SEG_UNUSABLE);
	CONF_EQUAL(conf, a.es.limit, 0xfffff);
	CONF_EQUAL(conf, a.es.base, 0x12340);
	CONF_EQUAL(conf, a.tr.attr & 0xf, 0xb); /* busy */
	CONF_EQUAL(conf, a.cs.attr & VMA_SEG_L, VMA_SEG_L);
	CONF_OK(conf, vma_x86_set_sregs(g.v, &a));
	guest_set(&g, VMA_X86_RIP, GUEST_CODE);
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_OK(conf, vma_x86_get_sregs(g.v, &b));
	CONF_EXPECT(conf, memcmp(&a, &b, sizeof a) == 0);
	guest_close(&g);
	return CONF_PASS;
}

enum { PE = 1, NW = 0x20000000, CD = 0x40000000 };
#define PG 0x80000000ull

static int refuse(struct conf *conf, struct guest *g, const vma_x86_sregs *good, const vma_x86_sregs *bad, const char *what)
{
	vma_x86_sregs now;
	int r = vma_x86_set_sregs(g->v, bad);
	if (r != VMA_E_INVALID)
		return conf_fail(conf, "%s: %s instead of VMA_E_INVALID", what, r < 0 ? vma_error_name(r) : "accepted");
	CONF_OK(conf, vma_x86_get_sregs(g->v, &now));
	if (memcmp(&now, good, sizeof now))
		return conf_fail(conf, "%s: refused, yet the registers changed", what);
	return CONF_PASS;
}

static int t065(struct conf *conf)
{
	struct guest g;
	vma_x86_sregs good, bad;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	CONF_OK(conf, vma_x86_get_sregs(g.v, &good));
	bad = good;
	bad.cr0 &= ~(uint64_t)PE;
	GUEST_TRY(&g, refuse(conf, &g, &good, &bad, "CR0.PG without PE"));
	bad = good;
	bad.cr0 |= NW;
	GUEST_TRY(&g, refuse(conf, &g, &good, &bad, "CR0.NW without CD"));
	bad = good;
	bad.cr4 &= ~0x20ull;
	GUEST_TRY(&g, refuse(conf, &g, &good, &bad, "long mode without CR4.PAE"));
	bad = good;
	bad.efer &= ~0x400ull;
	GUEST_TRY(&g, refuse(conf, &g, &good, &bad, "EFER.LME and CR0.PG without LMA"));
	bad = good;
	bad.cr4 |= 1ull << 40;
	GUEST_TRY(&g, refuse(conf, &g, &good, &bad, "a reserved bit of CR4"));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT)); /* still usable */
	good.cr0 |= CD;
	CONF_OK(conf, vma_x86_set_sregs(g.v, &good));
	guest_close(&g);
	return CONF_PASS;
}

static int t066(struct conf *conf)
{
	/* mov rax, dr0; mov rbx, dr6; mov rcx, dr7; mov rdx, 0x1234; mov dr3, rdx; hlt */
	static const uint8_t code[] = {0x0f, 0x21, 0xc0, 0x0f, 0x21, 0xf3, 0x0f, 0x21, 0xf9, 0x48,
				       0xc7, 0xc2, 0x34, 0x12, 0x00, 0x00, 0x0f, 0x23, 0xda, 0xf4};
	struct guest g;
	vma_x86_dregs d;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	CONF_OK(conf, vma_x86_get_debug_regs(g.v, &d));
	CONF_EQUAL(conf, d.dr6, 0xffff0ff0);
	CONF_EQUAL(conf, d.dr7, 0x400);
	d.dr0 = 0xabcdef;
	CONF_OK(conf, vma_x86_set_debug_regs(g.v, &d));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0xabcdef);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RBX), 0xffff0ff0);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RCX), 0x400);
	CONF_OK(conf, vma_x86_get_debug_regs(g.v, &d));
	CONF_EQUAL(conf, d.dr3, 0x1234);
	/* DR7.GD: the next access to a debug register is a #DB with DR6.BD (SDM vol. 3, 18.2.4) */
	guest_gate(&g, 1, GUEST_CODE + 0x100);
	guest_code(&g, GUEST_CODE + 0x100, "\xf4", 1);
	d.dr7 |= 0x2000;
	CONF_OK(conf, vma_x86_set_debug_regs(g.v, &d));
	guest_set(&g, VMA_X86_RIP, GUEST_CODE);
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RIP), GUEST_CODE + 0x101);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_DR6) & 0x2000, 0x2000);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T067, T068, T069: floating point and vectors ------ */

static int t067(struct conf *conf)
{
	/* fninit; fld1; fldpi; fldz; fstp st(0); mov dword [rsp-8], 0x1fa0; ldmxcsr [rsp-8]; mov word [rsp-8], 0x27f; fldcw [rsp-8]; hlt */
	static const uint8_t code[] = {0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb, 0xd9, 0xee, 0xdd, 0xd8, 0xc7, 0x44,
				       0x24, 0xf8, 0xa0, 0x1f, 0x00, 0x00, 0x0f, 0xae, 0x54, 0x24, 0xf8, 0x66,
				       0xc7, 0x44, 0x24, 0xf8, 0x7f, 0x02, 0xd9, 0x6c, 0x24, 0xf8, 0xf4};
	static const uint8_t pi[10] = {0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40};
	static const uint8_t one[10] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f};
	struct guest g;
	vma_x86_fpu_regs f;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_OK(conf, vma_x86_get_fpu_regs(g.v, &f));
	CONF_EXPECT(conf, memcmp(f.st[0], pi, 10) == 0);
	CONF_EXPECT(conf, memcmp(f.st[1], one, 10) == 0);
	CONF_EQUAL(conf, f.fsw >> 11 & 7, 6);
	CONF_EQUAL(conf, f.ftw, 0xc0);
	CONF_EQUAL(conf, f.fcw, 0x27f);
	CONF_EQUAL(conf, f.mxcsr, 0x1fa0);
	f.mxcsr = 0x1f80;
	f.fcw = 0x37f;
	CONF_OK(conf, vma_x86_set_fpu_regs(g.v, &f));
	f.mxcsr = f.fcw = 0;
	CONF_OK(conf, vma_x86_get_fpu_regs(g.v, &f));
	CONF_EQUAL(conf, f.mxcsr, 0x1f80);
	CONF_EQUAL(conf, f.fcw, 0x37f);
	CONF_EXPECT(conf, memcmp(f.st[0], pi, 10) == 0);
	guest_close(&g);
	return CONF_PASS;
}

static int t068(struct conf *conf)
{
	/* movdqa xmm9, xmm3; pcmpeqd xmm4, xmm4; hlt */
	static const uint8_t code[] = {0x66, 0x44, 0x0f, 0x6f, 0xcb, 0x66, 0x0f, 0x76, 0xe4, 0xf4};
	struct guest g;
	vma_x86_fpu_regs f;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	CONF_OK(conf, vma_x86_get_fpu_regs(g.v, &f));
	for (int i = 0; i < 16; i++)
		f.xmm[3][i] = (uint8_t)(0xa0 + i);
	CONF_OK(conf, vma_x86_set_fpu_regs(g.v, &f));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	memset(&f, 0, sizeof f);
	CONF_OK(conf, vma_x86_get_fpu_regs(g.v, &f));
	for (int i = 0; i < 16; i++) {
		CONF_EQUAL(conf, f.xmm[9][i], 0xa0 + i);
		CONF_EQUAL(conf, f.xmm[3][i], 0xa0 + i);
		CONF_EQUAL(conf, f.xmm[4][i], 0xff);
	}
	guest_close(&g);
	return CONF_PASS;
}

/* XSTATE_BV names no component: all are in their initial state (SDM vol. 1, 13.8.1). */
static int t069(struct conf *conf)
{
	static const uint8_t code[] = {0x66, 0x0f, 0x76, 0xe4, 0xd9, 0xe8, 0xf4}; /* pcmpeqd xmm4, xmm4; fld1; hlt */
	uint8_t image[8192];
	size_t size = sizeof image;
	struct guest g;
	vma_x86_fpu_regs f;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_OK(conf, vma_x86_get_xsave(g.v, image, &size));
	CONF_EXPECT(conf, size >= 576);
	CONF_EQUAL(conf, image[160 + 16 * 4], 0xff); /* XMM4: SDM vol. 1, table 10-2 */
	CONF_EQUAL(conf, image[512] & 3, 3);
	CONF_EQUAL(conf, image[527] & 0x80, 0); /* XCOMP_BV bit 63: not compacted */
	memset(image + 512, 0, 8);
	CONF_OK(conf, vma_x86_set_xsave(g.v, image, size));
	CONF_OK(conf, vma_x86_get_fpu_regs(g.v, &f));
	CONF_EQUAL(conf, f.xmm[4][0], 0);
	CONF_EQUAL(conf, f.ftw, 0);
	CONF_EQUAL(conf, f.fcw, 0x37f);
	memset(image + 512, 0xff, 8); /* components that nothing has */
	CONF_EXPECT(conf, vma_x86_set_xsave(g.v, image, size) < 0);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T072, T073: batches ------ */

static int t072(struct conf *conf)
{
	/* mov rax, 1; hlt; mov rax, 2; hlt */
	static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0xf4, 0xb8, 2, 0, 0, 0, 0xf4};
	struct guest g;
	vma_x86_regs r;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	for (uint64_t i = 1; i <= 2; i++) {
		GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
		CONF_OK(conf, vma_x86_get_regs(g.v, &r));
		CONF_EQUAL(conf, r.rax, i);
		CONF_OK(conf, vma_x86_set_regs(g.v, &r, VMA_X86_ALL_REGS));
	}
	r.rax = 77;
	r.rbx = 88;
	CONF_OK(conf, vma_x86_set_regs(g.v, &r, VMA_X86_REG_BIT(VMA_X86_RBX))); /* only RBX */
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 2);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RBX), 88);
	guest_close(&g);
	return CONF_PASS;
}

static int t073(struct conf *conf)
{
	struct guest g;
	const uint32_t ids[3] = {VMA_X86_RAX, 0xdead, VMA_X86_RBX};
	uint64_t values[3] = {11, 22, 33};
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	CONF_EQUAL(conf, vma_vcpu_set(g.v, ids, values, 3), VMA_E_INVALID);
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0);
	CONF_EQUAL(conf, vma_vcpu_get(g.v, ids, values, 3), VMA_E_INVALID);
	CONF_EQUAL(conf, values[0], 11);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T074, T075: MSRs ------ */

static int t074(struct conf *conf)
{
	struct guest g;
	const uint32_t ids[3] = {0xc0000081, 0x12345678, 0xc0000082};
	uint64_t values[3] = {0x0023001000000000, 0, 0x8000};
	GUEST_TRY(&g, guest_open(&g, conf, NULL, "\xf4", 1));
	CONF_EQUAL(conf, vma_x86_set_msrs(g.v, ids, values, 3), 1);
	CONF_EXPECT(conf, strstr(vma_why(), "12345678"));
	values[0] = 0;
	CONF_EQUAL(conf, vma_x86_get_msrs(g.v, ids, values, 3), 1);
	CONF_EQUAL(conf, values[0], 0x0023001000000000);
	CONF_EQUAL(conf, vma_x86_get_msrs(g.v, ids + 1, values, 1), VMA_E_NO_ACCEL);
	values[0] = 0x0000123400000000; /* bits of EFER that are reserved */
	CONF_EXPECT(conf, vma_x86_set_msrs(g.v, (const uint32_t[]){0xc0000080}, values, 1) < 1);
	guest_close(&g);
	return CONF_PASS;
}

static const struct {
	uint32_t index;
	uint64_t host, guest;
} shared_msrs[] = {
	{0xc0000081, 0x0023001000000000, 0x0033001800000000}, /* STAR */
	{0xc0000082, 0x0000123456789abc, 0xffff800012345678}, /* LSTAR */
	{0xc0000084, 0x47700, 0x200},                         /* FMASK */
	{0xc0000102, 0x0000111122223333, 0xffffffff80000000}, /* KERNEL_GS_BASE */
	{0xc0000100, 0x0000222233334444, 0xffff888000000000}, /* FS_BASE */
	{0xc0000101, 0x0000333344445555, 0xffff999900000000}, /* GS_BASE */
	{0x174, 0x10, 0x20},                                  /* SYSENTER_CS */
	{0x175, 0x7000, 0x6000},
	{0x176, 0x8000, 0x9000},
	{0x277, 0x0007040600070406, 0x0007050600070106}, /* PAT */
	{0xc0000103, 5, 9},                              /* TSC_AUX */
	{0x2ff, 0xc06, 0x806},                           /* MTRR_DEF_TYPE */
};

static int t075(struct conf *conf)
{
	static const uint8_t code[] = {0x0f, 0x32, 0xf4, 0x0f, 0x30, 0xf4}; /* rdmsr; hlt; wrmsr; hlt */
	struct guest g;
	GUEST_TRY(&g, guest_open(&g, conf, NULL, code, sizeof code));
	for (unsigned i = 0; i < sizeof shared_msrs / sizeof *shared_msrs; i++) {
		uint64_t value = shared_msrs[i].host, seen, want = shared_msrs[i].guest;
		if (shared_msrs[i].index == 0xc0000103 && vma_x86_has_feature(g.vm, "rdtscp") != 1)
			continue; /* TSC_AUX comes with RDTSCP (SDM vol. 4, table 2-2) */
		CONF_EQUAL(conf, vma_x86_set_msrs(g.v, &shared_msrs[i].index, &value, 1), 1);
		guest_set(&g, VMA_X86_RIP, GUEST_CODE);
		guest_set(&g, VMA_X86_RCX, shared_msrs[i].index);
		if (guest_run(&g, VMA_EXIT_HLT) != CONF_PASS) {
			snprintf(conf->reason, sizeof conf->reason, "RDMSR of %#x does not reach the HLT behind it", shared_msrs[i].index);
			return CONF_FAIL;
		}
		seen = guest_get(&g, VMA_X86_RAX) | guest_get(&g, VMA_X86_RDX) << 32;
		CONF_EQUAL(conf, seen, value);
		guest_set(&g, VMA_X86_RAX, want & 0xffffffff);
		guest_set(&g, VMA_X86_RDX, want >> 32);
		GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
		CONF_EQUAL(conf, vma_x86_get_msrs(g.v, &shared_msrs[i].index, &value, 1), 1);
		CONF_EQUAL(conf, value, want);
	}
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T077, T078, T079: states and modes ------ */

static int check_reset(struct conf *conf, struct guest *g)
{
	vma_x86_sregs s;
	vma_x86_fpu_regs f;
#define VMA_X(NAME, field, kvm, whpx, hvf, gdb, reset)                                                                 \
	if (VMA_X86_##NAME != VMA_X86_RDX)                                                                             \
		CONF_EQUAL(conf, guest_get(g, VMA_X86_##NAME), reset);
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
	CONF_OK(conf, vma_x86_get_sregs(g->v, &s));
#define VMA_X(NAME, field, kvm, whpx, hvf, gdb, sel, b, attributes)                                                    \
	CONF_EQUAL(conf, s.field.selector, sel);                                                                       \
	CONF_EQUAL(conf, s.field.base, b);                                                                             \
	CONF_EQUAL(conf, s.field.limit, 0xffff);                                                                       \
	CONF_EQUAL(conf, s.field.attr & 0xf0ff, attributes);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
	CONF_EQUAL(conf, s.cr0, 0x60000010);
	CONF_EQUAL(conf, s.cr3 | s.cr4 | s.efer, 0);
	CONF_EQUAL(conf, s.idtr.limit, 0xffff);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_DR6), 0xffff0ff0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_DR7), 0x400);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_XCR0), 1);
	CONF_OK(conf, vma_x86_get_fpu_regs(g->v, &f));
	CONF_EQUAL(conf, f.mxcsr, 0x1f80);
	CONF_EQUAL(conf, f.fcw, 0x40);
	CONF_EQUAL(conf, f.ftw, 0xff); /* tag word 0x5555: all zero, none empty */
	return CONF_PASS;
}

static int t077(struct conf *conf)
{
	struct guest g;
	GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_RESET}, "\xf4", 1));
	GUEST_TRY(&g, check_reset(conf, &g));
	GUEST_TRY(&g, guest_set_mode(&g, g.v, GUEST_LONG));
	guest_set(&g, VMA_X86_RAX, 5);
	CONF_OK(conf, vma_vcpu_reset(g.v));
	GUEST_TRY(&g, check_reset(conf, &g));
	guest_close(&g);
	return CONF_PASS;
}

/* From real mode to 64-bit mode by the guest's own code (SDM vol. 3, 10.8.5), then the same three modes by the host. */
static int t078(struct conf *conf)
{
	/* cli; lgdt [0x9000]; CR0.PE; jmp 8:prot; prot: data segments; CR4.PAE; CR3 = 0x100000; EFER.LME; CR0.PG; jmp 0x18:long64; long64: mov rax,
	 * 0x1122334455667788; hlt */
	static const uint8_t code[] = {
		0xfa, 0x0f, 0x01, 0x16, 0x00, 0x90, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x66, 0xea, 0x16, 0x80,
		0x00, 0x00, 0x08, 0x00, 0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xd0, 0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x20,
		0x0f, 0x22, 0xe0, 0xb8, 0x00, 0x00, 0x10, 0x00, 0x0f, 0x22, 0xd8, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32,
		0x80, 0xcc, 0x01, 0x0f, 0x30, 0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea, 0x4d,
		0x80, 0x00, 0x00, 0x18, 0x00, 0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xf4,
	};
	static const uint8_t gdtr[] = {0x2f, 0, 0, 0x10, 0, 0};
	struct guest g;
	vma_x86_sregs s;
	GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_REAL}, code, sizeof code));
	guest_code(&g, 0x9000, gdtr, sizeof gdtr);
	GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), 0x1122334455667788);
	CONF_OK(conf, vma_x86_get_sregs(g.v, &s));
	CONF_EQUAL(conf, s.efer & 0x500, 0x500);
	CONF_EXPECT(conf, s.cs.attr & VMA_SEG_L);
	guest_code(&g, GUEST_CODE, "\x40\x90\xf4", 3); /* inc eax (a REX prefix in 64-bit mode); nop; hlt */
	for (int mode = GUEST_PROT; mode <= GUEST_LONG; mode++) {
		GUEST_TRY(&g, guest_set_mode(&g, g.v, (enum guest_mode)mode));
		GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RAX), mode == GUEST_LONG ? 0 : 1);
	}
	guest_close(&g);
	return CONF_PASS;
}

/* A data segment of 4 KiB, then one of a page in units of pages: the last byte is reached, the next raises #GP (SDM vol. 3, 5.3). */
static int t079(struct conf *conf)
{
	/* mov ax, 0x28; mov ds, ax; mov eax, [0xffc]; mov ebx, 1; mov eax, [0xffd]; mov ebx, 2; hlt */
	static const uint8_t code[] = {0x66, 0xb8, 0x28, 0x00, 0x8e, 0xd8, 0xa1, 0xfc, 0x0f, 0x00, 0x00, 0xbb, 0x01, 0x00,
				       0x00, 0x00, 0xa1, 0xfd, 0x0f, 0x00, 0x00, 0xbb, 0x02, 0x00, 0x00, 0x00, 0xf4};
	static const uint64_t segments[2] = {0x0040930000000fff, 0x00c0930000000000}; /* limit 0xfff, G=0; limit 0, G=1 */
	struct guest g;
	for (int i = 0; i < 2; i++) {
		GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_PROT}, code, sizeof code));
		guest_code(&g, GUEST_GDT + 0x28, &segments[i], 8);
		/* interrupt gate for #GP to 8:0x8100, which halts */
		guest_code(&g, GUEST_IDT + 13 * 8, "\x00\x81\x08\x00\x00\x8e\x00\x00", 8);
		guest_code(&g, 0x8100, "\xf4", 1);
		GUEST_TRY(&g, guest_run(&g, VMA_EXIT_HLT));
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RIP), 0x8101);
		CONF_EQUAL(conf, guest_get(&g, VMA_X86_RBX), 1);
		guest_close(&g);
	}
	return CONF_PASS;
}

static const struct conf_check checks[] = {
	{61, "Every named register round-trip with walking bits, masked by architecture", "any state", t061, NULL,
	 t061_arm64},
	{62, "AL/AH/AX/EAX, SPL vs AH, R8B: read and write rules", "x86 state guest", t062, NULL},
	{63, "FLAGS/EFLAGS/RFLAGS: replaced, not merged, bit 1 always set", "x86 state guest", t063, NULL},
	{64, "Segments: unusable, granularity, L, TR busy: round-trip idempotent over a run", "x86 state guest", t064, NULL},
	{65, "CR0/CR4/EFER: invalid combinations refused, VM usable", "x86 state guest", t065, NULL},
	{66, "DR0-7 both ways, DR6 reset value, DR7.GD", "x86 state guest", t066, NULL},
	{67, "FPU: FCW FSW FTW(abridged), ST order after FSTP, MXCSR kept separately from FCW", "x86 state guest", t067, NULL},
	{68, "XMM visible to guest and back", "x86 state guest", t068, NULL},
	{69, "XSAVE: standard layout; XSTATE_BV=0 is the initial state; unknown components refused", "x86 state guest", t069, NULL},
	{70, "V0-31, FPCR/FPSR; PSTATE; SP_EL0/1; ELR/SPSR: as the host wrote them, and as the guest did", "arm64 state guest", NULL,
	 NULL, t070_arm64},
	{71, "Set one register does not disturb any other (pairwise over classes)", "any state", t071, NULL,
	 t071_arm64},
	{72, "Get after run reflects guest; get, set, get identity; partial set writes no more", "any state guest", t072, NULL,
	 t072_arm64},
	{73, "Batch with one bad id: nothing read, nothing written", "any state", t073, NULL,
	 t073_arm64},
	{74, "MSRs: an unknown one stops a batch at its index and is named; reserved bits refused", "x86 state guest", t074, NULL},
	{75, "MSRs written by the host are seen by the guest and reverse", "x86 state guest", t075, NULL},
	{76, "Every sysreg in the list round-trip; ID registers frozen by the first run", "arm64 state guest", NULL, NULL, t076_arm64},
	{77, "Reset state is the architecture's table, at creation and after reset", "any state", t077, NULL,
	 t077_arm64},
	{78, "Mode switch real to protected to long by guest code and by host register writes", "x86 state guest", t078, NULL},
	{79, "Protected mode segment limit checks G=0/1", "x86 state guest", t079, NULL},
};

#define NO_FPU "a KVM without VMX or SVM emulates instructions in the kernel, and its emulator has no x87 and SSE arithmetic"
static const struct conf_difference differences[] = {
	{67, VMA_ACCEL_KVM, NO_FPU, "emulating"},
	{68, VMA_ACCEL_KVM, NO_FPU, "emulating"},
	{69, VMA_ACCEL_KVM, NO_FPU, "emulating"},
	{66, VMA_ACCEL_KVM, "QEMU's processor, in which this KVM runs, does not know DR7.GD (SDM vol. 3, 18.2.4)", "QEMU"},
	{79, VMA_ACCEL_KVM, "QEMU's processor, in which this KVM runs, does not check segment limits (SDM vol. 3, 5.3)", "QEMU"},
};

CONF_GROUP(state, checks, differences, sizeof differences / sizeof *differences);
