/* whpx_insn.h - instructions by their bytes (whpx_insn.c), for the emulator. */
#ifndef VMA_WHPX_INSN_H
#define VMA_WHPX_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "whpx/whp.h"

enum whpx_insn_class {
	WHPX_INSN_PLAIN,  /* general registers, memory and ports only, wherever it goes */
	WHPX_INSN_SYSTEM, /* what it needs or changes is the processor's own: not to be done in passing */
	WHPX_INSN_VECTOR, /* needs the x87, MMX, SSE or AVX state, or may need it */
	WHPX_INSN_FOREIGN /* of an instruction set that the software CPU has not (AVX-512, AMX) */
};
/* `bits`: 16, 32 or 64 as CS and EFER have it. Bytes that are cut short are VECTOR: they may be anything. */
enum whpx_insn_class whpx_insn_class(const uint8_t *bytes, size_t size, unsigned bits);
/* Is it one of VMX, SMX or SVM, which are #UD for a guest that is shown none of them? Not VMCALL and VMMCALL. */
bool whpx_insn_of_hypervisors(const WHV_VP_EXIT_CONTEXT *c, const uint8_t *bytes, size_t size);

#endif
