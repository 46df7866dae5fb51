/* whpx_emu.c - instructions done here: what exits and is more than a plain access is executed by the software CPU
 * (cpu/x86) on the vCPU's registers and memory, one instruction a time; whpx_burst.c may go on with the next ones.
 *
 * An access to a device stops the software CPU with nothing of the instruction done; its answer makes it execute the
 * instruction again (cpu/x86/x86.h). What earlier instructions did stands in w->out by then. */
#include <string.h>
#include "pc/pc.h"
#include "whpx/whpx_emu.h"

enum { RFLAGS_VM = 1 << 17 };
enum { TIMED = 64 }; /* runs until what an exit costs counts as known */

/* ------ what the software CPU asks ------ */

_Static_assert((int)VMA_MAP_READ == (int)X86_PAGE_R && (int)VMA_MAP_WRITE == (int)X86_PAGE_W &&
		       (int)VMA_MAP_EXEC == (int)X86_PAGE_X && (int)VMA_MAP_LOG == (int)X86_PAGE_LOG,
	       "flags of a mapping are those of a page");

static uint8_t *env_page(void *o, uint64_t gpa, unsigned *flags)
{
	const struct whpx_vcpu *w = o;
	const struct whpx_region *r = whpx_region_at(w->vm, gpa);

	if (!r)
		return NULL;
	*flags = r->flags & (VMA_MAP_RWX | VMA_MAP_LOG);
	return r->hva + (gpa - r->gpa);
}

static void env_mark_dirty(void *o, uint64_t gpa)
{
	struct whpx_vcpu *w = o;

	whpx_mark_dirty(w->vm, gpa);
}

static int env_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	(void)o, (void)gpa, (void)len, (void)write, (void)data;
	return X86_DEFER;
}

static int env_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	(void)o, (void)port, (void)width, (void)write, (void)data, (void)count;
	return X86_DEFER;
}

/* Those that have a register are the platform's; the others the software CPU keeps (whpx_msr.c). */
static bool env_msr_exits(void *o, uint32_t index, bool write)
{
	const struct whpx_vcpu *w = o;

	return whpx_msr_wanted(w->v->vm, index, write) || whpx_msr_has_register(w->vm, index);
}

/* Of nobody's; a step leaves those of the platform's local APIC to it. */
static int unknown_msr(const struct whpx_vcpu *w, uint32_t index)
{
	bool platforms = w->stepping && w->vm->chips && pc_owns_msr(index);

	return platforms || w->v->vm->config.msr_policy == VMA_MSR_EXIT ? X86_DEFER : X86_GP;
}

static int env_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	struct whpx_vcpu *w = o;

	if (whpx_msr_wanted(w->v->vm, index, false))
		return X86_DEFER;
	if (whpx_msr_has_register(w->vm, index))
		return whpx_get_msrs(w->v, &index, value, 1) == 1 ? X86_DONE : X86_GP;
	return unknown_msr(w, index);
}

static int env_wrmsr(void *o, uint32_t index, uint64_t value)
{
	struct whpx_vcpu *w = o;

	if (whpx_msr_wanted(w->v->vm, index, true))
		return X86_DEFER;
	if (whpx_msr_has_register(w->vm, index))
		return whpx_set_msrs(w->v, &index, &value, 1) == 1 ? X86_DONE : X86_GP;
	return unknown_msr(w, index);
}

static int env_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct whpx_vcpu *w = o;

	whpx_cpuid_of(w, leaf, subleaf, out);
	return w->v->vm->config.cpuid_exits && !w->emu->opening ? X86_DEFER : X86_DONE;
}

enum { MSR_TSC = 0x10 };

static uint64_t env_tsc(void *o)
{
	struct whpx_vcpu *w = o;
	const uint32_t index = MSR_TSC;
	uint64_t tsc = 0;

	if (!w->emu->opening && whpx_msr_has_register(w->vm, index))
		whpx_get_msrs(w->v, &index, &tsc, 1);
	return tsc;
}

/* IA32_TSC_ADJUST, where the platform does not know it: the counter itself moves (SDM vol. 3, 18.17.3). */
static void env_tsc_changed(void *o)
{
	struct whpx_vcpu *w = o;
	const uint32_t index = MSR_TSC;
	uint64_t tsc = env_tsc(w) + w->cpu->tsc_offset;

	w->cpu->tsc_offset = 0;
	whpx_set_msrs(w->v, &index, &tsc, 1);
}

static bool env_random(void *o, uint64_t *value)
{
	(void)o;
	return os_random(value, sizeof(*value)) == 0;
}

/* ------ life ------ */

