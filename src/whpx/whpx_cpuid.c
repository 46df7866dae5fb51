/* whpx_cpuid.c - CPUID: the most a guest can be shown, by what this Windows says of the processor; the VM's table as
 * the partition's features, as a result list, and as exits where a leaf has sub-leaves or bits of one vCPU (WHP,
 * CpuidResultList, CpuidExitList). */
#include <string.h>
#include "whpx/whp_features.h"
#include "whpx/whpx.h"
#ifdef __x86_64__
#include <cpuid.h>
#endif

/* ------ the most there is ------ */

/* What has no name there a guest cannot rely on. */
static const struct whp_feature features[] = {WHP_FEATURES(WHP_FEATURE_ROW)};

enum {
	/* leaf 1: FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC; SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36; CLFLUSH;
	 * MMX, FXSR, SSE, SSE2 (SDM vol. 2, CPUID) */
	BASE_EDX = 0x3ff | 0x7f << 11 | 1 << 19 | 0xf << 23,
	ECX_X2APIC = 1 << 21,
	ECX_TSC_DEADLINE = 1 << 24,
	ECX_XSAVE = 1 << 26,
	ECX_OSXSAVE = 1 << 27,
	ECX_AVX = 1 << 28,
	EDX_APIC = 1 << 9,
	EAX_ARAT = 1 << 2, /* timers here do not stop */
	EBX_TSC_ADJUST = 1 << 1,
	EBX_AVX512 = 1 << 16,
	EXT_EDX = 1 << 11 | 1 << 20 | 1 << 29, /* SYSCALL, NX, LM */
	ECX_PKU = 1 << 3,
	ECX_OSPKE = 1 << 4,
};
#define ECX_HYPERVISOR (1u << 31)

struct build {
	const struct vma_vm *vm;
	vma_x86_cpuid *table;
	size_t count, room;
};

static void add(struct build *b, uint32_t leaf, int subleaf, const uint32_t r[4])
{
	if (b->count < b->room)
		b->table[b->count] = (vma_x86_cpuid){.leaf = leaf,
						     .subleaf = subleaf < 0 ? 0 : (uint32_t)subleaf,
						     .has_subleaf = subleaf >= 0,
						     .eax = r[EAX],
						     .ebx = r[EBX],
						     .ecx = r[ECX],
						     .edx = r[EDX]};
	b->count++;
}

static uint64_t set_of(unsigned set)
{
	switch (set) {
	case BANK0:
		return whpx_host.processor.Bank0.AsUINT64;
	case BANK1:
		return whpx_host.processor.Bank1.AsUINT64;
	default:
		return whpx_host.features.Xsave ? whpx_host.xsave.AsUINT64 : 0;
	}
}

static void words(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		const struct whp_feature *f = &features[i];

		if (f->leaf == leaf && f->subleaf == subleaf && set_of(f->set) >> f->bit & 1)
			r[f->reg] |= 1u << f->at;
	}
}

/* Identity, caches and widths are the processor's own; it says them to everybody (SDM vol. 2, CPUID). */
static void host_leaf(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
	__cpuid_count(leaf, subleaf, r[EAX], r[EBX], r[ECX], r[EDX]);
}

/* What an APIC above the back end answers needs exits for MSRs. */
static uint32_t apic_bits(const struct vma_vm *vm)
{
	switch (vm->config.irqchip) {
	case VMA_IRQCHIP_LIBRARY: /* x2APIC mode is entered and left by IA32_APIC_BASE */
		return !(vm->info.caps & VMA_CAP_MSR_EXIT) ? 0
		       : whpx_host.msr_actions || whpx_host.msr_exits.ApicBaseMsrWrite ? ECX_X2APIC | ECX_TSC_DEADLINE
										       : ECX_TSC_DEADLINE;
	case VMA_IRQCHIP_PLATFORM:
		return (whpx_host.tried.x2apic == WHPX_OTHERWISE ? 0 : ECX_X2APIC) |
		       (whpx_host.processor.Bank1.TscDeadlineTmrSupport ? ECX_TSC_DEADLINE : 0);
	default:
		return 0;
	}
}

