/* env.c - what the software CPU asks of its surroundings: memory that is none, ports, CPUID, MSRs, what came from
 * outside. */
#include "whpsim.h"

enum {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_MICROCODE = 0x8b,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC = 0x800,
	MSR_X2APIC_END = 0x900
};

static int env_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct whpsim_vp *vp = o;
	if (whpsim_has_apic(vp->partition) && whpsim_apic_mmio(vp, gpa, len, write, data) == X86_DONE)
		return X86_DONE;
	return write && whpsim_doorbell_rings(vp, gpa, len, data) ? X86_DONE : X86_DEFER;
}

static int env_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	(void)o, (void)port, (void)width, (void)write, (void)data, (void)count;
	return X86_DEFER;
}

/* ------ MSRs ------ */

static bool of_the_apic(uint32_t index)
{
	return index == MSR_APIC_BASE || index == MSR_TSC_DEADLINE || (index >= MSR_X2APIC && index < MSR_X2APIC_END);
}

static bool bitmap_exits(const struct whpsim_properties *p, uint32_t index, bool write)
{
	if (!p->exits.X64MsrExit)
		return false;
	switch (index) {
	case MSR_TSC:
		return write ? p->msr_exits.TscMsrWrite : p->msr_exits.TscMsrRead;
	case MSR_APIC_BASE:
		return write && p->msr_exits.ApicBaseMsrWrite;
	case MSR_MISC_ENABLE:
		return !write && p->msr_exits.MiscEnableMsrRead;
	case MSR_MICROCODE:
		return !write && p->msr_exits.McUpdatePatchLevelMsrRead;
	default:
		return false;
	}
}

/* What happens to an MSR before the processor's own is looked at. */
static WHV_MSR_ACTION action_of(const struct whpsim_properties *p, uint32_t index, bool write)
{
	bool listed;
	WHV_MSR_ACTION action = whpsim_msr_action(p, index, write, &listed);
	if (listed && action != WHvMsrActionArchitectureDefault)
		return action;
	return bitmap_exits(p, index, write) ? WHvMsrActionExit : WHvMsrActionArchitectureDefault;
}

static bool env_msr_exits(void *o, uint32_t index, bool write)
{
	return action_of(&((struct whpsim_vp *)o)->partition->properties, index, write) !=
	       WHvMsrActionArchitectureDefault;
}

/* Of an MSR that the hypervisor does not know. */
static int unhandled(const struct whpsim_properties *p)
{
	if (p->exits.X64MsrExit && p->msr_exits.UnhandledMsrs)
		return X86_DEFER;
	return p->unimplemented_msr == WHvMsrActionExit                  ? X86_DEFER
	       : p->unimplemented_msr == WHvMsrActionIgnoreWriteReadZero ? X86_DONE
									 : X86_GP;
}

static int apic_msr(struct whpsim_vp *vp, uint32_t index, bool write, uint64_t *value)
{
	struct whpsim_partition *p = vp->partition;
	if (write && index >= MSR_X2APIC && index < MSR_X2APIC_END && whpsim_apic_traps(vp, index - MSR_X2APIC, *value))
		return X86_DONE;
	pthread_mutex_lock(&p->irq_lock);
	int r = write ? irq_pc_wrmsr(&p->pc, vp->index, index, *value) : irq_pc_rdmsr(&p->pc, vp->index, index, value);
	pthread_mutex_unlock(&p->irq_lock);
	return r == IRQ_OK ? X86_DONE : X86_GP;
}

/* Without an APIC emulated, base and enable cannot be changed and x2APIC mode faults (as was seen on 17134). */
static int base_without_apic(struct whpsim_vp *vp, bool write, uint64_t *value)
{
	enum { EXTD = 1 << 10 };
	if (!write)
		*value = vp->apic_base;
	return write && *value & EXTD ? X86_GP : X86_DONE;
}

static int env_msr(struct whpsim_vp *vp, uint32_t index, bool write, uint64_t *value)
{
	const struct whpsim_properties *p = &vp->partition->properties;
	WHV_MSR_ACTION action = action_of(p, index, write);
	if (!write)
		*value = 0;
	if (action == WHvMsrActionExit)
		return X86_DEFER;
	if (action == WHvMsrActionIgnoreWriteReadZero)
		return X86_DONE;
	if (of_the_apic(index) && whpsim_has_apic(vp->partition))
		return apic_msr(vp, index, write, value);
	return index == MSR_APIC_BASE ? base_without_apic(vp, write, value) : unhandled(p);
}

static int env_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	return env_msr(o, index, false, value);
}

static int env_wrmsr(void *o, uint32_t index, uint64_t value)
{
	return env_msr(o, index, true, &value);
}

/* ------ CPUID, events ------ */

static int env_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct whpsim_vp *vp = o;
	whpsim_cpuid(&vp->partition->properties, vp->index, leaf, subleaf, out);
	/* while the CPU is made it asks for itself what it has */
	return vp->cpu && whpsim_cpuid_exits(&vp->partition->properties, leaf) ? X86_DEFER : X86_DONE;
}

static bool interrupt_pending(struct whpsim_vp *vp)
{
	return vp->extint_valid || (whpsim_has_apic(vp->partition) && irq_pc_pending(&vp->partition->pc, vp->index));
}

