/* code_case.h - one input of the code fuzzer: bytes become a machine, code and events; it runs in blocks, instruction by
 * instruction in two ways, and with floating point in software; all must end in the same state, and no state may be
 * one that a processor cannot be in. code_case() answers NULL or what is wrong. */
#ifndef TEST_CODE_CASE_H
#define TEST_CODE_CASE_H

#include <stdarg.h>
#include "code_machine.h"

enum { CASE_EVENTS = 3, CASE_HEADER = 16 + 4 * CASE_EVENTS, CASE_CODE = 1024 };
enum { F_CPL3 = 1, F_PAGING = 2, F_TIGHT = 4, F_DEVICE = 8, F_DEFERS = 16, F_TF = 32, F_IF = 64, F_FEATURES = 128 };
enum { E_INJECT, E_EXCEPTION, E_NMI, E_INTR, E_HOST_WRITE, E_USER_STEP, E_USER_BREAK, E_WINDOW, E_KINDS };

struct code_event {
	uint64_t at; /* instructions */
	uint8_t kind, arg, arg2;
};
struct code_case {
	struct m_start start;
	uint8_t flags, features, extras;
	uint64_t salt, budget;
	struct code_event event[CASE_EVENTS];
	unsigned events;
	const uint8_t *code;
	size_t code_len;
};

enum { RUN_BLOCKS, RUN_SINGLES, RUN_STEPS, RUN_SOFT, RUNS };
static const char *const run_names[RUNS] = {"blocks", "single instructions", "x86_step", "software floating point"};

static char case_text[8192];
static const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(case_text, sizeof case_text, format, args);
	va_end(args);
	return case_text;
}

/* ------ the input ------ */

static void case_parse(struct code_case *k, const uint8_t *data, size_t size)
{
	static const uint64_t cr0[] = {0, 0, CR0_TS, CR0_EM, CR0_MP | CR0_TS, CR0_NE, CR0_AM | CR0_NE, CR0_WP | CR0_NE};
	static const uint64_t cr4[] = {0x600, 0x600, 0x40600, 0x40600, 0x4060c, 0x240600, 0x10600, 0x140780};
	uint8_t h[CASE_HEADER] = {0};
	memcpy(h, data, size < sizeof h ? size : sizeof h);
	memset(k, 0, sizeof *k);
	memcpy(&k->salt, h + 4, 8);
	k->flags = h[1];
	k->extras = h[2];
	k->features = h[3];
	k->budget = 16 + h[12] * 4;
	k->start = (struct m_start){.mode = h[0] % (X86_MODE_LONG + 1),
				    .paging = h[1] & F_PAGING,
				    .tight = h[1] & F_TIGHT,
				    .cpl = h[1] & F_CPL3 ? 3 : 0,
				    .salt = k->salt,
				    .cr0 = cr0[h[2] & 7],
				    .cr4 = cr4[h[2] >> 3 & 7]};
	if (k->start.mode == X86_MODE_REAL)
		k->start.cpl = 0;
	else if (k->start.mode == X86_MODE_VM86)
		k->start.cpl = 3;
	k->events = h[13] % (CASE_EVENTS + 1);
	uint64_t at = 0;
	for (unsigned i = 0; i < k->events; i++) {
		const uint8_t *e = h + 16 + 4 * i;
		at += e[0];
		k->event[i] = (struct code_event){at, e[1] % E_KINDS, e[2], e[3]};
	}
	k->code = size > sizeof h ? data + sizeof h : h;
	k->code_len = size > sizeof h ? size - sizeof h : 0;
	if (k->code_len > CASE_CODE)
		k->code_len = CASE_CODE;
}

/* Small numbers, addresses of all kinds, anything. */
static uint64_t interesting(uint64_t r)
{
	uint64_t v = r >> 8 & 0xfff;
	switch (r & 15) {
	case 0: return v & 15;
	case 1: return (uint64_t)0 - (v & 0xff);
	case 2: return v & 0xff;
	case 3:
	case 4:
	case 5: return M_DATA + v * 4;
	case 6: return M_DATA + 0xff0 + (v & 31); /* about a page's end */
	case 7: return M_CODE + (v & 0x3ff);
	case 8: return M_DEVICE + (v & 0xff);
	case 9: return 0x200000 + M_DATA + v;
	case 10: return M_STACK + v;
	case 11: return UINT64_C(0xffffff8000000000) + M_DATA + v;
	case 12: return r >> 40 & 0xffff;
	case 13: return r >> 32;
	case 14: return UINT64_C(0x7ffffffffff0) + (v & 31);
	default: return mix64(r);
	}
}

