/* init.c - the first process of the guest of bench_linux. Before each phase it says the phase's name and waits for a
 * line, so that whoever measures can take the time while the guest stands still. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 1000000, FAULT_PAGES = 2048, FAULT_ROUNDS = 32, CHILDREN = 200, REWRITES = 100000 };

static void fail(const char *what)
{
	perror(what);
	reboot(RB_POWER_OFF);
	exit(1);
}

static void mark(const char *phase)
{
	char line[16];

	printf("\nphase %s\n", phase);
	fflush(stdout);
	if (read(0, line, sizeof(line)) <= 0)
		fail("console");
}

static void syscalls(void)
{
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
}

/* A new page each time: the kernel's fault handler, a page cleared and mapped, and all of them given back. */
static void page_faults(void)
{
	for (int i = 0; i < FAULT_ROUNDS; i++) {
		volatile uint8_t *p =
			mmap(NULL, FAULT_PAGES << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap");
		for (int n = 0; n < FAULT_PAGES; n++)
			p[n << 12] = 1;
		munmap((void *)(uintptr_t)p, FAULT_PAGES << 12);
	}
}

static void fork_exec(void)
{
	for (int i = 0; i < CHILDREN; i++) {
		int status = 1;
		pid_t child = fork();

		if (child == 0) {
			execl("/init", "init", "child", (char *)NULL);
			_exit(1);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			fail("fork and exec");
	}
}

/* An immediate operand is written, then the instruction that has it is executed. */
#ifdef __aarch64__
typedef uint32_t code_unit;
static const code_unit code[] = {0x52800000, 0xd65f03c0}; /* movz w0, #imm16; ret */
enum { CODE_VALUES = 0x10000 };

static void write_value(code_unit *p, uint32_t value)
{
	p[0] = code[0] | value << 5;
	__builtin___clear_cache((char *)p, (char *)(p + 1));
}
#else
typedef uint8_t code_unit;
static const code_unit code[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, imm32; ret */
enum { CODE_VALUES = REWRITES };

static void write_value(code_unit *p, uint32_t value)
{
	memcpy(p + 1, &value, sizeof(value));
	__asm__ volatile("" : : : "memory");
}
#endif

static void rewrite_code(void)
{
	code_unit *p = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	memcpy(p, code, sizeof(code));
	for (uint32_t i = 0; i < REWRITES; i++) {
		write_value(p, i % CODE_VALUES);
		if (((uint32_t(*)(void))(uintptr_t)p)() != i % CODE_VALUES)
			fail("changed code");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} phases[] = {{"syscalls", syscalls}, {"faults", page_faults}, {"exec", fork_exec}, {"code", rewrite_code}};

	(void)argv;
	if (argc > 1)
		return 0;
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		mark(phases[i].name);
		phases[i].run();
	}
	mark("end");
	reboot(RB_POWER_OFF);
	return 1;
}
