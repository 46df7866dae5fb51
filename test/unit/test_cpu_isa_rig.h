/* test_cpu_isa_rig.h - one instruction on the host's processor and on the software CPU, from the same state: general
 * registers, flags, vectors, MXCSR, memory and the fault compared. For tests that choose the instructions; natively
 * only on x86-64 hosts with AVX. */
#ifndef TEST_CPU_ISA_RIG_H
#define TEST_CPU_ISA_RIG_H

#include "test_cpu_fp_rig.h"
#include "test_cpu_fp_values.h"
#include "x86/sys.h"

static inline void isa_start(struct rig *r)
{
	rig_start(r);
	r->cpu->cr4 = 0x50620; /* FSGSBASE OSXSAVE OSXMMEXCPT OSFXSR PAE */
	r->cpu->xcr0 = x86_xcr0_valid(r->cpu) & 7;
	x86_state_changed(r->cpu, false);
}

struct isa_insn {
	uint8_t bytes[16];
	unsigned len;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};
enum { ISA_DATA = 512, ISA_IMAGE = 832, ISA_AIM = 256 /* where RSI and R14 point in the data */ };
struct isa_state {
	uint8_t image[ISA_IMAGE]; /* XSAVE, standard layout */
	uint64_t r[16], flags;    /* RSP takes no part */
	uint8_t data[ISA_DATA];
	int vector; /* -1: none */
} __attribute__((aligned(64)));

static uint64_t isa_rnd_value(void)
{
	static const uint64_t edges[] = {0,      1,          0x7f,       0x80,       0xff,      0x7fff,     0x8000,
					 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX};
	uint64_t v = rnd();
	switch (rnd() & 7) {
	case 0:
	case 1:
		return edges[v % (sizeof edges / sizeof *edges)];
	case 2:
		return v & 0xff;
	case 3:
		return (uint64_t)(int64_t)(int8_t)v;
	case 4:
		return (uint32_t)v;
	case 5:
		return v & 0xffff;
	default:
		return v;
	}
}

/* Floats of all kinds, integers, and half floats. */
static void isa_rnd_vector(uint8_t *p, unsigned n)
{
	unsigned kind = rnd() % 5;
	for (unsigned i = 0; i < n; i += 8) {
		uint64_t v = kind == 0   ? rnd()
			     : kind == 1 ? rnd64()
			     : kind == 2 ? rnd32() | (uint64_t)rnd32() << 32
			     : kind == 3 ? isa_rnd_value()
					 : (rnd() & 0x83ff83ff83ff83ff) | (rnd() & 0x7c007c007c007c00);
		if (kind == 4 && rnd() % 4 == 0)
			v &= rnd();
		memcpy(p + i, &v, 8);
	}
}

static inline void isa_rnd_state(struct isa_state *s, uint64_t data_at)
{
	uint32_t mxcsr = (uint32_t)((rnd() % 3 ? 0x1f80 : rnd() & 0x1f80) | (rnd() & 3) << 13);
	uint64_t bv = 7;
	uint16_t fcw = 0x37f;
	mxcsr |= (rnd() % 3 ? 0 : rnd() & 0x8040) | (rnd() % 4 ? 0 : rnd() & 0x3f & mxcsr >> 7);
	memset(s, 0, sizeof *s);
	memcpy(s->image, &fcw, 2);
	memcpy(s->image + 24, &mxcsr, 4);
	memcpy(s->image + 512, &bv, 8);
	isa_rnd_vector(s->image + 160, 256);
	for (unsigned i = 0; i < 16; i++) {
		isa_rnd_vector(s->image + 160 + 16 * i, 16);
		isa_rnd_vector(s->image + 576 + 16 * i, 16);
	}
	for (unsigned i = 0; i < 16; i++)
		s->r[i] = isa_rnd_value();
	s->r[6] = s->r[14] = data_at + ISA_AIM;
	s->flags = rnd() & X86_ARITH;
	for (unsigned i = 0; i < ISA_DATA; i += 16)
		isa_rnd_vector(s->data + i, 16);
	s->vector = -1;
}

