/* conf_mmio_arm64.c - arm64 accesses to addresses without memory (T026-T030). */
#include <stdio.h>
#include <string.h>

#include "bodies_arm64.h"
#include "guest.h"

#define PATTERN UINT64_C(0x1122334455667788)
static const uint8_t answer[16] = {0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 1, 2, 3, 4, 5, 6, 7, 8};

struct access {
	uint32_t word;
	uint8_t length;
	uint64_t want; /* read: X0; write: the bytes */
};

static const struct access reads[] = {
	{0x39400020, 1, 0xf1},               /* ldrb w0, [x1] */
	{0x79400020, 2, 0xf2f1},             /* ldrh w0, [x1] */
	{0xb9400020, 4, 0xf4f3f2f1},         /* ldr w0, [x1] */
	{0xf9400020, 8, 0xf8f7f6f5f4f3f2f1}, /* ldr x0, [x1] */
	{0x39c00020, 1, 0xfffffff1},         /* ldrsb w0, [x1] */
	{0x39800020, 1, 0xfffffffffffffff1}, /* ldrsb x0, [x1] */
	{0x79c00020, 2, 0xfffff2f1},         /* ldrsh w0, [x1] */
	{0x79800020, 2, 0xfffffffffffff2f1}, /* ldrsh x0, [x1] */
	{0xb9800020, 4, 0xfffffffff4f3f2f1}, /* ldrsw x0, [x1] */
};
static const struct access writes[] = {
	{0x39000020, 1, 0x88},       /* strb w0, [x1] */
	{0x79000020, 2, 0x7788},     /* strh w0, [x1] */
	{0xb9000020, 4, 0x55667788}, /* str w0, [x1] */
	{0xf9000020, 8, PATTERN},    /* str x0, [x1] */
};

static int expect_mmio(struct guest *g, uint64_t gpa, unsigned length, int write)
{
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(g->conf, g->exit->pending, 1);
	CONF_EQUAL(g->conf, g->exit->mmio.gpa, gpa);
	CONF_EQUAL(g->conf, g->exit->mmio.length, length);
	CONF_EQUAL(g->conf, g->exit->mmio.write, write);
	return CONF_PASS;
}

/* One instruction and the stop, with X0 the pattern and X1 the device. */
static int start(struct guest *g, uint32_t word)
{
	const uint32_t code[] = {word, A64_STOP};

	guest_code(g, GUEST_CODE, code, sizeof code);
	guest_traps(g);
	guest_set(g, VMA_ARM64_X0, PATTERN);
	guest_set(g, VMA_ARM64_X1, GUEST_MMIO);
	guest_set(g, VMA_ARM64_CPACR_EL1, 3 << 20);
	return CONF_PASS;
}

static int at_instruction(struct guest *g)
{
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0), PATTERN);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE);
	return CONF_PASS;
}

static int finish(struct guest *g, uint64_t x0)
{
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0), x0);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE + 8);
	return CONF_PASS;
}

/* A guest each: code that has run may be kept decoded. */
static const struct access *this_access;

static int read_body(struct guest *g)
{
	CONF_TRY(start(g, this_access->word));
	CONF_TRY(expect_mmio(g, GUEST_MMIO, this_access->length, 0));
	CONF_TRY(at_instruction(g));
	memcpy(g->exit->mmio.data, answer, this_access->length);
	return finish(g, this_access->want);
}

static int write_body(struct guest *g)
{
	uint64_t value = 0;

	CONF_TRY(start(g, this_access->word));
	CONF_TRY(expect_mmio(g, GUEST_MMIO, this_access->length, 1));
	CONF_TRY(at_instruction(g));
	memcpy(&value, g->exit->mmio.data, this_access->length);
	CONF_EQUAL(g->conf, value, this_access->want);
	return finish(g, PATTERN);
}

static int each(struct conf *conf, const struct access *all, size_t count, int (*body)(struct guest *g))
{
	for (size_t i = 0; i < count; i++) {
		this_access = &all[i];
		CONF_TRY(guest_with(conf, NULL, NULL, 0, body));
	}
	return CONF_PASS;
}

