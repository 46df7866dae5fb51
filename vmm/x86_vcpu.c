/* x86_vcpu.c - the state in which the boot protocols want the first processor, and a processor's registers as text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <vmaccel/x86.h>

#include "layout.h"
#include "le.h"
#include "x86.h"

/* SDM vol. 3, 2.5 and 2.2.1 */
#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
/* 4.5: page-table entries */
#define PTE_PRESENT 1ull
#define PTE_WRITE 2ull
#define PTE_LARGE 0x80ull
#define LARGE_PAGE (2ull << 20)

/* Selectors as Linux's boot protocol has them: __BOOT_CS 0x10, __BOOT_DS 0x18. */
enum { SEL_CODE = 0x10, SEL_DATA = 0x18, SEL_TSS = 0x20, GDT_ENTRIES = 6 };
#define TSS_LIMIT 0x67u
/* Types with accessed bits set, as loading would (3.4.5.1); a busy 32/64-bit TSS (3.5) */
#define ATTR_CODE (0xb | VMA_SEG_S | VMA_SEG_P | VMA_SEG_G)
#define ATTR_DATA (0x3 | VMA_SEG_S | VMA_SEG_P | VMA_SEG_G | VMA_SEG_DB)
#define ATTR_TSS (0xb | VMA_SEG_P)

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
	uint64_t flags = ((attr & 0xff) | (attr & 0xf000)) & ~0xf00u;

	if (attr & VMA_SEG_G)
		limit >>= 12;
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | flags << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(base >> 24) << 56;
}

static uint32_t code_attr(enum x86_mode mode)
{
	return ATTR_CODE | (mode == X86_LONG ? VMA_SEG_L : VMA_SEG_DB);
}

static void write_gdt(uint8_t *gdt, enum x86_mode mode)
{
	put_le64(gdt + SEL_CODE, descriptor(0, UINT32_MAX, code_attr(mode)));
	put_le64(gdt + SEL_DATA, descriptor(0, UINT32_MAX, ATTR_DATA));
	put_le64(gdt + SEL_TSS, descriptor(0, TSS_LIMIT, ATTR_TSS));
}

/* The first 4 GiB, mapped to themselves by 2-MiB pages. */
static void write_page_tables(uint8_t *tables)
{
	uint8_t *pdpt = tables + 4096, *directories = tables + 2 * 4096;

	put_le64(tables, (LAYOUT_PAGE_TABLES + 4096) | PTE_PRESENT | PTE_WRITE);
	for (unsigned i = 0; i < 4; i++)
		put_le64(pdpt + 8 * i, (LAYOUT_PAGE_TABLES + (2 + i) * 4096) | PTE_PRESENT | PTE_WRITE);
	for (unsigned i = 0; i < 4 * 512; i++)
		put_le64(directories + 8 * i, i * LARGE_PAGE | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
}

void x86_write_tables(const struct guest_ram *ram, const struct x86_start *start)
{
	if (start->mode == X86_REAL)
		return;
	write_gdt(ram_at(ram, LAYOUT_GDT, GDT_ENTRIES * 8), start->mode);
	if (start->mode == X86_LONG)
		write_page_tables(ram_at(ram, LAYOUT_PAGE_TABLES, 6 * 4096));
}

static vma_x86_seg segment(uint16_t selector, uint32_t limit, uint32_t attr)
{
	return (vma_x86_seg){.selector = selector, .limit = limit, .attr = attr};
}

static void start_real(vma_x86_sregs *s, const struct x86_start *start)
{
	s->cs.selector = (uint16_t)(start->rip >> 4 & 0xf000);
	s->cs.base = (uint64_t)s->cs.selector << 4;
}

static void start_flat(vma_x86_sregs *s, const struct x86_start *start)
{
	vma_x86_seg data = segment(SEL_DATA, UINT32_MAX, ATTR_DATA);

	s->cs = segment(SEL_CODE, UINT32_MAX, code_attr(start->mode));
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = segment(SEL_TSS, TSS_LIMIT, ATTR_TSS);
	s->ldtr = segment(0, 0, VMA_SEG_UNUSABLE);
	s->gdtr = (vma_x86_table){.base = LAYOUT_GDT, .limit = GDT_ENTRIES * 8 - 1};
	s->idtr = (vma_x86_table){.base = 0, .limit = 0};
	s->cr0 = CR0_PE | CR0_ET | CR0_NE;
	if (start->mode != X86_LONG)
		return;
	s->cr0 |= CR0_PG;
	s->cr3 = LAYOUT_PAGE_TABLES;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;
}

int x86_set_start(vma_vcpu *vcpu, const struct x86_start *start)
{
	vma_x86_regs regs = {.rax = start->rax,
			     .rbx = start->rbx,
			     .rsi = start->rsi,
			     .rsp = start->rsp,
			     .rip = start->rip,
			     .rflags = 2};
	vma_x86_sregs sregs;
	int result = vma_x86_get_sregs(vcpu, &sregs);

	if (result < 0)
		return result;
	if (start->mode == X86_REAL) {
		start_real(&sregs, start);
		regs.rip = start->rip - sregs.cs.base;
	} else {
		start_flat(&sregs, start);
	}
	result = vma_x86_set_sregs(vcpu, &sregs);
	return result < 0 ? result : vma_x86_set_regs(vcpu, &regs, VMA_X86_ALL_REGS);
}

struct text {
	char *to;
	size_t left;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->to, text->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->left)
		n = text->left ? (int)text->left - 1 : 0;
	text->to += n;
	text->left -= (size_t)n;
}

