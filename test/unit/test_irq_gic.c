/* The GICs by themselves, against IHI 0069 (v3) and IHI 0048 (v2): SGIs, PPIs, SPIs, routes, priorities and their
 * groups, masks, the two ways to end an interrupt, levels and edges, widths of accesses, reserved registers, state
 * without side effects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gic.h"

enum {
	CPUS = 3,
	IGROUPR = 0x80,
	ISENABLER = 0x100,
	ICENABLER = 0x180,
	ISPENDR = 0x200,
	ICPENDR = 0x280,
	ISACTIVER = 0x300,
	ICACTIVER = 0x380,
	IPRIORITYR = 0x400,
	ITARGETSR = 0x800,
	ICFGR = 0xc00,
	SGIR = 0xf00,
	CPENDSGIR = 0xf10,
	SPENDSGIR = 0xf20,
	IROUTER = 0x6000
};
#define ICC(crn, crm, op2) (3u << 14 | (crn) << 7 | (crm) << 3 | (op2))
enum {
	PMR = ICC(4, 6, 0),
	IAR0 = ICC(12, 8, 0),
	EOIR0 = ICC(12, 8, 1),
	BPR0 = ICC(12, 8, 3),
	AP1R0 = ICC(12, 9, 0),
	DIR = ICC(12, 11, 1),
	RPR = ICC(12, 11, 3),
	SGI1R = ICC(12, 11, 5),
	IAR1 = ICC(12, 12, 0),
	EOIR1 = ICC(12, 12, 1),
	HPPIR1 = ICC(12, 12, 2),
	BPR1 = ICC(12, 12, 3),
	CTLR = ICC(12, 12, 4),
	IGRPEN0 = ICC(12, 12, 6),
	IGRPEN1 = ICC(12, 12, 7)
};
enum {
	C_CTLR = 0,
	C_PMR = 4,
	C_BPR = 8,
	C_IAR = 0xc,
	C_EOIR = 0x10,
	C_RPR = 0x14,
	C_HPPIR = 0x18,
	C_AIAR = 0x20,
	C_AEOIR = 0x24,
	C_APR = 0xd0,
	C_IIDR = 0xfc,
	C_DIR = 0x1000
};

struct rig {
	struct gic g;
	struct gic_cpu cpus[CPUS];
	unsigned wakes[CPUS];
};

static void wake(void *o, unsigned vcpu)
{
	((struct rig *)o)->wakes[vcpu]++;
}

/* ------ v3 ------ */

static void dist(struct rig *r, uint32_t offset, unsigned size, uint64_t v)
{
	gic_dist(&r->g, offset, size, true, false, &v);
}

static uint64_t dist_of(struct rig *r, uint32_t offset, unsigned size)
{
	uint64_t v = 0x5a5a5a5a5a5a5a5a;
	gic_dist(&r->g, offset, size, false, false, &v);
	return v;
}

static void redist(struct rig *r, unsigned vcpu, uint32_t offset, unsigned size, uint64_t v)
{
	gic_redist(&r->g, vcpu * GIC_REDIST_SIZE + 0x10000 + offset, size, true, false, &v);
}

static void icc(struct rig *r, unsigned vcpu, uint32_t reg, uint64_t v)
{
	assert_true(gic_icc(&r->g, vcpu, reg, true, &v));
}

static uint64_t icc_of(struct rig *r, unsigned vcpu, uint32_t reg)
{
	uint64_t v = 0;
	assert_true(gic_icc(&r->g, vcpu, reg, false, &v));
	return v;
}

static struct rig *make(unsigned version)
{
	struct rig *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	for (unsigned n = 0; n < CPUS; n++)
		r->cpus[n].affinity = n;
	r->g.wake = wake;
	r->g.opaque = r;
	gic_init(&r->g, version, r->cpus, CPUS, 96);
	return r;
}

