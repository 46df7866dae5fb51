/* test_smp.h - guests of several vCPUs for tests, each on a thread of its own, and a small emitter for their code, so
 * that the programs read like assembler and run on hosts of any kind.
 *
 * All vCPUs are in 64-bit mode with memory one to one (conformance/guest.h) and end a round by HLT. RDI is the number
 * of the vCPU. The tests' memory is between SMP_DATA and GUEST_TABLES; each vCPU has a page of stack. */
#ifndef TEST_SMP_H
#define TEST_SMP_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "conformance/guest.h"

enum {
	SMP_MAX = 64,
	SMP_CODE = 0x8000,
	SMP_CODE_STEP = 0x400,
	SMP_DATA = 0x20000,
	SMP_STACKS = 0x180000,
	SMP_LIMIT = 100
};
enum { AX, CX, DX, BX, SP, BP, SI, DI };

/* ------ emitter ------ */

struct code {
	uint8_t *ram;
	uint32_t at;
};
static inline void bytes(struct code *c, size_t n, const uint8_t *b)
{
	memcpy(c->ram + c->at, b, n);
	c->at += (uint32_t)n;
}
#define EMIT(c, ...) bytes(c, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})
static inline void imm32(struct code *c, uint32_t v)
{
	memcpy(c->ram + c->at, &v, 4);
	c->at += 4;
}
/* opcode with [disp32] (abs: no base) or [rsi + disp32] as its operand */
static inline void mem_op(struct code *c, uint8_t opcode, unsigned reg, uint32_t disp, bool by_si)
{
	EMIT(c, opcode, (uint8_t)((by_si ? 0x86 : 0x04) | reg << 3));
	if (!by_si)
		EMIT(c, 0x25);
	imm32(c, disp);
}
static inline void load(struct code *c, unsigned reg, uint32_t disp)
{
	mem_op(c, 0x8b, reg, disp, false);
}
static inline void store(struct code *c, uint32_t disp, unsigned reg)
{
	mem_op(c, 0x89, reg, disp, false);
}
static inline void compare(struct code *c, uint32_t disp, unsigned reg)
{
	mem_op(c, 0x39, reg, disp, false);
}
static inline void mov_imm(struct code *c, unsigned reg, uint32_t v)
{
	EMIT(c, (uint8_t)(0xb8 | reg));
	imm32(c, v);
}
static inline void pause(struct code *c)
{
	EMIT(c, 0xf3, 0x90);
}
static inline void hlt(struct code *c)
{
	EMIT(c, 0xf4);
}
enum { JB = 0x82, JAE = 0x83, JE = 0x84, JNE = 0x85 };
/* A conditional jump to `target`; the place of its distance, for one that is not known yet. */
static inline uint32_t jcc(struct code *c, uint8_t cc, uint32_t target)
{
	EMIT(c, 0x0f, cc);
	imm32(c, target - (c->at + 4));
	return c->at - 4;
}
static inline void jump(struct code *c, uint32_t target)
{
	EMIT(c, 0xe9);
	imm32(c, target - (c->at + 4));
}
static inline void call(struct code *c, uint32_t target)
{
	EMIT(c, 0xe8);
	imm32(c, target - (c->at + 4));
}
static inline void here(struct code *c, uint32_t place)
{
	uint32_t d = c->at - (place + 4);
	memcpy(c->ram + place, &d, 4);
}

/* ------ the machine ------ */

struct smp;
struct smp_cpu {
	struct smp *s;
	unsigned index;
	pthread_t thread;
	vma_vcpu *v;
	int kind; /* what the round ended with */
};
struct smp {
	struct conf conf;
	struct guest g;
	unsigned n;
	struct smp_cpu cpu[SMP_MAX];
	pthread_barrier_t start, end;
	bool quit;
	vma_irqchip irqchip;
	enum guest_mode mode; /* of the others */
	vma_kick *kicks[SMP_MAX];
	pthread_t watchdog;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool finished, timed_out;
};

static inline uint32_t smp_entry(unsigned index)
{
	return SMP_CODE + index * SMP_CODE_STEP;
}
static inline struct code smp_code(struct smp *s, unsigned index)
{
	return (struct code){s->g.ram, smp_entry(index)};
}

static inline void smp_start(struct smp_cpu *u)
{
	struct smp *s = u->s;
	vma_x86_regs r = {
		.rip = smp_entry(u->index), .rsp = SMP_STACKS + (u->index + 1) * 0x1000, .rflags = 2, .rdi = u->index};
	if (s->mode == GUEST_LONG || u->index == 0)
		vma_x86_set_regs(u->v, &r, VMA_X86_ALL_REGS);
}

