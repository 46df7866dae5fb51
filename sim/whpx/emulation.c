/* emulation.c - WinHvEmulation.dll: one instruction of port or memory-mapped I/O on registers and memory that are the
 * caller's, reached through callbacks, by the software CPU.
 *
 * The CPU sees the guest's linear addresses as its physical ones: the page tables it walks are made up here while it
 * walks them and map each address to itself. So each access arrives as a linear address, with its direction known, and
 * is asked of the caller's translation; bytes of the instruction that came with the exit are not asked for at all. */
#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>
#include "emulation.h"

enum { NAMES = WHPSIM_EMULATION_NAMES, MAGIC = 0x57484556, PAGE = 4096, REP_LIMIT = 1 << 20 };

struct emulator {
	uint32_t magic;
	WHV_EMULATOR_CALLBACKS call;
	struct x86_cpu *cpu;
	struct x86_env env;
	atomic_uint attention;
	uint64_t tables[4][PAGE / 8]; /* one page of each level, as last looked at */

	/* of the call in progress */
	void *context;
	WHV_EMULATOR_STATUS status;
	WHV_REGISTER_VALUE before[NAMES];
	uint64_t code; /* linear address of the instruction */
	const uint8_t *bytes;
	unsigned byte_count; /* 0: not all of it is here */
	bool fault;          /* a translation was refused: page fault at fault_gva */
	uint64_t fault_gva;
	uint32_t fault_error;
	bool user;
};

/* ------ memory ------ */

enum { LEVELS = 4, TAG = 48 }; /* bits 51:48 of a physical address: 0 data, 1..4 a table of that level, 4 the root's */
#define ADDRESS ((UINT64_C(1) << TAG) - 1)

/* Tables map each page to the address itself; the number of a table is that of the pages below it. */
static uint8_t *table(struct emulator *e, unsigned level, uint64_t number)
{
	uint64_t *t = e->tables[level - 1];
	for (uint64_t i = 0; i < PAGE / 8; i++)
		t[i] = (uint64_t)(level - 1) << TAG | (number << 9 | i) << 12 | 0x23 | (e->user ? 4 : 0) |
		       (level == 1 ? 0x40 : 0);
	return (uint8_t *)t;
}

static uint8_t *page(void *o, uint64_t gpa, unsigned *flags)
{
	struct emulator *e = o;
	unsigned level = (unsigned)(gpa >> TAG);
	if (!level || level > LEVELS)
		return NULL;
	*flags = X86_PAGE_R | X86_PAGE_W;
	return table(e, level, (gpa & ADDRESS) >> 12);
}

/* Linear address of a physical one of ours: sign-extended in long mode. */
static uint64_t linear(const struct emulator *e, uint64_t at)
{
	bool lma = e->cpu->efer >> 10 & 1;
	return lma ? (uint64_t)((int64_t)(at << 16) >> 16) : (uint32_t)at;
}

static bool refused(struct emulator *e, uint64_t gva, WHV_TRANSLATE_GVA_RESULT_CODE code, unsigned kind)
{
	e->fault = true;
	e->fault_gva = gva;
	e->fault_error = (code == WHvTranslateGvaResultPageNotPresent ? 0 : 1) |
			 (kind == WHvMemoryAccessWrite ? 2 : 0) | (e->user ? 4 : 0) |
			 (code == WHvTranslateGvaResultInvalidPageTableFlags ? 8 : 0) |
			 (kind == WHvMemoryAccessExecute ? 16 : 0);
	return false;
}

