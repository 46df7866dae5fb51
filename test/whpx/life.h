/* life.h - the life of a VM on WHPX with all that the library asks of the platform in it: for tests that take away or break what it
 * asks for. */
#ifndef TEST_WHPX_LIFE_H
#define TEST_WHPX_LIFE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>

static enum phase { MAKE, FINALIZE, CREATE, USE, END } life_phase;
static uint32_t life_vcpus = 1; /* that may be; there is one */
static char life_after[128]; /* for messages: " after ..." */
static void (*life_kick)(vma_kick *k) = vma_kick_send; /* before the run that it ends */

enum { TOLD = -1000 }; /* by a number or a report: no sentence is promised */
enum { RAM = 0x100000, CODE = 0x1000, HOLE = 0x200000 };

struct life {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *cpu;
	uint8_t *ram;
	int event;
};

/* in al, 0x90; out 0x91, al; mov eax, [ebx]; mov [ebx], eax; add [ebx + 8], eax; mov esi, 0x3000; mov ecx, 4; rep outsb; mov edi, 0x200000;
 * mov ecx, 2; rep stosd; cpuid; mov ecx, 0x4b0000; rdmsr; mov ebx, 0x200000; mov al, [ebx]; vmcall; nop; vmmcall; sti; nop; out 0x92, al; hlt */
static const uint8_t code[] = {
	0xe4, 0x90, 0xe6, 0x91, 0x8b, 0x03, 0x89, 0x03, 0x01, 0x43, 0x08, 0xbe, 0x00, 0x30, 0x00, 0x00, 0xb9, 0x04, 0x00, 0x00, 0x00, 0xf3, 0x6e,
	0xbf, 0x00, 0x00, 0x20, 0x00, 0xb9, 0x02, 0x00, 0x00, 0x00, 0xf3, 0xab, 0x0f, 0xa2, 0xb9, 0x00, 0x00, 0x4b, 0x00, 0x0f, 0x32, 0xbb, 0x00,
	0x00, 0x20, 0x00, 0x8a, 0x03, 0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0xfb, 0x90, 0xe6, 0x92, 0xf4,
};

static bool has(const struct life *l, uint32_t cap)
{
	return vma_vm_caps(l->vm) & cap;
}

static int configure(struct life *l, vma_irqchip irqchip)
{
	vma_vm_config c = {.size = sizeof c,
			   .accel = VMA_ACCEL_WHPX,
			   .arch = VMA_ARCH_X86_64,
			   .irqchip = irqchip,
			   .msr_policy = VMA_MSR_EXIT,
			   .cpuid_exits = 1,
			   .hypercall_exits = 1,
			   .max_vcpus = life_vcpus};
	vma_x86_cpuid table[256];
	size_t n = 256;
	int rc = vma_vm_create(&c, &l->vm);

	if (!rc)
		rc = vma_x86_get_cpuid(l->vm, table, &n);
	if (!rc)
		rc = vma_x86_set_cpuid(l->vm, table, n);
	if (!rc)
		rc = vma_vm_msr_exits(l->vm, 0x4b0000, 1, 3);
	if (!rc)
		rc = vma_mem_anon(RAM, &l->mem);
	if (rc)
		return rc;
	l->ram = vma_mem_hva(l->mem);
	memcpy(l->ram + CODE, code, sizeof code);
	return vma_vm_map(l->vm, 0, l->mem, 0, RAM, VMA_MAP_RWX | (has(l, VMA_CAP_DIRTY_LOG) ? VMA_MAP_LOG : 0));
}

static int start(struct life *l)
{
	vma_x86_regs r = {.rip = CODE, .rsp = 0x8000, .rbx = HOLE, .rflags = 2};
	const vma_x86_seg data = {.limit = 0xffffffff, .selector = 0x10, .attr = 0x93 | VMA_SEG_DB | VMA_SEG_G};
	vma_x86_sregs s;
	int rc;

	life_phase = FINALIZE;
	rc = vma_vm_finalize(l->vm);
	life_phase = USE;
	if (!rc)
		rc = vma_vm_map(l->vm, 0x400000, l->mem, 0, 0x2000, VMA_MAP_READ);
	life_phase = CREATE;
	if (!rc)
		rc = vma_vcpu_create(l->vm, 0, &l->cpu);
	life_phase = USE;
	if (!rc)
		rc = vma_x86_get_sregs(l->cpu, &s);
	s.cs = s.ds = s.es = s.ss = data;
	s.cs.selector = 8;
	s.cs.attr = 0x9b | VMA_SEG_DB | VMA_SEG_G;
	s.cr0 |= 1;
	if (!rc)
		rc = vma_x86_set_sregs(l->cpu, &s);
	return rc ? rc : vma_x86_set_regs(l->cpu, &r, VMA_X86_ALL_REGS);
}

static int set_state(struct life *l, vma_irqchip irqchip)
{
	static const uint32_t indices[] = {0xc0000082, 0x277, 0x174};
	uint64_t values[3];
	vma_x86_fpu_regs f;
	vma_x86_dregs d;
	vma_x86_events e;
	uint8_t lapic[0x400];
	int rc = vma_x86_get_msrs(l->cpu, indices, values, 3);

	if (rc == 3)
		rc = vma_x86_set_msrs(l->cpu, indices, values, 3);
	if (rc >= 0 && rc < 3)
		return TOLD;
	if (rc == 3)
		rc = vma_x86_get_fpu_regs(l->cpu, &f);
	if (!rc)
		rc = vma_x86_set_fpu_regs(l->cpu, &f);
	if (!rc)
		rc = vma_x86_get_debug_regs(l->cpu, &d);
	if (!rc)
		rc = vma_x86_set_debug_regs(l->cpu, &d);
	if (!rc)
		rc = vma_x86_get_events(l->cpu, &e);
	if (!rc)
		rc = vma_x86_set_events(l->cpu, &e);
	if (!rc && irqchip != VMA_IRQCHIP_NONE) {
		rc = vma_x86_get_lapic(l->cpu, lapic);
		if (!rc)
			rc = vma_x86_set_lapic(l->cpu, lapic);
	}
	return rc;
}

