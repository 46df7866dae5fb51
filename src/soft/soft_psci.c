/* soft_psci.c - PSCI 1.1 and the SMC calling convention as the software platform answers them (DEN 0022D, DEN 0028C), for VMs
 * whose hypercalls do not exit. Calls come by HVC or SMC. */
#include "soft.h"

enum psci_call {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_SUSPEND = 0x84000001,
	PSCI_CPU_OFF = 0x84000002,
	PSCI_CPU_ON = 0x84000003,
	PSCI_AFFINITY_INFO = 0x84000004,
	PSCI_MIGRATE_INFO_TYPE = 0x84000006,
	PSCI_SYSTEM_OFF = 0x84000008,
	PSCI_SYSTEM_RESET = 0x84000009,
	PSCI_FEATURES = 0x8400000a,
	SMCCC_VERSION = 0x80000000,
	SMCCC_ARCH_FEATURES = 0x80000001,
	SMC64 = 0x40000000 /* of CPU_SUSPEND, CPU_ON, AFFINITY_INFO */
};
enum { SUCCESS = 0, NOT_SUPPORTED = -1, INVALID_PARAMETERS = -2, ALREADY_ON = -4, ON_PENDING = -5 };
enum { INFO_ON = 0, INFO_OFF = 1, INFO_ON_PENDING = 2, TRUSTED_OS_NONE = 2 };
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

static struct soft_vcpu *by_affinity(struct soft_vm *sv, uint64_t target)
{
	for (uint32_t i = 0; i < sv->vm->config.max_vcpus; i++)
		if (sv->vcpus[i] && (sv->vcpus[i]->a64->mpidr & MPIDR_AFFINITY) == target)
			return sv->vcpus[i];
	return NULL;
}

/* mp of another vCPU is its thread's, but between OFF and on it changes under irq_lock only. */
static int64_t cpu_on(struct soft_vm *sv, uint64_t target, uint64_t entry, uint64_t context)
{
	int64_t answer = SUCCESS;
	os_lock(&sv->irq_lock);
	struct soft_vcpu *t = by_affinity(sv, target);
	if (!t)
		answer = INVALID_PARAMETERS;
	else if (atomic_load(&t->on))
		answer = ON_PENDING;
	else if (!atomic_load(&t->off))
		answer = ALREADY_ON;
	else {
		t->on_entry = entry;
		t->on_context = context;
		atomic_store(&t->off, false);
		atomic_store(&t->on, true);
		soft_wake(t);
	}
	os_unlock(&sv->irq_lock);
	return answer;
}

static int64_t affinity_info(struct soft_vm *sv, uint64_t target, uint64_t level)
{
	os_lock(&sv->irq_lock);
	struct soft_vcpu *t = level ? NULL : by_affinity(sv, target);
	int64_t answer = !t ? INVALID_PARAMETERS
			 : atomic_load(&t->on)  ? INFO_ON_PENDING
			 : atomic_load(&t->off) ? INFO_OFF
						: INFO_ON;
	os_unlock(&sv->irq_lock);
	return answer;
}

static int64_t features(uint64_t call)
{
	switch (call) {
	case PSCI_VERSION:
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_SUSPEND | SMC64:
	case PSCI_CPU_OFF:
	case PSCI_CPU_ON:
	case PSCI_CPU_ON | SMC64:
	case PSCI_AFFINITY_INFO:
	case PSCI_AFFINITY_INFO | SMC64:
	case PSCI_MIGRATE_INFO_TYPE:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_FEATURES:
	case SMCCC_VERSION: return SUCCESS;
	default: return NOT_SUPPORTED;
	}
}

static enum soft_psci switch_off(struct soft_vcpu *cv)
{
	os_lock(&cv->vm->irq_lock);
	cv->mp = VMA_MP_OFF;
	atomic_store(&cv->off, true);
	os_unlock(&cv->vm->irq_lock);
	return SOFT_PSCI_OFF;
}

enum soft_psci soft_psci(struct soft_vcpu *cv)
{
	struct soft_vm *sv = cv->vm;
	uint64_t *x = cv->a64->x;
	const uint32_t call = (uint32_t)x[0];
	/* SMC32 calls take 32-bit arguments */
	const uint64_t mask = call & SMC64 ? UINT64_MAX : UINT32_MAX;
	switch (call) {
	case PSCI_VERSION: x[0] = 1 << 16 | 1; break;
	case SMCCC_VERSION: x[0] = 1 << 16 | 1; break;
	case PSCI_CPU_OFF: return switch_off(cv);
	case PSCI_SYSTEM_OFF: return SOFT_PSCI_SYSTEM_OFF;
	case PSCI_SYSTEM_RESET: return SOFT_PSCI_SYSTEM_RESET;
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_SUSPEND | SMC64: /* a standby state, whatever was asked for: as WFI */
		x[0] = SUCCESS;
		cv->mp = VMA_MP_HALTED;
		return SOFT_PSCI_SUSPEND;
	case PSCI_CPU_ON:
	case PSCI_CPU_ON | SMC64: x[0] = (uint64_t)cpu_on(sv, x[1] & mask, x[2] & mask, x[3] & mask); break;
	case PSCI_AFFINITY_INFO:
	case PSCI_AFFINITY_INFO | SMC64: x[0] = (uint64_t)affinity_info(sv, x[1] & mask, x[2]); break;
	case PSCI_MIGRATE_INFO_TYPE: x[0] = TRUSTED_OS_NONE; break;
	case PSCI_FEATURES: x[0] = (uint64_t)features((uint32_t)x[1]); break;
	default: x[0] = (uint64_t)(int64_t)NOT_SUPPORTED; break; /* SMCCC_ARCH_FEATURES: none of its calls is there */
	}
	return SOFT_PSCI_GO_ON;
}
