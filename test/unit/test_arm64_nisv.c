/* test_arm64_nisv.c - accesses to devices by every form of load and store, on every accelerator: which fragments come out, that
 * registers are as before the instruction until the last has its answer, and what they are then. A processor tells its hypervisor
 * little of most of these forms (ESR_EL2.ISV is 0): KVM's are executed by the library. */
/* test-labels: threads|release */
#include <fcntl.h>
#include <unistd.h>
#include "arm64_guest.h"
#include "os/os.h"

enum { DEVICE = UART + 0x100, END = UART + 0x800, V = 64 /* vectors follow the general registers */ };
enum extend { ZERO, KEEP, SIGN64, SIGN32, SYNDROME = 8 /* the processor decodes it: no write-back, one general register */ };

/* Bytes of the device's stream and a register: `to` counts within the register. */
struct part {
	uint8_t reg, to, from, length, extend;
};
struct form {
	const char *name;
	uint32_t word;
	bool store;
	uint8_t unit, count; /* fragments of one length, one after the other */
	int8_t at;           /* the first, from DEVICE */
	int8_t back;         /* what is added to the base */
	struct part parts[8];
};

/* X1 and SP are DEVICE, X4 is 8 */
static const struct form forms[] = {
	{"ldp x2,x3,[x1]", 0xa9400c22, false, 8, 2, 0, 0, {{2, 0, 0, 8, ZERO}, {3, 0, 8, 8, ZERO}}},
	{"ldp w2,w3,[x1,#8]", 0x29410c22, false, 4, 2, 8, 0, {{2, 0, 0, 4, ZERO}, {3, 0, 4, 4, ZERO}}},
	{"ldpsw x2,x3,[x1]", 0x69400c22, false, 4, 2, 0, 0, {{2, 0, 0, 4, SIGN64}, {3, 0, 4, 4, SIGN64}}},
	{"ldnp x2,x3,[x1,#16]", 0xa8410c22, false, 8, 2, 16, 0, {{2, 0, 0, 8, ZERO}, {3, 0, 8, 8, ZERO}}},
	{"ldp x2,xzr,[x1]", 0xa9407c22, false, 8, 2, 0, 0, {{2, 0, 0, 8, ZERO}}},
	{"ldp x2,x3,[sp],#16", 0xa8c10fe2, false, 8, 2, 0, 16, {{2, 0, 0, 8, ZERO}, {3, 0, 8, 8, ZERO}}},
	{"stp x2,x3,[x1,#-16]!", 0xa9bf0c22, true, 8, 2, -16, -16, {{2, 0, 0, 8, 0}, {3, 0, 8, 8, 0}}},
	{"stp w2,w3,[x1],#8", 0x28810c22, true, 4, 2, 0, 8, {{2, 0, 0, 4, 0}, {3, 0, 4, 4, 0}}},
	{"stnp w2,wzr,[x1]", 0x28007c22, true, 4, 2, 0, 0, {{2, 0, 0, 4, 0}, {31, 0, 4, 4, 0}}},
	{"ldr x2,[x1],#8", 0xf8408422, false, 8, 1, 0, 8, {{2, 0, 0, 8, ZERO}}},
	{"ldr x2,[x1,#-8]!", 0xf85f8c22, false, 8, 1, -8, -8, {{2, 0, 0, 8, ZERO}}},
	{"ldr xzr,[x1],#8", 0xf840843f, false, 8, 1, 0, 8, {{0}}},
	{"ldr w2,[x1],#4", 0xb8404422, false, 4, 1, 0, 4, {{2, 0, 0, 4, ZERO}}},
	{"ldrsb x2,[x1],#1", 0x38801422, false, 1, 1, 0, 1, {{2, 0, 0, 1, SIGN64}}},
	{"ldrsb w2,[x1,#1]!", 0x38c01c22, false, 1, 1, 1, 1, {{2, 0, 0, 1, SIGN32}}},
	{"ldrsh x2,[x1],#2", 0x78802422, false, 2, 1, 0, 2, {{2, 0, 0, 2, SIGN64}}},
	{"ldrsw x2,[x1,#4]!", 0xb8804c22, false, 4, 1, 4, 4, {{2, 0, 0, 4, SIGN64}}},
	{"strb w2,[x1],#1", 0x38001422, true, 1, 1, 0, 1, {{2, 0, 0, 1, 0}}},
	{"strh w2,[x1,#-2]!", 0x781fec22, true, 2, 1, -2, -2, {{2, 0, 0, 2, 0}}},
	{"str w2,[x1],#4", 0xb8004422, true, 4, 1, 0, 4, {{2, 0, 0, 4, 0}}},
	{"str xzr,[x1],#8", 0xf800843f, true, 8, 1, 0, 8, {{31, 0, 0, 8, 0}}},
	{"ldr b2,[x1]", 0x3d400022, false, 1, 1, 0, 0, {{V + 2, 0, 0, 1, ZERO}}},
	{"ldr h2,[x1,#2]!", 0x7c402c22, false, 2, 1, 2, 2, {{V + 2, 0, 0, 2, ZERO}}},
	{"ldr s2,[x1],#4", 0xbc404422, false, 4, 1, 0, 4, {{V + 2, 0, 0, 4, ZERO}}},
	{"ldr d2,[x1]", 0xfd400022, false, 8, 1, 0, 0, {{V + 2, 0, 0, 8, ZERO}}},
	{"ldr q2,[x1]", 0x3dc00022, false, 8, 2, 0, 0, {{V + 2, 0, 0, 16, ZERO}}},
	{"str q2,[x1],#16", 0x3c810422, true, 8, 2, 0, 16, {{V + 2, 0, 0, 16, 0}}},
	{"str s2,[x1]", 0xbd000022, true, 4, 1, 0, 0, {{V + 2, 0, 0, 4, 0}}},
	{"ldp q2,q3,[x1]", 0xad400c22, false, 8, 4, 0, 0, {{V + 2, 0, 0, 16, ZERO}, {V + 3, 0, 16, 16, ZERO}}},
	{"ldp s2,s3,[x1],#8", 0x2cc10c22, false, 4, 2, 0, 8, {{V + 2, 0, 0, 4, ZERO}, {V + 3, 0, 4, 4, ZERO}}},
	{"stp d2,d3,[x1,#16]!", 0x6d810c22, true, 8, 2, 16, 16, {{V + 2, 0, 0, 8, 0}, {V + 3, 0, 8, 8, 0}}},
	{"ld2 {v2.4s,v3.4s},[x1]", 0x4c408822, false, 4, 8, 0, 0,
	 {{V + 2, 0, 0, 4, ZERO}, {V + 2, 4, 8, 4, KEEP}, {V + 2, 8, 16, 4, KEEP}, {V + 2, 12, 24, 4, KEEP},
	  {V + 3, 0, 4, 4, ZERO}, {V + 3, 4, 12, 4, KEEP}, {V + 3, 8, 20, 4, KEEP}, {V + 3, 12, 28, 4, KEEP}}},
	{"ld1 {v2.2d},[x1],#16", 0x4cdf7c22, false, 8, 2, 0, 16, {{V + 2, 0, 0, 16, ZERO}}},
	{"ld1 {v2.h}[3],[x1]", 0x0d405822, false, 2, 1, 0, 0, {{V + 2, 6, 0, 2, KEEP}}},
	{"ld1r {v2.2d},[x1]", 0x4d40cc22, false, 8, 1, 0, 0, {{V + 2, 0, 0, 8, ZERO}, {V + 2, 8, 0, 8, KEEP}}},
	{"st1 {v2.8b,v3.8b},[x1],#16", 0x0c9fa022, true, 1, 16, 0, 16, {{V + 2, 0, 0, 8, 0}, {V + 3, 0, 8, 8, 0}}},
	{"st1 {v2.s}[1],[x1]", 0x0d009022, true, 4, 1, 0, 0, {{V + 2, 4, 0, 4, 0}}},
	{"ldxr x2,[x1]", 0xc85f7c22, false, 8, 1, 0, 0, {{2, 0, 0, 8, ZERO}}},
	{"ldaxr w2,[x1]", 0x885ffc22, false, 4, 1, 0, 0, {{2, 0, 0, 4, ZERO}}},
	{"ldxp x2,x3,[x1]", 0xc87f0c22, false, 8, 2, 0, 0, {{2, 0, 0, 8, ZERO}, {3, 0, 8, 8, ZERO}}},
	{"ldar x2,[x1]", 0xc8dffc22, false, 8, 1, 0, 0, {{2, 0, 0, 8, ZERO}}},
	{"stlr w2,[x1]", 0x889ffc22, true, 4, 1, 0, 0, {{2, 0, 0, 4, 0}}},
	{"ldrsw x2,[x1]", 0xb9800022, false, 4, 1, 0, 0, {{2, 0, 0, 4, SIGN64 | SYNDROME}}},
	{"ldrsh x2,[x1]", 0x79800022, false, 2, 1, 0, 0, {{2, 0, 0, 2, SIGN64 | SYNDROME}}},
	{"ldrsb w2,[x1]", 0x39c00022, false, 1, 1, 0, 0, {{2, 0, 0, 1, SIGN32 | SYNDROME}}},
	{"ldr wzr,[x1]", 0xb940003f, false, 4, 1, 0, 0, {{0}}},
	{"str xzr,[x1]", 0xf900003f, true, 8, 1, 0, 0, {{31, 0, 0, 8, 0}}},
	{"ldr x2,[x1,x4,lsl #3]", 0xf8647822, false, 8, 1, 64, 0, {{2, 0, 0, 8, ZERO}}},
	{"ldtrh w2,[x1]", 0x78400822, false, 2, 1, 0, 0, {{2, 0, 0, 2, ZERO}}},
};
enum { FORMS = sizeof(forms) / sizeof(*forms) };

