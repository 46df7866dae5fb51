/* sysguest.h - what the system guests are written with: small freestanding programs for ring 0 that run on the software
 * CPU, on KVM and on QEMU's TCG, and say line by line what they saw.
 *
 * How to add a group
 * - Write test/sysguest/group_NAME.c with one function, void sg_group(void), and a comment `sysguest-bits: 64`, `32` or
 *   `32 64` in its first lines: for each the program is built once, run in 64-bit mode or in 32-bit protected mode with
 *   paging. CMake and CTest pick it up (sysguest_NAME, sysguest_NAME_32).
 * - Say each observation once: sg_line("NAME.what", format ...) prints "NAME.what: ..." (printf's %s %c %d %u %x %lx
 *   %llx, width and 0). Lines of one name are compared between the accelerators, so print nothing that may rightly
 *   differ (addresses of the program are fine, all run the same one; time, TSC and CPUID are not).
 *   Where the manual says what must come, use sg_check("NAME.what", got, want) or sg_expect (a text): the line carries
 *   "(want ...)" when it is something else, and the rig fails for soft whatever the others say. Where no other engine
 *   does it right and the program has no rule for it, the line goes into wants.txt.
 * - What the CPU does not have: sg_skip("NAME.what", "no PKU"). Such a line is not compared; a name with a * stands for
 *   all lines that match it.
 * - A line that differs makes the test fail, unless differences.txt says who is right, with the manual's section.
 *
 * What a program finds
 * - 64 MiB of memory, mapped to itself by supervisor pages at 0..1 GiB (2 MiB pages; with PSE 4 MiB pages in 32-bit
 *   mode), the last GiB below 4 GiB uncached; the first 16 MiB once more for everybody at SG_USER. The tables are
 * sg_root and those behind it. CR0 PE|PG|WP|NE|ET, CR4 PAE (64) or PSE (32), EFER LME|NXE (64). Interrupts are off, the
 * PICs masked. Memory from SG_FREE to SG_END is the program's own; sg_page() takes zeroed pages from there.
 * - GDT with the selectors below; entries from SG_GDT_FREE on are the program's. A TSS for ring 3; in 64-bit mode IST1
 * is a stack of its own, used by #DF. All 256 vectors are caught.
 *
 * How faults are seen
 * - sg_try(fn, arg): calls fn(arg); the vector of an exception (of any interrupt without handler) that ended it, else
 *   SG_OK. Details in sg_fault. Helpers below do single instructions that way.
 * - sg_enter(regs): loads all registers and runs there, in any ring and mode that IRET can enter, until an exception or
 *   interrupt; its vector, error code and the registers then are in *regs. sg_user(regs, code) is the short form:
 * `code` is a function or label of this program, run in ring 3 through its alias at SG_USER (it may touch registers and
 *   memory with SG_USER only; no function calls out of it, no data of the program; end it with INT 0x80, or
 *   with HLT: #GP(0), which KVMs that emulate can do too).
 * - sg_handler[vector]: a function called for it; the interrupted code goes on with what the function left in its
 * frame. Anything else that is not caught ends the program with a line "fatal". */
#ifndef SYSGUEST_H
#define SYSGUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_USER 0x40000000ul
#define SG_FREE 0x800000ul
#define SG_END 0x1000000ul
enum { SG_OK = -1 };

/* Selectors. CODE and DATA have the program's own width. */
enum {
	SG_CODE = 0x08,
	SG_DATA = 0x10,
	SG_CODE3 = 0x1b,
	SG_DATA3 = 0x23,
	SG_TSS = 0x28,
	SG_CODE_C32 = 0x38, /* 32-bit code for ring 0 and 3 (compatibility mode where the program is a 64-bit one) */
	SG_CODE_C32_3 = 0x43,
	SG_CODE_16 = 0x48, /* base 0, limit 64 KiB */
	SG_DATA_16 = 0x50,
	SG_GDT_FREE = 0x58,
	SG_GDT_SIZE = 0x200
};

#ifdef __x86_64__
typedef uint64_t sg_word;
#define SG_BITS 64
#else
typedef uint32_t sg_word;
#define SG_BITS 32
#endif

/* Registers at an exception, and for sg_enter, in the order in which they lie on the stack. */
struct sg_regs {
#ifdef __x86_64__
	sg_word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
	sg_word vector, error, ip, cs, flags, sp, ss;
#else
	sg_word gs, fs, es, ds, di, si, bp, unused, bx, dx, cx, ax;
	sg_word vector, error, ip, cs, flags, sp,
		ss;                             /* sp and ss: not pushed by an exception in ring 0, filled in then */
	sg_word v86_es, v86_ds, v86_fs, v86_gs; /* flags has VM */
#endif
};

struct sg_fault {
	int vector; /* SG_OK: none */
	uint32_t error;
	sg_word ip, cr2, flags; /* cr2 of #PF, else 0 */
};
extern struct sg_fault sg_fault; /* of the last sg_try or sg_enter */

void sg_group(void);

int sg_try(void (*fn)(void *), void *arg);
int sg_enter(struct sg_regs *r);
int sg_user(struct sg_regs *r, const void *code);
extern void (*sg_handler[256])(struct sg_regs *r);
/* "#PF(7) cr2=123000", "#GP(0)", "int 80", "ok": of sg_fault. In a buffer used anew by the fourth call after. */
const char *sg_fault_text(void);

void sg_line(const char *name, const char *format, ...);
void sg_check(const char *name, uint64_t got, uint64_t want);
void sg_expect(const char *name, const char *got, const char *want);
void sg_skip(const char *name, const char *why);
_Noreturn void sg_exit(unsigned status); /* 0: complete */

