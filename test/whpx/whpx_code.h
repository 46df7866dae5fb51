/* whpx_code.h - random guests for the differential test, out of pieces that exit in every way: device accesses by all kinds of instructions, string
 * I/O, faults, mode switches, CPUID, MSRs, traps. Each piece leaves RBX, RBP and RSP alone.
 *
 * RBX points at devices, RBP at memory, R15 where a fault's handler goes back to; R14 is for the pieces' own use. */
#ifndef TEST_WHPX_CODE_H
#define TEST_WHPX_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "conformance/guest.h"

struct code {
	uint8_t bytes[0x1000];
	size_t n;
	uint64_t random;
	bool wide; /* 64-bit mode, else 32-bit */
	bool avx;
};
enum { RBX = 3, RBP = 5, R14 = 14 };

static inline uint32_t draw(struct code *c, uint32_t below)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->random >> 33) % below;
}

static inline void put(struct code *c, uint64_t value, unsigned bytes)
{
	memcpy(c->bytes + c->n, &value, bytes);
	c->n += bytes;
}

#define PUT(c, ...)                                                                                                    \
	do {                                                                                                           \
		static const uint8_t put_[] = {__VA_ARGS__};                                                           \
		memcpy((c)->bytes + (c)->n, put_, sizeof put_);                                                        \
		(c)->n += sizeof put_;                                                                                 \
	} while (0)

/* A register of the pool. */
static inline unsigned any(struct code *c)
{
	static const uint8_t pool[] = {0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13};
	return pool[draw(c, c->wide ? 11 : 5)];
}

static inline void load(struct code *c, unsigned reg, uint64_t value)
{
	if (c->wide)
		put(c, 0x48 | reg >> 3, 1);
	put(c, 0xb8 | (reg & 7), 1);
	put(c, value, c->wide ? 8 : 4);
}

/* An instruction with operands reg and [base + disp32]. opcode: bytes 0x0fNN or 0xNN; prefix 0: none; width 1, 2, 4, 8. */
static inline void memory(struct code *c, unsigned prefix, unsigned width, unsigned opcode, unsigned reg, unsigned base, uint32_t disp)
{
	unsigned rex = (width == 8) << 3 | (reg >> 3) << 2 | base >> 3;

	if (width == 2)
		put(c, 0x66, 1);
	if (prefix)
		put(c, prefix, 1);
	if (c->wide && (rex || (width == 1 && reg >= 4)))
		put(c, 0x40 | rex, 1);
	if (opcode > 0xff)
		put(c, opcode >> 8, 1);
	put(c, opcode & 0xff, 1);
	put(c, 0x80 | (reg & 7) << 3 | (base & 7), 1);
	put(c, disp, 4);
}

/* An address of a device: aligned, odd, or across two pages. */
static inline uint32_t place(struct code *c)
{
	static const uint32_t odd[] = {0xffd, 0xfff, 0xff9, 0x1ffe, 0xffc, 0};
	return draw(c, 4) ? draw(c, 0x200) * 8 : odd[draw(c, 6)];
}

static inline unsigned width_of(struct code *c)
{
	return 1u << draw(c, c->wide ? 4 : 3);
}

/* ------ pieces: instructions with a memory operand, which is a device's or memory ------ */

