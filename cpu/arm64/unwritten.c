/* unwritten.c - the decoder's tables that are not written yet: their instructions are undefined. */
#include "internal.h"

#define NOT_WRITTEN_YET(name) const struct a64_rows name = {NULL, 0}

NOT_WRITTEN_YET(a64_rows_fp);
