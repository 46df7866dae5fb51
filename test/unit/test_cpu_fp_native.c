/* test_cpu_fp_native.c - every MMX, SSE and x87 instruction on the host's processor and on the software CPU: random
 * instructions on random and special operands under random control words, the whole FXSAVE image, general registers,
 * flags and memory compared. Once with the host's FPU behind the software CPU, once with softfloat. An argument gives
 * the number of instructions, a second one the seed. test-timeout: 300 test-labels: posix */
#if defined(__x86_64__) && defined(__linux__)
#include "test_cpu_fp_rig.h"
#include "test_cpu_fp_values.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <Zydis/Zydis.h>

enum { NREGS = 6, DATA = 128 }; /* RAX RCX RDX RDI R8 R9 are compared; RSI points to the data */
static const uint8_t regs[NREGS] = {0, 1, 2, 7, 8, 9};

struct state {
	uint8_t in[512], out[512], host[512];
	uint64_t r[NREGS], rsi, flags, code;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct state, r) == 1536, "the assembly below");

void native_run(struct state *s);
__asm__(".text\n.globl native_run\n.type native_run, @function\nnative_run:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rdi, %rbx\n fxsave64 1024(%rbx)\n fxrstor64 (%rbx)\n pushq 1592(%rbx)\n popfq\n"
	"mov 1536(%rbx), %rax; mov 1544(%rbx), %rcx; mov 1552(%rbx), %rdx; mov 1560(%rbx), %rdi\n"
	"mov 1568(%rbx), %r8; mov 1576(%rbx), %r9; mov 1584(%rbx), %rsi\n"
	"call *1600(%rbx)\n"
	"mov %rax, 1536(%rbx); mov %rcx, 1544(%rbx); mov %rdx, 1552(%rbx); mov %rdi, 1560(%rbx)\n"
	"mov %r8, 1568(%rbx); mov %r9, 1576(%rbx)\n pushfq\n popq 1592(%rbx)\n cld\n fxsave64 512(%rbx)\n"
	"fxrstor64 1024(%rbx)\n pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n ret\n");

static volatile sig_atomic_t trapped;
static uint8_t trap_image[512];

/* #XM: keep the state it was raised in, and go on behind the instruction. */
static void on_fpe(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)sig;
	(void)info;
	memcpy(trap_image, u->uc_mcontext.fpregs, 512);
	u->uc_mcontext.fpregs->mxcsr = 0x1f80;
	u->uc_mcontext.gregs[REG_RIP] = *(greg_t *)u->uc_mcontext.gregs[REG_RSP];
	u->uc_mcontext.gregs[REG_RSP] += 8;
	trapped = 1;
}

struct insn {
	uint8_t bytes[16];
	unsigned len;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};
static ZydisDecoder decoder;

/* ------ instructions ------ */

static bool sse_isa(const ZydisDecodedInstruction *i)
{
	switch (i->meta.isa_set) {
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
	case ZYDIS_ISA_SET_SSEMXCSR:
	case ZYDIS_ISA_SET_SSE2MMX:
	case ZYDIS_ISA_SET_PENTIUMMMX:
		return true;
	case ZYDIS_ISA_SET_SSE3:
	case ZYDIS_ISA_SET_SSE3X87:
		return __builtin_cpu_supports("sse3");
	case ZYDIS_ISA_SET_SSSE3:
	case ZYDIS_ISA_SET_SSSE3MMX:
		return __builtin_cpu_supports("ssse3");
	case ZYDIS_ISA_SET_SSE4:
		return __builtin_cpu_supports("sse4.1");
	case ZYDIS_ISA_SET_SSE42:
		return __builtin_cpu_supports("sse4.2");
	default:
		return false;
	}
}

