/* test_sipi.c - INIT and SIPI sent back to back to a vCPU whose thread looks only later: the SIPI after the INIT must not be
 * lost with it. test-labels: threads */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "accels.h"
#include "conformance/guest.h"

/* mov ebx, 0xfee00000; local APIC on; ICR: INIT to APIC 1, then SIPI with vector 9; out 0x10, al; hlt */
static const uint8_t code[] = {
	0xbb, 0x00, 0x00, 0xe0, 0xfe, 0xc7, 0x83, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00, 0xc7,
	0x83, 0x10, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xc7, 0x83, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x45, 0x00, 0x00, 0xc7, 0x83, 0x00, 0x03, 0x00, 0x00, 0x09, 0x46, 0x00, 0x00, 0xe6, 0x10, 0xf4,
};
static const uint8_t started[] = {0xe6, 0x12, 0xf4}; /* out 0x12, al; hlt: where the SIPI leads, 0x9000 */

struct second {
	struct guest *g;
	sem_t created, go;
	int kind, port;
};

static void *second_main(void *arg)
{
	struct second *s = arg;
	vma_vcpu *v = NULL;
	s->kind = vma_vcpu_create(s->g->vm, 1, &v);
	sem_post(&s->created);
	sem_wait(&s->go);
	if (s->kind == 0)
		s->kind = vma_vcpu_run(v);
	if (s->kind == VMA_EXIT_IO)
		s->port = vma_vcpu_exit(v)->io.port;
	if (v)
		vma_vcpu_destroy(v);
	return NULL;
}

static void sipi_after_init(void **state)
{
	const vma_accel *accel = *state;
	struct conf conf = {.accel = *accel, .arch = VMA_ARCH_X86_64};
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM, .cpus = 2};
	struct guest g;
	struct second s = {.g = &g};
	pthread_t thread;
	if (!have(*accel))
		skip();
	assert_int_equal(guest_open(&g, &conf, &options, code, sizeof code), CONF_PASS);
	guest_code(&g, 0x9000, started, sizeof started);
	sem_init(&s.created, 0, 0);
	sem_init(&s.go, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, second_main, &s), 0);
	sem_wait(&s.created);
	assert_int_equal(guest_run(&g, VMA_EXIT_IO), CONF_PASS);
	sem_post(&s.go);
	pthread_join(thread, NULL);
	assert_int_equal(s.kind, VMA_EXIT_IO);
	assert_int_equal(s.port, 0x12);
	guest_close(&g);
}

int main(void)
{
	struct CMUnitTest tests[ACCELS];
	for (size_t i = 0; i < ACCELS; i++)
		tests[i] = (struct CMUnitTest){vma_accel_name(accels[i]), sipi_after_init, NULL, NULL, (void *)(uintptr_t)&accels[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
