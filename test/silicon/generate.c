/* generate.c - a random sequence out of a seed: which instructions, with which operands, aimed where.
 *
 * A few general registers of a sequence are pointers: they lead into the data pages, and instructions that would
 * overwrite them are refused, mostly. What takes its address from a fixed register (strings, XLAT, LEAVE) is preceded
 * by setup: MOVs of constants, which touch no flags. So most accesses hit, those that are meant to miss do, and some
 * go wild. */
#include "generate.h"

/* An address for an operand of unknown size. */
static uint64_t aim(struct gen *g)
{
	unsigned k = rnd(g) % 100;
	uint64_t at = S_DATA + rnd(g) % (S_DATA_RW - 64);
	if (k < 60)
		return at & ~(uint64_t)63;
	if (k < 75)
		return at & ~(uint64_t)15;
	if (k < 88)
		return at;
	static const uint64_t edges[] = {S_DATA, S_DATA + 0x1000, S_DATA + 0x1000, S_DATA + S_DATA_RW,
					 S_DATA + S_DATA_SIZE};
	if (k < 92)
		return S_DATA + S_DATA_RW + (rnd(g) % 0x1000 & ~(uint64_t)(chance(g, 60) ? 63 : 0));
	return edges[rnd(g) % 5] - 40 + rnd(g) % 48;
}

/* As the rows of the mnemonic want it. */
static uint64_t aim_for(struct gen *g, uint16_t mnemonic)
{
	uint64_t to = aim(g);
	if (row_has(mnemonic, R_PRESENT))
		to = S_DATA + rnd(g) % (S_DATA_RW - 64);
	return row_has(mnemonic, R_ALIGNED) ? to & ~(uint64_t)15 : to;
}

/* ------ items ------ */

static struct s_item *new_item(struct gen *g)
{
	struct s_item *it = &g->p->item[g->p->count++];
	memset(it, 0, sizeof *it);
	it->target = -1;
	return it;
}
static bool room_for(const struct gen *g, unsigned items)
{
	return g->p->count + items < S_ITEMS;
}

/* MOV of a constant, or of the address of an item. */
static struct s_item *set_register(struct gen *g, unsigned reg, uint64_t v)
{
	struct s_item *it = new_item(g);
	unsigned n = 0, imm = g->p->mode == S_MODE64 ? 8 : 4;
	if (imm == 8)
		it->bytes[n++] = 0x48 | (reg >> 3);
	it->bytes[n++] = 0xb8 | (reg & 7);
	it->at = (uint8_t)n;
	memcpy(it->bytes + n, &v, imm);
	it->length = (uint8_t)(n + imm);
	it->setup = true;
	it->mnemonic = ZYDIS_MNEMONIC_MOV;
	return it;
}
static void set_to_item(struct gen *g, unsigned reg, unsigned target)
{
	struct s_item *it = set_register(g, reg, 0);
	it->fix = g->p->mode == S_MODE64 ? FIX_ABS64 : FIX_ABS32;
	it->target = (int16_t)target;
}
static void raw_item(struct gen *g, const uint8_t *bytes, unsigned n)
{
	struct s_item *it = new_item(g);
	memcpy(it->bytes, bytes, n);
	it->length = (uint8_t)n;
	it->setup = true;
}

static void keep(struct gen *g)
{
	g->p->item[g->p->count - 1].keep = true;
}
static void bind(struct gen *g)
{
	g->p->item[g->p->count - 1].bound = true;
}

/* ------ operands ------ */

struct draft {
	const struct s_form *f;
	uint8_t b[24];
	unsigned n, fix_at;
	uint8_t fix;
	uint64_t address;
	uint8_t rex; /* R X B bits */
	bool wild;
	uint64_t to; /* where the memory operand is */
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};

struct mem {
	uint8_t modrm, sib, rex;
	bool has_sib;
	unsigned disp_size;
	int32_t disp;
	uint64_t rip; /* not 0: relative to RIP */
	uint8_t seg;
};

static void mem_disp(struct mem *m, int64_t d)
{
	m->disp = (int32_t)d;
	m->disp_size = d == (int8_t)d ? 1 : 4;
	m->modrm |= m->disp_size == 1 ? 0x40 : 0x80;
}

