/* conf_irq_arm64.c - arm64 bodies of the checks of interrupts and of the counter (T089-T098), for a GICv2 and a GICv3. The host drives the guest's side
 * with programs of two instructions. A failed condition leaves the guest open: the process ends after a check. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bodies_arm64.h"
#include "guest.h"
#include "host.h"

enum { IRQ_VECTOR = GUEST_TRAPS + 0x280 /* from EL1h */, MASKED = 0x3c5, OPEN_IRQ = 0x345 };
/* Programs: each a slot of 64 bytes. */
enum program { POKE, PEEK, ON, IAR, EOI, SGI, PMR, WAIT, OPEN, TIMER, COUNT, HVC, SECOND, PROGRAMS };
static const uint32_t programs[PROGRAMS][16] = {
	[POKE] = {0xb9000001, A64_STOP}, /* str w1, [x0] */
	[PEEK] = {0xb9400001, A64_STOP}, /* ldr w1, [x0] */
	/* ICC_SRE_EL1.SRE = 1; ICC_PMR_EL1 = 0xf0; ICC_IGRPEN1_EL1 = 1 */
	[ON] = {0xd538cca1, 0xb2400021, 0xd518cca1, 0xd5033fdf, 0xd2801e01, 0xd5184601, 0xd2800021, 0xd518cce1, 0xd5033fdf, A64_STOP},
	[IAR] = {0xd538cc01, A64_STOP},              /* x1 = ICC_IAR1_EL1 */
	[EOI] = {0xd518cc21, 0xd5033fdf, A64_STOP},  /* ICC_EOIR1_EL1 = x1 */
	[SGI] = {0xd518cba1, 0xd5033fdf, A64_STOP},  /* ICC_SGI1R_EL1 = x1 */
	[PMR] = {0xd5184601, 0xd5033fdf, A64_STOP},  /* ICC_PMR_EL1 = x1 */
	[WAIT] = {A64_WFI, A64_BACK_1},
	[OPEN] = {A64_NOP, A64_NOP, 0xd5033fdf, A64_NOP, A64_STOP},
	/* CNTV_CVAL_EL0 = x1; CNTV_CTL_EL0 = 1; wfi */
	[TIMER] = {0xd51be341, 0xd2800020, 0xd51be320, 0xd5033fdf, A64_WFI, A64_BACK_1},
	[COUNT] = {0xd53be040, A64_STOP}, /* x0 = CNTVCT_EL0 */
	[HVC] = {0xd4000002, A64_STOP},
	/* [x1] = x0; CPU_OFF */
	[SECOND] = {0xd2a00021, 0xf9000020, 0xd2800040, 0xf2b08000, 0xd4000002, A64_STOP},
};

static uint64_t at(enum program p)
{
	return GUEST_CODE + 64 * (unsigned)p;
}

static int start(struct guest *g, enum program p, uint64_t pstate)
{
	guest_set(g, VMA_ARM64_PSTATE, pstate);
	guest_set(g, VMA_ARM64_PC, at(p));
	return guest_run(g, VMA_EXIT_HLT);
}

