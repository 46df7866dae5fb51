/* decode.c - from bytes to blocks of operations: fetching across page ends, Zydis, what is common to all translators,
 * the end of a block. */
#include "engine.h"
#include "sys.h"

/* By mode, and by whether CPUID shows LZCNT and BMI1: without these F3 BSR is BSR, and F3 BSF is BSF. */
enum { WITH_LZCNT = 1, WITH_TZCNT = 2, VARIANTS = 4 };
static ZydisDecoder decoders[VARIANTS][X86_MODE_LONG + 1];

/* This CPU has no MPX, CET, CLDEMOTE, and no caches that tell WBNOINVD from WBINVD: their encodings are what they were
 * before. */
static void init_decoder(ZydisDecoder *d, ZydisMachineMode mode, ZydisStackWidth width, unsigned variant)
{
	static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET,
					       ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE,
					       ZYDIS_DECODER_MODE_KNC};
	ZydisDecoderInit(d, mode, width);
	for (unsigned i = 0; i < sizeof off / sizeof *off; i++)
		ZydisDecoderEnableMode(d, off[i], ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_LZCNT, variant & WITH_LZCNT ? ZYAN_TRUE : ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_TZCNT, variant & WITH_TZCNT ? ZYAN_TRUE : ZYAN_FALSE);
}

static const ZydisDecoder *decoder_for(const struct x86_cpu *c)
{
	unsigned v = (x86_has(c, X86_F_LZCNT) ? WITH_LZCNT : 0) | (x86_has(c, X86_F_BMI1) ? WITH_TZCNT : 0);
	return &decoders[v][c->mode];
}

static void init_decoders(void)
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth width;
	} of[] = {
		[X86_MODE_REAL] = {ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16},
		[X86_MODE_VM86] = {ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16},
		[X86_MODE_PROT16] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
		[X86_MODE_PROT32] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
		[X86_MODE_COMPAT16] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16},
		[X86_MODE_COMPAT32] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32},
		[X86_MODE_LONG] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
	};
	for (unsigned v = 0; v < VARIANTS; v++)
		for (unsigned m = 0; m < sizeof of / sizeof *of; m++)
			init_decoder(&decoders[v][m], of[m].mode, of[m].width, v);
}

/* Once in a process, whichever CPU of whichever thread is the first; others wait for it. */
void x86_decoders_init(void)
{
	enum { NOT_YET, BEING, DONE };
	static atomic_int state;
	int s = NOT_YET;
	if (atomic_compare_exchange_strong(&state, &s, BEING)) {
		init_decoders();
		atomic_store(&state, DONE);
	}
	while (atomic_load(&state) != DONE)
		;
}

uint8_t x86_regno(ZydisRegister r)
{
	ZyanI8 id = ZydisRegisterGetId(r);
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR8: {
		if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
			return (uint8_t)((r - ZYDIS_REGISTER_AH) * 8 + 1);
		static const ZydisRegister low[] = {ZYDIS_REGISTER_AL, ZYDIS_REGISTER_CL, ZYDIS_REGISTER_DL,
						    ZYDIS_REGISTER_BL};
		for (unsigned n = 0; n < 4; n++)
			if (r == low[n])
				return (uint8_t)(n * 8);
		return (uint8_t)((r - ZYDIS_REGISTER_SPL + 4) * 8);
	}
	case ZYDIS_REGCLASS_IP:
		return X86_R_PC;
	case ZYDIS_REGCLASS_INVALID:
		return X86_R_ZERO;
	default:
		return (uint8_t)id;
	}
}

/* ModRM.mod 0 with SIB.base 5 has no base whatever REX.B says; Zydis 4.0 shows r13d there, and no
 * displacement, when the address size is 32. */
static bool has_no_base(const ZydisDecodedInstruction *i)
{
	return i->attributes & ZYDIS_ATTRIB_HAS_SIB && i->raw.modrm.mod == 0 && i->raw.sib.base == 5;
}