static void mem_base(struct mem *m, unsigned base, int index, unsigned scale)
{
	m->rex |= base >> 3;
	if (index < 0 && (base & 7) != 4) {
		m->modrm |= base & 7;
		return;
	}
	m->modrm |= 4;
	m->has_sib = true;
	m->sib = (uint8_t)(scale << 6 | (index < 0 ? 4 : index & 7) << 3 | (base & 7));
	m->rex |= index >= 8 ? 2 : 0;
}

/* base none */
static void mem_absolute(struct gen *g, struct mem *m, uint64_t at)
{
	m->disp_size = 4;
	m->disp = (int32_t)at;
	if (g->p->mode == S_MODE64) {
		m->modrm |= 4;
		m->has_sib = true;
		m->sib = 0x25;
	} else {
		m->modrm |= 5;
	}
}

static void mem_wild(struct gen *g, struct mem *m)
{
	unsigned regs = g->p->mode == S_MODE64 ? 16 : 8, base = rnd(g) % regs;
	int index = chance(g, 50) ? (int)(rnd(g) % regs) : -1;
	mem_base(m, base, index == 4 ? -1 : index, rnd(g) & 3);
	mem_disp(m, chance(g, 50) ? (int8_t)rnd(g) : (int32_t)rnd(g));
}

static void choose_mem(struct gen *g, struct draft *d, struct mem *m)
{
	uint64_t to = aim_for(g, d->f->mnemonic);
	unsigned k = rnd(g) % 100, base = g->pointer[rnd(g) % 3], scale = rnd(g) & 3;
	bool vsib = d->f->vsib;
	memset(m, 0, sizeof *m);
	d->to = to;
	if (vsib) { /* setup gives the index vector small values */
		mem_base(m, base, (int)(rnd(g) % (g->p->mode == S_MODE64 ? 16 : 8)), scale);
		mem_disp(m, (int64_t)(to - g->value[base]));
	} else if (k < 50) {
		mem_base(m, base, -1, 0);
		mem_disp(m, (int64_t)(to - g->value[base]));
	} else if (k < 70) {
		mem_base(m, base, (int)g->index, scale);
		mem_disp(m, (int64_t)(to - g->value[base] - (g->value[g->index] << scale)));
	} else if (k < 80 && g->p->mode == S_MODE64) {
		m->modrm |= 5;
		m->disp_size = 4;
		m->rip = to;
	} else if (k < 85) {
		mem_absolute(g, m, to);
	} else if (k < 94 && g->p->mode == S_MODE64) {
		bool fs = rnd(g) & 1;
		m->seg = fs ? 0x64 : 0x65;
		mem_base(m, g->index, -1, 0);
		mem_disp(m, (int64_t)(to - (fs ? g->p->start.fs : g->p->start.gs) - g->value[g->index]));
	} else if (k < 96) {
		mem_wild(g, m);
		d->wild = true;
		d->to = 0;
	} else {
		mem_base(m, base, -1, 0);
		mem_disp(m, (int64_t)(to - g->value[base]));
	}
}

static void random_immediate(struct gen *g, uint8_t *b)
{
	uint64_t v = rnd(g);
	switch (rnd(g) % 4) {
	case 0:
		v = (uint64_t)(int64_t)(int8_t)v;
		break;
	case 1:
		v &= 0x7f;
		break;
	default:
		break;
	}
	memcpy(b, &v, 8);
}

static void put_prefixes(struct gen *g, struct draft *d, const struct mem *m)
{
	const struct s_form *f = d->f;
	static const uint8_t ignored[] = {0x26, 0x2e, 0x36, 0x3e};
	bool long_mode = g->p->mode == S_MODE64;
	if (m->seg)
		d->b[d->n++] = m->seg;
	else if (long_mode && chance(g, 2))
		d->b[d->n++] = ignored[rnd(g) % 4];
	if (long_mode && (f->mem || f->class == C_STRING) && chance(g, 5))
		d->b[d->n++] = 0x67;
	if (!f->vex && ((f->mem && f->class == C_INT && chance(g, 5)) || rnd(g) % 512 == 0))
		d->b[d->n++] = 0xf0;
	if (!f->vex && !f->pp && f->class == C_INT && rnd(g) % 128 == 0)
		d->b[d->n++] = rnd(g) & 1 ? 0xf2 : 0xf3;
}

