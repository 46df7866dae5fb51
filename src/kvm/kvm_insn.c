/* kvm_insn.c - the instructions that output to ports or write memory: length, access and address (SDM vol. 2, chapter 2
 * and appendix A). */
#include <string.h>
#include "kvm/kvm_insn.h"

enum form {
	F_IMM8 = 1, /* an immediate byte */
	F_IMMZ = 2, /* an immediate of 2 or 4 bytes */
	F_MODRM = 4,
	F_REG = 8,   /* the value is ModRM.reg */
	F_BYTE = 16, /* opcode bit 0 clear: byte access */
	F_MOFFS = 32,
	F_ACC = 64,    /* the value is RAX */
	F_OPREG = 128, /* the value is the register in the opcode */
	F_STACK = 256, /* the operand is 8 bytes in 64-bit mode */
	F_IMMV = 512,  /* the immediate is the value */
	F_W2 = 1024,   /* always 2 bytes */
	F_W16 = 2048,  /* always 16 bytes */
	F_W8 = 4096,
	F_W1 = 8192,
};

static const struct row {
	uint16_t first, last; /* 0x0f00: two-byte opcodes */
	uint8_t regs;         /* which ModRM.reg, a bit each; 0xff: all */
	uint8_t kind;
	uint16_t form;
} rows[] = {
    /* First what is looked up at every output. */
    {0xee, 0xef, 0xff, INSN_OUT, F_ACC | F_BYTE},
    {0xe6, 0xe7, 0xff, INSN_OUT, F_IMM8 | F_ACC | F_BYTE},
    {0x6e, 0x6f, 0xff, INSN_OUTS, F_BYTE},
    {0x00, 0x01, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x08, 0x09, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x10, 0x11, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x18, 0x19, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x20, 0x21, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x28, 0x29, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x30, 0x31, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x50, 0x57, 0xff, INSN_PUSH, F_OPREG | F_STACK},
    {0x68, 0x68, 0xff, INSN_PUSH, F_IMMZ | F_STACK},
    {0x6a, 0x6a, 0xff, INSN_PUSH, F_IMM8 | F_STACK},
    {0x80, 0x80, 0x7f, INSN_STORE, F_MODRM | F_IMM8 | F_BYTE},
    {0x81, 0x81, 0x7f, INSN_STORE, F_MODRM | F_IMMZ},
    {0x83, 0x83, 0x7f, INSN_STORE, F_MODRM | F_IMM8},
    {0x86, 0x87, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x88, 0x89, 0xff, INSN_STORE, F_MODRM | F_REG | F_BYTE},
    {0x8c, 0x8c, 0x3f, INSN_STORE, F_MODRM | F_W2},
    {0xa2, 0xa3, 0xff, INSN_STORE, F_MOFFS | F_ACC | F_BYTE},
    {0xa4, 0xa5, 0xff, INSN_MOVS, F_BYTE},
    {0xaa, 0xab, 0xff, INSN_STOS, F_ACC | F_BYTE},
    {0xc0, 0xc1, 0xff, INSN_STORE, F_MODRM | F_IMM8 | F_BYTE},
    {0xc6, 0xc6, 0x01, INSN_STORE, F_MODRM | F_IMM8 | F_IMMV | F_BYTE},
    {0xc7, 0xc7, 0x01, INSN_STORE, F_MODRM | F_IMMZ | F_IMMV},
    {0xd0, 0xd3, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0xf6, 0xf7, 0x0c, INSN_STORE, F_MODRM | F_BYTE},
    {0xfe, 0xff, 0x03, INSN_STORE, F_MODRM | F_BYTE},
    {0xff, 0xff, 0x40, INSN_PUSH, F_MODRM | F_STACK},
    {0x0f11, 0x0f11, 0xff, INSN_STORE, F_MODRM | F_W16},
    {0x0f29, 0x0f29, 0xff, INSN_STORE, F_MODRM | F_W16},
    {0x0f7f, 0x0f7f, 0xff, INSN_STORE, F_MODRM | F_W16},
    {0x0fe7, 0x0fe7, 0xff, INSN_STORE, F_MODRM | F_W16},
    {0x0f2b, 0x0f2b, 0xff, INSN_STORE, F_MODRM | F_W16},
    {0x0f13, 0x0f13, 0xff, INSN_STORE, F_MODRM | F_W8},
    {0x0f17, 0x0f17, 0xff, INSN_STORE, F_MODRM | F_W8},
    {0x0fd6, 0x0fd6, 0xff, INSN_STORE, F_MODRM | F_W8},
    {0x0f7e, 0x0f7e, 0xff, INSN_STORE, F_MODRM},
    {0x0f90, 0x0f9f, 0xff, INSN_STORE, F_MODRM | F_W1},
    {0x0fa4, 0x0fa4, 0xff, INSN_STORE, F_MODRM | F_IMM8},
    {0x0fa5, 0x0fa5, 0xff, INSN_STORE, F_MODRM},
    {0x0fab, 0x0fab, 0xff, INSN_STORE, F_MODRM},
    {0x0fac, 0x0fac, 0xff, INSN_STORE, F_MODRM | F_IMM8},
    {0x0fad, 0x0fad, 0xff, INSN_STORE, F_MODRM},
    {0x0fb0, 0x0fb1, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x0fb3, 0x0fb3, 0xff, INSN_STORE, F_MODRM},
    {0x0fba, 0x0fba, 0xe0, INSN_STORE, F_MODRM | F_IMM8},
    {0x0fbb, 0x0fbb, 0xff, INSN_STORE, F_MODRM},
    {0x0fc0, 0x0fc1, 0xff, INSN_STORE, F_MODRM | F_BYTE},
    {0x0fc3, 0x0fc3, 0xff, INSN_STORE, F_MODRM | F_REG},
};

