/* whpx_insn.c - instructions by the bytes that come with an exit: the plain MOV, MOVZX, MOVSX that nearly all accesses to
 * devices are, done without an emulator; and what kind of instruction is to be emulated.
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
	static const uint8_t sets[] = {ZYDIS_ISA_EXT_BASE,  ZYDIS_ISA_EXT_LONGMODE, ZYDIS_ISA_EXT_BMI1,  ZYDIS_ISA_EXT_BMI2,
				       ZYDIS_ISA_EXT_LZCNT, ZYDIS_ISA_EXT_MOVBE,    ZYDIS_ISA_EXT_PAUSE, ZYDIS_ISA_EXT_ADOX_ADCX};

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

enum whpx_insn_class whpx_insn_class(const uint8_t *bytes, size_t size, unsigned bits)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];

	if (!decode(bytes, size, bits, &i, o))
		return WHPX_INSN_VECTOR;
	if (!general_set(i.meta.isa_ext))
		return foreign_set(i.meta.isa_ext) ? WHPX_INSN_FOREIGN : WHPX_INSN_VECTOR;
	return plain_category(i.meta.category) && !touches_system(&i, o) ? WHPX_INSN_PLAIN : WHPX_INSN_SYSTEM;
}

/* ------ a plain move ------ */

struct move {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	const ZydisDecodedOperand *mem, *other;
	bool write;
	unsigned size; /* of the access in bytes */
};

static bool is_general(const ZydisDecodedOperand *o)
{
	ZydisRegisterClass c = ZydisRegisterGetClass(o->reg.value);

	return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 || c == ZYDIS_REGCLASS_GPR64;
}

static bool is_high(ZydisRegister r)
{
	return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
}

static unsigned number_of(ZydisRegister r)
{
	if (is_high(r))
		return (unsigned)(r - ZYDIS_REGISTER_AH);
	return (unsigned)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
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

/* Between memory and a general register or an immediate. */
static bool decode_move(const struct whpx_vcpu *w, struct move *m)
{
	const WHV_MEMORY_ACCESS_CONTEXT *a = &w->ctx.MemoryAccess;
	size_t size = a->InstructionByteCount > 16 ? 16 : a->InstructionByteCount;

	if (!decode(a->InstructionBytes, size, code_bits(&w->ctx.VpContext), &m->i, m->o) || !is_move(&m->i))
		return false;
	m->write = m->o[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	m->mem = &m->o[m->write ? 0 : 1];
	m->other = &m->o[m->write ? 1 : 0];
	if (m->mem->type != ZYDIS_OPERAND_TYPE_MEMORY || m->mem->size > 64)
		return false;
	m->size = m->mem->size / 8;
	if (m->i.attributes & ZYDIS_ATTRIB_HAS_SIB && !m->i.raw.modrm.mod && m->i.raw.sib.base == 5)
		return false; /* Zydis 4.0 shows a base where there is none */
	return (m->other->type == ZYDIS_OPERAND_TYPE_REGISTER && is_general(m->other)) ||
	       (m->write && m->other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE);
}

/* The access is the operand's, and all of it. */
static bool is_access(const struct whpx_vcpu *w, const struct move *m)
{
	const WHV_MEMORY_ACCESS_CONTEXT *a = &w->ctx.MemoryAccess;
	unsigned offset = a->Gpa & (WHPX_PAGE - 1);

	if (a->AccessInfo.AccessType != (m->write ? WHvMemoryAccessWrite : WHvMemoryAccessRead))
		return false;
	if (a->AccessInfo.GvaValid && ((a->Gva ^ a->Gpa) & (WHPX_PAGE - 1)))
		return false;
	return offset + m->size <= WHPX_PAGE;
}

/* At the begin of a page it may be the second part of an operand across two pages: then its address is worked out. */
static bool may_cross(const struct whpx_vcpu *w, const struct move *m)
{
	return m->size > 1 && !(w->ctx.MemoryAccess.Gpa & (WHPX_PAGE - 1));
}

static WHV_REGISTER_NAME segment_name(ZydisRegister r)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterEs, WHvX64RegisterCs, WHvX64RegisterSs,
						  WHvX64RegisterDs, WHvX64RegisterFs, WHvX64RegisterGs};

	return names[r - ZYDIS_REGISTER_ES];
}

static bool flat(const struct whpx_vcpu *w, const struct move *m)
{
	ZydisRegister s = m->mem->mem.segment;

	return code_bits(&w->ctx.VpContext) == 64 && s != ZYDIS_REGISTER_FS && s != ZYDIS_REGISTER_GS;
}

static bool is_rip(ZydisRegister r)
{
	return ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_IP;
}

static void ask(struct whpx_batch *b, ZydisRegister r)
{
	if (r != ZYDIS_REGISTER_NONE && !is_rip(r))
		whpx_add(b, whpx_gpr_by_number[number_of(r)]);
}

