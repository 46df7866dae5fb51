/* whpx_xsave.c - the XSAVE image: the platform's has the compacted form (SDM vol. 1, 13.4.3), with as many components
 * as the host has; the library's the standard one. */
#include <string.h>
#include "whpx/whpx.h"

enum { LARGEST = 16384 }; /* of areas: with AMX's tiles it is some 11 KiB */
enum { XSTATE_BV = 512, XCOMP_BV = 520, EXTENDED = 576, MXCSR = 24, XMM = 160, XMM_END = 416 };
#define COMPACTED (UINT64_C(1) << 63)

static uint64_t word_at(const uint8_t *image, unsigned at)
{
	uint64_t v;

	memcpy(&v, image + at, sizeof(v));
	return v;
}

/* CPUID.(EAX=0DH,ECX=n):ECX[1]: in the compacted form component n begins at a multiple of 64. Of those that exist none
 * of the user's but AMX's tiles (18) does; of the supervisor's LBR (15) and UINTR (14). */
static bool aligned(unsigned n)
{
	return n == 14 || n == 15 || n == 18;
}

/* Sizes of what the library's image does not hold, to find what lies behind (SDM vol. 1, 13.5; ISE, AMX). */
static uint32_t size_of(unsigned n)
{
	static const struct {
		uint8_t n;
		uint32_t size;
	} others[] = {{3, 64}, {4, 64}, {5, 64}, {6, 512}, {7, 1024}, {8, 128}, {10, 8}, {11, 16}, {12, 24}, {13, 8},
		      {14, 48}, {15, 808}, {16, 8}, {17, 64}, {18, 8192}, {19, 128}};
	uint32_t offset, size;

	vma_xsave_component(n, &offset, &size);
	for (size_t i = 0; !size && i < sizeof(others) / sizeof(*others); i++)
		if (others[i].n == n)
			size = others[i].size;
	return size;
}

/* Where component n is in a compacted image of these components; 0: not there, or what is before it is not known. */
static uint32_t place(uint64_t components, unsigned n)
{
	uint32_t at = EXTENDED;

	for (unsigned i = 2; i <= n; i++) {
		if (!(components >> i & 1))
			continue;
		if (!size_of(i))
			return 0;
		at = aligned(i) ? (at + 63) & ~63u : at;
		if (i == n)
			return at;
		at += size_of(i);
	}
	return 0;
}

bool whpx_xsave_in(const uint8_t *from, size_t from_size, uint8_t *image, size_t size)
{
	uint64_t comp, bv, kept = 0;

	if (from_size < EXTENDED || size < EXTENDED)
		return false;
	comp = word_at(from, XCOMP_BV);
	bv = word_at(from, XSTATE_BV);
	memset(image, 0, size);
	memcpy(image, from, XSTATE_BV);
	for (unsigned n = 2; n < 63; n++) {
		uint32_t to, length, at;

		vma_xsave_component(n, &to, &length);
		if (!(bv >> n & 1) || !length || to + length > size)
			continue;
		at = comp & COMPACTED ? place(comp, n) : to;
		if (!at || at + length > from_size)
			return false;
		memcpy(image + to, from + at, length);
		kept |= 1ull << n;
	}
	bv = (bv & 3) | kept;
	memcpy(image + XSTATE_BV, &bv, sizeof(bv));
	return true;
}

size_t whpx_xsave_out(const uint8_t *image, size_t size, uint8_t *to, size_t room, uint64_t components)
{
	uint64_t bv = word_at(image, XSTATE_BV), comp = components | COMPACTED | 3;
	size_t end = EXTENDED;

	if (room < EXTENDED)
		return 0;
	memset(to, 0, room);
	memcpy(to, image, XSTATE_BV);
	for (unsigned n = 2; n < 63; n++) {
		uint32_t from, length, at = components >> n & 1 ? place(components, n) : 0;

		vma_xsave_component(n, &from, &length);
		if (!at)
			continue;
		end = at + size_of(n);
		if (end > room)
			return 0;
		if (bv >> n & 1 && length && from + length <= size)
			memcpy(to + at, image + from, length);
	}
	/* MXCSR is loaded with SSE or AVX only: SSE is marked whatever it holds. */
	if (!(bv & 2))
		memset(to + XMM, 0, XMM_END - XMM);
	bv = (bv & (components | 3)) | 2;
	memcpy(to + XSTATE_BV, &bv, sizeof(bv));
	memcpy(to + XCOMP_BV, &comp, sizeof(comp));
	return end;
}

/* ------ registers by name, where the platform gives no image: x87 and SSE (SDM vol. 1, 10.5.1) ------ */

enum { ST = 32, ST_BYTES = 10 };

static void legacy_names(struct whpx_batch *b)
{
	b->count = 0;
	for (int i = 0; i < 8; i++)
		whpx_add(b, WHvX64RegisterFpMmx0 + i);
	for (int i = 0; i < 16; i++)
		whpx_add(b, WHvX64RegisterXmm0 + i);
	whpx_add(b, WHvX64RegisterFpControlStatus);
	whpx_add(b, WHvX64RegisterXmmControlStatus);
}

