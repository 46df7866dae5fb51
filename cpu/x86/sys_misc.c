/* sys_misc.c - small privileged instructions: INVLPG, WBINVD, HLT, CLI, STI, STAC, CLAC, VMCALL, CPUID, RDTSC, RDMSR
 * ... (SDM vol. 2). */
#include "sys.h"

const struct x86_op *x86_sys_ud(struct x86_cpu *c, const struct x86_op *op)
{
	x86_ud(c, op);
}

const struct x86_op *x86_sys_invlpg(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	x86_invlpg(c, x86_ea(c, op));
	return x86_end(c, op);
}

/* WBINVD, INVD: there are no caches to write back. */
const struct x86_op *x86_sys_wbinvd(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	return NEXT(op);
}

const struct x86_op *x86_sys_hlt(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	c->rip = x86_op_next_rip(c, op);
	c->stop.pc = c->rip;
	x86_leave(c, X86_STOP_HLT);
}

/* STAC and CLAC: imm is the new AC. */
const struct x86_op *x86_sys_ac(struct x86_cpu *c, const struct x86_op *op)
{
	if (!x86_has(c, X86_F_SMAP) || c->cpl)
		x86_ud(c, op);
	x86_write_eflags(c, (uint32_t)op->imm, X86_AC_);
	return NEXT(op);
}

const struct x86_op *x86_sys_cli(struct x86_cpu *c, const struct x86_op *op)
{
	c->eflags &= ~(uint32_t)(x86_virtual_if(c, op) ? X86_VIF : X86_IF);
	return NEXT(op);
}

const struct x86_op *x86_sys_sti(struct x86_cpu *c, const struct x86_op *op)
{
	if (x86_virtual_if(c, op)) {
		if (c->eflags & X86_VIP)
			x86_gp(c, op, 0);
		c->eflags |= X86_VIF;
		return x86_end(c, op);
	}
	if (!(c->eflags & X86_IF))
		c->shadow = 1;
	c->eflags |= X86_IF;
	return x86_end(c, op);
}

/* aux: whose it is. */
static bool vmcall_exits(const struct x86_cpu *c, const struct x86_op *op)
{
	unsigned exits = c->env->vmcall_exits;
	return exits & op->aux && (!(exits & X86_VMCALL_KERNEL) || (c->cr0 & 1 && !c->cpl));
}

const struct x86_op *x86_sys_vmcall(struct x86_cpu *c, const struct x86_op *op)
{
	if (!vmcall_exits(c, op))
		x86_ud(c, op);
	const struct x86_log_entry *e = x86_replay(c, 'H', 0, false);
	if (!e) {
		c->stop.kind = X86_STOP_HYPERCALL;
		c->stop.addr = 0;
		c->stop.write = false;
		c->stop.value = c->r[0];
		x86_defer(c, op);
	}
	c->r[0] = e->value[0];
	return x86_end(c, op);
}

/* ------ CPUID ------ */

static void patch_cpuid(const struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	if (leaf == 1)
		out[2] = (out[2] & ~(1u << 27)) | (c->cr4 & CR4_OSXSAVE ? 1u << 27 : 0);
	if (leaf == 7 && subleaf == 0)
		out[2] = (out[2] & ~(1u << 4)) | (c->cr4 & CR4_PKE ? 1u << 4 : 0);
	if (leaf == 0xd && subleaf == 0 && out[0])
		out[1] = x86_xsave_size(c->xcr0, false);
	if (leaf == 0xd && subleaf == 1 && (out[0] & 0xa)) /* XSAVEC or XSAVES */
		out[1] = x86_xsave_size(c->xcr0 | c->xss, true);
}

void x86_cpuid_guest(struct x86_cpu *c, const struct x86_op *op, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct x86_log_entry *e = x86_replay(c, 'C', leaf, false);
	memset(out, 0, 4 * sizeof *out);
	if (e) {
		for (int i = 0; i < 4; i++)
			out[i] = (uint32_t)e->value[i];
		return;
	}
	if (c->env->cpuid && c->env->cpuid(c->env_opaque, leaf, subleaf, out) == X86_DEFER) {
		c->stop.kind = X86_STOP_CPUID;
		c->stop.write = false;
		c->stop.leaf = leaf;
		c->stop.subleaf = subleaf;
		patch_cpuid(c, leaf, subleaf, out);
		memcpy(c->stop.cpuid, out, sizeof c->stop.cpuid);
		x86_defer(c, op);
	}
	patch_cpuid(c, leaf, subleaf, out);
}

