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
	bool doorbell; /* the platform can do it: then nothing exits */
} rows[] = {
	/* out dx, al */
	{"OUT", {.address = PORT, .length = 1, .pio = 1}, {0xee, 0xe6, STOP}, 3, 1, 2, 0, false},
	/* out dx, eax */
	{"OUT of the value", {.address = PORT, .length = 4, .pio = 1, .match = 1, .value = 7}, {0xef, 0xe6, STOP}, 3, 1, 2, 0, false},
	/* mov [rbx+8], eax */
	{"a store of a register", {.address = GUEST_MMIO + 8, .length = 4, .match = 1, .value = 7}, {0x89, 0x43, 0x08, 0xe6, STOP}, 5, 1, 2, 1, true},
	/* mov dword ptr [rbx+8], 7 */
	{"a store of an immediate", {.address = GUEST_MMIO + 8}, {0xc7, 0x43, 0x08, 7, 0, 0, 0, 0xe6, STOP}, 9, 1, 2, 0, true},
	/* xchg [rbx+8], eax: its read is the caller's */
	{"the store of XCHG, emulated", {.address = GUEST_MMIO + 8, .length = 4, .match = 1, .value = 7}, {0x87, 0x43, 0x08, 0xe6, STOP}, 5, 1, 2, 1, false},
	/* mov ecx, 5; rep outsb: RSI is 0 */
	{"REP OUTSB", {.address = PORT, .length = 1, .pio = 1}, {0xb9, 5, 0, 0, 0, 0xf3, 0x6e, 0xe6, STOP}, 9, 5, 2, 1, false},
	/* mov ecx, 5; lea rdi, [rbx+8]; rep stosb: the byte at +8 alone */
	{"one byte of REP STOSB", {.address = GUEST_MMIO + 12, .length = 1}, {0xb9, 5, 0, 0, 0, 0x48, 0x8d, 0x7b, 0x08, 0xf3, 0xaa, 0xe6, STOP}, 13, 1, 2, 1, false},
};

static void count_row(const struct row *r, bool doorbell)
{
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
	assert_int_equal(n->runs - before.runs, doorbell ? 1 : r->runs);
	assert_int_equal(n->gets - before.gets, doorbell ? 0 : r->gets);
	assert_int_equal(n->sets - before.sets, doorbell ? 1 : r->runs);
	host_event_close(io.eventfd);
	close_guest(&g);
}

static int refuse_doorbells(const char *call)
{
	return strcmp(call, "WHvRegisterPartitionDoorbellEvent") ? 0 : E_NOTIMPL;
}

/* With the platform's doorbells, on a Windows that refuses them, and on one that has not got them. */
static void counted(void **state)
{
	const struct row *r = *state;
	struct whpx_api all;

	count_row(r, r->doorbell);
	all = whpx_api;
	vma_os_fault = refuse_doorbells;
	count_row(r, false);
	vma_os_fault = NULL;
	whpx_api.RegisterPartitionDoorbellEvent = NULL;
	count_row(r, false);
	whpx_api = all;
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

/* ------ doorbells ------ */

/* 1: mov [rbx+8], eax; dec eax; jnz 1b; out 0x11, al */
static const uint8_t ringing[] = {0x89, 0x43, 0x08, 0xff, 0xc8, 0x75, 0xf9, 0xe6, STOP};

/* The runs of 1000 stores, each of which has signalled. */
static uint64_t ring(struct guest *g, int fd)
{
	const struct whp_counts *n = whpsim_counts(whpx_vm(g->vm)->partition, 0);
	uint64_t before = n->runs;

	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_RAX, 1000);
	run_to_stop(g);
	assert_int_equal(vma_vcpu_complete(g->v), 0);
	assert_int_equal(host_event_count(fd), 1000);
	return n->runs - before;
}

static void no_exits(void **state)
{
	vma_ioeventfd io = {.address = GUEST_MMIO + 8, .length = 4, .eventfd = host_event()};
	struct guest g;

	(void)state;
	for (vma_irqchip irqchip = VMA_IRQCHIP_NONE; irqchip <= VMA_IRQCHIP_LIBRARY; irqchip++) {
		open_on(&g, &whpx, irqchip, ringing, sizeof ringing);
		assign(&g, &io);
		assert_int_equal(ring(&g, io.eventfd), 1);
		assert_int_equal(vma_vm_ioeventfd(g.vm, &io, 0), 0);
		guest_set(&g, VMA_X86_RIP, GUEST_CODE);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO); /* the caller's again */
		close_guest(&g);
	}
	host_event_close(io.eventfd);
}

