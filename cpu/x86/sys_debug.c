/* sys_debug.c - debug registers, breakpoints of the guest and of the user, single step (SDM vol. 3, chapter 18). */
#include "sys.h"

enum { DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR7_GD = 1 << 13 };
enum { BP_EXEC = 0, BP_WRITE = 1, BP_IO = 2, BP_ACCESS = 3 };
enum { REASON_STEP = 1, REASON_HARDWARE = 2 };
#define DR6_FIXED UINT64_C(0xffff0ff0) /* bits that read as 1 */

/* Guest breakpoint n: enabled, its type, its length. */
static bool enabled(const struct x86_cpu *c, int n)
{
	return c->dr[7] >> (n * 2) & 3;
}
static unsigned type_of(const struct x86_cpu *c, int n)
{
	return c->dr[7] >> (16 + n * 4) & 3;
}
static unsigned len_of(const struct x86_cpu *c, int n)
{
	static const uint8_t bytes[] = {1, 2, 8, 4};
	return bytes[c->dr[7] >> (18 + n * 4) & 3];
}

static bool covers(uint64_t addr, unsigned len, uint64_t gva, unsigned size)
{
	addr &= ~(uint64_t)(len - 1);
	return gva < addr + len && addr < gva + size;
}

/* ------ arming ------ */

