/* test_cpu_fp_rig.h - for the tests of the CPU's vector and floating-point part: a guest in 64-bit mode with 2 MiB of
 * memory mapped one to one, its exceptions landing at known addresses. */
#ifndef TEST_CPU_FP_RIG_H
#define TEST_CPU_FP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "os/os.h"
#include "x86/fpenv.h"
#include "x86/x87.h"

enum {
	RIG_SIZE = 0x200000,
	RIG_PML4 = 0x1000,
	RIG_PDPT = 0x2000,
	RIG_PD = 0x3000,
	RIG_GDT = 0x5000,
	RIG_IDT = 0x6000,
	RIG_STACK = 0x9000,
	RIG_CODE = 0x10000,
	RIG_DATA = 0x20000,
	RIG_HANDLERS = 0x30000
};

struct rig {
	uint8_t *mem;
	atomic_uint attn;
	struct x86_cpu *cpu;
	struct x86_env env;
};

static uint8_t *rig_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct rig *r = o;
	*flags = X86_PAGE_R | X86_PAGE_W | X86_PAGE_X;
	return gpa < RIG_SIZE ? r->mem + gpa : NULL;
}
static void rig_dirty(void *o, uint64_t gpa)
{
	(void)o;
	(void)gpa;
}
static int rig_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	(void)o;
	(void)gpa;
	(void)write;
	memset(data, 0xff, len);
	return X86_DONE;
}
/* Everything the CPU can do. */
static int rig_cpuid(void *o, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	struct x86_cpuid_leaf table[64];
	size_t n = 64;
	(void)o;
	x86_cpuid_max(table, &n);
	memset(out, 0, 16);
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == leaf && (!table[i].has_subleaf || table[i].subleaf == sub))
			memcpy(out, table[i].out, 16);
	return X86_DONE;
}
static uint64_t rig_tsc(void *o)
{
	(void)o;
	return 0;
}
static unsigned rig_poll(void *o)
{
	(void)o;
	return 0;
}

static void rig_put64(struct rig *r, unsigned at, uint64_t v)
{
	memcpy(r->mem + at, &v, 8);
}

static void rig_tables(struct rig *r)
{
	rig_put64(r, RIG_PML4, RIG_PDPT | 7);
	rig_put64(r, RIG_PDPT, RIG_PD | 7);
	rig_put64(r, RIG_PD, 0x87);
	rig_put64(r, RIG_GDT + 8, 0x00af9b000000ffff);
	rig_put64(r, RIG_GDT + 16, 0x00cf93000000ffff);
	for (unsigned v = 0; v < 32; v++) {
		uint64_t at = RIG_HANDLERS + 16 * v;
		rig_put64(r, RIG_IDT + 16 * v,
			  (at & 0xffff) | 8 << 16 | (uint64_t)0x8e00 << 32 | (at >> 16 & 0xffff) << 48);
		rig_put64(r, RIG_IDT + 16 * v + 8, at >> 32);
	}
}

/* Where every instruction starts from. */
static void rig_start(struct rig *r)
{
	struct x86_cpu *c = r->cpu;
	c->cr0 = 0x80000033;
	c->cr3 = RIG_PML4;
	c->cr4 = 0x40620;
	c->efer = 0x500;
	c->xcr0 = 3;
	for (unsigned s = 0; s < X86_NSEG; s++)
		c->seg[s] = (struct x86_seg){0, 0xffffffff, s == X86_CS ? 0xa09b : 0xc093, s == X86_CS ? 8 : 16};
	c->seg[X86_LDTR] = (struct x86_seg){0, 0, 0x10082, 0};
	c->seg[X86_TR] = (struct x86_seg){0, 0x67, 0x8b, 0x18};
	c->gdt_base = RIG_GDT;
	c->gdt_limit = 23;
	c->idt_base = RIG_IDT;
	c->idt_limit = 32 * 16 - 1;
	c->cpl = 0;
	c->rip = RIG_CODE;
	c->r[4] = RIG_STACK;
	x86_set_rflags(c, 2);
	x86_state_changed(c, true);
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof *r);
	assert_non_null(r);
	r->mem = os_aligned(4096, RIG_SIZE);
	assert_non_null(r->mem);
	memset(r->mem, 0, RIG_SIZE);
	r->env = (struct x86_env){.page = rig_page,
				  .mark_dirty = rig_dirty,
				  .mmio = rig_mmio,
				  .cpuid = rig_cpuid,
				  .tsc = rig_tsc,
				  .poll = rig_poll};
	rig_tables(r);
	r->cpu = x86_new(&r->env, r, &r->attn);
	assert_non_null(r->cpu);
	rig_start(r);
	return r;
}

static void rig_free(struct rig *r)
{
	x86_free(r->cpu);
	os_free(r->mem);
	free(r);
}

static void rig_code(struct rig *r, const uint8_t *bytes, unsigned n)
{
	memcpy(r->mem + RIG_CODE, bytes, n);
	x86_code_written(r->cpu, RIG_CODE, n);
	r->cpu->rip = RIG_CODE;
}

/* One instruction; the vector it raised, or -1. */
static int rig_step(struct rig *r)
{
	enum x86_stop_kind k = x86_step(r->cpu);
	if (k == X86_STOP_TRIPLE)
		return 255;
	assert_int_equal(k, X86_STOP_BUDGET);
	if (r->cpu->rip >= RIG_HANDLERS && r->cpu->rip < RIG_HANDLERS + 32 * 16)
		return (int)(r->cpu->rip - RIG_HANDLERS) / 16;
	return -1;
}

#endif
