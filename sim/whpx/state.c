/* state.c - what a virtual processor has beside its named registers: the XSAVE area, compacted as the host's XSAVES
 * leaves it (SDM vol. 1, 13.4.3), and the local APIC's registers. */
#include <string.h>
#include "config.h"
#include "notimpl.h"
#include "whpsim.h"

enum {
	MXCSR_AT = 24,
	XMM_AT = 160,
	LEGACY_END = 416, /* of what the processor writes */
	XSTATE_BV_AT = 512,
	XCOMP_BV_AT = 520,
	HEADER_END = 576,
	AVX_SIZE = 256,
	IMAGE = HEADER_END + AVX_SIZE, /* the standard image of cpu/x86, and so far the compacted one */
	APIC_STATE = 4096,
	TPR_AT = 0x80 /* in it */
};
enum { X87 = 1, SSE = 2, AVX = 4, PKRU = 0x200 };
#define COMPACTED (UINT64_C(1) << 63)

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static void store64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

/* ------ XSAVE ------ */

/* What this host's areas hold. A hostile one has protection keys too, which no guest here is shown. */
static uint64_t host_components(void)
{
	bool avx = whpsim_features_max().xsave & 4;
	return X87 | SSE | (avx ? AVX : 0) | (whpsim_config()->seed ? PKRU : 0);
}

static uint32_t area_size(uint64_t components)
{
	return HEADER_END + (components & AVX ? AVX_SIZE : 0) + (components & PKRU ? 8 : 0);
}

static uint32_t host_size(void)
{
	return area_size(host_components()) + whpsim_hostile_xsave();
}

static bool all_zero(const uint8_t *p, size_t size)
{
	uint8_t any = 0;
	for (size_t i = 0; i < size; i++)
		any |= p[i];
	return !any;
}

/* Components in use (SDM vol. 1, 13.6, with XSAVES's treatment of MXCSR). */
static uint64_t in_use(const uint8_t *image)
{
	static const uint8_t x87_rest[MXCSR_AT] = {0x7f, 3};
	uint32_t mxcsr;
	bool x87 = memcmp(image, x87_rest, MXCSR_AT) || !all_zero(image + MXCSR_AT + 8, XMM_AT - MXCSR_AT - 8);
	memcpy(&mxcsr, image + MXCSR_AT, sizeof mxcsr);
	return (x87 ? X87 : 0) | (mxcsr != 0x1f80 || !all_zero(image + XMM_AT, LEGACY_END - XMM_AT) ? SSE : 0) |
	       (all_zero(image + HEADER_END, AVX_SIZE) ? 0 : AVX);
}

/* A hostile host leaves out what is initial, and what stands there then is anything. */
static void leave_out(struct whpsim_vp *vp, uint8_t *area, uint64_t unused)
{
	if (unused & X87) {
		whpsim_hostile_poison(&vp->hostile, area, MXCSR_AT);
		whpsim_hostile_poison(&vp->hostile, area + MXCSR_AT + 8, XMM_AT - MXCSR_AT - 8);
	}
	if (unused & SSE)
		whpsim_hostile_poison(&vp->hostile, area + XMM_AT, LEGACY_END - XMM_AT);
	if (unused & AVX)
		whpsim_hostile_poison(&vp->hostile, area + HEADER_END, AVX_SIZE);
}

static void get_xsave(struct whpsim_vp *vp, uint8_t *area, uint32_t size)
{
	uint64_t components = host_components(), present = components & (X87 | SSE | AVX);
	x86_get_xsave(vp->cpu, area, IMAGE);
	if (vp->hostile.random) {
		present &= in_use(area);
		leave_out(vp, area, components & ~present);
		whpsim_hostile_poison(&vp->hostile, area + IMAGE, size - IMAGE);
	}
	store64(area + XSTATE_BV_AT, present);
	store64(area + XCOMP_BV_AT, whpsim_config()->xsave_standard ? 0 : components | COMPACTED);
	vp->counts.xsave_gets++;
}

