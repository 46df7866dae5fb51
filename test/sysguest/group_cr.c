/* group_cr.c - which values CR0, CR3, CR4, CR8 and EFER take, TSC_ADJUST, TSC_DEADLINE, x2APIC and TPR, PAT and MTRR
 * MSRs (SDM vol. 2, MOV to CR; vol. 3, 2.5, 11.5.4, 11.12, 12.11, 18.17.3). sysguest-bits: 64 */
#include "tables.h"

enum {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_TSC_ADJUST = 0x3b,
	MSR_MTRRCAP = 0xfe,
	MSR_PAT = 0x277,
	MSR_MTRR_DEF = 0x2ff,
	MSR_TSC_DEADLINE = 0x6e0,
	X2APIC_ID = 0x802,
	X2APIC_VERSION = 0x803,
	X2APIC_TPR = 0x808,
	X2APIC_PPR = 0x80a,
	X2APIC_EOI = 0x80b,
	X2APIC_LDR = 0x80d,
	X2APIC_SVR = 0x80f,
	X2APIC_ESR = 0x828,
	X2APIC_ICR = 0x830,
	X2APIC_LVT_TIMER = 0x832,
	X2APIC_TIMER_COUNT = 0x838,
	X2APIC_SELF_IPI = 0x83f
};

static unsigned caught;

static void count(struct sg_regs *r)
{
	(void)r;
	caught++;
	sg_wrmsr(X2APIC_EOI, 0);
}

/* Each bit of a register, changed alone: which are refused. */
static void bits(const char *name, int cr, uint64_t skip)
{
	uint64_t old = sg_cr(cr), refused = 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		if (skip >> bit & 1)
			continue;
		if (sg_set_cr(cr, old ^ 1ull << bit) != SG_OK)
			refused |= 1ull << bit;
		else
			sg_set_cr(cr, old);
	}
	sg_line(name, "%llx", (unsigned long long)refused);
}

static void control(void)
{
	uint64_t cr0 = sg_cr(0);
	bits("cr.cr0_high", 0, 0xffffffff);
	sg_set_cr(0, cr0 & ~0x10ull);
	sg_check("cr.cr0_et", sg_cr(0), cr0);
	sg_set_cr(0, cr0 | 0x1ffaffc0);
	sg_line("cr.cr0_reserved", "%s %lx", sg_fault_text(), (unsigned long)(sg_cr(0) ^ cr0));
	sg_set_cr(0, cr0);
	uint64_t root = sg_cr(3);
	sg_set_cr(3, root | 0xfff);
	sg_line("cr.cr3_low", "%s", sg_fault_text());
	sg_set_cr(3, root);
	sg_set_cr(2, 0x123456789abcdef0);
	sg_check("cr.cr2", sg_cr(2), 0x123456789abcdef0);
}

/* Who lets one of these pass does not come back, so they are last. */
static void deadly(void)
{
	uint64_t cr0 = sg_cr(0), root = sg_cr(3);
	unsigned width = sg_maxphyaddr();
	sg_set_cr(0, cr0 & ~(uint64_t)CR0_PG);
	sg_expect("cr.deadly_cr0_pg_in_64_bit_code", sg_fault_text(), "#GP(0)");
	sg_set_cr(0, cr0 & ~(uint64_t)CR0_PE);
	sg_expect("cr.deadly_cr0_pe_with_pg", sg_fault_text(), "#GP(0)");
	sg_set_cr(0, cr0 | CR0_NW);
	sg_expect("cr.deadly_cr0_nw_without_cd", sg_fault_text(), "#GP(0)");
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_PAE);
	sg_expect("cr.deadly_cr4_pae", sg_fault_text(), "#GP(0)");
	sg_set_cr(3, root | 1ull << width);
	sg_expect("cr.deadly_cr3_width", sg_fault_text(), "#GP(0)");
	sg_set_cr(3, root | 1ull << 63);
	sg_expect("cr.deadly_cr3_63", sg_fault_text(), "#GP(0)");
	/* VMXE, SMXE, LASS, LAM, UINTR are not for every CPU: not compared */
	bits("cr.deadly_cr4_high", 4, 0x000000001fffffff);
	sg_set_cr(4, sg_cr(4) | 1 << 15);
	sg_expect("cr.deadly_cr4_bit_15", sg_fault_text(), "#GP(0)");
}

static void cr8(void)
{
	for (unsigned v = 0; v < 16; v += 5) {
		sg_set_cr(8, v);
		sg_check(sg_name("cr.cr8", "", v), sg_cr(8), v);
	}
	sg_set_cr(8, 16);
	sg_expect("cr.cr8_16", sg_fault_text(), "#GP(0)");
	sg_set_cr(8, 1ull << 63);
	sg_expect("cr.cr8_high", sg_fault_text(), "#GP(0)");
	sg_set_cr(8, 0);
}