static void fill_env(struct whpx_vcpu *w)
{
	w->env = (struct x86_env){
		.page = env_page,
		.mark_dirty = env_mark_dirty,
		.mmio = env_mmio,
		.io = env_io,
		.rdmsr = env_rdmsr,
		.wrmsr = env_wrmsr,
		.msr_exits = env_msr_exits,
		.cpuid = env_cpuid,
		.tsc = env_tsc,
		.tsc_changed = env_tsc_changed,
		.random = env_random,
		.vmcall_exits = w->v->vm->config.hypercall_exits ? X86_VMCALL_BOTH : 0,
	};
}

int whpx_emu_open(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu = os_calloc(1, sizeof(*e));

	if (e) {
		fill_env(w);
		e->opening = true;
		w->cpu = os_fault("x86_new") ? NULL : x86_new(&w->env, w, &e->attention);
		e->opening = false;
	}
	if (!w->cpu || whpx_emu_state_open(w))
		return vma_fail(VMA_E_NOMEM, "no memory for the emulation of vCPU %u's instructions", w->v->index);
	w->cpu->io_pages = true;
	w->untimed = TIMED;
	e->exit_ns = UINT64_MAX;
	return 0;
}

void whpx_emu_close(struct whpx_vcpu *w)
{
	x86_free(w->cpu);
	if (w->emu)
		whpx_emu_state_close(w);
	os_free(w->emu);
	w->cpu = NULL;
	w->emu = NULL;
}

void whpx_emu_debug(struct whpx_vcpu *w)
{
	struct x86_cpu *c = w->cpu;
	const vma_debug *d = &w->v->debug;

	c->user_step = d->single_step;
	c->user_breaks = d->count;
	for (uint32_t i = 0; i < d->count; i++) {
		c->user_break[i].addr = d->hw[i].address;
		c->user_break[i].type = (uint8_t)d->hw[i].type;
		c->user_break[i].len = (uint8_t)d->hw[i].length;
	}
	if (w->half == WHPX_EMULATED) /* it is to be stepped over, or no longer */
		x86_state_changed(c, true);
	else
		whpx_emu_forget(w);
}

/* ------ exits ------ */

static int exit_io(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	x->io.port = (uint16_t)s->addr;
	x->io.width = (uint8_t)s->len;
	x->io.write = s->write;
	x->io.count = s->count;
	x->io.data = s->data;
	return VMA_EXIT_IO;
}

static int exit_mmio(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	x->mmio.gpa = s->addr;
	x->mmio.length = (uint8_t)s->len;
	x->mmio.write = s->write;
	x->mmio.data = s->data;
	return VMA_EXIT_MMIO;
}

static int exit_msr(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	x->msr.index = (uint32_t)s->addr;
	x->msr.write = s->write;
	x->msr.fault = 0;
	x->msr.value = s->value;
	return VMA_EXIT_MSR;
}

static int exit_cpuid(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	x->cpuid.leaf = s->leaf;
	x->cpuid.subleaf = s->subleaf;
	x->cpuid.eax = s->cpuid[0];
	x->cpuid.ebx = s->cpuid[1];
	x->cpuid.ecx = s->cpuid[2];
	x->cpuid.edx = s->cpuid[3];
	return VMA_EXIT_CPUID;
}

static int exit_hypercall(struct whpx_vcpu *w, struct x86_stop *s)
{
	static const uint8_t registers[6] = {3, 1, 2, 6, 7, 8};
	vma_exit *x = &w->v->exit;

	(void)s;
	x->hypercall.number = w->cpu->r[0];
	x->hypercall.result = 0;
	for (int i = 0; i < 6; i++)
		x->hypercall.args[i] = w->cpu->r[registers[i]];
	return VMA_EXIT_HYPERCALL;
}

static int exit_debug(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	x->debug.reason = s->debug_reason;
	x->debug.exception = s->exception;
	x->debug.pc = s->pc;
	x->debug.dr6 = s->dr6;
	return VMA_EXIT_DEBUG;
}

static int exit_hlt(struct whpx_vcpu *w, struct x86_stop *s)
{
	(void)w, (void)s;
	return VMA_EXIT_HLT;
}

static int exit_triple(struct whpx_vcpu *w, struct x86_stop *s)
{
	(void)w, (void)s;
	return VMA_EXIT_TRIPLE_FAULT;
}

static int exit_internal(struct whpx_vcpu *w, struct x86_stop *s)
{
	vma_exit *x = &w->v->exit;

	(void)s;
	x->internal.suberror = w->ctx.ExitReason;
	x->internal.count = 2;
	x->internal.data[0] = w->cpu->rip;
	x->internal.data[1] = w->ctx.MemoryAccess.Gpa;
	return VMA_EXIT_INTERNAL;
}