/* All is let through, SPI 40 is enabled with priority 0x80 and goes to vCPU 1. */
static struct rig *make_v3(void)
{
	struct rig *r = make(3);
	dist(r, 0, 4, 3);
	for (unsigned n = 0; n < CPUS; n++) {
		icc(r, n, PMR, 0xf8);
		icc(r, n, IGRPEN0, 1);
		icc(r, n, IGRPEN1, 1);
	}
	dist(r, ISENABLER + 4, 4, 1u << 8);
	dist(r, IPRIORITYR + 40, 1, 0x80);
	dist(r, IROUTER + 40 * 8, 8, 1);
	return r;
}

static void v3_level(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	gic_line(&r->g, 0, 40, true);
	assert_int_equal(gic_pending(&r->g, 0), 0);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	assert_int_equal(r->wakes[1], 1);
	assert_int_equal(dist_of(r, ISPENDR + 4, 4), 1u << 8);
	assert_int_equal(icc_of(r, 1, HPPIR1), 40);
	assert_int_equal(icc_of(r, 1, IAR0), GIC_SPURIOUS);
	assert_int_equal(icc_of(r, 1, IAR1), 40);
	assert_int_equal(icc_of(r, 1, RPR), 0x80);
	assert_int_equal(dist_of(r, ISACTIVER + 4, 4), 1u << 8);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	icc(r, 1, EOIR1, 40); /* the line is still up: it comes again */
	assert_int_equal(icc_of(r, 1, RPR), 0xff);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	gic_line(&r->g, 0, 40, false);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS);
	free(r);
}

static void v3_edge(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	dist(r, ICFGR + 8, 4, 2u << 16);
	gic_line(&r->g, 0, 40, true);
	gic_line(&r->g, 0, 40, false);
	assert_int_equal(icc_of(r, 1, IAR1), 40);
	gic_line(&r->g, 0, 40, true); /* while active: pending, and taken after the end */
	assert_int_equal(gic_pending(&r->g, 1), 0);
	icc(r, 1, EOIR1, 40);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	dist(r, ICPENDR + 4, 4, 1u << 8); /* the line being up does not set it again */
	assert_int_equal(gic_pending(&r->g, 1), 0);
	dist(r, ISPENDR + 4, 4, 1u << 8);
	assert_int_equal(icc_of(r, 1, IAR1), 40);
	free(r);
}

static void v3_masks(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	gic_line(&r->g, 0, 40, true);
	icc(r, 1, PMR, 0x80); /* a priority equal to the mask does not pass */
	assert_int_equal(gic_pending(&r->g, 1), 0);
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS);
	icc(r, 1, PMR, 0x88);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	icc(r, 1, IGRPEN1, 0);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	icc(r, 1, IGRPEN1, 1);
	dist(r, 0, 4, 1);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	dist(r, 0, 4, 3);
	dist(r, ICENABLER + 4, 4, 1u << 8);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	dist(r, ISENABLER + 4, 4, 1u << 8);
	dist(r, IGROUPR + 4, 4, 0); /* group 0 */
	assert_int_equal(gic_pending(&r->g, 1), GIC_FIQ);
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS);
	assert_int_equal(icc_of(r, 1, IAR0), 40);
	icc(r, 1, EOIR0, 40);
	assert_int_equal(icc_of(r, 1, RPR), 0xff);
	free(r);
}

static void v3_routes(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	gic_line(&r->g, 0, 40, true);
	dist(r, IROUTER + 40 * 8, 4, 2); /* a pending one moves */
	assert_int_equal(gic_pending(&r->g, 1), 0);
	assert_int_equal(gic_pending(&r->g, 2), GIC_IRQ);
	dist(r, IROUTER + 40 * 8, 8, 77); /* nobody's */
	assert_int_equal(gic_pending(&r->g, 2), 0);
	dist(r, IROUTER + 40 * 8, 8, 0xffffffffffffff00); /* reserved bits and 1-of-N (TYPER.No1N) are not there */
	assert_true(dist_of(r, IROUTER + 40 * 8, 8) == 0xff00ffff00);
	dist(r, IROUTER + 31 * 8, 8, 1);
	assert_int_equal(dist_of(r, IROUTER + 31 * 8, 8), 0);
	free(r);
}