/* Left out: what faults on random operands or is tested elsewhere. */
static bool left_out(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_LDMXCSR: /* reserved bits: test_cpu_fp_state.c */
	case ZYDIS_MNEMONIC_MASKMOVDQU: /* address in RDI: likewise */
	case ZYDIS_MNEMONIC_MASKMOVQ:
	case ZYDIS_MNEMONIC_POPCNT: /* integer */
	case ZYDIS_MNEMONIC_CRC32:
	case ZYDIS_MNEMONIC_FLDENV: /* reads FCS, FDS */
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FNSTENV: /* writes FIP, which AMD keeps only with an exception */
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FWAIT:
	case ZYDIS_MNEMONIC_FNSTSW:
	case ZYDIS_MNEMONIC_FNSTCW:
	case ZYDIS_MNEMONIC_FLDCW:
		return m != ZYDIS_MNEMONIC_FNSTSW && m != ZYDIS_MNEMONIC_FNSTCW;
	default:
		return false;
	}
}

static bool registers_fit(const struct insn *n)
{
	for (unsigned k = 0; k < n->i.operand_count_visible; k++) {
		const ZydisDecodedOperand *o = &n->o[k];
		ZydisRegisterClass c = o->type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(o->reg.value)
									      : ZYDIS_REGCLASS_INVALID;
		bool fits = false;
		if (c < ZYDIS_REGCLASS_GPR8 || c > ZYDIS_REGCLASS_GPR64)
			continue;
		for (unsigned r = 0; r < NREGS; r++)
			fits |= ZydisRegisterGetId(o->reg.value) == regs[r];
		if (!fits || c == ZYDIS_REGCLASS_GPR8)
			return false;
	}
	return true;
}

static unsigned modrm(uint8_t *b)
{
	b[0] = (uint8_t)rnd();
	b[0] = rnd() % 3 ? b[0] | 0xc0 : (b[0] & 0x38) | 6; /* registers, or [RSI] */
	return 1;
}

static void random_sse(struct insn *n)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
	uint8_t *b = n->bytes, p = prefixes[rnd() % 4], rex;
	unsigned map = rnd() % 4;
	n->len = 0;
	if (p)
		b[n->len++] = p;
	if (rnd() % 3 == 0) {
		rex = 0x40 | (rnd() & 0xd);
		b[n->len++] = rex;
	} else {
		rex = 0;
	}
	b[n->len++] = 0x0f;
	if (map == 0)
		b[n->len++] = 0x38;
	if (map == 1)
		b[n->len++] = 0x3a;
	b[n->len] = (uint8_t)rnd();
	if (map > 1 && (b[n->len] == 0x38 || b[n->len] == 0x3a))
		b[n->len]++;
	n->len++;
	n->len += modrm(b + n->len);
	if (b[n->len - 1] < 0xc0 && rex & 1)
		b[p ? 1 : 0] &= 0xfe;
	b[n->len++] = (uint8_t)rnd();
}

static void random_x87(struct insn *n)
{
	n->bytes[0] = 0xd8 | (rnd() & 7);
	n->len = 1 + modrm(n->bytes + 1);
}

static void random_insn(struct insn *n, bool x87)
{
	for (;;) {
		memset(n->bytes, 0, sizeof n->bytes);
		if (x87)
			random_x87(n);
		else
			random_sse(n);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, n->bytes, sizeof n->bytes, &n->i, n->o)))
			continue;
		n->len = n->i.length;
		if (n->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || left_out(n->i.mnemonic) || !registers_fit(n))
			continue;
		if (x87 || sse_isa(&n->i))
			return;
	}
}

/* ------ state ------ */

static void random_vector(uint8_t *p, unsigned n)
{
	unsigned kind = rnd() % 5;
	for (unsigned i = 0; i < n; i += 8) {
		uint64_t v = kind == 0   ? rnd()
			     : kind == 1 ? rnd64()
			     : kind == 2 ? rnd32() | (uint64_t)rnd32() << 32
					 : rnd() & rnd() & rnd();
		if (kind == 3) /* short strings, small counts */
			v = (rnd() & 0x0303030303030303) | (rnd() % 4 ? 0 : 0x4100);
		memcpy(p + i, &v, 8);
	}
}

static void random_st(uint8_t *p)
{
	struct x86_f80 v = rnd80();
	memset(p, 0, 16);
	memcpy(p, &v.sig, 8);
	memcpy(p + 8, &v.se, 2);
}

