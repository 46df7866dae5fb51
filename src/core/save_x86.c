/* save_x86.c - a vCPU's state as elements. restore_x86.c reads them; the two go together. */
#include "core/arch_x86.h"
#include "core/format.h"
#include "core/vcpu_state.h"

const struct vma_saved_msr vma_saved_msrs[] = {
#define STATE false
#define TIME true
#define VMA_X(NAME, index, whpx, reset, kind) {index, kind, reset},
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
#undef STATE
#undef TIME
};
enum { MAX_SAVED_MSRS = VMA_COUNT(vma_saved_msrs) };
const size_t vma_saved_msr_count = MAX_SAVED_MSRS;

/* ------ model ------ */

static bool same_word(const struct vma_feature *a, const struct vma_feature *b)
{
	return a->leaf == b->leaf && a->subleaf == b->subleaf && a->reg == b->reg;
}

/* One entry for each CPUID word that the feature list names bits of. */
static void model_words(struct vma_writer *w, const vma_vm *vm, uint32_t *count)
{
	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		uint32_t bits = 0;
		bool first = true;
		for (size_t k = 0; k < i && first; k++)
			first = !same_word(f, vma_features + k);
		for (size_t k = i; k < vma_feature_count && first; k++)
			if (same_word(f, vma_features + k) &&
			    vma_vm_has(vm, f->leaf, f->subleaf, f->reg, vma_features[k].bit))
				bits |= 1u << vma_features[k].bit;
		if (!bits)
			continue;
		(*count)++;
		if (!w)
			continue;
		vma_w_u32(w, f->leaf);
		vma_w_u32(w, f->subleaf);
		vma_w_u32(w, f->reg);
		vma_w_u32(w, bits);
	}
}

static void save_model(struct vma_writer *w, const vma_vm *vm)
{
	uint32_t count = 0;

	model_words(NULL, vm, &count);
	vma_w_open(w, VMA_EL_MODEL, VMA_ELEMENT_REQUIRED);
	vma_w_u32(w, vma_phys_bits(vm));
	vma_w_u32(w, count);
	model_words(w, vm, &count);
	vma_w_close(w);
}

/* ------ registers ------ */

const struct vma_reg_group vma_reg_groups[] = {
	{VMA_EL_GPRS, VMA_X86_GPR_BASE, VMA_X86_GPR_END, VMA_C_GPR},
	{VMA_EL_SEGS, 0x300, VMA_X86_SEG_END, VMA_C_SREGS},
	{VMA_EL_TABLES, 0x400, VMA_X86_TABLE_END, VMA_C_SREGS},
	{VMA_EL_CONTROLS, 0x100, VMA_X86_CONTROL_END, VMA_C_SREGS},
	{VMA_EL_DEBUGS, 0x200, VMA_X86_DEBUG_END, VMA_C_DREGS},
};
const size_t vma_reg_group_count = VMA_COUNT(vma_reg_groups);

static void save_regs(struct vma_writer *w, const struct vma_x86_state *s)
{
	for (size_t i = 0; i < vma_reg_group_count; i++) {
		const struct vma_reg_group *g = vma_reg_groups + i;
		vma_w_open(w, g->element, VMA_ELEMENT_REQUIRED);
		for (uint32_t id = g->first; id < g->end; id++)
			vma_w_u64(w, vma_reg_load(vma_reg_find(id), s));
		vma_w_close(w);
	}
}

/* 32 bytes; the order is the format's. */
static void save_events(struct vma_writer *w, const vma_x86_events *e)
{
	const uint8_t bytes[16] = {
		e->exception_injected,   e->exception_pending,     e->exception_vector,
		e->exception_has_error,  e->exception_has_payload, e->interrupt_injected,
		e->interrupt_vector,     e->interrupt_soft,        e->shadow,
		e->nmi_injected,         e->nmi_pending,           e->nmi_masked,
		e->init_pending,         e->sipi_pending,          e->smm,
		e->triple_fault_pending,
	};

	vma_w_open(w, VMA_EL_EVENTS, VMA_ELEMENT_REQUIRED);
	vma_w_bytes(w, bytes, sizeof(bytes));
	vma_w_u32(w, e->exception_error);
	vma_w_u32(w, e->sipi_vector);
	vma_w_u64(w, e->exception_payload);
	vma_w_close(w);
}