static void ask_address(const struct whpx_vcpu *w, const struct move *m, struct whpx_batch *b)
{
	ask(b, m->mem->mem.base);
	ask(b, m->mem->mem.index);
	if (!flat(w, m))
		whpx_add(b, segment_name(m->mem->mem.segment));
}

static uint64_t value_of(const struct whpx_vcpu *w, const struct move *m, struct whpx_batch *b, ZydisRegister r)
{
	if (r == ZYDIS_REGISTER_NONE)
		return 0;
	return is_rip(r) ? w->ctx.VpContext.Rip + m->i.length : whpx_add(b, whpx_gpr_by_number[number_of(r)])->Reg64;
}

/* Only the offset in the page counts, which no truncation of the address changes. */
static bool starts_page(const struct whpx_vcpu *w, const struct move *m, struct whpx_batch *b)
{
	uint64_t at = value_of(w, m, b, m->mem->mem.base) + (uint64_t)m->mem->mem.disp.value +
		      value_of(w, m, b, m->mem->mem.index) * m->mem->mem.scale;

	if (!flat(w, m))
		at += whpx_add(b, segment_name(m->mem->mem.segment))->Segment.Base;
	return !(at & (WHPX_PAGE - 1));
}

/* What is written, or where what is read goes. */
static void take_operand(struct whpx_vcpu *w, const struct move *m, struct whpx_batch *b)
{
	ZydisRegister r = m->other->reg.value;
	uint64_t value;

	w->move.length = m->i.length;
	w->move.size = (uint8_t)m->size;
	memset(w->data, 0, sizeof(w->data));
	if (!m->write) {
		w->move.reg = (uint8_t)number_of(r);
		w->move.high = is_high(r);
		w->move.width = (uint8_t)(m->other->size / 8);
		w->move.sign = m->i.mnemonic == ZYDIS_MNEMONIC_MOVSX || m->i.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
		return;
	}
	if (m->other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		value = m->other->imm.value.u;
	else
		value = whpx_add(b, whpx_gpr_by_number[number_of(r)])->Reg64 >> (is_high(r) ? 8 : 0);
	memcpy(w->data, &value, m->size);
}

static int exit_mmio(struct whpx_vcpu *w, const struct move *m)
{
	struct vma_vcpu *v = w->v;

	v->exit.kind = VMA_EXIT_MMIO;
	v->exit.pending = 1;
	v->exit.mmio.gpa = w->ctx.MemoryAccess.Gpa;
	v->exit.mmio.length = (uint8_t)m->size;
	v->exit.mmio.write = m->write;
	v->exit.mmio.data = w->data;
	v->completes_rip_only = m->write;
	w->half = WHPX_MOVE;
	return VMA_EXIT_MMIO;
}

int whpx_move_exit(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	struct move m;
	int rc = 0;

	if (whpx_hot(w) || !whpx_plain(w) || !decode_move(w, &m) || !is_access(w, &m))
		return 0;
	b.count = 0;
	if (m.write && m.other->type == ZYDIS_OPERAND_TYPE_REGISTER)
		ask(&b, m.other->reg.value);
	if (may_cross(w, &m))
		ask_address(w, &m, &b);
	if (b.count)
		rc = whpx_get(w, &b);
	if (rc)
		return rc;
	if (may_cross(w, &m) && !starts_page(w, &m, &b))
		return 0;
	take_operand(w, &m, &b);
	return exit_mmio(w, &m);
}

/* ------ its completion ------ */

static uint64_t loaded(const struct whpx_vcpu *w)
{
	uint64_t value = 0, sign;

	memcpy(&value, w->data, w->move.size);
	sign = UINT64_C(1) << (w->move.size * 8 - 1);
	return w->move.sign ? (value ^ sign) - sign : value;
}

/* Registers of one and two bytes leave the rest of theirs (SDM vol. 1, 3.4.1.1). */
static int merge(struct whpx_vcpu *w, uint64_t *value)
{
	unsigned shift = w->move.high ? 8 : 0;
	uint64_t mask = (w->move.width == 1 ? UINT64_C(0xff) : UINT64_C(0xffff)) << shift;
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, whpx_gpr_by_number[w->move.reg]);
	rc = whpx_get(w, &b);
	*value = (b.values[0].Reg64 & ~mask) | (*value << shift & mask);
	return rc;
}

static int put_loaded(struct whpx_vcpu *w)
{
	uint64_t value = loaded(w);
	int rc = 0;

	if (w->move.width < 4)
		rc = merge(w, &value);
	else if (w->move.width == 4)
		value = (uint32_t)value;
	if (!rc)
		whpx_put(w, whpx_gpr_by_number[w->move.reg], value);
	return rc;
}

int whpx_move_finish(struct whpx_vcpu *w)
{
	int rc = w->v->exit.mmio.write ? 0 : put_loaded(w);

	return rc ? rc : whpx_advance(w, w->move.length);
}