static void put_opcode(struct gen *g, struct draft *d)
{
	const struct s_form *f = d->f;
	bool long_mode = g->p->mode == S_MODE64;
	if (f->vex) {
		uint8_t pp = f->pp == 0x66 ? 1 : f->pp == 0xf3 ? 2 : f->pp == 0xf2 ? 3 : 0;
		unsigned v = f->vvvv ? rnd(g) & (long_mode ? 15 : 7) : 0;
		uint8_t low = (uint8_t)((~v & 15) << 3 | f->l << 2 | pp);
		if (f->map == 1 && !f->w && !(d->rex & 3) && chance(g, 50)) {
			d->b[d->n++] = 0xc5;
			d->b[d->n++] = (uint8_t)((d->rex & 4 ? 0 : 0x80) | low);
		} else {
			d->b[d->n++] = 0xc4;
			d->b[d->n++] = (uint8_t)((~d->rex & 7) << 5 | f->map);
			d->b[d->n++] = (uint8_t)(f->w << 7 | low);
		}
	} else {
		if (f->pp)
			d->b[d->n++] = f->pp;
		if (long_mode && (f->w || d->rex || chance(g, 15)))
			d->b[d->n++] = (uint8_t)(0x40 | f->w << 3 | d->rex);
		if (f->map)
			d->b[d->n++] = 0x0f;
		if (f->map > 1)
			d->b[d->n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	d->b[d->n++] = f->opcode;
}

/* Bytes for a form. */
static void draft_bytes(struct gen *g, struct draft *d)
{
	const struct s_form *f = d->f;
	bool long_mode = g->p->mode == S_MODE64;
	struct mem m = {0};
	unsigned reg = f->reg >= 0 ? (unsigned)f->reg : rnd(g) & 7, rm = f->rm >= 0 ? (unsigned)f->rm : rnd(g) & 7;
	d->n = d->fix = d->rex = 0;
	d->wild = false;
	if (f->mem)
		choose_mem(g, d, &m);
	if (long_mode)
		d->rex = (uint8_t)((f->reg < 0 ? rnd(g) & 4 : 0) | (f->mem ? m.rex : f->rm < 0 ? rnd(g) & 1 : 0));
	put_prefixes(g, d, &m);
	put_opcode(g, d);
	if (f->modrm) {
		d->b[d->n++] = (uint8_t)(f->mem ? m.modrm | reg << 3 : 0xc0 | reg << 3 | rm);
		if (m.has_sib)
			d->b[d->n++] = m.sib;
		if (m.rip) {
			d->fix = FIX_RIP;
			d->fix_at = d->n;
			d->address = m.rip;
		}
		memcpy(d->b + d->n, &m.disp, 4);
		d->n += m.disp_size;
	}
	random_immediate(g, d->b + d->n);
}

static int gpr(ZydisRegister r)
{
	ZydisRegister large = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
	return large >= ZYDIS_REGISTER_RAX && large <= ZYDIS_REGISTER_R15 ? (int)(large - ZYDIS_REGISTER_RAX) : -1;
}

/* Does it overwrite a pointer? PUSH and the like may move RSP. */
static bool harms(const struct gen *g, const struct draft *d)
{
	if (d->f->class == C_STRING && g->protected & 0xc0)
		return true; /* RSI, RDI */
	if (d->i.mnemonic == ZYDIS_MNEMONIC_PAUSE && d->i.raw.rex.B && g->protected & 0x100)
		return true; /* XCHG R8, RAX */
	if (d->i.mnemonic == ZYDIS_MNEMONIC_WRFSBASE || d->i.mnemonic == ZYDIS_MNEMONIC_WRGSBASE)
		return true;
	for (unsigned n = 0; n < d->i.operand_count; n++) {
		const ZydisDecodedOperand *o = &d->o[n];
		int r = o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE
				? gpr(o->reg.value)
				: -1;
		if (r == 4 && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			continue;
		if (r >= 0 && g->protected >> r & 1)
			return true;
	}
	return false;
}

/* ------ setup that an instruction needs ------ */

static bool is_bit_test(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTC || m == ZYDIS_MNEMONIC_BTR || m == ZYDIS_MNEMONIC_BTS;
}

/* A register that setup may overwrite. */
static unsigned scratch(struct gen *g)
{
	for (;;) {
		unsigned r = rnd(g) & (g->p->mode == S_MODE64 ? 15 : 7);
		if (!(g->protected >> r & 1))
			return r;
	}
}

static void aim_implicit(struct gen *g, const struct draft *d)
{
	for (unsigned n = 0; n < d->i.operand_count; n++) {
		const ZydisDecodedOperand *o = &d->o[n];
		int base = o->type == ZYDIS_OPERAND_TYPE_MEMORY ? gpr(o->mem.base) : -1;
		if (base < 0 || base == 4 || o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT ||
		    g->protected >> base & 1 || d->f->mem)
			continue;
		if (row_has(d->f->mnemonic, R_PRESENT))
			set_register(g, (unsigned)base, aim_for(g, d->f->mnemonic))->keep = true;
		else if (!chance(g, 2))
			set_register(g, (unsigned)base, aim(g));
	}
	if (d->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE) &&
	    !(g->protected & 2)) {
		bool some = row_has(d->f->mnemonic, R_COUNT);
		set_register(g, 1, rnd(g) % 79 + some)->keep = some;
	}
}

static bool prepare(struct gen *g, const struct draft *d)
{
	if (row_has(d->f->mnemonic, R_PRESENT) && g->protected & 0x80)
		return false;
	aim_implicit(g, d);
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV: /* quotients that fit */
		if (chance(g, 70) && !(g->protected & 4))
			set_register(g, 2, chance(g, 80) ? rnd(g) % 4 : UINT64_MAX);
		break;
	case ZYDIS_MNEMONIC_LEAVE:
	case ZYDIS_MNEMONIC_ENTER:
		if (!(g->protected >> 5 & 1))
			set_register(g, 5, S_DATA + 0x400 + rnd(g) % 0x1000);
		break;
	default:
		break;
	}
	if (is_bit_test(d->i.mnemonic) && d->f->mem && d->o[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int r = gpr(d->o[1].reg.value);
		if (g->protected >> r & 1)
			return false;
		if (chance(g, 97))
			set_register(g, (unsigned)r, (uint64_t)((int64_t)(rnd(g) % 8000) - 4000));
	}
	for (const struct s_row *r = row_next(NULL, &d->i); r; r = row_next(r, &d->i)) {
		uint32_t from = S_DATA + S_DATA_RW + 8 * (uint32_t)(rnd(g) % S_SMALL);
		static const uint8_t ffree[] = {0xdd, 0xc7};
		uint8_t fld64[] = {0xdd, 4, 0x25, 0, 0, 0, 0}, fld32[] = {0xdd, 5, 0, 0, 0, 0};
		if (r->kind != R_SMALL)
			continue;
		memcpy(fld64 + 3, &from, 4);
		memcpy(fld32 + 2, &from, 4);
		raw_item(g, ffree, sizeof ffree);
		keep(g);
		raw_item(g, g->p->mode == S_MODE64 ? fld64 : fld32,
			 g->p->mode == S_MODE64 ? sizeof fld64 : sizeof fld32);
		keep(g);
	}
	if (row_has(d->f->mnemonic, R_NO_AC)) {
		const uint8_t mov[] = {0x66, 0xc7, 0x44, 0x24, 2, (uint8_t)(rnd(g) & 0x20), 0};
		raw_item(g, mov, sizeof mov);
		keep(g);
	}
	if (d->f->vsib) { /* VMOVDQU ymm, [data]: then VPSRLD ymm, ymm, 22 leaves 0..1023 */
		int v = ZydisRegisterGetId(d->o[1].mem.index);
		uint8_t shift[] = {0xc5, (uint8_t)(0x80 | (~v & 15) << 3 | 5), 0x72, (uint8_t)(0xd0 | (v & 7)), 23};
		if (v >= 8) {
			uint8_t far[] = {0xc4, 0xc1, (uint8_t)((~v & 15) << 3 | 5), 0x72, (uint8_t)(0xd0 | (v & 7)),
					 23};
			raw_item(g, far, sizeof far);
		} else {
			raw_item(g, shift, sizeof shift);
		}
	}
	return true;
}

/* Immediates that would lead far away. */
static void tame_immediate(struct gen *g, struct draft *d)
{
	if (d->i.mnemonic == ZYDIS_MNEMONIC_ENTER) {
		d->b[d->i.length - 3] = (uint8_t)(rnd(g) & 0x78);
		d->b[d->i.length - 2] = 0;
		d->b[d->i.length - 1] &= chance(g, 95) ? 3 : 0xff;
	}
	if (d->i.mnemonic == ZYDIS_MNEMONIC_RET && d->i.length > 2 && d->f->opcode == 0xc2) {
		d->b[d->i.length - 2] &= 0x78;
		d->b[d->i.length - 1] = 0;
	}
}

static void restore_stack(struct gen *g)
{
	set_register(g, 4, g->value[4]);
	if (g->protected >> 5 & 1)
		set_register(g, 5, g->value[5]);
}

/* ------ branches ------ */

/* Forward, by at most three instructions more; the number of items is where the next one will stand. */
static void put_relative(struct gen *g, const struct draft *d)
{
	struct s_item *it = new_item(g);
	bool short_form = d->i.raw.imm[0].size == 8;
	memcpy(it->bytes, d->b, d->i.length);
	it->length = d->i.length;
	it->mnemonic = d->f->mnemonic;
	it->fix = short_form ? FIX_REL8 : FIX_REL32;
	it->at = d->i.raw.imm[0].offset;
	it->target = (int16_t)(g->p->count + (chance(g, 60) ? 1 + rnd(g) % 3 : 0));
}

static void put_plain(struct gen *g, const struct draft *d)
{
	struct s_item *it = new_item(g);
	memcpy(it->bytes, d->b, d->i.length);
	it->length = d->i.length;
	it->mnemonic = d->f->mnemonic;
	it->fix = d->fix;
	it->at = (uint8_t)d->fix_at;
	it->address = d->address;
}

/* RET, JMP and CALL through registers and memory: put there where to go first, mostly. */
static void put_indirect(struct gen *g, const struct draft *d)
{
	unsigned after = g->p->count, r = scratch(g);
	bool aimed = chance(g, 95);
	if (aimed && d->i.meta.category == ZYDIS_CATEGORY_RET) {
		uint8_t push[] = {0x41, (uint8_t)(0x50 | (r & 7))};
		set_to_item(g, r, after + 3);
		raw_item(g, r >= 8 ? push : push + 1, r >= 8 ? 2 : 1);
		put_plain(g, d);
		restore_stack(g);
		return;
	}
	if (aimed && d->o[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int to = gpr(d->o[0].reg.value);
		if (g->protected >> to & 1)
			return;
		set_to_item(g, (unsigned)to, after + 2);
	}
	put_plain(g, d);
}

static bool put_branch(struct gen *g, const struct draft *d)
{
	if (d->i.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE && d->i.meta.category != ZYDIS_CATEGORY_RET)
		return false;
	if (d->i.raw.imm[0].is_relative)
		put_relative(g, d);
	else
		put_indirect(g, d);
	return true;
}

/* ------ one instruction ------ */

static const struct s_form *choose_form(struct gen *g)
{
	static const uint8_t weights[C_CLASSES] = {28, 6, 7, 14, 7, 18, 18, 6, 1};
	unsigned total = 0, k, c;
	for (c = 0; c < C_CLASSES; c++)
		total += g->t->class_count[c] ? weights[c] : 0;
	k = rnd(g) % total;
	for (c = 0; c < C_CLASSES; c++) {
		unsigned w = g->t->class_count[c] ? weights[c] : 0;
		if (k < w)
			break;
		k -= w;
	}
	const struct s_group *gr = &g->t->group[g->t->class_first[c] + rnd(g) % g->t->class_count[c]];
	return &g->t->form[gr->first + rnd(g) % gr->count];
}

static bool erases(const ZydisDecodedInstruction *i)
{
	return row_has((uint16_t)i->mnemonic, R_ERASE) || row_has((uint16_t)i->mnemonic, R_ALIGNED);
}

/* Is the address of its memory operand known? */
static bool certain(const struct gen *g, const struct draft *d)
{
	for (unsigned n = 0; n < d->i.operand_count_visible; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (d->o[n].mem.base == ZYDIS_REGISTER_RSP || d->o[n].mem.base == ZYDIS_REGISTER_ESP))
			return false;
	return !d->wild && !g->spoiled;
}

static bool is_fxrstor(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_FXRSTOR || m == ZYDIS_MNEMONIC_FXRSTOR64;
}
static bool loads_mxcsr(ZydisMnemonic m)
{
	return is_fxrstor(m) || m == ZYDIS_MNEMONIC_LDMXCSR || m == ZYDIS_MNEMONIC_VLDMXCSR;
}

static bool draft_one(struct gen *g, struct draft *d)
{
	d->f = choose_form(g);
	for (unsigned tries = 0; tries < 8; tries++) {
		draft_bytes(g, d);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->t->decoder, d->b, 15, &d->i, d->o)) ||
		    d->i.mnemonic != d->f->mnemonic)
			continue;
		bool harm = harms(g, d);
		if (g->mxcsr_open && loads_mxcsr(d->i.mnemonic))
			continue;
		if ((harm && !chance(g, 2)) || (erases(&d->i) && !certain(g, d)))
			continue;
		g->spoiled |= harm;
		return true;
	}
	return false;
}

