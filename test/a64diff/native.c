/* native.c - the arm64 side of the differential: reads batches of struct diff_case, runs each, writes their struct diff_state
 * back. Freestanding: for any arm64 Linux, or QEMU's user mode. A sequence that faults ends the program. */
#include "case.h"

static long call(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d,
			 x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
enum { READ = 63, WRITE = 64, EXIT = 93, MMAP = 222 };

static struct diff_case batch[CASE_BATCH];
static struct diff_state out[CASE_BATCH];
struct diff_state *diff_state; /* of the running case */
uint64_t diff_sp;

/* x28 leads there at the end of a sequence. */
void diff_run(struct diff_state *s, uint64_t code);
void diff_end(void);
__asm__(".text\n"
	".global diff_run\n"
	"diff_run:\n"
	"	stp x19, x20, [sp, -96]!\n	stp x21, x22, [sp, 16]\n	stp x23, x24, [sp, 32]\n"
	"	stp x25, x26, [sp, 48]\n	stp x27, x28, [sp, 64]\n	stp x29, x30, [sp, 80]\n"
	"	adrp x2, diff_state\n	str x0, [x2, :lo12:diff_state]\n"
	"	mov x3, sp\n	adrp x2, diff_sp\n	str x3, [x2, :lo12:diff_sp]\n"
	"	mov x28, x1\n	mov x29, x0\n"
	"	ldr x1, [x29, 31 * 8]\n	mov sp, x1\n"
	"	ldr x1, [x29, 32 * 8]\n	msr nzcv, x1\n"
	"	ldr x1, [x29, 33 * 8]\n	msr fpcr, x1\n"
	"	ldr x1, [x29, 34 * 8]\n	msr fpsr, x1\n"
	"	add x1, x29, 36 * 8\n"
	"	ldp q0, q1, [x1]\n	ldp q2, q3, [x1, 32]\n	ldp q4, q5, [x1, 64]\n	ldp q6, q7, [x1, 96]\n"
	"	ldp q8, q9, [x1, 128]\n	ldp q10, q11, [x1, 160]\n	ldp q12, q13, [x1, 192]\n	ldp q14, q15, [x1, 224]\n"
	"	ldp q16, q17, [x1, 256]\n	ldp q18, q19, [x1, 288]\n	ldp q20, q21, [x1, 320]\n	ldp q22, q23, [x1, 352]\n"
	"	ldp q24, q25, [x1, 384]\n	ldp q26, q27, [x1, 416]\n	ldp q28, q29, [x1, 448]\n	ldp q30, q31, [x1, 480]\n"
	"	ldp x0, x1, [x29, 0]\n	ldp x2, x3, [x29, 16]\n	ldp x4, x5, [x29, 32]\n	ldp x6, x7, [x29, 48]\n"
	"	ldp x8, x9, [x29, 64]\n	ldp x10, x11, [x29, 80]\n	ldp x12, x13, [x29, 96]\n	ldp x14, x15, [x29, 112]\n"
	"	ldp x16, x17, [x29, 128]\n	ldp x18, x19, [x29, 144]\n	ldp x20, x21, [x29, 160]\n	ldp x22, x23, [x29, 176]\n"
	"	ldp x24, x25, [x29, 192]\n	ldp x26, x27, [x29, 208]\n	ldr x30, [x29, 240]\n	ldr x29, [x29, 232]\n"
	"	br x28\n"
	".global diff_end\n"
	"diff_end:\n"
	"	adrp x28, diff_state\n	ldr x28, [x28, :lo12:diff_state]\n"
	"	stp x0, x1, [x28, 0]\n	stp x2, x3, [x28, 16]\n	stp x4, x5, [x28, 32]\n	stp x6, x7, [x28, 48]\n"
	"	stp x8, x9, [x28, 64]\n	stp x10, x11, [x28, 80]\n	stp x12, x13, [x28, 96]\n	stp x14, x15, [x28, 112]\n"
	"	stp x16, x17, [x28, 128]\n	stp x18, x19, [x28, 144]\n	stp x20, x21, [x28, 160]\n	stp x22, x23, [x28, 176]\n"
	"	stp x24, x25, [x28, 192]\n	stp x26, x27, [x28, 208]\n	str x29, [x28, 232]\n	str x30, [x28, 240]\n"
	"	mov x1, sp\n	str x1, [x28, 31 * 8]\n"
	"	mrs x1, nzcv\n	str x1, [x28, 32 * 8]\n"
	"	mrs x1, fpcr\n	str x1, [x28, 33 * 8]\n"
	"	mrs x1, fpsr\n	str x1, [x28, 34 * 8]\n"
	"	add x1, x28, 36 * 8\n"
	"	stp q0, q1, [x1]\n	stp q2, q3, [x1, 32]\n	stp q4, q5, [x1, 64]\n	stp q6, q7, [x1, 96]\n"
	"	stp q8, q9, [x1, 128]\n	stp q10, q11, [x1, 160]\n	stp q12, q13, [x1, 192]\n	stp q14, q15, [x1, 224]\n"
	"	stp q16, q17, [x1, 256]\n	stp q18, q19, [x1, 288]\n	stp q20, q21, [x1, 320]\n	stp q22, q23, [x1, 352]\n"
	"	stp q24, q25, [x1, 384]\n	stp q26, q27, [x1, 416]\n	stp q28, q29, [x1, 448]\n	stp q30, q31, [x1, 480]\n"
	"	msr fpcr, xzr\n"
	"	adrp x2, diff_sp\n	ldr x3, [x2, :lo12:diff_sp]\n	mov sp, x3\n"
	"	ldp x21, x22, [sp, 16]\n	ldp x23, x24, [sp, 32]\n	ldp x25, x26, [sp, 48]\n"
	"	ldp x27, x28, [sp, 64]\n	ldp x29, x30, [sp, 80]\n	ldp x19, x20, [sp], 96\n"
	"	ret\n");

static int whole(long n, void *p, long size)
{
	for (long at = 0, got; at < size; at += got) {
		got = call(n, n == WRITE, (long)p + at, size - at, 0, 0, 0);
		if (got <= 0)
			return 0;
	}
	return 1;
}

static void copy(void *to, const void *from, unsigned long n)
{
	uint64_t *t = to;
	const uint64_t *f = from;
	for (unsigned long i = 0; i < n / 8; i++)
		t[i] = f[i];
}

/* The last two words of a sequence's code are where it leads to. */
static void place(const struct diff_case *c, uint64_t at)
{
	uint32_t *code = (uint32_t *)at;
	for (unsigned i = 0; i < CASE_WORDS; i++)
		code[i] = c->code[i];
	*(uint64_t *)(at + CASE_CODE_BYTES - 8) = (uint64_t)diff_end;
}

static void map(uint64_t at, long size)
{
	enum { RWX = 7, PRIVATE_FIXED_ANONYMOUS = 0x32 };
	if (call(MMAP, (long)at, size, RWX, PRIVATE_FIXED_ANONYMOUS, -1, 0) != (long)at)
		call(EXIT, 3, 0, 0, 0, 0, 0);
}

void _start(void)
{
	map(CASE_CODE, CASE_BATCH * CASE_CODE_BYTES + 4096);
	map(CASE_DATA, 4096);
	while (whole(READ, batch, sizeof batch)) {
		for (unsigned i = 0; i < CASE_BATCH; i++)
			place(&batch[i], CASE_CODE + i * CASE_CODE_BYTES);
		__builtin___clear_cache((char *)CASE_CODE, (char *)CASE_CODE + CASE_BATCH * CASE_CODE_BYTES);
		for (unsigned i = 0; i < CASE_BATCH; i++) {
			copy(&out[i], &batch[i].s, sizeof out[i]);
			copy((void *)CASE_DATA, out[i].mem, CASE_MEM);
			diff_run(&out[i], CASE_CODE + i * CASE_CODE_BYTES);
			copy(out[i].mem, (void *)CASE_DATA, CASE_MEM);
		}
		if (!whole(WRITE, out, sizeof out))
			break;
	}
	call(EXIT, 0, 0, 0, 0, 0, 0);
}
