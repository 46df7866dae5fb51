/* soft_env.c - what the software CPU asks of its surroundings: devices below the API, CPUID, MSRs of the APIC, time, attention. */
#include "soft.h"
#include "pc/pc.h"

static bool lapic_or_ioapic(struct soft_vcpu *cv, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct soft_vm *sv = cv->vm;
	if (!sv->has_pc)
		return false;
	os_lock(&sv->irq_lock);
	int r = write ? irq_pc_mmio_write(&sv->pc, cv->v->index, gpa, data, len)
		      : irq_pc_mmio_read(&sv->pc, cv->v->index, gpa, data, len);
	os_unlock(&sv->irq_lock);
	return r == IRQ_OK;
}

static int env_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct soft_vcpu *cv = o;
	if (lapic_or_ioapic(cv, gpa, len, write, data))
		return X86_DONE;
	if (write && vma_ioevent_hit(&cv->vm->ioevents, false, gpa, len, data))
		return X86_DONE;
	return X86_DEFER;
}

static bool pc_port(struct soft_vcpu *cv, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t count)
{
	struct soft_vm *sv = cv->vm;
	if (!sv->has_pc || !irq_pc_has_port(port))
		return false;
	os_lock(&sv->irq_lock);
	int r = irq_pc_ports(&sv->pc, port, width, write, data, count);
	os_unlock(&sv->irq_lock);
	return r == IRQ_OK;
}

static int env_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	struct soft_vcpu *cv = o;
	if (pc_port(cv, port, width, write, data, *count))
		return X86_DONE;
	return write && vma_ioevent_outs(&cv->vm->ioevents, port, width, data, count) ? X86_DONE : X86_DEFER;
}

int soft_env_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	struct soft_vcpu *cv = o;
	struct soft_vm *sv = cv->vm;
	if (!sv->has_pc) {
		if (index != 0x1b)
			return X86_GP;
		*value = cv->apic_base;
		return X86_DONE;
	}
	os_lock(&sv->irq_lock);
	int r = irq_pc_rdmsr(&sv->pc, cv->v->index, index, value);
	os_unlock(&sv->irq_lock);
	return r == IRQ_OK ? X86_DONE : X86_GP;
}

int soft_env_wrmsr(void *o, uint32_t index, uint64_t value)
{
	struct soft_vcpu *cv = o;
	struct soft_vm *sv = cv->vm;
	if (!sv->has_pc) {
		if (index != 0x1b)
			return X86_GP;
		cv->apic_base = value;
		return X86_DONE;
	}
	os_lock(&sv->irq_lock);
	int r = irq_pc_wrmsr(&sv->pc, cv->v->index, index, value);
	os_unlock(&sv->irq_lock);
	return r == IRQ_OK ? X86_DONE : X86_GP;
}

static bool known_to_env(uint32_t index)
{
	return index == 0x1b || index == 0x6e0 || (index >= 0x800 && index < 0x900);
}

/* The guest's RDMSR of what the CPU does not own: ours, the caller's by policy, or #GP. */
static int env_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	struct soft_vcpu *cv = o;
	if (cv->env.msr_exits(o, index, false))
		return X86_DEFER;
	if (known_to_env(index))
		return soft_env_rdmsr(o, index, value);
	return cv->vm->vm->config.msr_policy == VMA_MSR_EXIT ? X86_DEFER : X86_GP;
}

static int env_wrmsr(void *o, uint32_t index, uint64_t value)
{
	struct soft_vcpu *cv = o;
	if (cv->env.msr_exits(o, index, true))
		return X86_DEFER;
	if (known_to_env(index))
		return soft_env_wrmsr(o, index, value);
	return cv->vm->vm->config.msr_policy == VMA_MSR_EXIT ? X86_DEFER : X86_GP;
}

static bool env_msr_exits(void *o, uint32_t index, bool write)
{
	const struct vma_vm *vm = ((struct soft_vcpu *)o)->vm->vm;
	for (size_t i = 0; i < vm->msr_range_count; i++) {
		const struct vma_msr_range *r = &vm->msr_ranges[i];
		if (index >= r->first && index - r->first < r->count && r->access & (write ? 2 : 1))
			return true;
	}
	return false;
}

/* The controllers are above the API: they see CR8 when a run ends. */
static void env_tell_tpr(void *o, uint64_t cr8)
{
	(void)cr8;
	pc_call(((struct soft_vcpu *)o)->v);
}

static bool is_bare(const struct soft_vcpu *cv)
{
	return cv->vm->vm->config.irqchip == VMA_IRQCHIP_LIBRARY;
}

/* A deadline is due by the TSC as it is now. */
static void env_tsc_changed(void *o)
{
	struct soft_vcpu *cv = o;
	os_lock(&cv->vm->irq_lock);
	irq_pc_tsc_changed(&cv->vm->pc, cv->v->index);
	os_unlock(&cv->vm->irq_lock);
}