static const uint32_t strb_end = 0x39000360; /* strb w0, [x27] */
#define LDP_X2_X3 0xa9400c22
#define STP_X2_X3 0xa9000c22

struct cpu {
	vma_arm64_regs gpr;
	vma_arm64_fp_regs fp;
};

static void look(vma_vcpu *v, struct cpu *c)
{
	ok(vma_arm64_get_regs(v, &c->gpr));
	ok(vma_arm64_get_fp_regs(v, &c->fp));
}

static void expect_cpu(vma_vcpu *v, const struct cpu *want, const char *what)
{
	struct cpu is;

	look(v, &is);
	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		if (((uint64_t *)&is.gpr)[i] != ((const uint64_t *)&want->gpr)[i])
			fail_msg("%s: %s is %#llx, not %#llx", what, vma_reg_name(VMA_ARCH_ARM64, i),
				 (unsigned long long)((uint64_t *)&is.gpr)[i],
				 (unsigned long long)((const uint64_t *)&want->gpr)[i]);
	if (memcmp(&is.fp, &want->fp, sizeof(is.fp)))
		fail_msg("%s: vector registers", what);
}

/* All registers distinct, floating point on. */
static void begin_at(vma_vcpu *v, uint64_t pc)
{
	struct cpu c = {.gpr = {.pstate = 0x3c5}};

	for (unsigned i = 0; i < 31; i++)
		c.gpr.x[i] = 0x0706050403020100 + i * 0x1010101010101010ull;
	c.gpr.x[1] = c.gpr.sp_el1 = DEVICE;
	c.gpr.x[4] = 8;
	c.gpr.x[27] = END;
	c.gpr.sp_el0 = 0x1230;
	c.gpr.pc = pc;
	for (unsigned i = 0; i < sizeof(c.fp.v); i++)
		((uint8_t *)c.fp.v)[i] = (uint8_t)(i ^ 0x80);
	ok(vma_arm64_set_regs(v, &c.gpr, VMA_ARM64_ALL_REGS));
	ok(vma_arm64_set_fp_regs(v, &c.fp));
	set(v, VMA_ARM64_CPACR_EL1, 3 << 20);
	set(v, VMA_ARM64_VBAR_EL1, VECTORS);
}

