/* whpx_chips.c - VMA_IRQCHIP_PLATFORM: the platform has local APICs only, so I/O APIC, PIC and PIT are irq/'s, under
 * one lock, with the thread that sleeps until the PIT's next deadline. The I/O APIC's messages are
 * WHvRequestInterrupt's. The local APIC that irq/ has besides is disabled: what it would take is the PIC's output,
 * which vCPU 0 takes. */
#include <string.h>
#include "whpx/whpx.h"
#include "core/irqfd.h"
#include "irq.h"
#include "pc/pc.h"

enum { AGAIN_NS = 10000000 };

struct whpx_chips {
	struct whpx_vm *vm;
	struct irq_pc pc;
	struct irq_lapic lapic;
	struct os_mutex lock; /* around every call into irq/ */
	struct os_cond moved; /* the timer thread waits here */
	struct os_worker *timer;
	bool quit;
	bool wide; /* the platform's destinations have 32 bits: X2Apic */
	struct vma_vcpu *boot; /* vCPU 0, under the lock */
	struct vma_irqfds irqfds;
};

/* ------ what irq/ asks for; the lock is held ------ */

static uint64_t op_now(void *o)
{
	(void)o;
	return os_now_ns();
}

static uint64_t op_tsc(void *o, unsigned index)
{
	(void)o;
	(void)index;
	return 0;
}

/* The PIC's output rose. */
static void op_wake(void *o, unsigned index)
{
	struct whpx_chips *c = o;

	(void)index;
	os_cond_broadcast(&c->moved);
	if (!c->boot)
		return;
	atomic_store(&c->boot->kick->attention, 1);
	whpx_kick(c->boot->kick);
}

static void op_nothing(void *o, unsigned index)
{
	(void)o;
	(void)index;
}

static void op_no_sipi(void *o, unsigned index, uint8_t vector)
{
	(void)o;
	(void)index;
	(void)vector;
}

static void op_deadline(void *o, uint64_t ns)
{
	struct whpx_chips *c = o;

	(void)ns;
	os_cond_broadcast(&c->moved);
}

static const struct irq_ops ops = {
	.now_ns = op_now,
	.tsc = op_tsc,
	.wake = op_wake,
	.init = op_nothing,
	.sipi = op_no_sipi,
	.nmi = op_nothing,
	.deadline = op_deadline,
};

/* Delivery modes are the platform's interrupt types (SDM vol. 3, 11.6.1; WHV_INTERRUPT_TYPE), but for those it has not.
 */
static bool known_mode(unsigned mode)
{
	return mode == IRQ_FIXED || mode == IRQ_LOWEST || mode == IRQ_NMI || mode == IRQ_INIT || mode == IRQ_SIPI;
}

/* A message that the hypervisor refuses (a vector below 16, a destination that is not there) is lost, as on the bus. */
static int send(void *o, const struct irq_msg *msg)
{
	struct whpx_chips *c = o;
	WHV_INTERRUPT_CONTROL control = {
		.Type = msg->redirect && msg->mode == IRQ_FIXED ? IRQ_LOWEST : msg->mode,
		.DestinationMode = msg->logical,
		.TriggerMode = msg->level,
		.Destination = c->wide && !msg->wide && msg->dest == 0xff ? UINT32_MAX : msg->dest, /* all */
		.Vector = msg->vector,
	};

	if (!known_mode(msg->mode))
		return 0;
	return WHPX(RequestInterrupt, c->vm->partition, &control, sizeof(control)) == S_OK;
}

/* What the PIC has and vCPU 0 could not take yet is offered again: nobody says that a window opens in a halt, nor when
 * the guest unmasks LINT0. */
static void wait_due(struct whpx_chips *c, uint64_t due, uint64_t now)
{
	bool offered = irq_pc_pending(&c->pc, 0);

	if (offered && due > now + AGAIN_NS)
		due = now + AGAIN_NS;
	if (due == IRQ_NEVER)
		os_cond_wait(&c->moved, &c->lock);
	else
		os_cond_wait_until(&c->moved, &c->lock, due);
	if (offered && irq_pc_pending(&c->pc, 0))
		op_wake(c, 0);
}

static void timer_main(void *arg)
{
	struct whpx_chips *c = arg;

	os_lock(&c->lock);
	while (!c->quit) {
		uint64_t due = irq_pc_deadline(&c->pc), now = os_now_ns();

		if (due <= now)
			irq_pc_tick(&c->pc, now);
		else
			wait_due(c, due, now);
	}
	os_unlock(&c->lock);
}

/* ------ opening and closing ------ */

static void pulse(void *o, uint32_t gsi)
{
	struct whpx_chips *c = o;

	pc_chips_pulse(&c->pc, &c->lock, gsi);
}

