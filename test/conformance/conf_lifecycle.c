/* conf_lifecycle.c - checks of life of VMs and vCPUs, and threads (T001-T008). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "host.h"

/* ------ T001: nothing grows ------ */

static int open_and_close(struct conf *conf, int times)
{
	for (int i = 0; i < times; i++) {
		struct guest g;

		CONF_TRY(guest_open(&g, conf, NULL, NULL, 0));
		guest_close(&g);
	}
	return CONF_PASS;
}

static int no_growth(struct conf *conf)
{
	enum { PAGES_ALLOWED = 512 }; /* a leak of 2 KiB in each of the thousand */
	const int times = conf_emulated(conf) ? 100 : 1000;
	struct host_usage before, after;

	CONF_TRY(open_and_close(conf, 20));
	if (!host_usage(&before))
		return conf_skip(conf, "this host does not tell of handles, mappings and memory");
	CONF_TRY(open_and_close(conf, times));
	CONF_EXPECT(conf, host_usage(&after));
	CONF_EQUAL(conf, after.handles, before.handles);
	if (after.mappings > before.mappings + 8)
		return conf_fail(conf, "%ld mappings after %d VMs, %ld before", after.mappings, times, before.mappings);
	/* an emulator's own memory is counted with its program's, and grows with what it has translated */
	if (!getenv("VMACCEL_SELF") && after.pages > before.pages + PAGES_ALLOWED)
		return conf_fail(conf, "%ld pages resident after %d VMs, %ld before", after.pages, times, before.pages);
	return CONF_PASS;
}

/* ------ T002: two VMs ------ */

static int rip_is(struct guest *g, uint64_t want)
{
	CONF_EQUAL(g->conf, guest_get(g, g->isa->pc), want);
	return CONF_PASS;
}

static int second_vm(struct conf *conf)
{
	struct guest first, second;

	CONF_TRY(guest_open(&first, conf, NULL, NULL, 0));
	if (conf->info.max_vms == 1) {
		vma_vm_config config = {.size = sizeof config, .accel = conf->accel, .arch = conf->arch};
		vma_vm *vm;

		CONF_EQUAL(conf, vma_vm_create(&config, &vm), VMA_E_LIMIT);
	} else {
		CONF_TRY(guest_open(&second, conf, NULL, NULL, 0));
		guest_set(&first, first.isa->pc, 0x1110);
		guest_set(&second, second.isa->pc, 0x2220);
		CONF_TRY(rip_is(&first, 0x1110));
		CONF_TRY(rip_is(&second, 0x2220));
		guest_close(&second);
		CONF_TRY(rip_is(&first, 0x1110));
	}
	guest_close(&first);
	CONF_TRY(guest_open(&second, conf, NULL, NULL, 0));
	CONF_TRY(rip_is(&second, GUEST_CODE));
	guest_close(&second);
	return CONF_PASS;
}

/* ------ T003: another thread's vCPU ------ */

static int foreign_x86(struct guest *g)
{
	struct conf *conf = g->conf;
	vma_x86_regs regs;
	vma_x86_sregs sregs;
	vma_x86_events events;

	CONF_EQUAL(conf, vma_x86_get_regs(g->v, &regs), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_x86_get_sregs(g->v, &sregs), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_x86_get_events(g->v, &events), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_x86_nmi(g->v), VMA_E_WRONG_THREAD);
	return CONF_PASS;
}

static int foreign_arm64(struct guest *g)
{
	struct conf *conf = g->conf;
	uint32_t id = VMA_ARM64_SCTLR_EL1;
	vma_arm64_events events;
	vma_arm64_fp_regs fp;
	vma_arm64_regs regs;
	uint64_t value;
	size_t count = 0;

	CONF_EQUAL(conf, vma_arm64_get_regs(g->v, &regs), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_arm64_get_fp_regs(g->v, &fp), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_arm64_get_events(g->v, &events), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_arm64_get_sysregs(g->v, &id, &value, 1), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_arm64_sysreg_list(g->v, NULL, &count), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_arm64_serror(g->v, 0, 0), VMA_E_WRONG_THREAD);
	return CONF_PASS;
}

