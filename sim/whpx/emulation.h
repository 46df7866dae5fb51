/* emulation.h - the registers that an instruction emulator asks its caller for, and the software CPU's fields. */
#ifndef WHPX_SIM_EMULATION_H
#define WHPX_SIM_EMULATION_H

#include "whpx/whp.h"
#include "x86/x86.h"

enum { WHPSIM_EMULATION_NAMES = 60 };
extern const WHV_REGISTER_NAME whpsim_emulation_names[WHPSIM_EMULATION_NAMES];
void whpsim_emulation_load(struct x86_cpu *c, WHV_REGISTER_NAME name, const WHV_REGISTER_VALUE *v);
/* What an instruction may change; false: not that register. */
bool whpsim_emulation_store(struct x86_cpu *c, WHV_REGISTER_NAME name, WHV_REGISTER_VALUE *v);

#endif
