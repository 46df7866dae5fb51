/* test_soft_code.c - code that the host writes while the software CPU has the old one decoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/x86.h>

struct guest {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
	uint8_t *ram;
};

static void open_guest(struct guest *g)
{
	vma_vm_config config = {.size = sizeof config, .accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_X86_64, .max_vcpus = 1};
	vma_x86_sregs s;
	assert_int_equal(vma_vm_create(&config, &g->vm), 0);
	assert_int_equal(vma_vm_finalize(g->vm), 0);
	assert_int_equal(vma_mem_anon(0x10000, &g->mem), 0);
	assert_int_equal(vma_vm_map(g->vm, 0, g->mem, 0, 0x10000, VMA_MAP_RWX), 0);
	g->ram = vma_mem_hva(g->mem);
	assert_int_equal(vma_vcpu_create(g->vm, 0, &g->v), 0);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cs.base = s.cs.selector = 0;
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
	assert_int_equal(vma_x86_set_regs(g->v, &(vma_x86_regs){.rip = 0x1000, .rsp = 0x8000, .rflags = 2}, VMA_X86_ALL_REGS), 0);
}

static void close_guest(struct guest *g)
{
	vma_vm_destroy(g->vm);
	vma_mem_unref(g->mem);
}

/* 1: MOV AL, imm8; OUT 0x10, AL; JMP 1 - the immediate changes between runs, in the running block. */
static void between_runs(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g);
	memcpy(g.ram + 0x1000, "\xb0\x01\xe6\x10\xeb\xfa", 6);
	for (unsigned i = 0; i < 100; i++) {
		g.ram[0x1001] = (uint8_t)i;
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		assert_int_equal(vma_vcpu_exit(g.v)->io.data[0], (uint8_t)i);
	}
	close_guest(&g);
}

/* A function in another page, reached by a linked jump, so that no lookup happens on the way; and one across a page end. */
static void other_page(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g);
	/* 0x1000: CALL 0x2ffe; OUT 0x10, AL; JMP 0x1000.  0x2ffe: MOV AX, imm16 (its immediate in the next page); RET */
	memcpy(g.ram + 0x1000, "\xe8\xfb\x1f\xe6\x10\xeb\xf9", 7);
	memcpy(g.ram + 0x2ffe, "\xb8\x00\x00\xc3", 4);
	for (unsigned i = 0; i < 100; i++) {
		g.ram[0x2fff] = (uint8_t)i;
		g.ram[0x3000] = (uint8_t)(i * 3);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		vma_x86_regs r;
		assert_int_equal(vma_x86_get_regs(g.v, &r), 0);
		assert_int_equal(r.rax & 0xffff, (i & 0xff) | (i * 3 & 0xff) << 8);
	}
	close_guest(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(between_runs), cmocka_unit_test(other_page)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
