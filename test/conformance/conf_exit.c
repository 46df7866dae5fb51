/* conf_exit.c - checks of exits other than I/O and MMIO, and of instructions that must not exit (T037-T048). */
#include <stdio.h>
#include <string.h>

#include <vmaccel/null.h>

#include "bodies_arm64.h"
#include "guest.h"

/* ------ T037: MSRs ------ */

enum { EXIT_MSR = 0x12345 };

static int want_msr_exits(vma_vm *vm)
{
	return vma_vm_msr_exits(vm, EXIT_MSR, 1, 3);
}

static int expect_msr(struct guest *g, int write, uint64_t rip)
{
	struct conf *conf = g->conf;

	CONF_TRY(guest_run(g, VMA_EXIT_MSR));
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_EQUAL(conf, g->exit->msr.index, EXIT_MSR);
	CONF_EQUAL(conf, g->exit->msr.write, write);
	CONF_EQUAL(conf, g->exit->msr.fault, 0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), rip);
	return CONF_PASS;
}

/* A fault is #GP(0) at the instruction, with nothing changed. */
static int msr_fault(struct guest *g, int write, uint64_t rip)
{
	struct conf *conf = g->conf;

	CONF_TRY(expect_msr(g, write, rip));
	g->exit->msr.value = 99;
	g->exit->msr.fault = 1;
	CONF_TRY(guest_run_trap(g, 13));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), 0x55667788);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RDX), 0x11223344);
	CONF_EQUAL(conf, guest_read64(g, guest_get(g, VMA_X86_RSP)), 0);
	CONF_EQUAL(conf, guest_read64(g, guest_get(g, VMA_X86_RSP) + 8), rip);
	guest_set(g, VMA_X86_RIP, rip + 2);
	return CONF_PASS;
}

static int msr_body(struct guest *g)
{
	struct conf *conf = g->conf;

	guest_traps(g);
	guest_set(g, VMA_X86_RAX, ~0ull);
	guest_set(g, VMA_X86_RDX, ~0ull);
	guest_set(g, VMA_X86_RCX, EXIT_MSR);
	CONF_TRY(expect_msr(g, 0, GUEST_CODE));
	g->exit->msr.value = 0x1122334455667788;
	CONF_TRY(expect_msr(g, 1, GUEST_CODE + 2));
	CONF_EQUAL(conf, g->exit->msr.value, 0x1122334455667788);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), 0x55667788);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RDX), 0x11223344);
	CONF_TRY(msr_fault(g, 0, GUEST_CODE + 4));
	CONF_TRY(msr_fault(g, 1, GUEST_CODE + 6));
	return guest_run(g, VMA_EXIT_HLT);
}

static int msr_exits(struct conf *conf)
{
	static const uint8_t code[] = {
		0x0f, 0x32, /* rdmsr */
		0x0f, 0x30, /* wrmsr */
		0x0f, 0x32, /* rdmsr */
		0x0f, 0x30, /* wrmsr */
		0xf4,       /* hlt */
	};
	const struct guest_options options = {.mode = GUEST_LONG, .configure = want_msr_exits};

	if (!(conf->info.caps & VMA_CAP_MSR_EXIT))
		return conf_skip(conf, "MSR exits are not among this accelerator's capabilities");
	return guest_with(conf, &options, code, sizeof code, msr_body);
}

/* ------ T038: CPUID ------ */

static int one_cpuid(struct guest *g, uint64_t rip, uint32_t leaf, uint32_t subleaf)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RAX, 0xffffffff00000000 | leaf);
	guest_set(g, VMA_X86_RCX, 0xffffffff00000000 | subleaf);
	CONF_TRY(guest_run(g, VMA_EXIT_CPUID));
	CONF_EQUAL(conf, g->exit->cpuid.leaf, leaf);
	CONF_EQUAL(conf, g->exit->cpuid.subleaf, subleaf);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), rip);
	g->exit->cpuid.eax = leaf + 1;
	g->exit->cpuid.ebx = 0xb0b0b0b0;
	g->exit->cpuid.ecx = subleaf + 2;
	g->exit->cpuid.edx = 0xd0d0d0d0;
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), leaf + 1);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RBX), 0xb0b0b0b0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RCX), subleaf + 2);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RDX), 0xd0d0d0d0);
	return CONF_PASS;
}

