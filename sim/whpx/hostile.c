/* hostile.c - dice, and what is done when they fall so. */
#include <string.h>
#include "config.h"
#include "hostile.h"

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators"). Never 0. */
static uint64_t roll(struct whpsim_hostile *h)
{
	h->random ^= h->random >> 12;
	h->random ^= h->random << 25;
	h->random ^= h->random >> 27;
	return h->random * UINT64_C(0x2545f4914f6cdd1d);
}

static bool one_in(struct whpsim_hostile *h, unsigned n)
{
	return (roll(h) >> 32) % n == 0;
}

void whpsim_hostile_init(struct whpsim_hostile *h, uint32_t vp_index)
{
	uint64_t seed = whpsim_config()->seed;
	memset(h, 0, sizeof *h);
	if (!seed)
		return;
	h->random = (seed + vp_index) * UINT64_C(0x9e3779b97f4a7c15);
	h->random += !h->random;
}

bool whpsim_hostile_early_(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (!one_in(h, 16))
		return false;
	x->ExitReason = one_in(h, 2) ? WHvRunVpExitReasonNone : WHvRunVpExitReasonCanceled;
	return true;
}

static void poison(struct whpsim_hostile *h, void *at, size_t size)
{
	uint8_t *p = at;
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(roll(h) >> 40);
}

/* Instruction bytes beyond the count; now and then none at all. */
static void poison_bytes(struct whpsim_hostile *h, uint8_t *count, uint8_t bytes[16])
{
	if (one_in(h, 4))
		*count = 0;
	poison(h, bytes + *count, 16u - *count);
}

static void poison_memory(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	WHV_MEMORY_ACCESS_CONTEXT *m = &x->MemoryAccess;
	poison_bytes(h, &m->InstructionByteCount, m->InstructionBytes);
	poison(h, m->Reserved, sizeof m->Reserved);
	m->AccessInfo.Reserved = (uint32_t)roll(h);
	if (one_in(h, 8))
		m->AccessInfo.GvaValid = 0;
	if (!m->AccessInfo.GvaValid)
		poison(h, &m->Gva, sizeof m->Gva);
	x->VpContext.InstructionLength = (uint8_t)(roll(h) >> 60);
}

static void poison_io(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &x->IoPortAccess;
	poison_bytes(h, &io->InstructionByteCount, io->InstructionBytes);
	poison(h, io->Reserved, sizeof io->Reserved);
	poison(h, io->Reserved2, sizeof io->Reserved2);
	io->AccessInfo.Reserved = (uint32_t)roll(h);
	if (!io->AccessInfo.StringOp) {
		poison(h, &io->Rsi, sizeof io->Rsi + sizeof io->Rdi);
		poison(h, &io->Ds, sizeof io->Ds + sizeof io->Es);
	}
}

static void poison_exception(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	WHV_VP_EXCEPTION_CONTEXT *e = &x->VpException;
	poison_bytes(h, &e->InstructionByteCount, e->InstructionBytes);
	poison(h, e->Reserved, sizeof e->Reserved);
	poison(h, e->Reserved2, sizeof e->Reserved2);
	e->ExceptionInfo.Reserved = (uint32_t)roll(h);
	if (!e->ExceptionInfo.ErrorCodeValid)
		poison(h, &e->ErrorCode, sizeof e->ErrorCode);
}

