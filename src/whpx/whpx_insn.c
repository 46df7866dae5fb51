/* whpx_insn.c - instructions by the bytes that come with an exit: the plain MOV, MOVZX, MOVSX that nearly all accesses
 * to devices are, done without an emulator; and what kind of instruction is to be emulated.
 *
 * The processor has translated and checked the access before it exited, so all that is missing is the data. What could
 * make the reported address another one than the operand's - a page table in a device, an operand across two pages -
 * shows in the address' low twelve bits. */
#include <string.h>
#include <Zydis/Zydis.h>
#include "whpx/whpx.h"
#include "whpx/whpx_insn.h"

/* ------ decoding ------ */

static bool decode(const uint8_t *bytes, size_t size, unsigned bits, ZydisDecodedInstruction *i,
		   ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT])
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth width;
	} modes[] = {[1] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
		     [2] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
		     [4] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64}};
	ZydisDecoder d;

	return size && ZYAN_SUCCESS(ZydisDecoderInit(&d, modes[bits / 16].mode, modes[bits / 16].width)) &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, size, i, o));
}

static unsigned code_bits(const WHV_VP_EXIT_CONTEXT *c)
{
	if (c->ExecutionState.EferLma && c->Cs.Long)
		return 64;
	return c->Cs.Default ? 32 : 16;
}

/* ------ what kind it is ------ */

/* Instruction sets whose state is the general registers'. */
static bool general_set(ZydisISAExt set)
{
	static const uint8_t sets[] = {ZYDIS_ISA_EXT_BASE,  ZYDIS_ISA_EXT_LONGMODE, ZYDIS_ISA_EXT_BMI1,
				       ZYDIS_ISA_EXT_BMI2,  ZYDIS_ISA_EXT_LZCNT,    ZYDIS_ISA_EXT_MOVBE,
				       ZYDIS_ISA_EXT_PAUSE, ZYDIS_ISA_EXT_ADOX_ADCX};

	return memchr(sets, (int)set, sizeof(sets)) != NULL;
}

static bool foreign_set(ZydisISAExt set)
{
	static const uint8_t sets[] = {ZYDIS_ISA_EXT_AVX512EVEX, ZYDIS_ISA_EXT_AVX512VEX, ZYDIS_ISA_EXT_AMX_BF16,
				       ZYDIS_ISA_EXT_AMX_INT8,   ZYDIS_ISA_EXT_AMX_TILE,  ZYDIS_ISA_EXT_AVX_VNNI,
				       ZYDIS_ISA_EXT_ENQCMD,     ZYDIS_ISA_EXT_MOVDIR};

	return memchr(sets, (int)set, sizeof(sets)) != NULL;
}

static bool plain_category(ZydisInstructionCategory category)
{
	static const uint8_t categories[] = {
		ZYDIS_CATEGORY_ADOX_ADCX, ZYDIS_CATEGORY_BINARY,  ZYDIS_CATEGORY_BITBYTE,   ZYDIS_CATEGORY_BMI1,
		ZYDIS_CATEGORY_BMI2,	  ZYDIS_CATEGORY_CALL,	  ZYDIS_CATEGORY_CMOV,	    ZYDIS_CATEGORY_COND_BR,
		ZYDIS_CATEGORY_CONVERT,	  ZYDIS_CATEGORY_DATAXFER, ZYDIS_CATEGORY_FLAGOP,   ZYDIS_CATEGORY_IO,
		ZYDIS_CATEGORY_IOSTRINGOP, ZYDIS_CATEGORY_LOGICAL, ZYDIS_CATEGORY_LZCNT,    ZYDIS_CATEGORY_NOP,
		ZYDIS_CATEGORY_POP,	  ZYDIS_CATEGORY_PUSH,	  ZYDIS_CATEGORY_RET,	    ZYDIS_CATEGORY_ROTATE,
		ZYDIS_CATEGORY_SEMAPHORE, ZYDIS_CATEGORY_SETCC,	  ZYDIS_CATEGORY_SHIFT,	    ZYDIS_CATEGORY_STRINGOP,
		ZYDIS_CATEGORY_UNCOND_BR, ZYDIS_CATEGORY_WIDENOP,
	};

	return memchr(categories, (int)category, sizeof(categories)) != NULL;
}

