/* internal.h - what the files of the software arm64 CPU share: decoded operations, the decoder's rows, memory access,
 * exceptions.
 *
 * Rules for instruction handlers, as in cpu/x86: nothing is committed before the last access that can fault or defer
 * (a64_raise and deferrals leave by longjmp, the instruction is executed again from its start); a handler returns
 * A64_NEXT(op), or NULL at a block's end after setting c->pc. */
#ifndef CPU_ARM64_INTERNAL_H
#define CPU_ARM64_INTERNAL_H

#include <string.h>
#include "x86/ram.h"
#include "arm64.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ------ decoded operations ------ */

struct a64_op;
typedef const struct a64_op *(*a64_fn)(struct a64_cpu *c, const struct a64_op *op);
struct a64_op {
	a64_fn fn;
	uint64_t imm;           /* what `prepare` of the row put there; else 0 */
	const struct a64_op *link; /* engine's: head of the block that a branch inside the page leads to, or NULL */
	uint32_t insn;
	uint8_t rd, rn, rm, ra; /* indices into c->x (A64_OPS_ kinds) or c->v */
};
/* Tail call of the next operation. */
#define A64_NEXT(op) ((op)[1].fn(c, (op) + 1))
/* gva of op's instruction in the running block, whose head is c->block: operations follow each other as instructions
 * do, and the head keeps the offset in the page. */
static inline uint64_t a64_op_pc(const struct a64_cpu *c, const struct a64_op *op)
{
	return c->code_page + c->block->insn + 4 * (uint64_t)(op - c->block - 1);
}
#define A64_HANDLER(name) const struct a64_op *name(struct a64_cpu *c, const struct a64_op *op)

/* ------ the decoder's rows ------
 * The first row with (insn & mask) == value whose `also` (may be NULL) agrees is the instruction; no row: undefined.
 * One table a subject: int.c loadstore.c atomic.c simd_*.c fp.c crypto.c system.c. */
enum a64_operands {
	A64_OPS_RAW,  /* rd rn rm ra are the fields 4:0 9:5 20:16 14:10 as they are: SIMD and FP */
	A64_OPS_X,    /* the same as general registers, 31 is XZR (destination rd: the sink) */
	A64_OPS_SP,   /* rn and rd 31 are SP */
	A64_OPS_RN_SP /* rn 31 is SP, the others XZR: loads and stores, whose rd (Rt) as a source is read through ZR */
};
enum { A64_ALWAYS = 0xff };
struct a64_row {
	uint32_t mask, value;
	const char *name; /* the manual's mnemonic, lower case: for the test that compares the decoder with others */
	a64_fn fn;
	uint8_t operands, feature; /* enum a64_feature or A64_ALWAYS */
	bool ends;                 /* ends its block: branches, exceptions, what changes translation or mode */
	bool (*also)(uint32_t insn);
	/* Fill imm and choose a more special handler; NULL: row->fn and imm 0. */
	void (*prepare)(struct a64_op *op);
};
struct a64_rows {
	const struct a64_row *rows;
	size_t count;
};
extern const struct a64_rows a64_rows_int, a64_rows_mul, a64_rows_branch, a64_rows_mem, a64_rows_atomic, a64_rows_fp,
	a64_rows_fp_same, a64_rows_fp_misc,
	a64_rows_simd_same, a64_rows_simd_perm, a64_rows_simd_misc, a64_rows_simd_mul, a64_rows_simd_long, a64_rows_simd_shift,
	a64_rows_simd_mem, a64_rows_crypto, a64_rows_system, a64_rows_maintain, a64_rows_pauth;

