/* group_v86.c - virtual-8086 mode: what it refuses, INT n by IOPL and by the redirection bitmap, I/O permissions,
 * limits, and the virtual interrupt flag of VME and PVI (SDM vol. 3, chapter "8086 Emulation"). sysguest-bits: 32 */
#include "segments.h"

/* The 8086 program's memory, below 1 MiB. */
enum { CODE_AT = 0x10000, CODE_SEG = CODE_AT / 16, STACK_SEG = 0x2000, DATA_SEG = 0x3000, SP = 0x1000 };
enum { HANDLER_OFF = 0x800, PORT = 0x70 };
enum { IOPL3 = 3 << 12, VIF = 1 << 19, VIP = 1 << 20, ARITH = 0x8d5 };
/* A TSS as long as the bitmaps need it: 32 bytes of redirection, then I/O permissions. */
enum { TSS_SEL = SG_GDT_FREE, MAP = 0x88, TSS_SIZE = MAP + 0x2001 };
static uint8_t tss[TSS_SIZE] __attribute__((aligned(16)));

static uint8_t *at(unsigned seg, unsigned off)
{
	sg_word p = seg * 16 + off;
	__asm__("" : "+r"(p));
	return (uint8_t *)p;
}
static unsigned word_at(unsigned seg, unsigned off)
{
	return at(seg, off)[0] | at(seg, off)[1] << 8;
}

/* The vm86 program may use what is below 4 MiB; a TSS with all redirected to the monitor and all ports open. */
static void prepare(void)
{
	sg_root[0] |= 4;
	sg_set_cr(3, sg_cr(3));
	memcpy(tss, sg_tss, 104);
	memset(tss + 104, 0, sizeof tss - 104);
	memset(tss + MAP - 32, 0xff, 32);
	tss[sizeof tss - 1] = 0xff;
	tss[0x66] = MAP;
	describe(TSS_SEL, (uint32_t)tss, sizeof tss - 1, 0x89);
	__asm__ volatile("ltr %w0" ::"r"(TSS_SEL));
	for (unsigned v = 0; v < 256; v++) {
		at(0, v * 4)[0] = 0;
		at(0, v * 4)[1] = HANDLER_OFF >> 8;
		at(0, v * 4)[2] = 0;
		at(0, v * 4)[3] = CODE_SEG >> 8;
	}
	/* the 8086 handler */
	memcpy(at(CODE_SEG, HANDLER_OFF), "\x0f\x0b", 2);
}

static const char *run(struct sg_regs *r, const void *code, unsigned size, uint32_t flags)
{
	memcpy(at(CODE_SEG, 0), code, size);
	memcpy(at(CODE_SEG, size), "\x0f\x0b", 2); /* UD2 */
	*r = (struct sg_regs){.ip = 0,
			      .cs = CODE_SEG,
			      .ss = STACK_SEG,
			      .sp = SP,
			      .flags = flags | FLAG_VM | 2,
			      .v86_es = DATA_SEG,
			      .v86_ds = DATA_SEG,
			      .v86_fs = DATA_SEG,
			      .v86_gs = DATA_SEG,
			      .ds = SG_DATA,
			      .es = SG_DATA,
			      .fs = SG_DATA,
			      .gs = SG_DATA,
			      .ax = 0x1234,
			      .bx = 0x100,
			      .cx = 2,
			      .dx = PORT};
	sg_enter(r);
	return sg_fault_text();
}
#define CODE(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static void say(const char *name, const char *text, const struct sg_regs *r)
{
	sg_line(name, "%s at %x:%x flags %x sp %x", text, r->cs, r->ip, r->flags & ~(sg_word)(ARITH | 0x10000), r->sp);
}

/* ------ instructions, with IOPL 0 and 3, without and with VME ------ */