static int cpuid_body(struct guest *g)
{
	CONF_TRY(one_cpuid(g, GUEST_CODE, 4, 3));
	CONF_TRY(one_cpuid(g, GUEST_CODE + 2, 0xd, 1));
	CONF_TRY(one_cpuid(g, GUEST_CODE + 5, 0x40000000, 0x77));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 9);
	return CONF_PASS;
}

static int cpuid_exits(struct conf *conf)
{
	static const uint8_t code[] = {
		0x0f, 0xa2,       /* cpuid */
		0x66, 0x0f, 0xa2, /* the same with prefixes that mean nothing */
		0x48, 0x0f, 0xa2, /* */
		0xf4,             /* hlt */
	};
	const struct guest_options options = {.mode = GUEST_LONG, .cpuid_exits = 1};

	if (!(conf->info.caps & VMA_CAP_CPUID_EXIT))
		return conf_skip(conf, "CPUID exits are not among this accelerator's capabilities");
	return guest_with(conf, &options, code, sizeof code, cpuid_body);
}

/* ------ T039: HLT ------ */

/* Interrupts off: an exit all the same; the next run goes on behind it. */
static int hlt_masked(struct guest *g)
{
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, g->exit->pending, 0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 1);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), 5);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 4);
	return CONF_PASS;
}

/* An interrupt that waits is taken before the HLT. */
static int hlt_interrupted(struct guest *g)
{
	static const uint8_t handler[] = {0xe6, 0x77, 0x48, 0xcf}; /* out 0x77, al; iretq */

	guest_code(g, GUEST_TRAPS, handler, sizeof handler);
	guest_gate(g, 0x40, GUEST_TRAPS);
	guest_set(g, VMA_X86_RFLAGS, 0x202); /* IF */
	CONF_OK(g->conf, vma_x86_interrupt(g->v, 0x40));
	CONF_TRY(guest_run_out(g, 0x77, 1, NULL));
	CONF_EQUAL(g->conf, guest_read64(g, guest_get(g, VMA_X86_RSP)), GUEST_CODE);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 1);
	return CONF_PASS;
}

static int hlt(struct conf *conf)
{
	static const uint8_t code[] = {0xf4, 0xb0, 0x05, 0xf4}; /* hlt; mov al, 5; hlt */

	CONF_TRY(guest_with(conf, NULL, code, sizeof code, hlt_masked));
	return guest_with(conf, NULL, code, sizeof code, hlt_interrupted);
}

/* ------ T040: exits that the library does not know: only a script can provoke them ------ */

static int unknown_body(struct guest *g)
{
	vma_null_step steps[3] = {
		{.size = sizeof steps[0], .exit = {.kind = VMA_EXIT_OTHER, .other = {.native = 4711}}},
		{.size = sizeof steps[0], .exit = {.kind = VMA_EXIT_INTERNAL}},
		{.size = sizeof steps[0], .exit = {.kind = VMA_EXIT_FAIL_ENTRY, .fail_entry = {.reason = 0x80000021}}},
	};
	struct conf *conf = g->conf;

	steps[1].exit.internal.suberror = 3;
	steps[1].exit.internal.count = 2;
	steps[1].exit.internal.data[1] = 0x1234567890;
	CONF_OK(conf, vma_null_script(g->v, steps, 3));
	CONF_TRY(guest_run(g, VMA_EXIT_OTHER));
	CONF_EQUAL(conf, g->exit->other.native, 4711);
	CONF_EQUAL(conf, g->exit->pending, 0);
	CONF_TRY(guest_run(g, VMA_EXIT_INTERNAL));
	CONF_EQUAL(conf, g->exit->internal.suberror, 3);
	CONF_EQUAL(conf, g->exit->internal.data[1], 0x1234567890);
	CONF_TRY(guest_run(g, VMA_EXIT_FAIL_ENTRY));
	CONF_EQUAL(conf, g->exit->fail_entry.reason, 0x80000021);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE);
	return CONF_PASS;
}

