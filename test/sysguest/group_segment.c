/* group_segment.c - segments: limits, types, expand-down, loads of selectors, LAR LSL VERR VERW (SDM vol. 3, chapter
 * "Protection").
 * sysguest-bits: 32 64 */
#include "segments.h"

enum { ONE = SG_GDT_FREE };

/* ------ LAR and the others, in ring 0 and (32-bit) in ring 3 ------ */

static const uint16_t attrs[] = {0xc093, 0xc091, 0xc095, 0x4097, 0xc099, 0xc09b, 0xc09d, 0xc09f, 0xc0f3, 0xc0fb,
				 0xc0ff, 0xc013, 0x0081, 0x0082, 0x0083, 0x0084, 0x0085, 0x0086, 0x0087, 0x0089,
				 0x008b, 0x008c, 0x008e, 0x008f, 0x0080, 0x0088, 0x008a, 0x008d, 0x00e2, 0xa09b};

/* What LAR and LSL load, where they do, and what VERR and VERW say. */
static void look(const char *name, unsigned sel)
{
	uint32_t lar = 0, lsl = 0;
	uint8_t ok[4];
	__asm__ volatile("lar %4, %0; setz %1; lsl %4, %2; setz %3"
			 : "+&r"(lar), "=&q"(ok[0]), "+&r"(lsl), "=&q"(ok[1])
			 : "r"(sel)
			 : "cc");
	__asm__ volatile("verr %w2; setz %0; verw %w2; setz %1" : "=&q"(ok[2]), "=&q"(ok[3]) : "r"(sel) : "cc");
	sg_line(name, "lar %u %x lsl %u %x verr %u verw %u", ok[0], lar, ok[1], lsl, ok[2], ok[3]);
}

static void looks(void)
{
	for (unsigned i = 0; i < sizeof attrs / sizeof *attrs; i++) {
		describe(ONE, 0x1000, 0x12345, attrs[i]);
		sg_gdt[ONE / 8 + 1] = 0;
		look(name_of("segment.look", attrs[i]), ONE);
		look(name_of("segment.look_rpl", attrs[i]), ONE | 3);
	}
	look("segment.look_null", 0);
	look("segment.look_null_rpl", 3);
	look("segment.look_outside", SG_GDT_SIZE);
	look("segment.look_no_ldt", 0xc);
}

/* ------ loads ------ */

struct load {
	uint16_t sel;
	uint8_t reg;
};
static void do_load(void *o)
{
	const struct load *l = o;
	switch (l->reg) {
	case 0:
		__asm__ volatile("mov %0, %%es" ::"r"(l->sel));
		break;
	case 2:
		__asm__ volatile("mov %0, %%ss; mov %1, %%ss" ::"r"(l->sel), "r"((uint16_t)SG_DATA));
		break;
	default:
		__asm__ volatile("mov %0, %%gs" ::"r"(l->sel));
	}
	__asm__ volatile("mov %0, %%es" ::"r"((uint16_t)SG_DATA));
}
static const char *load(unsigned reg, unsigned sel)
{
	struct load l = {(uint16_t)sel, (uint8_t)reg};
	sg_fault.vector = SG_OK;
	sg_try(do_load, &l);
	return sg_fault_text();
}

static void loads(void)
{
	for (unsigned i = 0; i < sizeof attrs / sizeof *attrs; i++) {
		describe(ONE, 0, 0xfffff, attrs[i]);
		sg_line(name_of("segment.load", attrs[i]), "%s %s", load(5, ONE), load(5, ONE | 3));
		sg_line(name_of("segment.load_ss", attrs[i]), "%s %s", load(2, ONE), load(2, ONE | 3));
	}
	sg_expect("segment.null_gs", load(5, 3), "ok");
	sg_expect("segment.null_es", load(0, 0), "ok");
	sg_expect("segment.null_ss", load(2, 0), SG_BITS == 64 ? "ok" : "#GP(0)");
	sg_expect("segment.null_ss_rpl", load(2, 3), "#GP(0)");
	sg_expect("segment.outside", load(5, SG_GDT_SIZE), "#GP(200)");
	sg_expect("segment.ldt", load(5, 0xc), "#GP(c)");
	describe(ONE, 0, 0xfffff, 0xc092);
	load(5, ONE);
	sg_check("segment.accessed", sg_gdt[ONE / 8] >> 40 & 0xff, 0x93);
}