static inline void smp_create(struct smp_cpu *u)
{
	struct smp *s = u->s;
	if (u->index && vma_vcpu_create(s->g.vm, u->index, &u->v) < 0)
		abort();
	if (u->index == 0)
		u->v = s->g.v;
	else if (s->mode == GUEST_LONG)
		guest_set_mode(&s->g, u->v, GUEST_LONG);
	if (s->mode == GUEST_LONG)
		vma_vcpu_set_mp(u->v, VMA_MP_RUNNABLE);
	vma_vcpu_kick_handle(u->v, &s->kicks[u->index]);
}

static inline void *smp_main(void *arg)
{
	struct smp_cpu *u = arg;
	struct smp *s = u->s;
	smp_create(u);
	pthread_barrier_wait(&s->end); /* created */
	for (;;) {
		pthread_barrier_wait(&s->start);
		if (s->quit)
			break;
		smp_start(u);
		u->kind = vma_vcpu_run(u->v);
		pthread_barrier_wait(&s->end);
	}
	vma_vcpu_destroy(u->v);
	return NULL;
}

/* A guest that hangs is kicked, so that the test fails and says so. */
static inline void *smp_watch(void *arg)
{
	struct smp *s = arg;
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += SMP_LIMIT;
	pthread_mutex_lock(&s->lock);
	while (!s->finished && !s->timed_out)
		if (pthread_cond_timedwait(&s->over, &s->lock, &end))
			s->timed_out = true;
	if (s->timed_out)
		for (unsigned i = 0; i < s->n; i++)
			vma_kick_send(s->kicks[i]);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static inline void smp_open_as(struct smp *s, unsigned n, vma_irqchip irqchip, enum guest_mode mode)
{
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = irqchip, .cpus = n};
	*s = (struct smp){
		.conf = {.accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_X86_64}, .n = n, .irqchip = irqchip, .mode = mode};
	if (guest_open(&s->g, &s->conf, &options, "", 0) != CONF_PASS)
		fail_msg("%s", s->conf.reason);
	pthread_barrier_init(&s->start, NULL, n);
	pthread_barrier_init(&s->end, NULL, n);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->over, NULL);
	for (unsigned i = 0; i < n; i++) {
		s->cpu[i] = (struct smp_cpu){.s = s, .index = i};
		if (i)
			assert_int_equal(pthread_create(&s->cpu[i].thread, NULL, smp_main, &s->cpu[i]), 0);
	}
	smp_create(&s->cpu[0]);
	pthread_barrier_wait(&s->end);
	assert_int_equal(pthread_create(&s->watchdog, NULL, smp_watch, s), 0);
}
static inline void smp_open(struct smp *s, unsigned n)
{
	smp_open_as(s, n, VMA_IRQCHIP_NONE, GUEST_LONG);
}

/* Every vCPU from its entry to its exit. */
static inline void smp_round(struct smp *s)
{
	pthread_barrier_wait(&s->start);
	smp_start(&s->cpu[0]);
	s->cpu[0].kind = vma_vcpu_run(s->cpu[0].v);
	pthread_barrier_wait(&s->end);
}
static inline void smp_run(struct smp *s)
{
	smp_round(s);
	assert_false(s->timed_out);
	for (unsigned i = 0; i < s->n; i++)
		assert_string_equal(vma_exit_name(s->cpu[i].kind), "HLT");
}

static inline void smp_close(struct smp *s)
{
	pthread_mutex_lock(&s->lock);
	s->finished = true;
	pthread_cond_signal(&s->over);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->watchdog, NULL);
	s->quit = true;
	pthread_barrier_wait(&s->start);
	for (unsigned i = 1; i < s->n; i++)
		pthread_join(s->cpu[i].thread, NULL);
	for (unsigned i = 0; i < s->n; i++)
		vma_kick_unref(s->kicks[i]);
	guest_close(&s->g);
	pthread_barrier_destroy(&s->start);
	pthread_barrier_destroy(&s->end);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->over);
}

/* Guest memory while vCPUs run. */
static inline uint32_t smp_get(struct smp *s, uint32_t at)
{
	return __atomic_load_n((uint32_t *)(void *)(s->g.ram + at), __ATOMIC_ACQUIRE);
}
static inline void smp_put(struct smp *s, uint32_t at, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)(s->g.ram + at), v, __ATOMIC_RELEASE);
}

#endif
