/* simd_perm.c - moving elements (Arm ARM C4.1.69: "copy", "extract", "permute", "table lookup") and vectors from
 * immediates ("modified immediate"). */
#include "simd.h"

#define V(n) c->v[n]

/* imm5 names size and element: the lowest bit set is the size, the number is above it. */
static unsigned size5(uint32_t insn)
{
	return (unsigned)__builtin_ctz(A64_BITS(insn, 20, 16) | 32);
}
static unsigned index5(uint32_t insn)
{
	return A64_BITS(insn, 20, 16) >> (size5(insn) + 1);
}
static uint64_t spread(uint64_t v, unsigned size)
{
	static const uint64_t ones[4] = {0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1};
	return (v & a64_element_mask(size)) * ones[size];
}
static inline uint64_t high(op_t op, uint64_t v)
{
	return op->insn >> 30 & 1 ? v : 0;
}

/* ------ DUP, INS, UMOV, SMOV: imm is the element's number ------ */

#define COPIES(B, field)                                                                                               \
	static A64_HANDLER(dup##B)                                                                                     \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		uint64_t v = V(op->rn).field[op->imm] * (UINT64_MAX / (uint##B##_t) - 1);                              \
		V(op->rd) = (union a64_vec){.d = {v, high(op, v)}};                                                    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(dup_x##B)                                                                                   \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		uint64_t v = (uint##B##_t)c->x[op->rn] * (UINT64_MAX / (uint##B##_t) - 1);                             \
		V(op->rd) = (union a64_vec){.d = {v, high(op, v)}};                                                    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(dup_scalar##B)                                                                              \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		V(op->rd) = (union a64_vec){.d = {V(op->rn).field[op->imm]}};                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(ins_x##B)                                                                                   \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		V(op->rd).field[op->imm] = (uint##B##_t)c->x[op->rn];                                                  \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(ins##B)                                                                                     \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		V(op->rd).field[op->imm] = V(op->rn).field[op->ra];                                                    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(umov##B)                                                                                    \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		c->x[op->rd] = V(op->rn).field[op->imm];                                                               \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(smov##B)                                                                                    \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		uint64_t v = (uint64_t)(int##B##_t)V(op->rn).field[op->imm];                                           \
		c->x[op->rd] = op->insn >> 30 & 1 ? v : (uint32_t)v;                                                   \
		return A64_NEXT(op);                                                                                   \
	}
COPIES(8, b)
COPIES(16, h)
COPIES(32, s)
COPIES(64, d)
#define PREP_COPY(name)                                                                                                \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4] = {name##8, name##16, name##32, name##64};                                    \
		op->fn = f[size5(op->insn)];                                                                           \
		op->imm = index5(op->insn);                                                                            \
	}
PREP_COPY(dup)
PREP_COPY(dup_x)
PREP_COPY(dup_scalar)
PREP_COPY(ins_x)
static void prep_ins(struct a64_op *op)
{
	static const a64_fn f[4] = {ins8, ins16, ins32, ins64};
	op->fn = f[size5(op->insn)];
	op->imm = index5(op->insn);
	op->ra = (uint8_t)(A64_BITS(op->insn, 14, 11) >> size5(op->insn));
}
static void prep_umov(struct a64_op *op)
{
	static const a64_fn f[4] = {umov8, umov16, umov32, umov64};
	op->fn = f[size5(op->insn)];
	op->imm = index5(op->insn);
	if (op->rd == 31)
		op->rd = A64_R_SINK;
}
static void prep_smov(struct a64_op *op)
{
	static const a64_fn f[4] = {smov8, smov16, smov32, smov64};
	op->fn = f[size5(op->insn)];
	op->imm = index5(op->insn);
	if (op->rd == 31)
		op->rd = A64_R_SINK;
}
static bool copy_ok(uint32_t insn)
{
	return size5(insn) < 4;
}
static bool dup_ok(uint32_t insn)
{
	return size5(insn) < 3 || (size5(insn) == 3 && insn >> 30 & 1);
}
static bool umov_ok(uint32_t insn)
{
	return insn >> 30 & 1 ? size5(insn) == 3 : size5(insn) < 3;
}
static bool smov_ok(uint32_t insn)
{
	return size5(insn) < 2 + (insn >> 30 & 1);
}

/* FMOV between general registers and vectors moves bits only: of H, S, D and D[1]. */
static A64_HANDLER(fmov_from_w)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {(uint32_t)c->x[op->rn]}};
	return A64_NEXT(op);
}
static A64_HANDLER(fmov_from_x)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {c->x[op->rn]}};
	return A64_NEXT(op);
}
static A64_HANDLER(fmov_from_h)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {(uint16_t)c->x[op->rn]}};
	return A64_NEXT(op);
}
static A64_HANDLER(fmov_to_h)
{
	a64_fp_check(c, op);
	c->x[op->rd] = V(op->rn).h[0];
	return A64_NEXT(op);
}
static void prep_fmov_half(struct a64_op *op)
{
	const bool from = op->insn >> 16 & 1;
	op->fn = from ? fmov_from_h : fmov_to_h;
	if (!from && op->rd == 31)
		op->rd = A64_R_SINK;
}
static void prep_fmov(struct a64_op *op)
{
	bool x = op->insn >> 31, from = op->insn >> 16 & 1;
	op->imm = op->insn >> 19 & 1;
	op->fn = from ? (op->imm ? ins_x64 : x ? fmov_from_x : fmov_from_w) : x ? umov64 : umov32;
	if (!from && op->rd == 31)
		op->rd = A64_R_SINK;
}

