/* kvm_arm64_sve.c - SVE: the lengths of vectors, settled before a vCPU's first run, and Z, P and FFR (api.rst 4.68,
 * 4.119). */
#include <errno.h>
#include <string.h>
#include "kvm/kvm_arm64.h"

enum { QUAD = 16 }; /* bytes; bit q - 1 of KVM_REG_ARM64_SVE_VLS is the length of q times that */
_Static_assert(VMA_SVE_MAX <= 64 * QUAD, "all lengths are in the first word of KVM_REG_ARM64_SVE_VLS");

static long one_reg(int fd, unsigned long request, uint64_t id, void *value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uint64_t)(uintptr_t)value};

	return os_ioctl(fd, request, &r, request == KVM_GET_ONE_REG ? "KVM_GET_ONE_REG" : "KVM_SET_ONE_REG");
}

static int get_lengths(int fd, uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS])
{
	long rc = one_reg(fd, KVM_GET_ONE_REG, KVM_REG_ARM64_SVE_VLS, lengths);

	return rc ? vma_fail_os(rc, "KVM_GET_ONE_REG of KVM_REG_ARM64_SVE_VLS") : 0;
}

/* Lengths are only left out from the top: KVM takes no other choice of them. */
int vma_kvm_sve_init(struct vma_vm *vm, int fd)
{
	const uint32_t most = vm->config.sve < VMA_SVE_MAX ? vm->config.sve : VMA_SVE_MAX;
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS];
	int feature = KVM_ARM_VCPU_SVE, rc = get_lengths(fd, lengths);
	long set;

	if (rc)
		return rc;
	memset(lengths + 1, 0, sizeof(lengths) - sizeof(*lengths));
	lengths[0] &= (UINT64_C(1) << most / QUAD) - 1;
	set = one_reg(fd, KVM_SET_ONE_REG, KVM_REG_ARM64_SVE_VLS, lengths);
	if (set == -EPERM)
		return 0; /* initialised again: settled for ever the first time */
	if (set)
		return vma_fail_os(set, "KVM_SET_ONE_REG of KVM_REG_ARM64_SVE_VLS");
	return vma_kvm_ioctl(fd, KVM_ARM_VCPU_FINALIZE, &feature, "KVM_ARM_VCPU_FINALIZE");
}

int vma_kvm_sve_length(struct vma_vcpu *v)
{
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS];
	int rc = get_lengths(VMA_KVM_VCPU(v)->fd, lengths);

	for (uint32_t q = 1; !rc && q <= VMA_SVE_MAX / QUAD; q++)
		if (lengths[0] >> (q - 1) & 1)
			v->sve = q * QUAD;
	return rc;
}

static int move(struct vma_vcpu *v, uint64_t id, void *value, bool write)
{
	long rc = one_reg(VMA_KVM_VCPU(v)->fd, write ? KVM_SET_ONE_REG : KVM_GET_ONE_REG, id, value);

	return rc ? vma_fail_os(rc, write ? "KVM_SET_ONE_REG of SVE" : "KVM_GET_ONE_REG of SVE") : 0;
}

int vma_kvm_sve(struct vma_vcpu *v, vma_arm64_sve *s, bool write)
{
	int rc = 0;

	for (unsigned n = 0; !rc && n < 32; n++)
		rc = move(v, KVM_REG_ARM64_SVE_ZREG(n, 0), s->z[n], write);
	for (unsigned n = 0; !rc && n < 16; n++)
		rc = move(v, KVM_REG_ARM64_SVE_PREG(n, 0), s->p[n], write);
	return rc ? rc : move(v, KVM_REG_ARM64_SVE_FFR(0), s->ffr, write);
}

int vma_kvm_sve_get_v(struct vma_vcpu *v, uint8_t to[32][16])
{
	uint8_t z[VMA_SVE_MAX];
	int rc = 0;

	for (unsigned n = 0; !rc && n < 32; n++) {
		rc = move(v, KVM_REG_ARM64_SVE_ZREG(n, 0), z, false);
		if (!rc)
			memcpy(to[n], z, sizeof(to[n]));
	}
	return rc;
}

/* Registers that stay as they are keep what is above V. */
int vma_kvm_sve_set_v(struct vma_vcpu *v, uint8_t from[32][16])
{
	uint8_t z[VMA_SVE_MAX];
	int rc = 0;

	for (unsigned n = 0; !rc && n < 32; n++) {
		rc = move(v, KVM_REG_ARM64_SVE_ZREG(n, 0), z, false);
		if (rc || !memcmp(z, from[n], sizeof(from[n])))
			continue;
		memset(z, 0, sizeof(z));
		memcpy(z, from[n], sizeof(from[n]));
		rc = move(v, KVM_REG_ARM64_SVE_ZREG(n, 0), z, true);
	}
	return rc;
}