void *sg_page(void); /* 4 KiB, zeroed, aligned */
uint32_t sg_hash(const void *p, size_t size);
int sg_streq(const char *a, const char *b);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int v, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* The tables that the program starts with, GDT, IDT and TSS: may be changed. */
extern sg_word sg_root[];       /* CR3: PML4, or page directory */
extern uint64_t sg_gdt[];       /* SG_GDT_SIZE bytes */
extern uint8_t sg_idt[];        /* 16 or 8 bytes a gate, interrupt gates of DPL 3 */
extern uint8_t sg_tss[];        /* RSP0 or ESP0 is sg_stack_trap's end */
extern uint8_t sg_stub[];       /* entry of vector n: sg_stub + 16 * n */
extern uint8_t sg_stack_try[];  /* end of a stack for code run by sg_enter in ring 0 */
extern uint8_t sg_stack_user[]; /* end of a stack for ring 3; add SG_USER */

/* ------ single instructions ------ */

struct sg_cpuid {
	uint32_t a, b, c, d;
};
static inline struct sg_cpuid sg_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct sg_cpuid r;
	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
	return r;
}
/* Features by name: leaf 1 ECX | leaf 1 EDX, 7.0 EBX, ECX, 0x80000001 EDX. */
enum sg_feature {
	SG_PCID = 17,
	SG_X2APIC = 21,
	SG_TSC_DEADLINE = 24,
	SG_XSAVE = 26,
	SG_PSE36 = 32 + 17,
	SG_PGE = 32 + 13,
	SG_TSC_ADJUST = 64 + 1,
	SG_SMEP = 64 + 7,
	SG_INVPCID = 64 + 10,
	SG_SMAP = 64 + 20,
	SG_UMIP = 96 + 2,
	SG_PKU = 96 + 3,
	SG_LA57 = 96 + 16,
	SG_PKS = 96 + 31,
	SG_NX = 128 + 20,
	SG_1G = 128 + 26
};
bool sg_has(enum sg_feature feature);
unsigned sg_maxphyaddr(void);

static inline void sg_out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline uint8_t sg_in8(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
/* Each answers the vector of its fault, or SG_OK. */
int sg_read(const volatile void *p, unsigned size, uint64_t *v); /* size 1, 2, 4, 8 (64-bit mode) */
int sg_write(volatile void *p, unsigned size, uint64_t v);
int sg_call(const void *code); /* CALL it in ring 0: a fetch; it should be a RET */
int sg_rdmsr(uint32_t index, uint64_t *v);
int sg_wrmsr(uint32_t index, uint64_t v);
int sg_set_cr(int n, sg_word v); /* 0, 2, 3, 4, 8 */
sg_word sg_cr(int n);
int sg_invpcid(sg_word type, uint64_t pcid, uint64_t address);
static inline void sg_invlpg(const volatile void *p)
{
	__asm__ volatile("invlpg (%0)" ::"r"(p) : "memory");
}
static inline sg_word sg_flags(void)
{
	sg_word f;
	__asm__ volatile("pushf; pop %0" : "=r"(f));
	return f;
}
static inline void sg_set_flags(sg_word f)
{
	__asm__ volatile("push %0; popf" ::"r"(f) : "memory", "cc");
}

#ifdef __x86_64__
/* Paging off and on again with these (below 4 GiB), which takes a way through 32-bit code: for CR4.LA57. */
void sg_repage(uint64_t cr3, uint64_t cr4, uint64_t efer);
#else
/* The same in a 32-bit program; the code is mapped to itself before and after. */
static inline void sg_repage(uint32_t cr3, uint32_t cr4)
{
	uint32_t cr0 = sg_cr(0);
	sg_set_cr(0, cr0 & 0x7fffffff);
	sg_set_cr(4, cr4);
	sg_set_cr(3, cr3);
	sg_set_cr(0, cr0);
}
#endif

/* ------ names ------ */

enum {
	CR0_PE = 1,
	CR0_MP = 2,
	CR0_EM = 4,
	CR0_TS = 8,
	CR0_WP = 1 << 16,
	CR0_AM = 1 << 18,
	CR0_NW = 1 << 29,
	CR0_CD = 1 << 30,
	CR4_VME = 1,
	CR4_PVI = 2,
	CR4_TSD = 4,
	CR4_DE = 8,
	CR4_PSE = 0x10,
	CR4_PAE = 0x20,
	CR4_MCE = 0x40,
	CR4_PGE = 0x80,
	CR4_UMIP = 0x800,
	CR4_LA57 = 0x1000,
	CR4_PCIDE = 0x20000,
	CR4_OSXSAVE = 0x40000,
	CR4_SMEP = 0x100000,
	CR4_SMAP = 0x200000,
	CR4_PKE = 0x400000,
	CR4_PKS = 0x1000000,
	EFER_SCE = 1,
	EFER_LME = 0x100,
	EFER_LMA = 0x400,
	EFER_NXE = 0x800,
	FLAG_TF = 0x100,
	FLAG_IF = 0x200,
	FLAG_AC = 0x40000,
	FLAG_VM = 0x20000
};
#define CR0_PG 0x80000000u
#define MSR_EFER 0xc0000080u
enum {
	V_DE,
	V_DB,
	V_NMI,
	V_BP,
	V_OF,
	V_BR,
	V_UD,
	V_NM,
	V_DF,
	V_TS = 10,
	V_NP,
	V_SS,
	V_GP,
	V_PF,
	V_MF = 16,
	V_AC,
	V_MC,
	V_XM
};

#endif
