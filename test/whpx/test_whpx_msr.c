/* test_whpx_msr.c - which accesses to MSRs exit on which Windows: by name where it has a list for that, else those that it
 * does not handle itself, or refuses; what nobody keeps is kept here. Each Windows in a process of its own. */
#include "each_windows.h"

/* The caller's wishes, for guest_open. */
static const struct vma_msr_wish {
	uint32_t first, count, access;
} *wishes;
static int wish_count;

static int wish(vma_vm *vm)
{
	for (int i = 0; i < wish_count; i++)
		if (vma_vm_msr_exits(vm, wishes[i].first, wishes[i].count, wishes[i].access))
			return -1;
	return 0;
}

static int open_guest(struct guest *g, const struct vma_msr_wish *list, int n, vma_msr_policy policy, const void *code, size_t size)
{
	wishes = list;
	wish_count = n;
	return guest_open(g, &conf, &(struct guest_options){.mode = GUEST_LONG, .configure = wish, .msr_policy = policy}, code, size);
}

#define OPEN(g, list, n, policy, code)                                                                                 \
	if (open_guest(g, list, n, policy, code, sizeof code) != CONF_PASS)                                            \
	return conf.reason

/* mov ecx, INDEX; rdmsr; add eax, 1; wrmsr; hlt */
static const uint8_t code_of_lstar[] = {0xb9, 0x82, 0, 0, 0xc0, 0x0f, 0x32, 0x83, 0xc0, 0x01, 0x0f, 0x30, 0xf4};
static const uint8_t code_of_unknown[] = {0xb9, 0x34, 0x12, 0, 0, 0x0f, 0x32, 0x83, 0xc0, 0x01, 0x0f, 0x30, 0xf4};
static const uint8_t code_of_misc[] = {0xb9, 0xa0, 0x01, 0, 0, 0x0f, 0x32, 0x83, 0xc8, 0x08, 0x0f, 0x30, 0x0f, 0x32, 0xf4};

/* Read and write exit, with the answer and the value. */
static const char *both_exit(struct guest *g, uint32_t index)
{
	EXPECT(vma_vcpu_run(g->v) == VMA_EXIT_MSR);
	EXPECT(g->exit->msr.index == index && !g->exit->msr.write);
	g->exit->msr.value = 0x1122334455667788;
	EXPECT(vma_vcpu_run(g->v) == VMA_EXIT_MSR);
	EXPECT(g->exit->msr.index == index && g->exit->msr.write && g->exit->msr.value == 0x1122334455667789);
	EXPECT(vma_vcpu_run(g->v) == VMA_EXIT_HLT);
	return NULL;
}

/* One that Windows handles itself exits because it is named. */
static const char *named(void)
{
	static const struct vma_msr_wish list[] = {{0xc0000081, 3, 3}};
	const char *why;
	struct guest g;

	OPEN(&g, list, 1, VMA_MSR_GP, code_of_lstar);
	why = both_exit(&g, 0xc0000082);
	guest_close(&g);
	return why;
}

/* Where nothing can be named that is said, with the MSR. */
static const char *not_named(void)
{
	static const struct vma_msr_wish list[] = {{0xc0000081, 3, 3}};
	struct guest g;

	EXPECT(open_guest(&g, list, 1, VMA_MSR_GP, code_of_lstar, sizeof code_of_lstar) == CONF_FAIL);
	EXPECT(strstr(conf.reason, "VMA_E_NO_HOST") && strstr(conf.reason, "MSR 0xc0000081"));
	return NULL;
}

/* One that it does not handle exits everywhere, by range or by policy; or is #GP. */
static const char *unknown(void)
{
	static const struct vma_msr_wish list[] = {{0x1230, 16, 3}};
	const char *why;
	struct guest g;

	OPEN(&g, list, 1, VMA_MSR_GP, code_of_unknown);
	why = both_exit(&g, 0x1234);
	guest_close(&g);
	if (why)
		return why;
	OPEN(&g, NULL, 0, VMA_MSR_EXIT, code_of_unknown);
	why = both_exit(&g, 0x1234);
	guest_close(&g);
	if (why)
		return why;
	OPEN(&g, NULL, 0, VMA_MSR_GP, code_of_unknown);
	guest_traps(&g);
	EXPECT(guest_run_trap(&g, 13) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* The answer to both may be #GP. */
static const char *refused(void)
{
	static const struct vma_msr_wish list[] = {{0x1230, 16, 3}};
	struct guest g;

	OPEN(&g, list, 1, VMA_MSR_GP, code_of_unknown);
	guest_traps(&g);
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_MSR);
	g.exit->msr.fault = 1;
	EXPECT(guest_run_trap(&g, 13) == CONF_PASS);
	guest_close(&g);
	return NULL;
}

/* Kept by the software CPU: the guest and the caller see the same. */
static const char *kept(void)
{
	static const uint32_t misc = 0x1a0;
	uint64_t value = 0;
	struct guest g;

	OPEN(&g, NULL, 0, VMA_MSR_GP, code_of_misc);
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_HLT);
	EXPECT(vma_x86_get_msrs(g.v, &misc, &value, 1) == 1 && value == 9);
	EXPECT(guest_get(&g, VMA_X86_RAX) == 9);
	guest_close(&g);
	return NULL;
}

/* rdtsc; mov ebx, edx; mov ecx, 0x3b; xor eax, eax; mov edx, 0x100; wrmsr; rdtsc; sub edx, ebx; mov ebx, edx; rdmsr; hlt:
 * IA32_TSC_ADJUST moves the counter, whoever keeps it. */
static const char *adjust(void)
{
	static const uint8_t code[] = {0x0f, 0x31, 0x89, 0xd3, 0xb9, 0x3b, 0,	  0,	0,    0x31, 0xc0, 0xba, 0x00, 0x01, 0,
				       0,    0x0f, 0x30, 0x0f, 0x31, 0x29, 0xda, 0x89, 0xd3, 0x0f, 0x32, 0xf4};
	struct guest g;

	OPEN(&g, NULL, 0, VMA_MSR_GP, code);
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_HLT);
	EXPECT(guest_get(&g, VMA_X86_RBX) - 0x100 < 0x10);
	EXPECT(guest_get(&g, VMA_X86_RDX) == 0x100 && guest_get(&g, VMA_X86_RAX) == 0);
	guest_close(&g);
	return NULL;
}

static const struct windows_row rows[] = {
	{"11", "named", named},	    {"2004", "not named", not_named}, {"11", "unknown", unknown}, {"2004", "unknown", unknown},
	{"11", "refused", refused}, {"2004", "refused", refused},     {"11", "kept", kept},
	{"11", "adjust", adjust},   {"2004", "adjust", adjust},
};

int main(void)
{
	return each_on_its_windows(rows, sizeof rows / sizeof *rows);
}
