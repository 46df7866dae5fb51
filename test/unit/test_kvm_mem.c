/* test_kvm_mem.c - KVM: mappings, read-only memory, one page at two addresses, the log of written pages. test-labels: posix */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <vmaccel/native.h>
#include "kvm_guest.h"

/* mov [0x5000],al; mov [0x9000],al; hlt, with DS base 0 */
#define WRITES 0xa2, 0x00, 0x50, 0xa2, 0x00, 0x90, 0xf4

static void log_guest(struct guest *g)
{
	static const uint8_t code[] = {WRITES};
	vma_vm_config c = guest_config();

	*g = (struct guest){0};
	OK(vma_vm_create(&c, &g->vm));
	OK(vma_vm_finalize(g->vm));
	guest_memory(g, code, sizeof(code), VMA_MAP_RWX | VMA_MAP_LOG);
	guest_vcpu(g);
}

static void again(struct guest *g)
{
	set_reg(g, VMA_X86_RIP, CODE);
	EXPECT(g, HLT);
}

/* Exactly the written pages; asking does not clear unless told to; clearing part leaves the rest. */
static void dirty_log(void **state)
{
	uint64_t bits[4];
	struct guest g;

	(void)state;
	log_guest(&g);
	EXPECT(&g, HLT); /* a first time: KVM logs the first read of a page too */
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 1));
	again(&g);
	for (int i = 0; i < 2; i++) {
		OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 0));
		assert_int_equal(bits[0], 1 << 5 | 1 << 9);
	}
	OK(vma_vm_dirty_log(g.vm, 0x5000, 0x1000, bits, 1));
	assert_int_equal(bits[0], 1);
	OK(vma_vm_dirty_log(g.vm, 0x3000, 0x10000, bits, 0));
	assert_int_equal(bits[0], 1 << 6);
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 1));
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 0));
	assert_int_equal(bits[0] | bits[1] | bits[2] | bits[3], 0);
	again(&g);
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 0));
	assert_int_equal(bits[0], 1 << 5 | 1 << 9);
	guest_end(&g);
}

/* The slot is made anew when it becomes read-only: what was logged before is not forgotten. */
static void log_survives_protect(void **state)
{
	uint64_t bits[4];
	struct guest g;

	(void)state;
	log_guest(&g);
	EXPECT(&g, HLT);
	OK(vma_vm_protect(g.vm, 0, RAM, VMA_MAP_READ | VMA_MAP_EXEC | VMA_MAP_LOG));
	OK(vma_vm_protect(g.vm, 0, RAM, VMA_MAP_RWX | VMA_MAP_LOG));
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 1));
	assert_int_equal(bits[0] & (1 << 5 | 1 << 9), 1 << 5 | 1 << 9);
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 0));
	assert_int_equal(bits[0], 0);
	guest_end(&g);
}

/* While a vCPU runs nobody knows what it writes between the reading of the log and the end of the slot. */
static struct {
	struct guest *g;
	vma_kick *kick;
} meanwhile;

static void *protect_meanwhile(void *unused)
{
	struct guest *g = meanwhile.g;
	intptr_t rc;

	(void)unused;
	while (!__atomic_load_n(&g->ram[0x5000], __ATOMIC_SEQ_CST))
		;
	rc = vma_vm_protect(g->vm, 0, RAM, VMA_MAP_READ | VMA_MAP_EXEC | VMA_MAP_LOG);
	vma_kick_send(meanwhile.kick);
	return (void *)rc;
}

static void log_of_a_run(void **state)
{
	static const uint8_t code[] = {0xfe, 0x06, 0x00, 0x50, 0xeb, 0xfe}; /* inc byte [0x5000]; jmp $ */
	uint64_t bits[4];
	vma_x86_sregs sregs;
	pthread_t thread;
	struct guest g;
	vma_mem *mem;
	void *rc;

	(void)state;
	log_guest(&g);
	OK(vma_mem_anon(0x1000, &mem));
	memcpy(vma_mem_hva(mem), code, sizeof(code));
	OK(vma_vm_map(g.vm, HOLE, mem, 0, 0x1000, VMA_MAP_RWX));
	OK(vma_x86_get_sregs(g.cpu, &sregs));
	sregs.cs.base = HOLE;
	OK(vma_x86_set_sregs(g.cpu, &sregs));
	set_reg(&g, VMA_X86_RIP, 0);
	meanwhile.g = &g;
	OK(vma_vcpu_kick_handle(g.cpu, &meanwhile.kick));
	assert_int_equal(pthread_create(&thread, NULL, protect_meanwhile, NULL), 0);
	EXPECT(&g, CANCELED);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 1));
	for (int i = 0; i < 4; i++)
		assert_true(bits[i] == UINT64_MAX);
	OK(vma_vm_dirty_log(g.vm, 0, RAM, bits, 0));
	assert_int_equal(bits[3], 0);
	guest_end(&g);
	vma_kick_unref(meanwhile.kick);
	vma_mem_unref(mem);
}

