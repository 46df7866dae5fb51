/* agree.h - a tiny guest run on an accelerator, with all that can be seen of it from outside recorded, and two such records
 * compared: exits and their data in order, the registers at each exit, registers and memory at the end. */
#ifndef TEST_AGREE_H
#define TEST_AGREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "accels.h"
#include "conformance/guest.h"

struct agree_record;
struct agree_program {
	const char *name;
	enum guest_mode mode;
	const uint8_t *code;
	size_t size;
	uint64_t undefined_flags; /* not compared at the end */
	const char *model;        /* NULL: x86-64-v1 */
	bool look;                /* at the registers at each exit */
	bool vectors;             /* x87, SSE and AVX registers count at the end */
	vma_msr_policy msr_policy;
	uint32_t cpuid_exits;
	void (*prepare)(struct guest *g, const struct agree_program *p);
	/* What the host does at an exit besides answering it; what it returns is noted. May be NULL. */
	uint64_t (*host)(struct guest *g, const struct agree_program *p, struct agree_record *r, int kind);
	uint64_t seed; /* the program's own */
};

/* An exit, or an element of a string instruction's. */
struct agree_step {
	int kind;
	uint64_t where, size, data, registers, host;
};
enum { AGREE_STEPS = 2048 };
struct agree_record {
	vma_accel accel;
	struct agree_step steps[AGREE_STEPS];
	int count;
	vma_x86_regs regs;
	vma_x86_sregs sregs;
	vma_x86_fpu_regs fpu;
	uint8_t ram[0x20000];
};

/* Every input is a function of where and how often was read. */
static inline void agree_answer(uint8_t *data, size_t size, uint64_t where, int count)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(where * 7 + i * 13 + (unsigned)count);
}

static inline uint64_t agree_digest(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ bytes[i]) * 1099511628211u;
	return h;
}

static inline void agree_note(struct agree_record *r, int kind, uint64_t where, uint64_t size, uint64_t data)
{
	if (r->count < AGREE_STEPS)
		r->steps[r->count++] = (struct agree_step){kind, where, size, data, 0, 0};
}

/* REP I/O may come in one exit or element by element: both are recorded element by element. */
static inline void agree_note_io(struct agree_record *r, vma_exit *e)
{
	for (uint32_t i = 0; i < e->io.count; i++) {
		uint8_t *data = e->io.data + i * e->io.width;
		if (!e->io.write)
			agree_answer(data, e->io.width, e->io.port, r->count);
		agree_note(r, VMA_EXIT_IO, e->io.port | (uint64_t)e->io.write << 32, e->io.width, agree_digest(data, e->io.width));
	}
}

static inline void agree_note_mmio(struct agree_record *r, vma_exit *e)
{
	if (!e->mmio.write)
		agree_answer(e->mmio.data, e->mmio.length, e->mmio.gpa, r->count);
	agree_note(r, VMA_EXIT_MMIO, e->mmio.gpa | (uint64_t)e->mmio.write << 63, e->mmio.length, agree_digest(e->mmio.data, e->mmio.length));
}

static inline void agree_note_msr(struct agree_record *r, vma_exit *e)
{
	if (!e->msr.write)
		e->msr.value = 0x1234567800000000 | (unsigned)r->count;
	e->msr.fault = e->msr.index & 1;
	agree_note(r, VMA_EXIT_MSR, e->msr.index, e->msr.write, e->msr.value);
}

static inline void agree_note_exit(struct agree_record *r, int kind, vma_exit *e)
{
	switch (kind) {
	case VMA_EXIT_IO:
		agree_note_io(r, e);
		break;
	case VMA_EXIT_MMIO:
		agree_note_mmio(r, e);
		break;
	case VMA_EXIT_MSR:
		agree_note_msr(r, e);
		break;
	case VMA_EXIT_CPUID:
		agree_note(r, kind, e->cpuid.leaf, e->cpuid.subleaf, agree_digest(&e->cpuid.eax, 16));
		break;
	case VMA_EXIT_DEBUG:
		agree_note(r, kind, e->debug.pc, e->debug.reason, e->debug.dr6);
		break;
	default:
		agree_note(r, kind, 0, 0, 0);
	}
}

/* Complete the exit, with what else its instruction does. */
static inline void agree_complete(struct guest *g, struct agree_record *r)
{
	int rc;

	while ((rc = vma_vcpu_complete(g->v)) == 1)
		agree_note_exit(r, (int)g->exit->kind, g->exit);
	if (rc < 0)
		fail_msg("complete on %s: %s", vma_accel_name(r->accel), vma_why());
}

/* INS or OUTS, behind its prefixes. */
static inline bool agree_is_string(const struct guest *g, uint64_t rip)
{
	const uint8_t *code = g->ram + rip, *end = g->ram + GUEST_RAM;

	while (code < end && (*code == 0x66 || *code == 0x67 || *code == 0xf2 || *code == 0xf3 || (*code & 0xf0) == 0x40))
		code++;
	return code < end && *code >= 0x6c && *code <= 0x6f;
}

/* Of a string instruction's I/O they depend on whether it is handed over whole or by elements. RF: on nothing that a guest asks for. */
static inline uint64_t agree_look(struct guest *g, int kind)
{
	vma_x86_regs regs;

	assert_int_equal(vma_x86_get_regs(g->v, &regs), 0);
	if (kind == VMA_EXIT_IO && agree_is_string(g, regs.rip))
		return 0;
	regs.rflags &= ~0x10000u;
	return agree_digest(&regs, sizeof regs);
}