struct cursor {
	const uint8_t *bytes;
	size_t size, at;
	bool short_of; /* ran out of bytes */
	const struct kvm_regs *regs;
	const struct kvm_sregs *sregs;
	int mode; /* 16, 32, 64 */
	bool rex_lost; /* another prefix follows it */
	uint8_t rex, op_prefix, addr_prefix, rep, lock, op_size, addr_size, modrm;
	const struct kvm_segment *segment;
	uint64_t rip_relative; /* displacement to add to the next instruction's address */
	bool is_rip_relative;
};

static uint64_t take(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if (c->at + n > c->size) {
		c->short_of = true;
		return 0;
	}
	memcpy(&v, c->bytes + c->at, n);
	c->at += n;
	return v;
}

static int64_t take_signed(struct cursor *c, unsigned n)
{
	uint64_t v = take(c, n);

	return n == 1 ? (int8_t)v : n == 2 ? (int16_t)v : (int32_t)v;
}

static uint64_t reg(const struct cursor *c, unsigned n)
{
#define AT(name) offsetof(struct kvm_regs, name)
	static const uint8_t by_number[16] = {AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
					      AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15)};
#undef AT
	uint64_t value;

	memcpy(&value, (const uint8_t *)c->regs + by_number[n & 15], sizeof(value));
	return value;
}

static int mode_of(const struct kvm_sregs *s)
{
	return s->cs.l && (s->efer & 1 << 10) ? 64 : s->cs.db ? 32 : 16;
}

static bool prefix(struct cursor *c, uint8_t b)
{
	const struct kvm_sregs *s = c->sregs;

	if (c->mode == 64 && b >= 0x40 && b <= 0x4f) {
		c->rex = b;
		return true;
	}
	switch (b) {
	case 0x66:
		c->op_prefix = 1;
		break;
	case 0x67:
		c->addr_prefix = 1;
		break;
	case 0xf0:
		c->lock = 1;
		break;
	case 0xf2:
	case 0xf3:
		c->rep = b;
		break;
	case 0x26:
		c->segment = &s->es;
		break;
	case 0x2e:
		c->segment = &s->cs;
		break;
	case 0x36:
		c->segment = &s->ss;
		break;
	case 0x3e:
		c->segment = &s->ds;
		break;
	case 0x64:
		c->segment = &s->fs;
		break;
	case 0x65:
		c->segment = &s->gs;
		break;
	default:
		return false;
	}
	c->rex_lost |= c->rex != 0; /* it counts only right before the opcode */
	c->rex = 0;
	return true;
}

bool vma_kvm_insn_is_prefix(uint8_t byte, const struct kvm_sregs *sregs)
{
	struct cursor c = {.sregs = sregs, .mode = mode_of(sregs)};

	return prefix(&c, byte);
}

