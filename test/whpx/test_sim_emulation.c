/* WinHvEmulation as a program of somebody else's uses it: instructions and registers that it has from exits, memory and
 * devices behind its callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "whpx/whp.h"

enum { RAM = 0x8000, DEVICE = 0x20000, CODE = 0x1000, VIRTUAL = 0x400000, MAX_ACCESSES = 64, REGISTERS = 0x2100 };

struct access {
	uint64_t gpa; /* or port */
	unsigned size;
	bool write, port;
	uint64_t value;
};

/* The other program: its guest has RAM at 0 and a device behind it; VIRTUAL + x is mapped to x in long mode. */
struct vmm {
	WHV_EMULATOR_HANDLE emulator;
	uint8_t ram[RAM];
	uint64_t device; /* what reads of it give, one more each time */
	struct access log[MAX_ACCESSES];
	unsigned accesses, translations, sets, set_count;
	uint64_t last_flags;
	WHV_REGISTER_VALUE regs[REGISTERS], cr2, pending;
	/* what goes wrong */
	bool io_fails, memory_fails, get_fails, set_fails, translate_fails, unaligned;
	uint64_t no_page; /* this page of linear addresses is not present */
	WHV_TRANSLATE_GVA_RESULT_CODE no_page_code;
	WHV_EMULATOR_STATUS status;
};

static struct access *note(struct vmm *v)
{
	assert_true(v->accesses < MAX_ACCESSES);
	return &v->log[v->accesses++];
}

static HRESULT on_io(void *o, WHV_EMULATOR_IO_ACCESS_INFO *io)
{
	struct vmm *v = o;
	if (v->io_fails)
		return E_FAIL;
	*note(v) = (struct access){io->Port, io->AccessSize, io->Direction, true, io->Data};
	if (!io->Direction)
		io->Data = (uint32_t)v->device++;
	return S_OK;
}

static HRESULT on_memory(void *o, WHV_EMULATOR_MEMORY_ACCESS_INFO *m)
{
	struct vmm *v = o;
	struct access *a;
	if (v->memory_fails)
		return E_FAIL;
	assert_in_range(m->AccessSize, 1, 8);
	assert_true((m->GpaAddress & 0xfff) + m->AccessSize <= 0x1000);
	a = note(v);
	*a = (struct access){.gpa = m->GpaAddress, .size = m->AccessSize, .write = m->Direction};
	if (m->Direction)
		memcpy(&a->value, m->Data, m->AccessSize);
	if (m->GpaAddress >= RAM) {
		if (!m->Direction)
			memcpy(m->Data, &v->device, sizeof v->device), v->device++;
	} else if (m->Direction) {
		memcpy(v->ram + m->GpaAddress, m->Data, m->AccessSize);
	} else {
		memcpy(m->Data, v->ram + m->GpaAddress, m->AccessSize);
	}
	return S_OK;
}

static WHV_REGISTER_VALUE *reg(struct vmm *v, WHV_REGISTER_NAME name)
{
	if (name == WHvRegisterPendingInterruption)
		return &v->pending;
	assert_true((unsigned)name < REGISTERS);
	return &v->regs[name];
}

static HRESULT on_get(void *o, const WHV_REGISTER_NAME *names, uint32_t count, WHV_REGISTER_VALUE *values)
{
	struct vmm *v = o;
	for (uint32_t i = 0; i < count; i++)
		values[i] = *reg(v, names[i]);
	return v->get_fails ? E_FAIL : S_OK;
}

static HRESULT on_set(void *o, const WHV_REGISTER_NAME *names, uint32_t count, const WHV_REGISTER_VALUE *values)
{
	struct vmm *v = o;
	if (v->set_fails)
		return E_FAIL;
	v->sets++;
	v->set_count = count;
	for (uint32_t i = 0; i < count; i++)
		*reg(v, names[i]) = values[i];
	return S_OK;
}

