/* platform.c - the selection table of back ends, probing them once a process, and the choice behind VMA_ACCEL_AUTO. */
#include <stdio.h>
#include <string.h>
#include "core/internal.h"

/* The one place that knows which back ends were compiled in. */
#ifdef VMA_HAVE_KVM
extern const struct vma_backend vma_backend_kvm;
#endif
#ifdef VMA_HAVE_WHPX
extern const struct vma_backend vma_backend_whpx;
#endif
#ifdef VMA_HAVE_SOFT
extern const struct vma_backend vma_backend_soft, vma_backend_soft_arm64;
#endif
#ifdef VMA_HAVE_NULL
extern const struct vma_backend vma_backend_null;
#endif

const struct vma_backend *const vma_backends[] = {
#ifdef VMA_HAVE_KVM
	&vma_backend_kvm,
#endif
#ifdef VMA_HAVE_WHPX
	&vma_backend_whpx,
#endif
#ifdef VMA_HAVE_SOFT
	&vma_backend_soft,
	&vma_backend_soft_arm64,
#endif
#ifdef VMA_HAVE_NULL
	&vma_backend_null,
#endif
	NULL,
};

enum { MAX_BACKENDS = 16 };
static struct {
	bool probed;
	vma_platform_info info;
	uint32_t vms;
	bool measured;
	int measure_error;
	uint64_t speed;
} records[MAX_BACKENDS];
_Static_assert(VMA_COUNT(vma_backends) <= MAX_BACKENDS, "more back ends than records");

static const struct {
	vma_accel accel;
	const char *name;
} names[] = {
	{VMA_ACCEL_AUTO, "auto"}, {VMA_ACCEL_KVM, "kvm"},   {VMA_ACCEL_HVF, "hvf"},   {VMA_ACCEL_WHPX, "whpx"},
	{VMA_ACCEL_VZ, "vz"},     {VMA_ACCEL_SOFT, "soft"}, {VMA_ACCEL_NULL, "null"},
};

int vma_accel_parse(const char *name, vma_accel *accel)
{
	if (!name || !accel)
		return vma_fail(VMA_E_INVALID, "no accelerator name, or no place for the answer");
	for (size_t i = 0; i < VMA_COUNT(names); i++)
		if (!strcmp(names[i].name, name)) {
			*accel = names[i].accel;
			return 0;
		}
	return vma_fail(VMA_E_NOENT, "there is no accelerator \"%.40s\" (auto, kvm, hvf, whpx, vz, soft, null)", name);
}

const char *vma_accel_name(vma_accel accel)
{
	for (size_t i = 0; i < VMA_COUNT(names); i++)
		if (names[i].accel == accel)
			return names[i].name;
	return "?";
}

static int backend_index(vma_accel accel, vma_arch arch)
{
	for (int i = 0; vma_backends[i]; i++)
		if (vma_backends[i]->accel == accel && vma_backends[i]->arch == arch)
			return i;
	return -1;
}

const struct vma_backend *vma_backend_find(vma_accel accel, vma_arch arch)
{
	int i = backend_index(accel, arch);

	return i < 0 ? NULL : vma_backends[i];
}

static const vma_platform_info *probed(int i)
{
	static const vma_platform_info none;

	if (i < 0)
		return &none;
	os_process_lock();
	if (!records[i].probed) {
		vma_platform_info *info = &records[i].info;
		info->size = sizeof(*info);
		info->accel = vma_backends[i]->accel;
		info->arch = vma_backends[i]->arch;
		info->name = vma_backends[i]->name;
		info->why = info->remedy = info->version = info->proved = "";
		info->granule = VMA_PAGE;
		vma_backends[i]->probe(info);
		records[i].probed = true;
	}
	os_process_unlock();
	return &records[i].info;
}

const vma_platform_info *vma_platform_probed(const struct vma_backend *be)
{
	return probed(backend_index(be->accel, be->arch));
}

int vma_platform_count(void)
{
	return (int)VMA_COUNT(vma_backends) - 1;
}

static int copy_out(int index, vma_platform_info *info)
{
	uint32_t size = info->size;

	if (size < sizeof(uint32_t) || size > 65536)
		return vma_fail(VMA_E_INVALID, "vma_platform_info.size is %u; set it to sizeof, %zu here", size,
				sizeof(*info));
	memset(info, 0, size);
	memcpy(info, probed(index), size < sizeof(*info) ? size : sizeof(*info));
	info->size = size;
	return 0;
}

int vma_platform_get(int index, vma_platform_info *info)
{
	if (!info)
		return vma_fail(VMA_E_INVALID, "no place for the platform's information");
	if (index < 0 || index >= vma_platform_count())
		return vma_fail(VMA_E_NOENT, "platform %d: there are %d", index, vma_platform_count());
	return copy_out(index, info);
}

int vma_platform_find(vma_accel accel, vma_arch arch, vma_platform_info *info)
{
	int i = backend_index(accel, arch);

	if (!info)
		return vma_fail(VMA_E_INVALID, "no place for the platform's information");
	if (i < 0)
		return vma_fail(VMA_E_NOENT, "accelerator %s for that guest architecture is not compiled in",
				vma_accel_name(accel));
	return copy_out(i, info);
}

