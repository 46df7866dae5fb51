/* guest.c - the tiny guests of guest.h: building a VM, the start states, running with a limit. */
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static void put64(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, 8);
}

/* Descriptors: SDM vol. 3, 3.4.5; TSS 7.2.3. Tables: 4.5, identity by 2 MiB pages. */
static void build_tables(uint8_t *ram)
{
	static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff};
	memcpy(ram + GUEST_GDT, gdt, sizeof gdt);
	put64(ram + GUEST_GDT + GUEST_TR, 0x00008b0000000067ull | (uint64_t)GUEST_TSS << 16);
	uint8_t *tables = ram + GUEST_TABLES;
	put64(tables, GUEST_TABLES + 0x1000 + 7);
	for (unsigned i = 0; i < 4; i++) {
		put64(tables + 0x1000 + 8 * i, GUEST_TABLES + 0x2000 + 0x1000 * i + 7);
		for (unsigned j = 0; j < 512; j++)
			put64(tables + 0x2000 + 0x1000 * i + 8 * j, ((uint64_t)i << 30 | (uint64_t)j << 21) + 0x87);
	}
}

static vma_x86_seg flat(uint16_t selector, uint32_t attr)
{
	return (vma_x86_seg){.limit = 0xffffffff, .selector = selector, .attr = attr};
}

static void set_segments(vma_x86_sregs *s, enum guest_mode mode)
{
	vma_x86_seg data = flat(GUEST_DS, 0x93 | VMA_SEG_G | VMA_SEG_DB);
	s->cs = mode == GUEST_LONG ? flat(GUEST_CS64, 0x9b | VMA_SEG_G | VMA_SEG_L)
				   : flat(GUEST_CS32, 0x9b | VMA_SEG_G | VMA_SEG_DB);
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = (vma_x86_seg){.base = GUEST_TSS, .limit = 0x67, .selector = GUEST_TR, .attr = 0x8b};
	s->gdtr = (vma_x86_table){.base = GUEST_GDT, .limit = 0x2f};
	s->idtr = (vma_x86_table){.base = GUEST_IDT, .limit = 0xfff};
}

static void set_real(vma_x86_sregs *s)
{
	s->cs.base = 0;
	s->cs.selector = 0;
	s->idtr = (vma_x86_table){.base = 0, .limit = 0x3ff};
}

static const struct guest_isa isas[] = {
	{VMA_X86_RIP, VMA_X86_RAX, VMA_X86_RBX, VMA_X86_RCX, VMA_X86_RSP, 1, VMA_EXIT_IO},
	{VMA_ARM64_PC, VMA_ARM64_X0, VMA_ARM64_X1, VMA_ARM64_X2, VMA_ARM64_SP_EL1, 4, VMA_EXIT_MMIO},
};

static int set_arm64(struct guest *g, vma_vcpu *v)
{
	const vma_arm64_regs r = {.pc = GUEST_CODE, .sp_el1 = GUEST_STACK, .pstate = 0x3c5, .x = {[27] = GUEST_MMIO, [28] = GUEST_STOP}};

	CONF_OK(g->conf, vma_arm64_set_regs(v, &r, VMA_ARM64_ALL_REGS));
	return CONF_PASS;
}

int guest_set_mode(struct guest *g, vma_vcpu *v, enum guest_mode mode)
{
	struct conf *conf = g->conf;
	vma_x86_sregs s;
	vma_x86_regs r = {.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = 2};
	if (mode == GUEST_RESET)
		return CONF_PASS;
	if (conf->arch == VMA_ARCH_ARM64)
		return set_arm64(g, v);
	CONF_OK(conf, vma_x86_get_sregs(v, &s));
	s.efer = 0;
	if (mode == GUEST_REAL) {
		set_real(&s);
	} else {
		set_segments(&s, mode);
		s.cr0 = 0x33; /* PE MP ET NE */
		s.cr4 = 0x620; /* PAE OSFXSR OSXMMEXCPT */
	}
	if (mode == GUEST_LONG) {
		s.cr0 |= 0x80000000;
		s.cr3 = GUEST_TABLES;
		s.efer = 0x500; /* LME LMA */
	}
	CONF_OK(conf, vma_x86_set_sregs(v, &s));
	CONF_OK(conf, vma_x86_set_regs(v, &r, VMA_X86_ALL_REGS));
	return CONF_PASS;
}

int guest_vm(struct conf *conf, const vma_vm_config *config, vma_vm **vm)
{
	int error = vma_vm_create(config, vm);

	if (error == VMA_E_LIMIT && conf->info.max_vms == 1)
		return conf_skip(conf, "two VMs at a time: %s", vma_why());
	return error ? conf_fail(conf, "vma_vm_create: %s: %s", vma_error_name(error), vma_why()) : CONF_PASS;
}

