/* whpx_msr.c - MSRs: those that the platform has registers for, in batches; those that it does not know, which the
 * software CPU keeps; and accesses that exit (WHP, X64MsrExitBitmap, MsrActionList).
 *
 * A newer Windows lets any MSR be named whose accesses exit. An older one exits only for MSRs that it does not handle
 * itself, and some of these it answers with #GP: then #GP is made to exit, and looked at. */
#include <string.h>
#include "pc/pc.h"
#include "whpx/whpx.h"

enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_MISC_ENABLE = 0x1a0, MSR_PATCH = 0x8b };

/* ------ which MSRs have a register ------ */

#define NONE (-1)
static const struct row {
	uint32_t index;
	int32_t name; /* WHV_REGISTER_NAME */
} rows[] = {
#define VMA_X(NAME, index, whpx, reset, kind) {index, (int32_t)whpx},
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
	{MSR_APIC_BASE, WHvX64RegisterApicBase},
	{0xc0000080, WHvX64RegisterEfer},
	{0x48, WHvX64RegisterSpecCtrl},
	{0xda0, WHvX64RegisterXss},
};
enum { ROWS = sizeof(rows) / sizeof(*rows) };
_Static_assert(ROWS <= 64 * WHPX_MSR_WORDS, "a bit for each");

/* NULL: none that this Windows has. */
static const struct row *find(const struct whpx_vm *wm, uint32_t index)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].index == index)
			return wm->msr_registers[i / 64] >> i % 64 & 1 ? &rows[i] : NULL;
	return NULL;
}

bool whpx_msr_has_register(const struct whpx_vm *wm, uint32_t index)
{
	return find(wm, index) != NULL;
}

/* 1: they can be read, 0: this Windows has not got all of them, or an error: of the host's moment, not of the names. */
static int readable(struct whpx_vcpu *w, struct whpx_batch *b)
{
	HRESULT hr = WHPX(GetVirtualProcessorRegisters, w->vm->partition, w->v->index, b->names, b->count, b->values);

	if (hr == E_OUTOFMEMORY || hr == WHV_E_INVALID_VP_STATE || hr == WHV_E_VP_DOES_NOT_EXIST)
		return whpx_fail(hr, "WHvGetVirtualProcessorRegisters");
	return hr == S_OK;
}

/* A batch with one name that is not known fails as a whole. */
static int learn(struct whpx_vcpu *w)
{
	struct whpx_vm *wm = w->vm;
	struct whpx_batch b;
	int all, one;

	b.count = 0;
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].name != NONE)
			whpx_add(&b, (WHV_REGISTER_NAME)rows[i].name);
	all = one = readable(w, &b);
	for (size_t i = 0; i < ROWS && one >= 0; i++) {
		b.count = 0;
		if (rows[i].name == NONE)
			continue;
		whpx_add(&b, (WHV_REGISTER_NAME)rows[i].name);
		one = all ? all : readable(w, &b);
		if (one > 0)
			wm->msr_registers[i / 64] |= UINT64_C(1) << i % 64;
	}
	return one < 0 ? one : 0;
}

int whpx_msr_open(struct whpx_vcpu *w)
{
	int rc = 0;

	os_process_lock();
	if (!w->vm->msrs_known)
		rc = learn(w);
	w->vm->msrs_known = !rc;
	os_process_unlock();
	return rc;
}

/* ------ from outside ------ */

/* Without a local APIC there is no deadline that could be armed; with one of the library's, it is there. */
static bool deadline_off(uint32_t index, uint64_t value)
{
	return index == PC_TSC_DEADLINE && value == 0;
}

static bool kept(struct whpx_vcpu *w, uint32_t index, uint64_t *value)
{
	*value = 0;
	return x86_rdmsr(w->cpu, index, value) || deadline_off(index, 0);
}

/* As many as fit into one call and are known, from the start. */
static size_t run_of(struct whpx_vcpu *w, const uint32_t *indices, size_t count, struct whpx_batch *b)
{
	size_t n;
	uint64_t unused;

	b->count = 0;
	for (n = 0; n < count && b->count < WHPX_BATCH; n++) {
		const struct row *r = find(w->vm, indices[n]);

		if (r)
			whpx_add(b, (WHV_REGISTER_NAME)r->name);
		else if (!kept(w, indices[n], &unused))
			break;
	}
	return n;
}

