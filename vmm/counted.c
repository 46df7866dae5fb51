/* counted.c - a machine whose time is its instructions (vmm_config.insn_hz): its one vCPU's thread runs the devices'
 * timers and feeds the console's input, each at an exact count, so that a run with the same input can be repeated; and
 * what is told at its end, the state in one number included. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"
#include "machine.h"

#define EPOCH_SECONDS 1577836800ll /* the devices' UTC begins at 2020-01-01 00:00:00 */

/* ------ time ------ */

static uint64_t virtual_ns(void *opaque)
{
	const struct vmm *vmm = opaque;
	uint64_t ns = 0;

	if (vmm->vm)
		vma_vm_clock_get(vmm->vm, &ns);
	return vmm->counted.ns_before + ns;
}

static int64_t virtual_utc(void *opaque)
{
	return EPOCH_SECONDS * (int64_t)NS_PER_SECOND + (int64_t)virtual_ns(opaque);
}

void counted_clock(struct vmm *vmm)
{
	vmm->config.clock = (struct vmm_clock_source){virtual_ns, virtual_utc, vmm};
}

/* ------ the run ------ */

/* The count at which the run ends at the latest; with `slice` somewhere before, at no regular distance. */
static int last_insn(struct vcpu *v, uint64_t *limit)
{
	const struct vmm_config *config = &v->vmm->config;
	uint64_t now, slice;
	int result;

	*limit = config->max_insns ? config->max_insns - v->vmm->counted.insns_before : UINT64_MAX;
	if (!config->slice)
		return 0;
	result = vma_vcpu_insns(v->vcpu, &now);
	if (result < 0)
		return result;
	slice = 1 + now * 0x9e3779b97f4a7c15u % config->slice;
	if (*limit - now > slice && *limit > now)
		*limit = now + slice;
	return 0;
}

/* How far the next run may go: to the next timer of a device, and to the last instruction. */
static int set_budget(struct vcpu *v)
{
	struct vmm *vmm = v->vmm;
	uint64_t next = UINT64_MAX, now, limit;
	int result = last_insn(v, &limit);

	uv_mutex_lock(&vmm->lock);
	if (!vmm->ended)
		next = timers_run(&vmm->clock);
	uv_mutex_unlock(&vmm->lock);
	if (result >= 0)
		result = vma_vm_clock_get(vmm->vm, &now);
	return result < 0 ? result : vma_vcpu_budget(v->vcpu, limit, next == UINT64_MAX ? next : now + next);
}

static void end(struct vmm *vmm, enum vmm_end how)
{
	uv_mutex_lock(&vmm->lock);
	machine_end(vmm, how, VMM_STATUS_BUDGET);
	uv_mutex_unlock(&vmm->lock);
}

/* What concerns the count alone. A budget that is not used up was that of a device's timer. */
static int counts(struct vcpu *v, const vma_exit *exit)
{
	struct vmm *vmm = v->vmm;
	uint64_t insns = 0;

	if (exit->kind == VMA_EXIT_HLT) {
		end(vmm, VMM_END_HALTED);
		return 1;
	}
	if (exit->kind != VMA_EXIT_BUDGET)
		return 0;
	vma_vcpu_insns(v->vcpu, &insns);
	if (vmm->config.max_insns && insns >= vmm->config.max_insns - vmm->counted.insns_before)
		end(vmm, VMM_END_BUDGET);
	return 1;
}

int counted_run(struct vcpu *v)
{
	struct vmm *vmm = v->vmm;
	vma_exit *exit = vma_vcpu_exit(v->vcpu);

	while (!atomic_load_explicit(&vmm->stop, memory_order_relaxed)) {
		if (atomic_exchange(&vmm->want_input, 0))
			input_more(&vmm->input);
		if (set_budget(v) < 0 || vma_vcpu_run(v->vcpu) < 0)
			return -1;
		v->exits++;
		if (!counts(v, exit))
			vcpu_handle_exit(v, exit);
	}
	return 0;
}

/* ------ the state in one number ------ */

