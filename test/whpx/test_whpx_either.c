/* test_whpx_either.c - what documents of WHPX leave open, and others have met either way: a guest and its user must not notice which it is
 * (docs/internals.md has the table). Each answer in a process of its own, since the probe finds it out once. */
#include <pthread.h>
#include <time.h>
#include "each_windows.h"
#include "whpx/whpx.h"

#define OPEN(g, options, code)                                                                                         \
	if (guest_open(g, &conf, options, code, sizeof code) != CONF_PASS)                                             \
	return conf.reason

static const struct guest_options plain = {.mode = GUEST_LONG};

static vma_platform_info probed(void)
{
	vma_platform_info info = {.size = sizeof info};

	vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, &info);
	return info;
}

/* ------ HLT ------ */

/* An interrupt goes on behind it: of two in a row, at the end of a page, behind STI. RIP is the next instruction's. */
static const char *halts(void)
{
	static const uint8_t code[] = {0xfb, 0xf4, 0xf4, 0xe6, 0x10, 0xf4}; /* sti; hlt; hlt; out 0x10, al; hlt */
	static const uint8_t handler[] = {0xe6, 0x77, 0x48, 0xcf};		/* out 0x77, al; iretq */
	static const uint64_t begins[] = {GUEST_CODE, GUEST_CODE + 0xffe, GUEST_CODE + 0xffd};
	struct guest g;

	OPEN(&g, &plain, code);
	guest_gate(&g, 0x40, GUEST_TRAPS + 0x800);
	guest_code(&g, GUEST_TRAPS + 0x800, handler, sizeof handler);
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		guest_code(&g, begins[i], code, sizeof code);
		guest_set(&g, VMA_X86_RIP, begins[i]);
		for (int n = 2; n < 4; n++) {
			EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
			EXPECT(guest_get(&g, VMA_X86_RIP) == begins[i] + (unsigned)n);
			EXPECT(vma_x86_interrupt(g.v, 0x40) == 0);
			EXPECT(guest_run_out(&g, 0x77, 1, NULL) == CONF_PASS);
			EXPECT(guest_read64(&g, guest_get(&g, VMA_X86_RSP)) == begins[i] + (unsigned)n);
		}
		EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
		EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	}
	guest_close(&g);
	return NULL;
}

/* ------ #DB ------ */

/* The guest's own step, and a breakpoint of the caller's, which is not the guest's to see. */
static const char *debugs(void)
{
	/* pushf; or dword [rsp], 0x100; popf; nop; and dword [rsp], ~0x100 is the handler's */
	static const uint8_t code[] = {0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90, 0xf4};
	/* mov rax, dr6; out 0x10, eax; and dword [rsp + 16], ~0x100; iretq */
	static const uint8_t handler[] = {0x0f, 0x21, 0xf0, 0xe7, 0x10, 0x81, 0x64, 0x24, 0x10, 0xff, 0xfe, 0xff, 0xff, 0x48, 0xcf};
	vma_debug on = {.size = sizeof on, .count = 1};
	vma_x86_dregs d;
	uint32_t dr6;
	struct guest g;

	OPEN(&g, &plain, code);
	guest_gate(&g, 1, GUEST_TRAPS);
	guest_code(&g, GUEST_TRAPS, handler, sizeof handler);
	EXPECT(guest_run_out(&g, 0x10, 4, &dr6) == CONF_PASS);
	EXPECT(dr6 == 0xffff4ff0);
	EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	on.hw[0].address = GUEST_CODE + 10;
	on.hw[0].type = VMA_BREAK_EXEC;
	on.hw[0].length = 1;
	EXPECT(vma_vcpu_debug(g.v, &on) == 0);
	EXPECT(vma_x86_get_debug_regs(g.v, &d) == 0);
	d.dr6 = 0xffff0ff0;
	EXPECT(vma_x86_set_debug_regs(g.v, &d) == 0);
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 9);
	EXPECT(guest_run(&g, VMA_EXIT_DEBUG) == CONF_PASS);
	EXPECT(g.exit->debug.reason == VMA_DEBUG_HW && g.exit->debug.pc == GUEST_CODE + 10 && (g.exit->debug.dr6 & 15) == 1);
	EXPECT(vma_x86_get_debug_regs(g.v, &d) == 0);
	EXPECT(d.dr6 == 0xffff0ff0);
	EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

