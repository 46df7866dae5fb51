/* whpx_corners.h - random guests of another kind for the differential test: operands, strings, stacks and XSAVE areas that cross from page to
 * page of a patchwork - memory, devices, memory that cannot be written, pages that are not there - with debug registers armed, single-stepped,
 * behind an IRET. Whatever faults goes on behind its piece, and what its handler found stands in R12 (the error code) and R13 (CR2, DR6).
 *
 * RBX points at the patchwork; the rest as in whpx_code.h. */
#ifndef TEST_WHPX_CORNERS_H
#define TEST_WHPX_CORNERS_H

#include "whpx_code.h"

enum { PATCH_PAGES = 16, PATCH_TABLE = 0x18000, PATCH_RAM = 0x11000, PATCH_ROM = 0x60000000, PATCH_ROM_PAGES = 4, CORNER_STACKS = 0x4000 };
#define PATCH UINT64_C(0x80000000)

/* ------ the patchwork ------ */

enum patch_kind { P_RAM, P_RAM_AGAIN, P_DEVICE, P_DEVICE_AGAIN, P_ROM, P_MISSING, P_READ_ONLY, P_RESERVED, P_KINDS };

/* The entry of page n, not accessed yet. */
static inline uint64_t patch_entry(struct code *c, unsigned n)
{
	enum { P = 1, W = 2, U = 4 };
	uint64_t ram = PATCH_RAM + (uint64_t)draw(c, 6) * 0x1000;

	switch (draw(c, P_KINDS)) {
	case P_DEVICE:
	case P_DEVICE_AGAIN: return (GUEST_MMIO + n * 0x1000) | P | W | U;
	case P_ROM: return (PATCH_ROM + (uint64_t)draw(c, PATCH_ROM_PAGES) * 0x1000) | P | W;
	case P_MISSING: return 0;
	case P_READ_ONLY: return ram | P;
	case P_RESERVED: return ram | P | W | UINT64_C(1) << 51;
	default: return ram | P | W;
	}
}

/* Offset in it: at a page's border, mostly. */
static inline uint32_t edge(struct code *c)
{
	uint32_t page = (1 + draw(c, PATCH_PAGES - 1)) * 0x1000;

	return draw(c, 4) ? page - draw(c, 24) + (draw(c, 4) ? 0 : 24) : page - draw(c, 0x1000);
}

/* ------ pieces ------ */

static inline void corner_operand(struct code *c)
{
	unsigned kind = draw(c, 8);
	uint32_t disp = edge(c);

	if (kind < 4)
		access_modrm(c, RBX, disp);
	else if (kind == 4)
		access_two_byte(c, RBX, disp);
	else if (kind == 5)
		access_stack(c, RBX, disp);
	else if (kind == 6 || !c->avx)
		access_vector(c, RBX, disp);
	else
		access_avx(c, RBX, disp);
}

