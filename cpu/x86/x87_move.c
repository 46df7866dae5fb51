/* x87_move.c - x87 loads, stores, constants, exchanges, FCMOV, FABS, FCHS, FXAM, and packed decimal. */
#include "x87.h"

/* ------ loads ------ */

static void push(struct x86_cpu *c, struct x86_f80 v)
{
	if (!x87_empty(c, 7)) {
		if (x87_stack_fault(c, true))
			return;
		v = X87_NAN;
	} else {
		c->fsw &= (uint16_t)~X87_C1;
	}
	x87_push(c, v);
}

/* A number from a 32- or 64-bit format: denormals and signalling NaNs are reported, unless the stack overflows. */
static void push_float(struct x86_cpu *c, struct sf_num n)
{
	struct sf_env e = x87_env(c);
	e.prec = 64;
	n = sf_convert(&e, SF80, n, true);
	if (x87_empty(c, 7)) {
		c->fsw &= (uint16_t)~X87_C1;
		if (x87_flags(c, e.flags))
			return;
	}
	push(c, sf_pack80(n));
}

static uint64_t operand(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva;
	x87_check(c, op);
	gva = x86_ea(c, op);
	return gva;
}

static void pointers(struct x86_cpu *c, const struct x86_op *op, uint64_t gva)
{
	x87_pointers(c, op);
	c->fdp = gva - c->segbase[op->seg];
}

const struct x86_op *x87_fld_m32(struct x86_cpu *c, const struct x86_op *op)
{
	struct sf_env e = {0};
	uint64_t gva = operand(c, op);
	struct sf_num n = sf_unpack32(&e, x86_ld32(c, op, gva));
	pointers(c, op, gva);
	push_float(c, n);
	return NEXT(op);
}

const struct x86_op *x87_fld_m64(struct x86_cpu *c, const struct x86_op *op)
{
	struct sf_env e = {0};
	uint64_t gva = operand(c, op);
	struct sf_num n = sf_unpack64(&e, x86_ld64(c, op, gva));
	pointers(c, op, gva);
	push_float(c, n);
	return NEXT(op);
}

static struct x86_f80 load80(struct x86_cpu *c, const struct x86_op *op, uint64_t gva)
{
	struct x86_f80 v;
	v.sig = x86_ld64(c, op, gva);
	v.se = x86_ld16(c, op, gva + 8);
	return v;
}

const struct x86_op *x87_fld_m80(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op);
	struct x86_f80 v = load80(c, op, gva);
	pointers(c, op, gva);
	push(c, v);
	return NEXT(op);
}

/* op->size: 2, 4 or 8 bytes. */
const struct x86_op *x87_fild(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op);
	int64_t v = op->size == 2 ? (int16_t)x86_ld16(c, op, gva)
				  : op->size == 4 ? (int32_t)x86_ld32(c, op, gva) : (int64_t)x86_ld64(c, op, gva);
	pointers(c, op, gva);
	push(c, sf_pack80(sf_from_int(v)));
	return NEXT(op);
}

/* 18 digits and a sign byte. Digits above 9 are undefined; they count with their value. */
static const struct x86_op *fbld(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op), v = 0;
	struct x86_f80 m = load80(c, op, gva), r;
	unsigned top = m.se & 0xff;
	v = (top >> 4) * 10 + (top & 15);
	for (int i = 60; i >= 0; i -= 4)
		v = v * 10 + (m.sig >> i & 15);
	r = sf_pack80(sf_from_int((int64_t)v));
	r.se |= m.se & 0x8000;
	pointers(c, op, gva);
	push(c, r);
	return NEXT(op);
}

static const struct x86_op *fld_st(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, op->src)) {
		if (!x87_stack_fault(c, false))
			x87_push(c, X87_NAN);
	} else {
		push(c, x87_get(c, op->src));
	}
	return NEXT(op);
}

/* Constants: exponent, significand cut off, and whether the nearest is one more. */
static const struct constant {
	uint16_t se;
	uint64_t sig;
	uint8_t nearest_up, exact;
} constants[] = {
	{0x3fff, 0x8000000000000000, 0, 1}, /* 1 */
	{0x4000, 0xd49a784bcd1b8afe, 0, 0}, /* log2 10 */
	{0x3fff, 0xb8aa3b295c17f0bb, 1, 0}, /* log2 e */
	{0x4000, 0xc90fdaa22168c234, 1, 0}, /* pi */
	{0x3ffd, 0x9a209a84fbcff798, 1, 0}, /* log10 2 */
	{0x3ffe, 0xb17217f7d1cf79ab, 1, 0}, /* ln 2 */
	{0, 0, 0, 1},			    /* 0 */
};

