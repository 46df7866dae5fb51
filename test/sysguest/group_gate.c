/* group_gate.c - call gates and far returns: privileges, stack switches, parameters, what refuses them (SDM vol.
 * 3, 5.8; vol. 2, CALL, JMP, RET). sysguest-bits: 32 64 */
#include "segments.h"

enum { GATE = SG_GDT_FREE, CODE = GATE + 16, STACK = CODE + 16, GATE_32 = 0x8c, GATE_16 = 0x84, DPL3 = 0x60 };
enum { LONG = SG_BITS == 64, SLOT = LONG ? 8 : 4 };
/* A code segment of the program's width, ring 0. */
enum { CODE_ATTR = LONG ? 0xa09b : 0xc09b, CONFORMING = 4 };

extern uint8_t sg_stack_trap[];

/* Ring 3 and ring 0: through the far pointer at [CX]. The targets end with UD2; one answers. */
__asm__(".globl gate_call, gate_jmp, gate_ud2, gate_lret, gate_lret12, gate_after\n"
#ifdef __x86_64__
	"gate_call: .byte 0x48, 0xff, 0x19\n" /* REX.W, for which assemblers differ */
	"gate_after: ud2\n"
	"gate_jmp: .byte 0x48, 0xff, 0x29\n ud2\n"
	"gate_ud2: ud2\n"
	"gate_lret: lretq\n ud2\n"
	"gate_lret12: lretq $16\n ud2\n");
#else
	"gate_call: lcall *(%ecx)\n"
	"gate_after: ud2\n"
	"gate_jmp: ljmp *(%ecx)\n ud2\n"
	"gate_ud2: ud2\n"
	"gate_lret: lret\n ud2\n"
	"gate_lret12: lret $12\n ud2\n");
#endif
extern const uint8_t gate_call[], gate_jmp[], gate_ud2[], gate_lret[], gate_lret12[], gate_after[];

static struct __attribute__((packed)) {
	sg_word at;
	uint16_t sel;
} pointer;

/* The words below the end of a stack. */
static sg_word *below(const void *end)
{
	__asm__("" : "+r"(end));
	return (sg_word *)(sg_word)end;
}
static sg_word user(const void *p)
{
	return (sg_word)p + SG_USER;
}

/* Run `code` with the far pointer to `sel` in ring 3 or 0. */
static const char *go(struct sg_regs *r, const uint8_t *code, unsigned sel, bool ring3)
{
	sg_word *stack = below(ring3 ? sg_stack_user : sg_stack_try);
	pointer.at = 0x12345678; /* a gate does not read it */
	pointer.sel = (uint16_t)sel;
	for (int i = 1; i <= 8; i++)
		stack[-i] = 0x100u + (unsigned)i;
	memset(r, 0, sizeof *r);
	r->ip = ring3 ? user(code) : (sg_word)code;
	r->cs = ring3 ? SG_CODE3 : SG_CODE;
	r->ss = ring3 ? SG_DATA3 : SG_DATA;
	r->sp = ring3 ? user(stack - 8) : (sg_word)(stack - 8);
	r->flags = 2;
	r->cx = ring3 ? user(&pointer) : (sg_word)&pointer;
#ifndef __x86_64__
	r->ds = r->es = r->fs = r->gs = ring3 ? SG_DATA3 : SG_DATA;
#endif
	sg_enter(r);
	return sg_fault_text();
}

static const char *place(const struct sg_regs *r)
{
	static const struct {
		const uint8_t *at;
		const char *name;
	} places[] = {{gate_call, "call"},  {gate_after, "after"}, {gate_jmp, "jmp"},
		      {gate_ud2, "target"}, {gate_lret, "lret"},   {gate_lret12, "lret12"}};
	for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
		if (r->ip == (sg_word)places[i].at || r->ip == user(places[i].at))
			return places[i].name;
	return "elsewhere";
}
static void say(const char *name, const char *text, const struct sg_regs *r)
{
	sg_line(name, "%s at %s, cs %x", text, place(r), (unsigned)r->cs);
}

