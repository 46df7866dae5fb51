/* conf_state_arm64.c - arm64 bodies of the checks of registers (T061-T077). A failed condition leaves the guest open: the process ends after a check. */
#include <string.h>
#include "bodies_arm64.h"
#include "guest.h"

/* ------ T061, T071: every register ------ */

#define ALL UINT64_MAX
/* Which bits can be set and read back whatever the rest of the state is (Arm ARM C5.2, D19.2). */
static const struct {
	uint32_t first, last;
	uint64_t bits;
} free_bits[] = {
	{VMA_ARM64_X0, VMA_ARM64_X30, ALL},
	{VMA_ARM64_SP_EL0, VMA_ARM64_SP_EL1, ALL},
	{VMA_ARM64_PC, VMA_ARM64_PC, 0x0000fffffffffffc},
	{VMA_ARM64_PSTATE, VMA_ARM64_PSTATE, 0xf00003c0}, /* NZCV, DAIF */
	{VMA_ARM64_FPCR, VMA_ARM64_FPCR, 0x07c00000},     /* AHP DN FZ RMode */
	{VMA_ARM64_FPSR, VMA_ARM64_FPSR, 0x0800009f},     /* QC and the cumulative exceptions */
	{VMA_ARM64_TPIDR_EL0, VMA_ARM64_TPIDR_EL0, ALL},
	{VMA_ARM64_TPIDRRO_EL0, VMA_ARM64_TPIDRRO_EL0, ALL},
	{VMA_ARM64_TPIDR_EL1, VMA_ARM64_TPIDR_EL1, ALL},
	{VMA_ARM64_ELR_EL1, VMA_ARM64_ELR_EL1, ALL},
	{VMA_ARM64_SPSR_EL1, VMA_ARM64_SPSR_EL1, 0xf00003c0},
	{VMA_ARM64_VBAR_EL1, VMA_ARM64_VBAR_EL1, 0x0000fffffffff800},
	{VMA_ARM64_TTBR0_EL1, VMA_ARM64_TTBR0_EL1, 0xfffffffffffe},
	{VMA_ARM64_TTBR1_EL1, VMA_ARM64_TTBR1_EL1, 0xfffffffffffe},
	{VMA_ARM64_MAIR_EL1, VMA_ARM64_MAIR_EL1, ALL},
	{VMA_ARM64_FAR_EL1, VMA_ARM64_FAR_EL1, ALL},
	{VMA_ARM64_ESR_EL1, VMA_ARM64_ESR_EL1, 0xffffffff},
	{VMA_ARM64_CONTEXTIDR_EL1, VMA_ARM64_CONTEXTIDR_EL1, 0xffffffff},
	{VMA_ARM64_CPACR_EL1, VMA_ARM64_CPACR_EL1, 3 << 20},
	{VMA_ARM64_CNTKCTL_EL1, VMA_ARM64_CNTKCTL_EL1, 0x303},
	{VMA_ARM64_CNTV_CVAL_EL0, VMA_ARM64_CNTV_CVAL_EL0, ALL},
};
enum { FREE_COUNT = sizeof free_bits / sizeof *free_bits };

static const char *name_of(uint32_t id)
{
	return vma_reg_name(VMA_ARCH_ARM64, id);
}

static int walk(struct guest *g, uint32_t id, uint64_t bits)
{
	const uint64_t old = guest_get(g, id);

	for (unsigned b = 0; b < 64; b++) {
		const uint64_t want = (old & ~bits) | 1ull << b;
		if (!(bits >> b & 1))
			continue;
		guest_set(g, id, want);
		const uint64_t got = guest_get(g, id);
		if (got != want)
			return conf_fail(g->conf, "%s: wrote %#llx, read %#llx", name_of(id), (unsigned long long)want,
					 (unsigned long long)got);
	}
	guest_set(g, id, old);
	return g->conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

static int walk_all(struct guest *g)
{
	for (unsigned i = 0; i < FREE_COUNT; i++)
		for (uint32_t id = free_bits[i].first; id <= free_bits[i].last; id++)
			CONF_TRY(walk(g, id, free_bits[i].bits));
	return CONF_PASS;
}

int t061_arm64(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, walk_all);
}