static HRESULT on_translate(void *o, WHV_GUEST_VIRTUAL_ADDRESS gva, WHV_TRANSLATE_GVA_FLAGS flags,
			    WHV_TRANSLATE_GVA_RESULT_CODE *result, WHV_GUEST_PHYSICAL_ADDRESS *gpa)
{
	struct vmm *v = o;
	v->translations++;
	v->last_flags = flags;
	assert_int_equal(gva & 0xfff, 0);
	if (v->translate_fails)
		return E_FAIL;
	*result = WHvTranslateGvaResultSuccess;
	if (v->no_page && gva == v->no_page)
		*result = v->no_page_code;
	*gpa = gva >= VIRTUAL ? gva - VIRTUAL : gva;
	if (v->unaligned)
		*gpa |= 8;
	return S_OK;
}

static const WHV_EMULATOR_CALLBACKS callbacks = {sizeof callbacks, 0, on_io, on_memory, on_get, on_set, on_translate};

/* ------ the rig ------ */

static void segments(struct vmm *v, uint16_t code, uint16_t data)
{
	for (int n = WHvX64RegisterEs; n <= WHvX64RegisterGs; n++)
		v->regs[n].Segment = (WHV_X64_SEGMENT_REGISTER){.Limit = 0xffffffff, .Selector = 8, .Attributes = data};
	v->regs[WHvX64RegisterCs].Segment.Attributes = code;
	v->regs[WHvX64RegisterTr].Segment = (WHV_X64_SEGMENT_REGISTER){.Limit = 0x67, .Attributes = 0x8b};
}

/* 64-bit mode with paging, or 32-bit protected mode without. */
static void mode(struct vmm *v, bool wide)
{
	v->regs[WHvX64RegisterRflags].Reg64 = 2;
	v->regs[WHvX64RegisterCr0].Reg64 = wide ? 0x80010033 : 0x33;
	v->regs[WHvX64RegisterCr4].Reg64 = wide ? 0x6a0 : 0x600;
	v->regs[WHvX64RegisterCr3].Reg64 = 0x5000;
	v->regs[WHvX64RegisterEfer].Reg64 = wide ? 0xd00 : 0;
	v->regs[WHvX64RegisterXmmControlStatus].XmmControlStatus.XmmStatusControl = 0x1f80;
	v->regs[WHvX64RegisterXmmControlStatus].XmmControlStatus.XmmStatusControlMask = 0xffff;
	v->regs[WHvX64RegisterFpControlStatus].FpControlStatus.FpControl = 0x37f;
	v->regs[WHvX64RegisterRip].Reg64 = wide ? VIRTUAL + CODE : CODE;
	segments(v, wide ? 0xa09b : 0xc09b, 0xc093);
}

static int make(void **state)
{
	static struct vmm v;
	memset(&v, 0, sizeof v);
	v.device = 0x1122334455667700;
	mode(&v, true);
	assert_int_equal(WHvEmulatorCreateEmulator(&callbacks, &v.emulator), S_OK);
	*state = &v;
	return 0;
}

static int drop(void **state)
{
	struct vmm *v = *state;
	return WHvEmulatorDestroyEmulator(v->emulator) == S_OK ? 0 : -1;
}

static WHV_VP_EXIT_CONTEXT vp_context(struct vmm *v, unsigned length)
{
	WHV_VP_EXIT_CONTEXT c;
	memset(&c, 0, sizeof c);
	c.InstructionLength = (uint8_t)length;
	c.Cs = v->regs[WHvX64RegisterCs].Segment;
	c.Rip = v->regs[WHvX64RegisterRip].Reg64;
	c.Rflags = v->regs[WHvX64RegisterRflags].Reg64;
	return c;
}

/* The instruction is in memory; `given` of its bytes come with the exit. */
static bool mmio(struct vmm *v, const uint8_t *code, unsigned size, unsigned given)
{
	WHV_VP_EXIT_CONTEXT c = vp_context(v, 0);
	WHV_MEMORY_ACCESS_CONTEXT m;
	memset(&m, 0xcc, sizeof m); /* all else is not looked at */
	memcpy(v->ram + (v->regs[WHvX64RegisterRip].Reg64 & 0xfffff & (RAM - 1)), code, size);
	m.InstructionByteCount = (uint8_t)given;
	memcpy(m.InstructionBytes, code, given);
	v->accesses = v->translations = v->sets = 0;
	assert_int_equal(WHvEmulatorTryMmioEmulation(v->emulator, v, &c, &m, &v->status), S_OK);
	return v->status.EmulationSuccessful;
}
#define MMIO(v, ...)                                                                                                   \
	mmio(v, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),                                \
	     sizeof((const uint8_t[]){__VA_ARGS__}))

