/* restore_x86.c - a vCPU's state from elements. All is read and judged before anything is written; what fails then is
 * put back. */
#include <string.h>
#include "core/arch_x86.h"
#include "core/format.h"
#include "core/vcpu_state.h"

typedef unsigned long long ull;

enum { MAX_MSRS = 256, XSAVE_ROOM = 4096 };
#define INSNS_MAX (UINT64_C(1) << 62) /* counts and ns, so that sums of two do not wrap */

struct msr_list {
	uint32_t index[MAX_MSRS];
	uint64_t value[MAX_MSRS];
	size_t count;
};

struct plan {
	vma_vcpu *v;
	const vma_report *report;
	uint32_t flags;
	struct vma_x86_state s;
	uint32_t classes; /* in s */
	uint64_t seen;    /* elements, by bit */
	struct msr_list msrs, time;
	bool has_insns;
	struct vma_insn_state insns;
};

/* ------ elements ------ */

static int missing_feature(const struct plan *p, uint32_t leaf, uint32_t subleaf, uint32_t reg, uint32_t missing)
{
	char name[24] = "not in the list";
	unsigned bit = 0;

	while (!(missing >> bit & 1))
		bit++;
	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		if (f->leaf == leaf && f->subleaf == subleaf && f->reg == reg && f->bit == bit)
			vma_feature_name(f, name);
	}
	return vma_fail(VMA_E_FEATURE,
			"the saved state was made with CPU feature %s (CPUID leaf %#x subleaf %u register %u bit %u), "
			"which this %s "
			"VM's model lacks",
			name, leaf, subleaf, reg, bit, p->v->vm->info.name);
}

static int read_model(struct plan *p, const struct vma_reader *r)
{
	const vma_vm *vm = p->v->vm;
	uint32_t n;

	if (r->length < 8)
		return vma_r_bad(r, "too short");
	n = vma_r_u32(r, 4);
	if (n > 1024 || r->length != 8 + n * 16)
		return vma_r_bad(r, "its length does not fit its count");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t leaf = vma_r_u32(r, 8 + i * 16), subleaf = vma_r_u32(r, 12 + i * 16),
			 reg = vma_r_u32(r, 16 + i * 16), have;
		if (reg > 3)
			return vma_r_bad(r, "a register number above 3");
		have = vma_cpuid_reg(vma_cpuid_find(vm->cpuid, vm->cpuid_count, leaf, subleaf), reg);
		if (vma_r_u32(r, 20 + i * 16) & ~have)
			return missing_feature(p, leaf, subleaf, reg, vma_r_u32(r, 20 + i * 16) & ~have);
	}
	if (vma_r_u32(r, 0) > vma_phys_bits(vm))
		vma_report_line(p->report, r->id, "the saved CPU had %u physical address bits, this one has %u",
				vma_r_u32(r, 0), vma_phys_bits(vm));
	return 0;
}

static int read_regs(struct plan *p, const struct vma_reader *r, const struct vma_reg_group *g)
{
	uint32_t n = r->length / 8;

	if (r->length % 8 || n > g->end - g->first)
		return vma_r_bad(r, "not 8 bytes for each register of the list");
	for (uint32_t i = 0; i < n; i++) {
		const struct vma_reg *reg = vma_reg_find(g->first + i);
		uint64_t value = vma_r_u64(r, i * 8);
		if (reg->size < 8 && value >> (reg->size * 8))
			return vma_r_bad(r, "a value too large for its register");
		vma_reg_store(reg, &p->s, value);
	}
	return 0;
}

static int read_xsave(struct plan *p, const struct vma_reader *r)
{
	int rc;

	if (r->length < 576 || r->length > XSAVE_ROOM)
		return vma_r_bad(r, "no size of an XSAVE image");
	rc = vma_check_xsave(p->v->vm, r->payload, r->length);
	if (rc)
		return rc == VMA_E_INVALID ? vma_r_bad(r, "not a valid XSAVE image") : rc;
	memset(p->s.xsave, 0, p->v->vm->xsave_size);
	memcpy(p->s.xsave, r->payload, r->length < p->v->vm->xsave_size ? r->length : p->v->vm->xsave_size);
	vma_normal_xsave(p->s.xsave, p->v->vm->xsave_size);
	p->classes |= VMA_C_XSAVE;
	return 0;
}