static void prepare(unsigned attr, unsigned code_attr, const uint8_t *target)
{
	describe(CODE, 0, 0xfffff, code_attr);
	sg_gdt[CODE / 8 + 1] = 0;
	describe_gate(GATE, CODE, (sg_word)target, attr);
}

/* ------ what is allowed ------ */

static void allowed(void)
{
	struct sg_regs r;
	const char *text;
	prepare(GATE_32 | DPL3, CODE_ATTR, gate_ud2);
	text = go(&r, gate_call, GATE | 3, true);
	say("gate.inner", text, &r);
	/* on the inner stack, above what the exception pushed: return address, and the caller's stack */
	const sg_word *s = below(sg_stack_trap);
	sg_line("gate.inner_stack", "ip %s cs %x sp %x ss %x", s[-4] == user(gate_after) ? "after" : "elsewhere",
		(unsigned)s[-3], (unsigned)(user(sg_stack_user) - s[-2]), (unsigned)s[-1]);
	sg_line("gate.inner_sp", "%d", (int)((sg_word)s - r.sp));
	text = go(&r, gate_call, GATE, false);
	say("gate.same", text, &r);
	s = below(sg_stack_try);
	sg_line("gate.same_stack", "ip %s cs %x above %x", s[-10] == (sg_word)gate_after ? "after" : "elsewhere",
		(unsigned)s[-9], (unsigned)s[-8]);
	text = go(&r, gate_jmp, GATE, false);
	say("gate.jmp_same", text, &r);
	text = go(&r, gate_jmp, GATE | 3, true);
	say("gate.jmp_inner", text, &r);
	prepare(GATE_32 | DPL3, CODE_ATTR | CONFORMING, gate_ud2);
	text = go(&r, gate_call, GATE | 3, true);
	say("gate.call_conforming", text, &r);
	text = go(&r, gate_jmp, GATE | 3, true);
	say("gate.jmp_conforming", text, &r);
	prepare(GATE_32 | DPL3, CODE_ATTR, gate_lret);
	text = go(&r, gate_call, GATE | 3, true);
	say("gate.and_back", text, &r);
	sg_line("gate.and_back_sp", "%x", (unsigned)(user(sg_stack_user) - r.sp));
}

#ifndef __x86_64__
/* ------ parameters, and 16-bit gates ------ */

static void parameters(void)
{
	struct sg_regs r;
	const char *text;
	const uint32_t *s = below(sg_stack_trap);
	for (unsigned count = 1; count <= 4; count += 3) {
		prepare(GATE_32 | DPL3 | count << 12, CODE_ATTR, gate_ud2);
		text = go(&r, gate_call, GATE | 3, true);
		say(name_of("gate.parameters", count), text, &r);
		sg_line(name_of("gate.parameters_copied", count), "%x %x sp %d", s[-3], s[-2 - (int)count],
			(int)((uint32_t)s - r.sp));
	}
	prepare(GATE_32 | DPL3 | 3 << 12, CODE_ATTR, gate_lret12);
	text = go(&r, gate_call, GATE | 3, true);
	say("gate.parameters_released", text, &r);
	sg_line("gate.parameters_released_sp", "%d", (int)(user(sg_stack_user) - r.sp));
}

static void sixteen(void)
{
	struct sg_regs r;
	const uint32_t *s = below(sg_stack_trap);
	/* 16 bits of the target, of its base here, and of what is pushed */
	prepare(GATE_16 | DPL3 | 2 << 12, CODE_ATTR, gate_ud2);
	describe(CODE, (uint32_t)gate_ud2 & ~0xffffu, 0xfffff, CODE_ATTR);
	describe_gate(GATE, CODE, (uint32_t)gate_ud2 & 0xffff, GATE_16 | DPL3 | 2 << 12);
	const char *text = go(&r, gate_call, GATE | 3, true);
	const uint16_t *h = (const uint16_t *)(const void *)s;
	sg_line("gate.sixteen", "%s cs %x ip %x", text, r.cs, r.ip - ((uint32_t)gate_ud2 & 0xffff));
	sg_line("gate.sixteen_stack", "ip %x cs %x parameters %x %x sp %x ss %x", h[-6] - (user(gate_after) & 0xffff),
		h[-5], h[-4], h[-3], h[-2] - ((user(sg_stack_user) - 32) & 0xffff), h[-1]);
}