static inline void isa_soft(struct rig *r, const struct isa_insn *n, struct isa_state *s)
{
	struct x86_cpu *c = r->cpu;
	isa_start(r);
	rig_code(r, n->bytes, n->len);
	x86_set_xsave(c, s->image, ISA_IMAGE);
	for (unsigned i = 0; i < 16; i++)
		c->r[i] = i == 4 ? RIG_STACK : s->r[i];
	memcpy(r->mem + RIG_DATA, s->data, ISA_DATA);
	x86_set_rflags(c, s->flags);
	s->vector = rig_step(r);
	x86_get_xsave(c, s->image, ISA_IMAGE);
	for (unsigned i = 0; i < 16; i++)
		s->r[i] = i == 4 ? 0 : c->r[i];
	if (s->vector < 0)
		s->flags = x86_get_rflags(c) & X86_ARITH;
	memcpy(s->data, r->mem + RIG_DATA, ISA_DATA);
}

static inline const char *isa_difference(const struct isa_state *soft, const struct isa_state *native,
					 uint32_t undefined)
{
	static char why[200];
	if (soft->vector != native->vector) {
		snprintf(why, sizeof why, "vector %d, native %d", soft->vector, native->vector);
		return why;
	}
	if (memcmp(soft->image + 24, native->image + 24, 4)) {
		snprintf(why, sizeof why, "mxcsr %02x%02x, native %02x%02x", soft->image[25], soft->image[24],
			 native->image[25], native->image[24]);
		return why;
	}
	for (unsigned i = 0; i < 16; i++) {
		uint64_t a[4], b[4];
		memcpy(a, soft->image + 160 + 16 * i, 16);
		memcpy(a + 2, soft->image + 576 + 16 * i, 16);
		memcpy(b, native->image + 160 + 16 * i, 16);
		memcpy(b + 2, native->image + 576 + 16 * i, 16);
		if (!memcmp(a, b, 32))
			continue;
		snprintf(why, sizeof why,
			 "ymm%u %016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 ", native %016" PRIx64
			 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64,
			 i, a[3], a[2], a[1], a[0], b[3], b[2], b[1], b[0]);
		return why;
	}
	for (unsigned i = 0; i < 16; i++)
		if (i != 4 && soft->r[i] != native->r[i]) {
			snprintf(why, sizeof why, "r%u %016" PRIx64 ", native %016" PRIx64, i, soft->r[i],
				 native->r[i]);
			return why;
		}
	if ((soft->flags ^ native->flags) & ~undefined) {
		snprintf(why, sizeof why, "flags %03x, native %03x", (unsigned)soft->flags, (unsigned)native->flags);
		return why;
	}
	return memcmp(soft->data, native->data, ISA_DATA) ? "memory" : NULL;
}

static inline void isa_show(const struct isa_insn *n, const struct isa_state *in, const char *why)
{
	char text[96];
	ZydisFormatter f;
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&f, &n->i, n->o, n->i.operand_count_visible, text, sizeof text, 0, NULL);
	fprintf(stderr, "%s:", text);
	for (unsigned i = 0; i < n->len; i++)
		fprintf(stderr, " %02x", n->bytes[i]);
	fprintf(stderr, ": %s\n  mxcsr %02x%02x flags %03x", why, in->image[25], in->image[24], (unsigned)in->flags);
	for (unsigned k = 0; k < n->i.operand_count_visible; k++) {
		unsigned id = n->o[k].type == ZYDIS_OPERAND_TYPE_REGISTER ? x86_regno(n->o[k].reg.value) : 0;
		uint64_t v[4] = {0};
		if (n->o[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(n->o[k].reg.value) >= ZYDIS_REGCLASS_XMM && id < 16) {
			memcpy(v, in->image + 160 + 16 * id, 16);
			memcpy(v + 2, in->image + 576 + 16 * id, 16);
		} else if (n->o[k].type == ZYDIS_OPERAND_TYPE_REGISTER && id < 16) {
			v[0] = in->r[id];
		} else if (n->o[k].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			memcpy(v, in->data + ISA_AIM + n->o[k].mem.disp.value, 32);
		}
		fprintf(stderr, "\n  %u: %016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64, k, v[3], v[2], v[1],
			v[0]);
	}
	fprintf(stderr, "\n");
}

/* ------ choosing instructions ------ */

static ZydisDecoder isa_decoder;

