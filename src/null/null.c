/* null.c - the scripted back end's table: x86 state in plain memory behind every slot. */
#include <string.h>
#include "null/null.h"

#define PRIV_VM(vm) ((struct null_vm *)(vm)->priv)
#define PRIV(v) ((struct null_vcpu *)(v)->priv)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { PAGE = 4096 };

static const struct null_msr first_msrs[] = {
#define VMA_X(NAME, index, whpx, reset, kind) {index, reset},
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
};

static void null_probe(vma_platform_info *info)
{
	info->available = 1;
	info->version = "scripted";
	info->proved = os_proved();
	info->caps = VMA_CAP_IRQCHIP | VMA_CAP_MSI | VMA_CAP_DIRTY_LOG | VMA_CAP_READONLY | VMA_CAP_EXEC_PROT |
		     VMA_CAP_ALIAS | VMA_CAP_MSR_EXIT | VMA_CAP_CPUID_EXIT | VMA_CAP_HYPERCALL_EXIT |
		     VMA_CAP_SINGLE_STEP | VMA_CAP_HW_BREAK | VMA_CAP_SW_BREAK | VMA_CAP_XSAVE | VMA_CAP_TSC_SCALE |
		     VMA_CAP_CLOCK | VMA_CAP_PARTIAL_UNMAP;
	info->max_vcpus = 64;
	info->max_regions = 1024;
	info->gpa_bits = 46;
	info->breakpoints = 4;
}

/* ------ VM ------ */

static int null_vm_open(struct vma_vm *vm)
{
	int rc = null_enter(NULL_vm_open);

	null_apply_limits(&vm->info);
	PRIV_VM(vm)->chip.ioapic.base_address = 0xfec00000;
	return rc;
}

static void null_vm_close(struct vma_vm *vm)
{
	(void)vm;
}

static vma_x86_cpuid *entry(vma_x86_cpuid *table, size_t *count, uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < *count; i++)
		if (table[i].leaf == leaf && table[i].subleaf == subleaf)
			return table + i;
	table[*count] = (vma_x86_cpuid){.leaf = leaf, .subleaf = subleaf, .has_subleaf = leaf == 7 || leaf == 0xd};
	return table + (*count)++;
}

/* All features of the list, since nothing here has to execute them. */
static int null_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	static const struct {
		uint32_t leaf, subleaf;
		uint8_t reg, bit;
	} features[] = {
#define VMA_X(NAME, leaf, subleaf, reg, bit, model) {leaf, subleaf, reg, bit},
		VMA_X86_FEATURES(VMA_X)
#undef VMA_X
	};
	size_t n = 0;
	int rc = null_enter(NULL_cpuid_max);

	for (size_t i = 0; i < COUNT(features); i++) {
		vma_x86_cpuid *e = entry(table, &n, features[i].leaf, features[i].subleaf);
		uint32_t *reg = features[i].reg == 0   ? &e->eax
				: features[i].reg == 1 ? &e->ebx
				: features[i].reg == 2 ? &e->ecx
						       : &e->edx;
		*reg |= 1u << features[i].bit;
	}
	entry(table, &n, 0, 0)->eax = 0x16;
	entry(table, &n, 0x80000000, 0)->eax = 0x80000008;
	entry(table, &n, 0x80000008, 0)->eax = vm->info.gpa_bits | 57u << 8;
	entry(table, &n, 0xd, 0)->eax = 0x207;
	*count = n;
	return rc;
}

static int null_vm_finalize(struct vma_vm *vm)
{
	(void)vm;
	return null_enter(NULL_vm_finalize);
}

/* The log: a bit a page, in r->priv. */
static int new_log(struct vma_region *r, uint32_t flags)
{
	if (!(flags & VMA_MAP_LOG) || r->priv)
		return 0;
	r->priv = os_calloc((r->size / PAGE + 63) / 64, 8);
	return r->priv ? 0
		       : vma_fail(VMA_E_NOMEM, "no memory for a log of %llu pages",
				  (unsigned long long)(r->size / PAGE));
}

static int null_map(struct vma_vm *vm, struct vma_region *r)
{
	int rc = null_enter(NULL_map);

	(void)vm;
	return rc ? rc : new_log(r, r->flags);
}

static int null_unmap(struct vma_vm *vm, struct vma_region *r)
{
	int rc = null_enter(NULL_unmap);

	(void)vm;
	if (rc)
		return rc;
	os_free(r->priv);
	r->priv = NULL;
	return 0;
}

static int null_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	int rc = null_enter(NULL_protect);

	(void)vm;
	if (!rc)
		rc = new_log(r, flags);
	if (!rc && !(flags & VMA_MAP_LOG)) {
		os_free(r->priv);
		r->priv = NULL;
	}
	return rc;
}