static void preset_memory(const struct x86_insn *d, const ZydisDecodedOperand *o, struct x86_op *op)
{
	const struct x86_cpu *c = d->c;
	unsigned shift = o->mem.scale ? (unsigned)__builtin_ctz(o->mem.scale) : 0, bytes = o->size / 8;
	int64_t disp = has_no_base(&d->i) ? d->i.raw.disp.value : o->mem.disp.value;
	op->base = has_no_base(&d->i) ? X86_R_ZERO : x86_regno(o->mem.base);
	op->index = x86_regno(o->mem.index);
	op->seg = (uint8_t)x86_segno(o->mem.segment);
	if (op->base == X86_R_PC)
		disp += op->off + op->len;
	op->disp = (int32_t)disp;
	op->scale = (uint8_t)shift;
	if (c->mode == X86_MODE_LONG && d->i.address_width == 64)
		return;
	op->flags |= X86_OPF_SLOW_EA | (d->i.address_width == 16   ? X86_OPF_ADDR16
					: d->i.address_width == 32 ? X86_OPF_ADDR32
								   : 0);
	if (c->mode != X86_MODE_LONG && !(op->seg < X86_NSEG && c->flat >> op->seg & 1))
		op->flags |= X86_OPF_CHECK_SEG;
	op->scale |= (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? X86_EA_WRITE : 0) | (bytes > 31 ? 31 : bytes)
												 << X86_EA_SIZE_SHIFT;
}

/* What every translator finds done. */
static void preset(const struct x86_insn *d, struct x86_op *op)
{
	const ZydisDecodedOperand *mem = NULL, *imm = NULL;
	op->seg = 7;
	op->base = op->index = X86_R_ZERO;
	for (unsigned n = 0; n < d->i.operand_count; n++) {
		const ZydisDecodedOperand *o = &d->o[n];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !mem)
			mem = o;
		else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !imm)
			imm = o;
	}
	unsigned bits = mem ? mem->size : d->i.operand_count ? d->o[0].size : 0;
	op->size = bits / 8 > 255 ? 0 : (uint8_t)(bits / 8);
	op->flags = (d->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE) ? X86_OPF_REP : 0) |
		    (d->i.attributes & ZYDIS_ATTRIB_HAS_REPNE ? X86_OPF_REPNE : 0) |
		    (d->i.attributes & ZYDIS_ATTRIB_HAS_LOCK ? X86_OPF_LOCK : 0);
	if (mem)
		preset_memory(d, mem, op);
	if (imm)
		op->imm = imm->imm.value.u;
}

/* Answers whether it is an integer instruction. */
static bool translate(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	static const x86_translator all[] = {x86_translate_int, x86_translate_sys, x86_translate_x87,
					     x86_translate_sse};
	bool offered = x86_isa_offered(d);
	for (unsigned n = 0; offered && n < sizeof all / sizeof *all; n++) {
		struct x86_op trial = *op;
		bool e = false;
		trial.fn = all[n](d, &trial, &e);
		if (trial.fn) {
			*op = trial;
			*ends = e;
			return n == 0;
		}
	}
	op->fn = x86_op_ud;
	*ends = true;
	return false;
}

struct builder {
	struct x86_cpu *c;
	struct x86_op ops[X86_BLOCK_INSNS + 3];
	uint8_t code[X86_BLOCK_INSNS * 15];
	const uint8_t *hva;
	unsigned room; /* bytes of the page from the block's start */
	const struct x86_itlbe *behind;
	uint64_t lin;    /* device: of the instruction */
	bool device;     /* its bytes are asked for one by one, or some would have to be */
	bool ends, stop; /* stop: without this instruction */
	bool branch;     /* the last operation leaves by the exits or by itself */
	struct {
		uint16_t reads, sets, changes; /* arithmetic flags; sets: whatever the operands are */
		bool plain;                    /* it cannot fault and leaves by the next operation */
	} flags[X86_BLOCK_INSNS + 1];
	bool relink;           /* state that blocks depend on may have changed: leave through the run loop */
	struct x86_block head; /* last: it ends in a flexible array */
};