static inline void access_modrm(struct code *c, unsigned base, uint32_t disp)
{
	/* opcodes of the byte form; the other widths have the next one. With /reg: an operation in the reg field, and an immediate or not */
	static const struct {
		uint16_t opcode;
		int8_t field; /* -1: a register */
		uint8_t imm, lock;
	} rows[] = {
		{0x88, -1, 0, 0}, {0x8a, -1, 0, 0}, {0x00, -1, 0, 1}, {0x08, -1, 0, 0}, {0x10, -1, 0, 0}, {0x18, -1, 0, 1}, {0x20, -1, 0, 0}, {0x28, -1, 0, 0},
		{0x30, -1, 0, 1}, {0x38, -1, 0, 0}, {0x02, -1, 0, 0}, {0x12, -1, 0, 0}, {0x22, -1, 0, 0}, {0x2a, -1, 0, 0}, {0x32, -1, 0, 0}, {0x3a, -1, 0, 0},
		{0x84, -1, 0, 0}, {0x86, -1, 0, 0}, {0xfb0, -1, 0, 1}, {0xfc0, -1, 0, 1}, {0xc6, 0, 1, 0}, {0x80, 0, 1, 0}, {0x80, 4, 1, 0}, {0x80, 7, 1, 0},
		{0xc0, 0, 1, 0}, {0xc0, 3, 1, 0}, {0xc0, 4, 1, 0}, {0xc0, 5, 1, 0}, {0xc0, 7, 1, 0}, {0xd0, 1, 0, 0}, {0xd2, 4, 0, 0}, {0xf6, 0, 1, 0}, {0xf6, 2, 0, 1},
		{0xf6, 3, 0, 0}, {0xf6, 4, 0, 0}, {0xf6, 5, 0, 0}, {0xfe, 0, 0, 1}, {0xfe, 1, 0, 0},
	};
	unsigned row = draw(c, sizeof rows / sizeof *rows), width = width_of(c);
	bool wide = width > 1, shift = rows[row].opcode == 0xc0;

	memory(c, rows[row].lock && draw(c, 2) ? 0xf0 : 0, width, rows[row].opcode + wide, rows[row].field < 0 ? any(c) : (unsigned)rows[row].field, base,
	       disp);
	if (rows[row].imm)
		put(c, draw(c, 0x7fffffff), wide && !shift ? (width == 2 ? 2 : 4) : 1);
}

static inline void access_two_byte(struct code *c, unsigned base, uint32_t disp)
{
	static const uint16_t into[] = {0xfb6, 0xfb7, 0xfbe, 0xfbf, 0xf42, 0xf43, 0xf4c, 0xf4f, 0xfaf, 0xfbc, 0xfbd};
	unsigned width = c->wide ? 2u << draw(c, 3) : 2u << draw(c, 2), row = draw(c, 15);

	if (row < 11)
		memory(c, 0, width, into[row], any(c), base, disp);
	else if (row == 11)
		memory(c, 0, 1, 0xf90 + draw(c, 16), 0, base, disp);
	else if (row == 12 && c->wide)
		memory(c, 0, 8, 0x63, any(c), base, disp);
	else if (row == 13)
		memory(c, 0, c->wide ? 8 : 4, 0xfc3, any(c), base, disp);
	else {
		memory(c, 0, width, 0xfba, 4 + draw(c, 4), base, disp);
		put(c, draw(c, 64), 1);
	}
}

static inline void access_stack(struct code *c, unsigned base, uint32_t disp)
{
	memory(c, 0, 4, 0xff, 6, base, disp); /* push */
	if (draw(c, 2))
		memory(c, 0, 4, 0x8f, 0, base, disp ^ 0x40); /* pop */
	else
		memory(c, 0, 4, 0x8f, 0, RBP, 0x100);
}

static inline void access_pair(struct code *c, unsigned base, uint32_t disp)
{
	/* cmpxchg8b, cmpxchg16b would load RBX */
	PUT(c, 0x53); /* push rbx */
	memory(c, draw(c, 2) ? 0xf0 : 0, 4, 0xfc7, 1, base, disp & ~7u);
	PUT(c, 0x5b);
}

