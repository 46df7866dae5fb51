/* group_apic.c - the local APIC in xAPIC and in x2APIC mode: interrupts by priority against TPR and CR8, nesting and
 * EOI, IPIs to itself, the timer in its modes, errors, changes of mode (SDM vol. 3, 11.4 to 11.12). Only what does not
 * depend on time is said. sysguest-bits: 64 */
#include "sysguest.h"

enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_TSC_DEADLINE = 0x6e0, X2APIC = 0x800 };
#define APIC 0xfee00000ul
enum {
	ID = 0x2,
	VERSION = 0x3,
	TPR = 0x8,
	PPR = 0xa,
	EOI = 0xb,
	LDR = 0xd,
	DFR = 0xe,
	SVR = 0xf,
	ISR = 0x10,
	TMR = 0x18,
	IRR = 0x20,
	ESR = 0x28,
	ICR = 0x30,
	ICR_HIGH = 0x31,
	TIMER = 0x32,
	LINT0 = 0x35,
	ERROR = 0x37,
	INITIAL = 0x38,
	CURRENT = 0x39,
	DIVIDE = 0x3e,
	SELF_IPI = 0x3f
};

static bool x2;

static uint32_t get(unsigned reg)
{
	uint64_t v = 0;
	if (!x2)
		return *(volatile uint32_t *)(APIC + 16 * reg);
	sg_rdmsr(X2APIC + reg, &v);
	return (uint32_t)v;
}
static void put(unsigned reg, uint32_t v)
{
	if (x2)
		sg_wrmsr(X2APIC + reg, v);
	else
		*(volatile uint32_t *)(APIC + 16 * reg) = v;
}
static void send(uint32_t icr, uint32_t to)
{
	if (x2) {
		sg_wrmsr(X2APIC + ICR, (uint64_t)to << 32 | icr);
	} else {
		put(ICR_HIGH, to << 24);
		put(ICR, icr);
	}
}
enum { SELF = 1 << 18, ALL = 2 << 18, OTHERS = 3 << 18, LOGICAL = 1 << 11, LOWEST = 1 << 8 };

/* The line's name in this mode. */
static const char *named(const char *what)
{
	static char buffers[4][48];
	static unsigned turn;
	char *out = buffers[turn++ & 3], *t = out;
	for (const char *s = x2 ? "apic.x2_" : "apic.x_"; *s;)
		*t++ = *s++;
	while (*what)
		*t++ = *what++;
	*t = 0;
	return out;
}

/* ------ handlers: a letter for each vector's class, ) when it is done ------ */

static char log_text[40];
static volatile unsigned log_count;
static void note(char c)
{
	if (log_count < sizeof log_text - 1) {
		log_text[log_count] = c;
		log_text[log_count + 1] = 0;
		log_count++;
	}
}
static void log_clear(void)
{
	log_count = 0;
	log_text[0] = 0;
}
static const char *logged(void)
{
	return log_count ? log_text : "none";
}

/* Time for what is due; exits, for a KVM that emulates. */
static void a_while(void)
{
	for (unsigned n = 0; n < 20; n++)
		sg_out8(0x80, 0);
}
static void open_up(void)
{
	__asm__ volatile("sti" ::: "memory");
	a_while();
	__asm__ volatile("cli" ::: "memory");
}

static uint8_t send_within; /* the next handler sends this to itself and lets interrupts in */
static uint32_t ppr_within;

static void on_vector(struct sg_regs *r)
{
	uint8_t within = send_within;
	note("0123456789abcdef"[r->vector >> 4 & 15]);
	ppr_within = get(PPR);
	if (within) {
		send_within = 0;
		send(SELF | within, 0);
		open_up();
	}
	note(')');
	put(EOI, 0);
}

static void on_spurious(struct sg_regs *r)
{
	(void)r;
	note('s'); /* no EOI */
}

static bool bit(unsigned bank, unsigned vector)
{
	return get(bank + vector / 32) >> vector % 32 & 1;
}

/* ------ priorities ------ */

