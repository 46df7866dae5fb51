/* code_machine.h - the small machine in which random bytes run as code (fuzz_x86_code.c, test_cpu_fuzz.c): RAM with
 * descriptor tables, page tables and handlers that step over what faulted, a device page, ports, in each mode of the
 * CPU. Everything is a function of the input, so that two runs can be compared. */
#ifndef TEST_CODE_MACHINE_H
#define TEST_CODE_MACHINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "x86/engine.h"
#include "x86/fpenv.h"
#include "x86/sys.h"

enum {
	M_RAM = 0x20000, /* 128 KiB from 0; what lies above is a device, or nothing */
	M_GDT = 0x1000,
	M_IDT = 0x2000,
	M_TSS = 0x3000, /* and its I/O bitmap */
	M_LDT = 0x4000,
	M_HANDLERS = 0x5000, /* 16 bytes a vector */
	M_PML4 = 0x6000,
	M_PDPT = 0x7000,
	M_PD = 0x8000,
	M_PT = 0x9000,    /* 0 to 2 MiB */
	M_ALIAS = 0xa000, /* 2 to 4 MiB: the same pages in another order, with other rights */
	M_CODE = 0xc000,
	M_DATA = 0x10000,
	M_STACK = 0x18000,
	M_KSTACK = 0x1c000,
	M_DEVICE = 0x30000 /* an address in the device */
};
enum { M_K32 = 0x08, M_KDATA = 0x10, M_K64 = 0x18, M_U32 = 0x20, M_UDATA = 0x28, M_U64 = 0x30, M_TR = 0x38,
       M_16 = 0x48, M_RANDOM = 0x60, M_GDT_END = 0xff };

struct machine {
	struct x86_cpu *cpu;
	void *pristine; /* its state after creation; pointers and all */
	atomic_uint attn;
	uint8_t *ram;
	uint32_t feature_mask[4]; /* of leaves 1, 7, 0x80000001, 0xd.1 */
	uint64_t salt;
	uint64_t device; /* accesses so far, an element each: what they give depends on it */
	uint64_t seen;   /* hash of what was written to devices and of each stop */
	uint64_t tsc;
	bool has_device, defers;
	unsigned poll;
	int vector;
};

static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}
static inline void m_saw(struct machine *m, uint64_t a, uint64_t b)
{
	m->seen = mix64(m->seen ^ mix64(a + 1) ^ b * 31);
}

/* ------ what the CPU asks for ------ */

static uint8_t *m_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct machine *m = o;
	*flags = X86_PAGE_R | X86_PAGE_W | X86_PAGE_X;
	return gpa < M_RAM ? m->ram + gpa : NULL;
}

/* One element of a device or port: written values are remembered, read ones made up. */
static void m_element(struct machine *m, uint64_t addr, unsigned width, bool write, uint8_t *data)
{
	uint64_t v = 0;
	if (m->cpu->exact)
		m_saw(m, m->cpu->insns, 0);
	if (write) {
		memcpy(&v, data, width);
		m_saw(m, addr << 8 | width, v);
	} else {
		v = m->has_device ? mix64(m->salt ^ m->device ^ addr) : UINT64_MAX;
		memcpy(data, &v, width);
		m_saw(m, addr << 8 | width | 0x80, 0);
	}
	m->device++;
}

static bool m_defers(const struct machine *m)
{
	return m->defers && mix64(m->salt + m->device) & 1;
}

static int m_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct machine *m = o;
	if (m_defers(m))
		return X86_DEFER;
	m_element(m, gpa, len, write, data);
	return X86_DONE;
}

static int m_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	struct machine *m = o;
	if (m_defers(m))
		return X86_DEFER;
	if (mix64(m->salt + port) & 1) /* some take one at a time */
		*count = 1;
	for (uint32_t i = 0; i < *count; i++)
		m_element(m, port, width, write, data + (size_t)i * width);
	return X86_DONE;
}

static int m_msr(struct machine *m, uint32_t index)
{
	if (m_defers(m))
		return X86_DEFER;
	return mix64(m->salt ^ index) & 1 ? X86_DONE : X86_GP;
}
static int m_rdmsr(void *o, uint32_t index, uint64_t *value)
{
	struct machine *m = o;
	int r = m_msr(m, index);
	*value = mix64(m->salt + index) + (m->cpu->exact ? m->cpu->insns : 0);
	return r;
}
static int m_wrmsr(void *o, uint32_t index, uint64_t value)
{
	struct machine *m = o;
	int r = m_msr(m, index);
	if (r == X86_DONE)
		m_saw(m, index, value);
	return r;
}

