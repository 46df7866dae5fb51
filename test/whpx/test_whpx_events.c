/* test_whpx_events.c - several events restored at once: WHPX has one place for an event that is to be delivered, and none
 * of them may be lost. Also what a caller sees of them before the next run, and software interrupts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "os/os.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

enum { HANDLERS = 0x9000, VECTORS = 0x48, UD = 6, PF = 14, NMI = 2, IRQ = 0x40, ERROR = 2 };

/* Each vector's handler tells its number and returns; those with an error code take it off. */
static void put_handlers(struct guest *g)
{
	for (unsigned v = 0; v < VECTORS; v++) {
		/* out v, al; [add rsp, 8;] iretq */
		const uint8_t plain[] = {0xe6, (uint8_t)v, 0x48, 0xcf};
		const uint8_t error[] = {0xe6, (uint8_t)v, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf};

		guest_code(g, HANDLERS + 16 * v, v == PF ? error : plain, v == PF ? sizeof error : sizeof plain);
		guest_gate(g, v, HANDLERS + 16 * v);
	}
}

static void open_guest(struct guest *g)
{
	static const uint8_t code[] = {0x90, 0x90, 0x90, 0xf4}; /* nop; nop; nop; hlt */

	if (guest_open(g, &conf, NULL, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	put_handlers(g);
	guest_set(g, VMA_X86_RFLAGS, 0x202);
}

/* What comes before the HLT, as a set: the order of events that are due together is the accelerator's. */
static uint64_t arrivals(struct guest *g, unsigned *count)
{
	uint64_t seen[2] = {0, 0};
	int kind;

	*count = 0;
	while ((kind = vma_vcpu_run(g->v)) == VMA_EXIT_IO && *count < 20) {
		seen[g->exit->io.port / 64 & 1] |= UINT64_C(1) << g->exit->io.port % 64;
		++*count;
	}
	assert_int_equal(kind, VMA_EXIT_HLT);
	assert_int_equal(guest_get(g, VMA_X86_RIP), GUEST_CODE + 4);
	assert_int_equal(guest_get(g, VMA_X86_RSP), GUEST_STACK);
	return seen[0] | (seen[1] >> (IRQ - 64) & 1) << 63;
}
#define SEEN(v) (UINT64_C(1) << ((v) == IRQ ? 63 : (v)))

static const struct row {
	const char *name;
	vma_x86_events events;
	uint64_t want;
} rows[] = {
	{"an exception and an interrupt",
	 {.exception_injected = 1, .exception_vector = UD, .interrupt_injected = 1, .interrupt_vector = IRQ},
	 SEEN(UD) | SEEN(IRQ)},
	{"an exception with an error code and an NMI",
	 {.exception_injected = 1, .exception_vector = PF, .exception_has_error = 1, .exception_error = ERROR, .nmi_injected = 1},
	 SEEN(PF) | SEEN(NMI)},
	{"an NMI and an interrupt", {.nmi_injected = 1, .interrupt_injected = 1, .interrupt_vector = IRQ}, SEEN(NMI) | SEEN(IRQ)},
	{"all three",
	 {.exception_injected = 1, .exception_vector = UD, .nmi_injected = 1, .interrupt_injected = 1, .interrupt_vector = IRQ},
	 SEEN(UD) | SEEN(NMI) | SEEN(IRQ)},
	{"an interrupt in the shadow of STI", {.shadow = 1, .interrupt_injected = 1, .interrupt_vector = IRQ}, SEEN(IRQ)},
	{"a software interrupt", {.interrupt_injected = 1, .interrupt_vector = IRQ, .interrupt_soft = 1}, SEEN(IRQ)},
	{"a software interrupt behind an exception",
	 {.exception_injected = 1, .exception_vector = UD, .interrupt_injected = 1, .interrupt_vector = IRQ, .interrupt_soft = 1},
	 SEEN(UD) | SEEN(IRQ)},
	{"an NMI that is pending", {.nmi_pending = 1}, SEEN(NMI)},
	{"an NMI that is pending, and an interrupt",
	 {.nmi_pending = 1, .interrupt_injected = 1, .interrupt_vector = IRQ},
	 SEEN(NMI) | SEEN(IRQ)},
};

static unsigned bits(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

static void test_none_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g;
		unsigned count;
		uint64_t seen;

		open_guest(&g);
		assert_int_equal(vma_x86_set_events(g.v, &rows[i].events), 0);
		seen = arrivals(&g, &count);
		if (seen != rows[i].want || count != bits(rows[i].want))
			fail_msg("%s: %u arrived, %#llx instead of %#llx", rows[i].name, count, (unsigned long long)seen,
				 (unsigned long long)rows[i].want);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* Until the vCPU is entered a caller reads back what it set, though the platform has no place for it; and another vCPU that
 * gets the saved state has all of it. */
static void test_seen_and_moved(void **state)
{
	static uint8_t blob[16384];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t size = sizeof blob;
		struct guest g, other;
		vma_x86_events e;
		unsigned count;

		open_guest(&g);
		open_guest(&other);
		assert_int_equal(vma_x86_set_events(g.v, &rows[i].events), 0);
		assert_int_equal(vma_x86_get_events(g.v, &e), 0);
		assert_memory_equal(&e, &rows[i].events, sizeof e);
		assert_int_equal(vma_vcpu_save(g.v, blob, &size, 0), 0);
		assert_int_equal(vma_vcpu_restore(other.v, blob, size, 0, NULL), 0);
		assert_int_equal(arrivals(&other, &count), rows[i].want);
		guest_close(&other);
		guest_close(&g);
	}
}

/* Real mode pushes no error code, whatever was restored; by both ways that set events. */
static void test_real_mode_has_no_error(void **state)
{
	static const vma_accel accels[] = {VMA_ACCEL_WHPX, VMA_ACCEL_SOFT};
	static const uint8_t code[] = {0x90, 0xf4}, handler[] = {0xe6, PF}, gate[] = {HANDLERS & 0xff, HANDLERS >> 8, 0, 0};
	const vma_x86_events e = {.exception_injected = 1, .exception_vector = PF, .exception_has_error = 1, .exception_error = ERROR};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct conf on = {.accel = accels[i / 2], .arch = VMA_ARCH_X86_64};
		struct guest g;

		if (guest_open(&g, &on, &(struct guest_options){.mode = GUEST_REAL}, code, sizeof code) != CONF_PASS)
			fail_msg("%s", on.reason);
		guest_code(&g, HANDLERS, handler, sizeof handler);
		guest_code(&g, 4 * PF, gate, sizeof gate);
		guest_set(&g, VMA_X86_RSP, 0x7000);
		assert_int_equal(i & 1 ? vma_x86_exception(g.v, PF, 1, ERROR, 0) : vma_x86_set_events(g.v, &e), 0);
		if (guest_run_out(&g, PF, 1, NULL) != CONF_PASS)
			fail_msg("%s", on.reason);
		assert_int_equal(guest_get(&g, VMA_X86_RSP), 0x7000 - 6);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* INT n's frame has the address behind it, wherever it comes from. */
static void test_software_return(void **state)
{
	vma_x86_events e = {.interrupt_injected = 1, .interrupt_vector = IRQ, .interrupt_soft = 1};
	struct guest g;

	(void)state;
	open_guest(&g);
	guest_set(&g, VMA_X86_RIP, GUEST_CODE + 2);
	guest_set(&g, VMA_X86_RFLAGS, 2); /* IF is no matter */
	assert_int_equal(vma_x86_set_events(g.v, &e), 0);
	assert_int_equal(guest_run_out(&g, IRQ, 1, NULL), CONF_PASS);
	assert_int_equal(guest_read64(&g, guest_get(&g, VMA_X86_RSP)), GUEST_CODE + 2);
	guest_close(&g);
}

/* The same where the emulator has to deliver it, since the stack is a device. */
static void test_software_return_in_device(void **state)
{
	const vma_x86_events e = {.interrupt_injected = 1, .interrupt_vector = IRQ, .interrupt_soft = 1};
	const uint64_t want = GUEST_CODE + 2;
	struct guest g;
	int found = 0;

	(void)state;
	open_guest(&g);
	guest_set(&g, VMA_X86_RIP, want);
	guest_set(&g, VMA_X86_RSP, GUEST_MMIO + 0x800);
	assert_int_equal(vma_x86_set_events(g.v, &e), 0);
	while (vma_vcpu_run(g.v) == VMA_EXIT_MMIO)
		found += g.exit->mmio.length == 8 && !memcmp(g.exit->mmio.data, &want, 8);
	assert_int_equal(g.exit->kind, VMA_EXIT_IO);
	assert_int_equal(found, 1);
	guest_close(&g);
}

/* Injected while an exit waits that the emulator is to complete: after it. */
static void test_while_pending(void **state)
{
	static const uint8_t code[] = {0x83, 0x0b, 0x01, 0x90, 0xf4}; /* or dword ptr [rbx], 1; nop; hlt */
	struct guest g;

	(void)state;
	if (guest_open(&g, &conf, NULL, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	put_handlers(&g);
	guest_set(&g, VMA_X86_RBX, GUEST_MMIO);
	guest_set(&g, VMA_X86_RFLAGS, 0x202);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	memset(g.exit->mmio.data, 0, 4);
	assert_int_equal(vma_x86_interrupt(g.v, IRQ), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	assert_int_equal(g.exit->mmio.write, 1);
	assert_int_equal(guest_run_out(&g, IRQ, 1, NULL), CONF_PASS);
	assert_int_equal(guest_read64(&g, guest_get(&g, VMA_X86_RSP)), GUEST_CODE + 3);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	guest_close(&g);
}

/* Given while an instruction waits for its answer that then closes the window: by a #PF through an interrupt gate, by IF, by a
 * shadow. The guest takes it when IF lets it (SDM vol. 3, 6.8.1, 6.8.3; 27.2.1.3 for who injects). */
static void test_window_closes_meanwhile(void **state)
{
	static const vma_accel accels[] = {VMA_ACCEL_WHPX, VMA_ACCEL_SOFT};
	enum { HERE = 0x99 };
	static const struct {
		uint8_t code[12];
		uint64_t answer, rsp;
		unsigned first; /* port */
		uint64_t back;  /* where the interrupt is taken, from GUEST_CODE */
	} waits[] = {
		/* movsb; nop; hlt */
		{{0xa4, 0x90, 0xf4}, 0, GUEST_STACK, PF, 1},
		/* popfq; mov rsp, r14; out HERE, al; sti; nop; hlt */
		{{0x9d, 0x4c, 0x89, 0xf4, 0xe6, HERE, 0xfb, 0x90, 0xf4}, 2, GUEST_MMIO, HERE, 8},
		/* mov ss, [rsi]; out HERE, al; hlt */
		{{0x8e, 0x16, 0xe6, HERE, 0xf4}, GUEST_DS, GUEST_STACK, HERE, 4},
	};
	/* out PF, al; add rsp, 8; mov [rsp], r15; iretq */
	static const uint8_t resume[] = {0xe6, PF, 0x48, 0x83, 0xc4, 0x08, 0x4c, 0x89, 0x3c, 0x24, 0x48, 0xcf};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof waits / sizeof *waits; i++) {
		struct conf on = {.accel = accels[i % 2], .arch = VMA_ARCH_X86_64};
		const __typeof__(*waits) *w = &waits[i / 2];
		struct guest g;

		if (guest_open(&g, &on, NULL, w->code, sizeof w->code) != CONF_PASS)
			fail_msg("%s", on.reason);
		put_handlers(&g);
		guest_code(&g, GUEST_TRAPS + 0x800, resume, sizeof resume);
		guest_gate(&g, PF, GUEST_TRAPS + 0x800);
		guest_set(&g, VMA_X86_RSI, GUEST_MMIO);
		guest_set(&g, VMA_X86_RDI, UINT64_C(1) << 40);
		guest_set(&g, VMA_X86_R14, GUEST_STACK);
		guest_set(&g, VMA_X86_R15, GUEST_CODE + 1);
		guest_set(&g, VMA_X86_RSP, w->rsp);
		guest_set(&g, VMA_X86_RFLAGS, 0x202);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
		memcpy(g.exit->mmio.data, &w->answer, g.exit->mmio.length);
		assert_int_equal(vma_x86_interrupt(g.v, IRQ), 0);
		if (guest_run_out(&g, w->first, 1, NULL) != CONF_PASS || guest_run_out(&g, IRQ, 1, NULL) != CONF_PASS)
			fail_msg("%s, %u: %s", vma_accel_name(on.accel), i / 2, on.reason);
		assert_int_equal(guest_read64(&g, guest_get(&g, VMA_X86_RSP)), GUEST_CODE + w->back);
		assert_int_equal(guest_read64(&g, guest_get(&g, VMA_X86_RSP) + 16) & 0x200, 0x200);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* Between two steps, when the emulator has the vCPU's state already: before the next instruction. */
static void test_between_steps(void **state)
{
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct guest g;

	(void)state;
	open_guest(&g);
	assert_int_equal(vma_vcpu_debug(g.v, &debug), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
	assert_int_equal(vma_x86_interrupt(g.v, IRQ), 0);
	assert_int_equal(guest_run_out(&g, IRQ, 1, NULL), CONF_PASS);
	assert_int_equal(guest_read64(&g, guest_get(&g, VMA_X86_RSP)), GUEST_CODE + 1);
	guest_close(&g);
}

/* Stepping that begins while an exit waits ends behind its instruction. */
static void test_step_begins_pending(void **state)
{
	static const uint8_t code[] = {0x83, 0x0b, 0x01, 0x90, 0xf4}; /* or dword ptr [rbx], 1; nop; hlt */
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct guest g;

	(void)state;
	if (guest_open(&g, &conf, NULL, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	guest_set(&g, VMA_X86_RBX, GUEST_MMIO);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	memset(g.exit->mmio.data, 0, 4);
	assert_int_equal(vma_vcpu_debug(g.v, &debug), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
	assert_int_equal(g.exit->debug.pc, GUEST_CODE + 3);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
	assert_int_equal(g.exit->debug.pc, GUEST_CODE + 4);
	guest_close(&g);
}

/* The exit of a stepped OUT in the shadow of STI, where RIP is written before the shadow is. */
static void test_step_over_shadow(void **state)
{
	static const uint8_t code[] = {0xe6, 0x10, 0x90, 0xf4}; /* out 0x10, al; nop; hlt */
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	vma_x86_events e = {.shadow = 1};
	struct guest g;

	(void)state;
	if (guest_open(&g, &conf, NULL, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	assert_int_equal(vma_x86_set_events(g.v, &e), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(vma_vcpu_debug(g.v, &debug), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
	assert_int_equal(g.exit->debug.pc, GUEST_CODE + 2);
	assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + 2);
	guest_close(&g);
}

/* ------ a shadow, and a run that ends before anything ran ------ */

static __typeof__(whpx_api.RunVirtualProcessor) real_run;
static vma_kick *kick;

static HRESULT run_canceled(WHV_PARTITION_HANDLE p, uint32_t index, void *context, uint32_t size)
{
	vma_kick_send(kick);
	whpx_api.CancelRunVirtualProcessor(p, index, 0);
	return real_run(p, index, context, size);
}

/* The platform has one bit for the shadows of STI and MOV SS. */
static void test_shadow_outlives_cancel(void **state)
{
	struct guest g;
	vma_x86_events e;

	(void)state;
	real_run = whpx_api.RunVirtualProcessor;
	for (uint8_t shadow = 1; shadow <= 3; shadow++) {
		open_guest(&g);
		assert_int_equal(vma_vcpu_kick_handle(g.v, &kick), 0);
		e = (vma_x86_events){.shadow = shadow};
		assert_int_equal(vma_x86_set_events(g.v, &e), 0);
		whpx_api.RunVirtualProcessor = run_canceled;
		for (int i = 0; i < 2; i++) {
			assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_CANCELED);
			assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE);
			assert_int_equal(vma_x86_get_events(g.v, &e), 0);
			assert_int_equal(e.shadow, shadow);
		}
		whpx_api.RunVirtualProcessor = real_run;
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
		assert_int_equal(vma_x86_get_events(g.v, &e), 0);
		assert_int_equal(e.shadow, 0);
		vma_kick_unref(kick);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* ------ a window that opens for both ------ */

/* A platform that tells of the interrupt's first. */
static HRESULT run_interrupt_first(WHV_PARTITION_HANDLE p, uint32_t index, void *context, uint32_t size)
{
	WHV_RUN_VP_EXIT_CONTEXT *x = context;
	HRESULT hr = real_run(p, index, context, size);

	if (x->ExitReason == WHvRunVpExitReasonX64InterruptWindow && x->InterruptWindow.DeliverableType == WHvX64PendingNmi)
		x->InterruptWindow.DeliverableType = WHvX64PendingInterrupt;
	return hr;
}

/* An NMI has been waiting for it, and goes first. */
static void test_window_and_nmi(void **state)
{
	vma_x86_events e = {.shadow = 1, .nmi_pending = 1};
	struct guest g;

	(void)state;
	real_run = whpx_api.RunVirtualProcessor;
	open_guest(&g);
	assert_int_equal(vma_x86_set_events(g.v, &e), 0);
	assert_int_equal(vma_x86_irq_window(g.v, 1), 0);
	whpx_api.RunVirtualProcessor = run_interrupt_first;
	assert_int_equal(guest_run_out(&g, NMI, 1, NULL), CONF_PASS);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IRQ_WINDOW);
	whpx_api.RunVirtualProcessor = real_run;
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	guest_close(&g);
	assert_int_equal(whpsim_breaches(), 0);
}

/* It was waiting for the end of a shadow, which comes by an exit that is completed here. */
static void test_nmi_behind_completion(void **state)
{
	static const uint8_t code[] = {0xe6, 0x10, 0x90, 0xf4}; /* out 0x10, al; nop; hlt */
	vma_x86_events e = {.shadow = 1, .nmi_pending = 1};
	struct guest g;

	(void)state;
	for (int window = 0; window < 2; window++) {
		if (guest_open(&g, &conf, NULL, code, sizeof code) != CONF_PASS)
			fail_msg("%s", conf.reason);
		put_handlers(&g);
		guest_set(&g, VMA_X86_RFLAGS, 0x202);
		assert_int_equal(vma_x86_set_events(g.v, &e), 0);
		assert_int_equal(guest_run_out(&g, 0x10, 1, NULL), CONF_PASS);
		assert_int_equal(vma_vcpu_complete(g.v), 0);
		if (window)
			assert_int_equal(vma_x86_irq_window(g.v, 1), 0);
		else
			assert_int_equal(vma_x86_interrupt(g.v, IRQ), 0);
		assert_int_equal(guest_run_out(&g, NMI, 1, NULL), CONF_PASS);
		assert_int_equal(vma_vcpu_run(g.v), window ? VMA_EXIT_IRQ_WINDOW : VMA_EXIT_IO);
		guest_close(&g);
	}
}

/* ------ the PIC's interrupt, and a run that ends before it is taken ------ */

static atomic_bool canceled;
static vma_vm *interrupted;

/* A second, more urgent interrupt comes when the vCPU is on its way in with the first. */
static int more_urgent(const char *call)
{
	struct timespec a_while = {.tv_nsec = 1000000};

	if (!strcmp(call, "WHvCancelRunVirtualProcessor"))
		atomic_store(&canceled, true);
	if (!strcmp(call, "WHvRunVirtualProcessor") && interrupted) {
		vma_vm *vm = interrupted;

		interrupted = NULL;
		vma_vm_irq_line(vm, 0, 1);
		for (int i = 0; i < 1000 && !atomic_load(&canceled); i++)
			nanosleep(&a_while, NULL);
		for (int i = 0; i < 20; i++)
			nanosleep(&a_while, NULL);
	}
	return 0;
}

static void test_pic_and_cancel(void **state)
{
	/* the master's vectors from 0x40, IRQ 0 and 1 open; out 0x99, al; sti; 1: nop; jmp 1b */
	static const uint8_t code[] = {0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x40, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0,
				       0x01, 0xe6, 0x21, 0xb0, 0xfc, 0xe6, 0x21, 0xe6, 0x99, 0xfb, 0x90, 0xeb, 0xfd};
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM};
	unsigned seen = 0;
	vma_x86_sregs s;
	struct guest g;

	(void)state;
	vma_os_fault = more_urgent; /* before the other threads are there */
	if (guest_open(&g, &conf, &options, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	for (unsigned v = 0x40; v < 0x42; v++) { /* out v + 0x80, al; mov al, 0x20; out 0x20, al; iretq */
		const uint8_t handler[] = {0xe6, (uint8_t)(v + 0x80), 0xb0, 0x20, 0xe6, 0x20, 0x48, 0xcf};

		guest_code(&g, HANDLERS + 16 * v, handler, sizeof handler);
		guest_gate(&g, v, HANDLERS + 16 * v);
	}
	assert_int_equal(vma_x86_get_sregs(g.v, &s), 0);
	s.apic_base &= ~UINT64_C(0x800); /* the local APIC off: the PIC's output is the processor's */
	assert_int_equal(vma_x86_set_sregs(g.v, &s), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(g.exit->io.port, 0x99);
	assert_int_equal(vma_vm_irq_line(g.vm, 1, 1), 0);
	assert_int_equal(vma_vcpu_complete(g.v), 0);
	guest_set(&g, VMA_X86_RFLAGS, 0x202);
	interrupted = g.vm;
	for (int i = 0; i < 2 && vma_vcpu_run(g.v) == VMA_EXIT_IO; i++)
		seen |= 1u << (g.exit->io.port & 31);
	assert_int_equal(seen, 3);
	guest_close(&g);
	vma_os_fault = NULL;
}

/* ------ the library's controllers, and a priority that the guest lowers without an exit ------ */

static void test_lowered_priority(void **state)
{
	/* mov dword ptr [rdi + 0xf0], 0x1ff; mov eax, 5; mov cr8, rax; sti; out 0x10, al; xor eax, eax; mov cr8, rax; 1: jmp 1b */
	static const uint8_t code[] = {0xc7, 0x87, 0xf0, 0,    0,    0,    0xff, 0x01, 0,    0,    0xb8, 5,    0,    0,
				       0,    0x44, 0x0f, 0x22, 0xc0, 0xfb, 0xe6, 0x10, 0x31, 0xc0, 0x44, 0x0f, 0x22, 0xc0,
				       0xeb, 0xfe};
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_LIBRARY};
	struct guest g;

	(void)state;
	if (guest_open(&g, &conf, &options, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	put_handlers(&g);
	guest_set(&g, VMA_X86_RDI, 0xfee00000);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(g.exit->io.port, 0x10);
	assert_int_equal(vma_vm_msi(g.vm, 0xfee00000, 0x45), 0);
	alarm(60); /* else it spins for ever */
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	alarm(0);
	assert_int_equal(g.exit->io.port, 0x45);
	guest_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_lost),
		cmocka_unit_test(test_seen_and_moved),
		cmocka_unit_test(test_software_return),
		cmocka_unit_test(test_software_return_in_device),
		cmocka_unit_test(test_real_mode_has_no_error),
		cmocka_unit_test(test_while_pending),
		cmocka_unit_test(test_window_closes_meanwhile),
		cmocka_unit_test(test_between_steps),
		cmocka_unit_test(test_step_begins_pending),
		cmocka_unit_test(test_step_over_shadow),
		cmocka_unit_test(test_shadow_outlives_cancel),
		cmocka_unit_test(test_window_and_nmi),
		cmocka_unit_test(test_nmi_behind_completion),
		cmocka_unit_test(test_pic_and_cancel),
		cmocka_unit_test(test_lowered_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
