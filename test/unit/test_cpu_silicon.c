/* test_cpu_silicon.c - random user-mode integer instructions, natively and on the software CPU: registers, flags and
 * memory must agree.
 *
 * Only on x86-64 hosts. Flags that the manual leaves undefined are compared where the host is an AMD Zen, whose answers
 * the CPU copies; elsewhere they are masked. SEED and ROUNDS in the environment repeat or lengthen a run. */
#include "test_cpu_rig.h"
#include <Zydis/Zydis.h>

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <sys/mman.h>

#define DATA_AT 0x200000u /* inside the rig's RAM, and mapped natively at the same address */
#define DATA_SIZE 0x2000u
#define NATIVE_AT 0x40000000u
enum { ARITH = 0x8d5, DF = 0x400 };

struct state {
	uint64_t r[16], flags;
	uint8_t data[DATA_SIZE];
};

static uint64_t seed;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}
static uint64_t rnd_value(void)
{
	static const uint64_t edges[] = {0,      1,          0x7f,       0x80,       0xff,      0x7fff,     0x8000,
					 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX};
	uint64_t v = rnd();
	switch (rnd() & 7) {
	case 0:
	case 1: return edges[v % (sizeof edges / sizeof *edges)];
	case 2: return v & 0xff;
	case 3: return (uint64_t)(int64_t)(int8_t)v;
	case 4: return (uint32_t)v;
	default: return v;
	}
}

/* ------ natively ------ */

struct native {
	uint8_t code[0x800];
	uint64_t in[16], out[16], in_flags, out_flags, host_sp, stack[64];
};
static struct native *native;
static sigjmp_buf back;
static volatile sig_atomic_t in_native;

static void on_signal(int sig)
{
	if (!in_native) { /* the test's own or the CPU's crash */
		signal(sig, SIG_DFL);
		return;
	}
	siglongjmp(back, sig);
}

static uint8_t *rip_relative(uint8_t *p, uint8_t rex, uint8_t opcode, unsigned reg, const void *slot)
{
	p[0] = rex | (reg & 8 ? 4 : 0);
	p[1] = opcode;
	p[2] = (uint8_t)(5 | (reg & 7) << 3);
	int32_t disp = (int32_t)((const uint8_t *)slot - (p + 7));
	memcpy(p + 3, &disp, 4);
	return p + 7;
}

/* pushes of callee-saved registers; flags and registers in; the code; registers and flags out. */
static void native_build(const uint8_t *code, size_t n)
{
	static const uint8_t save[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57};
	static const uint8_t restore[] = {0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3};
	uint8_t *p = native->code;
	memcpy(p, save, sizeof save);
	p = rip_relative(p + sizeof save, 0x48, 0x89, 4, &native->host_sp);
	p = rip_relative(p, 0x48, 0x8d, 4, &native->in_flags);
	*p++ = 0x9d;
	for (unsigned i = 0; i < 16; i++)
		p = rip_relative(p, 0x48, 0x8b, i, &native->in[i]);
	memcpy(p, code, n);
	p += n;
	for (unsigned i = 0; i < 16; i++)
		p = rip_relative(p, 0x48, 0x89, i, &native->out[i]);
	p = rip_relative(p, 0x48, 0x8d, 4, &native->out_flags + 1);
	*p++ = 0x9c;
	p = rip_relative(p, 0x48, 0x8b, 4, &native->host_sp);
	memcpy(p, restore, sizeof restore);
}

/* The signal it ended with, or 0. */
static int native_run(struct state *s, const uint8_t *code, size_t n)
{
	native_build(code, n);
	memcpy(native->in, s->r, sizeof native->in);
	native->in_flags = s->flags | 0x202;
	memcpy((void *)(uintptr_t)DATA_AT, s->data, DATA_SIZE);
	int sig = sigsetjmp(back, 1);
	in_native = 1;
	if (!sig)
		((void (*)(void))(uintptr_t)native->code)();
	in_native = 0;
	memcpy(s->r, native->out, sizeof s->r);
	s->flags = native->out_flags & (ARITH | DF);
	memcpy(s->data, (void *)(uintptr_t)DATA_AT, DATA_SIZE);
	return sig;
}

