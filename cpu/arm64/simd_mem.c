/* simd_mem.c - loads and stores of vector registers: single ones, pairs, structures (Arm ARM C4.1.68). What an
 * instruction reads arrives whole before a register changes; mmu.c knows the elements that are single accesses. */
#include "int.h"
#include "sys.h"

#define X(n) c->x[n]
#define V(n) c->v[n]

static inline uint64_t base(struct a64_cpu *c, op_t op)
{
	a64_fp_check(c, op);
	if (unlikely(op->rn == A64_R_SP))
		a64_sp_check(c, op);
	return X(op->rn);
}
static inline uint64_t indexed(const struct a64_cpu *c, op_t op)
{
	return a64_extend(X(op->rm), op->insn >> 13 & 7, (unsigned)op->imm);
}

/* ------ one register ------ */

#define SIZES(S) S(8) S(16) S(32) S(64)
#define MOVE(bits)                                                                                                     \
	static inline void load##bits(struct a64_cpu *c, op_t op, uint64_t at)                                         \
	{                                                                                                              \
		uint64_t v = a64_ld##bits(c, op, at);                                                                  \
		V(op->rd).d[0] = v;                                                                                    \
		V(op->rd).d[1] = 0;                                                                                    \
	}                                                                                                              \
	static inline void store##bits(struct a64_cpu *c, op_t op, uint64_t at)                                        \
	{                                                                                                              \
		a64_st##bits(c, op, at, (uint##bits##_t)V(op->rd).d[0]);                                               \
	}
SIZES(MOVE)
/* Slow ways are functions of their own: handlers without locals in memory jump to the next one. */
static __attribute__((noinline)) void load_slow(struct a64_cpu *c, op_t op, uint64_t at)
{
	union a64_vec v;
	a64_load_slow(c, op, at, 16, 0, &v);
	V(op->rd) = v;
}
static inline void load128(struct a64_cpu *c, op_t op, uint64_t at)
{
	const uint8_t *p = a64_tlb_hit(c->tlb->r, at, 16);
	if (likely(p != NULL))
		host_read(&V(op->rd), p, 16);
	else
		load_slow(c, op, at);
}
static inline void store128(struct a64_cpu *c, op_t op, uint64_t at)
{
	a64_st(c, op, at, &V(op->rd), 16);
}