static int m_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct machine *m = o;
	static struct x86_cpuid_leaf table[128];
	static size_t n;
	if (!n) {
		n = sizeof table / sizeof *table;
		x86_cpuid_max(table, &n);
	}
	memset(out, 0, 16);
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == leaf && (!table[i].has_subleaf || table[i].subleaf == subleaf))
			memcpy(out, table[i].out, 16);
	if (leaf == 1) {
		out[2] &= m->feature_mask[0];
		out[3] &= m->feature_mask[1] | 1; /* x87 */
	} else if (leaf == 7 && subleaf == 0) {
		out[1] &= m->feature_mask[2];
		out[2] &= m->feature_mask[3];
	}
	return X86_DONE;
}

static unsigned m_poll(void *o)
{
	struct machine *m = o;
	unsigned what = m->poll;
	m->poll &= ~(unsigned)X86_POLL_NMI;
	return what;
}
static int m_ack(void *o)
{
	struct machine *m = o;
	m->poll &= ~(unsigned)X86_POLL_INTR;
	return m->vector;
}
static uint64_t m_tsc(void *o)
{
	struct machine *m = o;
	return m->cpu->exact ? m->cpu->insns * 7 : (m->tsc += 1000);
}

static const struct x86_env m_env = {.page = m_page,
				     .mmio = m_mmio,
				     .io = m_io,
				     .rdmsr = m_rdmsr,
				     .wrmsr = m_wrmsr,
				     .cpuid = m_cpuid,
				     .poll = m_poll,
				     .intr_ack = m_ack,
				     .tsc = m_tsc,
				     .vmcall_exits = X86_VMCALL_BOTH};

static bool m_no_msr_exits(void *o, uint32_t index, bool write)
{
	(void)o;
	(void)index;
	(void)write;
	return false;
}

static void machine_open(struct machine *m)
{
	static struct x86_env env;
	env = m_env;
	env.msr_exits = m_no_msr_exits;
	memset(m, 0, sizeof *m);
	memset(m->feature_mask, 0xff, sizeof m->feature_mask);
	m->ram = malloc(M_RAM);
	m->cpu = x86_new(&env, m, &m->attn);
	m->pristine = malloc(sizeof *m->cpu);
	if (!m->ram || !m->cpu || !m->pristine)
		abort();
	memcpy(m->pristine, m->cpu, sizeof *m->cpu);
}

/* As just created. The cache's generation goes on: entries of the jump cache die by it. */
static void machine_renew(struct machine *m)
{
	x86_flush_tlb(m->cpu, true);
	x86_cache_flush(m->cpu);
	memcpy(m->cpu, m->pristine, sizeof *m->cpu);
	atomic_store(&m->attn, 0);
	m->device = m->seen = m->tsc = 0;
	m->poll = 0;
}

/* ------ descriptors ------ */

static inline void m_poke(struct machine *m, uint64_t at, unsigned size, uint64_t v)
{
	memcpy(m->ram + at, &v, size);
}
static inline uint64_t m_descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
	       (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)(base >> 24) << 56;
}

/* The known selectors, then whatever the salt makes: gates, tasks, expand-down, conforming, not present. */
static void m_tables(struct machine *m, uint64_t salt)
{
	static const uint64_t known[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff,
					 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
	memcpy(m->ram + M_GDT, known, sizeof known);
	m_poke(m, M_GDT + M_TR, 8, m_descriptor(M_TSS, 0x1fff, 0x8b));
	m_poke(m, M_GDT + M_16, 8, m_descriptor(0, 0xffff, 0x9b));
	m_poke(m, M_GDT + M_16 + 8, 8, m_descriptor(M_LDT, 0xff, 0x82));
	for (unsigned at = M_RANDOM; at < M_GDT_END; at += 8) {
		uint64_t r = mix64(salt + at), target = M_CODE + (r >> 40 & 0x3ff);
		uint64_t gate = (target & 0xffff) | M_K32 << 16 | (r & 0xe000) << 32 | (uint64_t)(r >> 16 & 0xff) << 40;
		m_poke(m, M_GDT + at, 8, r >> 60 & 1 ? gate : m_descriptor((uint32_t)(r & 0xfff0), (uint32_t)(r >> 20 & 0xfffff),
									 (uint32_t)(r >> 44 & 0xf0ff) | 0x80));
		m_poke(m, M_LDT + at, 8, mix64(r));
	}
}

static void m_gates(struct machine *m, uint64_t salt, bool wide)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t r = mix64(salt ^ v * 77), target = M_HANDLERS + v * 16;
		unsigned attr = 0x8e | (r & 1) | (r >> 1 & 1 ? 0x60 : 0), sel = wide ? M_K64 : M_K32;
		if ((r >> 8 & 0xff) < 8) /* a few that are no good, or lead into the random code */
			attr = (unsigned)(r >> 16 & 0xff);
		if ((r >> 24 & 0xff) < 8)
			target = M_CODE + (r >> 32 & 0x3ff);
		unsigned ist = (r >> 48 & 15) == 1;
		uint64_t low = (target & 0xffff) | (uint64_t)sel << 16 | (uint64_t)ist << 32 | (uint64_t)attr << 40;
		m_poke(m, M_IDT + v * (wide ? 16 : 8), 8, low);
		if (wide)
			m_poke(m, M_IDT + v * 16 + 8, 8, 0);
	}
}

