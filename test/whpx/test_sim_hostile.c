/* The hostile mode: whatever it does, a caller that keeps to the documents sees the same guest. */
#include <unistd.h>
#include "sim_rig.h"

enum { SEEDS = 12, EVENTS = 600, DEVICE = 0x20000 };

/* Real mode: a loop of an OUT, a store to a device, loads over all of the memory's pages, and the TSC. */
static const uint8_t code[] = {
	0xb8, 0x00, 0x20,             /* mov ax, 2000h */
	0x8e, 0xc0,                   /* mov es, ax */
	0xbb, 0x00, 0x20,             /* mov bx, 2000h */
	0x41,                         /* next: inc cx */
	0x88, 0xc8,                   /* mov al, cl */
	0xe6, 0x80,                   /* out 80h, al */
	0x26, 0x89, 0x0e, 0x10, 0x00, /* mov es:[10h], cx */
	0x03, 0x17,                   /* add dx, [bx] */
	0x81, 0xc3, 0x00, 0x10,       /* add bx, 1000h */
	0xeb, 0xee,                   /* jmp next */
};

struct event {
	WHV_RUN_VP_EXIT_REASON reason;
	uint64_t rip, where, value;
};
struct tally {
	unsigned none, canceled, windows, unpopulated, no_bytes, odd_lengths, reserved;
};

static WHV_RUN_VP_EXIT_CONTEXT run(void)
{
	WHV_RUN_VP_EXIT_CONTEXT x;
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, &x, sizeof x), S_OK);
	return x;
}

/* Of no consequence for the guest. */
static bool spurious(const WHV_RUN_VP_EXIT_CONTEXT *x, struct tally *t)
{
	switch (x->ExitReason) {
	case WHvRunVpExitReasonNone:
		t->none++;
		return true;
	case WHvRunVpExitReasonCanceled:
		t->canceled++;
		return true;
	case WHvRunVpExitReasonX64InterruptWindow:
		t->windows++;
		return true;
	case WHvRunVpExitReasonMemoryAccess:
		if (x->MemoryAccess.AccessInfo.GpaUnmapped)
			return false;
		assert_true(x->MemoryAccess.Gpa < RIG_RAM);
		t->unpopulated++;
		return true;
	default:
		return false;
	}
}

/* What a caller does for the guest, by what is promised alone. */
static struct event handle(const WHV_RUN_VP_EXIT_CONTEXT *x, struct tally *t)
{
	struct event e = {x->ExitReason, x->VpContext.Rip, 0, 0};
	if (x->ExitReason == WHvRunVpExitReasonX64IoPortAccess) {
		assert_true(x->IoPortAccess.AccessInfo.IsWrite && x->IoPortAccess.AccessInfo.AccessSize == 1);
		e.where = x->IoPortAccess.PortNumber;
		e.value = (uint8_t)x->IoPortAccess.Rax;
		t->no_bytes += !x->IoPortAccess.InstructionByteCount;
		assert_memory_equal(x->IoPortAccess.InstructionBytes, "\xe6\x80",
				    x->IoPortAccess.InstructionByteCount ? 2 : 0);
		rig_set(0, WHvX64RegisterRip, x->VpContext.Rip + x->VpContext.InstructionLength);
	} else {
		assert_int_equal(x->ExitReason, WHvRunVpExitReasonMemoryAccess);
		assert_int_equal(x->MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessWrite);
		e.where = x->MemoryAccess.Gpa;
		t->no_bytes += !x->MemoryAccess.InstructionByteCount;
		t->odd_lengths += x->VpContext.InstructionLength != 5;
		rig_set(0, WHvX64RegisterRip, x->VpContext.Rip + 5);
	}
	return e;
}

static void play(const char *sim, struct event *events, struct tally *t)
{
	memset(t, 0, sizeof *t);
	rig_make(sim, 1, 0);
	rig_start(0, code, sizeof code);
	rig_set(0, WHvX64RegisterRflags, 0x202);
	rig_set(0, WHvX64RegisterRcx, 0);
	rig_set(0, WHvX64RegisterRdx, 0);
	for (unsigned n = 0; n < EVENTS;) {
		WHV_RUN_VP_EXIT_CONTEXT x = run();
		t->reserved += x.Reserved && x.VpContext.Reserved && x.VpContext.Reserved2;
		if (!spurious(&x, t))
			events[n++] = handle(&x, t);
	}
	rig_delete(1);
}