static void case_registers(const struct code_case *k, struct x86_cpu *c)
{
	bool narrow = k->start.mode != X86_MODE_LONG, sixteen = k->start.mode <= X86_MODE_PROT16;
	for (unsigned n = 0; n < 16; n++) {
		uint64_t v = interesting(mix64(k->salt ^ n * 131));
		if (sixteen && (mix64(v + n) & 3))
			v &= 0xffff;
		c->r[n] = narrow ? (uint32_t)v : v;
		for (unsigned i = 0; i < 2; i++)
			c->v[n].q[i] = mix64(k->salt + n * 4 + i);
		if (mix64(k->salt ^ n) & 1) /* floats of ordinary size */
			for (unsigned i = 0; i < 4; i++)
				c->v[n].d[i] = 0x3f800000 + (c->v[n].d[i] & 0x87ffffff);
	}
	c->r[4] = sixteen ? 0x7000 : M_STACK + 0x800;
	for (unsigned n = 0; n < 8; n++)
		c->st[n] = (struct x86_f80){mix64(k->salt - n) | UINT64_C(1) << 63,
					    (uint16_t)(0x3ff0 + (mix64(k->salt ^ n) & 0x801f))};
	c->ftag = (uint8_t)(k->salt >> 16);
	c->fcw = k->extras & 0x40 ? (uint16_t)((k->salt >> 24 & 0xf3f) | 0x40) : 0x37f;
	c->mxcsr = k->extras & 0x80 ? (uint32_t)(k->salt >> 32 & 0xffff) : 0x1f80;
	c->xcr0 = 3;
	if ((k->salt >> 56 & 7) == 0) { /* the guest's own breakpoints */
		for (unsigned n = 0; n < 4; n++)
			c->dr[n] = interesting(mix64(k->salt * 3 + n));
		c->dr[7] = (k->salt >> 8 & 0xfffff2ff) | 0x400;
	}
}

static void case_start(const struct code_case *k, struct machine *m)
{
	struct x86_cpu *c = m->cpu;
	machine_renew(m);
	for (unsigned i = 0; i < 4; i++)
		m->feature_mask[i] = k->flags & F_FEATURES ? (uint32_t)mix64(k->features * 4u + i) : UINT32_MAX;
	m->salt = k->salt;
	m->has_device = k->flags & F_DEVICE;
	m->defers = k->flags & F_DEFERS;
	x86_cpuid_refresh(c);
	uint64_t pattern[32];
	for (unsigned i = 0; i < 32; i++)
		pattern[i] = interesting(mix64(k->salt + i * 7));
	for (unsigned at = 0; at < M_RAM; at += sizeof pattern)
		memcpy(m->ram + at, pattern, sizeof pattern);
	memset(m->ram + M_TSS, 0, 0x1000);
	memset(m->ram + M_TSS + 0x68 + (k->salt & 0xff), 0xff, 64); /* ports that the bitmap forbids */
	memset(m->ram + M_CODE, 0x90, 0x2000);
	memcpy(m->ram + M_CODE, k->code, k->code_len);
	memcpy(m->ram + M_CODE + 0xff8, k->code, k->code_len < 64 ? k->code_len : 64); /* and over a page end */
	uint64_t flags = (k->salt >> 48 & (X86_ARITH | X86_DF_ | X86_IOPL)) | 2;
	if (!(k->salt >> 60 & 7))
		flags |= X86_AC_;
	if (!(k->salt >> 60 & 11))
		flags |= X86_NT;
	flags |= (k->flags & F_TF ? X86_TF : 0) | (k->flags & F_IF ? X86_IF : 0);
	x86_set_rflags(c, flags);
	machine_mode(m, &k->start);
	c->cr4 &= k->start.mode == X86_MODE_REAL ? 0xffffffff : ~UINT64_C(0);
	case_registers(k, c);
	c->exact = k->salt >> 4 & 1;
	x86_state_changed(c, true);
}

