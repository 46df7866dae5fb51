/* test_smp_many.c - up to 64 vCPUs: started by broadcast INIT and SIPI, interrupted by every kind of x2APIC
 * destination, a translation taken away from all of them by IPI, and a host that maps, protects, interrupts and asks
 * while they run. test-labels: threads test-timeout: 300 */
#include <sched.h>
#include "test_smp.h"

/* The tests' cells and frames. */
enum {
	READY = SMP_DATA,
	QUIT = SMP_DATA + 0x40,
	SUM = SMP_DATA + 0x80, /* interrupts of all vCPUs, or those that answered */
	GENERATION = SMP_DATA + 0xc0,
	ERRORS = SMP_DATA + 0x100,
	COUNTS = SMP_DATA + 0x1000, /* interrupts of each */
	OWN = SMP_DATA + 0x2000,    /* what each has counted by itself */
	STARTED = 0x9700,           /* below 64 KiB: of real mode */
	STARTED_BY = 0x9800,
	HANDLER = 0x7800,
	NMI_HANDLER = 0x7a00,
	WINDOW = 0x1f0000, /* the page whose translation changes */
	FRAMES = 0x1e0000
};
enum { IA32_APIC_BASE = 0x1b, X2APIC_ID = 0x802, X2APIC_EOI = 0x80b, X2APIC_SVR = 0x80f, X2APIC_ICR = 0x830 };
enum { VECTOR = 0x40, NMI = 2, PORT = 0x10, SIPI_PAGE = 0xb };
/* The low half of the interrupt command register (SDM vol. 3, 10.6.1). */
enum {
	ICR_LOGICAL = 1 << 11,
	ICR_ASSERT = 1 << 14,
	ICR_SELF = 1 << 18,
	ICR_ALL = 2 << 18,
	ICR_OTHERS = 3 << 18,
	ICR_NMI = 4 << 8,
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8
};

/* ------ pieces of programs ------ */

static void wrmsr(struct code *c, uint32_t msr, uint32_t high, uint32_t low)
{
	mov_imm(c, CX, msr);
	mov_imm(c, DX, high);
	mov_imm(c, AX, low);
	EMIT(c, 0x0f, 0x30);
}
static void enable_x2apic(struct code *c)
{
	mov_imm(c, CX, IA32_APIC_BASE);
	EMIT(c, 0x0f, 0x32);       /* rdmsr */
	EMIT(c, 0x80, 0xcc, 0x0c); /* or ah, 0xc */
	EMIT(c, 0x0f, 0x30);
	wrmsr(c, X2APIC_SVR, 0, 0x1ff);
}
static void lock_inc(struct code *c, uint32_t at)
{
	EMIT(c, 0xf0);
	mem_op(c, 0xff, 0, at, false);
}
static void store_imm(struct code *c, uint32_t at, uint32_t v)
{
	mem_op(c, 0xc7, 0, at, false);
	imm32(c, v);
}
static void wait_for(struct code *c, uint32_t at, uint32_t v)
{
	mov_imm(c, AX, v);
	uint32_t again = c->at;
	pause(c);
	compare(c, at, AX);
	jcc(c, JNE, again);
}
static void out_port(struct code *c)
{
	EMIT(c, 0xe6, PORT);
}
static void invlpg_window(struct code *c)
{
	EMIT(c, 0x0f, 0x01);
	EMIT(c, 0x3c, 0x25);
	imm32(c, WINDOW);
}

/* An interrupt's handler: what `body` does, and its end. RDI is the vCPU's number all the time. */
static void handler(struct smp *s, uint32_t at, unsigned vector, void (*body)(struct code *c))
{
	struct code c = {s->g.ram, at};
	EMIT(&c, 0x50, 0x51, 0x52); /* push rax, rcx, rdx */
	body(&c);
	if (vector != NMI)
		wrmsr(&c, X2APIC_EOI, 0, 0);
	EMIT(&c, 0x5a, 0x59, 0x58, 0x48, 0xcf); /* pop, iretq */
	guest_gate(&s->g, vector, at);
}
static void count(struct code *c)
{
	EMIT(c, 0xff, 0x04, 0xbd); /* inc dword [COUNTS + rdi * 4] */
	imm32(c, COUNTS);
	lock_inc(c, SUM);
}

