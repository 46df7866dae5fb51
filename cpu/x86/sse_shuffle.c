/* sse_shuffle.c - vectors rearranged: unpack, pack, shuffle, blend, extend, duplicate. Kernels and their rows. */
#include "sse.h"

static inline int8_t sat_sb(int v)
{
	return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}
static inline uint8_t sat_ub(int v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}
static inline int16_t sat_sw(int v)
{
	return (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v);
}
static inline uint16_t sat_uw(int v)
{
	return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

#define UNPACK(field, from)                                                                                            \
	const unsigned n = N / sizeof r.field[0] / 2, at = (from)*n;                                                   \
	for (unsigned i = 0; i < n; i++) {                                                                             \
		r.field[2 * i] = a.field[at + i];                                                                      \
		r.field[2 * i + 1] = b.field[at + i];                                                                  \
	}
SSE_BOTH(punpcklbw, UNPACK(b, 0))
SSE_BOTH(punpcklwd, UNPACK(w, 0))
SSE_BOTH(punpckldq, UNPACK(d, 0))
SSE_ONLY(punpcklqdq, UNPACK(q, 0))
SSE_BOTH(punpckhbw, UNPACK(b, 1))
SSE_BOTH(punpckhwd, UNPACK(w, 1))
SSE_BOTH(punpckhdq, UNPACK(d, 1))
SSE_ONLY(punpckhqdq, UNPACK(q, 1))

#define PACK(out, in, saturate)                                                                                        \
	const unsigned n = N / sizeof r.in[0];                                                                         \
	for (unsigned i = 0; i < n; i++) {                                                                             \
		r.out[i] = saturate(a.in[i]);                                                                          \
		r.out[n + i] = saturate(b.in[i]);                                                                      \
	}
SSE_BOTH(packsswb, PACK(sb, sw, sat_sb))
SSE_BOTH(packuswb, PACK(b, sw, sat_ub))
SSE_BOTH(packssdw, PACK(sw, sd, sat_sw))
SSE_ONLY(packusdw, PACK(w, sd, sat_uw))

SSE_BOTH(pshufb, SSE_EACH(b, b.b[i] & 0x80 ? 0 : a.b[b.b[i] & (N - 1)]))
SSE_BOTH(palignr, for (unsigned i = 0; i < N; i++) {
	unsigned at = i + imm;
	r.b[i] = at < N ? b.b[at] : at < 2 * N ? a.b[at - N] : 0;
})
SSE_ONLY(pshufd, SSE_EACH(d, b.d[imm >> 2 * i & 3]))
SSE_ONLY(pshuflw, r.q[1] = b.q[1]; for (unsigned i = 0; i < 4; i++) r.w[i] = b.w[imm >> 2 * i & 3])
SSE_ONLY(pshufhw, r.q[0] = b.q[0]; for (unsigned i = 0; i < 4; i++) r.w[4 + i] = b.w[4 + (imm >> 2 * i & 3)])
SSE_KERNEL(pshufw_8, 8, SSE_EACH(w, b.w[imm >> 2 * i & 3]))
SSE_ONLY(shufps, SSE_EACH(d, (i < 2 ? a.d : b.d)[imm >> 2 * i & 3]))
SSE_ONLY(shufpd, r.q[0] = a.q[imm & 1]; r.q[1] = b.q[imm >> 1 & 1])
SSE_ONLY(pblendw, SSE_EACH(w, imm >> i & 1 ? b.w[i] : a.w[i]))
SSE_ONLY(blendps, SSE_EACH(d, imm >> i & 1 ? b.d[i] : a.d[i]))
SSE_ONLY(blendpd, SSE_EACH(q, imm >> i & 1 ? b.q[i] : a.q[i]))
SSE_ONLY(movddup, r.q[0] = r.q[1] = b.q[0])
SSE_ONLY(movshdup, SSE_EACH(d, b.d[i | 1]))
SSE_ONLY(movsldup, SSE_EACH(d, b.d[i & 2]))

SSE_ONLY(pmovsxbw, SSE_EACH(w, b.sb[i]))
SSE_ONLY(pmovsxbd, SSE_EACH(d, b.sb[i]))
SSE_ONLY(pmovsxbq, SSE_EACH(q, (uint64_t)b.sb[i]))
SSE_ONLY(pmovsxwd, SSE_EACH(d, b.sw[i]))
SSE_ONLY(pmovsxwq, SSE_EACH(q, (uint64_t)b.sw[i]))
SSE_ONLY(pmovsxdq, SSE_EACH(q, (uint64_t)b.sd[i]))
SSE_ONLY(pmovzxbw, SSE_EACH(w, b.b[i]))
SSE_ONLY(pmovzxbd, SSE_EACH(d, b.b[i]))
SSE_ONLY(pmovzxbq, SSE_EACH(q, b.b[i]))
SSE_ONLY(pmovzxwd, SSE_EACH(d, b.w[i]))
SSE_ONLY(pmovzxwq, SSE_EACH(q, b.w[i]))
SSE_ONLY(pmovzxdq, SSE_EACH(q, b.d[i]))

#define BOTH(MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, 0, name##_16, name##_8}
#define ONLY(MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, 0, name##_16, NULL}
#define HALF(MNEMONIC, name, bits) {SSE_NAMES(MNEMONIC), 16, (bits) << SSE_IMM_SHIFT, name##_16, NULL}
#define PART(MNEMONIC, name, bytes) {SSE_NAMES(MNEMONIC), bytes, SSE_UNALIGNED | SSE_WIDEN, name##_16, NULL}
const struct sse_row sse_shuffle_rows[] = {
	BOTH(PUNPCKLBW, punpcklbw), BOTH(PUNPCKLWD, punpcklwd),
	BOTH(PUNPCKLDQ, punpckldq), ONLY(PUNPCKLQDQ, punpcklqdq),
	BOTH(PUNPCKHBW, punpckhbw), BOTH(PUNPCKHWD, punpckhwd),
	BOTH(PUNPCKHDQ, punpckhdq), ONLY(PUNPCKHQDQ, punpckhqdq),
	ONLY(UNPCKLPS, punpckldq), ONLY(UNPCKHPS, punpckhdq), ONLY(UNPCKLPD, punpcklqdq), ONLY(UNPCKHPD, punpckhqdq),
	BOTH(PACKSSWB, packsswb), BOTH(PACKUSWB, packuswb), BOTH(PACKSSDW, packssdw), ONLY(PACKUSDW, packusdw),
	BOTH(PSHUFB, pshufb), BOTH(PALIGNR, palignr),
	ONLY(PSHUFD, pshufd), ONLY(PSHUFLW, pshuflw),
	ONLY(PSHUFHW, pshufhw), {ZYDIS_MNEMONIC_PSHUFW, 0, 8, 0, NULL, pshufw_8},
	ONLY(SHUFPS, shufps), HALF(SHUFPD, shufpd, 2), ONLY(PBLENDW, pblendw),
	HALF(BLENDPS, blendps, 4), HALF(BLENDPD, blendpd, 2),
	{SSE_NAMES(MOVDDUP), 8, SSE_UNALIGNED, movddup_16, NULL}, ONLY(MOVSHDUP, movshdup), ONLY(MOVSLDUP, movsldup),
	PART(PMOVSXBW, pmovsxbw, 8), PART(PMOVSXBD, pmovsxbd, 4), PART(PMOVSXBQ, pmovsxbq, 2),
	PART(PMOVSXWD, pmovsxwd, 8), PART(PMOVSXWQ, pmovsxwq, 4), PART(PMOVSXDQ, pmovsxdq, 8),
	PART(PMOVZXBW, pmovzxbw, 8), PART(PMOVZXBD, pmovzxbd, 4), PART(PMOVZXBQ, pmovzxbq, 2),
	PART(PMOVZXWD, pmovzxwd, 8), PART(PMOVZXWQ, pmovzxwq, 4), PART(PMOVZXDQ, pmovzxdq, 8),
	SSE_ROW_END,
};
