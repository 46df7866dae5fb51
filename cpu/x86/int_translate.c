/* int_translate.c - the integer instructions' translators, tried in turn. */
#include "int.h"

x86_fn x86_without_flags(x86_fn fn)
{
	x86_fn q = x86_quiet_alu(fn);
	if (!q)
		q = x86_quiet_shift(fn);
	return q ? q : x86_quiet_mul(fn);
}

x86_fn x86_translate_int(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	static const x86_translator all[] = {x86_int_alu,   x86_int_branch, x86_int_string, x86_int_mov,
					     x86_int_stack, x86_int_shift,  x86_int_mul,    x86_int_bits,
					     x86_int_xchg,  x86_int_flags,  x86_int_bcd,
					     x86_int_bmi};
	for (unsigned n = 0; n < sizeof all / sizeof *all; n++) {
		x86_fn fn = all[n](d, op, ends);
		if (fn)
			return fn;
	}
	return NULL;
}