enum { CPUID_ROOM = 256 };

static size_t cpuid_of(vma_vm *vm, vma_x86_cpuid *table)
{
	size_t n = CPUID_ROOM;

	return vma_x86_get_cpuid(vm, table, &n) < 0 ? 0 : n;
}

unsigned guest_address_bits(vma_vm *vm)
{
	vma_x86_cpuid table[CPUID_ROOM];
	size_t n = cpuid_of(vm, table);

	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 0x80000008)
			return table[i].eax & 0xff;
	return 0;
}

int guest_set_address_bits(vma_vm *vm, unsigned bits)
{
	vma_x86_cpuid table[CPUID_ROOM];
	size_t n = cpuid_of(vm, table);

	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 0x80000008)
			table[i].eax = (table[i].eax & ~0xffu) | bits;
	return vma_x86_set_cpuid(vm, table, n);
}

static int open_vm(struct guest *g, const struct guest_options *o)
{
	struct conf *conf = g->conf;
	vma_vm_config config = {
		.size = sizeof config,
		.accel = conf->accel,
		.arch = conf->arch,
		.max_vcpus = o->cpus ? o->cpus : 1,
		.cpu_model = o->cpu_model,
		.irqchip = o->irqchip,
		.msr_policy = o->msr_policy,
		.cpuid_exits = o->cpuid_exits,
		.hypercall_exits = o->hypercall_exits,
		.insn_hz = o->insn_hz,
		.tsc_hz = o->tsc_hz,
	};
	CONF_TRY(guest_vm(conf, &config, &g->vm));
	if (o->configure)
		CONF_OK(conf, o->configure(g->vm));
	CONF_OK(conf, vma_vm_finalize(g->vm));
	CONF_OK(conf, vma_mem_anon(GUEST_RAM, &g->mem));
	CONF_OK(conf, vma_vm_map(g->vm, 0, g->mem, 0, GUEST_RAM, o->map_flags ? o->map_flags : VMA_MAP_RWX));
	g->ram = vma_mem_hva(g->mem);
	CONF_OK(conf, vma_vcpu_create(g->vm, 0, &g->v));
	g->exit = vma_vcpu_exit(g->v);
	return CONF_PASS;
}

bool guest_offers(const struct conf *conf, vma_irqchip kind)
{
	vma_vm_config config = {.size = sizeof config, .accel = conf->accel, .arch = conf->arch, .irqchip = kind, .cpu_model = "max"};
	vma_vm *vm;
	int error = vma_vm_create(&config, &vm);

	if (!error)
		vma_vm_destroy(vm);
	return error != VMA_E_NO_ACCEL;
}

vma_irqchip guest_irqchip(const struct conf *conf)
{
	return guest_offers(conf, VMA_IRQCHIP_PLATFORM) ? VMA_IRQCHIP_PLATFORM : VMA_IRQCHIP_LIBRARY;
}

int guest_open(struct guest *g, struct conf *conf, const struct guest_options *options, const void *code, size_t size)
{
	static const struct guest_options usual = {.mode = GUEST_LONG};
	const struct guest_options *o = options ? options : &usual;
	*g = (struct guest){.conf = conf, .isa = &isas[conf->arch == VMA_ARCH_ARM64]};
	int result = open_vm(g, o);
	if (result == CONF_PASS) {
		if (conf->arch == VMA_ARCH_X86_64)
			build_tables(g->ram);
		if (size)
			memcpy(g->ram + GUEST_CODE, code, size);
		result = guest_set_mode(g, g->v, o->mode);
	}
	if (result != CONF_PASS)
		guest_close(g);
	return result;
}

void guest_close(struct guest *g)
{
	if (g->vm)
		vma_vm_destroy(g->vm);
	vma_mem_unref(g->mem);
	g->vm = NULL;
	g->mem = NULL;
	g->v = NULL;
}

int guest_with(struct conf *conf, const struct guest_options *options, const void *code, size_t size,
	       int (*body)(struct guest *g))
{
	struct guest g;
	int result;

	CONF_TRY(guest_open(&g, conf, options, code, size));
	result = body(&g);
	guest_close(&g);
	return result;
}

int guest_with_program(struct conf *conf, const struct guest_options *options, const struct guest_program *program,
		       int (*body)(struct guest *g))
{
	if (conf->arch == VMA_ARCH_ARM64)
		return guest_with(conf, options, program->arm64, program->arm64_size, body);
	return guest_with(conf, options, program->x86, program->x86_size, body);
}

/* ------ running with a limit ------ */

struct watchdog {
	pthread_mutex_t lock;
	pthread_cond_t done;
	int finished;
	atomic_int fired;
	int seconds;
	vma_kick *kick;
};