/* MOV WORD [address], constant: as often as it takes. */
static void erase(struct gen *g, uint64_t at, unsigned bytes)
{
	for (unsigned n = 0; n < bytes; n += 2) {
		uint32_t to = (uint32_t)(at + n);
		uint8_t mov64[] = {0x66, 0xc7, 4, 0x25, 0, 0, 0, 0, 0x11, 0x11},
			mov32[] = {0x66, 0xc7, 5, 0, 0, 0, 0, 0x11, 0x11};
		memcpy(mov64 + 4, &to, 4);
		memcpy(mov32 + 3, &to, 4);
		raw_item(g, g->p->mode == S_MODE64 ? mov64 : mov32,
			 g->p->mode == S_MODE64 ? sizeof mov64 : sizeof mov32);
		bind(g);
	}
}

/* MOV WORD [RSP + 2 .. 6], constant */
static void erase_top(struct gen *g)
{
	for (uint8_t n = 2; n < (g->p->mode == S_MODE64 ? 8 : 4); n += 2) {
		const uint8_t mov[] = {0x66, 0xc7, 0x44, 0x24, n, 0x11, 0x11};
		raw_item(g, mov, sizeof mov);
		bind(g);
	}
}

/* Instructions that load the x87 control word. */
static bool loads_control(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_FLDCW:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FRSTOR:
		return true;
	default:
		return is_fxrstor(m);
	}
}