int a64_mmio_reads(struct conf *conf)
{
	return each(conf, reads, sizeof reads / sizeof *reads, read_body);
}

int a64_mmio_writes(struct conf *conf)
{
	return each(conf, writes, sizeof writes / sizeof *writes, write_body);
}

/* ------ T028: through XZR ------ */

static int xzr_read(struct guest *g)
{
	CONF_TRY(start(g, 0xf940003f)); /* ldr xzr, [x1] */
	CONF_TRY(expect_mmio(g, GUEST_MMIO, 8, 0));
	memcpy(g->exit->mmio.data, answer, 8);
	guest_set(g, VMA_ARM64_SP_EL1, 0x7777);
	CONF_TRY(finish(g, PATTERN));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_SP_EL1), 0x7777);
	return CONF_PASS;
}

static int xzr_write(struct guest *g)
{
	uint64_t value = 1;

	CONF_TRY(start(g, 0xf900003f)); /* str xzr, [x1] */
	CONF_TRY(expect_mmio(g, GUEST_MMIO, 8, 1));
	memcpy(&value, g->exit->mmio.data, 8);
	CONF_EQUAL(g->conf, value, 0);
	return finish(g, PATTERN);
}

int a64_mmio_xzr(struct conf *conf)
{
	CONF_TRY(guest_with(conf, NULL, NULL, 0, xzr_read));
	return guest_with(conf, NULL, NULL, 0, xzr_write);
}

/* ------ T029: accesses whose syndrome does not describe them (Arm ARM D17.2.37, ISS of a data abort, ISV) ------ */

/* Registers 2 and 3 go to the device, or come from it. */
static const struct form {
	const char *name;
	uint32_t word;
	uint8_t size, write, vector; /* bytes in all, in whatever fragments */
	int8_t at, back;             /* where the access begins, and what X1 is after it, from the device's base */
} forms[] = {
	{"ldp x2, x3, [x1]", 0xa9400c22, 16, 0, 0, 0, 0},
	{"ldp x2, x3, [x1], #16", 0xa8c10c22, 16, 0, 0, 0, 16},
	{"ldr x2, [x1], #8", 0xf8408422, 8, 0, 0, 0, 8},
	{"ldr x2, [x1, #8]!", 0xf8408c22, 8, 0, 0, 8, 8},
	{"ldxr x2, [x1]", 0xc85f7c22, 8, 0, 0, 0, 0},
	{"ldr q2, [x1]", 0x3dc00022, 16, 0, 1, 0, 0},
	{"ldp q2, q3, [x1]", 0xad400c22, 32, 0, 1, 0, 0},
	{"ld1 {v2.16b, v3.16b}, [x1]", 0x4c40a022, 32, 0, 1, 0, 0},
	{"stp x2, x3, [x1]", 0xa9000c22, 16, 1, 0, 0, 0},
	{"stp x2, x3, [x1, #-16]!", 0xa9bf0c22, 16, 1, 0, -16, -16},
	{"str w2, [x1], #4", 0xb8004422, 4, 1, 0, 0, 4},
	{"str x2, [x1, #-8]!", 0xf81f8c22, 8, 1, 0, -8, -8},
	{"str q2, [x1], #16", 0x3c810422, 16, 1, 1, 0, 16},
	{"st1 {v2.16b, v3.16b}, [x1]", 0x4c00a022, 32, 1, 1, 0, 0},
};
static const struct form *this_form;

/* X2 and X3, or V2 and V3, as bytes in memory's order. */
static int get_moved(struct guest *g, uint8_t bytes[32])
{
	vma_arm64_fp_regs fp;
	uint64_t x[4] = {guest_get(g, VMA_ARM64_X2), guest_get(g, VMA_ARM64_X3)};

	CONF_OK(g->conf, vma_arm64_get_fp_regs(g->v, &fp));
	memcpy(bytes, this_form->vector ? (const void *)(fp.v + 2) : x, 32);
	return CONF_PASS;
}

