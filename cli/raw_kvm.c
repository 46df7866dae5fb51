/* raw_kvm.c - the operations of `vmaccel bench` as bare KVM ioctls: what the library's cost is measured against. */
#include "raw_kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct machine {
	int kvm, vm, vcpu, memfd;
	void *mem;
	struct kvm_run *run;
};

struct raw {
	int kvm, run_size;
	struct machine machine; /* of every operation but create */
	union bench_regs regs;
	void *spare;
};

static int fail(char *why, uint32_t size, const char *call)
{
	snprintf(why, size, "%s: %s", call, strerror(errno));
	return -1;
}

int raw_available(const char *accel, vma_arch arch)
{
	return !strcmp(accel, "kvm") && arch == raw_arch;
}

static void machine_close(struct machine *m, int run_size)
{
	if (m->run && m->run != MAP_FAILED)
		munmap(m->run, (size_t)run_size);
	if (m->vcpu > 0)
		close(m->vcpu);
	if (m->vm > 0)
		close(m->vm);
	if (m->mem && m->mem != MAP_FAILED)
		munmap(m->mem, BENCH_MEM);
	if (m->memfd > 0)
		close(m->memfd);
	if (m->kvm > 0)
		close(m->kvm);
	memset(m, 0, sizeof(*m));
}

static int set_slot(int vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)hva};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static const char *make_memory(struct machine *m)
{
	m->memfd = memfd_create("bench", MFD_CLOEXEC);
	if (m->memfd < 0 || ftruncate(m->memfd, BENCH_MEM) < 0)
		return "memfd_create";
	m->mem = mmap(NULL, BENCH_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, m->memfd, 0);
	if (m->mem == MAP_FAILED)
		return "mmap";
	memcpy((char *)m->mem + BENCH_CODE, bench_guest(raw_arch)->code, sizeof(bench_guest(raw_arch)->code));
	return set_slot(m->vm, 0, 0, BENCH_MEM, m->mem) < 0 ? "KVM_SET_USER_MEMORY_REGION" : NULL;
}

static int run_to_exit(struct machine *m)
{
	return ioctl(m->vcpu, KVM_RUN, 0) == 0 && raw_at_exit(m->run) ? 0 : -1;
}

static const char *machine_open(struct raw *raw, struct machine *m)
{
	const char *call;

	memset(m, 0, sizeof(*m));
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		return "/dev/kvm";
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, raw_vm_type(m->kvm));
	if (m->vm < 0)
		return "KVM_CREATE_VM";
	call = raw_vm(m->vm);
	if (!call)
		call = make_memory(m);
	if (call)
		return call;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0)
		return "KVM_CREATE_VCPU";
	m->run = mmap(NULL, (size_t)raw->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED)
		return "mmap of kvm_run";
	call = raw_vcpu(m->vm, m->vcpu);
	if (call)
		return call;
	return run_to_exit(m) < 0 ? "KVM_RUN" : NULL;
}

struct raw *raw_open(char *why, uint32_t why_size)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	const char *call = "calloc";

	if (!raw)
		return fail(why, why_size, call), NULL;
	raw->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	call = raw->kvm < 0 ? "/dev/kvm" : NULL;
	if (!call) {
		raw->run_size = ioctl(raw->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
		call = raw->run_size < 0 ? "KVM_GET_VCPU_MMAP_SIZE" : raw_host(raw->kvm);
	}
	if (!call)
		call = machine_open(raw, &raw->machine);
	if (!call) {
		raw->spare = mmap(NULL, BENCH_MAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		call = raw->spare == MAP_FAILED ? "mmap" : NULL;
	}
	if (call) {
		fail(why, why_size, call);
		raw_close(raw);
		return NULL;
	}
	return raw;
}

static const char *create(struct raw *raw)
{
	struct machine m;
	const char *call = machine_open(raw, &m);

	machine_close(&m, raw->run_size);
	return call;
}

static const char *exit_and_registers(struct raw *raw)
{
	struct machine *m = &raw->machine;
	const char *call;

	if (run_to_exit(m) < 0)
		return "KVM_RUN";
	call = raw_get_regs(m->vcpu, &raw->regs);
	return call ? call : raw_set_regs(m->vcpu, &raw->regs);
}

static const char *map_unmap(struct raw *raw)
{
	if (set_slot(raw->machine.vm, 1, BENCH_MAP_GPA, BENCH_MAP, raw->spare) < 0 ||
	    set_slot(raw->machine.vm, 1, BENCH_MAP_GPA, 0, raw->spare) < 0)
		return "KVM_SET_USER_MEMORY_REGION";
	return NULL;
}

static const char *kick(struct raw *raw)
{
	struct machine *m = &raw->machine;
	int result;

	m->run->immediate_exit = 1;
	result = ioctl(m->vcpu, KVM_RUN, 0);
	m->run->immediate_exit = 0;
	return result < 0 && errno == EINTR ? NULL : "KVM_RUN with immediate_exit";
}

static const char *once(struct raw *raw, enum bench_op op)
{
	struct machine *m = &raw->machine;

	switch (op) {
	case BENCH_EXIT:
		return run_to_exit(m) < 0 ? "KVM_RUN" : NULL;
	case BENCH_EXIT_REGS:
		return exit_and_registers(raw);
	case BENCH_GET_REGS:
		return raw_get_regs(m->vcpu, &raw->regs);
	case BENCH_SET_REGS:
		return raw_set_regs(m->vcpu, &raw->regs);
	case BENCH_CREATE:
		return create(raw);
	case BENCH_MAP_UNMAP:
		return map_unmap(raw);
	case BENCH_KICK:
		return kick(raw);
	default:
		return "no such operation";
	}
}

int raw_do(struct raw *raw, enum bench_op op, uint64_t n, char *why, uint32_t why_size)
{
	const char *call = op == BENCH_SET_REGS ? raw_get_regs(raw->machine.vcpu, &raw->regs) : NULL;

	for (; !call && n; n--)
		call = once(raw, op);
	return call ? fail(why, why_size, call) : 0;
}

void raw_close(struct raw *raw)
{
	if (!raw)
		return;
	machine_close(&raw->machine, raw->run_size);
	if (raw->spare && raw->spare != MAP_FAILED)
		munmap(raw->spare, BENCH_MAP);
	if (raw->kvm > 0)
		close(raw->kvm);
	free(raw);
}
