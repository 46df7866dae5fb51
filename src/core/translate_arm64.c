/* translate_arm64.c - a walk of the guest's stage 1 tables for the caller (Arm ARM D8): 4, 16 and 64 KiB granules, without
 * setting access flags or dirty states. */
#include "core/arch_arm64.h"

typedef unsigned long long ull;

enum { REG_SCTLR, REG_TCR, REG_TTBR0, REG_TTBR1, REG_MMFR0, REG_COUNT };
enum { SCTLR_M = 1 << 0, SCTLR_WXN = 1 << 19, DESC_VALID = 1, DESC_TABLE = 2 };
#define DESC_AF (UINT64_C(1) << 10)
#define DESC_PXN (UINT64_C(1) << 53)
#define DESC_UXN (UINT64_C(1) << 54)

struct walk {
	vma_vm *vm;
	uint64_t gva, reg[REG_COUNT];
	uint32_t access;
	bool user, pan;
	/* of the half of addresses */
	unsigned shift; /* of the granule: 12, 14, 16 */
	unsigned bits;  /* of input addresses */
	bool no_table_rights; /* TCR.HPD */
	/* the tables' limits so far */
	bool table_ro, table_no_user, table_uxn, table_pxn;
};

static int fault(const struct walk *w, const char *why)
{
	return vma_fail(VMA_E_FAULT, "gva %#llx: %s", (ull)w->gva, why);
}

/* TG0 and TG1 name granules differently (Arm ARM D19.2.139). */
static int begin(struct walk *w, uint64_t *table)
{
	static const uint8_t tg0[4] = {12, 16, 14, 0}, tg1[4] = {0, 14, 12, 16};
	const uint64_t tcr = w->reg[REG_TCR];
	const bool upper = w->gva >> 55 & 1;
	const bool tbi = tcr >> (upper ? 38 : 37) & 1;
	const unsigned tsz = tcr >> (upper ? 16 : 0) & 63;
	const uint64_t address = tbi ? (uint64_t)((int64_t)(w->gva << 8) >> 8) : w->gva;
	const uint64_t top = tsz ? ~UINT64_C(0) << (64 - tsz) : 0; /* 0 is refused below */

	w->shift = upper ? tg1[tcr >> 30 & 3] : tg0[tcr >> 14 & 3];
	w->bits = 64 - tsz;
	if (tcr >> (upper ? 23 : 7) & 1)
		return fault(w, "walks of this half are off (TCR_EL1.EPD)");
	if (!w->shift || tsz < 16 || tsz > 39)
		return fault(w, "TCR_EL1 has a granule or a size that is reserved");
	if ((address & top) != (upper ? top : 0))
		return fault(w, "outside of both halves of the address space");
	w->no_table_rights = tcr >> (upper ? 42 : 41) & 1;
	*table = w->reg[upper ? REG_TTBR1 : REG_TTBR0] & UINT64_C(0xfffffffffffe);
	return 0;
}

static int read_entry(const struct walk *w, uint64_t gpa, uint64_t *entry)
{
	const uint64_t *p = vma_vm_hva(w->vm, gpa, 8);

	if (!p)
		return vma_fail(VMA_E_FAULT, "gva %#llx: the table entry at gpa %#llx is no memory", (ull)w->gva, (ull)gpa);
	*entry = __atomic_load_n(p, __ATOMIC_RELAXED);
	return 0;
}

static int check_rights(const struct walk *w, const vma_translation *t, bool kernel_executable)
{
	const bool exec = w->access & VMA_ACCESS_EXEC, write = w->access & VMA_ACCESS_WRITE;

	if (w->user && !t->user)
		return fault(w, "not accessible at EL0");
	if (!w->user && t->user && w->pan && !exec)
		return fault(w, "PSTATE.PAN keeps EL1 from a page of EL0's");
	if (write && !t->writable)
		return fault(w, "read-only");
	if (exec && !(w->user ? t->executable : kernel_executable))
		return fault(w, "not executable");
	return 0;
}

