/* test_cpu_avx_native.c - VEX-encoded vector instructions on the host's processor and on the software CPU: random
 * encodings, legal and not, on random and special operands, at the end of a page too; all YMM registers, MXCSR, general
 * registers, flags, memory and the fault compared. Once with the host's FPU behind the software CPU, once with
 * softfloat. An argument gives the number of instructions, a second one the seed. test-timeout: 300 test-labels: posix */
#if defined(__x86_64__) && defined(__linux__)
#include "test_cpu_fp_rig.h"
#include "test_cpu_fp_values.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <Zydis/Zydis.h>

enum { NREGS = 6, PAGES = 0x2000, RIG_PT = 0x4000 }; /* RAX RCX RDX RDI R8 R9 are compared; RSI points to data */
static const uint8_t regs[NREGS] = {0, 1, 2, 7, 8, 9};

struct state {
	uint8_t ymm[16][32];
	uint8_t host[512];
	uint64_t r[NREGS], rsi, flags, code;
	uint32_t mxcsr;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct state, r) == 1024, "the assembly below");
_Static_assert(offsetof(struct state, mxcsr) == 1096, "the assembly below");

/* The guest's registers go in, the code is called, they come out. */
void avx_native_run(struct state *s);
#define VLOAD(n) "vmovups 32*" #n "(%rbx), %ymm" #n "\n"
#define VSTORE(n) "vmovups %ymm" #n ", 32*" #n "(%rbx)\n"
#define ALL16(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
__asm__(".text\n.globl avx_native_run\n.type avx_native_run, @function\navx_native_run:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rdi, %rbx\n fxsave64 512(%rbx)\n" ALL16(
		VLOAD) "vldmxcsr 1096(%rbx)\n pushq 1080(%rbx)\n popfq\n"
		       "mov 1024(%rbx), %rax; mov 1032(%rbx), %rcx; mov 1040(%rbx), %rdx; mov 1048(%rbx), %rdi\n"
		       "mov 1056(%rbx), %r8; mov 1064(%rbx), %r9; mov 1072(%rbx), %rsi\n"
		       "call *1088(%rbx)\n"
		       "mov %rax, 1024(%rbx); mov %rcx, 1032(%rbx); mov %rdx, 1040(%rbx); mov %rdi, 1048(%rbx)\n"
		       "mov %r8, 1056(%rbx); mov %r9, 1064(%rbx)\n pushfq\n popq 1080(%rbx)\n cld\n"
		       "vstmxcsr 1096(%rbx)\n" ALL16(
			       VSTORE) "vzeroupper\n fxrstor64 512(%rbx)\n"
				       "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n ret\n");

static struct state nat;
static volatile sig_atomic_t trapped; /* vector + 1 */
static struct state trap_state;

/* Keep the state it was raised in, and go on behind the instruction. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint8_t *area = (uint8_t *)u->uc_mcontext.fpregs;
	uint64_t bv;
	(void)sig;
	(void)info;
	memcpy(&bv, area + 512, 8);
	for (unsigned i = 0; i < 16; i++) {
		memset(trap_state.ymm[i], 0, 32);
		if (bv & 2)
			memcpy(trap_state.ymm[i], area + 160 + 16 * i, 16);
		if (bv & 4)
			memcpy(trap_state.ymm[i] + 16, area + 576 + 16 * i, 16);
	}
	memcpy(&trap_state.mxcsr, area + 24, 4);
	u->uc_mcontext.fpregs->mxcsr = 0x1f80;
	trapped = (sig_atomic_t)u->uc_mcontext.gregs[REG_TRAPNO] + 1;
	u->uc_mcontext.gregs[REG_RIP] = *(greg_t *)u->uc_mcontext.gregs[REG_RSP];
	u->uc_mcontext.gregs[REG_RSP] += 8;
}

/* ------ instructions ------ */

struct insn {
	uint8_t bytes[16];
	unsigned len;
	bool legal, vsib;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};
