/* save_vm.c - a VM's own state as elements: the interrupt controllers outside the vCPUs, and the clock. */
#include <string.h>
#include "core/format.h"

enum { PIC_BYTES = 16, PIT_CHANNEL_BYTES = 24 };

/* ------ writing ------ */

/* vma_x86_pic is 16 single bytes, in the format's order. */
_Static_assert(sizeof(vma_x86_pic) == PIC_BYTES, "vma_x86_pic is saved as it lies in memory");

static void save_ioapic(struct vma_writer *w, const vma_x86_ioapic *io)
{
	vma_w_open(w, VMA_EL_IOAPIC, 0);
	vma_w_u64(w, io->base_address);
	vma_w_u32(w, io->ioregsel);
	vma_w_u32(w, io->id);
	vma_w_u32(w, io->irr);
	vma_w_u32(w, 0);
	for (size_t i = 0; i < VMA_X86_IOAPIC_PINS; i++)
		vma_w_u64(w, io->redirtbl[i]);
	vma_w_close(w);
}

/* The clock of count_load_time. */
static int64_t clock_of(vma_vm *vm)
{
	return (int64_t)(vm->be->now ? vm->be->now(vm) : os_now_ns());
}

/* The time of loading is saved as an age, since clocks do not travel; without VMA_STATE_TIME it is left out. */
static void save_pit(struct vma_writer *w, vma_vm *vm, const vma_x86_pit *pit, bool time)
{
	int64_t now = clock_of(vm);
	bool exact = time && vm->config.insn_hz; /* our own controllers keep there which interrupts have been sent */

	vma_w_open(w, VMA_EL_PIT, 0);
	vma_w_u32(w, pit->flags);
	vma_w_u32(w, 0);
	for (size_t i = 0; i < 3; i++) {
		const vma_x86_pit_channel *c = pit->channels + i;
		/* What is not latched has no value, whatever KVM's last latch left there. */
		const uint16_t latched = c->count_latched ? c->latched_count : 0;
		const uint8_t status = c->status_latched || exact ? c->status : 0;
		const uint8_t bytes[12] = {c->count_latched, c->status_latched, status,
					   c->read_state,    c->write_state,    c->write_latch,
					   c->rw_mode,       c->mode,           c->bcd,
					   c->gate,          (uint8_t)latched,  (uint8_t)(latched >> 8)};
		vma_w_u32(w, c->count);
		vma_w_bytes(w, bytes, sizeof(bytes));
		vma_w_u64(w, time ? (uint64_t)(now - c->count_load_time) : 0);
	}
	vma_w_close(w);
}

static int save_chips(struct vma_writer *w, vma_vm *vm, uint32_t flags)
{
	vma_x86_irqchip chip;
	int rc;

	if (vm->config.irqchip == VMA_IRQCHIP_NONE)
		return 0;
	if (vm->be->arch == VMA_ARCH_ARM64)
		return vma_gic_save(w, vm);
	if (!vm->be->irqchip_get)
		return vma_fail(VMA_E_NO_ACCEL, "%s cannot read its interrupt controllers", vm->info.name);
	memset(&chip, 0, sizeof(chip));
	rc = vm->be->irqchip_get(vm, &chip);
	if (rc)
		return rc;
	vma_w_open(w, VMA_EL_PICS, 0);
	vma_w_bytes(w, chip.pic, sizeof(chip.pic));
	vma_w_close(w);
	save_ioapic(w, &chip.ioapic);
	save_pit(w, vm, &chip.pit, flags & VMA_STATE_TIME);
	return 0;
}

static int save_clock(struct vma_writer *w, vma_vm *vm)
{
	uint64_t ns;
	int rc;

	if (!(vm->info.caps & VMA_CAP_CLOCK) || !vm->be->clock_get)
		return 0;
	rc = vm->be->clock_get(vm, &ns);
	if (rc)
		return rc;
	vma_w_open(w, VMA_EL_CLOCK, 0);
	vma_w_u64(w, ns);
	vma_w_close(w);
	return 0;
}

