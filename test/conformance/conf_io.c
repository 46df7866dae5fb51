/* conf_io.c - checks of port input and output (T020-T025). */
#include <string.h>

#include "guest.h"

static const uint64_t pattern = 0x1122334455667788;

static int expect_io(struct guest *g, uint16_t port, unsigned width, int write)
{
	struct conf *conf = g->conf;

	CONF_TRY(guest_run(g, VMA_EXIT_IO));
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_EQUAL(conf, g->exit->io.port, port);
	CONF_EQUAL(conf, g->exit->io.width, width);
	CONF_EQUAL(conf, g->exit->io.write, write);
	CONF_EXPECT(conf, g->exit->io.count >= 1);
	return CONF_PASS;
}

/* ------ T020, T021: single elements ------ */

static int in_body(struct guest *g)
{
	static const struct {
		unsigned width;
		uint64_t rip, want;
	} ins[] = {
		{1, GUEST_CODE, 0x11223344556677d1}, {2, GUEST_CODE + 1, 0x112233445566c2d1},
		{4, GUEST_CODE + 3, 0xa4b3c2d1}};
	static const uint8_t answer[] = {0xd1, 0xc2, 0xb3, 0xa4};
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RDX, 0x510);
	for (int i = 0; i < 3; i++) {
		guest_set(g, VMA_X86_RAX, pattern);
		CONF_TRY(expect_io(g, 0x510, ins[i].width, 0));
		CONF_EQUAL(conf, g->exit->io.count, 1);
		CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), pattern);
		CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), ins[i].rip);
		memcpy(g->exit->io.data, answer, ins[i].width);
		CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
		CONF_EQUAL(conf, g->exit->pending, 0);
		CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), ins[i].want);
	}
	return guest_run(g, VMA_EXIT_HLT);
}

static int in_widths(struct conf *conf)
{
	static const uint8_t code[] = {
		0xec,       /* in al, dx */
		0x66, 0xed, /* in ax, dx */
		0xed,       /* in eax, dx */
		0xf4,       /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, in_body);
}

static int out_body(struct guest *g)
{
	static const struct {
		uint16_t port;
		unsigned width, rip;
		uint32_t want;
	} outs[] = {{0x510, 1, 0, 0x88}, {0x510, 2, 1, 0x7788}, {0x510, 4, 3, 0x55667788},
		    {0x42, 1, 4, 0x88},  {0x42, 2, 6, 0x7788},  {0x42, 4, 9, 0x55667788}};
	uint32_t value;

	guest_set(g, VMA_X86_RAX, pattern);
	guest_set(g, VMA_X86_RDX, 0x510);
	for (int i = 0; i < 6; i++) {
		CONF_TRY(guest_run_out(g, outs[i].port, outs[i].width, &value));
		CONF_EQUAL(g->conf, value, outs[i].want);
		CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + outs[i].rip);
	}
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), pattern);
	return CONF_PASS;
}

static int out_widths(struct conf *conf)
{
	static const uint8_t code[] = {
		0xee,             /* out dx, al */
		0x66, 0xef,       /* out dx, ax */
		0xef,             /* out dx, eax */
		0xe6, 0x42,       /* out 0x42, al */
		0x66, 0xe7, 0x42, /* out 0x42, ax */
		0xe7, 0x42,       /* out 0x42, eax */
		0xf4,             /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, out_body);
}

/* ------ T022: REP OUTSB ------ */

enum { OUTS_MAX = 4096 };

static int collect(struct guest *g, uint8_t *bytes, size_t want)
{
	struct conf *conf = g->conf;
	size_t got = 0;

	while (got < want) {
		CONF_TRY(expect_io(g, 0x510, 1, 1));
		CONF_EXPECT(conf, g->exit->io.count <= want - got);
		memcpy(bytes + got, g->exit->io.data, g->exit->io.count);
		got += g->exit->io.count;
	}
	return guest_run(g, VMA_EXIT_HLT);
}

static int outs_times(struct guest *g, size_t count)
{
	static uint8_t bytes[OUTS_MAX];

	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_RSI, GUEST_DATA + 0x123);
	guest_set(g, VMA_X86_RCX, count);
	CONF_TRY(collect(g, bytes, count));
	CONF_EXPECT(g->conf, !memcmp(bytes, g->ram + GUEST_DATA + 0x123, count));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RCX), 0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RSI), GUEST_DATA + 0x123 + count);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 3);
	return CONF_PASS;
}