static void prefixes(struct cursor *c)
{
	while (c->at < c->size && prefix(c, c->bytes[c->at]))
		c->at++;
	if (c->mode == 64) {
		c->op_size = c->rex & 8 ? 8 : c->op_prefix ? 2 : 4;
		c->addr_size = c->addr_prefix ? 4 : 8;
	} else {
		c->op_size = (c->mode == 32) ^ c->op_prefix ? 4 : 2;
		c->addr_size = (c->mode == 32) ^ c->addr_prefix ? 4 : 2;
	}
}

static uint64_t cut(uint64_t v, unsigned bytes)
{
	return bytes >= 8 ? v : v & ((1ull << bytes * 8) - 1);
}

static uint64_t linear(const struct cursor *c, const struct kvm_segment *dflt, uint64_t offset)
{
	const struct kvm_segment *s = c->segment ? c->segment : dflt;

	if (c->mode == 64 && s != &c->sregs->fs && s != &c->sregs->gs)
		return offset;
	return c->mode == 64 ? s->base + offset : cut(s->base + offset, 4);
}

static uint64_t ea16(struct cursor *c)
{
	static const int8_t pairs[8][2] = {{3, 6}, {3, 7}, {5, 6}, {5, 7}, {6, -1}, {7, -1}, {5, -1}, {3, -1}};
	unsigned mod = c->modrm >> 6, rm = c->modrm & 7;
	const struct kvm_segment *dflt = &c->sregs->ds;
	uint64_t ea = 0;

	if (mod || rm != 6) {
		ea = reg(c, (unsigned)pairs[rm][0]) + (pairs[rm][1] < 0 ? 0 : reg(c, (unsigned)pairs[rm][1]));
		if (pairs[rm][0] == 5)
			dflt = &c->sregs->ss;
	}
	if (mod == 1)
		ea += (uint64_t)take_signed(c, 1);
	else if (mod == 2 || (!mod && rm == 6))
		ea += take(c, 2);
	return linear(c, dflt, cut(ea, 2));
}

static uint64_t sib(struct cursor *c, bool *no_base, unsigned *base)
{
	uint8_t b = (uint8_t)take(c, 1);
	unsigned index = (b >> 3 & 7) | (c->rex & 2) << 2;

	*base = (b & 7) | (c->rex & 1) << 3;
	*no_base = (b & 7) == 5 && !(c->modrm >> 6);
	return index == 4 ? 0 : reg(c, index) << (b >> 6);
}

static uint64_t ea32(struct cursor *c)
{
	unsigned mod = c->modrm >> 6, base = (c->modrm & 7) | (c->rex & 1) << 3;
	bool no_base = false, has_sib = (c->modrm & 7) == 4;
	uint64_t ea = has_sib ? sib(c, &no_base, &base) : 0;
	const struct kvm_segment *dflt = &c->sregs->ds;

	if (!has_sib && !mod && (c->modrm & 7) == 5) {
		no_base = true;
		c->is_rip_relative = c->mode == 64;
	}
	if (!no_base) {
		ea += reg(c, base);
		if (base == 4 || base == 5)
			dflt = &c->sregs->ss;
	}
	if (mod == 1)
		ea += (uint64_t)take_signed(c, 1);
	else if (mod == 2 || no_base)
		ea += (uint64_t)take_signed(c, 4);
	if (c->is_rip_relative)
		ea += c->regs->rip; /* KVM is past the instruction: that is what the displacement counts from */
	return linear(c, dflt, cut(ea, c->addr_size));
}

static const struct row *row_for(struct cursor *c)
{
	uint16_t op = (uint16_t)take(c, 1);
	uint8_t next;

	if (op == 0x0f)
		op = (uint16_t)(0x0f00 | take(c, 1));
	next = c->at < c->size ? c->bytes[c->at] : 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];

		if (op < r->first || op > r->last)
			continue;
		if ((r->form & F_MODRM) && !(r->regs >> (next >> 3 & 7) & 1))
			continue;
		return r;
	}
	return NULL;
}

static uint8_t width_of(const struct cursor *c, const struct row *r, uint8_t opcode)
{
	if (r->form & F_W1 || (r->form & F_BYTE && !(opcode & 1)))
		return 1;
	if (r->form & F_W2)
		return 2;
	if (r->form & F_W8)
		return 8;
	if (r->form & F_W16)
		return 16;
	if (r->form & F_STACK && c->mode == 64)
		return c->op_prefix ? 2 : 8;
	return r->kind == INSN_OUT || r->kind == INSN_OUTS ? (c->op_size == 2 ? 2 : 4) : c->op_size;
}