enum { ROOM = 512 };

/* All that has a name and can be read here. */
static size_t all_registers(struct guest *g, uint32_t *ids, uint64_t *values)
{
	size_t n = ROOM, have = 0;

	if (vma_reg_list(VMA_ARCH_ARM64, ids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (vma_vcpu_get(g->v, &ids[i], &values[have], 1) >= 0)
			ids[have++] = ids[i];
	return have;
}

/* The counter; a timer's CTL has ISTATUS, which is the counter against the compare value. */
static bool moves_by_itself(uint32_t id)
{
	return id == VMA_ARM64_CNTVCT_EL0 || id == VMA_ARM64_SYSREG(3, 3, 14, 0, 1) || id == VMA_ARM64_CNTV_CTL_EL0 || id == VMA_ARM64_CNTP_CTL_EL0;
}

static int one_changed(struct guest *g, uint32_t id, const uint32_t *ids, const uint64_t *before, size_t n)
{
	static uint32_t again[ROOM];
	static uint64_t after[ROOM];

	CONF_EQUAL(g->conf, all_registers(g, again, after), n);
	for (size_t r = 0; r < n; r++)
		if (ids[r] != id && !moves_by_itself(ids[r]) && before[r] != after[r])
			return conf_fail(g->conf, "writing %s changed %s from %#llx to %#llx", name_of(id), name_of(ids[r]),
					 (unsigned long long)before[r], (unsigned long long)after[r]);
	return CONF_PASS;
}

static int pairwise(struct guest *g)
{
	static uint32_t ids[ROOM];
	static uint64_t before[ROOM];
	const size_t n = all_registers(g, ids, before);

	CONF_EXPECT(g->conf, n > 60);
	for (unsigned i = 0; i < FREE_COUNT; i++) {
		const uint32_t id = free_bits[i].first;
		const uint64_t old = guest_get(g, id);
		guest_set(g, id, old ^ (free_bits[i].bits & -free_bits[i].bits));
		CONF_TRY(one_changed(g, id, ids, before, n));
		guest_set(g, id, old);
	}
	return g->conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

int t071_arm64(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, pairwise);
}

/* ------ T070: what the guest sees of what the host wrote, and the reverse ------ */

/* mov v9.16b, v3.16b; movi v4.16b, #0xff; mrs x0, fpcr; mrs x1, nzcv; mrs x2, sp_el0; mov x3, sp; mrs x4, elr_el1; mrs x5, spsr_el1;
 * mov x6, #0x1f; msr fpsr, x6; add x7, x3, #16; mov sp, x7; msr spsel, #0; mov x7, #0x7700; mov sp, x7; stop */
static const uint32_t banks_code[] = {
	0x4ea31c69, 0x4f07e7e4, 0xd53b4400, 0xd53b4201, 0xd5384102, 0x910003e3, 0xd5384024, 0xd5384005,
	0xd28003e6, 0xd51b4426, 0x91004067, 0x910000ff, 0xd50040bf, 0xd28ee007, 0x910000ff, A64_STOP,
};

static int put_banks(struct guest *g)
{
	vma_arm64_fp_regs fp;

	CONF_OK(g->conf, vma_arm64_get_fp_regs(g->v, &fp));
	for (unsigned i = 0; i < 16; i++)
		fp.v[3][i] = (uint8_t)(0xa0 + i);
	fp.fpcr = 0x01c00000;
	CONF_OK(g->conf, vma_arm64_set_fp_regs(g->v, &fp));
	guest_set(g, VMA_ARM64_CPACR_EL1, 3 << 20);
	guest_set(g, VMA_ARM64_PSTATE, 0xa00003c5);
	guest_set(g, VMA_ARM64_SP_EL0, 0x1230);
	guest_set(g, VMA_ARM64_SP_EL1, 0x4560);
	guest_set(g, VMA_ARM64_ELR_EL1, 0x789abc);
	guest_set(g, VMA_ARM64_SPSR_EL1, 0x600003c4);
	return CONF_PASS;
}

static int banks(struct guest *g)
{
	struct conf *conf = g->conf;
	static const uint64_t seen[] = {0x01c00000, 0xa0000000, 0x1230, 0x4560, 0x789abc, 0x600003c4};
	vma_arm64_fp_regs fp;

	CONF_TRY(put_banks(g));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	for (uint32_t i = 0; i < sizeof seen / sizeof *seen; i++)
		CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0 + i), seen[i]);
	CONF_OK(conf, vma_arm64_get_fp_regs(g->v, &fp));
	for (unsigned i = 0; i < 16; i++) {
		CONF_EQUAL(conf, fp.v[3][i], 0xa0 + i);
		CONF_EQUAL(conf, fp.v[9][i], 0xa0 + i);
		CONF_EQUAL(conf, fp.v[4][i], 0xff);
	}
	CONF_EQUAL(conf, fp.fpsr & 0x1f, 0x1f);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_SP_EL1), 0x4570);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_SP_EL0), 0x7700);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PSTATE) & 0xf00003cf, 0xa00003c4); /* EL1t */
	return CONF_PASS;
}