static const struct x86_op *fld_const(struct x86_cpu *c, const struct x86_op *op)
{
	const struct constant *k = &constants[op->aux];
	unsigned rc = c->fcw >> 10 & 3;
	bool up = !k->exact && (rc == SF_UP || (rc == SF_NEAREST && k->nearest_up));
	x87_check(c, op);
	x87_pointers(c, op);
	push(c, (struct x86_f80){k->sig + up, k->se});
	return NEXT(op);
}

/* ------ stores ------ */

/* The value to store and what storing it raises. Returns false when an unmasked exception keeps memory and stack as
 * they are. Flags go into *fsw, to be committed after the store has not faulted. */
static bool store_status(const struct x86_cpu *c, const struct sf_env *e, bool empty, uint16_t *fsw)
{
	unsigned flags = empty ? SF_I | X87_SF : e->flags, stop = flags & ~c->fcw & (SF_I | SF_O | SF_U);
	if (stop & SF_I)
		flags &= SF_I | X87_SF;
	else if (stop)
		flags &= ~SF_P;
	*fsw = (uint16_t)((c->fsw & ~X87_C1) | flags | (!empty && !stop && e->up ? X87_C1 : 0));
	return !stop;
}

/* `stored` false: an unmasked exception; a fault of the operand comes before it all the same. */
static void store_done(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint16_t fsw, bool stored, bool pop)
{
	if (!stored)
		x86_probe_write(c, op, gva, op->size);
	pointers(c, op, gva);
	c->fsw = fsw;
	x87_summary(c);
	if (pop)
		x87_pop(c);
}

/* FST, FSTP m32/m64. op->size: 4 or 8; op->aux: pop. */
const struct x86_op *x87_fst_float(struct x86_cpu *c, const struct x86_op *op)
{
	enum sf_kind k = op->size == 4 ? SF32 : SF64;
	uint64_t gva = operand(c, op), v;
	struct sf_env e = x87_env(c);
	bool empty = x87_empty(c, 0), stores;
	uint16_t fsw;
	v = sf_pack(k, empty ? sf_unpack80(X87_NAN) : sf_convert(&e, k, sf_unpack80(x87_get(c, 0)), false));
	stores = store_status(c, &e, empty, &fsw);
	if (stores && k == SF32)
		x86_st32(c, op, gva, (uint32_t)v);
	else if (stores)
		x86_st64(c, op, gva, v);
	store_done(c, op, gva, fsw, stores, stores && op->aux);
	return NEXT(op);
}

static void store80(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, struct x86_f80 v)
{
	x86_probe_write(c, op, gva, 8);
	x86_probe_write(c, op, gva + 8, 2);
	x86_st64(c, op, gva, v.sig);
	x86_st16(c, op, gva + 8, v.se);
}

const struct x86_op *x87_fstp_m80(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op);
	struct sf_env e = {0};
	bool empty = x87_empty(c, 0), stores;
	uint16_t fsw;
	stores = store_status(c, &e, empty, &fsw);
	if (stores)
		store80(c, op, gva, empty ? X87_NAN : x87_get(c, 0));
	store_done(c, op, gva, fsw, stores, stores);
	return NEXT(op);
}

enum { POP = 1, CUT = 2 }; /* op->aux of FIST, FISTP, FISTTP; op->size: 2, 4, 8 bytes */
static const struct x86_op *fist(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op);
	unsigned bits = op->size * 8u;
	struct sf_env e = x87_env(c);
	bool empty = x87_empty(c, 0), stores;
	uint16_t fsw;
	int64_t v = (int64_t)(~(uint64_t)0 << (bits - 1));
	if (!empty)
		v = sf_to_int(&e, sf_unpack80(x87_get(c, 0)), bits, op->aux & CUT ? SF_TRUNC : e.rc);
	if (op->aux & CUT)
		e.up = false;
	stores = store_status(c, &e, empty, &fsw);
	if (stores)
		x86_st(c, op, gva, &v, op->size);
	store_done(c, op, gva, fsw, stores, stores && (op->aux & POP));
	return NEXT(op);
}