static void random_state(struct state *s, uint8_t *data, bool x87)
{
	uint16_t fcw = (uint16_t)(0x40 | (rnd() % 4 ? 0x3f : rnd() & 0x3f) | (rnd() & 3) << 10),
		 fsw = (uint16_t)(rnd() & 0x7f00);
	uint32_t mxcsr = (uint32_t)((rnd() % 4 ? 0x1f80 : rnd() & 0x1f80) | (rnd() & 3) << 13);
	static const uint16_t pc[] = {0x300, 0x200, 0, 0x300};
	fcw |= pc[rnd() & 3];
	mxcsr |= (rnd() % 4 ? 0 : rnd() & 0x8040) | (rnd() % 4 ? 0 : rnd() & 0x3f & mxcsr >> 7);
	fsw |= rnd() % 4 ? 0 : rnd() & 0x3f & fcw;
	memset(s->in, 0, 512);
	memcpy(s->in, &fcw, 2);
	memcpy(s->in + 2, &fsw, 2);
	s->in[4] = (uint8_t)(rnd() % 3 ? x87 && rnd() % 2 ? 0x3c : 0xff : rnd());
	memcpy(s->in + 24, &mxcsr, 4);
	s->in[28] = 0xff;
	s->in[29] = 0xff;
	for (unsigned i = 0; i < 8; i++)
		random_st(s->in + 32 + 16 * i);
	for (unsigned i = 0; i < 16; i++)
		random_vector(s->in + 160 + 16 * i, 16);
	for (unsigned i = 0; i < NREGS; i++)
		s->r[i] = rnd() % 3 ? rnd() % 20 - 2 : rnd() % 2 ? rnd() : rnd64();
	s->flags = 2 | (rnd() & 0x8d5);
	random_vector(data, DATA);
	if (x87 && rnd() % 2)
		random_st(data);
}

/* ------ running ------ */

static uint8_t *code_page;
static struct state nat;
static uint8_t nat_data[DATA] __attribute__((aligned(64)));

static void run_native(const struct insn *n)
{
	memcpy(code_page, n->bytes, n->len);
	code_page[n->len] = 0xc3;
	nat.code = (uint64_t)(uintptr_t)code_page;
	nat.rsi = (uint64_t)(uintptr_t)nat_data;
	trapped = 0;
	native_run(&nat);
	if (trapped)
		memcpy(nat.out, trap_image, 512);
}

static void load_guest(struct rig *r, const struct state *s, const uint8_t *data)
{
	uint8_t image[576] = {0};
	memcpy(image, s->in, 512);
	image[512] = 3;
	x86_set_xsave(r->cpu, image, sizeof image);
	for (unsigned i = 0; i < NREGS; i++)
		r->cpu->r[regs[i]] = s->r[i];
	r->cpu->r[6] = RIG_DATA;
	memcpy(r->mem + RIG_DATA, data, DATA);
	x86_set_rflags(r->cpu, s->flags);
}

/* ------ comparing ------ */

static bool is_approximate(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_RCPPS || m == ZYDIS_MNEMONIC_RCPSS || m == ZYDIS_MNEMONIC_RSQRTPS ||
	       m == ZYDIS_MNEMONIC_RSQRTSS;
}
static bool is_transcendental(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_F2XM1:
	case ZYDIS_MNEMONIC_FYL2X:
	case ZYDIS_MNEMONIC_FYL2XP1:
	case ZYDIS_MNEMONIC_FPTAN:
	case ZYDIS_MNEMONIC_FPATAN:
	case ZYDIS_MNEMONIC_FSIN:
	case ZYDIS_MNEMONIC_FCOS:
	case ZYDIS_MNEMONIC_FSINCOS:
		return true;
	default:
		return false;
	}
}

static bool is_compare(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_FCOM:
	case ZYDIS_MNEMONIC_FCOMP:
	case ZYDIS_MNEMONIC_FCOMPP:
	case ZYDIS_MNEMONIC_FICOM:
	case ZYDIS_MNEMONIC_FICOMP:
	case ZYDIS_MNEMONIC_FUCOM:
	case ZYDIS_MNEMONIC_FUCOMP:
	case ZYDIS_MNEMONIC_FUCOMPP:
	case ZYDIS_MNEMONIC_FTST:
		return true;
	default:
		return false;
	}
}
static bool is_compare_i(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_FCOMI || m == ZYDIS_MNEMONIC_FCOMIP || m == ZYDIS_MNEMONIC_FUCOMI ||
	       m == ZYDIS_MNEMONIC_FUCOMIP;
}