static void v3_preemption(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	dist(r, ISENABLER + 4, 4, 3u << 9);
	dist(r, IROUTER + 41 * 8, 8, 1);
	dist(r, IROUTER + 42 * 8, 8, 1);
	dist(r, IPRIORITYR + 40, 4, 0x00409080);
	icc(r, 1, BPR1, 6); /* bits 7:6 preempt */
	gic_line(&r->g, 0, 41, true);
	assert_int_equal(icc_of(r, 1, IAR1), 41);
	assert_int_equal(icc_of(r, 1, RPR), 0x80);
	gic_line(&r->g, 0, 40, true); /* higher, but of one group */
	assert_int_equal(gic_pending(&r->g, 1), 0);
	assert_int_equal(icc_of(r, 1, HPPIR1), 40);
	gic_line(&r->g, 0, 42, true);
	assert_int_equal(icc_of(r, 1, IAR1), 42);
	assert_int_equal(icc_of(r, 1, RPR), 0x40);
	assert_int_equal(icc_of(r, 1, AP1R0), 1u << 8 | 1u << 16);
	gic_line(&r->g, 0, 42, false);
	icc(r, 1, EOIR1, 42);
	assert_int_equal(icc_of(r, 1, RPR), 0x80);
	icc(r, 1, BPR1, 3);                                 /* bits 7:3 */
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS); /* 0x80 does not preempt 0x80 */
	icc(r, 1, BPR0, 5);
	icc(r, 1, CTLR, 1); /* CBPR */
	assert_int_equal(icc_of(r, 1, BPR1), 6);
	icc(r, 1, BPR1, 3);
	icc(r, 1, CTLR, 0);
	assert_int_equal(icc_of(r, 1, BPR1), 3);
	free(r);
}

static void v3_eoi_mode(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	gic_line(&r->g, 0, 40, true);
	assert_int_equal(icc_of(r, 1, IAR1), 40);
	icc(r, 1, DIR, 40); /* without EOImode it does nothing */
	assert_int_equal(dist_of(r, ISACTIVER + 4, 4), 1u << 8);
	icc(r, 1, CTLR, 2);
	icc(r, 1, EOIR1, 40);
	assert_int_equal(icc_of(r, 1, RPR), 0xff);
	assert_int_equal(dist_of(r, ISACTIVER + 4, 4), 1u << 8);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	icc(r, 2, CTLR, 2);
	icc(r, 2, DIR, 40); /* any vCPU may */
	assert_int_equal(dist_of(r, ISACTIVER + 4, 4), 0);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	icc(r, 1, EOIR1, GIC_SPURIOUS);
	icc(r, 1, EOIR1, 0xffffff);
	icc(r, 1, DIR, 0xffffff);
	free(r);
}

static void v3_sgi(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	icc(r, 0, SGI1R, 5u << 24 | 6); /* vCPUs 1 and 2 */
	assert_int_equal(gic_pending(&r->g, 0), 0);
	assert_int_equal(icc_of(r, 1, IAR1), 5);
	assert_int_equal(icc_of(r, 2, IAR1), 5);
	icc(r, 1, SGI1R, UINT64_C(1) << 40 | 6u << 24); /* all but itself */
	assert_int_equal(icc_of(r, 0, IAR1), 6);
	icc(r, 1, EOIR1, 5);
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS);
	icc(r, 0, SGI1R, 5u << 24 | UINT64_C(1) << 16 | 2); /* Aff1 1: nobody */
	icc(r, 0, SGI1R, 5u << 24 | UINT64_C(1) << 44 | 2); /* RS 1: vCPUs 16 .. 31 */
	assert_int_equal(icc_of(r, 1, IAR1), GIC_SPURIOUS);
	free(r);
}