/* ------ running ------ */

static const char *check_state(const struct x86_cpu *c)
{
	uint64_t rip = c->rip;
	if (c->insns > c->insn_limit)
		return wrong("%llu instructions, the limit is %llu", (unsigned long long)c->insns,
			     (unsigned long long)c->insn_limit);
	if ((c->eflags & ~0x3f7702u) || !(c->eflags & 2))
		return wrong("eflags %#x", c->eflags);
	if (c->mode != X86_MODE_LONG && rip >> 32)
		return wrong("rip %#llx outside 64-bit mode", (unsigned long long)rip);
	if (c->r[X86_R_ZERO] || c->segbase[7])
		return wrong("the zero register is %#llx", (unsigned long long)c->r[X86_R_ZERO]);
	if (c->cpl > 3 || (c->mode == X86_MODE_REAL && c->cpl) || (c->mode == X86_MODE_VM86 && c->cpl != 3))
		return wrong("cpl %d in mode %d", c->cpl, c->mode);
	if ((c->cr0 & 0x80000001) == 0x80000000 || (c->cr0 & ~UINT64_C(0xe005003f)))
		return wrong("cr0 %#llx", (unsigned long long)c->cr0);
	if ((c->efer >> 10 & 1) != (c->efer >> 8 & c->cr0 >> 31 & 1))
		return wrong("efer %#llx with cr0 %#llx", (unsigned long long)c->efer, (unsigned long long)c->cr0);
	if (c->mxcsr >> 16)
		return wrong("mxcsr %#x", c->mxcsr);
	if (c->delivering > 4 || c->in_delivery || c->trap || c->once)
		return wrong("something is left over in the run loop");
	if (c->fp_loaded || c->fp_x87_loaded)
		return wrong("the host's floating point was not given back");
	return NULL;
}

/* false: that was the end. */
static bool answer_stop(struct machine *m)
{
	struct x86_stop *s = &m->cpu->stop;
	switch (s->kind) {
	case X86_STOP_BUDGET:
	case X86_STOP_POLL: return true;
	case X86_STOP_IO:
	case X86_STOP_MMIO:
		for (uint32_t i = 0; i < s->count; i++)
			m_element(m, s->addr, s->len, s->write, s->data + (size_t)i * s->len);
		break;
	case X86_STOP_MSR:
		if (s->write && (mix64(m->salt ^ s->addr) & 1))
			m_saw(m, s->addr, s->value);
		s->fault = !(mix64(m->salt ^ s->addr) & 1);
		if (!s->write)
			s->value = mix64(m->salt + s->addr);
		break;
	case X86_STOP_HYPERCALL: s->value = m->salt; break;
	case X86_STOP_DEBUG:
		if (s->debug_reason == 4) /* INT3 is the user's to step over */
			m->cpu->user_int3 = false;
		m_saw(m, s->kind, m->cpu->rip);
		return true;
	case X86_STOP_WINDOW: m->cpu->window_wanted = false; /* fall through */
	default: m_saw(m, s->kind, m->cpu->rip); return s->kind != X86_STOP_TRIPLE && s->kind != X86_STOP_INTERNAL;
	}
	x86_answer(m->cpu);
	return true;
}

