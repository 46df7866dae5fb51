/* sys.h - what the files of the system part (sys_*.c) share: descriptors, stacks of far transfers, helpers for
 * handlers. */
#ifndef CPU_X86_SYS_H
#define CPU_X86_SYS_H

#include "internal.h"

/* Control registers (SDM vol. 3, 2.5) */
enum {
	CR0_PE = 1,
	CR0_MP = 2,
	CR0_EM = 4,
	CR0_TS = 8,
	CR0_ET = 0x10,
	CR0_NE = 0x20,
	CR0_WP = 0x10000,
	CR0_AM = 0x40000,
	CR0_NW = 0x20000000,
	CR0_CD = 0x40000000
};
#define CR0_PG 0x80000000u
enum {
	CR4_VME = 1,
	CR4_PVI = 2,
	CR4_TSD = 4,
	CR4_DE = 8,
	CR4_PSE = 0x10,
	CR4_PAE = 0x20,
	CR4_MCE = 0x40,
	CR4_PGE = 0x80,
	CR4_PCE = 0x100,
	CR4_OSFXSR = 0x200,
	CR4_OSXMMEXCPT = 0x400,
	CR4_UMIP = 0x800,
	CR4_LA57 = 0x1000,
	CR4_FSGSBASE = 0x10000,
	CR4_PCIDE = 0x20000,
	CR4_OSXSAVE = 0x40000,
	CR4_SMEP = 0x100000,
	CR4_SMAP = 0x200000,
	CR4_PKE = 0x400000,
	CR4_PKS = 0x1000000
};
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800 };

/* Segment attributes as VMX access rights (SDM vol. 3, table 25-2) and types (3.4.5.1, 3.5) */
enum {
	SEG_ACCESSED = 1,
	SEG_W = 2,
	SEG_EXPDOWN = 4,
	SEG_CONFORM = 4,
	SEG_CODE = 8,
	SEG_S = 0x10,
	SEG_P = 0x80,
	SEG_L = 0x2000,
	SEG_DB = 0x4000,
	SEG_G = 0x8000,
	SEG_UNUSABLE = 0x10000
};
enum {
	SYS_TSS16 = 1,
	SYS_LDT = 2,
	SYS_TSS16_BUSY = 3,
	SYS_CALL16 = 4,
	SYS_TASK = 5,
	SYS_INT16 = 6,
	SYS_TRAP16 = 7,
	SYS_TSS32 = 9,
	SYS_TSS32_BUSY = 11,
	SYS_CALL32 = 12,
	SYS_INT32 = 14,
	SYS_TRAP32 = 15
};

