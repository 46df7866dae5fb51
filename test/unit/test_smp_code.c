/* test_smp_code.c - cross-modifying code (SDM vol. 3, 9.1.3): code that one vCPU or the host writes while another runs
 * it, in every way of writing and every placement; with a serializing instruction in between the new code is run at
 * once, without one in the end. test-labels: threads test-timeout: 300 */
#include <sched.h>
#include "test_smp.h"

/* FUNC: mov eax, imm32; ret. FLAG: what it has been set to; ACK: what was seen; WRONG: the first that was not. */
enum { FLAG = 0x20000, ACK = 0x20040, WRONG = 0x20080, BUFFER = 0x200c0, ALIAS = 0x40000000, TIMES = 60 };
enum { FUNC = 0x30100, ACROSS_IMM = 0x30ffd, ACROSS_OPCODE = 0x30fff, NO_ALIAS = 0 };

enum how { MOV_4, MOV_BYTES, XCHG_4, LOCK_ADD, CMPXCHG_4, REP_MOVSB, REP_STOSD, PUSH_8, MOVUPS, HOWS };

/* EBX is the number to write as the immediate at `imm`. */
static void patch(struct code *c, enum how how, uint32_t imm)
{
	switch (how) {
	case MOV_4:
		store(c, imm, BX);
		break;
	case MOV_BYTES:
		EMIT(c, 0x89, 0xd8); /* mov eax, ebx */
		for (uint32_t i = 0; i < 4; i++) {
			mem_op(c, 0x88, AX, imm + i, false);
			EMIT(c, 0xc1, 0xe8, 8); /* shr eax, 8 */
		}
		break;
	case XCHG_4:
		EMIT(c, 0x89, 0xd8);
		mem_op(c, 0x87, AX, imm, false);
		break;
	case LOCK_ADD:
		EMIT(c, 0xf0);
		mem_op(c, 0x83, 0, imm, false);
		EMIT(c, 1);
		break;
	case CMPXCHG_4:
		load(c, AX, imm);
		EMIT(c, 0xf0, 0x0f);
		mem_op(c, 0xb1, BX, imm, false);
		break;
	case REP_MOVSB:
		store(c, BUFFER, BX);
		mov_imm(c, SI, BUFFER);
		mov_imm(c, DI, imm);
		mov_imm(c, CX, 4);
		EMIT(c, 0xf3, 0xa4);
		break;
	case REP_STOSD:
		EMIT(c, 0x89, 0xd8);
		mov_imm(c, DI, imm);
		mov_imm(c, CX, 1);
		EMIT(c, 0xf3, 0xab);
		break;
	case PUSH_8: /* imm32; ret; nop; nop; nop */
		EMIT(c, 0x48, 0xb8), imm32(c, 0), imm32(c, 0x909090c3);
		EMIT(c, 0x48, 0x09, 0xd8);        /* or rax, rbx */
		EMIT(c, 0x48, 0x89, 0xe5);        /* mov rbp, rsp */
		EMIT(c, 0xbc), imm32(c, imm + 8); /* mov esp, .. */
		EMIT(c, 0x50, 0x48, 0x89, 0xec);  /* push rax; mov rsp, rbp */
		break;
	default: /* movups xmm0, [imm]; movd xmm1, ebx; movss xmm0, xmm1; movups [imm], xmm0 */
		EMIT(c, 0x0f), mem_op(c, 0x10, 0, imm, false);
		EMIT(c, 0x66, 0x0f, 0x6e, 0xcb, 0xf3, 0x0f, 0x10, 0xc1, 0x0f), mem_op(c, 0x11, 0, imm, false);
	}
}

