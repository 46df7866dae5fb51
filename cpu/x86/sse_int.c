/* sse_int.c - integer arithmetic, logic, compares and shifts on vectors: kernels and their rows. */
#include "sse.h"

static inline int clamp(int v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}
static inline int absolute(int v)
{
	return v < 0 ? -v : v;
}

SSE_BOTH(paddb, SSE_EACH(b, a.b[i] + b.b[i]))
SSE_BOTH(paddw, SSE_EACH(w, a.w[i] + b.w[i]))
SSE_BOTH(paddd, SSE_EACH(d, a.d[i] + b.d[i]))
SSE_BOTH(paddq, SSE_EACH(q, a.q[i] + b.q[i]))
SSE_BOTH(psubb, SSE_EACH(b, a.b[i] - b.b[i]))
SSE_BOTH(psubw, SSE_EACH(w, a.w[i] - b.w[i]))
SSE_BOTH(psubd, SSE_EACH(d, a.d[i] - b.d[i]))
SSE_BOTH(psubq, SSE_EACH(q, a.q[i] - b.q[i]))
SSE_BOTH(paddsb, SSE_EACH(sb, clamp(a.sb[i] + b.sb[i], -128, 127)))
SSE_BOTH(paddsw, SSE_EACH(sw, clamp(a.sw[i] + b.sw[i], -32768, 32767)))
SSE_BOTH(paddusb, SSE_EACH(b, clamp(a.b[i] + b.b[i], 0, 255)))
SSE_BOTH(paddusw, SSE_EACH(w, clamp(a.w[i] + b.w[i], 0, 65535)))
SSE_BOTH(psubsb, SSE_EACH(sb, clamp(a.sb[i] - b.sb[i], -128, 127)))
SSE_BOTH(psubsw, SSE_EACH(sw, clamp(a.sw[i] - b.sw[i], -32768, 32767)))
SSE_BOTH(psubusb, SSE_EACH(b, clamp(a.b[i] - b.b[i], 0, 255)))
SSE_BOTH(psubusw, SSE_EACH(w, clamp(a.w[i] - b.w[i], 0, 65535)))
SSE_BOTH(pand, SSE_EACH(q, a.q[i] & b.q[i]))
SSE_BOTH(pandn, SSE_EACH(q, ~a.q[i] & b.q[i]))
SSE_BOTH(por, SSE_EACH(q, a.q[i] | b.q[i]))
SSE_BOTH(pxor, SSE_EACH(q, a.q[i] ^ b.q[i]))
SSE_BOTH(pcmpeqb, SSE_EACH(sb, a.b[i] == b.b[i] ? -1 : 0))
SSE_BOTH(pcmpeqw, SSE_EACH(sw, a.w[i] == b.w[i] ? -1 : 0))
SSE_BOTH(pcmpeqd, SSE_EACH(sd, a.d[i] == b.d[i] ? -1 : 0))
SSE_ONLY(pcmpeqq, SSE_EACH(sq, a.q[i] == b.q[i] ? -1 : 0))
SSE_BOTH(pcmpgtb, SSE_EACH(sb, a.sb[i] > b.sb[i] ? -1 : 0))
SSE_BOTH(pcmpgtw, SSE_EACH(sw, a.sw[i] > b.sw[i] ? -1 : 0))
SSE_BOTH(pcmpgtd, SSE_EACH(sd, a.sd[i] > b.sd[i] ? -1 : 0))
SSE_ONLY(pcmpgtq, SSE_EACH(sq, a.sq[i] > b.sq[i] ? -1 : 0))
SSE_BOTH(pminub, SSE_EACH(b, a.b[i] < b.b[i] ? a.b[i] : b.b[i]))
SSE_BOTH(pmaxub, SSE_EACH(b, a.b[i] > b.b[i] ? a.b[i] : b.b[i]))
SSE_BOTH(pminsw, SSE_EACH(sw, a.sw[i] < b.sw[i] ? a.sw[i] : b.sw[i]))
SSE_BOTH(pmaxsw, SSE_EACH(sw, a.sw[i] > b.sw[i] ? a.sw[i] : b.sw[i]))
SSE_ONLY(pminsb, SSE_EACH(sb, a.sb[i] < b.sb[i] ? a.sb[i] : b.sb[i]))
SSE_ONLY(pmaxsb, SSE_EACH(sb, a.sb[i] > b.sb[i] ? a.sb[i] : b.sb[i]))
SSE_ONLY(pminuw, SSE_EACH(w, a.w[i] < b.w[i] ? a.w[i] : b.w[i]))
SSE_ONLY(pmaxuw, SSE_EACH(w, a.w[i] > b.w[i] ? a.w[i] : b.w[i]))
SSE_ONLY(pminsd, SSE_EACH(sd, a.sd[i] < b.sd[i] ? a.sd[i] : b.sd[i]))
SSE_ONLY(pmaxsd, SSE_EACH(sd, a.sd[i] > b.sd[i] ? a.sd[i] : b.sd[i]))
SSE_ONLY(pminud, SSE_EACH(d, a.d[i] < b.d[i] ? a.d[i] : b.d[i]))
SSE_ONLY(pmaxud, SSE_EACH(d, a.d[i] > b.d[i] ? a.d[i] : b.d[i]))
SSE_BOTH(pavgb, SSE_EACH(b, (a.b[i] + b.b[i] + 1) >> 1))
SSE_BOTH(pavgw, SSE_EACH(w, (a.w[i] + b.w[i] + 1) >> 1))
SSE_BOTH(pmullw, SSE_EACH(w, (uint32_t)a.w[i] * b.w[i]))
SSE_BOTH(pmulhw, SSE_EACH(w, (uint32_t)(a.sw[i] * b.sw[i]) >> 16))
SSE_BOTH(pmulhuw, SSE_EACH(w, ((uint32_t)a.w[i] * b.w[i]) >> 16))
SSE_BOTH(pmulhrsw, SSE_EACH(w, (uint32_t)(((a.sw[i] * b.sw[i]) >> 14) + 1) >> 1))
SSE_ONLY(pmulld, SSE_EACH(d, a.d[i] * b.d[i]))
SSE_BOTH(pmuludq, SSE_EACH(q, (uint64_t)a.d[2 * i] * b.d[2 * i]))
SSE_ONLY(pmuldq, SSE_EACH(sq, (int64_t)a.sd[2 * i] * b.sd[2 * i]))
/* Only -32768 * -32768 twice overflows, and wraps. */
SSE_BOTH(pmaddwd, SSE_EACH(d, (uint32_t)(a.sw[2 * i] * b.sw[2 * i]) + (uint32_t)(a.sw[2 * i + 1] * b.sw[2 * i + 1])))
SSE_BOTH(pmaddubsw, SSE_EACH(sw, clamp(a.b[2 * i] * b.sb[2 * i] + a.b[2 * i + 1] * b.sb[2 * i + 1], -32768, 32767)))
SSE_BOTH(pabsb, SSE_EACH(b, absolute(b.sb[i])))
SSE_BOTH(pabsw, SSE_EACH(w, absolute(b.sw[i])))
SSE_BOTH(pabsd, SSE_EACH(d, b.sd[i] < 0 ? 0 - b.d[i] : b.d[i]))
SSE_BOTH(psignb, SSE_EACH(b, b.sb[i] < 0 ? -a.b[i] : b.sb[i] ? a.b[i] : 0))
SSE_BOTH(psignw, SSE_EACH(w, b.sw[i] < 0 ? -a.w[i] : b.sw[i] ? a.w[i] : 0))
SSE_BOTH(psignd, SSE_EACH(d, b.sd[i] < 0 ? 0 - a.d[i] : b.sd[i] ? a.d[i] : 0))