static void dump_regs(vma_vcpu *vcpu, struct text *text)
{
	vma_x86_regs r;

	if (vma_x86_get_regs(vcpu, &r) < 0) {
		say(text, "registers: %s\n", vma_why());
		return;
	}
	say(text, "rip %016" PRIx64 " rflags %08" PRIx64 " rsp %016" PRIx64 "\n", r.rip, r.rflags, r.rsp);
	say(text, "rax %016" PRIx64 " rbx %016" PRIx64 " rcx %016" PRIx64 " rdx %016" PRIx64 "\n", r.rax, r.rbx, r.rcx,
	    r.rdx);
	say(text, "rsi %016" PRIx64 " rdi %016" PRIx64 " rbp %016" PRIx64 " r8  %016" PRIx64 "\n", r.rsi, r.rdi, r.rbp,
	    r.r8);
	say(text, "r9  %016" PRIx64 " r10 %016" PRIx64 " r11 %016" PRIx64 " r12 %016" PRIx64 "\n", r.r9, r.r10, r.r11,
	    r.r12);
	say(text, "r13 %016" PRIx64 " r14 %016" PRIx64 " r15 %016" PRIx64 "\n", r.r13, r.r14, r.r15);
}

static void dump_segment(struct text *text, const char *name, const vma_x86_seg *s)
{
	say(text, "%-4s %04x base %016" PRIx64 " limit %08" PRIx32 " attr %05" PRIx32 "\n", name, s->selector, s->base,
	    s->limit, s->attr);
}

static void dump_sregs(vma_vcpu *vcpu, struct text *text)
{
	vma_x86_sregs s;

	if (vma_x86_get_sregs(vcpu, &s) < 0) {
		say(text, "segments: %s\n", vma_why());
		return;
	}
	say(text, "cr0 %08" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64 " cr4 %08" PRIx64 " efer %04" PRIx64 "\n",
	    s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
#define VMA_X(NAME, field, ...) dump_segment(text, #field, &s.field);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
	say(text, "gdtr base %016" PRIx64 " limit %04" PRIx32 "\n", s.gdtr.base, s.gdtr.limit);
	say(text, "idtr base %016" PRIx64 " limit %04" PRIx32 "\n", s.idtr.base, s.idtr.limit);
}

/* The bytes at the instruction pointer, as far as they can be read. */
static void dump_code(vma_vcpu *vcpu, struct text *text)
{
	vma_translation at;
	vma_x86_regs r;
	vma_x86_sregs s;

	if (vma_x86_get_regs(vcpu, &r) < 0 || vma_x86_get_sregs(vcpu, &s) < 0)
		return;
	say(text, "code");
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *byte = NULL;

		if (vma_vcpu_translate(vcpu, s.cs.base + r.rip + i, VMA_ACCESS_EXEC, &at) >= 0)
			byte = vma_vm_hva(vma_vcpu_vm(vcpu), at.gpa, 1);
		if (!byte)
			break;
		say(text, " %02x", *byte);
	}
	say(text, "\n");
}

void x86_dump(vma_vcpu *vcpu, char *to, size_t size)
{
	struct text text = {to, size};

	dump_regs(vcpu, &text);
	dump_sregs(vcpu, &text);
	dump_code(vcpu, &text);
}

int x86_pc(vma_vcpu *vcpu, uint64_t *pc)
{
	vma_x86_regs r;
	int result = vma_x86_get_regs(vcpu, &r);

	*pc = result < 0 ? 0 : r.rip;
	return result;
}