enum serial { CPUID, WBINVD, IRETQ, MOV_CR3, LIDT, SERIALS };
static void serialize(struct code *c, enum serial how)
{
	switch (how) {
	case CPUID:
		EMIT(c, 0x53, 0x31, 0xc0, 0x0f, 0xa2, 0x5b); /* push rbx; xor eax, eax; cpuid; pop rbx */
		break;
	case WBINVD:
		EMIT(c, 0x0f, 0x09);
		break;
	case IRETQ: /* mov rax, rsp; push ss; push rax; pushf; push cs; push behind; iretq */
		EMIT(c, 0x48, 0x89, 0xe0, 0x6a, GUEST_DS, 0x50, 0x9c, 0x6a, GUEST_CS64, 0x68);
		imm32(c, c->at + 4 + 2);
		EMIT(c, 0x48, 0xcf);
		break;
	case MOV_CR3:
		EMIT(c, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8);
		break;
	default: /* sidt [rsp - 16]; lidt [rsp - 16] */
		EMIT(c, 0x0f, 0x01, 0x4c, 0x24, 0xf0, 0x0f, 0x01, 0x5c, 0x24, 0xf0);
	}
}

static void wait_for(struct code *c, uint32_t cell)
{
	uint32_t again = c->at;
	compare(c, cell, BX);
	uint32_t there = jcc(c, JAE, 0);
	pause(c);
	jump(c, again);
	here(c, there);
}
static void begin(struct code *c, uint32_t *again)
{
	mov_imm(c, BX, 1);
	*again = c->at;
}
static void next(struct code *c, uint32_t again)
{
	EMIT(c, 0xff, 0xc3, 0x81, 0xfb); /* inc ebx; cmp ebx, TIMES + 1 */
	imm32(c, TIMES + 1);
	jcc(c, JNE, again);
	hlt(c);
}

static void function(struct smp *s, uint32_t at, uint32_t result)
{
	struct code c = {s->g.ram, at};
	mov_imm(&c, AX, result);
	EMIT(&c, 0xc3);
}

/* Runs the function when it is told to, and compares. A wrong answer is noted and frees the writer for good. */
static void reader(struct code *c, uint32_t func, enum serial how, uint32_t flag, uint32_t ack)
{
	uint32_t again;
	begin(c, &again);
	wait_for(c, flag);
	serialize(c, how);
	call(c, func);
	EMIT(c, 0x39, 0xd8); /* cmp eax, ebx */
	uint32_t right = jcc(c, JE, 0);
	store(c, WRONG, BX);
	here(c, right);
	store(c, ack, BX);
	next(c, again);
}
static void writer(struct code *c, uint32_t imm, enum how how, uint32_t beside)
{
	uint32_t again;
	begin(c, &again);
	store(c, beside, BX); /* the page is data, too */
	patch(c, how, imm);
	store(c, FLAG, BX);
	wait_for(c, ACK);
	next(c, again);
}

static void expect_right(struct smp *s)
{
	if (smp_get(s, WRONG))
		fail_msg("old code at turn %u", smp_get(s, WRONG));
	assert_int_equal(smp_get(s, ACK), TIMES);
}

static void clear(struct smp *s)
{
	smp_put(s, FLAG, 0);
	smp_put(s, ACK, 0);
	smp_put(s, WRONG, 0);
}

/* `window`: added to addresses of code where it is written. */
static void exchange(struct smp *s, uint32_t func, enum how how, enum serial serial, uint32_t window)
{
	clear(s);
	function(s, func, 0);
	struct code w = smp_code(s, 0), r = smp_code(s, 1);
	writer(&w, window + func + 1, how, window + (func & ~0xfffu) + 0x800);
	reader(&r, func, serial, FLAG, ACK);
	smp_run(s);
	expect_right(s);
}

static void every_way_of_writing(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	for (enum how how = 0; how < HOWS; how++)
		exchange(&s, FUNC, how, WBINVD, NO_ALIAS);
	smp_close(&s);
}
static void every_serializing_instruction(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	for (enum serial serial = 0; serial < SERIALS; serial++)
		exchange(&s, FUNC, MOV_4, serial, NO_ALIAS);
	smp_close(&s);
}
/* The immediate lies in the next page; the opcode in one page and the immediate in the other. */
static void across_pages(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	for (enum how how = 0; how < HOWS; how++) {
		exchange(&s, ACROSS_IMM, how, IRETQ, NO_ALIAS);
		exchange(&s, ACROSS_OPCODE, how, IRETQ, NO_ALIAS);
	}
	smp_close(&s);
}

