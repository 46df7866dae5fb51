/* test_core_state.c - saved state: identity, refusals, unknown elements, hostile bytes. Numbers are the checks of the
 * conformance list. */
#include "test_core_null.h"
#include <stdlib.h>

enum { ROOM = 8192, HEADER = 32, ELEMENT = 16 };

struct notes {
	int lines;
	char last[256];
};

static void note(void *opaque, const char *element, const char *reason)
{
	struct notes *n = opaque;

	n->lines++;
	snprintf(n->last, sizeof(n->last), "%s: %s", element, reason);
}

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* The element's header. */
static uint8_t *element(uint8_t *buf, uint32_t id)
{
	uint8_t *p = buf + HEADER;

	for (uint32_t left = u32(buf + 20); left; left--) {
		if (u32(p) == id)
			return p;
		p += ELEMENT + ((u32(p + 8) + 7) & ~7u);
	}
	fail();
	return NULL;
}

static void fill_state(vma_vcpu *v)
{
	vma_x86_events e = {.nmi_masked = 1, .shadow = 2};
	vma_x86_fpu_regs f;

	for (uint32_t id = VMA_X86_RAX; id <= VMA_X86_R15; id++)
		set1(v, id, 0x0101010101010101 * (id + 1));
	set1(v, VMA_X86_CR3, 0x123000);
	set1(v, VMA_X86_DR7, 0x401);
	set1(v, VMA_X86_XCR0, 7);
	set1(v, VMA_X86_MSR_LSTAR, 0xffffffff81000000);
	set1(v, VMA_X86_MSR_TSC, 0x777);
	ok(vma_x86_get_fpu_regs(v, &f));
	memset(f.ymmh, 0x3c, sizeof(f.ymmh));
	ok(vma_x86_set_fpu_regs(v, &f));
	ok(vma_x86_set_events(v, &e));
}

static size_t save(vma_vcpu *v, uint8_t *buf, uint32_t flags)
{
	size_t size = ROOM;

	ok(vma_vcpu_save(v, buf, &size, flags));
	return size;
}

/* T107, T111 */
static void save_restore_save(void **state)
{
	struct rig *r = *state, other;
	uint8_t a[ROOM], b[ROOM];
	size_t n, need = 0;

	fill_state(r->v);
	n = save(r->v, a, 0);
	ok(vma_vcpu_save(r->v, NULL, &need, 0));
	assert_int_equal(need, n);
	need--;
	fails(vma_vcpu_save(r->v, b, &need, 0), VMA_E_LIMIT);
	assert_int_equal(need, n);
	rig_open(&other, VMA_IRQCHIP_NONE, "x86-64-v3");
	ok(vma_vcpu_restore(other.v, a, n, 0, NULL));
	assert_int_equal(save(other.v, b, 0), n);
	assert_memory_equal(a, b, n);
	assert_int_equal(get1(other.v, VMA_X86_R15), 0x1010101010101010);
	assert_int_equal(get1(other.v, VMA_X86_MSR_LSTAR), 0xffffffff81000000);
	assert_int_equal(get1(other.v, VMA_X86_MSR_TSC), 0);
	rig_close(&other);
}

/* Time-like state travels only when both sides ask for it. */
static void time_by_request(void **state)
{
	struct rig *r = *state;
	uint8_t a[ROOM];
	size_t n;

	set1(r->v, VMA_X86_MSR_TSC, 0x777);
	n = save(r->v, a, VMA_STATE_TIME);
	set1(r->v, VMA_X86_MSR_TSC, 1);
	ok(vma_vcpu_restore(r->v, a, n, 0, NULL));
	assert_int_equal(get1(r->v, VMA_X86_MSR_TSC), 1);
	ok(vma_vcpu_restore(r->v, a, n, VMA_STATE_TIME, NULL));
	assert_int_equal(get1(r->v, VMA_X86_MSR_TSC), 0x777);
	fails(vma_vcpu_restore(r->v, a, n, 2, NULL), VMA_E_INVALID);
}

/* T035 */
static void pending_exit_refuses(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);
	uint8_t a[ROOM];
	size_t size = ROOM;

	ok(vma_null_script(r->v, &s, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	fails(vma_vcpu_save(r->v, a, &size, 0), VMA_E_PENDING);
	vma_vcpu_exit(r->v)->io.data[0] = 0x99;
	ok(vma_vcpu_complete(r->v));
	size = save(r->v, a, 0);
	set1(r->v, VMA_X86_RAX, 0);
	ok(vma_vcpu_restore(r->v, a, size, 0, NULL));
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0x99);
}

/* T109 */
static void missing_feature_is_named(void **state)
{
	struct rig *r = *state, other;
	uint8_t a[ROOM], b[ROOM], c[ROOM];
	size_t n;

	fill_state(r->v);
	n = save(r->v, a, 0);
	rig_open(&other, VMA_IRQCHIP_NONE, "x86-64-v2");
	set1(other.v, VMA_X86_RAX, 5);
	size_t before = save(other.v, b, 0);
	fails(vma_vcpu_restore(other.v, a, n, 0, NULL), VMA_E_FEATURE);
	assert_non_null(strstr(vma_why(), "fma"));
	assert_int_equal(save(other.v, c, 0), before);
	assert_memory_equal(b, c, before);
	ok(vma_vcpu_restore(r->v, b, before, 0, NULL)); /* the other way the model only grows */
	assert_int_equal(get1(r->v, VMA_X86_RAX), 5);
	rig_close(&other);
}

