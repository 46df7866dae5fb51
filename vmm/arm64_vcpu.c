/* arm64_vcpu.c - the state in which Linux wants the first arm64 processor, and a processor's registers as text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <vmaccel/arm64.h>

#include "arm64.h"

uint64_t arm64_affinity(uint32_t cpu)
{
	return (cpu & 15) | (uint64_t)(cpu >> 4 & 0xff) << 8;
}

/* booting.rst, "Call the kernel image": x0 the device tree, the rest 0; MMU off and DAIF set, as after reset. */
int arm64_set_start(vma_vcpu *vcpu, const struct arm64_start *start)
{
	vma_arm64_regs regs = {.pc = start->entry, .x[0] = start->fdt};

	return vma_arm64_set_regs(vcpu, &regs, VMA_ARM64_ALL_REGS & ~VMA_ARM64_REG_BIT(VMA_ARM64_PSTATE));
}

struct text {
	char *to;
	size_t left;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->to, text->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->left)
		n = text->left ? (int)text->left - 1 : 0;
	text->to += n;
	text->left -= (size_t)n;
}

static void dump_sysregs(vma_vcpu *vcpu, struct text *text)
{
	static const uint32_t ids[] = {VMA_ARM64_SCTLR_EL1, VMA_ARM64_TCR_EL1, VMA_ARM64_TTBR0_EL1, VMA_ARM64_TTBR1_EL1,
				       VMA_ARM64_VBAR_EL1,  VMA_ARM64_ESR_EL1, VMA_ARM64_FAR_EL1,   VMA_ARM64_ELR_EL1,
				       VMA_ARM64_SPSR_EL1};
	uint64_t value;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		if (vma_vcpu_get(vcpu, &ids[i], &value, 1) >= 0)
			say(text, "%-10s %016" PRIx64 "%s", vma_reg_name(VMA_ARCH_ARM64, ids[i]), value, i % 3 == 2 ? "\n" : " ");
}

void arm64_dump(vma_vcpu *vcpu, char *to, size_t size)
{
	struct text text = {to, size};
	vma_arm64_regs r;

	if (vma_arm64_get_regs(vcpu, &r) < 0) {
		say(&text, "registers: %s\n", vma_why());
		return;
	}
	say(&text, "pc  %016" PRIx64 " pstate %08" PRIx64 " sp_el0 %016" PRIx64 " sp_el1 %016" PRIx64 "\n", r.pc, r.pstate, r.sp_el0,
	    r.sp_el1);
	for (unsigned i = 0; i < 31; i++)
		say(&text, "x%-2u %016" PRIx64 "%s", i, r.x[i], i % 4 == 3 || i == 30 ? "\n" : " ");
	dump_sysregs(vcpu, &text);
}

int arm64_pc(vma_vcpu *vcpu, uint64_t *pc)
{
	const uint32_t id = VMA_ARM64_PC;

	*pc = 0;
	return vma_vcpu_get(vcpu, &id, pc, 1);
}