static int get_some(struct whpx_vcpu *w, const uint32_t *indices, uint64_t *values, size_t count, size_t *done)
{
	struct whpx_batch b;
	int rc = 0;

	*done = run_of(w, indices, count, &b);
	if (b.count)
		rc = whpx_get(w, &b);
	for (size_t i = 0; !rc && i < *done; i++) {
		const struct row *r = find(w->vm, indices[i]);

		if (r)
			values[i] = whpx_add(&b, (WHV_REGISTER_NAME)r->name)->Reg64;
		else
			kept(w, indices[i], &values[i]);
	}
	return rc;
}

int whpx_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	size_t done = 0, n;

	do {
		int rc = get_some(whpx_vcpu(v), indices + done, values + done, count - done, &n);

		if (rc)
			return rc;
		done += n;
	} while (n && done < count);
	return (int)done;
}

/* One after the other, where a batch was refused: the caller wants to know which it was. */
static bool put_one(struct whpx_vcpu *w, WHV_REGISTER_NAME name, uint64_t value)
{
	struct whpx_batch b;

	b.count = 0;
	whpx_add(&b, name)->Reg64 = value;
	if (WHPX(SetVirtualProcessorRegisters, w->vm->partition, w->v->index, b.names, b.count, b.values) == S_OK)
		return true;
	/* one that cannot be written may have that value */
	return !WHPX(GetVirtualProcessorRegisters, w->vm->partition, w->v->index, b.names, b.count, b.values) &&
	       b.values[0].Reg64 == value;
}

static bool put_all(struct whpx_vcpu *w, const uint32_t *indices, const uint64_t *values, size_t n,
		    struct whpx_batch *b)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = find(w->vm, indices[i]);

		if (r)
			whpx_add(b, (WHV_REGISTER_NAME)r->name)->Reg64 = values[i];
	}
	return !b->count ||
	       WHPX(SetVirtualProcessorRegisters, w->vm->partition, w->v->index, b->names, b->count, b->values) == S_OK;
}

static bool set_one(struct whpx_vcpu *w, uint32_t index, uint64_t value, bool done)
{
	const struct row *r = find(w->vm, index);

	if (!r)
		return x86_wrmsr(w->cpu, index, value) || deadline_off(index, value);
	if (!done && !put_one(w, (WHV_REGISTER_NAME)r->name, value))
		return false;
	if (index == MSR_APIC_BASE) {
		w->apic_base = value;
		w->apic_base_known = true;
	}
	return true;
}

int whpx_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc = whpx_flush(w);

	whpx_emu_forget(w);
	for (size_t at = 0, n; !rc && at < count; at += n) {
		struct whpx_batch b;
		bool done;

		n = run_of(w, indices + at, count - at, &b);
		done = put_all(w, indices + at, values + at, n, &b);
		for (size_t i = 0; i < n; i++)
			if (!set_one(w, indices[at + i], values[at + i], done))
				return (int)(at + i);
		if (!n)
			return (int)at;
	}
	return rc ? rc : (int)count;
}

/* ------ what exits ------ */

bool whpx_msr_wanted(const struct vma_vm *vm, uint32_t index, bool write)
{
	for (size_t i = 0; i < vm->msr_range_count; i++) {
		const struct vma_msr_range *r = &vm->msr_ranges[i];

		if (index >= r->first && index - r->first < r->count && r->access & (write ? 2 : 1))
			return true;
	}
	return false;
}

enum { ACTIONS = 1024 };

static bool add_action(WHV_MSR_ACTION_ENTRY *list, uint32_t *n, uint32_t index, uint32_t access)
{
	if (*n == ACTIONS)
		return false;
	list[(*n)++] = (WHV_MSR_ACTION_ENTRY){
		.Index = index,
		.ReadAction = access & 1 ? WHvMsrActionExit : WHvMsrActionArchitectureDefault,
		.WriteAction = access & 2 ? WHvMsrActionExit : WHvMsrActionArchitectureDefault,
	};
	return true;
}

