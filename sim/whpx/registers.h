/* registers.h - a register by name: how it is read and written (registers.c, reg_events.c). */
#ifndef WHPX_SIM_REGISTERS_H
#define WHPX_SIM_REGISTERS_H

#include "whpsim.h"

#define ERROR_HV_INVALID_REGISTER_VALUE WHP_HRESULT(0xc0350050u)
#define ERROR_HV_ACCESS_DENIED WHP_HRESULT(0xc0350006u)

/* What a write makes necessary. */
enum { NOTHING, MODE = 1, TLB = 2, CHECK = 4, CLOCK = 8 };
struct whpsim_row {
	HRESULT (*get)(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v);
	HRESULT (*set)(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v);
	uint32_t at; /* offset in the CPU, number of an MSR or of a register of its kind */
	uint32_t effect;
};

/* Those of interruptions and activity, from WHvRegisterPendingInterruption on. */
enum { WHPSIM_EVENT_ROWS = 7 };
extern const struct whpsim_row whpsim_event_rows[WHPSIM_EVENT_ROWS];

#endif