static int read_events(struct plan *p, const struct vma_reader *r)
{
	vma_x86_events *e = &p->s.events;
	uint8_t *const bytes[16] = {
		&e->exception_injected,   &e->exception_pending,     &e->exception_vector,
		&e->exception_has_error,  &e->exception_has_payload, &e->interrupt_injected,
		&e->interrupt_vector,     &e->interrupt_soft,        &e->shadow,
		&e->nmi_injected,         &e->nmi_pending,           &e->nmi_masked,
		&e->init_pending,         &e->sipi_pending,          &e->smm,
		&e->triple_fault_pending,
	};

	if (r->length != 32)
		return vma_r_bad(r, "not 32 bytes");
	for (size_t i = 0; i < VMA_COUNT(bytes); i++)
		*bytes[i] = r->payload[i];
	e->exception_error = vma_r_u32(r, 16);
	e->sipi_vector = vma_r_u32(r, 20);
	e->exception_payload = vma_r_u64(r, 24);
	p->classes |= VMA_C_EVENTS;
	return vma_check_events(e) ? vma_r_bad(r, vma_why()) : 0;
}

static int read_mp(struct plan *p, const struct vma_reader *r)
{
	if (r->length != 4 || vma_r_u32(r, 0) > VMA_MP_WAIT_SIPI)
		return vma_r_bad(r, "no MP state of an x86 vCPU");
	p->s.mp = (vma_mp)vma_r_u32(r, 0);
	p->classes |= VMA_C_MP;
	return 0;
}

static int read_lapic(struct plan *p, const struct vma_reader *r)
{
	if (r->length != sizeof(p->s.lapic))
		return vma_r_bad(r, "not 0x400 bytes");
	if (p->v->vm->config.irqchip == VMA_IRQCHIP_NONE) {
		vma_report_line(p->report, r->id, "this VM has no interrupt controllers");
		return 0;
	}
	memcpy(p->s.lapic, r->payload, sizeof(p->s.lapic));
	p->classes |= VMA_C_LAPIC;
	return 0;
}

static int read_msrs(const struct vma_reader *r, struct msr_list *list)
{
	size_t n = r->length / 16;

	if (r->length % 16 || n > MAX_MSRS)
		return vma_r_bad(r, "not 16 bytes for each of 256 MSRs at most");
	for (size_t i = 0; i < n; i++) {
		list->index[i] = vma_r_u32(r, i * 16);
		list->value[i] = vma_r_u64(r, i * 16 + 8);
	}
	list->count = n;
	return 0;
}

/* The frequency is the VM's from its making on; the value goes on from what it is. */
static int read_tsc(struct plan *p, const struct vma_reader *r)
{
	uint64_t was, is = vma_tsc_hz(p->v->vm);

	if (!(p->flags & VMA_STATE_TIME))
		return 0;
	if (r->length != 8)
		return vma_r_bad(r, "not 8 bytes");
	was = vma_r_u64(r, 0);
	if (was && is && !vma_same_hz(was, is))
		vma_report_line(p->report, r->id, "the TSC ran at %llu Hz, and does at %llu here (vma_vm_config.tsc_hz)",
				(ull)was, (ull)is);
	return 0;
}

/* Where nothing counts, or time is the host's, that much is lost and told. */
static int read_insns(struct plan *p, const struct vma_reader *r)
{
	const vma_vm *vm = p->v->vm;
	struct vma_insn_state *s = &p->insns;

	if (!(p->flags & VMA_STATE_TIME))
		return 0;
	if (r->length != 32)
		return vma_r_bad(r, "not 32 bytes");
	*s = (struct vma_insn_state){vma_r_u64(r, 0), vma_r_u64(r, 8), vma_r_u64(r, 16), vma_r_u64(r, 24)};
	if (s->insns > INSNS_MAX || s->ns > INSNS_MAX || s->hz < VMA_INSN_HZ_MIN || s->hz > VMA_INSN_HZ_MAX)
		return vma_r_bad(r, "an impossible count, time or rate");
	if (vm->config.insn_hz && s->insns / vm->config.insn_hz >= INSNS_MAX / 1000000000)
		return vma_r_bad(r, "the count is more time than a clock holds");
	p->has_insns = vm->info.caps & VMA_CAP_INSN_COUNT && vm->be->insn_clock;
	if (!p->has_insns)
		vma_report_line(p->report, r->id, "%s does not count instructions", vm->info.name);
	else if (!vm->config.insn_hz)
		vma_report_line(p->report, r->id, "time is the host's here: the count goes on, its clock does not");
	else if (vm->config.insn_hz != s->hz)
		vma_report_line(p->report, r->id, "the clock goes on at %llu instructions a second instead of %llu",
				(ull)vm->config.insn_hz, (ull)s->hz);
	return 0;
}