/* What has no register here is not to be handled by the platform, where nobody would find it: the emulator keeps it.
 * But DEBUGCTL does something. */
static bool is_kept(const struct vma_vm *vm, const struct row *r)
{
	enum { DEBUGCTL = 0x1d9 };

	return r->name == NONE && r->index != DEBUGCTL && !whpx_msr_wanted(vm, r->index, false) &&
	       !whpx_msr_wanted(vm, r->index, true);
}

/* How many; 0: more than the list may have. */
static uint32_t actions_of(const struct vma_vm *vm, WHV_MSR_ACTION_ENTRY *list)
{
	uint32_t n = 0;

	for (size_t i = 0; i < vm->msr_range_count; i++)
		for (uint32_t k = 0; k < vm->msr_ranges[i].count; k++)
			if (!add_action(list, &n, vm->msr_ranges[i].first + k, vm->msr_ranges[i].access))
				return 0;
	for (size_t i = 0; i < ROWS; i++)
		if (is_kept(vm, &rows[i]) && !add_action(list, &n, rows[i].index, 3))
			return 0;
	return n;
}

/* False: this Windows has no such list. */
static bool set_actions(struct whpx_vm *wm)
{
	WHV_MSR_ACTION_ENTRY list[ACTIONS];
	uint32_t n = actions_of(wm->vm, list);

	return n && !WHPX(SetPartitionProperty, wm->partition, WHvPartitionPropertyCodeMsrActionList, list,
			  n * (uint32_t)sizeof(*list));
}

static WHV_X64_MSR_EXIT_BITMAP bitmap_of(const struct vma_vm *vm)
{
	WHV_X64_MSR_EXIT_BITMAP b = {.AsUINT64 = 0};

	b.UnhandledMsrs = 1;
	b.TscMsrRead = whpx_msr_wanted(vm, MSR_TSC, false);
	b.TscMsrWrite = whpx_msr_wanted(vm, MSR_TSC, true);
	b.ApicBaseMsrWrite = whpx_msr_wanted(vm, MSR_APIC_BASE, true);
	b.MiscEnableMsrRead = whpx_msr_wanted(vm, MSR_MISC_ENABLE, false);
	b.McUpdatePatchLevelMsrRead = whpx_msr_wanted(vm, MSR_PATCH, false);
	b.AsUINT64 &= whpx_host.msr_exits.AsUINT64;
	return b;
}

static bool has_bit(WHV_X64_MSR_EXIT_BITMAP b, uint32_t index, bool write)
{
	switch (index) {
	case MSR_TSC:
		return write ? b.TscMsrWrite : b.TscMsrRead;
	case MSR_APIC_BASE:
		return write && b.ApicBaseMsrWrite;
	case MSR_MISC_ENABLE:
		return !write && b.MiscEnableMsrRead;
	case MSR_PATCH:
		return !write && b.McUpdatePatchLevelMsrRead;
	default:
		return false;
	}
}

/* An MSR that the platform has a register for it also handles: without a list or a bit it does not exit. */
static int check_wanted(const struct vma_vm *vm, WHV_X64_MSR_EXIT_BITMAP b)
{
	for (size_t i = 0; i < ROWS; i++)
		for (int write = 0; write < 2; write++)
			if (rows[i].name != NONE && !pc_owns_msr(rows[i].index) &&
			    whpx_msr_wanted(vm, rows[i].index, write) && !has_bit(b, rows[i].index, write))
				return vma_fail(VMA_E_NO_HOST,
						"MSR %#x: this Windows handles it itself and has no exits for it "
						"(MsrActionList)",
						rows[i].index);
	return 0;
}

/* Before the set-up it is only tried: what the list cannot have is looked for elsewhere. */
int whpx_msr_setup(struct vma_vm *vm)
{
	struct whpx_vm *wm = whpx_vm(vm);
	WHV_X64_MSR_EXIT_BITMAP b = bitmap_of(vm);
	int rc;

	if (!(vm->info.caps & VMA_CAP_MSR_EXIT))
		return 0;
	rc = whpx_set_property(wm, WHvPartitionPropertyCodeX64MsrExitBitmap, &b, sizeof(b));
	if (rc || set_actions(wm))
		return rc;
	return check_wanted(vm, b);
}

