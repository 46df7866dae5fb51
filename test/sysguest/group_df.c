/* group_df.c - a fault while an exception is delivered: the table of benign, contributory and page faults, #DF, and
 * last the triple fault that ends the run (SDM vol. 3, 6.15, interrupt 8, and tables 6-4 and 6-5). sysguest-bits: 32 64
 */
#include "sysguest.h"

#define UNMAPPED 0xa0000000ul
#define SG_FREE_SEL SG_GDT_FREE /* a code segment that is not present */
enum { GATE = SG_BITS == 64 ? 16 : 8 };
static uint8_t saved_idt[256 * GATE];

/* ------ what raises the first exception ------ */

static void do_de(void *o)
{
	(void)o;
	__asm__ volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n div %%ecx" ::: "eax", "ecx", "edx", "cc");
}
static void do_ud(void *o)
{
	(void)o;
	__asm__ volatile("ud2");
}
static void do_nm(void *o)
{
	(void)o;
	__asm__ volatile("fnop");
}
static void load_ds(uint16_t sel)
{
	__asm__ volatile("mov %w0, %%ds" ::"r"(sel));
}
static void do_np(void *o)
{
	(void)o;
	load_ds(SG_FREE_SEL);
}
static void do_gp(void *o)
{
	(void)o;
	load_ds(0xfff8);
}
static void do_ss(void *o)
{
	(void)o;
	__asm__ volatile("mov %w0, %%ss" ::"r"(SG_FREE_SEL + 8));
}
static void do_pf(void *o)
{
	(void)o;
	*(volatile uint32_t *)UNMAPPED;
}

enum class { BENIGN, CONTRIBUTORY, PAGE };
static const struct {
	const char *name;
	int vector;
	enum class class;
	void (*fn)(void *);
} firsts[] = {
	{"ud", V_UD, BENIGN, do_ud},       {"nm", V_NM, BENIGN, do_nm},       {"de", V_DE, CONTRIBUTORY, do_de},
	{"np", V_NP, CONTRIBUTORY, do_np}, {"ss", V_SS, CONTRIBUTORY, do_ss}, {"gp", V_GP, CONTRIBUTORY, do_gp},
	{"pf", V_PF, PAGE, do_pf},
};

/* ------ what breaks its delivery ------ */

enum { TYPE, ABSENT, NULL_SEL, DATA_SEL, ABSENT_CODE, OUTSIDE, IST_SS, IST_PF, IST_TS, WAYS };
static const struct {
	const char *name;
	int second;
} ways[WAYS] = {
	{"type", V_GP},    {"absent", V_NP}, {"null", V_GP},   {"data", V_GP},   {"absent_code", V_NP},
	{"outside", V_GP}, {"ist_ss", V_SS}, {"ist_pf", V_PF}, {"ist_ts", V_TS},
};

static void break_gate(int vector, int way)
{
	uint8_t *gate = sg_idt + vector * GATE;
	uint16_t sel = way == NULL_SEL ? 0 : way == DATA_SEL ? SG_DATA : way == ABSENT_CODE ? SG_FREE_SEL : 0xfff8;
	if (way == TYPE)
		gate[5] = 0x8c; /* a call gate */
	else if (way == ABSENT)
		gate[5] &= 0x7f;
	else if (way >= IST_SS)
		gate[4] = (uint8_t)(2 + way - IST_SS);
	else
		memcpy(gate + 2, &sel, 2);
}

static int expected(enum class first, int second)
{
	enum class class = second == V_PF ? PAGE : CONTRIBUTORY;
	if (first == PAGE || (first == CONTRIBUTORY && class == CONTRIBUTORY))
		return V_DF;
	return second;
}

static const char *name_of(const char *a, const char *b)
{
	static char text[32];
	char *t = text;
	for (const char *s = "df."; *s;)
		*t++ = *s++;
	while (*a)
		*t++ = *a++;
	*t++ = '_';
	while (*b)
		*t++ = *b++;
	*t = 0;
	return text;
}