static void *watch(void *arg)
{
	struct watchdog *w = arg;
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += w->seconds;
	pthread_mutex_lock(&w->lock);
	while (!w->finished && !atomic_load(&w->fired))
		if (pthread_cond_timedwait(&w->done, &w->lock, &end)) {
			atomic_store(&w->fired, 1);
			vma_kick_send(w->kick);
		}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int run_watched(struct guest *g, int *kind)
{
	struct conf *conf = g->conf;
	struct watchdog w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER, .seconds = conf_emulated(conf) ? 40 : 10};
	pthread_t thread;
	CONF_OK(conf, vma_vcpu_kick_handle(g->v, &w.kick));
	if (pthread_create(&thread, NULL, watch, &w)) {
		vma_kick_unref(w.kick);
		return conf_fail(conf, "no thread for the watchdog");
	}
	*kind = vma_vcpu_run(g->v);
	pthread_mutex_lock(&w.lock);
	w.finished = 1;
	pthread_cond_signal(&w.done);
	pthread_mutex_unlock(&w.lock);
	pthread_join(thread, NULL);
	vma_kick_unref(w.kick);
	if (atomic_load(&w.fired))
		return conf_fail(conf, "the guest did not exit in %d seconds (pc %#llx)", w.seconds,
				 (unsigned long long)guest_get(g, g->isa->pc));
	return CONF_PASS;
}

static int judge(struct guest *g, int got, int kind)
{
	if (got < 0)
		return conf_fail(g->conf, "run: %s: %s", vma_error_name(got), vma_why());
	if (got != kind)
		return conf_fail(g->conf, "exit %s instead of %s at pc %#llx", vma_exit_name(got), vma_exit_name(kind),
				 (unsigned long long)guest_get(g, g->isa->pc));
	return CONF_PASS;
}

/* arm64's stop: its store is completed, as HLT has been when it exits. */
bool guest_stopped(const struct conf *conf, const vma_exit *exit, int kind)
{
	return conf->arch == VMA_ARCH_ARM64 && kind == VMA_EXIT_MMIO && exit->mmio.gpa == GUEST_STOP && exit->mmio.write;
}

int guest_run(struct guest *g, int kind)
{
	int got = 0;
	CONF_TRY(run_watched(g, &got));
	if (kind != VMA_EXIT_HLT || !guest_stopped(g->conf, g->exit, got))
		return judge(g, got, kind);
	CONF_EQUAL(g->conf, vma_vcpu_complete(g->v), 0);
	return CONF_PASS;
}

int guest_run_access(struct guest *g, uint8_t **data)
{
	CONF_TRY(guest_run(g, g->isa->access));
	*data = g->isa->access == VMA_EXIT_IO ? g->exit->io.data : g->exit->mmio.data;
	return CONF_PASS;
}

int guest_run_out(struct guest *g, uint16_t port, unsigned width, uint32_t *value)
{
	struct conf *conf = g->conf;
	uint32_t v = 0;
	CONF_TRY(guest_run(g, VMA_EXIT_IO));
	CONF_EQUAL(conf, g->exit->io.write, 1);
	CONF_EQUAL(conf, g->exit->io.port, port);
	CONF_EQUAL(conf, g->exit->io.width, width);
	CONF_EQUAL(conf, g->exit->io.count, 1);
	memcpy(&v, g->exit->io.data, width);
	if (value)
		*value = v;
	return CONF_PASS;
}

/* mrs x10, esr_el1; mrs x11, elr_el1; mrs x12, far_el1; str wzr, [x27, #n]; eret */
static void vectors(struct guest *g)
{
	for (uint32_t v = 0; v < 16; v++) {
		const uint32_t code[] = {0xd538520a, 0xd538402b, 0xd538600c, 0xb900037f | (0x800 + 4 * v) / 4 << 10, 0xd69f03e0};
		guest_code(g, GUEST_TRAPS + 0x80 * v, code, sizeof code);
	}
	guest_set(g, VMA_ARM64_VBAR_EL1, GUEST_TRAPS);
}

void guest_traps(struct guest *g)
{
	if (g->conf->arch == VMA_ARCH_ARM64) {
		vectors(g);
		return;
	}
	for (unsigned v = 0; v < 32; v++) {
		const uint8_t stub[] = {0xe6, (uint8_t)v, 0xf4}; /* out v, al; hlt */
		guest_code(g, GUEST_TRAPS + 4 * v, stub, sizeof stub);
		guest_gate(g, v, GUEST_TRAPS + 4 * v);
	}
}

int guest_run_trap(struct guest *g, unsigned vector)
{
	if (g->conf->arch == VMA_ARCH_ARM64) {
		CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
		CONF_EQUAL(g->conf, g->exit->mmio.gpa, GUEST_MMIO + 0x800 + 4 * vector);
		CONF_EQUAL(g->conf, vma_vcpu_complete(g->v), 0);
		return CONF_PASS;
	}
	return guest_run_out(g, (uint16_t)vector, 1, NULL);
}

