/* access.c - the calls on a vCPU's state that all architectures have: what does not depend on one is checked here. */
#include <string.h>
#include "core/internal.h"

static const struct vma_arch_ops *arch_ops(vma_arch arch)
{
	return arch == VMA_ARCH_X86_64 ? &vma_arch_x86 : arch == VMA_ARCH_ARM64 ? &vma_arch_arm64 : NULL;
}

/* ------ registers by id ------ */

static int check_batch(vma_vcpu *v, const void *ids, const void *values, size_t count)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && count && (!ids || !values))
		rc = vma_fail(VMA_E_INVALID, "%zu registers, but no ids or no values", count);
	return rc;
}

int vma_vcpu_get(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	int rc = check_batch(v, ids, values, count);

	return rc ? rc : v->vm->arch->get(v, ids, values, count);
}

int vma_vcpu_set(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	int rc = check_batch(v, ids, values, count);

	return rc ? rc : v->vm->arch->set(v, ids, values, count);
}

const char *vma_reg_name(vma_arch arch, uint32_t id)
{
	const struct vma_arch_ops *ops = arch_ops(arch);

	return ops ? ops->reg_name(id) : NULL;
}

int vma_reg_parse(vma_arch arch, const char *name, uint32_t *id)
{
	const struct vma_arch_ops *ops = arch_ops(arch);

	if (!name || !id)
		return vma_fail(VMA_E_INVALID, "no register name, or no place for its id");
	if (ops && !ops->reg_parse(name, id))
		return 0;
	return vma_fail(VMA_E_NOENT, "there is no register \"%.40s\"", name);
}

int vma_reg_list(vma_arch arch, uint32_t *ids, size_t *count)
{
	const struct vma_arch_ops *ops = arch_ops(arch);
	size_t n;

	if (!count || !ops)
		return vma_fail(VMA_E_INVALID, "no count, or guest architecture %d is not in the list", (int)arch);
	ops->reg_list(NULL, &n);
	if (ids && *count < n)
		return vma_fail(VMA_E_LIMIT, "there are %zu registers, and room for %zu", n, *count);
	ops->reg_list(ids, count);
	return 0;
}

/* ------ MP state, reset, translation ------ */

int vma_vcpu_get_mp(vma_vcpu *v, vma_mp *mp)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && !mp)
		rc = vma_fail(VMA_E_INVALID, "no place for the MP state");
	return rc ? rc : v->vm->arch->get_mp(v, mp);
}

int vma_vcpu_set_mp(vma_vcpu *v, vma_mp mp)
{
	int rc = vma_vcpu_enter(v);

	return rc ? rc : v->vm->arch->set_mp(v, mp);
}

int vma_vcpu_reset(vma_vcpu *v)
{
	int rc = vma_vcpu_enter(v);

	return rc ? rc : v->vm->arch->reset(v);
}

int vma_vcpu_translate(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && (!out || access & ~(uint32_t)(VMA_ACCESS_WRITE | VMA_ACCESS_EXEC | VMA_ACCESS_USER) ||
		    (access & VMA_ACCESS_WRITE && access & VMA_ACCESS_EXEC)))
		rc = vma_fail(VMA_E_INVALID, "translate: no place for the result, or access %#x", access);
	return rc ? rc : v->vm->arch->translate(v, gva, access, out);
}

/* ------ saved state ------ */

static int settle(vma_vcpu *v)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && v->exit.pending)
		rc = vma_fail(VMA_E_PENDING, "an %s exit waits: vma_vcpu_complete first",
			      vma_exit_name((int)v->exit.kind));
	if (!rc && v->queued)
		rc = vma_state_completed(v);
	return rc;
}

int vma_vcpu_save(vma_vcpu *v, void *buf, size_t *size, uint32_t flags)
{
	int rc;

	if (!size || flags & ~(uint32_t)VMA_STATE_TIME)
		return vma_fail(VMA_E_INVALID, "save: no size, or unknown flags %#x", flags);
	rc = settle(v);
	return rc ? rc : v->vm->arch->save(v, buf, size, flags);
}

int vma_vcpu_restore(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && flags & ~(uint32_t)VMA_STATE_TIME)
		rc = vma_fail(VMA_E_INVALID, "restore: unknown flags %#x", flags);
	if (!rc)
		rc = settle(v);
	return rc ? rc : v->vm->arch->restore(v, buf, size, flags, report);
}

/* ------ the caller's debugging ------ */

static int check_debug(const vma_vcpu *v, const vma_debug *d)
{
	const vma_platform_info *p = &v->vm->info;
	int rc = 0;

	if (d->single_step > 1 || d->software > 1)
		return vma_fail(VMA_E_INVALID, "single_step %u or software %u is not 0 or 1", d->single_step,
				d->software);
	if (d->count > VMA_COUNT(d->hw) || (d->count && d->count > p->breakpoints))
		return vma_fail(VMA_E_LIMIT, "%u breakpoints: %s has %u", d->count, p->name, p->breakpoints);
	if ((d->single_step && !(p->caps & VMA_CAP_SINGLE_STEP)) || (d->software && !(p->caps & VMA_CAP_SW_BREAK)) ||
	    (d->count && !(p->caps & VMA_CAP_HW_BREAK)))
		return vma_fail(VMA_E_NO_ACCEL, "%s cannot do that kind of debugging", p->name);
	for (uint32_t i = 0; !rc && i < d->count; i++)
		rc = v->vm->arch->check_break(d, i);
	return rc;
}

int vma_vcpu_debug(vma_vcpu *v, const vma_debug *debug)
{
	vma_debug d, old;
	int rc = vma_vcpu_enter(v);

	if (!rc)
		rc = vma_struct_in(&d, sizeof(d), debug, sizeof(d), "vma_debug");
	if (!rc)
		rc = check_debug(v, &d);
	if (!rc && !v->vm->be->debug)
		rc = vma_fail(VMA_E_NO_ACCEL, "%s has no debugging", v->vm->info.name);
	if (rc)
		return rc;
	old = v->debug;
	v->debug = d;
	rc = v->vm->be->debug(v);
	if (rc)
		v->debug = old;
	return rc;
}
