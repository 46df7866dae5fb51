/* kvm_arm64_state.c - the state of an arm64 vCPU by KVM_GET_ONE_REG and KVM_SET_ONE_REG (api.rst 4.68, 4.69). */
#include <errno.h>
#include <string.h>
#include "core/internal.h"
#include "kvm/kvm_arm64.h"

#define CORE(member, size)                                                                                             \
	(KVM_REG_ARM64 | KVM_REG_SIZE_##size | KVM_REG_ARM_CORE | offsetof(struct kvm_regs, member) / sizeof(uint32_t))
#define SYSREG(id) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | ((id)&0xffff))

static long get_quietly(struct vma_vcpu *v, uint64_t id, void *value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uint64_t)(uintptr_t)value};

	return os_ioctl(VMA_KVM_VCPU(v)->fd, KVM_GET_ONE_REG, &r, "KVM_GET_ONE_REG");
}

static long set_quietly(struct vma_vcpu *v, uint64_t id, const void *value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uint64_t)(uintptr_t)value};

	return os_ioctl(VMA_KVM_VCPU(v)->fd, KVM_SET_ONE_REG, &r, "KVM_SET_ONE_REG");
}

static int get(struct vma_vcpu *v, uint64_t id, void *value)
{
	long rc = get_quietly(v, id, value);

	return rc ? vma_fail_os(rc, "KVM_GET_ONE_REG") : 0;
}

static int set(struct vma_vcpu *v, uint64_t id, const void *value)
{
	long rc = set_quietly(v, id, value);

	return rc ? vma_fail_os(rc, "KVM_SET_ONE_REG") : 0;
}

/* ------ general registers ------ */

static uint64_t gpr_id(unsigned n)
{
	static const uint64_t rest[] = {CORE(regs.sp, U64), CORE(sp_el1, U64), CORE(regs.pc, U64), CORE(regs.pstate, U64)};

	return n < 31 ? CORE(regs.regs[0], U64) + 2 * n : rest[n - 31];
}

static int fetch_gpr(struct vma_vcpu *v)
{
	uint64_t *to = (uint64_t *)&v->arm64.gpr;
	int rc = 0;

	for (unsigned n = 0; !rc && n < VMA_ARM64_GPR_END; n++)
		rc = get(v, gpr_id(n), to + n);
	return rc;
}

static int commit_gpr(struct vma_vcpu *v)
{
	const uint64_t *from = (const uint64_t *)&v->arm64.gpr;
	int rc = 0;

	for (unsigned n = 0; !rc && n < VMA_ARM64_GPR_END; n++)
		if (v->gpr_dirty >> n & 1)
			rc = set(v, gpr_id(n), from + n);
	return rc;
}

/* ------ vectors ------ */

static int move_v(struct vma_vcpu *v, int (*move)(struct vma_vcpu *v, uint64_t id, void *value))
{
	vma_arm64_fp_regs *fp = &v->arm64.fp;
	__uint128_t value;
	int rc = 0;

	for (unsigned n = 0; !rc && n < 32; n++) {
		memcpy(&value, fp->v[n], sizeof(value));
		rc = move(v, CORE(fp_regs.vregs[0], U128) + 4 * n, &value);
		memcpy(fp->v[n], &value, sizeof(value));
	}
	return rc;
}

static int move_control(struct vma_vcpu *v, int (*move)(struct vma_vcpu *v, uint64_t id, void *value))
{
	vma_arm64_fp_regs *fp = &v->arm64.fp;
	int rc = move(v, CORE(fp_regs.fpsr, U32), &fp->fpsr);
	return rc ? rc : move(v, CORE(fp_regs.fpcr, U32), &fp->fpcr);
}

/* With SVE KVM has no V of its own (api.rst 4.68). */
static int fetch_fp(struct vma_vcpu *v)
{
	int rc = v->sve ? vma_kvm_sve_get_v(v, v->arm64.fp.v) : move_v(v, get);

	return rc ? rc : move_control(v, get);
}

