/* Local APICs in the simulated platform: requests, HLT inside, windows that are none, EOI exits, timers, INIT and SIPI between
 * virtual processors, what a cancel does to one that sleeps.
 * test-labels: threads */
#include <pthread.h>
#include <unistd.h>
#include "sim_rig.h"

static WHV_RUN_VP_EXIT_CONTEXT x;
enum { APIC = 0xfee00000 };

static void make(uint32_t vps)
{
	rig_make("", vps, WHvX64LocalApicEmulationModeXApic);
}

static void delete(uint32_t vps)
{
	rig_delete(vps);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}

static HRESULT request(unsigned type, unsigned vector, bool level, uint32_t destination)
{
	WHV_INTERRUPT_CONTROL c = {.Type = type, .TriggerMode = level, .Destination = destination, .Vector = vector};
	return WHvRequestInterrupt(rig.p, &c, sizeof c);
}

/* The 32-bit handler of a vector at 2000h, software-enabled APIC. */
static void handler(uint32_t vp, unsigned vector)
{
	static const uint8_t gates[8] = {0, 0x20, 8, 0, 0, 0x8e, 0, 0};
	static const uint8_t flat[16] = {0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0};
	memcpy(rig.ram + 0x808, flat, sizeof flat);
	memcpy(rig.ram + vector * 8, gates, sizeof gates);
	rig_set_value(vp, WHvX64RegisterIdtr, (WHV_REGISTER_VALUE){.Table = {.Limit = 0x7ff}});
}

/* sti; mov dword [0xfee000f0],1ff; hlt; jmp back to hlt */
static const uint8_t sleeper[] = {0xc7, 0x05, 0xf0, 0, 0xe0, 0xfe, 0xff, 1, 0, 0, 0xfb, 0xf4, 0xeb, 0xfd};
/* out 80h,al; mov dword [0xfee000b0],0; iretd */
static const uint8_t handles[] = {0xe6, 0x80, 0xc7, 0x05, 0xb0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0xcf};

static void sleeping(uint32_t vp, unsigned vector)
{
	rig_start(vp, sleeper, sizeof sleeper);
	rig_protected(vp);
	handler(vp, vector);
	memcpy(rig.ram + 0x2000, handles, sizeof handles);
}

static void *later(void *o)
{
	usleep(5000);
	((void (*)(void))(uintptr_t)o)();
	return NULL;
}

static void run_while(void (*what)(void))
{
	pthread_t t;
	pthread_create(&t, NULL, later, (void *)(uintptr_t)what);
	rig_run(0, &x);
	pthread_join(t, NULL);
}

/* ------ */

static void ask_edge(void)
{
	assert_int_equal(request(WHvX64InterruptTypeFixed, 0x40, false, 0), S_OK);
}

static void ask_level(void)
{
	assert_int_equal(request(WHvX64InterruptTypeFixed, 0x41, true, 0), S_OK);
}

static void ask_nothing_but_cancel(void)
{
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 0), S_OK);
}

/* HLT does not exit; the interrupt ends it, and an edge's EOI is nobody's business. */
static void wakes_from_hlt(void **state)
{
	(void)state;
	make(1);
	sleeping(0, 0x40);
	run_while(ask_edge);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonX64IoPortAccess);
	assert_int_equal(x.IoPortAccess.PortNumber, 0x80);
	rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
	run_while(ask_nothing_but_cancel);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonCanceled);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 12); /* asleep again, behind HLT */
	assert_int_equal(rig_value(0, WHvRegisterInternalActivityState).InternalActivity.HaltSuspend, 1);
	delete(1);
}

static void level_has_an_eoi_exit(void **state)
{
	(void)state;
	make(1);
	sleeping(0, 0x41);
	run_while(ask_level);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonX64IoPortAccess);
	rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64ApicEoi);
	assert_int_equal(x.ApicEoi.InterruptVector, 0x41);
	assert_int_equal(x.VpContext.Rip, 0x200c);
	delete(1);
}

/* The PIC's way in: PendingEvent, with HaltSuspend cleared by whoever writes it. */
static void external_event(void **state)
{
	(void)state;
	make(1);
	sleeping(0, 0x40);
	run_while(ask_nothing_but_cancel);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonCanceled);
	rig_set_value(0, WHvRegisterPendingEvent,
		      (WHV_REGISTER_VALUE){.ExtIntEvent = {.EventPending = 1, .EventType = WHvX64PendingEventExtInt, .Vector = 0x40}});
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64IoPortAccess);
	assert_int_equal(rig_get(0, WHvRegisterPendingEvent), 0);
	delete(1);
}