/* Horizontal: the pairs of a fill the low half, those of b the high half. */
#define HALVES(field, op_of)                                                                                           \
	const unsigned n = N / sizeof r.field[0], h = n / 2;                                                           \
	for (unsigned i = 0; i < h; i++) {                                                                             \
		r.field[i] = op_of(a.field[2 * i], a.field[2 * i + 1]);                                                \
		r.field[h + i] = op_of(b.field[2 * i], b.field[2 * i + 1]);                                            \
	}
#define PLUS(x, y) ((x) + (y))
#define MINUS(x, y) ((x) - (y))
#define PLUS_SW(x, y) clamp((x) + (y), -32768, 32767)
#define MINUS_SW(x, y) clamp((x) - (y), -32768, 32767)
SSE_BOTH(phaddw, HALVES(w, PLUS))
SSE_BOTH(phaddd, HALVES(d, PLUS))
SSE_BOTH(phaddsw, HALVES(sw, PLUS_SW))
SSE_BOTH(phsubw, HALVES(w, MINUS))
SSE_BOTH(phsubd, HALVES(d, MINUS))
SSE_BOTH(phsubsw, HALVES(sw, MINUS_SW))

SSE_BOTH(psadbw, for (unsigned g = 0; g < N / 8; g++) {
	unsigned sum = 0;
	for (unsigned i = 0; i < 8; i++)
		sum += (unsigned)absolute(a.b[8 * g + i] - b.b[8 * g + i]);
	r.q[g] = sum;
})
/* imm: bits 1:0 choose the block of b, bit 2 the start in a, in units of 4 bytes. */
SSE_ONLY(mpsadbw, unsigned from = (imm >> 2 & 1) * 4; unsigned block = (imm & 3) * 4; for (unsigned i = 0; i < 8; i++) {
	unsigned sum = 0;
	for (unsigned k = 0; k < 4; k++)
		sum += (unsigned)absolute(a.b[from + i + k] - b.b[block + k]);
	r.w[i] = (uint16_t)sum;
})
SSE_ONLY(phminposuw, unsigned at = 0; for (unsigned i = 1; i < 8; i++) {
	if (b.w[i] < b.w[at])
		at = i;
} r.q[0] = b.w[at] | (uint64_t)at << 16;
	 r.q[1] = 0)

