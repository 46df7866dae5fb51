/* notimpl.h - what this simulation does not do: answered with E_NOTIMPL and counted, so that tests notice. */
#ifndef WHPX_SIM_NOTIMPL_H
#define WHPX_SIM_NOTIMPL_H

#include "whpx/whp.h"

HRESULT whpsim_not_implemented(const char *what);
uint64_t whpsim_unimplemented_calls(void);   /* so far, in the process */
const char *whpsim_unimplemented_last(void); /* what the last one asked for; NULL: none */

#endif
