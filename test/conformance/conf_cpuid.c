/* conf_cpuid.c - checks of CPUID and features (T080-T083). A failed condition leaves the guest open: the process ends after a check. */
#include "guest.h"

#include <string.h>

enum { TABLE_ROOM = 256, CR4_OSXSAVE = 1 << 18 };

/* Run the guest's CPUID; the registers hold its answer. */
static int ask(struct guest *g, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	static const uint32_t ids[4] = {VMA_X86_RAX, VMA_X86_RBX, VMA_X86_RCX, VMA_X86_RDX};
	struct conf *conf = g->conf;
	uint64_t values[4];

	guest_code(g, GUEST_CODE, "\x0f\xa2\xf4", 3); /* cpuid; hlt */
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_RAX, leaf);
	guest_set(g, VMA_X86_RCX, subleaf);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_OK(conf, vma_vcpu_get(g->v, ids, values, 4));
	for (int i = 0; i < 4; i++) {
		CONF_EQUAL(conf, values[i] >> 32, 0); /* CPUID clears the upper halves */
		out[i] = (uint32_t)values[i];
	}
	return CONF_PASS;
}

static int table_of(struct guest *g, vma_x86_cpuid *table, size_t *count)
{
	struct conf *conf = g->conf;

	*count = TABLE_ROOM;
	CONF_OK(conf, vma_x86_get_cpuid(g->vm, table, count));
	CONF_EXPECT(conf, *count > 10 && *count <= TABLE_ROOM);
	return CONF_PASS;
}

static const vma_x86_cpuid *find(const vma_x86_cpuid *table, size_t count, uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].leaf == leaf && (!table[i].has_subleaf || table[i].subleaf == subleaf))
			return table + i;
	return NULL;
}

/* ------ T080: what is a vCPU's own ------ */

static int own_ids(struct guest *g, uint32_t id)
{
	struct conf *conf = g->conf;
	uint32_t out[4];

	CONF_TRY(ask(g, 1, 0, out));
	CONF_EQUAL(conf, out[1] >> 24, id);
	CONF_TRY(ask(g, 0xb, 0, out));
	CONF_EQUAL(conf, out[3], id);
	CONF_TRY(ask(g, 0xb, 1, out));
	CONF_EQUAL(conf, out[3], id);
	return CONF_PASS;
}

/* SDM vol. 2, CPUID leaf 0DH: EBX is the size for what XCR0 enables, ECX for all that it can. */
static int sizes(struct guest *g)
{
	struct conf *conf = g->conf;
	uint32_t out[4], max;

	guest_set(g, VMA_X86_CR4, guest_get(g, VMA_X86_CR4) | CR4_OSXSAVE);
	CONF_TRY(ask(g, 1, 0, out));
	CONF_EQUAL(conf, out[2] >> 27 & 1, 1);
	guest_set(g, VMA_X86_XCR0, 1);
	CONF_TRY(ask(g, 0xd, 0, out));
	CONF_EQUAL(conf, out[1], 576);
	max = out[2];
	guest_set(g, VMA_X86_XCR0, out[0]);
	CONF_TRY(ask(g, 0xd, 0, out));
	CONF_EQUAL(conf, out[1], max);
	CONF_EQUAL(conf, out[2], max);
	CONF_EXPECT(conf, (out[0] & 3) == 3 && max >= 576);
	return CONF_PASS;
}

static int t080(struct conf *conf)
{
	struct guest g;
	uint32_t out[4];

	GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_LONG, .cpus = 3}, "\xf4", 1));
	GUEST_TRY(&g, own_ids(&g, 0));
	GUEST_TRY(&g, ask(&g, 1, 0, out));
	CONF_EQUAL(conf, out[2] >> 27 & 1, 0); /* OSXSAVE: CR4 has it not */
	if (vma_x86_has_feature(g.vm, "xsave") == 1)
		GUEST_TRY(&g, sizes(&g));
	CONF_OK(conf, vma_vcpu_create(g.vm, 2, &g.v));
	g.exit = vma_vcpu_exit(g.v);
	GUEST_TRY(&g, guest_set_mode(&g, g.v, GUEST_LONG));
	GUEST_TRY(&g, own_ids(&g, 2));
	guest_close(&g);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* ------ T081: what the model lacks does not work ------ */

static int try_code(struct conf *conf, const char *model, const uint8_t *code, size_t size, int trap)
{
	struct guest g;

	/* that CPUID exits changes nothing of what there is */
	for (uint32_t exits = 0; exits <= !!(conf->info.caps & VMA_CAP_CPUID_EXIT); exits++) {
		const struct guest_options o = {.mode = GUEST_LONG, .cpu_model = model, .cpuid_exits = exits};

		GUEST_TRY(&g, guest_open(&g, conf, &o, code, size));
		guest_traps(&g);
		GUEST_TRY(&g, trap < 0 ? guest_run(&g, VMA_EXIT_HLT) : guest_run_trap(&g, (unsigned)trap));
		guest_close(&g);
	}
	return CONF_PASS;
}