/* A handler drops the error code, moves the saved instruction pointer on by one and returns. */
static void m_handlers(struct machine *m, int mode)
{
	static const uint8_t wide[] = {0x48, 0x83, 0xc4, 8, 0x48, 0xff, 0x04, 0x24, 0x48, 0xcf};
	static const uint8_t flat[] = {0x83, 0xc4, 4, 0xff, 0x04, 0x24, 0xcf};
	static const uint8_t real[] = {0x67, 0xff, 0x04, 0x24, 0xcf};
	for (unsigned v = 0; v < 256; v++) {
		uint8_t *at = m->ram + M_HANDLERS + v * 16;
		bool error = v == 8 || (v >= 10 && v <= 14) || v == 17;
		if (mode == X86_MODE_REAL)
			memcpy(at, real, sizeof real);
		else if (mode >= X86_MODE_COMPAT16)
			memcpy(at, error ? wide : wide + 4, error ? sizeof wide : sizeof wide - 4);
		else
			memcpy(at, error ? flat : flat + 3, error ? sizeof flat : sizeof flat - 3);
	}
	for (unsigned v = 0; v < 256 && mode == X86_MODE_REAL; v++)
		m_poke(m, v * 4, 4, M_HANDLERS + v * 16);
}

/* ------ paging ------ */

static uint64_t m_rights(uint64_t r, unsigned page)
{
	bool machinery = page < M_CODE >> 12 || page >= M_STACK >> 12;
	uint64_t rights = 7;
	if (!machinery && (r & 0xf) == 0)
		rights = r >> 8 & 7;
	if (!machinery && (r >> 16 & 0xf) == 0)
		rights |= UINT64_C(1) << 63; /* NX, or reserved */
	if ((r >> 24 & 7) == 0)
		rights |= 0x100; /* global */
	return rights;
}

/* Identity below 2 MiB, the device behind RAM; the alias; a large page; nothing else. Entries of 8 bytes; legacy paging
 * has 4-byte ones. */
static void m_paging(struct machine *m, uint64_t salt, unsigned entry)
{
	unsigned per = 4096 / entry;
	for (unsigned n = 0; n < per && n < 512; n++) {
		uint64_t r = mix64(salt + n), q = mix64(r), to = n < 32 ? n ^ 1 : n;
		uint64_t keep = entry == 8 ? ~UINT64_C(0) : 0xffffffff;
		m_poke(m, M_PT + n * entry, entry, ((uint64_t)n << 12 | m_rights(r, n)) & keep);
		m_poke(m, M_ALIAS + n * entry, entry, (to << 12 | m_rights(q, n | 0xf)) & keep);
	}
	uint64_t top = entry == 8 ? M_PD : M_PML4;
	memset(m->ram + M_PML4, 0, 0x3000);
	m_poke(m, top, entry, M_PT | 7);
	m_poke(m, top + entry, entry, M_ALIAS | 7);
	m_poke(m, top + 2 * entry, entry, 0x87);
}

static void m_long_paging(struct machine *m, uint64_t salt)
{
	m_paging(m, salt, 8);
	m_poke(m, M_PML4, 8, M_PDPT | 7);
	m_poke(m, M_PML4 + 511 * 8, 8, M_PDPT | 7);
	m_poke(m, M_PDPT, 8, M_PD | 7);
	m_poke(m, M_PDPT + 511 * 8, 8, M_PD | 7);
}

/* ------ modes ------ */

static void m_segment(struct x86_cpu *c, int n, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
	c->seg[n] = (struct x86_seg){.base = base, .limit = limit, .attr = attr, .sel = (uint16_t)sel};
}

/* `tight`: limits and bases that the code meets now and then. */
static void m_data_segments(struct machine *m, unsigned sel, unsigned dpl, bool tight, uint64_t salt)
{
	static const int data[] = {X86_ES, X86_SS, X86_DS, X86_FS, X86_GS};
	for (unsigned i = 0; i < 5; i++) {
		uint64_t r = mix64(salt + i);
		uint32_t base = tight ? (uint32_t)(r & 0x7ff) : 0, limit = UINT32_MAX, attr = 0xc093 | dpl << 5;
		if (tight && data[i] != X86_SS) {
			limit = 0x10000 + (uint32_t)(r >> 16 & 0xffff);
			attr = 0x4091 | dpl << 5 | (r >> 40 & 7) << 1;
			attr = (r >> 44 & 15) == 0 ? 0x10000 : attr;
		}
		m_segment(m->cpu, data[i], sel, base, limit, attr);
	}
}

