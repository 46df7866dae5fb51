/* debug.c - self-hosted debug (Arm ARM D2): breakpoints, watchpoints and software step of the guest, and the user's own
 * beside them. */
#include "sys.h"
#include "vmaccel/vmaccel.h"

enum { FSC_DEBUG = 0x22, REASON_STEP = 1, REASON_HARDWARE = 2 };

bool a64_debug_enabled(const struct a64_cpu *c, unsigned el)
{
	if (c->oslsr & 2 || c->osdlr & 1)
		return false;
	return el == 0 || (c->mdscr & A64_MDSCR_KDE && !(c->daif & A64_DAIF_D));
}

bool a64_step_active(const struct a64_cpu *c)
{
	return c->mdscr & A64_MDSCR_SS && a64_debug_enabled(c, c->el);
}

/* PMC or PAC, bits 2:1 of DBGBCR and DBGWCR: EL1, EL0 */
static bool level_matches(const struct a64_cpu *c, uint64_t control)
{
	return control >> (c->el ? 1 : 2) & 1;
}

static bool guest_break(const struct a64_cpu *c)
{
	if (!(c->mdscr & A64_MDSCR_MDE) || !a64_debug_enabled(c, c->el))
		return false;
	for (unsigned n = 0; n < A64_WATCH; n++) /* BT 0: unlinked address match; others are not offered */
		if (c->dbgbcr[n] & 1 && !(c->dbgbcr[n] >> 20 & 15) && level_matches(c, c->dbgbcr[n]) &&
		    ((c->dbgbvr[n] ^ c->pc) & UINT64_C(0x1fffffffffffc)) == 0)
			return true;
	return false;
}

static bool user_break(const struct a64_cpu *c)
{
	for (unsigned n = 0; n < c->user_breaks && n < A64_WATCH; n++)
		if (c->user_break[n].type == VMA_BREAK_EXEC && c->user_break[n].addr == c->pc)
			return true;
	return false;
}

static void stop_debug(struct a64_cpu *c, uint32_t reason, uint64_t far)
{
	c->stop.kind = A64_STOP_DEBUG;
	c->stop.needs_answer = false;
	c->stop.debug_reason = reason;
	c->stop.pc = c->pc;
	c->stop.far = far;
}

/* In the order of Arm ARM D1.3.5.5. An exception ends this look: what it leads to is looked at by itself. */
bool a64_debug_before(struct a64_cpu *c)
{
	if (user_break(c)) {
		stop_debug(c, REASON_HARDWARE, c->pc);
		return false;
	}
	if (a64_step_active(c) && !c->ss)
		a64_raise(c, NULL, A64_EC_STEP, 1u << 24 | FSC_DEBUG);
	if (c->il)
		a64_raise(c, NULL, A64_EC_ILLEGAL, 0);
	if (guest_break(c))
		a64_raise(c, NULL, A64_EC_BREAK, FSC_DEBUG);
	return true;
}

/* An ERET that leads to where stepping is active has not been stepped over itself. */
bool a64_debug_after(struct a64_cpu *c, bool stepped)
{
	if (stepped)
		c->ss = false;
	if (!c->user_step)
		return true;
	stop_debug(c, REASON_STEP, c->pc);
	return false;
}

static bool has_breaks(const struct a64_cpu *c)
{
	for (unsigned n = 0; n < A64_WATCH; n++)
		if (c->dbgbcr[n] & 1)
			return true;
	return false;
}

static bool is_watch(const struct a64_cpu *c, unsigned n)
{
	return c->user_break[n].type != VMA_BREAK_EXEC;
}

void a64_debug_update(struct a64_cpu *c)
{
	bool user = c->user_step;
	for (unsigned n = 0; n < c->user_breaks && n < A64_WATCH; n++)
		user = user || !is_watch(c, n);
	c->tf_active = user || c->il || c->mdscr & A64_MDSCR_SS || (c->mdscr & A64_MDSCR_MDE && has_breaks(c));
}

/* ------ watchpoints ------ */

struct range {
	uint64_t first, last;
};

/* DBGWCR.MASK: a region of 2^MASK bytes; else BAS: bytes of a doubleword, taken from the lowest to the highest. */
static struct range guest_range(const struct a64_cpu *c, unsigned n)
{
	uint64_t at = (uint64_t)a64_sext(c->dbgwvr[n], 49) & ~UINT64_C(3);
	unsigned mask = c->dbgwcr[n] >> 24 & 31, bas = c->dbgwcr[n] >> 5 & 0xff;
	if (mask >= 3)
		return (struct range){at & ~((UINT64_C(1) << mask) - 1), at | ((UINT64_C(1) << mask) - 1)};
	if (!bas)
		return (struct range){1, 0};
	return (struct range){at + (unsigned)__builtin_ctz(bas), at + 31 - (unsigned)__builtin_clz(bas)};
}

static bool meets(struct range r, uint64_t first, uint64_t last)
{
	return r.first <= r.last && first <= r.last && last >= r.first;
}

static struct range user_range(const struct a64_cpu *c, unsigned n)
{
	uint64_t at = c->user_break[n].addr;
	return (struct range){at, at + (c->user_break[n].len ? c->user_break[n].len : 1) - 1};
}

bool a64_page_watched(const struct a64_cpu *c, uint64_t gva)
{
	uint64_t first = (uint64_t)a64_sext(gva, 56) & ~UINT64_C(0xfff), last = first | 0xfff;
	for (unsigned n = 0; n < A64_WATCH; n++)
		if (c->dbgwcr[n] & 1 && meets(guest_range(c, n), first, last))
			return true;
	for (unsigned n = 0; n < c->user_breaks && n < A64_WATCH; n++)
		if (is_watch(c, n) && meets(user_range(c, n), first, last))
			return true;
	return false;
}

void a64_watch_changed(struct a64_cpu *c)
{
	unsigned had = c->mmu->watches;
	c->mmu->watches = 0;
	for (unsigned n = 0; n < A64_WATCH; n++)
		c->mmu->watches += c->dbgwcr[n] & 1;
	for (unsigned n = 0; n < c->user_breaks && n < A64_WATCH; n++)
		c->mmu->watches += is_watch(c, n);
	if (had || c->mmu->watches)
		a64_tlb_flush(c);
	a64_debug_update(c);
}

void a64_watch_check(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, bool write)
{
	uint64_t first = (uint64_t)a64_sext(gva, 56), last = first + size - 1;
	for (unsigned n = 0; n < c->user_breaks && n < A64_WATCH; n++)
		if (is_watch(c, n) && (write || c->user_break[n].type != VMA_BREAK_WRITE) &&
		    meets(user_range(c, n), first, last)) {
			if (op)
				c->pc = a64_op_pc(c, op);
			stop_debug(c, REASON_HARDWARE, gva);
			a64_leave(c, A64_STOP_DEBUG);
		}
	if (!(c->mdscr & A64_MDSCR_MDE) || !a64_debug_enabled(c, c->el))
		return;
	for (unsigned n = 0; n < A64_WATCH; n++)
		if (c->dbgwcr[n] & 1 && c->dbgwcr[n] >> (write ? 4 : 3) & 1 && level_matches(c, c->dbgwcr[n]) &&
		    meets(guest_range(c, n), first, last))
			a64_raise_far(c, op, A64_EC_WATCH, FSC_DEBUG | (write ? 0x40 : 0), gva);
}