/* cmocka puts its own handlers around each test, so each asks for these again. */
static void native_signals(void)
{
	static uint8_t alternate[65536];
	stack_t st = {.ss_sp = alternate, .ss_size = sizeof alternate};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
	static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
	sigaltstack(&st, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &sa, NULL);
}

static void native_setup(void)
{
	const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	native = mmap((void *)(uintptr_t)NATIVE_AT, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC, how, -1, 0);
	void *data = mmap((void *)(uintptr_t)DATA_AT, DATA_SIZE, PROT_READ | PROT_WRITE, how, -1, 0);
	if (native == MAP_FAILED || data == MAP_FAILED)
		skip();
}

/* ------ on the software CPU ------ */

static struct rig *rig;

static bool soft_run(struct state *s, const uint8_t *code, size_t n)
{
	uint8_t buf[512];
	struct x86_cpu *c = rig->c;
	rig_long(rig);
	memcpy(c->r, s->r, sizeof s->r);
	x86_set_rflags(c, s->flags | 2);
	memcpy(rig->ram + DATA_AT, s->data, DATA_SIZE);
	memcpy(buf, code, n);
	buf[n] = HLT;
	rig_code_at(rig, RIG_CODE, buf, n + 1);
	c->rip = RIG_CODE;
	enum x86_stop_kind k = x86_run(c);
	memcpy(s->r, c->r, sizeof s->r);
	s->flags = x86_get_rflags(c) & (ARITH | DF);
	memcpy(s->data, rig->ram + DATA_AT, DATA_SIZE);
	if (k == X86_STOP_TRIPLE)
		x86_reset(c);
	return k != X86_STOP_HLT;
}

/* ------ random instructions ------ */

static ZydisDecoder decoder;
static const ZydisMnemonic allowed[] = {
#define M(n) ZYDIS_MNEMONIC_##n
    M(ADD),        M(OR),     M(ADC),    M(SBB),    M(AND),    M(SUB),     M(XOR),    M(CMP),     M(TEST),
    M(INC),        M(DEC),    M(NEG),    M(NOT),    M(MOV),    M(MOVZX),   M(MOVSX),  M(MOVSXD),  M(LEA),
    M(CBW),        M(CWDE),   M(CDQE),   M(CWD),    M(CDQ),    M(CQO),     M(BSWAP),  M(XLAT),    M(PUSH),
    M(POP),        M(LEAVE),  M(SHL),    M(SHR),    M(SAR),    M(ROL),     M(ROR),    M(RCL),     M(RCR),
    M(SHLD),       M(SHRD),   M(MUL),    M(IMUL),   M(DIV),    M(IDIV),    M(BT),     M(BTS),     M(BTR),
    M(BTC),        M(BSF),    M(BSR),    M(POPCNT), M(CRC32),  M(XCHG),    M(XADD),   M(CMPXCHG), M(CMPXCHG8B),
    M(CMPXCHG16B), M(LAHF),   M(SAHF),   M(CLC),    M(STC),    M(CMC),     M(CLD),    M(STD),     M(NOP),
    M(CMOVB),      M(CMOVBE), M(CMOVL),  M(CMOVLE), M(CMOVNB), M(CMOVNBE), M(CMOVNL), M(CMOVNLE), M(CMOVNO),
    M(CMOVNP),     M(CMOVNS), M(CMOVNZ), M(CMOVO),  M(CMOVP),  M(CMOVS),   M(CMOVZ),  M(SETB),    M(SETBE),
    M(SETL),       M(SETLE),  M(SETNB),  M(SETNBE), M(SETNL),  M(SETNLE),  M(SETNO),  M(SETNP),   M(SETNS),
    M(SETNZ),      M(SETO),   M(SETP),   M(SETS),   M(SETZ),   M(MOVSB),   M(MOVSW),  M(MOVSQ),   M(STOSB),
    M(STOSW),      M(STOSD),  M(STOSQ),  M(LODSB),  M(LODSW),  M(LODSD),   M(LODSQ),  M(SCASB),   M(SCASW),
    M(SCASD),      M(SCASQ),  M(CMPSB),  M(CMPSW),  M(CMPSQ),  M(MOVNTI)
#undef M
};