static void efer(void)
{
	uint64_t v, old;
	sg_rdmsr(MSR_EFER, &old);
	sg_check("cr.efer", old, EFER_LME | EFER_LMA | EFER_NXE);
	sg_wrmsr(MSR_EFER, old & ~(uint64_t)EFER_LME);
	sg_expect("cr.efer_lme", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_EFER, old & ~(uint64_t)EFER_LMA);
	sg_rdmsr(MSR_EFER, &v);
	sg_check("cr.efer_lma", v, old);
	sg_wrmsr(MSR_EFER, old | 2);
	sg_expect("cr.efer_1", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_EFER, old | 1ull << 63);
	sg_expect("cr.efer_63", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_EFER, old | EFER_SCE);
	sg_rdmsr(MSR_EFER, &v);
	sg_check("cr.efer_sce", v, old | EFER_SCE);
	sg_wrmsr(MSR_EFER, old);
}

static void tsc(void)
{
	uint64_t a, b, adjust = 0;
	if (!sg_has(SG_TSC_ADJUST)) {
		sg_skip("cr.tsc*", "no TSC_ADJUST");
		return;
	}
	sg_rdmsr(MSR_TSC_ADJUST, &adjust);
	sg_check("cr.tsc_adjust", adjust, 0);
	/* both move by what either is moved */
	sg_rdmsr(MSR_TSC, &a);
	sg_wrmsr(MSR_TSC_ADJUST, 1ull << 60);
	sg_rdmsr(MSR_TSC, &b);
	sg_check("cr.tsc_by_adjust", (b - a) >> 59, 2);
	sg_wrmsr(MSR_TSC, b + (1ull << 61));
	sg_rdmsr(MSR_TSC_ADJUST, &adjust);
	sg_check("cr.tsc_adjust_by_tsc", (adjust + (1ull << 40)) >> 58, 12);
	sg_wrmsr(MSR_TSC_ADJUST, 0);
	sg_rdmsr(MSR_TSC, &b);
	sg_check("cr.tsc_back", (b - a) >> 59, 0);
}

static void types(void)
{
	uint64_t cap = 0, v = 0;
	sg_wrmsr(MSR_PAT, 0x0007040600070406);
	sg_expect("cr.pat", sg_fault_text(), "ok");
	sg_wrmsr(MSR_PAT, 2);
	sg_expect("cr.pat_2", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_PAT, 0x0800000000000000);
	sg_expect("cr.pat_8", sg_fault_text(), "#GP(0)");
	sg_rdmsr(MSR_PAT, &v);
	sg_check("cr.pat_value", v, 0x0007040600070406);
	sg_rdmsr(MSR_MTRRCAP, &cap);
	sg_check("cr.mtrr_fixed_and_wc", cap >> 8 & 5, 5);
	sg_wrmsr(MSR_MTRRCAP, cap);
	sg_expect("cr.mtrrcap_write", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_MTRR_DEF, 0xc02);
	sg_expect("cr.mtrr_def_2", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_MTRR_DEF, 0x1c06);
	sg_expect("cr.mtrr_def_12", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_MTRR_DEF, 0xc06);
	sg_rdmsr(MSR_MTRR_DEF, &v);
	sg_check("cr.mtrr_def", v, 0xc06);
	sg_wrmsr(0x200, 0x80000000 | 2);
	sg_expect("cr.mtrr_base_2", sg_fault_text(), "#GP(0)");
	sg_wrmsr(0x201, 1ull << 52);
	sg_expect("cr.mtrr_mask_52", sg_fault_text(), "#GP(0)");
	sg_wrmsr(0x250, 0x0606060606060606);
	sg_rdmsr(0x250, &v);
	sg_check("cr.mtrr_fix", v, 0x0606060606060606);
	sg_wrmsr(0x250, 3);
	sg_expect("cr.mtrr_fix_3", sg_fault_text(), "#GP(0)");
}

/* An interrupt is due at once; KVMs that emulate take some instructions. */
static void a_while(void)
{
	for (unsigned n = 0; n < 100; n++)
		__asm__ volatile("nop" ::: "memory");
}

static const char *write(uint32_t index, uint64_t v)
{
	sg_wrmsr(index, v);
	return sg_fault_text();
}

static const char *read(uint32_t index, uint64_t *v)
{
	sg_rdmsr(index, v);
	return sg_fault_text();
}

