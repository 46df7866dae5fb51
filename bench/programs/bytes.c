/* bytes.c - vectors of integers on arm64, as C libraries and codecs use them: the end of strings, Q-register copies, a
 * difference of blocks, saturating arithmetic, a byte table. */
#include <arm_neon.h>
#include "programs.h"

static uint64_t length(const uint8_t *s)
{
	for (uint64_t n = 0;; n += 16) {
		uint8x16_t end = vceqzq_u8(vld1q_u8(s + n));
		uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(end), 4)), 0);

		if (bits)
			return n + (uint64_t)__builtin_ctzll(bits) / 4;
	}
}

static void copy(uint8_t *to, const uint8_t *from, unsigned n)
{
	for (unsigned i = 0; i < n; i += 64)
		vst1q_u8_x4(to + i, vld1q_u8_x4(from + i));
}

static uint64_t difference(const uint8_t *a, const uint8_t *b, unsigned n)
{
	uint32x4_t sum = vdupq_n_u32(0);

	for (unsigned i = 0; i < n; i += 16) {
		uint8x16_t d = vabdq_u8(vld1q_u8(a + i), vld1q_u8(b + i));

		sum = vpadalq_u16(sum, vpaddlq_u8(d));
	}
	return vaddvq_u32(sum);
}

static void scale(int16_t *x, unsigned n)
{
	for (unsigned i = 0; i < n; i += 8) {
		int16x8_t v = vqaddq_s16(vld1q_s16(x + i), vdupq_n_s16(300));

		v = vqdmulhq_s16(v, vdupq_n_s16(0x5a82));
		v = vmaxq_s16(vshrq_n_s16(vshlq_n_s16(v, 1), 1), vdupq_n_s16(-2000));
		vst1q_s16(x + i, vmlaq_s16(v, v, vdupq_n_s16(3)));
	}
}

static void translate(uint8_t *s, unsigned n)
{
	uint8x16_t table = vld1q_u8(s);

	for (unsigned i = 0; i < n; i += 16) {
		uint8x16_t v = vld1q_u8(s + i);
		uint8x16_t r = vqtbl1q_u8(table, vandq_u8(v, vdupq_n_u8(15)));

		vst1q_u8(s + i, veorq_u8(vrev64q_u8(r), vzip1q_u8(v, r)));
	}
}

uint64_t program_bytes(uint64_t reps, uint8_t *heap)
{
	uint8_t *other = heap + 8192;
	uint64_t sum = 0;

	for (unsigned i = 0; i < 4096; i++)
		heap[i] = (uint8_t)(1 | i * 7);
	heap[4096] = 0;
	for (; reps; reps--) {
		copy(other, heap, 4096);
		translate(other, 4096);
		scale((int16_t *)(void *)other, 2048);
		sum += length(heap) + difference(heap, other, 4096);
	}
	return sum;
}
