/* arch_x86.c - the core's half for x86-64: its table, interrupt lines and messages, memory of a vCPU's state, and the loop
 * that measures. */
#include "core/arch_x86.h"

typedef unsigned long long ull;

static int check_line(const vma_vm *vm, uint32_t gsi)
{
	(void)vm;
	return gsi > 23 ? vma_fail(VMA_E_INVALID, "interrupt line %u (0..23)", gsi) : 0;
}

static int send_msi(vma_vm *vm, uint64_t address, uint32_t data)
{
	if (address >> 20 != 0xfee)
		return vma_fail(VMA_E_INVALID, "MSI address %#llx is not in 0xfee00000..0xfeefffff", (ull)address);
	return vm->be->msi ? vm->be->msi(vm, address, data) : vma_fail(VMA_E_NO_ACCEL, "%s has no MSI", vm->info.name);
}

static int vcpu_alloc(vma_vcpu *v)
{
	size_t xsave = (v->vm->xsave_size + 63u) & ~63u;

	v->x86.xsave = os_aligned(64, xsave);
	v->queue.xsave = os_aligned(64, xsave);
	return v->x86.xsave && v->queue.xsave ? 0 : VMA_E_NOMEM;
}

static void vcpu_free(vma_vcpu *v)
{
	os_free(v->x86.xsave);
	os_free(v->queue.xsave);
}

/* inc ebx; dec ecx; jmp back, in real mode: registers and a branch, no memory. EBX counts the rounds. */
static const uint8_t loop_code[] = {0x66, 0x43, 0x66, 0x49, 0xeb, 0xfa};

static int loop_start(vma_vcpu *v, uint64_t gpa)
{
	const uint32_t ids[] = {VMA_X86_CS, VMA_X86_CS_BASE, VMA_X86_RIP, VMA_X86_RBX};
	const uint64_t values[] = {gpa >> 4, gpa, 0, 0};

	return vma_vcpu_set(v, ids, values, VMA_COUNT(ids));
}

static int loop_rounds(vma_vcpu *v, uint64_t *rounds)
{
	const uint32_t id = VMA_X86_RBX;
	int rc = vma_vcpu_get(v, &id, rounds, 1);

	*rounds = (uint32_t)*rounds;
	return rc;
}

const struct vma_arch_ops vma_arch_x86 = {
	.vm_init = vma_vm_init_x86,
	.check_line = check_line,
	.msi = send_msi,
	.vcpu_alloc = vcpu_alloc,
	.vcpu_free = vcpu_free,
	.first_state = vma_first_state_x86,
	/* CR8 is the APIC's TPR and APIC_BASE its mode */
	.coupled = VMA_C_SREGS | VMA_C_LAPIC,
	.fetched = vma_fetched_x86,
	.entering = vma_entering_x86,
	.apply_queue = vma_apply_queue_x86,
	.merge_early = vma_merge_early_x86,
	.get = vma_get_x86,
	.set = vma_set_x86,
	.get_mp = vma_get_mp_x86,
	.set_mp = vma_set_mp_x86,
	.reg_name = vma_reg_name_x86,
	.reg_parse = vma_reg_parse_x86,
	.reg_list = vma_reg_list_x86,
	.reset = vma_reset_x86,
	.translate = vma_translate_x86,
	.check_break = vma_check_break_x86,
	.save = vma_save_x86,
	.restore = vma_restore_x86,
	.loop_code = loop_code,
	.loop_size = sizeof(loop_code),
	.loop_insns = 3,
	.loop_start = loop_start,
	.loop_rounds = loop_rounds,
};