struct x86_desc {
	uint64_t addr;             /* where it was read, linear */
	uint32_t lo, hi, hi2, hi3; /* hi2, hi3: second half of a 16-byte one */
	uint64_t base;
	uint32_t limit, attr;
	uint16_t sel;
};
static inline unsigned desc_dpl(const struct x86_desc *d)
{
	return d->attr >> 5 & 3;
}
static inline bool desc_is_code(const struct x86_desc *d)
{
	return (d->attr & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}
static inline bool desc_is_conforming(const struct x86_desc *d)
{
	return desc_is_code(d) && (d->attr & SEG_CONFORM);
}
static inline bool desc_is_writable_data(const struct x86_desc *d)
{
	return (d->attr & (SEG_S | SEG_CODE | SEG_W)) == (SEG_S | SEG_W);
}
/* Read the descriptor of a selector; false: null or outside its table. */
bool x86_desc_read(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, struct x86_desc *d);
void x86_desc_parse(struct x86_desc *d);
/* The other eight bytes of a system descriptor in IA-32e mode. */
void x86_desc_read_upper(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d);
/* Set the accessed bit in memory and in d. */
void x86_desc_access(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d);
void x86_seg_set(struct x86_cpu *c, int seg, uint16_t sel, const struct x86_desc *d);
void x86_seg_null(struct x86_cpu *c, int seg, uint16_t sel, unsigned dpl);
void x86_seg_real(struct x86_cpu *c, int seg, uint16_t sel);
/* Is size bytes at offset inside the segment's limit (SDM vol. 3, 5.3)? */
bool x86_in_limit(const struct x86_seg *s, uint64_t offset, unsigned size);
/* A selector for SS of a stack at privilege cpl: all checks, failing with `fault` (#TS or #GP), or #SS when not
 * present. ext is or-ed to the error. */
void x86_check_ss(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, unsigned cpl, int fault, unsigned ext,
	struct x86_desc *d);

/* A stack that a far transfer pushes to or pops from, before it is c's own. */
struct x86_stk {
	struct x86_seg ss;
	uint64_t sp, mask;
	bool flat64;    /* 64-bit mode: no segment */
	bool system;    /* accesses are the supervisor's whatever the present CPL */
	uint32_t error; /* of #SS */
};
void x86_stk_own(struct x86_cpu *c, struct x86_stk *s);
void x86_stk_push(struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, unsigned size, uint64_t v);
uint64_t x86_stk_pop(struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, unsigned size);
/* The stack pointer of privilege level dpl out of the TSS (#TS), with its SS checked; not for IA-32e mode. ssd: what to
 * load. */
void x86_stk_inner(struct x86_cpu *c, const struct x86_op *op, unsigned dpl, unsigned ext, struct x86_stk *s,
	struct x86_desc *ssd);
/* The same in IA-32e mode; ist 0: by dpl. */
void x86_stk_inner64(
	struct x86_cpu *c, const struct x86_op *op, unsigned dpl, unsigned ist, unsigned ext, struct x86_stk *s);
void x86_set_sp(struct x86_cpu *c, const struct x86_stk *s);

/* Returns (sys_far.c): the code segment with its checks, the outer stack, what falls away on the way out, which bits of
 * SP are loaded. */
void x86_return_code(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, uint64_t ip, struct x86_desc *cs);
void x86_return_stack(
	struct x86_cpu *c, const struct x86_op *op, uint16_t sel, const struct x86_desc *cs, struct x86_desc *ss);
void x86_return_drop_segments(struct x86_cpu *c, unsigned cpl);
uint64_t x86_return_sp_mask(const struct x86_cpu *c, const struct x86_desc *cs, const struct x86_desc *ss);

static inline bool x86_lma(const struct x86_cpu *c)
{
	return c->efer & EFER_LMA;
}
static inline bool x86_protected(const struct x86_cpu *c) /* protected mode and not virtual-8086 */
{
	return c->mode > X86_MODE_VM86;
}
static inline unsigned x86_iopl(const struct x86_cpu *c)
{
	return c->eflags >> 12 & 3;
}
_Noreturn static inline void x86_gp(struct x86_cpu *c, const struct x86_op *op, unsigned error)
{
	x86_raise(c, op, X86_GP_FAULT, (int)error);
}
_Noreturn static inline void x86_ud(struct x86_cpu *c, const struct x86_op *op)
{
	x86_raise(c, op, X86_UD, -1);
}
static inline void x86_need_cpl0(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->cpl)
		x86_gp(c, op, 0);
}
/* End of a handler whose block ends with it. */
static inline const struct x86_op *x86_end(struct x86_cpu *c, const struct x86_op *op)
{
	c->rip = x86_op_next_rip(c, op);
	return NULL;
}
static inline void x86_put_reg(struct x86_cpu *c, unsigned n, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: memcpy((uint8_t *)c->r + n, &v, 1); break; /* n is a byte offset */
	case 2: c->r[n] = (c->r[n] & ~(uint64_t)0xffff) | (uint16_t)v; break;
	case 4: c->r[n] = (uint32_t)v; break;
	default: c->r[n] = v;
	}
}
/* aux of operations with an r/m operand: it is memory. */
enum { X86_AUX_MEM = 0x80 };
static inline uint16_t x86_rm16(struct x86_cpu *c, const struct x86_op *op, unsigned reg)
{
	return op->aux & X86_AUX_MEM ? x86_ld16(c, op, x86_ea(c, op)) : (uint16_t)c->r[reg];
}
/* Feature bits; see X86_FEAT_ in internal.h. */
enum {
	X86_F_SSE3 = X86_FEAT_1C,
	X86_F_PCLMULQDQ = X86_FEAT_1C + 1,
	X86_F_SSSE3 = X86_FEAT_1C + 9,
	X86_F_FMA = X86_FEAT_1C + 12,
	X86_F_CX16 = X86_FEAT_1C + 13,
	X86_F_SSE4_1 = X86_FEAT_1C + 19,
	X86_F_SSE4_2 = X86_FEAT_1C + 20,
	X86_F_MOVBE = X86_FEAT_1C + 22,
	X86_F_POPCNT = X86_FEAT_1C + 23,
	X86_F_AES = X86_FEAT_1C + 25,
	X86_F_F16C = X86_FEAT_1C + 29,
	X86_F_RDRAND = X86_FEAT_1C + 30,
	X86_F_TSC_DEADLINE = X86_FEAT_1C + 24,
	X86_F_XSAVE = X86_FEAT_1C + 26,
	X86_F_AVX = X86_FEAT_1C + 28,
	X86_F_MONITOR = X86_FEAT_1C + 3,
	X86_F_X2APIC = X86_FEAT_1C + 21,
	X86_F_PCID = X86_FEAT_1C + 17,
	X86_F_FPU = X86_FEAT_1D,
	X86_F_CMOV = X86_FEAT_1D + 15,
	X86_F_CLFSH = X86_FEAT_1D + 19,
	X86_F_MMX = X86_FEAT_1D + 23,
	X86_F_SSE = X86_FEAT_1D + 25,
	X86_F_SSE2 = X86_FEAT_1D + 26,
	X86_F_DE = X86_FEAT_1D + 2,
	X86_F_TSC = X86_FEAT_1D + 4,
	X86_F_MTRR = X86_FEAT_1D + 12,
	X86_F_PGE = X86_FEAT_1D + 13,
	X86_F_PAT = X86_FEAT_1D + 16,
	X86_F_SEP = X86_FEAT_1D + 11,
	X86_F_MCE = X86_FEAT_1D + 7,
	X86_F_MCA = X86_FEAT_1D + 14,
	X86_F_FXSR = X86_FEAT_1D + 24,
	X86_F_VME = X86_FEAT_1D + 1,
	X86_F_PSE = X86_FEAT_1D + 3,
	X86_F_PAE = X86_FEAT_1D + 6,
	X86_F_FSGSBASE = X86_FEAT_7B,
	X86_F_TSC_ADJUST = X86_FEAT_7B + 1,
	X86_F_BMI1 = X86_FEAT_7B + 3,
	X86_F_AVX2 = X86_FEAT_7B + 5,
	X86_F_BMI2 = X86_FEAT_7B + 8,
	X86_F_RDSEED = X86_FEAT_7B + 18,
	X86_F_ADX = X86_FEAT_7B + 19,
	X86_F_CLFLUSHOPT = X86_FEAT_7B + 23,
	X86_F_CLWB = X86_FEAT_7B + 24,
	X86_F_SHA = X86_FEAT_7B + 29,
	X86_F_SMEP = X86_FEAT_7B + 7,
	X86_F_SMAP = X86_FEAT_7B + 20,
	X86_F_INVPCID = X86_FEAT_7B + 10,
	X86_F_UMIP = X86_FEAT_7C + 2,
	X86_F_PKU = X86_FEAT_7C + 3,
	X86_F_LA57 = X86_FEAT_7C + 16,
	X86_F_GFNI = X86_FEAT_7C + 8,
	X86_F_VAES = X86_FEAT_7C + 9,
	X86_F_VPCLMULQDQ = X86_FEAT_7C + 10,
	X86_F_RDPID = X86_FEAT_7C + 22,
	X86_F_LAHF_LM = X86_FEAT_81C,
	X86_F_LZCNT = X86_FEAT_81C + 5,
	X86_F_PKS = X86_FEAT_7C + 31,
	X86_F_PSE36 = X86_FEAT_1D + 17,
	X86_F_SYSCALL = X86_FEAT_81D + 11,
	X86_F_NX = X86_FEAT_81D + 20,
	X86_F_1G = X86_FEAT_81D + 26,
	X86_F_RDTSCP = X86_FEAT_81D + 27,
	X86_F_LM = X86_FEAT_81D + 29,
	X86_F_XSAVEOPT = X86_FEAT_D1A,
	X86_F_XSAVEC = X86_FEAT_D1A + 1,
	X86_F_XGETBV1 = X86_FEAT_D1A + 2,
	X86_F_XSAVES = X86_FEAT_D1A + 3
};

