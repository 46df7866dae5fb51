/* notimpl.c - the exports that are there in name only. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include "notimpl.h"

static atomic_ullong calls;
static const char *_Atomic last;

HRESULT whpsim_not_implemented(const char *what)
{
	atomic_store(&last, what);
	atomic_fetch_add(&calls, 1);
	return E_NOTIMPL;
}

uint64_t whpsim_unimplemented_calls(void)
{
	return atomic_load(&calls);
}

const char *whpsim_unimplemented_last(void)
{
	return atomic_load(&last);
}

/* Of the process, whatever it was; also when the DLL goes. */
__attribute__((destructor)) static void say(void)
{
	uint64_t n = whpsim_unimplemented_calls();
	if (n)
		fprintf(stderr, "sim/whpx: %" PRIu64 " calls of what is not there; the last one: %s\n", n,
			whpsim_unimplemented_last());
}

/* What is missing: take the line away where a function gets a body of its own. */
#define MISSING_WHvSignalVirtualProcessorSynicEvent ~, 1
#define MISSING_WHvAllocateVpciResource ~, 1
#define MISSING_WHvCreateVpciDevice ~, 1
#define MISSING_WHvDeleteVpciDevice ~, 1
#define MISSING_WHvGetVpciDeviceProperty ~, 1
#define MISSING_WHvGetVpciDeviceNotification ~, 1
#define MISSING_WHvMapVpciDeviceMmioRanges ~, 1
#define MISSING_WHvUnmapVpciDeviceMmioRanges ~, 1
#define MISSING_WHvSetVpciDevicePowerState ~, 1
#define MISSING_WHvReadVpciDeviceRegister ~, 1
#define MISSING_WHvWriteVpciDeviceRegister ~, 1
#define MISSING_WHvMapVpciDeviceInterrupt ~, 1
#define MISSING_WHvUnmapVpciDeviceInterrupt ~, 1
#define MISSING_WHvRetargetVpciDeviceInterrupt ~, 1
#define MISSING_WHvRequestVpciDeviceInterrupt ~, 1
#define MISSING_WHvGetVpciDeviceInterruptTarget ~, 1
#define MISSING_WHvCreateTrigger ~, 1
#define MISSING_WHvUpdateTriggerParameters ~, 1
#define MISSING_WHvDeleteTrigger ~, 1
#define MISSING_WHvCreateNotificationPort ~, 1
#define MISSING_WHvSetNotificationPortProperty ~, 1
#define MISSING_WHvDeleteNotificationPort ~, 1
#define MISSING_WHvPostVirtualProcessorSynicMessage ~, 1
#define MISSING_WHvGetInterruptTargetVpSet ~, 1
#define MISSING_WHvStartPartitionMigration ~, 1
#define MISSING_WHvCancelPartitionMigration ~, 1
#define MISSING_WHvCompletePartitionMigration ~, 1
#define MISSING_WHvAcceptPartitionMigration ~, 1

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define BODY_0(name, arguments)
#define BODY_1(name, arguments)                                                                                        \
	HRESULT name arguments                                                                                         \
	{                                                                                                              \
		return whpsim_not_implemented(#name);                                                                  \
	}
#define SECOND(a, b, ...) b
#define IS_MISSING(...) SECOND(__VA_ARGS__, 0, 0)
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define BODY(name, since, arguments) PASTE(BODY_, IS_MISSING(MISSING_##name))(name, arguments)
WHP_PLATFORM_FUNCTIONS(BODY)
