/* sys_reset.c - the state after RESET, INIT and SIPI (SDM vol. 3, table 10-1 and 9.4.3). */
#include "sys.h"

static const struct x86_seg reset_segs[X86_NSEG] = {
	[X86_CS] = {0xffff0000, 0xffff, 0x9b, 0xf000},
	[X86_SS] = {0, 0xffff, 0x93, 0},
	[X86_DS] = {0, 0xffff, 0x93, 0},
	[X86_ES] = {0, 0xffff, 0x93, 0},
	[X86_FS] = {0, 0xffff, 0x93, 0},
	[X86_GS] = {0, 0xffff, 0x93, 0},
	[X86_LDTR] = {0, 0xffff, 0x82, 0},
	[X86_TR] = {0, 0xffff, 0x8b, 0},
};

static const struct {
	uint16_t offset;
	uint64_t value;
} reset_values[] = {
	{offsetof(struct x86_cpu, rip), 0xfff0},
	{offsetof(struct x86_cpu, r[2]), 0x600}, /* family 6 */
	{offsetof(struct x86_cpu, cr2), 0},
	{offsetof(struct x86_cpu, cr3), 0},
	{offsetof(struct x86_cpu, cr4), 0},
	{offsetof(struct x86_cpu, cr8), 0},
	{offsetof(struct x86_cpu, efer), 0},
	{offsetof(struct x86_cpu, gdt_base), 0},
	{offsetof(struct x86_cpu, idt_base), 0},
	{offsetof(struct x86_cpu, dr[6]), 0xffff0ff0},
	{offsetof(struct x86_cpu, dr[7]), 0x400},
};

static void drop_events(struct x86_cpu *c)
{
	c->nmi_pending = c->nmi_masked = c->window_wanted = c->inject_valid = c->exc_valid = c->exc_triple = false;
	c->shadow = c->delivering = 0;
	c->step_armed = c->user_stepped = false;
	c->rep_rip = UINT64_MAX;
	c->watch_dr6 = c->watch_user = 0;
	c->log_len = c->log_pos = 0;
	c->stop.needs_answer = false;
}

/* What RESET and INIT have in common. */
static void reset_common(struct x86_cpu *c)
{
	memset(c->r, 0, sizeof c->r);
	memset(c->dr, 0, 4 * sizeof *c->dr);
	memset(c->pdpte, 0, sizeof c->pdpte);
	memcpy(c->seg, reset_segs, sizeof c->seg);
	for (unsigned i = 0; i < sizeof reset_values / sizeof *reset_values; i++)
		memcpy((char *)c + reset_values[i].offset, &reset_values[i].value, 8);
	c->gdt_limit = c->idt_limit = 0xffff;
	x86_set_arith_flags(c, 0);
	c->eflags = 2;
	drop_events(c);
}

static void settle(struct x86_cpu *c)
{
	x86_update_mode(c);
	x86_flush_tlb(c, true);
	x86_update_debug(c);
}

void x86_reset(struct x86_cpu *c)
{
	reset_common(c);
	c->cr0 = CR0_ET | CR0_CD | CR0_NW;
	c->xcr0 = 1;
	x86_msr_reset(c);
	memset(c->st, 0, sizeof c->st);
	memset(c->v, 0, sizeof c->v);
	c->fcw = 0x40;
	c->fsw = c->fop = 0;
	c->ftag = 0xff; /* FTW 5555H: eight zeroes, none empty */
	c->fip = c->fdp = 0;
	c->mxcsr = 0x1f80;
	settle(c);
}

void x86_init(struct x86_cpu *c)
{
	uint64_t kept = c->cr0 & (CR0_CD | CR0_NW);
	reset_common(c);
	c->cr0 = kept | CR0_ET;
	settle(c);
}

void x86_sipi(struct x86_cpu *c, uint8_t vector)
{
	c->seg[X86_CS].sel = (uint16_t)(vector << 8);
	c->seg[X86_CS].base = (uint64_t)vector << 12;
	c->rip = 0;
	x86_update_mode(c);
}