/* Vectors, x87, AVX: forms by prefix, opcode, and whether the reg field is an operation. */
static inline void access_vector(struct code *c, unsigned base, uint32_t disp)
{
	static const struct {
		uint8_t prefix;
		uint16_t opcode;
		int8_t field;
	} rows[] = {
		{0, 0xf10, -1}, {0, 0xf11, -1}, {0xf3, 0xf10, -1}, {0xf3, 0xf11, -1}, {0xf2, 0xf10, -1}, {0xf2, 0xf11, -1}, {0xf3, 0xf6f, -1}, {0xf3, 0xf7f, -1},
		{0x66, 0xfd6, -1}, {0xf3, 0xf7e, -1}, {0x66, 0xf6e, -1}, {0x66, 0xf7e, -1}, {0xf2, 0xf58, -1}, {0xf3, 0xf59, -1}, {0xf2, 0xf2a, -1},
		{0, 0xf13, -1}, {0, 0xf17, -1}, {0, 0xf12, -1}, {0x66, 0xf16, -1}, {0xf3, 0xfe6, -1}, {0, 0xdd, 0}, {0, 0xdd, 3}, {0, 0xd9, 0}, {0, 0xd9, 3},
		{0, 0xdb, 0}, {0, 0xdb, 5}, {0, 0xdb, 7}, {0, 0xdf, 5}, {0, 0xdf, 7}, {0, 0xdc, 0}, {0, 0xd9, 7}, {0, 0xdd, 7}, {0, 0xfae, 3},
	};
	unsigned row = draw(c, sizeof rows / sizeof *rows);

	memory(c, rows[row].prefix, 4, rows[row].opcode, rows[row].field < 0 ? draw(c, 8) : (unsigned)rows[row].field, base, disp);
}

static inline void access_avx(struct code *c, unsigned base, uint32_t disp)
{
	static const uint8_t forms[][3] = {{0xc5, 0xfe, 0x6f}, {0xc5, 0xfe, 0x7f}, {0xc5, 0xfd, 0xfe}, {0xc5, 0xfc, 0x58}, {0xc5, 0xfa, 0x6f}};
	const uint8_t *f = forms[draw(c, 5)];

	for (int i = 0; i < 3; i++)
		put(c, f[i], 1);
	put(c, 0x80 | draw(c, 8) << 3 | base, 1);
	put(c, disp, 4);
}

static inline void piece_access(struct code *c)
{
	unsigned base = draw(c, 4) ? RBX : RBP, kind = draw(c, 16);
	uint32_t disp = base == RBX ? place(c) : draw(c, 0x1000);

	if (kind < 8)
		access_modrm(c, base, disp);
	else if (kind < 11)
		access_two_byte(c, base, disp);
	else if (kind == 11)
		access_stack(c, base, disp);
	else if (kind == 12)
		access_pair(c, base, disp);
	else if (kind < 15 || !c->avx)
		access_vector(c, base, disp);
	else
		access_avx(c, base, disp);
}

/* ------ pieces: arithmetic, ports, strings ------ */

static inline void piece_arithmetic(struct code *c)
{
	unsigned a = any(c), b = any(c);

	if (!draw(c, 3)) {
		load(c, a, (uint64_t)draw(c, 0x7fffffff) << 32 | draw(c, 0x7fffffff));
		return;
	}
	if (c->wide)
		put(c, 0x48 | b >> 3 << 2 | a >> 3, 1);
	put(c, draw(c, 8) * 8 + 1, 1);
	put(c, 0xc0 | (b & 7) << 3 | (a & 7), 1);
}

static inline void piece_port(struct code *c)
{
	static const uint8_t immediate[] = {0xe4, 0xe5, 0xe6, 0xe7}, by_dx[] = {0xec, 0xed, 0xee, 0xef};

	if (draw(c, 2)) {
		if (!draw(c, 3))
			PUT(c, 0x66);
		put(c, immediate[draw(c, 4)], 1);
		put(c, 0x10 + draw(c, 0x10), 1);
	} else {
		PUT(c, 0xba); /* mov edx, 0x3xx */
		put(c, 0x300 + draw(c, 0x100), 4);
		put(c, by_dx[draw(c, 4)], 1);
	}
}