/* The LVT's timer entry, by the state of the whole controller. */
static void rig_lvt_timer(uint32_t vp, uint32_t entry)
{
	static uint8_t page[4096];
	uint32_t written;
	assert_int_equal(WHvGetVirtualProcessorInterruptControllerState2(rig.p, vp, page, sizeof page, &written), S_OK);
	memcpy(page + 0x320, &entry, sizeof entry);
	assert_int_equal(WHvSetVirtualProcessorInterruptControllerState2(rig.p, vp, page, sizeof page), S_OK);
}

static void requests_that_are_refused(void **state)
{
	WHV_INTERRUPT_CONTROL c = {.Vector = 0x40};
	(void)state;
	make(1);
	assert_int_equal(request(WHvX64InterruptTypeFixed, 8, false, 0), (HRESULT)0xc0350005u);
	assert_int_equal(request(WHvX64InterruptTypeFixed, 256, false, 0), E_INVALIDARG);
	assert_int_equal(request(3, 0x40, false, 0), E_INVALIDARG);
	assert_int_equal(WHvRequestInterrupt(rig.p, NULL, sizeof c), E_POINTER);
	assert_int_equal(WHvRequestInterrupt(rig.p, &c, 8), E_INVALIDARG);
	assert_int_equal(WHvRequestInterrupt(NULL, &c, sizeof c), E_HANDLE);
	delete(1);
	rig_make("", 1, WHvX64LocalApicEmulationModeNone);
	assert_int_equal(request(WHvX64InterruptTypeFixed, 0x40, false, 0), WHV_E_INVALID_PARTITION_CONFIG);
	delete(1);
}

/* The timer, one shot of 5 ms: nothing but time ends HLT. */
static void timer(void **state)
{
	static const uint8_t code[] = {
		0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 1, 0, 0,       /* SVR */
		0xc7, 0x05, 0x20, 0x03, 0xe0, 0xfe, 0x40, 0, 0, 0,       /* LVT timer: vector 40h */
		0xc7, 0x05, 0xe0, 0x03, 0xe0, 0xfe, 0x0b, 0, 0, 0,       /* divide by 1 */
		0xc7, 0x05, 0x80, 0x03, 0xe0, 0xfe, 0x40, 0x4b, 0x4c, 0, /* 5000000 */
		0xfb, 0xf4,
	};
	(void)state;
	make(1);
	rig_start(0, code, sizeof code);
	rig_protected(0);
	handler(0, 0x40);
	memcpy(rig.ram + 0x2000, handles, sizeof handles);
	uint64_t before = whpsim_host_ns();
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64IoPortAccess);
	assert_true(whpsim_host_ns() - before >= 5000000);
	delete(1);
}

/* Time stands still with the timer armed, and goes on with it. */
static void timer_and_time(void **state)
{
	(void)state;
	make(1);
	sleeping(0, 0x40);
	run_while(ask_nothing_but_cancel); /* asleep; now a timer by the host: deadline mode */
	assert_int_equal(WHvSuspendPartitionTime(rig.p), S_OK);
	uint64_t now = rig_get(0, WHvX64RegisterTsc);
	rig_lvt_timer(0, 2 << 17 | 0x40);
	rig_set(0, WHvX64RegisterTscDeadline, now + 3000000); /* 3 ms */
	assert_int_equal(rig_get(0, WHvX64RegisterTscDeadline), now + 3000000);
	usleep(20000);
	assert_int_equal(rig_get(0, WHvX64RegisterTsc), now);
	assert_int_equal(rig_get(0, WHvX64RegisterTscDeadline), now + 3000000);
	uint64_t before = whpsim_host_ns();
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64IoPortAccess);
	assert_true(whpsim_host_ns() - before >= 2500000);
	delete(1);
}

/* ------ several ------ */

struct other {
	pthread_t thread;
	WHV_RUN_VP_EXIT_CONTEXT x;
};

static void *run_second(void *o)
{
	rig_run(1, &((struct other *)o)->x);
	return NULL;
}

/* INIT and SIPI by the first processor's ICR start the second, which waits for them. */
static void startup(void **state)
{
	static const uint8_t code[] = {
		0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 1, 0, 0,
		0xc7, 0x05, 0x10, 0x03, 0xe0, 0xfe, 0, 0, 0, 1,          /* ICR high: APIC id 1 */
		0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x00, 0x45, 0, 0,    /* INIT */
		0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x03, 0x46, 0, 0,    /* SIPI: 3000h */
		0xe6, 0x80,
	};
	struct other o;
	(void)state;
	make(2);
	rig_start(0, code, sizeof code);
	rig_protected(0);
	rig.ram[0x3000] = 0xe6; /* out 81h,al */
	rig.ram[0x3001] = 0x81;
	assert_int_equal(rig_value(1, WHvRegisterInternalActivityState).InternalActivity.StartupSuspend, 1);
	pthread_create(&o.thread, NULL, run_second, &o);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64IoPortAccess);
	pthread_join(o.thread, NULL);
	assert_int_equal(o.x.ExitReason, WHvRunVpExitReasonX64IoPortAccess);
	assert_int_equal(o.x.IoPortAccess.PortNumber, 0x81);
	assert_int_equal(o.x.VpContext.Cs.Selector, 0x300);
	delete(2);
}

