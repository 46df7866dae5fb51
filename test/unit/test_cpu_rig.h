/* test_cpu_rig.h - the software CPU in a small machine for tests: flat memory from 0, a device page, recorded I/O, code
 * given as raw bytes. */
#ifndef TEST_CPU_RIG_H
#define TEST_CPU_RIG_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "os/os.h"
#include "x86/x86.h"

#define RIG_RAM (4u << 20)
#define RIG_DEVICE 0x800000u /* two pages: reads and writes are deferred or answered, see rig->defer */
#define RIG_TABLES 0x1000u   /* page tables of rig_long */
#define RIG_CODE 0x10000u
#define RIG_DATA 0x20000u
#define RIG_STACK 0x30000u

struct rig_access {
	char kind; /* 'M' 'I' */
	bool write;
	uint64_t addr, value;
	unsigned len;
	uint32_t count;
};

struct rig {
	struct x86_cpu *c;
	atomic_uint attn;
	uint8_t *ram;
	bool defer;     /* device and port accesses stop the CPU */
	unsigned flags; /* of RAM pages, X86_PAGE_ */
	unsigned poll;  /* what poll answers */
	int vector;     /* what intr_ack answers, once */
	unsigned dirtied;
	struct rig_access seen[64];
	unsigned nseen;
	uint64_t device; /* what answered device and port reads give */
};

static inline uint8_t *rig_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct rig *r = o;
	*flags = r->flags;
	return gpa + 0x1000 <= RIG_RAM ? r->ram + gpa : NULL;
}
static inline void rig_mark_dirty(void *o, uint64_t gpa)
{
	struct rig *r = o;
	(void)gpa;
	r->dirtied++;
}
static inline void rig_saw(struct rig *r, char kind, bool write, uint64_t addr, unsigned len, uint32_t count,
			   const uint8_t *data)
{
	if (r->nseen == 64)
		return;
	struct rig_access *a = &r->seen[r->nseen++];
	*a = (struct rig_access){.kind = kind, .write = write, .addr = addr, .len = len, .count = count};
	if (write)
		memcpy(&a->value, data, len < 8 ? len : 8);
}
static inline int rig_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct rig *r = o;
	if (r->defer)
		return X86_DEFER;
	rig_saw(r, 'M', write, gpa, len, 1, data);
	if (!write)
		memcpy(data, &r->device, len);
	return X86_DONE;
}
static inline int rig_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	struct rig *r = o;
	if (r->defer)
		return X86_DEFER;
	rig_saw(r, 'I', write, port, width, *count, data);
	for (uint32_t n = 0; !write && n < *count; n++)
		memcpy(data + n * width, &r->device, width);
	return X86_DONE;
}
static inline int rig_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	(void)o;
	(void)index;
	(void)value;
	return X86_GP;
}
static inline int rig_wrmsr(void *o, uint32_t index, uint64_t value)
{
	(void)o;
	(void)index;
	(void)value;
	return X86_GP;
}
static inline bool rig_msr_exits(void *o, uint32_t index, bool write)
{
	(void)o;
	(void)index;
	(void)write;
	return false;
}
static inline int rig_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf table[64];
	size_t n = 64;
	(void)o;
	x86_cpuid_max(table, &n);
	memset(out, 0, 16);
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == leaf && (!table[i].has_subleaf || table[i].subleaf == subleaf))
			memcpy(out, table[i].out, 16);
	return X86_DONE;
}
static inline unsigned rig_poll(void *o)
{
	struct rig *r = o;
	return r->poll;
}
static inline int rig_ack(void *o)
{
	struct rig *r = o;
	int v = r->vector;
	r->vector = -1;
	r->poll &= ~(unsigned)X86_POLL_INTR;
	return v;
}
static inline uint64_t rig_tsc(void *o)
{
	(void)o;
	return 1000;
}

static inline struct rig *rig_new(void)
{
	static const struct x86_env env = {.page = rig_page,
					   .mark_dirty = rig_mark_dirty,
					   .mmio = rig_mmio,
					   .io = rig_io,
					   .rdmsr = rig_rdmsr,
					   .wrmsr = rig_wrmsr,
					   .msr_exits = rig_msr_exits,
					   .cpuid = rig_cpuid,
					   .poll = rig_poll,
					   .intr_ack = rig_ack,
					   .tsc = rig_tsc};
	struct rig *r = calloc(1, sizeof *r);
	r->ram = os_aligned(4096, RIG_RAM);
	memset(r->ram, 0, RIG_RAM);
	r->flags = X86_PAGE_R | X86_PAGE_W | X86_PAGE_X;
	r->vector = -1;
	r->c = x86_new(&env, r, &r->attn);
	assert_non_null(r->c);
	return r;
}
static inline void rig_free(struct rig *r)
{
	x86_free(r->c);
	os_free(r->ram);
	free(r);
}

static inline void rig_flat(struct x86_cpu *c, uint32_t code_attr)
{
	for (int i = X86_ES; i <= X86_GS; i++)
		c->seg[i] = (struct x86_seg){.limit = UINT32_MAX, .attr = 0xc093, .sel = 0x10};
	c->seg[X86_CS] = (struct x86_seg){.limit = UINT32_MAX, .attr = code_attr, .sel = 8};
}
/* 64-bit mode at CPL 0, the first 16 MiB mapped one to one by pages of 2 MiB. */
static inline void rig_long(struct rig *r)
{
	uint64_t *t = (uint64_t *)(void *)(r->ram + RIG_TABLES);
	struct x86_cpu *c = r->c;
	t[0] = (RIG_TABLES + 0x1000) | 7;
	t[512] = (RIG_TABLES + 0x2000) | 7;
	for (unsigned n = 0; n < 8; n++)
		t[1024 + n] = ((uint64_t)n << 21) | 0x87;
	rig_flat(c, 0xa09b);
	c->cr0 = 0x80010033;
	c->cr4 = 0x6a0 & ~0x80u;
	c->efer = 0xd00;
	c->cr3 = RIG_TABLES;
	c->cpl = 0;
	c->r[4] = RIG_STACK;
	c->rip = RIG_CODE;
	c->idt_limit = c->gdt_limit = 0; /* any exception ends in a triple fault */
	x86_state_changed(c, true);
}
static inline void rig_prot32(struct rig *r)
{
	struct x86_cpu *c = r->c;
	rig_flat(c, 0xc09b);
	c->cr0 = 0x33;
	c->r[4] = RIG_STACK;
	c->rip = RIG_CODE;
	c->idt_limit = c->gdt_limit = 0;
	x86_state_changed(c, true);
}
static inline void rig_code_at(struct rig *r, uint64_t at, const void *bytes, size_t n)
{
	memcpy(r->ram + at, bytes, n);
	x86_code_written(r->c, at, n);
}
#define rig_code(r, ...)                                                                                               \
	do {                                                                                                           \
		static const uint8_t code_[] = {__VA_ARGS__};                                                          \
		rig_code_at(r, RIG_CODE, code_, sizeof code_);                                                         \
		(r)->c->rip = RIG_CODE;                                                                                \
	} while (0)
#define HLT 0xf4

#endif