/* A cancel that is kept back is asked for again when the guest has gone so far. */
static bool canceled(struct whpsim_vp *vp)
{
	if (!atomic_load(&vp->cancel))
		return false;
	uint32_t later = whpsim_hostile_late(&vp->hostile);
	if (later)
		vp->cpu->insn_limit = vp->cpu->insns + later;
	return !later;
}

static unsigned env_poll(void *o)
{
	struct whpsim_vp *vp = o;
	unsigned found = 0;
	atomic_store(&vp->attention, 0);
	if (atomic_load(&vp->partition->stops)) {
		whpsim_leave(vp);
		whpsim_enter(vp);
	}
	if (vp->trap.reason || canceled(vp))
		found |= X86_POLL_STOP;
	if (interrupt_pending(vp))
		found |= X86_POLL_INTR;
	if (!vp->cpu->nmi_window && atomic_exchange(&vp->nmi, false)) /* there is one place for both */
		found |= X86_POLL_NMI;
	if (atomic_load(&vp->init))
		found |= X86_POLL_INIT;
	return found;
}

static int env_ack(void *o)
{
	struct whpsim_vp *vp = o;
	struct whpsim_partition *p = vp->partition;
	if (vp->extint_valid) {
		vp->extint_valid = false;
		return vp->extint;
	}
	pthread_mutex_lock(&p->irq_lock);
	int vector = irq_pc_ack(&p->pc, vp->index);
	pthread_mutex_unlock(&p->irq_lock);
	return vector;
}

static uint64_t apic_get_tpr(void *o)
{
	struct whpsim_vp *vp = o;
	pthread_mutex_lock(&vp->partition->irq_lock);
	uint64_t cr8 = irq_pc_get_cr8(&vp->partition->pc, vp->index);
	pthread_mutex_unlock(&vp->partition->irq_lock);
	return cr8;
}

static void apic_set_tpr(void *o, uint64_t cr8)
{
	struct whpsim_vp *vp = o;
	pthread_mutex_lock(&vp->partition->irq_lock);
	irq_pc_set_cr8(&vp->partition->pc, vp->index, (uint8_t)cr8);
	pthread_mutex_unlock(&vp->partition->irq_lock);
}

/* A window may be wanted for interrupts above a priority. */
void whpsim_want_window(struct whpsim_vp *vp)
{
	unsigned priority = vp->wanted.InterruptPriority;
	bool high = !priority || priority + whpsim_config()->window_at_tpr > vp->cpu->cr8;
	vp->cpu->window_wanted = vp->wanted.InterruptNotification && high;
}

static void env_set_tpr(void *o, uint64_t cr8)
{
	struct whpsim_vp *vp = o;
	vp->cpu->cr8 = cr8;
	whpsim_want_window(vp);
	atomic_store(&vp->attention, 1);
}

static void env_tsc_changed(void *o)
{
	struct whpsim_vp *vp = o;
	pthread_mutex_lock(&vp->partition->irq_lock);
	irq_pc_tsc_changed(&vp->partition->pc, vp->index);
	pthread_mutex_unlock(&vp->partition->irq_lock);
}

/* For one instruction of a processor. It stands outside meanwhile, so that two that want this do not wait for each
 * other. */
static void env_alone(void *o, bool begin)
{
	struct whpsim_vp *vp = o;
	if (!begin) {
		whpsim_start_world(vp->partition);
		whpsim_enter(vp);
		return;
	}
	whpsim_leave(vp);
	whpsim_stop_world(vp->partition, false);
	if (atomic_exchange(&vp->flush, false))
		x86_flush_all(vp->cpu);
}

static void env_yield(void *o)
{
	(void)o;
	whpsim_yield();
}

void whpsim_env_init(struct whpsim_vp *vp)
{
	bool apic = whpsim_has_apic(vp->partition), many = vp->partition->properties.processor_count > 1;
	vp->env = (struct x86_env){
		.page = whpsim_page,
		.mark_dirty = whpsim_mark_dirty,
		.mmio = env_mmio,
		.io = env_io,
		.rdmsr = env_rdmsr,
		.wrmsr = env_wrmsr,
		.msr_exits = env_msr_exits,
		.cpuid = env_cpuid,
		.poll = env_poll,
		.intr_ack = env_ack,
		.tsc = whpsim_tsc,
		.tsc_changed = apic ? env_tsc_changed : NULL,
		.get_tpr = apic ? apic_get_tpr : NULL,
		.set_tpr = apic ? apic_set_tpr : env_set_tpr,
		.mwait = env_yield,
		.pause = many ? env_yield : NULL,
		.alone = many ? env_alone : NULL,
		.task_exits = true,
		.table_exits = true,
	};
}

void whpsim_env_refresh(struct whpsim_vp *vp)
{
	const struct whpsim_properties *p = &vp->partition->properties;
	vp->env.exceptions = p->exits.ExceptionExit ? (uint32_t)p->exception_bitmap : 0;
	vp->env.exceptions |= whpsim_config()->vmx_shuts_down ? 1u << 6 : 0;
	vp->env.tsc_exits = p->exits.X64RdtscExit;
	/* the hypercall instruction of an Intel processor, which this one is (capability.c), where hypercalls are legal
	 * (TLFS 3.7); elsewhere, and without these exits, a partition without enlightenments has #UD */
	vp->env.vmcall_exits = p->exits.HypercallExit ? X86_VMCALL_INTEL | X86_VMCALL_KERNEL : 0;
}