static bool bit_at(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static int null_split(struct vma_vm *vm, struct vma_region *r, struct vma_region *tail)
{
	uint64_t head = (r->size - tail->size) / PAGE;
	int rc = null_enter(NULL_split);

	(void)vm;
	if (!rc)
		rc = new_log(tail, tail->flags);
	for (uint64_t i = 0; !rc && r->priv && i < tail->size / PAGE; i++)
		if (bit_at(r->priv, head + i))
			((uint64_t *)tail->priv)[i / 64] |= 1ull << (i % 64);
	return rc;
}

static int null_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap,
			  int clear)
{
	uint64_t *log = r->priv;
	int rc = null_enter(NULL_dirty_log);

	(void)vm;
	if (rc)
		return rc;
	memset(bitmap, 0, (pages + 63) / 64 * 8);
	for (uint64_t i = 0; i < pages; i++) {
		if (!bit_at(log, first + i))
			continue;
		bitmap[i / 64] |= 1ull << (i % 64);
		if (clear)
			log[(first + i) / 64] &= ~(1ull << ((first + i) % 64));
	}
	return 0;
}

int vma_null_touch(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	int rc = 0;

	if (!vm || vm->be->accel != VMA_ACCEL_NULL || !size || gpa + size < gpa)
		return vma_fail(VMA_E_INVALID, "touch: no null VM, or a size of 0, or a range that wraps around");
	os_lock(&vm->lock);
	for (uint64_t at = gpa & ~(uint64_t)(PAGE - 1); !rc && at < gpa + size; at += PAGE) {
		struct vma_region *r = vma_region_find(vm, at);
		uint64_t page = r ? (at - r->gpa) / PAGE : 0;
		if (!r || !(r->flags & VMA_MAP_WRITE))
			rc = vma_fail(VMA_E_NOENT, "gpa %#llx is not mapped for writing", (unsigned long long)at);
		else if (r->priv)
			((uint64_t *)r->priv)[page / 64] |= 1ull << (page % 64);
	}
	os_unlock(&vm->lock);
	return rc;
}

/* ------ interrupts and clock ------ */

static int null_irq_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	vma_x86_irqchip *c = &PRIV_VM(vm)->chip;
	int rc = null_enter(NULL_irq_line);

	if (rc)
		return rc;
	os_lock(&vm->lock);
	c->ioapic.irr = (c->ioapic.irr & ~(1u << gsi)) | (uint32_t)level << gsi;
	os_unlock(&vm->lock);
	return 0;
}

static int null_msi(struct vma_vm *vm, uint64_t address, uint32_t data)
{
	(void)vm;
	(void)address;
	(void)data;
	return null_enter(NULL_msi);
}

static int null_clock_get(struct vma_vm *vm, uint64_t *ns)
{
	int rc = null_enter(NULL_clock_get);

	*ns = os_now_ns() + (uint64_t)PRIV_VM(vm)->clock_offset;
	return rc;
}

static int null_clock_set(struct vma_vm *vm, uint64_t ns)
{
	int rc = null_enter(NULL_clock_set);

	if (!rc)
		PRIV_VM(vm)->clock_offset = (int64_t)(ns - os_now_ns());
	return rc;
}

static int null_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip)
{
	*chip = PRIV_VM(vm)->chip;
	return null_enter(NULL_irqchip_get);
}

static int null_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip)
{
	int rc = null_enter(NULL_irqchip_set);

	if (!rc)
		PRIV_VM(vm)->chip = *chip;
	return rc;
}

/* ------ vCPU ------ */

static void null_vcpu_close(struct vma_vcpu *v)
{
	null_forget(PRIV(v));
	os_free(PRIV(v)->s.xsave);
	os_free(PRIV(v)->msrs);
}

static int null_vcpu_open(struct vma_vcpu *v)
{
	struct null_vcpu *n = PRIV(v);
	int rc = null_enter(NULL_vcpu_open);

	if (rc)
		return rc;
	n->s.xsave = os_aligned(64, (v->vm->xsave_size + 63u) & ~63u);
	n->msrs = os_calloc(COUNT(first_msrs), sizeof(*n->msrs));
	if (!n->s.xsave || !n->msrs) {
		null_vcpu_close(v);
		return vma_fail(VMA_E_NOMEM, "no memory for the state of a null vCPU");
	}
	memcpy(n->msrs, first_msrs, sizeof(first_msrs));
	return 0;
}

static void copy_state(struct vma_x86_state *to, const struct vma_x86_state *from, uint32_t classes,
		       uint32_t xsave_size)
{
	if (classes & VMA_C_GPR)
		to->gpr = from->gpr;
	if (classes & VMA_C_SREGS)
		to->sregs = from->sregs;
	if (classes & VMA_C_DREGS)
		to->dregs = from->dregs;
	if (classes & VMA_C_XCR0)
		to->xcr0 = from->xcr0;
	if (classes & VMA_C_XSAVE)
		memcpy(to->xsave, from->xsave, xsave_size);
	if (classes & VMA_C_EVENTS)
		to->events = from->events;
	if (classes & VMA_C_MP)
		to->mp = from->mp;
	if (classes & VMA_C_LAPIC)
		memcpy(to->lapic, from->lapic, sizeof(to->lapic));
}

