/* int_shift.c - SHL SHR SAR ROL ROR RCL RCR SHLD SHRD. Flags where the manual leaves them undefined are what AMD Zen
 * gives. */
#include "int.h"

enum kind { ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR }; /* as in ModRM */
enum { BY_CL = 1 };                                   /* aux */

X86_INLINE unsigned count_of(const struct x86_cpu *c, op_t op, unsigned size)
{
	return (unsigned)(op->aux & BY_CL ? c->r[1] : op->imm) & (size == 8 ? 63 : 31);
}

X86_INLINE op_t shift(struct x86_cpu *c, op_t op, unsigned size, bool mem, unsigned kind)
{
	struct rmw m;
	unsigned n = count_of(c, op, size), sl = log_size(size);
	uint64_t a = rm_open(c, op, &m, size, mem), r = a, before = a;
	if (n && kind == SHL) {
		before = mask_size(a << (n - 1), size);
		r = mask_size(before << 1, size);
	} else if (n && kind == SHR) {
		before = a >> (n - 1);
		r = before >> 1;
	} else if (n) {
		before = (uint64_t)((int64_t)sign_size(a, size) >> (n - 1));
		r = mask_size((uint64_t)((int64_t)before >> 1), size);
	}
	rm_close(c, op, &m, size, mem, r);
	if (n)
		x86_cc(c, (kind == SHL ? CC_SHL : kind == SHR ? CC_SHR : CC_SAR) + sl, r, before);
	return NEXT(op);
}
X86_INLINE op_t shl(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return shift(c, op, size, mem, SHL);
}
X86_INLINE op_t shr(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return shift(c, op, size, mem, SHR);
}
X86_INLINE op_t sar(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return shift(c, op, size, mem, SAR);
}

static void set_cf_of(struct x86_cpu *c, bool cf, bool of)
{
	uint32_t f = x86_arith_flags(c) & ~(uint32_t)(X86_CF | X86_OF_);
	x86_set_arith_flags(c, f | (cf ? X86_CF : 0) | (of ? X86_OF_ : 0));
}

X86_INLINE op_t rotate(struct x86_cpu *c, op_t op, unsigned size, bool mem, bool left)
{
	struct rmw m;
	unsigned bits = size * 8, masked = count_of(c, op, size), n = masked & (bits - 1);
	uint64_t a = rm_open(c, op, &m, size, mem), r = a;
	if (n && left)
		r = mask_size(a << n | a >> (bits - n), size);
	else if (n)
		r = mask_size(a >> n | a << (bits - n), size);
	rm_close(c, op, &m, size, mem, r);
	bool top = r >> (bits - 1) & 1;
	if (masked && left)
		set_cf_of(c, r & 1, top != (r & 1));
	else if (masked)
		set_cf_of(c, top, top != (r >> (bits - 2) & 1));
	return NEXT(op);
}
X86_INLINE op_t rol(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return rotate(c, op, size, mem, true);
}
X86_INLINE op_t ror(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return rotate(c, op, size, mem, false);
}

/* Through the carry: a number of size * 8 + 1 bits is rotated. */
X86_INLINE op_t rotate_carry(struct x86_cpu *c, op_t op, unsigned size, bool mem, bool left)
{
	struct rmw m;
	unsigned bits = size * 8, masked = count_of(c, op, size), n = masked % (bits + 1);
	uint64_t a = rm_open(c, op, &m, size, mem);
	bool carry = x86_carry(c);
	unsigned __int128 wide = (unsigned __int128)carry << bits | a, all = ((unsigned __int128)1 << (bits + 1)) - 1;
	if (n && left)
		wide = (wide << n | wide >> (bits + 1 - n)) & all;
	else if (n)
		wide = (wide >> n | wide << (bits + 1 - n)) & all;
	uint64_t r = mask_size((uint64_t)wide, size);
	rm_close(c, op, &m, size, mem, r);
	bool cf = wide >> bits & 1, top = r >> (bits - 1) & 1;
	if (masked)
		set_cf_of(c, cf, left ? top != cf : top != (r >> (bits - 2) & 1));
	return NEXT(op);
}
X86_INLINE op_t rcl(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return rotate_carry(c, op, size, mem, true);
}
X86_INLINE op_t rcr(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return rotate_carry(c, op, size, mem, false);
}

