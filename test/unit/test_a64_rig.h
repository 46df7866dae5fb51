/* test_a64_rig.h - one arm64 CPU with a megabyte of memory and a device: what the tests of cpu/arm64 run their guests
 * on. Every exception vector is an HVC with its own number, so a guest ends by HVC whatever happens. */
#ifndef TEST_A64_RIG_H
#define TEST_A64_RIG_H

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "os/os.h"
#include "arm64/sys.h"

enum {
	RAM = 1 << 20,
	DEVICE = 0x10000000,
	CODE = 0x1000,
	VECTORS = 0x8000,
	DATA = 0x10000,
	TABLES = 0x40000,
	CUR_SP0 = 0x100, /* HVC numbers of the vectors: group, and 0 synchronous 1 IRQ 2 FIQ 3 SError */
	CUR_SPX = 0x104,
	LOWER = 0x108,
	ENDED = 1,        /* the usual number for a guest's own end */
	STOPPED = 0x10000 /* another stop than HVC: its kind is added */
};

struct rig {
	struct a64_cpu *c;
	uint8_t *ram;
	uint8_t device[8];
	atomic_uint attn;
	unsigned lines, paused, page_flags; /* A64_POLL_ */
	uint64_t counter, timer_changes, marked, mmio_gpa;
	int answer; /* of mmio and sysreg */
	uint32_t sysreg;
	uint64_t sysreg_value;
	bool sysreg_write, mmio_write;
	unsigned mmio_len;
};

/* ------ instructions ------ */

#define NOP 0xd503201f
#define WFE 0xd503205f
#define WFI 0xd503207f
#define ISB 0xd5033fdf
#define DSB 0xd5033f9f
#define ERET 0xd69f03e0
#define RET 0xd65f03c0
#define SVC(n) (0xd4000001 | (uint32_t)(n) << 5)
#define HVC(n) (0xd4000002 | (uint32_t)(n) << 5)
#define SMC(n) (0xd4000003 | (uint32_t)(n) << 5)
#define BRK(n) (0xd4200000 | (uint32_t)(n) << 5)
#define HLT(n) (0xd4400000 | (uint32_t)(n) << 5)
#define MSR(reg, rt) (0xd5100000 | ((uint32_t)(reg)&0x7fff) << 5 | (rt))
#define MRS(reg, rt) (0xd5300000 | ((uint32_t)(reg)&0x7fff) << 5 | (rt))
/* SYS: IC, DC, AT, TLBI */
#define SYS(op1, crn, crm, op2, rt) (0xd5080000u | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5 | (rt))
#define DAIFSET(n) (0xd50340df | (uint32_t)(n) << 8)
#define DAIFCLR(n) (0xd50340ff | (uint32_t)(n) << 8)
#define SPSEL(n) (0xd50040bf | (uint32_t)(n) << 8)
#define PAN(n) (0xd500409f | (uint32_t)(n) << 8)
#define MOVZ(rd, imm) (0xd2800000 | (uint32_t)(imm) << 5 | (rd))
#define LDR(rt, rn) (0xf9400000 | (uint32_t)(rn) << 5 | (rt))
#define STR(rt, rn) (0xf9000000 | (uint32_t)(rn) << 5 | (rt))
#define LDTR(rt, rn) (0xf8400800 | (uint32_t)(rn) << 5 | (rt))
#define STTR(rt, rn) (0xf8000800 | (uint32_t)(rn) << 5 | (rt))
#define LDXR(rt, rn) (0xc85f7c00 | (uint32_t)(rn) << 5 | (rt))
#define STXR(rs, rt, rn) (0xc8007c00 | (uint32_t)(rs) << 16 | (uint32_t)(rn) << 5 | (rt))
#define LDADD(rs, rt, rn) (0xf8200000 | (uint32_t)(rs) << 16 | (uint32_t)(rn) << 5 | (rt))
#define ADD_IMM(rd, rn, imm) (0x91000000 | (uint32_t)(imm) << 10 | (uint32_t)(rn) << 5 | (rd))
#define BR(rn) (0xd61f0000 | (uint32_t)(rn) << 5)
#define B_SELF 0x14000000

#define R_NZCV A64_SYSREG(3, 3, 4, 2, 0)
#define R_DAIF A64_SYSREG(3, 3, 4, 2, 1)
#define R_SPSEL A64_SYSREG(3, 0, 4, 2, 0)
#define R_CURRENTEL A64_SYSREG(3, 0, 4, 2, 2)
#define R_FPCR A64_SYSREG(3, 3, 4, 4, 0)
#define R_SP_EL0 A64_SYSREG(3, 0, 4, 1, 0)
#define R_CTR A64_SYSREG(3, 3, 0, 0, 1)
#define R_DCZID A64_SYSREG(3, 3, 0, 0, 7)
#define R_MIDR A64_SYSREG(3, 0, 0, 0, 0)
#define R_PFR0 A64_SYSREG(3, 0, 0, 4, 0)
#define R_TPIDR_EL0 A64_SYSREG(3, 3, 13, 0, 2)
#define R_TPIDRRO A64_SYSREG(3, 3, 13, 0, 3)
#define R_TPIDR_EL1 A64_SYSREG(3, 0, 13, 0, 4)
#define R_VBAR A64_SYSREG(3, 0, 12, 0, 0)
#define R_CNTVCT A64_SYSREG(3, 3, 14, 0, 2)
#define R_CNTPCT A64_SYSREG(3, 3, 14, 0, 1)
#define R_CNTV_TVAL A64_SYSREG(3, 3, 14, 3, 0)
#define R_CNTV_CTL A64_SYSREG(3, 3, 14, 3, 1)
#define R_CNTV_CVAL A64_SYSREG(3, 3, 14, 3, 2)
#define R_ICC_PMR A64_SYSREG(3, 0, 4, 6, 0)