static const struct insn {
	const char *name;
	uint8_t size, code[8];
} insns[] = {
	{"cli", 1, {0xfa}},
	{"sti", 1, {0xfb}},
	{"pushf", 1, {0x9c}},
	{"pushfd", 2, {0x66, 0x9c}},
	{"popf_0", 4, {0x6a, 0x00, 0x9d, 0x90}},
	{"popf_if", 5, {0x68, 0x00, 0x02, 0x9d, 0x90}},
	{"popf_iopl", 5, {0x68, 0x00, 0x32, 0x9d, 0x90}},
	{"popf_tf", 5, {0x68, 0x00, 0x01, 0x9d, 0x90}},
	{"popf_nt", 5, {0x68, 0x00, 0x40, 0x9d, 0x90}},
	{"popfd", 3, {0x66, 0x9d, 0x90}},
	{"int", 2, {0xcd, 0x60}},
	{"int3", 1, {0xcc}},
	{"into", 1, {0xce}},
	{"iret", 1, {0xcf}},
	{"iretd", 2, {0x66, 0xcf}},
	{"in", 2, {0xe4, PORT}},
	{"out", 1, {0xee}},
	{"hlt", 1, {0xf4}},
	{"lgdt", 5, {0x0f, 0x01, 0x16, 0x00, 0x00}},
	{"sgdt", 5, {0x0f, 0x01, 0x06, 0x10, 0x00}},
	{"smsw", 3, {0x0f, 0x01, 0xe0}},
	{"lmsw", 3, {0x0f, 0x01, 0xf0}},
	{"clts", 2, {0x0f, 0x06}},
	{"mov_cr", 3, {0x0f, 0x20, 0xc0}},
	{"mov_dr", 3, {0x0f, 0x21, 0xc0}},
	{"sldt", 3, {0x0f, 0x00, 0xc0}},
	{"lar", 3, {0x0f, 0x02, 0xc0}},
	{"verr", 3, {0x0f, 0x00, 0xe0}},
	{"arpl", 2, {0x63, 0xc0}},
	{"rdmsr", 2, {0x0f, 0x32}},
	{"invd", 2, {0x0f, 0x08}},
	{"wbinvd", 2, {0x0f, 0x09}},
	{"sysenter_off", 2, {0x0f, 0x34}},
	{"sysexit", 2, {0x0f, 0x35}},
	{"read_last", 4, {0xa0, 0xff, 0xff, 0x90}},
	{"read_behind", 4, {0xa1, 0xff, 0xff, 0x90}},
	{"read_stack_behind", 5, {0x36, 0xa1, 0xff, 0xff, 0x90}},
	{"read_ea32", 8, {0x67, 0xa1, 0x00, 0x00, 0x01, 0x00, 0x90, 0x90}},
	{"mov_es", 2, {0x8e, 0xc0}},
	{"mov_ss", 2, {0x8e, 0xd0}},
	{"far_jump", 5, {0xea, HANDLER_OFF & 0xff, HANDLER_OFF >> 8, CODE_SEG & 0xff, CODE_SEG >> 8}},
	{"push_cs_pop_ds", 3, {0x0e, 0x1f, 0x90}},
};

static void each(const char *prefix, uint32_t flags)
{
	struct sg_regs r;
	char name[64];
	for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++) {
		unsigned n = 0;
		for (const char *p = prefix; *p; p++)
			name[n++] = *p;
		name[n] = 0;
		/* what IRET finds: 0:100h would be data, so the handler, with IF and IOPL 0 */
		static const uint16_t frame[3] = {HANDLER_OFF, CODE_SEG, 0x0202};
		memcpy(at(STACK_SEG, SP), frame, 6);
		say(name_with(name, insns[i].name), run(&r, insns[i].code, insns[i].size, flags), &r);
		if (r.sp < SP && r.sp >= SP - 16)
			sg_line(name_with(name_with(name, insns[i].name), "_stack"), "%x %x %x",
				word_at(STACK_SEG, SP - 2) & ~ARITH, word_at(STACK_SEG, SP - 4) & ~ARITH,
				word_at(STACK_SEG, SP - 6));
	}
}

/* ------ INT n and the redirection bitmap ------ */

static void redirection(void)
{
	static const uint32_t flags[] = {0,           FLAG_IF,   VIF,  VIF | FLAG_IF, IOPL3 | FLAG_IF,
					 IOPL3 | VIF, VIP | VIF, IOPL3};
	struct sg_regs r;
	sg_set_cr(4, sg_cr(4) | CR4_VME);
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		tss[MAP - 32 + 0x60 / 8] = 0xff;
		say(name_of("v86.int_monitor", flags[i]), run(&r, CODE(0xcd, 0x60), flags[i]), &r);
		tss[MAP - 32 + 0x60 / 8] = 0xfe;
		say(name_of("v86.int_redirected", flags[i]), run(&r, CODE(0xcd, 0x60), flags[i]), &r);
		sg_line(name_of("v86.int_redirected_stack", flags[i]), "%x %x %x", word_at(STACK_SEG, SP - 2) & ~ARITH,
			word_at(STACK_SEG, SP - 4), word_at(STACK_SEG, SP - 6));
		say(name_of("v86.int_other", flags[i]), run(&r, CODE(0xcd, 0x61), flags[i]), &r);
	}
	/* exceptions and INT3 know no redirection */
	memset(tss + MAP - 32, 0, 32);
	say("v86.int3_not_redirected", run(&r, CODE(0xcc), IOPL3), &r);
	say("v86.ud_not_redirected", run(&r, CODE(0x0f, 0x0b), IOPL3), &r);
	memset(tss + MAP - 32, 0xff, 32);
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_VME);
	tss[MAP - 32 + 0x60 / 8] = 0xfe;
	say("v86.int_without_vme", run(&r, CODE(0xcd, 0x60), 0), &r);
	tss[MAP - 32 + 0x60 / 8] = 0xff;
}