static int unknown(struct conf *conf)
{
	if (conf->accel != VMA_ACCEL_NULL)
		return conf_skip(conf, "no guest can be made to provoke one; checked with the scripted back end");
	return guest_with(conf, NULL, NULL, 0, unknown_body);
}

/* ------ T041: triple fault ------ */

static int triple_body(struct guest *g)
{
	struct conf *conf = g->conf;
	vma_x86_regs regs;
	vma_x86_sregs sregs;

	CONF_OK(conf, vma_x86_get_sregs(g->v, &sregs));
	sregs.idtr.limit = 0;
	CONF_OK(conf, vma_x86_set_sregs(g->v, &sregs));
	CONF_TRY(guest_run(g, VMA_EXIT_TRIPLE_FAULT));
	CONF_EQUAL(conf, g->exit->pending, 0);
	CONF_OK(conf, vma_x86_get_regs(g->v, &regs));
	CONF_OK(conf, vma_x86_get_sregs(g->v, &sregs));
	CONF_OK(conf, vma_vcpu_reset(g->v));
	CONF_TRY(guest_set_mode(g, g->v, GUEST_LONG));
	guest_set(g, VMA_X86_RIP, GUEST_CODE + 2);
	return guest_run(g, VMA_EXIT_HLT);
}

static int triple_fault(struct conf *conf)
{
	static const uint8_t code[] = {0x0f, 0x0b, 0xf4}; /* ud2; hlt */

	return guest_with(conf, NULL, code, sizeof code, triple_body);
}

/* ------ T045: instructions that fault ------ */

enum { NO_FAULT = -1, UD = 6, GP = 13, OSXSAVE = 1 << 18 };

/* RCX = 0, RDX:RAX = 0, RBX = GUEST_DATA. */
static const struct refused {
	const char *name;
	uint8_t code[4];
	int vector; /* in 64-bit mode at CPL 0 */
	uint32_t cr4;
	const char *needs; /* a feature; NULL: none */
} refusals[] = {
	{"INVD", {0x0f, 0x08, 0xf4}, NO_FAULT, 0, NULL},
	{"GETSEC without SMXE", {0x0f, 0x37, 0xf4}, UD, 0, NULL},
	{"XSETBV without OSXSAVE", {0x0f, 0x01, 0xd1, 0xf4}, UD, 0, NULL},
	{"XSETBV clearing the x87 bit", {0x0f, 0x01, 0xd1, 0xf4}, GP, OSXSAVE, "xsave"},
	{"VMXON without VMXE", {0xf3, 0x0f, 0xc7, 0x33}, UD, 0, NULL},
	{"VMLAUNCH outside VMX", {0x0f, 0x01, 0xc2, 0xf4}, UD, 0, NULL},
	{"VMRESUME outside VMX", {0x0f, 0x01, 0xc3, 0xf4}, UD, 0, NULL},
	{"VMRUN without SVME", {0x0f, 0x01, 0xd8, 0xf4}, UD, 0, NULL},
	{"RSM outside SMM", {0x0f, 0xaa, 0xf4}, UD, 0, NULL},
	{"UD2", {0x0f, 0x0b, 0xf4}, UD, 0, NULL},
	{"MOV CR1", {0x0f, 0x22, 0xc8, 0xf4}, UD, 0, NULL},
	{"PUSH ES in 64-bit mode", {0x06, 0xf4}, UD, 0, NULL},
};

static const struct refused *this_refused;