/* INIT and SIPI as exits instead: nothing is sent; a write to a chosen register is done and told. */
static void traps(void **state)
{
	static const uint8_t code[] = {
		0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 1, 0, 0,    /* SVR */
		0xc7, 0x05, 0x10, 0x03, 0xe0, 0xfe, 0, 0, 0, 1,       /* ICR high: APIC id 1 */
		0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x03, 0x46, 0, 0, /* SIPI: 3000h */
		0xf4,
	};
	const WHV_EXTENDED_VM_EXITS exits = {.X64ApicInitSipiExitTrap = 1, .X64ApicWriteSvrExitTrap = 1};
	const WHV_X64_LOCAL_APIC_EMULATION_MODE mode = WHvX64LocalApicEmulationModeXApic;
	(void)state;
	rig_begin("", 2);
	rig_property(WHvPartitionPropertyCodeExtendedVmExits, &exits, sizeof exits);
	rig_property(WHvPartitionPropertyCodeLocalApicEmulationMode, &mode, sizeof mode);
	rig_end(2);
	rig_start(0, code, sizeof code);
	rig_protected(0);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64ApicWriteTrap);
	assert_int_equal(x.ApicWrite.Type, WHvX64ApicWriteTypeSvr);
	assert_int_equal(x.ApicWrite.WriteValue, 0x1ff);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 10);
	assert_int_equal(rig_get(0, WHvX64RegisterApicSpurious), 0x1ff);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64ApicInitSipiTrap);
	assert_int_equal(x.ApicInitSipi.ApicIcr, 0x100000000004603);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 30);
	assert_int_equal(rig_value(1, WHvRegisterInternalActivityState).InternalActivity.StartupSuspend, 1);
	delete(2);
}

static void *cancel_second(void *o)
{
	(void)o;
	usleep(3000);
	WHvCancelRunVirtualProcessor(rig.p, 1, 0);
	return NULL;
}

static void cancel_who_waits_for_sipi(void **state)
{
	pthread_t t;
	(void)state;
	make(2);
	pthread_create(&t, NULL, cancel_second, NULL);
	assert_int_equal(rig_run(1, &x), WHvRunVpExitReasonCanceled);
	pthread_join(t, NULL);
	assert_int_equal(rig_value(1, WHvRegisterInternalActivityState).InternalActivity.StartupSuspend, 1);
	delete(2);
}

/* The map changes while two run on it. */
static void *run_until_canceled(void *o)
{
	struct other *other = o;
	while (rig_run(1, &other->x) != WHvRunVpExitReasonCanceled)
		;
	return NULL;
}

static void map_while_running(void **state)
{
	struct other o;
	(void)state;
	make(2);
	RIG_START(1, 0xff, 0x06, 0x00, 0x90, 0xeb, 0xfa); /* inc word [9000h]; jmp */
	rig_set(1, WHvRegisterInternalActivityState, 0);
	pthread_create(&o.thread, NULL, run_until_canceled, &o);
	for (int i = 0; i < 200; i++) {
		uint64_t bits[1];
		assert_int_equal(WHvUnmapGpaRange(rig.p, 0xa000, 0x1000), S_OK);
		assert_int_equal(WHvMapGpaRange(rig.p, rig.ram + 0xa000, 0xa000, 0x1000, 15), S_OK);
		assert_int_equal(WHvQueryGpaRangeDirtyBitmap(rig.p, 0xa000, 0x1000, bits, sizeof bits), S_OK);
	}
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 1, 0), S_OK);
	pthread_join(o.thread, NULL);
	delete(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakes_from_hlt), cmocka_unit_test(level_has_an_eoi_exit),
		cmocka_unit_test(external_event), cmocka_unit_test(requests_that_are_refused),
		cmocka_unit_test(timer), cmocka_unit_test(timer_and_time),         cmocka_unit_test(startup),
		cmocka_unit_test(cancel_who_waits_for_sipi), cmocka_unit_test(traps), cmocka_unit_test(map_while_running),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
