/* test_whpx_ioevent.c - guest writes that signal an eventfd on WHPX: whoever does the write - a plain OUT or MOV, the emulator, a string, a burst -
 * the run goes on behind it, and what a signalled write costs is counted. Strings and steps are compared with soft. test-labels: threads */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "conformance/host.h"
#include "sim/whpx/notimpl.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

enum { PORT = 0x510, STOP = 0x11 };

static struct conf whpx = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64}, soft = {.accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_X86_64};

static void open_on(struct guest *g, struct conf *conf, vma_irqchip irqchip, const void *code, size_t size)
{
	if (guest_open(g, conf, &(struct guest_options){.mode = GUEST_LONG, .irqchip = irqchip}, code, size) != CONF_PASS)
		fail_msg("%s", conf->reason);
	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	guest_set(g, VMA_X86_RDX, PORT);
}

static void open_guest(struct guest *g, const void *code, size_t size)
{
	open_on(g, &whpx, VMA_IRQCHIP_NONE, code, size);
}

static void close_guest(struct guest *g)
{
	guest_close(g);
	assert_int_equal(whpsim_breaches(), 0);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}

static void assign(struct guest *g, const vma_ioeventfd *io)
{
	if (vma_vm_ioeventfd(g->vm, io, 1))
		fail_msg("%s", vma_why());
}

static void run_to_stop(struct guest *g)
{
	if (guest_run_out(g, STOP, 1, NULL) != CONF_PASS)
		fail_msg("%s", g->conf->reason);
}

/* ------ what a write costs ------ */

/* Each ends in out 0x11, al. */
static const struct row {
	const char *name;
	vma_ioeventfd io;
	uint8_t code[16], size;
	uint8_t signals, runs, gets; /* each run costs one set */
} rows[] = {
	/* out dx, al */
	{"OUT", {.address = PORT, .length = 1, .pio = 1}, {0xee, 0xe6, STOP}, 3, 1, 2, 0},
	/* out dx, eax */
	{"OUT of the value", {.address = PORT, .length = 4, .pio = 1, .match = 1, .value = 7}, {0xef, 0xe6, STOP}, 3, 1, 2, 0},
	/* mov [rbx+8], eax */
	{"a store of a register", {.address = GUEST_MMIO + 8, .length = 4, .match = 1, .value = 7}, {0x89, 0x43, 0x08, 0xe6, STOP}, 5, 1, 2, 1},
	/* mov dword ptr [rbx+8], 7 */
	{"a store of an immediate", {.address = GUEST_MMIO + 8}, {0xc7, 0x43, 0x08, 7, 0, 0, 0, 0xe6, STOP}, 9, 1, 2, 0},
	/* xchg [rbx+8], eax: its read is the caller's */
	{"the store of XCHG, emulated", {.address = GUEST_MMIO + 8, .length = 4, .match = 1, .value = 7}, {0x87, 0x43, 0x08, 0xe6, STOP}, 5, 1, 2, 1},
	/* mov ecx, 5; rep outsb: RSI is 0 */
	{"REP OUTSB", {.address = PORT, .length = 1, .pio = 1}, {0xb9, 5, 0, 0, 0, 0xf3, 0x6e, 0xe6, STOP}, 9, 5, 2, 1},
	/* mov ecx, 5; lea rdi, [rbx+8]; rep stosb: the byte at +8 alone */
	{"one byte of REP STOSB", {.address = GUEST_MMIO + 12, .length = 1}, {0xb9, 5, 0, 0, 0, 0x48, 0x8d, 0x7b, 0x08, 0xf3, 0xaa, 0xe6, STOP}, 13, 1, 2, 1},
};