static void v3_ppi(void **state)
{
	struct rig *r = make_v3();
	(void)state;
	redist(r, 2, ISENABLER, 4, 1u << 27);
	gic_line(&r->g, 1, 27, true);
	assert_int_equal(gic_pending(&r->g, 1), 0); /* not enabled there */
	gic_line(&r->g, 2, 27, true);
	assert_int_equal(icc_of(r, 2, IAR1), 27);
	free(r);
}

static void v3_widths(void **state)
{
	struct rig *r = make_v3();
	uint64_t v;
	(void)state;
	assert_int_equal(dist_of(r, 0, 4), 0x53); /* DS, ARE, both groups */
	assert_int_equal(dist_of(r, 4, 4) & 0x1f, 2);
	assert_int_equal(dist_of(r, 0xffe8, 4) >> 4, 3);
	dist(r, IPRIORITYR + 44, 4, 0xffffffff);
	assert_int_equal(dist_of(r, IPRIORITYR + 44, 4), 0xf8f8f8f8);
	assert_int_equal(dist_of(r, IPRIORITYR + 45, 1), 0xf8);
	dist(r, IPRIORITYR + 44, 2, 0);
	assert_int_equal(dist_of(r, IPRIORITYR + 44, 4), 0xf8f8f8f8);
	assert_int_equal(dist_of(r, ISENABLER + 4, 1), 0);
	assert_int_equal(dist_of(r, ISENABLER + 4, 8), 0);
	assert_int_equal(dist_of(r, ISENABLER, 4), 0);      /* private ones are the redistributors' */
	assert_int_equal(dist_of(r, ISENABLER + 12, 4), 0); /* above 96 */
	assert_int_equal(dist_of(r, ITARGETSR + 40, 4), 0); /* no legacy */
	assert_int_equal(dist_of(r, 0xd00, 4), 0);
	gic_redist(&r->g, 2 * GIC_REDIST_SIZE + 8, 8, false, false, &v);
	assert_true(v == (UINT64_C(2) << 32 | 2u << 8 | 1u << 4)); /* affinity, number, last */
	gic_redist(&r->g, 3 * GIC_REDIST_SIZE + 8, 8, false, false, &v);
	assert_int_equal(v, 0);
	assert_false(gic_icc(&r->g, 0, ICC(12, 13, 0), false, &v));
	free(r);
}

/* ------ v2 ------ */

static void dist2(struct rig *r, unsigned vcpu, uint32_t offset, unsigned size, uint64_t v)
{
	gicv2_dist(&r->g, vcpu, offset, size, true, false, &v);
}

static uint64_t dist2_of(struct rig *r, unsigned vcpu, uint32_t offset, unsigned size)
{
	uint64_t v = 0x5a5a5a5a5a5a5a5a;
	gicv2_dist(&r->g, vcpu, offset, size, false, false, &v);
	return v;
}

static void gicc(struct rig *r, unsigned vcpu, uint32_t offset, uint64_t v)
{
	gicv2_cpu(&r->g, vcpu, offset, 4, true, false, &v);
}

static uint64_t gicc_of(struct rig *r, unsigned vcpu, uint32_t offset)
{
	uint64_t v = 0x5a5a5a5a5a5a5a5a;
	gicv2_cpu(&r->g, vcpu, offset, 4, false, false, &v);
	return v;
}

/* As Linux has it: all in group 0, which is an IRQ without FIQEn. */
static struct rig *make_v2(void)
{
	struct rig *r = make(2);
	dist2(r, 0, 0, 4, 1);
	for (unsigned n = 0; n < CPUS; n++) {
		gicc(r, n, C_PMR, 0xf0);
		gicc(r, n, C_CTLR, 1);
	}
	dist2(r, 0, ISENABLER + 4, 4, 1u << 8);
	dist2(r, 0, IPRIORITYR + 40, 1, 0x80);
	dist2(r, 0, ITARGETSR + 40, 1, 2);
	return r;
}