/* Shifts: the count is the low 64 bits of the second operand. */
#define COUNT(bits) uint64_t n = b.q[0] < (bits) ? b.q[0] : (bits)
SSE_BOTH(psllw, COUNT(16); SSE_EACH(w, n > 15 ? 0 : a.w[i] << n))
SSE_BOTH(pslld, COUNT(32); SSE_EACH(d, n > 31 ? 0 : a.d[i] << n))
SSE_BOTH(psllq, COUNT(64); SSE_EACH(q, n > 63 ? 0 : a.q[i] << n))
SSE_BOTH(psrlw, COUNT(16); SSE_EACH(w, n > 15 ? 0 : a.w[i] >> n))
SSE_BOTH(psrld, COUNT(32); SSE_EACH(d, n > 31 ? 0 : a.d[i] >> n))
SSE_BOTH(psrlq, COUNT(64); SSE_EACH(q, n > 63 ? 0 : a.q[i] >> n))
SSE_BOTH(psraw, COUNT(15); SSE_EACH(sw, a.sw[i] >> n))
SSE_BOTH(psrad, COUNT(31); SSE_EACH(sd, a.sd[i] >> n))
/* By bytes: immediate only. */
SSE_ONLY(pslldq, unsigned n = imm > 15 ? 16 : imm; SSE_EACH(b, i < n ? 0 : a.b[i - n]))
SSE_ONLY(psrldq, unsigned n = imm > 15 ? 16 : imm; SSE_EACH(b, i + n > 15 ? 0 : a.b[i + n]))

