/* test_cpu_sys_rig.h - little guests for the system part of the software CPU: memory with a GDT, an IDT, a TSS and page
 * tables, handlers that halt (so that the place of the halt says which vector was delivered), and ways to start in each
 * mode. */
#ifndef TEST_CPU_SYS_RIG_H
#define TEST_CPU_SYS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "x86/x86.h"

enum {
	MEM = 4 << 20,
	GDT = 0x1000,
	IDT = 0x2000,
	TSS = 0x3000,
	HANDLERS = 0x5000,
	LDT = 0x7000,
	PML4 = 0x10000,
	PDPT = 0x11000,
	PD = 0x12000,
	PT = 0x13000,
	CODE = 0x20000,
	KSTACK = 0x30000,
	IST1 = 0x38000,
	USTACK = 0x40000,
	DATA = 0x50000,
	HOLE = MEM /* from here on no memory: MMIO */
};
enum { K32 = 0x08, KDATA = 0x10, K64 = 0x18, U32 = 0x20 | 3, UDATA = 0x28 | 3, U64 = 0x30 | 3, TR = 0x38, FREE = 0x48 };

struct rig {
	struct x86_cpu *c;
	struct x86_env env;
	atomic_uint attn;
	uint8_t *mem;
	uint8_t out[8192];
	unsigned outs, calls;
	uint8_t next_in;
	bool defer_mmio, defer_msr, allow_all_msrs;
	uint64_t tsc;
};

static uint8_t *rig_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct rig *r = o;
	*flags = X86_PAGE_R | X86_PAGE_W | X86_PAGE_X;
	return gpa < MEM ? r->mem + gpa : NULL;
}
static int rig_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct rig *r = o;
	(void)gpa;
	if (r->defer_mmio)
		return X86_DEFER;
	if (!write)
		memset(data, 0xff, len);
	return X86_DONE;
}
static int rig_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	struct rig *r = o;
	(void)port;
	r->calls++;
	for (unsigned i = 0; i < width * *count; i++) {
		if (write)
			r->out[r->outs++ % sizeof r->out] = data[i];
		else
			data[i] = r->next_in++;
	}
	return X86_DONE;
}
static int rig_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	struct rig *r = o;
	(void)index;
	*value = 0;
	return r->defer_msr ? X86_DEFER : r->allow_all_msrs ? X86_DONE : X86_GP;
}
static int rig_wrmsr(void *o, uint32_t index, uint64_t value)
{
	uint64_t v = value;
	return rig_rdmsr(o, index, &v);
}
static unsigned rig_poll(void *o)
{
	(void)o;
	return 0;
}
static uint64_t rig_tsc(void *o)
{
	return ((struct rig *)o)->tsc;
}

static inline void poke(struct rig *r, uint64_t at, unsigned size, uint64_t v)
{
	memcpy(r->mem + at, &v, size);
}
static inline uint64_t peek(struct rig *r, uint64_t at, unsigned size)
{
	uint64_t v = 0;
	memcpy(&v, r->mem + at, size);
	return v;
}
#define CODE_AT(r, at, ...)                                                                                            \
	do {                                                                                                           \
		static const uint8_t bytes_[] = {__VA_ARGS__};                                                         \
		memcpy((r)->mem + (at), bytes_, sizeof bytes_);                                                        \
		x86_code_written((r)->c, (at), sizeof bytes_);                                                         \
	} while (0)
#define GUEST(r, ...) CODE_AT(r, CODE, __VA_ARGS__)

static inline uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
	       (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)(base >> 24) << 56;
}
static inline void gate64(struct rig *r, unsigned vector, unsigned sel, uint64_t target, unsigned attr, unsigned ist)
{
	poke(r, IDT + vector * 16, 8,
		(target & 0xffff) | (uint64_t)sel << 16 | (uint64_t)ist << 32 | (uint64_t)attr << 40 |
			(target >> 16 & 0xffff) << 48);
	poke(r, IDT + vector * 16 + 8, 8, target >> 32);
}
static inline void gate32(struct rig *r, unsigned vector, unsigned sel, uint32_t target, unsigned attr)
{
	poke(r, IDT + vector * 8, 8,
		(target & 0xffff) | (uint64_t)sel << 16 | (uint64_t)attr << 40 | (uint64_t)(target >> 16) << 48);
}
static inline uint64_t handler(unsigned vector)
{
	return HANDLERS + vector * 16;
}

