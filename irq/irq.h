/* irq.h - the PC's interrupt controllers and timer in software: local APICs (xAPIC and x2APIC), I/O APIC, the pair of
 * 8259A, the 8254. For engines that have none. Knows nothing of VMs, accelerators or threads.
 *
 * Locking: the caller holds one lock of its own around every call on one struct irq_pc, except irq_pc_pending and
 * irq_pc_deadline, which are single atomic loads. Callbacks run inside that lock: they must not call back into irq/ and
 * must not wait.
 * Nothing here allocates: the caller owns struct irq_pc and the array of struct irq_lapic.
 * Time is what ops->now_ns says (ns, never going back); the local APIC timer's bus clock is 1 GHz, as KVM's.
 * SDM = Intel's Software Developer's Manual, volume 3, chapter 11 "APIC". APIC id = vCPU index. */
#ifndef IRQ_IRQ_H
#define IRQ_IRQ_H

#include <stdatomic.h>
#include <stdint.h>

#include <vmaccel/x86_irq.h>

#define IRQ_MAX_VCPUS 256
#define IRQ_GSIS 24
#define IRQ_NEVER UINT64_MAX /* no deadline */
#define IRQ_LAPIC_IMAGE 0x400

enum { IRQ_OK = 0, IRQ_FAULT = 1 /* raise #GP(0) */, IRQ_NOT_MINE = 2 };

/* All but deadline and eoi must be there. */
struct irq_ops {
	uint64_t (*now_ns)(void *opaque);
	uint64_t (*tsc)(void *opaque, unsigned vcpu); /* the guest's TSC now, for TSC-deadline mode */
	void (*wake)(void *opaque, unsigned vcpu);    /* irq_pc_pending(vcpu) went from 0 to 1 */
	/* INIT: put the CPU (not its local APIC, which has been reset already) into wait-for-SIPI, the BSP at its reset
	 * vector; wake it. */
	void (*init)(void *opaque, unsigned vcpu);
	void (*sipi)(void *opaque, unsigned vcpu, uint8_t vector); /* start at vector << 12 if it waits for one */
	void (*nmi)(void *opaque, unsigned vcpu);                  /* latch an NMI and wake */
	/* May be NULL. The earliest deadline became earlier: whoever sleeps until it must look again. */
	void (*deadline)(void *opaque, uint64_t ns);
	/* May be NULL. The end of a level-triggered interrupt is for the I/O APICs, and these are not here: told instead
	 * of the one here. */
	void (*eoi)(void *opaque, unsigned vcpu, uint8_t vector);
};

/* ------ 8259A pair ------ */

struct irq_pic {
	vma_x86_pic chip[2]; /* master, slave; all state is the image's */
};
void irq_pic_reset(struct irq_pic *pic);
void irq_pic_line(struct irq_pic *pic, unsigned irq, int level); /* 0..15; 2 is the cascade and ignored */
int irq_pic_output(const struct irq_pic *pic);                   /* INTR */
uint8_t irq_pic_ack(struct irq_pic *pic); /* both INTA cycles; the spurious vector (IR7) when nothing asks */
/* Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1. */
uint8_t irq_pic_read(struct irq_pic *pic, uint16_t port);
void irq_pic_write(struct irq_pic *pic, uint16_t port, uint8_t value);

/* ------ 8254 and port 0x61 ------ */

#define IRQ_PIT_HZ 1193182u

struct irq_pit_channel {
	vma_x86_pit_channel c;
	uint8_t loaded;   /* a whole count was written since the control word */
	uint8_t armed;    /* modes 1 and 5: the gate has risen since the control word */
	uint64_t frozen;  /* gate low: clocks counted so far */
	uint64_t seen;    /* clocks up to which rises of OUT have been reported */
};
struct irq_pit {
	struct irq_pit_channel ch[3];
	uint32_t flags; /* as in vma_x86_pit */
};
void irq_pit_reset(struct irq_pit *pit, uint64_t now);
/* Ports 0x40..0x43 and 0x61. */
uint8_t irq_pit_read(struct irq_pit *pit, uint16_t port, uint64_t now);
void irq_pit_write(struct irq_pit *pit, uint16_t port, uint8_t value, uint64_t now);
int irq_pit_out(const struct irq_pit *pit, unsigned channel, uint64_t now);
uint64_t irq_pit_deadline(const struct irq_pit *pit); /* next rise of OUT 0, ns; IRQ_NEVER */
int irq_pit_tick(struct irq_pit *pit, uint64_t now);  /* 1: OUT 0 rose since the last call (once, however often) */
void irq_pit_get(const struct irq_pit *pit, uint64_t now, vma_x86_pit *image);
/* -1: values out of range, nothing changed */
int irq_pit_set(struct irq_pit *pit, uint64_t now, const vma_x86_pit *image);

/* ------ messages between APICs (SDM 11.6.1, 11.11) ------ */