static int refused_body(struct guest *g)
{
	const struct refused *r = this_refused;
	uint64_t rsp;

	if (r->needs && vma_x86_has_feature(g->vm, r->needs) != 1)
		return CONF_PASS;
	guest_traps(g);
	guest_set(g, VMA_X86_RBX, GUEST_DATA);
	if (r->cr4)
		guest_set(g, VMA_X86_CR4, guest_get(g, VMA_X86_CR4) | r->cr4);
	guest_code(g, GUEST_CODE, r->code, sizeof r->code);
	if (r->vector == NO_FAULT)
		return guest_run(g, VMA_EXIT_HLT);
	CONF_TRY(guest_run_trap(g, (unsigned)r->vector));
	rsp = guest_get(g, VMA_X86_RSP);
	CONF_EQUAL(g->conf, guest_read64(g, r->vector == GP ? rsp + 8 : rsp), GUEST_CODE);
	return CONF_PASS;
}

static int refused(struct conf *conf)
{
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		size_t n;

		this_refused = &refusals[i];
		if (guest_with(conf, NULL, NULL, 0, refused_body) == CONF_PASS)
			continue;
		n = strlen(conf->reason);
		snprintf(conf->reason + n, sizeof conf->reason - n, " (%s)", refusals[i].name);
		return CONF_FAIL;
	}
	return CONF_PASS;
}

/* ------ T046: instructions that must not exit ------ */

static int quiet_body(struct guest *g)
{
	static const uint8_t skip3[] = {0x48, 0x83, 0x04, 0x24, 0x03, 0x48, 0xcf}; /* add qword [rsp], 3; iretq */

	guest_code(g, GUEST_TRAPS, skip3, sizeof skip3);
	guest_gate(g, UD, GUEST_TRAPS);
	guest_set(g, VMA_X86_RBX, GUEST_DATA);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EXPECT(g->conf, guest_get(g, VMA_X86_R8) > 0);
	CONF_EXPECT(g->conf, guest_get(g, VMA_X86_RAX) > guest_get(g, VMA_X86_R8));
	return CONF_PASS;
}

/* RDRAND, RDTSCP and MONITOR may be missing (#UD, three bytes each), but must not exit. */
static int quiet(struct conf *conf)
{
	static const uint8_t code[] = {
		0x0f, 0x31,       /* rdtsc */
		0x48, 0xc1, 0xe2, 0x20,       /* shl rdx, 32 */
		0x48, 0x09, 0xd0, /* or rax, rdx */
		0x49, 0x89, 0xc0, /* mov r8, rax */
		0x0f, 0xc7, 0xf0, /* rdrand eax */
		0x0f, 0x09,       /* wbinvd */
		0xf3, 0x90,       /* pause */
		0x0f, 0xae, 0x3b, /* clflush [rbx] */
		0x48, 0x89, 0xd8, /* mov rax, rbx */
		0x31, 0xc9,       /* xor ecx, ecx */
		0x31, 0xd2,       /* xor edx, edx */
		0x0f, 0x01, 0xc8, /* monitor */
		0x0f, 0x01, 0xf9, /* rdtscp */
		0x0f, 0x31,       /* rdtsc */
		0x48, 0xc1, 0xe2, 0x20,       /* shl rdx, 32 */
		0x48, 0x09, 0xd0, /* or rax, rdx */
		0xf4,             /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, quiet_body);
}

/* ------ T047: writes to read-only memory ------ */

static int readonly_body(struct guest *g)
{
	struct conf *conf = g->conf;
	uint64_t gpa = 0x300000, written = 0;
	uint8_t *page;

	CONF_TRY(guest_map(g, gpa, 0x1000, VMA_MAP_READ | VMA_MAP_EXEC, &page));
	memset(page, 0x11, 0x1000);
	guest_set(g, g->isa->b, gpa + 0x20);
	guest_set(g, g->isa->a, 0x5a5b5c5d);
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(conf, g->exit->mmio.write, 1);
	CONF_EQUAL(conf, g->exit->mmio.gpa, gpa + 0x20);
	CONF_EQUAL(conf, g->exit->mmio.length, 4);
	memcpy(&written, g->exit->mmio.data, 4);
	CONF_EQUAL(conf, written, 0x5a5b5c5d);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, g->isa->c), 0x11111111);
	CONF_EQUAL(conf, page[0x20], 0x11);
	return CONF_PASS;
}