/* Ports of strings are 0x60..0x6f (see host in the test). */
static inline void piece_string(struct code *c)
{
	static const uint8_t ops[] = {0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
	uint8_t op = ops[draw(c, sizeof ops)];
	uint32_t from = draw(c, 2) ? GUEST_MMIO + place(c) : 0x11000 + draw(c, 0x800), to = draw(c, 2) ? GUEST_MMIO + place(c) : 0x12000 + draw(c, 0x800);
	bool down = !draw(c, 4);

	if (op < 0x70)
		load(c, 2, 0x60 + draw(c, 16));
	load(c, 6, from + 0x80);
	load(c, 7, to + 0x80);
	load(c, 1, draw(c, 12));
	if (down)
		PUT(c, 0xfd);
	if (draw(c, 3))
		put(c, op >= 0xa6 && op != 0xaa && op != 0xab && draw(c, 2) ? 0xf2 : 0xf3, 1);
	if (c->wide && op >= 0xa4 && (op & 1) && draw(c, 2))
		PUT(c, 0x48);
	put(c, op, 1);
	if (down)
		PUT(c, 0xfc);
}

/* ------ pieces of 64-bit mode alone ------ */

/* What may fault: its handler tells the port of its vector, and goes on behind it. */
static inline size_t resume_begin(struct code *c)
{
	PUT(c, 0x4c, 0x8d, 0x3d, 0, 0, 0, 0); /* lea r15, [rip + behind] */
	return c->n;
}

static inline void resume_end(struct code *c, size_t from)
{
	uint32_t distance = (uint32_t)(c->n - from);
	memcpy(c->bytes + from - 4, &distance, 4);
}

static inline void piece_fault(struct code *c)
{
	static const uint64_t bad[] = {0x8000000000000000, 0x200000000, 0x00007ffffffffffd, 0xffff800000000000};
	size_t from = resume_begin(c);

	switch (draw(c, 6)) {
	case 0:
		PUT(c, 0x0f, 0x0b); /* ud2 */
		break;
	case 1:
		PUT(c, 0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1); /* xor edx, edx; xor ecx, ecx; div ecx */
		break;
	case 2:
		load(c, R14, bad[draw(c, 4)]);
		memory(c, 0, 8, draw(c, 2) ? 0x8b : 0x89, any(c), R14, 0);
		break;
	case 3: /* from a device into nowhere, and back */
		load(c, 6, draw(c, 2) ? GUEST_MMIO : 0x200000000);
		load(c, 7, 0x200000000);
		load(c, 1, 3);
		PUT(c, 0xf3, 0xa4);
		break;
	case 4:
		PUT(c, 0xcc); /* int3 */
		break;
	default: /* a port string from nowhere */
		load(c, 6, 0x200000000);
		load(c, 2, 0x61);
		PUT(c, 0x6e);
	}
	resume_end(c, from);
}

static inline void piece_msr(struct code *c)
{
	static const uint32_t known[] = {0xc0000082, 0xc0000081, 0xc0000102, 0x277, 0x174, 0x175, 0xc0000084, 0x200, 0x2ff, 0x4b0000, 0x4b0001, 0x4b0002};
	size_t from = resume_begin(c);

	load(c, 1, known[draw(c, sizeof known / sizeof *known)]);
	if (draw(c, 2)) {
		load(c, 0, draw(c, 8) ? 0x06060606 : draw(c, 0x7fffffff));
		load(c, 2, 0);
		PUT(c, 0x0f, 0x30);
	} else {
		PUT(c, 0x0f, 0x32);
	}
	resume_end(c, from);
}

static inline void piece_cpuid(struct code *c)
{
	static const uint32_t leaves[] = {0, 1, 2, 4, 7, 0xb, 0xd, 0x80000000, 0x80000001, 0x80000008};

	PUT(c, 0x49, 0x89, 0xde); /* mov r14, rbx */
	load(c, 0, leaves[draw(c, 10)]);
	load(c, 1, draw(c, 3));
	PUT(c, 0x0f, 0xa2, 0x49, 0x89, 0xd8, 0x4c, 0x89, 0xf3); /* cpuid; mov r8, rbx; mov rbx, r14 */
}

/* A trap of the guest's own behind an instruction that exits. */
static inline void piece_trap(struct code *c)
{
	PUT(c, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d); /* pushf; or dword [rsp], 0x100; popf */
	if (draw(c, 2))
		piece_port(c);
	else
		memory(c, 0, 4, draw(c, 2) ? 0x8b : 0x89, any(c), RBX, place(c));
	PUT(c, 0x90);
}

static inline void piece_shadow(struct code *c)
{
	size_t from = resume_begin(c); /* the host may have changed RAX in between */

	if (draw(c, 2))
		PUT(c, 0x8c, 0xd0, 0x8e, 0xd0); /* mov eax, ss; mov ss, eax */
	else if (draw(c, 2))
		PUT(c, 0xfb); /* sti */
	else
		PUT(c, 0xfa, 0xfb);
	if (draw(c, 2))
		PUT(c, 0xe6, 0x15);
	else
		memory(c, 0, 4, 0x8b, any(c), RBX, place(c));
	resume_end(c, from);
}

/* 32-bit code segment and back. */
static inline void piece_compat(struct code *c)
{
	PUT(c, 0x6a, GUEST_CS32, 0x4c, 0x8d, 0x35, 4, 0, 0, 0, 0x41, 0x56, 0x48, 0xcb); /* push; lea r14, [rip + 4]; push r14; retfq */
	PUT(c, 0xe6, 0x16);                                                             /* out 0x16, al */
	PUT(c, 0xa1);                                                                   /* mov eax, [device] */
	put(c, GUEST_MMIO + place(c), 4);
	PUT(c, 0x89, 0x83); /* mov [ebx + disp], eax */
	put(c, place(c), 4);
	PUT(c, 0x66, 0x67, 0x6e);        /* a prefix that means nothing, and one that does: outsb by SI */
	PUT(c, 0xea);
	put(c, GUEST_CODE + c->n + 6, 4);
	put(c, GUEST_CS64, 2);
}

static inline void piece(struct code *c)
{
	static void (*const plain[])(struct code *) = {piece_access, piece_access, piece_access, piece_access, piece_arithmetic, piece_port, piece_port, piece_string, piece_string};
	static void (*const wide[])(struct code *) = {piece_fault, piece_msr, piece_cpuid, piece_trap, piece_shadow, piece_compat};
	enum { PLAIN = sizeof plain / sizeof *plain, WIDE = sizeof wide / sizeof *wide };
	unsigned n = draw(c, c->wide ? PLAIN + WIDE : PLAIN);

	if (n < PLAIN)
		plain[n](c);
	else
		wide[n - PLAIN](c);
}

static inline void begin(struct code *c)
{
	if (c->avx) /* CR4.OSXSAVE, XCR0 = 7 */
		PUT(c, 0x0f, 0x20, 0xe0, 0x0d, 0, 0, 4, 0, 0x0f, 0x22, 0xe0, 0x31, 0xc9, 0x31, 0xd2, 0xb8, 7, 0, 0, 0, 0x0f, 0x01, 0xd1);
	PUT(c, 0x0f, 0x57, 0xc0, 0xdb, 0xe3); /* xorps xmm0, xmm0; fninit */
	load(c, RBX, GUEST_MMIO);
	load(c, RBP, GUEST_DATA);
	for (unsigned i = 0; i < 16; i++)
		if (i < 3 || i == 6 || i == 7 || (c->wide && i > 7 && i < 14))
			load(c, i, (uint64_t)draw(c, 0x7fffffff) << 32 | draw(c, 0x7fffffff));
}

/* The random guest of that number. */
static inline void generate(struct code *c, uint64_t seed, bool wide, bool avx, int pieces)
{
	memset(c, 0, sizeof *c);
	*c = (struct code){.random = seed * 0x9e3779b97f4a7c15u + 1, .wide = wide, .avx = avx};
	begin(c);
	for (int i = 0; i < pieces; i++)
		piece(c);
	PUT(c, 0xf4);
}

#endif
