/* int.h - what the files of integer instructions share: flags, conditions, bits. */
#ifndef CPU_ARM64_INT_H
#define CPU_ARM64_INT_H

#include "engine.h"

#define A64_TABLE(name) const struct a64_rows name = {rows, sizeof rows / sizeof *rows}

/* N and Z of a result; a 32-bit one is shifted up for N. */
static inline void a64_nz(struct a64_cpu *c, uint64_t v, bool sf)
{
	c->nf = sf ? v : v << 32;
	c->zf = sf ? v : (uint32_t)v;
}
/* AddWithCarry, Arm ARM J1.3: a + b + carry with all flags. */
static inline uint64_t a64_adds64(struct a64_cpu *c, uint64_t a, uint64_t b, unsigned carry)
{
	uint64_t r = a + b + carry;
	c->cf = carry ? r <= a : r < a;
	c->vf = ((a ^ r) & (b ^ r)) >> 63;
	c->nf = c->zf = r;
	return r;
}
static inline uint64_t a64_adds32(struct a64_cpu *c, uint32_t a, uint32_t b, unsigned carry)
{
	uint64_t wide = (uint64_t)a + b + carry;
	uint32_t r = (uint32_t)wide;
	c->cf = wide >> 32;
	c->vf = ((a ^ r) & (b ^ r)) >> 31;
	c->nf = wide << 32;
	c->zf = r;
	return r;
}
static inline unsigned a64_nzcv(const struct a64_cpu *c)
{
	return (unsigned)(c->nf >> 63 << 3 | (uint64_t)(c->zf == 0) << 2 | c->cf << 1 | c->vf);
}
static inline void a64_set_nzcv(struct a64_cpu *c, unsigned v)
{
	c->nf = (uint64_t)(v >> 3) << 63;
	c->zf = !(v >> 2 & 1);
	c->cf = v >> 1 & 1;
	c->vf = v & 1;
}
/* ConditionHolds, J1.3 */
static inline bool a64_cond(const struct a64_cpu *c, unsigned cond)
{
	bool r;
	switch (cond >> 1) {
	case 0: r = c->zf == 0; break;
	case 1: r = c->cf; break;
	case 2: r = c->nf >> 63; break;
	case 3: r = c->vf; break;
	case 4: r = c->cf && c->zf != 0; break;
	case 5: r = (c->nf >> 63) == c->vf; break;
	case 6: r = (c->nf >> 63) == c->vf && c->zf != 0; break;
	default: return true;
	}
	return r != (cond & 1);
}

static inline uint64_t a64_ror(uint64_t v, unsigned n, unsigned width)
{
	uint64_t mask = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
	v &= mask;
	n %= width;
	return n ? (v >> n | v << (width - n)) & mask : v;
}
/* An index register, extended and shifted: ExtendReg, J1.3. option: 0..3 UXTB.. UXTX, 4..7 SXTB.. SXTX */
static inline uint64_t a64_extend(uint64_t v, unsigned option, unsigned shift)
{
	switch (option) {
	case 0: v = (uint8_t)v; break;
	case 1: v = (uint16_t)v; break;
	case 2: v = (uint32_t)v; break;
	case 4: v = (uint64_t)(int8_t)v; break;
	case 5: v = (uint64_t)(int16_t)v; break;
	case 6: v = (uint64_t)(int32_t)v; break;
	default: break;
	}
	return v << shift;
}
/* DecodeBitMasks, J1.3: the immediate of logical instructions; false: reserved. */
bool a64_bitmask(unsigned n, unsigned imms, unsigned immr, bool sf, uint64_t *mask);

#endif