int t070_arm64(struct conf *conf)
{
	return guest_with(conf, NULL, banks_code, sizeof banks_code, banks);
}

/* ------ T072, T073: batches ------ */

static int look(struct guest *g)
{
	struct conf *conf = g->conf;
	vma_arm64_regs r;

	for (uint64_t i = 1; i <= 2; i++) {
		CONF_TRY(guest_run(g, VMA_EXIT_HLT));
		CONF_OK(conf, vma_arm64_get_regs(g->v, &r));
		CONF_EQUAL(conf, r.x[0], i);
		CONF_OK(conf, vma_arm64_set_regs(g->v, &r, VMA_ARM64_ALL_REGS));
	}
	r.x[0] = 77;
	r.x[1] = 88;
	CONF_OK(conf, vma_arm64_set_regs(g->v, &r, VMA_ARM64_REG_BIT(VMA_ARM64_X1))); /* only X1 */
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 2);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X1), 88);
	return CONF_PASS;
}

int t072_arm64(struct conf *conf)
{
	static const uint32_t code[] = {A64_ADD_A, A64_STOP, A64_ADD_A, A64_STOP};
	return guest_with(conf, NULL, code, sizeof code, look);
}

static int bad_batches(struct guest *g)
{
	struct conf *conf = g->conf;
	static const uint32_t ids[3] = {VMA_ARM64_X0, 0xdead, VMA_ARM64_X1};
	static const uint32_t with_pstate[2] = {VMA_ARM64_X0, VMA_ARM64_PSTATE};
	uint64_t values[3] = {11, 0x3c9, 33}; /* EL2h, as a PSTATE */

	CONF_EQUAL(conf, vma_vcpu_set(g->v, ids, values, 3), VMA_E_INVALID);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 0);
	CONF_EQUAL(conf, vma_vcpu_get(g->v, ids, values, 3), VMA_E_INVALID);
	CONF_EQUAL(conf, values[0], 11);
	CONF_EQUAL(conf, vma_vcpu_set(g->v, with_pstate, values, 2), VMA_E_INVALID);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 0);
	return CONF_PASS;
}

int t073_arm64(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, bad_batches);
}

/* ------ T076: every system register ------ */

