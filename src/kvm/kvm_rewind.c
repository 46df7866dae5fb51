/* kvm_rewind.c - the registers before an instruction whose access is being reported.
 *
 * When KVM's instruction emulator has carried out an output or a store it has written the registers back before it
 * exits: RIP is past the instruction, string pointers have moved. (Inputs, loads and MSR accesses exit before that; and
 * a plain OUT that the processor itself intercepted exits with RIP at the instruction.) The instruction is found again
 * by looking at the bytes around RIP for one that makes exactly this access. If none does, KVM's registers stand:
 * docs/vcpu.md names the cases. */
#include <fcntl.h>
#include <string.h>
#include "kvm/kvm.h"
#include "kvm/kvm_insn.h"

enum { LONGEST = 15 };

/* ------ where a plain OUT leaves RIP: a property of the host, found out once by a guest of one instruction ------ */

enum { STYLE_UNKNOWN, STYLE_AT, STYLE_PAST };
static atomic_int out_style;

static int style_of_run(int vm, int vcpu, uint8_t *page)
{
	struct kvm_userspace_memory_region slot = {.memory_size = 4096, .userspace_addr = (uint64_t)(uintptr_t)page};
	struct kvm_regs regs = {.rflags = 2};
	struct kvm_sregs sregs;

	page[0] = 0xee; /* out dx, al */
	if (os_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION") < 0 ||
	    os_ioctl(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS") < 0)
		return STYLE_AT;
	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	if (os_ioctl(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS") < 0 ||
	    os_ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS") < 0 || os_ioctl(vcpu, KVM_RUN, NULL, "KVM_RUN") < 0 ||
	    os_ioctl(vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS") < 0)
		return STYLE_AT;
	return regs.rip ? STYLE_PAST : STYLE_AT;
}

static int style_of_vm(int vm)
{
	long vcpu = os_ioctl(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	int style = STYLE_AT;
	void *page;

	if (vcpu < 0)
		return style;
	if (!os_map(-1, 0, 4096, OS_MAP_WRITE, &page)) {
		style = style_of_run(vm, (int)vcpu, page);
		os_close((int)vcpu);
		os_unmap(page, 4096);
		return style;
	}
	os_close((int)vcpu);
	return style;
}

static int find_style(int system)
{
	int style = atomic_load_explicit(&out_style, memory_order_relaxed);
	long vm;

	if (style != STYLE_UNKNOWN)
		return style;
	vm = os_ioctl(system, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	if (vm < 0)
		return STYLE_AT;
	style = style_of_vm((int)vm);
	os_close((int)vm);
	atomic_store(&out_style, style);
	return style;
}

/* ------ code bytes ------ */

static bool gpa_of(struct vma_vcpu *v, const struct kvm_sregs *s, uint64_t linear, uint64_t *gpa)
{
	struct kvm_translation t = {.linear_address = linear};

	if (!(s->cr0 >> 31)) {
		*gpa = linear;
		return true;
	}
	if (os_ioctl(VMA_KVM_VCPU(v)->fd, KVM_TRANSLATE, &t, "KVM_TRANSLATE") < 0 || !t.valid)
		return false;
	*gpa = t.physical_address;
	return true;
}

static bool read_gpa(struct vma_vm *vm, uint64_t gpa, uint8_t *out, size_t n)
{
	struct vma_region *r;
	bool ok;

	os_lock(&vm->lock);
	r = vma_region_find(vm, gpa);
	ok = r && gpa - r->gpa + n <= r->size;
	if (ok)
		memcpy(out, r->hva + (gpa - r->gpa), n);
	os_unlock(&vm->lock);
	return ok;
}

/* Bytes [linear, linear+n) of guest code; a page that cannot be read leaves zeroes. */
static void read_code(struct vma_vcpu *v, const struct kvm_sregs *s, uint64_t linear, uint8_t *out, size_t n)
{
	while (n) {
		size_t part = 4096 - (linear & 4095);
		uint64_t gpa;

		part = part > n ? n : part;
		memset(out, 0, part);
		if (gpa_of(v, s, linear, &gpa))
			read_gpa(v->vm, gpa, out, part);
		linear += part;
		out += part;
		n -= part;
	}
}

/* ------ matching ------ */

struct found {
	struct vma_kvm_insn insn;
	bool at; /* RIP is still at it: a repeated instruction between two elements */
};

static bool makes_output(const struct vma_exit *e, const struct kvm_regs *regs, const struct vma_kvm_insn *i)
{
	uint64_t value = 0;

	if (i->width != e->io.width)
		return false;
	memcpy(&value, e->io.data, i->width);
	if (i->kind == INSN_OUT)
		return i->ea == e->io.port && i->value == value;
	return i->kind == INSN_OUTS && (regs->rdx & 0xffff) == e->io.port;
}

/* KVM cuts an access at page ends and every 8 bytes. */
static bool is_fragment(const struct vma_exit *e, uint64_t offset, unsigned width)
{
	uint64_t end = offset + e->mmio.length;

	if (offset >= width || end > width)
		return false;
	if (offset % 8 && e->mmio.gpa & 4095)
		return false;
	return end == width || e->mmio.length == 8 || !((e->mmio.gpa + e->mmio.length) & 4095);
}

static bool makes_store(const struct vma_exit *e, const struct vma_kvm_insn *i)
{
	uint64_t offset = (e->mmio.gpa - i->ea) & 4095, value = 0;

	if (i->kind < INSN_STORE || !is_fragment(e, offset, i->width))
		return false;
	memcpy(&value, e->mmio.data, e->mmio.length);
	if (!i->value_known || i->width > 8)
		return true;
	return value == (i->value >> offset * 8 & (e->mmio.length == 8 ? ~0ull : (1ull << e->mmio.length * 8) - 1));
}

static bool makes(const struct vma_exit *e, const struct kvm_regs *regs, const struct vma_kvm_insn *i)
{
	return e->kind == VMA_EXIT_IO ? makes_output(e, regs, i) : makes_store(e, i);
}

static bool ends_here(const struct vma_exit *e, const uint8_t *code, size_t n, const struct kvm_regs *regs,
		      const struct kvm_sregs *sregs, struct vma_kvm_insn *i)
{
	if (vma_kvm_insn_decode(code + LONGEST - n, n, regs, sregs, i) != (int)n || i->redundant)
		return false;
	return makes(e, regs, i) && !(i->rep && i->kind != INSN_STORE);
}

/* The shortest that fits, one whose value is known before others; then with the prefixes before it that have an effect.
 */
static bool find_past(const struct vma_exit *e, const uint8_t *code, const struct kvm_regs *regs,
		      const struct kvm_sregs *sregs, struct found *f)
{
	struct vma_kvm_insn longer;
	size_t n = 0;

	f->at = false;
	for (int guess = 0; guess < 2 && !n; guess++)
		for (size_t try = 1; try <= LONGEST && !n; try++)
			if (ends_here(e, code, try, regs, sregs, &f->insn) && (guess || f->insn.value_known))
				n = try;
	if (!n)
		return false;
	while (n < LONGEST && vma_kvm_insn_is_prefix(code[LONGEST - n - 1], sregs) &&
	       ends_here(e, code, ++n, regs, sregs, &longer))
		f->insn = longer;
	return true;
}

/* A repeated string instruction keeps RIP until it is entered with no elements left. */
static bool find_at(const struct vma_exit *e, const uint8_t *code, const struct kvm_regs *regs,
		    const struct kvm_sregs *sregs, struct found *f)
{
	f->at = true;
	if (!vma_kvm_insn_is_prefix(code[LONGEST], sregs)) /* no REP; the usual case, quickly told */
		return false;
	if (!vma_kvm_insn_decode(code + LONGEST, LONGEST, regs, sregs, &f->insn))
		return false;
	return f->insn.rep && f->insn.kind != INSN_STORE && makes(e, regs, &f->insn);
}

/* ------ undoing ------ */

static void add(__u64 *reg, uint64_t by, unsigned size)
{
	uint64_t mask = size == 8 ? ~0ull : (1ull << size * 8) - 1;

	/* Writing 32 bits of a register clears the upper half: what was there is gone, and was clear in all but odd
	 * cases. */
	*reg = (size == 2 ? *reg & ~mask : 0) | ((*reg + by) & mask);
}

static void undo(struct kvm_regs *r, const struct kvm_sregs *s, const struct found *f)
{
	const struct vma_kvm_insn *i = &f->insn;
	uint64_t back = r->rflags & 1 << 10 ? i->width : -(uint64_t)i->width;
	unsigned stack = s->cs.l ? 8 : s->ss.db ? 4 : 2;

	if (i->kind == INSN_OUTS || i->kind == INSN_MOVS)
		add(&r->rsi, back, i->addr_size);
	if (i->kind == INSN_STOS || i->kind == INSN_MOVS)
		add(&r->rdi, back, i->addr_size);
	if (i->kind == INSN_PUSH)
		add(&r->rsp, i->width, stack);
	if (f->at)
		add(&r->rcx, 1, i->addr_size);
	else
		r->rip -= i->length;
}

/* Is RIP at a plain OUT that makes this access, as the processor's own intercept leaves it? */
static bool still_at(const struct vma_exit *e, const uint8_t *code, const struct kvm_regs *regs,
		     const struct kvm_sregs *sregs)
{
	struct vma_kvm_insn i;

	return e->kind == VMA_EXIT_IO && vma_kvm_insn_decode(code + LONGEST, LONGEST, regs, sregs, &i) &&
	       i.kind == INSN_OUT && makes_output(e, regs, &i);
}

int vma_kvm_rewind(struct vma_vcpu *v, struct kvm_regs *regs)
{
	const struct vma_exit *e = &v->exit;
	bool out = e->kind == VMA_EXIT_IO && e->io.write, store = e->kind == VMA_EXIT_MMIO && e->mmio.write;
	uint8_t code[2 * LONGEST];
	struct kvm_sregs sregs;
	struct found f;
	uint64_t linear;
	int rc;

	if (!out && !store)
		return 0;
	rc = vma_kvm_sregs(v, &sregs);
	if (rc)
		return rc;
	linear = regs->rip + (sregs.cs.l ? 0 : sregs.cs.base);
	read_code(v, &sregs, linear - LONGEST, code, sizeof(code));
	if (out && find_style(VMA_KVM_VM(v->vm)->system) == STYLE_AT && still_at(e, code, regs, &sregs))
		return 0;
	if (find_at(e, code, regs, &sregs, &f) || find_past(e, code, regs, &sregs, &f))
		undo(regs, &sregs, &f);
	return 0;
}