static int read_element(struct plan *p, const struct vma_reader *r)
{
	if (r->version != 1)
		return vma_r_unknown(r, p->report);
	if (r->id < 64) {
		if (p->seen >> r->id & 1)
			return vma_r_bad(r, "it comes twice");
		p->seen |= 1ull << r->id;
	}
	for (size_t i = 0; i < vma_reg_group_count; i++)
		if (vma_reg_groups[i].element == r->id) {
			p->classes |= vma_reg_groups[i].class;
			return read_regs(p, r, vma_reg_groups + i);
		}
	switch (r->id) {
	case VMA_EL_MODEL:
		return read_model(p, r);
	case VMA_EL_XCR0:
		p->classes |= VMA_C_XCR0;
		p->s.xcr0 = r->length == 8 ? vma_r_u64(r, 0) : 0;
		return r->length == 8 ? 0 : vma_r_bad(r, "not 8 bytes");
	case VMA_EL_XSAVE:
		return read_xsave(p, r);
	case VMA_EL_EVENTS:
		return read_events(p, r);
	case VMA_EL_MP:
		return read_mp(p, r);
	case VMA_EL_LAPIC:
		return read_lapic(p, r);
	case VMA_EL_MSRS:
		return read_msrs(r, &p->msrs);
	case VMA_EL_MSRS_TIME:
		return p->flags & VMA_STATE_TIME ? read_msrs(r, &p->time) : 0;
	case VMA_EL_TSC:
		return read_tsc(p, r);
	case VMA_EL_INSNS:
		return read_insns(p, r);
	default:
		return vma_r_unknown(r, p->report);
	}
}

static int judge(struct plan *p)
{
	int rc = vma_check_sregs(p->v->vm, &p->s.sregs);

	if (!rc)
		rc = vma_check_dregs(&p->s.dregs);
	if (!rc)
		rc = vma_check_xcr0(p->v->vm, p->s.xcr0);
	/* The bytes are malformed, not the caller's arguments. */
	return rc == VMA_E_INVALID ? vma_fail(VMA_E_FORMAT, "saved state of no processor: %s", vma_why()) : rc;
}

static int read_all(struct plan *p, const void *buf, size_t size)
{
	static const uint64_t needed = 1ull << VMA_EL_MODEL | 1ull << VMA_EL_GPRS | 1ull << VMA_EL_SEGS |
				       1ull << VMA_EL_TABLES | 1ull << VMA_EL_CONTROLS | 1ull << VMA_EL_DEBUGS |
				       1ull << VMA_EL_XCR0 | 1ull << VMA_EL_XSAVE;
	struct vma_reader r;
	int rc = vma_r_begin(&r, VMA_ARCH_X86_64, VMA_FORMAT_VCPU, buf, size);

	while (!rc) {
		rc = vma_r_next(&r);
		if (rc <= 0)
			break;
		rc = read_element(p, &r);
	}
	if (!rc && (p->seen & needed) != needed)
		rc = vma_fail(VMA_E_FORMAT, "the saved state lacks an element that every vCPU has (mask %#llx)",
			      (ull)(needed & ~p->seen));
	return rc ? rc : judge(p);
}

/* ------ writing ------ */

static int put_state(struct plan *p)
{
	static const uint64_t all = VMA_SREGS_ALL;
	vma_vcpu *v = p->v;
	int rc = vma_state_put_gpr(v, &p->s.gpr, VMA_X86_ALL_REGS);

	if (!rc)
		rc = vma_state_put_sregs(v, &p->s.sregs, all);
	if (!rc)
		rc = vma_state_put_dregs(v, &p->s.dregs, VMA_DREGS_ALL);
	if (!rc)
		rc = vma_state_put(v, VMA_C_XCR0, &p->s.xcr0);
	if (!rc)
		rc = vma_state_put(v, VMA_C_XSAVE, p->s.xsave);
	if (!rc && p->classes & VMA_C_EVENTS)
		rc = vma_state_put(v, VMA_C_EVENTS, &p->s.events);
	if (!rc && p->classes & VMA_C_MP)
		rc = vma_state_put(v, VMA_C_MP, &p->s.mp);
	if (!rc && p->classes & VMA_C_LAPIC)
		rc = vma_state_put(v, VMA_C_LAPIC, p->s.lapic);
	/* Now, not at the next run: a refusal belongs to this call, and MSRs come after. */
	return rc ? rc : vma_state_flush(v);
}

static uint64_t reset_value(uint32_t index)
{
	for (size_t i = 0; i < vma_saved_msr_count; i++)
		if (vma_saved_msrs[i].index == index)
			return vma_saved_msrs[i].reset;
	return 0;
}