/* x0 and x1 in, x1 out, interrupts masked. */
static int call(struct guest *g, enum program p, uint64_t x0, uint64_t x1, uint64_t *out)
{
	guest_set(g, VMA_ARM64_X0, x0);
	guest_set(g, VMA_ARM64_X1, x1);
	CONF_TRY(start(g, p, MASKED));
	CONF_EXPECT(g->conf, guest_get(g, VMA_ARM64_PC) < GUEST_TRAPS);
	if (out)
		*out = guest_get(g, VMA_ARM64_X1);
	return g->conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* ------ the GIC: offsets of IHI 0048 4.1.2 and 4.1.3, IHI 0069 12.8 and 12.10 ------ */

enum { CTLR = 0, IGROUPR = 0x80, ISENABLER = 0x100, ICENABLER = 0x180, IPRIORITYR = 0x400, ITARGETSR = 0x800, ICFGR = 0xc00, SGIR = 0xf00,
       IROUTER = 0x6000 };
enum { GICC_CTLR = 0, GICC_PMR = 4, GICC_IAR = 0xc, GICC_EOIR = 0x10, WAKER = 0x14, SGI_FRAME = 0x10000 };

static vma_arm64_gic gic;

static int poke(struct guest *g, uint64_t address, uint32_t value)
{
	return call(g, POKE, address, value, NULL);
}

static uint64_t frame(uint32_t intid)
{
	return gic.version == 3 && intid < 32 ? gic.cpu_base + SGI_FRAME : gic.dist_base;
}

static int priority(struct guest *g, uint32_t intid, uint32_t value)
{
	return poke(g, frame(intid) + IPRIORITYR + (intid & ~3u), value << 8 * (intid & 3));
}

static int enable(struct guest *g, uint32_t intid, uint32_t value)
{
	CONF_TRY(priority(g, intid, value));
	if (gic.version == 3)
		CONF_TRY(poke(g, frame(intid) + IGROUPR + intid / 32 * 4, UINT32_MAX));
	else if (intid >= 32)
		CONF_TRY(poke(g, gic.dist_base + ITARGETSR + (intid & ~3u), 0x01010101));
	return poke(g, frame(intid) + ISENABLER + intid / 32 * 4, 1u << intid % 32);
}

static int gic_on(struct guest *g)
{
	if (gic.version == 2) {
		CONF_TRY(poke(g, gic.dist_base + CTLR, 1));
		CONF_TRY(poke(g, gic.cpu_base + GICC_PMR, 0xf0));
		return poke(g, gic.cpu_base + GICC_CTLR, 1);
	}
	CONF_TRY(poke(g, gic.dist_base + CTLR, 0x12)); /* ARE_NS, EnableGrp1 */
	CONF_TRY(poke(g, gic.cpu_base + WAKER, 0));
	return call(g, ON, 0, 0, NULL);
}

static int mask_above(struct guest *g, uint32_t pmr)
{
	return gic.version == 2 ? poke(g, gic.cpu_base + GICC_PMR, pmr) : call(g, PMR, 0, pmr, NULL);
}

static int acknowledge(struct guest *g, uint64_t *intid)
{
	CONF_TRY(gic.version == 2 ? call(g, PEEK, gic.cpu_base + GICC_IAR, 0, intid) : call(g, IAR, 0, 0, intid));
	*intid &= 0x3ff;
	return CONF_PASS;
}

static int eoi(struct guest *g, uint32_t intid)
{
	return gic.version == 2 ? poke(g, gic.cpu_base + GICC_EOIR, intid) : call(g, EOI, 0, intid, NULL);
}

/* Nothing is taken with interrupts open. */
static int quiet_at(struct guest *g, int line)
{
	CONF_TRY(start(g, OPEN, OPEN_IRQ));
	if (guest_get(g, VMA_ARM64_PC) >= GUEST_TRAPS)
		return conf_fail(g->conf, "%s:%d: an interrupt that should not come", conf_file(__FILE__), line);
	return CONF_PASS;
}
#define quiet(g) quiet_at(g, __LINE__)

static int vectored(struct guest *g, uint32_t want)
{
	uint64_t intid = 0;

	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), IRQ_VECTOR + 4);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PSTATE) & 0x3cf, MASKED & 0x3cf);
	CONF_TRY(acknowledge(g, &intid));
	CONF_EQUAL(g->conf, intid, want);
	return CONF_PASS;
}

/* It is taken out of WFI, and is in service. */
static int taken(struct guest *g, uint32_t want)
{
	CONF_TRY(start(g, WAIT, OPEN_IRQ));
	return vectored(g, want);
}

