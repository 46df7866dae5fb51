/* sysreg.h - between the instructions (system.c) and the registers (sysreg.c). */
#ifndef CPU_ARM64_SYSREG_H
#define CPU_ARM64_SYSREG_H

#include "sys.h"

/* false: undefined. May raise, or stop for env's answer. */
bool a64_sysreg_access(struct a64_cpu *c, const struct a64_op *op, uint32_t reg, bool write, uint64_t *v);
/* EC 0x18 with op's own encoding. */
_Noreturn void a64_sysreg_trap(struct a64_cpu *c, const struct a64_op *op);

#endif
