/* emulate.c - one load or store by itself, for those whose processor cannot finish it: an emulator of accesses to
 * devices. Nothing but accesses to memory is executed here. */
#include "engine.h"
#include "sys.h"

/* Loads and stores (Arm ARM C4.1, op0 x1x0), and DC ZVA where its block is the one that is implemented. */
static bool accesses(const struct a64_cpu *c, uint32_t insn)
{
	enum { BLOCK_64 = 4 };
	return (insn & 0x0a000000) == 0x08000000 || ((insn & 0xffffffe0) == 0xd50b7420 && c->dczid == BLOCK_64);
}

/* The word at the PC; false: fetching it faults, or it lies in no memory. */
static bool peek(struct a64_cpu *c, uint32_t *insn)
{
	struct a64_walk w;
	unsigned flags = 0;
	if (c->pc & 3 || a64_walk(c, c->pc, A64_ACC_EXEC, &w))
		return false;
	const uint8_t *page = c->env->page(c->env_opaque, w.gpa & ~UINT64_C(0xfff), &flags);
	if (!page || !(flags & A64_PAGE_X))
		return false;
	*insn = (uint32_t)host_get(page + (w.gpa & 0xfff), 4);
	return true;
}

/* A fetch that faults is for a64_step to deliver. */
enum a64_stop_kind a64_access(struct a64_cpu *c)
{
	uint32_t insn;
	c->replay = false;
	a64_log_reset(c);
	if (!peek(c, &insn) || (accesses(c, insn) && a64_find_row(c->features, insn)))
		return a64_step(c);
	c->stop = (struct a64_stop){.kind = A64_STOP_INTERNAL, .imm = insn, .pc = c->pc};
	return A64_STOP_INTERNAL;
}