/* T110 */
static void unknown_elements(void **state)
{
	struct rig *r = *state;
	struct notes notes = {0};
	vma_report report = {note, &notes};
	uint8_t a[ROOM];
	size_t n = save(r->v, a, 0);

	put32(a + n, 4000);
	put32(a + n + 4, 1);
	put32(a + n + 8, 3);
	put32(a + n + 12, 0);
	memset(a + n + 16, 7, 8);
	n += 24;
	put32(a + 20, u32(a + 20) + 1);
	put32(a + 24, (uint32_t)n);
	ok(vma_vcpu_restore(r->v, a, n, 0, &report));
	assert_int_equal(notes.lines, 1);
	assert_non_null(strstr(notes.last, "4000"));
	ok(vma_vcpu_restore(r->v, a, n, 0, NULL));
	put32(a + n - 24 + 4, 1 | 1u << 16); /* required */
	fails(vma_vcpu_restore(r->v, a, n, 0, &report), VMA_E_VERSION);
	put32(a + n - 24 + 4, 1);
	put32(element(a, 2) + 4, 2 | 1u << 16); /* a newer version of the general registers */
	fails(vma_vcpu_restore(r->v, a, n, 0, &report), VMA_E_VERSION);
}

/* The TSC's frequency is the VM's: that of the state, where it is another, is told. */
static void a_tsc_at_another_frequency(void **state)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	uint8_t a[ROOM];
	struct notes notes;
	vma_report report = {note, &notes};
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t hz[] = {2000000000, 2000000100, 3000000000};
		vma_vm *vm;
		vma_vcpu *v;
		memset(&notes, 0, sizeof(notes));
		c.tsc_hz = hz[i];
		ok(vma_vm_create(&c, &vm));
		ok(vma_vm_finalize(vm));
		ok(vma_vcpu_create(vm, 0, &v));
		if (!i)
			n = save(v, a, VMA_STATE_TIME);
		ok(vma_vcpu_restore(v, a, n, 0, &report));
		assert_int_equal(notes.lines, 0);
		ok(vma_vcpu_restore(v, a, n, VMA_STATE_TIME, &report));
		assert_int_equal(notes.lines, i == 2);
		if (i == 2)
			assert_true(strstr(notes.last, "2000000000") && strstr(notes.last, "3000000000"));
		ok(vma_vm_destroy(vm));
	}
}

static void what_is_not_carried_is_reported(void **state)
{
	struct rig *r = *state, plain;
	struct notes notes = {0};
	vma_report report = {note, &notes};
	uint8_t a[ROOM];
	size_t n;

	(void)r;
	rig_open(&plain, VMA_IRQCHIP_NONE, "x86-64-v3");
	n = save(plain.v, a, 0);
	uint8_t *msrs = element(a, 12) + ELEMENT;
	put32(msrs, 0x9999); /* an MSR that nobody has, with a value */
	put32(msrs + 8, 1);
	ok(vma_vcpu_restore(plain.v, a, n, 0, &report));
	assert_int_equal(notes.lines, 1);
	assert_non_null(strstr(notes.last, "0x9999"));
	put32(msrs + 8, 0); /* holding nothing: no loss */
	ok(vma_vcpu_restore(plain.v, a, n, 0, &report));
	assert_int_equal(notes.lines, 1);
	rig_close(&plain);
}

static void apic_into_a_vm_without(void **state)
{
	struct rig *r = *state, plain;
	struct notes notes = {0};
	vma_report report = {note, &notes};
	vma_x86_cpuid t[128];
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	uint8_t a[ROOM];
	size_t n = save(r->v, a, 0), count = 128;

	/* the model's APIC bits are in use: refused, by name */
	rig_open(&plain, VMA_IRQCHIP_NONE, "x86-64-v3");
	fails(vma_vcpu_restore(plain.v, a, n, 0, &report), VMA_E_FEATURE);
	assert_non_null(strstr(vma_why(), "apic"));
	rig_close(&plain);
	/* a table with the same bits, by the caller's wish: the local APIC's registers are what is lost */
	ok(vma_x86_get_cpuid(r->vm, t, &count));
	ok(vma_vm_create(&c, &plain.vm));
	ok(vma_x86_set_cpuid(plain.vm, t, count));
	ok(vma_vm_finalize(plain.vm));
	ok(vma_vcpu_create(plain.vm, 0, &plain.v));
	ok(vma_vcpu_restore(plain.v, a, n, 0, &report));
	assert_int_equal(notes.lines, 1);
	assert_non_null(strstr(notes.last, "local APIC"));
	ok(vma_vm_destroy(plain.vm));
}