static void priorities(void)
{
	for (unsigned v = 0x31; v < 0xf0; v += 0x10)
		sg_handler[v] = sg_handler[v + 1] = on_vector;
	sg_handler[0xff] = on_spurious;
	put(SVR, 0x1ff);
	put(TPR, 0);
	log_clear();
	send(SELF | 0x31, 0);
	send(SELF | 0x71, 0);
	send(SELF | 0x51, 0);
	sg_check(named("irr"), bit(IRR, 0x31) + bit(IRR, 0x71) + bit(IRR, 0x51), 3);
	sg_expect(named("if_clear"), logged(), "none");
	open_up();
	sg_expect(named("by_priority"), logged(), "7)5)3)");
	sg_check(named("irr_empty"), bit(IRR, 0x31) + bit(IRR, 0x71) + bit(IRR, 0x51), 0);
	log_clear();
	send(SELF | 0x41, 0);
	send(SELF | 0x41, 0);
	open_up();
	sg_expect(named("same_vector_once"), logged(), "4)");
	log_clear();
	put(TPR, 0x50);
	send(SELF | 0x51, 0);
	send(SELF | 0x61, 0);
	open_up();
	sg_expect(named("tpr_class_held"), logged(), "6)");
	sg_check(named("tpr_held_irr"), bit(IRR, 0x51), 1);
	sg_check(named("ppr"), get(PPR), 0x50);
	put(TPR, 0x4f);
	open_up();
	sg_expect(named("tpr_subclass_does_not_count"), logged(), "6)5)");
	log_clear();
	for (unsigned cr8 = 15; cr8 <= 15; cr8--) { /* each class waits until CR8 is below it */
		sg_set_cr(8, cr8);
		if (cr8 == 15)
			for (unsigned v = 0x31; v < 0xf0; v += 0x20)
				send(SELF | v, 0);
		open_up();
		if (cr8 % 5 == 0)
			sg_line(named("cr8_steps"), "%x: %s", cr8, logged());
	}
	sg_check(named("cr8_is_tpr"), get(TPR), 0);
	put(TPR, 0x7b);
	sg_check(named("tpr_is_cr8"), sg_cr(8), 7);
	sg_check(named("tpr_reads_all"), get(TPR), 0x7b);
	put(TPR, 0);
}

static void nesting(void)
{
	log_clear();
	send_within = 0x81;
	send(SELF | 0x51, 0);
	open_up();
	sg_expect(named("higher_nests"), logged(), "58))");
	log_clear();
	send_within = 0x52; /* the same class */
	send(SELF | 0x51, 0);
	open_up();
	sg_expect(named("same_class_waits"), logged(), "5)5)");
	log_clear();
	send_within = 0x31;
	send(SELF | 0x51, 0);
	open_up();
	sg_expect(named("lower_waits"), logged(), "5)3)");
	sg_check(named("ppr_in_service"), ppr_within, 0x30);
	log_clear();
	send(SELF | 0x51, 0);
	put(EOI, 0); /* nothing is in service */
	open_up();
	sg_expect(named("eoi_of_nothing"), logged(), "5)");
	sg_check(named("isr_empty"), bit(ISR, 0x51), 0);
}

/* ------ IPIs ------ */

static void ipis(void)
{
	log_clear();
	uint32_t id = x2 ? get(ID) : get(ID) >> 24;
	sg_check(named("id"), id, 0);
	send(0x41, id);
	open_up();
	sg_expect(named("physical"), logged(), "4)");
	log_clear();
	send(0x41, x2 ? 0xffffffff : 0xff);
	open_up();
	sg_expect(named("physical_broadcast"), logged(), "4)");
	log_clear();
	send(0x41, 7);
	open_up();
	sg_expect(named("nobody"), logged(), "none");
	send(ALL | 0x41, 0);
	open_up();
	sg_expect(named("all"), logged(), "4)");
	log_clear();
	send(OTHERS | 0x41, 0);
	open_up();
	sg_expect(named("others"), logged(), "none");
	if (!x2) {
		put(DFR, 0xffffffff);
		put(LDR, 0x04000000);
		sg_check(named("ldr"), get(LDR), 0x04000000);
	}
	send(LOGICAL | 0x41, x2 ? 1 : 4);
	open_up();
	sg_expect(named("logical"), logged(), "4)");
	log_clear();
	send(LOGICAL | 0x41, x2 ? 2 : 2);
	open_up();
	sg_expect(named("logical_other"), logged(), "none");
	send(LOGICAL | LOWEST | 0x41, x2 ? 1 : 4);
	open_up();
	sg_expect(named("lowest_priority"), logged(), "4)");
	log_clear();
	if (!x2) {
		put(DFR, 0x0fffffff); /* cluster model: cluster 2, member 1 */
		put(LDR, 0x21000000);
		send(LOGICAL | 0x41, 0x21);
		open_up();
		sg_expect(named("cluster"), logged(), "4)");
		log_clear();
		send(LOGICAL | 0x41, 0x11);
		open_up();
		sg_expect(named("cluster_other"), logged(), "none");
		put(DFR, 0xffffffff);
	} else {
		sg_wrmsr(X2APIC + SELF_IPI, 0x61);
		open_up();
		sg_expect(named("self_ipi"), logged(), "6)");
		log_clear();
	}
	sg_check(named("icr_idle"), get(ICR) >> 12 & 1, 0);
}

