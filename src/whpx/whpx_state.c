/* whpx_state.c - what a virtual processor has beside its registers by name: the XSAVE area and the local APIC. Windows 11
 * has one pair of functions for all such state; the pairs before it are taken where they are there (WHP,
 * WHvGetVirtualProcessorState). */
#include "whpx/whpx.h"

#define XSAVE WHvVirtualProcessorStateTypeXsaveState
#define APIC WHvVirtualProcessorStateTypeInterruptControllerState2

int whpx_state_get(struct whpx_vcpu *w, WHV_VIRTUAL_PROCESSOR_STATE_TYPE type, void *state, uint32_t size,
		   uint32_t *written)
{
	WHV_PARTITION_HANDLE p = w->vm->partition;
	uint32_t i = w->v->index;
	const char *call;
	HRESULT hr;

	if (type == XSAVE && whpx_api.GetVirtualProcessorXsaveState) {
		call = "WHvGetVirtualProcessorXsaveState";
		hr = WHPX(GetVirtualProcessorXsaveState, p, i, state, size, written);
	} else if (type == APIC && whpx_api.GetVirtualProcessorInterruptControllerState2) {
		call = "WHvGetVirtualProcessorInterruptControllerState2";
		hr = WHPX(GetVirtualProcessorInterruptControllerState2, p, i, state, size, written);
	} else {
		call = "WHvGetVirtualProcessorState";
		hr = WHPX(GetVirtualProcessorState, p, i, type, state, size, written);
	}
	return hr ? whpx_fail(hr, call) : 0;
}

int whpx_state_set(struct whpx_vcpu *w, WHV_VIRTUAL_PROCESSOR_STATE_TYPE type, const void *state, uint32_t size)
{
	WHV_PARTITION_HANDLE p = w->vm->partition;
	uint32_t i = w->v->index;
	const char *call;
	HRESULT hr;

	if (type == XSAVE && whpx_api.SetVirtualProcessorXsaveState) {
		call = "WHvSetVirtualProcessorXsaveState";
		hr = WHPX(SetVirtualProcessorXsaveState, p, i, state, size);
	} else if (type == APIC && whpx_api.SetVirtualProcessorInterruptControllerState2) {
		call = "WHvSetVirtualProcessorInterruptControllerState2";
		hr = WHPX(SetVirtualProcessorInterruptControllerState2, p, i, state, size);
	} else {
		call = "WHvSetVirtualProcessorState";
		hr = WHPX(SetVirtualProcessorState, p, i, type, state, size);
	}
	return hr ? whpx_fail(hr, call) : 0;
}