static uint8_t stream(unsigned i)
{
	return (uint8_t)(0xc1 + 7 * i);
}

static uint8_t *place(struct cpu *c, unsigned reg)
{
	static uint64_t zero;
	return reg >= V ? c->fp.v[reg - V] : reg == 31 ? (uint8_t *)memset(&zero, 0, 8) : (uint8_t *)&c->gpr.x[reg];
}

/* A known difference. QEMU's processor (7.2) never says "sign-extended" in the syndrome of an abort (ESR_EL2.ISS.SSE), so the KVM
 * that it runs has the zero-extended value in the register; the forms without a syndrome are not KVM's. */
static bool sign_is_lost(void)
{
	static const char machine[] = "linux,dummy-virt";
	char is[sizeof(machine)] = "";
	int fd = accel == VMA_ACCEL_KVM ? open("/proc/device-tree/compatible", O_RDONLY) : -1;

	if (fd >= 0 && read(fd, is, sizeof(is)) < 0)
		is[0] = 0;
	if (fd >= 0)
		close(fd);
	return !strcmp(is, machine);
}

static void load_part(struct cpu *c, const struct part *p)
{
	uint8_t *to = place(c, p->reg);
	const unsigned size = p->reg >= V ? 16 : 8, extend = p->extend & ~SYNDROME;
	const bool negative = stream(p->from + p->length - 1) & 0x80 && !(p->extend & SYNDROME && sign_is_lost());

	if (!p->length)
		return;
	if (extend != KEEP)
		memset(to, 0, size);
	if (extend >= SIGN64 && negative)
		memset(to, 0xff, extend == SIGN64 ? 8 : 4);
	for (unsigned i = 0; i < p->length; i++)
		to[p->to + i] = stream(p->from + i);
}