/* The inner stack's segment, out of the TSS: of ring 1, so that the fault finds its own in ring 0. */
static void stacks(void)
{
	static const struct {
		const char *name;
		uint16_t sel, attr;
	} rows[] = {{"null", 0, 0},
		    {"rpl", STACK, 0xc0b3},
		    {"dpl", STACK | 1, 0xc0f3},
		    {"read_only", STACK | 1, 0xc0b1},
		    {"absent", STACK | 1, 0xc033},
		    {"code", STACK | 1, 0xc0bb},
		    {"ldt", STACK | 5, 0xc0b3},
		    {"outside", SG_GDT_SIZE | 1, 0},
		    {"good", STACK | 1, 0xc0b3}};
	uint32_t *tss = (uint32_t *)(void *)sg_tss;
	struct sg_regs r;
	prepare(GATE_32 | DPL3, CODE_ATTR | 0x20, gate_ud2);
	tss[3] = (uint32_t)sg_stack_try;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		describe(STACK, 0, 0xfffff, rows[i].attr);
		tss[4] = rows[i].sel;
		say(name_with("gate.stack_", rows[i].name), go(&r, gate_call, GATE | 3, true), &r);
	}
	sg_line("gate.stack_used", "ss %x sp %d", r.ss & 0xffff, (int)((uint32_t)sg_stack_try - r.sp));
}
#endif

/* ------ what refuses ------ */

static void refused(void)
{
	static const struct {
		const char *name;
		uint32_t gate, code;
	} rows[] = {
		{"dpl", GATE_32, CODE_ATTR},
		{"absent", (GATE_32 | DPL3) & ~0x80u, CODE_ATTR},
		{"to_data", GATE_32 | DPL3, 0xc093},
		{"to_system", GATE_32 | DPL3, 0x0082},
		{"to_absent", GATE_32 | DPL3, CODE_ATTR & ~0x80u},
		{"to_ring_1", GATE_32 | DPL3, CODE_ATTR | 0x20},
		{"wide", GATE_32 | DPL3, 0xe09b},
		{"narrow", GATE_32 | DPL3, 0xc09b},
		{"sixteen", GATE_16 | DPL3, CODE_ATTR},
		{"task", 0x85 | DPL3, CODE_ATTR},
		{"interrupt", 0x8e | DPL3, CODE_ATTR},
		{"trap", 0x8f | DPL3, CODE_ATTR},
	};
	struct sg_regs r;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (SG_BITS == 32 && rows[i].code == 0xe09b)
			continue; /* L is ignored there */
		if (SG_BITS == 32 && ((rows[i].gate & 0x1f) == 5 || (rows[i].gate & 0x1f) == 4))
			continue; /* group_task.c; a 16-bit offset leads nowhere */
		prepare(rows[i].gate, rows[i].code, gate_ud2);
		say(name_with("gate.refused_", rows[i].name), go(&r, gate_call, GATE | 3, true), &r);
		say(name_with("gate.refused_same_", rows[i].name), go(&r, gate_call, GATE, false), &r);
		say(name_with("gate.refused_jmp_", rows[i].name), go(&r, gate_jmp, GATE, false), &r);
	}
	prepare(GATE_32 | DPL3, CODE_ATTR, gate_ud2);
	static const uint16_t targets[] = {0, 3, SG_GDT_SIZE, CODE | 4, CODE | 3};
	for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
		describe_gate(GATE, targets[i], (sg_word)gate_ud2, GATE_32 | DPL3);
		say(name_of("gate.refused_target", targets[i]), go(&r, gate_call, GATE | 3, true), &r);
	}
