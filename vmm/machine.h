/* machine.h - the inside of struct vmm: what the parts of the VMM share. One lock, `lock`, covers devices, buses,
 * timers and the fields marked so. Order of locks: machine, then console. Nobody blocks while holding the machine lock.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stdatomic.h>
#include <uv.h>

#include "bus.h"
#include "clock.h"
#include "console.h"
#include "devices.h"
#include "error.h"
#include "input.h"
#include "loader.h"
#include "ram.h"

struct vcpu {
	struct vmm *vmm;
	uint32_t index;
	uv_thread_t thread;
	int thread_started;
	vma_vcpu *vcpu; /* owner thread only */
	vma_kick *kick; /* under the lock */
	uint64_t exits; /* owner thread, then whoever joined it */
};

/* What differs between guest architectures. `arch` is that file's own part of the machine. */
struct machine_arch {
	vma_arch arch;
	/* Memory regions for config.mem bytes: fills ram->region[].gpa and size. */
	void (*layout)(struct vmm *vmm);
	/* What of the VM it configures itself, before finalize; NULL: nothing. Returns 0 or the library's error. */
	int (*configure)(struct vmm *vmm);
	/* Tables and kernel into guest memory. */
	int (*load)(struct vmm *vmm, struct vmm_error *error);
	/* The platform's devices on the buses; *size in `arch` is allocated zeroed by the caller. */
	size_t platform_size;
	int (*platform)(struct vmm *vmm, struct vmm_error *error);
	/* The state in which vCPU `index` starts; on its thread. Returns 0 or the library's error. */
	int (*start)(struct vmm *vmm, vma_vcpu *vcpu, uint32_t index);
	/* Registers as text for people; on the vCPU's thread. */
	void (*dump)(vma_vcpu *vcpu, char *text, size_t size);
	/* The address of the next instruction. Returns 0 or the library's error. */
	int (*pc)(vma_vcpu *vcpu, uint64_t *pc);
	/* Console: input from outside (how much was taken), room for output. Under the lock. */
	size_t (*input)(struct vmm *vmm, const uint8_t *data, size_t size);
	void (*room)(struct vmm *vmm);
	void (*power_button)(struct vmm *vmm);
};
extern const struct machine_arch machine_x86, machine_arm64;

enum phase { PHASE_NEW, PHASE_RUNNING, PHASE_DRAINING, PHASE_DONE };

struct vmm {
	struct vmm_config config; /* its strings are our copies */
	const struct machine_arch *arch;
	uint64_t created_at; /* uv_hrtime */

	vma_accel accel;
	char accel_reason[256];
	char kind[96];
	struct x86_start start;
	struct arm64_start arm64_start;

	vma_mem *mem;
	struct guest_ram ram;
	vma_vm *vm;
	struct vcpu *vcpus;
	struct console *console;

	uv_mutex_t lock;
	uv_cond_t ready; /* `made` changed, or stop */
	/* under the lock: */
	struct bus ports, mmio;
	struct machine_clock clock;
	struct device_host host;
	void *platform;           /* devices */
	uint32_t made, running;   /* vCPUs that were created; whose threads have not ended */
	struct vmm_result result; /* valid once `ended` */
	int ended;
	struct {
		uint64_t insns_before, ns_before; /* of the guest before its last reset */
	} counted;

	atomic_int stop;           /* vCPUs leave their loops */
	atomic_int stop_requested; /* vmm_request_stop was called */
	atomic_int draining;       /* wake the loop when the console has written everything */
	atomic_int want_input;     /* the guest can take more */

	/* the thread of vmm_run: */
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t device_timer, deadline;
	uv_signal_t signals[5];
	unsigned signal_count;
	struct input input;
	enum phase phase;
	int abandon; /* do not wait for the console any longer */
	int loop_made, async_made, lock_made;
};

/* machine.c */
void machine_connect_console(struct vmm *vmm); /* once, before the first byte */
int machine_build(struct vmm *vmm, struct vmm_error *error);
/* Call `load` with the config's kernel and initrd opened in the request. */
int machine_with_files(struct vmm *vmm, struct boot_request *request,
		       int (*load)(const struct boot_request *request, void *result, struct vmm_error *error), void *result,
		       struct vmm_error *error);
void machine_teardown(struct vmm *vmm);
/* The first end counts; tells every vCPU to stop. Called with the lock held. Returns the result to fill in further,
 * NULL if it came second. */
struct vmm_result *machine_end(struct vmm *vmm, enum vmm_end end, int status);
/* run.c: what the loop does when somebody sent to vmm->wake */
void machine_wake(uv_async_t *async);
/* vcpu.c */
int vcpus_start(struct vmm *vmm, struct vmm_error *error);
void vcpus_join(struct vmm *vmm);
void vcpu_handle_exit(struct vcpu *v, vma_exit *exit);
/* counted.c: with config.insn_hz */
void counted_clock(struct vmm *vmm); /* the clock that devices see */
int counted_run(struct vcpu *v);     /* until the machine stops; or -1: vma_why says what failed */
void counted_finish(struct vcpu *v); /* the vCPU's thread, before the vCPU goes */

#endif
