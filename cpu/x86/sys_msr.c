/* sys_msr.c - the MSRs that the CPU owns: where they are kept, which values are legal (SDM vol. 4, table 2-2; vol.
 * 3, 12.11 for the MTRRs). Everything else is the environment's (APIC_BASE, x2APIC, TSC_DEADLINE) or #GP. */
#include "sys.h"

enum kind {
	MASK,      /* bits outside `valid` fault */
	CANONICAL, /* a linear address */
	CONST,     /* reads as `valid`, writing faults */
	IGNORED,   /* reads as `valid`, writing is accepted */
	TYPES,     /* eight memory types, a bit of `valid` for each legal one */
	MTRR_BASE,
	MTRR_MASK,
	LOGGED, /* the machine's to write, software's to clear */
	SPECIAL /* own code below */
};

struct msr {
	uint32_t index;
	uint16_t feature; /* 0: always there */
	uint8_t kind;
	uint16_t offset;
	uint64_t valid, reset;
};

enum {
	MSR_TSC = 0x10,
	MSR_PLATFORM_ID = 0x17,
	MSR_FEATURE_CONTROL = 0x3a,
	MSR_TSC_ADJUST = 0x3b,
	MSR_BIOS_UPDT = 0x79,
	MSR_BIOS_SIGN = 0x8b,
	MSR_MTRRCAP = 0xfe,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_MCG_CAP = 0x179,
	MSR_MCG_STATUS = 0x17a,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_MCG_CTL = 0x17b,
	MSR_DEBUGCTL = 0x1d9,
	MSR_MTRR_PHYS = 0x200,
	MSR_PAT = 0x277,
	MSR_PKRS = 0x6e1,
	MSR_MTRR_DEF = 0x2ff,
	MSR_XSS = 0xda0,
	MSR_MC0_CTL = 0x400,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_FS_BASE 0xc0000100u

enum { MTRR_PAIRS = 8, MTRR_TYPES = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6, PAT_TYPES = MTRR_TYPES | 1 << 7 };
#define MISC_ENABLE_BITS (1 | 1 << 3 | 1 << 7 | 3 << 11 | 1 << 16 | 1 << 18 | 1 << 22 | 1 << 23 | UINT64_C(1) << 34)

/* SDM vol. 3, "Machine-Check Global Control MSRs": MCG_CTL is there, no CMCI, no threshold, no extended state. */
#define MCG_CAP (X86_MC_BANKS | 1 << 8)
#define DEBUGCTL_LBR 1 /* accepted; no stack of branch records is shown */

#define AT(field) offsetof(struct x86_cpu, field)
static const struct msr msrs[] = {
	{MSR_TSC, X86_F_TSC, SPECIAL, 0, 0, 0},
	{MSR_PLATFORM_ID, 0, CONST, 0, 0, 0},
	{MSR_FEATURE_CONTROL, 0, CONST, 0, 1, 0}, /* locked, nothing enabled */
	{MSR_TSC_ADJUST, X86_F_TSC_ADJUST, SPECIAL, 0, 0, 0},
	{MSR_BIOS_UPDT, 0, IGNORED, 0, 0, 0},
	{MSR_BIOS_SIGN, 0, IGNORED, 0, UINT64_C(1) << 32, 0},                  /* some revision, in the upper half */
	{MSR_MTRRCAP, X86_F_MTRR, CONST, 0, MTRR_PAIRS | 1 << 8 | 1 << 10, 0}, /* fixed ones, write-combining */
	{MSR_SYSENTER_CS, X86_F_SEP, MASK, AT(sysenter_cs), 0xffffffff, 0},
	{MSR_SYSENTER_ESP, X86_F_SEP, CANONICAL, AT(sysenter_esp), 0, 0},
	{MSR_SYSENTER_EIP, X86_F_SEP, CANONICAL, AT(sysenter_eip), 0, 0},
	{MSR_MCG_CAP, X86_F_MCA, CONST, 0, MCG_CAP, 0},
	{MSR_MCG_STATUS, X86_F_MCA, MASK, AT(mcg_status), 7, 0},
	{MSR_MCG_CTL, X86_F_MCA, MASK, AT(mcg_ctl), ~UINT64_C(0), ~UINT64_C(0)},
	{MSR_MISC_ENABLE, 0, MASK, AT(misc_enable), MISC_ENABLE_BITS, 1},
	{MSR_DEBUGCTL, 0, MASK, AT(debugctl), DEBUGCTL_LBR | X86_DEBUGCTL_BTF, 0},
	{MSR_PAT, X86_F_PAT, TYPES, AT(pat), PAT_TYPES, 0x0007040600070406},
	{MSR_MTRR_DEF, X86_F_MTRR, SPECIAL, AT(mtrr_def_type), 0, 0},
	{MSR_XSS, X86_F_XSAVES, MASK, AT(xss), 0, 0},
	{MSR_EFER, 0, SPECIAL, AT(efer), 0, 0},
	{MSR_PKRS, X86_F_PKS, SPECIAL, AT(pkrs), 0, 0},
	{MSR_STAR, X86_F_LM, MASK, AT(star), ~UINT64_C(0), 0},
	{MSR_STAR + 1, X86_F_LM, CANONICAL, AT(lstar), 0, 0},
	{MSR_STAR + 2, X86_F_LM, CANONICAL, AT(cstar), 0, 0},
	{MSR_STAR + 3, X86_F_LM, MASK, AT(fmask), 0xffffffff, 0},
	{MSR_FS_BASE, X86_F_LM, CANONICAL, AT(seg[X86_FS].base), 0, 0},
	{MSR_FS_BASE + 1, X86_F_LM, CANONICAL, AT(seg[X86_GS].base), 0, 0},
	{MSR_FS_BASE + 2, X86_F_LM, CANONICAL, AT(kernel_gs_base), 0, 0},
	{MSR_FS_BASE + 3, X86_F_RDTSCP, MASK, AT(tsc_aux), 0xffffffff, 0},
};

/* The fixed-range MTRRs, in the order of mtrr_fixed[]. */
static const uint16_t fixed_mtrrs[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

static bool find_mtrr(uint32_t index, struct msr *m)
{
	if (index >= MSR_MTRR_PHYS && index < MSR_MTRR_PHYS + 2 * MTRR_PAIRS) {
		unsigned n = index - MSR_MTRR_PHYS;
		*m = (struct msr){index, X86_F_MTRR, n & 1 ? MTRR_MASK : MTRR_BASE, (uint16_t)(AT(mtrr_phys) + n * 8),
			MTRR_TYPES, 0};
		return true;
	}
	for (unsigned i = 0; i < sizeof fixed_mtrrs / sizeof *fixed_mtrrs; i++) {
		if (index == fixed_mtrrs[i]) {
			*m = (struct msr){index, X86_F_MTRR, TYPES, (uint16_t)(AT(mtrr_fixed) + i * 8), MTRR_TYPES, 0};
			return true;
		}
	}
	return false;
}

/* Four MSRs a bank (SDM vol. 3, "Error-Reporting Register Banks"): CTL has all its bits, the others hold what the machine
 * logged. */
static bool find_bank(uint32_t index, struct msr *m)
{
	unsigned n = index - MSR_MC0_CTL;
	if (index < MSR_MC0_CTL || n >= 4 * X86_MC_BANKS)
		return false;
	*m = (struct msr){index, X86_F_MCA, n & 3 ? LOGGED : MASK, (uint16_t)(AT(mc_bank) + n * 8), ~UINT64_C(0), 0};
	return true;
}

static bool find(const struct x86_cpu *c, uint32_t index, struct msr *m)
{
	bool found = find_mtrr(index, m) || find_bank(index, m);
	for (unsigned i = 0; !found && i < sizeof msrs / sizeof *msrs; i++) {
		if (msrs[i].index == index) {
			*m = msrs[i];
			found = true;
		}
	}
	bool pid = index == MSR_FS_BASE + 3 && x86_has(c, X86_F_RDPID); /* TSC_AUX: for RDTSCP or RDPID */
	return found && (!m->feature || x86_has(c, m->feature) || pid);
}

static uint64_t *field(struct x86_cpu *c, const struct msr *m)
{
	return (uint64_t *)((char *)c + m->offset);
}

static bool types_ok(uint64_t v, uint64_t legal)
{
	for (int i = 0; i < 64; i += 8)
		if ((v >> i & 0xff) > 7 || !(legal >> (v >> i & 7) & 1))
			return false;
	return true;
}

static bool value_ok(const struct x86_cpu *c, const struct msr *m, uint64_t v)
{
	switch (m->kind) {
	case MASK: return !(v & ~m->valid);
	case CANONICAL: return x86_canonical_base(c, v);
	case TYPES: return types_ok(v, m->valid);
	case MTRR_BASE: return !(v >> c->gpa_bits) && !(v & 0xf00) && (v & 0xff) < 8 && (m->valid >> (v & 7) & 1);
	case MTRR_MASK: return !(v >> c->gpa_bits) && !(v & 0x7ff);
	default: return m->kind == IGNORED;
	}
}

/* EFER (SDM vol. 3, 2.2.1). LMA is the processor's. */
static bool write_efer(struct x86_cpu *c, uint64_t v)
{
	uint64_t valid = EFER_LMA;
	if (x86_has(c, X86_F_SYSCALL))
		valid |= EFER_SCE;
	if (x86_has(c, X86_F_LM))
		valid |= EFER_LME;
	if (x86_has(c, X86_F_NX))
		valid |= EFER_NXE;
	uint64_t changed = v ^ c->efer;
	if ((v & ~valid) || ((changed & EFER_LME) && (c->cr0 & CR0_PG)))
		return false;
	c->efer = (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
	if (changed & EFER_NXE)
		x86_flush_tlb(c, true);
	return true;
}

static bool tsc_changed(struct x86_cpu *c, bool guest)
{
	if (guest && c->env->tsc_changed)
		c->env->tsc_changed(c->env_opaque);
	return true;
}

/* `guest`: TSC and TSC_ADJUST move together (SDM vol. 3, 18.17.3); the user's writes set one alone, so that state can
 * be restored in any order. */
static bool write_special(struct x86_cpu *c, uint32_t index, uint64_t v, bool guest)
{
	uint64_t delta;
	switch (index) {
	case MSR_TSC:
		delta = v - x86_read_tsc(c);
		c->tsc_offset += delta;
		c->tsc_adjust += guest ? delta : 0;
		return tsc_changed(c, guest);
	case MSR_TSC_ADJUST:
		delta = v - c->tsc_adjust;
		c->tsc_adjust = v;
		c->tsc_offset += guest ? delta : 0;
		return tsc_changed(c, guest);
	case MSR_MTRR_DEF:
		if ((v & ~UINT64_C(0xcff)) || !types_ok(v & 0xff, MTRR_TYPES))
			return false;
		c->mtrr_def_type = v;
		return true;
	case MSR_PKRS:
		if (v >> 32)
			return false;
		delta = c->pkrs ^ v;
		c->pkrs = v;
		x86_keys_changed(c, (uint32_t)delta);
		return true;
	case MSR_EFER: return write_efer(c, v);
	}
	return false;
}

static int read_own(struct x86_cpu *c, uint32_t index, uint64_t *value)
{
	struct msr m;
	if (!find(c, index, &m))
		return X86_DEFER;
	if (m.kind == CONST || m.kind == IGNORED)
		*value = m.valid;
	else if (index == MSR_TSC)
		*value = x86_read_tsc(c);
	else if (index == MSR_TSC_ADJUST)
		*value = c->tsc_adjust;
	else
		*value = *field(c, &m);
	return X86_DONE;
}

static int write_own(struct x86_cpu *c, uint32_t index, uint64_t value, bool guest)
{
	struct msr m;
	if (!find(c, index, &m))
		return X86_DEFER;
	if (m.kind == SPECIAL)
		return write_special(c, index, value, guest) ? X86_DONE : X86_GP;
	if (m.kind == CONST)
		return !guest && value == m.valid ? X86_DONE : X86_GP; /* a restore may write what it read */
	if (m.kind == LOGGED ? guest && value : !value_ok(c, &m, value))
		return X86_GP;
	if (m.kind != IGNORED)
		*field(c, &m) = value;
	return X86_DONE;
}

int x86_msr_read_own(struct x86_cpu *c, uint32_t index, uint64_t *value)
{
	return read_own(c, index, value);
}

int x86_msr_write_own(struct x86_cpu *c, uint32_t index, uint64_t value)
{
	return write_own(c, index, value, true);
}

bool x86_rdmsr(struct x86_cpu *c, uint32_t index, uint64_t *value)
{
	return read_own(c, index, value) == X86_DONE;
}

bool x86_wrmsr(struct x86_cpu *c, uint32_t index, uint64_t value)
{
	if (write_own(c, index, value, false) != X86_DONE)
		return false;
	x86_update_mode(c);
	return true;
}

void x86_msr_reset(struct x86_cpu *c)
{
	for (unsigned i = 0; i < sizeof msrs / sizeof *msrs; i++)
		if (msrs[i].offset && msrs[i].index != MSR_EFER)
			*field(c, &msrs[i]) = msrs[i].reset;
	memset(c->mc_bank, 0, sizeof c->mc_bank);
	for (unsigned i = 0; i < X86_MC_BANKS; i++)
		c->mc_bank[i][0] = ~UINT64_C(0);
	memset(c->mtrr_phys, 0, sizeof c->mtrr_phys);
	memset(c->mtrr_fixed, 0, sizeof c->mtrr_fixed);
	c->spec_ctrl = c->pkru = c->pkrs = 0;
}