static int foreign_ops(struct guest *g)
{
	struct conf *conf = g->conf;
	uint32_t id = g->isa->a;
	uint64_t value = 7;
	size_t size = 0;
	vma_mp mp;

	CONF_EQUAL(conf, vma_vcpu_run(g->v), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_get(g->v, &id, &value, 1), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_set(g->v, &id, &value, 1), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_get_mp(g->v, &mp), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_set_mp(g->v, VMA_MP_RUNNABLE), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_reset(g->v), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_save(g->v, NULL, &size, 0), VMA_E_WRONG_THREAD);
	CONF_EQUAL(conf, vma_vcpu_destroy(g->v), VMA_E_WRONG_THREAD);
	return conf->arch == VMA_ARCH_ARM64 ? foreign_arm64(g) : foreign_x86(g);
}

struct task {
	struct guest *g;
	int (*fn)(struct guest *g);
	int result;
};

static void *run_task(void *arg)
{
	struct task *task = arg;

	task->result = task->fn(task->g);
	return NULL;
}

static int on_other_thread(struct guest *g, int (*fn)(struct guest *g))
{
	struct task task = {.g = g, .fn = fn, .result = CONF_FAIL};
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_task, &task))
		return conf_fail(g->conf, "no thread");
	pthread_join(thread, NULL);
	return task.result;
}

static int destroy_vcpu(struct guest *g)
{
	CONF_OK(g->conf, vma_vcpu_destroy(g->v));
	return CONF_PASS;
}

static int create_vcpu(struct guest *g)
{
	CONF_OK(g->conf, vma_vcpu_create(g->vm, 0, &g->v));
	return CONF_PASS;
}

/* A vCPU whose thread has ended can only be destroyed. */
static int orphan(struct guest *g)
{
	uint32_t id = g->isa->a;
	uint64_t value;

	CONF_TRY(destroy_vcpu(g));
	CONF_TRY(on_other_thread(g, create_vcpu));
	CONF_EQUAL(g->conf, vma_vcpu_get(g->v, &id, &value, 1), VMA_E_OWNER_GONE);
	CONF_EQUAL(g->conf, vma_vcpu_run(g->v), VMA_E_OWNER_GONE);
	CONF_OK(g->conf, vma_vcpu_destroy(g->v));
	CONF_TRY(create_vcpu(g));
	return CONF_PASS;
}

static int wrong_thread_body(struct guest *g)
{
	guest_set(g, g->isa->a, 42);
	CONF_TRY(on_other_thread(g, foreign_ops));
	CONF_EQUAL(g->conf, guest_get(g, g->isa->a), 42);
	return orphan(g);
}

static int wrong_thread(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, wrong_thread_body);
}

/* ------ T004: vCPUs from several threads at once ------ */

enum { CREATORS = 4, CREATE_ROUNDS = 50 };

struct creator {
	struct guest *g;
	pthread_barrier_t *start;
	uint32_t index;
	int error;
	uint64_t pc;
};

static void *create_one(void *arg)
{
	struct creator *c = arg;
	uint32_t id = c->g->isa->pc;
	vma_vcpu *v;

	pthread_barrier_wait(c->start);
	c->error = vma_vcpu_create(c->g->vm, c->index, &v);
	if (c->error < 0)
		return NULL;
	c->error = vma_vcpu_get(v, &id, &c->pc, 1);
	if (!c->error)
		c->error = vma_vcpu_destroy(v);
	return NULL;
}

static int create_round(struct guest *g)
{
	struct creator creators[CREATORS];
	pthread_t threads[CREATORS];
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, CREATORS);
	for (uint32_t i = 0; i < CREATORS; i++) {
		creators[i] = (struct creator){.g = g, .start = &start, .index = i + 1};
		if (pthread_create(&threads[i], NULL, create_one, &creators[i]))
			return conf_fail(g->conf, "no thread");
	}
	for (int i = 0; i < CREATORS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < CREATORS; i++) {
		CONF_EQUAL(g->conf, creators[i].error, 0);
		/* SDM vol. 3, table 10-1; arm64: where the platform starts, 0 */
		CONF_EQUAL(g->conf, creators[i].pc, g->conf->arch == VMA_ARCH_ARM64 ? 0 : 0xfff0);
	}
	return CONF_PASS;
}

static int create_at_once(struct conf *conf)
{
	const struct guest_options options = {.mode = GUEST_LONG, .cpus = CREATORS + 1};

	if (conf->info.max_vcpus <= CREATORS)
		return conf_skip(conf, "this accelerator has %u vCPUs a VM", conf->info.max_vcpus);
	for (int i = 0; i < CREATE_ROUNDS; i++)
		CONF_TRY(guest_with(conf, &options, NULL, 0, create_round));
	return CONF_PASS;
}