/* What the form makes of the registers; a store's bytes go to data. */
static void model(const struct form *f, struct cpu *c, uint8_t data[64])
{
	for (unsigned i = 0; i < 8; i++) {
		const struct part *p = f->parts + i;
		if (f->store)
			memcpy(data + p->from, place(c, p->reg) + p->to, p->length);
		else
			load_part(c, p);
	}
	*((f->word >> 5 & 31) == 31 ? &c->gpr.sp_el1 : &c->gpr.x[f->word >> 5 & 31]) += (uint64_t)f->back;
	c->gpr.pc += 4;
}

static void expect_end(vma_vcpu *v)
{
	const vma_exit *e = vma_vcpu_exit(v);

	assert_int_equal(vma_vcpu_run(v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, END);
	assert_true(e->mmio.write);
}

/* One fragment: as the exit has it; a load's is answered. */
static void fragment(vma_vcpu *v, const struct form *f, unsigned n, const uint8_t *data)
{
	const vma_exit *e = vma_vcpu_exit(v);
	const unsigned first = n * f->unit;

	assert_true(e->pending);
	assert_int_equal(e->mmio.gpa, DEVICE + f->at + (int)first);
	assert_int_equal(e->mmio.length, f->unit);
	assert_int_equal(e->mmio.write, f->store);
	if (f->store)
		assert_memory_equal(e->mmio.data, data + first, f->unit);
	for (unsigned i = 0; !f->store && i < f->unit; i++)
		e->mmio.data[i] = stream(first + i);
}

static void one_form(struct machine *m, const struct form *f, uint64_t pc)
{
	struct cpu before, after;
	uint8_t data[64];
	size_t size = 0;

	begin_at(m->v, pc);
	look(m->v, &before);
	after = before;
	model(f, &after, data);
	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	for (unsigned n = 0; n < f->count; n++) {
		fragment(m->v, f, n, data);
		expect_cpu(m->v, &before, f->name);
		assert_int_equal(vma_vcpu_save(m->v, NULL, &size, 0), VMA_E_PENDING);
		assert_int_equal(vma_vcpu_complete(m->v), n + 1 < f->count);
	}
	expect_cpu(m->v, &after, f->name);
	expect_end(m->v);
	ok(vma_vcpu_complete(m->v));
}

static void all_forms(void **state)
{
	struct machine m;
	(void)state;
	make(&m, (vma_vm_config){0});
	for (unsigned i = 0; i < FORMS; i++)
		PUT(&m, 0x1000 + 8 * i, ((uint32_t[]){forms[i].word, strb_end}));
	for (unsigned i = 0; i < FORMS; i++)
		one_form(&m, forms + i, 0x1000 + 8 * i);
	end(&m);
}

/* The answers given by runs. */
static void all_forms_by_runs(void **state)
{
	struct machine m;
	struct cpu after;
	uint8_t data[64];
	(void)state;
	make(&m, (vma_vm_config){0});
	for (unsigned i = 0; i < FORMS; i++)
		PUT(&m, 0x1000 + 8 * i, ((uint32_t[]){forms[i].word, strb_end}));
	for (unsigned i = 0; i < FORMS; i++) {
		begin_at(m.v, 0x1000 + 8 * i);
		look(m.v, &after);
		model(forms + i, &after, data);
		for (unsigned n = 0; n < forms[i].count; n++) {
			assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
			fragment(m.v, forms + i, n, data);
		}
		expect_end(m.v);
		expect_cpu(m.v, &after, forms[i].name);
		ok(vma_vcpu_complete(m.v));
	}
	end(&m);
}

/* ------ read, modify, write ------ */

static const struct rmw {
	const char *name;
	uint32_t word;
	uint8_t size;
	uint64_t device, stored, x2, x3; /* stored: UINT64_MAX: nothing is */
} rmws[] = {
	{"ldadd x2,x3,[x1]", 0xf8220023, 8, 5, 5 + 0x2726252423222120, 0x2726252423222120, 5},
	{"swpb w2,w3,[x1]", 0x38228023, 1, 0x99, 0x20, 0x2726252423222120, 0x99},
	{"cas x2,x3,[x1], equal", 0xc8a27c23, 8, 0x2726252423222120, 0x3736353433323130, 0x2726252423222120, 0x3736353433323130},
	{"cas x2,x3,[x1], not", 0xc8a27c23, 8, 7, UINT64_MAX, 7, 0x3736353433323130},
};

static void one_rmw(struct machine *m, const struct rmw *r)
{
	vma_exit *e = vma_vcpu_exit(m->v);
	struct cpu before;
	const bool stores = r->stored != UINT64_MAX;

	PUT(m, 0x1000, ((uint32_t[]){r->word, strb_end}));
	begin_at(m->v, 0x1000);
	look(m->v, &before);
	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	assert_false(e->mmio.write);
	assert_int_equal(e->mmio.length, r->size);
	memcpy(e->mmio.data, &r->device, r->size);
	assert_int_equal(vma_vcpu_complete(m->v), stores);
	if (stores) {
		expect_cpu(m->v, &before, r->name);
		assert_true(e->mmio.write);
		assert_memory_equal(e->mmio.data, &r->stored, r->size);
		assert_int_equal(vma_vcpu_complete(m->v), 0);
	}
	before.gpr.x[2] = r->x2;
	before.gpr.x[3] = r->x3;
	before.gpr.pc += 4;
	expect_cpu(m->v, &before, r->name);
}

static void atomics(void **state)
{
	struct machine m;
	(void)state;
	for (size_t i = 0; i < sizeof(rmws) / sizeof(*rmws); i++) {
		make(&m, (vma_vm_config){0});
		if ((get(m.v, VMA_ARM64_ID_AA64ISAR0_EL1) >> 20 & 15) < 2) {
			end(&m);
			skip();
		}
		one_rmw(&m, rmws + i);
		end(&m);
	}
}

/* ------ between memory and a device ------ */

/* The device's half first: memory must not have changed while it waits, unless the processor did its half before it asked (Arm ARM
 * B2.2.1: a pair is two accesses). */
static void store_over_the_edge(void **state)
{
	struct machine m;
	vma_exit *e;
	uint64_t last, log = 0;
	(void)state;
	make(&m, (vma_vm_config){0});
	ok(vma_vm_protect(m.vm, 0, RAM, VMA_MAP_RWX | VMA_MAP_LOG));
	PUT(&m, 0x1000, ((uint32_t[]){STP_X2_X3, strb_end}));
	begin_at(m.v, 0x1000);
	ok(vma_vm_dirty_log(m.vm, 0, RAM, &log, 1));
	set(m.v, VMA_ARM64_X1, RAM - 8);
	e = vma_vcpu_exit(m.v);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, RAM);
	assert_int_equal(e->mmio.length, 8);
	assert_memory_equal(e->mmio.data, &(uint64_t){0x3736353433323130}, 8);
	memcpy(&last, m.ram + RAM - 8, 8);
	assert_true(last == 0 || (accel == VMA_ACCEL_KVM && last == 0x2726252423222120));
	assert_int_equal(vma_vcpu_complete(m.v), 0);
	memcpy(&last, m.ram + RAM - 8, 8);
	assert_int_equal(last, 0x2726252423222120);
	expect_end(m.v);
	ok(vma_vm_dirty_log(m.vm, 0, RAM, &log, 1));
	assert_int_equal(log >> 15, 1);
	ok(vma_vm_dirty_log(m.vm, 0, RAM, &log, 1));
	assert_int_equal(log, 0);
	end(&m);
}