static void counted(void **state)
{
	const struct row *r = *state;
	const struct whp_counts *n;
	struct whp_counts before;
	struct guest g;
	vma_ioeventfd io = r->io;
	uint8_t code[2 + sizeof r->code] = {0xe6, STOP}; /* what the first run costs besides is over then */

	memcpy(code + 2, r->code, r->size);
	open_guest(&g, code, 2u + r->size);
	io.eventfd = host_event();
	assign(&g, &io);
	guest_set(&g, VMA_X86_RAX, 7);
	n = whpsim_counts(whpx_vm(g.vm)->partition, 0);
	run_to_stop(&g);
	before = *n;
	while (vma_vcpu_run(g.v) == VMA_EXIT_MMIO)
		;
	assert_int_equal(g.exit->kind, VMA_EXIT_IO);
	assert_int_equal(g.exit->io.port, STOP);
	assert_int_equal(host_event_count(io.eventfd), r->signals);
	assert_int_equal(n->runs - before.runs, r->runs);
	assert_int_equal(n->gets - before.gets, r->gets);
	assert_int_equal(n->sets - before.sets, r->runs);
	host_event_close(io.eventfd);
	close_guest(&g);
}

/* 1: out dx, al; mov [rbx+8], eax; inc eax; cmp eax, 200; jb 1b; out 0x11, al. Both signal; no exit leaves. */
static void in_bursts(void **state)
{
	static const uint8_t code[] = {0xee, 0x89, 0x43, 0x08, 0xff, 0xc0, 0x3d, 200, 0, 0, 0, 0x72, 0xf3, 0xe6, STOP};
	const struct whp_counts *n;
	struct guest g;
	const unsigned limit = whpx_burst_limit, ns = whpx_burst_exit_ns;
	vma_ioeventfd port = {.address = PORT, .length = 1, .pio = 1, .eventfd = host_event()};
	vma_ioeventfd memory = {.address = GUEST_MMIO + 8, .length = 4, .eventfd = host_event()};

	(void)state;
	whpx_burst_exit_ns = 0;
	whpx_burst_limit = 32;
	open_guest(&g, code, sizeof code);
	assign(&g, &port);
	assign(&g, &memory);
	guest_set(&g, VMA_X86_RAX, 0);
	n = whpsim_counts(whpx_vm(g.vm)->partition, 0);
	run_to_stop(&g);
	assert_int_equal(host_event_count(port.eventfd), 200);
	assert_int_equal(host_event_count(memory.eventfd), 200);
	assert_in_range(n->runs, 1, 40);
	host_event_close(port.eventfd);
	host_event_close(memory.eventfd);
	close_guest(&g);
	whpx_burst_limit = limit;
	whpx_burst_exit_ns = ns;
}

/* ------ strings and steps, as soft has them ------ */

static void string_on(struct conf *conf)
{
	static const char text[] = "aabbbacaa";
	/* mov ecx, 9; rep outsb; out 0x11, al */
	static const uint8_t code[] = {0xb9, 9, 0, 0, 0, 0xf3, 0x6e, 0xe6, STOP};
	vma_ioeventfd io = {.address = PORT, .length = 1, .pio = 1, .match = 1, .value = 'a', .eventfd = host_event()};
	struct guest g;

	open_on(&g, conf, VMA_IRQCHIP_NONE, code, sizeof code);
	memcpy(g.ram + GUEST_DATA, text, sizeof text);
	guest_set(&g, VMA_X86_RSI, GUEST_DATA);
	assign(&g, &io);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(g.exit->io.port, PORT);
	assert_int_equal(g.exit->io.count, 3);
	assert_memory_equal(g.exit->io.data, "bbb", 3);
	assert_int_equal(host_event_count(io.eventfd), 2);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(g.exit->io.count, 1);
	assert_memory_equal(g.exit->io.data, "c", 1);
	assert_int_equal(host_event_count(io.eventfd), 1);
	run_to_stop(&g);
	assert_int_equal(host_event_count(io.eventfd), 2);
	assert_int_equal(guest_get(&g, VMA_X86_RCX), 0);
	assert_int_equal(guest_get(&g, VMA_X86_RSI), GUEST_DATA + 9);
	host_event_close(io.eventfd);
	close_guest(&g);
}

static void strings(void **state)
{
	(void)state;
	string_on(&soft);
	string_on(&whpx);
}