static int with_gic(struct conf *conf, uint32_t cpus, int (*const *bodies)(struct guest *), size_t count)
{
	static const uint32_t vector[] = {A64_STOP};
	const struct guest_options options = {.irqchip = VMA_IRQCHIP_PLATFORM, .cpus = cpus};
	struct guest g;

	if (!(conf->info.caps & VMA_CAP_IRQCHIP))
		return conf_skip(conf, "%s has no interrupt controllers", conf->info.name);
	for (size_t i = 0; i < count; i++) {
		CONF_TRY(guest_open(&g, conf, &options, programs, sizeof programs));
		guest_code(&g, IRQ_VECTOR, vector, sizeof vector);
		guest_set(&g, VMA_ARM64_VBAR_EL1, GUEST_TRAPS);
		gic.size = sizeof gic;
		CONF_OK(conf, vma_arm64_get_gic(g.vm, &gic));
		CONF_TRY(gic_on(&g));
		CONF_TRY(bodies[i](&g));
		guest_close(&g);
	}
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}
#define WITH_GIC(conf, cpus, bodies) with_gic(conf, cpus, bodies, sizeof(bodies) / sizeof((bodies)[0]))

/* ------ T089 ------ */

struct later {
	struct guest *g;
	int error;
};

static void *raise_later(void *arg)
{
	struct later *l = arg;
	const struct timespec moment = {0, 300000000};

	nanosleep(&moment, NULL);
	l->error = vma_vm_irq_line(l->g->vm, 8, 1);
	return NULL;
}

static uint64_t ns_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int asleep(struct guest *g)
{
	struct later later = {.g = g};
	uint64_t wall, cpu;
	pthread_t thread;
	int result;

	CONF_TRY(enable(g, 40, 0x80));
	wall = ns_of(CLOCK_MONOTONIC);
	cpu = ns_of(CLOCK_THREAD_CPUTIME_ID);
	CONF_EXPECT(g->conf, pthread_create(&thread, NULL, raise_later, &later) == 0);
	result = taken(g, 40);
	wall = ns_of(CLOCK_MONOTONIC) - wall;
	cpu = ns_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	pthread_join(thread, NULL);
	CONF_TRY(result);
	CONF_OK(g->conf, later.error);
	CONF_EXPECT(g->conf, wall >= 300000000);
	CONF_EXPECT(g->conf, cpu < wall / 2);
	return CONF_PASS;
}

int t089_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {asleep};
	return WITH_GIC(conf, 1, bodies);
}

/* ------ T092 ------ */

enum { CPU_ON = 0x84000003, AFFINITY_INFO = 0x84000004, SYSTEM_RESET = 0x84000009 };

static int psci(struct guest *g, uint32_t call_number, const uint64_t args[3], int32_t *answer)
{
	guest_set(g, VMA_ARM64_X0, call_number);
	for (uint32_t i = 0; i < 3; i++)
		guest_set(g, VMA_ARM64_X1 + i, args[i]);
	CONF_TRY(start(g, HVC, MASKED));
	*answer = (int32_t)guest_get(g, VMA_ARM64_X0);
	return CONF_PASS;
}

struct second {
	struct guest *g;
	_Atomic(vma_kick *) kick;
	vma_mp before, after;
	int error, kind;
};

static void *run_second(void *arg)
{
	struct second *s = arg;
	vma_kick *kick = NULL;
	vma_vcpu *v;

	s->error = vma_vcpu_create(s->g->vm, 1, &v);
	if (s->error)
		return NULL;
	s->error = vma_vcpu_get_mp(v, &s->before);
	if (!s->error)
		s->error = vma_vcpu_kick_handle(v, &kick);
	atomic_store(&s->kick, kick);
	s->kind = vma_vcpu_run(v);
	if (!s->error)
		s->error = vma_vcpu_get_mp(v, &s->after);
	vma_vcpu_destroy(v);
	return NULL;
}

static int info_becomes(struct guest *g, int32_t want)
{
	const struct timespec moment = {0, 2000000};
	int32_t answer = -100;

	for (int i = 0; i < 2000; i++) {
		CONF_TRY(psci(g, AFFINITY_INFO, (uint64_t[]){1, 0, 0}, &answer));
		if (answer == want)
			return CONF_PASS;
		nanosleep(&moment, NULL);
	}
	return conf_fail(g->conf, "AFFINITY_INFO stays %d, not %d", (int)answer, (int)want);
}

