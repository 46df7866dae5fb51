/* tables.h - page tables for the system guests about paging: the entries that translate one address, and the six kinds
 * of access to it. */
#ifndef SYSGUEST_TABLES_H
#define SYSGUEST_TABLES_H

#include "sysguest.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100, PTE_PWU = 7 };
#define PTE_NX 0x8000000000000000ull

/* e[level]: the entry of that level, 1 page table .. 5; those below the leaf are NULL. */
struct sg_chain {
	uint64_t *e[6];
	int levels, leaf;
};

/* Make the tables from root down for va; a page of 4 KiB << 9 * (leaf - 1). The leaf is left 0. */
static inline void sg_chain(struct sg_chain *t, uint64_t *root, int levels, uint64_t va, int leaf)
{
	uint64_t *table = root;
	*t = (struct sg_chain){.levels = levels, .leaf = leaf};
	for (int level = levels; level >= leaf; level--) {
		t->e[level] = &table[va >> (12 + 9 * (level - 1)) & 511];
		if (level == leaf)
			break;
		if (!(*t->e[level] & PTE_P))
			*t->e[level] = (uintptr_t)sg_page() | PTE_PWU;
		table = (uint64_t *)(uintptr_t)(*t->e[level] & 0x000ffffffffff000ull);
	}
}

/* A page for accesses: RET at its start for ring 0, HLT behind it for ring 3. */
static inline void sg_code_page(void *page)
{
	((uint8_t *)page)[0] = 0xc3;
	((uint8_t *)page)[8] = 0xf4;
}

__asm__(".pushsection .text\n"
	"sg_snippet_read: mov (%ecx), %eax\n hlt\n"
#ifdef __x86_64__
	"sg_snippet_read64: mov (%rcx), %eax\n hlt\n"
	"sg_snippet_write64: mov %eax, (%rcx)\n hlt\n"
	"sg_snippet_jump: jmp *%rcx\n"
#else
	"sg_snippet_write: mov %eax, (%ecx)\n hlt\n"
	"sg_snippet_jump: jmp *%ecx\n"
#endif
	".popsection\n");
#ifdef __x86_64__
extern const uint8_t sg_snippet_read64[], sg_snippet_write64[], sg_snippet_jump[];
#define SG_SNIPPET_READ sg_snippet_read64
#define SG_SNIPPET_WRITE sg_snippet_write64
#else
extern const uint8_t sg_snippet_read[], sg_snippet_write[], sg_snippet_jump[];
#define SG_SNIPPET_READ sg_snippet_read
#define SG_SNIPPET_WRITE sg_snippet_write
#endif

enum sg_kind { SG_R, SG_W, SG_X, SG_UR, SG_UW, SG_UX, SG_KINDS };

/* The #PF error code of an access, -1: none, -2: another fault. At va there has to be an sg_code_page. */
static inline int sg_access(enum sg_kind kind, uint64_t va)
{
	struct sg_regs r = {.cx = (sg_word)va, .ax = 0x00f400c3};
	volatile uint32_t *p = (volatile uint32_t *)(uintptr_t)va;
	switch (kind) {
	case SG_R:
		sg_read(p, 4, NULL);
		break;
	case SG_W:
		sg_write(p + 4, 4, 0x12345678);
		break;
	case SG_X:
		sg_call((const void *)(uintptr_t)va);
		break;
	case SG_UR:
		sg_user(&r, SG_SNIPPET_READ);
		break;
	case SG_UW:
		r.cx += 16;
		sg_user(&r, SG_SNIPPET_WRITE);
		break;
	default:
		r.cx += 8;
		sg_user(&r, sg_snippet_jump);
	}
	if (sg_fault.vector == V_PF)
		return sg_fault.cr2 >> 12 == (sg_word)va >> 12 ? (int)sg_fault.error : -3;
	if (kind >= SG_UR && sg_fault.vector == V_GP && (kind != SG_UX || sg_fault.ip == (sg_word)va + 8))
		return -1;
	return sg_fault.vector == SG_OK ? -1 : -2;
}

/* All six as one line: "R- W3 X- r5 w7 x5", small letters for ring 3. */
static inline const char *sg_accesses(uint64_t va)
{
	static char text[64];
	char *t = text;
	for (int k = 0; k < SG_KINDS; k++) {
		int e = sg_access((enum sg_kind)k, va);
		*t++ = "RWXrwx"[k];
		if (e == -1)
			*t++ = '-';
		else if (e < 0)
			*t++ = '?';
		if (e >= 16)
			*t++ = "0123456789abcdef"[e >> 4 & 15];
		if (e >= 0)
			*t++ = "0123456789abcdef"[e & 15];
		*t++ = k == SG_KINDS - 1 ? 0 : ' ';
	}
	return text;
}

/* The translation of va may be in the TLB. */
static inline void sg_forget(uint64_t va)
{
	sg_invlpg((void *)(uintptr_t)va);
}

/* A line's name out of parts: "pf.l4" + ".wp" + number. In one of four buffers. */
static inline const char *sg_name(const char *a, const char *b, unsigned n)
{
	static char buffers[4][48];
	static unsigned turn;
	char *out = buffers[turn++ & 3], *p = out;
	for (; *a; a++)
		*p++ = *a;
	for (; *b; b++)
		*p++ = *b;
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	*p = 0;
	return out;
}

#endif