static void load_over_the_edge(void **state)
{
	struct machine m;
	vma_exit *e;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){LDP_X2_X3, strb_end}));
	memcpy(m.ram + RAM - 8, &(uint64_t){0x1122334455667788}, 8);
	begin_at(m.v, 0x1000);
	set(m.v, VMA_ARM64_X1, RAM - 8);
	e = vma_vcpu_exit(m.v);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, RAM);
	memcpy(e->mmio.data, &(uint64_t){77}, 8);
	expect_end(m.v);
	assert_int_equal(get(m.v, VMA_ARM64_X2), 0x1122334455667788);
	assert_int_equal(get(m.v, VMA_ARM64_X3), 77);
	end(&m);
}

static void store_to_read_only_memory(void **state)
{
	struct machine m;
	vma_exit *e;
	vma_mem *rom;
	(void)state;
	make(&m, (vma_vm_config){0});
	ok(vma_mem_anon(RAM, &rom));
	ok(vma_vm_map(m.vm, RAM, rom, 0, RAM, VMA_MAP_READ | VMA_MAP_EXEC));
	PUT(&m, 0x1000, ((uint32_t[]){STP_X2_X3, LDP_X2_X3, strb_end}));
	memcpy((uint8_t *)vma_mem_hva(rom) + 0x10, &(uint64_t){5}, 8);
	begin_at(m.v, 0x1000);
	set(m.v, VMA_ARM64_X1, RAM + 0x10);
	e = vma_vcpu_exit(m.v);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
		assert_int_equal(e->mmio.gpa, RAM + 0x10 + 8 * i);
		assert_true(e->mmio.write);
	}
	expect_end(m.v);
	assert_int_equal(get(m.v, VMA_ARM64_X2), 5);
	end(&m);
	vma_mem_unref(rom);
}