static const char *breaks(void)
{
	static const uint8_t code[] = {0x90, 0xcc, 0xf4};
	vma_debug on = {.size = sizeof on, .software = 1};
	struct guest g;

	EXPECT(probed().caps & VMA_CAP_SW_BREAK && probed().breakpoints == 4);
	OPEN(&g, &plain, code);
	EXPECT(vma_vcpu_debug(g.v, &on) == 0);
	EXPECT(guest_run(&g, VMA_EXIT_DEBUG) == CONF_PASS);
	EXPECT(g.exit->debug.reason == VMA_DEBUG_SW && g.exit->debug.pc == GUEST_CODE + 1);
	guest_close(&g);
	return NULL;
}

/* ------ registers that are not there, or cannot be written ------ */

/* Interrupts, windows and a kept state work; what needs the register is not offered. */
static const char *without_irqchip(void)
{
	struct guest g;
	static const uint8_t code[] = {0xf4};
	vma_x86_events e;

	EXPECT(probed().available);
	EXPECT(!(probed().caps & (VMA_CAP_IRQCHIP | VMA_CAP_MSI)));
	OPEN(&g, &plain, code);
	EXPECT(vma_x86_get_events(g.v, &e) == 0 && vma_x86_set_events(g.v, &e) == 0);
	guest_close(&g);
	return halts();
}

static const char *refused_without(const char *name)
{
	const vma_platform_info info = probed();

	EXPECT(!info.available);
	EXPECT(strstr(info.why, name) && strstr(info.why, "0x80370309"));
	return NULL;
}

static const char *without_interruption(void)
{
	return refused_without("PendingInterruption");
}

static const char *without_state(void)
{
	return refused_without("InterruptState");
}

static const char *without_windows(void)
{
	return refused_without("DeliverabilityNotifications");
}

static const char *without_xcr0(void)
{
	vma_x86_cpuid table[256];
	size_t n = 256;
	struct guest g;
	static const uint8_t code[] = {0xf4};

	EXPECT(probed().available);
	OPEN(&g, &plain, code);
	EXPECT(vma_x86_get_cpuid(g.vm, table, &n) == 0);
	for (size_t i = 0; i < n; i++)
		EXPECT(table[i].leaf != 1 || !(table[i].ecx >> 26 & 5)); /* XSAVE, AVX */
	EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* PAT: what it has may be written, what it has not is told. */
static const char *fixed_msr(void)
{
	static const uint32_t pat[] = {0x277, 0xc0000082};
	uint64_t values[2] = {0, 0};
	static const uint8_t code[] = {0xf4};
	struct guest g;

	OPEN(&g, &plain, code);
	EXPECT(vma_x86_get_msrs(g.v, pat, values, 2) == 2 && values[0] == 0x0007040600070406);
	EXPECT(vma_x86_set_msrs(g.v, pat, values, 2) == 2);
	values[0] ^= 1 ^ 6;
	EXPECT(vma_x86_set_msrs(g.v, pat, values, 2) < 0 && strstr(vma_why(), "0x277"));
	guest_close(&g);
	return NULL;
}

/* IA32_PAT without its register: the caller reads back what it set. */
static const char *unread_msr(void)
{
	static const uint32_t pat = 0x277;
	static const uint8_t code[] = {0xf4};
	uint64_t value = 0x0007040600070401;
	struct guest g;

	OPEN(&g, &plain, code);
	EXPECT(vma_x86_set_msrs(g.v, &pat, &value, 1) == 1);
	value = 0;
	EXPECT(vma_x86_get_msrs(g.v, &pat, &value, 1) == 1 && value == 0x0007040600070401);
	guest_close(&g);
	return NULL;
}

/* ------ features ------ */

static int no_sse3(vma_vm *vm)
{
	vma_x86_cpuid table[256];
	size_t n = 256;

	if (vma_x86_get_cpuid(vm, table, &n))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 1)
			table[i].ecx &= ~(1u | 1u << 9 | 1u << 19); /* SSE3 and SSE4.1 are fixed, SSSE3 is not */
	return vma_x86_set_cpuid(vm, table, n);
}