static bool translate(struct emulator *e, uint64_t gva, unsigned kind, uint64_t *gpa)
{
	static const WHV_TRANSLATE_GVA_FLAGS flags[] = {
		WHvTranslateGvaFlagValidateRead, WHvTranslateGvaFlagValidateWrite, WHvTranslateGvaFlagValidateExecute};
	WHV_TRANSLATE_GVA_RESULT_CODE code = WHvTranslateGvaResultSuccess;
	*gpa = 0;
	if (e->call.WHvEmulatorTranslateGvaPage(e->context, gva & ~(uint64_t)(PAGE - 1),
						flags[kind] | WHvTranslateGvaFlagSetPageTableBits, &code, gpa) < 0) {
		e->status.TranslateGvaPageCallbackFailed = 1;
		return false;
	}
	if (code == WHvTranslateGvaResultPageNotPresent || code == WHvTranslateGvaResultPrivilegeViolation ||
	    code == WHvTranslateGvaResultInvalidPageTableFlags)
		return refused(e, gva, code, kind);
	if (*gpa & (PAGE - 1)) {
		e->status.TranslateGvaPageCallbackGpaIsNotAligned = 1;
		return false;
	}
	*gpa |= gva & (PAGE - 1);
	return true;
}

/* What is asked for beyond the instruction has no part in it. */
static void fetch(const struct emulator *e, uint64_t from, unsigned len, uint8_t *data)
{
	memset(data, 0, len);
	if (from < e->byte_count)
		memcpy(data, e->bytes + from, len < e->byte_count - from ? len : e->byte_count - from);
}

static int mmio(void *o, uint64_t at, unsigned len, bool write, uint8_t *data)
{
	struct emulator *e = o;
	uint64_t gva = linear(e, at), into = gva - e->code;
	WHV_EMULATOR_MEMORY_ACCESS_INFO access = {.Direction = write, .AccessSize = (uint8_t)len};
	if (e->cpu->stop.fetch && e->byte_count) {
		fetch(e, into, len, data);
		return X86_DONE;
	}
	if (!translate(e, gva,
		       write                ? WHvMemoryAccessWrite
		       : e->cpu->stop.fetch ? WHvMemoryAccessExecute
					    : WHvMemoryAccessRead,
		       &access.GpaAddress))
		return X86_DEFER;
	if (write)
		memcpy(access.Data, data, len);
	if (e->call.WHvEmulatorMemoryCallback(e->context, &access) < 0) {
		e->status.MemoryCallbackFailed = 1;
		return X86_DEFER;
	}
	if (!write)
		memcpy(data, access.Data, len);
	return X86_DONE;
}

/* ------ ports ------ */

static bool port_access(struct emulator *e, uint16_t port, unsigned width, bool write, uint32_t *value)
{
	WHV_EMULATOR_IO_ACCESS_INFO access = {
		.Direction = write, .Port = port, .AccessSize = (uint16_t)width, .Data = write ? *value : 0};
	if (e->call.WHvEmulatorIoPortCallback(e->context, &access) < 0) {
		e->status.IoPortCallbackFailed = 1;
		return false;
	}
	*value = access.Data;
	return true;
}

static int io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	for (uint32_t i = 0; i < *count; i++) {
		uint32_t value = 0;
		memcpy(&value, data + (size_t)i * width, width);
		if (!port_access(o, port, width, write, &value))
			return X86_DEFER;
		memcpy(data + (size_t)i * width, &value, width);
	}
	return X86_DONE;
}

/* ------ the rest of the CPU's surroundings ------ */

/* All this CPU has, with physical addresses as wide as they get. */
static int cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf all[32];
	size_t n = sizeof all / sizeof *all;
	(void)o;
	x86_cpuid_max(all, &n);
	memset(out, 0, 4 * sizeof *out);
	for (size_t i = 0; i < n; i++)
		if (all[i].leaf == leaf && (!all[i].has_subleaf || all[i].subleaf == subleaf))
			memcpy(out, all[i].out, sizeof all[i].out);
	if (leaf == 0x80000008)
		out[0] = (out[0] & ~0xffu) | 52;
	return X86_DONE;
}

/* Not an instruction for this emulator. */
static int no_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	(void)o, (void)index, (void)value;
	return X86_DEFER;
}
static int no_wrmsr(void *o, uint32_t index, uint64_t value)
{
	(void)o, (void)index, (void)value;
	return X86_DEFER;
}
static bool every_msr(void *o, uint32_t index, bool write)
{
	(void)o, (void)index, (void)write;
	return true;
}
static unsigned poll(void *o)
{
	(void)o;
	return 0;
}
static int intr_ack(void *o)
{
	(void)o;
	return -1;
}
static uint64_t tsc(void *o)
{
	(void)o;
	return 0;
}