static void v2_spi(void **state)
{
	struct rig *r = make_v2();
	(void)state;
	gic_line(&r->g, 0, 40, true);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	gicc(r, 1, C_CTLR, 9); /* FIQEn */
	assert_int_equal(gic_pending(&r->g, 1), GIC_FIQ);
	gicc(r, 1, C_CTLR, 1);
	assert_int_equal(gicc_of(r, 1, C_HPPIR), 40);
	assert_int_equal(gicc_of(r, 1, C_IAR), 40);
	assert_int_equal(gicc_of(r, 1, C_RPR), 0x80);
	assert_int_equal(gicc_of(r, 1, C_APR), 1u << 16);
	assert_int_equal(gicc_of(r, 1, C_IAR), GIC_SPURIOUS);
	gicc(r, 1, C_EOIR, 40);
	assert_int_equal(gicc_of(r, 1, C_RPR), 0xff);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	dist2(r, 0, ITARGETSR + 40, 1, 6); /* 1-of-N: one of them */
	assert_int_equal(!!gic_pending(&r->g, 1) + !!gic_pending(&r->g, 2), 1);
	dist2(r, 0, ITARGETSR + 40, 1, 4);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	assert_int_equal(gic_pending(&r->g, 2), GIC_IRQ);
	dist2(r, 0, ITARGETSR + 40, 1, 0xf8); /* CPUs that are not there */
	assert_int_equal(dist2_of(r, 0, ITARGETSR + 40, 4), 0);
	assert_int_equal(gic_pending(&r->g, 2), 0);
	free(r);
}

static void v2_sgi(void **state)
{
	struct rig *r = make_v2();
	(void)state;
	dist2(r, 0, SGIR, 4, 4u << 16 | 3);
	dist2(r, 1, SGIR, 4, 1u << 24 | 3); /* all but 1 */
	assert_int_equal(dist2_of(r, 2, SPENDSGIR + 3, 1), 3);
	assert_int_equal(dist2_of(r, 2, CPENDSGIR, 4), 3u << 24);
	assert_int_equal(dist2_of(r, 0, SPENDSGIR, 4), 2u << 24);
	assert_int_equal(gicc_of(r, 2, C_IAR), 3); /* once for each sender */
	gicc(r, 2, C_EOIR, 3);
	assert_int_equal(gicc_of(r, 2, C_HPPIR), 3 | 1 << 10);
	assert_int_equal(gicc_of(r, 2, C_IAR), 3 | 1 << 10);
	gicc(r, 2, C_EOIR, 3 | 1 << 10);
	assert_int_equal(gicc_of(r, 2, C_IAR), GIC_SPURIOUS);
	dist2(r, 0, CPENDSGIR + 3, 1, 2);
	assert_int_equal(gic_pending(&r->g, 0), 0);
	dist2(r, 0, SGIR, 4, 2u << 24 | 9); /* itself */
	assert_int_equal(gicc_of(r, 0, C_IAR), 9);
	dist2(r, 0, ICPENDR, 4, 0xffff);
	dist2(r, 0, ISPENDR, 4, 0xffff); /* not by these */
	gicc(r, 0, C_EOIR, 9);
	assert_int_equal(gicc_of(r, 0, C_IAR), GIC_SPURIOUS);
	free(r);
}

static void v2_groups(void **state)
{
	struct rig *r = make_v2();
	(void)state;
	dist2(r, 0, 0, 4, 3);
	dist2(r, 0, IGROUPR + 4, 4, 1u << 8);
	gicc(r, 1, C_CTLR, 0xb);
	gic_line(&r->g, 0, 40, true);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	assert_int_equal(gicc_of(r, 1, C_IAR), 1022); /* without AckCtl */
	assert_int_equal(gicc_of(r, 1, C_AIAR), 40);
	gicc(r, 1, C_AEOIR, 40);
	gicc(r, 1, C_CTLR, 0xf);
	assert_int_equal(gicc_of(r, 1, C_IAR), 40);
	gicc(r, 1, C_EOIR, 40);
	assert_int_equal(gicc_of(r, 1, C_RPR), 0xff);
	free(r);
}