static int null_fetch(struct vma_vcpu *v, uint32_t classes)
{
	int rc = null_enter(NULL_fetch);

	if (!rc)
		copy_state(&v->x86, &PRIV(v)->s, classes, v->vm->xsave_size);
	return rc;
}

/* CR8 and the local APIC's TPR are one register. */
static void couple_tpr(struct null_vcpu *n, uint32_t classes)
{
	if (classes & VMA_C_LAPIC)
		n->s.sregs.cr8 = n->s.lapic[0x80] >> 4;
	else if (classes & VMA_C_SREGS)
		n->s.lapic[0x80] = (uint8_t)(n->s.sregs.cr8 << 4);
}

static int null_commit(struct vma_vcpu *v, uint32_t classes)
{
	struct null_vcpu *n = PRIV(v);
	uint64_t rip = n->s.gpr.rip;
	int rc = null_enter(NULL_commit);

	if (rc)
		return rc;
	copy_state(&n->s, &v->x86, classes, v->vm->xsave_size);
	if (v->exit.pending)
		n->s.gpr.rip = rip;
	couple_tpr(n, classes);
	return 0;
}

static struct null_msr *find_msr(struct vma_vcpu *v, uint32_t index)
{
	for (size_t i = 0; i < COUNT(first_msrs); i++)
		if (PRIV(v)->msrs[i].index == index)
			return PRIV(v)->msrs + i;
	return NULL;
}

static int null_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	int rc = null_enter(NULL_get_msrs);
	size_t i;

	if (rc)
		return rc;
	for (i = 0; i < count; i++) {
		const struct null_msr *m = find_msr(v, indices[i]);
		if (!m)
			break;
		values[i] = m->value;
	}
	return (int)i;
}

static int null_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	int rc = null_enter(NULL_set_msrs);
	size_t i;

	if (rc)
		return rc;
	for (i = 0; i < count; i++) {
		struct null_msr *m = find_msr(v, indices[i]);
		if (!m)
			break;
		m->value = values[i];
	}
	return (int)i;
}

static int null_interrupt(struct vma_vcpu *v, uint8_t vector)
{
	int rc = null_enter(NULL_interrupt);

	if (!rc) {
		PRIV(v)->s.events.interrupt_injected = 1;
		PRIV(v)->s.events.interrupt_vector = vector;
	}
	return rc;
}

static int null_interrupt_ready(struct vma_vcpu *v)
{
	const struct vma_x86_state *s = &PRIV(v)->s;
	int rc = null_enter(NULL_interrupt_ready);

	return rc ? rc : s->gpr.rflags & 0x200 && !s->events.shadow && !s->events.interrupt_injected;
}

static int null_nmi(struct vma_vcpu *v)
{
	int rc = null_enter(NULL_nmi);

	if (!rc)
		PRIV(v)->s.events.nmi_pending = 1;
	return rc;
}

static int null_debug(struct vma_vcpu *v)
{
	(void)v;
	return null_enter(NULL_debug);
}

/* The core's attention word is all that a run looks at. */
static void null_kick(struct vma_kick *k)
{
	os_event_set(&k->wake);
}

const struct vma_backend vma_backend_null = {
	.name = "null",
	.accel = VMA_ACCEL_NULL,
	.arch = VMA_ARCH_X86_64,
	.vm_size = sizeof(struct null_vm),
	.vcpu_size = sizeof(struct null_vcpu),
	.probe = null_probe,
	.vm_open = null_vm_open,
	.vm_close = null_vm_close,
	.cpuid_max = null_cpuid_max,
	.vm_finalize = null_vm_finalize,
	.map = null_map,
	.unmap = null_unmap,
	.protect = null_protect,
	.split = null_split,
	.dirty_log = null_dirty_log,
	.irq_line = null_irq_line,
	.msi = null_msi,
	.clock_get = null_clock_get,
	.clock_set = null_clock_set,
	.irqchip_get = null_irqchip_get,
	.irqchip_set = null_irqchip_set,
	.vcpu_open = null_vcpu_open,
	.vcpu_close = null_vcpu_close,
	.run = null_run,
	.complete = null_complete,
	.fetch = null_fetch,
	.commit = null_commit,
	.get_msrs = null_get_msrs,
	.set_msrs = null_set_msrs,
	.interrupt = null_interrupt,
	.interrupt_ready = null_interrupt_ready,
	.nmi = null_nmi,
	.debug = null_debug,
	.kick = null_kick,
};