static uint64_t mix(uint64_t key, uint64_t v)
{
	return (key ^ v) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Changes whenever the set of watched addresses may have changed; 0: none. */
static uint64_t watch_key(struct x86_cpu *c)
{
	uint64_t key = 0;
	c->watch_count = 0;
	for (int i = 0; i < 4; i++) {
		if (enabled(c, i) && type_of(c, i) != BP_EXEC) {
			key = mix(mix(key, c->dr[i]), c->dr[7]);
			c->watch_count++;
		}
	}
	for (unsigned i = 0; i < c->user_breaks && i < 4; i++) {
		if (c->user_break[i].type != BP_EXEC) {
			key = mix(mix(key, c->user_break[i].addr),
				(uint64_t)c->user_break[i].type << 8 | c->user_break[i].len);
			c->watch_count++;
		}
	}
	return key;
}

void x86_update_debug(struct x86_cpu *c)
{
	uint64_t key = watch_key(c);
	c->tf_active = (c->eflags & (X86_TF | X86_RF)) || c->user_step || (c->dr[7] & 0xff) || c->user_breaks;
	if (key != c->watch_key) {
		c->watch_key = key;
		x86_flush_tlb(c, true);
	}
}

/* ------ data ------ */

bool x86_page_watched(const struct x86_cpu *c, uint64_t gva)
{
	uint64_t page = gva & ~UINT64_C(0xfff);
	if (likely(!c->watch_count))
		return false;
	for (int i = 0; i < 4; i++)
		if (enabled(c, i) && (type_of(c, i) & 1) && covers(c->dr[i], len_of(c, i), page, 0x1000))
			return true;
	for (unsigned i = 0; i < c->user_breaks && i < 4; i++)
		if (c->user_break[i].type != BP_EXEC &&
			covers(c->user_break[i].addr, c->user_break[i].len, page, 0x1000))
			return true;
	return false;
}

static bool data_type_hit(unsigned type, bool write)
{
	return type == BP_ACCESS || (type == BP_WRITE && write);
}

void x86_watch_hit(struct x86_cpu *c, uint64_t gva, unsigned size, bool write)
{
	if (likely(!c->watch_count))
		return;
	for (int i = 0; i < 4; i++)
		if (enabled(c, i) && data_type_hit(type_of(c, i), write) && covers(c->dr[i], len_of(c, i), gva, size))
			c->watch_dr6 |= 1u << i;
	for (unsigned i = 0; i < c->user_breaks && i < 4; i++)
		if (data_type_hit(c->user_break[i].type, write) &&
			covers(c->user_break[i].addr, c->user_break[i].len, gva, size))
			c->watch_user |= 1u << i;
}

void x86_watch_io(struct x86_cpu *c, uint16_t port, unsigned width)
{
	for (int i = 0; i < 4; i++)
		if ((c->cr4 & CR4_DE) && enabled(c, i) && type_of(c, i) == BP_IO &&
			covers(c->dr[i], len_of(c, i), port, width))
			c->watch_dr6 |= 1u << i;
}

/* ------ around an instruction ------ */

void x86_debug_trap(struct x86_cpu *c, uint32_t dr6_bits)
{
	c->dr6_before = c->dr[6];
	c->dr[6] = (c->dr[6] & ~UINT64_C(0xf)) | dr6_bits | DR6_FIXED;
	c->debugctl &= ~(uint64_t)X86_DEBUGCTL_BTF;
}

static bool user_stop(struct x86_cpu *c, uint32_t reason, uint32_t dr6_bits)
{
	c->stop.kind = X86_STOP_DEBUG;
	c->stop.needs_answer = false;
	c->stop.debug_reason = reason;
	c->stop.exception = X86_DB;
	c->stop.pc = c->rip;
	c->stop.dr6 = DR6_FIXED | dr6_bits;
	return false;
}

bool x86_debug_before(struct x86_cpu *c)
{
	uint64_t pc = c->mode == X86_MODE_LONG ? c->rip : (uint32_t)(c->seg[X86_CS].base + c->rip);
	uint32_t user = 0, guest = 0;
	bool off = c->off_break && c->off_pc == pc;
	c->off_break = false;
	if (!(c->shadow & 2)) /* what MOV SS hit waits for the next instruction (SDM vol. 3, 6.8.3) */
		c->watch_dr6 = c->watch_user = 0;
	c->step_armed = c->eflags & X86_TF;
	c->user_stepped = c->user_step;
	c->rf_loaded = false;
	if ((c->eflags & X86_RF) || (c->shadow & 2))
		return true;
	for (unsigned i = 0; i < c->user_breaks && i < 4; i++)
		if (c->user_break[i].type == BP_EXEC && c->user_break[i].addr == pc)
			user |= 1u << i;
	if (user && !off) {
		c->off_break = true;
		c->off_pc = pc;
		return user_stop(c, REASON_HARDWARE, user);
	}
	for (int i = 0; i < 4; i++)
		if (enabled(c, i) && type_of(c, i) == BP_EXEC && c->dr[i] == pc)
			guest |= 1u << i;
	if (guest) {
		x86_debug_trap(c, guest);
		x86_raise(c, NULL, X86_DB, -1);
	}
	return true;
}

static bool stepped(const struct x86_cpu *c)
{
	bool branches = c->debugctl & X86_DEBUGCTL_BTF;
	return c->step_armed && (!branches || (c->rip != c->step_next && c->rip != c->rep_rip));
}

bool x86_debug_after(struct x86_cpu *c)
{
	bool after_mov_ss = c->shadow & 2;
	uint32_t guest = c->watch_dr6 | (stepped(c) ? DR6_BS : 0);
	bool done = c->rip != c->rep_rip;
	if ((c->eflags & X86_RF) && !c->rf_loaded && done) {
		c->eflags &= ~(uint32_t)X86_RF;
		x86_update_debug(c);
	}
	if (after_mov_ss)
		guest = 0;
	if (guest)
		x86_debug_trap(c, guest);
	bool user = c->user_stepped || (c->watch_user && !after_mov_ss);
	if (guest && !user)
		x86_raise(c, NULL, X86_DB, -1);
	if (guest) { /* the user first; the guest's own trap at the next run */
		c->exc_valid = true;
		c->exc_vector = X86_DB;
		c->exc_type = 3;
		c->exc_error = -1;
	}
	if (user)
		return user_stop(c, c->watch_user ? REASON_HARDWARE : REASON_STEP,
			c->watch_user | (c->user_stepped ? DR6_BS : 0));
	return true;
}

/* ------ MOV DR ------ */

static int dr_number(struct x86_cpu *c, const struct x86_op *op, int n)
{
	if (n > 7 || ((n == 4 || n == 5) && (c->cr4 & CR4_DE)))
		x86_ud(c, op);
	x86_need_cpl0(c, op);
	if (c->dr[7] & DR7_GD) {
		x86_debug_trap(c, DR6_BD);
		c->eflags |= X86_RF; /* a fault, and not of a breakpoint: RF is pushed (SDM vol. 3, 18.3.1.1) */
		x86_raise(c, op, X86_DB, -1);
	}
	return n == 4 || n == 5 ? n + 2 : n;
}

const struct x86_op *x86_sys_mov_to_dr(struct x86_cpu *c, const struct x86_op *op)
{
	int n = dr_number(c, op, op->dst);
	uint64_t v = c->mode == X86_MODE_LONG ? c->r[op->src] : (uint32_t)c->r[op->src];
	if (n >= 6 && v >> 32)
		x86_gp(c, op, 0);
	if (n == 6)
		v = (v & 0xe00f) | DR6_FIXED;
	else if (n == 7)
		v = (v & 0xffff23ff) | 0x400;
	c->dr[n] = v;
	x86_update_debug(c);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_mov_from_dr(struct x86_cpu *c, const struct x86_op *op)
{
	int n = dr_number(c, op, op->src);
	x86_put_reg(c, op->dst, c->mode == X86_MODE_LONG ? 8 : 4, c->dr[n]);
	return NEXT(op);
}
