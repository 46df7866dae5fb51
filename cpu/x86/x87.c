/* x87.c - translating x87 instructions: opcodes D8 to DF and FWAIT. */
#include "x87.h"

x86_fn x86_translate_x87(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	static x86_fn (*const parts[])(const struct x86_insn *, struct x86_op *) = {
		x87_translate_env, x87_translate_arith, x87_translate_move, x87_translate_func};
	unsigned opcode = d->i.opcode;
	(void)ends;
	if (d->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || d->i.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return NULL;
	if (opcode != 0x9b && (opcode < 0xd8 || opcode > 0xdf))
		return NULL;
	op->imm = (opcode & 7) << 8 | d->i.raw.modrm.mod << 6 | d->i.raw.modrm.reg << 3 | d->i.raw.modrm.rm; /* FOP */
	for (unsigned n = 0; n < sizeof parts / sizeof parts[0]; n++) {
		x86_fn fn = parts[n](d, op);
		if (fn)
			return x87_faster(fn, op);
	}
	return NULL;
}
