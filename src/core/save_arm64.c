/* save_arm64.c - an arm64 vCPU's state as elements, and from elements. All is read and judged before anything is written;
 * system registers that this vCPU does not have or keep are told one by one. */
#include <stdio.h>
#include <string.h>
#include "core/arch_arm64.h"
#include "core/format.h"

typedef unsigned long long ull;

enum { FP_BYTES = 32 * 16 + 8, EVENTS_BYTES = 16 };

static const struct {
	uint32_t element;
	enum vma_sysreg_kind kind;
} groups[] = {
	{VMA_EL_ID_SYSREGS, VMA_SYSREG_ID},
	{VMA_EL_SYSREGS, VMA_SYSREG_STATE},
	{VMA_EL_SYSREGS_TIME, VMA_SYSREG_TIME},
};
enum { GROUPS = VMA_COUNT(groups), TIME_GROUP = 2 };

/* ------ saving ------ */

static void save_plain(struct vma_writer *w, const struct vma_arm64_state *s)
{
	vma_w_open(w, VMA_EL_GPRS, VMA_ELEMENT_REQUIRED);
	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		vma_w_u64(w, ((const uint64_t *)&s->gpr)[i]);
	vma_w_close(w);
	vma_w_open(w, VMA_EL_FP, VMA_ELEMENT_REQUIRED);
	vma_w_bytes(w, s->fp.v, sizeof(s->fp.v));
	vma_w_u32(w, s->fp.fpcr);
	vma_w_u32(w, s->fp.fpsr);
	vma_w_close(w);
	vma_w_open(w, VMA_EL_EVENTS, 0);
	vma_w_u32(w, s->events.irq_line | s->events.fiq_line << 8 | s->events.serror_pending << 16 |
			     (uint32_t)s->events.serror_has_esr << 24);
	vma_w_u32(w, 0);
	vma_w_u64(w, s->events.serror_esr);
	vma_w_close(w);
	vma_w_open(w, VMA_EL_MP, 0);
	vma_w_u32(w, s->mp);
	vma_w_close(w);
}

static int save_sve(struct vma_writer *w, vma_vcpu *v)
{
	vma_arm64_sve s = {.ffr = {0}};
	int rc = v->sve ? v->vm->be->sve(v, &s, false) : 0;

	if (rc || !v->sve)
		return rc;
	vma_w_open(w, VMA_EL_SVE, 0);
	vma_w_u32(w, v->sve);
	vma_w_u32(w, 0);
	for (unsigned n = 0; n < 32; n++)
		vma_w_bytes(w, s.z[n], v->sve);
	for (unsigned n = 0; n < 16; n++)
		vma_w_bytes(w, s.p[n], v->sve / 8);
	vma_w_bytes(w, s.ffr, v->sve / 8);
	vma_w_close(w);
	return 0;
}

static int save_group(struct vma_writer *w, vma_vcpu *v, size_t group, const uint32_t *ids, size_t count)
{
	uint64_t value;

	vma_w_open(w, groups[group].element, 0);
	for (size_t i = 0; i < count; i++) {
		if (vma_sysreg_kind(ids[i]) != groups[group].kind)
			continue;
		int rc = v->vm->be->get_sysregs(v, ids + i, &value, 1);
		if (rc < 0)
			return rc;
		if (!rc)
			continue; /* named by the platform's list, but not readable: no state */
		vma_w_u32(w, ids[i]);
		vma_w_u32(w, 0);
		vma_w_u64(w, value);
	}
	vma_w_close(w);
	return 0;
}

int vma_save_arm64(vma_vcpu *v, void *buf, size_t *size, uint32_t flags)
{
	uint32_t ids[VMA_SYSREGS_MAX];
	size_t count = VMA_SYSREGS_MAX;
	struct vma_writer w;
	int rc = vma_state_need(v, VMA_C_ARM64_ALL);

	if (!rc)
		rc = vma_state_flush(v);
	if (!rc)
		rc = v->vm->be->sysreg_list(v, ids, &count);
	if (rc)
		return rc;
	vma_w_begin(&w, buf, *size);
	save_plain(&w, &v->arm64);
	rc = save_sve(&w, v);
	for (size_t g = 0; !rc && g < GROUPS; g++)
		if (g != TIME_GROUP || flags & VMA_STATE_TIME)
			rc = save_group(&w, v, g, ids, count);
	return rc ? rc : vma_w_end(&w, VMA_ARCH_ARM64, VMA_FORMAT_VCPU, buf, size);
}

/* ------ reading ------ */