/* IA32_TSC_ADJUST, where an older Windows does not know it, exits as an unknown MSR and is the emulator's. */
static void add_basic(struct build *b)
{
	uint32_t r[4], id[4];
	bool msr_exits = b->vm->info.caps & VMA_CAP_MSR_EXIT;

	host_leaf(0, 0, r);
	r[EAX] = 0xd;
	add(b, 0, -1, r);
	host_leaf(1, 0, id);
	memset(r, 0, sizeof(r));
	words(1, 0, r);
	r[EAX] = id[EAX];
	r[EBX] = id[EBX] & 0xff00;
	r[ECX] |= ECX_HYPERVISOR;
	r[ECX] |= apic_bits(b->vm);
	r[EDX] |= BASE_EDX;
	add(b, 1, -1, r);
	memset(r, 0, sizeof(r));
	r[EAX] = EAX_ARAT;
	add(b, 6, -1, r);
	memset(r, 0, sizeof(r));
	words(7, 0, r);
	r[EBX] |= msr_exits ? EBX_TSC_ADJUST : 0;
	add(b, 7, 0, r);
}

/* The standard layout is the same on every processor (SDM vol. 1, 13.4). */
static void add_xsave(struct build *b)
{
	uint32_t offset, size, leaf1[4] = {0}, leaf7[4] = {0}, r[4] = {0};
	uint32_t xcr0 = 3;

	words(1, 0, leaf1);
	words(7, 0, leaf7);
	if (!(leaf1[ECX] & ECX_XSAVE))
		return;
	xcr0 |= leaf1[ECX] & ECX_AVX ? 4 : 0;
	xcr0 |= leaf7[EBX] & EBX_AVX512 ? 0xe0 : 0;
	r[EAX] = xcr0;
	r[EBX] = r[ECX] = 576;
	for (unsigned n = 2; n < 8; n++) {
		vma_xsave_component(n, &offset, &size);
		if (xcr0 >> n & 1 && offset + size > r[ECX])
			r[ECX] = offset + size;
	}
	add(b, 0xd, 0, r);
	memset(r, 0, sizeof(r));
	words(0xd, 1, r);
	add(b, 0xd, 1, r);
	for (unsigned n = 2; n < 8; n++) {
		vma_xsave_component(n, &offset, &size);
		if (xcr0 >> n & 1)
			add(b, 0xd, (int)n, (uint32_t[4]){size, offset, 0, 0});
	}
}

static void add_caches(struct build *b)
{
	uint32_t r[4], highest[4];

	host_leaf(0, 0, highest);
	for (uint32_t n = 0; n < 8 && highest[EAX] >= 4; n++) {
		host_leaf(4, n, r);
		if (!(r[EAX] & 31))
			return;
		add(b, 4, (int)n, r);
	}
}

static void add_extended(struct build *b)
{
	uint32_t r[4], max[4];

	host_leaf(0x80000000, 0, max);
	host_leaf(0, 0, r);
	add(b, 0x80000000, -1, (uint32_t[4]){0x80000008, r[EBX], r[ECX], r[EDX]});
	memset(r, 0, sizeof(r));
	words(EXT, 0, r);
	r[EDX] |= EXT_EDX;
	add(b, EXT, -1, r);
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++) {
		host_leaf(leaf, 0, r);
		add(b, leaf, -1, r);
	}
	memset(r, 0, sizeof(r));
	words(0x80000007, 0, r);
	add(b, 0x80000007, -1, r);
	add(b, 0x80000008, -1, (uint32_t[4]){whpx_host.gpa_bits | 48 << 8, 0, 0, 0});
}

int whpx_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	struct build b = {.vm = vm, .table = table, .room = *count};

	add_basic(&b);
	add_caches(&b);
	add_xsave(&b);
	add_extended(&b);
	*count = b.count;
	return b.count <= b.room ? 0 : vma_fail(VMA_E_LIMIT, "whpx offers more CPUID entries than the table holds");
}

/* ------ features ------ */

static bool in_table(const struct vma_vm *vm, const struct whp_feature *f)
{
	uint32_t r[4];

	vma_cpuid_lookup(vm, f->leaf, f->subleaf, r);
	return r[f->reg] >> f->at & 1;
}

struct sets {
	WHV_PROCESSOR_FEATURES_BANKS banks;
	WHV_PROCESSOR_XSAVE_FEATURES xsave;
};

static uint64_t *set_in(struct sets *s, unsigned set)
{
	return set == BANK0 ? &s->banks.Bank0.AsUINT64 : set == BANK1 ? &s->banks.Bank1.AsUINT64 : &s->xsave.AsUINT64;
}

