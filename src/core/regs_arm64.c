/* regs_arm64.c - registers of an arm64 vCPU by id: names, batches that are read or written as a whole, system registers. */
#include <stdio.h>
#include <string.h>
#include "core/arch_arm64.h"

typedef unsigned long long ull;

static const struct reg {
	uint32_t id;
	uint8_t kind; /* enum vma_sysreg_kind, of system registers */
	const char *name;
} regs[] = {
#define VMA_X(NAME) {VMA_ARM64_##NAME, 0, #NAME},
	VMA_ARM64_GPRS(VMA_X)
#undef VMA_X
	{VMA_ARM64_FPCR, 0, "FPCR"},
	{VMA_ARM64_FPSR, 0, "FPSR"},
#define VMA_X(NAME, op0, op1, crn, crm, op2, kind) {VMA_ARM64_##NAME, VMA_SYSREG_##kind, #NAME},
	VMA_ARM64_SYSREGS(VMA_X)
#undef VMA_X
};

static bool is_sysreg(uint32_t id)
{
	return id >= VMA_ARM64_SYSREG_BASE && id < VMA_ARM64_SYSREG_LIMIT;
}

static const struct reg *find(uint32_t id)
{
	for (size_t i = 0; i < VMA_COUNT(regs); i++)
		if (regs[i].id == id)
			return regs + i;
	return NULL;
}

enum vma_sysreg_kind vma_sysreg_kind(uint32_t id)
{
	const struct reg *r = find(id);

	return r ? (enum vma_sysreg_kind)r->kind : VMA_SYSREG_STATE;
}

/* ------ names: lower case, like "x0" and "sctlr_el1" ------ */

static bool same_name(const char *upper, const char *lower)
{
	for (; *upper && *lower; upper++, lower++)
		if ((*upper >= 'A' && *upper <= 'Z' ? *upper + 32 : *upper) != *lower)
			return false;
	return !*upper && !*lower;
}

/* Lower-case names, made once. */
static char lower_names[VMA_COUNT(regs)][20];
static atomic_bool lowered;

static void make_names(void)
{
	if (atomic_load_explicit(&lowered, memory_order_acquire))
		return;
	os_process_lock();
	for (size_t i = 0; i < VMA_COUNT(regs); i++)
		for (size_t k = 0; regs[i].name[k]; k++)
			lower_names[i][k] = (char)(regs[i].name[k] >= 'A' && regs[i].name[k] <= 'Z' ? regs[i].name[k] + 32
													: regs[i].name[k]);
	atomic_store_explicit(&lowered, true, memory_order_release);
	os_process_unlock();
}

const char *vma_reg_name_arm64(uint32_t id)
{
	const struct reg *r = find(id);

	if (!r)
		return NULL;
	make_names();
	return lower_names[r - regs];
}

/* Unnamed system registers are s<op0>_<op1>_c<CRn>_c<CRm>_<op2>, as assemblers have it (Arm ARM C6.2, MRS). */
int vma_reg_parse_arm64(const char *name, uint32_t *id)
{
	unsigned op0, op1, crn, crm, op2;
	char rest;

	for (size_t i = 0; i < VMA_COUNT(regs); i++)
		if (same_name(regs[i].name, name)) {
			*id = regs[i].id;
			return 0;
		}
	if (sscanf(name, "s%u_%u_c%u_c%u_%u%c", &op0, &op1, &crn, &crm, &op2, &rest) != 5 || op0 < 2 || op0 > 3 || op1 > 7 ||
	    crn > 15 || crm > 15 || op2 > 7)
		return VMA_E_NOENT;
	*id = VMA_ARM64_SYSREG(op0, op1, crn, crm, op2);
	return 0;
}

void vma_reg_list_arm64(uint32_t *ids, size_t *count)
{
	for (size_t i = 0; ids && i < VMA_COUNT(regs); i++)
		ids[i] = regs[i].id;
	*count = VMA_COUNT(regs);
}

/* ------ system registers ------ */

static int check_sysregs(vma_vcpu *v, const uint32_t *ids, const void *values, size_t count)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, v, "the vCPU");

	if (!rc && count && (!ids || !values))
		rc = vma_fail(VMA_E_INVALID, "%zu system registers, but no ids or no values", count);
	for (size_t i = 0; !rc && i < count; i++)
		if (!is_sysreg(ids[i]))
			rc = vma_fail(VMA_E_INVALID, "entry %zu: %#x is no system register", i, ids[i]);
	/* Some depend on PSTATE's class having been written first (the stack pointers' bank). */
	if (!rc && v->dirty && !v->exit.pending)
		rc = vma_state_flush(v);
	return rc;
}

static int stopped_at(vma_vcpu *v, const char *verb, uint32_t id, size_t done)
{
	const char *name = vma_reg_name_arm64(id);

	vma_fail(VMA_E_NO_ACCEL, "%s cannot %s system register %s (s%u_%u_c%u_c%u_%u)", v->vm->info.name, verb, name ? name : "",
		 id >> 14 & 3, id >> 11 & 7, id >> 7 & 15, id >> 3 & 15, id & 7);
	return done ? (int)done : VMA_E_NO_ACCEL;
}

int vma_arm64_get_sysregs(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	int rc = check_sysregs(v, ids, values, count);

	if (!rc)
		rc = v->vm->be->get_sysregs(v, ids, values, count);
	return rc >= 0 && (size_t)rc < count ? stopped_at(v, "read", ids[rc], (size_t)rc) : rc;
}