/* ------ T005: kicks after the end ------ */

struct storm {
	vma_kick *kick;
	atomic_int stop;
	atomic_long sent;
};

static void *kick_storm(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		vma_kick_send(s->kick);
		atomic_fetch_add(&s->sent, 1);
	}
	vma_kick_unref(s->kick);
	return NULL;
}

static int outlive(struct conf *conf)
{
	struct storm storm = {.kick = NULL};
	pthread_t thread;
	struct guest g;
	long sent;

	CONF_TRY(guest_open(&g, conf, NULL, NULL, 0));
	CONF_OK(conf, vma_vcpu_kick_handle(g.v, &storm.kick));
	if (pthread_create(&thread, NULL, kick_storm, &storm))
		return conf_fail(conf, "no thread");
	while (!atomic_load(&storm.sent))
		usleep(100);
	guest_close(&g);
	sent = atomic_load(&storm.sent);
	while (atomic_load(&storm.sent) < sent + 100)
		usleep(100);
	atomic_store(&storm.stop, 1);
	pthread_join(thread, NULL);
	return CONF_PASS;
}

static int kick_after_end(struct conf *conf)
{
	for (int i = 0; i < 20; i++)
		CONF_TRY(outlive(conf));
	return CONF_PASS;
}

/* ------ T006: ends in odd orders ------ */

static int recreate(struct guest *g)
{
	struct conf *conf = g->conf;
	uint8_t *data;

	CONF_TRY(guest_run_access(g, &data));
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_OK(conf, vma_vcpu_destroy(g->v));
	CONF_OK(conf, vma_vcpu_create(g->vm, 0, &g->v));
	g->exit = vma_vcpu_exit(g->v);
	CONF_TRY(guest_set_mode(g, g->v, GUEST_LONG));
	CONF_TRY(guest_run_access(g, &data));
	*data = 0x5a;
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, g->isa->a), 0x5a);
	return CONF_PASS;
}

/* The VM goes with the exit pending and the memory mapped; the memory goes when its last reference does. */
static int memory_outlives(struct guest *g)
{
	vma_mem *mem = g->mem;
	uint8_t *data;

	CONF_TRY(guest_run_access(g, &data));
	vma_mem_ref(mem);
	guest_close(g);
	memset(vma_mem_hva(mem), 0xa5, (size_t)vma_mem_size(mem));
	vma_mem_unref(mem);
	return CONF_PASS;
}

static int memory_first(struct guest *g)
{
	vma_mem_unref(g->mem); /* the mapping keeps it */
	g->mem = NULL;
	return recreate(g);
}

static const uint8_t read_x86[] = {0xe4, 0x10, 0xf4}; /* in al, 0x10; hlt */
static const uint32_t read_arm64[] = {A64_READ_A, A64_STOP};
static const struct guest_program read_program = GUEST_PROGRAM(read);

static int odd_ends(struct conf *conf)
{
	CONF_TRY(guest_with_program(conf, NULL, &read_program, recreate));
	CONF_TRY(guest_with_program(conf, NULL, &read_program, memory_outlives));
	return guest_with_program(conf, NULL, &read_program, memory_first);
}

/* ------ T007: the configuration is frozen ------ */

/* What the architecture has of its own to configure: allowed before, refused with VMA_E_STATE after. */
static int set_own(vma_vm *vm)
{
	vma_arm64_gic gic = {.size = sizeof gic};
	vma_x86_cpuid table[128];
	size_t count = 128;
	int rc;

	if (vma_vm_arch(vm) == VMA_ARCH_ARM64) {
		rc = vma_arm64_get_gic(vm, &gic);
		return rc ? rc : vma_arm64_set_gic(vm, &gic);
	}
	rc = vma_x86_get_cpuid(vm, table, &count);
	return rc ? rc : vma_x86_set_cpuid(vm, table, count);
}