/* Where processors differ from each other; bits of FSW. `unmasked`: this instruction raised an unmasked exception.
 * - Compares with an unmasked exception: Intel leaves the codes (SDM, FCOM), AMD sets them.
 * - FCOMI: C1 becomes 0 (SDM) or stays (AMD). */
static uint16_t fsw_open(ZydisMnemonic m, bool unmasked)
{
	if (is_compare_i(m))
		return X87_C1;
	return is_compare(m) && unmasked ? X87_CC : 0;
}

/* Whole instructions: FLD of a denormal with that exception unmasked pushes on AMD, and does not by SDM vol. 1, 8.5.2.
 */
static bool all_open(ZydisMnemonic m, bool unmasked, uint16_t fsw)
{
	return m == ZYDIS_MNEMONIC_FLD && unmasked && (fsw & 2);
}

static const char *difference(struct rig *r, const struct insn *n, int vector, bool soft)
{
	uint8_t g[576];
	static char why[160];
	uint16_t fsw_n, fsw_g, open;
	bool unmasked;
	x86_get_xsave(r->cpu, g, sizeof g);
	if ((soft && is_approximate(n->i.mnemonic)) ||
	    ((soft || (~nat.in[0] & 0x18)) && is_transcendental(n->i.mnemonic)))
		return NULL; /* test_cpu_fp_soft.c: within a bound */
	memcpy(&fsw_n, nat.out + 2, 2);
	memcpy(&fsw_g, g + 2, 2);
	unmasked = fsw_n & X87_ES;
	if (all_open(n->i.mnemonic, unmasked, fsw_n))
		return NULL;
	open = fsw_open(n->i.mnemonic, unmasked);
	if ((vector >= 0) != (trapped != 0)) {
		snprintf(why, sizeof why, "vector %d, native %s", vector, trapped ? "#XM" : "none");
		return why;
	}
	if (memcmp(g, nat.out, 2) || g[4] != nat.out[4] || (fsw_n ^ fsw_g) & ~open) {
		snprintf(why, sizeof why, "fcw/fsw/tag %02x%02x %04x %02x, native %02x%02x %04x %02x", g[1], g[0],
			 fsw_g, g[4], nat.out[1], nat.out[0], fsw_n, nat.out[4]);
		return why;
	}
	if (memcmp(g + 24, nat.out + 24, 4)) {
		snprintf(why, sizeof why, "mxcsr %02x%02x, native %02x%02x", g[25], g[24], nat.out[25], nat.out[24]);
		return why;
	}
	for (unsigned i = 0; i < 8; i++)
		if (memcmp(g + 32 + 16 * i, nat.out + 32 + 16 * i, 10)) {
			uint64_t x[2], y[2];
			memcpy(x, g + 32 + 16 * i, 16);
			memcpy(y, nat.out + 32 + 16 * i, 16);
			snprintf(why, sizeof why, "st%u %04" PRIx64 ".%016" PRIx64 ", native %04" PRIx64 ".%016" PRIx64,
				 i, x[1] & 0xffff, x[0], y[1] & 0xffff, y[0]);
			return why;
		}
	for (unsigned i = 0; i < 16; i++)
		if (memcmp(g + 160 + 16 * i, nat.out + 160 + 16 * i, 16)) {
			uint64_t x[2], y[2];
			memcpy(x, g + 160 + 16 * i, 16);
			memcpy(y, nat.out + 160 + 16 * i, 16);
			snprintf(why, sizeof why,
				 "xmm%u %016" PRIx64 "_%016" PRIx64 ", native %016" PRIx64 "_%016" PRIx64, i, x[1],
				 x[0], y[1], y[0]);
			return why;
		}
	if (trapped)
		return NULL;
	for (unsigned i = 0; i < NREGS; i++)
		if (r->cpu->r[regs[i]] != nat.r[i]) {
			snprintf(why, sizeof why, "r%u %016" PRIx64 ", native %016" PRIx64, regs[i], r->cpu->r[regs[i]],
				 nat.r[i]);
			return why;
		}
	if ((x86_get_rflags(r->cpu) ^ nat.flags) & 0x8d5 && !(is_compare_i(n->i.mnemonic) && unmasked)) {
		snprintf(why, sizeof why, "flags %x, native %x", (unsigned)x86_get_rflags(r->cpu) & 0x8d5,
			 (unsigned)nat.flags & 0x8d5);
		return why;
	}
	if (memcmp(r->mem + RIG_DATA, nat_data, DATA))
		return "memory";
	return NULL;
}