static void m_real(struct machine *m, bool vm86, uint64_t salt)
{
	struct x86_cpu *c = m->cpu;
	uint32_t attr = vm86 ? 0xf3 : 0x93;
	for (int n = X86_ES; n <= X86_GS; n++) {
		unsigned sel = n == X86_SS ? M_STACK >> 4 : (unsigned)(mix64(salt + (unsigned)n) & 0x17ff);
		m_segment(c, n, sel, sel << 4, 0xffff, n == X86_CS ? attr | 8 : attr);
	}
	m_segment(c, X86_CS, M_CODE >> 4, M_CODE, 0xffff, vm86 ? 0xf3 : 0x9b);
	c->rip = 0;
}

static void m_task(struct machine *m, bool wide)
{
	struct x86_cpu *c = m->cpu;
	c->gdt_base = M_GDT;
	c->gdt_limit = M_GDT_END;
	c->idt_base = M_IDT;
	c->idt_limit = wide ? 0xfff : 0x7ff;
	m_segment(c, X86_TR, M_TR, M_TSS, 0xfff, 0x8b);
	m_segment(c, X86_LDTR, M_16 + 8, M_LDT, 0xff, 0x82);
	m_poke(m, M_TSS + 4, 8, M_KSTACK);
	if (!wide)
		m_poke(m, M_TSS + 8, 2, M_KDATA);
	m_poke(m, M_TSS + 0x24, 8, M_KSTACK - 0x800);
	m_poke(m, M_TSS + 0x66, 2, 0x68);
}

struct m_start {
	int mode; /* enum x86_mode */
	unsigned cpl;
	bool paging, tight;
	uint64_t salt, cr0, cr4; /* bits to add */
};

static void m_protected(struct machine *m, const struct m_start *s)
{
	static const uint32_t attr[] = {[X86_MODE_PROT16] = 0x9b,
					[X86_MODE_PROT32] = 0xc09b,
					[X86_MODE_COMPAT16] = 0x9b,
					[X86_MODE_COMPAT32] = 0xc09b,
					[X86_MODE_LONG] = 0xa09b};
	struct x86_cpu *c = m->cpu;
	bool wide = s->mode >= X86_MODE_COMPAT16, sixteen = s->mode == X86_MODE_PROT16 || s->mode == X86_MODE_COMPAT16;
	unsigned code = s->mode == X86_MODE_LONG ? (s->cpl ? M_U64 : M_K64) : s->cpl ? M_U32 : M_K32;
	uint32_t limit = sixteen || (s->tight && s->mode != X86_MODE_LONG) ? 0xffff : UINT32_MAX;
	m_task(m, wide);
	if (s->mode == X86_MODE_VM86) {
		m_real(m, true, s->salt);
	} else {
		m_data_segments(m, (s->cpl ? M_UDATA : M_KDATA) | s->cpl, s->cpl, s->tight, s->salt);
		m_segment(c, X86_CS, code | s->cpl, 0, limit, attr[s->mode] | s->cpl << 5);
		c->rip = M_CODE;
	}
	c->cr3 = M_PML4;
	c->cr0 = 0x11;
	if (wide) {
		m_long_paging(m, s->salt);
		c->cr0 |= 0x80000000;
		c->cr4 |= 0x20;
		c->efer = 0xd01;
	} else if (s->paging) {
		c->cr0 |= 0x80000000;
		c->cr3 = M_PML4;
		m_paging(m, s->salt, 4);
		c->cr4 |= s->salt >> 6 & 0x10; /* PSE */
		if (s->salt >> 7 & 1) {         /* PAE */
			m_paging(m, s->salt, 8);
			m_poke(m, M_PDPT, 8, M_PD | 1);
			c->cr4 |= 0x20;
			c->cr3 = M_PDPT;
			c->pdpte[0] = M_PD | 1;
			c->efer = c->has_nx ? 0x800 : 0;
		}
	}
}

static void machine_mode(struct machine *m, const struct m_start *s)
{
	struct x86_cpu *c = m->cpu;
	c->cpl = (uint8_t)s->cpl;
	m_handlers(m, s->mode);
	if (s->mode != X86_MODE_REAL) {
		m_tables(m, s->salt);
		m_gates(m, s->salt, s->mode >= X86_MODE_COMPAT16);
		m_protected(m, s);
	} else {
		m_real(m, false, s->salt);
		c->cr0 = 0x10;
	}
	c->cr0 |= s->cr0;
	c->cr4 |= s->cr4;
	x86_set_rflags(c, x86_get_rflags(c) | (s->mode == X86_MODE_VM86 ? X86_VM : 0));
}

#endif