/* ------ I/O permissions ------ */

static void ports(void)
{
	struct sg_regs r;
	for (unsigned iopl = 0; iopl <= 3; iopl += 3) {
		tss[MAP + PORT / 8] = 1 << (PORT & 7);
		say(name_of("v86.port_closed", iopl), run(&r, CODE(0xec), iopl << 12), &r);
		tss[MAP + PORT / 8] = 2 << (PORT & 7);
		say(name_of("v86.port_open", iopl), run(&r, CODE(0xec), iopl << 12), &r);
		say(name_of("v86.port_word", iopl), run(&r, CODE(0xed), iopl << 12), &r);
		tss[MAP + PORT / 8] = 0;
		describe(TSS_SEL, (uint32_t)tss, MAP + PORT / 8, 0x89);
		__asm__ volatile("ltr %w0" ::"r"(TSS_SEL));
		say(name_of("v86.port_at_limit", iopl), run(&r, CODE(0xec), iopl << 12), &r);
		describe(TSS_SEL, (uint32_t)tss, sizeof tss - 1, 0x89);
		__asm__ volatile("ltr %w0" ::"r"(TSS_SEL));
	}
}

/* ------ the virtual interrupt flag in ring 3 of protected mode ------ */

__asm__(".globl pvi_cli, pvi_sti, pvi_pushf, pvi_popf\n"
	"pvi_cli: cli\n ud2\n"
	"pvi_sti: sti\n ud2\n"
	"pvi_pushf: pushf\n pop %ebx\n ud2\n"
	"pvi_popf: push $0x80202\n popf\n ud2\n");
extern const uint8_t pvi_cli[], pvi_sti[], pvi_pushf[], pvi_popf[];

static void pvi(void)
{
	static const struct {
		const char *name;
		const uint8_t *code;
	} how[] = {{"v86.pvi_cli", pvi_cli},
		   {"v86.pvi_sti", pvi_sti},
		   {"v86.pvi_pushf", pvi_pushf},
		   {"v86.pvi_popf", pvi_popf}};
	static const uint32_t flags[] = {0, FLAG_IF, VIF, VIP, VIP | VIF, IOPL3, IOPL3 | FLAG_IF};
	for (unsigned on = 0; on < 2; on++) {
		sg_set_cr(4, (sg_cr(4) & ~(sg_word)CR4_PVI) | (on ? CR4_PVI : 0));
		for (unsigned k = 0; k < sizeof how / sizeof *how; k++)
			for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
				struct sg_regs r = {.ip = (sg_word)how[k].code + SG_USER,
						    .cs = SG_CODE3,
						    .ss = SG_DATA3,
						    .sp = (sg_word)sg_stack_user + SG_USER,
						    .flags = flags[i] | 2,
						    .ds = SG_DATA3,
						    .es = SG_DATA3,
						    .fs = SG_DATA3,
						    .gs = SG_DATA3};
				sg_enter(&r);
				sg_line(name_of(how[k].name, on << 28 | flags[i]), "%s flags %x ebx %x",
					sg_fault_text(), r.flags & ~(sg_word)(ARITH | 0x10000), r.bx & ~(sg_word)ARITH);
			}
	}
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_PVI);
}

void sg_group(void)
{
	prepare();
	each("v86.iopl0_", 0);
	each("v86.iopl3_", IOPL3);
	each("v86.iopl3_if_", IOPL3 | FLAG_IF);
	sg_set_cr(4, sg_cr(4) | CR4_VME);
	each("v86.vme_", 0);
	each("v86.vme_vif_", VIF);
	each("v86.vme_vip_", VIP);
	each("v86.vme_iopl3_", IOPL3);
	redirection();
	ports();
	pvi();
}