static void happen(struct machine *m, const struct code_event *e)
{
	struct x86_cpu *c = m->cpu;
	bool inject = (e->kind == E_INJECT || e->kind == E_EXCEPTION) && !c->inject_valid && !c->exc_valid;
	if (inject && e->kind == E_EXCEPTION) {
		c->inject_valid = true;
		c->inject_type = 3;
		c->inject_vector = e->arg & 31;
		c->inject_has_error = e->arg2 & 1;
		c->inject_error = e->arg2;
	} else if (inject) {
		c->inject_valid = true;
		c->inject_type = e->arg2 & 1 ? 4 : 0;
		c->inject_vector = e->arg;
		c->inject_has_error = false;
	} else if (e->kind == E_NMI) {
		m->poll |= X86_POLL_NMI;
	} else if (e->kind == E_INTR) {
		m->vector = e->arg | 32;
		m->poll |= X86_POLL_INTR;
	} else if (e->kind == E_HOST_WRITE) {
		m->ram[M_CODE + e->arg] = e->arg2;
		if (e->arg & 1)
			x86_memory_changed(c);
		else
			x86_code_written(c, M_CODE + e->arg, 1);
	} else if (e->kind == E_USER_STEP) {
		c->user_step = e->arg & 1;
		c->user_int3 = e->arg & 2;
		x86_state_changed(c, false);
	} else if (e->kind == E_USER_BREAK) {
		c->user_breaks = 1;
		c->user_break[0].type = e->arg & 3 ? e->arg & 3 : 0;
		c->user_break[0].len = c->user_break[0].type ? 4 : 1;
		c->user_break[0].addr = (c->user_break[0].type ? M_DATA : M_CODE) + e->arg2;
		x86_state_changed(c, true);
	} else if (e->kind == E_WINDOW) {
		c->window_wanted = true;
	}
	atomic_store(&m->attn, 1);
}

static bool polls(const struct code_case *k)
{
	for (unsigned i = 0; i < k->events; i++)
		if (k->event[i].kind == E_NMI || k->event[i].kind == E_INTR || k->event[i].kind == E_WINDOW)
			return true;
	return false;
}

/* Until `to` instructions; *over: stopped for good. */
static const char *case_advance(struct machine *m, int how, uint64_t to, bool *over)
{
	struct x86_cpu *c = m->cpu;
	const char *bad;
	for (unsigned idle = 0; c->insns < to; idle++) {
		uint64_t before = c->insns;
		c->insn_limit = how == RUN_SINGLES ? before + 1 : how == RUN_STEPS ? UINT64_MAX : to;
		if (how == RUN_STEPS)
			x86_step(c);
		else
			x86_run(c);
		if ((bad = check_state(c)) != NULL)
			return bad;
		if (c->insns < before || (how == RUN_STEPS && c->insns > before + 1))
			return wrong("%llu instructions after %llu", (unsigned long long)c->insns,
				     (unsigned long long)before);
		if (!answer_stop(m)) {
			*over = true;
			return NULL;
		}
		idle = c->insns == before ? idle : 0;
		if (idle > 1000)
			return wrong("no progress at rip %#llx, stop %d", (unsigned long long)c->rip, c->stop.kind);
	}
	return NULL;
}

static const char *case_run(const struct code_case *k, struct machine *m, int how)
{
	bool over = false;
	const char *bad = NULL;
	x86_fp_soft = how == RUN_SOFT;
	case_start(k, m);
	for (unsigned i = 0; i < k->events && !bad && !over; i++) {
		uint64_t at = k->event[i].at < k->budget ? k->event[i].at : k->budget;
		bad = case_advance(m, how, at, &over);
		if (!bad && !over)
			happen(m, &k->event[i]);
	}
	if (!bad && !over)
		bad = case_advance(m, how, k->budget, &over);
	x86_fp_soft = false;
	return bad;
}

/* ------ comparing ------ */

#define FIELD(f)                                                                                                       \
	{                                                                                                              \
		#f, offsetof(struct x86_cpu, f), sizeof(((struct x86_cpu *)0)->f)                                      \
	}
