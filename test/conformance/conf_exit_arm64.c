/* conf_exit_arm64.c - exits of arm64 guests that are no accesses: calls, waits, system registers, addresses beyond all (T042-T044, T048). */
#include <string.h>

#include "bodies_arm64.h"
#include "guest.h"

enum { EC_UNKNOWN = 0, EC_DATA_ABORT = 0x25, SYNC = 4 };
#define ESR(g) (uint32_t)guest_get(g, VMA_ARM64_X0 + 10) /* bits 63:32 are more about it, if anything */

/* ------ T042: HVC and SMC ------ */

static const uint32_t call_code[] = {0xd40000e2, A64_STOP, 0xd40000e3, A64_STOP}; /* hvc #7; stop; smc #7; stop */

static int call_exit(struct guest *g, uint64_t pc, unsigned smc)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_ARM64_X0, 0xc3000001);
	CONF_TRY(guest_run(g, VMA_EXIT_HYPERCALL));
	CONF_EQUAL(conf, g->exit->hypercall.number, 0xc3000001);
	CONF_EQUAL(conf, g->exit->hypercall.smc, smc);
	CONF_EQUAL(conf, g->exit->hypercall.imm, 7);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PC), pc);
	g->exit->hypercall.result = 5;
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PC), pc + 4);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 5);
	return guest_run(g, VMA_EXIT_HLT);
}

static int exits_body(struct guest *g)
{
	CONF_TRY(call_exit(g, GUEST_CODE, 0));
	return call_exit(g, GUEST_CODE + 8, 1);
}

/* A call that nobody knows: NOT_SUPPORTED with the next instruction, or an undefined one. */
static int unknown_call(struct guest *g, uint64_t pc)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_ARM64_PC, pc);
	guest_set(g, VMA_ARM64_X0, 0xc3000001);
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	if (!guest_stopped(conf, g->exit, VMA_EXIT_MMIO)) {
		CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
		CONF_EQUAL(conf, ESR(g) >> 26, EC_UNKNOWN);
		CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0 + 11), pc);
		return CONF_PASS;
	}
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), UINT64_MAX);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PC), pc + 8);
	return CONF_PASS;
}

static int unknown_body(struct guest *g)
{
	guest_traps(g);
	CONF_TRY(unknown_call(g, GUEST_CODE));
	return unknown_call(g, GUEST_CODE + 8);
}

int a64_calls(struct conf *conf)
{
	const struct guest_options options = {.hypercall_exits = 1};

	CONF_TRY(guest_with(conf, NULL, call_code, sizeof call_code, unknown_body));
	if (!(conf->info.caps & VMA_CAP_HYPERCALL_EXIT))
		return CONF_PASS;
	return guest_with(conf, &options, call_code, sizeof call_code, exits_body);
}

/* ------ T043: waiting ------ */

static int wfe_body(struct guest *g)
{
	return guest_run(g, VMA_EXIT_HLT);
}

/* The distributor of either version on, PPI 27 enabled; CNTV_CVAL 0, CNTV_CTL 1; WFI; stop */
static const uint32_t due_v3[] = {
	0xd2a10001, 0x52800240, 0xb9000020, /* x1 = GICD; GICD_CTLR = ARE | group 1 */
	0xd2a10142, 0xf2800002, 0x91404042, /* x2 = GICR + 64 KiB */
	0x52a10000, 0xb9010040,		    /* GICR_ISENABLER0 = 1 << 27 */
	0xd2801e00, 0xd5184600,		    /* ICC_PMR_EL1 = 0xf0 */
	0xd2800020, 0xd518cce0, 0xd5033fdf, /* ICC_IGRPEN1_EL1 = 1 */
	0xd51be35f,			    /* CNTV_CVAL_EL0 = 0 */
	0xd2800020, 0xd51be320, 0xd5033fdf, /* CNTV_CTL_EL0 = 1 */
	A64_WFI, A64_STOP,
};
static const uint32_t due_v2[] = {
	0xd2a10001, 0x52800020, 0xb9000020, /* x1 = GICD; GICD_CTLR = 1 */
	0x52a10000, 0xb9010020,		    /* GICD_ISENABLER0 = 1 << 27 */
	0xd2a10022,			    /* x2 = GICC */
	0x52801e00, 0xb9000440,		    /* GICC_PMR = 0xf0 */
	0x52800020, 0xb9000040,		    /* GICC_CTLR = 1 */
	0xd51be35f, 0xd2800020, 0xd51be320, 0xd5033fdf,
	A64_WFI, A64_STOP,
};