/* To the OUT at port 0x91 or 0x92, answering on the way. */
static int run_to(struct life *l, unsigned port)
{
	vma_exit *exit = vma_vcpu_exit(l->cpu);
	int rc;

	for (int i = 0; i < 200; i++) {
		rc = vma_vcpu_run(l->cpu);
		if (rc < 0 || (rc == VMA_EXIT_IO && exit->io.port == port))
			return rc < 0 ? rc : 0;
		if (rc == VMA_EXIT_INTERNAL || rc == VMA_EXIT_FAIL_ENTRY || rc == VMA_EXIT_OTHER || rc == VMA_EXIT_TRIPLE_FAULT)
			fail_msg("exit %s%s", vma_exit_name(rc), life_after);
	}
	fail_msg("port %#x never comes%s", port, life_after);
	return 0;
}

static int step_once(struct life *l)
{
	vma_debug on = {.size = sizeof on, .single_step = 1}, off = {.size = sizeof off};
	int rc = vma_vcpu_debug(l->cpu, &on);

	if (!rc)
		rc = vma_vcpu_run(l->cpu);
	return rc < 0 ? rc : vma_vcpu_debug(l->cpu, &off);
}

static int kick(struct life *l)
{
	vma_kick *k;
	int rc = vma_vcpu_kick_handle(l->cpu, &k);

	if (rc)
		return rc;
	life_kick(k);
	rc = vma_vcpu_run(l->cpu);
	vma_kick_unref(k);
	return rc == VMA_EXIT_CANCELED ? 0 : rc < 0 ? rc : TOLD;
}

/* To vCPU 0, whose local APIC is off. */
static int message(struct life *l, vma_irqchip irqchip)
{
	return irqchip == VMA_IRQCHIP_NONE ? 0 : vma_vm_msi(l->vm, 0xfee00000, 0x50);
}

static int memory(struct life *l)
{
	uint64_t bits[RAM / 4096 / 64];
	bool partial = has(l, VMA_CAP_PARTIAL_UNMAP);
	int rc = has(l, VMA_CAP_DIRTY_LOG) ? vma_vm_dirty_log(l->vm, 0, RAM, bits, 1) : 0;

	if (!rc)
		rc = vma_vm_protect(l->vm, 0x400000, 0x2000, VMA_MAP_RWX);
	if (!rc && partial)
		rc = vma_vm_unmap(l->vm, 0x401000, 0x1000);
	return rc ? rc : vma_vm_unmap(l->vm, 0x400000, 0x1000 + (partial ? 0 : 0x1000));
}

/* A write that signals, by the platform but where memory is. */
static int doorbell(struct life *l)
{
	const vma_ioeventfd io = {.address = 0x600008, .length = 4, .eventfd = l->event};
	int rc = vma_vm_ioeventfd(l->vm, &io, 1);

	if (!rc)
		rc = vma_vm_map(l->vm, 0x600000, l->mem, 0, 0x1000, VMA_MAP_READ);
	if (!rc)
		rc = vma_vm_unmap(l->vm, 0x600000, 0x1000);
	return rc ? rc : vma_vm_ioeventfd(l->vm, &io, 0);
}

static void count_line(void *lines, const char *element, const char *reason)
{
	(void)element;
	(void)reason;
	++*(int *)lines;
}

static int save_restore(struct life *l)
{
	static uint8_t state[32768];
	size_t size = sizeof state;
	int lines = 0;
	vma_report report = {count_line, &lines};
	int rc;

	while ((rc = vma_vcpu_complete(l->cpu)) == 1)
		;
	if (!rc)
		rc = vma_vcpu_save(l->cpu, state, &size, VMA_STATE_TIME);
	if (!rc)
		rc = vma_vcpu_restore(l->cpu, state, size, VMA_STATE_TIME, &report);
	size = sizeof state;
	if (!rc)
		rc = vma_vm_save(l->vm, state, &size, 0);
	if (!rc)
		rc = vma_vm_restore(l->vm, state, size, 0, &report);
	return rc || !lines ? rc : TOLD;
}

static int live(struct life *l, vma_irqchip irqchip)
{
	int rc;

	life_phase = MAKE;
	rc = configure(l, irqchip);
	if (!rc)
		rc = start(l);
	if (!rc)
		rc = set_state(l, irqchip);
	if (!rc)
		rc = run_to(l, 0x91);
	if (!rc)
		rc = message(l, irqchip);
	if (!rc)
		rc = memory(l);
	if (!rc)
		rc = doorbell(l);
	if (!rc)
		rc = save_restore(l);
	if (!rc)
		rc = kick(l);
	if (!rc && irqchip == VMA_IRQCHIP_NONE)
		rc = vma_x86_irq_window(l->cpu, 1);
	if (!rc)
		rc = step_once(l);
	if (!rc)
		rc = run_to(l, 0x92);
	if (!rc)
		rc = vma_x86_nmi(l->cpu);
	return rc ? rc : vma_vcpu_reset(l->cpu);
}

static int life(vma_irqchip irqchip)
{
	struct life l = {.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	int rc = live(&l, irqchip);

	life_phase = END;
	if (l.vm)
		assert_int_equal(vma_vm_destroy(l.vm), 0);
	vma_mem_unref(l.mem);
	close(l.event);
	return rc;
}

#endif