enum { IRQ_FIXED = 0, IRQ_LOWEST = 1, IRQ_SMI = 2, IRQ_NMI = 4, IRQ_INIT = 5, IRQ_SIPI = 6, IRQ_EXTINT = 7 };
struct irq_msg {
	uint32_t dest;
	uint8_t wide;     /* dest has 32 bits (x2APIC), else 8 */
	uint8_t logical;
	uint8_t mode;     /* IRQ_FIXED .. */
	uint8_t vector;
	uint8_t level;    /* trigger mode: level */
	uint8_t redirect; /* MSI redirection hint: one of the destinations will do */
};

/* ------ I/O APIC (82093AA) ------ */

struct irq_ioapic {
	uint64_t base;
	uint8_t select, id, version;
	uint32_t lines;     /* level of each input: 1 asserted, whatever the polarity bit says */
	uint32_t delivered; /* edge inputs whose last rise has been sent */
	uint64_t rte[VMA_X86_IOAPIC_PINS];
	/* Number of local APICs that took it. irq_pc_init sets it to those of the PC; whose local APICs are elsewhere puts
	 * another one there, which gets the message signalled interrupts, too. */
	int (*send)(void *opaque, const struct irq_msg *msg);
	void *opaque;
};
void irq_ioapic_reset(struct irq_ioapic *io); /* keeps base, version, send and opaque */
void irq_ioapic_line(struct irq_ioapic *io, unsigned pin, int level);
uint32_t irq_ioapic_read(struct irq_ioapic *io, uint32_t offset);
void irq_ioapic_write(struct irq_ioapic *io, uint32_t offset, uint32_t value);
void irq_ioapic_eoi(struct irq_ioapic *io, uint8_t vector);
void irq_ioapic_resample(struct irq_ioapic *io); /* send what is asserted and was not sent */
void irq_ioapic_get(const struct irq_ioapic *io, vma_x86_ioapic *image);
void irq_ioapic_set(struct irq_ioapic *io, const vma_x86_ioapic *image); /* sends nothing */

/* ------ local APIC ------ */

struct irq_lapic {
	_Atomic uint32_t pending; /* irq_pc_ack would return a vector */
	uint32_t index;           /* vCPU index, initial APIC id */
	uint64_t base_msr;        /* IA32_APIC_BASE */
	uint32_t reg[64];         /* the register page, one every 16 bytes: reg[offset >> 4] */
	uint32_t errors;          /* gathered since the last write to ESR */
	uint8_t extint;           /* an ExtINT message came: INTA goes to the PIC */
	uint8_t lint0;            /* level of LINT0 as last seen */
	uint64_t due;             /* ns at which the timer expires; IRQ_NEVER */
	uint64_t tsc_deadline;    /* IA32_TSC_DEADLINE; 0 disarmed */
};

/* ------ the PC ------ */

struct irq_config {
	unsigned vcpus;     /* 1 .. IRQ_MAX_VCPUS */
	uint64_t tsc_hz;    /* frequency of ops->tsc */
	unsigned phys_bits; /* MAXPHYADDR, for IA32_APIC_BASE; 0: 52 */
	int x2apic;         /* CPUID has x2APIC: the mode can be entered */
	int directed_eoi;   /* offer EOI-broadcast suppression and the I/O APIC's EOI register; KVM's do not */
};
struct irq_pc {
	struct irq_config config;
	struct irq_ops ops;
	void *opaque;
	struct irq_pic pic;
	struct irq_pit pit;
	struct irq_ioapic ioapic;
	struct irq_lapic *lapic;
	_Atomic uint64_t deadline;
	uint32_t next_lowest; /* where the search for the least busy CPU starts */
	uint8_t pic_output;
	uint8_t resample; /* state was restored: the next tick looks at every line */
};

/* lapics: config->vcpus elements of the caller's, living as long as pc. Leaves everything reset. -1: config out of
 * range. */
int irq_pc_init(struct irq_pc *pc, const struct irq_config *config, const struct irq_ops *ops, void *opaque,
		struct irq_lapic *lapics);
void irq_pc_reset(struct irq_pc *pc);                     /* the machine's RESET */
void irq_pc_reset_vcpu(struct irq_pc *pc, unsigned vcpu); /* one CPU's RESET: its local APIC and IA32_APIC_BASE */

/* Anything for this vCPU (IF and shadow are the engine's business)? Without the lock. Exact whenever the lock is
 * free. */
static inline int irq_pc_pending(const struct irq_pc *pc, unsigned vcpu)
{
	return atomic_load_explicit(&pc->lapic[vcpu].pending, memory_order_acquire) != 0;
}
/* Interrupt acknowledge: the vector to deliver now, or -1. Local APIC first, then the PIC through LINT0 or an ExtINT
 * message. */
int irq_pc_ack(struct irq_pc *pc, unsigned vcpu);

/* ns (as now_ns) at which irq_pc_tick must be called, IRQ_NEVER if there is none; without the lock. May be in the past:
 * call it now. */