#define BOTH(MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, 0, name##_16, name##_8}
#define ONLY(MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, 0, name##_16, NULL}
#define SHIFT(MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, SSE_SHIFT, name##_16, name##_8}
const struct sse_row sse_int_rows[] = {
	BOTH(PXOR, pxor), BOTH(POR, por), BOTH(PAND, pand), BOTH(PANDN, pandn),
	ONLY(XORPS, pxor), ONLY(XORPD, pxor), ONLY(ORPS, por), ONLY(ORPD, por), ONLY(ANDPS, pand), ONLY(ANDPD, pand),
	ONLY(ANDNPS, pandn), ONLY(ANDNPD, pandn),
	BOTH(PADDB, paddb), BOTH(PADDW, paddw), BOTH(PADDD, paddd), BOTH(PADDQ, paddq),
	BOTH(PSUBB, psubb), BOTH(PSUBW, psubw), BOTH(PSUBD, psubd), BOTH(PSUBQ, psubq),
	BOTH(PADDSB, paddsb), BOTH(PADDSW, paddsw), BOTH(PADDUSB, paddusb), BOTH(PADDUSW, paddusw),
	BOTH(PSUBSB, psubsb), BOTH(PSUBSW, psubsw), BOTH(PSUBUSB, psubusb), BOTH(PSUBUSW, psubusw),
	BOTH(PCMPEQB, pcmpeqb), BOTH(PCMPEQW, pcmpeqw), BOTH(PCMPEQD, pcmpeqd), ONLY(PCMPEQQ, pcmpeqq),
	BOTH(PCMPGTB, pcmpgtb), BOTH(PCMPGTW, pcmpgtw), BOTH(PCMPGTD, pcmpgtd), ONLY(PCMPGTQ, pcmpgtq),
	BOTH(PMINUB, pminub), BOTH(PMAXUB, pmaxub), BOTH(PMINSW, pminsw), BOTH(PMAXSW, pmaxsw),
	ONLY(PMINSB, pminsb), ONLY(PMAXSB, pmaxsb), ONLY(PMINUW, pminuw), ONLY(PMAXUW, pmaxuw),
	ONLY(PMINSD, pminsd), ONLY(PMAXSD, pmaxsd), ONLY(PMINUD, pminud), ONLY(PMAXUD, pmaxud),
	BOTH(PAVGB, pavgb), BOTH(PAVGW, pavgw),
	BOTH(PMULLW, pmullw), BOTH(PMULHW, pmulhw), BOTH(PMULHUW, pmulhuw), BOTH(PMULHRSW, pmulhrsw),
	ONLY(PMULLD, pmulld), BOTH(PMULUDQ, pmuludq), ONLY(PMULDQ, pmuldq),
	BOTH(PMADDWD, pmaddwd), BOTH(PMADDUBSW, pmaddubsw),
	BOTH(PABSB, pabsb), BOTH(PABSW, pabsw), BOTH(PABSD, pabsd),
	BOTH(PSIGNB, psignb), BOTH(PSIGNW, psignw), BOTH(PSIGND, psignd),
	BOTH(PHADDW, phaddw), BOTH(PHADDD, phaddd), BOTH(PHADDSW, phaddsw),
	BOTH(PHSUBW, phsubw), BOTH(PHSUBD, phsubd), BOTH(PHSUBSW, phsubsw),
	BOTH(PSADBW, psadbw), {SSE_NAMES(MPSADBW), 16, 3 << SSE_IMM_SHIFT, mpsadbw_16, NULL},
	ONLY(PHMINPOSUW, phminposuw),
	SHIFT(PSLLW, psllw), SHIFT(PSLLD, pslld), SHIFT(PSLLQ, psllq), SHIFT(PSRLW, psrlw), SHIFT(PSRLD, psrld),
	SHIFT(PSRLQ, psrlq), SHIFT(PSRAW, psraw), SHIFT(PSRAD, psrad),
	{SSE_NAMES(PSLLDQ), 16, SSE_SHIFT, pslldq_16, NULL},
	{SSE_NAMES(PSRLDQ), 16, SSE_SHIFT, psrldq_16, NULL},
	SSE_ROW_END,
};