static int on_and_off(struct guest *g)
{
	/* wait: ldr w2, [x1, #8]; cbz w2, wait; in front of the second's store, so that it is on for as long as the first likes */
	static const uint32_t wait[] = {0xd2a00021, 0xb9400822, 0x34ffffe2};
	struct conf *conf = g->conf;
	const uint64_t args[3] = {1, 0xa000, 0x77};
	int32_t answer;

	guest_code(g, 0xa000, wait, sizeof wait);
	guest_code(g, 0xa000 + sizeof wait, programs[SECOND], sizeof programs[SECOND]);
	CONF_TRY(info_becomes(g, 1)); /* off */
	CONF_TRY(psci(g, CPU_ON, args, &answer));
	CONF_EQUAL(conf, answer, 0);
	CONF_TRY(psci(g, CPU_ON, args, &answer));
	CONF_EXPECT(conf, answer == -4 || answer == -5); /* ALREADY_ON, ON_PENDING */
	CONF_TRY(info_becomes(g, 0));
	CONF_TRY(psci(g, CPU_ON, (uint64_t[]){9, 0xa000, 0}, &answer));
	CONF_EQUAL(conf, answer, -2); /* INVALID_PARAMETERS: nobody is there */
	CONF_TRY(poke(g, GUEST_DATA + 8, 1));
	CONF_TRY(info_becomes(g, 1));
	CONF_EQUAL(conf, guest_read64(g, GUEST_DATA), 0x77);
	guest_set(g, VMA_ARM64_X0, SYSTEM_RESET);
	guest_set(g, VMA_ARM64_PC, at(HVC));
	CONF_TRY(guest_run(g, VMA_EXIT_SYSTEM));
	CONF_EQUAL(conf, g->exit->system.type, VMA_SYSTEM_RESET);
	return CONF_PASS;
}

static int two_cpus(struct guest *g)
{
	struct second s = {.g = g};
	pthread_t thread;
	vma_kick *kick;
	int result;

	CONF_EXPECT(g->conf, pthread_create(&thread, NULL, run_second, &s) == 0);
	while (!(kick = atomic_load(&s.kick)))
		sched_yield();
	result = on_and_off(g);
	vma_kick_send(kick);
	pthread_join(thread, NULL);
	vma_kick_unref(kick);
	CONF_TRY(result);
	CONF_OK(g->conf, s.error);
	CONF_EQUAL(g->conf, s.kind, VMA_EXIT_CANCELED);
	CONF_EQUAL(g->conf, s.before, VMA_MP_OFF);
	CONF_EQUAL(g->conf, s.after, VMA_MP_OFF);
	return CONF_PASS;
}

int t092_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {two_cpus};
	return WITH_GIC(conf, 2, bodies);
}

/* ------ T093 ------ */

static int software_generated(struct guest *g)
{
	CONF_TRY(enable(g, 3, 0x80));
	CONF_TRY(gic.version == 2 ? poke(g, gic.dist_base + SGIR, 1 << 16 | 3) : call(g, SGI, 0, 3 << 24 | 1, NULL));
	CONF_TRY(taken(g, 3));
	CONF_TRY(quiet(g)); /* in service */
	CONF_TRY(eoi(g, 3));
	return quiet(g);
}

/* A line of a vCPU's own: a level, by vma_arm64_ppi. */
static int private_line(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_TRY(enable(g, 20, 0x80));
	CONF_OK(conf, vma_arm64_ppi(g->vm, 0, 20, 1));
	CONF_TRY(taken(g, 20));
	CONF_OK(conf, vma_arm64_ppi(g->vm, 0, 20, 0));
	CONF_TRY(eoi(g, 20));
	return quiet(g);
}