#define FORMS3(way)                                                                                                    \
	static A64_HANDLER(way##_off)                                                                                  \
	{                                                                                                              \
		way(c, op, base(c, op) + op->imm);                                                                     \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(way##_pre)                                                                                  \
	{                                                                                                              \
		uint64_t at = base(c, op) + op->imm;                                                                   \
		way(c, op, at);                                                                                        \
		X(op->rn) = at;                                                                                        \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(way##_post)                                                                                 \
	{                                                                                                              \
		uint64_t at = base(c, op);                                                                             \
		way(c, op, at);                                                                                        \
		X(op->rn) = at + op->imm;                                                                              \
		return A64_NEXT(op);                                                                                   \
	}
#define FORMS(way)                                                                                                     \
	FORMS3(way)                                                                                                    \
	static A64_HANDLER(way##_reg)                                                                                  \
	{                                                                                                              \
		way(c, op, base(c, op) + indexed(c, op));                                                              \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(way##_lsl)                                                                                  \
	{                                                                                                              \
		way(c, op, base(c, op) + (X(op->rm) << op->imm));                                                      \
		return A64_NEXT(op);                                                                                   \
	}
#define BOTH(bits) FORMS(load##bits) FORMS(store##bits)
SIZES(BOTH)
BOTH(128)

enum form { OFF, REG, LSL, PRE, POST, N_FORMS };
#define FNS(way)                                                                                                       \
	{                                                                                                              \
		way##_off, way##_reg, way##_lsl, way##_pre, way##_post                                                 \
	}
#define BOTH_FNS(bits) {FNS(store##bits), FNS(load##bits)},
static const a64_fn fns[5][2][N_FORMS] = {SIZES(BOTH_FNS) BOTH_FNS(128)};

/* opc<1> is 128 bits, whose size is 0. */
static unsigned log_size(uint32_t insn)
{
	return insn >> 23 & 1 ? 4 : insn >> 30;
}
static bool size_ok(uint32_t insn)
{
	return !(insn >> 23 & 1 && insn >> 30);
}
static void choose(struct a64_op *op, enum form form)
{
	op->fn = fns[log_size(op->insn)][op->insn >> 22 & 1][form];
}
static void prep_unsigned(struct a64_op *op)
{
	op->imm = (uint64_t)A64_BITS(op->insn, 21, 10) << log_size(op->insn);
	choose(op, OFF);
}
static void prep_imm9(struct a64_op *op)
{
	static const uint8_t forms[4] = {OFF, POST, OFF, PRE};
	op->imm = (uint64_t)a64_sext(A64_BITS(op->insn, 20, 12), 9);
	choose(op, forms[op->insn >> 10 & 3]);
}
static bool reg_ok(uint32_t insn)
{
	return size_ok(insn) && insn >> 14 & 1;
}
static void prep_reg(struct a64_op *op)
{
	op->imm = op->insn >> 12 & 1 ? log_size(op->insn) : 0;
	choose(op, (op->insn >> 13 & 7) == 3 ? LSL : REG);
}

#define LITERAL(bits)                                                                                                  \
	static A64_HANDLER(literal##bits)                                                                              \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		load##bits(c, op, c->code_page + op->imm);                                                             \
		return A64_NEXT(op);                                                                                   \
	}
LITERAL(32)
LITERAL(64)
LITERAL(128)
static void prep_lit(struct a64_op *op)
{
	static const a64_fn fn[3] = {literal32, literal64, literal128};
	op->imm += (uint64_t)a64_sext(A64_BITS(op->insn, 23, 5), 19) * 4;
	op->fn = fn[op->insn >> 30];
}
static bool three_sizes(uint32_t insn)
{
	return insn >> 30 != 3;
}

/* ------ pairs ------ */

#define PAIR(bits, BYTES)                                                                                              \
	static __attribute__((noinline)) void pair_load_slow##bits(struct a64_cpu *c, op_t op, uint64_t at)            \
	{                                                                                                              \
		union a64_vec v[2] = {{.d = {0}}};                                                                     \
		uint8_t m[2 * BYTES];                                                                                  \
		a64_load_slow(c, op, at, 2 * BYTES, 0, m);                                                             \
		memcpy(&v[0], m, BYTES);                                                                               \
		memcpy(&v[1], m + BYTES, BYTES);                                                                       \
		V(op->rd) = v[0];                                                                                      \
		V(op->ra) = v[1];                                                                                      \
	}                                                                                                              \
	static __attribute__((noinline)) void pair_store_slow##bits(struct a64_cpu *c, op_t op, uint64_t at)           \
	{                                                                                                              \
		uint8_t m[2 * BYTES];                                                                                  \
		memcpy(m, &V(op->rd), BYTES);                                                                          \
		memcpy(m + BYTES, &V(op->ra), BYTES);                                                                  \
		a64_store_slow(c, op, at, 2 * BYTES, A64_ACC_WRITE, m);                                                \
	}                                                                                                              \
	static inline void pair_load##bits(struct a64_cpu *c, op_t op, uint64_t at)                                    \
	{                                                                                                              \
		const uint8_t *p = a64_tlb_hit(c->tlb->r, at, 2 * BYTES);                                              \
		if (unlikely(!p)) {                                                                                    \
			pair_load_slow##bits(c, op, at);                                                               \
			return;                                                                                        \
		}                                                                                                      \
		host_read(&V(op->rd), p, BYTES);                                                                       \
		host_read(&V(op->ra), p + BYTES, BYTES);                                                               \
		zero_above##bits(&V(op->rd));                                                                          \
		zero_above##bits(&V(op->ra));                                                                          \
	}                                                                                                              \
	static inline void pair_store##bits(struct a64_cpu *c, op_t op, uint64_t at)                                   \
	{                                                                                                              \
		uint8_t *p = a64_tlb_hit(c->tlb->w, at, 2 * BYTES);                                                    \
		if (unlikely(!p)) {                                                                                    \
			pair_store_slow##bits(c, op, at);                                                              \
			return;                                                                                        \
		}                                                                                                      \
		host_write(p, &V(op->rd), BYTES);                                                                      \
		host_write(p + BYTES, &V(op->ra), BYTES);                                                              \
	}                                                                                                              \
	FORMS3(pair_load##bits)                                                                                        \
	FORMS3(pair_store##bits)
static inline void zero_above32(union a64_vec *v)
{
	v->s[1] = 0;
	v->d[1] = 0;
}
static inline void zero_above64(union a64_vec *v)
{
	v->d[1] = 0;
}
static inline void zero_above128(union a64_vec *v)
{
	(void)v;
}
PAIR(32, 4)
PAIR(64, 8)
PAIR(128, 16)
/* index 1 post, 2 offset (and 0: non-temporal), 3 pre */
static void prep_pair(struct a64_op *op)
{
#define PAIR_FNS(way)                                                                                                  \
	{                                                                                                              \
		way##_off, way##_post, way##_off, way##_pre                                                            \
	}
	static const a64_fn fn[3][2][4] = {{PAIR_FNS(pair_store32), PAIR_FNS(pair_load32)},
					   {PAIR_FNS(pair_store64), PAIR_FNS(pair_load64)},
					   {PAIR_FNS(pair_store128), PAIR_FNS(pair_load128)}};
	unsigned opc = op->insn >> 30;
	op->imm = (uint64_t)a64_sext(A64_BITS(op->insn, 21, 15), 7) << (2 + opc);
	op->fn = fn[opc][op->insn >> 22 & 1][op->insn >> 23 & 3];
}

/* ------ structures ------ */

static inline unsigned vector_bytes(op_t op)
{
	return op->insn >> 30 & 1 ? 16 : 8;
}
static inline void step(struct a64_cpu *c, op_t op, uint64_t at, unsigned bytes)
{
	if (op->insn >> 23 & 1)
		X(op->rn) = at + (op->rm == 31 ? bytes : X(op->rm));
}
#define REGISTER(k) V((op->rd + (k)) & 31)
#define DO(name)                                                                                                       \
	static A64_HANDLER(name)                                                                                       \
	{                                                                                                              \
		name##_do(c, op);                                                                                      \
		return A64_NEXT(op);                                                                                   \
	}

/* LD1, ST1 of n registers, one after the other */
#define PLAIN(n)                                                                                                       \
	static inline void ld1_16x##n##_do(struct a64_cpu *c, op_t op)                                                 \
	{                                                                                                              \
		union a64_vec v[n];                                                                                    \
		uint64_t at = base(c, op);                                                                             \
		a64_ld(c, op, at, v, 16 * n);                                                                          \
		step(c, op, at, 16 * n);                                                                               \
		for (unsigned k = 0; k < n; k++)                                                                       \
			REGISTER(k) = v[k];                                                                            \
	}                                                                                                              \
	DO(ld1_16x##n)                                                                                                 \
	static inline void ld1_8x##n##_do(struct a64_cpu *c, op_t op)                                                  \
	{                                                                                                              \
		uint64_t v[n], at = base(c, op);                                                                       \
		a64_ld(c, op, at, v, 8 * n);                                                                           \
		step(c, op, at, 8 * n);                                                                                \
		for (unsigned k = 0; k < n; k++)                                                                       \
			REGISTER(k) = (union a64_vec){.d = {v[k]}};                                                    \
	}                                                                                                              \
	DO(ld1_8x##n)                                                                                                  \
	static inline void st1_16x##n##_do(struct a64_cpu *c, op_t op)                                                 \
	{                                                                                                              \
		union a64_vec v[n];                                                                                    \
		uint64_t at = base(c, op);                                                                             \
		for (unsigned k = 0; k < n; k++)                                                                       \
			v[k] = REGISTER(k);                                                                            \
		a64_st(c, op, at, v, 16 * n);                                                                          \
		step(c, op, at, 16 * n);                                                                               \
	}                                                                                                              \
	DO(st1_16x##n)                                                                                                 \
	static inline void st1_8x##n##_do(struct a64_cpu *c, op_t op)                                                  \
	{                                                                                                              \
		uint64_t v[n], at = base(c, op);                                                                       \
		for (unsigned k = 0; k < n; k++)                                                                       \
			v[k] = REGISTER(k).d[0];                                                                       \
		a64_st(c, op, at, v, 8 * n);                                                                           \
		step(c, op, at, 8 * n);                                                                                \
	}                                                                                                              \
	DO(st1_8x##n)
PLAIN(1)
PLAIN(2)
PLAIN(3)
PLAIN(4)

/* LD2 to LD4, ST2 to ST4: register k has the elements k, n + k, 2n + k... of memory */
#define INTERLEAVED(n, bits, field)                                                                                    \
	static inline void ld##n##_##bits##_do(struct a64_cpu *c, op_t op)                                             \
	{                                                                                                              \
		uint##bits##_t m[n * 128 / bits];                                                                      \
		union a64_vec v[n] = {{.d = {0}}};                                                                     \
		unsigned bytes = vector_bytes(op);                                                                     \
		uint64_t at = base(c, op);                                                                             \
		a64_ld(c, op, at, m, n *bytes);                                                                        \
		step(c, op, at, n *bytes);                                                                             \
		for (unsigned i = 0; i < bytes / (bits / 8); i++)                                                      \
			for (unsigned k = 0; k < n; k++)                                                               \
				v[k].field[i] = m[n * i + k];                                                          \
		for (unsigned k = 0; k < n; k++)                                                                       \
			REGISTER(k) = v[k];                                                                            \
	}                                                                                                              \
	DO(ld##n##_##bits)                                                                                             \
	static inline void st##n##_##bits##_do(struct a64_cpu *c, op_t op)                                             \
	{                                                                                                              \
		uint##bits##_t m[n * 128 / bits];                                                                      \
		unsigned bytes = vector_bytes(op);                                                                     \
		uint64_t at = base(c, op);                                                                             \
		for (unsigned i = 0; i < bytes / (bits / 8); i++)                                                      \
			for (unsigned k = 0; k < n; k++)                                                               \
				m[n * i + k] = REGISTER(k).field[i];                                                   \
		a64_st(c, op, at, m, n *bytes);                                                                        \
		step(c, op, at, n *bytes);                                                                             \
	}                                                                                                              \
	DO(st##n##_##bits)
#define INTERLEAVED_SIZES(n) INTERLEAVED(n, 8, b) INTERLEAVED(n, 16, h) INTERLEAVED(n, 32, s) INTERLEAVED(n, 64, d)
INTERLEAVED_SIZES(2)
INTERLEAVED_SIZES(3)
INTERLEAVED_SIZES(4)

/* By opcode, bits 15:12: registers of a structure, and of LD1; 0: undefined */
static const uint8_t multiple[16][2] = {
	[0] = {4, 0}, [2] = {1, 4}, [4] = {3, 0}, [6] = {1, 3}, [7] = {1, 1}, [8] = {2, 0}, [10] = {1, 2}};
static bool multiple_ok(uint32_t insn)
{
	unsigned n = multiple[insn >> 12 & 15][0];
	return n == 1 || (n && !((insn >> 10 & 3) == 3 && !(insn >> 30 & 1)));
}
static void prep_multiple(struct a64_op *op)
{
#define PLAIN_FNS(n)                                                                                                   \
	{                                                                                                              \
		{st1_8x##n, ld1_8x##n},                                                                                \
		{                                                                                                      \
			st1_16x##n, ld1_16x##n                                                                         \
		}                                                                                                      \
	}
	static const a64_fn plain[4][2][2] = {PLAIN_FNS(1), PLAIN_FNS(2), PLAIN_FNS(3), PLAIN_FNS(4)};
#define STRUCT_FNS(n)                                                                                                  \
	{                                                                                                              \
		{st##n##_8, ld##n##_8}, {st##n##_16, ld##n##_16}, {st##n##_32, ld##n##_32},                            \
		{                                                                                                      \
			st##n##_64, ld##n##_64                                                                         \
		}                                                                                                      \
	}
	static const a64_fn structure[3][4][2] = {STRUCT_FNS(2), STRUCT_FNS(3), STRUCT_FNS(4)};
	const uint8_t *m = multiple[op->insn >> 12 & 15];
	unsigned load = op->insn >> 22 & 1;
	op->imm = 0;
	op->fn = m[0] == 1 ? plain[m[1] - 1][op->insn >> 30 & 1][load] : structure[m[0] - 2][op->insn >> 10 & 3][load];
}

/* One structure: imm is its registers in bits 2:0, log2 of the element's bytes in 5:4, the element's number in 11:8 */
struct single {
	unsigned n, size, index;
};
static struct single single_of(op_t op)
{
	return (struct single){op->imm & 7, 1u << (op->imm >> 4 & 3), op->imm >> 8 & 15};
}
static inline void ld_single_do(struct a64_cpu *c, op_t op)
{
	struct single s = single_of(op);
	uint8_t m[32];
	uint64_t at = base(c, op);
	a64_ld(c, op, at, m, s.n * s.size);
	step(c, op, at, s.n * s.size);
	for (unsigned k = 0; k < s.n; k++)
		memcpy(&REGISTER(k).b[s.index * s.size], m + k * s.size, s.size);
}
DO(ld_single)
static inline void st_single_do(struct a64_cpu *c, op_t op)
{
	struct single s = single_of(op);
	uint8_t m[32];
	uint64_t at = base(c, op);
	for (unsigned k = 0; k < s.n; k++)
		memcpy(m + k * s.size, &REGISTER(k).b[s.index * s.size], s.size);
	a64_st(c, op, at, m, s.n * s.size);
	step(c, op, at, s.n * s.size);
}
DO(st_single)
static inline void ld_replicate_do(struct a64_cpu *c, op_t op)
{
	static const uint64_t ones[4] = {0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1};
	struct single s = single_of(op);
	uint8_t m[32];
	uint64_t at = base(c, op);
	a64_ld(c, op, at, m, s.n * s.size);
	step(c, op, at, s.n * s.size);
	for (unsigned k = 0; k < s.n; k++) {
		uint64_t v = 0;
		memcpy(&v, m + k * s.size, s.size);
		v *= ones[op->imm >> 4 & 3];
		REGISTER(k) = (union a64_vec){.d = {v, op->insn >> 30 & 1 ? v : 0}};
	}
}
DO(ld_replicate)
static bool single_ok(uint32_t insn)
{
	unsigned size = insn >> 10 & 3, s = insn >> 12 & 1;
	switch (insn >> 14 & 3) {
	case 0:
		return true;
	case 1:
		return !(size & 1);
	case 2:
		return size == 0 || (size == 1 && !s);
	default:
		return insn >> 22 & 1 && !s;
	}
}
static void prep_single(struct a64_op *op)
{
	uint32_t i = op->insn;
	unsigned scale = i >> 14 & 3, n = 1 + ((i >> 13 & 1) << 1 | (i >> 21 & 1));
	unsigned place = (i >> 30 & 1) << 3 | (i >> 10 & 7); /* Q:S:size */
	op->fn = i >> 22 & 1 ? ld_single : st_single;
	if (scale == 3) {
		op->fn = ld_replicate;
		op->imm = n | (uint64_t)(i >> 10 & 3) << 4;
		return;
	}
	if (scale == 2 && i >> 10 & 1)
		scale = 3;
	op->imm = n | scale << 4 | (uint64_t)(place >> scale) << 8;
}

static const struct a64_row rows[] = {
	{0x3f000000, 0x3d000000, "v.ldst_unsigned", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, size_ok, prep_unsigned},
	{0x3f200c00, 0x3c000000, "v.ldst_unscaled", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, size_ok, prep_imm9},
	{0x3f200c00, 0x3c000400, "v.ldst_post", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, size_ok, prep_imm9},
	{0x3f200c00, 0x3c000c00, "v.ldst_pre", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, size_ok, prep_imm9},
	{0x3f200c00, 0x3c200800, "v.ldst_reg", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, reg_ok, prep_reg},
	{0x3f000000, 0x1c000000, "v.ldr_lit", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, three_sizes, prep_lit},
	{0x3e000000, 0x2c000000, "v.ldp_stp", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, three_sizes, prep_pair},
	{0xbfbf0000, 0x0c000000, "ld_st_multiple", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, multiple_ok, prep_multiple},
	{0xbfa00000, 0x0c800000, "ld_st_multiple_post", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, multiple_ok,
	 prep_multiple},
	{0xbf9f0000, 0x0d000000, "ld_st_single", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, single_ok, prep_single},
	{0xbf800000, 0x0d800000, "ld_st_single_post", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, single_ok, prep_single},
};
A64_TABLE(a64_rows_simd_mem);
