/* group_sys.c - SYSCALL, SYSRET, SYSENTER, SYSEXIT, IRET and UMIP: what they load and what refuses them (SDM vol. 2).
 * sysguest-bits: 32 64 */
#include "segments.h"

enum { LONG = SG_BITS == 64, FLAG_NT = 0x4000, ARITH = 0x8d5, DATA_DPL1 = SG_GDT_FREE, CODE_DPL1 = DATA_DPL1 + 8 };
enum { MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP };
enum { MSR_STAR = 0xc0000081u, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK };

__asm__(".globl sys_syscall, sys_sysret, sys_sysret_wide, sys_sysenter, sys_sysexit, sys_sysexit_wide, sys_ud2, "
	"sys_iret\n"
	"sys_sysenter: sysenter\n ud2\n"
	"sys_sysexit: sysexit\n ud2\n"
	"sys_ud2: ud2\n"
	"sys_syscall: syscall\n ud2\n"
	"sys_sysret: .byte 0x0f, 0x07\n ud2\n"
#ifdef __x86_64__
	"sys_sysret_wide: .byte 0x48, 0x0f, 0x07\n ud2\n"
	"sys_sysexit_wide: .byte 0x48, 0x0f, 0x35\n ud2\n"
	"sys_iret: iretq\n ud2\n");
#else
	"sys_sysret_wide: sys_sysexit_wide: ud2\n"
	"sys_iret: iret\n ud2\n");
#endif
extern const uint8_t sys_syscall[], sys_sysret[], sys_sysret_wide[], sys_sysenter[], sys_sysexit[], sys_sysexit_wide[],
	sys_ud2[], sys_iret[];

#define NOT_CANONICAL 0x0000800000000000ull

static sg_word end_of(const void *stack)
{
	__asm__("" : "+r"(stack));
	return (sg_word)stack;
}
static sg_word user(const void *p)
{
	return (sg_word)p + SG_USER;
}
static struct sg_regs start(const uint8_t *code, bool ring3)
{
	return (struct sg_regs){.ip = ring3 ? user(code) : (sg_word)code,
				.cs = ring3 ? SG_CODE3 : SG_CODE,
				.ss = ring3 ? SG_DATA3 : SG_DATA,
				.sp = ring3 ? end_of(sg_stack_user) + SG_USER - 64 : end_of(sg_stack_try) - 64,
				.flags = 0x202 & ~(ring3 ? 0u : FLAG_IF),
#ifndef __x86_64__
				.ds = ring3 ? SG_DATA3 : SG_DATA,
				.es = ring3 ? SG_DATA3 : SG_DATA,
				.fs = SG_DATA3,
				.gs = SG_DATA3,
#endif
				.cx = user(sys_ud2),
				.dx = user(sys_ud2),
				.ax = 0x55};
}
static const char *place(sg_word ip)
{
	static const struct {
		const uint8_t *at;
		const char *name;
	} places[] = {{sys_syscall, "syscall"},   {sys_sysret, "sysret"},   {sys_sysret_wide, "sysret"},
		      {sys_sysenter, "sysenter"}, {sys_sysexit, "sysexit"}, {sys_sysexit_wide, "sysexit"},
		      {sys_ud2, "target"},        {sys_iret, "iret"}};
	for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
		if (ip == (sg_word)places[i].at || ip == user(places[i].at))
			return places[i].name;
	return "elsewhere";
}
static void go(const char *name, struct sg_regs *r)
{
	sg_enter(r);
	sg_line(name, "%s at %s cs %x ss %x flags %x", sg_fault_text(), place(r->ip), (unsigned)r->cs & 0xffff,
		(unsigned)r->ss & 0xffff, (unsigned)(r->flags & ~(sg_word)(ARITH | 0x10000)));
}

/* ------ SYSENTER, SYSEXIT ------ */

/* Its selectors are those of the GDT with the base SG_CODE: code, data, code and data of ring 3 behind each other; in
 * 64-bit mode SYSEXIT with REX.W wants others, which nobody loads here. */