static bool apic_off(struct soft_vcpu *cv)
{
	enum { APIC_BASE_EN = 1 << 11 };
	uint64_t base;
	return cv->vm->vm->config.irqchip && soft_env_rdmsr(cv, 0x1b, &base) == X86_DONE && !(base & APIC_BASE_EN);
}

/* APIC ids are a vCPU's own, and a local APIC that is off is not shown (SDM vol. 2, CPUID leaves 1 and 0BH; vol. 3, 11.4.3). */
static int env_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct soft_vcpu *cv = o;
	vma_cpuid_lookup(cv->vm->vm, leaf, subleaf, out);
	if (leaf == 1) {
		out[1] = (out[1] & 0x00ffffff) | cv->v->index << 24;
		out[3] &= apic_off(cv) ? ~(uint32_t)(1 << 9) : ~(uint32_t)0;
	} else if (leaf == 0xb || leaf == 0x1f)
		out[3] = cv->v->index;
	/* while the CPU is made it asks for itself what it has */
	return cv->cpu && cv->vm->vm->config.cpuid_exits ? X86_DEFER : X86_DONE;
}

static unsigned env_poll(void *o)
{
	struct soft_vcpu *cv = o;
	struct vma_kick *k = cv->v->kick;
	unsigned found = 0;
	atomic_store(&k->attention, 0);
	if (atomic_load(&cv->vm->stops)) {
		soft_leave(cv);
		soft_enter(cv);
	}
	if (atomic_load(&k->pending) || atomic_load(&k->calls) || (is_bare(cv) && pc_called(cv->v)) ||
	    atomic_load(&cv->v->vm->time_stands))
		found |= X86_POLL_STOP;
	if (cv->given || (cv->vm->has_pc && irq_pc_pending(&cv->vm->pc, cv->v->index)))
		found |= X86_POLL_INTR;
	if (atomic_exchange(&cv->nmi, false))
		found |= X86_POLL_NMI;
	if (atomic_load(&cv->init))
		found |= X86_POLL_INIT;
	return found;
}

static int env_ack(void *o)
{
	struct soft_vcpu *cv = o;
	if (cv->given) {
		cv->given = false;
		return cv->given_vector;
	}
	os_lock(&cv->vm->irq_lock);
	int vector = irq_pc_ack(&cv->vm->pc, cv->v->index);
	os_unlock(&cv->vm->irq_lock);
	return vector;
}

static uint64_t env_get_tpr(void *o)
{
	struct soft_vcpu *cv = o;
	os_lock(&cv->vm->irq_lock);
	uint64_t cr8 = irq_pc_get_cr8(&cv->vm->pc, cv->v->index);
	os_unlock(&cv->vm->irq_lock);
	return cr8;
}

static void env_set_tpr(void *o, uint64_t cr8)
{
	struct soft_vcpu *cv = o;
	os_lock(&cv->vm->irq_lock);
	irq_pc_set_cr8(&cv->vm->pc, cv->v->index, (uint8_t)cr8);
	os_unlock(&cv->vm->irq_lock);
}

/* RDRAND and RDSEED. */
static bool env_random(void *o, uint64_t *value)
{
	const struct soft_vm *sv = ((struct soft_vcpu *)o)->vm;
	if (!sv->insn_hz)
		return os_random(value, sizeof *value) == 0;
	*value = soft_random_at(sv);
	return true;
}

/* A wait that another vCPU's store should end is a short sleep: nobody watches stores. */
static void env_mwait(void *o)
{
	struct soft_vcpu *cv = o;
	enum { NAP_NS = 100000 };
	bool pending = cv->vm->has_pc && irq_pc_pending(&cv->vm->pc, cv->v->index);
	if (cv->vm->insn_hz && !pending)
		soft_time_skip(cv);
	if (cv->vm->insn_hz)
		return;
	os_event_wait(&cv->v->kick->wake, os_now_ns() + NAP_NS);
}

static void env_pause(void *o)
{
	(void)o;
	os_yield();
}

void soft_env_init(struct soft_vcpu *cv)
{
	bool pc = cv->vm->has_pc;
	cv->env = (struct x86_env){
		.page = soft_page,
		.mark_dirty = soft_mark_dirty,
		.mmio = env_mmio,
		.io = env_io,
		.rdmsr = env_rdmsr,
		.wrmsr = env_wrmsr,
		.msr_exits = env_msr_exits,
		.cpuid = env_cpuid,
		.poll = env_poll,
		.intr_ack = env_ack,
		.tsc = soft_tsc,
		.tsc_changed = pc ? env_tsc_changed : NULL,
		.get_tpr = pc ? env_get_tpr : NULL,
		.set_tpr = pc ? env_set_tpr : is_bare(cv) ? env_tell_tpr : NULL,
		.random = env_random,
		.mwait = env_mwait,
		.pause = cv->vm->vm->config.max_vcpus > 1 ? env_pause : NULL,
		.alone = cv->vm->vm->config.max_vcpus > 1 ? soft_alone : NULL,
		.vmcall_exits = cv->vm->vm->config.hypercall_exits ? X86_VMCALL_BOTH : 0,
	};
}