/* Packed decimal; the indefinite is FFFFC000000000000000. */
static struct x86_f80 decimal(struct sf_env *e, struct sf_num n)
{
	struct x86_f80 r = {0xc000000000000000, 0xffff};
	bool up;
	int64_t i = sf_to_int(e, n, 64, e->rc);
	uint64_t v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	if (e->flags & SF_I || v > 999999999999999999) {
		e->flags = SF_I;
		e->up = false;
		return r;
	}
	up = e->up;
	r.sig = 0;
	for (unsigned at = 0; at < 64; at += 4, v /= 10)
		r.sig |= v % 10 << at;
	r.se = (uint16_t)(v % 10 | v / 10 << 4 | (n.sign ? 0x8000 : 0));
	e->up = up;
	return r;
}

static const struct x86_op *fbstp(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = operand(c, op);
	struct sf_env e = x87_env(c);
	bool empty = x87_empty(c, 0), stores;
	struct x86_f80 v = decimal(&e, empty ? sf_unpack80(X87_NAN) : sf_unpack80(x87_get(c, 0)));
	uint16_t fsw;
	stores = store_status(c, &e, empty, &fsw);
	if (stores)
		store80(c, op, gva, v);
	store_done(c, op, gva, fsw, stores, stores);
	return NEXT(op);
}

/* op->aux: pop. */
static const struct x86_op *fst_st(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, 0)) {
		if (x87_stack_fault(c, false))
			return NEXT(op);
		x87_set(c, op->src, X87_NAN);
	} else {
		c->fsw &= (uint16_t)~X87_C1;
		x87_set(c, op->src, x87_get(c, 0));
	}
	if (op->aux)
		x87_pop(c);
	return NEXT(op);
}

/* D9 D8+i, FSTPNCE: as FSTP ST(i), but an empty ST(0) is no fault. */
static const struct x86_op *fstpnce(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	c->fsw &= (uint16_t)~X87_C1;
	if (!x87_empty(c, 0))
		x87_set(c, op->src, x87_get(c, 0));
	x87_pop(c);
	return NEXT(op);
}

/* ------ inside the stack ------ */

static const struct x86_op *fxch(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_f80 a, b;
	bool e0, ei;
	x87_check(c, op);
	x87_pointers(c, op);
	e0 = x87_empty(c, 0);
	ei = x87_empty(c, op->src);
	if (!e0 && !ei)
		c->fsw &= (uint16_t)~X87_C1;
	else if (x87_stack_fault(c, false))
		return NEXT(op);
	a = e0 ? X87_NAN : x87_get(c, 0);
	b = ei ? X87_NAN : x87_get(c, op->src);
	x87_set(c, op->src, a);
	x87_set(c, 0, b);
	return NEXT(op);
}

/* op->aux: bits 1:0 the condition (B, E, BE, U), bit 2 negated. */
static const struct x86_op *fcmov(struct x86_cpu *c, const struct x86_op *op)
{
	static const uint8_t masks[4] = {X86_CF, X86_ZF, X86_CF | X86_ZF, X86_PF_};
	x87_check(c, op);
	x87_pointers(c, op);
	bool move = ((x86_arith_flags(c) & masks[op->aux & 3]) != 0) != (op->aux >> 2);
	if (x87_empty(c, 0) || x87_empty(c, op->src)) {
		if (!x87_stack_fault(c, false))
			x87_set(c, 0, X87_NAN);
		return NEXT(op);
	}
	if (move)
		x87_set(c, 0, x87_get(c, op->src));
	return NEXT(op);
}

/* FABS, FCHS. */
static const struct x86_op *sign(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_f80 v;
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, 0)) {
		if (!x87_stack_fault(c, false))
			x87_set(c, 0, X87_NAN);
		return NEXT(op);
	}
	c->fsw &= (uint16_t)~X87_C1;
	v = x87_get(c, 0);
	v.se = op->aux ? v.se & 0x7fff : v.se ^ 0x8000;
	x87_set(c, 0, v);
	return NEXT(op);
}