static void sysenter(void)
{
	static const unsigned cs[] = {0, 3, SG_CODE, SG_CODE | 3};
	for (unsigned i = 0; i < sizeof cs / sizeof *cs; i++) {
		struct sg_regs r;
		sg_wrmsr(MSR_SYSENTER_CS, cs[i]);
		sg_wrmsr(MSR_SYSENTER_EIP, (sg_word)sys_ud2);
		sg_wrmsr(MSR_SYSENTER_ESP, (sg_word)sg_stack_try);
		r = start(sys_sysenter, true);
		go(name_of("sys.sysenter", cs[i]), &r);
		sg_line(name_of("sys.sysenter_sp", cs[i]), "%d", r.sp == (sg_word)sg_stack_try);
		r = start(sys_sysenter, false);
		go(name_of("sys.sysenter_ring0", cs[i]), &r);
		r = start(sys_sysexit, true);
		go(name_of("sys.sysexit_ring3", cs[i]), &r);
		r = start(sys_sysexit, false);
		r.cx = user(sg_stack_user);
		go(name_of("sys.sysexit", cs[i]), &r);
#ifdef __x86_64__
		r = start(sys_sysexit_wide, false);
		r.cx = user(sg_stack_user);
		go(name_of("sys.sysexit_wide", cs[i]), &r);
		r = start(sys_sysexit_wide, false);
		r.cx = (sg_word)NOT_CANONICAL;
		go(name_of("sys.sysexit_bad_cx", cs[i]), &r);
		r = start(sys_sysexit_wide, false);
		r.dx = (sg_word)NOT_CANONICAL;
		go(name_of("sys.sysexit_bad_dx", cs[i]), &r);
#endif
	}
	sg_wrmsr(MSR_SYSENTER_CS, 0);
}

#ifdef __x86_64__
/* ------ SYSCALL, SYSRET ------ */

static void syscalls(void)
{
	uint64_t efer;
	struct sg_regs r;
	sg_rdmsr(MSR_EFER, &efer);
	sg_wrmsr(MSR_STAR, (uint64_t)(SG_DATA | 3) << 48 | (uint64_t)SG_CODE << 32);
	sg_wrmsr(MSR_LSTAR, (sg_word)sys_ud2);
	sg_wrmsr(MSR_SFMASK, 0x4200);
	for (unsigned on = 0; on < 2; on++) {
		sg_wrmsr(MSR_EFER, (efer & ~(uint64_t)EFER_SCE) | on);
		r = start(sys_syscall, true);
		r.flags |= 0x4001;
		go(name_of("sys.syscall", on), &r);
		sg_line(name_of("sys.syscall_saved", on), "cx %s r11 %x",
			r.cx == user(sys_syscall + 2) ? "next" : "other", (unsigned)(r.r11 & ~(sg_word)0x10000));
		r = start(sys_syscall, false);
		go(name_of("sys.syscall_ring0", on), &r);
		r = start(sys_sysret_wide, true);
		go(name_of("sys.sysret_ring3", on), &r);
		r = start(sys_sysret_wide, false);
		r.r11 = 0x247ed7;
		r.r11 &= ~(sg_word)0x100; /* no TF */
		go(name_of("sys.sysret_wide", on), &r);
		r = start(sys_sysret, false);
		r.r11 = 0x202;
		go(name_of("sys.sysret_narrow", on), &r);
		r = start(sys_sysret_wide, false);
		r.cx = (sg_word)NOT_CANONICAL;
		go(name_of("sys.sysret_bad_cx", on), &r);
		r = start(sys_sysret, false);
		r.cx = (sg_word)0x12340000 << 32 | user(sys_ud2);
		r.r11 = 2;
		go(name_of("sys.sysret_narrow_high", on), &r);
	}
	sg_wrmsr(MSR_EFER, efer);
	/* by the widest addresses that the processor has, whatever CR4.LA57 is */
	uint64_t outside = (uint64_t)1 << (sg_has(SG_LA57) ? 56 : 47);
	sg_check("sys.lstar_not_canonical", (uint64_t)sg_wrmsr(MSR_LSTAR, outside), V_GP);
	sg_check("sys.cstar_not_canonical", (uint64_t)sg_wrmsr(MSR_CSTAR, outside), V_GP);
}
#else
static void syscalls(void)
{
	struct sg_regs r = start(sys_sysret, false);
	go("sys.sysret_legacy", &r);
}
#endif

/* ------ IRET ------ */