static int (*const exits[])(struct whpx_vcpu *w, struct x86_stop *s) = {
	[X86_STOP_IO] = exit_io,	       [X86_STOP_MMIO] = exit_mmio,   [X86_STOP_MSR] = exit_msr,
	[X86_STOP_CPUID] = exit_cpuid,	       [X86_STOP_HYPERCALL] = exit_hypercall, [X86_STOP_HLT] = exit_hlt,
	[X86_STOP_DEBUG] = exit_debug,	       [X86_STOP_TRIPLE] = exit_triple, [X86_STOP_INTERNAL] = exit_internal,
};

/* The software CPU stopped; what is done stands in w->out. The exit's kind; 0: the instruction is complete. */
static int stopped(struct whpx_vcpu *w, enum x86_stop_kind kind)
{
	struct x86_stop *s = &w->cpu->stop;
	vma_exit *x = &w->v->exit;

	x->pending = 0;
	w->half = WHPX_NONE;
	if (kind == X86_STOP_BUDGET)
		return 0;
	x->pending = s->needs_answer;
	if (s->needs_answer)
		w->half = WHPX_EMULATED;
	w->v->completes_rip_only = false;
	x->kind = (uint32_t)((size_t)kind < sizeof(exits) / sizeof(*exits) && exits[kind] ? exits[kind](w, s)
											     : exit_internal(w, s));
	return (int)x->kind;
}

static void answer(struct whpx_vcpu *w)
{
	struct x86_stop *s = &w->cpu->stop;
	const vma_exit *x = &w->v->exit;

	switch (x->kind) {
	case VMA_EXIT_IO:
		s->count = x->io.count;
		break;
	case VMA_EXIT_MSR:
		s->value = x->msr.value;
		s->fault = x->msr.fault;
		break;
	case VMA_EXIT_CPUID:
		s->cpuid[0] = x->cpuid.eax;
		s->cpuid[1] = x->cpuid.ebx;
		s->cpuid[2] = x->cpuid.ecx;
		s->cpuid[3] = x->cpuid.edx;
		break;
	case VMA_EXIT_HYPERCALL:
		s->value = x->hypercall.result;
		break;
	}
	x86_answer(w->cpu);
}

/* ------ one instruction ------ */

/* As MOV CR3 would do it (SDM vol. 3, 4.4.1). */
static void load_pdptes(struct x86_cpu *c, struct whpx_vcpu *w)
{
	unsigned flags;
	const uint8_t *page;

	if (!(c->cr0 >> 31 & 1) || !(c->cr4 >> 5 & 1) || c->efer & 0x400)
		return;
	page = env_page(w, c->cr3 & 0xfffff000, &flags);
	if (page)
		memcpy(c->pdpte, page + (c->cr3 & 0xfe0), sizeof(c->pdpte));
	else
		memset(c->pdpte, 0, sizeof(c->pdpte));
}

void whpx_emu_look(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	struct x86_cpu *c = w->cpu;

	if (e->generation != w->vm->generation)
		x86_flush_all(c);
	else if (e->fresh)
		x86_state_changed(c, true);
	if (e->fresh)
		load_pdptes(c, w);
	x86_memory_changed(c);
	e->generation = w->vm->generation;
	e->fresh = false;
}

static unsigned code_bits(const struct x86_cpu *c)
{
	const uint32_t attr = c->seg[X86_CS].attr;

	if (c->efer & 0x400 && attr & VMA_SEG_L)
		return 64;
	return attr & VMA_SEG_DB && !(c->eflags & RFLAGS_VM) ? 32 : 16;
}

enum whpx_insn_class whpx_emu_class(struct x86_cpu *c)
{
	uint8_t bytes[15];
	unsigned n = x86_peek(c, bytes);

	return whpx_insn_class(bytes, n, code_bits(c));
}

int whpx_emu_bytes(struct whpx_vcpu *w, unsigned back, uint8_t bytes[15])
{
	int n = whpx_emu_load(w, false);

	if (n)
		return n;
	whpx_memory_lock(w);
	whpx_emu_look(w);
	w->cpu->rip -= back;
	n = (int)x86_peek(w->cpu, bytes);
	whpx_memory_unlock(w);
	whpx_emu_forget(w); /* a completion by the exit's context alone goes past it */
	return n;
}

static enum whpx_insn_class class_at_rip(struct whpx_vcpu *w)
{
	enum whpx_insn_class class;

	whpx_memory_lock(w);
	whpx_emu_look(w);
	class = whpx_emu_class(w->cpu);
	whpx_memory_unlock(w);
	return class;
}

/* Breakpoints of the caller's on the instruction itself: the platform has looked at them, or the emulator has, before.
 */
static void look_at_debug(struct whpx_vcpu *w, bool again)
{
	struct x86_cpu *c = w->cpu;

	c->user_int3 = w->stepping && w->v->debug.software;
	if (w->debug_on && (again || !w->stepping)) {
		c->off_break = true;
		c->off_pc = code_bits(c) == 64 ? c->rip : (uint32_t)(c->seg[X86_CS].base + c->rip);
	}
}