/* The next bytes from a device: up to 8, and no more than to the next boundary of as many. */
static unsigned device_piece(struct x86_cpu *c, uint64_t lin, uint64_t gpa, unsigned room, uint8_t *bytes)
{
	unsigned n = 8;
	while (gpa & (n - 1) || n > room)
		n /= 2;
	c->stop.gva = lin;
	c->stop.fetch = true;
	x86_mmio(c, NULL, gpa, n, false, bytes);
	return n;
}

static unsigned piece(struct builder *b, unsigned have, uint8_t *bytes)
{
	uint64_t lin = b->lin + have;
	if (b->c->mode != X86_MODE_LONG)
		lin = (uint32_t)lin;
	const struct x86_itlbe *t = x86_fetch_page(b->c, lin);
	unsigned off = lin & 0xfff, room = 15 - have < 0x1000 - off ? 15 - have : 0x1000 - off;
	if (!t->hva)
		return device_piece(b->c, lin, t->gpa | off, room, bytes + have);
	host_read(bytes + have, t->hva + off, room);
	return room;
}

/* Zydis has SYSENTER and SYSEXIT in protected mode only; in the others they fault, and the first works in virtual-8086
 * mode (SDM vol. 2). */
static ZyanStatus decode(const struct x86_cpu *c, struct x86_insn *d, unsigned have)
{
	ZyanStatus s = ZydisDecoderDecodeFull(decoder_for(c), d->bytes, have, &d->i, d->o);
	if (ZYAN_SUCCESS(s) || s == ZYDIS_STATUS_NO_MORE_DATA || (c->mode != X86_MODE_REAL && c->mode != X86_MODE_VM86))
		return s;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZyanStatus other = ZydisDecoderDecodeFull(&decoders[0][X86_MODE_PROT16], d->bytes, have, &i, o);
	if (ZYAN_FAILED(other) || (i.mnemonic != ZYDIS_MNEMONIC_SYSENTER && i.mnemonic != ZYDIS_MNEMONIC_SYSEXIT))
		return s;
	d->i = i;
	memcpy(d->o, o, sizeof o);
	return other;
}

/* Reading a device may do something, so only what the instruction needs is read, and once: an instruction that is begun
 * again finds the bytes in the log, before its own accesses. */
static ZyanStatus fetch_device(struct builder *b, struct x86_insn *d)
{
	ZyanStatus s = ZYDIS_STATUS_NO_MORE_DATA;
	if (!b->c->replay)
		x86_log_reset(b->c);
	b->c->log_insns = b->c->insns;
	for (unsigned have = 0; have < 15 && s == ZYDIS_STATUS_NO_MORE_DATA;) {
		have += piece(b, have, d->bytes);
		s = decode(b->c, d, have);
	}
	return s == ZYDIS_STATUS_NO_MORE_DATA ? ZYDIS_STATUS_INSTRUCTION_TOO_LONG : s;
}

/* The bytes of one instruction; of the next page only what is needed, and for the first instruction of a block only. */
static ZyanStatus fetch(struct builder *b, struct x86_insn *d)
{
	unsigned off = b->head.bytes, have = b->room - off < 15 ? b->room - off : 15;
	host_read(d->bytes, b->hva + off, have);
	ZyanStatus s = decode(b->c, d, have);
	if (s != ZYDIS_STATUS_NO_MORE_DATA || have == 15)
		return s == ZYDIS_STATUS_NO_MORE_DATA ? ZYDIS_STATUS_INSTRUCTION_TOO_LONG : s;
	if (b->head.n) {
		b->stop = true;
		return s;
	}
	uint64_t lin = b->c->rip + b->c->segbase[X86_CS];
	if (b->c->mode != X86_MODE_LONG)
		lin = (uint32_t)lin;
	b->behind = x86_fetch_page(b->c, (lin | 0xfff) + 1);
	if (!b->behind->hva) {
		b->stop = b->device = true;
		return s;
	}
	x86_share_decoding(b->c, b->behind->hva);
	b->head.host[1] = b->behind->hva;
	host_read(d->bytes + have, b->behind->hva, 15 - have);
	b->head.gpa2 = b->behind->gpa;
	s = decode(b->c, d, 15);
	return s == ZYDIS_STATUS_NO_MORE_DATA ? ZYDIS_STATUS_INSTRUCTION_TOO_LONG : s;
}