static const struct x86_op *fxam(struct x86_cpu *c, const struct x86_op *op)
{
	static const uint16_t codes[] = {[SF_ZERO] = X87_C3, [SF_FINITE] = X87_C2, [SF_INF] = X87_C2 | X87_C0,
					 [SF_QNAN] = X87_C0, [SF_SNAN] = X87_C0,   [SF_BAD] = 0};
	struct sf_num n;
	unsigned cc;
	x87_check(c, op);
	x87_pointers(c, op);
	n = sf_unpack80(x87_get(c, 0));
	cc = n.denormal ? X87_C3 | X87_C2 : codes[n.cls];
	if (x87_empty(c, 0))
		cc = X87_C3 | X87_C0;
	c->fsw = (uint16_t)((c->fsw & ~X87_CC) | cc | (x87_get(c, 0).se >> 15 ? X87_C1 : 0));
	return NEXT(op);
}

/* ------ translation ------ */

/* Memory forms: [opcode][reg] with size and aux. */
static const struct mem_form {
	uint8_t opcode, reg, size, aux;
	x86_fn fn;
} mem_forms[] = {
	{1, 0, 4, 0, x87_fld_m32},      {1, 2, 4, 0, x87_fst_float}, {1, 3, 4, 1, x87_fst_float},    {3, 0, 4, 0, x87_fild},
	{3, 1, 4, POP | CUT, fist}, {3, 2, 4, 0, fist},      {3, 3, 4, POP, fist},       {3, 5, 10, 0, x87_fld_m80},
	{3, 7, 10, 0, x87_fstp_m80},    {5, 0, 8, 0, x87_fld_m64},   {5, 1, 8, POP | CUT, fist}, {5, 2, 8, 0, x87_fst_float},
	{5, 3, 8, 1, x87_fst_float},    {7, 0, 2, 0, x87_fild},      {7, 1, 2, POP | CUT, fist}, {7, 2, 2, 0, fist},
	{7, 3, 2, POP, fist},       {7, 4, 10, 0, fbld},     {7, 5, 8, 0, x87_fild},         {7, 6, 10, 0, fbstp},
	{7, 7, 8, POP, fist},
};

static x86_fn memory(struct x86_op *op, unsigned opcode, unsigned reg)
{
	for (unsigned n = 0; n < sizeof mem_forms / sizeof mem_forms[0]; n++) {
		const struct mem_form *f = &mem_forms[n];
		if (f->opcode != opcode || f->reg != reg)
			continue;
		op->size = f->size;
		op->aux = f->aux;
		return f->fn;
	}
	return NULL;
}

/* D9 E0 ... EF. */
static x86_fn no_operand(struct x86_op *op, unsigned reg, unsigned rm)
{
	if (reg == 5 && rm < 7) {
		op->aux = (uint8_t)rm;
		return fld_const;
	}
	if (reg != 4)
		return NULL;
	op->aux = (uint8_t)rm;
	return rm < 2 ? sign : rm == 5 ? fxam : NULL;
}

x86_fn x87_translate_move(const struct x86_insn *d, struct x86_op *op)
{
	unsigned opcode = d->i.opcode & 7, reg = d->i.raw.modrm.reg, rm = d->i.raw.modrm.rm;
	if (d->i.opcode == 0x9b)
		return NULL;
	if (d->i.raw.modrm.mod != 3)
		return memory(op, opcode, reg);
	op->src = (uint8_t)rm;
	if ((opcode == 2 || opcode == 3) && reg < 4) {
		op->aux = (uint8_t)(reg | (opcode & 1) << 2);
		return fcmov;
	}
	if (opcode == 1 && reg == 0)
		return fld_st;
	/* D9 C8, and the aliases DD C8, DF C8 */
	if ((opcode == 1 || opcode == 5 || opcode == 7) && reg == 1)
		return fxch;
	if (opcode == 5 && (reg == 2 || reg == 3)) {
		op->aux = reg == 3;
		return fst_st;
	}
	if (opcode == 1 && reg == 3)
		return fstpnce;
	/* aliases of FSTP: DF D0, DF D8 */
	if (opcode == 7 && (reg == 2 || reg == 3)) {
		op->aux = 1;
		return fst_st;
	}
	return opcode == 1 ? no_operand(op, reg, rm) : NULL;
}
