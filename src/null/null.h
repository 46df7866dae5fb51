/* null.h - private structs of the scripted back end. */
#ifndef VMA_NULL_PRIVATE_H
#define VMA_NULL_PRIVATE_H

#include <vmaccel/null.h>
#include "core/core.h"

struct null_vm {
	vma_x86_irqchip chip;
	int64_t clock_offset; /* the guest's clock less the host's */
};

struct null_msr {
	uint32_t index;
	uint64_t value;
};

enum { NULL_DATA = 8 };

/* A step with a copy of its bytes. */
struct null_step {
	vma_null_step step;
	uint8_t *bytes; /* NULL: zeroes */
};

struct null_vcpu {
	struct vma_x86_state s;
	struct null_msr *msrs;
	struct null_step *steps;
	size_t count, at;     /* the next step to take */
	struct null_step now; /* the one whose exit is pending */
	uint8_t *data;        /* what the exit's data points to */
	unsigned filled;      /* bytes of the MMIO read's register that earlier fragments brought */
};

/* What a slot does first: count, and fail if told so. */
enum null_slot {
#define X(name) NULL_##name,
	VMA_NULL_SLOTS(X)
#undef X
		NULL_SLOT_COUNT
};
int null_enter(enum null_slot slot);
void null_apply_limits(vma_platform_info *info);

/* null_run.c */
int null_run(struct vma_vcpu *v);
int null_complete(struct vma_vcpu *v);
void null_forget(struct null_vcpu *n);

#endif
