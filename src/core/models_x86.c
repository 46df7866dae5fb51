/* models_x86.c - the named CPU models and the CPUID tables they stand for.
 *
 * A portable model is the same on every accelerator that offers it. It shows the identity of a processor that Linux
 * knows to have none of the speculation bugs (arch/x86/kernel/cpu/common.c, cpu_vuln_whitelist: Bonnell), so that a
 * guest spends no time on working round them, and names the TSC's and the APIC timer's frequency (leaf 0x15), so that
 * it spends none on measuring. */
#include <string.h>
#include "core/arch_x86.h"

static const struct {
	const char *name;
	uint8_t level;
} models[] = {
	{"x86-64-v1", VMA_MODEL_V1},
	{"x86-64-v2", VMA_MODEL_V2},
	{"x86-64-v3", VMA_MODEL_V3},
	{"max", VMA_MODEL_MAX},
};

enum {
	SIGNATURE = 0x000106ca, /* family 6, model 0x1c, stepping 10 */
	MAX_BASIC = 0x16,
	MAX_EXTENDED = 0x80000008,
	APIC_TIMER_HZ = 1000000000, /* KVM's and irq/'s local APIC: 1 ns a tick */
	LINE = 64,
};

struct build {
	vma_vm *vm;
	vma_x86_cpuid *table;
	size_t count, room;
};

static vma_x86_cpuid *add(struct build *b, uint32_t leaf, uint32_t subleaf, uint32_t has_subleaf)
{
	vma_x86_cpuid *e = b->table + b->count;

	/* room is for every leaf below and a platform's own; the last place absorbs what should never come */
	if (b->count + 1 < b->room)
		b->count++;
	*e = (vma_x86_cpuid){.leaf = leaf, .subleaf = subleaf, .has_subleaf = has_subleaf};
	return e;
}

static void put(struct build *b, uint32_t leaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	vma_x86_cpuid *e = add(b, leaf, 0, 0);

	e->eax = eax;
	e->ebx = ebx;
	e->ecx = ecx;
	e->edx = edx;
}

static void put_sub(struct build *b, uint32_t leaf, uint32_t sub, uint32_t eax, uint32_t ebx, uint32_t ecx,
		    uint32_t edx)
{
	vma_x86_cpuid *e;

	put(b, leaf, eax, ebx, ecx, edx);
	e = b->table + b->count - 1;
	e->subleaf = sub;
	e->has_subleaf = 1;
}

static void text3(const char *s, uint32_t *a, uint32_t *b, uint32_t *c)
{
	memcpy(a, s, 4);
	memcpy(b, s + 4, 4);
	memcpy(c, s + 8, 4);
}

/* ------ features ------ */

/* Without a local APIC in the platform the guest is shown none: nobody would answer. */
static bool needs_apic(const struct vma_feature *f)
{
	return (f->leaf == 1 && f->reg == 3 && f->bit == 9) ||
	       (f->leaf == 1 && f->reg == 2 && (f->bit == 21 || f->bit == 24)) || f->leaf == 6;
}

static bool offered(const vma_vm *vm, const struct vma_feature *f)
{
	return vma_cpuid_reg(vma_cpuid_find(vm->cpuid_max, vm->cpuid_max_count, f->leaf, f->subleaf), f->reg) >>
		       f->bit &
	       1;
}

static bool wanted(const vma_vm *vm, const struct vma_feature *f, int level)
{
	return f->model <= level && !(vm->config.irqchip == VMA_IRQCHIP_NONE && needs_apic(f));
}

static int check_level(const vma_vm *vm, const char *model, int level)
{
	char name[24];

	if (level == VMA_MODEL_MAX)
		return 0;
	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		if (!wanted(vm, f, level) || offered(vm, f))
			continue;
		vma_feature_name(f, name);
		return vma_fail(VMA_E_FEATURE,
				"CPU model %s needs %s (CPUID leaf %#x, bit %u), which %s does not offer here", model,
				name, f->leaf, f->bit, vm->info.name);
	}
	return 0;
}

static uint32_t word(const vma_vm *vm, int level, uint32_t leaf, uint32_t subleaf, unsigned reg)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		if (f->leaf == leaf && f->subleaf == subleaf && f->reg == reg && wanted(vm, f, level) && offered(vm, f))
			bits |= 1u << f->bit;
	}
	return bits;
}

/* ------ topology and caches ------ */