const struct x86_op *x86_sys_cpuid(struct x86_cpu *c, const struct x86_op *op)
{
	uint32_t out[4];
	x86_cpuid_guest(c, op, (uint32_t)c->r[0], (uint32_t)c->r[1], out);
	x86_memory_changed(c); /* the guest's word for "fetch anew": writes of devices count, which nobody told of */
	c->r[0] = out[0];
	c->r[3] = out[1];
	c->r[1] = out[2];
	c->r[2] = out[3];
	return x86_end(c, op);
}

/* ------ time ------ */

uint64_t x86_read_tsc(struct x86_cpu *c)
{
	return (c->env->tsc ? c->env->tsc(c->env_opaque) : c->insns) + c->tsc_offset;
}

static void rdtsc(struct x86_cpu *c, const struct x86_op *op, bool rdtscp)
{
	if ((c->cr4 & CR4_TSD) && c->cpl)
		x86_gp(c, op, 0);
	if (unlikely(c->env->tsc_exits)) {
		c->stop.kind = X86_STOP_TSC;
		c->stop.write = rdtscp;
		x86_stop_before(c, op);
	}
	x86_exact(c, op);
	uint64_t t = x86_read_tsc(c);
	c->r[0] = (uint32_t)t;
	c->r[2] = t >> 32;
}

const struct x86_op *x86_sys_rdtsc(struct x86_cpu *c, const struct x86_op *op)
{
	rdtsc(c, op, false);
	return NEXT(op);
}

const struct x86_op *x86_sys_rdtscp(struct x86_cpu *c, const struct x86_op *op)
{
	if (!x86_has(c, X86_F_RDTSCP))
		x86_ud(c, op);
	rdtsc(c, op, true);
	c->r[1] = (uint32_t)c->tsc_aux;
	return NEXT(op);
}

/* No counters exist: every index is refused (SDM vol. 2, RDPMC). */
const struct x86_op *x86_sys_rdpmc(struct x86_cpu *c, const struct x86_op *op)
{
	x86_gp(c, op, 0);
}

/* ------ RDMSR, WRMSR ------ */

static void defer_msr(struct x86_cpu *c, const struct x86_op *op, uint32_t index, bool write, uint64_t value)
{
	c->stop.kind = X86_STOP_MSR;
	c->stop.addr = index;
	c->stop.write = write;
	c->stop.value = value;
	c->stop.fault = false;
	x86_defer(c, op);
}

static int read_msr(struct x86_cpu *c, const struct x86_op *op, uint32_t index, uint64_t *value)
{
	const struct x86_log_entry *e = x86_replay(c, 'R', index, false);
	if (e) {
		*value = e->value[0];
		return e->value[1] ? X86_GP : X86_DONE;
	}
	bool exits = c->env->msr_exits && c->env->msr_exits(c->env_opaque, index, false);
	int r = exits ? X86_DEFER : x86_msr_read_own(c, index, value);
	if (r == X86_DEFER)
		r = c->env->rdmsr ? c->env->rdmsr(c->env_opaque, index, value) : X86_GP;
	if (r == X86_DEFER)
		defer_msr(c, op, index, false, 0);
	return r;
}

static int write_msr(struct x86_cpu *c, const struct x86_op *op, uint32_t index, uint64_t value)
{
	const struct x86_log_entry *e = x86_replay(c, 'R', index, true);
	if (e)
		return e->value[1] ? X86_GP : X86_DONE;
	bool exits = c->env->msr_exits && c->env->msr_exits(c->env_opaque, index, true);
	int r = exits ? X86_DEFER : x86_msr_write_own(c, index, value);
	if (r == X86_DEFER)
		r = c->env->wrmsr ? c->env->wrmsr(c->env_opaque, index, value) : X86_GP;
	if (r == X86_DEFER)
		defer_msr(c, op, index, true, value);
	return r;
}

const struct x86_op *x86_sys_rdmsr(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t v = 0;
	x86_need_cpl0(c, op);
	if (read_msr(c, op, (uint32_t)c->r[1], &v) != X86_DONE)
		x86_gp(c, op, 0);
	c->r[0] = (uint32_t)v;
	c->r[2] = v >> 32;
	return x86_end(c, op);
}

const struct x86_op *x86_sys_wrmsr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	uint64_t v = (uint32_t)c->r[0] | c->r[2] << 32;
	if (write_msr(c, op, (uint32_t)c->r[1], v) != X86_DONE)
		x86_gp(c, op, 0);
	x86_update_mode(c);
	return x86_end(c, op);
}