/* Caller holds the lock. */
static int check_still(const vma_vm *vm)
{
	if (vm->phase != VMA_VM_READY)
		return vma_fail(VMA_E_STATE, "a VM has state after vma_vm_finalize");
	for (uint32_t i = 0; i < vm->config.max_vcpus; i++)
		if (vm->vcpus[i] && vma_vcpu_running(vm->vcpus[i]))
			return vma_fail(VMA_E_BUSY, "vCPU %u is running: pause all first", i);
	return 0;
}

static int save_locked(vma_vm *vm, void *buf, size_t *size, uint32_t flags)
{
	struct vma_writer w;
	int rc = check_still(vm);

	if (rc)
		return rc;
	vma_w_begin(&w, buf, *size);
	rc = save_chips(&w, vm, flags);
	if (!rc && flags & VMA_STATE_TIME)
		rc = save_clock(&w, vm);
	return rc ? rc : vma_w_end(&w, vm->be->arch, VMA_FORMAT_VM, buf, size);
}

int vma_vm_save(vma_vm *vm, void *buf, size_t *size, uint32_t flags)
{
	int rc;

	if (!vm || !size || flags & ~(uint32_t)VMA_STATE_TIME)
		return vma_fail(VMA_E_INVALID, "save: the VM is NULL, no size, or unknown flags %#x", flags);
	os_lock(&vm->lock);
	rc = save_locked(vm, buf, size, flags);
	os_unlock(&vm->lock);
	return rc;
}

/* ------ reading ------ */

struct plan {
	vma_vm *vm;
	const vma_report *report;
	uint32_t flags;
	vma_x86_irqchip chip;
	struct vma_reader gic;
	uint64_t clock;
	uint64_t seen; /* elements, by bit */
};

static int read_ioapic(struct plan *p, const struct vma_reader *r)
{
	vma_x86_ioapic *io = &p->chip.ioapic;

	if (r->length != 24 + VMA_X86_IOAPIC_PINS * 8)
		return vma_r_bad(r, "not the size of 24 pins");
	io->base_address = vma_r_u64(r, 0);
	io->ioregsel = vma_r_u32(r, 8);
	io->id = vma_r_u32(r, 12);
	io->irr = vma_r_u32(r, 16);
	for (size_t i = 0; i < VMA_X86_IOAPIC_PINS; i++)
		io->redirtbl[i] = vma_r_u64(r, 24 + i * 8);
	return 0;
}

static int read_pit(struct plan *p, const struct vma_reader *r)
{
	int64_t now = clock_of(p->vm);

	if (r->length != 8 + 3 * PIT_CHANNEL_BYTES)
		return vma_r_bad(r, "not the size of 3 channels");
	p->chip.pit.flags = vma_r_u32(r, 0);
	for (size_t i = 0; i < 3; i++) {
		vma_x86_pit_channel *c = p->chip.pit.channels + i;
		size_t at = 8 + i * PIT_CHANNEL_BYTES;
		const uint8_t *b = r->payload + at + 4;
		uint64_t age = p->flags & VMA_STATE_TIME ? vma_r_u64(r, at + 16) : 0;
		c->count = vma_r_u32(r, at);
		if (c->count > 0x10000)
			return vma_r_bad(r, "a count above 0x10000");
		c->count_latched = b[0], c->status_latched = b[1], c->status = b[2], c->read_state = b[3],
		c->write_state = b[4];
		c->write_latch = b[5], c->rw_mode = b[6], c->mode = b[7], c->bcd = b[8], c->gate = b[9];
		c->latched_count = (uint16_t)(b[10] | b[11] << 8);
		c->count_load_time = age > (uint64_t)now ? 0 : now - (int64_t)age;
	}
	return 0;
}