/* The same memory at a second gpa, written there. */
static void through_a_second_gpa(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	assert_int_equal(vma_vm_map(s.g.vm, ALIAS, s.g.mem, 0, GUEST_RAM, VMA_MAP_RWX), 0);
	for (enum how how = 0; how < HOWS; how++)
		exchange(&s, FUNC, how, WBINVD, ALIAS);
	exchange(&s, ACROSS_IMM, MOV_4, WBINVD, ALIAS);
	smp_close(&s);
}

/* The code is run at the second gpa and written at the first. */
static void run_at_a_second_gpa(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	assert_int_equal(vma_vm_map(s.g.vm, ALIAS, s.g.mem, 0, GUEST_RAM, VMA_MAP_RWX), 0);
	clear(&s);
	function(&s, FUNC, 0);
	struct code w = smp_code(&s, 0), r = smp_code(&s, 1);
	writer(&w, FUNC + 1, MOV_4, FUNC + 0x800);
	uint32_t again;
	begin(&r, &again);
	wait_for(&r, FLAG);
	serialize(&r, WBINVD);
	mov_imm(&r, AX, ALIAS + FUNC);
	EMIT(&r, 0xff, 0xd0, 0x39, 0xd8); /* call rax; cmp eax, ebx */
	uint32_t right = jcc(&r, JE, 0);
	store(&r, WRONG, BX);
	here(&r, right);
	store(&r, ACK, BX);
	next(&r, again);
	smp_run(&s);
	expect_right(&s);
	smp_close(&s);
}

/* While the page's writes are logged and the log is taken again and again. */
static void *take_log(void *arg)
{
	struct smp *s = arg;
	uint64_t bitmap[GUEST_RAM / 4096 / 64];
	while (smp_get(s, ACK) < TIMES && !s->timed_out)
		if (vma_vm_dirty_log(s->g.vm, 0, GUEST_RAM, bitmap, 1) < 0)
			abort();
	return NULL;
}
static void in_a_logged_page(void **state)
{
	struct smp s;
	pthread_t t;
	(void)state;
	smp_open(&s, 2);
	assert_int_equal(vma_vm_protect(s.g.vm, 0, GUEST_RAM, VMA_MAP_RWX | VMA_MAP_LOG), 0);
	clear(&s);
	assert_int_equal(pthread_create(&t, NULL, take_log, &s), 0);
	exchange(&s, FUNC, MOV_4, WBINVD, NO_ALIAS);
	pthread_join(t, NULL);
	smp_close(&s);
}

/* Two write each other's function, in one page, and their own data beside it. */
static void each_others_code(void **state)
{
	enum { MINE = 0x30000, THINGS = 0x800 };
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	clear(&s);
	for (unsigned i = 0; i < 2; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again;
		function(&s, MINE + 0x100 * i, 0);
		begin(&c, &again);
		store(&c, MINE + THINGS + 0x100 * i, BX);
		patch(&c, MOV_4, MINE + 0x100 * (1 - i) + 1);
		store(&c, FLAG + 8 * i, BX);
		wait_for(&c, FLAG + 8 * (1 - i));
		serialize(&c, IRETQ);
		call(&c, MINE + 0x100 * i);
		EMIT(&c, 0x39, 0xd8);
		uint32_t right = jcc(&c, JE, 0);
		store(&c, WRONG, BX);
		here(&c, right);
		store(&c, ACK + 8 * i, BX);
		wait_for(&c, ACK + 8 * (1 - i));
		next(&c, again);
	}
	smp_put(&s, FLAG + 8, 0);
	smp_put(&s, ACK + 8, 0);
	smp_run(&s);
	expect_right(&s);
	smp_close(&s);
}

/* One writer, three that run it. */
static void many_readers(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 4);
	clear(&s);
	function(&s, FUNC, 0);
	for (unsigned i = 1; i < 4; i++) {
		struct code r = smp_code(&s, i);
		smp_put(&s, ACK + 8 * (i - 1), 0);
		reader(&r, FUNC, WBINVD, FLAG, ACK + 8 * (i - 1));
	}
	struct code w = smp_code(&s, 0);
	uint32_t again;
	begin(&w, &again);
	patch(&w, MOV_4, FUNC + 1);
	store(&w, FLAG, BX);
	for (unsigned i = 0; i < 3; i++)
		wait_for(&w, ACK + 8 * i);
	next(&w, again);
	smp_run(&s);
	expect_right(&s);
	smp_close(&s);
}