/* ------ EXT ------ */

static A64_HANDLER(ext_q)
{
	uint8_t both[32];
	a64_fp_check(c, op);
	memcpy(both, &V(op->rn), 16);
	memcpy(both + 16, &V(op->rm), 16);
	memcpy(&V(op->rd), both + op->imm, 16);
	return A64_NEXT(op);
}
static A64_HANDLER(ext_d)
{
	uint8_t both[16];
	union a64_vec r = {.d = {0}};
	a64_fp_check(c, op);
	memcpy(both, &V(op->rn), 8);
	memcpy(both + 8, &V(op->rm), 8);
	memcpy(&r, both + op->imm, 8);
	V(op->rd) = r;
	return A64_NEXT(op);
}
static void prep_ext(struct a64_op *op)
{
	op->imm = A64_BITS(op->insn, 14, 11);
	op->fn = op->insn >> 30 & 1 ? ext_q : ext_d;
}
static bool ext_ok(uint32_t insn)
{
	return insn >> 30 & 1 || !(insn >> 14 & 1);
}

/* ------ UZP, TRN, ZIP: F_name(N, i) is the number of element i of N among those of Rn and Rm ------ */

#define F_uzp1(N, i) (2 * (i))
#define F_uzp2(N, i) (2 * (i) + 1)
#define F_trn1(N, i) ((i & ~1u) + (i & 1) * N)
#define F_trn2(N, i) ((i & ~1u) + (i & 1) * N + 1)
#define F_zip1(N, i) ((i >> 1) + (i & 1) * N)
#define F_zip2(N, i) (N / 2 + (i >> 1) + (i & 1) * N)
#define PERMUTE_SIZE(name, B, suffix, BYTES)                                                                           \
	static A64_HANDLER(name##B##suffix)                                                                            \
	{                                                                                                              \
		enum { N = BYTES * 8 / B };                                                                            \
		uint##B##_t from[2 * N], to[128 / B] = {0};                                                            \
		a64_fp_check(c, op);                                                                                   \
		memcpy(from, &V(op->rn), BYTES);                                                                       \
		memcpy(from + N, &V(op->rm), BYTES);                                                                   \
		for (unsigned i = 0; i < N; i++)                                                                       \
			to[i] = from[F_##name(N, i)];                                                                  \
		memcpy(&V(op->rd), to, 16);                                                                            \
		return A64_NEXT(op);                                                                                   \
	}
#define PERMUTE(name, B, sg) PERMUTE_SIZE(name, B, _q, 16) PERMUTE_SIZE(name, B, _m, 8)
#define PERMUTATIONS(X)                                                                                                \
	X(uzp1, 0x0e001800)                                                                                            \
	X(trn1, 0x0e002800) X(zip1, 0x0e003800) X(uzp2, 0x0e005800) X(trn2, 0x0e006800) X(zip2, 0x0e007800)
#define DEFINE_PERMUTE(name, value) A64_DEF_any(PERMUTE, name, u)
PERMUTATIONS(DEFINE_PERMUTE)

/* ------ TBL, TBX ------ */

static A64_HANDLER(table_lookup)
{
	uint8_t table[64];
	unsigned n = A64_BITS(op->insn, 14, 13) + 1, bytes = op->insn >> 30 & 1 ? 16 : 8;
	bool keep = op->insn >> 12 & 1;
	union a64_vec r = {.d = {0}}, by = V(op->rm), old = V(op->rd);
	a64_fp_check(c, op);
	for (unsigned k = 0; k < n; k++)
		memcpy(table + 16 * k, &V((op->rn + k) & 31), 16);
	for (unsigned i = 0; i < bytes; i++)
		r.b[i] = by.b[i] < 16 * n ? table[by.b[i]] : keep ? old.b[i] : 0;
	V(op->rd) = r;
	return A64_NEXT(op);
}

/* ------ immediates ------ */

static A64_HANDLER(movi_q)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {op->imm, op->imm}};
	return A64_NEXT(op);
}
static A64_HANDLER(movi_d)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {op->imm}};
	return A64_NEXT(op);
}
static A64_HANDLER(orr_imm)
{
	union a64_vec v = V(op->rd);
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {v.d[0] | op->imm, high(op, v.d[1] | op->imm)}};
	return A64_NEXT(op);
}
static A64_HANDLER(bic_imm)
{
	union a64_vec v = V(op->rd);
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {v.d[0] & ~op->imm, high(op, v.d[1] & ~op->imm)}};
	return A64_NEXT(op);
}
/* AdvSIMDExpandImm without its floating point, Arm ARM J1.3 */
static uint64_t expand(uint32_t insn)
{
	uint64_t v = A64_BITS(insn, 18, 16) << 5 | A64_BITS(insn, 9, 5), r = 0;
	unsigned cmode = A64_BITS(insn, 15, 12);
	if (cmode < 8)
		return spread(v << 8 * (cmode >> 1), 2);
	if (cmode < 12)
		return spread(v << 8 * (cmode >> 1 & 1), 1);
	if (cmode < 14)
		return spread(cmode & 1 ? v << 16 | 0xffff : v << 8 | 0xff, 2);
	if (!(insn >> 29 & 1))
		return spread(v, 0);
	for (unsigned i = 0; i < 8; i++)
		r |= v >> i & 1 ? UINT64_C(0xff) << 8 * i : 0;
	return r;
}
static bool immediate_ok(uint32_t insn)
{
	return A64_BITS(insn, 15, 12) != 15; /* FMOV */
}
static void prep_immediate(struct a64_op *op)
{
	unsigned cmode = A64_BITS(op->insn, 15, 12);
	bool invert = op->insn >> 29 & 1;
	op->imm = expand(op->insn);
	if (cmode < 12 && cmode & 1) {
		op->fn = invert ? bic_imm : orr_imm;
		return;
	}
	if (invert && cmode < 14)
		op->imm = ~op->imm;
	op->fn = op->insn >> 30 & 1 ? movi_q : movi_d;
}