static inline uint64_t irq_pc_deadline(const struct irq_pc *pc)
{
	return atomic_load_explicit(&pc->deadline, memory_order_acquire);
}
uint64_t irq_pc_deadline_vcpu(const struct irq_pc *pc, unsigned vcpu); /* of its local APIC timer alone */
void irq_pc_tick(struct irq_pc *pc, uint64_t now);
/* The guest's TSC was written, or its TSC_ADJUST: a TSC deadline falls at another time. */
void irq_pc_tsc_changed(struct irq_pc *pc, unsigned vcpu);

/* GSI 0..15 to PIC and I/O APIC (GSI 0 is I/O APIC pin 2; GSI 2, the cascade, goes nowhere), 16..23 I/O APIC only.
 * -1: no such GSI. */
int irq_pc_line(struct irq_pc *pc, unsigned gsi, int level);
void irq_pc_nmi_button(struct irq_pc *pc); /* an edge on every LINT1 */
/* -1: the address is not in 0xfeexxxxx. Else how many local APICs took it. */
int irq_pc_msi(struct irq_pc *pc, uint64_t address, uint32_t data);
/* A message as the bus carries it: how many local APICs took it. */
int irq_pc_send(struct irq_pc *pc, const struct irq_msg *msg);

/* CR8 is TPR bits 7:4. */
uint8_t irq_pc_get_cr8(const struct irq_pc *pc, unsigned vcpu);
void irq_pc_set_cr8(struct irq_pc *pc, unsigned vcpu, uint8_t cr8);
/* MMIO by this vCPU (`vcpu` matters for the local APIC's page): IRQ_OK or IRQ_NOT_MINE. length 1..8. */
int irq_pc_mmio_read(struct irq_pc *pc, unsigned vcpu, uint64_t gpa, void *data, unsigned length);
int irq_pc_mmio_write(struct irq_pc *pc, unsigned vcpu, uint64_t gpa, const void *data, unsigned length);
/* IA32_APIC_BASE (0x1b), IA32_TSC_DEADLINE (0x6e0), x2APIC (0x800..0x8ff). IRQ_FAULT: #GP(0), nothing happened. */
int irq_pc_rdmsr(struct irq_pc *pc, unsigned vcpu, uint32_t msr, uint64_t *value);
int irq_pc_wrmsr(struct irq_pc *pc, unsigned vcpu, uint32_t msr, uint64_t value);
/* Ports of PIC, ELCR, PIT and 0x61; length 1, 2 or 4, a wide access is a row of bytes. IRQ_OK or IRQ_NOT_MINE. */
int irq_pc_port_read(struct irq_pc *pc, uint16_t port, unsigned length, uint32_t *value);
int irq_pc_port_write(struct irq_pc *pc, uint16_t port, unsigned length, uint32_t value);

int irq_pc_has_port(uint16_t port); /* without the lock */
/* `count` accesses to one port, whose values are at data (REP INS, OUTS; 1 otherwise). IRQ_OK or IRQ_NOT_MINE. */
int irq_pc_ports(struct irq_pc *pc, uint16_t port, unsigned length, int write, uint8_t *data, uint32_t count);

/* Images as KVM saves them. A get changes nothing; a set has no effect on other parts until the next irq_pc_tick, which
 * becomes due at once, so parts may be restored in any order. An event due but not ticked before a get is still due
 * after the set. set returns -1 on impossible values and then changes nothing. */
void irq_pc_get_irqchip(const struct irq_pc *pc, vma_x86_irqchip *image);
int irq_pc_set_irqchip(struct irq_pc *pc, const vma_x86_irqchip *image);
/* The register page (KVM_GET_LAPIC with KVM_CAP_X2APIC_API off: in x2APIC mode too, the id is in bits 31:24). */
void irq_pc_get_lapic(const struct irq_pc *pc, unsigned vcpu, uint8_t page[IRQ_LAPIC_IMAGE]);
int irq_pc_set_lapic(struct irq_pc *pc, unsigned vcpu, const uint8_t page[IRQ_LAPIC_IMAGE]);
/* IA32_APIC_BASE by the host: any mode may follow any other. Before irq_pc_set_lapic, as the page's layout depends on
 * the mode. -1: a reserved bit or an impossible mode. */
uint64_t irq_pc_get_apic_base(const struct irq_pc *pc, unsigned vcpu);
int irq_pc_set_apic_base(struct irq_pc *pc, unsigned vcpu, uint64_t value);
/* IA32_TSC_DEADLINE by the host; after the TSC and the local APIC. Reading: irq_pc_rdmsr. */
void irq_pc_set_tsc_deadline(struct irq_pc *pc, unsigned vcpu, uint64_t value);
/* The local APIC's timer, after its page and the TSC deadline: the exact ns until it expires, which the page and
 * the deadline round up to ticks. Taken only if it is within a tick of what is there. */
void irq_pc_refine_timer(struct irq_pc *pc, unsigned vcpu, uint64_t ns);

#endif