static inline void isa_decoder_init(void)
{
	static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET,
					       ZYDIS_DECODER_MODE_CLDEMOTE, ZYDIS_DECODER_MODE_KNC};
	ZydisDecoderInit(&isa_decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned n = 0; n < sizeof off / sizeof *off; n++)
		ZydisDecoderEnableMode(&isa_decoder, off[n], ZYAN_FALSE);
}

/* A register, or [RSI], [R14], with a displacement. */
static unsigned isa_modrm(uint8_t *b)
{
	uint8_t reg = (uint8_t)(rnd() & 0x38);
	switch (rnd() % 4) {
	case 0:
		b[0] = reg | 6;
		return 1;
	case 1:
		b[0] = reg | 0x46;
		b[1] = (uint8_t)(rnd() % 4 ? (rnd() & 3) * 16 : rnd() & 0x7f);
		return 2;
	default:
		b[0] = (uint8_t)(0xc0 | reg | (rnd() & 7));
		return 1;
	}
}

/* What of an encoding chooses the instruction. map: 1 0F, 2 0F 38, 3 0F 3A; pp as in VEX. */
struct isa_opcode {
	uint8_t vex, map, pp, opcode;
};

static void isa_encode_vex(struct isa_insn *n, struct isa_opcode o)
{
	uint8_t *b = n->bytes;
	b[0] = 0xc4;
	b[1] = (uint8_t)((rnd() & 0xe0) | o.map);
	b[2] = (uint8_t)((rnd() & 0xf8) | o.pp);
	b[2] |= rnd() % 2 ? 4 : 0;
	if (rnd() % 2)
		b[2] |= 0x78;
	b[3] = o.opcode;
	n->len = 4;
	n->len += isa_modrm(b + n->len);
	b[n->len++] = (uint8_t)rnd();
}

static void isa_encode_legacy(struct isa_insn *n, struct isa_opcode o)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
	uint8_t *b = n->bytes, p = prefixes[o.pp];
	n->len = 0;
	if (rnd() % 8 == 0 && p != 0x66)
		b[n->len++] = 0x66;
	if (p)
		b[n->len++] = p;
	if (rnd() % 2)
		b[n->len++] = (uint8_t)(0x40 | (rnd() & 15));
	b[n->len++] = 0x0f;
	if (o.map > 1)
		b[n->len++] = o.map == 2 ? 0x38 : 0x3a;
	b[n->len++] = o.opcode;
	n->len += isa_modrm(b + n->len);
	b[n->len++] = (uint8_t)rnd();
}

static inline void isa_encode(struct isa_insn *n, struct isa_opcode o)
{
	memset(n->bytes, 0, sizeof n->bytes);
	if (o.vex)
		isa_encode_vex(n, o);
	else
		isa_encode_legacy(n, o);
}

/* Zydis knows it, it leaves RSP alone, its memory is what RSI or R14 point to. */
static inline bool isa_usable(struct isa_insn *n)
{
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&isa_decoder, n->bytes, sizeof n->bytes, &n->i, n->o)))
		return false;
	n->len = n->i.length;
	for (unsigned k = 0; k < n->i.operand_count; k++) {
		const ZydisDecodedOperand *o = &n->o[k];
		ZydisRegisterClass c = o->type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(o->reg.value)
									      : ZYDIS_REGCLASS_INVALID;
		if (c == ZYDIS_REGCLASS_GPR8 ? o->reg.value == ZYDIS_REGISTER_SPL
					     : c > ZYDIS_REGCLASS_GPR8 && c <= ZYDIS_REGCLASS_GPR64 &&
						       ZydisRegisterGetId(o->reg.value) == 4)
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (o->mem.index || (o->mem.base != ZYDIS_REGISTER_RSI && o->mem.base != ZYDIS_REGISTER_R14)))
			return false;
	}
	return true;
}