static void save_rest(struct vma_writer *w, const vma_vcpu *v)
{
	const struct vma_x86_state *s = &v->x86;

	vma_w_open(w, VMA_EL_XCR0, VMA_ELEMENT_REQUIRED);
	vma_w_u64(w, s->xcr0);
	vma_w_close(w);
	vma_w_open(w, VMA_EL_XSAVE, VMA_ELEMENT_REQUIRED);
	vma_w_bytes(w, s->xsave, v->vm->xsave_size);
	vma_w_close(w);
	save_events(w, &s->events);
	vma_w_open(w, VMA_EL_MP, VMA_ELEMENT_REQUIRED);
	vma_w_u32(w, (uint32_t)s->mp);
	vma_w_close(w);
	if (v->vm->config.irqchip == VMA_IRQCHIP_NONE)
		return;
	vma_w_open(w, VMA_EL_LAPIC, 0);
	vma_w_bytes(w, s->lapic, sizeof(s->lapic));
	vma_w_close(w);
}

/* A register that the guest's processor does not have holds nothing, though the platform may have room for it. */
static bool guest_has_msr(const vma_vm *vm, uint32_t index)
{
	enum { TSC_AUX = 0xc0000103 };

	return index != TSC_AUX || vma_vm_has(vm, 0x80000001, 0, 3, 27) ||
	       vma_vm_has(vm, 7, 0, 2, 22); /* RDTSCP, RDPID */
}

/* The MSRs that the platform has; a missing one has no state, and ends what the back end reads at once. */
static int save_msrs(struct vma_writer *w, vma_vcpu *v, bool time)
{
	uint32_t index[MAX_SAVED_MSRS];
	uint64_t value[MAX_SAVED_MSRS];
	size_t n = 0;

	for (size_t i = 0; i < vma_saved_msr_count; i++)
		if (vma_saved_msrs[i].time == time && guest_has_msr(v->vm, vma_saved_msrs[i].index))
			index[n++] = vma_saved_msrs[i].index;
	vma_w_open(w, time ? VMA_EL_MSRS_TIME : VMA_EL_MSRS, 0);
	for (size_t at = 0; at < n; at++) {
		int rc = v->vm->be->get_msrs(v, index + at, value, n - at);
		if (rc < 0)
			return rc;
		for (int i = 0; i < rc; i++) {
			vma_w_u32(w, index[at + (size_t)i]);
			vma_w_u32(w, 0);
			vma_w_u64(w, value[i]);
		}
		at += (size_t)rc;
	}
	vma_w_close(w);
	return 0;
}

static void save_tsc(struct vma_writer *w, const vma_vm *vm)
{
	vma_w_open(w, VMA_EL_TSC, 0);
	vma_w_u64(w, vma_tsc_hz(vm));
	vma_w_close(w);
}

static void save_insns(struct vma_writer *w, vma_vcpu *v)
{
	struct vma_insn_state s;

	if (!v->vm->config.insn_hz)
		return;
	v->vm->be->insn_state(v, &s);
	vma_w_open(w, VMA_EL_INSNS, 0);
	vma_w_u64(w, s.insns);
	vma_w_u64(w, s.ns);
	vma_w_u64(w, s.hz);
	vma_w_u64(w, s.timer_ns);
	vma_w_close(w);
}

static int gather(vma_vcpu *v)
{
	uint32_t classes = VMA_C_ALL;

	if (v->vm->config.irqchip == VMA_IRQCHIP_NONE)
		classes &= ~(uint32_t)VMA_C_LAPIC;
	return vma_state_need(v, classes);
}

int vma_save_x86(vma_vcpu *v, void *buf, size_t *size, uint32_t flags)
{
	struct vma_writer w;
	int rc;

	if (flags & VMA_STATE_TIME)
		vma_time_stop(v->vm);
	rc = gather(v);
	if (rc)
		return rc;
	vma_w_begin(&w, buf, *size);
	save_model(&w, v->vm);
	save_regs(&w, &v->x86);
	save_rest(&w, v);
	rc = save_msrs(&w, v, false);
	if (!rc && flags & VMA_STATE_TIME)
		rc = save_msrs(&w, v, true);
	if (flags & VMA_STATE_TIME && !v->vm->config.insn_hz)
		save_tsc(&w, v->vm);
	if (flags & VMA_STATE_TIME)
		save_insns(&w, v);
	return rc ? rc : vma_w_end(&w, VMA_ARCH_X86_64, VMA_FORMAT_VCPU, buf, size);
}