#define A64_BITS(insn, hi, lo) (((insn) >> (lo)) & ((2u << ((hi) - (lo))) - 1))
static inline int64_t a64_sext(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

/* ------ exceptions (exception.c) ------ */

/* Exception classes, Arm ARM D24.2.40 (ESR_ELx.EC) */
enum {
	A64_EC_UNKNOWN = 0x00, A64_EC_WFX = 0x01, A64_EC_FP = 0x07, A64_EC_PAC = 0x09, A64_EC_BTI = 0x0d,
	A64_EC_ILLEGAL = 0x0e, A64_EC_SVC = 0x15, A64_EC_HVC = 0x16, A64_EC_SMC = 0x17, A64_EC_SYSREG = 0x18,
	A64_EC_FPAC = 0x1c, A64_EC_IABT_LOW = 0x20, A64_EC_IABT = 0x21, A64_EC_PC = 0x22, A64_EC_DABT_LOW = 0x24,
	A64_EC_DABT = 0x25, A64_EC_SP = 0x26, A64_EC_SERROR = 0x2f, A64_EC_BREAK_LOW = 0x30, A64_EC_BREAK = 0x31,
	A64_EC_STEP_LOW = 0x32, A64_EC_STEP = 0x33, A64_EC_WATCH_LOW = 0x34, A64_EC_WATCH = 0x35, A64_EC_BRK = 0x3c
};
/* Raise a synchronous exception whose return address is op's instruction (op NULL: c->pc). The _LOW forms are chosen by
 * the current EL: pass the other. */
_Noreturn void a64_raise(struct a64_cpu *c, const struct a64_op *op, unsigned ec, uint32_t iss);
_Noreturn void a64_raise_far(struct a64_cpu *c, const struct a64_op *op, unsigned ec, uint32_t iss, uint64_t far);
_Noreturn static inline void a64_undef(struct a64_cpu *c, const struct a64_op *op)
{
	a64_raise(c, op, A64_EC_UNKNOWN, 0);
}
/* Enter EL1 for c->exc_* (set by a64_raise, or by the run loop for interrupts). */
void a64_deliver(struct a64_cpu *c);
/* Exception return to pc, with the illegal returns of Arm ARM D1.3.4. Sets c->pc. */
void a64_eret(struct a64_cpu *c, uint64_t pc);
/* Stop with c->stop filled, nothing committed / committed (c->pc is set). */
enum { A64_JMP_FAULT = 1, A64_JMP_DEFER, A64_JMP_STOP };
_Noreturn void a64_defer(struct a64_cpu *c, const struct a64_op *op);
_Noreturn void a64_leave(struct a64_cpu *c, enum a64_stop_kind kind);
/* PSTATE or system registers changed: current mode, TLB, SP (c->x[A64_R_SP] against c->sp_el). */
void a64_mode_changed(struct a64_cpu *c);
/* FP/SIMD instructions call it first: CPACR_EL1.FPEN (one test when enabled). */
static inline bool a64_fp_on(const struct a64_cpu *c)
{
	unsigned fpen = (unsigned)(c->cpacr >> 20) & 3;
	return fpen == 3 || (fpen == 1 && c->el == 1);
}
_Noreturn void a64_fp_trap(struct a64_cpu *c, const struct a64_op *op);
static inline void a64_fp_check(struct a64_cpu *c, const struct a64_op *op)
{
	if (unlikely(!a64_fp_on(c)))
		a64_fp_trap(c, op);
}

/* ------ memory (mmu.c, access.c) ------ */

/* The TLB holds gvas as the instruction made them (with the tag byte where TBI is on): a hit needs no masking. */
static inline uint8_t *a64_tlb_hit(const struct a64_tlbe *set, uint64_t gva, unsigned size)
{
	const struct a64_tlbe *e = &set[(gva >> 12) & (A64_TLB_SIZE - 1)];
	if (likely(e->tag == ((gva + size - 1) & ~(uint64_t)0xfff))) {
		uint8_t *p = (uint8_t *)(uintptr_t)(gva + e->addend);
		if (!p)
			__builtin_unreachable(); /* the caller's test of a hit is this function's */
		return p;
	}
	return NULL;
}
/* Kinds of access beyond a plain one, for faults and checks */
enum { A64_ACC_WRITE = 1, A64_ACC_EXEC = 2, A64_ACC_USER = 4 /* LDTR, STTR */, A64_ACC_ALIGNED = 8, A64_ACC_CACHE = 16,
       A64_ACC_ATOMIC = 32 };
/* Size 1..64; walks, page crossing, devices, faults. `op` gives the syndrome (ISV, SRT ... are never set for EL1). */
void a64_load_slow(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc, void *out);
void a64_store_slow(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc, const void *in);
/* Host address for an atomic or exclusive access that may write (aligned to size, else an alignment fault); NULL: a
 * device, the caller goes by load and store. */
uint8_t *a64_atomic_ptr(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc);
void a64_probe_write(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc);

/* The same of up to 8 bytes by value: a handler without variables in memory jumps to the next one. */
uint64_t a64_load_value(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size);
void a64_store_value(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, uint64_t v);

#define A64_LOAD(bits)                                                                                                 \
	static inline uint##bits##_t a64_ld##bits(struct a64_cpu *c, const struct a64_op *op, uint64_t gva)            \
	{                                                                                                              \
		const uint8_t *p = a64_tlb_hit(c->tlb->r, gva, bits / 8);                                              \
		if (likely(p != NULL))                                                                                 \
			return (uint##bits##_t)host_get(p, bits / 8);                                                  \
		return (uint##bits##_t)a64_load_value(c, op, gva, bits / 8);                                           \
	}                                                                                                              \
	static inline void a64_st##bits(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, uint##bits##_t v)    \
	{                                                                                                              \
		uint8_t *p = a64_tlb_hit(c->tlb->w, gva, bits / 8);                                                    \
		if (likely(p != NULL))                                                                                 \
			host_put(p, bits / 8, v);                                                                      \
		else                                                                                                   \
			a64_store_value(c, op, gva, bits / 8, v);                                                      \
	}
A64_LOAD(8)
A64_LOAD(16)
A64_LOAD(32)
A64_LOAD(64)
#undef A64_LOAD
static inline void a64_ld(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, void *out, unsigned size)
{
	const uint8_t *p = a64_tlb_hit(c->tlb->r, gva, size);
	if (likely(p != NULL))
		host_read(out, p, size);
	else
		a64_load_slow(c, op, gva, size, 0, out);
}
static inline void a64_st(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, const void *in, unsigned size)
{
	uint8_t *p = a64_tlb_hit(c->tlb->w, gva, size);
	if (likely(p != NULL))
		host_write(p, in, size);
	else
		a64_store_slow(c, op, gva, size, A64_ACC_WRITE, in);
}

/* One page of code: host address and gpa for fetching at gva, or raises. hva NULL: a device's page. */
struct a64_fetch {
	uint8_t *hva;
	uint64_t gpa;
	bool guarded; /* GP: branches into it are checked (BTI) */
};
void a64_fetch_page(struct a64_cpu *c, uint64_t gva, struct a64_fetch *out);
/* Walk for the user or AT: 0, or A64_WALK_FAULT | the fault status code (ESR_ELx.DFSC) with level. Sets AF/DBM as the
 * hardware would. */
enum { A64_WALK_FAULT = 0x40, A64_FSC = 0x3f };
struct a64_walk {
	uint64_t gpa, page_size;
	uint8_t attr, sh; /* MAIR byte */
	bool read, write, exec, user_read, user_write, user_exec, guarded, global;
};
int a64_walk(struct a64_cpu *c, uint64_t gva, unsigned acc, struct a64_walk *out);
/* TLBI and IC on this CPU; the sharing forms go through share.c. */
void a64_tlb_flush(struct a64_cpu *c);
void a64_tlb_flush_va(struct a64_cpu *c, uint64_t gva, bool all_levels);
void a64_icache_invalidate(struct a64_cpu *c, uint64_t gpa, uint64_t size); /* size UINT64_MAX: all */
void a64_review(struct a64_cpu *c); /* at polls: what other CPUs have asked for */
/* debug.c */
bool a64_debug_before(struct a64_cpu *c); /* single-stepped blocks only; false: stopped */
bool a64_debug_after(struct a64_cpu *c, bool stepped); /* the guest's own step was active before */
void a64_debug_update(struct a64_cpu *c); /* tf_active */

#endif
