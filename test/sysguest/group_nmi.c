/* group_nmi.c - NMI by the local APIC's ICR: masked until IRET, one is kept, nested; interrupts held back behind STI,
 * POPF and IRET that set IF (SDM vol. 3, 6.7, 6.8, 11.6.1; vol. 2, STI). sysguest-bits: 32 64 */
#include "sysguest.h"

#define APIC 0xfee00000ul
enum { APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_IRR = 0x200, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, VECTOR = 0x55 };

static volatile uint32_t *apic(unsigned reg)
{
	return (volatile uint32_t *)(APIC + reg);
}

/* To the APIC's own ID, which is 0: no shorthand takes an NMI to oneself (SDM vol. 3, table 11-3). */
static void send_nmi(void)
{
	*apic(APIC_ICR_HIGH) = 0;
	*apic(APIC_ICR) = 0x4400;
}

static void a_while(void)
{
	for (unsigned n = 0; n < 20; n++)
		sg_out8(0x80, 0); /* a KVM that emulates looks for NMIs after exits only */
}

/* What happened, a letter each: ( NMI's handler begins, ) ends, u #UD's handler. */
static char log_text[32];
static unsigned log_count;
static void note(char c)
{
	if (log_count < sizeof log_text - 1)
		log_text[log_count++] = c;
	log_text[log_count] = 0;
}
static void log_clear(void)
{
	log_count = 0;
	log_text[0] = 0;
}

static unsigned more; /* NMIs that the handler sends */
static bool with_ud;  /* and then an exception whose handler ends in IRET */
static sg_word nmi_flags, nmi_error, nmi_sp;

static void on_nmi(struct sg_regs *r)
{
	note('(');
	nmi_flags = sg_flags();
	nmi_error = r->error;
	nmi_sp = (sg_word)r;
	unsigned n = more;
	more = 0;
	while (n--)
		send_nmi();
	a_while();
	if (with_ud) {
		with_ud = false;
		__asm__ volatile("ud2");
		a_while();
	}
	note(')');
}
static void on_ud(struct sg_regs *r)
{
	note('u');
	r->ip += 2;
}

static void nmis(void)
{
	sg_handler[V_NMI] = on_nmi;
	sg_handler[V_UD] = on_ud;
	send_nmi();
	a_while();
	sg_expect("nmi.one", log_text, "()");
	sg_check("nmi.if_in_handler", nmi_flags & FLAG_IF, 0);
	log_clear();
	more = 1;
	send_nmi();
	a_while();
	sg_expect("nmi.masked_until_iret", log_text, "()()");
	log_clear();
	more = 3;
	send_nmi();
	a_while();
	sg_expect("nmi.one_is_kept", log_text, "()()");
	log_clear();
	more = 1;
	with_ud = true;
	send_nmi();
	a_while();
	sg_expect("nmi.unmasked_by_any_iret", log_text, "(u())");
	log_clear();
}

static void do_nmi(void *o)
{
	(void)o;
	send_nmi();
	a_while();
}

/* NMI is benign: a fault of its delivery is that fault. */
static void broken_gate(void)
{
	volatile uint8_t *gate = sg_idt + V_NMI * (SG_BITS == 64 ? 16 : 8);
	uint8_t old = gate[5];
	gate[5] &= 0x7f;
	sg_fault.vector = SG_OK;
	sg_try(do_nmi, NULL);
	gate[5] = old;
	sg_expect("nmi.broken_gate", sg_fault_text(), "#NP(13)");
	log_clear();
}

#ifdef __x86_64__
static void own_stack(void)
{
	volatile uint8_t *gate = sg_idt + V_NMI * 16;
	uint64_t stack = (uint64_t)sg_page() + 4096;
	memcpy(sg_tss + 36 + 8, &stack, 8);
	gate[4] = 2;
	send_nmi();
	a_while();
	gate[4] = 0;
	sg_check("nmi.ist", stack - nmi_sp, sizeof(struct sg_regs));
	log_clear();
}
#endif