static const struct x86_env surroundings = {
	.page = page,
	.mmio = mmio,
	.io = io,
	.rdmsr = no_rdmsr,
	.wrmsr = no_wrmsr,
	.msr_exits = every_msr,
	.cpuid = cpuid,
	.poll = poll,
	.intr_ack = intr_ack,
	.tsc = tsc,
	.exceptions = UINT32_MAX,
	.vmcall_exits = X86_VMCALL_BOTH,
};

/* ------ one call ------ */

static bool get_registers(struct emulator *e)
{
	if (e->call.WHvEmulatorGetVirtualProcessorRegisters(e->context, whpsim_emulation_names, NAMES, e->before) >= 0)
		return true;
	e->status.GetVirtualProcessorRegistersCallbackFailed = 1;
	return false;
}

static bool set_registers(struct emulator *e, const WHV_REGISTER_NAME *name, uint32_t count,
			  const WHV_REGISTER_VALUE *value)
{
	if (e->call.WHvEmulatorSetVirtualProcessorRegisters(e->context, name, count, value) >= 0)
		return true;
	e->status.SetVirtualProcessorRegistersCallbackFailed = 1;
	return false;
}

/* Is it all there? */
static bool whole(const struct x86_cpu *c, const uint8_t *bytes, unsigned count)
{
	bool wide = c->efer >> 10 & 1 && c->seg[X86_CS].attr >> 13 & 1, d = c->seg[X86_CS].attr >> 14 & 1;
	ZydisDecoder decoder;
	ZydisDecodedInstruction i;
	ZydisDecoderInit(&decoder,
			 wide            ? ZYDIS_MACHINE_MODE_LONG_64
			 : !(c->cr0 & 1) ? ZYDIS_MACHINE_MODE_REAL_16
			 : d             ? ZYDIS_MACHINE_MODE_LEGACY_32
					 : ZYDIS_MACHINE_MODE_LEGACY_16,
			 wide ? ZYDIS_STACK_WIDTH_64
			 : d  ? ZYDIS_STACK_WIDTH_32
			      : ZYDIS_STACK_WIDTH_16);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, count, &i));
}

static void enter(struct emulator *e)
{
	struct x86_cpu *c = e->cpu;
	for (uint32_t i = 0; i < NAMES; i++)
		whpsim_emulation_load(c, whpsim_emulation_names[i], &e->before[i]);
	if (c->cr0 >> 31 & 1) {
		c->cr4 |= 1 << 5; /* PAE's entries, whatever the guest's are */
		c->cr3 = UINT64_C(4) << TAG;
		for (unsigned i = 0; i < 4; i++)
			c->pdpte[i] = UINT64_C(2) << TAG | (uint64_t)i << 12 | 1;
	}
	c->cr0 &= ~(UINT64_C(1) << 16 | UINT64_C(1) << 29 | UINT64_C(1) << 30); /* WP is the translation's */
	c->cr4 &= ~(UINT64_C(3) << 20);                                         /* and so are SMEP and SMAP */
	c->dr[7] = 0x400;
	c->shadow = 0;
	c->log_len = 0; /* of an instruction that was given up */
	c->rep_rip = UINT64_MAX;
	e->user = (c->seg[X86_SS].attr >> 5 & 3) == 3;
	x86_state_changed(c, true);
	x86_flush_all(c);
	x86_memory_changed(c);
	e->code = linear(e, c->seg[X86_CS].base * !(c->efer >> 10 & 1 && c->seg[X86_CS].attr >> 13 & 1) + c->rip);
	if (!whole(c, e->bytes, e->byte_count))
		e->byte_count = 0;
}