/* Vectors below 16 are illegal. */
static void errors(void)
{
	put(ESR, 0);
	put(ESR, 0);
	sg_check(named("esr_clear"), get(ESR), 0);
	put(ERROR, 0xe1);
	log_clear();
	sg_handler[5] = on_vector; /* who sends it all the same goes on */
	send(SELF | 0x05, 0);
	open_up();
	sg_handler[5] = NULL;
	put(ESR, 0);
	sg_check(named("esr_illegal_vector"), (get(ESR) & 0x60) != 0, 1);
	sg_expect(named("error_interrupt"), logged(), "e)");
	put(ESR, 0);
	put(ERROR, 0x10000);
	log_clear();
}

/* ------ the timer ------ */

static uint64_t now(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}

static volatile unsigned ticks;
static void on_tick(struct sg_regs *r)
{
	(void)r;
	ticks++;
	put(EOI, 0);
}
static bool wait_ticks(unsigned n)
{
	uint64_t end = now() + 4000000000ull;
	__asm__ volatile("sti" ::: "memory");
	while (ticks < n && now() < end)
		sg_out8(0x80, 0);
	__asm__ volatile("cli" ::: "memory");
	return ticks >= n;
}

static void timer(void)
{
	static const uint8_t divides[] = {0, 1, 2, 3, 8, 9, 10, 11};
	sg_handler[0x91] = on_tick;
	unsigned same = 0;
	for (unsigned i = 0; i < sizeof divides; i++) {
		put(DIVIDE, divides[i]);
		same += get(DIVIDE) == divides[i];
	}
	sg_check(named("divide"), same, sizeof divides);
	put(DIVIDE, 11);
	ticks = 0;
	put(TIMER, 0x91);
	put(INITIAL, 100000);
	sg_check(named("timer_initial"), get(INITIAL), 100000);
	sg_check(named("timer_counts_down"), get(CURRENT) <= 100000, 1);
	sg_check(named("one_shot"), wait_ticks(1), 1);
	sg_check(named("one_shot_stops"), get(CURRENT), 0);
	open_up();
	sg_check(named("one_shot_once"), ticks, 1);
	ticks = 0;
	put(TIMER, 0x20091);
	put(INITIAL, 100000);
	sg_check(named("periodic"), wait_ticks(3), 1);
	put(INITIAL, 0);
	open_up();
	ticks = 0;
	open_up();
	sg_check(named("timer_stopped"), ticks, 0);
	sg_check(named("timer_stopped_at"), get(CURRENT), 0);
	put(TIMER, 0x10091); /* masked */
	put(INITIAL, 1000);
	for (unsigned n = 0; n < 100000 && get(CURRENT); n++)
		;
	open_up();
	sg_check(named("timer_masked"), ticks, 0);
	sg_check(named("timer_masked_irr"), bit(IRR, 0x91), 0);
	put(INITIAL, 0);
}

static void deadline(void)
{
	uint64_t v = 1, adjust = 0;
	if (!sg_has(SG_TSC_DEADLINE)) {
		sg_skip(named("deadline*"), "no TSC_DEADLINE");
		return;
	}
	ticks = 0;
	put(TIMER, 0x40091);
	__asm__ volatile("mfence" ::: "memory"); /* SDM vol. 3, 11.5.4.1 */
	sg_wrmsr(MSR_TSC_DEADLINE, now() + 100000);
	sg_check(named("deadline"), wait_ticks(1), 1);
	sg_rdmsr(MSR_TSC_DEADLINE, &v);
	sg_check(named("deadline_disarms"), v, 0);
	open_up();
	sg_check(named("deadline_once"), ticks, 1);
	sg_wrmsr(MSR_TSC_DEADLINE, now() + (1ull << 40));
	sg_wrmsr(MSR_TSC_DEADLINE, now() + 100000); /* the second counts */
	sg_check(named("deadline_again"), wait_ticks(2), 1);
	sg_wrmsr(MSR_TSC_DEADLINE, now() + (1ull << 40));
	put(TIMER, 0x91); /* leaving the mode disarms */
	put(TIMER, 0x40091);
	sg_rdmsr(MSR_TSC_DEADLINE, &v);
	sg_check(named("deadline_left"), v, 0);
	if (sg_has(SG_TSC_ADJUST)) { /* the deadline is compared with the TSC as it is then */
		sg_wrmsr(MSR_TSC_DEADLINE, now() + (1ull << 40));
		sg_rdmsr(MSR_TSC_ADJUST, &adjust);
		sg_wrmsr(MSR_TSC_ADJUST, adjust + (1ull << 41));
		sg_check(named("deadline_by_adjust"), wait_ticks(3), 1);
		sg_wrmsr(MSR_TSC_ADJUST, adjust);
	}
	sg_wrmsr(MSR_TSC_DEADLINE, 0);
	put(TIMER, 0x10000);
}