int whpx_chips_open(struct whpx_vm *wm)
{
	struct irq_config config = {.vcpus = 1, .tsc_hz = 1000000000, .phys_bits = wm->vm->info.gpa_bits};
	struct whpx_chips *c = os_calloc(1, sizeof(*c));

	if (!c)
		return vma_fail(VMA_E_NOMEM, "no memory for the interrupt controllers");
	c->vm = wm;
	os_mutex_init(&c->lock);
	os_cond_init(&c->moved);
	vma_irqfds_init(&c->irqfds, pulse, c);
	irq_pc_init(&c->pc, &config, &ops, c, &c->lapic);
	irq_pc_set_apic_base(&c->pc, 0, 0xfee00100); /* disabled */
	c->pc.ioapic.send = send;
	c->pc.ioapic.opaque = c;
	wm->chips = c;
	return 0;
}

/* The partition is set up: messages have somewhere to go. */
int whpx_chips_start(struct whpx_vm *wm, bool x2apic)
{
	int rc = wm->chips->timer ? 0 : os_worker_start(timer_main, wm->chips, &wm->chips->timer);

	wm->chips->wide = x2apic;
	return rc < 0 ? vma_fail_os(rc, "starting the timer thread") : 0;
}

void whpx_chips_stop(struct whpx_vm *wm)
{
	struct whpx_chips *c = wm->chips;

	if (!c)
		return;
	vma_irqfds_close(&c->irqfds);
	if (!c->timer)
		return;
	os_lock(&c->lock);
	c->quit = true;
	os_cond_broadcast(&c->moved);
	os_unlock(&c->lock);
	os_worker_join(c->timer);
	c->timer = NULL;
	c->quit = false;
}

void whpx_chips_close(struct whpx_vm *wm)
{
	struct whpx_chips *c = wm->chips;

	if (!c)
		return;
	os_mutex_destroy(&c->lock);
	os_cond_destroy(&c->moved);
	os_free(c);
	wm->chips = NULL;
}

/* vCPU 0 takes what the PIC has. */
void whpx_chips_boot(struct whpx_vm *wm, struct vma_vcpu *v)
{
	os_lock(&wm->chips->lock);
	wm->chips->boot = v;
	os_unlock(&wm->chips->lock);
}

/* ------ for vCPUs ------ */

bool whpx_chips_intr(const struct whpx_vcpu *w)
{
	return w->vm->chips && !w->v->index && irq_pc_pending(&w->vm->chips->pc, 0);
}

int whpx_chips_ack(struct whpx_vcpu *w)
{
	struct whpx_chips *c = w->vm->chips;
	int vector;

	os_lock(&c->lock);
	vector = irq_pc_ack(&c->pc, 0);
	os_unlock(&c->lock);
	return vector;
}

void whpx_chips_eoi(struct whpx_vcpu *w, uint8_t vector)
{
	struct whpx_chips *c = w->vm->chips;

	if (!c)
		return;
	os_lock(&c->lock);
	irq_ioapic_eoi(&c->pc.ioapic, vector);
	os_unlock(&c->lock);
}

static bool answer_io(struct whpx_chips *c, vma_exit *e)
{
	return irq_pc_has_port(e->io.port) &&
	       irq_pc_ports(&c->pc, e->io.port, e->io.width, e->io.write, e->io.data, e->io.count) == IRQ_OK;
}

static bool answer_mmio(struct whpx_chips *c, vma_exit *e)
{
	int r = e->mmio.write ? irq_pc_mmio_write(&c->pc, 0, e->mmio.gpa, e->mmio.data, e->mmio.length)
			      : irq_pc_mmio_read(&c->pc, 0, e->mmio.gpa, e->mmio.data, e->mmio.length);

	return r == IRQ_OK;
}

bool whpx_chips_answer(struct whpx_vcpu *w, int kind)
{
	struct whpx_chips *c = w->vm->chips;
	bool answered;

	if (!c || (kind != VMA_EXIT_IO && kind != VMA_EXIT_MMIO))
		return false;
	os_lock(&c->lock);
	answered = kind == VMA_EXIT_IO ? answer_io(c, &w->v->exit) : answer_mmio(c, &w->v->exit);
	os_unlock(&c->lock);
	return answered;
}

/* ------ slots; any thread ------ */

int whpx_irq_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	struct whpx_chips *c = whpx_vm(vm)->chips;

	return pc_chips_line(&c->pc, &c->lock, gsi, level);
}

int whpx_msi(struct vma_vm *vm, uint64_t address, uint32_t data)
{
	struct whpx_chips *c = whpx_vm(vm)->chips;

	return pc_chips_msi(&c->pc, &c->lock, address, data);
}

int whpx_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	return vma_irqfd_change(&whpx_vm(vm)->chips->irqfds, eventfd, gsi, assign);
}

int whpx_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip)
{
	struct whpx_chips *c = whpx_vm(vm)->chips;

	return pc_chips_get(&c->pc, &c->lock, chip);
}

int whpx_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip)
{
	struct whpx_chips *c = whpx_vm(vm)->chips;

	return pc_chips_set(&c->pc, &c->lock, &c->moved, chip);
}
