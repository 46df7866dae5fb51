/* kvm_insn.h - just enough decoding to recognise an instruction that KVM has moved past when it reports the access
 * (kvm_rewind.c). */
#ifndef VMA_KVM_INSN_H
#define VMA_KVM_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

enum vma_kvm_insn_kind {
	INSN_OTHER,
	INSN_OUT,
	INSN_OUTS,
	INSN_STORE, /* writes memory; changes no register that could be told afterwards */
	INSN_STOS,
	INSN_MOVS,
	INSN_PUSH,
};

struct vma_kvm_insn {
	enum vma_kvm_insn_kind kind;
	uint8_t length;
	uint8_t width;     /* of the access in bytes */
	uint8_t addr_size; /* 2, 4, 8 */
	uint8_t rep;       /* 0xf2, 0xf3 or 0 */
	bool redundant;    /* has a prefix without effect: more likely the tail of the instruction before */
	bool value_known;  /* `value` is what it writes */
	uint64_t value;
	uint64_t ea; /* linear address it writes; INSN_OUT: port */
};

/* Decode one instruction of at most `size` bytes with these registers; 0 when it is none that is known here. */
int vma_kvm_insn_decode(const uint8_t *bytes, size_t size, const struct kvm_regs *regs, const struct kvm_sregs *sregs,
			struct vma_kvm_insn *insn);
bool vma_kvm_insn_is_prefix(uint8_t byte, const struct kvm_sregs *sregs);

#endif