static ZydisDecoder decoder;

static bool tested(const ZydisDecodedInstruction *i)
{
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVDQU: /* address in RDI: test_cpu_avx.c */
		return false;
	case ZYDIS_MNEMONIC_VPCLMULQDQ: /* counts as AVX in Zydis */
		return __builtin_cpu_supports("pclmul");
	default:
		break;
	}
	switch (i->meta.isa_ext) {
	case ZYDIS_ISA_EXT_AVX:
	case ZYDIS_ISA_EXT_AVX2:
	case ZYDIS_ISA_EXT_AVX2GATHER:
		return true;
	default:
		return false;
	}
}

static bool gpr_fits(unsigned id)
{
	for (unsigned r = 0; r < NREGS; r++)
		if (regs[r] == id)
			return true;
	return false;
}

/* General registers are those that are compared, memory is at RSI. */
static bool operands_fit(const struct insn *n)
{
	for (unsigned k = 0; k < n->i.operand_count_visible; k++) {
		const ZydisDecodedOperand *o = &n->o[k];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !n->vsib && o->mem.index != ZYDIS_REGISTER_NONE)
			return false;
		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		ZydisRegisterClass c = ZydisRegisterGetClass(o->reg.value);
		if ((c == ZYDIS_REGCLASS_GPR32 || c == ZYDIS_REGCLASS_GPR64) &&
		    !gpr_fits((unsigned)ZydisRegisterGetId(o->reg.value)))
			return false;
	}
	return true;
}

static void random_bytes(struct insn *n)
{
	static const uint8_t illegal[] = {0x66, 0xf2, 0xf3, 0xf0, 0x48};
	uint8_t *b = n->bytes;
	unsigned mod = rnd() % 3   ? 3
		       : rnd() % 3 ? 0
				   : 1,
		 reg = rnd() & 7,
		 rm = mod == 3    ? rnd() & 7
		      : rnd() % 3 ? 6
				  : 4;
	unsigned vvvv = rnd() % 3 ? rnd() & 15 : 15, l = rnd() & 1, pp = rnd() % 4 ? 1 : rnd() & 3;
	memset(b, 0xc3, sizeof n->bytes);
	n->len = 0;
	if (rnd() % 100 == 0)
		b[n->len++] = illegal[rnd() % sizeof illegal];
	if (rnd() % 3 == 0) {
		b[n->len++] = 0xc5;
		b[n->len++] = (uint8_t)((rnd() & 0x80) | vvvv << 3 | l << 2 | pp);
	} else {
		unsigned map = rnd() % 20 ? 1 + rnd() % 3 : rnd() & 31;
		b[n->len++] = 0xc4;
		b[n->len++] = (uint8_t)((rnd() & 0xc0) | (mod == 3 ? rnd() & 0x20 : 0x20) | map);
		b[n->len++] = (uint8_t)((rnd() & 0x80) | vvvv << 3 | l << 2 | pp);
	}
	b[n->len++] = (uint8_t)rnd();
	b[n->len++] = (uint8_t)(mod << 6 | reg << 3 | rm);
	if (mod != 3 && rm == 4)
		b[n->len++] = (uint8_t)((rnd() & 0xf8) | 6);
	if (mod == 1)
		b[n->len++] = (uint8_t)rnd();
	b[n->len++] = (uint8_t)rnd();
}

/* Instructions on mask registers (SDM vol. 2, KAND, KMOV, KSHIFT ...), which a processor with AVX-512 does and this CPU does not have. */
static bool is_opmask(unsigned map, unsigned opcode)
{
	if (!__builtin_cpu_supports("avx512f"))
		return false;
	if (map == 3)
		return opcode >= 0x30 && opcode <= 0x33;
	return map == 1 && ((opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x90 && opcode <= 0x99));
}

