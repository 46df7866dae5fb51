/* regs_x86.c - registers by id: one table made of the lists, names, and batches that are read or written as a whole. */
#include <ctype.h>
#include <string.h>
#include "core/arch_x86.h"

#define AT(member) offsetof(struct vma_x86_state, member)
#define LOW(id) ((id)&0xff)
/* clang-format off */
/* Bits in the mask of VMA_C_SREGS: segments 0.., tables 32.., controls 40.. */
enum { TABLE_BIT = 32, CONTROL_BIT = 40 };

const struct vma_reg vma_regs[] = {
#define VMA_X(NAME, field, ...) {VMA_X86_##NAME, 8, LOW(VMA_X86_##NAME), VMA_C_GPR, AT(gpr.field), #NAME},
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
#define PART(NAME, field, part, PART, size, first)                                                                     \
	{VMA_X86_##NAME##_##PART, size, first + LOW(VMA_X86_##NAME##_##PART), VMA_C_SREGS, AT(sregs.field.part),       \
	 #NAME "_" #PART},
#define VMA_X(NAME, field, ...)                                                                                        \
	{VMA_X86_##NAME, 2, LOW(VMA_X86_##NAME), VMA_C_SREGS, AT(sregs.field.selector), #NAME},                        \
	PART(NAME, field, base, BASE, 8, 0)                                                                            \
	PART(NAME, field, limit, LIMIT, 4, 0)                                                                          \
	PART(NAME, field, attr, ATTR, 4, 0)
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...)                                                                                        \
	PART(NAME, field, base, BASE, 8, TABLE_BIT)                                                                    \
	PART(NAME, field, limit, LIMIT, 4, TABLE_BIT)
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...)                                                                                        \
	{VMA_X86_##NAME, 8, CONTROL_BIT + LOW(VMA_X86_##NAME), VMA_C_SREGS, AT(sregs.field), #NAME},
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...) {VMA_X86_##NAME, 8, LOW(VMA_X86_##NAME), VMA_C_DREGS, AT(dregs.field), #NAME},
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	{VMA_X86_XCR0, 8, 0, VMA_C_XCR0, AT(xcr0), "XCR0"},
#define VMA_X(NAME, index, ...) {VMA_X86_MSR_##NAME, 8, 0, 0, index, #NAME},
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
};
/* clang-format on */
const size_t vma_reg_count = VMA_COUNT(vma_regs);

/* Lower-case names, made once. */
static char lower[VMA_COUNT(vma_regs)][20];
static atomic_bool lowered;

static void lower_names(void)
{
	if (atomic_load_explicit(&lowered, memory_order_acquire))
		return;
	os_process_lock();
	for (size_t i = 0; i < vma_reg_count; i++)
		for (size_t k = 0; vma_regs[i].name[k]; k++)
			lower[i][k] = (char)tolower((unsigned char)vma_regs[i].name[k]);
	atomic_store_explicit(&lowered, true, memory_order_release);
	os_process_unlock();
}

const struct vma_reg *vma_reg_find(uint32_t id)
{
	for (size_t i = 0; i < vma_reg_count; i++)
		if (vma_regs[i].id == id)
			return vma_regs + i;
	return NULL;
}

const char *vma_reg_name_x86(uint32_t id)
{
	const struct vma_reg *r = vma_reg_find(id);

	if (!r)
		return NULL;
	lower_names();
	return lower[r - vma_regs];
}

int vma_reg_parse_x86(const char *name, uint32_t *id)
{
	lower_names();
	for (size_t i = 0; i < vma_reg_count; i++)
		if (!strcmp(lower[i], name)) {
			*id = vma_regs[i].id;
			return 0;
		}
	return VMA_E_NOENT;
}

void vma_reg_list_x86(uint32_t *ids, size_t *count)
{
	for (size_t i = 0; ids && i < vma_reg_count; i++)
		ids[i] = vma_regs[i].id;
	*count = vma_reg_count;
}

/* ------ one value ------ */

uint64_t vma_reg_load(const struct vma_reg *r, const struct vma_x86_state *s)
{
	const uint8_t *p = (const uint8_t *)s + r->offset;
	uint64_t value = 0;

	memcpy(&value, p, r->size); /* little-endian, as every x86 host; vma_reg_store alike */
	return value;
}

void vma_reg_store(const struct vma_reg *r, struct vma_x86_state *s, uint64_t value)
{
	memcpy((uint8_t *)s + r->offset, &value, r->size);
}

/* ------ batches ------ */

static int unknown_id(size_t i, uint32_t id)
{
	return vma_fail(VMA_E_INVALID, "entry %zu: there is no register %#x", i, id);
}

static int check_batch(const uint32_t *ids, size_t count, uint32_t *classes)
{
	*classes = 0;
	for (size_t i = 0; i < count; i++) {
		const struct vma_reg *r = vma_reg_find(ids[i]);
		if (!r)
			return unknown_id(i, ids[i]);
		*classes |= r->class;
	}
	return 0;
}

static int get_msr(vma_vcpu *v, const struct vma_reg *r, uint64_t *value)
{
	int rc = vma_x86_get_msrs(v, &r->offset, value, 1);

	return rc < 0 ? rc : 0;
}

int vma_get_x86(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	uint32_t classes;
	int rc = check_batch(ids, count, &classes);

	if (!rc)
		rc = vma_state_need(v, classes);
	/* MSRs first: only they can fail, and then no value has been stored for the caller to trust. */
	for (int msrs = 1; msrs >= 0; msrs--)
		for (size_t i = 0; !rc && i < count; i++) {
			const struct vma_reg *r = vma_reg_find(ids[i]);
			if (msrs && !r->class)
				rc = get_msr(v, r, values + i);
			else if (!msrs && r->class)
				values[i] = vma_reg_load(r, &v->x86);
		}
	return rc;
}

/* What a batch will write, gathered before anything is. */
struct batch {
	struct vma_x86_state s; /* only the plain members are used */
	uint32_t gpr, dregs;
	uint64_t sregs;
	bool xcr0;
};

static int gather(const uint32_t *ids, const uint64_t *values, size_t count, struct batch *b)
{
	for (size_t i = 0; i < count; i++) {
		const struct vma_reg *r = vma_reg_find(ids[i]);
		if (r->size < 8 && values[i] >> (r->size * 8))
			return vma_fail(VMA_E_INVALID, "entry %zu: %#llx does not fit %s's %u bytes", i,
					(unsigned long long)values[i], vma_reg_name_x86(ids[i]), r->size);
		if (!r->class)
			continue;
		vma_reg_store(r, &b->s, values[i]);
		if (r->class == VMA_C_GPR)
			b->gpr |= 1u << r->bit;
		else if (r->class == VMA_C_SREGS)
			b->sregs |= 1ull << r->bit;
		else if (r->class == VMA_C_DREGS)
			b->dregs |= 1u << r->bit;
		else
			b->xcr0 = true;
	}
	return 0;
}

static int batch_base(vma_vcpu *v, uint32_t classes, struct batch *b)
{
	struct vma_x86_state *from;
	int rc = 0;

	if (classes & VMA_C_SREGS) {
		rc = vma_state_base(v, VMA_C_SREGS, &from);
		if (!rc)
			b->s.sregs = from->sregs;
	}
	if (!rc && classes & VMA_C_DREGS) {
		rc = vma_state_base(v, VMA_C_DREGS, &from);
		if (!rc)
			b->s.dregs = from->dregs;
	}
	return rc;
}

static int check_gathered(const vma_vm *vm, const struct batch *b)
{
	int rc = b->sregs ? vma_check_sregs(vm, &b->s.sregs) : 0;

	if (!rc && b->dregs)
		rc = vma_check_dregs(&b->s.dregs);
	if (!rc && b->xcr0)
		rc = vma_check_xcr0(vm, b->s.xcr0);
	return rc;
}

/* MSRs can be refused by the platform only when they are written: put back those that were. */
static int set_batch_msrs(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	uint64_t old[VMA_X86_MSR_END & 0xff];
	const struct vma_reg *done[VMA_X86_MSR_END & 0xff];
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		const struct vma_reg *r = vma_reg_find(ids[i]);
		if (r->class)
			continue;
		/* An id may come twice; what was there first is what counts. */
		if (n < VMA_COUNT(old)) {
			rc = get_msr(v, r, old + n);
			done[n] = r;
		}
		if (!rc)
			rc = vma_x86_set_msrs(v, &r->offset, values + i, 1) < 0 ? VMA_E_NO_ACCEL : 0;
		if (!rc && n < VMA_COUNT(old))
			n++;
	}
	if (rc) {
		char why[256];
		strncpy(why, vma_why(), sizeof(why) - 1);
		why[sizeof(why) - 1] = 0;
		while (n--)
			vma_x86_set_msrs(v, &done[n]->offset, old + n, 1);
		vma_fail(rc, "%s", why);
	}
	return rc;
}

int vma_set_x86(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	struct batch b = {.gpr = 0};
	uint32_t classes;
	int rc = check_batch(ids, count, &classes);

	if (!rc)
		rc = batch_base(v, classes, &b);
	if (!rc)
		rc = gather(ids, values, count, &b);
	if (!rc)
		rc = check_gathered(v->vm, &b);
	if (!rc && b.gpr && b.gpr != VMA_X86_ALL_REGS && !v->exit.pending)
		rc = vma_state_need(v, VMA_C_GPR);
	if (!rc)
		rc = set_batch_msrs(v, ids, values, count);
	if (!rc && b.gpr)
		rc = vma_state_put_gpr(v, &b.s.gpr, b.gpr);
	if (!rc && b.sregs)
		rc = vma_state_put_sregs(v, &b.s.sregs, b.sregs);
	if (!rc && b.dregs)
		rc = vma_state_put_dregs(v, &b.s.dregs, b.dregs);
	if (!rc && b.xcr0)
		rc = vma_state_put(v, VMA_C_XCR0, &b.s.xcr0);
	return rc;
}
