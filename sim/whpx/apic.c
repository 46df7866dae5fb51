/* apic.c - local APICs in the hypervisor (LocalApicEmulationMode XApic and X2Apic): the guest's accesses, interrupts
 * that the host requests, HLT, INIT and SIPI inside, and the thread that owns the timers. There is no I/O APIC and no
 * PIC. */
#include <errno.h>
#include <time.h>
#include <string.h>
#include "whpsim.h"

#define ERROR_HV_INVALID_PARAMETER WHP_HRESULT(0xc0350005u)
#define NOWHERE (UINT64_C(1) << 60) /* no guest-physical address */

/* ------ what irq/ asks for; its lock is held ------ */

static struct whpsim_vp *vp_of(void *o, unsigned index)
{
	return ((struct whpsim_partition *)o)->vps[index];
}

static void rouse(struct whpsim_vp *vp)
{
	atomic_store(&vp->attention, 1);
	pthread_cond_broadcast(&vp->partition->irq_cond);
}

static uint64_t ops_now(void *o)
{
	return whpsim_time_ns(o);
}

static uint64_t ops_tsc(void *o, unsigned index)
{
	struct whpsim_vp *vp = vp_of(o, index);
	return vp && vp->cpu ? whpsim_tsc_of(vp->partition) + vp->cpu->tsc_offset : 0;
}

static void ops_wake(void *o, unsigned index)
{
	struct whpsim_vp *vp = vp_of(o, index);
	if (vp)
		rouse(vp);
}

static void ops_init(void *o, unsigned index)
{
	struct whpsim_vp *vp = vp_of(o, index);
	if (!vp)
		return;
	atomic_store(&vp->sipi, false); /* one that was not taken yet found the processor as it was before */
	atomic_store(&vp->init, true);
	rouse(vp);
}

/* Void where nobody waits for one (SDM vol. 3, 9.4.3). */
static void ops_sipi(void *o, unsigned index, uint8_t vector)
{
	struct whpsim_vp *vp = vp_of(o, index);
	if (!vp || atomic_load(&vp->sipi) || !(atomic_load(&vp->wait_sipi) || atomic_load(&vp->init)))
		return;
	atomic_store(&vp->sipi_vector, vector);
	atomic_store(&vp->sipi, true);
	rouse(vp);
}

static void ops_nmi(void *o, unsigned index)
{
	struct whpsim_vp *vp = vp_of(o, index);
	if (!vp)
		return;
	atomic_store(&vp->nmi, true);
	rouse(vp);
}

static void ops_deadline(void *o, uint64_t ns)
{
	(void)ns;
	pthread_cond_broadcast(&((struct whpsim_partition *)o)->irq_cond);
}

/* By the processor itself, which stops behind the instruction. */
static void ops_eoi(void *o, unsigned index, uint8_t vector)
{
	struct whpsim_vp *vp = vp_of(o, index);
	if (!vp)
		return;
	vp->trap = (struct whpsim_trap){.reason = WHvRunVpExitReasonX64ApicEoi, .value = vector};
	atomic_store(&vp->attention, 1);
}

/* ------ the timers ------ */