/* MOV to and from control, debug and segment registers; far branches. */
static bool touches_system(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	if (i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return true;
	for (unsigned n = 0; n < i->operand_count_visible; n++) {
		if (o[n].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		switch (ZydisRegisterGetClass(o[n].reg.value)) {
		case ZYDIS_REGCLASS_GPR8:
		case ZYDIS_REGCLASS_GPR16:
		case ZYDIS_REGCLASS_GPR32:
		case ZYDIS_REGCLASS_GPR64:
			break;
		default:
			return true;
		}
	}
	return false;
}

static bool is_hypercall(const ZydisDecodedInstruction *i)
{
	return i->mnemonic == ZYDIS_MNEMONIC_VMCALL || i->mnemonic == ZYDIS_MNEMONIC_VMMCALL;
}

enum whpx_insn_class whpx_insn_class(const uint8_t *bytes, size_t size, unsigned bits)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	if (!decode(bytes, size, bits, &i, o))
		return WHPX_INSN_VECTOR;
	if (is_hypercall(&i))
		return WHPX_INSN_SYSTEM;
	if (!general_set(i.meta.isa_ext))
		return foreign_set(i.meta.isa_ext) ? WHPX_INSN_FOREIGN : WHPX_INSN_VECTOR;
	return plain_category(i.meta.category) && !touches_system(&i, o) ? WHPX_INSN_PLAIN : WHPX_INSN_SYSTEM;
}

unsigned whpx_insn_hypercall(const WHV_VP_EXIT_CONTEXT *c, const uint8_t *bytes, size_t size)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	return decode(bytes, size, code_bits(c), &i, o) && is_hypercall(&i) ? i.length : 0;
}

bool whpx_insn_of_hypervisors(const WHV_VP_EXIT_CONTEXT *c, const uint8_t *bytes, size_t size)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	if (!decode(bytes, size, code_bits(c), &i, o) || is_hypercall(&i))
		return false;
	return i.meta.isa_ext == ZYDIS_ISA_EXT_VTX || i.meta.isa_ext == ZYDIS_ISA_EXT_SMX ||
	       i.meta.isa_ext == ZYDIS_ISA_EXT_SVM;
}

/* ------ a plain move ------ */

struct decoded {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};

static bool is_general(const ZydisDecodedOperand *o)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(o->reg.value);

	return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
	       c == ZYDIS_REGCLASS_GPR64;
}

static bool is_high(ZydisRegister r)
{
	return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
}

static uint8_t number_of(ZydisRegister r)
{
	if (r == ZYDIS_REGISTER_NONE)
		return WHPX_MOVE_NONE;
	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_IP)
		return WHPX_MOVE_RIP;
	if (is_high(r))
		return (uint8_t)(r - ZYDIS_REGISTER_AH);
	return (uint8_t)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
}

static bool is_move(const ZydisDecodedInstruction *i)
{
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_MOVNTI:
		return true;
	default:
		return false;
	}
}

/* A segment whose base counts; 0: none. */
static int32_t segment_of(ZydisRegister r, unsigned bits)
{
	static const int32_t names[] = {WHvX64RegisterEs, WHvX64RegisterCs, WHvX64RegisterSs,
					WHvX64RegisterDs, WHvX64RegisterFs, WHvX64RegisterGs};

	return bits == 64 && r != ZYDIS_REGISTER_FS && r != ZYDIS_REGISTER_GS ? 0 : names[r - ZYDIS_REGISTER_ES];
}

static void fill_move(struct whpx_move *m, const struct decoded *d, const ZydisDecodedOperand *mem,
		      const ZydisDecodedOperand *other, unsigned bits)
{
	m->length = d->i.length;
	m->size = (uint8_t)(mem->size / 8);
	m->width = (uint8_t)(other->size / 8);
	m->sign = d->i.mnemonic == ZYDIS_MNEMONIC_MOVSX || d->i.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
	m->immediate = other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	m->value = m->immediate ? other->imm.value.u : 0;
	m->reg = m->immediate ? WHPX_MOVE_NONE : number_of(other->reg.value);
	m->high = !m->immediate && is_high(other->reg.value);
	m->base = number_of(mem->mem.base);
	m->index = number_of(mem->mem.index);
	m->scale = mem->mem.scale;
	m->disp = mem->mem.disp.value;
	m->segment = segment_of(mem->mem.segment, bits);
}