static int leaf(const struct walk *w, uint64_t entry, unsigned level_shift, vma_translation *out)
{
	const uint64_t size = UINT64_C(1) << level_shift;
	const bool wxn = w->reg[REG_SCTLR] & SCTLR_WXN;
	const bool user = entry >> 6 & 1 && !w->table_no_user, writable = !(entry >> 7 & 1) && !w->table_ro;
	const bool uxn = entry & DESC_UXN || w->table_uxn || (wxn && writable);
	/* what EL0 may write EL1 never executes (D8.4.1.2) */
	const bool pxn = entry & DESC_PXN || w->table_pxn || (writable && (user || wxn));

	if (!(entry & DESC_AF))
		return fault(w, "the page's access flag is clear");
	*out = (vma_translation){
		.gpa = (entry & UINT64_C(0xfffffffff000) & ~(size - 1)) | (w->gva & (size - 1)),
		.page_size = size,
		.writable = writable,
		.user = user,
		.executable = w->user ? !uxn && user : !pxn,
	};
	return check_rights(w, out, !pxn);
}

static void limit(struct walk *w, uint64_t entry)
{
	if (w->no_table_rights)
		return;
	w->table_uxn |= entry >> 60 & 1;
	w->table_pxn |= entry >> 59 & 1;
	w->table_no_user |= entry >> 61 & 1;
	w->table_ro |= entry >> 62 & 1;
}

/* Blocks are at 1 GiB (4 KiB granule) and one level above pages. */
static bool may_be_block(const struct walk *w, unsigned level_shift)
{
	return level_shift == 2 * w->shift - 3 || (w->shift == 12 && level_shift == 30);
}

static int walk(struct walk *w, vma_translation *out)
{
	uint64_t table = 0, entry = 0;
	int rc = begin(w, &table);
	unsigned stride = w->shift - 3, low = w->shift, top = w->bits;

	while (!rc && low + stride < w->bits)
		low += stride;
	for (; !rc; low -= stride, top = low + stride) {
		const uint64_t index = w->gva >> low & ((UINT64_C(1) << (top - low)) - 1);
		rc = read_entry(w, table + index * 8, &entry);
		if (rc)
			break;
		if (!(entry & DESC_VALID))
			return fault(w, "not mapped");
		if (low == w->shift)
			return entry & DESC_TABLE ? leaf(w, entry, low, out) : fault(w, "a reserved descriptor");
		if (!(entry & DESC_TABLE))
			return may_be_block(w, low) ? leaf(w, entry, low, out) : fault(w, "a reserved descriptor");
		limit(w, entry);
		table = entry & UINT64_C(0xffffffffffff) & ~((UINT64_C(1) << w->shift) - 1);
	}
	return rc;
}

int vma_translate_arm64(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out)
{
	static const uint32_t ids[REG_COUNT] = {VMA_ARM64_SCTLR_EL1, VMA_ARM64_TCR_EL1, VMA_ARM64_TTBR0_EL1,
						VMA_ARM64_TTBR1_EL1, VMA_ARM64_ID_AA64MMFR0_EL1};
	struct walk w = {.vm = v->vm, .gva = gva, .access = access};
	int rc = vma_state_need(v, VMA_C_GPR);

	if (!rc)
		rc = vma_arm64_get_sysregs(v, ids, w.reg, REG_COUNT);
	if (rc < 0)
		return rc;
	w.user = access & VMA_ACCESS_USER || !(v->arm64.gpr.pstate & 0xc);
	w.pan = v->arm64.gpr.pstate >> 22 & 1;
	if (w.reg[REG_SCTLR] & SCTLR_M)
		return walk(&w, out);
	if (gva >> v->vm->info.gpa_bits)
		return fault(&w, "above the guest's physical addresses");
	*out = (vma_translation){.gpa = gva, .page_size = 4096, .writable = 1, .user = 1, .executable = 1};
	return 0;
}
