/* native.c - vmaccel-silicon-native: runs batches of sequences on the host's processor. It catches signals, writes down
 * what they were, and goes on behind the instruction.
 *
 * File descriptor 3 is the shared memory, 4 and 5 are pipes: a byte in for each batch, a byte out when it is done. No
 * library function is called while guest values are in FS and GS, and nothing of the program lies below 4 GiB. */
#include "shared.h"

#if defined(__x86_64__) && defined(__linux__)
#include <asm/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

struct far_pointer {
	uint32_t offset;
	uint16_t selector;
};
/* The assembly reaches these relative to RIP; nothing but them is known once guest registers are loaded. */
struct native {
	struct s_state in, out;
	uint64_t host_sp, host_fs, host_gs, entry;
	struct far_pointer far_entry;
	uint64_t exit_stack[8];
};
struct native native_ctx __attribute__((aligned(64), visibility("hidden")));
_Static_assert(offsetof(struct native, out) == 1024 && offsetof(struct s_state, r) == 832 &&
		       offsetof(struct s_state, rflags) == 960 && offsetof(struct s_state, fs) == 968 &&
		       offsetof(struct s_state, gs) == 976 && offsetof(struct native, host_sp) == 2048 &&
		       offsetof(struct native, entry) == 2072 && offsetof(struct native, far_entry) == 2080 &&
		       offsetof(struct native, exit_stack) == 2088 && sizeof(struct s_state) == 1024,
	       "the assembly below");

void native_enter(uint32_t components, bool compat);
void native_exit(void);
#define CTX "native_ctx+"
__asm__(".text\n.globl native_enter, native_exit\n.hidden native_enter, native_exit\n"
	".type native_enter, @function\n.type native_exit, @function\n"
	"native_enter:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"mov %rsp, " CTX "2048(%rip)\n"
	"rdfsbase %rax\n mov %rax, " CTX "2056(%rip)\n rdgsbase %rax\n mov %rax, " CTX "2064(%rip)\n"
	"mov %edi, %eax\n xor %edx, %edx\n xrstor64 " CTX "0(%rip)\n"
	"mov " CTX "968(%rip), %rax\n wrfsbase %rax\n mov " CTX "976(%rip), %rax\n wrgsbase %rax\n"
	"test %esi, %esi\n lea native_long(%rip), %rax\n lea native_compat(%rip), %rdx\n cmovnz %rdx, %rax\n"
	"pushq " CTX "960(%rip)\n push %rax\n"
	/* all but RSP; the flags and the way in are on the stack */
	"mov " CTX "832(%rip), %rax; mov " CTX "840(%rip), %rcx; mov " CTX "848(%rip), %rdx\n"
	"mov " CTX "856(%rip), %rbx; mov " CTX "872(%rip), %rbp; mov " CTX "880(%rip), %rsi\n"
	"mov " CTX "888(%rip), %rdi; mov " CTX "896(%rip), %r8; mov " CTX "904(%rip), %r9\n"
	"mov " CTX "912(%rip), %r10; mov " CTX "920(%rip), %r11; mov " CTX "928(%rip), %r12\n"
	"mov " CTX "936(%rip), %r13; mov " CTX "944(%rip), %r14; mov " CTX "952(%rip), %r15\n"
	"ret\n"
	"native_long:\n popfq\n mov " CTX "864(%rip), %rsp\n jmp *" CTX "2072(%rip)\n"
	"native_compat:\n popfq\n mov " CTX "864(%rip), %rsp\n ljmpl *" CTX "2080(%rip)\n"
	"native_exit:\n"
	"mov %rax, " CTX "1856(%rip); mov %rcx, " CTX "1864(%rip); mov %rdx, " CTX "1872(%rip)\n"
	"mov %rbx, " CTX "1880(%rip); mov %rsp, " CTX "1888(%rip); mov %rbp, " CTX "1896(%rip)\n"
	"mov %rsi, " CTX "1904(%rip); mov %rdi, " CTX "1912(%rip); mov %r8, " CTX "1920(%rip)\n"
	"mov %r9, " CTX "1928(%rip); mov %r10, " CTX "1936(%rip); mov %r11, " CTX "1944(%rip)\n"
	"mov %r12, " CTX "1952(%rip); mov %r13, " CTX "1960(%rip); mov %r14, " CTX "1968(%rip)\n"
	"mov %r15, " CTX "1976(%rip)\n"
	"lea " CTX "2144(%rip), %rsp\n pushfq\n popq " CTX "1984(%rip)\n pushq $2\n popfq\n"
	"rdfsbase %rax\n mov %rax, " CTX "1992(%rip)\n rdgsbase %rax\n mov %rax, " CTX "2000(%rip)\n"
	"mov " CTX "2056(%rip), %rax\n wrfsbase %rax\n mov " CTX "2064(%rip), %rax\n wrgsbase %rax\n"
	"mov $0x2b, %eax\n mov %eax, %ds\n mov %eax, %es\n"
	"mov " CTX "2048(%rip), %rsp\n pop %rax\n xor %edx, %edx\n mov %eax, %ebx\n xsave64 " CTX "1024(%rip)\n"
	"fninit\n pushq $0x1f80\n ldmxcsr (%rsp)\n pop %rcx\n test $4, %ebx\n jz 1f\n vzeroupper\n1:\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n ret\n");

