/* emul_arm64.c - an arm64 load or store that the processor left to its hypervisor: the vCPU's state goes to a software
 * CPU, which executes that instruction on the VM's memory, and what changed comes back. An access to a device is an
 * exit in between; its answer makes the software CPU execute the instruction again (cpu/arm64/arm64.h), and the vCPU's
 * own registers stay as before the instruction until it is complete. */
#include <string.h>
#include "core/internal.h"
#include "emul/emul.h"

enum { PAGE = 4096 };

/* Read before; those with `back` an exception writes. */
static const struct {
	uint32_t id;
	bool back;
} regs[] = {
	{VMA_ARM64_SCTLR_EL1, false}, {VMA_ARM64_TCR_EL1, false},   {VMA_ARM64_TTBR0_EL1, false}, {VMA_ARM64_TTBR1_EL1, false},
	{VMA_ARM64_MAIR_EL1, false},  {VMA_ARM64_CPACR_EL1, false}, {VMA_ARM64_VBAR_EL1, false},  {VMA_ARM64_ESR_EL1, true},
	{VMA_ARM64_FAR_EL1, true},    {VMA_ARM64_ELR_EL1, true},    {VMA_ARM64_SPSR_EL1, true},
};
enum { SCTLR, TCR, REGS = VMA_COUNT(regs) };

/* What decides how registers are read, and is not the same on all processors; fields of ID registers (D19.2). */
static const struct {
	uint32_t id;
	uint8_t shift, least, feature;
} features[] = {
	{VMA_ARM64_ID_AA64MMFR1_EL1, 0, 2, A64_F_HAFDBS}, {VMA_ARM64_ID_AA64MMFR1_EL1, 20, 1, A64_F_PAN},
	{VMA_ARM64_ID_AA64MMFR2_EL1, 4, 1, A64_F_UAO},	  {VMA_ARM64_ID_AA64MMFR2_EL1, 60, 1, A64_F_E0PD},
	{VMA_ARM64_ID_AA64PFR1_EL1, 0, 1, A64_F_BTI},
};

struct vma_emul_arm64 {
	struct a64_cpu *c;
	struct a64_env env;
	struct vma_vcpu *v;
	const struct vma_emul_ops *ops;
	atomic_uint attention; /* the software CPU's own: it is not to be interrupted */
	bool executed;         /* what it changed is still to be written */
	vma_arm64_regs gpr;    /* as before the instruction */
	uint64_t sysreg[REGS];
};

void vma_emul_get_arm64(struct a64_cpu *c, vma_arm64_regs *r)
{
	memcpy(r->x, c->x, sizeof(r->x));
	a64_get_sysreg(c, A64_SYSREG(3, 0, 4, 1, 0), &r->sp_el0);
	a64_get_sysreg(c, A64_SYSREG(3, 4, 4, 1, 0), &r->sp_el1);
	r->pc = c->pc;
	r->pstate = a64_get_pstate(c);
}

/* PSTATE last: it chooses which stack pointer is the current one. */
void vma_emul_put_arm64(struct a64_cpu *c, const vma_arm64_regs *r)
{
	memcpy(c->x, r->x, sizeof(r->x));
	a64_set_sysreg(c, A64_SYSREG(3, 0, 4, 1, 0), r->sp_el0);
	a64_set_sysreg(c, A64_SYSREG(3, 4, 4, 1, 0), r->sp_el1);
	c->pc = r->pc;
	a64_set_pstate(c, r->pstate);
}

/* ------ what the software CPU asks; vm->lock is held ------ */

static uint8_t *env_page(void *o, uint64_t gpa, unsigned *flags)
{
	const struct vma_emul_arm64 *e = o;
	const struct vma_region *r = vma_region_find(e->v->vm, gpa);

	if (!r)
		return NULL;
	*flags = A64_PAGE_R | (r->flags & VMA_MAP_WRITE ? A64_PAGE_W : 0) | (r->flags & VMA_MAP_EXEC ? A64_PAGE_X : 0) |
		 (r->flags & VMA_MAP_LOG ? A64_PAGE_LOG : 0);
	return r->hva + (gpa - r->gpa);
}

static void env_mark(void *o, uint64_t gpa)
{
	const struct vma_emul_arm64 *e = o;
	struct vma_region *r = vma_region_find(e->v->vm, gpa);

	if (r)
		e->ops->mark(r, (gpa - r->gpa) / PAGE);
}

static int env_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	const struct vma_emul_arm64 *e = o;

	return e->ops->device && e->ops->device(e->v, gpa, len, write, data) ? A64_DONE : A64_DEFER;
}

