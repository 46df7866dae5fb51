/* group_task.c - 32-bit tasks: JMP, CALL, INT, exceptions and IRET, task gates, and what stops a switch (SDM vol. 3,
 * chapter "Task Management").
 * sysguest-bits: 32 */
#include "segments.h"

extern uint8_t sg_stack_trap[];

enum { OTHER = SG_GDT_FREE, GATE = OTHER + 8, SPARE = OTHER + 16, FLAG_NT = 0x4000 };
struct tss {
	uint32_t link, esp0, ss0, unused[4], cr3, eip, eflags, gpr[8], seg[6], ldt;
	uint16_t trap, io;
};
static struct tss other __attribute__((aligned(128)));
static uint8_t stack[4096] __attribute__((aligned(16)));
enum { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDT };

__asm__(".globl task_entry, task_iret\n"
	"task_entry: ud2\n"
	"task_iret: mov $0x55, %eax\n iret\n ud2\n");
extern const uint8_t task_entry[], task_iret[];

/* The rig's task runs, the other one is ready. */
static void prepare(void)
{
	memset(&other, 0, sizeof other);
	other = (struct tss){.cr3 = (uint32_t)sg_root,
			     .eip = (uint32_t)task_entry,
			     .eflags = 2,
			     .esp0 = (uint32_t)sg_stack_trap,
			     .ss0 = SG_DATA,
			     .io = 104,
			     .seg = {SG_DATA, SG_CODE, SG_DATA, SG_DATA, SG_DATA, SG_DATA}};
	for (unsigned i = 0; i < 8; i++)
		other.gpr[i] = 0x100 + i;
	other.gpr[4] = (uint32_t)(stack + sizeof stack);
	describe(OTHER, (uint32_t)&other, 103, 0x89);
	sg_gdt[GATE / 8] = (uint64_t)OTHER << 16 | (uint64_t)0xe500 << 32;
	((struct tss *)(void *)sg_tss)->cr3 = (uint32_t)sg_root; /* a switch does not save it */
	sg_gdt[SG_TSS / 8] &= ~((uint64_t)2 << 40);
	__asm__ volatile("ltr %w0; clts" ::"r"(SG_TSS));
}

static void do_switch(void *o)
{
	struct {
		uint32_t offset;
		uint16_t sel;
	} __attribute__((packed)) to = {0, (uint16_t) * (unsigned *)o};
	if (*(unsigned *)o >> 16)
		__asm__ volatile("lcall *%0" ::"m"(to) : "eax", "ecx", "edx", "memory", "cc");
	else
		__asm__ volatile("ljmp *%0" ::"m"(to) : "eax", "ecx", "edx", "memory", "cc");
}
static const char *go(unsigned sel, bool call)
{
	unsigned arg = sel | (unsigned)call << 16;
	sg_fault.vector = SG_OK;
	sg_try(do_switch, &arg);
	return sg_fault_text();
}

static unsigned busy(unsigned sel)
{
	return sg_gdt[sel / 8] >> 41 & 1;
}
static unsigned running(void)
{
	uint32_t tr;
	__asm__ volatile("str %0" : "=r"(tr));
	return tr;
}
static void say(const char *name, const char *text)
{
	sg_line(name, "%s tr %x busy %u%u link %x nt %u ts %u", text, running(), busy(SG_TSS), busy(OTHER), other.link,
		(unsigned)(sg_fault.flags >> 14 & 1), (unsigned)(sg_cr(0) >> 3 & 1));
}

static void switches(void)
{
	prepare();
	say("task.jmp", go(OTHER, false));
	sg_check("task.jmp_at", sg_fault.ip, (uint64_t)(uint32_t)task_entry);
	sg_line("task.saved", "cs %x ss %x ds %x fs %x flags %x", ((struct tss *)sg_tss)->seg[S_CS],
		((struct tss *)sg_tss)->seg[S_SS], ((struct tss *)sg_tss)->seg[S_DS], ((struct tss *)sg_tss)->seg[S_FS],
		((struct tss *)sg_tss)->eflags & ~0x8d5u);
	prepare();
	say("task.call", go(OTHER, true));
	prepare();
	say("task.call_gate", go(GATE, true));
	prepare();
	other.eip = (uint32_t)task_iret;
	say("task.call_and_iret", go(OTHER, true));
	sg_line("task.left", "eax %x eip %x flags %x", other.gpr[0], other.eip - (uint32_t)task_iret, other.eflags);
	prepare();
	other.eflags = 2 | FLAG_NT;
	say("task.jmp_nt", go(OTHER, false));
	prepare();
	other.trap = 1;
	sg_word dr6;
	__asm__ volatile("mov %0, %%dr6" ::"r"(0));
	say("task.trap", go(OTHER, false));
	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	sg_line("task.trap_dr6", "%lx", dr6);
}

/* 16-bit TSS: links 16-bit images. */
static void sixteen(void)
{
	uint16_t *t = (uint16_t *)&other;
	prepare();
	memset(&other, 0, sizeof other);
	t[7] = (uint16_t)0x10;
	t[8] = 2;
	for (unsigned i = 0; i < 8; i++)
		t[9 + i] = (uint16_t)(0x200 + i);
	t[17] = t[19] = t[20] = SG_DATA;
	t[18] = SPARE;
	describe(SPARE, (uint32_t)task_entry - 0x10, 0xffff, 0x009b);
	describe(OTHER, (uint32_t)&other, 43, 0x81);
	sg_line("task.sixteen", "%s ip %x", go(OTHER, true), sg_fault.ip);
	sg_line("task.sixteen_tr", "%x busy %u%u", running(), busy(SG_TSS), busy(OTHER));
}