/* An older Windows has no banks. */
static bool put_banks(const struct vma_vm *vm, const struct sets *s)
{
	WHV_PARTITION_HANDLE p = whpx_vm(vm)->partition;

	return whpx_host.processor.BanksCount
		       ? !WHPX(SetPartitionProperty, p, WHvPartitionPropertyCodeProcessorFeaturesBanks, &s->banks,
			       sizeof(s->banks))
		       : !WHPX(SetPartitionProperty, p, WHvPartitionPropertyCodeProcessorFeatures, &s->banks.Bank0,
			       sizeof(s->banks.Bank0));
}

static bool put_xsave(const struct vma_vm *vm, const struct sets *s)
{
	return !whpx_host.features.Xsave ||
	       !WHPX(SetPartitionProperty, whpx_vm(vm)->partition, WHvPartitionPropertyCodeProcessorXsaveFeatures,
		     &s->xsave, sizeof(s->xsave));
}

/* Where all at once is refused, those that it takes. */
static void take_away_singly(const struct vma_vm *vm, bool xsave,
			     bool (*put)(const struct vma_vm *vm, const struct sets *s))
{
	struct sets s = {whpx_host.processor, whpx_host.xsave};

	s.banks.BanksCount = WHV_PROCESSOR_FEATURES_BANKS_COUNT;
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		uint64_t *set = set_in(&s, features[i].set), all = *set;

		if (in_table(vm, &features[i]) || (features[i].set == XSAVE) != xsave)
			continue;
		*set &= ~(UINT64_C(1) << features[i].bit);
		if (*set != all && !put(vm, &s))
			*set = all;
	}
}

/* What the table does not show is taken from the guest, that it may find the instructions missing too. What a Windows
 * refuses to take away it only does not see. */
static void set_features(struct vma_vm *vm)
{
	struct sets s = {whpx_host.processor, whpx_host.xsave};

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		if (!in_table(vm, &features[i]))
			*set_in(&s, features[i].set) &= ~(UINT64_C(1) << features[i].bit);
	s.banks.BanksCount = WHV_PROCESSOR_FEATURES_BANKS_COUNT;
	if (!put_banks(vm, &s))
		take_away_singly(vm, false, put_banks);
	if (!put_xsave(vm, &s))
		take_away_singly(vm, true, put_xsave);
}

/* ------ lists ------ */

enum { MOST = 512 };

/* Leaves that say something of one vCPU: its APIC id, or what its registers are now. */
static bool is_own(uint32_t leaf)
{
	return leaf == 1 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x1f || leaf == 0x8000001e;
}

static bool listed(const uint32_t *leaves, uint32_t n, uint32_t leaf)
{
	for (uint32_t i = 0; i < n; i++)
		if (leaves[i] == leaf)
			return true;
	return false;
}

/* Where every CPUID is to exit: all that software asks for, in the table or not. */
static uint32_t all_leaves(uint32_t *leaves)
{
	static const uint32_t ranges[][2] = {{0, 0x28}, {0x40000000, 0x40}, {0x80000000, 0x28}, {0xc0000000, 8}};
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		for (uint32_t k = 0; k < ranges[i][1]; k++)
			leaves[n++] = ranges[i][0] + k;
	return n;
}

static uint32_t exit_leaves(const struct vma_vm *vm, uint32_t *leaves)
{
	uint32_t n = vm->config.cpuid_exits ? all_leaves(leaves) : 0;

	for (size_t i = 0; i < vm->cpuid_count && n < MOST; i++) {
		const vma_x86_cpuid *e = &vm->cpuid[i];

		if ((vm->config.cpuid_exits || e->has_subleaf || is_own(e->leaf)) && !listed(leaves, n, e->leaf))
			leaves[n++] = e->leaf;
	}
	return n;
}

/* What the platform shows beside the table is hidden: its own hypervisor leaves, and what its processor has. */
static bool hidden(const struct vma_vm *vm, uint32_t leaf)
{
	for (size_t i = 0; i < vm->cpuid_count; i++)
		if (vm->cpuid[i].leaf == leaf)
			return false;
	return true;
}