/* ------ with translation: 4 KiB pages, 2 MiB of them; what is not memory is normal memory to the guest ------ */

enum { TABLES = 0x4000, NORMAL_PAGE = 0x703, READ_ONLY = 0x80, NO_PAGE = 0 };

static uint64_t *entry(struct machine *m, uint64_t gva)
{
	return (uint64_t *)(m->ram + TABLES + 0x2000) + (gva >> 12);
}

static void translate(struct machine *m)
{
	memcpy(m->ram + TABLES, &(uint64_t){(TABLES + 0x1000) | 3}, 8);
	memcpy(m->ram + TABLES + 0x1000, &(uint64_t){(TABLES + 0x2000) | 3}, 8);
	for (uint64_t gva = 0; gva < 0x200000; gva += 0x1000)
		*entry(m, gva) = gva | NORMAL_PAGE;
	*entry(m, 0x100000) = UART | NORMAL_PAGE;
	begin_at(m->v, 0x1000);
	set(m->v, VMA_ARM64_MAIR_EL1, 0xff);
	set(m->v, VMA_ARM64_TCR_EL1, 25 | 1 << 23 | UINT64_C(2) << 32);
	set(m->v, VMA_ARM64_TTBR0_EL1, TABLES);
	set(m->v, VMA_ARM64_SCTLR_EL1, 0x30d00801);
	set(m->v, VMA_ARM64_X1 + 26, 0x100800);
}

static void expect_abort(struct machine *m, uint64_t pc, uint64_t far, uint64_t iss)
{
	expect_end(m->v);
	assert_int_equal(get(m->v, VMA_ARM64_PC), VECTORS + 0x200);
	assert_int_equal(get(m->v, VMA_ARM64_ESR_EL1), UINT64_C(0x96000000) | iss);
	assert_int_equal(get(m->v, VMA_ARM64_FAR_EL1), far);
	assert_int_equal(get(m->v, VMA_ARM64_ELR_EL1), pc);
	assert_int_equal(get(m->v, VMA_ARM64_SPSR_EL1) & 0xf00003df, 0x3c5);
}