#ifdef __x86_64__
	prepare(GATE_32 | DPL3, CODE_ATTR, gate_ud2);
	sg_gdt[GATE / 8 + 1] |= (uint64_t)1 << 40;
	say("gate.upper_type", go(&r, gate_call, GATE | 3, true), &r);
	describe_gate(GATE, CODE, 0x0000800000000000, GATE_32 | DPL3);
	say("gate.not_canonical", go(&r, gate_call, GATE | 3, true), &r);
#endif
}

/* ------ far returns ------ */

static void put_return(sg_word ip, unsigned cs, sg_word sp, unsigned ss)
{
	sg_word *s = below(sg_stack_try);
	s[-8] = ip;
	s[-7] = cs;
	s[-6] = sp;
	s[-5] = ss;
}
static void far_return(const char *name, sg_word ip, unsigned cs, sg_word sp, unsigned ss)
{
	struct sg_regs r = {.ip = (sg_word)gate_lret,
			    .cs = SG_CODE,
			    .ss = SG_DATA,
			    .sp = (sg_word)sg_stack_try - 8 * SLOT,
			    .flags = 2,
#ifndef __x86_64__
			    .ds = SG_DATA,
			    .es = SG_DATA,
			    .fs = SG_DATA3,
			    .gs = SG_DATA
#endif
	};
	put_return(ip, cs, sp, ss);
	sg_enter(&r);
	say(name, sg_fault_text(), &r);
#ifndef __x86_64__
	if (r.cs & 3)
		sg_line(name_with(name, "_data"), "ds %x fs %x", r.ds & 0xffff, r.fs & 0xffff);
#endif
}
static void far_returns(void)
{
	static const struct {
		const char *name;
		uint16_t cs, ss;
	} rows[] = {{"outer", SG_CODE3, SG_DATA3},
		    {"same", SG_CODE, 0},
		    {"null", 0, SG_DATA3},
		    {"null_rpl", 3, SG_DATA3},
		    {"data", SG_DATA, SG_DATA},
		    {"outside", SG_GDT_SIZE, SG_DATA},
		    {"rpl", SG_CODE | 3, SG_DATA3},
		    {"no_ldt", SG_CODE3 | 4, SG_DATA3},
		    {"ss_null", SG_CODE3, 3},
		    {"ss_rpl", SG_CODE3, SG_DATA3 & ~3},
		    {"ss_dpl", SG_CODE3, SG_DATA | 3},
		    {"ss_code", SG_CODE3, SG_CODE3},
		    {"ss_outside", SG_CODE3, SG_GDT_SIZE | 3},
		    {"conforming", CODE | 3, SG_DATA3},
		    {"absent", STACK, SG_DATA}};
	describe(CODE, 0, 0xfffff, CODE_ATTR | CONFORMING);
	describe(STACK, 0, 0xfffff, CODE_ATTR & ~0x80);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		far_return(name_with("gate.return_", rows[i].name), rows[i].cs & 3 ? user(gate_ud2) : (sg_word)gate_ud2,
			   rows[i].cs, user(sg_stack_user), rows[i].ss);
#ifdef __x86_64__
	far_return("gate.return_not_canonical", 0x0000800000000000, SG_CODE3, user(sg_stack_user), SG_DATA3);
	far_return("gate.return_to_32", user(gate_ud2), SG_CODE_C32_3, user(sg_stack_user), SG_DATA3);
#endif
}

void sg_group(void)
{
	__asm__ volatile("lldt %w0" ::"r"(0));
	far_returns();
	allowed();
#ifndef __x86_64__
	parameters();
#endif
	refused();
#ifndef __x86_64__
	stacks();
	sixteen();
#endif
}