static inline void agree_end(struct guest *g, const struct agree_program *p, struct agree_record *r)
{
	assert_int_equal(vma_x86_get_regs(g->v, &r->regs), 0);
	assert_int_equal(vma_x86_get_sregs(g->v, &r->sregs), 0);
	if (p->vectors)
		assert_int_equal(vma_x86_get_fpu_regs(g->v, &r->fpu), 0);
	r->regs.rflags &= ~p->undefined_flags;
	memcpy(r->ram, g->ram, sizeof r->ram);
}

/* For whoever looks for the cause: VMA_AGREE_LOG shows both lists. */
static inline void agree_show(const struct agree_record *r)
{
	for (int i = 0; i < r->count; i++) {
		const struct agree_step *s = &r->steps[i];
		print_message("%s %3d: %-10s %#18llx size %llu data %#llx registers %#llx host %#llx\n", vma_accel_name(r->accel), i,
			      vma_exit_name(s->kind), (unsigned long long)s->where, (unsigned long long)s->size, (unsigned long long)s->data,
			      (unsigned long long)s->registers, (unsigned long long)s->host);
	}
}

static inline void agree_run(vma_accel accel, const struct agree_program *p, struct agree_record *r)
{
	struct conf conf = {.accel = accel, .arch = VMA_ARCH_X86_64};
	const struct guest_options options = {
		.mode = p->mode, .cpu_model = p->model ? p->model : "x86-64-v1", .msr_policy = p->msr_policy, .cpuid_exits = p->cpuid_exits};
	struct guest g;
	int kind = 0;

	memset(r, 0, sizeof *r);
	r->accel = accel;
	if (guest_open(&g, &conf, &options, p->code, p->size) != CONF_PASS)
		fail_msg("%s on %s: %s", p->name, vma_accel_name(accel), conf.reason);
	if (p->prepare)
		p->prepare(&g, p);
	while (kind != VMA_EXIT_HLT && kind != VMA_EXIT_TRIPLE_FAULT && r->count < AGREE_STEPS) {
		kind = vma_vcpu_run(g.v);
		if (kind < 0)
			fail_msg("%s on %s: %s", p->name, vma_accel_name(accel), vma_why());
		agree_note_exit(r, kind, g.exit);
		struct agree_step *last = &r->steps[r->count - 1];
		if (p->look)
			last->registers = agree_look(&g, kind);
		if (p->host)
			last->host = p->host(&g, p, r, kind);
	}
	if (r->count >= AGREE_STEPS && getenv("VMA_AGREE_LOG"))
		agree_show(r);
	if (r->count >= AGREE_STEPS)
		fail_msg("%s: more than %d exits on %s", p->name, AGREE_STEPS, vma_accel_name(accel));
	agree_end(&g, p, r);
	guest_close(&g);
}

static inline void agree_compare_steps(const struct agree_program *p, const struct agree_record *a, const struct agree_record *b)
{
	for (int i = 0; i < a->count && i < b->count; i++) {
		const struct agree_step *s = &a->steps[i], *t = &b->steps[i];
		if (memcmp(s, t, sizeof *s))
			fail_msg("%s: exit %d: %s %s %#llx size %llu data %#llx registers %#llx host %#llx, %s %s %#llx size %llu data %#llx registers %#llx host %#llx",
				 p->name, i, vma_accel_name(a->accel), vma_exit_name(s->kind), (unsigned long long)s->where,
				 (unsigned long long)s->size, (unsigned long long)s->data, (unsigned long long)s->registers, (unsigned long long)s->host,
				 vma_accel_name(b->accel), vma_exit_name(t->kind), (unsigned long long)t->where, (unsigned long long)t->size,
				 (unsigned long long)t->data, (unsigned long long)t->registers, (unsigned long long)t->host);
	}
	if (a->count != b->count)
		fail_msg("%s: %s has %d exits, %s %d", p->name, vma_accel_name(a->accel), a->count, vma_accel_name(b->accel), b->count);
}

static inline void agree_compare(const struct agree_program *p, const struct agree_record *a, const struct agree_record *b)
{
	if (getenv("VMA_AGREE_LOG")) {
		agree_show(a);
		agree_show(b);
	}
	agree_compare_steps(p, a, b);
#define VMA_X(NAME, field, ...)                                                                                        \
	if (a->regs.field != b->regs.field)                                                                            \
		fail_msg("%s: " #field ": %s %#llx, %s %#llx", p->name, vma_accel_name(a->accel),                      \
			 (unsigned long long)a->regs.field, vma_accel_name(b->accel), (unsigned long long)b->regs.field);
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...)                                                                                        \
	if (memcmp(&a->sregs.field, &b->sregs.field, sizeof a->sregs.field))                                           \
		fail_msg("%s: " #field " differs between %s and %s", p->name, vma_accel_name(a->accel), vma_accel_name(b->accel));
	VMA_X86_SEGS(VMA_X)
	VMA_X86_TABLES(VMA_X)
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	if (memcmp(&a->fpu, &b->fpu, sizeof a->fpu))
		fail_msg("%s: x87, SSE or AVX registers differ between %s and %s", p->name, vma_accel_name(a->accel), vma_accel_name(b->accel));
	for (size_t i = 0; i < sizeof a->ram; i++)
		if (a->ram[i] != b->ram[i])
			fail_msg("%s: byte %#zx of memory: %s %#x, %s %#x", p->name, i, vma_accel_name(a->accel), a->ram[i],
				 vma_accel_name(b->accel), b->ram[i]);
}

#endif