static sg_word *top(unsigned words)
{
	sg_word p = (sg_word)sg_stack_try - words * sizeof(sg_word);
	__asm__("" : "+r"(p));
	return (sg_word *)p;
}
/* IRET in ring 0 from a frame of its own. */
static void iret(const char *name, sg_word ip, unsigned cs, sg_word flags, sg_word sp, unsigned ss, sg_word own_flags)
{
	sg_word *s = top(8);
	struct sg_regs r = start(sys_iret, false);
	s[0] = ip;
	s[1] = cs;
	s[2] = flags;
	s[3] = sp;
	s[4] = ss;
	r.sp = (sg_word)s;
	r.flags = own_flags | 2;
	go(name, &r);
}
static void irets(void)
{
	static const struct {
		const char *name;
		uint16_t cs, ss;
		sg_word flags, own;
	} rows[] = {{"outer", SG_CODE3, SG_DATA3, 2, 0},
		    {"same", SG_CODE, SG_DATA, 2, 0},
		    {"flags_iopl", SG_CODE3, SG_DATA3, 0x3202, 0},
		    {"flags_nt", SG_CODE3, SG_DATA3, 0x4002, 0},
		    {"flags_id_ac", SG_CODE3, SG_DATA3, 0x240002, 0},
		    {"flags_vif_vip", SG_CODE3, SG_DATA3, 0x180002, 0},
		    {"flags_reserved", SG_CODE3, SG_DATA3, 0xffc08028, 0},
		    {"cs_null", 0, SG_DATA3, 2, 0},
		    {"cs_data", SG_DATA, SG_DATA, 2, 0},
		    {"cs_rpl", SG_CODE | 3, SG_DATA3, 2, 0},
		    {"cs_outside", SG_GDT_SIZE, SG_DATA, 2, 0},
		    {"cs_ldt", SG_CODE3 | 4, SG_DATA3, 2, 0},
		    {"ss_null", SG_CODE3, 0, 2, 0},
		    {"ss_null_rpl", SG_CODE3, 3, 2, 0},
		    {"ss_rpl", SG_CODE3, SG_DATA3 & ~3, 2, 0},
		    {"ss_dpl", SG_CODE3, SG_DATA | 3, 2, 0},
		    {"ss_code", SG_CODE3, SG_CODE3, 2, 0},
		    {"ring1", CODE_DPL1 | 1, DATA_DPL1 | 1, 2, 0},
		    {"ring1_ss_null", CODE_DPL1 | 1, 1, 2, 0},
		    {"ring1_ss_null_rpl", CODE_DPL1 | 1, 0, 2, 0},
		    {"compat", SG_CODE_C32_3, SG_DATA3, 2, 0},
		    {"compat_ss_null", SG_CODE_C32_3, 3, 2, 0}};
	describe(DATA_DPL1, 0, 0xfffff, 0xc0b3);
	describe(CODE_DPL1, 0, 0xfffff, LONG ? 0xa0bb : 0xc0bb);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		iret(name_with("sys.iret_", rows[i].name), (rows[i].cs & 3) == 3 ? user(sys_ud2) : (sg_word)sys_ud2,
		     rows[i].cs, rows[i].flags,
		     (rows[i].cs & 3) == 3 ? user(sg_stack_user) : end_of(sg_stack_try) - 256, rows[i].ss, rows[i].own);
#ifdef __x86_64__
	iret("sys.iret_nested", (sg_word)sys_ud2, SG_CODE, 2, (sg_word)sg_stack_try, SG_DATA, FLAG_NT);
	iret("sys.iret_not_canonical", (sg_word)NOT_CANONICAL, SG_CODE3, 2, user(sg_stack_user), SG_DATA3, 0);
	iret("sys.iret_ss_null_ring0", (sg_word)sys_ud2, SG_CODE, 2, end_of(sg_stack_try) - 256, 0, 0);
	iret("sys.iret_vm", (sg_word)sys_ud2, SG_CODE, 0x20002, end_of(sg_stack_try) - 256, SG_DATA, 0);
#endif
}

/* ------ UMIP ------ */

static uint8_t umip_memory[16];
#define SI_CODE(name, insn)                                                                                            \
	"."                                                                                                            \
	"globl umip_" #name "\n umip_" #name ": " insn "\n ud2\n"
__asm__(SI_CODE(sgdt, "sgdt (%"
		      "eax)") SI_CODE(sidt, "sidt (%"
					    "eax)") SI_CODE(sldt, "sldt %"
								  "ax") SI_CODE(str, "str %"
										     "ax") SI_CODE(smsw, "smsw %"
													 "ax"));
extern const uint8_t umip_sgdt[], umip_sidt[], umip_sldt[], umip_str[], umip_smsw[];

static void umip(void)
{
	static const struct {
		const char *name;
		const uint8_t *code;
	} insns[] = {
		{"sgdt", umip_sgdt}, {"sidt", umip_sidt}, {"sldt", umip_sldt}, {"str", umip_str}, {"smsw", umip_smsw}};
	if (!sg_has(SG_UMIP)) {
		sg_skip("sys.umip_*", "no UMIP");
		return;
	}
	for (unsigned on = 0; on < 2; on++) {
		sg_set_cr(4, (sg_cr(4) & ~(sg_word)CR4_UMIP) | (on ? CR4_UMIP : 0));
		for (unsigned i = 0; i < sizeof insns / sizeof *insns; i++)
			for (unsigned ring3 = 0; ring3 < 2; ring3++) {
				struct sg_regs r = start(insns[i].code, ring3);
				r.ax = ring3 ? user(umip_memory) : (sg_word)umip_memory;
				sg_enter(&r);
				sg_expect(name_of(name_with("sys.umip_", insns[i].name), on << 4 | ring3),
					  sg_fault_text(), on && ring3 ? "#GP(0)" : "#UD");
			}
	}
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_UMIP);
}

void sg_group(void)
{
	__asm__ volatile("lldt %w0" ::"r"(0));
	umip();
	irets();
	sysenter();
	syscalls();
}