static int serve(struct guest *g, struct guest_mmio *device)
{
	struct conf *conf = g->conf;
	vma_exit *e = g->exit;
	uint64_t at = e->mmio.gpa - device->base;
	CONF_EXPECT(conf, e->mmio.length >= 1 && e->mmio.length <= 8);
	CONF_EXPECT(conf, at < sizeof device->bytes && at + e->mmio.length <= sizeof device->bytes);
	if (e->mmio.write)
		memcpy(device->bytes + at, e->mmio.data, e->mmio.length);
	else
		memcpy(e->mmio.data, device->bytes + at, e->mmio.length);
	device->writes += e->mmio.write;
	device->reads += !e->mmio.write;
	return CONF_PASS;
}

int guest_run_mmio(struct guest *g, struct guest_mmio *device, int kind)
{
	for (int i = 0; i < 4096; i++) {
		int got = 0;
		CONF_TRY(run_watched(g, &got));
		if (got != VMA_EXIT_MMIO || kind == VMA_EXIT_MMIO)
			return judge(g, got, kind);
		CONF_TRY(serve(g, device));
	}
	return conf_fail(g->conf, "more than 4096 MMIO exits");
}

/* ------ models ------ */

int guest_model_offered(vma_accel accel, const char *model)
{
	vma_vm_config config = {
		.size = sizeof config, .accel = accel, .arch = VMA_ARCH_X86_64, .cpu_model = model, .irqchip = VMA_IRQCHIP_PLATFORM};
	vma_vm *vm;
	int rc = vma_vm_create(&config, &vm);

	if (rc == VMA_E_NO_ACCEL) {
		config.irqchip = VMA_IRQCHIP_LIBRARY;
		rc = vma_vm_create(&config, &vm);
	}
	return rc < 0 ? 0 : vma_vm_destroy(vm) == 0;
}

/* ------ registers and memory ------ */

uint64_t guest_get(struct guest *g, uint32_t id)
{
	uint64_t value = 0;
	if (vma_vcpu_get(g->v, &id, &value, 1) < 0)
		conf_fail(g->conf, "reading %s: %s", vma_reg_name(g->conf->arch, id), vma_why());
	return value;
}

void guest_set(struct guest *g, uint32_t id, uint64_t value)
{
	if (vma_vcpu_set(g->v, &id, &value, 1) < 0)
		conf_fail(g->conf, "writing %s: %s", vma_reg_name(g->conf->arch, id), vma_why());
}

void guest_gate(struct guest *g, unsigned vector, uint64_t handler)
{
	uint8_t *gate = g->ram + GUEST_IDT + 16 * vector;
	put64(gate, (handler & 0xffff) | (uint64_t)GUEST_CS64 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	put64(gate + 8, handler >> 32);
}

void guest_code(struct guest *g, uint64_t gpa, const void *code, size_t size)
{
	memcpy(g->ram + gpa, code, size);
}

unsigned guest_gic_version(struct guest *g)
{
	vma_arm64_gic gic = {.size = sizeof gic};
	return vma_arm64_get_gic(g->vm, &gic) < 0 ? 0 : gic.version;
}

uint64_t guest_read64(struct guest *g, uint64_t gpa)
{
	uint64_t value;
	memcpy(&value, g->ram + gpa, sizeof value);
	return value;
}

int guest_map(struct guest *g, uint64_t gpa, uint64_t size, uint32_t flags, uint8_t **hva)
{
	struct conf *conf = g->conf;
	vma_mem *mem;
	CONF_OK(conf, vma_mem_anon(size, &mem));
	int error = vma_vm_map(g->vm, gpa, mem, 0, size, flags);
	if (hva)
		*hva = vma_mem_hva(mem);
	vma_mem_unref(mem);
	CONF_OK(conf, error);
	return CONF_PASS;
}

uint64_t *guest_small_pages(struct guest *g)
{
	uint64_t *entries = (uint64_t *)(void *)(g->ram + GUEST_TABLES + 0x6000);
	for (uint64_t i = 0; i < 512; i++)
		entries[i] = i << 12 | 7;
	put64(g->ram + GUEST_TABLES + 0x2000, GUEST_TABLES + 0x6000 + 7);
	return entries;
}

int guest_translates(struct guest *g, uint64_t gva, uint32_t access, uint64_t gpa, uint64_t page_size)
{
	struct conf *conf = g->conf;
	vma_translation t;

	CONF_OK(conf, vma_vcpu_translate(g->v, gva, access, &t));
	CONF_EQUAL(conf, t.gpa, gpa);
	CONF_EQUAL(conf, t.page_size, page_size);
	return CONF_PASS;
}