/* Loads of segment registers outside 64-bit mode change c->flat, on which the rest of the block was decoded. */
static bool loads_segment(const struct x86_insn *d)
{
	if (d->c->mode == X86_MODE_LONG)
		return false;
	for (unsigned n = 0; n < d->i.operand_count; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_REGISTER && d->o[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    ZydisRegisterGetClass(d->o[n].reg.value) == ZYDIS_REGCLASS_SEGMENT)
			return true;
	return false;
}

/* Serializing instructions (SDM vol. 3, 9.3) that go on in their block otherwise: what is behind them is to be fetched
 * afterwards. The others leave through the run loop by themselves. */
static bool serializes(const struct x86_insn *d)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_LGDT:
	case ZYDIS_MNEMONIC_LIDT:
	case ZYDIS_MNEMONIC_LLDT:
	case ZYDIS_MNEMONIC_LTR:
	case ZYDIS_MNEMONIC_INVD:
	case ZYDIS_MNEMONIC_WBINVD:
		return true;
	default:
		return false;
	}
}

static bool may_fault(const struct x86_insn *d)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV:
	case ZYDIS_MNEMONIC_AAM:
	case ZYDIS_MNEMONIC_INTO:
		return true;
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_NOP:
		return false;
	default:
		break;
	}
	for (unsigned n = 0; n < d->i.operand_count; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return true;
	return false;
}

/* A count of 0 lets the flags alone. */
static bool by_count(const struct x86_insn *d)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
		return true;
	default:
		return false;
	}
}

/* Zydis' masks have the bits of EFLAGS. */
static void note_flags(struct builder *b, const struct x86_insn *d, bool integer)
{
	const ZydisAccessedFlags *f = d->i.cpu_flags;
	unsigned n = b->head.n + 1u;
	b->flags[n].plain = integer && !may_fault(d);
	b->flags[n].reads = b->flags[n].sets = b->flags[n].changes = 0;
	if (!f)
		return;
	uint32_t sets = (f->modified | f->set_0 | f->set_1) & X86_ARITH;
	b->flags[n].reads = f->tested & X86_ARITH;
	b->flags[n].sets = by_count(d) ? 0 : (uint16_t)sets;
	b->flags[n].changes = (uint16_t)(sets | (f->undefined & X86_ARITH));
}

static void one(struct builder *b)
{
	struct x86_insn d;
	struct x86_op *op = &b->ops[b->head.n + 1];
	d.c = b->c;
	ZyanStatus s = b->device ? fetch_device(b, &d) : fetch(b, &d);
	if (b->stop)
		return;
	memset(op, 0, sizeof *op);
	op->off = b->head.bytes;
	if (!ZYAN_SUCCESS(s)) {
		op->len = 1;
		b->flags[b->head.n + 1].plain = false;
		op->fn = s == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? x86_op_too_long : x86_op_ud;
		b->ends = true;
	} else {
		op->len = d.i.length;
		preset(&d, op);
		bool integer = translate(&d, op, &b->ends);
		note_flags(b, &d, integer);
		b->branch = d.i.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
		if (loads_segment(&d) || serializes(&d))
			b->ends = b->relink = true;
	}
	memcpy(b->code + b->head.bytes, d.bytes, op->len);
	b->head.n++;
	b->head.bytes += op->len;
}

/* Exit n of the block: 0 falls through, 1 is the branch's. The distance of the latter was put in the branch's imm by
 * its translator. */
