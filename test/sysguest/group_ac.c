/* group_ac.c - alignment checks: what is checked in ring 3 with CR0.AM and EFLAGS.AC, and when nothing is (SDM vol.
 * 3, 6.15, interrupt 17, and table 6-7). sysguest-bits: 32 64 */
#include "sysguest.h"

/* Each runs in ring 3 with the address in (E|R)CX and ends with HLT: #GP(0) says that nothing was wrong before it. */
#ifdef __x86_64__
#define CX "%rcx"
#define SP "%rsp"
#define AX "%rax"
#define WORD_SIZE 8
#else
#define CX "%ecx"
#define SP "%esp"
#define AX "%eax"
#define WORD_SIZE 4
#endif
/* X(name, alignment that is asked for, code) */
#define SNIPPETS(X)                                                                                                    \
	X(load1, 1, "mov (" CX "), %al")                                                                               \
	X(load2, 2, "mov (" CX "), %ax")                                                                               \
	X(load4, 4, "mov (" CX "), %eax")                                                                              \
	X(store2, 2, "mov %ax, (" CX ")")                                                                              \
	X(store4, 4, "mov %eax, (" CX ")")                                                                             \
	X(rmw4, 4, "incl (" CX ")")                                                                                    \
	X(lock4, 4, "lock incl (" CX ")")                                                                              \
	X(xchg2, 2, "xchg %ax, (" CX ")")                                                                              \
	X(cmpxchg8b, 8, "lock cmpxchg8b (" CX ")")                                                                     \
	X(push, WORD_SIZE, "lea 64(" CX "), " SP "\n push " AX)                                                        \
	X(pop, WORD_SIZE, "mov " CX ", " SP "\n pop " AX)                                                              \
	X(push2, 2, "lea 64(" CX "), " SP "\n pushw %ax")                                                              \
	X(call, WORD_SIZE, "lea 64(" CX "), " SP "\n call 1f\n 1:")                                                    \
	X(pushf, WORD_SIZE, "lea 64(" CX "), " SP "\n pushf")                                                          \
	X(movsx2, 2, "movswl (" CX "), %eax")                                                                          \
	X(lodsd, 4, "mov " CX ", " SI "\n lodsl")                                                                      \
	X(lea, 1, "lea 1(" CX "), " AX)                                                                                \
	X(prefetch, 1, "prefetcht0 (" CX ")")                                                                          \
	X(clflush, 1, "clflush (" CX ")")                                                                              \
	X(fld4, 4, "flds (" CX ")\n fninit")                                                                           \
	X(fld8, 8, "fldl (" CX ")\n fninit")                                                                           \
	X(fld10, 8, "fldt (" CX ")\n fninit")                                                                          \
	X(fild2, 2, "filds (" CX ")\n fninit")                                                                         \
	X(fnstcw, 2, "fnstcw (" CX ")")                                                                                \
	X(movss, 4, "movss (" CX "), %xmm0")                                                                           \
	X(movsd, 8, "movsd (" CX "), %xmm0")                                                                           \
	X(movq_mmx, 8, "movq (" CX "), %mm0\n emms")                                                                   \
	X(stmxcsr, 4, "stmxcsr (" CX ")")
#ifdef __x86_64__
#define SI "%rsi"
#define SNIPPETS64(X)                                                                                                  \
	X(load8, 8, "mov (" CX "), %rax")                                                                              \
	X(store8, 8, "mov %rax, (" CX ")")                                                                             \
	X(movsxd, 4, "movslq (" CX "), %rax")                                                                          \
	X(lodsq, 8, "mov " CX ", " SI "\n lodsq")
#else
#define SI "%esi"
#define SNIPPETS64(X) X(pusha, 4, "lea 64(" CX "), " SP "\n pusha") X(popa, 4, "mov " CX ", " SP "\n popa")
#endif

#define CODE(name, align, text) __asm__(".pushsection .text\n ac_" #name ": " text "\n hlt\n .popsection\n");
SNIPPETS(CODE)
SNIPPETS64(CODE)
#define DECLARE(name, align, text) extern const uint8_t ac_##name[];
SNIPPETS(DECLARE)
SNIPPETS64(DECLARE)

static const struct {
	const char *name;
	const uint8_t *code;
	unsigned align;
} rows[] = {
#define ROW(name, align, text) {"ac." #name, ac_##name, align},
	SNIPPETS(ROW) SNIPPETS64(ROW)};

static uint8_t area[256] __attribute__((aligned(64)));

static int run(const uint8_t *code, unsigned off, sg_word flags)
{
	struct sg_regs r = {.cx = (sg_word)(area + 64 + off) + SG_USER, .flags = 2 | flags};
	sg_user(&r, code);
	if (sg_fault.vector == V_AC)
		return sg_fault.error ? 'e' : 'A';
	return sg_fault.vector == V_GP && !sg_fault.error ? '.' : '?';
}

/* Offsets 0 to 15, a letter each: A alignment check, . none. */
static void matrix(const char *name, const uint8_t *code, unsigned align, sg_word flags)
{
	char got[17], want[17];
	for (unsigned off = 0; off < 16; off++) {
		got[off] = (char)run(code, off, flags);
		want[off] = off % align && flags ? 'A' : '.';
	}
	got[16] = want[16] = 0;
	sg_expect(name, got, want);
}

static void do_load(void *o)
{
	*(volatile uint32_t *)o;
}

__asm__(".pushsection .text\n ac_absent: mov (" CX "), %eax\n hlt\n .popsection\n");
extern const uint8_t ac_absent[];

void sg_group(void)
{
	sg_word cr0 = sg_cr(0);
	struct sg_regs r = {.cx = SG_USER - 1, .flags = 2 | FLAG_AC};
	sg_set_cr(4, sg_cr(4) | 0x600); /* OSFXSR, OSXMMEXCPT */
	matrix("ac.without_am", ac_load4, 4, 0);
	for (unsigned off = 1; off < 4; off++)
		sg_check("ac.ac_without_am", (uint64_t)run(ac_load4, off, FLAG_AC), '.');
	sg_set_cr(0, cr0 | CR0_AM);
	matrix("ac.without_ac", ac_load4, 4, 0);
	sg_set_flags(sg_flags() | FLAG_AC);
	sg_fault.vector = SG_OK;
	sg_try(do_load, area + 1);
	sg_expect("ac.ring_0", sg_fault_text(), "ok");
	sg_set_flags(sg_flags() & ~(sg_word)FLAG_AC);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		matrix(rows[i].name, rows[i].code, rows[i].align, FLAG_AC);
	sg_user(&r, ac_absent); /* not aligned, and its first byte is the supervisor's or absent */
	sg_line("ac.and_page_fault", "%s", sg_fault_text());
	sg_set_cr(0, cr0);
}