static int set_moved(struct guest *g, const uint8_t bytes[32])
{
	vma_arm64_fp_regs fp;
	uint64_t x[2];

	CONF_OK(g->conf, vma_arm64_get_fp_regs(g->v, &fp));
	memcpy(fp.v + 2, bytes, 32);
	CONF_OK(g->conf, vma_arm64_set_fp_regs(g->v, &fp));
	memcpy(x, bytes, sizeof x);
	guest_set(g, VMA_ARM64_X2, x[0]);
	guest_set(g, VMA_ARM64_X3, x[1]);
	return CONF_PASS;
}

/* The fragments, in order: a read's are answered from `bytes`, a write's must be `bytes`. */
static int serve_form(struct guest *g, const uint8_t bytes[32])
{
	const struct form *f = this_form;

	for (unsigned moved = 0; moved < f->size; moved += g->exit->mmio.length) {
		CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
		CONF_EQUAL(g->conf, g->exit->mmio.write, f->write);
		CONF_EQUAL(g->conf, g->exit->mmio.gpa, GUEST_MMIO + (int64_t)f->at + moved);
		CONF_EXPECT(g->conf, g->exit->mmio.length <= f->size - moved);
		CONF_TRY(at_instruction(g));
		CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X1), GUEST_MMIO);
		if (f->write)
			CONF_EXPECT(g->conf, !memcmp(g->exit->mmio.data, bytes + moved, g->exit->mmio.length));
		else
			memcpy(g->exit->mmio.data, bytes + moved, g->exit->mmio.length);
	}
	return CONF_PASS;
}

static int form_body(struct guest *g)
{
	const struct form *f = this_form;
	uint8_t before[32], device[32], after[32];

	for (unsigned i = 0; i < 32; i++) {
		before[i] = (uint8_t)(i + 1);
		device[i] = (uint8_t)(0x80 + i);
	}
	CONF_TRY(start(g, f->word));
	CONF_TRY(set_moved(g, before));
	CONF_TRY(serve_form(g, f->write ? before : device));
	CONF_TRY(finish(g, PATTERN));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X1), GUEST_MMIO + (int64_t)f->back);
	CONF_TRY(get_moved(g, after));
	CONF_EXPECT(g->conf, f->write || !memcmp(after, device, f->size));
	return CONF_PASS;
}

/* Zeroing by address is not for devices: an alignment fault (Arm ARM, DC ZVA), or the exits of its stores. */
static int zva_body(struct guest *g)
{
	CONF_TRY(start(g, 0xd50b7421)); /* dc zva, x1 */
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	if (g->exit->mmio.gpa != GUEST_MMIO) {
		CONF_EQUAL(g->conf, g->exit->mmio.gpa, GUEST_MMIO + 0x810);
		CONF_EQUAL(g->conf, vma_vcpu_complete(g->v), 0);
		CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0 + 10) >> 26, 0x25); /* data abort, same EL */
		CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0 + 12), GUEST_MMIO);
	}
	return CONF_PASS;
}

int a64_mmio_forms(struct conf *conf)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		size_t n;

		this_form = &forms[i];
		if (guest_with(conf, NULL, NULL, 0, form_body) == CONF_PASS)
			continue;
		n = strlen(conf->reason);
		snprintf(conf->reason + n, sizeof conf->reason - n, " (%s)", forms[i].name);
		return CONF_FAIL;
	}
	return guest_with(conf, NULL, NULL, 0, zva_body);
}

/* ------ T030: cache maintenance ------ */

static int maintenance_body(struct guest *g)
{
	guest_set(g, VMA_ARM64_X1, GUEST_MMIO);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE + 16);
	return CONF_PASS;
}

int a64_mmio_maintenance(struct conf *conf)
{
	/* dc civac, x1; dc cvau, x1; ic ivau, x1; stop */
	static const uint32_t code[] = {0xd50b7e21, 0xd50b7b21, 0xd50b7521, A64_STOP};

	return guest_with(conf, NULL, code, sizeof code, maintenance_body);
}
