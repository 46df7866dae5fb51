/* wrapper.c - the reference of bench_a64: an arm64 Linux program that puts the image of bench/programs at its addresses
 * and runs what it is asked on its input, (program, reps) after (program, reps), answering (checksum, nanoseconds of
 * CPU time). Freestanding; run by QEMU's user mode, or by an arm64 Linux. */
#include "../programs/programs.h"

enum {
	READ = 63,
	WRITE = 64,
	OPENAT = 56,
	EXIT = 93,
	CLOCK_GETTIME = 113,
	MMAP = 222,
	THREAD_CPUTIME = 3,
	HERE = -100
};

static long call(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
			 x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

static uint64_t cpu_ns(void)
{
	uint64_t t[2];
	call(CLOCK_GETTIME, THREAD_CPUTIME, (long)t, 0, 0, 0, 0);
	return t[0] * 1000000000 + t[1];
}

static int load(const char *file)
{
	enum { RWX = 7, PRIVATE_FIXED_ANONYMOUS = 0x32 };
	long size = HEAP_AT - IMAGE_AT + HEAP_SIZE, fd = call(OPENAT, HERE, (long)file, 0, 0, 0, 0), got, at = IMAGE_AT;
	if (fd < 0 || call(MMAP, IMAGE_AT, size, RWX, PRIVATE_FIXED_ANONYMOUS, -1, 0) != IMAGE_AT)
		return 0;
	while ((got = call(READ, fd, at, HEAP_AT - at, 0, 0, 0)) > 0)
		at += got;
	__builtin___clear_cache((char *)IMAGE_AT, (char *)at);
	return got == 0 && at > IMAGE_AT;
}

__attribute__((used)) void run(long *stack)
{
	uint64_t ask[2], answer[2];
	if (stack[0] != 2 || !load((const char *)stack[2]))
		call(EXIT, 2, 0, 0, 0, 0, 0);
	while (call(READ, 0, (long)ask, sizeof ask, 0, 0, 0) == sizeof ask) {
		uint64_t (*start)(uint64_t, uint64_t, uint8_t *) = (void *)IMAGE_AT, t = cpu_ns();
		answer[0] = start(ask[0], ask[1], (uint8_t *)HEAP_AT);
		answer[1] = cpu_ns() - t;
		call(WRITE, 1, (long)answer, sizeof answer, 0, 0, 0);
	}
	call(EXIT, 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\n_start:\n	mov x0, sp\n	b run\n");