static uint32_t results(const struct vma_vm *vm, WHV_X64_CPUID_RESULT *list)
{
	static const uint32_t others[][2] = {{0, 0x28}, {0x40000000, 0x10}, {0x80000000, 0x28}};
	uint32_t n = 0, out[4];

	for (size_t i = 0; i < vm->cpuid_count && n < MOST; i++) {
		const vma_x86_cpuid *e = &vm->cpuid[i];

		if (!e->has_subleaf && !is_own(e->leaf))
			list[n++] = (WHV_X64_CPUID_RESULT){
				.Function = e->leaf, .Eax = e->eax, .Ebx = e->ebx, .Ecx = e->ecx, .Edx = e->edx};
	}
	for (size_t r = 0; r < sizeof(others) / sizeof(*others); r++)
		for (uint32_t leaf = others[r][0]; leaf < others[r][0] + others[r][1] && n < MOST; leaf++) {
			if (!hidden(vm, leaf))
				continue;
			vma_cpuid_lookup(vm, leaf, 0, out);
			list[n++] = (WHV_X64_CPUID_RESULT){
				.Function = leaf, .Eax = out[EAX], .Ebx = out[EBX], .Ecx = out[ECX], .Edx = out[EDX]};
		}
	return n;
}

/* What stays the platform's in an entry: the APIC id, and what follows CR4 and XCR0. */
static WHV_CPUID_OUTPUT ours(const vma_x86_cpuid *e)
{
	WHV_CPUID_OUTPUT mask = {~0u, ~0u, ~0u, ~0u};

	if (e->leaf == 1) {
		mask.Ebx = 0x00ffffff;
		mask.Ecx = ~(uint32_t)ECX_OSXSAVE;
	} else if (e->leaf == 7 && !e->subleaf) {
		mask.Ecx = ~(uint32_t)ECX_OSPKE;
	} else if (e->leaf == 0xd && e->subleaf < 2) {
		mask.Ebx = 0;
	} else if (e->leaf == 0xb || e->leaf == 0x1f) {
		mask.Edx = 0;
	}
	return mask;
}

/* The x2APIC id stands in every sub-leaf, of the table or not. */
static void put_ids(const struct vma_vm *vm, uint32_t leaf, WHV_X64_CPUID_RESULT2 *list, uint32_t *n)
{
	for (uint32_t vp = 0; vp < vm->config.max_vcpus && *n < MOST; vp++)
		list[(*n)++] = (WHV_X64_CPUID_RESULT2){.Function = leaf,
						       .VpIndex = vp,
						       .Flags = WHvX64CpuidResult2FlagVpSpecific,
						       .Output.Edx = vp,
						       .Mask.Edx = ~0u};
}

/* A Windows without exits for CPUID: sub-leaves and masks say it, if it knows these. */
static int set_masked_results(struct vma_vm *vm, WHV_X64_CPUID_RESULT2 *list)
{
	uint32_t n = 0;

	if (vm->config.cpuid_exits)
		return vma_fail(VMA_E_NO_HOST, "this Windows has no exits for CPUID");
	for (size_t i = 0; i < vm->cpuid_count && n < MOST; i++) {
		const vma_x86_cpuid *e = &vm->cpuid[i];

		if (e->has_subleaf || is_own(e->leaf))
			list[n++] = (WHV_X64_CPUID_RESULT2){
				.Function = e->leaf,
				.Index = e->subleaf,
				.Flags = e->has_subleaf ? WHvX64CpuidResult2FlagSubleafSpecific : 0,
				.Output = {e->eax, e->ebx, e->ecx, e->edx},
				.Mask = ours(e),
			};
	}
	put_ids(vm, 0xb, list, &n);
	return n ? whpx_set_property(whpx_vm(vm), WHvPartitionPropertyCodeCpuidResultList2, list,
				     n * (uint32_t)sizeof(*list))
		 : 0;
}

static int set_exits(struct vma_vm *vm, uint32_t *leaves)
{
	uint32_t n = exit_leaves(vm, leaves);

	return n ? whpx_set_property(whpx_vm(vm), WHvPartitionPropertyCodeCpuidExitList, leaves,
				     n * (uint32_t)sizeof(*leaves))
		 : 0;
}