/* What the instruction leaves undefined is overwritten, or the sequence ends here and it is masked. */
static void after(struct gen *g, const struct draft *d)
{
	bool flags = false, last = false;
	for (const struct s_row *r = row_next(NULL, &d->i); r; r = row_next(r, &d->i)) {
		if (r->when == W_UNMASKED && !g->may_unmask)
			continue;
		flags |= r->kind == R_FLAGS;
		last |= r->kind == R_SSE_BOUND || r->kind == R_X87_BOUND || r->kind == R_FSW || r->kind == R_ANY;
		if (r->kind == R_ERASE)
			erase(g, d->to + (r->mask & 0xff), (r->mask >> 8) - (r->mask & 0xff));
		if (r->kind == R_ERASE_TOP)
			erase_top(g);
	}
	g->may_unmask |= loads_control(d->i.mnemonic);
	g->mxcsr_open |= is_fxrstor(d->i.mnemonic);
	if (last || (flags && chance(g, 25))) {
		g->done = g->p->last_only = true;
	} else if (flags) {
		uint8_t cmp[] = {0x39, (uint8_t)(0xc0 | (rnd(g) & 63))};
		raw_item(g, cmp, sizeof cmp);
		bind(g);
	}
}

static void one(struct gen *g)
{
	struct draft d;
	if (!draft_one(g, &d))
		return;
	tame_immediate(g, &d);
	if (!put_branch(g, &d)) {
		if (!prepare(g, &d))
			return;
		put_plain(g, &d);
	}
	after(g, &d);
	if (!g->done && (d.i.mnemonic == ZYDIS_MNEMONIC_LEAVE || d.i.mnemonic == ZYDIS_MNEMONIC_ENTER))
		restore_stack(g);
}

void generate(struct s_program *p, uint64_t seed, const uint8_t *pool)
{
	struct gen g = {.p = p, .s = seed, .pool = pool};
	memset(p, 0, offsetof(struct s_program, item));
	memset(&p->start, 0, sizeof p->start);
	p->seed = seed;
	p->mode = s_tables[S_MODE32].groups && chance(&g, 15) ? S_MODE32 : S_MODE64;
	if (!s_tables[p->mode].groups)
		p->mode = S_MODE64;
	p->softfloat = chance(&g, 30);
	g.t = &s_tables[p->mode];
	p->data_from = (uint32_t)(rnd(&g) % S_POOL & ~(uint64_t)15);
	start_state(&g);
	g.may_unmask = (p->start.xsave[0] & 0x3f) != 0x3f;
	unsigned n = 8 + rnd(&g) % 28;
	for (unsigned k = 0; k < n && !g.done && room_for(&g, 20); k++)
		one(&g);
}