int vma_platform_facts(vma_accel accel, vma_arch arch, vma_fact *say, void *opaque)
{
	int i = backend_index(accel, arch);

	if (!say)
		return vma_fail(VMA_E_INVALID, "nobody to tell the facts to");
	if (i < 0)
		return vma_fail(VMA_E_NOENT, "accelerator %s for that guest architecture is not compiled in",
				vma_accel_name(accel));
	probed(i);
	return vma_backends[i]->facts ? vma_backends[i]->facts(say, opaque) : 0;
}

int vma_platform_vm_in(const struct vma_backend *be)
{
	int i = backend_index(be->accel, be->arch), rc = 0;
	uint32_t limit = probed(i)->max_vms;

	if (i < 0)
		return vma_fail(VMA_E_NOENT, "%s is not in the selection table", be->name);
	os_process_lock();
	if (limit && records[i].vms >= limit)
		rc = vma_fail(VMA_E_LIMIT, "%s allows %u VM%s in a process; destroy one, or use another process",
			      be->name, limit, limit == 1 ? "" : "s");
	else
		records[i].vms++;
	os_process_unlock();
	return rc;
}

void vma_platform_vm_out(const struct vma_backend *be)
{
	int i = backend_index(be->accel, be->arch);

	os_process_lock();
	if (i >= 0)
		records[i].vms--;
	os_process_unlock();
}

int vma_platform_measure(vma_accel accel, vma_arch arch, uint64_t *insns_per_second)
{
	int i = backend_index(accel, arch), rc;

	if (!insns_per_second)
		return vma_fail(VMA_E_INVALID, "no place for the measurement");
	if (i < 0)
		return vma_fail(VMA_E_NOENT, "accelerator %s for that guest architecture is not compiled in",
				vma_accel_name(accel));
	if (accel == VMA_ACCEL_NULL || probed(i)->machine_level)
		return vma_fail(VMA_E_NO_ACCEL, "%s runs no guest code of ours to measure", vma_backends[i]->name);
	if (!probed(i)->available)
		return vma_fail(VMA_E_NO_HOST, "%s: %s", vma_backends[i]->name, probed(i)->why);
	os_process_lock();
	if (!records[i].measured) {
		records[i].measure_error = vma_measure(accel, arch, &records[i].speed);
		records[i].measured = true;
	}
	rc = records[i].measure_error;
	*insns_per_second = records[i].speed;
	os_process_unlock();
	if (rc && !*vma_why())
		vma_fail(rc, "%s could not run the measuring loop", vma_backends[i]->name);
	return rc;
}

static bool candidate(int i, vma_arch arch)
{
	const struct vma_backend *be = vma_backends[i];

	return be->arch == arch && be->accel != VMA_ACCEL_NULL && be->accel != VMA_ACCEL_VZ && probed(i)->available;
}

static void append(char *text, size_t size, const char *part)
{
	size_t have = strlen(text);

	snprintf(text + have, size - have, "%s%s", have ? ", " : "", part);
}

static int none_there(vma_arch arch)
{
	char text[400] = "", part[300];

	for (int i = 0; vma_backends[i]; i++)
		if (vma_backends[i]->arch == arch && vma_backends[i]->accel != VMA_ACCEL_NULL) {
			snprintf(part, sizeof(part), "%s: %s", vma_backends[i]->name, probed(i)->why);
			append(text, sizeof(text), part);
		}
	return vma_fail(VMA_E_NO_HOST, "no accelerator is available here (%s)", *text ? text : "none compiled in");
}

/* The fastest of several candidates; `text` lists the measurements. */
static int fastest(vma_arch arch, char *text, size_t size)
{
	uint64_t best_speed = 0, speed;
	char part[200];
	int best = -1;

	for (int i = 0; vma_backends[i]; i++) {
		if (!candidate(i, arch))
			continue;
		if (vma_platform_measure(vma_backends[i]->accel, arch, &speed) < 0) {
			snprintf(part, sizeof(part), "%s does not run (%.150s)", vma_backends[i]->name, vma_why());
		} else {
			snprintf(part, sizeof(part), "%s %.4g million instructions/s", vma_backends[i]->name,
				 (double)speed / 1e6);
			if (best < 0 || speed > best_speed) {
				best = i;
				best_speed = speed;
			}
		}
		append(text, size, part);
	}
	return best;
}

int vma_platform_choose(vma_arch arch, vma_accel *accel, char *reason, size_t reason_size)
{
	char text[400] = "";
	int count = 0, best = -1;

	if (!accel)
		return vma_fail(VMA_E_INVALID, "no place for the choice");
	for (int i = 0; vma_backends[i]; i++)
		if (candidate(i, arch)) {
			best = i;
			count++;
		}
	if (!count)
		return none_there(arch);
	if (count > 1)
		best = fastest(arch, text, sizeof(text));
	if (best < 0)
		return vma_fail(VMA_E_NO_HOST, "no accelerator runs guest code here: %s", text);
	*accel = vma_backends[best]->accel;
	if (reason && reason_size)
		snprintf(reason, reason_size,
			 count > 1 ? "%s is the fastest: %s" : "%s is the only accelerator available here%s",
			 vma_backends[best]->name, text);
	return 0;
}