static void show(const struct insn *n, const struct state *s, const uint8_t *data, const char *why)
{
	fprintf(stderr, "%s:", ZydisMnemonicGetString(n->i.mnemonic));
	for (unsigned i = 0; i < n->len; i++)
		fprintf(stderr, " %02x", n->bytes[i]);
	fprintf(stderr, ": %s\n  fcw %02x%02x fsw %02x%02x tag %02x mxcsr %02x%02x mem", why, s->in[1], s->in[0],
		s->in[3], s->in[2], s->in[4], s->in[25], s->in[24]);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t v;
		memcpy(&v, data + 8 * i, 8);
		fprintf(stderr, " %016" PRIx64, v);
	}
	if (n->bytes[0] >= 0xd8 && n->bytes[0] <= 0xdf) {
		fprintf(stderr, "\n ");
		for (unsigned i = 0; i < 8; i++) {
			uint64_t v[2];
			memcpy(v, s->in + 32 + 16 * i, 16);
			fprintf(stderr, " %04x.%016" PRIx64, (unsigned)v[1], v[0]);
		}
	} else {
		for (unsigned k = 0; k < n->i.operand_count_visible; k++) {
			uint64_t v[2];
			if (n->o[k].type != ZYDIS_OPERAND_TYPE_REGISTER ||
			    ZydisRegisterGetClass(n->o[k].reg.value) != ZYDIS_REGCLASS_XMM)
				continue;
			memcpy(v, s->in + 160 + 16 * ZydisRegisterGetId(n->o[k].reg.value), 16);
			fprintf(stderr, "\n  xmm%d %016" PRIx64 "_%016" PRIx64, ZydisRegisterGetId(n->o[k].reg.value),
				v[1], v[0]);
		}
	}
	fprintf(stderr, "\n");
}

static unsigned long count = 150000;
static unsigned seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static void differential(bool x87, bool soft)
{
	struct rig *r = rig_new();
	unsigned wrong = 0;
	struct insn n;
	bool before = x86_fp_soft;
	struct sigaction fpe = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO}, old;
	sigaction(SIGFPE, &fpe, &old);
	soft |= !X86_HOST_FPU;
	x86_fp_soft = soft;
	memset(seen, 0, sizeof seen);
	for (unsigned long i = 0; i < count; i++) {
		struct state start;
		uint8_t data[DATA];
		const char *why;
		int vector;
		random_insn(&n, x87);
		random_state(&nat, nat_data, x87);
		start = nat;
		memcpy(data, nat_data, DATA);
		run_native(&n);
		rig_start(r);
		rig_code(r, n.bytes, n.len);
		load_guest(r, &start, data);
		vector = rig_step(r);
		why = difference(r, &n, vector, soft);
		if (why && seen[n.i.mnemonic]++ < 1) {
			show(&n, &start, data, why);
			wrong++;
		}
	}
	x86_fp_soft = before;
	sigaction(SIGFPE, &old, NULL);
	rig_free(r);
	assert_int_equal(wrong, 0);
}

static void test_sse_host(void **state)
{
	(void)state;
	differential(false, false);
}
static void test_sse_soft(void **state)
{
	(void)state;
	differential(false, true);
}
static void test_x87_host(void **state)
{
	(void)state;
	differential(true, false);
}
static void test_x87_soft(void **state)
{
	(void)state;
	differential(true, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sse_host), cmocka_unit_test(test_sse_soft),
					   cmocka_unit_test(test_x87_host), cmocka_unit_test(test_x87_soft)};
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		rnd_seed = strtoull(argv[2], NULL, 0) * 2 + 1;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	code_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code_page == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	return 77;
}
#endif