#ifndef __x86_64__
/* ------ accesses (32-bit only: elsewhere there is nothing to check) ------ */

__asm__(".globl seg_rd1, seg_rd4, seg_wr4, seg_rds, seg_wrs, seg_rdc, seg_push, seg_movs\n"
	"seg_rd1: movb %fs:(%ecx), %al\n ud2\n"
	"seg_rd4: movl %fs:(%ecx), %eax\n ud2\n"
	"seg_wr4: movl %eax, %fs:(%ecx)\n ud2\n"
	"seg_rds: movl %ss:(%ecx), %eax\n ud2\n"
	"seg_wrs: movl %eax, %ss:(%ecx)\n ud2\n"
	"seg_rdc: movl %cs:(%ecx), %eax\n ud2\n"
	"seg_push: mov %ecx, %esp\n push %eax\n ud2\n"
	"seg_movs: mov %ecx, %esi\n fs lodsl\n ud2\n");
extern const uint8_t seg_rd1[], seg_rd4[], seg_wr4[], seg_rds[], seg_wrs[], seg_rdc[], seg_push[], seg_movs[];

static const char *run(const uint8_t *code, unsigned sel, uint32_t at, struct sg_regs *r, unsigned reg)
{
	*r = (struct sg_regs){.ip = (sg_word)code + SG_USER,
			      .cs = SG_CODE3,
			      .ss = reg == 2 ? sel : SG_DATA3,
			      .sp = (sg_word)sg_stack_user + SG_USER,
			      .flags = 2,
			      .ds = SG_DATA3,
			      .es = SG_DATA3,
			      .fs = reg == 4 ? sel : SG_DATA3,
			      .gs = SG_DATA3,
			      .cx = at,
			      .ax = 0x77};
	sg_enter(r);
	if (sg_fault.vector == V_UD)
		return "ok";
	return sg_fault_text();
}

struct access {
	const char *name;
	const uint8_t *code;
	unsigned reg, size;
	bool write, push;
};
struct row {
	uint32_t attr, limit, at;
};

/* SDM vol. 3, 5.3 and 5.5.1; an address below 0 is one near 4 GiB. */
static const char *manual(const struct row *x, const struct access *a)
{
	uint64_t limit = x->attr & 0x8000 ? (uint64_t)x->limit << 12 | 0xfff : x->limit;
	uint64_t top = x->attr & 0x4000 ? 0xffffffff : 0xffff, at = x->at, end;
	bool code = x->attr & 8, down = !code && x->attr & 4;
	if (a->push)
		at = (at - 4) & top;
	end = at + a->size - 1;
	bool inside = down ? at > limit && end <= top : end <= limit;
	bool allowed = !a->write || (!code && x->attr & 2);
	return inside && allowed ? "ok" : a->reg == 2 ? "#SS(0)" : "#GP(0)";
}

