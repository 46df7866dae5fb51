/* gic.h - Arm's interrupt controllers in software. GICv3 (IHI 0069): distributor, redistributors, the CPU interface's
 * system registers; no ITS; one security state (GICD_CTLR.DS), affinity routing always on. GICv2 (IHI 0048) without the
 * Security Extensions: distributor, CPU interfaces in memory, 8 CPUs at most. 5 bits of priority, as KVM's. For engines
 * that have none; it knows nothing of VMs, accelerators or threads.
 *
 * Locking: the caller holds one lock of its own around every call on one struct gic, except gic_pending, which is a
 * single atomic load. Callbacks run inside that lock: they must not call back and must not wait. Nothing here
 * allocates. */
#ifndef IRQ_GIC_H
#define IRQ_GIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { GIC_PRIVATE = 32, GIC_MAX_INTIDS = 1020, GIC_SPURIOUS = 1023, GIC_WORDS = 32 };
enum { GIC_IRQ = 2, GIC_FIQ = 4 }; /* lines to the CPU: group 1, group 0 */
enum { GIC_TIMER_VIRTUAL = 27, GIC_TIMER_PHYSICAL = 30 };
enum {
	GIC_DIST_SIZE = 0x10000,
	GIC_REDIST_SIZE = 0x20000,
	GICV2_DIST_SIZE = 0x1000,
	GICV2_CPU_SIZE = 0x2000,
	GICV2_CPUS = 8
};

enum { GIC_F_ENABLED = 1, GIC_F_LATCH = 2, GIC_F_LINE = 4, GIC_F_ACTIVE = 8, GIC_F_EDGE = 16, GIC_F_GROUP1 = 32 };
struct gic_int {
	uint8_t flags, priority;
	uint64_t router; /* SPIs: GICD_IROUTER; v2: the byte of GICD_ITARGETSR */
};
struct gic_cpu {
	struct gic_int ints[GIC_PRIVATE];
	uint32_t candidates[GIC_WORDS]; /* INTIDs that are pending, enabled, not active and routed here */
	uint8_t pmr, bpr[2], grpen[2];
	bool eoimode, cbpr;
	bool fiqen, ackctl;    /* v2: GICC_CTLR */
	uint8_t sgi[16];       /* v2: who sent each pending SGI, a bit a CPU */
	uint32_t apr[2]; /* active priorities of the two groups, a bit a level */
	uint64_t affinity;
	atomic_uint lines; /* GIC_IRQ, GIC_FIQ */
};
struct gic {
	struct gic_cpu *cpus;
	unsigned vcpus, intids, version; /* 2 or 3 */
	uint32_t ctlr; /* GICD_CTLR's enables of the groups: bits 1:0 */
	struct gic_int spis[GIC_MAX_INTIDS - GIC_PRIVATE];
	void (*wake)(void *opaque, unsigned vcpu); /* its lines went up */
	void *opaque;
};

/* cpus: `vcpus` of them, zeroed, with affinity set (MPIDR's Aff fields: 39:32, 23:0). version: 2 or 3. */
void gic_init(struct gic *g, unsigned version, struct gic_cpu *cpus, unsigned vcpus, unsigned intids);
/* Level of a private interrupt (16..31) or an SPI (32..). An edge-triggered one is latched when it rises. */
void gic_line(struct gic *g, unsigned vcpu, unsigned intid, bool level);
/* As state: the levels of 32 interrupts from `first`, without latching what rises. */
void gic_levels(struct gic *g, unsigned vcpu, unsigned first, bool write, uint64_t *value);
static inline unsigned gic_pending(const struct gic *g, unsigned vcpu)
{
	return atomic_load_explicit(&g->cpus[vcpu].lines, memory_order_acquire);
}

/* Guest's access at `offset` of the distributor / of all redistributors; size 1, 2, 4 or 8. What is reserved, or of the wrong
 * size, reads as zero and ignores writes (IHI 0069, 12.1.3). `user`: for saved state, as KVM has it (arm-vgic-v3.rst): ISPENDR
 * and ICPENDR are the latch, ISENABLER, ISACTIVER and ISPENDR are written as a whole. */
void gic_dist(struct gic *g, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value);
void gic_redist(struct gic *g, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value);
/* v2's distributor as vCPU `vcpu` sees it, and its CPU interface. `user`: also GICD_ISPENDR without levels and SGIs,
 * which GICD_SPENDSGIR holds; the CPU interface without side effects. */
void gicv2_dist(struct gic *g, unsigned vcpu, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value);
void gicv2_cpu(struct gic *g, unsigned vcpu, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value);
/* ICC_*_EL1 by the encoding's 16 bits; false: not one of them. */
bool gic_icc(struct gic *g, unsigned vcpu, uint32_t reg, bool write, uint64_t *value);
/* The same registers as state: no side effects. False: not one that is state. */
bool gic_icc_state(struct gic *g, unsigned vcpu, uint32_t reg, bool write, uint64_t *value);

/* Between the files of it */
struct gic_access {
	struct gic *g;
	unsigned vcpu; /* whose private interrupts */
	bool write, user;
};
/* As KVM's (virt/kvm/arm/vgic): Arm's implementer, product 'K', revision 2 */
enum { GIC_IIDR = 0x4b << 24 | 2 << 12 | 0x43b };
/* Registers with a field for each interrupt, offsets 0x80 .. 0xcff. False: none of these. */
bool gic_field_register(const struct gic_access *a, uint32_t offset, unsigned size, uint64_t *value);
unsigned gic_acknowledge(struct gic *g, unsigned vcpu, unsigned group); /* the INTID, active now, or spurious */
void gic_end(struct gic *g, unsigned vcpu, unsigned group, unsigned intid);
void gic_deactivate(struct gic *g, unsigned vcpu, unsigned intid);
unsigned gic_best_of_group(struct gic *g, unsigned vcpu, unsigned group);
struct gic_int *gic_int_at(struct gic *g, unsigned vcpu, unsigned intid); /* NULL: there is none */
void gic_changed(struct gic *g, unsigned vcpu, unsigned intid);
void gic_route_changed(struct gic *g, unsigned intid);
void gic_cpu_changed(struct gic *g, unsigned vcpu);
void gic_all_changed(struct gic *g);
unsigned gic_best(const struct gic *g, unsigned vcpu); /* highest priority pending INTID of an enabled group, or spurious */
unsigned gic_running(const struct gic_cpu *c);         /* running priority; 0xff: idle */
bool gic_preempts(const struct gic *g, unsigned vcpu, unsigned intid);
uint8_t gic_group_mask(const struct gic_cpu *c, unsigned group);
enum { GIC_PRIORITY_MASK = 0xf8 };

#endif