static const struct {
	const char *name;
	size_t offset, size;
} case_fields[] = {
    FIELD(insns),	 FIELD(rip),	       FIELD(r[0]),	     FIELD(r[1]),	 FIELD(r[2]),
    FIELD(r[3]),	 FIELD(r[4]),	       FIELD(r[5]),	     FIELD(r[6]),	 FIELD(r[7]),
    FIELD(r[8]),	 FIELD(r[9]),	       FIELD(r[10]),	     FIELD(r[11]),	 FIELD(r[12]),
    FIELD(r[13]),	 FIELD(r[14]),	       FIELD(r[15]),	     FIELD(cpl),	 FIELD(mode),
    FIELD(cr0),	 FIELD(cr2),	       FIELD(cr3),	     FIELD(cr4),	 FIELD(cr8),
    FIELD(efer),	 FIELD(xcr0),	       FIELD(pdpte),	     FIELD(gdt_base),	 FIELD(idt_base),
    FIELD(gdt_limit),	 FIELD(idt_limit),     FIELD(dr),	     FIELD(star),	 FIELD(lstar),
    FIELD(cstar),	 FIELD(fmask),	       FIELD(kernel_gs_base), FIELD(tsc_aux),	 FIELD(sysenter_cs),
    FIELD(sysenter_esp), FIELD(sysenter_eip),  FIELD(pat),	     FIELD(misc_enable), FIELD(tsc_adjust),
    FIELD(nmi_pending),	 FIELD(nmi_masked),    FIELD(shadow),	     FIELD(inject_valid), FIELD(exc_valid),
    FIELD(fcw),		 FIELD(fsw),	       FIELD(fop),	     FIELD(ftag),	 FIELD(fip),
    FIELD(fdp),		 FIELD(mxcsr),	       FIELD(v),	     FIELD(pkru)};

struct case_result {
	uint8_t fields[4096];
	uint64_t flags, seen, seg[X86_NSEG][4];
	struct x86_f80 st[8];
	uint8_t ram[M_RAM];
};

static void case_collect(struct machine *m, struct case_result *r)
{
	struct x86_cpu *c = m->cpu;
	size_t at = 0;
	for (size_t i = 0; i < sizeof case_fields / sizeof *case_fields; at += case_fields[i].size, i++)
		memcpy(r->fields + at, (char *)c + case_fields[i].offset, case_fields[i].size);
	r->flags = x86_get_rflags(c);
	r->seen = m->seen;
	for (unsigned n = 0; n < X86_NSEG; n++) {
		const uint64_t seg[4] = {c->seg[n].sel, c->seg[n].base, c->seg[n].limit, c->seg[n].attr};
		memcpy(r->seg[n], seg, sizeof seg);
	}
	memcpy(r->st, c->st, sizeof r->st);
	memcpy(r->ram, m->ram, M_RAM);
}

static const char *case_differ(const struct case_result *a, const struct case_result *b, const char *name)
{
	size_t at = 0;
	for (size_t i = 0; i < sizeof case_fields / sizeof *case_fields; at += case_fields[i].size, i++) {
		const uint8_t *x = a->fields + at, *y = b->fields + at;
		size_t n = 0;
		while (n < case_fields[i].size && x[n] == y[n])
			n++;
		if (n == case_fields[i].size)
			continue;
		uint64_t v[2] = {0, 0};
		size_t from = n & ~(size_t)7, len = case_fields[i].size - from;
		memcpy(&v[0], x + from, len < 8 ? len : 8);
		memcpy(&v[1], y + from, len < 8 ? len : 8);
		return wrong("%s: %s at byte %zu is %#llx, in blocks %#llx", name, case_fields[i].name, from,
			     (unsigned long long)v[1], (unsigned long long)v[0]);
	}
	if (a->flags != b->flags)
		return wrong("%s: rflags %#llx, in blocks %#llx", name, (unsigned long long)b->flags,
			     (unsigned long long)a->flags);
	for (unsigned n = 0; n < X86_NSEG; n++)
		if (memcmp(a->seg[n], b->seg[n], sizeof a->seg[n]))
			return wrong("%s: segment register %u differs", name, n);
	for (unsigned n = 0; n < 8; n++)
		if (a->st[n].sig != b->st[n].sig || a->st[n].se != b->st[n].se)
			return wrong("%s: R%u is %04x:%016llx, in blocks %04x:%016llx", name, n, b->st[n].se,
				     (unsigned long long)b->st[n].sig, a->st[n].se, (unsigned long long)a->st[n].sig);
	for (size_t i = 0; i < M_RAM; i++)
		if (a->ram[i] != b->ram[i])
			return wrong("%s: memory at %#zx is %02x, in blocks %02x", name, i, b->ram[i], a->ram[i]);
	if (a->seen != b->seen)
		return wrong("%s: devices or the user saw something else", name);
	return NULL;
}

/* RCP and RSQRT are approximations of the processor's own (SDM vol. 2), the transcendental instructions of the x87 are
 * exact within a bound (SDM vol. 1, 8.3.10): the host's differ from ours. */