static int outs_body(struct guest *g)
{
	for (size_t i = 0; i < 2 * OUTS_MAX; i++)
		g->ram[GUEST_DATA + i] = (uint8_t)(i * 7 + i / 256);
	guest_set(g, VMA_X86_RDX, 0x510);
	CONF_TRY(outs_times(g, 0));
	CONF_TRY(outs_times(g, 1));
	CONF_TRY(outs_times(g, 7));
	return outs_times(g, OUTS_MAX);
}

static int rep_outs(struct conf *conf)
{
	static const uint8_t code[] = {0xf3, 0x6e, 0xf4}; /* rep outsb; hlt */

	return guest_with(conf, NULL, code, sizeof code, outs_body);
}

/* ------ T023: REP INSB ------ */

/* Answer inputs with 1, 2, 3 ... until something else exits; `kind` and, for an output, `port` are what that must
 * be. */
static int feed(struct guest *g, uint8_t *next, int kind, uint16_t port)
{
	for (;;) {
		int got = vma_vcpu_run(g->v);

		if (got != VMA_EXIT_IO || g->exit->io.write) {
			CONF_EQUAL(g->conf, got, kind);
			if (got == VMA_EXIT_IO)
				CONF_EQUAL(g->conf, g->exit->io.port, port);
			return CONF_PASS;
		}
		CONF_EQUAL(g->conf, g->exit->io.port, 0x510);
		CONF_EXPECT(g->conf, *next + g->exit->io.count < 200);
		for (uint32_t i = 0; i < g->exit->io.count; i++)
			g->exit->io.data[i] = (*next)++;
	}
}

/* Downwards over a page's edge. */
static int ins_down(struct guest *g)
{
	uint64_t top = GUEST_DATA + 0x1005;
	uint8_t next = 1;

	guest_set(g, VMA_X86_RFLAGS, 0x402); /* DF */
	guest_set(g, VMA_X86_RDX, 0x510);
	guest_set(g, VMA_X86_RDI, top);
	guest_set(g, VMA_X86_RCX, 16);
	CONF_TRY(feed(g, &next, VMA_EXIT_HLT, 0));
	CONF_EQUAL(g->conf, next, 17);
	for (unsigned i = 0; i < 16; i++)
		CONF_EQUAL(g->conf, g->ram[top - i], i + 1);
	CONF_EQUAL(g->conf, g->ram[top + 1], 0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RDI), top - 16);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RCX), 0);
	return CONF_PASS;
}

/* 16-bit addresses wrap in DI and count in CX; what lies above stays (SDM vol. 1, 3.3.7). */
static int ins_wrap(struct guest *g)
{
	uint8_t next = 1;

	guest_set(g, VMA_X86_ES, GUEST_DATA >> 4);
	guest_set(g, VMA_X86_ES_BASE, GUEST_DATA);
	guest_set(g, VMA_X86_RDX, 0x510);
	guest_set(g, VMA_X86_RDI, 0x1234fff8);
	guest_set(g, VMA_X86_RCX, 0x56780010);
	CONF_TRY(feed(g, &next, VMA_EXIT_HLT, 0));
	CONF_EQUAL(g->conf, next, 17);
	for (unsigned i = 0; i < 16; i++)
		CONF_EQUAL(g->conf, g->ram[GUEST_DATA + ((0xfff8 + i) & 0xffff)], i + 1);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RDI), 0x12340008);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RCX), 0x56780000);
	return CONF_PASS;
}

/* The fault shows the elements that were stored, and no other was taken from the device (SDM vol. 2, REP). */
static int at_the_fault(struct guest *g, uint64_t edge, uint8_t next)
{
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_CR2), edge);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RDI), edge);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RCX), 8);
	CONF_EQUAL(g->conf, guest_read64(g, guest_get(g, VMA_X86_RSP) + 8), GUEST_CODE);
	CONF_EQUAL(g->conf, next, 9);
	return CONF_PASS;
}

