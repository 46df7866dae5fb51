/* hello.c - a virtual CPU that says "Hi" with OUT instructions, on the fastest accelerator of this machine. */
#include <stdio.h>
#include <string.h>
#include <vmaccel/x86.h>

int main(void)
{
	/* 16-bit code: mov al, 'H'; out 0x10, al; mov al, 'i'; out 0x10, al; mov al, '\n'; out 0x10, al; hlt */
	static const char code[] = "\xb0H\xe6\x10\xb0i\xe6\x10\xb0\n\xe6\x10\xf4";
	uint32_t start[] = {VMA_X86_CS, VMA_X86_CS_BASE, VMA_X86_RIP};
	uint64_t zero[] = {0, 0, 0};
	vma_vm_config config = {.size = sizeof(config), .arch = VMA_ARCH_X86_64};
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *vcpu;
	int kind;

	if (vma_vm_create(&config, &vm) < 0 || vma_vm_finalize(vm) < 0 || vma_mem_anon(0x10000, &mem) < 0 ||
	    vma_vm_map(vm, 0, mem, 0, 0x10000, VMA_MAP_RWX) < 0 || vma_vcpu_create(vm, 0, &vcpu) < 0 ||
	    vma_vcpu_set(vcpu, start, zero, 3) < 0)
		return fprintf(stderr, "%s\n", vma_why()), 1;
	memcpy(vma_mem_hva(mem), code, sizeof(code));
	while ((kind = vma_vcpu_run(vcpu)) == VMA_EXIT_IO)
		putchar(*vma_vcpu_exit(vcpu)->io.data);
	vma_vm_destroy(vm);
	vma_mem_unref(mem);
	return kind == VMA_EXIT_HLT ? 0 : 1;
}
