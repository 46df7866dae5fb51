/* kvm_host.c - what the KVM back ends of all architectures share: ioctls with a reason, the device, making a VM, eventfds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "kvm/kvm.h"

struct vma_kvm_host vma_kvm_host;

int vma_kvm_ioctl(int fd, unsigned long request, void *arg, const char *name)
{
	long rc = os_ioctl(fd, request, arg, name);

	return rc < 0 ? vma_fail_os(rc, name) : (int)rc;
}

long vma_kvm_extension(int fd, long cap)
{
	long rc = os_ioctl(fd, KVM_CHECK_EXTENSION, (void *)cap, "KVM_CHECK_EXTENSION");

	return rc < 0 ? 0 : rc;
}

void vma_kvm_no_device(long rc, vma_platform_info *info)
{
	static char why[96];

	info->remedy = "";
	if (rc == -ENOENT) {
		info->why = "there is no /dev/kvm";
		info->remedy =
		    "load the module kvm_intel or kvm_amd; if that fails, enable virtualization in the firmware setup "
		    "(in a virtual machine: nested virtualization on its host)";
	} else if (rc == -EACCES || rc == -EPERM) {
		info->why = "no permission to open /dev/kvm";
		info->remedy = "join the group kvm (as root: usermod -aG kvm USER) and log in again";
	} else if (rc == -ENODEV || rc == -ENXIO) {
		info->why = "/dev/kvm is there but no KVM module stands behind it";
		info->remedy = "load the module kvm_intel or kvm_amd";
	} else {
		snprintf(why, sizeof(why), "open /dev/kvm: %s", strerror((int)-rc));
		info->why = why;
	}
}

/* The version and the extensions that KVM has (api.rst 4.1, 4.4). */
int vma_kvm_facts(vma_fact *say, void *opaque)
{
	enum { EXTENSIONS = 300 };
	int fd = os_open("/dev/kvm", O_RDWR | O_CLOEXEC), count = 1;
	char key[32], value[32];

	if (fd < 0)
		return 0;
	snprintf(value, sizeof(value), "%ld", os_ioctl(fd, KVM_GET_API_VERSION, NULL, "KVM_GET_API_VERSION"));
	say(opaque, "version", value);
	for (int i = 0; i < EXTENSIONS; i++) {
		long answer = vma_kvm_extension(fd, i);

		if (!answer)
			continue;
		snprintf(key, sizeof(key), "extension.%d", i);
		snprintf(value, sizeof(value), "%ld", answer);
		say(opaque, key, value);
		count++;
	}
	os_close(fd);
	return count;
}

/* KVM_CREATE_VM waits for a lock interruptibly; a signal is no failure (api.rst 4.2). */
int vma_kvm_create_vm(struct vma_kvm_vm *k, unsigned long type)
{
	long rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < 100; tries++)
		rc = os_ioctl(k->system, KVM_CREATE_VM, (void *)type, "KVM_CREATE_VM");
	k->fd = rc < 0 ? -1 : (int)rc;
	return rc < 0 ? vma_fail_os(rc, "KVM_CREATE_VM") : 0;
}

int vma_kvm_native(struct vma_vm *vm, struct vma_vcpu *v, int what, void **handle)
{
	(void)handle;
	if (what == VMA_NATIVE_VCPU)
		return VMA_KVM_VCPU(v)->fd;
	return what == VMA_NATIVE_VM ? VMA_KVM_VM(vm)->fd : VMA_KVM_VM(vm)->system;
}

int vma_kvm_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	struct kvm_irqfd f = {.fd = (uint32_t)eventfd, .gsi = gsi, .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	return vma_kvm_vm_ioctl(vm, KVM_IRQFD, &f);
}

int vma_kvm_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct kvm_ioeventfd f = {
	    .datamatch = io->match ? io->value : 0,
	    .addr = io->address,
	    .len = io->length,
	    .fd = io->eventfd,
	    .flags = (io->pio ? KVM_IOEVENTFD_FLAG_PIO : 0) | (io->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
		     (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return vma_kvm_vm_ioctl(vm, KVM_IOEVENTFD, &f);
}