struct sysreg_list {
	uint32_t id[VMA_SYSREGS_MAX];
	uint64_t value[VMA_SYSREGS_MAX];
	size_t count;
};
struct plan {
	vma_vcpu *v;
	const vma_report *report;
	uint32_t flags;
	uint64_t seen; /* elements, by bit */
	struct vma_arm64_state s;
	vma_arm64_sve sve;
	struct sysreg_list sysregs[GROUPS];
};

static int read_gprs(struct plan *p, const struct vma_reader *r)
{
	if (r->length != VMA_ARM64_GPR_END * 8)
		return vma_r_bad(r, "not 8 bytes a register");
	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		((uint64_t *)&p->s.gpr)[i] = vma_r_u64(r, i * 8);
	return vma_check_pstate(p->s.gpr.pstate) ? vma_fail(VMA_E_FORMAT, "saved state: %s", vma_why()) : 0;
}

static int read_fp(struct plan *p, const struct vma_reader *r)
{
	if (r->length != FP_BYTES)
		return vma_r_bad(r, "not 520 bytes");
	memcpy(p->s.fp.v, r->payload, sizeof(p->s.fp.v));
	p->s.fp.fpcr = vma_r_u32(r, sizeof(p->s.fp.v));
	p->s.fp.fpsr = vma_r_u32(r, sizeof(p->s.fp.v) + 4);
	return 0;
}

/* Vectors of another length are not this state: what the guest keeps in them, and computes from RDVL, depends on it. */
static int read_sve(struct plan *p, const struct vma_reader *r)
{
	const uint32_t n = r->length >= 8 ? vma_r_u32(r, 0) : 0;
	const uint8_t *from = r->payload + 8;

	if (!n || n % 16 || n > VMA_SVE_MAX || r->length != 8 + 32 * n + 17 * n / 8)
		return vma_r_bad(r, "not a length of vectors, and registers of it");
	if (n != p->v->sve)
		return vma_fail(VMA_E_FEATURE,
				"the saved state has SVE vectors of %u bytes, this %s vCPU's are of %u%s",
				n, p->v->vm->info.name, p->v->sve, p->v->sve ? "" : ": it has no SVE");
	for (unsigned i = 0; i < 32; i++)
		memcpy(p->sve.z[i], from + i * n, n);
	from += 32 * n;
	for (unsigned i = 0; i < 16; i++)
		memcpy(p->sve.p[i], from + i * n / 8, n / 8);
	memcpy(p->sve.ffr, from + 2 * n, n / 8);
	return 0;
}

static int read_events(struct plan *p, const struct vma_reader *r)
{
	const uint32_t flags = r->length == EVENTS_BYTES ? vma_r_u32(r, 0) : 0;

	if (r->length != EVENTS_BYTES)
		return vma_r_bad(r, "not 16 bytes");
	p->s.events = (vma_arm64_events){
		.irq_line = flags & 0xff,
		.fiq_line = flags >> 8 & 0xff,
		.serror_pending = flags >> 16 & 0xff,
		.serror_has_esr = (uint8_t)(flags >> 24),
		.serror_esr = vma_r_u64(r, 8),
	};
	return vma_check_events_arm64(&p->s.events) ? vma_fail(VMA_E_FORMAT, "saved state: %s", vma_why()) : 0;
}

static int read_mp(struct plan *p, const struct vma_reader *r)
{
	const uint32_t mp = r->length == 4 ? vma_r_u32(r, 0) : UINT32_MAX;

	if (mp != VMA_MP_RUNNABLE && mp != VMA_MP_OFF)
		return vma_r_bad(r, "not 4 bytes, or no MP state of arm64");
	p->s.mp = (vma_mp)mp;
	return 0;
}

static int read_sysregs(const struct vma_reader *r, struct sysreg_list *list)
{
	const uint32_t n = r->length / 16;

	if (r->length % 16 || n > VMA_SYSREGS_MAX)
		return vma_r_bad(r, "not 16 bytes a register, or too many");
	for (uint32_t i = 0; i < n; i++) {
		list->id[i] = vma_r_u32(r, i * 16);
		list->value[i] = vma_r_u64(r, i * 16 + 8);
		if (list->id[i] < VMA_ARM64_SYSREG_BASE || list->id[i] >= VMA_ARM64_SYSREG_LIMIT)
			return vma_r_bad(r, "an id that is no system register");
	}
	list->count = n;
	return 0;
}