int vma_arm64_set_sysregs(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	int rc = check_sysregs(v, ids, values, count);

	if (!rc)
		rc = v->vm->be->set_sysregs(v, ids, values, count);
	return rc >= 0 && (size_t)rc < count ? stopped_at(v, "write", ids[rc], (size_t)rc) : rc;
}

int vma_arm64_sysreg_list(vma_vcpu *v, uint32_t *ids, size_t *count)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, count, "the count");

	return rc ? rc : v->vm->be->sysreg_list(v, ids, count);
}

/* ------ batches ------ */

static int check_batch(const uint32_t *ids, size_t count, uint32_t *classes)
{
	*classes = 0;
	for (size_t i = 0; i < count; i++) {
		if (ids[i] < VMA_ARM64_GPR_END)
			*classes |= VMA_C_GPR;
		else if (ids[i] == VMA_ARM64_FPCR || ids[i] == VMA_ARM64_FPSR)
			*classes |= VMA_C_FP;
		else if (!is_sysreg(ids[i]))
			return vma_fail(VMA_E_INVALID, "entry %zu: there is no register %#x", i, ids[i]);
	}
	return 0;
}

static uint64_t load(const struct vma_arm64_state *s, uint32_t id)
{
	return id == VMA_ARM64_FPCR ? s->fp.fpcr : id == VMA_ARM64_FPSR ? s->fp.fpsr : ((const uint64_t *)&s->gpr)[id];
}

int vma_get_arm64(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	uint32_t classes;
	int rc = check_batch(ids, count, &classes);

	if (!rc)
		rc = vma_state_need(v, classes);
	/* System registers first: only they can fail, and then no value has been stored for the caller to trust. */
	for (size_t i = 0; !rc && i < count; i++)
		if (is_sysreg(ids[i])) {
			rc = vma_arm64_get_sysregs(v, ids + i, values + i, 1);
			rc = rc < 0 ? rc : 0;
		}
	for (size_t i = 0; !rc && i < count; i++)
		if (!is_sysreg(ids[i]))
			values[i] = load(&v->arm64, ids[i]);
	return rc;
}

/* What a batch will write, gathered before anything is. */
struct batch {
	vma_arm64_regs gpr;
	vma_arm64_fp_regs fp;
	uint64_t which;
	bool has_fp;
};

static int gather(const uint32_t *ids, const uint64_t *values, size_t count, struct batch *b)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		if (is_sysreg(ids[i]))
			continue;
		if (ids[i] < VMA_ARM64_GPR_END) {
			((uint64_t *)&b->gpr)[ids[i]] = values[i];
			b->which |= VMA_ARM64_REG_BIT(ids[i]);
		} else if (values[i] >> 32) {
			rc = vma_fail(VMA_E_INVALID, "entry %zu: %#llx does not fit %s's 32 bits", i, (ull)values[i],
				      vma_reg_name_arm64(ids[i]));
		} else {
			*(ids[i] == VMA_ARM64_FPCR ? &b->fp.fpcr : &b->fp.fpsr) = (uint32_t)values[i];
			b->has_fp = true;
		}
	}
	if (!rc && b->which & VMA_ARM64_REG_BIT(VMA_ARM64_PSTATE))
		rc = vma_check_pstate(b->gpr.pstate);
	return rc;
}

/* The platform refuses a value only when it is written: put back those that were. */
static int set_batch_sysregs(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	uint64_t old[64];
	size_t done = 0, n = 0;
	int rc = 0;

	for (; !rc && done < count; done++) {
		if (!is_sysreg(ids[done]))
			continue;
		if (n == VMA_COUNT(old))
			return vma_fail(VMA_E_INVALID, "more than %zu system registers in one batch", VMA_COUNT(old));
		rc = vma_arm64_get_sysregs(v, ids + done, old + n, 1);
		if (rc >= 0)
			rc = vma_arm64_set_sysregs(v, ids + done, values + done, 1);
		n++;
		rc = rc < 0 ? rc : 0;
	}
	if (rc) {
		char why[256];
		snprintf(why, sizeof(why), "%s", vma_why());
		for (done--, n--; done-- > 0;)
			if (is_sysreg(ids[done]))
				vma_arm64_set_sysregs(v, ids + done, old + --n, 1);
		vma_fail(rc, "%s", why);
	}
	return rc;
}

int vma_set_arm64(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	struct batch b = {.which = 0};
	uint32_t classes;
	int rc = check_batch(ids, count, &classes);

	if (!rc && classes & VMA_C_FP)
		rc = vma_state_need(v, VMA_C_FP);
	if (!rc && classes & VMA_C_FP)
		b.fp = v->queued & VMA_C_FP ? v->arm64_queue.fp : v->arm64.fp;
	if (!rc)
		rc = gather(ids, values, count, &b);
	if (!rc && b.which && b.which != VMA_ARM64_ALL_REGS && !v->exit.pending)
		rc = vma_state_need(v, VMA_C_GPR);
	if (!rc)
		rc = set_batch_sysregs(v, ids, values, count);
	if (!rc && b.which)
		rc = vma_arm64_put_gpr(v, &b.gpr, b.which);
	if (!rc && b.has_fp)
		rc = vma_arm64_put(v, VMA_C_FP, &b.fp);
	return rc;
}