static int same_sysreg(struct guest *g, uint32_t id)
{
	uint64_t value, again;

	if (vma_arm64_get_sysregs(g->v, &id, &value, 1) < 1)
		return CONF_PASS; /* listed, and write-only or not for this CPU */
	if (moves_by_itself(id))
		return CONF_PASS;
	if (vma_arm64_set_sysregs(g->v, &id, &value, 1) < 1)
		return conf_fail(g->conf, "%#x cannot be written with what it has: %s", id, vma_why());
	CONF_EQUAL(g->conf, vma_arm64_get_sysregs(g->v, &id, &again, 1), 1);
	if (value != again)
		return conf_fail(g->conf, "%#x was %#llx; written back it is %#llx", id, (unsigned long long)value,
				 (unsigned long long)again);
	return CONF_PASS;
}

static int frozen_ids(struct guest *g)
{
	static const uint32_t ids[] = {VMA_ARM64_ID_AA64ISAR0_EL1, VMA_ARM64_ID_AA64PFR0_EL1, VMA_ARM64_ID_AA64MMFR0_EL1};

	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
		const uint64_t was = guest_get(g, ids[i]), other = was ^ 0xf0;
		CONF_EXPECT(g->conf, vma_arm64_set_sysregs(g->v, &ids[i], &other, 1) < 1);
		CONF_EQUAL(g->conf, guest_get(g, ids[i]), was);
	}
	return CONF_PASS;
}

static int all_sysregs(struct guest *g)
{
	static uint32_t ids[ROOM];
	const uint32_t none = VMA_ARM64_SYSREG(3, 7, 15, 15, 7);
	size_t count = ROOM;
	uint64_t value;

	CONF_OK(g->conf, vma_arm64_sysreg_list(g->v, ids, &count));
	CONF_EXPECT(g->conf, count > 40);
	for (size_t i = 0; i < count; i++)
		CONF_TRY(same_sysreg(g, ids[i]));
	CONF_EQUAL(g->conf, vma_arm64_get_sysregs(g->v, &none, &value, 1), VMA_E_NO_ACCEL);
	return frozen_ids(g);
}

int t076_arm64(struct conf *conf)
{
	static const uint32_t code[] = {A64_STOP};
	return guest_with(conf, NULL, code, sizeof code, all_sysregs);
}

/* ------ T077: reset ------ */

/* Arm ARM D1.9.1. What is unknown there is zero here, as far as it could be in the way of the first instructions. */
static int as_reset(struct guest *g)
{
	struct conf *conf = g->conf;
	vma_arm64_regs r;
	vma_mp mp;

	CONF_OK(conf, vma_arm64_get_regs(g->v, &r));
	for (unsigned i = 0; i < 31; i++)
		CONF_EQUAL(conf, r.x[i], 0);
	CONF_EQUAL(conf, r.pc | r.sp_el0 | r.sp_el1, 0);
	CONF_EQUAL(conf, r.pstate, 0x3c5);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_SCTLR_EL1) & 0x1005, 0); /* MMU and caches off */
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_CPACR_EL1), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_MDSCR_EL1), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_CNTV_CTL_EL0) & 1, 0);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_FPCR) | guest_get(g, VMA_ARM64_FPSR), 0);
	CONF_OK(conf, vma_vcpu_get_mp(g->v, &mp));
	CONF_EQUAL(conf, mp, VMA_MP_RUNNABLE);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

static int resets(struct guest *g)
{
	CONF_TRY(as_reset(g));
	guest_set(g, VMA_ARM64_X0, 5);
	guest_set(g, VMA_ARM64_SP_EL1, 5);
	guest_set(g, VMA_ARM64_PSTATE, 4);
	guest_set(g, VMA_ARM64_CPACR_EL1, 3 << 20);
	guest_set(g, VMA_ARM64_SCTLR_EL1, 0x30d01985);
	CONF_OK(g->conf, vma_vcpu_reset(g->v));
	return as_reset(g);
}

int t077_arm64(struct conf *conf)
{
	return guest_with(conf, &(struct guest_options){.mode = GUEST_RESET}, NULL, 0, resets);
}