static const uint8_t readonly_x86[] = {
	0x89, 0x03, /* mov [rbx], eax */
	0x8b, 0x0b, /* mov ecx, [rbx] */
	0xf4,       /* hlt */
};
static const uint32_t readonly_arm64[] = {0xb9000020, 0xb9400022, A64_STOP}; /* str w0, [x1]; ldr w2, [x1] */
static const struct guest_program readonly_program = GUEST_PROGRAM(readonly);

static int readonly(struct conf *conf)
{
	if (!(conf->info.caps & VMA_CAP_READONLY))
		return conf_skip(conf, "read-only memory is not among this accelerator's capabilities");
	return guest_with_program(conf, NULL, &readonly_program, readonly_body);
}

/* ------ T048: addresses beyond everything ------ */

enum { HIGH_GVA = 0x80000000u };

/* Map the 2 MiB page at HIGH_GVA to `gpa`; the entry is still the identity's. */
static void map_high(struct guest *g, uint64_t gpa)
{
	uint64_t entry = (gpa & ~0x1fffffull) | 0x87;

	memcpy(g->ram + GUEST_TABLES + 0x4000, &entry, 8);
}

static int highest_body(struct guest *g)
{
	unsigned bits = guest_address_bits(g->vm);
	uint64_t gpa = ((uint64_t)1 << bits) - 0x1000;

	CONF_EXPECT(g->conf, bits >= 32 && bits <= g->conf->info.gpa_bits);
	guest_traps(g);
	map_high(g, gpa);
	guest_set(g, VMA_X86_RBX, HIGH_GVA + (gpa & 0x1fffff));
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(g->conf, g->exit->mmio.gpa, gpa);
	memset(g->exit->mmio.data, 0x42, 4);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), 0x42424242);
	return CONF_PASS;
}

/* Bit 51 is above what any x86-64 processor of today decodes: a reserved bit (SDM vol. 3, 4.5.4), error code P and
 * RSVD. */
static int beyond_body(struct guest *g)
{
	guest_traps(g);
	map_high(g, (uint64_t)1 << 51);
	guest_set(g, VMA_X86_RBX, HIGH_GVA);
	CONF_TRY(guest_run_trap(g, 14));
	CONF_EQUAL(g->conf, guest_read64(g, guest_get(g, VMA_X86_RSP)), 9);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_CR2), HIGH_GVA);
	return CONF_PASS;
}

static int beyond(struct conf *conf)
{
	static const uint8_t code[] = {0x8b, 0x03, 0xf4}; /* mov eax, [rbx]; hlt */

	if (conf->info.gpa_bits > 51)
		return conf_skip(conf, "no address is beyond %u bits", conf->info.gpa_bits);
	CONF_TRY(guest_with(conf, NULL, code, sizeof code, highest_body));
	return guest_with(conf, NULL, code, sizeof code, beyond_body);
}

/* ------ T042: VMCALL and VMMCALL ------ */

static const uint8_t call_code[] = {0x0f, 0x01, 0xc1, 0xf4, 0x0f, 0x01, 0xd9, 0xf4}; /* vmcall; hlt; vmmcall; hlt */
static const uint32_t call_registers[] = {VMA_X86_RBX, VMA_X86_RCX, VMA_X86_RDX, VMA_X86_RSI, VMA_X86_RDI, VMA_X86_R8};

/* Half done until it has its answer, then behind the instruction; of the registers RAX alone is another. */
static int call_exit(struct guest *g, uint64_t rip)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RAX, 0x1122334455667788);
	for (unsigned i = 0; i < 6; i++)
		guest_set(g, call_registers[i], 0xa0b0c0d0e0f00000 + i);
	CONF_TRY(guest_run(g, VMA_EXIT_HYPERCALL));
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_EQUAL(conf, g->exit->hypercall.number, 0x1122334455667788);
	for (unsigned i = 0; i < 6; i++)
		CONF_EQUAL(conf, g->exit->hypercall.args[i], 0xa0b0c0d0e0f00000 + i);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), rip);
	g->exit->hypercall.result = 0x8877665544332211;
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), rip + 3);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), 0x8877665544332211);
	for (unsigned i = 0; i < 6; i++)
		CONF_EQUAL(conf, guest_get(g, call_registers[i]), 0xa0b0c0d0e0f00000 + i);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), rip + 4);
	return CONF_PASS;
}

