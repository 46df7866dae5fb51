/* bodies_arm64.h - checks whose body for arm64 stands in a file of its own: conf_state_arm64.c defines t061_arm64. The rows are with x86's. */
#ifndef CONFORMANCE_BODIES_ARM64_H
#define CONFORMANCE_BODIES_ARM64_H

#include "conformance.h"

#define CONF_BODIES_ARM64(X)                                                                                           \
	X(t061) X(t070) X(t071) X(t072) X(t073) X(t076) X(t077) X(t089) X(t092) X(t093) X(t094) X(t095) X(t098) X(t100) X(t101) X(t104)

#define CONF_BODY(name) int name##_arm64(struct conf *conf);
CONF_BODIES_ARM64(CONF_BODY)
#undef CONF_BODY

/* conf_mmio_arm64.c, conf_exit_arm64.c: named by what they check */
int a64_mmio_reads(struct conf *conf);
int a64_mmio_writes(struct conf *conf);
int a64_mmio_xzr(struct conf *conf);
int a64_mmio_forms(struct conf *conf);
int a64_mmio_maintenance(struct conf *conf);
int a64_calls(struct conf *conf);
int a64_waits(struct conf *conf);
int a64_unknown_sysreg(struct conf *conf);
int a64_beyond(struct conf *conf);

#endif
