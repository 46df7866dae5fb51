/* conf_arm64.h - bodies of checks that are arm64's alone, named by what they check; the tables of their groups list them. */
#ifndef CONF_ARM64_H
#define CONF_ARM64_H

#include "guest.h"

/* conf_a64_mmio.c */
int a64_mmio_reads(struct conf *conf);
int a64_mmio_writes(struct conf *conf);
int a64_mmio_xzr(struct conf *conf);
int a64_mmio_forms(struct conf *conf);
int a64_mmio_maintenance(struct conf *conf);
/* conf_a64_exit.c */
int a64_calls(struct conf *conf);
int a64_waits(struct conf *conf);
int a64_unknown_sysreg(struct conf *conf);
int a64_beyond(struct conf *conf);

#endif
