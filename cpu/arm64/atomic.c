/* atomic.c - exclusive, ordered and atomic loads and stores (Arm ARM C4.1.68, B2.9, B2.3.7).
 *
 * The exclusive monitor is the address and the value that was loaded: a store-exclusive exchanges the memory if it still
 * holds that value. What a value cannot show (it was changed and changed back) is allowed to succeed here; programs that
 * count on the monitor for it are wrong on other implementations with LSE as well, and no compiler or kernel does. */
#include "int.h"
#include "sys.h"

#define X(n) c->x[n]

static inline uint64_t address(struct a64_cpu *c, op_t op)
{
	if (unlikely(op->rn == A64_R_SP))
		a64_sp_check(c, op);
	return X(op->rn);
}
static inline unsigned size_of(op_t op)
{
	return 1u << (op->insn >> 30);
}

/* Ordered accesses are aligned; with what the TLB knows it is the plain access, then a fence for what x86 hosts do not do
 * by themselves: a store-release is not passed by a later load-acquire (B2.3.7). */
static uint64_t load(struct a64_cpu *c, op_t op, uint64_t gva, unsigned size)
{
	uint64_t v = 0;
	const uint8_t *p = gva & (size - 1) ? NULL : a64_tlb_hit(c->tlb->r, gva, size);
	if (likely(p != NULL))
		v = host_get(p, size);
	else
		a64_load_slow(c, op, gva, size, A64_ACC_ALIGNED, &v);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return v;
}
static void store(struct a64_cpu *c, op_t op, uint64_t gva, unsigned size, uint64_t v)
{
	uint8_t *p = gva & (size - 1) ? NULL : a64_tlb_hit(c->tlb->w, gva, size);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (likely(p != NULL))
		host_put(p, size, v);
	else
		a64_store_slow(c, op, gva, size, A64_ACC_WRITE | A64_ACC_ALIGNED, &v);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static A64_HANDLER(ldar)
{
	uint64_t v = load(c, op, address(c, op), size_of(op));
	X(op->rd) = v;
	return A64_NEXT(op);
}
static A64_HANDLER(stlr)
{
	store(c, op, address(c, op), size_of(op), X(op->insn & 31));
	return A64_NEXT(op);
}
/* LDAPUR and STLUR, FEAT_LRCPC2, are not offered. */

static A64_HANDLER(ldxr)
{
	uint64_t at = address(c, op), v = load(c, op, at, size_of(op));
	c->excl_addr = at;
	c->excl_size = (uint8_t)size_of(op);
	c->excl_value[0] = v;
	X(op->rd) = v;
	return A64_NEXT(op);
}
static A64_HANDLER(ldxp)
{
	unsigned half = op->insn >> 30 & 1 ? 8 : 4;
	uint64_t at = address(c, op), v[2] = {0, 0};
	if (unlikely(at & (2 * half - 1)))
		a64_load_slow(c, op, at, 2 * half, A64_ACC_ALIGNED, v);
	if (half == 8) {
		a64_ld(c, op, at, v, 16);
	} else {
		v[0] = a64_ld64(c, op, at);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	c->excl_addr = at;
	c->excl_size = (uint8_t)(2 * half);
	c->excl_value[0] = v[0];
	c->excl_value[1] = v[1];
	X(op->rd) = half == 8 ? v[0] : (uint32_t)v[0];
	X(op->ra) = half == 8 ? v[1] : v[0] >> 32;
	return A64_NEXT(op);
}

/* A device has no monitor: the store is made and succeeds. */
static bool exchange(struct a64_cpu *c, op_t op, uint64_t at, unsigned size, const uint64_t v[2])
{
	uint8_t *p = a64_atomic_ptr(c, op, at, size, A64_ACC_WRITE | A64_ACC_ATOMIC);
	uint64_t old[2] = {c->excl_value[0], c->excl_value[1]};
	if (unlikely(!p)) {
		a64_st(c, op, at, v, size);
		return true;
	}
	return size == 16 ? host_cas16(p, old, v) : host_cas(p, size, old, v[0]);
}
static A64_HANDLER(stxr)
{
	unsigned size = size_of(op), pair = op->insn >> 21 & 1;
	uint64_t at = address(c, op), v[2] = {X(op->insn & 31), X(op->insn >> 10 & 31)};
	if (pair) {
		size = op->insn >> 30 & 1 ? 16 : 8;
		if (size == 8)
			v[0] = (uint32_t)v[0] | v[1] << 32;
	}
	bool ok = c->excl_addr == at && c->excl_size == size && exchange(c, op, at, size, v);
	c->excl_addr = UINT64_MAX;
	X(op->rm) = !ok;
	return A64_NEXT(op);
}

/* ------ LSE: read, compute, write ------ */

enum { ADD, CLR, EOR, SET, SMAX, SMIN, UMAX, UMIN, SWP };

static uint64_t compute(unsigned what, uint64_t old, uint64_t v, unsigned size)
{
	unsigned bits = 8 * size;
	int64_t so = a64_sext(old, bits), sv = a64_sext(v, bits);
	uint64_t mask = UINT64_MAX >> (64 - bits);
	v &= mask;
	switch (what) {
	case ADD: return old + v;
	case CLR: return old & ~v;
	case EOR: return old ^ v;
	case SET: return old | v;
	case SMAX: return so > sv ? old : v;
	case SMIN: return so < sv ? old : v;
	case UMAX: return old > v ? old : v;
	case UMIN: return old < v ? old : v;
	default: return v;
	}
}
static A64_HANDLER(rmw)
{
	unsigned size = size_of(op), what = op->insn >> 15 & 1 ? SWP : op->insn >> 12 & 7;
	uint64_t at = address(c, op), v = X(op->rm), old = 0;
	uint8_t *p = a64_atomic_ptr(c, op, at, size, A64_ACC_WRITE | A64_ACC_ATOMIC);
	if (likely(p != NULL)) {
		old = host_get(p, size);
		while (!host_cas(p, size, &old, compute(what, old, v, size)))
			;
	} else {
		a64_ld(c, op, at, &old, size);
		uint64_t new = compute(what, old, v, size);
		a64_st(c, op, at, &new, size);
	}
	X(op->rd) = old;
	return A64_NEXT(op);
}
static A64_HANDLER(cas)
{
	unsigned size = size_of(op), bits = 8 * size;
	uint64_t at = address(c, op), mask = UINT64_MAX >> (64 - bits), want = X(op->rm) & mask, new = X(op->insn & 31) & mask;
	uint64_t old = want;
	uint8_t *p = a64_atomic_ptr(c, op, at, size, A64_ACC_WRITE | A64_ACC_ATOMIC);
	if (likely(p != NULL)) {
		host_cas(p, size, &old, new);
	} else {
		old = 0;
		a64_ld(c, op, at, &old, size);
		if (old == want)
			a64_st(c, op, at, &new, size);
	}
	X(op->rm == 31 ? A64_R_SINK : op->rm) = old;
	return A64_NEXT(op);
}
/* CASP: Rs, Rs+1 compared, Rt, Rt+1 written */
static A64_HANDLER(casp)
{
	unsigned size = op->insn >> 30 & 1 ? 16 : 8, rs = op->rm, rt = op->insn & 31;
	uint64_t at = address(c, op), old[2] = {X(rs), X(rs + 1)}, new[2] = {X(rt), rt == 30 ? 0 : X(rt + 1)};
	if (rs == 30)
		old[1] = 0;
	if (size == 8) {
		old[0] = (uint32_t)old[0] | old[1] << 32;
		new[0] = (uint32_t)new[0] | new[1] << 32;
	}
	uint64_t want[2] = {old[0], old[1]};
	uint8_t *p = a64_atomic_ptr(c, op, at, size, A64_ACC_WRITE | A64_ACC_ATOMIC);
	if (unlikely(!p)) {
		a64_ld(c, op, at, old, size);
		if (!memcmp(old, want, size))
			a64_st(c, op, at, new, size);
	} else if (size == 16) {
		host_cas16(p, old, new);
	} else {
		host_cas(p, 8, old, new[0]);
	}
	X(rs) = size == 16 ? old[0] : (uint32_t)old[0];
	X(rs == 30 ? A64_R_SINK : rs + 1) = size == 16 ? old[1] : old[0] >> 32;
	return A64_NEXT(op);
}
static bool even_pairs(uint32_t insn)
{
	return !(insn & 0x10001);
}
/* Rt 31 as a destination */
static void prep_load(struct a64_op *op)
{
	op->imm = 0;
	if (op->rd == 31)
		op->rd = A64_R_SINK;
	if (op->ra == 31)
		op->ra = A64_R_SINK;
}
static void prep_status(struct a64_op *op)
{
	op->imm = 0;
	if (op->rm == 31)
		op->rm = A64_R_SINK;
}

static const struct a64_row rows[] = {
	/* bit 15: with acquire or release; both are always so here */
	{0x3fe00000, 0x08400000, "ldxr", ldxr, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_load},
	{0x3fe00000, 0x08000000, "stxr", stxr, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_status},
	{0xbfe00000, 0x88600000, "ldxp", ldxp, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_load},
	{0xbfe00000, 0x88200000, "stxp", stxr, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_status},
	{0x3fe08000, 0x08c08000, "ldar", ldar, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_load},
	{0x3fe08000, 0x08808000, "stlr", stlr, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, NULL},
	{0x3fa07c00, 0x08a07c00, "cas", cas, A64_OPS_RN_SP, A64_F_LSE, false, NULL, NULL},
	{0xbfa07c00, 0x08207c00, "casp", casp, A64_OPS_RN_SP, A64_F_LSE, false, even_pairs, NULL},
	{0x3f208c00, 0x38200000, "ldop", rmw, A64_OPS_RN_SP, A64_F_LSE, false, NULL, prep_load},
	{0x3f20fc00, 0x38208000, "swp", rmw, A64_OPS_RN_SP, A64_F_LSE, false, NULL, prep_load},
	{0x3ffffc00, 0x38bfc000, "ldapr", ldar, A64_OPS_RN_SP, A64_F_LRCPC, false, NULL, prep_load},
};
A64_TABLE(a64_rows_atomic);