/* What can be taken away is, and CPUID shows none of the others. */
static const char *features(void)
{
	static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xf4}; /* mov eax, 1; cpuid; hlt */
	const struct guest_options less = {.mode = GUEST_LONG, .configure = no_sse3};
	uint64_t bank;
	struct guest g;

	OPEN(&g, &less, code);
	bank = whpsim_partition(whpx_vm(g.vm)->partition)->properties.features.bank[0];
	EXPECT(bank & 1 && !(bank & 4) && bank & 8);
	EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	EXPECT(!(guest_get(&g, VMA_X86_RCX) & (1u | 1u << 9 | 1u << 19)));
	guest_close(&g);
	return NULL;
}

/* ------ windows, cancels, the exit's context ------ */

/* 1: sti; out 0x10, al; jmp 1b: after the window the guest goes on, whoever spends the notification. */
static const char *windows(void)
{
	static const uint8_t code[] = {0xfb, 0xe6, 0x10, 0xeb, 0xfb};
	struct guest g;

	OPEN(&g, &plain, code);
	for (int i = 0; i < 20; i++) {
		EXPECT(vma_x86_irq_window(g.v, 1) == 0);
		EXPECT(guest_run(&g, i ? VMA_EXIT_IRQ_WINDOW : VMA_EXIT_IO) == CONF_PASS);
		if (!i)
			EXPECT(guest_run(&g, VMA_EXIT_IRQ_WINDOW) == CONF_PASS);
		for (int n = 0; n < 3; n++)
			EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	}
	guest_close(&g);
	return NULL;
}

enum { KICKS = 40 };

static void *kick_now_and_then(void *kick)
{
	for (int i = 0; i < KICKS; i++) {
		nanosleep(&(struct timespec){.tv_nsec = i % 4 * 700000}, NULL);
		vma_kick_send(kick);
	}
	return NULL;
}

/* Each kick ends a run of a guest that spins, whenever it comes. */
static const char *kicks(void)
{
	static const uint8_t code[] = {0xeb, 0xfe};
	struct timespec begin, end;
	pthread_t thread;
	vma_kick *kick;
	struct guest g;

	OPEN(&g, &plain, code);
	EXPECT(vma_vcpu_kick_handle(g.v, &kick) == 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 5; i++) {
		EXPECT(pthread_create(&thread, NULL, kick_now_and_then, kick) == 0);
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_CANCELED);
		pthread_join(thread, NULL);
		vma_kick_send(kick); /* with those that came meanwhile, which may all have been the first run's, it is one */
		EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_CANCELED);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT(end.tv_sec - begin.tv_sec < 30);
	vma_kick_unref(kick);
	guest_close(&g);
	return NULL;
}

