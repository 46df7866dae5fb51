/* fuzz_state.c - the reader of saved vCPU and VM state: any bytes give an error or a state that can be saved again. */
#include <stdlib.h>
#include <vmaccel/vmaccel.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vma_vm *vm;
static vma_vcpu *v;

static void open_once(void)
{
	vma_vm_config c = {.size = sizeof(c),
			   .accel = VMA_ACCEL_NULL,
			   .arch = VMA_ARCH_X86_64,
			   .cpu_model = "max",
			   .irqchip = VMA_IRQCHIP_PLATFORM};

	if (vm)
		return;
	if (vma_vm_create(&c, &vm) || vma_vm_finalize(vm) || vma_vcpu_create(vm, 0, &v))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[16384];
	size_t room = sizeof(out);

	open_once();
	if (!vma_vcpu_restore(v, data, size, VMA_STATE_TIME, NULL) && vma_vcpu_save(v, out, &room, VMA_STATE_TIME))
		abort();
	room = sizeof(out);
	if (!vma_vm_restore(vm, data, size, VMA_STATE_TIME, NULL) && vma_vm_save(vm, out, &room, VMA_STATE_TIME))
		abort();
	return 0;
}