static int t081(struct conf *conf)
{
	/* mov rax, cr4; or eax, 0x40000; mov cr4, rax; hlt */
	static const uint8_t osxsave[] = {0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x00, 0x04, 0x00, 0x0f, 0x22, 0xe0, 0xf4};
	/* mov rax, cr4; or eax, 0x10000; mov cr4, rax; rdfsbase rbx; hlt */
	static const uint8_t fsgsbase[] = {
		0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x00, 0x01, 0x00, 0x0f, 0x22, 0xe0, 0xf3, 0x48, 0x0f, 0xae, 0xc3, 0xf4,
	};
	/* mov rax, cr4; or eax, 0x200000; mov cr4, rax; stac; hlt */
	static const uint8_t smap[] = {
		0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x00, 0x20, 0x00, 0x0f, 0x22, 0xe0, 0x0f, 0x01, 0xcb, 0xf4,
	};
	/* rdfsbase rbx; hlt */
	static const uint8_t rdfsbase[] = {0xf3, 0x48, 0x0f, 0xae, 0xc3, 0xf4};
	/* xor ecx, ecx; xgetbv; hlt */
	static const uint8_t xgetbv[] = {0x31, 0xc9, 0x0f, 0x01, 0xd0, 0xf4};
	static const struct {
		const char *feature;
		const uint8_t *code;
		size_t size;
		int trap;
	} rows[] = {
		{"xsave", osxsave, sizeof osxsave, 13},      {"fsgsbase", fsgsbase, sizeof fsgsbase, 13},
		{"smap", smap, sizeof smap, 13},             {"", rdfsbase, sizeof rdfsbase, 6}, /* CR4 clear: #UD in any model */
		{"", xgetbv, sizeof xgetbv, 6},
	};

	int richer = guest_model_offered(conf->accel, "x86-64-v2"); /* not by a platform without XSAVE */

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CONF_TRY(try_code(conf, "x86-64-v1", rows[i].code, rows[i].size, rows[i].trap));
		if (richer)
			CONF_TRY(try_code(conf, "x86-64-v2", rows[i].code, rows[i].size, rows[i].feature[0] ? -1 : rows[i].trap));
	}
	return CONF_PASS;
}

/* ------ T082: the table is what the guest sees ------ */

/* Bits that mirror other state or are a vCPU's own (SDM vol. 2, CPUID). */
static const struct {
	uint32_t leaf, subleaf, reg, mask;
} alive[] = {
	{1, 0, 1, 0xff000000},  /* APIC id */
	{1, 0, 2, 1u << 27},    /* OSXSAVE */
	{7, 0, 2, 1u << 4},     /* OSPKE */
	{0xb, 0, 3, UINT32_MAX}, {0xb, 1, 3, UINT32_MAX}, {0xb, 2, 3, UINT32_MAX},
	{0xd, 0, 1, UINT32_MAX}, {0xd, 1, 1, UINT32_MAX},
};

static uint32_t stable(const vma_x86_cpuid *e, uint32_t reg)
{
	uint32_t mask = UINT32_MAX;

	for (size_t i = 0; i < sizeof alive / sizeof *alive; i++)
		if (alive[i].leaf == e->leaf && alive[i].subleaf == e->subleaf && alive[i].reg == reg)
			mask &= ~alive[i].mask;
	return mask;
}

static int same_answer(struct guest *g, const vma_x86_cpuid *e)
{
	const uint32_t want[4] = {e->eax, e->ebx, e->ecx, e->edx};
	uint32_t out[4];

	CONF_TRY(ask(g, e->leaf, e->subleaf, out));
	for (uint32_t r = 0; r < 4; r++)
		if ((out[r] ^ want[r]) & stable(e, r))
			return conf_fail(g->conf, "leaf %#x subleaf %u register %u: the guest sees %#x, the table says %#x", e->leaf,
					 e->subleaf, r, out[r], want[r]);
	return CONF_PASS;
}

/* A table with one more leaf, and a changed subleaf; and tables that must be refused. */
static int change(vma_vm *vm)
{
	vma_x86_cpuid table[TABLE_ROOM];
	size_t n = TABLE_ROOM - 1;

	if (vma_x86_get_cpuid(vm, table, &n) < 0)
		return VMA_E_INVALID;
	table[n] = table[0];
	if (vma_x86_set_cpuid(vm, table, n + 1) != VMA_E_INVALID) /* a leaf twice */
		return VMA_E_STATE;
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 4 && table[i].subleaf == 2)
			table[i].ecx = 0x1ff;
		else if (table[i].leaf == 0x80000000)
			table[i].eax = 0x80000008;
		else if (table[i].leaf == 0x80000004)
			table[i].edx = 0x00646362;
	return vma_x86_set_cpuid(vm, table, n);
}