/* Exits of several kinds, in the smaller context. */
static const char *exits(void)
{
	/* out 0x10, al; mov eax, [rbx]; mov eax, 1; cpuid; hlt */
	static const uint8_t code[] = {0xe6, 0x10, 0x8b, 0x03, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xf4};
	struct guest g;

	EXPECT(whpx_host.context_size == 144);
	OPEN(&g, &plain, code);
	guest_set(&g, VMA_X86_RBX, GUEST_MMIO + 8);
	EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	EXPECT(guest_run(&g, VMA_EXIT_MMIO) == CONF_PASS);
	EXPECT(g.exit->mmio.gpa == GUEST_MMIO + 8);
	EXPECT(guest_run(&g, VMA_EXIT_HLT) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* ------ memory ------ */

/* A mapping that changes its protection is another one, and what faults although it may be written is written. */
static const char *protects(void)
{
	static const uint8_t code[] = {0x88, 0x03, 0x88, 0x43, 0x08, 0xfe, 0xc0, 0xe6, 0x10, 0xeb, 0xf5}; /* 1: mov [rbx], al; mov [rbx + 8], al; inc al; out; jmp 1b */
	struct guest g;
	uint8_t *hva;

	OPEN(&g, &plain, code);
	EXPECT(guest_map(&g, 0x70000000, 0x4000, VMA_MAP_READ, &hva) == CONF_PASS);
	EXPECT(vma_vm_protect(g.vm, 0x70000000, 0x4000, VMA_MAP_RWX) == 0);
	guest_set(&g, VMA_X86_RBX, 0x70001000);
	guest_set(&g, VMA_X86_RAX, 7);
	for (int i = 0; i < 50; i++)
		EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	EXPECT(hva[0x1000] == 7 + 49 && hva[0x1008] == 7 + 49);
	EXPECT(vma_vm_protect(g.vm, 0x70000000, 0x4000, VMA_MAP_READ) == 0);
	EXPECT(guest_run(&g, VMA_EXIT_MMIO) == CONF_PASS);
	EXPECT(g.exit->mmio.gpa == 0x70001000 && g.exit->mmio.write);
	guest_close(&g);
	return NULL;
}

static const char *width(void)
{
	static const uint8_t code[] = {0xf4};
	struct guest g;

	EXPECT(probed().available && probed().gpa_bits == 37);
	OPEN(&g, &plain, code);
	EXPECT(guest_map(&g, (UINT64_C(1) << 37) - 0x2000, 0x2000, VMA_MAP_RWX, NULL) == CONF_PASS);
	EXPECT(guest_map(&g, UINT64_C(1) << 37, 0x2000, VMA_MAP_RWX, NULL) != CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* mov dword [0xfee000f0], 0x1ff; mov eax, 5; mov cr8, rax; sti; out 0x10, al; nop; nop; xor eax, eax; mov cr8, rax; nop; out 0x11, al: an interrupt
 * that CR8 masks comes when CR8 is lowered, and the guest gets there although its window may seem to be open. */
static const char *masked(void)
{
	static const uint8_t code[] = {0xbb, 0xf0, 0, 0xe0, 0xfe, 0xc7, 3, 0xff, 1, 0, 0, 0xb8, 5, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0, 0xfb, 0xe6, 0x10, 0x90, 0x90,
				       0x31, 0xc0, 0x44, 0x0f, 0x22, 0xc0, 0x90, 0xe6, 0x11};
	static const uint8_t handler[] = {0xe6, 0x77, 0x48, 0xcf}; /* out 0x77, al; iretq */
	const struct guest_options chips = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_LIBRARY};
	struct guest g;

	OPEN(&g, &chips, code);
	guest_gate(&g, 0x40, GUEST_TRAPS);
	guest_code(&g, GUEST_TRAPS, handler, sizeof handler);
	EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	EXPECT(vma_vm_msi(g.vm, 0xfee00000, 0x40) >= 0);
	EXPECT(guest_run_out(&g, 0x77, 1, NULL) == CONF_PASS);
	EXPECT(guest_read64(&g, guest_get(&g, VMA_X86_RSP)) >= GUEST_CODE + 31);
	EXPECT(guest_run_out(&g, 0x11, 1, NULL) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* ------ local APIC, XSAVE, instructions of hypervisors ------ */

static const char *no_x2apic(void)
{
	static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xe6, 0x10}; /* mov eax, 1; cpuid; out 0x10, al */
	const struct guest_options chips = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM};
	struct guest g;

	OPEN(&g, &chips, code);
	EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	EXPECT(!(guest_get(&g, VMA_X86_RCX) >> 21 & 1));
	guest_close(&g);
	return NULL;
}

/* TPR and CR8 are one. */
static const char *tpr(void)
{
	static const uint8_t code[] = {0xe6, 0x10, 0xf4};
	const struct guest_options chips = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM};
	uint8_t lapic[0x400];
	vma_x86_sregs s;
	struct guest g;

	OPEN(&g, &chips, code);
	EXPECT(vma_x86_get_lapic(g.v, lapic) == 0);
	lapic[0x80] = 0x50;
	EXPECT(vma_x86_set_lapic(g.v, lapic) == 0);
	memset(lapic, 0, sizeof lapic);
	EXPECT(guest_run_out(&g, 0x10, 1, NULL) == CONF_PASS);
	EXPECT(vma_x86_get_sregs(g.v, &s) == 0 && s.cr8 == 5);
	EXPECT(vma_x86_get_lapic(g.v, lapic) == 0 && lapic[0x80] == 0x50);
	guest_close(&g);
	return NULL;
}

/* addps xmm1, xmm0 in a device's neighbourhood: what is set is what the guest has, and what it leaves is what is read. */
static const char *vectors(void)
{
	static const uint8_t code[] = {0x0f, 0x58, 0xc8, 0x0f, 0x10, 0x13, 0xf4}; /* addps xmm1, xmm0; movups xmm2, [rbx]; hlt */
	const float one[4] = {1, 2, 3, 4}, two[4] = {10, 20, 30, 40}, sum[4] = {11, 22, 33, 44};
	struct guest_mmio device = {.base = GUEST_MMIO};
	vma_x86_fpu_regs f;
	struct guest g;

	OPEN(&g, &plain, code);
	guest_set(&g, VMA_X86_RBX, GUEST_MMIO);
	memcpy(device.bytes, two, sizeof two);
	EXPECT(vma_x86_get_fpu_regs(g.v, &f) == 0);
	memcpy(f.xmm[0], one, sizeof one);
	memcpy(f.xmm[1], two, sizeof two);
	EXPECT(vma_x86_set_fpu_regs(g.v, &f) == 0);
	EXPECT(guest_run_mmio(&g, &device, VMA_EXIT_HLT) == CONF_PASS);
	memset(&f, 0, sizeof f);
	EXPECT(vma_x86_get_fpu_regs(g.v, &f) == 0);
	EXPECT(!memcmp(f.xmm[1], sum, sizeof sum) && !memcmp(f.xmm[2], two, sizeof two) && f.mxcsr == 0x1f80);
	guest_close(&g);
	return NULL;
}

/* vmcall's neighbours are #UD; of which one that cannot be delivered is a shutdown still. */
static const char *vmx(void)
{
	static const uint8_t codes[][5] = {{0x0f, 0x01, 0xc2, 0xf4} /* vmlaunch */, {0x66, 0x0f, 0x38, 0x80, 0x03} /* invept rax, [rbx] */,
					   {0x0f, 0x37, 0xf4} /* getsec */, {0x0f, 0x01, 0xd8, 0xf4} /* vmrun */, {0x0f, 0x0b, 0xf4} /* ud2 */};
	vma_x86_sregs s;
	struct guest g;

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		OPEN(&g, &plain, codes[i]);
		guest_traps(&g);
		EXPECT(guest_run_trap(&g, 6) == CONF_PASS);
		EXPECT(guest_read64(&g, guest_get(&g, VMA_X86_RSP)) == GUEST_CODE);
		EXPECT(vma_vcpu_complete(g.v) == 0);
		EXPECT(vma_x86_get_sregs(g.v, &s) == 0);
		s.idtr.limit = 0;
		EXPECT(vma_x86_set_sregs(g.v, &s) == 0);
		guest_set(&g, VMA_X86_RIP, GUEST_CODE);
		EXPECT(guest_run(&g, VMA_EXIT_TRIPLE_FAULT) == CONF_PASS);
		guest_close(&g);
	}
	return NULL;
}

/* ------ each on its Windows ------ */

#define ON(windows, body) {windows, windows, body}

static const struct windows_row rows[] = {
	ON("11", halts), ON("11,halt-at", halts),
	ON("11,halt-shadow", halts), ON("2004,halt-at,hostile=3", halts),
	ON("11", debugs), ON("11,debug-in-dr6", debugs),
	ON("11,exceptions-unsaid", breaks), ON("11,missing=0x80000002", without_irqchip),
	ON("11,missing=0x80000005", without_irqchip), ON("11,missing=0x80000004", without_windows),
	ON("11,missing=0x27", without_xcr0), ON("11,fixed=0x2004", fixed_msr),
	ON("11,missing=0x2004", unread_msr), ON("11,missing=0x80000000", without_interruption),
	ON("11,missing=0x80000001", without_state),
	ON("11,fixed-features", features), ON("2004,fixed-features", features),
	ON("11,window-stays", windows), ON("11,cancel-lost", kicks),
	ON("11", kicks), ON("11,context-1803", exits),
	ON("11,no-remap", protects), ON("11,remap-faults", protects),
	ON("24h2,map37", width), ON("11,xapic-only", no_x2apic),
	ON("11,tpr-checked", tpr), ON("11", tpr),
	ON("11,xsave-standard", vectors), ON("11,xsave-unsized", vectors),
	ON("11,vmx-shuts-down", vmx), ON("11", vmx),
	ON("11,window-at-tpr", masked), ON("11", masked),
	ON("2004,window-at-tpr,window-stays,hostile=2", masked),
	ON("11,otherwise", halts), ON("11,otherwise", debugs),
};

int main(void)
{
	return each_on_its_windows(rows, sizeof rows / sizeof *rows);
}