static bool port(struct vmm *v, const uint8_t *code, unsigned size, uint16_t number, unsigned width, bool write,
		 bool string)
{
	WHV_VP_EXIT_CONTEXT c = vp_context(v, string ? 0 : size);
	WHV_X64_IO_PORT_ACCESS_CONTEXT x;
	memset(&x, 0, sizeof x);
	x.InstructionByteCount = (uint8_t)size;
	memcpy(x.InstructionBytes, code, size);
	x.AccessInfo.IsWrite = write;
	x.AccessInfo.AccessSize = width;
	x.AccessInfo.StringOp = string;
	x.PortNumber = number;
	x.Rax = v->regs[WHvX64RegisterRax].Reg64;
	v->accesses = v->translations = v->sets = 0;
	assert_int_equal(WHvEmulatorTryIoEmulation(v->emulator, v, &c, &x, &v->status), S_OK);
	return v->status.EmulationSuccessful;
}
#define PORT(v, number, width, write, string, ...)                                                                     \
	port(v, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), number, width, write, string)

static uint64_t get(struct vmm *v, WHV_REGISTER_NAME name)
{
	return v->regs[name].Reg64;
}

static void assert_access(const struct access *a, uint64_t gpa, unsigned size, bool write)
{
	assert_int_equal(a->gpa, gpa);
	assert_int_equal(a->size, size);
	assert_int_equal(a->write, write);
}

/* ------ ports ------ */

static void in_and_out(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRax].Reg64 = 0xaabbccdd11223344;
	assert_true(PORT(v, 0x80, 1, true, false, 0xe6, 0x80));
	assert_int_equal(v->accesses, 1);
	assert_true(v->log[0].port && v->log[0].write);
	assert_int_equal(v->log[0].value, 0x44);
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE + 2);
	assert_true(PORT(v, 0x1234, 2, false, false, 0x66, 0xed));
	assert_int_equal(get(v, WHvX64RegisterRax), 0xaabbccdd11227700);
	assert_true(PORT(v, 0x1234, 4, false, false, 0xed));
	assert_int_equal(get(v, WHvX64RegisterRax), 0x55667701); /* the upper half is cleared */
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE + 5);
	assert_int_equal(v->sets, 1);
	assert_int_equal(v->translations, 0);
}

/* REP OUTSB over a page's end: all of it in one call, the bytes read by the memory callback. */
static void rep_outs(void **state)
{
	struct vmm *v = *state;
	static const char text[] = "a line over the end of a page";
	uint64_t at = 0x3000 - 10;
	memcpy(v->ram + at, text, sizeof text);
	v->regs[WHvX64RegisterRsi].Reg64 = VIRTUAL + at;
	v->regs[WHvX64RegisterRcx].Reg64 = 28;
	v->regs[WHvX64RegisterRdx].Reg64 = 0x3f8;
	assert_true(PORT(v, 0x3f8, 1, true, true, 0xf3, 0x6e));
	assert_int_equal(v->accesses, 56);
	for (unsigned i = 0; i < 28; i++) {
		assert_access(&v->log[2 * i], at + i, 1, false);
		assert_true(v->log[2 * i + 1].port);
		assert_int_equal(v->log[2 * i + 1].value, text[i]);
	}
	assert_int_equal(get(v, WHvX64RegisterRcx), 0);
	assert_int_equal(get(v, WHvX64RegisterRsi), VIRTUAL + at + 28);
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE + 2);
	assert_int_equal(v->sets, 1);
}