/* A device's page, then one without translation: the guest's own fault, and nothing reaches the device. */
static void fault_in_the_second_half(void **state)
{
	struct machine m;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){LDP_X2_X3, strb_end, STP_X2_X3}));
	PUT(&m, VECTORS + 0x200, ((uint32_t[]){strb_end}));
	translate(&m);
	*entry(&m, 0x13000) = NO_PAGE;
	set(m.v, VMA_ARM64_X1, 0x12ff8);
	expect_abort(&m, 0x1000, 0x13000, 7);
	ok(vma_vcpu_complete(m.v));
	*entry(&m, 0x15000) |= READ_ONLY;
	set(m.v, VMA_ARM64_PC, 0x1008);
	set(m.v, VMA_ARM64_X1, 0x14ff8);
	expect_abort(&m, 0x1008, 0x15000, 0x4f);
	end(&m);
}

/* Sixteen bytes at an odd address, half in each of two devices' pages that lie apart. */
static void unaligned_over_pages(void **state)
{
	static const struct {
		uint64_t gpa;
		unsigned length;
	} want[] = {{0x12ff9, 7}, {0x23000, 8}, {0x23008, 1}};
	struct machine m;
	uint8_t v[16];
	vma_arm64_fp_regs fp;
	vma_exit *e;
	unsigned done = 0;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){0x3dc00022 /* ldr q2, [x1] */, strb_end}));
	translate(&m);
	*entry(&m, 0x13000) = 0x23000 | NORMAL_PAGE;
	set(m.v, VMA_ARM64_X1, 0x12ff9);
	e = vma_vcpu_exit(m.v);
	for (unsigned i = 0; i < 3; done += want[i++].length) {
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
		assert_int_equal(e->mmio.gpa, want[i].gpa);
		assert_int_equal(e->mmio.length, want[i].length);
		for (unsigned k = 0; k < want[i].length; k++)
			e->mmio.data[k] = v[done + k] = stream(done + k);
	}
	expect_end(m.v);
	ok(vma_arm64_get_fp_regs(m.v, &fp));
	assert_memory_equal(fp.v[2], v, 16);
	end(&m);
}

/* Zeroes in normal memory that is a device's; device memory (translation is off) makes it an alignment fault. */
static void dc_zva(void **state)
{
	struct machine m;
	vma_exit *e;
	uint64_t id;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){0xd50b7421 /* dc zva, x1 */, strb_end}));
	PUT(&m, VECTORS + 0x200, ((uint32_t[]){strb_end}));
	begin_at(m.v, 0x1000);
	expect_abort(&m, 0x1000, DEVICE, 0x61);
	ok(vma_vcpu_complete(m.v));
	translate(&m);
	set(m.v, VMA_ARM64_X1, 0x12f88);
	id = get(m.v, VMA_ARM64_DCZID_EL0) & 31;
	e = vma_vcpu_exit(m.v);
	if (id != 4) { /* the software CPU's blocks are of 64 bytes */
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_INTERNAL);
		assert_int_equal(e->internal.data[0], 0xd50b7421);
		assert_int_equal(e->internal.data[1], 0x1000);
	}
	for (unsigned i = 0; id == 4 && i < 8; i++) {
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
		assert_int_equal(e->mmio.gpa, 0x12f80 + 8 * i);
		assert_int_equal(e->mmio.length, 8);
		assert_memory_equal(e->mmio.data, &(uint64_t){0}, 8);
	}
	if (id == 4)
		expect_end(m.v);
	end(&m);
}

/* ------ what comes between two fragments ------ */

static void kick_between(void **state)
{
	struct machine m;
	struct cpu after;
	uint8_t data[64];
	vma_kick *kick;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){LDP_X2_X3, strb_end}));
	ok(vma_vcpu_kick_handle(m.v, &kick));
	begin_at(m.v, 0x1000);
	look(m.v, &after);
	model(forms, &after, data);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	fragment(m.v, forms, 0, data);
	vma_kick_send(kick);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	fragment(m.v, forms, 1, data);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_CANCELED);
	expect_cpu(m.v, &after, "after the kick");
	expect_end(m.v);
	vma_kick_unref(kick);
	end(&m);
}