/* ------ interrupts held back ------ */

static sg_word place;
static unsigned taken;
static void on_interrupt(struct sg_regs *r)
{
	place = r->ip;
	taken++;
	r->flags &= ~(sg_word)FLAG_IF;
	*apic(APIC_EOI) = 0;
}

#ifdef __x86_64__
#define SP "%rsp"
#define IRET_TO(label)                                                                                                 \
	"mov %rsp, %rcx\n mov %ss, %eax\n push %rax\n push %rcx\n pushf\n orl $0x200, (%rsp)\n push $8\n lea " label   \
	"(%rip), %rax\n push %rax\n iretq\n"
#else
#define SP "%esp"
#define IRET_TO(label) "pushf\n orl $0x200, (%esp)\n push $8\n push $" label "\n iretl\n"
#endif
#define SNIPPET(name, before, body)                                                                                    \
	__asm__(".pushsection .text\n " #name ": " before "\n" #name "_at: " body "\n ret\n .popsection\n");           \
	extern const uint8_t name[], name##_at[]
SNIPPET(sh_sti, "", "sti\n nop\n nop\n nop\n cli\n");
SNIPPET(sh_sti_sti, "", "sti\n sti\n nop\n nop\n cli\n");
SNIPPET(sh_sti_cli, "", "sti\n cli\n nop\n");
SNIPPET(sh_sti_nop_cli, "", "sti\n nop\n cli\n nop\n");
SNIPPET(sh_sti_hlt, "", "sti\n hlt\n nop\n cli\n");
SNIPPET(sh_sti_jmp, "", "sti\n jmp 1f\n nop\n 1: nop\n nop\n cli\n");
SNIPPET(sh_sti_popf, "pushf\n", "sti\n popf\n nop\n");
SNIPPET(sh_popf, "pushf\n orl $0x200, (" SP ")\n", "popf\n nop\n nop\n cli\n");
SNIPPET(sh_iret, IRET_TO("sh_iret_at"), "nop\n nop\n cli\n");
SNIPPET(sh_none, "", "nop\n");

static void shadow(const char *name, const uint8_t *code, const uint8_t *at, const char *want)
{
	static char text[8];
	sg_handler[VECTOR] = on_interrupt;
	place = 0;
	taken = 0;
	*apic(APIC_ICR_HIGH) = 0;
	*apic(APIC_ICR) = 0x4000 | VECTOR;
	for (unsigned n = 0; n < 100000 && !(*apic(APIC_IRR + 0x10 * (VECTOR / 32)) >> VECTOR % 32 & 1); n++)
		;
	sg_call(code);
	sg_word off = place - (sg_word)at;
	if (!taken) {
		memcpy(text, "none", 5);
		for (unsigned n = 0; n < 1000 && !taken; n++) /* away with it */
			__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	} else {
		text[0] = off < 10 ? (char)('0' + off) : '?';
		text[1] = 0;
	}
	sg_expect(name, text, want);
}

void sg_group(void)
{
	*apic(APIC_SVR) = 0x1ff;
	nmis();
#ifdef __x86_64__
	own_stack();
#endif
#define SHADOW(name, code, want) shadow(name, code, code##_at, want)
	SHADOW("nmi.shadow_none", sh_none, "none");
	SHADOW("nmi.shadow_sti", sh_sti, "2");
	SHADOW("nmi.shadow_sti_sti", sh_sti_sti, "2");
	SHADOW("nmi.shadow_sti_cli", sh_sti_cli, "none");
	SHADOW("nmi.shadow_sti_nop_cli", sh_sti_nop_cli, "2");
	SHADOW("nmi.shadow_sti_hlt", sh_sti_hlt, "2");
	SHADOW("nmi.shadow_sti_jmp", sh_sti_jmp, "4");
	SHADOW("nmi.shadow_sti_popf", sh_sti_popf, "none");
	SHADOW("nmi.shadow_popf", sh_popf, "1");
	SHADOW("nmi.shadow_iret", sh_iret, "0");
	broken_gate();
}