static int ins_fault(struct guest *g)
{
	uint64_t edge = GUEST_DATA + 0x2000, *entries = guest_small_pages(g);
	uint8_t next = 1;

	guest_traps(g);
	entries[edge >> 12] = 0;
	guest_set(g, VMA_X86_RDX, 0x510);
	guest_set(g, VMA_X86_RDI, edge - 8);
	guest_set(g, VMA_X86_RCX, 16);
	CONF_TRY(feed(g, &next, VMA_EXIT_IO, 14));
	CONF_TRY(at_the_fault(g, edge, next));
	entries[edge >> 12] = edge | 7;
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	CONF_TRY(feed(g, &next, VMA_EXIT_HLT, 0));
	for (unsigned i = 0; i < 16; i++)
		CONF_EQUAL(g->conf, g->ram[edge - 8 + i], i + 1);
	return CONF_PASS;
}

static int rep_ins(struct conf *conf)
{
	static const uint8_t code[] = {0xf3, 0x6c, 0xf4}; /* rep insb; hlt */
	const struct guest_options real = {.mode = GUEST_REAL};

	CONF_TRY(guest_with(conf, NULL, code, sizeof code, ins_down));
	CONF_TRY(guest_with(conf, &real, code, sizeof code, ins_wrap));
	return guest_with(conf, NULL, code, sizeof code, ins_fault);
}

/* ------ T024, T025: what the caller writes while an exit is pending ------ */

static int caller_wins_body(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_TRY(expect_io(g, 0x10, 1, 0));
	g->exit->io.data[0] = 0x5a;
	guest_set(g, VMA_X86_RAX, pattern);
	guest_set(g, VMA_X86_RBX, 77);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), pattern);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RBX), 77);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 3);
	return CONF_PASS;
}

static int caller_wins(struct conf *conf)
{
	static const uint8_t code[] = {0xe4, 0x10, 0xf4}; /* in al, 0x10; hlt */

	return guest_with(conf, NULL, code, sizeof code, caller_wins_body);
}

static int rip_after(struct guest *g, uint64_t start, int write)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RIP, start);
	guest_set(g, VMA_X86_RAX, 0);
	CONF_TRY(expect_io(g, 0x10, 1, write));
	g->exit->io.data[0] = 0x5a;
	guest_set(g, VMA_X86_RIP, start); /* once more */
	CONF_TRY(expect_io(g, 0x10, 1, write));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), write ? 0 : 0x5a);
	g->exit->io.data[0] = 0x5b;
	guest_set(g, VMA_X86_RIP, GUEST_CODE + 4); /* not the HLT that follows */
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RBX), 2);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), write ? 0 : 0x5b);
	guest_set(g, VMA_X86_RBX, 0);
	return CONF_PASS;
}

static int rip_wins_body(struct guest *g)
{
	CONF_TRY(rip_after(g, GUEST_CODE, 0));
	return rip_after(g, GUEST_CODE + 7, 1);
}

static int rip_wins(struct conf *conf)
{
	static const uint8_t code[] = {
		0xe4, 0x10,       /* in al, 0x10 */
		0xf4, 0x90,       /* hlt; nop */
		0xb3, 0x02, 0xf4, /* mov bl, 2; hlt */
		0xe6, 0x10,       /* out 0x10, al */
		0xf4,             /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, rip_wins_body);
}

static const struct conf_check checks[] = {
	{20, "IN changes only its bytes of RAX, EAX clears the upper half, nothing before completion",
	 "x86 exits guest", in_widths, NULL},
	{21, "OUT of 1, 2 and 4 bytes gives exactly those bytes, with RIP at the instruction",
	 "x86 exits guest", out_widths, NULL},
	{22, "REP OUTSB of 0, 1, 7 and 4096 elements: order, final RSI and RCX", "x86 exits guest", rep_outs, NULL},
	{23, "REP INSB downwards, with 16-bit addresses, over pages, restarted after a fault in its midst",
	 "x86 exits guest", rep_ins, NULL},
	{24, "Registers written while an IN is pending win over its result", "x86 exits guest", caller_wins, NULL},
	{25, "RIP written while an IN or OUT is pending: redone or skipped as it says",
	 "x86 exits guest", rip_wins, NULL},
};

static const struct conf_difference differences[] = {
	{23, VMA_ACCEL_KVM,
	 "KVM takes the elements of REP INS from the device before it knows whether their destination can be written "
	 "(api.rst 5, KVM_EXIT_IO: the whole batch is one exit), so those of a faulting batch are asked for twice",
	 NULL},
};

CONF_GROUP(io, checks, differences, sizeof differences / sizeof differences[0]);
