/* emul.h - accesses that an accelerator reports without decoding them, executed by the software CPU: what its back end
 * keeps of a vCPU that is in the middle of one. The vCPU's registers stay the back end's, reached through its table. */
#ifndef VMA_EMUL_H
#define VMA_EMUL_H

#include "arm64/arm64.h"
#include "core/core.h"

/* The back end's part. Called with vm->lock held. */
struct vma_emul_ops {
	/* A device below the API, 1 to 8 bytes; false: it is an exit. May be NULL. */
	bool (*device)(struct vma_vcpu *v, uint64_t gpa, unsigned length, bool write, uint8_t *data);
	/* Memory with VMA_MAP_LOG was written: the page, counted from the region's start. */
	void (*mark)(struct vma_region *r, uint64_t page);
};

/* What general registers are to the software CPU. */
void vma_emul_get_arm64(struct a64_cpu *c, vma_arm64_regs *r);
void vma_emul_put_arm64(struct a64_cpu *c, const vma_arm64_regs *r);

struct vma_emul_arm64;
/* Execute the load or store at the vCPU's PC; *e is made at the first call. Returns
 * 0: done, or the guest took the exception that it raises; the registers are written;
 * VMA_EXIT_MMIO: v->exit is a pending access, nothing of the instruction has happened to the registers;
 * VMA_EXIT_INTERNAL: not an instruction, or not a mode, that can be executed: data is its word (0: not known) and its
 * address; or an error. Owner's thread, nothing dirty, no exit pending. */
int vma_emul_begin_arm64(struct vma_vcpu *v, struct vma_emul_arm64 **e, const struct vma_emul_ops *ops);
/* The pending access has its answer: the same. After an error the exit is still pending, and calling again goes on. */
int vma_emul_answer_arm64(struct vma_vcpu *v, struct vma_emul_arm64 *e);
void vma_emul_free_arm64(struct vma_emul_arm64 *e); /* NULL is allowed */

#endif