/* ------ the environment ------ */

static inline uint8_t *rig_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct rig *r = o;
	*flags = gpa < RAM ? r->page_flags : 0;
	return gpa < RAM ? r->ram + gpa : NULL;
}
static inline void rig_mark(void *o, uint64_t gpa)
{
	((struct rig *)o)->marked |= UINT64_C(1) << (gpa >> 12 & 63);
}
static inline int rig_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct rig *r = o;
	r->mmio_gpa = gpa;
	r->mmio_len = len;
	r->mmio_write = write;
	if (write)
		memcpy(r->device, data, len);
	else
		memcpy(data, r->device, len);
	return r->answer;
}
static inline int rig_sysreg(void *o, uint32_t reg, bool write, uint64_t *value)
{
	struct rig *r = o;
	r->sysreg = reg;
	r->sysreg_write = write;
	if (write)
		r->sysreg_value = *value;
	else
		*value = r->sysreg_value;
	return r->answer;
}
static inline unsigned rig_poll(void *o)
{
	return ((struct rig *)o)->lines;
}
static inline uint64_t rig_counter(void *o)
{
	return ((struct rig *)o)->counter;
}
static inline void rig_timer(void *o)
{
	((struct rig *)o)->timer_changes++;
}
static inline void rig_pause(void *o)
{
	((struct rig *)o)->paused++;
	sched_yield();
}

static inline void put32(struct rig *r, uint64_t gpa, uint32_t v)
{
	memcpy(r->ram + gpa, &v, 4);
}
static inline void put64(struct rig *r, uint64_t gpa, uint64_t v)
{
	memcpy(r->ram + gpa, &v, 8);
}
static inline uint64_t get64(struct rig *r, uint64_t gpa)
{
	uint64_t v;
	memcpy(&v, r->ram + gpa, 8);
	return v;
}

/* As after reset but with vectors: EL1h, interrupts masked, MMU off. */
static inline void rig_reset(struct rig *r)
{
	memset(r->ram, 0, RAM);
	for (unsigned i = 0; i < 16; i++)
		put32(r, VECTORS + 0x80 * i, HVC(0x100 + i));
	r->lines = r->paused = 0;
	r->page_flags = A64_PAGE_R | A64_PAGE_W | A64_PAGE_X;
	r->answer = A64_DONE;
	r->marked = r->counter = r->timer_changes = 0;
	r->c->user_step = r->c->user_brk = false;
	r->c->user_breaks = 0;
	r->c->cntvoff = 0;
	a64_reset(r->c);
	a64_code_changed(r->c);
	r->c->vbar = VECTORS;
	r->c->cpacr = 3 << 20;
	r->c->x[A64_R_SP] = 0x20000;
	r->c->sp_el[0] = 0x30000;
}

static inline void rig_features(struct rig *r, uint64_t features)
{
	r->c->features = features;
	a64_features_changed(r->c);
	a64_state_changed(r->c, true);
	a64_code_changed(r->c);
}

static inline int rig_setup(void **state)
{
	static const struct a64_env env = {.page = rig_page,
					   .mark_dirty = rig_mark,
					   .mmio = rig_mmio,
					   .sysreg = rig_sysreg,
					   .poll = rig_poll,
					   .counter = rig_counter,
					   .timer_changed = rig_timer,
					   .pause = rig_pause};
	struct rig *r = calloc(1, sizeof *r);
	r->ram = os_aligned(4096, RAM);
	r->c = a64_new(&env, r, &r->attn);
	rig_reset(r);
	*state = r;
	return !r->c;
}
static inline int rig_teardown(void **state)
{
	struct rig *r = *state;
	a64_free(r->c);
	os_free(r->ram);
	free(r);
	return 0;
}

/* ------ running ------ */

static inline void rig_code(struct rig *r, uint64_t gpa, const uint32_t *code, size_t n)
{
	memcpy(r->ram + gpa, code, n * 4);
	a64_code_changed(r->c);
}
#define CODE_AT(r, gpa, ...) rig_code(r, gpa, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)

/* The number of the HVC that ended it. */
static inline unsigned rig_go(struct rig *r)
{
	r->c->insn_limit = r->c->insns + 10000;
	unsigned kind = a64_run(r->c);
	return kind == A64_STOP_HVC ? r->c->stop.imm : STOPPED + kind;
}
static inline void rig_at(struct rig *r, unsigned el, uint64_t pc)
{
	a64_set_pstate(r->c, A64_DAIF_ALL | (el ? 5 : 0));
	r->c->pc = pc;
}
/* One sequence at EL0 or EL1, at CODE; HVC at EL0 is undefined, so it ends by what it does. */
#define RUN(r, el, ...) (CODE_AT(r, CODE, __VA_ARGS__), rig_at(r, el, CODE), rig_go(r))

#define ESR(ec, iss) ((uint64_t)(ec) << 26 | 0x2000000 | (iss))

#endif