static bool is_allowed(const ZydisDecodedInstruction *i)
{
	for (unsigned n = 0; n < sizeof allowed / sizeof *allowed; n++)
		if (allowed[n] == i->mnemonic)
			return i->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	return false;
}

struct insn {
	uint8_t bytes[16];
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};

static void random_bytes(uint8_t *p)
{
	if (rnd() % 4 == 0)
		*p++ = 0x66;
	if (rnd() % 12 == 0)
		*p++ = rnd() & 1 ? 0xf2 : 0xf3;
	if (rnd() % 24 == 0)
		*p++ = 0xf0;
	if (rnd() % 24 == 0)
		*p++ = 0x67;
	if (rnd() % 4)
		*p++ = (uint8_t)(0x40 | (rnd() & 15));
	unsigned map = rnd() % 16;
	if (map >= 9)
		*p++ = 0x0f;
	if (map == 15)
		*p++ = 0x38;
	*p++ = map == 15 ? (uint8_t)(0xf0 | (rnd() & 1)) : (uint8_t)rnd();
	for (int n = 0; n < 10; n++)
		*p++ = (uint8_t)rnd();
}

static int gpr(ZydisRegister r)
{
	ZydisRegister large = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
	return large >= ZYDIS_REGISTER_RAX && large <= ZYDIS_REGISTER_R15 ? (int)(large - ZYDIS_REGISTER_RAX) : -1;
}

static bool has_prefix(const struct insn *x, uint8_t b)
{
	for (unsigned n = 0; n < x->i.raw.prefix_count; n++)
		if (x->bytes[n] == b)
			return true;
	return false;
}

/* Not what this host has and the CPU has not, not what reaches out of the buffer. */
static bool usable(const struct insn *x)
{
	if (!is_allowed(&x->i))
		return false;
	if ((x->i.mnemonic == ZYDIS_MNEMONIC_BSF || x->i.mnemonic == ZYDIS_MNEMONIC_BSR) && has_prefix(x, 0xf3))
		return false;
	if (x->i.attributes & ZYDIS_ATTRIB_HAS_SIB && x->i.raw.modrm.mod == 0 && x->i.raw.sib.base == 5)
		return false; /* no base: an address that cannot be chosen */
	if (x->i.mnemonic == ZYDIS_MNEMONIC_BSWAP && x->i.operand_width == 16)
		return false;
	for (unsigned n = 0; n < x->i.operand_count; n++) {
		const ZydisDecodedOperand *o = &x->o[n];
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_CONTROL)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_DEBUG)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && x->i.mnemonic != ZYDIS_MNEMONIC_LEA &&
		    (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP))
			return false;
	}
	return true;
}

static void random_insn(struct insn *x)
{
	do {
		memset(x->bytes, 0, sizeof x->bytes);
		random_bytes(x->bytes);
	} while (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, x->bytes, 15, &x->i, x->o)) || !usable(x));
}