static void ins(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRdi].Reg64 = VIRTUAL + 0x2ffe; /* one element in two pages */
	v->regs[WHvX64RegisterRdx].Reg64 = 0x60;
	assert_true(PORT(v, 0x60, 4, false, true, 0x6d));
	assert_int_equal(v->accesses, 3);
	assert_access(&v->log[1], 0x2ffe, 2, true);
	assert_access(&v->log[2], 0x3000, 2, true);
	assert_memory_equal(v->ram + 0x2ffe, "\x00\x77\x66\x55", 4);
	assert_int_equal(get(v, WHvX64RegisterRdi), VIRTUAL + 0x3002);
}

/* ------ memory ------ */

static void loads_and_stores(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
	v->regs[WHvX64RegisterRax].Reg64 = UINT64_MAX;
	assert_true(MMIO(v, 0x8b, 0x43, 0x10)); /* mov eax, [rbx+16] */
	assert_int_equal(v->accesses, 1);
	assert_access(&v->log[0], DEVICE + 16, 4, false);
	assert_int_equal(get(v, WHvX64RegisterRax), 0x55667700);
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE + 3);
	assert_int_equal(v->sets, 1);
	assert_int_equal(v->set_count, 2); /* what changed */
	assert_true(v->last_flags & WHvTranslateGvaFlagValidateRead);
	assert_true(MMIO(v, 0xc7, 0x03, 1, 2, 3, 4)); /* mov dword [rbx], imm */
	assert_access(&v->log[0], DEVICE, 4, true);
	assert_int_equal(v->log[0].value, 0x04030201);
	assert_true(v->last_flags & WHvTranslateGvaFlagValidateWrite);
	assert_int_equal(v->translations, 1);
	assert_true(MMIO(v, 0x48, 0x01, 0x03)); /* add [rbx], rax: a read and a write */
	assert_int_equal(v->accesses, 2);
	assert_access(&v->log[1], DEVICE, 8, true);
	assert_int_equal(v->log[1].value, 0x1122334455667701 + 0x55667700);
}

static void wide_and_crossing(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE + 0xffe;
	assert_true(MMIO(v, 0x48, 0x89, 0x03)); /* mov [rbx], rax: 2 bytes and 6 */
	assert_int_equal(v->accesses, 2);
	assert_access(&v->log[0], DEVICE + 0xffe, 2, true);
	assert_access(&v->log[1], DEVICE + 0x1000, 6, true);
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
	assert_true(MMIO(v, 0x0f, 0x10, 0x0b)); /* movups xmm1, [rbx]: twice 8 bytes */
	assert_int_equal(v->accesses, 2);
	assert_access(&v->log[1], DEVICE + 8, 8, false);
	assert_int_equal(v->regs[WHvX64RegisterXmm1].Reg128.High64, v->device - 1);
	assert_true(MMIO(v, 0xdd, 0x03)); /* fld qword [rbx] */
	assert_int_equal(v->regs[WHvX64RegisterFpControlStatus].FpControlStatus.FpTag, 0x80);
	assert_true(v->regs[WHvX64RegisterFpMmx7].Fp.Mantissa != 0);
}

/* From RAM to the device: the source is read through the same callback. */
static void strings(void **state)
{
	struct vmm *v = *state;
	memcpy(v->ram + 0x2000, "0123456789abcdef", 16);
	v->regs[WHvX64RegisterRsi].Reg64 = VIRTUAL + 0x2000;
	v->regs[WHvX64RegisterRdi].Reg64 = VIRTUAL + DEVICE;
	v->regs[WHvX64RegisterRcx].Reg64 = 4;
	assert_true(MMIO(v, 0xf3, 0xa5)); /* rep movsd */
	assert_int_equal(v->accesses, 8);
	for (unsigned i = 0; i < 4; i++) {
		assert_access(&v->log[2 * i], 0x2000 + 4 * i, 4, false);
		assert_access(&v->log[2 * i + 1], DEVICE + 4 * i, 4, true);
		assert_memory_equal(&v->log[2 * i + 1].value, v->ram + 0x2000 + 4 * i, 4);
	}
	assert_int_equal(get(v, WHvX64RegisterRcx), 0);
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE + 2);
}