static int read_element(struct plan *p, const struct vma_reader *r)
{
	if (r->version != 1)
		return vma_r_unknown(r, p->report);
	if (r->id < 64 && p->seen >> r->id & 1)
		return vma_r_bad(r, "it comes twice");
	if (r->id < 64)
		p->seen |= 1ull << r->id;
	for (size_t g = 0; g < GROUPS; g++)
		if (groups[g].element == r->id)
			return g == TIME_GROUP && !(p->flags & VMA_STATE_TIME) ? 0 : read_sysregs(r, p->sysregs + g);
	switch (r->id) {
	case VMA_EL_GPRS:
		return read_gprs(p, r);
	case VMA_EL_FP:
		return read_fp(p, r);
	case VMA_EL_SVE:
		return read_sve(p, r);
	case VMA_EL_EVENTS:
		return read_events(p, r);
	case VMA_EL_MP:
		return read_mp(p, r);
	default:
		return vma_r_unknown(r, p->report);
	}
}

static int read_all(struct plan *p, const void *buf, size_t size)
{
	static const uint64_t needed = 1ull << VMA_EL_GPRS | 1ull << VMA_EL_FP | 1ull << VMA_EL_SYSREGS;
	struct vma_reader r;
	int rc = vma_r_begin(&r, VMA_ARCH_ARM64, VMA_FORMAT_VCPU, buf, size);

	while (!rc) {
		rc = vma_r_next(&r);
		if (rc <= 0)
			break;
		rc = read_element(p, &r);
	}
	if (!rc && (p->seen & needed) != needed)
		rc = vma_fail(VMA_E_FORMAT, "the saved state lacks an element that every vCPU has (mask %#llx)",
			      (ull)(needed & ~p->seen));
	return rc;
}

/* ------ judging the CPU that the state was made on ------ */

/* ID registers whose 4-bit fields grow with what software may use (Arm ARM D19.1.3); `fields` are those that name
 * instructions or state; PFR0.GIC is the machine's. Fields of 0xf mean "not there" where `is_signed`. */
static const struct {
	uint32_t id;
	uint64_t fields, is_signed;
} growing[] = {
	{VMA_ARM64_ID_AA64ISAR0_EL1, UINT64_C(0xfffffffffffffff0), 0},
	{VMA_ARM64_ID_AA64ISAR1_EL1, UINT64_C(0xffffffffffffffff), 0},
	{VMA_ARM64_ID_AA64PFR0_EL1, UINT64_C(0x000f000ff0ff0000), 0xff0000},
	{VMA_ARM64_ID_AA64MMFR1_EL1, UINT64_C(0x0000000000f00000), 0},
};

static int lacks(const struct plan *p, size_t which, uint64_t saved, uint64_t have)
{
	for (unsigned shift = 0; shift < 64; shift += 4) {
		unsigned a = saved >> shift & 15, b = have >> shift & 15;
		if (!(growing[which].fields >> shift & 15))
			continue;
		if (growing[which].is_signed >> shift & 15) {
			a = (a + 1) & 15;
			b = (b + 1) & 15;
		}
		if (a > b)
			return vma_fail(VMA_E_FEATURE,
					"the saved state was made on a CPU whose %s has %u in bits %u:%u, which this %s vCPU lacks",
					vma_reg_name_arm64(growing[which].id), (unsigned)(saved >> shift & 15), shift + 3, shift,
					p->v->vm->info.name);
	}
	return 0;
}

/* Write an ID register if it differs, and see what became of it. */
static int adopt(const struct plan *p, uint32_t id, uint64_t saved)
{
	const struct vma_backend *be = p->v->vm->be;
	const char *name = vma_reg_name_arm64(id);
	uint64_t have = 0;
	int rc = be->get_sysregs(p->v, &id, &have, 1);

	if (rc == 1 && have != saved) {
		be->set_sysregs(p->v, &id, &saved, 1);
		rc = be->get_sysregs(p->v, &id, &have, 1);
	}
	if (rc < 0)
		return rc;
	if (rc == 1 && have == saved)
		return 0;
	for (size_t i = 0; i < VMA_COUNT(growing); i++)
		if (growing[i].id == id && lacks(p, i, saved, have))
			return VMA_E_FEATURE;
	if (saved || have)
		vma_report_line(p->report, VMA_EL_ID_SYSREGS, "%s stays %#llx, saved was %#llx", name ? name : "an unnamed register",
				(ull)have, (ull)saved);
	return 0;
}

static int adopt_ids(struct plan *p)
{
	const struct sysreg_list *l = p->sysregs;
	int rc = 0;

	for (size_t i = 0; !rc && i < l->count; i++)
		if (l->id[i] != VMA_ARM64_MPIDR_EL1)
			rc = adopt(p, l->id[i], l->value[i]);
	return rc;
}