static void refused(void)
{
	static const struct {
		const char *name;
		unsigned sel, attr, limit;
	} rows[] = {{"busy", OTHER, 0x8b, 103},    {"absent", OTHER, 0x09, 103},   {"small", OTHER, 0x89, 102},
		    {"rpl", OTHER | 3, 0x89, 103}, {"gate_busy", GATE, 0x8b, 103}, {"gate_absent", GATE, 0x09, 103},
		    {"gate_ldt", GATE, 0x82, 103}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		prepare();
		describe(OTHER, (uint32_t)&other, rows[i].limit, rows[i].attr);
		sg_line(name_with("task.refused_", rows[i].name), "%s %s", go(rows[i].sel, false),
			go(rows[i].sel, true));
	}
	prepare();
	sg_gdt[GATE / 8] = (uint64_t)(OTHER | 4) << 16 | (uint64_t)0xe500 << 32;
	sg_expect("task.gate_to_ldt", go(GATE, true), "#GP(5c)");
	prepare();
	sg_gdt[GATE / 8] = (uint64_t)OTHER << 16 | (uint64_t)0x6500 << 32;
	sg_expect("task.gate_not_present", go(GATE, true), "#NP(60)");
}

/* Faults in the new task, whose stack may be none: the rig's handlers run in a third task behind task gates. */
static uint8_t third_stack[4096] __attribute__((aligned(16)));
enum { THIRD = SG_GDT_FREE + 24 };

static void catch_in_third_task(bool on)
{
	static const uint8_t vectors[] = {8, 10, 11, 12, 13};
	static uint64_t was[sizeof vectors];
	uint64_t *idt = (uint64_t *)(void *)sg_idt;
	for (unsigned i = 0; i < sizeof vectors; i++) {
		if (on)
			was[i] = idt[vectors[i]];
		idt[vectors[i]] = on ? (uint64_t)(THIRD + 8 * i) << 16 | (uint64_t)0xe500 << 32 : was[i];
	}
}
/* One task for each vector, starting in its stub. */
static struct tss catchers[5] __attribute__((aligned(128)));
static void prepare_catchers(void)
{
	static const uint8_t vectors[] = {8, 10, 11, 12, 13};
	for (unsigned i = 0; i < 5; i++) {
		catchers[i] = (struct tss){.cr3 = (uint32_t)sg_root,
					   .eip = (uint32_t)(sg_stub + 16 * vectors[i]),
					   .eflags = 2,
					   .esp0 = (uint32_t)sg_stack_trap,
					   .ss0 = SG_DATA,
					   .io = 104,
					   .seg = {SG_DATA, SG_CODE, SG_DATA, SG_DATA, SG_DATA, SG_DATA}};
		catchers[i].gpr[4] = (uint32_t)(third_stack + sizeof third_stack - 64);
		describe(THIRD + 8 * i, (uint32_t)&catchers[i], 103, 0x89);
	}
}

static void bad_segments(void)
{
	static const struct {
		uint8_t reg;
		uint16_t sel, attr;
	} rows[] = {{S_LDT, SPARE, 0x93},
		    {S_LDT, SPARE | 4, 0x82},
		    {S_LDT, SPARE, 0x02},
		    {S_CS, 0, 0},
		    {S_CS, SPARE, 0xc093},
		    {S_CS, SPARE, 0xc0fb},
		    {S_CS, SPARE, 0xc0ff},
		    {S_CS, SPARE, 0xc01b},
		    {S_SS, 0, 0},
		    {S_SS, SPARE, 0xc091},
		    {S_SS, SPARE, 0xc09b},
		    {S_SS, SPARE, 0xc0f3},
		    {S_SS, SPARE | 3, 0xc093},
		    {S_SS, SPARE, 0xc013},
		    {S_DS, SPARE, 0x82},
		    {S_ES, SPARE, 0xc099},
		    {S_FS, SPARE, 0xc013},
		    {S_GS, SPARE | 3, 0xc093},
		    {S_DS, 0, 0},
		    {S_DS, SPARE, 0xc091}};
	static const char *const names[] = {"task.bad_es", "task.bad_cs", "task.bad_ss", "task.bad_ds",
					    "task.bad_fs", "task.bad_gs", "task.bad_ldt"};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		prepare();
		prepare_catchers();
		describe(SPARE, 0, 0xfffff, rows[i].attr);
		if (rows[i].reg == S_LDT)
			other.ldt = rows[i].sel;
		else
			other.seg[rows[i].reg] = rows[i].sel;
		catch_in_third_task(true);
		const char *text = go(OTHER, false);
		catch_in_third_task(false);
		sg_line(name_of(names[rows[i].reg], (unsigned)rows[i].sel << 16 | rows[i].attr),
			"%s, eip %d, busy %u%u", text, (int)(other.eip - (uint32_t)task_entry), busy(SG_TSS),
			busy(OTHER));
	}
	prepare();
}

/* ------ events ------ */

static void set_gate(unsigned n, uint64_t gate)
{
	((uint64_t *)(void *)sg_idt)[n] = gate;
}
static void do_int(void *o)
{
	(void)o;
	__asm__ volatile("int $0x90" ::: "eax", "ecx", "edx", "memory");
}
void sg_group(void)
{
	switches();
	sixteen();
	refused();
	bad_segments();
	prepare();
	set_gate(0x90, (uint64_t)OTHER << 16 | (uint64_t)0xe500 << 32);
	sg_fault.vector = SG_OK;
	sg_try(do_int, NULL);
	say("task.int", sg_fault_text());
}