static int priorities(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_TRY(enable(g, 40, 0xa0));
	CONF_TRY(enable(g, 44, 0x40));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 1));
	CONF_TRY(mask_above(g, 0x80));
	CONF_TRY(quiet(g)); /* not urgent enough */
	CONF_TRY(mask_above(g, 0xf0));
	CONF_TRY(taken(g, 40));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 12, 1));
	CONF_TRY(taken(g, 44)); /* more urgent than what is in service */
	CONF_OK(conf, vma_vm_irq_line(g->vm, 12, 0));
	CONF_TRY(eoi(g, 44));
	CONF_TRY(quiet(g));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 0));
	CONF_TRY(eoi(g, 40));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 1));
	CONF_TRY(poke(g, gic.dist_base + ICENABLER + 4, 1 << 8));
	CONF_TRY(quiet(g)); /* not enabled */
	CONF_TRY(poke(g, gic.dist_base + ISENABLER + 4, 1 << 8));
	return taken(g, 40);
}

int t093_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {software_generated, private_line, priorities};
	return WITH_GIC(conf, 1, bodies);
}

/* ------ T094 ------ */

static int edge(struct guest *g, uint32_t intid)
{
	return poke(g, gic.dist_base + ICFGR + intid / 16 * 4, UINT32_C(0xaaaaaaaa));
}

static int messages(struct guest *g)
{
	struct conf *conf = g->conf;
	const uint64_t doorbell = gic.msi_base + 0x40;

	CONF_TRY(enable(g, gic.msi_first, 0x80));
	CONF_TRY(edge(g, gic.msi_first));
	CONF_OK(conf, vma_vm_msi(g->vm, doorbell, gic.msi_first));
	CONF_TRY(taken(g, gic.msi_first));
	CONF_TRY(eoi(g, gic.msi_first));
	CONF_TRY(quiet(g)); /* once */
	CONF_TRY(poke(g, doorbell, gic.msi_first)); /* by the guest: its device would */
	CONF_TRY(taken(g, gic.msi_first));
	CONF_TRY(eoi(g, gic.msi_first));
	CONF_EQUAL(conf, vma_vm_msi(g->vm, doorbell, 20), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_msi(g->vm, doorbell + 4, gic.msi_first), VMA_E_INVALID);
	return quiet(g);
}

static int irqfd(struct guest *g)
{
	struct conf *conf = g->conf;
	int fd = host_event();

	if (!(conf->info.caps & VMA_CAP_IRQFD))
		return CONF_PASS;
	CONF_EXPECT(conf, fd >= 0);
	CONF_TRY(enable(g, 38, 0x80));
	CONF_TRY(edge(g, 38));
	CONF_OK(conf, vma_vm_irqfd(g->vm, fd, 6, 1));
	for (int i = 0; i < 3; i++) {
		CONF_EXPECT(conf, host_event_signal(fd));
		CONF_TRY(taken(g, 38));
		CONF_TRY(eoi(g, 38));
	}
	CONF_OK(conf, vma_vm_irqfd(g->vm, fd, 6, 0));
	CONF_EXPECT(conf, host_event_signal(fd));
	usleep(20000);
	CONF_TRY(quiet(g)); /* nothing any more */
	host_event_close(fd);
	return CONF_PASS;
}

static int poke_exits(struct guest *g, uint64_t address, uint32_t value)
{
	guest_set(g, VMA_ARM64_X0, address);
	guest_set(g, VMA_ARM64_X1, value);
	guest_set(g, VMA_ARM64_PC, at(POKE));
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(g->conf, g->exit->mmio.gpa, address);
	CONF_EQUAL(g->conf, vma_vcpu_complete(g->v), 0);
	return CONF_PASS;
}

static int ioeventfd(struct guest *g)
{
	struct conf *conf = g->conf;
	int fd = host_event();
	vma_ioeventfd io = {.address = GUEST_MMIO, .length = 4, .match = 1, .eventfd = fd, .value = 7};

	if (!(conf->info.caps & VMA_CAP_IOEVENTFD))
		return CONF_PASS;
	CONF_OK(conf, vma_vm_ioeventfd(g->vm, &io, 1));
	CONF_TRY(poke(g, GUEST_MMIO, 7)); /* no exit */
	CONF_EQUAL(conf, host_event_count(fd), 1);
	CONF_TRY(poke_exits(g, GUEST_MMIO, 8));
	CONF_EQUAL(conf, host_event_count(fd), 0);
	CONF_OK(conf, vma_vm_ioeventfd(g->vm, &io, 0));
	io.match = 0;
	io.length = 0; /* any length */
	CONF_OK(conf, vma_vm_ioeventfd(g->vm, &io, 1));
	CONF_TRY(poke(g, GUEST_MMIO, 9));
	CONF_EQUAL(conf, host_event_count(fd), 1);
	CONF_OK(conf, vma_vm_ioeventfd(g->vm, &io, 0));
	host_event_close(fd);
	return poke_exits(g, GUEST_MMIO, 9);
}