X86_RM_HANDLERS(shl, shl)
X86_RM_HANDLERS(shr, shr)
X86_RM_HANDLERS(sar, sar)
X86_RM_HANDLERS(rol, rol)
X86_RM_HANDLERS(ror, ror)
X86_RM_HANDLERS(rcl, rcl)
X86_RM_HANDLERS(rcr, rcr)

/* By a constant that is not 0, of registers of 32 and 64 bits: most shifts. */
#define SHIFT_QUICK(s, bits_t, sbits_t)                                                                                \
	static op_t shl_i##s(struct x86_cpu *c, op_t op)                                                               \
	{                                                                                                              \
		bits_t b = (bits_t)((bits_t)c->r[op->dst] << (op->imm - 1));                                           \
		x86_cc(c, CC_SHL + (s == 4 ? 2 : 3), c->r[op->dst] = (bits_t)(b << 1), b);                             \
		return NEXT(op);                                                                                       \
	}                                                                                                              \
	static op_t shr_i##s(struct x86_cpu *c, op_t op)                                                               \
	{                                                                                                              \
		bits_t b = (bits_t)c->r[op->dst] >> (op->imm - 1);                                                     \
		x86_cc(c, CC_SHR + (s == 4 ? 2 : 3), c->r[op->dst] = b >> 1, b);                                       \
		return NEXT(op);                                                                                       \
	}                                                                                                              \
	static op_t sar_i##s(struct x86_cpu *c, op_t op)                                                               \
	{                                                                                                              \
		sbits_t b = (sbits_t)c->r[op->dst] >> (op->imm - 1);                                                   \
		x86_cc(c, CC_SAR + (s == 4 ? 2 : 3), c->r[op->dst] = (bits_t)(b >> 1), (uint64_t)(bits_t)b);           \
		return NEXT(op);                                                                                       \
	}
SHIFT_QUICK(4, uint32_t, int32_t)
SHIFT_QUICK(8, uint64_t, int64_t)

#define SHIFT_QUIET(name, s, expression)                                                                               \
	static op_t quiet_##name##_##s(struct x86_cpu *c, op_t op)                                                     \
	{                                                                                                              \
		unsigned n = (unsigned)op->imm;                                                                        \
		uint64_t a = reg_get(c, op->dst, s);                                                                   \
		reg_put(c, op->dst, s, expression);                                                                    \
		return NEXT(op);                                                                                       \
	}
SHIFT_QUIET(shl, 4, a << n)
SHIFT_QUIET(shl, 8, a << n)
SHIFT_QUIET(shr, 4, a >> n)
SHIFT_QUIET(shr, 8, a >> n)
SHIFT_QUIET(sar, 4, (uint64_t)((int64_t)(int32_t)a >> n))
SHIFT_QUIET(sar, 8, (uint64_t)((int64_t)a >> n))
SHIFT_QUIET(rol, 4, (uint32_t)a << n | (uint32_t)a >> (-n & 31))
SHIFT_QUIET(rol, 8, a << n | a >> (-n & 63))
SHIFT_QUIET(ror, 4, (uint32_t)a >> n | (uint32_t)a << (-n & 31))
SHIFT_QUIET(ror, 8, a >> n | a << (-n & 63))

#define ROTATE_QUICK(name, s)                                                                                          \
	static op_t name##_i##s(struct x86_cpu *c, op_t op)                                                            \
	{                                                                                                              \
		return name(c, op, s, false);                                                                          \
	}
ROTATE_QUICK(rol, 4)
ROTATE_QUICK(rol, 8)
ROTATE_QUICK(ror, 4)
ROTATE_QUICK(ror, 8)

static x86_fn quick(const struct x86_op *op, enum kind kind)
{
	static const x86_fn fn[][2] = {[ROL] = {rol_i4, rol_i8}, [ROR] = {ror_i4, ror_i8}, [SHL] = {shl_i4, shl_i8},
				       [SAL] = {shl_i4, shl_i8}, [SHR] = {shr_i4, shr_i8}, [SAR] = {sar_i4, sar_i8}};
	return fn[kind][op->size == 8];
}

