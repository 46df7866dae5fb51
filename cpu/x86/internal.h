/* internal.h - what the files of the software CPU share: decoded operations, memory access, faults.
 *
 * Rules for instruction handlers:
 * - A handler commits nothing (registers, flags, FPU) before its last access that can fault or defer: x86_raise and
 * deferrals leave through longjmp, and the instruction is executed again from its start.
 * - A handler returns the next operation (NEXT(op)) or, at a block's end, NULL after setting c->rip.
 * - Memory addresses are linear (segment base added, checked): x86_ea(c, op). */
#ifndef CPU_X86_INTERNAL_H
#define CPU_X86_INTERNAL_H

#include <string.h>
#include <Zydis/Zydis.h>
#include "ram.h"
#include "x86.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ------ decoded operations ------ */

struct x86_op;
typedef const struct x86_op *(*x86_fn)(struct x86_cpu *c, const struct x86_op *op);

struct x86_op {
	x86_fn fn;
	uint8_t len;                /* of the instruction */
	uint8_t size;               /* operand size in bytes: 1, 2, 4, 8, 10, 16, 32 */
	uint8_t dst, src;           /* register numbers; 8-bit registers: byte offset into c->r (AH is 1) */
	uint8_t base, index, scale; /* X86_R_ZERO where absent; scale is a shift count */
	uint8_t seg;                /* index into c->segbase: enum X86_ES.., 7: none */
	int32_t disp;
	uint16_t off;  /* of the instruction from the block's start */
	uint8_t flags; /* X86_OPF_ */
	uint8_t aux;   /* the handler's own: condition, shift kind ... */
	uint64_t imm;
};
enum {
	X86_OPF_SLOW_EA =
	    1, /* 16/32-bit address size, or a segment that needs limit checks: x86_ea takes the long way */
	X86_OPF_ADDR16 = 2,
	X86_OPF_ADDR32 = 4,
	X86_OPF_REP = 8,
	X86_OPF_REPNE = 16,
	X86_OPF_LOCK = 32,
	X86_OPF_CHECK_SEG = 64, /* with SLOW_EA: check limit and type */
	X86_OPF_NOFLAGS = 128   /* nobody reads the arithmetic flags this one sets */
};
/* Threaded where the compiler turns the call into a jump; the run loop calls what a handler returns, so both ways work.
 */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                        \
    !defined(X86_NO_THREADING)
#define X86_GO(op) ((op)->fn(c, (op)))
#else
#define X86_GO(op) (op)
#endif
#define NEXT(op) X86_GO((op) + 1)

enum x86_mode {
	X86_MODE_REAL,
	X86_MODE_VM86,
	X86_MODE_PROT16,
	X86_MODE_PROT32,
	X86_MODE_COMPAT16,
	X86_MODE_COMPAT32,
	X86_MODE_LONG
};

/* rip of an operation, and of the one behind it, truncated as the mode asks. */
static inline uint64_t x86_op_rip(const struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t rip = c->r[X86_R_PC] + op->off;
	return c->mode == X86_MODE_LONG ? rip : (uint32_t)rip;
}
static inline uint64_t x86_op_next_rip(const struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t rip = c->r[X86_R_PC] + op->off + op->len;
	return c->mode == X86_MODE_LONG ? rip : (uint32_t)rip;
}

/* Translators: given a decoded instruction fill op (already zeroed; len, off, size, seg/base/index/disp of the memory
 * operand, flags and imm are preset by decode.c) and return its handler, or NULL: not mine. `*ends` = true: the block
 * ends after it. Tried in this order. */