void whpx_msr_wants(const struct vma_vm *vm, WHV_EXTENDED_VM_EXITS *exits, uint64_t *exceptions)
{
	exits->X64MsrExit = vm->info.caps & VMA_CAP_MSR_EXIT ? 1 : 0;
	if (vm->msr_range_count && exits->ExceptionExit)
		*exceptions |= whpx_host.exceptions & 1 << WHPX_GP;
}

/* ------ exits ------ */

static int exit_msr(struct whpx_vcpu *w, uint32_t index, bool write, uint64_t value, unsigned length)
{
	vma_exit *x = &w->v->exit;

	x->kind = VMA_EXIT_MSR;
	x->pending = 1;
	x->msr.index = index;
	x->msr.write = write;
	x->msr.fault = 0;
	x->msr.value = write ? value : 0;
	w->v->completes_rip_only = false;
	w->half = WHPX_MSR;
	w->length = (uint8_t)length;
	return VMA_EXIT_MSR;
}

/* What is nobody's wish is done by the emulator, which keeps the MSRs that the platform does not know: the value, or
 * #GP. */
int whpx_msr_exit(struct whpx_vcpu *w)
{
	const WHV_X64_MSR_ACCESS_CONTEXT *m = &w->ctx.MsrAccess;
	unsigned length = w->ctx.VpContext.InstructionLength;
	bool write = m->AccessInfo.IsWrite;

	if (!whpx_plain(w) || !whpx_msr_wanted(w->v->vm, m->MsrNumber, write))
		return whpx_emulate(w);
	return exit_msr(w, m->MsrNumber, write, (uint32_t)m->Rax | m->Rdx << 32, length ? length : 2);
}

int whpx_msr_finish(struct whpx_vcpu *w)
{
	const vma_exit *x = &w->v->exit;

	if (x->msr.fault) {
		whpx_raise(w, WHPX_GP, true, 0);
		return 0;
	}
	if (!x->msr.write) {
		whpx_put(w, WHvX64RegisterRax, (uint32_t)x->msr.value);
		whpx_put(w, WHvX64RegisterRdx, x->msr.value >> 32);
	}
	return whpx_advance(w, w->length);
}

/* 0: neither RDMSR nor WRMSR, the only instructions without operands that start so. */
static unsigned msr_length(const uint8_t *bytes, unsigned n, bool *write)
{
	unsigned at = 0;

	while (at < n && (bytes[at] == 0x66 || bytes[at] == 0x2e || bytes[at] == 0x3e || bytes[at] >> 4 == 4))
		at++;
	if (at + 2 > n || bytes[at] != 0x0f || (bytes[at + 1] != 0x30 && bytes[at + 1] != 0x32))
		return 0;
	*write = bytes[at + 1] == 0x30;
	return at + 2;
}

/* 0: no access to an MSR, or an error. */
static int faulting_msr(struct whpx_vcpu *w, bool *write)
{
	uint8_t bytes[15];
	int found;

	if (w->ctx.VpContext.ExecutionState.Cpl)
		return 0;
	found = whpx_exception_bytes(w, bytes);
	return found > 0 ? (int)msr_length(bytes, (unsigned)found, write) : found;
}

/* An MSR that the platform handles by refusing it. */
int whpx_gp_exit(struct whpx_vcpu *w)
{
	const WHV_VP_EXCEPTION_CONTEXT *e = &w->ctx.VpException;
	bool write = false;
	int length = faulting_msr(w, &write), rc;
	struct whpx_batch b;

	if (length < 0)
		return length;
	if (!length) {
		whpx_raise(w, WHPX_GP, true, e->ErrorCode);
		return 0;
	}
	b.count = 0;
	whpx_add(&b, WHvX64RegisterRax);
	whpx_add(&b, WHvX64RegisterRcx);
	whpx_add(&b, WHvX64RegisterRdx);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	if (!whpx_plain(w) || !whpx_msr_wanted(w->v->vm, (uint32_t)b.values[1].Reg64, write))
		return whpx_emulate(w);
	return exit_msr(w, (uint32_t)b.values[1].Reg64, write, (uint32_t)b.values[0].Reg64 | b.values[2].Reg64 << 32,
			(unsigned)length);
}