/* Give the registers of a memory operand values that lead into the buffer; false: impossible. */
static bool aim(const struct insn *x, const ZydisDecodedOperand *o, struct state *s)
{
	int base = gpr(o->mem.base), index = gpr(o->mem.index);
	uint64_t to = DATA_AT + 0x800 + rnd() % 0x800, offset = (uint64_t)o->mem.disp.value;
	if (rnd() % 8 == 0)
		to = DATA_AT + 0xff8 + rnd() % 16; /* across the page */
	if (x->i.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
		to &= ~(uint64_t)15;
	if (base < 0 || base == index)
		return false;
	if (index >= 0) {
		s->r[index] = rnd() % 64;
		offset += s->r[index] * o->mem.scale;
	}
	s->r[base] = to - offset;
	if (x->i.address_width == 32)
		s->r[base] = (uint32_t)s->r[base];
	return true;
}

/* Bit numbers and repeat counts that stay in the buffer; divisors that divide now and then. */
static void tame(const struct insn *x, struct state *s)
{
	const ZydisDecodedOperand *o = x->o;
	if (x->i.mnemonic >= ZYDIS_MNEMONIC_BT && x->i.mnemonic <= ZYDIS_MNEMONIC_BTS &&
	    o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && o[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    gpr(o[1].reg.value) != gpr(o[0].mem.base) && gpr(o[1].reg.value) != gpr(o[0].mem.index))
		s->r[gpr(o[1].reg.value)] = (uint64_t)((int64_t)(rnd() % 1000) - 500);
	if (x->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		s->r[1] = rnd() % 40;
	if (x->i.mnemonic == ZYDIS_MNEMONIC_XLAT)
		s->r[3] = DATA_AT + 0x800;
	if ((x->i.mnemonic == ZYDIS_MNEMONIC_DIV || x->i.mnemonic == ZYDIS_MNEMONIC_IDIV) && rnd() % 2)
		s->r[2] = rnd() & 1 ? 0 : UINT64_MAX;
}

static bool bit_number_is_wild(const struct insn *x)
{
	const ZydisDecodedOperand *o = x->o;
	return x->i.mnemonic >= ZYDIS_MNEMONIC_BT && x->i.mnemonic <= ZYDIS_MNEMONIC_BTS &&
	       o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && o[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       (gpr(o[1].reg.value) == gpr(o[0].mem.base) || gpr(o[1].reg.value) == gpr(o[0].mem.index));
}

static bool prepare(const struct insn *x, struct state *s)
{
	bool ok = !bit_number_is_wild(x);
	for (unsigned n = 0; n < 16; n++)
		s->r[n] = rnd_value();
	for (unsigned n = 0; n < DATA_SIZE; n += 8) {
		uint64_t v = rnd_value();
		memcpy(s->data + n, &v, 8);
	}
	s->flags = rnd() & (ARITH | (rnd() % 8 ? 0 : DF));
	s->r[4] = DATA_AT + 0x1000;
	s->r[5] = x->i.mnemonic == ZYDIS_MNEMONIC_LEAVE ? DATA_AT + 0x900 : s->r[5];
	tame(x, s);
	for (unsigned n = 0; n < x->i.operand_count && ok; n++)
		if (x->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY && x->i.mnemonic != ZYDIS_MNEMONIC_LEA &&
		    (x->o[n].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN || gpr(x->o[n].mem.base) >= 6))
			ok = x->i.mnemonic == ZYDIS_MNEMONIC_XLAT || aim(x, &x->o[n], s);
	return ok;
}

/* ------ comparing ------ */

static bool is_zen;

static uint32_t undefined_flags(const struct insn *x)
{
	if (x->i.mnemonic == ZYDIS_MNEMONIC_DIV || x->i.mnemonic == ZYDIS_MNEMONIC_IDIV)
		return ARITH; /* a by-product of microcode, not of the operands alone */
	if ((x->i.mnemonic == ZYDIS_MNEMONIC_SHLD || x->i.mnemonic == ZYDIS_MNEMONIC_SHRD) && x->i.operand_width == 16)
		return 0x801; /* counts above 16 */
	if (is_zen || !x->i.cpu_flags)
		return 0;
	uint32_t u = x->i.cpu_flags->undefined;
	switch (x->i.mnemonic) { /* OF after a shift by more than one */
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD: return u | 0x810;
	default: return u;
	}
}

static unsigned differences, limit = 20;

static void report(const struct insn *x, const struct state *in, const struct state *a, const struct state *b,
		   const char *what)
{
	char text[96];
	ZydisFormatter f;
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&f, &x->i, x->o, x->i.operand_count_visible, text, sizeof text, 0, NULL);
	print_message("%s: %s\n", what, text);
	for (unsigned n = 0; n < x->i.length; n++)
		print_message("%02x ", x->bytes[n]);
	print_message("\n  flags in %03lx native %03lx soft %03lx (xor %03lx)\n", (long)in->flags, (long)a->flags,
		      (long)b->flags, (long)(a->flags ^ b->flags));
	for (unsigned n = 0; n < 16; n++)
		if (a->r[n] != b->r[n] || in->r[n] != a->r[n])
			print_message("  r%-2u in %016llx native %016llx soft %016llx\n", n, (long long)in->r[n],
				      (long long)a->r[n], (long long)b->r[n]);
	for (unsigned n = 0; n < DATA_SIZE; n++)
		if (a->data[n] != b->data[n])
			print_message("  [%x] native %02x soft %02x\n", DATA_AT + n, a->data[n], b->data[n]);
	differences++;
}

static void compare_one(const struct insn *x)
{
	static struct state in, a, b;
	if (!prepare(x, &in))
		return;
	a = b = in;
	int sig = native_run(&a, x->bytes, x->i.length);
	bool fault = soft_run(&b, x->bytes, x->i.length);
	if ((sig != 0) != fault) {
		report(x, &in, &a, &b, sig ? "only native faulted" : "only soft faulted");
		return;
	}
	if (sig)
		return;
	uint32_t mask = ~undefined_flags(x);
	if ((a.flags ^ b.flags) & mask)
		report(x, &in, &a, &b, "flags");
	else if (memcmp(a.r, b.r, sizeof a.r) || memcmp(a.data, b.data, DATA_SIZE))
		report(x, &in, &a, &b, "result");
}

static long rounds(long normal)
{
	const char *e = getenv("ROUNDS");
	return e ? atol(e) : normal;
}

static void single_instructions(void **state)
{
	(void)state;
	struct insn x;
	native_signals();
	for (long n = rounds(60000); n > 0 && differences < limit; n--) {
		random_insn(&x);
		compare_one(&x);
	}
	assert_int_equal(differences, 0);
}

/* ------ straight runs with short branches: fused pairs, flags nobody reads ------ */

/* Registers only, the stack pointer and r15 left alone; memory through [r15 + disp8]. */
static bool fits_run(const struct insn *x)
{
	if (x->i.mnemonic == ZYDIS_MNEMONIC_DIV || x->i.mnemonic == ZYDIS_MNEMONIC_IDIV ||
	    x->i.mnemonic == ZYDIS_MNEMONIC_STD || x->i.mnemonic == ZYDIS_MNEMONIC_LEAVE ||
	    x->i.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
		return false;
	for (unsigned n = 0; n < x->i.operand_count; n++) {
		const ZydisDecodedOperand *o = &x->o[n];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && (o->mem.base != ZYDIS_REGISTER_R15 || o->mem.index ||
							     o->mem.disp.value != (int8_t)o->mem.disp.value))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    (gpr(o->reg.value) == 4 || gpr(o->reg.value) == 15))
			return false;
	}
	return !(x->i.mnemonic >= ZYDIS_MNEMONIC_BT && x->i.mnemonic <= ZYDIS_MNEMONIC_BTS &&
		 x->o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && x->o[1].type == ZYDIS_OPERAND_TYPE_REGISTER);
}

static void run_insn(struct insn *x, bool compare)
{
	do
		random_insn(x);
	while (!fits_run(x) ||
	       (compare && x->i.mnemonic != ZYDIS_MNEMONIC_CMP && x->i.mnemonic != ZYDIS_MNEMONIC_TEST));
}

static size_t random_run(uint8_t *code, struct insn *list, unsigned *count)
{
	size_t n = 0;
	*count = 0;
	for (unsigned k = 2 + rnd() % 5; k; k--) {
		struct insn *x = &list[(*count)++];
		bool branch = rnd() % 2;
		run_insn(x, branch && rnd() % 4);
		memcpy(code + n, x->bytes, x->i.length);
		n += x->i.length;
		if (branch) {
			struct insn *skipped = &list[(*count)++];
			run_insn(skipped, false);
			code[n++] = (uint8_t)(0x70 | rnd() % 16);
			code[n++] = skipped->i.length;
			memcpy(code + n, skipped->bytes, skipped->i.length);
			n += skipped->i.length;
		}
	}
	return n;
}

static void report_run(const struct insn *list, unsigned count, const uint8_t *code, size_t n, const struct state *in,
		       const struct state *a, const struct state *b)
{
	print_message("run of %u:", count);
	for (size_t i = 0; i < n; i++)
		print_message(" %02x", code[i]);
	print_message("\n");
	report(&list[count - 1], in, a, b, "last of the run");
}

static void compare_run(void)
{
	static struct state in, a, b;
	struct insn list[32];
	uint8_t code[400];
	unsigned count;
	size_t n = random_run(code, list, &count);
	uint32_t undefined = 0;
	for (unsigned i = 0; i < count; i++)
		undefined |= undefined_flags(&list[i]);
	if (undefined)
		return; /* a branch or a carry may depend on it */
	for (unsigned i = 0; i < 16; i++)
		in.r[i] = rnd_value();
	for (unsigned i = 0; i < DATA_SIZE; i++)
		in.data[i] = (uint8_t)rnd();
	in.flags = rnd() & ARITH;
	in.r[4] = in.r[15] = DATA_AT + 0x1000;
	a = b = in;
	int sig = native_run(&a, code, n);
	bool fault = soft_run(&b, code, n);
	if ((sig != 0) != fault ||
	    (!sig && (a.flags != b.flags || memcmp(a.r, b.r, sizeof a.r) || memcmp(a.data, b.data, DATA_SIZE))))
		report_run(list, count, code, n, &in, &a, &b);
}

static void runs(void **state)
{
	(void)state;
	native_signals();
	differences = 0;
	for (long n = rounds(6000); n > 0 && differences < limit; n--)
		compare_run();
	assert_int_equal(differences, 0);
}

static bool host_is_zen(void)
{
	uint32_t a, b, c, d;
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0), "2"(0));
	if (b != 0x68747541)
		return false;
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(1), "2"(0));
	return (a >> 8 & 15) == 15 && (a >> 20 & 0xff) >= 8;
}

static int setup(void **state)
{
	static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_LZCNT,
					       ZYDIS_DECODER_MODE_TZCNT};
	(void)state;
	const char *e = getenv("SEED");
	seed = e ? strtoull(e, NULL, 0) : 0x9e3779b97f4a7c15;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned n = 0; n < sizeof off / sizeof *off; n++)
		ZydisDecoderEnableMode(&decoder, off[n], ZYAN_FALSE);
	is_zen = host_is_zen();
	if (getenv("LIMIT"))
		limit = (unsigned)atoi(getenv("LIMIT"));
	rig = rig_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_free(rig);
	return 0;
}

static void have_native(void **state)
{
	(void)state;
	native_setup();
	struct state s = {.r = {40, 2, [4] = DATA_AT + 0x1000}};
	static const uint8_t add[] = {0x48, 0x01, 0xc8};
	assert_int_equal(native_run(&s, add, 3), 0);
	assert_int_equal(s.r[0], 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(have_native), cmocka_unit_test(single_instructions),
					   cmocka_unit_test(runs)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
#else
static void no_silicon(void **state)
{
	(void)state;
	skip();
}
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_silicon)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