struct x86_insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	struct x86_cpu *c; /* for the mode only; a translation must depend on nothing else of the state than the block
			      key (mode, CPL 3, flat segments) */
	uint8_t bytes[16];
};
typedef x86_fn (*x86_translator)(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_translate_int(const struct x86_insn *d, struct x86_op *op,
			 bool *ends); /* int_*.c: integer, branches, strings */
x86_fn x86_translate_sys(const struct x86_insn *d, struct x86_op *op,
			 bool *ends); /* sys_*.c: system, far transfers, I/O */
x86_fn x86_translate_x87(const struct x86_insn *d, struct x86_op *op, bool *ends); /* x87.c */
x86_fn x86_translate_sse(const struct x86_insn *d, struct x86_op *op, bool *ends); /* sse_*.c: MMX, SSE, XSAVE */
/* Has the vCPU's CPUID what this instruction needs? Asked before any translator (isa.c). */
bool x86_isa_offered(const struct x86_insn *d);
/* For translators: the register number of a Zydis register (8-bit: byte offset into c->r; vectors, MMX, ST: 0..15). */
uint8_t x86_regno(ZydisRegister r);
unsigned x86_segno(ZydisRegister r); /* enum X86_ES ..; 7: none (sys_translate.c) */
static inline bool x86_is_mem(const struct x86_insn *d, int n)
{
	return d->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

/* ------ faults ------ */

enum {
	X86_DE = 0,
	X86_DB = 1,
	X86_NMI = 2,
	X86_BP = 3,
	X86_OF = 4,
	X86_BR = 5,
	X86_UD = 6,
	X86_NM = 7,
	X86_DF = 8,
	X86_TS = 10,
	X86_NP = 11,
	X86_SS_FAULT = 12,
	X86_GP_FAULT = 13,
	X86_PF = 14,
	X86_MF = 16,
	X86_AC = 17,
	X86_MC = 18,
	X86_XM = 19
};
/* Raise an exception at op (its rip is the saved one). error -1: none. op NULL (here and in every access function
 * below): c->rip is already the one to save; used while events are delivered. They fill c->exc_* and c->rip and leave
 * by longjmp(c->jb, X86_JMP_FAULT); the run loop then calls x86_deliver_fault in the same setjmp frame, from where a
 * further fault comes back the same way. */
_Noreturn void x86_raise(struct x86_cpu *c, const struct x86_op *op, int vector, int error); /* sys_deliver.c */
_Noreturn void x86_page_fault(struct x86_cpu *c, const struct x86_op *op, uint64_t gva,
			      unsigned error); /* sys_deliver.c */
/* Stop with c->stop filled, the instruction not committed: longjmp(c->jb, X86_JMP_DEFER). */
_Noreturn void x86_defer(struct x86_cpu *c, const struct x86_op *op);
/* The same where there is nothing to answer: the user does the instruction, or it is executed again. */
_Noreturn void x86_stop_before(struct x86_cpu *c, const struct x86_op *op);
/* INT3, INTO and INT1: are they the user's (env->exceptions)? Then it does not return. */
void x86_intercept_software(struct x86_cpu *c, const struct x86_op *op, int vector); /* sys_deliver.c */
/* Stop with the instruction committed (c->rip is set): HLT, debug. c->stop.kind = kind, the rest filled by the caller;
 * longjmp(c->jb, X86_JMP_STOP). */
_Noreturn void x86_leave(struct x86_cpu *c, enum x86_stop_kind kind); /* sys_deliver.c */
enum { X86_JMP_FAULT = 1, X86_JMP_DEFER = 2, X86_JMP_STOP = 3, X86_JMP_SINGLE = 4 };
/* Call before a callback that may see time: with c->exact the instruction is begun again in a block of its own unless
 * it is in one, since inside a longer block the count is ahead. */
_Noreturn void x86_redo_single(struct x86_cpu *c, const struct x86_op *op);
static inline void x86_exact(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely(c->exact) && op && c->block && c->block->imm > 1)
		x86_redo_single(c, op);
}
/* Deliver what is due: c->exc_* (a raised exception) or else c->inject_* (the run loop fills these with an acknowledged
 * interrupt or NMI too and calls this). Either stays valid until the delivery is complete, so one that defers is begun
 * again by the next x86_run: call it there first when c->exc_valid or c->inject_valid. Returns false with c->stop.kind
 * = X86_STOP_TRIPLE. Clears c->shadow; sets c->rip. */
bool x86_deliver_fault(struct x86_cpu *c);

/* ------ memory ------ */

uint64_t x86_ea_slow(struct x86_cpu *c, const struct x86_op *op);
static inline uint64_t x86_ea(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely(op->flags & X86_OPF_SLOW_EA))
		return x86_ea_slow(c, op);
	return c->r[op->base] + (c->r[op->index] << op->scale) + (uint64_t)(int64_t)op->disp + c->segbase[op->seg];
}

/* A linear address in the TLB: the page must hold all `size` bytes. The index is hashed from the page number only, so
 * the next page has another one and a crossing access misses. */
static inline uint8_t *x86_tlb_hit(const struct x86_tlbe *set, uint64_t gva, unsigned size)
{
	const struct x86_tlbe *e = &set[(gva >> 12) & (X86_TLB_SIZE - 1)];
	if (likely(e->tag == ((gva + size - 1) & ~(uint64_t)0xfff)))
		return (uint8_t *)(uintptr_t)(gva + e->addend);
	return NULL;
}
/* Size 1..64; page walks, page crossing, MMIO, faults. The value is in the low bytes of out, which is written last. */
void x86_load_slow(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, void *out);
void x86_store_slow(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, const void *in);
/* #AC where the address is not a multiple of what the operand's size asks for. Loads and stores do it themselves, out of
 * the slow ones: nothing hits the TLB while c->align_check. */
void x86_check_alignment(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size);
/* Make sure that a later store of size bytes cannot fault (read-modify-write, PUSH of two parts); MMIO pages pass. Answers
 * where it will go: an instruction of several stores makes those to devices first, then X86_IN_BOTH, then memory's, so
 * that none of the latter is to be seen while a device keeps the instruction waiting. */