/* A step over a write that is answered here ends behind it, not an instruction later. */
static void step_on(struct conf *conf, vma_irqchip irqchip, uint16_t port)
{
	static const uint8_t code[] = {0xee, 0x90, 0x90, 0x89, 0x43, 0x08, 0x90}; /* out dx, al; nop; nop; mov [rbx+8], eax; nop */
	static const uint8_t ends[] = {1, 2, 3, 6, 7};
	vma_ioeventfd io[] = {{.address = PORT, .length = 1, .pio = 1}, {.address = GUEST_MMIO + 8}};
	vma_debug step = {.size = sizeof step, .single_step = 1};
	struct guest g;

	open_on(&g, conf, irqchip, code, sizeof code);
	guest_set(&g, VMA_X86_RDX, port);
	for (int i = 0; i < 2; i++) {
		io[i].eventfd = host_event();
		assign(&g, &io[i]);
	}
	assert_int_equal(vma_vcpu_debug(g.v, &step), 0);
	for (size_t i = 0; i < sizeof ends; i++) {
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + ends[i]);
	}
	assert_int_equal(host_event_count(io[0].eventfd), port == PORT);
	assert_int_equal(host_event_count(io[1].eventfd), 1);
	host_event_close(io[0].eventfd);
	host_event_close(io[1].eventfd);
	close_guest(&g);
}

static void steps(void **state)
{
	(void)state;
	for (vma_irqchip irqchip = VMA_IRQCHIP_NONE; irqchip <= VMA_IRQCHIP_LIBRARY; irqchip++) {
		step_on(&soft, irqchip, PORT);
		step_on(&whpx, irqchip, PORT);
		if (irqchip != VMA_IRQCHIP_NONE)
			step_on(&whpx, irqchip, 0x21); /* the PIC's mask */
	}
}

/* ------ other threads ------ */

static const uint8_t forever[] = {0xee, 0x89, 0x43, 0x08, 0xeb, 0xfa}; /* 1: out dx, al; mov [rbx+8], eax; jmp 1b */

struct changer {
	vma_vm *vm;
	vma_kick *kick;
	atomic_bool done;
};

static void *change(void *p)
{
	struct changer *c = p;
	vma_ioeventfd io = {.address = PORT, .length = 1, .pio = 1, .eventfd = host_event()};

	for (int i = 0; i < 200; i++)
		if (vma_vm_ioeventfd(c->vm, &io, !(i & 1)))
			return NULL;
	atomic_store(&c->done, true);
	vma_kick_send(c->kick);
	host_event_close(io.eventfd);
	return p;
}

/* The list changes under a guest that writes all the time; it sees a kick although no write of it leaves the run. */
static void changed_meanwhile(void **state)
{
	vma_ioeventfd memory = {.address = GUEST_MMIO + 8, .eventfd = host_event()};
	struct changer c = {0};
	struct guest g;
	pthread_t thread;
	void *end;
	int kind;

	(void)state;
	open_guest(&g, forever, sizeof forever);
	assign(&g, &memory);
	c.vm = g.vm;
	assert_int_equal(vma_vcpu_kick_handle(g.v, &c.kick), 0);
	assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
	do {
		kind = vma_vcpu_run(g.v);
		assert_true(kind == VMA_EXIT_CANCELED || (kind == VMA_EXIT_IO && g.exit->io.port == PORT));
	} while (kind != VMA_EXIT_CANCELED || !atomic_load(&c.done));
	assert_int_equal(pthread_join(thread, &end), 0);
	assert_ptr_equal(end, &c);
	vma_kick_unref(c.kick);
	host_event_close(memory.eventfd);
	close_guest(&g);
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof *rows };
	const struct CMUnitTest others[] = {
		cmocka_unit_test(in_bursts),
		cmocka_unit_test(strings),
		cmocka_unit_test(steps),
		cmocka_unit_test(changed_meanwhile),
	};
	struct CMUnitTest tests[ROWS + sizeof others / sizeof *others];

	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, counted, NULL, NULL, (void *)(uintptr_t)&rows[i]};
	memcpy(tests + ROWS, others, sizeof others);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