/* All or nothing also when the platform refuses half-way. */
static void platform_refuses(void **state)
{
	static const char *const slots[] = {"commit", "set_msrs", "fetch", "get_msrs"};
	struct rig *r = *state;
	uint8_t a[ROOM], b[ROOM], c[ROOM];
	size_t n, before;

	fill_state(r->v);
	n = save(r->v, a, 0);
	ok(vma_vcpu_reset(r->v));
	before = save(r->v, b, 0);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	for (size_t i = 0; i < 4; i++)
		for (uint32_t nth = 1; nth < 20; nth++) {
			assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT); /* nothing is cached */
			vma_null_clear();
			ok(vma_null_fail(slots[i], nth, VMA_E_NATIVE));
			if (!vma_vcpu_restore(r->v, a, n, 0, NULL)) {
				vma_null_clear();
				ok(vma_vcpu_restore(r->v, b, before, 0, NULL));
				assert_true(nth > 1);
				break;
			}
			vma_null_clear();
			assert_int_equal(save(r->v, c, 0), before);
			assert_memory_equal(b, c, before);
		}
}

static void wrong_frames(void **state)
{
	struct rig *r = *state;
	uint8_t a[ROOM], b[ROOM];
	size_t n = save(r->v, a, 0);

	for (size_t cut = 0; cut < n; cut += 3)
		assert_true(vma_vcpu_restore(r->v, a, cut, 0, NULL) < 0);
	fails(vma_vcpu_restore(r->v, NULL, n, 0, NULL), VMA_E_INVALID);
	memcpy(b, a, n), b[0] ^= 1;
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), b[8] = 2;
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_VERSION);
	memcpy(b, a, n), b[12] = 2;
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), b[16] = 2;
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), put32(b + 20, 3); /* too few elements: bytes are left over */
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), put32(element(b, 5), 6); /* one twice, one missing */
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), put32(element(b, 5) + ELEMENT + 4, 1); /* CR0 bit 32 */
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	memcpy(b, a, n), put32(element(b, 10) + ELEMENT, 9);
	fails(vma_vcpu_restore(r->v, b, n, 0, NULL), VMA_E_FORMAT);
	ok(vma_vcpu_restore(r->v, a, n, 0, NULL));
}

/* T113: flipped bits and moved lengths give an error or a state, never a crash; what was accepted can be saved again.
 */
static void hostile_bytes(void **state)
{
	struct rig *r = *state;
	uint8_t a[ROOM], b[ROOM];
	size_t n;
	uint32_t seed = 12345;

	fill_state(r->v);
	n = save(r->v, a, VMA_STATE_TIME);
	for (int i = 0; i < 20000; i++) {
		uint8_t *copy = malloc(n); /* its own block: the sanitizer sees what lies beyond */
		memcpy(copy, a, n);
		for (int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 8) % n] ^= (uint8_t)(1u << (seed >> 29));
		}
		if (!vma_vcpu_restore(r->v, copy, n, VMA_STATE_TIME, NULL))
			save(r->v, b, 0);
		free(copy);
	}
}

static void vm_state(void **state)
{
	struct rig *r = *state, other;
	uint8_t a[ROOM], b[ROOM];
	size_t n = 0, m = ROOM;
	uint64_t ns;

	ok(vma_vm_irq_line(r->vm, 5, 1));
	ok(vma_vm_save(r->vm, NULL, &n, 0));
	ok(vma_vm_save(r->vm, a, &n, 0));
	rig_open(&other, VMA_IRQCHIP_PLATFORM, "x86-64-v3");
	ok(vma_vm_restore(other.vm, a, n, 0, NULL));
	ok(vma_vm_save(other.vm, b, &m, 0));
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	fails(vma_vcpu_restore(other.v, a, n, 0, NULL), VMA_E_FORMAT);
	ok(vma_vm_clock_set(r->vm, 0x7000000000000000));
	n = ROOM;
	ok(vma_vm_save(r->vm, a, &n, VMA_STATE_TIME));
	ok(vma_vm_restore(other.vm, a, n, 0, NULL));
	ok(vma_vm_clock_get(other.vm, &ns));
	assert_true(ns < 0x7000000000000000);
	ok(vma_vm_restore(other.vm, a, n, VMA_STATE_TIME, NULL));
	ok(vma_vm_clock_get(other.vm, &ns));
	assert_true(ns >= 0x7000000000000000);
	for (size_t i = 0; i < n; i++)
		assert_true(vma_vm_restore(other.vm, a, i, 0, NULL) < 0);
	rig_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(save_restore_save),
		RIG_TEST(time_by_request),
		RIG_TEST(pending_exit_refuses),
		RIG_TEST(missing_feature_is_named),
		RIG_TEST(unknown_elements),
		RIG_TEST(what_is_not_carried_is_reported),
		RIG_TEST(a_tsc_at_another_frequency),
		CHIP_TEST(apic_into_a_vm_without),
		RIG_TEST(platform_refuses),
		RIG_TEST(wrong_frames),
		RIG_TEST(hostile_bytes),
		CHIP_TEST(hostile_bytes),
		CHIP_TEST(vm_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