static inline void corner_string(struct code *c)
{
	static const uint8_t ops[] = {0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
	uint8_t op = ops[draw(c, sizeof ops)];

	if (op < 0x70)
		load(c, 2, 0x60 + draw(c, 16));
	load(c, 6, PATCH + edge(c));
	load(c, 7, PATCH + edge(c));
	load(c, 1, draw(c, 20));
	put(c, draw(c, 4) ? 0xfc : 0xfd, 1); /* cld; std */
	if (draw(c, 8))
		put(c, op >= 0xa6 && op != 0xaa && op != 0xab && draw(c, 2) ? 0xf2 : 0xf3, 1);
	if (op >= 0xa4 && (op & 1) && draw(c, 2))
		PUT(c, 0x48);
	put(c, op, 1);
}

/* XSAVE, XRSTOR, XSAVEOPT, FXSAVE, FXRSTOR. */
static inline void corner_xsave(struct code *c)
{
	static const uint8_t fields[] = {4, 5, 6, 0, 1};
	unsigned n = c->avx ? draw(c, 5) : 3 + draw(c, 2);
	uint32_t disp = (1 + draw(c, PATCH_PAGES - 2)) * 0x1000 - draw(c, 14) * 64 + (draw(c, 8) ? 0 : 8);

	load(c, 0, draw(c, 8));
	load(c, 2, 0);
	memory(c, 0, draw(c, 2) ? 8 : 4, 0xfae, fields[n], RBX, disp);
}

/* A stack there; pieces' faults have stacks of their own. */
static inline void corner_stack(struct code *c)
{
	PUT(c, 0x49, 0x89, 0xe6, 0x48, 0x8d, 0xa3); /* mov r14, rsp; lea rsp, [rbx + edge] */
	put(c, edge(c), 4);
	for (unsigned i = draw(c, 4); i < 4; i++)
		switch (draw(c, 8)) {
		case 0: PUT(c, 0x50); break; /* push rax */
		case 1: PUT(c, 0x59); break; /* pop rcx */
		case 2: PUT(c, 0x9c, 0x5e); break; /* pushfq; pop rsi */
		case 3: PUT(c, 0x66, 0x6a, 0x05); break; /* push word 5 */
		case 4: PUT(c, 0xe8, 0, 0, 0, 0); break; /* call behind */
		case 5: PUT(c, 0xc8, 0x18, 0x00, 0x02, 0xc9, 0x48, 0x89, 0xd5); break; /* enter 24, 2; leave; mov rbp, rdx */
		case 6: PUT(c, 0xff, 0x33); break; /* push [rbx] */
		default: PUT(c, 0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3); /* call 1f; jmp 2f; 1: ret; 2: */
		}
}

static inline void mov_to_dr(struct code *c, unsigned n, uint64_t value)
{
	load(c, R14, value);
	PUT(c, 0x41, 0x0f, 0x23);
	put(c, 0xc6 | n << 3, 1);
}

static inline void corner_any(struct code *c);

/* Breakpoints on data, on ports and on what comes next. */
static inline void corner_debug(struct code *c)
{
	static const uint8_t conditions[] = {0x0, 0x1, 0x3, 0x5, 0x7, 0xd, 0xf, 0x9, 0x2, 0x6}; /* R/W, LEN << 2 */
	uint64_t dr7 = 0x400;

	for (unsigned n = draw(c, 4); n < 4; n++) {
		uint8_t condition = conditions[draw(c, sizeof conditions)];
		unsigned type = condition & 3;

		mov_to_dr(c, n, type == 0 ? GUEST_CODE + c->n + 20 + draw(c, 60) : type == 2 ? 0x10u + draw(c, 0x60) : PATCH + edge(c));
		dr7 |= UINT64_C(2) << 2 * n | (uint64_t)condition << (16 + 4 * n);
	}
	mov_to_dr(c, 7, dr7);
	for (unsigned i = draw(c, 3); i < 3; i++)
		corner_any(c);
	mov_to_dr(c, 7, 0x400);
}

static inline void corner_trap(struct code *c)
{
	PUT(c, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d); /* pushf; or dword [rsp], 0x100; popf */
	corner_any(c);
}

/* IRET loads TF, RF, AC, IF or not, in front of something. */
static inline void corner_iret(struct code *c)
{
	static const uint32_t bits[] = {0x100, 0x10000, 0x10100, 0x40000, 0x200, 0x10200, 0};

	/* mov r14, rsp; push ss; push r14; pushfq; or dword [rsp], bits; push cs; lea rax, [rip + 3]; push rax; iretq */
	PUT(c, 0x49, 0x89, 0xe6, 0x6a, GUEST_DS, 0x41, 0x56, 0x9c, 0x81, 0x0c, 0x24);
	put(c, bits[draw(c, 7)], 4);
	PUT(c, 0x6a, GUEST_CS64, 0x48, 0x8d, 0x05, 3, 0, 0, 0, 0x50, 0x48, 0xcf);
	corner_any(c);
}

static inline void corner_port(struct code *c)
{
	static const uint8_t codes[] = {0xe4, 0xe5, 0xe6, 0xe7};

	put(c, codes[draw(c, 4)], 1);
	put(c, 0x10 + draw(c, 0x40), 1);
}

/* One that is not made of others, and may fault. */
static inline void corner_any(struct code *c)
{
	static void (*const simple[])(struct code *) = {corner_operand, corner_operand, corner_operand, corner_string, corner_string, corner_xsave, corner_port};
	size_t from = resume_begin(c);

	simple[draw(c, sizeof simple / sizeof *simple)](c);
	resume_end(c, from);
	PUT(c, 0xfc); /* cld */
}

static inline void corner(struct code *c)
{
	static void (*const made[])(struct code *) = {corner_stack, corner_debug, corner_trap, corner_iret, piece_shadow, piece_fault, piece_arithmetic};
	unsigned n = draw(c, 12);
	size_t from;

	if (n >= 7) {
		corner_any(c);
	} else if (n == 0) {
		from = resume_begin(c);
		corner_stack(c);
		resume_end(c, from);
		PUT(c, 0x4c, 0x89, 0xf4); /* mov rsp, r14 */
		load(c, RBP, GUEST_DATA);
	} else {
		made[n](c);
	}
}

static inline void generate_corners(struct code *c, uint64_t seed, bool avx, int pieces)
{
	memset(c, 0, sizeof *c);
	*c = (struct code){.random = seed * 0x9e3779b97f4a7c15u + 0x51, .wide = true, .avx = avx};
	begin(c);
	load(c, RBX, PATCH);
	for (int i = 0; i < pieces && c->n < sizeof c->bytes - 0x200; i++)
		corner(c);
	PUT(c, 0xf4);
}

#endif
