/* vcpu_state.h - the tables that saving and restoring a vCPU share. */
#ifndef VMA_VCPU_STATE_H
#define VMA_VCPU_STATE_H

#include "core/internal.h"

struct vma_saved_msr {
	uint32_t index;
	bool time;
	uint64_t reset;
};
extern const struct vma_saved_msr vma_saved_msrs[];
extern const size_t vma_saved_msr_count;

/* Elements that are registers in a row. */
struct vma_reg_group {
	uint32_t element, first, end, class;
};
extern const struct vma_reg_group vma_reg_groups[];
extern const size_t vma_reg_group_count;

#endif