/* Partition time and the condition's clock run side by side: a deadline is so far away. */
static void wait_until(struct whpsim_partition *p, uint64_t deadline)
{
	struct timespec t;
	uint64_t now = whpsim_time_ns(p), far = 1000000000;
	if (deadline <= now)
		return;
	uint64_t ns = deadline - now < far ? deadline - now : far;
	clock_gettime(CLOCK_REALTIME, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	pthread_cond_timedwait(&p->irq_cond, &p->irq_lock, &t);
}

static void *timers(void *o)
{
	struct whpsim_partition *p = o;
	pthread_mutex_lock(&p->irq_lock);
	while (p->timers_run) {
		uint64_t deadline = irq_pc_deadline(&p->pc);
		bool still = atomic_load(&p->time_stopped_at) != UINT64_MAX;
		if (!still && deadline <= whpsim_time_ns(p))
			irq_pc_tick(&p->pc, whpsim_time_ns(p));
		else if (still || deadline == IRQ_NEVER)
			pthread_cond_wait(&p->irq_cond, &p->irq_lock);
		else
			wait_until(p, deadline);
	}
	pthread_mutex_unlock(&p->irq_lock);
	return NULL;
}

int whpsim_apic_start(struct whpsim_partition *p)
{
	static const struct irq_ops ops = {ops_now,  ops_tsc, ops_wake,     ops_init,
					   ops_sipi, ops_nmi, ops_deadline, ops_eoi};
	const struct irq_config config = {.vcpus = p->properties.processor_count,
					  .tsc_hz = p->properties.tsc_hz,
					  .phys_bits = whpsim_config()->gpa_bits,
					  .x2apic = p->properties.apic_mode == WHvX64LocalApicEmulationModeX2Apic};
	if (!whpsim_has_apic(p))
		return 0;
	if (irq_pc_init(&p->pc, &config, &ops, p, p->lapics) != 0)
		return -1;
	p->pc.ioapic.base = NOWHERE;
	p->timers_run = true;
	if (pthread_create(&p->timers, NULL, timers, p) == 0)
		return 0;
	p->timers_run = false;
	return -1;
}

void whpsim_apic_stop(struct whpsim_partition *p)
{
	if (!p->timers_run)
		return;
	pthread_mutex_lock(&p->irq_lock);
	p->timers_run = false;
	pthread_cond_broadcast(&p->irq_cond);
	pthread_mutex_unlock(&p->irq_lock);
	pthread_join(p->timers, NULL);
}

void whpsim_apic_time_moved(struct whpsim_partition *p)
{
	pthread_mutex_lock(&p->irq_lock);
	pthread_cond_broadcast(&p->irq_cond);
	pthread_mutex_unlock(&p->irq_lock);
}

/* ------ sleeping ------ */

void whpsim_wake(struct whpsim_vp *vp)
{
	struct whpsim_partition *p = vp->partition;
	if (!whpsim_has_apic(p)) {
		atomic_store(&vp->attention, 1);
		return;
	}
	pthread_mutex_lock(&p->irq_lock);
	rouse(vp);
	pthread_mutex_unlock(&p->irq_lock);
}

/* INIT and SIPI change what the processor is (SDM vol. 3, 9.4.3); the boot processor restarts at the reset vector. */
static void take_init_sipi(struct whpsim_vp *vp)
{
	if (atomic_exchange(&vp->init, false)) {
		x86_init(vp->cpu);
		vp->halted = false;
		vp->wait_sipi = vp->index != 0;
		vp->unchecked = true;
	}
	if (atomic_exchange(&vp->sipi, false) && vp->wait_sipi) {
		x86_sipi(vp->cpu, (uint8_t)atomic_load(&vp->sipi_vector));
		vp->wait_sipi = false;
	}
}

static bool halt_ends(struct whpsim_vp *vp)
{
	const struct x86_cpu *c = vp->cpu;
	bool interrupt =
		vp->extint_valid || (whpsim_has_apic(vp->partition) && irq_pc_pending(&vp->partition->pc, vp->index));
	return (interrupt && c->eflags & 0x200) || atomic_load(&vp->nmi) || (c->nmi_pending && !c->nmi_window) ||
	       c->inject_valid || c->exc_valid;
}

static bool may_run(struct whpsim_vp *vp)
{
	take_init_sipi(vp);
	if (vp->halted && !vp->wait_sipi && halt_ends(vp))
		vp->halted = false;
	return !vp->halted && !vp->wait_sipi;
}

/* Without an APIC in the hypervisor nothing comes to one that is halted. */
static bool still_halted(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	bool canceled = atomic_exchange(&vp->cancel, false);
	if (!canceled && may_run(vp))
		return false;
	whpsim_exit(vp, canceled || vp->wait_sipi ? X86_STOP_POLL : X86_STOP_HLT, x);
	return true;
}

bool whpsim_wait_runnable(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	struct whpsim_partition *p = vp->partition;
	bool canceled = false;
	if (!whpsim_has_apic(p))
		return !still_halted(vp, x);
	pthread_mutex_lock(&p->irq_lock);
	while (!may_run(vp) && !(canceled = atomic_exchange(&vp->cancel, false)))
		pthread_cond_wait(&p->irq_cond, &p->irq_lock);
	pthread_mutex_unlock(&p->irq_lock);
	if (canceled)
		whpsim_exit(vp, X86_STOP_POLL, x);
	return !canceled;
}

/* ------ registers ------ */

/* Its base and mode are its own processor's to change. */
static bool in_page(struct whpsim_vp *vp, uint64_t gpa)
{
	enum { EXTD = 1 << 10, EN = 1 << 11 };
	uint64_t base = vp->partition->lapics[vp->index].base_msr;
	return (base & (EN | EXTD)) == EN && (base ^ gpa) >> 12 == 0;
}

static uint64_t icr(const struct whpsim_vp *vp, uint64_t value)
{
	enum { EXTD = 1 << 10, ICR_HIGH = 0x31 };
	const struct irq_lapic *l = &vp->partition->lapics[vp->index];
	return l->base_msr & EXTD ? value : (uint32_t)value | (uint64_t)l->reg[ICR_HIGH] << 32;
}

bool whpsim_apic_traps(struct whpsim_vp *vp, uint32_t reg, uint64_t value)
{
	const WHV_EXTENDED_VM_EXITS *exits = &vp->partition->properties.exits;
	const struct {
		uint8_t reg, wanted;
		WHV_X64_APIC_WRITE_TYPE type;
	} writes[] = {
		{0x0d, exits->X64ApicWriteLdrExitTrap, WHvX64ApicWriteTypeLdr},
		{0x0e, exits->X64ApicWriteDfrExitTrap, WHvX64ApicWriteTypeDfr},
		{0x0f, exits->X64ApicWriteSvrExitTrap, WHvX64ApicWriteTypeSvr},
		{0x35, exits->X64ApicWriteLint0ExitTrap, WHvX64ApicWriteTypeLint0},
		{0x36, exits->X64ApicWriteLint1ExitTrap, WHvX64ApicWriteTypeLint1},
	};
	enum { ICR = 0x30 };
	unsigned mode = value >> 8 & 7;
	if (reg == ICR && exits->X64ApicInitSipiExitTrap && (mode == IRQ_INIT || mode == IRQ_SIPI))
		vp->trap =
			(struct whpsim_trap){.reason = WHvRunVpExitReasonX64ApicInitSipiTrap, .value = icr(vp, value)};
	for (unsigned i = 0; i < sizeof writes / sizeof *writes; i++)
		if (reg == writes[i].reg && writes[i].wanted)
			vp->trap = (struct whpsim_trap){WHvRunVpExitReasonX64ApicWriteTrap, writes[i].type, value};
	if (vp->trap.reason)
		atomic_store(&vp->attention, 1);
	return vp->trap.reason == WHvRunVpExitReasonX64ApicInitSipiTrap;
}

int whpsim_apic_mmio(struct whpsim_vp *vp, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct whpsim_partition *p = vp->partition;
	uint32_t value = 0;
	if (write)
		memcpy(&value, data, len < 4 ? len : 4);
	if (write && len == 4 && in_page(vp, gpa) && whpsim_apic_traps(vp, gpa >> 4 & 0xff, value))
		return X86_DONE;
	pthread_mutex_lock(&p->irq_lock);
	int r = write ? irq_pc_mmio_write(&p->pc, vp->index, gpa, data, len)
		      : irq_pc_mmio_read(&p->pc, vp->index, gpa, data, len);
	pthread_mutex_unlock(&p->irq_lock);
	return r == IRQ_OK ? X86_DONE : X86_DEFER;
}

uint64_t whpsim_apic_base(struct whpsim_vp *vp)
{
	struct whpsim_partition *p = vp->partition;
	if (!whpsim_has_apic(p))
		return vp->apic_base;
	pthread_mutex_lock(&p->irq_lock);
	uint64_t base = irq_pc_get_apic_base(&p->pc, vp->index);
	pthread_mutex_unlock(&p->irq_lock);
	return base;
}

bool whpsim_set_apic_base(struct whpsim_vp *vp, uint64_t value)
{
	enum { BSP = 1 << 8, EXTD = 1 << 10, EN = 1 << 11 };
	struct whpsim_partition *p = vp->partition;
	if (!whpsim_has_apic(p)) {
		bool ok = !(value & ~(((uint64_t)1 << vp->cpu->gpa_bits) - 0x1000 + (BSP | EN)));
		vp->apic_base = ok ? value : vp->apic_base;
		return ok;
	}
	pthread_mutex_lock(&p->irq_lock);
	int r = irq_pc_set_apic_base(&p->pc, vp->index, value);
	pthread_mutex_unlock(&p->irq_lock);
	return r == 0;
}

bool whpsim_apic_register(struct whpsim_vp *vp, uint32_t offset, uint64_t *value)
{
	enum { TSC_DEADLINE = 0x6e0, ICR = 0x300 };
	struct whpsim_partition *p = vp->partition;
	uint8_t page[IRQ_LAPIC_IMAGE];
	if (!whpsim_has_apic(p))
		return false;
	pthread_mutex_lock(&p->irq_lock);
	irq_pc_get_lapic(&p->pc, vp->index, page);
	if (offset == TSC_DEADLINE)
		irq_pc_rdmsr(&p->pc, vp->index, TSC_DEADLINE, value);
	pthread_mutex_unlock(&p->irq_lock);
	if (offset == TSC_DEADLINE)
		return true;
	uint32_t low, high;
	memcpy(&low, page + offset, sizeof low);
	memcpy(&high, page + ICR + 0x10, sizeof high);
	*value = low | (offset == ICR ? (uint64_t)high << 32 : 0);
	return true;
}

void whpsim_apic_set_deadline(struct whpsim_vp *vp, uint64_t tsc)
{
	struct whpsim_partition *p = vp->partition;
	pthread_mutex_lock(&p->irq_lock);
	irq_pc_set_tsc_deadline(&p->pc, vp->index, tsc);
	pthread_mutex_unlock(&p->irq_lock);
}

/* ------ WHvRequestInterrupt ------ */

/* Types are the delivery modes of the APICs' bus, but for the last. */
static bool is_mode(unsigned type)
{
	enum { KNOWN = 1 << IRQ_FIXED | 1 << IRQ_LOWEST | 1 << IRQ_NMI | 1 << IRQ_INIT | 1 << IRQ_SIPI };
	return type < 8 && KNOWN >> type & 1;
}

static HRESULT check_request(const struct whpsim_partition *p, const WHV_INTERRUPT_CONTROL *i, struct irq_msg *msg)
{
	if (!p->setup || !whpsim_has_apic(p))
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (i->Reserved || i->DestinationMode > WHvX64InterruptDestinationModeLogical ||
	    i->TriggerMode > WHvX64InterruptTriggerModeLevel || i->Vector > 255)
		return E_INVALIDARG;
	if (!is_mode((unsigned)i->Type) && i->Type != WHvX64InterruptTypeLocalInt1)
		return E_INVALIDARG;
	/* LINT1 is for NMIs; its entry in the table is not looked at */
	msg->mode = i->Type == WHvX64InterruptTypeLocalInt1 ? IRQ_NMI : (uint8_t)i->Type;
	bool vectored = msg->mode == IRQ_FIXED || msg->mode == IRQ_LOWEST;
	return vectored && i->Vector < 16 ? ERROR_HV_INVALID_PARAMETER : S_OK;
}

HRESULT WHvRequestInterrupt(WHV_PARTITION_HANDLE Partition, const WHV_INTERRUPT_CONTROL *Interrupt,
			    uint32_t InterruptControlSize)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!Interrupt)
		return E_POINTER;
	if (InterruptControlSize < sizeof *Interrupt)
		return E_INVALIDARG;
	struct irq_msg msg = {.dest = Interrupt->Destination,
			      .wide = p->properties.apic_mode == WHvX64LocalApicEmulationModeX2Apic,
			      .logical = Interrupt->DestinationMode,
			      .vector = (uint8_t)Interrupt->Vector,
			      .level = Interrupt->TriggerMode};
	HRESULT r = check_request(p, Interrupt, &msg);
	if (r != S_OK)
		return r;
	pthread_mutex_lock(&p->irq_lock);
	irq_pc_send(&p->pc, &msg);
	pthread_mutex_unlock(&p->irq_lock);
	return S_OK;
}