/* Reasons whose payload is described above; of the others everything beyond the payload is poisoned. */
static size_t payload(WHV_RUN_VP_EXIT_REASON reason)
{
	static const struct {
		WHV_RUN_VP_EXIT_REASON reason;
		size_t size;
	} rows[] = {
		{WHvRunVpExitReasonMemoryAccess, sizeof(WHV_MEMORY_ACCESS_CONTEXT)},
		{WHvRunVpExitReasonX64IoPortAccess, sizeof(WHV_X64_IO_PORT_ACCESS_CONTEXT)},
		{WHvRunVpExitReasonX64MsrAccess, sizeof(WHV_X64_MSR_ACCESS_CONTEXT)},
		{WHvRunVpExitReasonX64Cpuid, sizeof(WHV_X64_CPUID_ACCESS_CONTEXT)},
		{WHvRunVpExitReasonException, sizeof(WHV_VP_EXCEPTION_CONTEXT)},
		{WHvRunVpExitReasonX64InterruptWindow, sizeof(WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT)},
		{WHvRunVpExitReasonUnsupportedFeature, sizeof(WHV_X64_UNSUPPORTED_FEATURE_CONTEXT)},
		{WHvRunVpExitReasonCanceled, sizeof(WHV_RUN_VP_CANCELED_CONTEXT)},
		{WHvRunVpExitReasonX64ApicEoi, sizeof(WHV_X64_APIC_EOI_CONTEXT)},
		{WHvRunVpExitReasonX64Rdtsc, sizeof(WHV_X64_RDTSC_CONTEXT)},
		{WHvRunVpExitReasonX64ApicSmiTrap, sizeof(WHV_X64_APIC_SMI_CONTEXT)},
		{WHvRunVpExitReasonHypercall, sizeof(WHV_HYPERCALL_CONTEXT)},
		{WHvRunVpExitReasonX64ApicInitSipiTrap, sizeof(WHV_X64_APIC_INIT_SIPI_CONTEXT)},
		{WHvRunVpExitReasonX64ApicWriteTrap, sizeof(WHV_X64_APIC_WRITE_CONTEXT)},
		{WHvRunVpExitReasonSynicSintDeliverable, sizeof(WHV_SYNIC_SINT_DELIVERABLE_CONTEXT)},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].reason == reason)
			return rows[i].size;
	return 0;
}

void whpsim_hostile_exit_(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	size_t used = offsetof(WHV_RUN_VP_EXIT_CONTEXT, MemoryAccess) + payload(x->ExitReason);
	poison(h, (uint8_t *)x + used, sizeof *x - used);
	poison(h, &x->Reserved, sizeof x->Reserved);
	poison(h, &x->VpContext.Reserved, sizeof x->VpContext.Reserved);
	poison(h, &x->VpContext.Reserved2, sizeof x->VpContext.Reserved2);
	x->VpContext.ExecutionState.Reserved0 = roll(h);
	x->VpContext.ExecutionState.Reserved1 = roll(h);
	x->VpContext.ExecutionState.DebugActive |= one_in(h, 8); /* of what, nobody says */
	switch (x->ExitReason) {
	case WHvRunVpExitReasonMemoryAccess:
		poison_memory(h, x);
		break;
	case WHvRunVpExitReasonX64IoPortAccess:
		poison_io(h, x);
		break;
	case WHvRunVpExitReasonX64MsrAccess:
		x->MsrAccess.AccessInfo.Reserved = (uint32_t)roll(h);
		break;
	case WHvRunVpExitReasonException:
		poison_exception(h, x);
		break;
	case WHvRunVpExitReasonNone:
	case WHvRunVpExitReasonCanceled:
		x->VpContext.InstructionLength = (uint8_t)(roll(h) >> 60);
		break;
	default:
		break;
	}
}

bool whpsim_hostile_unpopulated_(struct whpsim_hostile *h, uint64_t gpa)
{
	if (h->page == gpa + 1 || h->populated) {
		h->page = 0;
		h->populated -= h->populated > 0;
		return false;
	}
	if (!one_in(h, 8))
		return false;
	h->page = gpa + 1;
	return true;
}

uint32_t whpsim_hostile_late_(struct whpsim_hostile *h)
{
	h->late = h->late ? 0 : (uint32_t)(roll(h) >> 54);
	return h->late;
}

bool whpsim_hostile_window_(struct whpsim_hostile *h)
{
	return one_in(h, 32);
}

bool whpsim_hostile_unrecognized_(struct whpsim_hostile *h)
{
	return one_in(h, 2);
}

uint64_t whpsim_hostile_tsc_(struct whpsim_hostile *h)
{
	return one_in(h, 64) ? roll(h) >> 40 : 0;
}

uint32_t whpsim_hostile_xsave(void)
{
	uint64_t seed = whpsim_config()->seed;
	return seed ? (uint32_t)(seed * UINT64_C(0x9e3779b97f4a7c15) >> 60) * 64 + 8 : 0;
}

bool whpsim_hostile_behind(void)
{
	uint64_t seed = whpsim_config()->seed;
	return seed && seed * UINT64_C(0x9e3779b97f4a7c15) >> 63;
}

void whpsim_hostile_poison(struct whpsim_hostile *h, void *at, size_t size)
{
	if (h->random)
		poison(h, at, size);
}