/* Everything that changed, RIP always; `event`: an exception for the guest, or NULL. */
static bool commit(struct emulator *e, const WHV_REGISTER_VALUE *event, const uint64_t *cr2)
{
	WHV_REGISTER_NAME name[NAMES + 2];
	WHV_REGISTER_VALUE value[NAMES + 2];
	uint32_t n = 0;
	for (uint32_t i = 0; i < NAMES; i++) {
		name[n] = whpsim_emulation_names[i];
		if (whpsim_emulation_store(e->cpu, name[n], &value[n]) &&
		    (name[n] == WHvX64RegisterRip || memcmp(&value[n], &e->before[i], sizeof value[n])))
			n++;
	}
	if (cr2) {
		memset(&value[n], 0, sizeof value[n]);
		value[n].Reg64 = *cr2;
		name[n++] = WHvX64RegisterCr2;
	}
	if (event) {
		value[n] = *event;
		name[n++] = WHvRegisterPendingInterruption;
	}
	return set_registers(e, name, n, value);
}

/* The instruction raised an exception: the guest gets it at its next run. */
static bool fault(struct emulator *e, const WHV_VP_EXIT_CONTEXT *vp, uint32_t vector, bool has_error, uint32_t error,
		  const uint64_t *cr2)
{
	WHV_REGISTER_VALUE event;
	memset(&event, 0, sizeof event);
	if (vp->ExecutionState.InterruptionPending) {
		e->status.GuestCannotBeFaulted = 1;
		return false;
	}
	event.PendingInterruption.InterruptionPending = 1;
	event.PendingInterruption.InterruptionType = WHvX64PendingException;
	event.PendingInterruption.InterruptionVector = (uint16_t)vector;
	event.PendingInterruption.DeliverErrorCode = has_error;
	event.PendingInterruption.ErrorCode = error;
	return commit(e, &event, cr2);
}

/* Why the CPU stopped before its instruction was through. */
static bool stopped(struct emulator *e, const WHV_VP_EXIT_CONTEXT *vp, enum x86_stop_kind kind)
{
	const struct x86_stop *s = &e->cpu->stop;
	if (e->fault)
		return fault(e, vp, 14, true, e->fault_error, &e->fault_gva);
	if (kind == X86_STOP_EXCEPTION && s->exception != 6)
		return fault(e, vp, s->exception, s->has_error, s->error, s->exception == 14 ? &s->value : NULL);
	if (!e->status.AsUINT32)
		e->status.InternalEmulationFailure = 1; /* no such instruction, or not one for us */
	return false;
}

/* The instruction, to the end of its repetitions. */
static bool execute(struct emulator *e, const WHV_VP_EXIT_CONTEXT *vp)
{
	struct x86_cpu *c = e->cpu;
	uint64_t start = c->rip;
	for (unsigned i = 0; i < REP_LIMIT; i++) {
		enum x86_stop_kind kind = x86_step(c);
		if (kind != X86_STOP_BUDGET)
			return stopped(e, vp, kind);
		if (c->rip != start || c->rep_rip != start)
			break;
	}
	return commit(e, NULL, NULL);
}

static HRESULT emulate(struct emulator *e, void *context, const WHV_VP_EXIT_CONTEXT *vp, const uint8_t *bytes,
		       uint8_t count, WHV_EMULATOR_STATUS *status)
{
	e->context = context;
	e->status.AsUINT32 = 0;
	e->bytes = bytes;
	e->byte_count = count < 16 ? count : 16;
	e->fault = false;
	if (get_registers(e)) {
		enter(e);
		e->status.EmulationSuccessful = execute(e, vp);
	}
	*status = e->status;
	return S_OK;
}

/* IN and OUT of a register need neither memory nor the instruction. */
static bool plain_port(struct emulator *e, const WHV_VP_EXIT_CONTEXT *vp, const WHV_X64_IO_PORT_ACCESS_CONTEXT *x)
{
	static const WHV_REGISTER_NAME set[] = {WHvX64RegisterRip, WHvX64RegisterRax};
	unsigned width = x->AccessInfo.AccessSize, bits = 8 * width;
	bool write = x->AccessInfo.IsWrite;
	uint64_t keep = width == 4 ? 0 : ~((UINT64_C(1) << bits) - 1);
	uint32_t data = write ? (uint32_t)(x->Rax & ((UINT64_C(1) << bits) - 1)) : 0;
	WHV_REGISTER_VALUE value[2];
	memset(value, 0, sizeof value);
	if (!port_access(e, x->PortNumber, width, write, &data))
		return false;
	value[0].Reg64 = vp->Rip + vp->InstructionLength;
	value[1].Reg64 = (x->Rax & keep) | (data & ((UINT64_C(1) << bits) - 1));
	return set_registers(e, set, write ? 1 : 2, value);
}

