/* x86.h - the PC inside the machine, shared by its two files. */
#ifndef VMM_X86_H
#define VMM_X86_H

#include "loader.h"
#include "machine.h"

/* x86_vcpu.c */
/* Tables that the start state points to; after the kernel is loaded. */
void x86_write_tables(const struct guest_ram *ram, const struct x86_start *start);
int x86_set_start(vma_vcpu *vcpu, const struct x86_start *start);
void x86_dump(vma_vcpu *vcpu, char *text, size_t size);
int x86_pc(vma_vcpu *vcpu, uint64_t *pc);

#endif