/* What the caller writes meanwhile comes after the instruction. */
static void caller_wins(void **state)
{
	struct machine m;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){LDP_X2_X3, strb_end}));
	begin_at(m.v, 0x1000);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	memset(vma_vcpu_exit(m.v)->mmio.data, 1, 8);
	set(m.v, VMA_ARM64_X2, 0x55);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	memset(vma_vcpu_exit(m.v)->mmio.data, 2, 8);
	set(m.v, VMA_ARM64_X0 + 9, 0x99);
	expect_end(m.v);
	assert_int_equal(get(m.v, VMA_ARM64_X2), 0x55);
	assert_int_equal(get(m.v, VMA_ARM64_X3), 0x0202020202020202);
	assert_int_equal(get(m.v, VMA_ARM64_X0 + 9), 0x99);
	end(&m);
}

static void single_step(void **state)
{
	vma_debug debug = {.size = sizeof(debug), .single_step = 1};
	struct machine m;
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){LDP_X2_X3, 0xd503201f /* nop */, strb_end}));
	begin_at(m.v, 0x1000);
	ok(vma_vcpu_debug(m.v, &debug));
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(vma_vcpu_complete(m.v), 1);
	assert_int_equal(vma_vcpu_complete(m.v), 0);
	for (uint64_t pc = 0x1004; pc <= 0x1008; pc += 4) {
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_DEBUG);
		assert_int_equal(vma_vcpu_exit(m.v)->debug.reason, VMA_DEBUG_STEP);
		assert_int_equal(vma_vcpu_exit(m.v)->debug.pc, pc);
	}
	end(&m);
}

/* ------ below the API ------ */

static void eventfd_by_a_store(void **state)
{
	struct machine m;
	vma_ioeventfd io = {.address = DEVICE, .length = 4, .match = 1, .value = 0x23222120};
	uint8_t ready;
	(void)state;
	if (!(caps & VMA_CAP_IOEVENTFD))
		skip();
	make(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){0xb8004422 /* str w2, [x1], #4 */, strb_end}));
	io.eventfd = os_eventfd();
	ok(vma_vm_ioeventfd(m.vm, &io, 1));
	begin_at(m.v, 0x1000);
	expect_end(m.v);
	os_eventfd_wait(&io.eventfd, 1, &ready);
	assert_int_equal(ready, 1);
	ok(vma_vcpu_complete(m.v));
	ok(vma_vm_ioeventfd(m.vm, &io, 0));
	begin_at(m.v, 0x1000);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(vma_vcpu_exit(m.v)->mmio.gpa, DEVICE);
	os_eventfd_close(io.eventfd);
	end(&m);
}

/* KVM's own GIC is behind KVM's decoder: a store to it that KVM cannot decode is nobody's. */
static void gic_by_a_store(void **state)
{
	vma_arm64_gic gic = {.size = sizeof(gic)};
	struct machine m;
	int kind;
	(void)state;
	make(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM});
	ok(vma_arm64_get_gic(m.vm, &gic));
	PUT(&m, 0x1000, ((uint32_t[]){0xb8004422 /* str w2, [x1], #4 */, strb_end}));
	begin_at(m.v, 0x1000);
	set(m.v, VMA_ARM64_X1, gic.dist_base);
	kind = vma_vcpu_run(m.v);
	if (accel == VMA_ACCEL_KVM) {
		assert_int_equal(kind, VMA_EXIT_INTERNAL);
		assert_int_equal(vma_vcpu_exit(m.v)->internal.data[1], 0x1000);
		assert_int_equal(vma_vcpu_exit(m.v)->internal.data[2], gic.dist_base);
	} else {
		assert_int_equal(kind, VMA_EXIT_MMIO);
		assert_int_equal(vma_vcpu_exit(m.v)->mmio.gpa, END);
	}
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms),
		cmocka_unit_test(all_forms_by_runs),
		cmocka_unit_test(atomics),
		cmocka_unit_test(store_over_the_edge),
		cmocka_unit_test(load_over_the_edge),
		cmocka_unit_test(store_to_read_only_memory),
		cmocka_unit_test(fault_in_the_second_half),
		cmocka_unit_test(unaligned_over_pages),
		cmocka_unit_test(dc_zva),
		cmocka_unit_test(kick_between),
		cmocka_unit_test(caller_wins),
		cmocka_unit_test(single_step),
		cmocka_unit_test(eventfd_by_a_store),
		cmocka_unit_test(gic_by_a_store),
	};

	RUN_ON_ALL(tests);
}
