/* test_kvm_faults.c - KVM: every host call of a whole life of a VM fails in turn: an error with a sentence, no crash,
 * no leak. test-timeout: 300 test-labels: posix */
#include <errno.h>
#include "kvm_guest.h"
#include "os/os.h"

static int calls, fail_at, fail_errno;
static const char *failed;

static int nth_fails(const char *call)
{
	if (++calls != fail_at)
		return 0;
	failed = call;
	return fail_errno;
}

/* mov al,[bx]; out 0x80,al; hlt */
static const uint8_t code[] = {0x8a, 0x07, 0xe6, 0x80, 0xf4};

static int prepare(struct guest *g)
{
	vma_vm_config c = guest_config();
	int rc;

	c.irqchip = VMA_IRQCHIP_PLATFORM;
	rc = vma_vm_create(&c, &g->vm);
	if (!rc)
		rc = vma_vm_msr_exits(g->vm, 0x4b0000, 1, 3);
	if (!rc)
		rc = vma_vm_finalize(g->vm);
	if (!rc)
		rc = vma_mem_anon(RAM, &g->mem);
	if (rc)
		return rc;
	g->ram = vma_mem_hva(g->mem);
	memcpy(g->ram + CODE, code, sizeof(code));
	rc = vma_vm_map(g->vm, 0, g->mem, 0, RAM, VMA_MAP_RWX | VMA_MAP_LOG);
	if (!rc)
		rc = vma_vcpu_create(g->vm, 0, &g->cpu);
	return rc;
}

static int set_state(struct guest *g)
{
	vma_x86_regs r = {.rip = CODE, .rsp = STACK, .rflags = 2};
	vma_x86_sregs s;
	vma_x86_dregs d;
	uint8_t lapic[0x400];
	int rc = vma_x86_get_sregs(g->cpu, &s);

	s.cs.base = s.cs.selector = 0;
	s.ds.base = HOLE;
	if (!rc)
		rc = vma_x86_set_sregs(g->cpu, &s);
	if (!rc)
		rc = vma_x86_set_regs(g->cpu, &r, VMA_X86_ALL_REGS);
	if (!rc)
		rc = vma_x86_get_lapic(g->cpu, lapic);
	if (!rc)
		rc = vma_x86_set_lapic(g->cpu, lapic);
	if (!rc)
		rc = vma_x86_get_debug_regs(g->cpu, &d);
	if (!rc)
		rc = vma_x86_set_debug_regs(g->cpu, &d);
	return rc;
}

static int run_it(struct guest *g)
{
	vma_debug d = {.size = sizeof(d), .single_step = 1}, off = {.size = sizeof(off)};
	uint64_t bits[RAM / 4096 / 64], value;
	uint32_t id = VMA_X86_RIP;
	int rc = vma_vcpu_run(g->cpu);

	if (rc < 0)
		return rc;
	*g->exit->mmio.data = 1;
	rc = vma_vcpu_complete(g->cpu);
	if (!rc)
		rc = vma_vcpu_debug(g->cpu, &d);
	if (!rc)
		rc = vma_vcpu_run(g->cpu);
	if (rc >= 0)
		rc = vma_vcpu_get(g->cpu, &id, &value, 1);
	if (!rc)
		rc = vma_vcpu_debug(g->cpu, &off);
	if (!rc)
		rc = vma_x86_nmi(g->cpu);
	if (!rc)
		rc = vma_vm_dirty_log(g->vm, 0, RAM, bits, 1);
	if (!rc)
		rc = vma_vm_protect(g->vm, 0, RAM, VMA_MAP_READ | VMA_MAP_EXEC);
	if (!rc)
		rc = vma_vm_irq_line(g->vm, 4, 1);
	return rc;
}

static int life(void)
{
	struct guest g = {0};
	int rc = prepare(&g);

	g.exit = vma_vcpu_exit(g.cpu);
	if (!rc)
		rc = set_state(&g);
	if (!rc)
		rc = run_it(&g);
	if (g.vm)
		vma_vm_destroy(g.vm);
	vma_mem_unref(g.mem);
	return rc;
}

static void sweep(void **state)
{
	static const int errnos[] = {ENOMEM, EFAULT};
	int total;

	(void)state;
	vma_os_fault = nth_fails;
	assert_int_equal(OK(life()), 0);
	total = calls;
	assert_true(total > 50);
	for (size_t e = 0; e < 2; e++)
		for (fail_at = 1; fail_at <= total; fail_at++) {
			int rc;
			fail_errno = errnos[e];
			calls = 0;
			failed = NULL;
			rc = life();
			if (rc >= 0) /* only where a failure changes nothing: the hint of an extension, a release */
				continue;
			assert_non_null(failed);
			assert_true(strlen(vma_why()) > 10);
		}
	vma_os_fault = NULL;
	fail_at = 0;
	assert_int_equal(OK(life()), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sweep),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