#define ROW(mask, value, name, operands, ok, prep)                                                                     \
	{                                                                                                              \
		mask, value, name, NULL, operands, A64_ALWAYS, false, ok, prep                                         \
	}
#define PERMUTE_ROW(name, value) A64_SIMD_ROW(0xbf20fc00, value, name, A64_ALWAYS, ok_any),
static const struct a64_row rows[] = {
	ROW(0xbfe0fc00, 0x0e000400, "dup", A64_OPS_RAW, dup_ok, prep_dup),
	ROW(0xffe0fc00, 0x5e000400, "dup", A64_OPS_RAW, copy_ok, prep_dup_scalar),
	ROW(0xbfe0fc00, 0x0e000c00, "dup", A64_OPS_RAW, dup_ok, prep_dup_x),
	ROW(0xbfe0fc00, 0x0e002c00, "smov", A64_OPS_RAW, smov_ok, prep_smov),
	ROW(0xbfe0fc00, 0x0e003c00, "umov", A64_OPS_RAW, umov_ok, prep_umov),
	ROW(0xffe0fc00, 0x4e001c00, "ins", A64_OPS_RAW, copy_ok, prep_ins_x),
	ROW(0xffe08400, 0x6e000400, "ins", A64_OPS_RAW, copy_ok, prep_ins),
	ROW(0xfffefc00, 0x1e260000, "fmov", A64_OPS_RAW, NULL, prep_fmov),
	ROW(0xfffefc00, 0x9e660000, "fmov", A64_OPS_RAW, NULL, prep_fmov),
	ROW(0xfffefc00, 0x9eae0000, "fmov", A64_OPS_RAW, NULL, prep_fmov),
	{0x7ffefc00, 0x1ee60000, "fmov", NULL, A64_OPS_RAW, A64_F_FP16, false, NULL, prep_fmov_half},
	ROW(0xbfe08400, 0x2e000000, "ext", A64_OPS_RAW, ext_ok, prep_ext),
	PERMUTATIONS(PERMUTE_ROW){0xbfe09c00, 0x0e000000, "tbl", table_lookup, A64_OPS_RAW, A64_ALWAYS, false, NULL,
				  NULL},
	{0xbfe09c00, 0x0e001000, "tbx", table_lookup, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	ROW(0x9ff80c00, 0x0f000400, "simd_immediate", A64_OPS_RAW, immediate_ok, prep_immediate),
};
A64_TABLE(a64_rows_simd_perm);