static inline void rig_start(struct rig *r)
{
	memset(r, 0, sizeof *r);
	r->mem = calloc(1, MEM);
	r->env = (struct x86_env){.page = rig_page,
		.mmio = rig_mmio,
		.io = rig_io,
		.rdmsr = rig_rdmsr,
		.wrmsr = rig_wrmsr,
		.poll = rig_poll,
		.tsc = rig_tsc};
	r->c = x86_new(&r->env, r, &r->attn);
	assert_non_null(r->c);
	static const uint64_t flat[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff,
		0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
	memcpy(r->mem + GDT, flat, sizeof flat);
	memset(r->mem + HANDLERS, 0xf4, 0x1000); /* HLT */
	r->c->insn_limit = 100000;
}
static inline void rig_end(struct rig *r)
{
	x86_free(r->c);
	free(r->mem);
}

/* Identity, 2 MiB pages but the first, which is in 4 KiB ones; user and writable. */
static inline void rig_tables(struct rig *r)
{
	poke(r, PML4, 8, PDPT | 7);
	poke(r, PDPT, 8, PD | 7);
	poke(r, PD, 8, PT | 7);
	for (unsigned i = 1; i < 512; i++)
		poke(r, PD + i * 8, 8, (uint64_t)i << 21 | 0x87);
	for (unsigned i = 0; i < 512; i++)
		poke(r, PT + i * 8, 8, (uint64_t)i << 12 | 7);
}
static inline struct x86_seg flat_seg(unsigned sel, unsigned attr)
{
	return (struct x86_seg){.limit = 0xffffffff, .attr = attr, .sel = (uint16_t)sel};
}
static inline void rig_tables_and_task(struct rig *r, unsigned tss_attr)
{
	struct x86_cpu *c = r->c;
	c->gdt_base = GDT;
	c->gdt_limit = 0x7f;
	c->idt_base = IDT;
	c->idt_limit = 0xfff;
	poke(r, GDT + TR, 8, descriptor(TSS, 0x67, tss_attr));
	c->seg[X86_TR] = (struct x86_seg){.base = TSS, .limit = 0x67, .attr = 0x8b, .sel = TR};
	c->seg[X86_LDTR].attr = 0x10000;
}
static inline void rig_segs(struct rig *r, unsigned cpl, unsigned code, unsigned code_attr)
{
	struct x86_cpu *c = r->c;
	c->seg[X86_CS] = flat_seg(code, code_attr | cpl << 5);
	static const int data[] = {X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};
	for (unsigned i = 0; i < 5; i++)
		c->seg[data[i]] = flat_seg(cpl ? UDATA : KDATA, 0xc093 | cpl << 5);
	c->r[4] = cpl ? USTACK : KSTACK - 0x800;
	c->rip = CODE;
}
static inline void rig_long(struct rig *r, unsigned cpl)
{
	struct x86_cpu *c = r->c;
	rig_tables(r);
	rig_tables_and_task(r, 0x8b);
	rig_segs(r, cpl, cpl ? U64 : K64, 0xa09b);
	poke(r, TSS + 4, 8, KSTACK);
	poke(r, TSS + 0x24, 8, IST1);
	for (unsigned v = 0; v < 256; v++)
		gate64(r, v, K64, handler(v), 0x8e, 0);
	c->cr0 = 0x80010031;
	c->cr3 = PML4;
	c->cr4 = 0x620;  /* PAE, OSFXSR, OSXMMEXCPT */
	c->efer = 0xd01; /* SCE, LME, LMA, NXE */
	x86_state_changed(c, true);
}
static inline void rig_prot(struct rig *r, unsigned cpl)
{
	struct x86_cpu *c = r->c;
	rig_tables_and_task(r, 0x8b);
	rig_segs(r, cpl, cpl ? U32 : K32, 0xc09b);
	poke(r, TSS + 4, 4, KSTACK);
	poke(r, TSS + 8, 2, KDATA);
	for (unsigned v = 0; v < 256; v++)
		gate32(r, v, K32, (uint32_t)handler(v), 0x8e);
	c->cr4 = c->efer = 0;
	c->cr0 = 0x31;
	x86_state_changed(c, true);
}
static inline void rig_real(struct rig *r)
{
	struct x86_cpu *c = r->c;
	c->seg[X86_CS] = (struct x86_seg){.base = CODE, .limit = 0xffff, .attr = 0x9b, .sel = CODE >> 4};
	c->seg[X86_SS] = (struct x86_seg){.base = KSTACK, .limit = 0xffff, .attr = 0x93, .sel = KSTACK >> 4};
	c->r[4] = 0x1000;
	c->rip = 0;
	for (unsigned v = 0; v < 256; v++)
		poke(r, v * 4, 4, HANDLERS + v * 16);
	x86_state_changed(c, true);
}

/* Run to the HLT of a handler and say which vector's it was. */
static inline int run_to_handler(struct rig *r)
{
	enum x86_stop_kind k = x86_run(r->c);
	assert_int_equal(k, X86_STOP_HLT);
	uint64_t at = r->c->rip - 1;
	assert_true(at >= HANDLERS && at < HANDLERS + 0x1000 && at % 16 == 0);
	return (int)((at - HANDLERS) / 16);
}
static inline void run_to_hlt(struct rig *r, uint64_t rip_after)
{
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->rip, rip_after);
}
/* Word n of a handler's frame, 0 on top. */
static inline uint64_t frame(struct rig *r, unsigned n, unsigned size)
{
	return peek(r, r->c->seg[X86_SS].base + r->c->r[4] + n * size, size);
}

static inline int rig_setup(void **state)
{
	struct rig *r = malloc(sizeof *r);
	rig_start(r);
	*state = r;
	return 0;
}
static inline int rig_teardown(void **state)
{
	rig_end(*state);
	free(*state);
	return 0;
}
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