/* The timer's condition has been true before WFI: its interrupt is pending, and there is nothing to wait for. */
static int due_body(struct guest *g)
{
	if (guest_gic_version(g) == 3)
		guest_code(g, GUEST_CODE, due_v3, sizeof due_v3);
	else
		guest_code(g, GUEST_CODE, due_v2, sizeof due_v2);
	return guest_run(g, VMA_EXIT_HLT);
}

int a64_waits(struct conf *conf)
{
	static const uint32_t wfe[] = {0xd503205f, A64_STOP};
	const struct guest_options options = {.irqchip = VMA_IRQCHIP_PLATFORM};

	CONF_TRY(guest_with(conf, NULL, wfe, sizeof wfe, wfe_body));
	return guest_with(conf, &options, NULL, 0, due_body);
}

/* ------ T044: system registers that nobody has ------ */

static const uint32_t sysreg_code[] = {0xd538f7e0, A64_STOP}; /* mrs x0, s3_0_c15_c7_7 */

static int undefined_body(struct guest *g)
{
	guest_traps(g);
	CONF_TRY(guest_run_trap(g, SYNC));
	CONF_EQUAL(g->conf, ESR(g) >> 26, EC_UNKNOWN);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0 + 11), GUEST_CODE);
	return CONF_PASS;
}

static int sysreg_exit(struct guest *g)
{
	CONF_TRY(guest_run(g, VMA_EXIT_SYSREG));
	CONF_EQUAL(g->conf, g->exit->sysreg.id, VMA_ARM64_SYSREG(3, 0, 15, 7, 7));
	CONF_EQUAL(g->conf, g->exit->sysreg.write, 0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE);
	return CONF_PASS;
}

static int answered_body(struct guest *g)
{
	CONF_TRY(sysreg_exit(g));
	g->exit->sysreg.value = 0x1234;
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0), 0x1234);
	return CONF_PASS;
}

static int refused_body(struct guest *g)
{
	guest_traps(g);
	CONF_TRY(sysreg_exit(g));
	g->exit->sysreg.fault = 1;
	CONF_TRY(guest_run_trap(g, SYNC));
	CONF_EQUAL(g->conf, ESR(g) >> 26, EC_UNKNOWN);
	return CONF_PASS;
}

int a64_unknown_sysreg(struct conf *conf)
{
	const struct guest_options options = {.msr_policy = VMA_MSR_EXIT};

	CONF_TRY(guest_with(conf, NULL, sysreg_code, sizeof sysreg_code, undefined_body));
	if (!(conf->info.caps & VMA_CAP_MSR_EXIT))
		return CONF_PASS;
	CONF_TRY(guest_with(conf, &options, sysreg_code, sizeof sysreg_code, answered_body));
	return guest_with(conf, &options, sysreg_code, sizeof sysreg_code, refused_body);
}

/* ------ T048: addresses beyond everything ------ */

static int highest_body(struct guest *g)
{
	const uint64_t gpa = (UINT64_C(1) << g->conf->info.gpa_bits) - 0x1000;

	guest_set(g, VMA_ARM64_X1, gpa);
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(g->conf, g->exit->mmio.gpa, gpa);
	memset(g->exit->mmio.data, 0x42, 4);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0), 0x42424242);
	return CONF_PASS;
}

/* An address size fault, level 0 (Arm ARM D8.2.13), the MMU being off. */
static int beyond_body(struct guest *g)
{
	enum { DFSC = 0x3f };

	guest_traps(g);
	guest_set(g, VMA_ARM64_X1, UINT64_C(1) << 50);
	CONF_TRY(guest_run_trap(g, SYNC));
	CONF_EQUAL(g->conf, ESR(g) >> 26, EC_DATA_ABORT);
	CONF_EQUAL(g->conf, ESR(g) & DFSC, 0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0 + 12), UINT64_C(1) << 50);
	return CONF_PASS;
}

int a64_beyond(struct conf *conf)
{
	static const uint32_t code[] = {0xb9400020, A64_STOP}; /* ldr w0, [x1] */

	CONF_TRY(guest_with(conf, NULL, code, sizeof code, highest_body));
	return guest_with(conf, NULL, code, sizeof code, beyond_body);
}