static int t082(struct conf *conf)
{
	struct guest g;
	vma_x86_cpuid table[TABLE_ROOM];
	size_t n;

	GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_LONG, .configure = change}, "\xf4", 1));
	GUEST_TRY(&g, table_of(&g, table, &n));
	CONF_EXPECT(conf, find(table, n, 4, 2) && find(table, n, 4, 2)->ecx == 0x1ff);
	for (size_t i = 0; i < n; i++)
		GUEST_TRY(&g, same_answer(&g, table + i));
	CONF_EQUAL(conf, vma_x86_set_cpuid(g.vm, table, n), VMA_E_STATE);
	guest_close(&g);
	return CONF_PASS;
}

/* The same on any back end: no guest needed. */
static int frozen(struct conf *conf)
{
	struct guest g;
	vma_x86_cpuid table[TABLE_ROOM];
	size_t n;

	GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_RESET, .configure = change}, "\xf4", 1));
	GUEST_TRY(&g, table_of(&g, table, &n));
	CONF_EXPECT(conf, find(table, n, 0x80000004, 0) && find(table, n, 0x80000004, 0)->edx == 0x00646362);
	CONF_EQUAL(conf, vma_x86_set_cpuid(g.vm, table, n), VMA_E_STATE);
	guest_close(&g);
	return conf->accel == VMA_ACCEL_NULL ? CONF_PASS : t082(conf);
}

/* ------ T083: addresses beyond MAXPHYADDR ------ */

static unsigned phys_bits;

static int set_phys_bits(vma_vm *vm)
{
	return guest_set_address_bits(vm, phys_bits);
}

/* The page tables map 2 MiB at 0x40000000 to 1 << bit. Reading there is a #PF for a reserved bit (SDM vol. 3, 4.7: P, RSVD) or an MMIO read. */
static int t083(struct conf *conf)
{
	static const unsigned widths[] = {36, 39, 40};
	/* mov rax, ds:[0x40000000]; hlt */
	static const uint8_t code[] = {0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x00, 0x40, 0xf4};
	struct guest g;

	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
		for (unsigned beyond = 0; beyond < 2; beyond++) {
			phys_bits = widths[i];
			uint64_t entry = (1ull << (phys_bits - 1 + beyond)) | 0x87;
			GUEST_TRY(&g, guest_open(&g, conf, &(struct guest_options){.mode = GUEST_LONG, .configure = set_phys_bits},
						 code, sizeof code));
			guest_traps(&g);
			guest_code(&g, GUEST_TABLES + 0x3000, &entry, 8);
			if (beyond) {
				GUEST_TRY(&g, guest_run_trap(&g, 14));
				CONF_EQUAL(conf, guest_read64(&g, guest_get(&g, VMA_X86_RSP)), 9);
				CONF_EQUAL(conf, guest_get(&g, VMA_X86_CR2), 0x40000000);
			} else {
				GUEST_TRY(&g, guest_run(&g, VMA_EXIT_MMIO));
				CONF_EQUAL(conf, g.exit->mmio.gpa, entry & ~0xffull);
			}
			guest_close(&g);
		}
	return CONF_PASS;
}

static const struct conf_check checks[] = {
	{80, "Leaf 1 EBX and leaf 0xB: each vCPU's own APIC id; OSXSAVE mirrors CR4; leaf 0xD sizes follow XCR0", "x86 cpuid guest", t080,
	 NULL},
	{81, "A feature that the model lacks: CR4 bit refused with #GP, instruction #UD; present it works", "x86 cpuid guest", t081, NULL},
	{82, "The guest sees the CPUID table, subleaves too; duplicates refused; a change after finalize is E_STATE", "x86 cpuid", frozen,
	 NULL},
	{83, "MAXPHYADDR 36, 39, 40: an address beyond is a reserved-bit fault, one below is not", "x86 cpuid guest", t083, NULL},
};

/* Seen in what KVM_GET_CPUID2 gives back after KVM_SET_CPUID2. */
#define ADDS "a KVM without VMX or SVM adds features of its own to leaves 1 and 7 that it was given, so nothing is masked"
static const struct conf_difference differences[] = {
	{81, VMA_ACCEL_KVM, ADDS, "emulating"},
	{82, VMA_ACCEL_KVM, ADDS, "emulating"},
	{83, VMA_ACCEL_KVM,
	 "with two-dimensional paging the processor walks the guest's tables and knows its own MAXPHYADDR only (api.rst 4.20)",
	 "hardware"},
};

CONF_GROUP(cpuid, checks, differences, sizeof differences / sizeof *differences);