static bool approximates(const struct code_case *k)
{
	for (size_t i = 0; i + 1 < k->code_len; i++) {
		uint8_t x87 = k->code[i] == 0xd9 ? k->code[i + 1] : 0;
		if ((x87 >= 0xf0 && x87 <= 0xf3) || x87 == 0xf9 || x87 == 0xfb || x87 >= 0xfe)
			return true;
		if ((k->code[i + 1] & 0xfe) == 0x52 &&
		    (k->code[i] == 0x0f || (i && (k->code[i - 1] == 0xc5 || k->code[i - 1] == 0xe1)) ||
		     (i > 1 && k->code[i - 2] == 0xc4)))
			return true;
	}
	return false;
}

static const char *code_case(const uint8_t *data, size_t size)
{
	static struct machine m;
	static struct case_result first, other;
	struct code_case k;
	const char *bad;
	if (!m.cpu)
		machine_open(&m);
	case_parse(&k, data, size);
	if ((bad = case_run(&k, &m, RUN_BLOCKS)) != NULL)
		return bad;
	case_collect(&m, &first);
	for (int how = RUN_SINGLES; how < RUNS; how++) {
		if ((how == RUN_STEPS && polls(&k)) || (how == RUN_SOFT && approximates(&k)))
			continue;
		if ((bad = case_run(&k, &m, how)) != NULL)
			return bad;
		case_collect(&m, &other);
		if ((bad = case_differ(&first, &other, run_names[how])) != NULL)
			return bad;
	}
	return NULL;
}

/* ------ making inputs ------ */

static size_t one_insn(uint8_t *to, uint64_t r)
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65, 0x26, 0x48, 0x41, 0x4d, 0x44};
	size_t n = 0;
	uint64_t q = mix64(r);
	if ((r & 7) < 3)
		to[n++] = prefixes[(r >> 3) % sizeof prefixes];
	if ((r & 0x700) == 0)
		to[n++] = prefixes[(r >> 11) % sizeof prefixes];
	unsigned kind = r >> 16 & 31;
	if (kind < 14) {
		to[n++] = (uint8_t)q;
	} else if (kind < 24) {
		to[n++] = 0x0f;
		to[n++] = (uint8_t)q;
	} else if (kind < 27) {
		to[n++] = 0x0f;
		to[n++] = kind < 26 ? 0x38 : 0x3a;
		to[n++] = (uint8_t)q;
	} else if (kind < 29) {
		to[n++] = 0xc4;
		to[n++] = (uint8_t)(0xe1 + (q >> 8) % 3) ^ (uint8_t)(q >> 16 & 0x20);
		to[n++] = (uint8_t)(q >> 24);
		to[n++] = (uint8_t)q;
	} else if (kind < 30) {
		to[n++] = 0xc5;
		to[n++] = (uint8_t)(q >> 24) | 0x80;
		to[n++] = (uint8_t)q;
	} else {
		to[n++] = (uint8_t)(0xd8 + (q & 7)); /* x87 */
	}
	to[n++] = (uint8_t)(q >> 32); /* ModRM */
	for (unsigned i = 0; i < (r >> 32 & 7); i++)
		to[n++] = (uint8_t)((q >> 40) >> (i * 3));
	return n;
}

/* Input number `seed`. */
static size_t code_make(uint64_t seed, uint8_t *to, size_t room)
{
	size_t n = 0, want = CASE_HEADER + (mix64(seed * 5 + 1) & 0x7f) + 8;
	bool raw = (mix64(seed * 7) & 7) == 0;
	for (; n < CASE_HEADER; n++)
		to[n] = (uint8_t)mix64(seed * 1000 + n);
	if (mix64(seed * 3 + 2) & 3)
		to[1] &= (uint8_t)~(F_TF | F_FEATURES);
	if (mix64(seed * 3 + 1) & 3)
		to[2] &= 0x38;
	for (uint64_t i = 0; n < want && n + 24 < room; i++) {
		uint64_t r = mix64(mix64(seed + 0x1234567) + i);
		if (raw)
			to[n++] = (uint8_t)r;
		else
			n += one_insn(to + n, r);
	}
	return n;
}

#endif