/* An access that waits for its answer has changed nothing, unless an event was delivered before it. */
enum x86_stop_kind whpx_emu_one(struct whpx_vcpu *w, enum x86_stop_kind (*fn)(struct x86_cpu *c))
{
	struct x86_cpu *c = w->cpu;
	bool event = c->inject_valid || c->exc_valid;
	uint64_t drops = c->tlb_drops;
	enum x86_stop_kind kind = fn(c);

	w->emu->dropped |= c->tlb_drops != drops;
	w->emu->touched |= event || c->exc_valid || !c->stop.needs_answer;
	return kind;
}

static enum x86_stop_kind step(struct whpx_vcpu *w, enum x86_stop_kind (*fn)(struct x86_cpu *c))
{
	enum x86_stop_kind kind;

	look_at_debug(w, fn == x86_complete);
	whpx_memory_lock(w);
	whpx_emu_look(w);
	kind = whpx_emu_one(w, fn);
	whpx_memory_unlock(w);
	return kind;
}

/* An access to a device or a port needs no registers of system instructions; a step may be anything. */
static bool any_instruction(const struct whpx_vcpu *w)
{
	if (w->stepping)
		return true;
	if (w->ctx.ExitReason == WHvRunVpExitReasonMemoryAccess)
		return w->ctx.MemoryAccess.AccessInfo.AccessType == WHvMemoryAccessExecute;
	return w->ctx.ExitReason != WHvRunVpExitReasonX64IoPortAccess;
}

static int load(struct whpx_vcpu *w)
{
	int rc = whpx_emu_load(w, any_instruction(w));
	enum whpx_insn_class class;

	if (rc)
		return rc;
	class = class_at_rip(w);
	if (class == WHPX_INSN_VECTOR)
		return whpx_emu_load_vectors(w);
	if (class != WHPX_INSN_FOREIGN || w->cpu->inject_valid) /* what is delivered comes before the instruction */
		return 0;
	return (int)(w->v->exit.kind = (uint32_t)exit_internal(w, NULL));
}

bool whpx_emu_is_platforms(const struct whpx_vcpu *w, enum x86_stop_kind kind)
{
	const struct x86_stop *s = &w->cpu->stop;
	uint64_t base = w->apic_base_known ? w->apic_base & ~UINT64_C(0xfff) : UINT64_C(0xfee00000);

	if (!w->vm->chips)
		return false;
	if (kind == X86_STOP_MSR)
		return pc_owns_msr((uint32_t)s->addr) && !whpx_msr_wanted(w->v->vm, (uint32_t)s->addr, s->write);
	return kind == X86_STOP_MMIO && (s->addr & ~UINT64_C(0xfff)) == base;
}

int whpx_emu_done(struct whpx_vcpu *w, enum x86_stop_kind kind)
{
	int rc = w->emu->touched ? whpx_emu_store(w) : 0;

	w->emu->kind = kind;
	w->emu->touched = w->unstored = rc != 0;
	return rc ? rc : stopped(w, kind);
}

/* Not where the caller has written registers since: then the instruction is the processor's again. */
int whpx_emu_again(struct whpx_vcpu *w)
{
	if (w->emu_loaded)
		return whpx_emu_done(w, w->emu->kind);
	w->emu->touched = w->unstored = false;
	return 0;
}

/* ------ the exit's instruction ------ */

/* What came before it, the delivery of an event, stays done. */
static int leave_to_platform(struct whpx_vcpu *w)
{
	int rc;

	x86_abandon(w->cpu);
	rc = whpx_emu_done(w, X86_STOP_BUDGET);
	return rc ? rc : whpx_debug_trap(w, x86_get_rflags(w->cpu));
}

int whpx_emulate(struct whpx_vcpu *w)
{
	enum x86_stop_kind kind;
	int rc;

	w->emu->insns = w->emu->devices = 0;
	rc = load(w);
	if (rc)
		return rc;
	kind = step(w, x86_step);
	if (w->stepping && whpx_emu_is_platforms(w, kind))
		return leave_to_platform(w);
	rc = whpx_emu_done(w, kind);
	return rc ? rc : whpx_emu_continue(w);
}

/* What it ended in besides - a step or a breakpoint of the caller's, a triple fault - is for the next run. */
int whpx_emu_finish(struct whpx_vcpu *w)
{
	int rc;

	if (!w->unstored) {
		answer(w);
		w->emu->kind = step(w, x86_complete);
	}
	rc = whpx_emu_done(w, w->emu->kind);
	if (rc <= 0 || w->v->exit.pending)
		return rc > 0 ? 1 : rc;
	w->stashed = rc;
	w->stashed_exit = w->v->exit;
	return 0;
}