static void same_guest(void **state)
{
	static struct event calm[EVENTS], wild[EVENTS];
	struct tally t, sum = {0};
	(void)state;
	play("", calm, &t);
	assert_int_equal(t.none + t.canceled + t.windows + t.unpopulated + t.no_bytes + t.reserved, 0);
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		char text[24];
		snprintf(text, sizeof text, "hostile=%u", seed);
		play(text, wild, &t);
		assert_memory_equal(calm, wild, sizeof calm);
		sum.none += t.none, sum.canceled += t.canceled, sum.windows += t.windows;
		sum.unpopulated += t.unpopulated, sum.no_bytes += t.no_bytes, sum.odd_lengths += t.odd_lengths;
		sum.reserved += t.reserved;
	}
	print_message("of %d exits each: %u none, %u canceled, %u windows, %u not populated, %u without bytes\n",
		      SEEDS * EVENTS, sum.none, sum.canceled, sum.windows, sum.unpopulated, sum.no_bytes);
	assert_true(sum.none && sum.canceled && sum.windows && sum.unpopulated && sum.no_bytes && sum.odd_lengths && sum.reserved);
}

/* The same seed does the same. */
static void reproducible(void **state)
{
	static struct event events[EVENTS];
	struct tally one, two, other;
	(void)state;
	play("hostile=99", events, &one);
	play("hostile=99", events, &two);
	play("hostile=98", events, &other);
	assert_memory_equal(&one, &two, sizeof one);
	assert_memory_not_equal(&one, &other, sizeof one);
}

/* At once where nothing is hostile; later otherwise, but it comes: the guest counts the instructions until then. */
static void late_cancel(void **state)
{
	static const uint8_t forever[] = {0x41, 0xeb, 0xfd}; /* inc cx; jmp */
	unsigned late = 0;
	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		char text[24] = "";
		if (i)
			snprintf(text, sizeof text, "hostile=%u", i);
		rig_make(text, 1, 0);
		rig_start(0, forever, sizeof forever);
		rig_set(0, WHvX64RegisterRcx, 0);
		assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 0), S_OK);
		while (run().ExitReason != WHvRunVpExitReasonCanceled)
			;
		assert_true(i || !rig_get(0, WHvX64RegisterRcx));
		late += rig_get(0, WHvX64RegisterRcx) != 0;
		rig_delete(1);
	}
	assert_true(late > 10);
}

/* Nothing is known of a new virtual processor's registers. */
static void new_registers(void **state)
{
	(void)state;
	rig_make("hostile=4", 2, 0);
	assert_true(rig_get(0, WHvX64RegisterRax) && rig_get(0, WHvX64RegisterCr2));
	assert_true(rig_value(0, WHvX64RegisterXmm5).Reg128.High64);
	assert_true(rig_get(0, WHvX64RegisterRbx) != rig_get(1, WHvX64RegisterRbx));
	rig_delete(2);
	rig_make("", 1, 0);
	assert_int_equal(rig_get(0, WHvX64RegisterRax), 0);
	rig_delete(1);
}

/* The TSC jumps, and never back. */
static void tsc(void **state)
{
	static const uint8_t read[] = {0x0f, 0x31, 0xe6, 0x80, 0xeb, 0xfa}; /* rdtsc; out 80h, al; jmp */
	uint64_t before = 0, most = 0;
	(void)state;
	rig_make("hostile=3", 1, 0);
	rig_start(0, read, sizeof read);
	for (unsigned i = 0; i < 400; i++) {
		struct tally t;
		WHV_RUN_VP_EXIT_CONTEXT x = run();
		if (spurious(&x, &t))
			continue;
		uint64_t now = (uint32_t)rig_value(0, WHvX64RegisterRax).Reg64 | rig_value(0, WHvX64RegisterRdx).Reg64
											 << 32;
		assert_true(now >= before);
		most = before && now - before > most ? now - before : most;
		before = now;
		rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + 2);
	}
	assert_true(most > 1000000);
	rig_delete(1);
}

/* The dice are the processor's: the thread of the timers, which looks at its TSC, leaves them alone. */
static void timers_roll_none(void **state)
{
	uint8_t deadline_mode[] = {0x20, 0, 4, 0}; /* of the LVT's timer */
	(void)state;
	rig_make("hostile=6", 1, WHvX64LocalApicEmulationModeXApic);
	struct whpsim_partition *p = rig.p;
	uint64_t now = rig_get(0, WHvX64RegisterTsc), random = p->vps[0]->hostile.random;
	assert_int_equal(whpsim_apic_mmio(p->vps[0], 0xfee00320, 4, true, deadline_mode), X86_DONE);
	rig_set(0, WHvX64RegisterTscDeadline, now + 2000000);
	while (rig_get(0, WHvX64RegisterTscDeadline)) /* until it has come */
		usleep(1000);
	assert_int_equal(p->vps[0]->hostile.random, random);
	rig_delete(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_guest),    cmocka_unit_test(reproducible), cmocka_unit_test(late_cancel),
		cmocka_unit_test(new_registers), cmocka_unit_test(tsc),          cmocka_unit_test(timers_roll_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
