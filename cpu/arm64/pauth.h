/* pauth.h - the cipher of pointer authentication, for those who check it. */
#ifndef CPU_ARM64_PAUTH_H
#define CPU_ARM64_PAUTH_H

#include <stdint.h>

void a64_pauth_init(void); /* once, before the first use */
/* QARMA-64 with five rounds: v under the key (w0, k0) with a tweak. */
uint64_t a64_qarma5(uint64_t v, uint64_t tweak, uint64_t w0, uint64_t k0);

#endif