enum x86_where { X86_IN_DEVICE, X86_IN_BOTH, X86_IN_MEMORY, X86_PLACES };
enum x86_where x86_probe_write(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size);

#define X86_LOAD(bits)                                                                                                 \
	static inline uint##bits##_t x86_ld##bits(struct x86_cpu *c, const struct x86_op *op, uint64_t gva)            \
	{                                                                                                              \
		uint##bits##_t v;                                                                                      \
		const uint8_t *p = x86_tlb_hit(c->tlb->r, gva, bits / 8);                                              \
		if (likely(p != NULL))                                                                                 \
			return (uint##bits##_t)host_get(p, bits / 8);                                                  \
		x86_load_slow(c, op, gva, bits / 8, &v);                                                               \
		return v;                                                                                              \
	}                                                                                                              \
	static inline void x86_st##bits(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint##bits##_t v)    \
	{                                                                                                              \
		uint8_t *p = x86_tlb_hit(c->tlb->w, gva, bits / 8);                                                    \
		if (likely(p != NULL))                                                                                 \
			host_put(p, bits / 8, v);                                                                      \
		else                                                                                                   \
			x86_store_slow(c, op, gva, bits / 8, &v);                                                      \
	}
X86_LOAD(8)
X86_LOAD(16)
X86_LOAD(32)
X86_LOAD(64)
static inline void x86_ld(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, void *out,
			  unsigned size) /* any size up to 64 */
{
	const uint8_t *p = x86_tlb_hit(c->tlb->r, gva, size);
	if (likely(p != NULL))
		host_read(out, p, size);
	else
		x86_load_slow(c, op, gva, size, out);
}
static inline void x86_st(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, const void *in, unsigned size)
{
	uint8_t *p = x86_tlb_hit(c->tlb->w, gva, size);
	if (likely(p != NULL))
		host_write(p, in, size);
	else
		x86_store_slow(c, op, gva, size, in);
}

/* Is an address canonical where it is used: 57 bits with CR4.LA57, else 48 (SDM vol. 1, 3.3.7.1)? */
static inline bool x86_canonical(const struct x86_cpu *c, uint64_t a)
{
	return a + c->canonical_half < c->canonical_half * 2;
}
/* Where it is only kept for later use (MSRs, bases of segments and tables, INVPCID): by what the CPU has, whatever
 * CR4.LA57 is (Intel, 5-Level Paging and 5-Level EPT, 2.2; KVM, is_noncanonical_base_address). */
static inline bool x86_canonical_base(const struct x86_cpu *c, uint64_t a)
{
	uint64_t half = (uint64_t)1 << (c->gva_bits - 1);
	return a + half < half * 2;
}
/* Implicit supervisor accesses (descriptor tables, TSS, IDT): raise through op. */
uint64_t x86_ld_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size);
void x86_st_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, uint64_t v);
/* A later x86_st_sys of up to a page does not fault. */
void x86_probe_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size);

/* ------ devices, by way of the replay log (access.c) ------ */
/* Return only when the access is answered; else leave through x86_defer. */
void x86_mmio(struct x86_cpu *c, const struct x86_op *op, uint64_t gpa, unsigned len, bool write, uint8_t *data);
uint32_t x86_io(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, bool write, uint8_t *data,
		uint32_t count);
/* IN and OUT, which have nothing to undo: false: it waits for its answer, and the handler returns NULL. A leap would cost
 * them the processor's predictions of all returns up to the user. */
bool x86_io_one(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, bool write, uint8_t *data);

/* An instruction whose accesses so far are committed (an iteration of REP) starts with an empty log. */
void x86_log_reset(struct x86_cpu *c);
/* The answered access of the instruction being replayed, if this is the next one in the log; NULL: not made yet (ask
 * env, on X86_DEFER fill c->stop and x86_defer). x86_answer makes these entries: 'R' MSR: value[0] the value, value[1]
 * the fault; 'C' CPUID: value[0..3]; 'H' hypercall: value[0]. */
const struct x86_log_entry *x86_replay(struct x86_cpu *c, char kind, uint64_t addr, bool write);

/* ------ flags (flags.c) ------ */
enum {
	X86_CF = 1,
	X86_PF_ = 4,
	X86_AF = 0x10,
	X86_ZF = 0x40,
	X86_SF = 0x80,
	X86_TF = 0x100,
	X86_IF = 0x200,
	X86_DF_ = 0x400,
	X86_OF_ = 0x800,
	X86_IOPL = 0x3000,
	X86_NT = 0x4000,
	X86_RF = 0x10000,
	X86_VM = 0x20000,
	X86_AC_ = 0x40000,
	X86_VIF = 0x80000,
	X86_VIP = 0x100000,
	X86_ID = 0x200000,
	X86_ARITH = 0x8d5
};
uint32_t x86_arith_flags(const struct x86_cpu *c); /* CF PF AF ZF SF OF now */
void x86_set_arith_flags(struct x86_cpu *c,
			 uint32_t flags); /* makes them plain: cc_op = X86_CC_PLAIN, cc_src = flags */
