/* exports.h - does VMA_WHPX_SIM leave the DLLs a function? Apart, since Windows' headers and whp.h do not go together. */
#ifndef WHPX_SIM_EXPORTS_H
#define WHPX_SIM_EXPORTS_H

#include <stdbool.h>

bool whpsim_exported(const char *function);

#endif