static int frozen(struct conf *conf)
{
	vma_vm_config config = {.size = sizeof config, .accel = conf->accel, .arch = conf->arch,
				.irqchip = conf->arch == VMA_ARCH_ARM64 ? VMA_IRQCHIP_PLATFORM : VMA_IRQCHIP_NONE};
	vma_vcpu *v;
	vma_vm *vm;

	CONF_OK(conf, vma_vm_create(&config, &vm));
	CONF_EQUAL(conf, vma_vcpu_create(vm, 0, &v), VMA_E_STATE);
	CONF_OK(conf, set_own(vm));
	CONF_OK(conf, vma_vm_finalize(vm));
	CONF_EQUAL(conf, set_own(vm), VMA_E_STATE);
	if (conf->info.caps & VMA_CAP_MSR_EXIT)
		CONF_EQUAL(conf, vma_vm_msr_exits(vm, 0x10, 1, 1), VMA_E_STATE);
	CONF_EQUAL(conf, vma_vm_finalize(vm), VMA_E_STATE);
	CONF_OK(conf, vma_vcpu_create(vm, 0, &v));
	CONF_EQUAL(conf, vma_vcpu_index(v), 0);
	CONF_OK(conf, vma_vcpu_destroy(v));
	CONF_OK(conf, vma_vm_destroy(vm));
	return CONF_PASS;
}

/* ------ T008: fork and exec ------ */

/* Everything that a careless child might do with what it inherited. It may die of it. */
static void meddle(void *arg)
{
	struct guest *g = arg;
	uint64_t value = 0x1234;
	uint32_t id = g->isa->a;
	vma_kick *kick;

	vma_vcpu_set(g->v, &id, &value, 1);
	if (!vma_vcpu_kick_handle(g->v, &kick))
		vma_kick_send(kick);
	vma_vcpu_run(g->v);
	vma_vcpu_run(g->v);
	vma_vm_unmap(g->vm, 0, GUEST_RAM);
	vma_vm_destroy(g->vm);
}

static int child_is_harmless(struct guest *g)
{
	struct conf *conf = g->conf;

	if (host_fork(meddle, g) < 0)
		return conf_skip(conf, "this host does not fork; a program that it starts inherits nothing");
	CONF_EQUAL(conf, guest_get(g, g->isa->b), GUEST_DATA);
	CONF_EQUAL(conf, guest_get(g, g->isa->pc), GUEST_CODE);
	CONF_EQUAL(conf, guest_read64(g, GUEST_DATA), 0);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_read64(g, GUEST_DATA), 1);
	return CONF_PASS;
}

static int forked_body(struct guest *g)
{
	guest_set(g, g->isa->b, GUEST_DATA);
	return child_is_harmless(g);
}

static const uint8_t increment_x86[] = {0x48, 0xff, 0x03, 0xf4}; /* inc qword [rbx]; hlt */
/* ldr x2, [x1]; add x2, x2, #1; str x2, [x1]; stop */
static const uint32_t increment_arm64[] = {0xf9400022, 0x91000442, 0xf9000022, A64_STOP};
static const struct guest_program increment_program = GUEST_PROGRAM(increment);

static int forked(struct conf *conf)
{
	int before = host_inherited();
	struct guest g;

	CONF_TRY(guest_open(&g, conf, NULL, NULL, 0));
	CONF_EQUAL(conf, host_inherited(), before);
	guest_close(&g);
	return guest_with_program(conf, NULL, &increment_program, forked_body);
}

static const struct conf_check checks[] = {
	{1, "A thousand VMs leave no descriptor, mapping or memory behind", "any lifecycle", no_growth, NULL, no_growth},
	{2, "A second VM in the process works or is refused as a limit, and works after the first", "any lifecycle",
	 second_vm, NULL, second_vm},
	{3, "A vCPU refuses other threads, and only goes when its thread has ended",
	 "any lifecycle", wrong_thread, NULL, wrong_thread},
	{4, "vCPUs created from four threads at once, fifty times", "any lifecycle", create_at_once, NULL, create_at_once},
	{5, "A kick handle is inert after its vCPU is gone, also in the midst of it",
	 "any lifecycle", kick_after_end, NULL, kick_after_end},
	{6, "vCPU, VM and memory may go in any order, with an exit pending", "any lifecycle guest", odd_ends, NULL, odd_ends},
	{7, "The configuration is frozen by finalize, and the VM still works after a refusal",
	 "any lifecycle", frozen, NULL, frozen},
	{8, "A forked child cannot change the parent's VM, and exec inherits nothing",
	 "any lifecycle guest", forked, NULL, forked},
};

CONF_GROUP(lifecycle, checks, NULL, 0);