/* What Zydis refuses: nothing must happen if the processor takes it nevertheless. */
static bool is_harmless(const struct insn *n)
{
	unsigned at = n->bytes[0] == 0xc4 ? 4 : n->bytes[0] == 0xc5 ? 3 : 0;
	if (!at)
		at = n->bytes[1] == 0xc4 ? 5 : 4;
	unsigned m = n->bytes[at];
	if (is_opmask(at > 3 && n->bytes[at - 4] == 0xc4 ? n->bytes[at - 3] & 31 : 1, n->bytes[at - 1]))
		return false;
	/* VPERMQ and VPERMPD with VEX.W 0: only W1 is defined (SDM vol. 2); AMD's processors take both. */
	if (at > 3 && (n->bytes[at - 3] & 31) == 3 && n->bytes[at - 1] <= 1)
		return false;
	if (m < 0xc0 && (m & 7) == 4)
		return false;
	return gpr_fits(m >> 3 & 7) && (m < 0xc0 || gpr_fits(m & 7));
}

static void random_insn(struct insn *n)
{
	for (;;) {
		random_bytes(n);
		n->legal = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, n->bytes, sizeof n->bytes, &n->i, n->o));
		n->vsib = false;
		if (!n->legal) {
			n->i.mnemonic = ZYDIS_MNEMONIC_INVALID;
			if (rnd() % 20 == 0 && is_harmless(n))
				return;
			continue;
		}
		if (n->i.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX || !tested(&n->i))
			continue;
		n->vsib = n->i.meta.isa_ext == ZYDIS_ISA_EXT_AVX2GATHER;
		if (n->vsib && rnd() % 4 == 0)
			continue;
		n->len = n->i.length;
		if (operands_fit(n))
			return;
	}
}

/* ------ state ------ */

static uint8_t *nat_pages; /* two pages, then one without access */

static void random_vector(uint8_t *p, unsigned n)
{
	unsigned kind = rnd() % 5;
	for (unsigned i = 0; i < n; i += 8) {
		uint64_t v = kind == 0   ? rnd()
			     : kind == 1 ? rnd64()
			     : kind == 2 ? rnd32() | (uint64_t)rnd32() << 32
					 : rnd() & rnd() & rnd();
		if (kind == 3) /* short strings, small counts and indices */
			v = (rnd() & 0x0303030303030303) | (rnd() % 4 ? 0 : 0x4100);
		if (kind == 4 && rnd() % 2)
			v = rnd() % 70 | (uint64_t)(rnd() % 40) << 32;
		memcpy(p + i, &v, 8);
	}
}

/* Near enough to RSI to stay in the three pages. */
static void small_indices(uint8_t *p, bool index8)
{
	for (unsigned i = 0; i < 32; i += index8 ? 8 : 4) {
		int64_t v = (int64_t)(rnd() % 64) - 48;
		memcpy(p + i, &v, index8 ? 8 : 4);
	}
}