static void protected_mode(void **state)
{
	struct vmm *v = *state;
	mode(v, false);
	v->regs[WHvX64RegisterRbx].Reg64 = DEVICE;
	v->regs[WHvX64RegisterDs].Segment.Base = 0x100;
	assert_true(MMIO(v, 0x88, 0x4b, 0x01)); /* mov [ebx+1], cl */
	assert_access(&v->log[0], DEVICE + 0x101, 1, true);
	assert_int_equal(get(v, WHvX64RegisterRip), CODE + 3);
	v->regs[WHvX64RegisterCr0].Reg64 |=
		0x80000000; /* 32-bit paging: the translation is the caller's all the same */
	v->regs[WHvX64RegisterRbx].Reg64 = 0xc0400000 - 0x100;
	assert_true(MMIO(v, 0x88, 0x0b));
	assert_access(&v->log[0], 0xc0400000 - VIRTUAL, 1, true);
}

/* Fewer bytes than the instruction has, or none: they are fetched, over the page's end too. */
static void instruction_bytes(void **state)
{
	static const uint8_t code[] = {0xc7, 0x43, 0x04, 0x78, 0x56, 0x34, 0x12}; /* mov dword [rbx+4], 0x12345678 */
	struct vmm *v = *state;
	for (unsigned given = 0; given <= sizeof code; given++)
		for (unsigned into = 0; into < sizeof code; into++) {
			v->regs[WHvX64RegisterRip].Reg64 = VIRTUAL + 0x2000 - into;
			v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
			assert_true(mmio(v, code, sizeof code, given));
			assert_access(&v->log[v->accesses - 1], DEVICE + 4, 4, true);
			assert_int_equal(v->log[v->accesses - 1].value, 0x12345678);
			assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + 0x2000 - into + sizeof code);
			if (given == sizeof code)
				assert_int_equal(v->accesses, 1);
		}
}

/* ------ what goes wrong ------ */

static void callbacks_fail(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
	struct {
		bool *what;
		uint32_t status;
	} rows[] = {
		{&v->memory_fails, 8}, {&v->translate_fails, 16}, {&v->unaligned, 32},
		{&v->get_fails, 64},   {&v->set_fails, 128},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		*rows[i].what = true;
		assert_false(MMIO(v, 0x8b, 0x03));
		assert_int_equal(v->status.AsUINT32, rows[i].status);
		assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE);
		assert_int_equal(v->sets, 0);
		*rows[i].what = false;
	}
	v->io_fails = true;
	assert_false(PORT(v, 0x80, 1, true, false, 0xe6, 0x80));
	assert_int_equal(v->status.AsUINT32, 4);
	assert_false(PORT(v, 0x80, 1, true, true, 0x6e));
	assert_int_equal(v->status.AsUINT32, 4);
	v->io_fails = false;
	assert_true(MMIO(v, 0x8b, 0x03)); /* and it goes on */
}

static void page_fault(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE + 0x1ffe;
	v->no_page = VIRTUAL + DEVICE + 0x2000;
	v->no_page_code = WHvTranslateGvaResultPageNotPresent;
	assert_true(MMIO(v, 0x89, 0x03)); /* mov [rbx], eax: its second page is not there */
	assert_true(v->pending.PendingInterruption.InterruptionPending);
	assert_int_equal(v->pending.PendingInterruption.InterruptionType, WHvX64PendingException);
	assert_int_equal(v->pending.PendingInterruption.InterruptionVector, 14);
	assert_true(v->pending.PendingInterruption.DeliverErrorCode);
	assert_int_equal(v->pending.PendingInterruption.ErrorCode, 2);
	assert_int_equal(get(v, WHvX64RegisterCr2), VIRTUAL + DEVICE + 0x2000);
	assert_int_equal(get(v, WHvX64RegisterRip), VIRTUAL + CODE);
	v->no_page_code = WHvTranslateGvaResultPrivilegeViolation;
	assert_true(MMIO(v, 0x8b, 0x43, 0x02)); /* a read */
	assert_int_equal(v->pending.PendingInterruption.ErrorCode, 1);
}