static int read_chip(struct plan *p, const struct vma_reader *r)
{
	if (p->vm->config.irqchip == VMA_IRQCHIP_NONE) {
		vma_report_line(p->report, r->id, "this VM has no interrupt controllers");
		return 0;
	}
	p->seen |= 1ull << r->id;
	if (r->id == VMA_EL_GIC) {
		p->gic = *r;
		return vma_gic_check(p->vm, r);
	}
	if (r->id == VMA_EL_IOAPIC)
		return read_ioapic(p, r);
	if (r->id == VMA_EL_PIT)
		return read_pit(p, r);
	if (r->length != sizeof(p->chip.pic))
		return vma_r_bad(r, "not 32 bytes");
	memcpy(p->chip.pic, r->payload, sizeof(p->chip.pic));
	return 0;
}

static int read_element(struct plan *p, const struct vma_reader *r)
{
	if (r->version != 1)
		return vma_r_unknown(r, p->report);
	if (r->id < 64 && p->seen >> r->id & 1)
		return vma_r_bad(r, "it comes twice");
	switch (r->id) {
	case VMA_EL_PICS:
	case VMA_EL_IOAPIC:
	case VMA_EL_PIT:
		return p->vm->be->arch == VMA_ARCH_X86_64 ? read_chip(p, r) : vma_r_unknown(r, p->report);
	case VMA_EL_GIC:
		return p->vm->be->arch == VMA_ARCH_ARM64 ? read_chip(p, r) : vma_r_unknown(r, p->report);
	case VMA_EL_CLOCK:
		if (r->length != 8)
			return vma_r_bad(r, "not 8 bytes");
		p->seen |= 1ull << r->id;
		p->clock = vma_r_u64(r, 0);
		return 0;
	default:
		return vma_r_unknown(r, p->report);
	}
}

static int read_all(struct plan *p, const void *buf, size_t size)
{
	struct vma_reader r;
	int rc = vma_r_begin(&r, p->vm->be->arch, VMA_FORMAT_VM, buf, size);

	while (!rc) {
		rc = vma_r_next(&r);
		if (rc <= 0)
			break;
		rc = read_element(p, &r);
	}
	return rc;
}

static int apply(struct plan *p)
{
	static const uint64_t chips = 1ull << VMA_EL_PICS | 1ull << VMA_EL_IOAPIC | 1ull << VMA_EL_PIT;
	vma_vm *vm = p->vm;
	int rc = 0;

	if (p->seen & chips)
		rc = vm->be->irqchip_set
			     ? vm->be->irqchip_set(vm, &p->chip)
			     : vma_fail(VMA_E_NO_ACCEL, "%s cannot set its interrupt controllers", vm->info.name);
	if (p->seen >> VMA_EL_GIC & 1)
		rc = vma_gic_restore(vm, &p->gic, p->report);
	if (rc || !(p->seen >> VMA_EL_CLOCK & 1) || !(p->flags & VMA_STATE_TIME))
		return rc;
	if (!(vm->info.caps & VMA_CAP_CLOCK) || !vm->be->clock_set) {
		vma_report_line(p->report, VMA_EL_CLOCK, "%s has no guest clock", vm->info.name);
		return 0;
	}
	return vm->be->clock_set(vm, p->clock);
}

static int restore_locked(struct plan *p, const void *buf, size_t size)
{
	vma_vm *vm = p->vm;
	int rc = check_still(vm);

	/* What the data does not name stays as it is. */
	if (!rc && vm->config.irqchip != VMA_IRQCHIP_NONE && vm->be->irqchip_get)
		rc = vm->be->irqchip_get(vm, &p->chip);
	if (!rc)
		rc = read_all(p, buf, size);
	return rc ? rc : apply(p);
}

int vma_vm_restore(vma_vm *vm, const void *buf, size_t size, uint32_t flags, const vma_report *report)
{
	struct plan p = {.vm = vm, .report = report, .flags = flags};
	int rc;

	if (!vm || flags & ~(uint32_t)VMA_STATE_TIME)
		return vma_fail(VMA_E_INVALID, "restore: the VM is NULL, or unknown flags %#x", flags);
	os_lock(&vm->lock);
	rc = restore_locked(&p, buf, size);
	os_unlock(&vm->lock);
	return rc;
}