x86_fn x86_quiet_shift(x86_fn fn)
{
	static const struct x86_quiet list[] = {{shl_i4, quiet_shl_4}, {shl_i8, quiet_shl_8}, {shr_i4, quiet_shr_4},
						{shr_i8, quiet_shr_8}, {sar_i4, quiet_sar_4}, {sar_i8, quiet_sar_8},
						{rol_i4, quiet_rol_4}, {rol_i8, quiet_rol_8}, {ror_i4, quiet_ror_4},
						{ror_i8, quiet_ror_8}};
	return x86_quiet_find(list, sizeof list / sizeof *list, fn);
}

static x86_fn translate(const struct x86_insn *d, struct x86_op *op, enum kind kind)
{
	static const x86_fn(*const fn[])[4] = {[ROL] = rol_fn, [ROR] = ror_fn, [RCL] = rcl_fn, [RCR] = rcr_fn,
					       [SHL] = shl_fn, [SHR] = shr_fn, [SAL] = shl_fn, [SAR] = sar_fn};
	unsigned sl = x86_operands(d, op);
	bool mem = x86_is_mem(d, 0), imm = d->o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	op->aux = imm ? 0 : BY_CL;
	op->imm &= op->size == 8 ? 63 : 31;
	if (kind != RCL && kind != RCR && imm && !mem && op->size >= 4 && op->imm)
		return quick(op, kind);
	return fn[kind][mem][sl];
}

/* ------ double shifts; src is the register shifted in ------ */

/* Of 16 bits with a count above 16 the source comes in a second time. */
static uint64_t shld_value(uint64_t a, uint64_t b, unsigned n, unsigned size)
{
	if (size == 2)
		return (uint16_t)((a << 32 | b << 16 | b) << n >> 32);
	unsigned bits = size * 8;
	return n ? mask_size(a << n | b >> (bits - n), size) : a;
}
static uint64_t shrd_value(uint64_t a, uint64_t b, unsigned n, unsigned size)
{
	if (size == 2)
		return (uint16_t)((b << 32 | b << 16 | a) >> n);
	unsigned bits = size * 8;
	return n ? mask_size(a >> n | b << (bits - n), size) : a;
}

X86_INLINE op_t shxd(struct x86_cpu *c, op_t op, unsigned size, bool mem, bool left)
{
	struct rmw m;
	unsigned n = count_of(c, op, size), sl = log_size(size);
	uint64_t a = rm_open(c, op, &m, size, mem), b = reg_get(c, op->src, size), r = a;
	if (n)
		r = left ? shld_value(a, b, n, size) : shrd_value(a, b, n, size);
	rm_close(c, op, &m, size, mem, r);
	if (!n)
		return NEXT(op);
	uint64_t before = left ? shld_value(a, b, n - 1, size) : shrd_value(a, b, n - 1, size);
	x86_cc(c, (left ? CC_SHL : CC_SHR) + sl, r, before);
	if (!left) { /* OF: the sign changed in the last step */
		uint32_t f = x86_arith_flags(c) & ~(uint32_t)X86_OF_;
		x86_set_arith_flags(c, f | ((before ^ r) >> (size * 8 - 1) & 1 ? X86_OF_ : 0));
	}
	return NEXT(op);
}
X86_INLINE op_t shld(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return shxd(c, op, size, mem, true);
}
X86_INLINE op_t shrd(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return shxd(c, op, size, mem, false);
}
X86_RM_HANDLERS(shld, shld)
X86_RM_HANDLERS(shrd, shrd)

static x86_fn doubled(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4])
{
	unsigned sl = x86_operands(d, op);
	op->aux = d->o[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? 0 : BY_CL;
	return fn[x86_is_mem(d, 0)][sl];
}

x86_fn x86_int_shift(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_ROL: return translate(d, op, ROL);
	case ZYDIS_MNEMONIC_ROR: return translate(d, op, ROR);
	case ZYDIS_MNEMONIC_RCL: return translate(d, op, RCL);
	case ZYDIS_MNEMONIC_RCR: return translate(d, op, RCR);
	case ZYDIS_MNEMONIC_SHL: return translate(d, op, SHL);
	case ZYDIS_MNEMONIC_SHR: return translate(d, op, SHR);
	case ZYDIS_MNEMONIC_SAR: return translate(d, op, SAR);
	case ZYDIS_MNEMONIC_SHLD: return doubled(d, op, shld_fn);
	case ZYDIS_MNEMONIC_SHRD: return doubled(d, op, shrd_fn);
	default: return NULL;
	}
}