/* What the platform cannot tell apart the list does, and the other way round once it can. */
static void beside_each_other(void **state)
{
	vma_ioeventfd four = {.address = GUEST_MMIO + 8, .length = 4, .eventfd = host_event()};
	vma_ioeventfd two = {.address = GUEST_MMIO + 8, .length = 2, .eventfd = host_event()};
	struct guest g;

	(void)state;
	open_guest(&g, ringing, sizeof ringing);
	assign(&g, &two);
	assign(&g, &four);
	assert_in_range(ring(&g, four.eventfd), 1000, 1001);
	assert_int_equal(host_event_count(two.eventfd), 0);
	assert_int_equal(vma_vm_ioeventfd(g.vm, &two, 0), 0);
	assert_int_equal(ring(&g, four.eventfd), 1);
	host_event_close(two.eventfd);
	host_event_close(four.eventfd);
	close_guest(&g);
}

/* A doorbell would take the page away: where memory is there is none, whichever came first. */
static void memory_comes_first(void **state)
{
	vma_ioeventfd io = {.address = GUEST_MMIO + 8, .length = 4, .eventfd = host_event()};
	uint8_t *hva;
	struct guest g;

	(void)state;
	open_guest(&g, ringing, sizeof ringing);
	assign(&g, &io);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ring(&g, io.eventfd), 1);
		assert_int_equal(guest_map(&g, GUEST_MMIO, 0x1000, VMA_MAP_RWX, &hva), CONF_PASS);
		if (i) { /* and again */
			assert_int_equal(vma_vm_ioeventfd(g.vm, &io, 0), 0);
			assign(&g, &io);
		}
		guest_set(&g, VMA_X86_RIP, GUEST_CODE);
		guest_set(&g, VMA_X86_RAX, 1);
		run_to_stop(&g);
		assert_int_equal(vma_vcpu_complete(g.v), 0);
		assert_int_equal(hva[8], 1);
		assert_int_equal(host_event_count(io.eventfd), 0);
		assert_int_equal(vma_vm_unmap(g.vm, GUEST_MMIO, 0x1000), 0);
	}
	assert_int_equal(ring(&g, io.eventfd), 1);
	host_event_close(io.eventfd);
	close_guest(&g);
}

static int refuse_to_end(const char *call)
{
	return strcmp(call, "WHvUnregisterPartitionDoorbellEvent") ? 0 : E_ACCESSDENIED;
}

/* What cannot be taken away is there still, and says so. */
static void an_end_is_refused(void **state)
{
	vma_ioeventfd io = {.address = GUEST_MMIO + 8, .length = 4, .eventfd = host_event()};
	struct guest g;

	(void)state;
	open_guest(&g, ringing, sizeof ringing);
	assign(&g, &io);
	vma_os_fault = refuse_to_end;
	assert_int_equal(vma_vm_ioeventfd(g.vm, &io, 0), VMA_E_PERM);
	assert_non_null(strstr(vma_why(), "WHvUnregisterPartitionDoorbellEvent"));
	assert_int_equal(guest_map(&g, GUEST_MMIO, 0x1000, VMA_MAP_RWX, NULL), CONF_FAIL);
	vma_os_fault = NULL;
	assert_int_equal(ring(&g, io.eventfd), 1);
	assert_int_equal(vma_vm_ioeventfd(g.vm, &io, 0), 0);
	host_event_close(io.eventfd);
	close_guest(&g);
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
		cmocka_unit_test(no_exits),
		cmocka_unit_test(beside_each_other),
		cmocka_unit_test(memory_comes_first),
		cmocka_unit_test(an_end_is_refused),
		cmocka_unit_test(strings),
		cmocka_unit_test(steps),
		cmocka_unit_test(changed_meanwhile),
	};
	struct CMUnitTest tests[ROWS + sizeof others / sizeof *others];

	whpx_burst_limit = 0; /* but where they are tested: slow exits would make it worth while */
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, counted, NULL, NULL, (void *)(uintptr_t)&rows[i]};
	memcpy(tests + ROWS, others, sizeof others);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