/* The opcodes that can give what is wanted: few tries find each. */
static struct isa_opcode isa_opcodes[2 * 4 * 4 * 256];
static unsigned isa_opcode_count;
static inline void isa_choose(bool (*wanted)(const struct isa_insn *n))
{
	struct isa_insn n;
	isa_opcode_count = 0;
	for (unsigned i = 0; i < sizeof isa_opcodes / sizeof *isa_opcodes; i++) {
		struct isa_opcode o = {i & 1, i >> 1 & 3, i >> 3 & 3, (uint8_t)(i >> 5)};
		if (!o.map)
			continue;
		for (unsigned k = 0; k < 40; k++) {
			isa_encode(&n, o);
			if (!isa_usable(&n) || !wanted(&n))
				continue;
			isa_opcodes[isa_opcode_count++] = o;
			break;
		}
	}
}

static inline void isa_random(struct isa_insn *n, bool (*wanted)(const struct isa_insn *n))
{
	do
		isa_encode(n, isa_opcodes[rnd() % isa_opcode_count]);
	while (!isa_usable(n) || !wanted(n));
}

/* ------ natively ------ */

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

struct isa_native {
	uint8_t in[ISA_IMAGE], out[ISA_IMAGE] __attribute__((aligned(64)));
	uint8_t host[ISA_IMAGE] __attribute__((aligned(64)));
	uint64_t r[16], flags, code;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct isa_native, r) == 2496 && offsetof(struct isa_native, host) == 1664, "the assembly");
struct isa_native isa_nat;
static uint8_t *isa_code, *isa_data;
static volatile sig_atomic_t isa_trap;
static uint32_t isa_trap_mxcsr;

void isa_native_run(void);
#define ISA_IN(n, reg) "mov isa_nat+2496+8*" #n "(%rip), %" #reg "\n"
#define ISA_OUT(n, reg) "mov %" #reg ", isa_nat+2496+8*" #n "(%rip)\n"
#define ISA_REGS(X)                                                                                                    \
	X(0, rax)                                                                                                      \
	X(1, rcx)                                                                                                      \
	X(2, rdx)                                                                                                      \
	X(3, rbx) X(5, rbp) X(6, rsi) X(7, rdi) X(8, r8) X(9, r9) X(10, r10) X(11, r11) X(12, r12) X(13, r13)          \
		X(14, r14) X(15, r15)
__asm__(".text\n.globl isa_native_run\n.type isa_native_run, @function\nisa_native_run:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov $7, %eax; xor %edx, %edx\n xsave64 isa_nat+1664(%rip)\n xrstor64 isa_nat(%rip)\n" ISA_REGS(
		ISA_IN) "pushq isa_nat+2624(%rip)\n popfq\n call *isa_nat+2632(%rip)\n" ISA_REGS(ISA_OUT) "pushfq\n "
													  "popq "
													  "isa_nat+"
													  "2624(%rip)"
													  "\n cld\n "
													  "mov $7, "
													  "%eax; xor "
													  "%edx, "
													  "%edx\n "
													  "xsave64 "
													  "isa_nat+832("
													  "%rip)\n"
													  "mov $7, "
													  "%eax; xor "
													  "%edx, "
													  "%edx\n "
													  "xrstor64 "
													  "isa_nat+"
													  "1664(%rip)\n"
													  "pop %r15; "
													  "pop %r14; "
													  "pop %r13; "
													  "pop %r12; "
													  "pop %rbp; "
													  "pop %rbx\n "
													  "ret\n");

/* Keep what was raised, and go on behind the instruction. */
static void isa_on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint64_t ip = (uint64_t)u->uc_mcontext.gregs[REG_RIP];
	(void)info;
	if (ip != (uint64_t)(uintptr_t)isa_code) { /* the test's own or the CPU's crash */
		signal(sig, SIG_DFL);
		return;
	}
	isa_trap = (int)u->uc_mcontext.gregs[REG_TRAPNO];
	isa_trap_mxcsr = u->uc_mcontext.fpregs->mxcsr;
	u->uc_mcontext.fpregs->mxcsr |= 0x1f80;
	u->uc_mcontext.gregs[REG_RIP] = *(greg_t *)u->uc_mcontext.gregs[REG_RSP];
	u->uc_mcontext.gregs[REG_RSP] += 8;
}

/* cmocka puts its own handlers around each test, so each asks for these again. */
static inline void isa_signals(void)
{
	static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
	struct sigaction sa = {.sa_sigaction = isa_on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &sa, NULL);
}