static void random_state(const struct insn *n, struct state *s)
{
	uint32_t mxcsr = (uint32_t)((rnd() % 4 ? 0x1f80 : rnd() & 0x1f80) | (rnd() & 3) << 13);
	unsigned at = 0x1400 + (rnd() & 0x1e0);
	mxcsr |= (rnd() % 4 ? 0 : rnd() & 0x8040) | (rnd() % 4 ? 0 : rnd() & 0x3f & mxcsr >> 7);
	s->mxcsr = mxcsr;
	for (unsigned i = 0; i < 16; i++)
		random_vector(s->ymm[i], 32);
	for (unsigned i = 0; i < NREGS; i++)
		s->r[i] = rnd() % 3 ? rnd() % 20 - 2 : rnd() % 2 ? rnd() : rnd64();
	s->flags = 2 | (rnd() & 0x8d5);
	if (rnd() % 4 == 0)
		at += rnd() & 31;
	if (rnd() % 8 == 0)
		at = PAGES - rnd() % 40;
	s->rsi = at;
	random_vector(nat_pages + 0x1380, 0x280);
	random_vector(nat_pages + PAGES - 64, 64);
	for (unsigned k = 0; n->vsib && k < n->i.operand_count_visible; k++)
		if (n->o[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			small_indices(s->ymm[ZydisRegisterGetId(n->o[k].mem.index)],
				      strchr(ZydisMnemonicGetString(n->i.mnemonic), 'q') != NULL &&
					      strstr(ZydisMnemonicGetString(n->i.mnemonic), "gatherq") != NULL);
}

/* ------ running ------ */

static uint8_t *code_page;

static void run_native(const struct insn *n)
{
	memset(code_page, 0xc3, 32);
	memcpy(code_page, n->bytes, n->len);
	nat.code = (uint64_t)(uintptr_t)code_page;
	nat.rsi += (uint64_t)(uintptr_t)nat_pages;
	trapped = 0;
	avx_native_run(&nat);
}

/* The rig's memory in small pages, without the one behind the data. */
static void map_pages(struct rig *r)
{
	for (unsigned i = 0; i < 512; i++)
		rig_put64(r, RIG_PT + 8 * i, (uint64_t)i << 12 | (i == (RIG_DATA + PAGES) >> 12 ? 0 : 7));
	rig_put64(r, RIG_PD, RIG_PT | 7);
}

static void load_guest(struct rig *r, const struct state *s, const uint8_t *pages)
{
	struct x86_cpu *c = r->cpu;
	c->xcr0 = 7;
	c->mxcsr = s->mxcsr;
	for (unsigned i = 0; i < 16; i++)
		memcpy(&c->v[i], s->ymm[i], 32);
	for (unsigned i = 0; i < NREGS; i++)
		c->r[regs[i]] = s->r[i];
	c->r[6] = RIG_DATA + s->rsi;
	memcpy(r->mem + RIG_DATA, pages, PAGES);
	x86_set_rflags(c, s->flags);
}

/* ------ comparing ------ */

static bool is_approximate(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_VRCPPS || m == ZYDIS_MNEMONIC_VRCPSS || m == ZYDIS_MNEMONIC_VRSQRTPS ||
	       m == ZYDIS_MNEMONIC_VRSQRTSS;
}

static const char *different_vector(const struct x86_cpu *c, const struct state *want)
{
	static char why[200];
	for (unsigned i = 0; i < 16; i++) {
		uint64_t w[4];
		memcpy(w, want->ymm[i], 32);
		if (memcmp(&c->v[i], w, 32) == 0)
			continue;
		snprintf(why, sizeof why,
			 "ymm%u %016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 ", native %016" PRIx64
			 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64,
			 i, c->v[i].q[3], c->v[i].q[2], c->v[i].q[1], c->v[i].q[0], w[3], w[2], w[1], w[0]);
		return why;
	}
	return NULL;
}

static const char *difference(struct rig *r, const struct insn *n, int vector, bool soft)
{
	static char why[160];
	const struct state *want = trapped ? &trap_state : &nat;
	const char *v;
	if (soft && is_approximate(n->i.mnemonic))
		return NULL; /* test_cpu_fp_soft.c: within a bound */
	if (vector != (int)trapped - 1) {
		snprintf(why, sizeof why, "vector %d, native %d", vector, (int)trapped - 1);
		return why;
	}
	x86_fp_collect(r->cpu);
	if (r->cpu->mxcsr != want->mxcsr) {
		snprintf(why, sizeof why, "mxcsr %04x, native %04x", r->cpu->mxcsr, want->mxcsr);
		return why;
	}
	v = different_vector(r->cpu, want);
	if (v)
		return v;
	if (memcmp(r->mem + RIG_DATA, nat_pages, PAGES))
		return "memory";
	for (unsigned i = 0; !trapped && i < NREGS; i++)
		if (r->cpu->r[regs[i]] != nat.r[i]) {
			snprintf(why, sizeof why, "r%u %016" PRIx64 ", native %016" PRIx64, regs[i], r->cpu->r[regs[i]],
				 nat.r[i]);
			return why;
		}
	if (!trapped && (x86_get_rflags(r->cpu) ^ nat.flags) & 0x8d5)
		return "flags";
	return NULL;
}

static void show_vector(const char *name, const uint8_t *p)
{
	uint64_t v[4];
	memcpy(v, p, 32);
	fprintf(stderr, "\n  %s %016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64, name, v[3], v[2], v[1],
		v[0]);
}

static void show(const struct insn *n, const struct state *s, const uint8_t *pages, const char *why)
{
	fprintf(stderr, "%s:", n->legal ? ZydisMnemonicGetString(n->i.mnemonic) : "illegal");
	for (unsigned i = 0; i < n->len; i++)
		fprintf(stderr, " %02x", n->bytes[i]);
	fprintf(stderr, ": %s\n  mxcsr %04x rsi %" PRIx64, why, s->mxcsr, s->rsi);
	if (s->rsi <= PAGES - 32)
		show_vector("mem", pages + s->rsi);
	for (unsigned k = 0; n->legal && k < n->i.operand_count_visible; k++) {
		const ZydisDecodedOperand *o = &n->o[k];
		ZydisRegister reg = o->type == ZYDIS_OPERAND_TYPE_REGISTER            ? o->reg.value
				    : n->vsib && o->type == ZYDIS_OPERAND_TYPE_MEMORY ? o->mem.index
										      : ZYDIS_REGISTER_NONE;
		ZydisRegisterClass c = ZydisRegisterGetClass(reg);
		if (c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM)
			show_vector(ZydisRegisterGetString(reg), s->ymm[ZydisRegisterGetId(reg)]);
	}
	fprintf(stderr, "\n");
}

static unsigned long count = 200000;
static unsigned seen[ZYDIS_MNEMONIC_MAX_VALUE + 1], ran[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static void one(struct rig *r, struct insn *n, bool soft, unsigned *wrong)
{
	static uint8_t pages[PAGES];
	struct state start;
	const char *why;
	random_insn(n);
	random_state(n, &nat);
	start = nat;
	memcpy(pages, nat_pages, PAGES);
	run_native(n);
	rig_start(r);
	rig_code(r, n->bytes, n->len);
	load_guest(r, &start, pages);
	why = difference(r, n, rig_step(r), soft);
	ran[n->i.mnemonic]++;
	if (why && seen[n->i.mnemonic]++ < 1) {
		show(n, &start, pages, why);
		++*wrong;
	}
}

static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS};
enum { NSIG_USED = sizeof signals / sizeof *signals };

static void differential(bool soft)
{
	struct rig *r = rig_new();
	unsigned wrong = 0;
	struct insn n;
	bool before = x86_fp_soft;
	struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER}, old[NSIG_USED];
	map_pages(r);
	for (unsigned i = 0; i < NSIG_USED; i++)
		sigaction(signals[i], &trap, &old[i]);
	x86_fp_soft = soft || !X86_HOST_FPU;
	memset(seen, 0, sizeof seen);
	for (unsigned long i = 0; i < count; i++)
		one(r, &n, x86_fp_soft, &wrong);
	x86_fp_soft = before;
	for (unsigned i = 0; i < NSIG_USED; i++)
		sigaction(signals[i], &old[i], NULL);
	rig_free(r);
	assert_int_equal(wrong, 0);
}

static void test_avx_host(void **state)
{
	(void)state;
	differential(false);
}
static void test_avx_soft(void **state)
{
	(void)state;
	differential(true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_avx_host), cmocka_unit_test(test_avx_soft)};
	if (!__builtin_cpu_supports("avx2"))
		return 77;
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		rnd_seed = strtoull(argv[2], NULL, 0) * 2 + 1;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	code_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	nat_pages = mmap(NULL, PAGES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code_page == MAP_FAILED || nat_pages == MAP_FAILED || mprotect(nat_pages + PAGES, 4096, PROT_NONE))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	return 77;
}
#endif