static void pair(unsigned f, int way)
{
	break_gate(firsts[f].vector, way);
	if (firsts[f].vector == V_NM)
		sg_set_cr(0, sg_cr(0) | CR0_TS);
	sg_fault.vector = SG_OK;
	sg_try(firsts[f].fn, NULL);
	const char *text = sg_fault_text();
	int vector = sg_fault.vector, want = expected(firsts[f].class, ways[way].second);
	__asm__ volatile("clts");
	memcpy(sg_idt, saved_idt, sizeof saved_idt);
	load_ds(SG_DATA);
	sg_line(name_of(firsts[f].name, ways[way].name), vector == want ? "%s" : "%s (want vector %d)", text, want);
}

/* Stacks of the IST that cannot be pushed to: not canonical, not mapped, and one outside the TSS. */
static void bad_stacks(void)
{
#ifdef __x86_64__
	uint64_t ist2 = 1ull << 63, ist3 = UNMAPPED;
	memcpy(sg_tss + 36 + 8, &ist2, 8);
	memcpy(sg_tss + 36 + 16, &ist3, 8);
	sg_gdt[SG_TSS / 8] = (sg_gdt[SG_TSS / 8] & ~(0xffffull | 0x20000000000ull)) | (36 + 24 - 1);
	__asm__ volatile("ltr %w0" ::"r"(SG_TSS));
#endif
}

__asm__(".pushsection .text\n df_user_ud: ud2\n df_user_int: int $0x55\n .popsection\n");
extern const uint8_t df_user_ud[], df_user_int[];

/* Ring 3, and no stack for ring 0: the page fault cannot be delivered either. In 32-bit mode #DF has no stack of its
 * own: that would be the end. */
#ifdef __x86_64__
static void user(void)
{
	uint64_t old, bad = UNMAPPED;
	struct sg_regs r = {0};
	memcpy(&old, sg_tss + 4, 8);
	memcpy(sg_tss + 4, &bad, 8);
	sg_user(&r, df_user_ud);
	memcpy(sg_tss + 4, &old, 8);
	sg_expect("df.user_stack_unmapped", sg_fault_text(), "#DF(0)");
	bad = 1ull << 63;
	memcpy(sg_tss + 4, &bad, 8);
	sg_user(&r, df_user_ud);
	memcpy(sg_tss + 4, &old, 8);
	sg_expect("df.user_stack_not_canonical", sg_fault_text(), "#DF(0)");
}
#endif

static void do_int(void *o)
{
	(void)o;
	__asm__ volatile("int $0x55");
}

/* INT n is no exception: what goes wrong is a fault of the instruction, EXT is clear. */
static void software(void)
{
	static const char *const texts[] = {"#GP(2aa)", "#NP(2aa)", "#GP(0)", "#GP(10)", "#NP(58)", "#GP(fff8)"};
	struct sg_regs r = {0};
	for (int way = TYPE; way <= OUTSIDE; way++) {
		break_gate(0x55, way);
		sg_fault.vector = SG_OK;
		sg_try(do_int, NULL);
		memcpy(sg_idt, saved_idt, sizeof saved_idt);
		sg_expect(name_of("int", ways[way].name), sg_fault_text(), texts[way]);
	}
	sg_idt[0x55 * GATE + 5] = 0x8e; /* DPL 0 */
	sg_user(&r, df_user_int);
	sg_expect("df.int_dpl", sg_fault_text(), "#GP(2aa)");
	memcpy(sg_idt, saved_idt, sizeof saved_idt);
}

/* #DF that cannot be delivered. Whoever goes on says so, in a line that soft does not have. */
static void triple(void)
{
	sg_line("df.triple", "next");
	sg_line("end", "0");
	break_gate(V_DE, ABSENT);
	break_gate(V_DF, ABSENT);
	sg_try(do_de, NULL);
	sg_line("fatal", "no triple fault: %s", sg_fault_text());
	sg_exit(1);
}

void sg_group(void)
{
	memcpy(saved_idt, sg_idt, sizeof saved_idt);
	sg_gdt[SG_FREE_SEL / 8] = sg_gdt[SG_CODE / 8] & ~(1ull << 47);
	sg_gdt[SG_FREE_SEL / 8 + 1] = sg_gdt[SG_DATA / 8] & ~(1ull << 47);
	bad_stacks();
	for (unsigned f = 0; f < sizeof firsts / sizeof *firsts; f++)
		for (int way = 0; way < (SG_BITS == 64 ? WAYS : IST_SS); way++)
			pair(f, way);
#ifdef __x86_64__
	user();
#endif
	software();
	triple();
}