static void read_only(void **state)
{
	GUEST(g, WRITES);

	(void)state;
	set_reg(&g, VMA_X86_RAX, 0x5a);
	OK(vma_vm_protect(g.vm, 0, RAM, VMA_MAP_READ | VMA_MAP_EXEC));
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.gpa, 0x5000);
	assert_int_equal(*g.exit->mmio.data, 0x5a);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	assert_int_equal(g.ram[0x5000], 0);
	OK(vma_vm_protect(g.vm, 0, RAM, VMA_MAP_RWX));
	EXPECT(&g, HLT);
	assert_int_equal(g.ram[0x5000], 0);
	assert_int_equal(g.ram[0x9000], 0x5a);
	guest_end(&g);
}

/* The same host page at two guest addresses. */
static void alias(void **state)
{
	GUEST(g, 0x88, 0x07, 0xf4); /* mov [bx],al */

	(void)state;
	OK(vma_vm_map(g.vm, HOLE, g.mem, DATA, 0x1000, VMA_MAP_RWX));
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	set_reg(&g, VMA_X86_RAX, 0x77);
	EXPECT(&g, HLT);
	assert_int_equal(g.ram[DATA], 0x77);
	guest_end(&g);
}

/* Unmapped and mapped elsewhere: no old translation is left. */
static void remap(void **state)
{
	GUEST(g, 0x88, 0x07, 0xf4);

	(void)state;
	OK(vma_vm_map(g.vm, HOLE, g.mem, DATA, 0x1000, VMA_MAP_RWX));
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	set_reg(&g, VMA_X86_RAX, 1);
	EXPECT(&g, HLT);
	OK(vma_vm_unmap(g.vm, HOLE, 0x1000));
	set_reg(&g, VMA_X86_RIP, CODE);
	EXPECT(&g, MMIO);
	OK(vma_vcpu_complete(g.cpu));
	OK(vma_vm_map(g.vm, HOLE, g.mem, DATA + 0x1000, 0x1000, VMA_MAP_RWX));
	set_reg(&g, VMA_X86_RAX, 2);
	again(&g);
	assert_int_equal(g.ram[DATA], 1);
	assert_int_equal(g.ram[DATA + 0x1000], 2);
	guest_end(&g);
}

static void vm_clock(void **state)
{
	GUEST(g, 0xf4);
	uint64_t ns;

	(void)state;
	OK(vma_vm_clock_set(g.vm, 5000000000000));
	OK(vma_vm_clock_get(g.vm, &ns));
	assert_in_range(ns, 5000000000000, 5060000000000);
	guest_end(&g);
}

/* The descriptors are KVM's own: each answers the question that only its kind understands. Elsewhere there are none. */
static void native_handles(void **state)
{
	vma_vm_config c = {.size = sizeof(c), .accel = VMA_ACCEL_NULL, .arch = VMA_ARCH_X86_64};
	GUEST(g, 0xf4);
	vma_vm *other;

	(void)state;
	assert_int_equal(ioctl(OK(vma_native_kvm_system(g.vm)), KVM_GET_API_VERSION, 0), 12);
	assert_true(ioctl(OK(vma_native_kvm_vm(g.vm)), KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0);
	assert_int_equal(ioctl(OK(vma_native_kvm_vcpu(g.cpu)), KVM_KVMCLOCK_CTRL, 0) == 0 || errno == EINVAL, 1);
	guest_end(&g);
	OK(vma_vm_create(&c, &other));
	assert_int_equal(vma_native_kvm_vm(other), VMA_E_NO_ACCEL);
	OK(vma_vm_destroy(other));
	assert_int_equal(vma_native_kvm_vm(NULL), VMA_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dirty_log), cmocka_unit_test(log_survives_protect), cmocka_unit_test(log_of_a_run),
	    cmocka_unit_test(read_only), cmocka_unit_test(alias),
	    cmocka_unit_test(remap),     cmocka_unit_test(vm_clock),
	    cmocka_unit_test(native_handles),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
