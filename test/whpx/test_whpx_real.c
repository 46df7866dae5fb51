/* test_whpx_real.c - 16-bit code that reaches devices and the ends of its segments, on the software CPU and through WHPX on the
 * simulation, as test_whpx_emu does with 64-bit code. Whatever faults goes to a handler that tells the vector and halts. */
#include "whpx_both.h"

enum { LAST = 0xfffe, BIG_ES = 1, DEVICE_SS = 2 }; /* program.seed: of the segments */

/* jmp LAST, where an OUT ends with the segment */
static const uint8_t out_at_the_end_code[] = {0xe9, 0xfb, 0x7f};
/* mov ax, es:[0xffff]: beyond the limit, or in two pages of a device */
static const uint8_t beyond_code[] = {0x26, 0xa1, 0xff, 0xff, 0xf4};
/* mov es:[0xffe], eax; mov ecx, es:[0x1ffd] */
static const uint8_t crossing_code[] = {0x26, 0x66, 0xa3, 0xfe, 0x0f, 0x26, 0x66, 0x8b, 0x0e, 0xfd, 0x1f, 0xf4};
/* mov cx, 5; mov si, 0xfffe; mov di, 0x100; rep movsb: SI wraps */
static const uint8_t source_wraps_code[] = {0xb9, 0x05, 0x00, 0xbe, 0xfe, 0xff, 0xbf, 0x00, 0x01, 0xf3, 0xa4, 0xf4};
/* mov cx, 5; mov si, 0x100; mov di, 0xfffe; rep movsb */
static const uint8_t destination_wraps_code[] = {0xb9, 0x05, 0x00, 0xbe, 0x00, 0x01, 0xbf, 0xfe, 0xff, 0xf3, 0xa4, 0xf4};
/* mov cx, 4; mov di, 0xfffd; rep stosw: the second beyond the limit */
static const uint8_t fault_in_string_code[] = {0xb9, 0x04, 0x00, 0xbf, 0xfd, 0xff, 0xf3, 0xab, 0xf4};
/* mov cx, 5; mov si, 0xfffe; mov dx, 0x60; rep outsb */
static const uint8_t outs_wraps_code[] = {0xb9, 0x05, 0x00, 0xbe, 0xfe, 0xff, 0xba, 0x60, 0x00, 0xf3, 0x6e, 0xf4};
/* mov cx, 5; mov si, 0xfffb; mov dx, 0x60; rep outsw: the third beyond the limit */
static const uint8_t outs_faults_code[] = {0xb9, 0x05, 0x00, 0xbe, 0xfb, 0xff, 0xba, 0x60, 0x00, 0xf3, 0x6f, 0xf4};
/* mov cx, 5; mov di, 0xfffe; mov dx, 0x61; rep insb */
static const uint8_t ins_wraps_code[] = {0xb9, 0x05, 0x00, 0xbf, 0xfe, 0xff, 0xba, 0x61, 0x00, 0xf3, 0x6c, 0xf4};
/* std; mov cx, 4; mov si, 1; mov di, 2; rep movsb; cld */
static const uint8_t down_wraps_code[] = {0xfd, 0xb9, 0x04, 0x00, 0xbe, 0x01, 0x00, 0xbf, 0x02, 0x00, 0xf3, 0xa4, 0xfc, 0xf4};
/* xor sp, sp; push ax; pushad; popad; pop cx */
static const uint8_t stack_wraps_code[] = {0x31, 0xe4, 0x50, 0x66, 0x60, 0x66, 0x61, 0x59, 0xf4};
/* mov sp, 1; push ax: no room, nor for the fault's frame */
static const uint8_t stack_ends_code[] = {0xbc, 0x01, 0x00, 0x50, 0xf4};
/* mov sp, 0x1006; enter 8, 2; leave; int 0x15 */
static const uint8_t stack_in_device_code[] = {0xbc, 0x06, 0x10, 0xc8, 0x08, 0x00, 0x02, 0xc9, 0xcd, 0x15, 0xf4};
/* mov ebx, 0x12345; mov al, es:[ebx] */
static const uint8_t wide_address_code[] = {0x66, 0xbb, 0x45, 0x23, 0x01, 0x00, 0x67, 0x26, 0x8a, 0x03, 0xf4};
/* les bx, es:[0xffe]; mov ax, es */
static const uint8_t far_pointer_code[] = {0x26, 0xc4, 0x1e, 0xfe, 0x0f, 0x8c, 0xc0, 0xf4};
/* mov bx, 0xfff0; mov al, 0x20; xlat es: the index wraps; add es:[bx + si + 0x100], ax */
static const uint8_t index_wraps_code[] = {0xbb, 0xf0, 0xff, 0xb0, 0x20, 0x26, 0xd7, 0xbe, 0x30, 0x00, 0x26, 0x01, 0x80, 0x00, 0x01, 0xf4};

static void prepare(struct guest *g, const struct agree_program *p)
{
	static const uint8_t out[] = {0xe6, 0x10};
	vma_x86_sregs s;

	for (unsigned v = 0; v < 32; v++) {
		const uint8_t handler[] = {0xe6, (uint8_t)v, 0xf4}, vector[] = {(uint8_t)(8 * v), GUEST_TRAPS >> 8, 0, 0};

		guest_code(g, GUEST_TRAPS + 8 * v, handler, sizeof handler);
		guest_code(g, 4 * v, vector, sizeof vector);
	}
	guest_code(g, LAST, out, sizeof out);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cs.attr = 0x9b;
	s.ds.attr = s.es.attr = s.ss.attr = 0x93;
	s.cs.limit = s.ds.limit = s.es.limit = s.ss.limit = 0xffff;
	s.es.base = GUEST_MMIO;
	if (p->seed & BIG_ES) {
		s.es.limit = 0xffffffff;
		s.es.attr |= VMA_SEG_G;
	}
	if (p->seed & DEVICE_SS)
		s.ss.base = GUEST_MMIO + 0x100000;
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
	guest_set(g, VMA_X86_RAX, 0x1122334455667788);
	guest_set(g, VMA_X86_RCX, 0x99aabbccddeeff03);
}

static const struct agree_program programs[] = {
#define WITH(name, segments, looking)                                                                                  \
	{#name, GUEST_REAL, name##_code, sizeof name##_code, .look = looking, .prepare = prepare, .seed = segments}
#define ROW(name) WITH(name, 0, true), WITH(name, BIG_ES, true)
	ROW(out_at_the_end),
	ROW(beyond),
	ROW(crossing),
	ROW(source_wraps),
	ROW(destination_wraps),
	ROW(fault_in_string),
	ROW(outs_wraps),
	ROW(outs_faults),
	ROW(ins_wraps),
	ROW(down_wraps),
	ROW(wide_address),
	ROW(far_pointer),
	ROW(index_wraps),
	WITH(stack_wraps, 0, true),
	WITH(stack_wraps, DEVICE_SS, true),
	WITH(stack_ends, 0, true),
	WITH(stack_ends, DEVICE_SS, true),
	WITH(stack_in_device, DEVICE_SS, true),
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

int main(void)
{
	struct CMUnitTest tests[PROGRAMS];

	for (size_t i = 0; i < PROGRAMS; i++)
		tests[i] = (struct CMUnitTest){programs[i].name, both_agree, NULL, NULL, (void *)(uintptr_t)&programs[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