static struct emulator *emulator_of(WHV_EMULATOR_HANDLE h)
{
	struct emulator *e = h;
	return e && e->magic == MAGIC ? e : NULL;
}

/* ------ the functions ------ */

static bool complete(const WHV_EMULATOR_CALLBACKS *c)
{
	return c->Size == sizeof *c && !c->Reserved && c->WHvEmulatorIoPortCallback && c->WHvEmulatorMemoryCallback &&
	       c->WHvEmulatorGetVirtualProcessorRegisters && c->WHvEmulatorSetVirtualProcessorRegisters &&
	       c->WHvEmulatorTranslateGvaPage;
}

HRESULT WHvEmulatorCreateEmulator(const WHV_EMULATOR_CALLBACKS *Callbacks, WHV_EMULATOR_HANDLE *Emulator)
{
	struct emulator *e;
	if (!Callbacks || !Emulator)
		return E_POINTER;
	if (!complete(Callbacks))
		return E_INVALIDARG;
	e = calloc(1, sizeof *e);
	if (!e)
		return E_OUTOFMEMORY;
	e->env = surroundings;
	e->call = *Callbacks;
	e->cpu = x86_new(&e->env, e, &e->attention);
	if (!e->cpu) {
		free(e);
		return E_OUTOFMEMORY;
	}
	e->magic = MAGIC;
	*Emulator = e;
	return S_OK;
}

HRESULT WHvEmulatorDestroyEmulator(WHV_EMULATOR_HANDLE Emulator)
{
	struct emulator *e = emulator_of(Emulator);
	if (!e)
		return E_INVALIDARG;
	x86_free(e->cpu);
	e->magic = 0;
	free(e);
	return S_OK;
}

HRESULT WHvEmulatorTryIoEmulation(WHV_EMULATOR_HANDLE Emulator, void *Context, const WHV_VP_EXIT_CONTEXT *VpContext,
				  const WHV_X64_IO_PORT_ACCESS_CONTEXT *IoInstructionContext,
				  WHV_EMULATOR_STATUS *EmulatorReturnStatus)
{
	struct emulator *e = emulator_of(Emulator);
	const WHV_X64_IO_PORT_ACCESS_CONTEXT *x = IoInstructionContext;
	unsigned width;
	if (!e || !VpContext || !x || !EmulatorReturnStatus)
		return E_INVALIDARG;
	width = x->AccessInfo.AccessSize;
	if (width != 1 && width != 2 && width != 4)
		return E_INVALIDARG;
	if (x->AccessInfo.StringOp || !VpContext->InstructionLength)
		return emulate(e, Context, VpContext, x->InstructionBytes, x->InstructionByteCount,
			       EmulatorReturnStatus);
	e->context = Context;
	e->status.AsUINT32 = 0;
	e->status.EmulationSuccessful = plain_port(e, VpContext, x);
	*EmulatorReturnStatus = e->status;
	return S_OK;
}

HRESULT WHvEmulatorTryMmioEmulation(WHV_EMULATOR_HANDLE Emulator, void *Context, const WHV_VP_EXIT_CONTEXT *VpContext,
				    const WHV_MEMORY_ACCESS_CONTEXT *MmioInstructionContext,
				    WHV_EMULATOR_STATUS *EmulatorReturnStatus)
{
	struct emulator *e = emulator_of(Emulator);
	if (!e || !VpContext || !MmioInstructionContext || !EmulatorReturnStatus)
		return E_INVALIDARG;
	return emulate(e, Context, VpContext, MmioInstructionContext->InstructionBytes,
		       MmioInstructionContext->InstructionByteCount, EmulatorReturnStatus);
}