static struct vma_emul_arm64 *make(struct vma_vcpu *v, const struct vma_emul_ops *ops)
{
	struct vma_emul_arm64 *e = os_calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->v = v;
	e->ops = ops;
	e->env = (struct a64_env){.page = env_page, .mark_dirty = env_mark, .mmio = env_mmio};
	e->c = os_fault("a64_new") ? NULL : a64_new(&e->env, e, &e->attention);
	if (e->c)
		return e;
	os_free(e);
	return NULL;
}

void vma_emul_free_arm64(struct vma_emul_arm64 *e)
{
	if (e)
		a64_free(e->c);
	os_free(e);
}

/* ------ in ------ */

static int load_features(struct vma_emul_arm64 *e)
{
	static const uint8_t ranges[16] = {32, 36, 40, 42, 44, 48, 48, 48};
	const uint32_t mmfr0 = VMA_ARM64_ID_AA64MMFR0_EL1, dczid = VMA_ARM64_DCZID_EL0;
	const struct vma_backend *be = e->v->vm->be;
	struct a64_cpu *c = e->c;
	uint64_t value = 0;
	int rc = be->get_sysregs(e->v, &mmfr0, &value, 1);

	c->pa_bits = ranges[value & 15] ? ranges[value & 15] : 48;
	if (rc >= 0)
		rc = be->get_sysregs(e->v, &dczid, &c->dczid, 1);
	for (size_t i = 0; rc >= 0 && i < VMA_COUNT(features); i++) {
		value = 0;
		rc = be->get_sysregs(e->v, &features[i].id, &value, 1);
		if ((value >> features[i].shift & 15) < features[i].least)
			c->features &= ~(UINT64_C(1) << features[i].feature);
	}
	return rc < 0 ? rc : 0;
}

/* AArch32; big-endian data or tables (SCTLR_EL1.EE, E0E); addresses of 52 bits (TCR_EL1.DS, IPS). */
static bool foreign_mode(uint64_t pstate, const uint64_t sysreg[REGS])
{
	const uint64_t sctlr = sysreg[SCTLR], tcr = sysreg[TCR];
	const bool el0 = !(pstate & 0xc);

	if (pstate >> 4 & 1 || sctlr >> 25 & 1 || (el0 && sctlr >> 24 & 1))
		return true;
	return sctlr & 1 && (tcr >> 59 & 1 || (tcr >> 32 & 7) > 5);
}

/* The software CPU keeps the bits that it knows: those are what an exception is compared with. */
static void put_in(struct vma_emul_arm64 *e, const uint64_t sysreg[REGS])
{
	for (size_t i = 0; i < REGS; i++) {
		a64_set_sysreg(e->c, regs[i].id & 0xffff, sysreg[i]);
		a64_get_sysreg(e->c, regs[i].id & 0xffff, e->sysreg + i);
	}
	vma_emul_put_arm64(e->c, &e->gpr);
	memcpy(e->c->v, e->v->arm64.fp.v, sizeof(e->c->v));
}

/* 1: a mode that the software CPU does not have. */
static int load(struct vma_emul_arm64 *e)
{
	struct vma_vcpu *v = e->v;
	uint32_t ids[REGS];
	uint64_t sysreg[REGS];
	int rc = vma_state_need(v, VMA_C_GPR | VMA_C_FP);

	for (size_t i = 0; i < REGS; i++)
		ids[i] = regs[i].id;
	if (!rc)
		rc = v->vm->be->get_sysregs(v, ids, sysreg, REGS);
	if (rc < 0)
		return rc;
	if (rc < REGS)
		return vma_fail(VMA_E_NATIVE, "%s cannot read system register %s of vCPU %u", v->vm->info.name,
				vma_reg_name(VMA_ARCH_ARM64, ids[rc]), v->index);
	e->gpr = v->arm64.gpr;
	if (foreign_mode(e->gpr.pstate, sysreg))
		return 1;
	put_in(e, sysreg);
	return 0;
}

/* ------ out ------ */

static int put_sysregs(struct vma_emul_arm64 *e)
{
	uint64_t value;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < REGS; i++) {
		if (!regs[i].back || !a64_get_sysreg(e->c, regs[i].id & 0xffff, &value) || value == e->sysreg[i])
			continue;
		rc = e->v->vm->be->set_sysregs(e->v, &regs[i].id, &value, 1);
		rc = rc ? rc : vma_fail(VMA_E_NATIVE, "%s refuses %s of an exception", e->v->vm->info.name,
					vma_reg_name(VMA_ARCH_ARM64, regs[i].id));
	}
	return rc < 0 ? rc : 0;
}