static int fetch_legacy(struct whpx_vcpu *w, uint8_t *image, uint32_t size)
{
	const uint64_t bv = 3;
	struct whpx_batch b;
	int rc;

	legacy_names(&b);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	memset(image, 0, size);
	for (int i = 0; i < 8; i++)
		memcpy(image + ST + 16 * i, &b.values[i], ST_BYTES);
	memcpy(image + XMM, b.values + 8, 16 * 16);
	memcpy(image, &b.values[24], 16);      /* FCW, FSW, FTW, FOP, FIP */
	memcpy(image + 16, &b.values[25], 16); /* FDP, MXCSR and its mask */
	memcpy(image + XSTATE_BV, &bv, sizeof(bv));
	return 0;
}

/* A component that is not in XSTATE_BV is in its initial state (SDM vol. 1, 13.8). */
static void commit_legacy(struct whpx_vcpu *w, const uint8_t *image)
{
	static const uint8_t initial[32] = {0x7f, 0x03, [24] = 0x80, 0x1f};
	uint64_t bv = word_at(image, XSTATE_BV);
	struct whpx_batch b;

	legacy_names(&b);
	memset(b.values, 0, b.count * sizeof(b.values[0]));
	for (int i = 0; i < 8 && bv & 1; i++)
		memcpy(&b.values[i], image + ST + 16 * i, ST_BYTES);
	if (bv & 2)
		memcpy(b.values + 8, image + XMM, 16 * 16);
	memcpy(&b.values[24], bv & 1 ? image : initial, 16);
	memcpy(&b.values[25], bv & 1 ? image + 16 : initial + 16, 8);
	memcpy((uint8_t *)&b.values[25] + 8, image + MXCSR, 8);
	for (uint32_t i = 0; i < b.count; i++)
		*whpx_add(&w->out, b.names[i]) = b.values[i];
}

/* ------ the platform's calls ------ */

#define XSAVE WHvVirtualProcessorStateTypeXsaveState

/* Its size is the host's: asked for once. */
static int native_image(struct whpx_vcpu *w, uint32_t *size)
{
	if (!w->xsave_size) {
		uint32_t need = 0;

		whpx_state_get(w, XSAVE, NULL, 0, &need);
		need = need ? need : LARGEST; /* it does not say so for everybody */
		need = need < 4096 ? 4096 : need;
		w->xsave = os_aligned(64, need);
		if (!w->xsave)
			return vma_fail(VMA_E_NOMEM, "no memory for an XSAVE image of %u bytes", (unsigned)need);
		w->xsave_size = need;
	}
	return whpx_state_get(w, XSAVE, w->xsave, w->xsave_size, size);
}

int whpx_fetch_xsave(struct whpx_vcpu *w, uint8_t *image, uint32_t size)
{
	uint32_t have = 0;
	int rc;

	if (!whpx_host.features.Xsave)
		return fetch_legacy(w, image, size);
	rc = whpx_flush(w);
	if (!rc)
		rc = native_image(w, &have);
	if (!rc && !whpx_xsave_in(w->xsave, have, image, size))
		rc = vma_fail(VMA_E_NATIVE, "the platform's XSAVE image of %u bytes has a layout that is not known",
			      (unsigned)have);
	return rc;
}

/* SSE is marked as above. */
static size_t standard_out(const uint8_t *image, size_t size, uint8_t *to, size_t room)
{
	uint64_t bv = word_at(image, XSTATE_BV);

	memset(to, 0, room);
	memcpy(to, image, size < room ? size : room);
	if (!(bv & 2))
		memset(to + XMM, 0, XMM_END - XMM);
	bv |= 2;
	memcpy(to + XSTATE_BV, &bv, sizeof(bv));
	return room;
}

int whpx_commit_xsave(struct whpx_vcpu *w, const uint8_t *image, uint32_t size)
{
	uint32_t have = 0;
	uint64_t components;
	size_t length;
	int rc;

	if (!whpx_host.features.Xsave) {
		commit_legacy(w, image);
		return 0;
	}
	rc = whpx_flush(w);
	if (!rc)
		rc = native_image(w, &have); /* its XCOMP_BV says what the platform's has */
	if (rc)
		return rc;
	components = word_at(w->xsave, XCOMP_BV) & ~COMPACTED;
	if (!(word_at(w->xsave, XCOMP_BV) & COMPACTED)) {
		length = standard_out(image, size, w->xsave, have);
	} else {
		length = whpx_xsave_out(image, size, w->xsave, w->xsave_size, components);
	}
	if (!length)
		return vma_fail(VMA_E_NATIVE, "the platform's XSAVE image has components %#llx: no known layout",
				(unsigned long long)components);
	return whpx_state_set(w, XSAVE, w->xsave, (uint32_t)(length < have ? have : length));
}