/* Both vendors' exit on either's processor. */
static int calls_exit_body(struct guest *g)
{
	CONF_TRY(call_exit(g, GUEST_CODE));
	return call_exit(g, GUEST_CODE + 4);
}

static int calls_fault_body(struct guest *g)
{
	guest_traps(g);
	for (uint64_t rip = GUEST_CODE; rip <= GUEST_CODE + 4; rip += 4) {
		guest_set(g, VMA_X86_RIP, rip);
		CONF_TRY(guest_run_trap(g, 6));
		CONF_EQUAL(g->conf, guest_read64(g, guest_get(g, VMA_X86_RSP)), rip);
	}
	return CONF_PASS;
}

static int calls(struct conf *conf)
{
	const struct guest_options options = {.mode = GUEST_LONG, .hypercall_exits = 1};

	if (!(conf->info.caps & VMA_CAP_HYPERCALL_EXIT))
		return conf_skip(conf, "hypercall exits are not among this accelerator's capabilities");
	CONF_TRY(guest_with(conf, &options, call_code, sizeof call_code, calls_exit_body));
	return guest_with(conf, NULL, call_code, sizeof call_code, calls_fault_body);
}

static const struct conf_check checks[] = {
	{37, "RDMSR and WRMSR exits: result, #GP by choice, RIP", "x86 exits guest", msr_exits, NULL},
	{38, "CPUID exits: leaf and subleaf, the answer, the length with prefixes",
	 "x86 exits guest", cpuid_exits, NULL},
	{39, "HLT exits with RIP behind it, with interrupts off too; a waiting interrupt comes first",
	 "x86 exits guest", hlt, NULL},
	{40, "An exit that the library does not know is OTHER, with its number", "any exits", unknown, NULL, unknown},
	{41, "A triple fault is an exit, the registers can be read and the vCPU reset",
	 "x86 exits guest", triple_fault, NULL},
	{42, "VMCALL, VMMCALL, HVC and SMC: an exit if asked for, and one rule for the program counter behind it",
	 "any exits guest", calls, NULL, a64_calls},
	{43, "WFI does not wait for a timer that is due, WFE does not block", "arm64 exits guest", NULL, NULL, a64_waits},
	{44, "Unknown system registers: UNDEF or an exit, by policy", "arm64 exits guest", NULL, NULL, a64_unknown_sysreg},
	{45, "INVD, GETSEC, XSETBV, VMX and SVM instructions fault as the manual says, without an exit",
	 "x86 exits guest", refused, NULL},
	{46, "RDTSC, RDTSCP, RDRAND, WBINVD, PAUSE, CLFLUSH and MONITOR do not exit", "x86 exits guest", quiet, NULL},
	{47, "A write to read-only memory exits with its data, the memory stays, the guest goes on",
	 "any exits guest", readonly, NULL, readonly},
	{48, "The highest address is MMIO, one beyond the processor's is a fault",
	 "any exits guest", beyond, NULL, a64_beyond},
};

static const struct conf_difference differences[] = {
	{48, VMA_ACCEL_KVM,
	 "QEMU's processor, in which this KVM runs, forgets P in the error code of a reserved bit (SDM vol. 3, 4.7)", "QEMU"},
	{45, VMA_ACCEL_KVM,
	 "KVM's instruction emulator does not know GETSEC and the VMX and SVM instructions, and without VMX or SVM "
	 "below it there is no processor that raises #UD for them (SDM vol. 3, 26.1.1): it gives up with an INTERNAL exit",
	 "emulating"},
	{46, VMA_ACCEL_KVM,
	 "KVM's instruction emulator does not know MONITOR, and without VMX or SVM below it nothing intercepts it (SDM "
	 "vol. 3, 26.1.3): it gives up with an INTERNAL exit",
	 "emulating"},
};

CONF_GROUP(exit, checks, differences, sizeof differences / sizeof differences[0]);