static int set_move(struct vma_vcpu *v, uint64_t id, void *value)
{
	return set(v, id, value);
}

static int commit_fp(struct vma_vcpu *v)
{
	int rc = v->sve ? vma_kvm_sve_set_v(v, v->arm64.fp.v) : move_v(v, set_move);

	return rc ? rc : move_control(v, set_move);
}

/* ------ events and MP state ------ */

static int fetch_events(struct vma_vcpu *v)
{
	struct kvm_vcpu_events e;
	vma_arm64_events *to = &v->arm64.events;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &e);

	if (rc)
		return rc;
	*to = (vma_arm64_events){.irq_line = VMA_KVM_VCPU(v)->lines & 1, .fiq_line = VMA_KVM_VCPU(v)->lines >> 1 & 1};
	to->serror_pending = e.exception.serror_pending;
	to->serror_has_esr = e.exception.serror_has_esr;
	to->serror_esr = e.exception.serror_has_esr ? e.exception.serror_esr : 0;
	return 0;
}

/* KVM cannot take an SError back: clearing a pending one is refused only if there is one. */
static int commit_serror(struct vma_vcpu *v)
{
	const vma_arm64_events *from = &v->arm64.events;
	struct kvm_vcpu_events e = {.exception = {0}};

	if (!from->serror_pending)
		return 0;
	e.exception.serror_pending = 1;
	e.exception.serror_has_esr = from->serror_has_esr && vma_kvm_arm64.serror_esr;
	e.exception.serror_esr = e.exception.serror_has_esr ? from->serror_esr : 0;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &e);
}

static int commit_events(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	const uint8_t wanted = (uint8_t)(v->arm64.events.irq_line | v->arm64.events.fiq_line << 1);
	int rc = commit_serror(v);

	for (unsigned fiq = 0; !rc && fiq < 2; fiq++)
		if ((wanted ^ k->lines) >> fiq & 1)
			rc = vma_kvm_cpu_line(v, fiq, wanted >> fiq & 1);
	if (!rc)
		k->lines = wanted;
	return rc;
}

static int fetch_mp(struct vma_vcpu *v)
{
	struct kvm_mp_state s;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_MP_STATE, &s);

	v->arm64.mp = !rc && s.mp_state == KVM_MP_STATE_STOPPED ? VMA_MP_OFF : VMA_MP_RUNNABLE;
	return rc;
}

static int commit_mp(struct vma_vcpu *v)
{
	struct kvm_mp_state s = {v->arm64.mp == VMA_MP_OFF ? KVM_MP_STATE_STOPPED : KVM_MP_STATE_RUNNABLE};

	return vma_kvm_vcpu_ioctl(v, KVM_SET_MP_STATE, &s);
}

int vma_kvm_arm64_fetch(struct vma_vcpu *v, uint32_t classes)
{
	int rc = classes & VMA_C_MP ? fetch_mp(v) : 0;

	if (!rc && classes & VMA_C_GPR)
		rc = fetch_gpr(v);
	if (!rc && classes & VMA_C_FP)
		rc = fetch_fp(v);
	return !rc && classes & VMA_C_EVENTS ? fetch_events(v) : rc;
}

int vma_kvm_arm64_commit(struct vma_vcpu *v, uint32_t classes)
{
	int rc = classes & VMA_C_GPR ? commit_gpr(v) : 0;

	if (!rc && classes & VMA_C_FP)
		rc = commit_fp(v);
	if (!rc && classes & VMA_C_EVENTS)
		rc = commit_events(v);
	return !rc && classes & VMA_C_MP ? commit_mp(v) : rc;
}

/* ------ system registers ------ */