static void x2apic(void)
{
	uint64_t base = 0, v = 0;
	if (!sg_has(SG_X2APIC)) {
		sg_skip("cr.x2*", "no x2APIC");
		return;
	}
	sg_rdmsr(MSR_APIC_BASE, &base);
	sg_check("cr.x2_base", base & 0xffffffffffffff00, 0xfee00900);
	sg_expect("cr.x2_msr_in_xapic_mode", read(X2APIC_ID, &v), "#GP(0)");
	sg_expect("cr.x2_extd_without_en", write(MSR_APIC_BASE, (base & ~0x800ull) | 0x400), "#GP(0)");
	sg_expect("cr.x2_reserved", write(MSR_APIC_BASE, base | 1), "#GP(0)");
	sg_expect("cr.x2_enable", write(MSR_APIC_BASE, base | 0x400), "ok");
	sg_expect("cr.x2_back_to_xapic", write(MSR_APIC_BASE, base), "#GP(0)");
	read(X2APIC_ID, &v);
	sg_check("cr.x2_id", v, 0);
	read(X2APIC_LDR, &v);
	sg_check("cr.x2_ldr", v, 1);
	sg_expect("cr.x2_ldr_write", write(X2APIC_LDR, 1), "#GP(0)");
	sg_expect("cr.x2_id_write", write(X2APIC_ID, 0), "#GP(0)");
	sg_expect("cr.x2_version_write", write(X2APIC_VERSION, 0), "#GP(0)");
	sg_expect("cr.x2_dfr", read(0x80e, &v), "#GP(0)");
	sg_expect("cr.x2_icr_high", read(0x831, &v), "#GP(0)");
	sg_expect("cr.x2_eoi_read", read(X2APIC_EOI, &v), "#GP(0)");
	sg_expect("cr.x2_eoi_1", write(X2APIC_EOI, 1), "#GP(0)");
	sg_expect("cr.x2_self_ipi_read", read(X2APIC_SELF_IPI, &v), "#GP(0)");
	sg_expect("cr.x2_tpr_high", write(X2APIC_TPR, 0x100), "#GP(0)");
	sg_expect("cr.x2_svr_high", write(X2APIC_SVR, 1ull << 32), "#GP(0)");
	sg_expect("cr.x2_esr_1", write(X2APIC_ESR, 1), "#GP(0)");
	sg_expect("cr.x2_reserved_msr", read(0x80c, &v), "#GP(0)");
}

/* CR8, the TPR and self IPIs: a vector waits while its class is not above the TPR's. */
static void priorities(void)
{
	uint64_t v = 0;
	if (!sg_has(SG_X2APIC))
		return;
	sg_handler[0x51] = count;
	write(X2APIC_SVR, 0x1ff);
	sg_set_cr(8, 5);
	read(X2APIC_TPR, &v);
	sg_check("cr.x2_tpr_by_cr8", v, 0x50);
	write(X2APIC_TPR, 0x5f);
	sg_check("cr.x2_cr8_by_tpr", sg_cr(8), 5);
	write(X2APIC_SELF_IPI, 0x51);
	__asm__ volatile("sti; nop; nop" ::: "memory");
	sg_check("cr.x2_held_back", caught, 0);
	read(X2APIC_PPR, &v);
	sg_check("cr.x2_ppr", v, 0x5f);
	sg_set_cr(8, 4);
	a_while();
	sg_check("cr.x2_let_through", caught, 1);
	write(X2APIC_ICR, 0x40051); /* to itself */
	a_while();
	sg_check("cr.x2_icr_self", caught, 2);
	__asm__ volatile("cli");
	sg_set_cr(8, 0);
}

static uint64_t now(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}

static void wait_for(unsigned n)
{
	uint64_t end = now() + 4000000000ull;
	__asm__ volatile("sti" ::: "memory");
	while (*(volatile unsigned *)&caught < n && now() < end)
		;
	__asm__ volatile("cli");
}

static void deadline(void)
{
	uint64_t v = 1;
	if (!sg_has(SG_TSC_DEADLINE) || !sg_has(SG_X2APIC)) {
		sg_skip("cr.deadline*", "no TSC_DEADLINE");
		return;
	}
	caught = 0;
	write(X2APIC_LVT_TIMER, 0x51); /* one-shot: the MSR is not armed */
	write(MSR_TSC_DEADLINE, now() + 1000);
	read(MSR_TSC_DEADLINE, &v);
	sg_check("cr.deadline_other_mode", v, 0);
	write(X2APIC_LVT_TIMER, 0x40051);
	write(X2APIC_TIMER_COUNT, 1000); /* ignored in this mode */
	read(X2APIC_TIMER_COUNT, &v);
	sg_check("cr.deadline_count", v, 0);
	uint64_t far = now() + (1ull << 50);
	write(MSR_TSC_DEADLINE, far);
	read(MSR_TSC_DEADLINE, &v);
	sg_check("cr.deadline_reads", v == far, 1);
	write(MSR_TSC_DEADLINE, 0);
	read(MSR_TSC_DEADLINE, &v);
	sg_check("cr.deadline_disarmed", v, 0);
	sg_check("cr.deadline_none", caught, 0);
	write(MSR_TSC_DEADLINE, 1); /* past: at once */
	wait_for(1);
	sg_check("cr.deadline_past", caught, 1);
	read(MSR_TSC_DEADLINE, &v);
	sg_check("cr.deadline_zero_after", v, 0);
	write(MSR_TSC_DEADLINE, now() + 1000000);
	wait_for(2);
	sg_check("cr.deadline_fires", caught, 2);
	write(X2APIC_LVT_TIMER, 0x10000);
}

void sg_group(void)
{
	control();
	cr8();
	efer();
	tsc();
	types();
	x2apic();
	priorities();
	deadline();
	deadly();
}