/* Every vCPU ends by an OUT: with interrupt controllers HLT waits. */
static void run_to_out(struct smp *s)
{
	smp_round(s);
	assert_false(s->timed_out);
	for (unsigned i = 0; i < s->n; i++)
		assert_string_equal(vma_exit_name(s->cpu[i].kind), "IO");
}

/* ------ INIT and SIPI to all others ------ */

/* In real mode: x2APIC on, say who is here. */
static const uint8_t sipi_code[] = {0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00, 0x0f, 0x32, 0x80, 0xcc,
				    0x0c, 0x0f, 0x30, /* IA32_APIC_BASE |= 0xc00 */
				    0x66, 0xb9, 0x02, 0x08, 0x00, 0x00, 0x0f, 0x32, 0x89, 0xc3, /* mov bx, x2APIC ID */
				    0xc6, 0x87, 0x00, 0x98, 0x01, /* mov byte [bx + STARTED_BY], 1 */
				    0xf0, 0xff, 0x06, 0x00, 0x97, /* lock inc word [STARTED] */
				    0xe6, PORT};

static void start_all(unsigned n)
{
	struct smp s;
	smp_open_as(&s, n, VMA_IRQCHIP_PLATFORM, GUEST_RESET);
	struct code c = smp_code(&s, 0);
	guest_code(&s.g, SIPI_PAGE << 12, sipi_code, sizeof sipi_code);
	enable_x2apic(&c);
	wrmsr(&c, X2APIC_ICR, 0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	wrmsr(&c, X2APIC_ICR, 0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | SIPI_PAGE);
	wait_for(&c, STARTED, n - 1);
	out_port(&c);
	run_to_out(&s);
	for (unsigned i = 0; i < SMP_MAX; i++)
		assert_int_equal(s.g.ram[STARTED_BY + i], i > 0 && i < n);
	smp_close(&s);
}
static void start_2(void **state)
{
	(void)state;
	start_all(2);
}
static void start_64(void **state)
{
	(void)state;
	start_all(64);
}

/* ------ destinations ------ */

struct send {
	uint32_t high, low;
	bool (*meant)(unsigned index, unsigned n);
};
static bool all(unsigned i, unsigned n)
{
	return i < n;
}
static bool others(unsigned i, unsigned n)
{
	return i && i < n;
}
static bool self(unsigned i, unsigned n)
{
	return n && !i;
}
static bool last(unsigned i, unsigned n)
{
	return i == n - 1;
}
/* Logical IDs of x2APIC: the cluster above bit 16, a bit a CPU below (SDM vol. 3, 10.12.10.2). */
static bool odd_of_last_cluster(unsigned i, unsigned n)
{
	return i < n && i >> 4 == (n - 1) >> 4 && i & 1;
}

static unsigned send(struct code *c, const struct send *x, unsigned n, unsigned sum, uint32_t want[])
{
	wrmsr(c, X2APIC_ICR, x->high, x->low | ICR_ASSERT);
	for (unsigned i = 0; i < n; i++) {
		want[i] += x->meant(i, n);
		sum += x->meant(i, n);
	}
	wait_for(c, SUM, sum);
	return sum;
}

static void boot_cpu_sends(struct smp *s, uint32_t want[])
{
	unsigned n = s->n, sum = 0;
	const struct send sends[] = {
		{0, ICR_OTHERS | VECTOR, others},
		{0, ICR_ALL | VECTOR, all},
		{0, ICR_SELF | VECTOR, self},
		{n - 1, VECTOR, last},
		{UINT32_MAX, VECTOR, all},
		{((n - 1) >> 4) << 16 | 0xaaaa, ICR_LOGICAL | VECTOR, odd_of_last_cluster},
		{UINT32_MAX, ICR_LOGICAL | VECTOR, all},
		{0, ICR_OTHERS | ICR_NMI, others},
		{n - 1, ICR_NMI, last},
	};
	struct code c = smp_code(s, 0);
	enable_x2apic(&c);
	EMIT(&c, 0xfb); /* sti */
	wait_for(&c, READY, n - 1);
	for (size_t k = 0; k < sizeof sends / sizeof *sends; k++)
		sum = send(&c, &sends[k], n, sum, want);
	store_imm(&c, QUIT, 1);
	want[0] += 0;
	sum = send(&c, &sends[0], n, sum, want); /* wakes them */
	out_port(&c);
	assert_true(c.at < smp_entry(1));
}
static void others_halt(struct smp *s, unsigned index)
{
	struct code c = smp_code(s, index);
	enable_x2apic(&c);
	lock_inc(&c, READY);
	mov_imm(&c, BX, 0);
	uint32_t again = c.at;
	EMIT(&c, 0xfb, 0xf4, 0xfa); /* sti, hlt, cli */
	compare(&c, QUIT, BX);
	jcc(&c, JE, again);
	out_port(&c);
}
static void destinations(unsigned n)
{
	struct smp s;
	uint32_t want[SMP_MAX] = {0};
	smp_open_as(&s, n, VMA_IRQCHIP_PLATFORM, GUEST_LONG);
	handler(&s, HANDLER, VECTOR, count);
	handler(&s, NMI_HANDLER, NMI, count);
	boot_cpu_sends(&s, want);
	for (unsigned i = 1; i < n; i++)
		others_halt(&s, i);
	run_to_out(&s);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(smp_get(&s, COUNTS + 4 * i), want[i]);
	smp_close(&s);
}
static void destinations_4(void **state)
{
	(void)state;
	destinations(4);
}
static void destinations_64(void **state)
{
	(void)state;
	destinations(64);
}

/* ------ TLB shootdown ------ */

/* Frame of round EAX, which holds that number as long as anybody may see it; it comes back after eight rounds. */
static void frame(struct code *c)
{
	EMIT(c, 0x83, 0xe0, 0x07, 0xc1, 0xe0, 0x0c, 0x05); /* and eax, 7; shl eax, 12; add eax, FRAMES */
	imm32(c, FRAMES);
}
/* Rounds in EBX: a new frame with the new number, the others told, and when all have answered the number is public and
 * the old frame is cleared. */
static void boot_cpu_remaps(struct smp *s, uint32_t pte, unsigned rounds)
{
	struct code c = smp_code(s, 0);
	enable_x2apic(&c);
	wait_for(&c, READY, s->n - 1);
	mov_imm(&c, BX, 1);
	uint32_t again = c.at;
	EMIT(&c, 0x89, 0xd8); /* mov eax, ebx */
	frame(&c);
	EMIT(&c, 0x89, 0x18, 0x83, 0xc8, 0x03); /* mov [rax], ebx; or eax, 3 */
	store(&c, pte, AX);
	invlpg_window(&c);
	store_imm(&c, SUM, 0);
	wrmsr(&c, X2APIC_ICR, 0, ICR_OTHERS | ICR_ASSERT | VECTOR);
	wait_for(&c, SUM, s->n - 1);
	store(&c, GENERATION, BX);
	EMIT(&c, 0x8d, 0x43, 0xff); /* lea eax, [rbx - 1] */
	frame(&c);
	EMIT(&c, 0xc7, 0x00, 0, 0, 0, 0, 0xff, 0xc3, 0x81, 0xfb); /* mov dword [rax], 0; inc ebx; cmp ebx, rounds + 1 */
	imm32(&c, rounds + 1);
	jcc(&c, JNE, again);
	store_imm(&c, QUIT, 1);
	out_port(&c);
}
/* What the page shows is never older than the number that was public before. */
static void others_look(struct smp *s, unsigned index)
{
	struct code c = smp_code(s, index);
	enable_x2apic(&c);
	lock_inc(&c, READY);
	EMIT(&c, 0xfb);
	uint32_t again = c.at;
	load(&c, SI, GENERATION);
	load(&c, DX, WINDOW);
	EMIT(&c, 0x39, 0xf2); /* cmp edx, esi */
	uint32_t good = jcc(&c, JAE, 0);
	lock_inc(&c, ERRORS);
	here(&c, good);
	pause(&c);
	mov_imm(&c, AX, 0);
	compare(&c, QUIT, AX);
	jcc(&c, JE, again);
	out_port(&c);
}
static void answer(struct code *c)
{
	invlpg_window(c);
	lock_inc(c, SUM);
}
static void answer_only(struct code *c)
{
	lock_inc(c, SUM);
}
static uint32_t shootdown(unsigned n, unsigned rounds, void (*body)(struct code *c))
{
	struct smp s;
	smp_open_as(&s, n, VMA_IRQCHIP_PLATFORM, GUEST_LONG);
	uint64_t *entries = guest_small_pages(&s.g);
	entries[WINDOW >> 12] = FRAMES | 3;
	handler(&s, HANDLER, VECTOR, body);
	boot_cpu_remaps(&s, (uint32_t)((uint8_t *)&entries[WINDOW >> 12] - s.g.ram), rounds);
	for (unsigned i = 1; i < n; i++)
		others_look(&s, i);
	run_to_out(&s);
	assert_int_equal(smp_get(&s, GENERATION), rounds);
	uint32_t errors = smp_get(&s, ERRORS);
	smp_close(&s);
	return errors;
}
static void shootdown_4(void **state)
{
	(void)state;
	assert_int_equal(shootdown(4, 2000, answer), 0);
}
static void shootdown_64(void **state)
{
	(void)state;
	assert_int_equal(shootdown(64, 100, answer), 0);
}
/* The software TLB keeps a translation like a processor's: a handler that forgets INVLPG is caught. */
static void shootdown_without_invlpg(void **state)
{
	(void)state;
	assert_true(shootdown(4, 50, answer_only) > 0);
}

/* ------ the host changes the machine under all of them ------ */

static void *map_pages(void *arg)
{
	enum { TIMES = 100 };
	struct smp *s = arg;
	vma_mem *mem = NULL;
	int rc = vma_mem_anon(0x10000, &mem);
	for (unsigned i = 0; i < TIMES && rc >= 0; i++) {
		rc = vma_vm_map(s->g.vm, GUEST_MMIO, mem, 0, 0x10000, VMA_MAP_RWX);
		if (rc >= 0)
			rc = vma_vm_unmap(s->g.vm, GUEST_MMIO, 0x10000);
	}
	vma_mem_unref(mem);
	return (void *)(intptr_t)rc;
}
static void *map_and_unmap(void *arg)
{
	void *rc = map_pages(arg);
	smp_put(arg, QUIT, 1);
	return rc;
}
static void regions_change_under_64(void **state)
{
	struct smp s;
	pthread_t thread;
	void *rc;
	(void)state;
	smp_open_as(&s, 64, VMA_IRQCHIP_PLATFORM, GUEST_LONG);
	for (unsigned i = 0; i < s.n; i++) {
		struct code c = smp_code(&s, i);
		wait_for(&c, QUIT, 1);
		out_port(&c);
	}
	assert_int_equal(pthread_create(&thread, NULL, map_and_unmap, &s), 0);
	run_to_out(&s);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	smp_close(&s);
}

/* ------ everything at once ------ */

/* What the host does beside: a thread each, until it has done so many. */
static void *read_log(void *arg)
{
	struct smp *s = arg;
	uint64_t bitmap[GUEST_RAM / 4096 / 64];
	int rc = 0;
	for (unsigned i = 0; i < 20 && rc >= 0; i++) {
		rc = vma_vm_protect(s->g.vm, 0, GUEST_RAM, VMA_MAP_RWX | (i & 1 ? 0 : VMA_MAP_LOG));
		if (rc >= 0 && !(i & 1))
			rc = vma_vm_dirty_log(s->g.vm, 0, GUEST_RAM, bitmap, 1);
	}
	return (void *)(intptr_t)rc;
}
static int look_at(vma_vcpu *v, void *arg)
{
	vma_x86_regs r;
	(void)arg;
	return vma_x86_get_regs(v, &r);
}
static void *call_each(void *arg)
{
	struct smp *s = arg;
	int rc = 0;
	for (unsigned turn = 0; turn < 3; turn++)
		for (unsigned i = 0; i < s->n && rc >= 0; i++)
			rc = vma_vcpu_call(s->cpu[i].v, look_at, NULL);
	return (void *)(intptr_t)rc;
}
static void *interrupt_all(void *arg)
{
	struct smp *s = arg;
	int rc = 0;
	for (unsigned i = 0; i < 50 && rc >= 0; i++)
		rc = vma_vm_msi(s->g.vm, 0xfee00000 | 0xff << 12, VECTOR);
	return (void *)(intptr_t)rc;
}
/* Nobody is called who has left his run: QUIT comes last. The result: how many failed. */
static void *all_of_them(void *arg)
{
	static void *(*const work[])(void *) = {map_pages, read_log, call_each, interrupt_all};
	enum { N = sizeof work / sizeof *work };
	struct smp *s = arg;
	pthread_t thread[N];
	intptr_t failed = 0;
	while (smp_get(s, READY) < s->n && !s->timed_out)
		sched_yield();
	for (unsigned i = 0; i < N; i++)
		if (pthread_create(&thread[i], NULL, work[i], s))
			abort();
	for (unsigned i = 0; i < N; i++) {
		void *rc;
		pthread_join(thread[i], &rc);
		failed += (intptr_t)rc < 0;
	}
	smp_put(s, QUIT, 1);
	return (void *)failed;
}

/* A quarter each: spins; waits for interrupts; writes its own code; counts by a locked access across lines, for which
 * all others stand still. */
enum { SPLIT = SMP_DATA + 0x17c };

static void while_not_quit(struct code *c, uint32_t again)
{
	mov_imm(c, AX, 0);
	compare(c, QUIT, AX);
	jcc(c, JE, again);
}
static void spins(struct code *c)
{
	wait_for(c, QUIT, 1);
}
static void halts(struct code *c)
{
	uint32_t again = c->at;
	EMIT(c, 0xfb, 0xf4, 0xfa); /* sti, hlt, cli */
	while_not_quit(c, again);
}
static void writes_code(struct code *c)
{
	mov_imm(c, BX, 0);
	uint32_t again = c->at;
	pause(c);
	EMIT(c, 0xff, 0xc3, 0x89, 0x1d, 1, 0, 0, 0, 0xb8), imm32(c, 0); /* inc ebx; mov [rip + 1], ebx; mov eax, .. */
	EMIT(c, 0x39, 0xd8);                                            /* cmp eax, ebx */
	uint32_t good = jcc(c, JE, 0);
	lock_inc(c, ERRORS);
	here(c, good);
	while_not_quit(c, again);
}
static void counts_split(struct code *c)
{
	mov_imm(c, BX, 0);
	uint32_t again = c->at;
	for (unsigned i = 0; i < 64; i++)
		pause(c);
	EMIT(c, 0xf0, 0x48), mem_op(c, 0xff, 0, SPLIT, false); /* lock inc qword */
	EMIT(c, 0xff, 0xc3);
	while_not_quit(c, again);
	EMIT(c, 0x89, 0x1c, 0xbd), imm32(c, OWN); /* mov [OWN + rdi * 4], ebx */
}

static void emit_all(struct smp *s)
{
	static void (*const kinds[])(struct code *) = {spins, halts, writes_code, counts_split};
	for (unsigned i = 0; i < s->n; i++) {
		struct code c = smp_code(s, i);
		enable_x2apic(&c);
		lock_inc(&c, READY);
		EMIT(&c, 0xfb); /* sti */
		kinds[i % 4](&c);
		if (i == 0) /* wakes who halted */
			wrmsr(&c, X2APIC_ICR, 0, ICR_OTHERS | ICR_ASSERT | VECTOR);
		out_port(&c);
		assert_true(c.at <= smp_entry(i + 1));
	}
}
static void everything_at_once(unsigned n)
{
	struct smp s;
	pthread_t thread;
	void *failed;
	uint64_t split, sum = 0;
	smp_open_as(&s, n, VMA_IRQCHIP_PLATFORM, GUEST_LONG);
	handler(&s, HANDLER, VECTOR, count);
	emit_all(&s);
	assert_int_equal(pthread_create(&thread, NULL, all_of_them, &s), 0);
	run_to_out(&s);
	pthread_join(thread, &failed);
	assert_int_equal((intptr_t)failed, 0);
	assert_int_equal(smp_get(&s, ERRORS), 0);
	memcpy(&split, s.g.ram + SPLIT, 8);
	for (unsigned i = 3; i < n; i += 4)
		sum += smp_get(&s, OWN + 4 * i);
	assert_true(sum > 0);
	assert_int_equal(split, sum);
	smp_close(&s);
}
static void everything_4(void **state)
{
	(void)state;
	everything_at_once(4);
}
static void everything_64(void **state)
{
	(void)state;
	everything_at_once(64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_2),
		cmocka_unit_test(start_64),
		cmocka_unit_test(destinations_4),
		cmocka_unit_test(destinations_64),
		cmocka_unit_test(shootdown_4),
		cmocka_unit_test(shootdown_64),
		cmocka_unit_test(shootdown_without_invlpg),
		cmocka_unit_test(regions_change_under_64),
		cmocka_unit_test(everything_4),
		cmocka_unit_test(everything_64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