static void v2_eoi_mode(void **state)
{
	struct rig *r = make_v2();
	(void)state;
	gicc(r, 1, C_CTLR, 0x201);
	gic_line(&r->g, 0, 40, true);
	assert_int_equal(gicc_of(r, 1, C_IAR), 40);
	gicc(r, 1, C_EOIR, 40);
	assert_int_equal(gicc_of(r, 1, C_RPR), 0xff);
	assert_int_equal(dist2_of(r, 0, ISACTIVER + 4, 4), 1u << 8);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	gicc(r, 1, C_DIR, 40);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	gicc(r, 1, C_DIR, 1023);
	gicc(r, 1, C_EOIR, 1023);
	free(r);
}

static void v2_widths(void **state)
{
	struct rig *r = make_v2();
	uint64_t v = 7;
	(void)state;
	assert_int_equal(dist2_of(r, 0, 4, 4), 2 | (CPUS - 1) << 5);
	assert_int_equal(dist2_of(r, 0, 0xfe8, 4) >> 4, 2);
	assert_int_equal(gicc_of(r, 0, C_IIDR) >> 16 & 15, 2);
	for (unsigned n = 0; n < CPUS; n++)
		assert_int_equal(dist2_of(r, n, ITARGETSR + 16, 4), 0x01010101u << n);
	dist2(r, 1, ITARGETSR, 4, 0);
	assert_int_equal(dist2_of(r, 1, ITARGETSR, 1), 2);
	dist2(r, 1, ISENABLER, 4, 1u << 30); /* banked */
	assert_int_equal(dist2_of(r, 1, ISENABLER, 4), 0x4000ffff);
	assert_int_equal(dist2_of(r, 0, ISENABLER, 4), 0xffff);
	assert_int_equal(dist2_of(r, 0, ISENABLER + 4, 2), 0);
	assert_int_equal(dist2_of(r, 0, ITARGETSR + 38, 4), 0); /* not aligned */
	gicv2_cpu(&r->g, 0, C_PMR, 1, false, false, &v);
	assert_int_equal(v, 0);
	assert_int_equal(gicc_of(r, 0, 0xe0), 0);
	assert_int_equal(gicc_of(r, 0, 0x1ffc), 0);
	free(r);
}

/* ------ state ------ */

/* Looking has no effects; a level put back does not latch; the latch is not the level. */
static void as_state(void **state)
{
	struct rig *r = make_v3();
	uint64_t v = 0;
	(void)state;
	gic_line(&r->g, 0, 40, true);
	gic_dist(&r->g, ISPENDR + 4, 4, false, true, &v);
	assert_int_equal(v, 0);
	gic_levels(&r->g, 0, 32, false, &v);
	assert_int_equal(v, 1u << 8);
	v = 0;
	assert_false(gic_icc_state(&r->g, 1, IAR1, false, &v));
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	gic_levels(&r->g, 0, 32, true, &v);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	dist(r, ICFGR + 8, 4, 2u << 16);
	v = 1u << 8;
	gic_levels(&r->g, 0, 32, true, &v);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	gic_dist(&r->g, ISPENDR + 4, 4, true, true, &v);
	assert_int_equal(gic_pending(&r->g, 1), GIC_IRQ);
	v = 0; /* as a whole */
	gic_dist(&r->g, ISPENDR + 4, 4, true, true, &v);
	assert_int_equal(gic_pending(&r->g, 1), 0);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v3_level),    cmocka_unit_test(v3_edge),       cmocka_unit_test(v3_masks),
		cmocka_unit_test(v3_routes),   cmocka_unit_test(v3_preemption), cmocka_unit_test(v3_eoi_mode),
		cmocka_unit_test(v3_sgi),      cmocka_unit_test(v3_ppi),        cmocka_unit_test(v3_widths),
		cmocka_unit_test(v2_spi),      cmocka_unit_test(v2_sgi),        cmocka_unit_test(v2_groups),
		cmocka_unit_test(v2_eoi_mode), cmocka_unit_test(v2_widths),     cmocka_unit_test(as_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