static inline void isa_native(const struct isa_insn *n, struct isa_state *s)
{
	memcpy(isa_code, n->bytes, n->len);
	isa_code[n->len] = 0xc3;
	memset(isa_nat.in + 512, 0, 64);
	memset(isa_nat.out, 0, sizeof isa_nat.out);
	memcpy(isa_nat.in, s->image, ISA_IMAGE);
	memcpy(isa_nat.r, s->r, sizeof isa_nat.r);
	memcpy(isa_data, s->data, ISA_DATA);
	isa_nat.flags = s->flags | 0x202;
	isa_nat.code = (uint64_t)(uintptr_t)isa_code;
	isa_trap = -1;
	isa_native_run();
	uint64_t bv;
	memcpy(&bv, isa_nat.out + 512, 8);
	if (!(bv & 2)) /* in the initial state: not written */
		memset(isa_nat.out + 160, 0, 256);
	if (!(bv & 4))
		memset(isa_nat.out + 576, 0, 256);
	memcpy(s->image, isa_nat.out, ISA_IMAGE);
	s->vector = isa_trap;
	if (isa_trap >= 0)
		memcpy(s->image + 24, &isa_trap_mxcsr, 4);
	memcpy(s->r, isa_nat.r, sizeof s->r);
	if (isa_trap < 0)
		s->flags = isa_nat.flags & X86_ARITH;
	memcpy(s->data, isa_data, ISA_DATA);
}

static inline uint64_t isa_features(uint32_t leaf, uint32_t subleaf, unsigned lo, unsigned hi)
{
	uint32_t r[4] = {0};
	if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]))
		return 0;
	return r[lo] | (uint64_t)r[hi] << 32;
}

/* The host as a CPU, for its feature bits only. */
static inline struct x86_cpu *isa_host(void)
{
	static struct x86_cpu host;
	host.mode = X86_MODE_LONG;
	host.features[0] = isa_features(1, 0, 2, 3);
	host.features[1] = isa_features(7, 0, 1, 2);
	host.features[2] = isa_features(0x80000001, 0, 2, 3);
	host.features[3] = (uint32_t)isa_features(0xd, 1, 0, 0);
	return &host;
}

static inline bool isa_host_has(const struct isa_insn *n)
{
	struct x86_insn d = {.c = isa_host()};
	d.i = n->i;
	return x86_isa_offered(&d);
}

static inline bool isa_host_is_zen(void)
{
	uint32_t a, b, c, d;
	__cpuid(0, a, b, c, d);
	if (b != 0x68747541)
		return false;
	__cpuid(1, a, b, c, d);
	return (a >> 8 & 15) == 15 && (a >> 20 & 0xff) >= 8;
}

/* false: no AVX to save and restore here. */
static inline bool isa_native_init(void)
{
	const int how = MAP_PRIVATE | MAP_ANONYMOUS;
	isa_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, how, -1, 0);
	isa_data = mmap((void *)RIG_DATA, 4096, PROT_READ | PROT_WRITE, how | MAP_FIXED_NOREPLACE, -1, 0);
	return isa_code != MAP_FAILED && isa_data == (uint8_t *)RIG_DATA && __builtin_cpu_supports("avx");
}

/* `count` instructions; the number that differ. `undefined`: flags to leave out. */
static inline unsigned isa_differential(unsigned long count, bool (*wanted)(const struct isa_insn *n),
					uint32_t (*undefined)(const struct isa_insn *n))
{
	static unsigned seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	static struct isa_state in, soft, native;
	struct rig *r = rig_new();
	struct isa_insn n;
	unsigned wrong = 0;
	memset(seen, 0, sizeof seen);
	isa_choose(wanted);
	isa_signals();
	for (unsigned long i = 0; i < count; i++) {
		isa_random(&n, wanted);
		if (!isa_host_has(&n))
			continue;
		isa_rnd_state(&in, RIG_DATA);
		in.r[4] = 0;
		soft = native = in;
		isa_native(&n, &native);
		native.r[4] = 0;
		isa_soft(r, &n, &soft);
		const char *why = isa_difference(&soft, &native, undefined ? undefined(&n) : 0);
		if (why && seen[n.i.mnemonic]++ < 1) {
			isa_show(&n, &in, why);
			wrong++;
		}
	}
	rig_free(r);
	return wrong;
}
#endif

#endif