static unsigned log2_up(uint32_t n)
{
	unsigned bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

/* SDM vol. 2, CPUID leaf 4. kind: 1 data, 2 instructions, 3 unified. `sharing`: vCPUs with this cache. */
static void put_cache(struct build *b, uint32_t sub, uint32_t kind, uint32_t level, uint32_t kib, uint32_t ways,
		      uint32_t sharing)
{
	uint32_t n = 1u << log2_up(b->vm->config.max_vcpus), cores = n > 64 ? 64 : n;
	uint32_t sets = kib * 1024 / LINE / ways;

	put_sub(b, 4, sub, kind | level << 5 | 1u << 8 | (sharing - 1) << 14 | (cores - 1) << 26,
		(LINE - 1) | (ways - 1) << 22, sets - 1, 0);
}

static void put_caches(struct build *b)
{
	uint32_t n = 1u << log2_up(b->vm->config.max_vcpus);

	put_cache(b, 0, 1, 1, 32, 8, 1);
	put_cache(b, 1, 2, 1, 32, 8, 1);
	put_cache(b, 2, 3, 2, 1024, 16, 1);
	put_cache(b, 3, 3, 3, 8192, 16, n > 4096 ? 4096 : n);
	put_sub(b, 4, 4, 0, 0, 0, 0);
}

/* One thread a core, one package. EDX, the x2APIC id, is filled in for each vCPU by the back end. */
static void put_topology(struct build *b)
{
	uint32_t n = b->vm->config.max_vcpus;

	put_sub(b, 0xb, 0, 0, 1, 0 | 1u << 8, 0);
	put_sub(b, 0xb, 1, log2_up(n), n, 1 | 2u << 8, 0);
	put_sub(b, 0xb, 2, 0, 0, 2, 0);
}

/* ------ extended state ------ */

static uint64_t xcr0_of(const vma_vm *vm, uint32_t ecx1, uint32_t ecx7)
{
	const vma_x86_cpuid *d = vma_cpuid_find(vm->cpuid_max, vm->cpuid_max_count, 0xd, 0);
	uint64_t mask = 3;

	if (ecx1 >> 28 & 1)
		mask |= 4; /* AVX */
	if (ecx7 >> 3 & 1)
		mask |= 0x200; /* PKU */
	return mask & (vma_cpuid_reg(d, 0) | (uint64_t)vma_cpuid_reg(d, 3) << 32);
}

/* SDM vol. 1, 13.2. EBX of subleaf 0, the size for the present XCR0, is filled in by the back end. */
static void put_xsave(struct build *b, uint64_t xcr0, uint32_t eax1)
{
	uint32_t size = 576, offset, length;
	size_t first = b->count;

	put_sub(b, 0xd, 0, (uint32_t)xcr0, 576, 576, (uint32_t)(xcr0 >> 32));
	put_sub(b, 0xd, 1, eax1, 0, 0, 0);
	for (unsigned n = 2; n < 64; n++) {
		vma_xsave_component(n, &offset, &length);
		if (!(xcr0 >> n & 1) || !length)
			continue;
		put_sub(b, 0xd, n, length, offset, 0, 0);
		if (offset + length > size)
			size = offset + length;
	}
	b->table[first].ebx = b->table[first].ecx = size;
}

/* ------ frequencies ------ */

/* The best fraction num/den for hz / APIC_TIMER_HZ with num below 4295: Linux multiplies num by the crystal's kHz in 32
 * bits (native_calibrate_tsc). The continued fraction's error is below 1/num^2, 0.1 ppm. */
static void tsc_ratio(uint64_t hz, uint32_t *num, uint32_t *den)
{
	uint64_t a = hz, b = APIC_TIMER_HZ, n0 = 0, n1 = 1, d0 = 1, d1 = 0;

	while (b) {
		uint64_t q = a / b, r = a % b, n = q * n1 + n0, d = q * d1 + d0;
		if (n > 4294 || d > UINT32_MAX)
			break;
		n0 = n1, n1 = n, d0 = d1, d1 = d;
		a = b, b = r;
	}
	*num = (uint32_t)n1;
	*den = (uint32_t)d1;
}

static void put_frequency(struct build *b)
{
	const vma_vm_config *c = &b->vm->config;
	uint64_t hz = vma_tsc_hz(b->vm);
	uint32_t num = 0, den = 0;

	if (hz && c->irqchip != VMA_IRQCHIP_NONE)
		tsc_ratio(hz, &num, &den);
	put(b, 0x15, num && den ? den : 0, num, num && den ? APIC_TIMER_HZ : 0, 0);
	put(b, 0x16, 0, 0, 0, 0);
}

/* ------ the tables ------ */

static void put_basic(struct build *b, int level)
{
	const vma_vm *vm = b->vm;
	uint32_t ebx, ecx, edx, eax = MAX_BASIC, n = vm->config.max_vcpus, ecx7 = word(vm, level, 7, 0, 2);

	text3("GenuineIntel", &ebx, &edx, &ecx);
	put(b, 0, eax, ebx, ecx, edx);
	ecx = word(vm, level, 1, 0, 2);
	edx = word(vm, level, 1, 0, 3) | (n > 1 ? 1u << 28 : 0); /* HTT: EBX[23:16] counts */
	put(b, 1, SIGNATURE, (LINE / 8) << 8 | (n > 255 ? 255 : n) << 16, ecx, edx);
	put(b, 2, 0x00ff01, 0, 0, 0); /* one round; 0xff: see leaf 4 */
	put_caches(b);
	put(b, 6, word(vm, level, 6, 0, 0), 0, 0, 0);
	put_sub(b, 7, 0, 0, word(vm, level, 7, 0, 1), ecx7, word(vm, level, 7, 0, 3));
	put_topology(b);
	if (ecx >> 26 & 1)
		put_xsave(b, xcr0_of(vm, ecx, ecx7), word(vm, level, 0xd, 1, 0));
	put_frequency(b);
}

static void put_extended(struct build *b, const char *model, int level)
{
	char brand[48] = "vm-accel ";
	uint32_t r[12], phys = b->vm->info.gpa_bits;
	const vma_x86_cpuid *max = vma_cpuid_find(b->vm->cpuid_max, b->vm->cpuid_max_count, 0x80000008, 0);

	if (max && (max->eax & 0xff) && (max->eax & 0xff) < phys)
		phys = max->eax & 0xff;
	/* A portable model has the same number everywhere that can; 40 bits are 1 TiB. */
	if (level != VMA_MODEL_MAX && phys > 40)
		phys = 40;
	strncat(brand, model, sizeof(brand) - 16);
	memcpy(r, brand, sizeof(brand));
	put(b, 0x80000000, MAX_EXTENDED, 0, 0, 0);
	put(b, 0x80000001, 0, 0, word(b->vm, level, 0x80000001, 0, 2), word(b->vm, level, 0x80000001, 0, 3));
	for (uint32_t i = 0; i < 3; i++)
		put(b, 0x80000002 + i, r[i * 4], r[i * 4 + 1], r[i * 4 + 2], r[i * 4 + 3]);
	put(b, 0x80000006, 0, 0, 1024u << 16 | 8u << 12 | LINE, 0); /* L2 */
	put(b, 0x80000007, 0, 0, 0, word(b->vm, level, 0x80000007, 0, 3));
	put(b, 0x80000008, phys | (word(b->vm, level, 7, 0, 2) >> 16 & 1 ? 57u : 48u) << 8,
	    word(b->vm, level, 0x80000008, 0, 1), 0, 0);
}

static void put_hypervisor(struct build *b, int level)
{
	uint32_t ebx, ecx, edx;
	size_t before = b->count;

	/* Only where nothing has to be portable may the platform's own paravirtual leaves show. */
	for (size_t i = 0; level == VMA_MODEL_MAX && i < b->vm->cpuid_max_count; i++)
		if (b->vm->cpuid_max[i].leaf >> 8 == 0x400000 && b->count + 1 < b->room)
			b->table[b->count++] = b->vm->cpuid_max[i];
	if (b->count != before)
		return;
	text3("VMACCELVMACC", &ebx, &ecx, &edx);
	put(b, 0x40000000, 0x40000000, ebx, ecx, edx);
}

/* The platform's own table; what a VM without a local APIC cannot have is taken out. */
static void copy_host(struct build *b)
{
	for (size_t i = 0; i < b->vm->cpuid_max_count; i++) {
		vma_x86_cpuid *e = b->table + b->count++;
		*e = b->vm->cpuid_max[i];
		if (e->leaf == 1 && b->vm->config.irqchip == VMA_IRQCHIP_NONE) {
			e->edx &= ~(1u << 9);
			e->ecx &= ~(1u << 21 | 1u << 24);
		}
	}
}

static int level_of(const char *model)
{
	for (size_t i = 0; i < VMA_COUNT(models); i++)
		if (!strcmp(models[i].name, model))
			return models[i].level;
	return 0;
}

static int build(vma_vm *vm, const char *model)
{
	struct build b = {.vm = vm, .room = vm->cpuid_max_count + 64};
	int level = level_of(model), host = !strcmp(model, "host"), rc;

	if (!level && !host)
		return vma_fail(VMA_E_INVALID,
				"there is no CPU model \"%.40s\" (x86-64-v1, x86-64-v2, x86-64-v3, max, host)", model);
	rc = host ? 0 : check_level(vm, model, level);
	if (rc)
		return rc;
	b.table = os_calloc(b.room, sizeof(*b.table));
	if (!b.table)
		return vma_fail(VMA_E_NOMEM, "no memory for the CPUID table");
	if (host) {
		copy_host(&b);
	} else {
		put_basic(&b, level);
		put_hypervisor(&b, level);
		put_extended(&b, model, level);
	}
	vm->cpuid = b.table;
	vm->cpuid_count = b.count;
	vma_cpuid_derive(vm);
	return 0;
}

static int build_for(vma_vm *vm, const char *model)
{
	int rc;

	if (model)
		return build(vm, model);
	rc = build(vm, "x86-64-v2");
	return rc == VMA_E_FEATURE ? build(vm, "x86-64-v1") : rc;
}

static int read_cpuid_max(vma_vm *vm)
{
	size_t room = 256;

	vm->cpuid_max = os_calloc(room, sizeof(*vm->cpuid_max));
	if (!vm->cpuid_max)
		return vma_fail(VMA_E_NOMEM, "no memory for the CPUID table");
	vm->cpuid_max_count = room;
	return vm->be->cpuid_max(vm, vm->cpuid_max, &vm->cpuid_max_count);
}

int vma_vm_init_x86(vma_vm *vm)
{
	int rc = read_cpuid_max(vm);

	return rc ? rc : build_for(vm, vm->config.cpu_model);
}