/* Task switches (sys_task.c). ext: bit 0 of error codes; rip and flags: what the old task resumes with. True: the new
 * TSS asks for a debug trap; once all is done, x86_task_trap. An event nests like a CALL. */
enum x86_task_kind { X86_TASK_JMP, X86_TASK_CALL, X86_TASK_IRET };
struct x86_task {
	enum x86_task_kind kind;
	unsigned ext;
	uint64_t rip, flags;
};
bool x86_task_switch(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, const struct x86_task *t);
_Noreturn void x86_task_trap(struct x86_cpu *c);
/* Virtual-8086 mode with IOPL below 3 (sys_vm86.c). check_flags faults; true from virtual_if: CLI and STI act on VIF;
 * true from int: the 8086 program's handler has it. */
const struct x86_op *x86_vm86_pushf(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x86_vm86_popf(struct x86_cpu *c, const struct x86_op *op);
void x86_vm86_check_flags(struct x86_cpu *c, const struct x86_op *op, uint32_t flags);
void x86_vm86_load_flags(struct x86_cpu *c, uint32_t flags);
bool x86_virtual_if(struct x86_cpu *c, const struct x86_op *op);
bool x86_vm86_int(struct x86_cpu *c, const struct x86_op *op, unsigned vector);
/* Flags as IRET and tasks load them. */
void x86_load_flags(struct x86_cpu *c, uint32_t flags, uint32_t mask);

enum { X86_DEBUGCTL_BTF = 2 }; /* single step on branches (SDM vol. 3, "DEBUGCTL MSR") */
void x86_debug_trap(struct x86_cpu *c, uint32_t dr6_bits);           /* DR6 for a #DB about to be raised */
void x86_watch_io(struct x86_cpu *c, uint16_t port, unsigned width); /* I/O breakpoints */
uint64_t x86_read_tsc(struct x86_cpu *c);
/* MSRs that the CPU owns; X86_DONE, X86_GP, or X86_DEFER: not mine. The checks of WRMSR. */
int x86_msr_read_own(struct x86_cpu *c, uint32_t index, uint64_t *value);
int x86_msr_write_own(struct x86_cpu *c, uint32_t index, uint64_t value);
uint64_t x86_cr4_valid(const struct x86_cpu *c);
uint64_t x86_xcr0_valid(const struct x86_cpu *c);
uint64_t x86_xinuse(struct x86_cpu *c); /* what XGETBV gives for ECX = 1, before XCR0 (xsave_insn.c) */
/* Bytes of an XSAVE area with these components (SDM vol. 1, 13.4). */
uint32_t x86_xsave_size(uint64_t components, bool compact);
/* CPUID as the guest sees it; may defer. */
void x86_cpuid_guest(struct x86_cpu *c, const struct x86_op *op, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* Handlers, by the file that owns them; the table of sys_translate.c lists them. */
#define X86_SYS_HANDLERS(X)                                                                                            \
	X(mov_to_sreg) X(arpl)                                                                                                 \
	X(mov_from_sreg) X(push_sreg) X(pop_sreg) X(load_far_ptr) X(lar) X(lsl) X(verr) X(verw) X(lldt) X(ltr) X(sldt) \
		X(str) X(lgdt) X(lidt) X(sgdt) X(sidt) X(swapgs) X(rdfsbase) X(wrfsbase) X(jmp_far) X(call_far)        \
			X(retf) X(iret) X(int_n) X(int3) X(into) X(int1) X(syscall) X(sysret) X(sysenter) X(sysexit)   \
				X(mov_to_cr) X(mov_from_cr) X(mov_to_dr) X(mov_from_dr) X(clts) X(lmsw) X(smsw)        \
					X(invlpg) X(wbinvd) X(xgetbv) X(xsetbv) X(hlt) X(ud) X(ac) X(cli) X(sti)       \
						X(vmcall) X(cpuid) X(rdtsc) X(rdtscp) X(rdpmc) X(rdmsr) X(wrmsr) X(in) \
							X(out) X(ins) X(outs) X(cache_line) X(monitor) X(mwait) \
								X(rdrand) X(rdpid) X(invpcid) X(rdpkru) X(wrpkru)
#define X86_SYS_DECLARE(name) const struct x86_op *x86_sys_##name(struct x86_cpu *c, const struct x86_op *op);
X86_SYS_HANDLERS(X86_SYS_DECLARE)

#endif