/* ------ enabling ------ */

static void disabled(void)
{
	log_clear();
	put(TIMER, 0x91);
	put(SVR, 0xff);
	sg_check(named("soft_off_masks_lvt"), get(TIMER) >> 16 & 1, 1);
	put(TIMER, 0x91);
	sg_check(named("soft_off_keeps_mask"), get(TIMER) >> 16 & 1, 1);
	send(SELF | 0x41, 0);
	put(SVR, 0x1ff);
	open_up();
	sg_line(named("soft_off_ipi"), "%s", logged());
	put(TIMER, 0x10000);
	log_clear();
}

static void versions(void)
{
	uint32_t version = get(VERSION);
	sg_check(named("version"), (version & 0xff) >= 0x10 && (version & 0xff) < 0x20, 1);
	sg_check(named("lvt_entries"), (version >> 16 & 0xff) >= 3, 1);
	sg_check(named("tmr"), get(TMR + 2), 0);
	sg_check(named("lint0_masked_bits"), get(LINT0) & 0xfffe0000, 0);
}

static const char *write(uint32_t index, uint64_t v)
{
	sg_wrmsr(index, v);
	return sg_fault_text();
}

/* All ways between the three modes (SDM vol. 3, figure 11-27). */
static void modes(void)
{
	uint64_t base = 0, v = 0;
	sg_rdmsr(MSR_APIC_BASE, &base);
	sg_expect("apic.mode_xapic_to_x2", write(MSR_APIC_BASE, base | 0x400), "ok");
	sg_expect("apic.mode_x2_to_xapic", write(MSR_APIC_BASE, base), "#GP(0)");
	sg_expect("apic.mode_x2_to_invalid", write(MSR_APIC_BASE, (base & ~0x800ull) | 0x400), "#GP(0)");
	sg_expect("apic.mode_x2_to_off", write(MSR_APIC_BASE, base & ~0xc00ull), "ok");
	sg_expect("apic.mode_off_msr", (sg_rdmsr(X2APIC + ID, &v), sg_fault_text()), "#GP(0)");
	sg_check("apic.mode_off_cpuid", sg_cpuid(1, 0).d >> 9 & 1, 0);
	sg_expect("apic.mode_off_to_x2", write(MSR_APIC_BASE, base | 0x400), "#GP(0)");
	sg_expect("apic.mode_off_to_xapic", write(MSR_APIC_BASE, base), "ok");
	sg_check("apic.mode_xapic_cpuid", sg_cpuid(1, 0).d >> 9 & 1, 1);
	x2 = false;
	sg_check("apic.mode_xapic_svr_after_off", get(SVR), 0xff);
	sg_check("apic.mode_xapic_tpr_after_off", get(TPR), 0);
	put(SVR, 0x1ff);
	put(TPR, 0x20);
	sg_expect("apic.mode_back_to_x2", write(MSR_APIC_BASE, base | 0x400), "ok");
	x2 = true;
	sg_check("apic.mode_kept_tpr", get(TPR), 0x20);
	sg_check("apic.mode_kept_svr", get(SVR), 0x1ff);
	sg_check("apic.mode_x2_ldr", get(LDR), 1);
	put(TPR, 0);
}

static void all(void)
{
	versions();
	priorities();
	nesting();
	ipis();
	errors();
	disabled();
	timer();
	deadline();
}

void sg_group(void)
{
	all();
	if (!sg_has(SG_X2APIC)) {
		sg_skip("apic.x2*", "no x2APIC");
		sg_skip("apic.mode*", "no x2APIC");
		return;
	}
	modes();
	all();
}