static void exceptions(void **state)
{
	struct vmm *v = *state;
	WHV_VP_EXIT_CONTEXT c;
	WHV_MEMORY_ACCESS_CONTEXT m = {.InstructionByteCount = 2, .InstructionBytes = {0x8b, 0x03}};
	v->regs[WHvX64RegisterRbx].Reg64 = 0x8000000000000000; /* not canonical */
	assert_true(MMIO(v, 0x8b, 0x03));
	assert_int_equal(v->pending.PendingInterruption.InterruptionVector, 13);
	c = vp_context(v, 0);
	c.ExecutionState.InterruptionPending = 1;
	assert_int_equal(WHvEmulatorTryMmioEmulation(v->emulator, v, &c, &m, &v->status), S_OK);
	assert_int_equal(v->status.AsUINT32, 512); /* GuestCannotBeFaulted */
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
	v->regs[WHvX64RegisterRcx].Reg64 = 0;
	assert_true(MMIO(v, 0xf7, 0xf1)); /* div ecx */
	assert_int_equal(v->pending.PendingInterruption.InterruptionVector, 0);
	assert_false(v->pending.PendingInterruption.DeliverErrorCode);
}

static void not_for_emulators(void **state)
{
	struct vmm *v = *state;
	assert_false(MMIO(v, 0x0f, 0x0b)); /* ud2 */
	assert_int_equal(v->status.AsUINT32, 2);
	assert_false(MMIO(v, 0xf4)); /* hlt */
	assert_int_equal(v->status.AsUINT32, 2);
	assert_false(MMIO(v, 0x0f, 0x32)); /* rdmsr */
	assert_int_equal(v->status.AsUINT32, 2);
	assert_int_equal(v->sets, 0);
}

/* A stop in the middle leaves nothing behind: the same instruction again does everything again. */
static void given_up(void **state)
{
	struct vmm *v = *state;
	v->regs[WHvX64RegisterRbx].Reg64 = VIRTUAL + DEVICE;
	v->io_fails = true;
	v->regs[WHvX64RegisterRsi].Reg64 = VIRTUAL + 0x2000;
	v->regs[WHvX64RegisterRdx].Reg64 = 0x80;
	assert_false(PORT(v, 0x80, 1, true, true, 0x6e)); /* outsb: the memory was read, the port failed */
	v->io_fails = false;
	v->ram[0x2000] = 0x5a;
	assert_true(PORT(v, 0x80, 1, true, true, 0x6e));
	assert_int_equal(v->log[1].value, 0x5a);
}

static void arguments(void **state)
{
	struct vmm *v = *state;
	WHV_EMULATOR_CALLBACKS c = callbacks;
	WHV_EMULATOR_HANDLE h;
	WHV_VP_EXIT_CONTEXT vp = vp_context(v, 1);
	WHV_X64_IO_PORT_ACCESS_CONTEXT x = {.AccessInfo.AccessSize = 3};
	assert_int_equal(WHvEmulatorCreateEmulator(NULL, &h), E_POINTER);
	c.Size--;
	assert_int_equal(WHvEmulatorCreateEmulator(&c, &h), E_INVALIDARG);
	c = callbacks;
	c.WHvEmulatorTranslateGvaPage = NULL;
	assert_int_equal(WHvEmulatorCreateEmulator(&c, &h), E_INVALIDARG);
	assert_int_equal(WHvEmulatorTryIoEmulation(v->emulator, v, &vp, &x, &v->status), E_INVALIDARG);
	assert_int_equal(WHvEmulatorTryMmioEmulation(v->emulator, v, NULL, NULL, NULL), E_INVALIDARG);
	assert_int_equal(WHvEmulatorDestroyEmulator(NULL), E_INVALIDARG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
	const struct CMUnitTest tests[] = {
		TEST(in_and_out),       TEST(rep_outs),          TEST(ins),
		TEST(loads_and_stores), TEST(wide_and_crossing), TEST(strings),
		TEST(protected_mode),   TEST(instruction_bytes), TEST(callbacks_fail),
		TEST(page_fault),       TEST(exceptions),        TEST(not_for_emulators),
		TEST(given_up),         TEST(arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