int whpx_cpuid_setup(struct vma_vm *vm)
{
	union {
		WHV_X64_CPUID_RESULT results[MOST];
		WHV_X64_CPUID_RESULT2 masked[MOST];
		uint32_t leaves[MOST];
	} *lists = os_calloc(1, sizeof(*lists));
	uint32_t n;
	int rc;

	if (!lists)
		return vma_fail(VMA_E_NOMEM, "no memory for lists of CPUID leaves");
	set_features(vm);
	n = results(vm, lists->results);
	rc = whpx_set_property(whpx_vm(vm), WHvPartitionPropertyCodeCpuidResultList, lists->results,
			       n * (uint32_t)sizeof(*lists->results));
	if (!rc)
		rc = whpx_host.exits.X64CpuidExit ? set_exits(vm, lists->leaves)
						  : set_masked_results(vm, lists->masked);
	os_free(lists);
	return rc;
}

/* ------ what a guest reads ------ */

static bool apic_off(const struct whpx_vcpu *w)
{
	enum { APIC_BASE_EN = 1 << 11 };

	return w->v->vm->config.irqchip && w->apic_base_known && !(w->apic_base & APIC_BASE_EN);
}

/* APIC ids are a vCPU's own, and a local APIC that is off is not shown (SDM vol. 2, CPUID leaves 1 and 0BH; vol. 3,
 * 11.4.3). */
void whpx_cpuid_of(const struct whpx_vcpu *w, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t id = w->v->index;

	vma_cpuid_lookup(w->v->vm, leaf, subleaf, out);
	switch (leaf) {
	case 1:
		out[EBX] = (out[EBX] & 0x00ffffff) | id << 24;
		out[EDX] &= apic_off(w) ? ~(uint32_t)EDX_APIC : ~0u;
		break;
	case 0xb:
	case 0x1f:
		out[EDX] = id;
		break;
	case 0x8000001e:
		out[EAX] = id;
		break;
	}
}

/* What follows CR4 and XCR0: the platform's answer has it. */
static void put_dynamic(const WHV_X64_CPUID_ACCESS_CONTEXT *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t ecx = (uint32_t)c->DefaultResultRcx;

	if (leaf == 1)
		out[ECX] = (out[ECX] & ~(uint32_t)ECX_OSXSAVE) | (out[ECX] & ECX_XSAVE ? ecx & ECX_OSXSAVE : 0);
	else if (leaf == 7 && !subleaf)
		out[ECX] = (out[ECX] & ~(uint32_t)ECX_OSPKE) | (out[ECX] & ECX_PKU ? ecx & ECX_OSPKE : 0);
	else if (leaf == 0xd && subleaf < 2 && out[subleaf ? EBX : EAX])
		out[EBX] = (uint32_t)c->DefaultResultRbx;
}

static int put_answer(struct whpx_vcpu *w, const uint32_t r[4])
{
	unsigned length = w->ctx.VpContext.InstructionLength;

	whpx_put(w, WHvX64RegisterRax, r[EAX]);
	whpx_put(w, WHvX64RegisterRbx, r[EBX]);
	whpx_put(w, WHvX64RegisterRcx, r[ECX]);
	whpx_put(w, WHvX64RegisterRdx, r[EDX]);
	return whpx_advance(w, length ? length : 2);
}

int whpx_cpuid_exit(struct whpx_vcpu *w)
{
	const WHV_X64_CPUID_ACCESS_CONTEXT *c = &w->ctx.CpuidAccess;
	uint32_t leaf = (uint32_t)c->Rax, subleaf = (uint32_t)c->Rcx, r[4];
	vma_exit *x = &w->v->exit;

	if (!whpx_plain(w))
		return whpx_emulate(w);
	whpx_cpuid_of(w, leaf, subleaf, r);
	put_dynamic(c, leaf, subleaf, r);
	if (!w->v->vm->config.cpuid_exits)
		return put_answer(w, r);
	x->kind = VMA_EXIT_CPUID;
	x->pending = 1;
	x->cpuid.leaf = leaf;
	x->cpuid.subleaf = subleaf;
	x->cpuid.eax = r[EAX];
	x->cpuid.ebx = r[EBX];
	x->cpuid.ecx = r[ECX];
	x->cpuid.edx = r[EDX];
	w->v->completes_rip_only = false;
	w->half = WHPX_CPUID;
	return VMA_EXIT_CPUID;
}

int whpx_cpuid_finish(struct whpx_vcpu *w)
{
	const vma_exit *x = &w->v->exit;

	return put_answer(w, (uint32_t[4]){x->cpuid.eax, x->cpuid.ebx, x->cpuid.ecx, x->cpuid.edx});
}
