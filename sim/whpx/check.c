/* check.c - would a processor enter the guest with this state? SDM vol. 3, "Checking and Loading Guest State" (26.3.1),
 * as far as it concerns registers that have names here; with unrestricted guests. */
#include "whpsim.h"

enum {
	CR0_PE = 1,
	CR0_NW = 1 << 29,
	CR0_CD = 1 << 30,
	CR4_PAE = 1 << 5,
	CR4_PCIDE = 1 << 17,
	EFER_LME = 1 << 8,
	EFER_LMA = 1 << 10,
	EFER_KNOWN = 1 | EFER_LME | EFER_LMA | 1 << 11,
	RFLAGS_IF = 1 << 9,
	RFLAGS_VM = 1 << 17
};
#define CR0_PG 0x80000000u
#define CR4_KNOWN 0x01ff1fffu

/* Access rights, as in a VMCS. */
enum {
	ACCESSED = 1,
	WRITABLE = 2,
	CONFORMING = 4,
	CODE = 8,
	SYSTEM_NOT = 0x10,
	PRESENT = 0x80,
	LONG = 0x2000,
	BIG = 0x4000,
	GRANULAR = 0x8000,
	UNUSABLE = 0x10000
};

static bool control_registers(const struct x86_cpu *c)
{
	bool paging = c->cr0 & CR0_PG, lma = c->efer & EFER_LMA;
	if (c->cr0 >> 32 || (paging && !(c->cr0 & CR0_PE)) || (c->cr0 & CR0_NW && !(c->cr0 & CR0_CD)))
		return false;
	if (c->cr4 & ~(uint64_t)CR4_KNOWN || c->cr3 >> c->gpa_bits & ~(UINT64_C(1) << (63 - c->gpa_bits)))
		return false;
	if (c->efer & ~(uint64_t)EFER_KNOWN || lma != (paging && c->efer & EFER_LME))
		return false;
	return lma ? c->cr4 & CR4_PAE : !(c->cr4 & CR4_PCIDE);
}

static bool granularity(const struct x86_seg *s)
{
	if (s->attr & GRANULAR)
		return (s->limit & 0xfff) == 0xfff;
	return !(s->limit >> 20);
}

static bool rights(const struct x86_seg *s)
{
	return !(s->attr & 0xf00) && s->attr & PRESENT && granularity(s);
}

static bool vm86_segment(const struct x86_seg *s)
{
	return s->base == (uint64_t)s->sel << 4 && s->limit == 0xffff && (s->attr & 0xffff) == 0xf3;
}

static bool code_segment(const struct x86_cpu *c)
{
	const struct x86_seg *s = &c->seg[X86_CS];
	if (s->attr & UNUSABLE || !(s->attr & SYSTEM_NOT) || !rights(s) || s->base >> 32)
		return false;
	if (c->efer & EFER_LMA && s->attr & LONG && s->attr & BIG)
		return false;
	return (s->attr & 0xf) == (ACCESSED | WRITABLE) || (s->attr & (CODE | ACCESSED)) == (CODE | ACCESSED);
}

static bool stack_segment(const struct x86_cpu *c)
{
	const struct x86_seg *s = &c->seg[X86_SS];
	if (s->attr & UNUSABLE)
		return true;
	return s->attr & SYSTEM_NOT && rights(s) && !(s->base >> 32) &&
	       (s->attr & (CODE | WRITABLE | ACCESSED)) == (WRITABLE | ACCESSED);
}

static bool data_segment(const struct x86_cpu *c, unsigned n)
{
	const struct x86_seg *s = &c->seg[n];
	if (s->attr & UNUSABLE)
		return true;
	bool readable = !(s->attr & CODE) || s->attr & WRITABLE; /* of code the bit means that it can be read */
	bool low = n == X86_FS || n == X86_GS || !(s->base >> 32);
	return s->attr & SYSTEM_NOT && rights(s) && s->attr & ACCESSED && readable && low;
}

static bool segments(const struct x86_cpu *c)
{
	static const uint8_t all[] = {X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS};
	static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
	bool ok = true;
	if (c->eflags & RFLAGS_VM) {
		for (unsigned i = 0; i < sizeof all; i++)
			ok = ok && vm86_segment(&c->seg[all[i]]);
		return ok;
	}
	for (unsigned i = 0; i < sizeof data; i++)
		ok = ok && data_segment(c, data[i]);
	return ok && code_segment(c) && stack_segment(c);
}

static bool system_segments(const struct x86_cpu *c)
{
	enum { LDT = 2, BUSY_16 = 3, BUSY = 11 };
	const struct x86_seg *tr = &c->seg[X86_TR], *ldtr = &c->seg[X86_LDTR];
	unsigned type = tr->attr & 0xf;
	if (tr->attr & (UNUSABLE | SYSTEM_NOT) || !rights(tr))
		return false;
	if (type != BUSY && (type != BUSY_16 || c->efer & EFER_LMA))
		return false;
	return ldtr->attr & UNUSABLE || ((ldtr->attr & (0xf | SYSTEM_NOT)) == LDT && rights(ldtr));
}

static bool canonical(uint64_t a, unsigned bits)
{
	uint64_t half = UINT64_C(1) << (bits - 1);
	return a + half < half * 2;
}

static bool rip(const struct x86_cpu *c)
{
	bool wide = c->efer & EFER_LMA && c->seg[X86_CS].attr & LONG;
	return wide ? canonical(c->rip, c->gva_bits) : !(c->rip >> 32);
}

static bool flags(const struct whpsim_vp *vp)
{
	const struct x86_cpu *c = vp->cpu;
	if (vp->bad_rflags)
		return false;
	return !(c->eflags & RFLAGS_VM) || (c->cr0 & CR0_PE && !(c->efer & EFER_LMA));
}

/* An interrupt that is to be injected where it could not be taken (SDM vol. 3, 26.3.1.4 and .5), or an error code in
 * real mode (26.2.1.3). */
static bool injection(const struct x86_cpu *c)
{
	if (!c->inject_valid || c->exc_valid)
		return true;
	if (c->inject_type)
		return c->cr0 & CR0_PE || !c->inject_has_error;
	return c->eflags & RFLAGS_IF && !c->shadow;
}

bool whpsim_state_valid(struct whpsim_vp *vp)
{
	const struct x86_cpu *c = vp->cpu;
	if (vp->unchecked) {
		if (!control_registers(c) || !flags(vp) || !segments(c) || !system_segments(c) || c->dr[7] >> 32)
			return false;
		vp->unchecked = false;
	}
	return rip(c) && injection(c);
}