/* KVM's ids of the virtual timer's count and compare value are swapped, for ever (asm/kvm.h, "KVM_REG_ARM_TIMER_CNT"). */
static uint64_t native_id(uint32_t id)
{
	switch (id) {
	case VMA_ARM64_CNTVCT_EL0: return KVM_REG_ARM_TIMER_CNT;
	case VMA_ARM64_CNTV_CVAL_EL0: return KVM_REG_ARM_TIMER_CVAL;
	case VMA_ARM64_CNTV_CTL_EL0: return KVM_REG_ARM_TIMER_CTL;
	case VMA_ARM64_ELR_EL1: return CORE(elr_el1, U64);
	case VMA_ARM64_SPSR_EL1: return CORE(spsr[0], U64);
	default: return SYSREG(id);
	}
}

/* Not KVM's: the hardware's, which everybody can read. */
static bool read_hardware(uint32_t id, uint64_t *value)
{
	switch (id) {
	case VMA_ARM64_CNTFRQ_EL0: __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(*value)); return true;
	case VMA_ARM64_DCZID_EL0: __asm__ volatile("mrs %0, dczid_el0" : "=r"(*value)); return true;
	default: return false;
	}
}

int vma_kvm_get_sysregs(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	size_t i = 0;

	while (i < count && (read_hardware(ids[i], values + i) || !get_quietly(v, native_id(ids[i]), values + i)))
		i++;
	return (int)i;
}

int vma_kvm_set_sysregs(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	uint64_t have;
	size_t i = 0;

	for (; i < count; i++) {
		if (read_hardware(ids[i], &have) ? have != values[i]
						 : set_quietly(v, native_id(ids[i]), values + i) != 0)
			break;
	}
	return (int)i;
}

static uint32_t public_id(uint64_t id)
{
	static const uint32_t named[] = {VMA_ARM64_CNTVCT_EL0, VMA_ARM64_CNTV_CVAL_EL0, VMA_ARM64_CNTV_CTL_EL0};

	for (size_t i = 0; i < VMA_COUNT(named); i++)
		if (native_id(named[i]) == id)
			return named[i];
	if ((id & ~UINT64_C(0xffff)) == (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG))
		return VMA_ARM64_SYSREG_BASE | (uint32_t)(id & 0xffff);
	return 0;
}

static int reg_list(struct vma_vcpu *v, struct kvm_reg_list **list)
{
	struct kvm_reg_list count = {.n = 0};
	long rc = os_ioctl(VMA_KVM_VCPU(v)->fd, KVM_GET_REG_LIST, &count, "KVM_GET_REG_LIST");

	*list = NULL;
	if (rc != -E2BIG)
		return vma_fail_os(rc ? rc : -EIO, "KVM_GET_REG_LIST for the number");
	*list = os_calloc(1, sizeof(count) + count.n * sizeof(uint64_t));
	if (!*list)
		return vma_fail(VMA_E_NOMEM, "no memory for a list of %llu registers", (unsigned long long)count.n);
	(*list)->n = count.n;
	return vma_kvm_vcpu_ioctl(v, KVM_GET_REG_LIST, *list);
}

int vma_kvm_sysreg_list(struct vma_vcpu *v, uint32_t *ids, size_t *count)
{
	static const uint32_t ours[] = {VMA_ARM64_ELR_EL1, VMA_ARM64_SPSR_EL1, VMA_ARM64_CNTFRQ_EL0,
					VMA_ARM64_DCZID_EL0};
	const size_t room = *count;
	struct kvm_reg_list *list;
	size_t n = 0;
	int rc = reg_list(v, &list);

	for (; !rc && n < VMA_COUNT(ours); n++)
		if (ids && n < room)
			ids[n] = ours[n];
	for (uint64_t i = 0; !rc && i < list->n; i++) {
		uint32_t id = public_id(list->reg[i]);
		if (id && ids && n < room)
			ids[n] = id;
		n += id != 0;
	}
	os_free(list);
	*count = n;
	if (!rc && ids && n > room)
		rc = vma_fail(VMA_E_LIMIT, "there are %zu system registers, and room for %zu", n, room);
	return rc;
}