static struct s_shared *shared;
static struct s_seq *volatile running; /* NULL: a signal is the program's own fault */

static void leave(ucontext_t *u, struct s_seq *s, bool timeout)
{
	s->abandoned = true;
	s->timeout = timeout;
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_exit;
	u->uc_mcontext.gregs[REG_EFL] &= ~0x100; /* no traps from here on */
	u->uc_mcontext.gregs[REG_CSGSFS] = (u->uc_mcontext.gregs[REG_CSGSFS] & ~0xffffLL) | 0x33;
}

/* The processor's own record of the exception (SDM vol. 3, ch. 6), as the kernel passes it on. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	greg_t *g = u->uc_mcontext.gregs;
	struct s_seq *s = running;
	(void)info;
	if (!s)
		_exit(100 + sig);
	if (sig == SIGALRM) {
		leave(u, s, true);
		return;
	}
	uint64_t rip = (uint64_t)g[REG_RIP], off = rip - S_ARENA - s->at;
	if (s->faults < S_FAULTS) {
		struct s_fault *f = &s->fault[s->faults++];
		f->rip = rip;
		f->vector = (uint32_t)g[REG_TRAPNO];
		f->error = (uint32_t)g[REG_ERR];
		f->cr2 = f->vector == 14 ? (uint64_t)g[REG_CR2] : 0;
	}
	if (s->faults == S_FAULTS || off >= s->size || !s->length[off]) {
		leave(u, s, false);
		return;
	}
	uint32_t vector = (uint32_t)g[REG_TRAPNO];
	if (vector == 1)
		g[REG_EFL] &= ~0x100; /* or it would trap again */
	else if (vector != 3 && vector != 4)
		g[REG_RIP] += s->length[off];
}

static void run(struct s_seq *s)
{
	native_ctx.in = s->in;
	memcpy((void *)(uintptr_t)S_DATA, shared->pool + s->data_from, S_DATA_RW);
	s->faults = 0;
	s->abandoned = s->timeout = false;
	native_ctx.entry = S_ARENA + s->at;
	native_ctx.far_entry = (struct far_pointer){S_ARENA + s->at, 0x23};
	running = s;
	native_enter(shared->has_avx ? 7 : 3, s->mode == S_MODE32);
	running = NULL;
	s->out = native_ctx.out;
	memcpy(s->data, (void *)(uintptr_t)S_DATA, S_DATA_RW);
}

static void *map(uint64_t at, size_t size, int prot, int fd, size_t offset)
{
	int how = MAP_FIXED_NOREPLACE | MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	void *p = mmap((void *)(uintptr_t)at, size, prot, how, fd, (off_t)offset);
	return p == (void *)(uintptr_t)at ? p : NULL;
}

/* A page of code that jumps to native_exit: absolute, so that the addresses in sequences do not depend on where this
 * program was loaded. In compatibility mode a far jump leads here. */
static bool exit_page(uint64_t at)
{
	static const uint8_t jump[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc}; /* an aligned word: EFLAGS.AC may be set */
	uint64_t to = (uint64_t)(uintptr_t)native_exit;
	uint8_t *p = map(at, 4096, PROT_READ | PROT_WRITE, -1, 0);
	if (!p)
		return false;
	memcpy(p, jump, sizeof jump);
	memcpy(p + sizeof jump, &to, 8);
	return !mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static bool setup(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 3, 0);
	if (shared == MAP_FAILED)
		return false;
	return map(S_ARENA, S_ARENA_SIZE, PROT_READ | PROT_EXEC, 3, offsetof(struct s_shared, arena)) &&
	       map(S_DATA, S_DATA_RW, PROT_READ | PROT_WRITE, -1, 0) &&
	       map(S_DATA + S_DATA_RW, 0x1000, PROT_READ, 3, offsetof(struct s_shared, read_only)) &&
	       exit_page(S_EXIT64) && exit_page(S_EXIT32);
}

static void catch_signals(void)
{
	static uint8_t alternate[65536];
	static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGALRM};
	stack_t st = {.ss_sp = alternate, .ss_size = sizeof alternate};
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	sigfillset(&sa.sa_mask);
	sigaltstack(&st, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &sa, NULL);
}

int main(void)
{
	char byte;
	if (!setup()) {
		perror("vmaccel-silicon-native: memory");
		return 1;
	}
	catch_signals();
	/* 64-bit programs have null selectors there; compatibility code needs real ones */
	__asm__ volatile("mov %0, %%ds\n mov %0, %%es" ::"r"(0x2b));
	if (write(5, "r", 1) != 1)
		return 1;
	while (read(4, &byte, 1) == 1) {
		struct itimerval t = {.it_interval = {5, 0}, .it_value = {5, 0}}, off = {{0, 0}, {0, 0}};
		setitimer(ITIMER_REAL, &t, NULL);
		for (shared->current = 0; shared->current < shared->count; shared->current++)
			run(&shared->seq[shared->current]);
		setitimer(ITIMER_REAL, &off, NULL);
		if (write(5, "d", 1) != 1)
			break;
	}
	return 0;
}
#else
int main(void)
{
	return 77;
}
#endif