static HRESULT put_xsave(struct whpsim_vp *vp, const uint8_t *area, uint32_t size)
{
	uint8_t image[IMAGE];
	uint64_t present, layout;
	uint32_t mxcsr;
	if (size < HEADER_END)
		return E_INVALIDARG;
	present = load64(area + XSTATE_BV_AT);
	layout = load64(area + XCOMP_BV_AT);
	memcpy(&mxcsr, area + MXCSR_AT, sizeof mxcsr);
	if (whpsim_config()->xsave_standard) { /* AVX is first in either form, and nothing is behind it */
		if (layout)
			return E_INVALIDARG;
		layout = COMPACTED | X87 | SSE | AVX;
	}
	if (!(layout & COMPACTED) || layout & ~(host_components() | COMPACTED) || present & ~layout ||
	    !all_zero(area + XCOMP_BV_AT + 8, HEADER_END - XCOMP_BV_AT - 8) || size < area_size(layout) ||
	    (present & (SSE | AVX) && mxcsr & 0xffff0000))
		return E_INVALIDARG;
	memset(image, 0, sizeof image);
	memcpy(image, area, layout & AVX ? IMAGE : HEADER_END);
	store64(image + XSTATE_BV_AT, present & (X87 | SSE | AVX));
	x86_set_xsave(vp->cpu, image, sizeof image);
	vp->counts.xsave_sets++;
	return S_OK;
}

static HRESULT read_xsave(struct whpsim_vp *vp, void *buffer, uint32_t size, uint32_t *written)
{
	uint32_t need = host_size();
	if (!whpsim_config()->features.Xsave)
		return E_INVALIDARG;
	if (whpsim_config()->xsave_unsized && !buffer)
		return E_INVALIDARG;
	if (written)
		*written = need;
	if (size < need)
		return WHV_E_INSUFFICIENT_BUFFER;
	if (!buffer)
		return E_POINTER;
	get_xsave(vp, buffer, need);
	return S_OK;
}

static HRESULT write_xsave(struct whpsim_vp *vp, const void *buffer, uint32_t size)
{
	if (!whpsim_config()->features.Xsave)
		return E_INVALIDARG;
	return buffer ? put_xsave(vp, buffer, size) : E_POINTER;
}

/* ------ local APIC ------ */

static HRESULT read_apic(struct whpsim_vp *vp, void *buffer, uint32_t size, uint32_t *written)
{
	struct whpsim_partition *p = vp->partition;
	if (!whpsim_has_apic(p))
		return WHV_E_INVALID_VP_STATE;
	if (written)
		*written = APIC_STATE;
	if (size < APIC_STATE)
		return WHV_E_INSUFFICIENT_BUFFER;
	if (!buffer)
		return E_POINTER;
	memset(buffer, 0, APIC_STATE);
	pthread_mutex_lock(&p->irq_lock);
	irq_pc_get_lapic(&p->pc, vp->index, buffer);
	pthread_mutex_unlock(&p->irq_lock);
	whpsim_hostile_poison(&vp->hostile, (uint8_t *)buffer + IRQ_LAPIC_IMAGE, APIC_STATE - IRQ_LAPIC_IMAGE);
	vp->counts.apic_gets++;
	return S_OK;
}

static HRESULT write_apic(struct whpsim_vp *vp, const void *buffer, uint32_t size)
{
	struct whpsim_partition *p = vp->partition;
	int failed;
	if (!whpsim_has_apic(p))
		return WHV_E_INVALID_VP_STATE;
	if (!buffer)
		return E_POINTER;
	if (size < APIC_STATE)
		return E_INVALIDARG;
	if (whpsim_config()->tpr_checked && (((const uint8_t *)buffer)[TPR_AT] >> 4) != vp->env.get_tpr(vp))
		return WHP_HRESULT(0xc0350005u); /* ERROR_HV_INVALID_PARAMETER */
	pthread_mutex_lock(&p->irq_lock);
	failed = irq_pc_set_lapic(&p->pc, vp->index, buffer);
	pthread_mutex_unlock(&p->irq_lock);
	if (failed)
		return E_INVALIDARG;
	vp->counts.apic_sets++;
	whpsim_wake(vp);
	return S_OK;
}

/* ------ the functions ------ */