int t094_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {messages, irqfd, ioeventfd};
	return WITH_GIC(conf, 1, bodies);
}

/* ------ T095 ------ */

static int edges(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_TRY(enable(g, 39, 0x80));
	CONF_TRY(edge(g, 39));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 1));
	CONF_TRY(taken(g, 39));
	CONF_TRY(eoi(g, 39));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 0));
	CONF_TRY(quiet(g));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 1));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 0)); /* an edge is remembered */
	CONF_TRY(taken(g, 39));
	CONF_TRY(eoi(g, 39));
	CONF_TRY(quiet(g));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 1));
	CONF_TRY(taken(g, 39));
	CONF_TRY(eoi(g, 39));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 7, 1));
	if (quiet(g) != CONF_PASS) {
		conf->reason[0] = 0;
		return conf_fail(conf, "a line that is up and is raised again counts as another edge");
	}
	return CONF_PASS;
}

static int levels(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_TRY(enable(g, 40, 0x80));
	CONF_TRY(poke(g, gic.dist_base + ICFGR + 40 / 16 * 4, 0)); /* KVM's SPIs begin as edges */
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 1));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 0)); /* gone before it is acknowledged */
	CONF_TRY(quiet(g));
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 1));
	CONF_TRY(taken(g, 40));
	CONF_TRY(eoi(g, 40));
	CONF_TRY(taken(g, 40)); /* still up */
	CONF_OK(conf, vma_vm_irq_line(g->vm, 8, 0));
	CONF_TRY(eoi(g, 40));
	return quiet(g);
}

int t095_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {levels, edges};
	return WITH_GIC(conf, 1, bodies);
}

/* ------ T098 ------ */

static int count(struct guest *g, uint64_t *value)
{
	CONF_TRY(start(g, COUNT, MASKED));
	*value = guest_get(g, VMA_ARM64_X0);
	return CONF_PASS;
}

/* The host moves the counter far away; the timer's deadline is counted from there, to the count. */
static int offset_timer(struct guest *g)
{
	struct conf *conf = g->conf;
	const uint64_t far = 1ull << 50, hz = guest_get(g, VMA_ARM64_CNTFRQ_EL0);
	uint64_t before, now, ns;

	CONF_EXPECT(conf, hz >= 1000000);
	CONF_TRY(count(g, &before));
	CONF_TRY(count(g, &now));
	CONF_EXPECT(conf, now >= before);
	guest_set(g, VMA_ARM64_CNTVCT_EL0, far);
	CONF_TRY(count(g, &now));
	CONF_EXPECT(conf, now >= far && now - far < 60 * hz);
	CONF_TRY(enable(g, 27, 0x80));
	CONF_TRY(count(g, &now));
	ns = ns_of(CLOCK_MONOTONIC);
	guest_set(g, VMA_ARM64_X1, now + hz / 5);
	CONF_TRY(start(g, TIMER, OPEN_IRQ));
	ns = ns_of(CLOCK_MONOTONIC) - ns;
	CONF_TRY(vectored(g, 27));
	CONF_TRY(count(g, &before));
	CONF_EXPECT(conf, before >= now + hz / 5);
	CONF_EXPECT(conf, ns > 150000000 && ns < 10000000000);
	guest_set(g, VMA_ARM64_CNTV_CTL_EL0, 2); /* masked */
	CONF_TRY(eoi(g, 27));
	return quiet(g);
}

int t098_arm64(struct conf *conf)
{
	static int (*const bodies[])(struct guest *) = {offset_timer};
	return WITH_GIC(conf, 1, bodies);
}