static void limits(void)
{
	static const struct row rows[] = {
		{0x40f3, 0xfff, 0xffc},
		{0x40f3, 0xfff, 0xffd},
		{0x40f3, 0xfff, 0xfff},
		{0x40f3, 0xfff, 0x1000},
		{0xc0f3, 0, 0xffc},
		{0xc0f3, 0, 0xffe},
		{0xc0f3, 0, 0x1000},
		{0x40f7, 0xfff, 0xfff},
		{0x40f7, 0xfff, 0x1000},
		{0x40f7, 0xfff, 0xffc},
		{0x00f7, 0xfff, 0xfffc},
		{0x00f7, 0xfff, 0xfffd},
		{0x00f7, 0xfff, 0x10000},
		{0x40f7, 0xfff, 0x10000},
		{0xc0f7, 0, 0xfff},
		{0xc0f7, 0, 0x1000},
		{0x40f1, 0xfff, 0x10},
		{0x40f5, 0xfff, 0x1010},
		{0x40fb, 0xffff, 0x10},
		{0x40f3, 0, 0},
		{0x40f3, 0x3, 0},
		{0x40f3, 0x2, 0},
		{0x40f3, 0xffff, 0xffffffff},
	};
	static const struct access how[] = {
		{"rd1", seg_rd1, 4, 1, false, false},    {"rd4", seg_rd4, 4, 4, false, false},
		{"wr4", seg_wr4, 4, 4, true, false},     {"lods", seg_movs, 4, 4, false, false},
		{"ss_rd4", seg_rds, 2, 4, false, false}, {"ss_wr4", seg_wrs, 2, 4, true, false},
		{"ss_push", seg_push, 2, 4, true, true},
	};
	struct sg_regs r;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		describe(ONE, SG_USER + SG_FREE, rows[i].limit, rows[i].attr);
		for (unsigned k = 0; k < sizeof how / sizeof *how; k++) {
			if (how[k].reg == 2 && (rows[i].attr & 0xa) != 2)
				continue; /* no stack */
			sg_expect(name_of(name_with("segment.access_", how[k].name), rows[i].attr),
				  run(how[k].code, ONE | 3, rows[i].at, &r, how[k].reg), manual(&rows[i], &how[k]));
		}
	}
	sg_expect("segment.access_null", run(seg_rd4, 0, 0x10, &r, 4), "#GP(0)");
	sg_expect("segment.read_code", run(seg_rdc, 0, SG_USER + 0x100000, &r, 4), "ok");
}

/* ------ branches out of the segment fault themselves ------ */

__asm__(".globl far_code\n"
	"far_code:\n"
	".org far_code + 0x00\n jmp far_code + 0x200\n"
	".org far_code + 0x10\n call far_code + 0x200\n"
	".org far_code + 0x20\n jz far_code + 0x200\n"
	".org far_code + 0x30\n jnz far_code + 0x200\n ud2\n"
	".org far_code + 0x40\n mov $0x200, %eax\n jmp *%eax\n"
	".org far_code + 0x50\n mov $0x200, %eax\n call *%eax\n"
	".org far_code + 0x60\n push $0x200\n ret\n"
	".org far_code + 0x90\n mov $3, %ecx\n .byte 0xe2, 0x7f\n"
	".org far_code + 0xfd\n nop\n nop\n nop\n"
	".org far_code + 0x100\n nop\n ud2\n");
extern const uint8_t far_code[];

static void branches(void)
{
	/* where it starts, where it faults, bytes of the stack that are in use then, ECX */
	static const struct {
		uint16_t start, at;
		uint8_t stack, count;
	} rows[] = {{0x00, 0x00, 0, 0}, {0x10, 0x10, 0, 0}, {0x20, 0x20, 0, 0}, {0x40, 0x45, 0, 0},
		    {0x50, 0x55, 0, 0}, {0x60, 0x65, 4, 0}, {0x90, 0x95, 0, 3}, {0xfd, 0x100, 0, 0}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		describe(ONE, SG_USER + (sg_word)far_code, 0xff, 0x40fb);
		struct sg_regs r = {.ip = rows[i].start,
				    .cs = ONE | 3,
				    .ss = SG_DATA3,
				    .sp = (sg_word)sg_stack_user + SG_USER,
				    .flags = 0x42,
				    .ds = SG_DATA3,
				    .es = SG_DATA3,
				    .fs = SG_DATA3,
				    .gs = SG_DATA3};
		sg_enter(&r);
		sg_expect(name_of("segment.branch", rows[i].start), sg_fault_text(), "#GP(0)");
		sg_check(name_of("segment.branch_ip", rows[i].start), r.ip, rows[i].at);
		sg_check(name_of("segment.branch_cx", rows[i].start), r.cx, rows[i].count);
		sg_check(name_of("segment.branch_sp", rows[i].start), (sg_word)sg_stack_user + SG_USER - r.sp,
			 rows[i].stack);
	}
}
#endif

void sg_group(void)
{
	__asm__ volatile("lldt %w0" ::"r"(0));
	loads();
#ifndef __x86_64__
	limits();
	branches();
#endif
	looks();
}