/* Without REX, byte registers 4..7 are AH, CH, DH, BH. */
static uint64_t value_reg(const struct cursor *c, unsigned n, unsigned width)
{
	if (width == 1 && !c->rex && n >= 4 && n < 8)
		return reg(c, n - 4) >> 8 & 0xff;
	return cut(reg(c, n), width);
}

static void operands(struct cursor *c, const struct row *r, uint8_t opcode, struct vma_kvm_insn *insn)
{
	uint64_t imm = 0;

	if (r->form & F_MODRM) {
		c->modrm = (uint8_t)take(c, 1);
		if (c->modrm >> 6 != 3)
			insn->ea = c->addr_size == 2 ? ea16(c) : ea32(c);
		else if (insn->kind == INSN_STORE)
			c->short_of = true; /* writes a register: not ours */
	}
	if (r->form & F_MOFFS)
		insn->ea = linear(c, &c->sregs->ds, take(c, c->addr_size));
	if (r->form & F_IMM8)
		imm = (uint64_t)take_signed(c, 1);
	if (r->form & F_IMMZ)
		imm = (uint64_t)take_signed(c, c->op_size == 2 ? 2 : 4);
	insn->value_known = r->form & (F_REG | F_ACC | F_OPREG | F_IMMV);
	if (r->form & F_REG)
		insn->value = value_reg(c, (c->modrm >> 3 & 7) | (c->rex & 4) << 1, insn->width);
	else if (r->form & F_OPREG)
		insn->value = value_reg(c, (opcode & 7) | (c->rex & 1) << 3, insn->width);
	else
		insn->value = cut(r->form & F_ACC ? reg(c, 0) : imm, insn->width);
	if (insn->kind == INSN_OUT)
		insn->ea = r->form & F_IMM8 ? imm & 0xff : c->regs->rdx & 0xffff;
}

/* String instructions and pushes have moved their pointer already. */
static void implied_address(struct cursor *c, struct vma_kvm_insn *insn)
{
	uint64_t step = c->regs->rflags & 1 << 10 ? -(uint64_t)insn->width : insn->width;

	if (insn->kind == INSN_STOS || insn->kind == INSN_MOVS) {
		c->segment = NULL; /* the destination is always ES */
		insn->ea = linear(c, &c->sregs->es, cut(c->regs->rdi - step, c->addr_size));
	} else if (insn->kind == INSN_PUSH) {
		c->segment = NULL;
		insn->ea =
		    linear(c, &c->sregs->ss, c->mode == 64 || c->sregs->ss.db ? c->regs->rsp : cut(c->regs->rsp, 2));
	}
}

static bool is_redundant(const struct cursor *c, const struct vma_kvm_insn *insn)
{
	bool string = insn->kind == INSN_STOS || insn->kind == INSN_MOVS || insn->kind == INSN_OUTS;

	if (c->rex_lost || (c->rep && !string && insn->width < 8) || (c->rex == 0x40 && insn->width != 1))
		return true;
	if (c->rex && (insn->kind == INSN_OUT || insn->kind == INSN_OUTS))
		return true;
	return c->lock && insn->kind != INSN_STORE;
}

int vma_kvm_insn_decode(const uint8_t *bytes, size_t size, const struct kvm_regs *regs, const struct kvm_sregs *sregs,
			struct vma_kvm_insn *insn)
{
	struct cursor c = {.bytes = bytes, .size = size, .regs = regs, .sregs = sregs, .mode = mode_of(sregs)};
	const struct row *r;
	uint8_t opcode;

	*insn = (struct vma_kvm_insn){0};
	prefixes(&c);
	r = row_for(&c);
	if (!r || c.short_of)
		return 0;
	opcode = bytes[c.at - 1];
	insn->kind = (enum vma_kvm_insn_kind)r->kind;
	insn->width = width_of(&c, r, opcode);
	insn->addr_size = c.addr_size;
	insn->rep = c.rep;
	operands(&c, r, opcode, insn);
	implied_address(&c, insn);
	insn->redundant = is_redundant(&c, insn);
	insn->length = (uint8_t)c.at;
	return c.short_of ? 0 : insn->length;
}