static void exit_op(struct builder *b, unsigned n)
{
	struct x86_op *op = &b->ops[b->head.n + 1 + n];
	const struct x86_op *last = &b->ops[b->head.n];
	memset(op, 0, sizeof *op);
	op->off = b->head.bytes;
	op->disp = n ? (int32_t)((int64_t)last->imm + last->off + last->len) : (int32_t)b->head.bytes;
	unsigned mode = b->c->mode;
	op->size = mode == X86_MODE_LONG ? 8 : mode == X86_MODE_PROT32 || mode == X86_MODE_COMPAT32 || !n ? 4 : 2;
	if (n && b->c->mode != X86_MODE_LONG)
		op->size = last->size; /* operand size of the branch */
	int64_t at = (int64_t)(b->head.gpa & 0xfff) + op->disp;
	op->aux = n && b->branch ? 2 : 0;
	if (b->head.key & X86_KEY_SINGLE || b->relink || b->head.gpa2 != UINT64_MAX)
		op->fn = x86_op_exit_null;
	else if (op->aux && b->head.key & X86_KEY_LIMIT)
		op->fn = x86_op_exit_far;
	else
		op->fn = at >= 0 && at < 0x1000 ? x86_op_exit : x86_op_exit_far;
}

/* Where all flags that an instruction changes are set again before anybody can look - a reader, a fault, the end of the
 * block - it need not compute them. Flags that the manual leaves undefined count as kept. */
static void drop_dead_flags(struct builder *b)
{
	uint32_t live = X86_ARITH;
	for (unsigned i = b->head.n; i > 0; i--) {
		x86_fn quiet =
			b->flags[i].plain && !(b->flags[i].changes & live) ? x86_without_flags(b->ops[i].fn) : NULL;
		if (quiet)
			b->ops[i].fn = quiet;
		live = b->flags[i].plain ? (live & ~(uint32_t)b->flags[i].sets) | b->flags[i].reads : X86_ARITH;
	}
}

static void finish(struct builder *b)
{
	drop_dead_flags(b);
	for (unsigned i = 1; i < b->head.n; i++) {
		x86_fn fused = x86_fuse(&b->ops[i], &b->ops[i + 1]);
		if (fused)
			b->ops[i].fn = fused;
	}
	b->ops[0] = (struct x86_op){.fn = b->head.key & X86_KEY_SINGLE ? x86_op_head_single : x86_op_head,
				    .imm = b->head.n,
				    .disp = b->c->code_epoch};
	exit_op(b, 0);
	exit_op(b, 1);
}

struct x86_block *x86_decode_block(struct x86_cpu *c, uint64_t gpa, const uint8_t *hva, uint32_t key)
{
	struct builder b;
	memset(&b.head, 0, sizeof b.head);
	b.c = c;
	b.head.gpa = gpa;
	b.head.gpa2 = UINT64_MAX;
	b.head.key = key;
	b.head.host[0] = hva;
	x86_share_decoding(c, hva);
	b.hva = hva + (gpa & 0xfff);
	b.room = 0x1000 - (gpa & 0xfff);
	b.ends = b.stop = b.branch = b.relink = b.device = false;
	unsigned max = key & X86_KEY_SINGLE ? 1 : X86_BLOCK_INSNS;
	while (b.head.n < max && !b.ends && !b.stop && b.head.bytes < b.room)
		one(&b);
	if (unlikely(b.device))
		return NULL;
	finish(&b);
	return x86_cache_add(c, &b.head, b.ops, b.head.n + 3u, b.code);
}

struct x86_block *x86_decode_device(struct x86_cpu *c, uint64_t lin, uint32_t key)
{
	struct x86_block *block = (struct x86_block *)(void *)c->cache->device;
	struct builder b;
	memset(&b.head, 0, sizeof b.head);
	b.c = c;
	b.lin = lin;
	b.head.gpa = lin;
	b.head.gpa2 = UINT64_MAX;
	b.head.key = key | X86_KEY_SINGLE;
	b.ends = b.stop = b.branch = b.relink = false;
	b.device = true;
	one(&b);
	finish(&b);
	memcpy(block, &b.head, sizeof b.head);
	memcpy(block->ops, b.ops, 4 * sizeof *b.ops);
	memcpy(block->ops + 4, b.code, b.head.bytes);
	c->log_op = &block->ops[1]; /* the log goes on with what it accesses */
	c->log_insns = c->insns + 1;
	c->once = true; /* each iteration fetches again, however many are to be done: x86_run forgets it */
	return block;
}