/* ------ writing ------ */

static void name_of(uint32_t id, char out[32])
{
	const char *name = vma_reg_name_arm64(id);

	if (name)
		snprintf(out, 32, "%s", name);
	else
		snprintf(out, 32, "s%u_%u_c%u_c%u_%u", id >> 14 & 3, id >> 11 & 7, id >> 7 & 15, id >> 3 & 15, id & 7);
}

static int put_sysregs(const struct plan *p, size_t group)
{
	const struct sysreg_list *l = p->sysregs + group;
	const struct vma_backend *be = p->v->vm->be;
	char name[32];

	for (size_t i = 0; i < l->count; i++) {
		uint64_t have;
		int rc = be->set_sysregs(p->v, l->id + i, l->value + i, 1);
		if (rc < 0 && rc != VMA_E_NO_ACCEL && rc != VMA_E_INVALID)
			return rc;
		if (rc == 1)
			continue;
		name_of(l->id[i], name);
		rc = be->get_sysregs(p->v, l->id + i, &have, 1);
		if (rc < 1 && l->value[i])
			vma_report_line(p->report, groups[group].element, "%s is not there, saved was %#llx", name,
					(ull)l->value[i]);
		else if (rc == 1 && have != l->value[i])
			vma_report_line(p->report, groups[group].element, "%s is %#llx, saved was %#llx", name, (ull)have,
					(ull)l->value[i]);
	}
	return 0;
}

/* State without the element is that of a CPU without SVE: what lies above V, and P and FFR, become 0. */
static int put_sve(struct plan *p)
{
	for (unsigned n = 0; n < 32; n++)
		memcpy(p->sve.z[n], p->s.fp.v[n], sizeof(p->s.fp.v[n]));
	return p->v->sve ? vma_arm64_put_sve(p->v, &p->sve) : 0;
}

static int put_state(struct plan *p)
{
	vma_vcpu *v = p->v;
	int rc = vma_arm64_put_gpr(v, &p->s.gpr, VMA_ARM64_ALL_REGS);

	if (!rc)
		rc = vma_arm64_put(v, VMA_C_FP, &p->s.fp);
	if (!rc && p->seen >> VMA_EL_EVENTS & 1)
		rc = vma_arm64_put(v, VMA_C_EVENTS, &p->s.events);
	if (!rc && p->seen >> VMA_EL_MP & 1)
		rc = vma_arm64_put(v, VMA_C_MP, &p->s.mp);
	if (!rc)
		rc = vma_state_flush(v);
	if (!rc)
		rc = put_sve(p);
	for (size_t g = 1; !rc && g < GROUPS; g++)
		rc = put_sysregs(p, g);
	return rc;
}

/* What is there now, for the way back. */
static int keep(struct plan *old, const struct plan *p)
{
	struct sysreg_list *l = old->sysregs + 1;
	int rc = vma_state_need(p->v, VMA_C_ARM64_ALL);

	old->v = p->v;
	old->s = p->v->arm64;
	old->seen = ~UINT64_C(0);
	if (rc >= 0 && p->v->sve)
		rc = vma_arm64_get_sve(p->v, &old->sve);
	for (size_t i = 0; rc >= 0 && i < p->sysregs[1].count; i++) {
		l->id[l->count] = p->sysregs[1].id[i];
		rc = p->v->vm->be->get_sysregs(p->v, l->id + l->count, l->value + l->count, 1);
		l->count += rc == 1;
	}
	return rc < 0 ? rc : 0;
}

static int apply(struct plan *p, struct plan *old)
{
	char why[256];
	int rc = keep(old, p);

	if (!rc)
		rc = adopt_ids(p);
	if (rc)
		return rc;
	rc = put_state(p);
	if (!rc)
		return 0;
	snprintf(why, sizeof(why), "%s", vma_why());
	if (put_state(old))
		return vma_fail(rc, "%s; and the state before could not be put back: the vCPU is to be reset or destroyed", why);
	return vma_fail(rc, "%s", why);
}

int vma_restore_arm64(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report)
{
	struct plan *plans = os_calloc(2, sizeof(*plans));
	int rc;

	if (!plans)
		return vma_fail(VMA_E_NOMEM, "no memory to restore a vCPU");
	plans[0].v = v;
	plans[0].report = report;
	plans[0].flags = flags;
	rc = read_all(plans, buf, size);
	if (!rc)
		rc = apply(plans, plans + 1);
	os_free(plans);
	return rc;
}