/* Between memory and a general register or an immediate. */
static bool decode_move(struct whpx_move *m)
{
	struct decoded d;
	const ZydisDecodedOperand *mem, *other;

	if (!decode(m->bytes, m->count, m->bits, &d.i, d.o) || !is_move(&d.i))
		return false;
	if (d.i.attributes & ZYDIS_ATTRIB_HAS_SIB && !d.i.raw.modrm.mod && d.i.raw.sib.base == 5)
		return false; /* Zydis 4.0 shows a base where there is none */
	m->write = d.o[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	mem = &d.o[m->write ? 0 : 1];
	other = &d.o[m->write ? 1 : 0];
	if (mem->type != ZYDIS_OPERAND_TYPE_MEMORY || mem->size > 64)
		return false;
	if (!(other->type == ZYDIS_OPERAND_TYPE_REGISTER && is_general(other)) &&
	    !(m->write && other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE))
		return false;
	fill_move(m, &d, mem, other, m->bits);
	return true;
}

/* A driver's accesses come from few places: what was decoded there is kept, with its bytes. NULL: it is no plain move.
 */
static const struct whpx_move *move_of(struct whpx_vcpu *w)
{
	const WHV_MEMORY_ACCESS_CONTEXT *a = &w->ctx.MemoryAccess;
	uint8_t count = a->InstructionByteCount > 16 ? 16 : a->InstructionByteCount;
	uint8_t bits = (uint8_t)code_bits(&w->ctx.VpContext);
	uint64_t rip = w->ctx.VpContext.Rip;
	struct whpx_move *m = &w->moves[(rip ^ rip >> 5) % WHPX_MOVES];

	if (m->count && m->count == count && m->bits == bits && !memcmp(m->bytes, a->InstructionBytes, count))
		return m;
	*m = (struct whpx_move){.count = count, .bits = bits};
	memcpy(m->bytes, a->InstructionBytes, count);
	if (decode_move(m))
		return m;
	m->count = 0;
	return NULL;
}

/* ------ is the access that was reported the operand's? ------ */

/* The processor reads page tables on its way, and sets bits in them. One of them may lie where no memory is, or none
 * that can be written: then the address is that of an entry, whose place in its table follows from the linear address
 * (SDM vol. 3, 4.3 to 4.5, 4.8). */
static bool may_be_table(uint64_t gva, unsigned offset)
{
	for (unsigned shift = 12; shift < 57; shift += 9)
		if ((gva >> shift & 0x1ff) * 8 == (offset & ~7u))
			return true;
	return (gva >> 12 & 0x3ff) * 4 == (offset & ~3u) || (gva >> 22 & 0x3ff) * 4 == (offset & ~3u);
}

static bool is_access(const struct whpx_vcpu *w, const struct whpx_move *m, bool mapped)
{
	const WHV_MEMORY_ACCESS_CONTEXT *a = &w->ctx.MemoryAccess;
	unsigned offset = a->Gpa & (WHPX_PAGE - 1);

	if (a->AccessInfo.AccessType != (m->write ? WHvMemoryAccessWrite : WHvMemoryAccessRead))
		return false;
	if (a->AccessInfo.GvaValid ? (a->Gva ^ a->Gpa) & (WHPX_PAGE - 1) : !m->write)
		return false;
	return offset + m->size <= WHPX_PAGE && ((m->write && !mapped) || !may_be_table(a->Gva, offset));
}

/* At the begin of a page it may be the second part of an operand across two pages: then its address is worked out. */
static bool may_cross(const struct whpx_vcpu *w, const struct whpx_move *m)
{
	return m->size > 1 && !(w->ctx.MemoryAccess.Gpa & (WHPX_PAGE - 1));
}

static void ask(struct whpx_batch *b, uint8_t reg)
{
	if (reg < 16)
		whpx_add(b, whpx_gpr_by_number[reg]);
}

static void ask_address(const struct whpx_move *m, struct whpx_batch *b)
{
	ask(b, m->base);
	ask(b, m->index);
	if (m->segment)
		whpx_add(b, (WHV_REGISTER_NAME)m->segment);
}

static uint64_t value_of(const struct whpx_vcpu *w, const struct whpx_move *m, struct whpx_batch *b, uint8_t reg)
{
	if (reg == WHPX_MOVE_NONE)
		return 0;
	return reg == WHPX_MOVE_RIP ? w->ctx.VpContext.Rip + m->length : whpx_add(b, whpx_gpr_by_number[reg])->Reg64;
}

/* Only the offset in the page counts, which no truncation of the address changes. */
static bool starts_page(const struct whpx_vcpu *w, const struct whpx_move *m, struct whpx_batch *b)
{
	uint64_t at = value_of(w, m, b, m->base) + (uint64_t)m->disp + value_of(w, m, b, m->index) * m->scale;

	if (m->segment)
		at += whpx_add(b, (WHV_REGISTER_NAME)m->segment)->Segment.Base;
	return !(at & (WHPX_PAGE - 1));
}

/* ------ the exit ------ */

static int exit_mmio(struct whpx_vcpu *w, const struct whpx_move *m, struct whpx_batch *b)
{
	struct vma_vcpu *v = w->v;
	uint64_t value = m->value;

	w->move = m;
	if (m->write && !m->immediate)
		value = whpx_add(b, whpx_gpr_by_number[m->reg])->Reg64 >> (m->high ? 8 : 0);
	memset(w->data, 0, sizeof(w->data));
	memcpy(w->data, &value, m->size);
	v->exit.kind = VMA_EXIT_MMIO;
	v->exit.pending = 1;
	v->exit.mmio.gpa = w->ctx.MemoryAccess.Gpa;
	v->exit.mmio.length = m->size;
	v->exit.mmio.write = m->write;
	v->exit.mmio.data = w->data;
	v->completes_rip_only = m->write;
	w->half = WHPX_MOVE;
	return VMA_EXIT_MMIO;
}

int whpx_move_exit(struct whpx_vcpu *w, bool mapped)
{
	const struct whpx_move *m = whpx_hot(w) || !whpx_plain(w) ? NULL : move_of(w);
	struct whpx_batch b;
	int rc = 0;

	if (!m || !is_access(w, m, mapped))
		return 0;
	b.count = 0;
	if (m->write)
		ask(&b, m->reg);
	if (may_cross(w, m))
		ask_address(m, &b);
	if (b.count)
		rc = whpx_get(w, &b);
	if (rc)
		return rc;
	if (may_cross(w, m) && !starts_page(w, m, &b))
		return 0;
	return exit_mmio(w, m, &b);
}

/* ------ its completion ------ */

static uint64_t loaded(const struct whpx_vcpu *w)
{
	uint64_t value = 0, sign;

	memcpy(&value, w->data, w->move->size);
	sign = UINT64_C(1) << (w->move->size * 8 - 1);
	return w->move->sign ? (value ^ sign) - sign : value;
}

/* Registers of one and two bytes leave the rest of theirs (SDM vol. 1, 3.4.1.1). */
static int merge(struct whpx_vcpu *w, uint64_t *value)
{
	unsigned shift = w->move->high ? 8 : 0;
	uint64_t mask = (w->move->width == 1 ? UINT64_C(0xff) : UINT64_C(0xffff)) << shift;
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, whpx_gpr_by_number[w->move->reg]);
	rc = whpx_get(w, &b);
	*value = (b.values[0].Reg64 & ~mask) | (*value << shift & mask);
	return rc;
}

static int put_loaded(struct whpx_vcpu *w)
{
	uint64_t value = loaded(w);
	int rc = 0;

	if (w->move->width < 4)
		rc = merge(w, &value);
	else if (w->move->width == 4)
		value = (uint32_t)value;
	if (!rc)
		whpx_put(w, whpx_gpr_by_number[w->move->reg], value);
	return rc;
}

int whpx_move_finish(struct whpx_vcpu *w)
{
	int rc = w->v->exit.mmio.write ? 0 : put_loaded(w);

	return rc ? rc : whpx_advance(w, w->move->length);
}