enum { X86_CC_PLAIN = 0 };                /* the others in flags.h */

/* ------ segments, mode, delivery (sys_*.c) ------ */
void x86_load_seg(struct x86_cpu *c, const struct x86_op *op, int seg,
		  uint16_t sel);         /* MOV/POP to DS ES FS GS SS; LDS ... */
void x86_update_mode(struct x86_cpu *c); /* mode, segbase, mmu_mode, tlb from CR0, EFER, CS, RFLAGS, CPL */
void x86_update_vex(struct x86_cpu *c);  /* vex_off from CR0, CR4, XCR0; x86_update_mode calls it */
/* Writes the flags in mask, arithmetic and others, and recomputes what hangs on them (tf_active, mmu_mode by AC, mode
 * by VM). POPF, IRET ... */
void x86_write_eflags(struct x86_cpu *c, uint32_t value, uint32_t mask);
/* Linear address of seg:offset for size bytes in any mode, with limit and type checks where the mode has them (#GP,
 * #SS, error 0). offset is already truncated to the address size. For strings, pushes, whatever has no ModRM. */
uint64_t x86_linear(struct x86_cpu *c, const struct x86_op *op, int seg, uint64_t offset, unsigned size, bool write);
/* c->flat (in the block key): bit n: segment n (DS ES SS FS GS) has base any, limit 4 GiB - 1, is present, readable,
 * writable: an access through it needs no check, only truncation of the sum to 32 bits. CS never has its bit.
 * Operations with X86_OPF_SLOW_EA pack op->scale: shift | X86_EA_WRITE if the operand is written | bytes accessed (31:
 * 32 or more) << 3. */
enum { X86_EA_SHIFT = 3, X86_EA_WRITE = 4, X86_EA_SIZE_SHIFT = 3 };
/* Deliver an event through the IDT (SDM vol. 3, ch. 6). type as inject_type, saved rip given. May raise a further fault
 * (longjmp). */
void x86_deliver(struct x86_cpu *c, int vector, int type, int error, uint64_t saved_rip);
void x86_msr_reset(struct x86_cpu *c);
bool x86_io_allowed(struct x86_cpu *c, const struct x86_op *op, uint16_t port,
		    unsigned width);                                                 /* IOPL and the TSS bitmap */
void x86_set_cr(struct x86_cpu *c, const struct x86_op *op, int cr, uint64_t value); /* MOV CR with its faults */

void x86_cpuid_refresh(
    struct x86_cpu *c); /* features[], gpa_bits, has_nx, has_1g out of env->cpuid; x86_new calls it */
static inline bool x86_has(const struct x86_cpu *c, unsigned feature) /* X86_FEAT_: word * 64 + bit */
{
	return c->features[feature >> 6] >> (feature & 63) & 1;
}
/* Words of c->features: 0: leaf 1 ECX | EDX << 32; 1: leaf 7 EBX | ECX << 32; 2: leaf 0x80000001 ECX | EDX << 32; 3:
 * leaf 0xD.1 EAX. */
enum {
	X86_FEAT_1C = 0,
	X86_FEAT_1D = 32,
	X86_FEAT_7B = 64,
	X86_FEAT_7C = 96,
	X86_FEAT_81C = 128,
	X86_FEAT_81D = 160,
	X86_FEAT_D1A = 192
};

/* ------ debugging (sys_debug.c) ------ */
/* tf_active from TF, DR7 and the user's breakpoints; flushes the TLB when watched addresses changed. */
void x86_update_debug(struct x86_cpu *c);
/* The run loop calls these around every instruction while c->tf_active: before it (instruction breakpoints) and after
 * it is complete with c->rip set (single step, data breakpoints). false: c->stop is filled, leave. They may raise
 * (#DB). */
bool x86_debug_before(struct x86_cpu *c);
bool x86_debug_after(struct x86_cpu *c);
/* A page with data breakpoints never goes into the TLB; the slow path reports each access to it, once it is known not
 * to fault. */
bool x86_page_watched(const struct x86_cpu *c, uint64_t gva);
void x86_watch_hit(struct x86_cpu *c, uint64_t gva, unsigned size, bool write);

void x86_flush_tlb(struct x86_cpu *c, bool global_too);
void x86_invlpg(struct x86_cpu *c, uint64_t gva);
/* PKRU or IA32_PKRS changed in these bits: forget what the TLB has of pages whose keys they are about. */
void x86_keys_changed(struct x86_cpu *c, uint32_t bits);

#endif
