/* test_whpx_log.c - the log of written pages while its mapping is made anew: what a vCPU writes after the platform's log was
 * read, and before the pages are unmapped, is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

enum { AT = 0x70000000, PAGES = 8, SIZE = PAGES * 0x1000, READ_ONLY = VMA_MAP_READ | VMA_MAP_EXEC | VMA_MAP_LOG };

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

/* 1: cmp byte [rbx], 0; je 1b; mov byte [rbx+5000h], 1; 2: cmp byte [rbx+1], 0; je 2b; hlt */
static const uint8_t code[] = {0x80, 0x3b, 0x00, 0x74, 0xfb, 0xc6, 0x83, 0x00, 0x50, 0x00, 0x00, 0x01,
			       0x80, 0x7b, 0x01, 0x00, 0x74, 0xfa, 0xf4};

static struct {
	struct guest g;
	uint8_t *hva;
	__typeof__(whpx_api.UnmapGpaRange) unmap;
	bool leaves; /* the vCPU is entered after the log was read, and has left before the pages are unmapped */
	atomic_bool enter, left;
} s;

static void set(unsigned at, uint8_t value)
{
	__atomic_store_n(&s.hva[at], value, __ATOMIC_SEQ_CST);
}

static HRESULT unmap_late(WHV_PARTITION_HANDLE p, WHV_GUEST_PHYSICAL_ADDRESS gpa, uint64_t size)
{
	set(0, 1);
	set(1, s.leaves);
	atomic_store(&s.enter, true);
	while (s.leaves ? !atomic_load(&s.left) : !__atomic_load_n(&s.hva[0x5000], __ATOMIC_SEQ_CST))
		;
	return s.unmap(p, gpa, size);
}

static void *protect(void *unused)
{
	intptr_t rc = vma_vm_protect(s.g.vm, AT, SIZE, READ_ONLY);

	(void)unused;
	set(0, 1);
	set(1, 1);
	return (void *)rc;
}

static void log_while(bool leaves)
{
	uint64_t bits = 0;
	pthread_t thread;
	void *rc;

	s.leaves = leaves;
	atomic_store(&s.enter, !leaves);
	atomic_store(&s.left, false);
	if (guest_open(&s.g, &conf, &(struct guest_options){.mode = GUEST_LONG}, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	assert_int_equal(guest_map(&s.g, AT, SIZE, VMA_MAP_RWX | VMA_MAP_LOG, &s.hva), CONF_PASS);
	guest_set(&s.g, VMA_X86_RBX, AT);
	s.unmap = whpx_api.UnmapGpaRange;
	whpx_api.UnmapGpaRange = unmap_late;
	assert_int_equal(pthread_create(&thread, NULL, protect, NULL), 0);
	while (!atomic_load(&s.enter))
		;
	assert_int_equal(vma_vcpu_run(s.g.v), VMA_EXIT_HLT);
	atomic_store(&s.left, true);
	pthread_join(thread, &rc);
	whpx_api.UnmapGpaRange = s.unmap;
	assert_int_equal((intptr_t)rc, 0);
	assert_int_equal(vma_vm_dirty_log(s.g.vm, AT, SIZE, &bits, 1), 0);
	assert_int_equal(bits >> 5 & 1, 1);
	assert_int_equal(bits >> PAGES, 0);
	assert_int_equal(vma_vm_dirty_log(s.g.vm, AT, SIZE, &bits, 1), 0);
	assert_int_equal(bits, 0);
	guest_close(&s.g);
	assert_int_equal(whpsim_breaches(), 0);
}

static void written_inside_a_run(void **state)
{
	(void)state;
	log_while(false);
}

static void written_by_a_whole_run(void **state)
{
	(void)state;
	log_while(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(written_inside_a_run), cmocka_unit_test(written_by_a_whole_run)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