/* A loop of one jump to itself, by itself and as part of a longer block, is left when it is overwritten. */
static void without_serialization(void **state)
{
	static const uint8_t tight[] = {0xeb, 0xfe, 0xf4}, longer[] = {0xff, 0xc0, 0xff, 0xc1, 0xeb, 0xfa, 0xf4};
	enum { LOOP = 0x30400 };
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < 50; i++) {
			uint32_t at = LOOP + i * 32, jump_at = kind ? at + 4 : at;
			guest_code(&s.g, at, kind ? longer : tight, kind ? sizeof longer : sizeof tight);
			struct code w = smp_code(&s, 0), r = smp_code(&s, 1);
			clear(&s);
			mov_imm(&w, BX, 1);
			wait_for(&w, FLAG);
			EMIT(&w, 0x66, 0xc7, 0x04, 0x25), imm32(&w, jump_at); /* mov word [jump], nop nop */
			EMIT(&w, 0x90, 0x90);
			hlt(&w);
			mov_imm(&r, BX, 1);
			store(&r, FLAG, BX);
			jump(&r, at);
			smp_run(&s);
		}
	smp_close(&s);
}

/* ------ the host writes ------ */

/* As a device that is asked by an OUT does: the vCPU that asked tells the other one through memory. */
static void by_a_device(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	clear(&s);
	function(&s, FUNC, 0);
	struct code w = smp_code(&s, 0), r = smp_code(&s, 1);
	uint32_t again;
	begin(&w, &again);
	EMIT(&w, 0xe6, 0x10); /* out 0x10, al */
	store(&w, FLAG, BX);
	wait_for(&w, ACK);
	next(&w, again);
	reader(&r, FUNC, IRETQ, FLAG, ACK);
	pthread_barrier_wait(&s.start);
	smp_start(&s.cpu[0]);
	for (uint32_t i = 1; i <= TIMES; i++) {
		if (vma_vcpu_run(s.cpu[0].v) != VMA_EXIT_IO)
			break;
		for (unsigned b = 0; b < 4; b++)
			__atomic_store_n(s.g.ram + FUNC + 1 + b, (uint8_t)(i >> 8 * b), __ATOMIC_RELEASE);
	}
	s.cpu[0].kind = vma_vcpu_run(s.cpu[0].v);
	pthread_barrier_wait(&s.end);
	expect_right(&s);
	smp_close(&s);
}

/* As a device with a ring in memory does: nothing of the library is called. CPUID is enough. */
static void *ring(void *arg)
{
	struct smp *s = arg;
	for (uint32_t i = 1; i <= TIMES && !s->timed_out; i++) {
		for (unsigned b = 0; b < 4; b++)
			__atomic_store_n(s->g.ram + FUNC + 1 + b, (uint8_t)(i >> 8 * b), __ATOMIC_RELEASE);
		smp_put(s, FLAG, i);
		while (smp_get(s, ACK) < i && !s->timed_out)
			sched_yield();
	}
	return NULL;
}
static void by_a_ring(void **state)
{
	struct smp s;
	pthread_t t;
	(void)state;
	smp_open(&s, 2);
	clear(&s);
	function(&s, FUNC, 0);
	struct code w = smp_code(&s, 0), r = smp_code(&s, 1);
	hlt(&w);
	reader(&r, FUNC, CPUID, FLAG, ACK);
	assert_int_equal(pthread_create(&t, NULL, ring, &s), 0);
	smp_run(&s);
	pthread_join(t, NULL);
	expect_right(&s);
	smp_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_of_writing),
		cmocka_unit_test(every_serializing_instruction),
		cmocka_unit_test(across_pages),
		cmocka_unit_test(through_a_second_gpa),
		cmocka_unit_test(run_at_a_second_gpa),
		cmocka_unit_test(in_a_logged_page),
		cmocka_unit_test(each_others_code),
		cmocka_unit_test(many_readers),
		cmocka_unit_test(without_serialization),
		cmocka_unit_test(by_a_device),
		cmocka_unit_test(by_a_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
