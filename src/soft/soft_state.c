/* soft_state.c - the software CPU's registers to and from the core's neutral form, one converter a class. */
#include <string.h>
#include "soft.h"

/* Hardware numbers of the general registers, in the order of VMA_X86_GPRS. */
static const uint8_t gpr_number[16] = {0, 3, 1, 2, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

static void fetch_gpr(struct soft_vcpu *cv, vma_x86_regs *r)
{
	uint64_t *out = &r->rax;
	for (int i = 0; i < 16; i++)
		out[i] = cv->cpu->r[gpr_number[i]];
	r->rip = cv->cpu->rip;
	r->rflags = x86_get_rflags(cv->cpu);
}

static void commit_gpr(struct soft_vcpu *cv, const vma_x86_regs *r)
{
	const uint64_t *in = &r->rax;
	uint32_t which = cv->v->gpr_dirty;
	for (int i = 0; i < 16; i++)
		if (which & 1u << i)
			cv->cpu->r[gpr_number[i]] = in[i];
	if (which & VMA_X86_REG_BIT(VMA_X86_RIP))
		cv->cpu->rip = r->rip;
	if (which & VMA_X86_REG_BIT(VMA_X86_RFLAGS)) {
		x86_set_rflags(cv->cpu, r->rflags);
		x86_state_changed(cv->cpu, false);
	}
}

static void fetch_sregs(struct soft_vcpu *cv, vma_x86_sregs *s)
{
	const struct x86_cpu *c = cv->cpu;
#define VMA_X(NAME, field, ...)                                                                                        \
	s->field = (vma_x86_seg){.base = c->seg[X86_##NAME].base,                                                      \
				 .limit = c->seg[X86_##NAME].limit,                                                    \
				 .selector = c->seg[X86_##NAME].sel,                                                   \
				 .attr = c->seg[X86_##NAME].attr};
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
	s->gdtr = (vma_x86_table){.base = c->gdt_base, .limit = c->gdt_limit};
	s->idtr = (vma_x86_table){.base = c->idt_base, .limit = c->idt_limit};
	s->cr0 = c->cr0;
	s->cr2 = c->cr2;
	s->cr3 = c->cr3;
	s->cr4 = c->cr4;
	s->efer = c->efer;
	s->cr8 = cv->env.get_tpr ? cv->env.get_tpr(cv) : c->cr8;
	if (cv->vm->has_pc) {
		os_lock(&cv->vm->irq_lock);
		s->apic_base = irq_pc_get_apic_base(&cv->vm->pc, cv->v->index);
		os_unlock(&cv->vm->irq_lock);
	} else {
		s->apic_base = cv->apic_base;
	}
}

/* As MOV CR3 would do it (SDM vol. 3, 4.4.1); KVM does the same on a host's write. */
static void load_pdptes(struct soft_vcpu *cv)
{
	struct x86_cpu *c = cv->cpu;
	unsigned flags;
	if (!(c->cr0 >> 31 & 1) || !(c->cr4 >> 5 & 1) || c->efer & 0x400)
		return;
	soft_enter(cv);
	const uint8_t *page = soft_page(cv, c->cr3 & 0xfffff000, &flags);
	if (page)
		memcpy(c->pdpte, page + (c->cr3 & 0xfe0), sizeof c->pdpte);
	else
		memset(c->pdpte, 0, sizeof c->pdpte);
	soft_leave(cv);
}

static void commit_apic_base(struct soft_vcpu *cv, const vma_x86_sregs *s)
{
	cv->apic_base = s->apic_base;
	if (cv->vm->has_pc) {
		os_lock(&cv->vm->irq_lock);
		irq_pc_set_apic_base(&cv->vm->pc, cv->v->index, s->apic_base);
		irq_pc_set_cr8(&cv->vm->pc, cv->v->index, (uint8_t)s->cr8);
		os_unlock(&cv->vm->irq_lock);
	}
}

static void commit_sregs(struct soft_vcpu *cv, const vma_x86_sregs *s)
{
	struct x86_cpu *c = cv->cpu;
#define VMA_X(NAME, field, ...)                                                                                        \
	c->seg[X86_##NAME] = (struct x86_seg){.base = s->field.base,                                                   \
					      .limit = s->field.limit,                                                 \
					      .attr = s->field.attr,                                                   \
					      .sel = s->field.selector};
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
	c->gdt_base = s->gdtr.base;
	c->gdt_limit = s->gdtr.limit;
	c->idt_base = s->idtr.base;
	c->idt_limit = s->idtr.limit;
	c->cr0 = s->cr0;
	c->cr2 = s->cr2;
	c->cr3 = s->cr3;
	c->cr4 = s->cr4;
	c->cr8 = s->cr8;
	c->efer = s->efer;
	commit_apic_base(cv, s);
	x86_state_changed(c, true);
	load_pdptes(cv);
}

static void fetch_dregs(struct soft_vcpu *cv, vma_x86_dregs *d)
{
	const uint64_t *dr = cv->cpu->dr;
	*d = (vma_x86_dregs){.dr0 = dr[0], .dr1 = dr[1], .dr2 = dr[2], .dr3 = dr[3], .dr6 = dr[6], .dr7 = dr[7]};
}

static void commit_dregs(struct soft_vcpu *cv, const vma_x86_dregs *d)
{
	uint64_t *dr = cv->cpu->dr;
	dr[0] = d->dr0;
	dr[1] = d->dr1;
	dr[2] = d->dr2;
	dr[3] = d->dr3;
	dr[6] = d->dr6;
	dr[7] = d->dr7;
	x86_state_changed(cv->cpu, true);
}

enum { TYPE_NMI = 2, TYPE_EXCEPTION = 3, TYPE_SOFT = 4 };

static void fetch_events(struct soft_vcpu *cv, vma_x86_events *e)
{
	const struct x86_cpu *c = cv->cpu;
	*e = (vma_x86_events){.shadow = c->shadow, .nmi_masked = c->nmi_masked};
	e->nmi_pending = c->nmi_pending || atomic_load(&cv->nmi);
	e->init_pending = atomic_load(&cv->init);
	e->sipi_pending = atomic_load(&cv->sipi);
	e->sipi_vector = atomic_load(&cv->sipi_vector);
	e->triple_fault_pending = c->exc_valid && c->exc_triple;
	if (c->exc_valid && !c->exc_triple) { /* the guest's own, behind an exit of the caller's debugging */
		e->exception_injected = 1;
		e->exception_vector = c->exc_vector;
		e->exception_has_error = c->exc_error >= 0;
		e->exception_error = c->exc_error >= 0 ? (uint32_t)c->exc_error : 0;
	}
	if (cv->given) {
		e->interrupt_injected = 1;
		e->interrupt_vector = cv->given_vector;
	}
	if (!c->inject_valid || (c->exc_valid && c->inject_type == TYPE_EXCEPTION))
		return;
	if (c->inject_type == TYPE_NMI) {
		e->nmi_injected = 1;
	} else if (c->inject_type == TYPE_EXCEPTION) {
		e->exception_injected = 1;
		e->exception_vector = c->inject_vector;
		e->exception_has_error = c->inject_has_error;
		e->exception_error = c->inject_error;
	} else {
		e->interrupt_injected = 1;
		e->interrupt_vector = c->inject_vector;
		e->interrupt_soft = c->inject_type == TYPE_SOFT;
	}
}

/* A pending exception becomes an injected one: its payload takes effect now, which no guest can tell from at delivery. */
static void commit_exception(struct x86_cpu *c, const vma_x86_events *e)
{
	c->inject_valid = true;
	c->inject_type = TYPE_EXCEPTION;
	c->inject_vector = e->exception_vector;
	c->inject_has_error = e->exception_has_error;
	c->inject_error = e->exception_error;
	if (!e->exception_pending || !e->exception_has_payload)
		return;
	if (e->exception_vector == 14)
		c->cr2 = e->exception_payload;
	else if (e->exception_vector == 1)
		c->dr[6] = (c->dr[6] & ~0xfull) | e->exception_payload;
}

/* An NMI or INT n is in flight, too: there is one place for what is injected, and one for what was raised. */
static void exception_first(struct x86_cpu *c)
{
	c->exc_valid = true;
	c->exc_vector = c->inject_vector;
	c->exc_type = TYPE_EXCEPTION;
	c->exc_error = c->inject_has_error ? (int32_t)c->inject_error : -1;
}

static void commit_events(struct soft_vcpu *cv, const vma_x86_events *e)
{
	struct x86_cpu *c = cv->cpu;
	c->shadow = e->shadow;
	c->nmi_masked = e->nmi_masked;
	c->nmi_pending = e->nmi_pending;
	atomic_store(&cv->nmi, false);
	/* What another vCPU has sent meanwhile is not the caller's to take back: a fresh vCPU's first commit comes with its first run. */
	if (e->init_pending)
		atomic_store(&cv->init, true);
	if (e->sipi_pending) {
		atomic_store(&cv->sipi_vector, e->sipi_vector);
		atomic_store(&cv->sipi, true);
	}
	c->inject_valid = false;
	c->exc_valid = c->exc_triple = e->triple_fault_pending;
	if (e->exception_injected || e->exception_pending)
		commit_exception(c, e);
	cv->given = e->interrupt_injected && !e->interrupt_soft;
	cv->given_vector = e->interrupt_vector;
	if (e->nmi_injected || (e->interrupt_injected && e->interrupt_soft)) {
		if (c->inject_valid)
			exception_first(c);
		c->inject_valid = true;
		c->inject_type = e->nmi_injected ? TYPE_NMI : TYPE_SOFT;
		c->inject_vector = e->nmi_injected ? 2 : e->interrupt_vector;
		c->inject_has_error = false;
	}
	soft_wake(cv);
}

static void fetch_lapic(struct soft_vcpu *cv, uint8_t *page)
{
	os_lock(&cv->vm->irq_lock);
	irq_pc_get_lapic(&cv->vm->pc, cv->v->index, page);
	os_unlock(&cv->vm->irq_lock);
}

static int commit_lapic(struct soft_vcpu *cv, const uint8_t *page)
{
	os_lock(&cv->vm->irq_lock);
	int r = irq_pc_set_lapic(&cv->vm->pc, cv->v->index, page);
	os_cond_broadcast(&cv->vm->irq_cond);
	os_unlock(&cv->vm->irq_lock);
	soft_wake(cv);
	return r < 0 ? vma_fail(VMA_E_INVALID, "the local APIC refuses the register page") : 0;
}

int soft_fetch(struct vma_vcpu *v, uint32_t classes)
{
	struct soft_vcpu *cv = v->priv;
	if (classes & VMA_C_GPR)
		fetch_gpr(cv, &v->x86.gpr);
	if (classes & VMA_C_SREGS)
		fetch_sregs(cv, &v->x86.sregs);
	if (classes & VMA_C_DREGS)
		fetch_dregs(cv, &v->x86.dregs);
	if (classes & VMA_C_XCR0)
		v->x86.xcr0 = cv->cpu->xcr0;
	if (classes & VMA_C_XSAVE)
		x86_get_xsave(cv->cpu, v->x86.xsave, v->vm->xsave_size);
	if (classes & VMA_C_EVENTS)
		fetch_events(cv, &v->x86.events);
	if (classes & VMA_C_MP)
		v->x86.mp = cv->mp;
	if (classes & VMA_C_LAPIC && cv->vm->has_pc)
		fetch_lapic(cv, v->x86.lapic);
	return 0;
}

int soft_commit(struct vma_vcpu *v, uint32_t classes)
{
	struct soft_vcpu *cv = v->priv;
	if (classes & VMA_C_SREGS)
		commit_sregs(cv, &v->x86.sregs);
	if (classes & VMA_C_GPR)
		commit_gpr(cv, &v->x86.gpr);
	if (classes & VMA_C_DREGS)
		commit_dregs(cv, &v->x86.dregs);
	if (classes & VMA_C_XCR0)
		cv->cpu->xcr0 = v->x86.xcr0;
	if (classes & VMA_C_XSAVE)
		x86_set_xsave(cv->cpu, v->x86.xsave, v->vm->xsave_size);
	if (classes & VMA_C_EVENTS)
		commit_events(cv, &v->x86.events);
	if (classes & VMA_C_MP)
		cv->mp = v->x86.mp;
	return classes & VMA_C_LAPIC && cv->vm->has_pc ? commit_lapic(cv, v->x86.lapic) : 0;
}

/* ------ MSRs ------ */

enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_TSC_DEADLINE = 0x6e0 };

/* Without interrupt controllers there is no APIC timer: its deadline is never armed. */
static bool get_msr(struct soft_vcpu *cv, uint32_t index, uint64_t *value)
{
	if (index == MSR_TSC_DEADLINE && !cv->vm->has_pc) {
		*value = 0;
		return true;
	}
	return x86_rdmsr(cv->cpu, index, value) || soft_env_rdmsr(cv, index, value) == X86_DONE;
}

int soft_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	struct soft_vcpu *cv = v->priv;
	for (size_t i = 0; i < count; i++)
		if (!get_msr(cv, indices[i], &values[i]))
			return (int)i;
	return (int)count;
}

static bool set_msr(struct soft_vcpu *cv, uint32_t index, uint64_t value)
{
	struct soft_vm *sv = cv->vm;
	if (index == MSR_APIC_BASE && sv->has_pc) {
		os_lock(&sv->irq_lock);
		int r = irq_pc_set_apic_base(&sv->pc, cv->v->index, value);
		os_unlock(&sv->irq_lock);
		return r == 0;
	}
	if (index == MSR_TSC_DEADLINE && !sv->has_pc)
		return value == 0;
	if (index == MSR_TSC_DEADLINE) {
		os_lock(&sv->irq_lock);
		irq_pc_set_tsc_deadline(&sv->pc, cv->v->index, value);
		os_unlock(&sv->irq_lock);
		return true;
	}
	if (!x86_wrmsr(cv->cpu, index, value))
		return soft_env_wrmsr(cv, index, value) == X86_DONE;
	if ((index == MSR_TSC || index == MSR_TSC_ADJUST) && sv->has_pc) {
		os_lock(&sv->irq_lock);
		irq_pc_tsc_changed(&sv->pc, cv->v->index);
		os_unlock(&sv->irq_lock);
	}
	return true;
}

int soft_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!set_msr(v->priv, indices[i], values[i]))
			return (int)i;
	return (int)count;
}