/* Four lanes of 64 bits. Each step is one-to-one in the lane and in the word, so that states which differ in one word
 * never have the same number; beyond that it is as good as chance. */
struct hash {
	uint64_t lane[4];
};

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static void hash_bytes(struct hash *h, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t tail[32] = {0};
	struct hash now = *h; /* in registers */

	now.lane[0] = mix(now.lane[0], size);
	for (; size >= 32; size -= 32, bytes += 32)
		for (unsigned i = 0; i < 4; i++)
			now.lane[i] = mix(now.lane[i], get_le64(bytes + 8 * i));
	if (size)
		memcpy(tail, bytes, size);
	for (unsigned i = 0; i < 4; i++)
		now.lane[i] = mix(now.lane[i], get_le64(tail + 8 * i));
	*h = now;
}

/* Saved state of the vCPU or of the VM. */
static int hash_saved(struct hash *h, int (*save)(void *object, void *buf, size_t *size), void *object)
{
	size_t size = 0;
	uint8_t *buf;
	int result = save(object, NULL, &size);

	if (result < 0)
		return result;
	buf = malloc(size);
	if (!buf)
		return VMA_E_NOMEM;
	result = save(object, buf, &size);
	if (result >= 0)
		hash_bytes(h, buf, size);
	free(buf);
	return result;
}

static int save_vcpu(void *object, void *buf, size_t *size)
{
	return vma_vcpu_save(object, buf, size, VMA_STATE_TIME);
}

static int save_vm(void *object, void *buf, size_t *size)
{
	return vma_vm_save(object, buf, size, VMA_STATE_TIME);
}

static void hash_bus(struct hash *h, const struct bus *bus)
{
	for (unsigned i = 0; i < bus->count; i++)
		hash_bytes(h, bus->range[i].device, bus->range[i].ops->state_size);
}

static int hash_machine(struct vcpu *v, uint64_t *value)
{
	struct vmm *vmm = v->vmm;
	struct hash h = {{1, 2, 3, 4}};
	int result = hash_saved(&h, save_vcpu, v->vcpu);

	if (result >= 0)
		result = hash_saved(&h, save_vm, vmm->vm);
	if (result < 0)
		return result;
	uv_mutex_lock(&vmm->lock);
	hash_bus(&h, &vmm->ports);
	hash_bus(&h, &vmm->mmio);
	uv_mutex_unlock(&vmm->lock);
	for (unsigned i = 0; i < vmm->ram.count; i++)
		hash_bytes(&h, vmm->ram.region[i].hva, vmm->ram.region[i].size);
	*value = 0;
	for (unsigned i = 0; i < 4; i++)
		*value = mix(*value, h.lane[i]);
	return 0;
}

/* ------ the end ------ */

/* An exit that ended the machine waits for its answer: the state is that behind its instruction. */
static int settle(struct vcpu *v)
{
	vma_exit *exit = vma_vcpu_exit(v->vcpu);
	int result = exit->pending ? vma_vcpu_complete(v->vcpu) : 0;

	while (result == 1) {
		vcpu_handle_exit(v, exit);
		result = vma_vcpu_complete(v->vcpu);
	}
	return result;
}

void counted_finish(struct vcpu *v)
{
	struct vmm *vmm = v->vmm;
	uint64_t insns = 0, state = 0, pc = 0;
	int known = settle(v) >= 0 && vma_vcpu_insns(v->vcpu, &insns) >= 0 && vmm->arch->pc(v->vcpu, &pc) >= 0 &&
		    hash_machine(v, &state) >= 0;

	uv_mutex_lock(&vmm->lock);
	vmm->counted.ns_before = virtual_ns(vmm);
	vmm->counted.insns_before += insns;
	vmm->result.insns = vmm->counted.insns_before;
	vmm->result.virtual_ns = vmm->counted.ns_before;
	vmm->result.pc = pc;
	if (known)
		snprintf(vmm->result.state, sizeof(vmm->result.state), "%016" PRIx64, state);
	uv_mutex_unlock(&vmm->lock);
}