typedef HRESULT reader(struct whpsim_vp *vp, void *buffer, uint32_t size, uint32_t *written);
typedef HRESULT writer(struct whpsim_vp *vp, const void *buffer, uint32_t size);

static HRESULT with_vp_read(WHV_PARTITION_HANDLE h, uint32_t index, const char *what, reader *read, void *buffer,
			    uint32_t size, uint32_t *written)
{
	struct whpsim_vp *vp;
	HRESULT hr = whpsim_acquire(h, index, what, &vp);
	if (hr != S_OK)
		return hr;
	hr = read(vp, buffer, size, written);
	whpsim_release(vp);
	return hr;
}

static HRESULT with_vp_write(WHV_PARTITION_HANDLE h, uint32_t index, const char *what, writer *write,
			     const void *buffer, uint32_t size)
{
	struct whpsim_vp *vp;
	HRESULT hr = whpsim_acquire(h, index, what, &vp);
	if (hr != S_OK)
		return hr;
	hr = write(vp, buffer, size);
	whpsim_release(vp);
	return hr;
}

HRESULT WHvGetVirtualProcessorXsaveState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *Buffer,
					 uint32_t BufferSizeInBytes, uint32_t *BytesWritten)
{
	return with_vp_read(Partition, VpIndex, __func__, read_xsave, Buffer, BufferSizeInBytes, BytesWritten);
}

HRESULT WHvSetVirtualProcessorXsaveState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, const void *Buffer,
					 uint32_t BufferSizeInBytes)
{
	return with_vp_write(Partition, VpIndex, __func__, write_xsave, Buffer, BufferSizeInBytes);
}

HRESULT WHvGetVirtualProcessorInterruptControllerState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *State,
						       uint32_t StateSize, uint32_t *WrittenSize)
{
	return with_vp_read(Partition, VpIndex, __func__, read_apic, State, StateSize, WrittenSize);
}

HRESULT WHvSetVirtualProcessorInterruptControllerState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
						       const void *State, uint32_t StateSize)
{
	return with_vp_write(Partition, VpIndex, __func__, write_apic, State, StateSize);
}

HRESULT WHvGetVirtualProcessorInterruptControllerState2(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *State,
							uint32_t StateSize, uint32_t *WrittenSize)
{
	return with_vp_read(Partition, VpIndex, __func__, read_apic, State, StateSize, WrittenSize);
}

HRESULT WHvSetVirtualProcessorInterruptControllerState2(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
							const void *State, uint32_t StateSize)
{
	return with_vp_write(Partition, VpIndex, __func__, write_apic, State, StateSize);
}

/* SynIC's pages and timers are the types that are not here. */
HRESULT WHvGetVirtualProcessorState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
				    WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType, void *Buffer,
				    uint32_t BufferSizeInBytes, uint32_t *BytesWritten)
{
	if (StateType <= WHvVirtualProcessorStateTypeSynicTimerState)
		return whpsim_not_implemented("WHvGetVirtualProcessorState(SynIC)");
	if (StateType != WHvVirtualProcessorStateTypeXsaveState &&
	    StateType != WHvVirtualProcessorStateTypeInterruptControllerState2)
		return E_INVALIDARG;
	return with_vp_read(Partition, VpIndex, __func__,
			    StateType == WHvVirtualProcessorStateTypeXsaveState ? read_xsave : read_apic, Buffer,
			    BufferSizeInBytes, BytesWritten);
}

HRESULT WHvSetVirtualProcessorState(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
				    WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType, const void *Buffer,
				    uint32_t BufferSizeInBytes)
{
	if (StateType <= WHvVirtualProcessorStateTypeSynicTimerState)
		return whpsim_not_implemented("WHvSetVirtualProcessorState(SynIC)");
	if (StateType != WHvVirtualProcessorStateTypeXsaveState &&
	    StateType != WHvVirtualProcessorStateTypeInterruptControllerState2)
		return E_INVALIDARG;
	return with_vp_write(Partition, VpIndex, __func__,
			     StateType == WHvVirtualProcessorStateTypeXsaveState ? write_xsave : write_apic, Buffer,
			     BufferSizeInBytes);
}