/* KVM takes some (DEBUGCTL without LBR virtualization) and forgets them. */
static int check_kept(const struct plan *p, uint32_t index, uint64_t value)
{
	vma_vcpu *v = p->v;
	uint64_t now;
	int rc = v->vm->be->get_msrs(v, &index, &now, 1);

	if (rc > 0 && now != value)
		vma_report_line(p->report, VMA_EL_MSRS, "MSR %#x = %#llx: %s keeps %#llx", index, (ull)value,
				v->vm->info.name, (ull)now);
	return rc < 0 ? rc : 0;
}

/* An MSR that this platform does not have is a loss only if it held something. */
static int put_msrs(struct plan *p, uint32_t element, const struct msr_list *list)
{
	vma_vcpu *v = p->v;

	for (size_t at = 0; at < list->count;) {
		int rc = v->vm->be->set_msrs(v, list->index + at, list->value + at, list->count - at);
		if (rc < 0)
			return rc;
		at += (size_t)rc;
		if (at < list->count && list->value[at] != reset_value(list->index[at]))
			vma_report_line(p->report, element, "MSR %#x = %#llx: %s does not take it", list->index[at],
					(ull)list->value[at], v->vm->info.name);
		at++;
	}
	for (size_t i = 0; i < list->count && element == VMA_EL_MSRS; i++) {
		int rc = list->value[i] == reset_value(list->index[i])
				 ? 0
				 : check_kept(p, list->index[i], list->value[i]);
		if (rc < 0)
			return rc;
	}
	v->valid &= ~(uint32_t)VMA_C_LAPIC;
	return 0;
}

static void put_clock(const struct plan *p)
{
	if (p->has_insns)
		p->v->vm->be->insn_clock(p->v, &p->insns);
}

static void put_timer(const struct plan *p)
{
	if (p->has_insns && p->v->vm->config.insn_hz)
		p->v->vm->be->insn_timer(p->v, &p->insns);
}

/* What is there now, for the way back. */
static int keep(struct plan *old, const struct plan *p)
{
	vma_vcpu *v = p->v;
	uint8_t *xsave = old->s.xsave;
	const struct msr_list *from = &p->msrs;
	int rc = vma_state_need(v, p->classes);

	if (rc)
		return rc;
	old->v = v;
	old->classes = p->classes;
	old->has_insns = p->has_insns;
	if (old->has_insns)
		v->vm->be->insn_state(v, &old->insns);
	old->s = v->x86;
	old->s.xsave = xsave;
	memcpy(xsave, v->x86.xsave, v->vm->xsave_size);
	for (size_t at = 0; at < from->count; at++) { /* stops at one that is not there */
		rc = v->vm->be->get_msrs(v, from->index + at, old->msrs.value + old->msrs.count, from->count - at);
		if (rc < 0)
			return rc;
		memcpy(old->msrs.index + old->msrs.count, from->index + at, (size_t)rc * sizeof(*from->index));
		old->msrs.count += (size_t)rc;
		at += (size_t)rc;
	}
	return 0;
}

static int apply(struct plan *p, struct plan *old)
{
	char why[256];
	int rc = keep(old, p);

	if (rc)
		return rc;
	if (p->time.count)
		vma_time_stop(p->v->vm);
	put_clock(p); /* first: the other time-like state is relative to it */
	rc = put_state(p);
	if (!rc)
		rc = put_msrs(p, VMA_EL_MSRS, &p->msrs);
	if (!rc)
		rc = put_msrs(p, VMA_EL_MSRS_TIME, &p->time);
	if (!rc) {
		put_timer(p);
		return 0;
	}
	strncpy(why, vma_why(), sizeof(why) - 1);
	why[sizeof(why) - 1] = 0;
	put_clock(old);
	if (put_state(old) || put_msrs(old, VMA_EL_MSRS, &old->msrs))
		return vma_fail(rc,
				"%s; and the state before could not be put back: the vCPU is to be reset or destroyed",
				why);
	put_timer(old);
	return vma_fail(rc, "%s", why);
}

int vma_restore_x86(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report)
{
	struct plan *plans;
	size_t room;
	int rc;

	room = (v->vm->xsave_size + 63u) & ~63u;
	plans = os_calloc(2, sizeof(*plans));
	uint8_t *images = os_aligned(64, 2 * room);
	if (!plans || !images) {
		rc = vma_fail(VMA_E_NOMEM, "no memory to restore a vCPU");
	} else {
		plans[0] = (struct plan){.v = v, .report = report, .flags = flags};
		plans[0].s.xsave = images;
		vma_reset_values(v, &plans[0].s);
		plans[1].s.xsave = images + room;
		rc = read_all(&plans[0], buf, size);
		if (!rc)
			rc = apply(&plans[0], &plans[1]);
	}
	os_free(images);
	os_free(plans);
	return rc;
}