/* Members that differ, by register id. */
static uint64_t changed(const vma_arm64_regs *a, const vma_arm64_regs *b)
{
	uint64_t which = 0;

	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		if (((const uint64_t *)a)[i] != ((const uint64_t *)b)[i])
			which |= VMA_ARM64_REG_BIT(i);
	return which;
}

/* The cache is the way out and does not hold what it says afterwards: before a failure's next try, the state before. */
static int write_back(struct vma_emul_arm64 *e)
{
	struct vma_vcpu *v = e->v;
	uint32_t classes = VMA_C_GPR;
	int rc = vma_state_need(v, VMA_C_FP);

	if (!rc)
		rc = put_sysregs(e);
	if (rc)
		return rc;
	if (memcmp(v->arm64.fp.v, e->c->v, sizeof(e->c->v))) {
		memcpy(v->arm64.fp.v, e->c->v, sizeof(e->c->v));
		classes |= VMA_C_FP;
	}
	vma_emul_get_arm64(e->c, &v->arm64.gpr);
	v->gpr_dirty = changed(&v->arm64.gpr, &e->gpr);
	rc = v->vm->be->commit(v, classes);
	v->gpr_dirty = 0;
	v->valid = 0;
	return rc;
}

/* An instruction that is over also ends a step of the guest's own debugger (Arm ARM D2.12). */
static int finish(struct vma_emul_arm64 *e)
{
	int rc;

	if (!e->executed)
		a64_set_pstate(e->c, a64_get_pstate(e->c) & ~(UINT64_C(1) << 21));
	e->executed = true;
	rc = write_back(e);
	if (rc)
		return rc;
	e->executed = false;
	e->v->exit.pending = 0;
	return 0;
}

/* ------ exits ------ */

static int exit_internal(struct vma_vcpu *v, uint32_t word)
{
	v->exit.kind = VMA_EXIT_INTERNAL;
	v->exit.pending = 0;
	v->exit.internal.suberror = 0;
	v->exit.internal.count = 2;
	v->exit.internal.data[0] = word;
	v->exit.internal.data[1] = v->arm64.gpr.pc;
	return VMA_EXIT_INTERNAL;
}

static int exit_mmio(struct vma_vcpu *v, struct a64_stop *s)
{
	v->completes_rip_only = false;
	v->exit.kind = VMA_EXIT_MMIO;
	v->exit.pending = 1;
	v->exit.mmio.gpa = s->addr;
	v->exit.mmio.length = (uint8_t)s->len;
	v->exit.mmio.write = s->write;
	v->exit.mmio.data = s->data;
	return VMA_EXIT_MMIO;
}

static int stopped(struct vma_emul_arm64 *e, enum a64_stop_kind kind)
{
	switch (kind) {
	case A64_STOP_MMIO:
		return exit_mmio(e->v, &e->c->stop);
	case A64_STOP_BUDGET:
		return finish(e);
	default:
		return exit_internal(e->v, e->c->stop.imm);
	}
}

/* The lock keeps memory where it is for as long as the software CPU knows it. */
static int execute(struct vma_emul_arm64 *e, enum a64_stop_kind (*step)(struct a64_cpu *c))
{
	enum a64_stop_kind kind;

	os_lock(&e->v->vm->lock);
	a64_state_changed(e->c, true);
	kind = step(e->c);
	os_unlock(&e->v->vm->lock);
	return stopped(e, kind);
}

int vma_emul_begin_arm64(struct vma_vcpu *v, struct vma_emul_arm64 **place, const struct vma_emul_ops *ops)
{
	struct vma_emul_arm64 *e = *place;
	int rc = 0;

	if (!e) {
		e = make(v, ops);
		rc = e ? load_features(e)
		       : vma_fail(VMA_E_NOMEM, "no memory for the emulation of vCPU %u's loads and stores", v->index);
		if (rc) {
			vma_emul_free_arm64(e);
			return rc;
		}
		*place = e;
	}
	e->executed = false;
	rc = load(e);
	if (rc < 0)
		return rc;
	return rc ? exit_internal(v, 0) : execute(e, a64_access);
}

int vma_emul_answer_arm64(struct vma_vcpu *v, struct vma_emul_arm64 *e)
{
	if (e->executed)
		return finish(e);
	(void)v;
	a64_answer(e->c);
	return execute(e, a64_complete);
}
