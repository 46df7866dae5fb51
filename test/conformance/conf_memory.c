/* conf_memory.c - checks of mappings, protection and the log of written pages (T049-T060). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "guest.h"

enum { MORE = 0x300000, PAGE = 0x1000 }; /* where the checks map more */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int map(struct guest *g, uint64_t gpa, vma_mem *mem, uint64_t offset, uint64_t size, uint32_t flags)
{
	CONF_OK(g->conf, vma_vm_map(g->vm, gpa, mem, offset, size, flags));
	return CONF_PASS;
}

static int unmap(struct guest *g, uint64_t gpa, uint64_t size)
{
	CONF_OK(g->conf, vma_vm_unmap(g->vm, gpa, size));
	return CONF_PASS;
}

/* Most guests here are one load or one store followed by HLT, at fixed places. */
static const uint8_t touch_x86[] = {
	0x48, 0x8b, 0x03, /* mov rax, [rbx] */
	0xf4,             /* hlt */
	0x48, 0x89, 0x03, /* mov [rbx], rax */
	0xf4,             /* hlt */
};
static const uint32_t touch_arm64[] = {0xf9400020, A64_STOP, 0xf9000020, A64_STOP}; /* ldr x0, [x1]; stop; str x0, [x1]; stop */
static const struct guest_program touch_program = GUEST_PROGRAM(touch);

static uint64_t store_at(const struct guest *g)
{
	return GUEST_CODE + (g->isa->size == 1 ? 4 : 8);
}

static int load(struct guest *g, uint64_t gva, uint64_t *value)
{
	guest_set(g, g->isa->pc, GUEST_CODE);
	guest_set(g, g->isa->b, gva);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	*value = guest_get(g, g->isa->a);
	return CONF_PASS;
}

/* To HLT, or to the MMIO exit that it makes. */
static int store(struct guest *g, uint64_t gva, uint64_t value, int kind)
{
	guest_set(g, g->isa->pc, store_at(g));
	guest_set(g, g->isa->b, gva);
	guest_set(g, g->isa->a, value);
	return guest_run(g, kind);
}

static int loads(struct guest *g, uint64_t gva, uint64_t want)
{
	uint64_t value;

	CONF_TRY(load(g, gva, &value));
	if (value != want)
		return conf_fail(g->conf, "the guest reads %#llx at %#llx, not %#llx", (unsigned long long)value,
				 (unsigned long long)gva, (unsigned long long)want);
	return CONF_PASS;
}

static uint64_t *words(vma_mem *mem)
{
	return vma_mem_hva(mem);
}

/* ------ T049: remapping ------ */

static int remap(struct guest *g, vma_mem *a, vma_mem *b)
{
	struct conf *conf = g->conf;

	words(a)[1] = 0xaaaa;
	words(b)[1] = 0xbbbb;
	CONF_TRY(map(g, MORE, a, 0, PAGE, VMA_MAP_RWX));
	CONF_TRY(loads(g, MORE + 8, 0xaaaa));
	CONF_TRY(store(g, MORE + 16, 1, VMA_EXIT_HLT));
	CONF_TRY(unmap(g, MORE, PAGE));
	CONF_TRY(store(g, MORE + 16, 2, VMA_EXIT_MMIO));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_TRY(map(g, MORE, b, 0, PAGE, VMA_MAP_RWX));
	CONF_TRY(loads(g, MORE + 8, 0xbbbb));
	CONF_TRY(store(g, MORE + 16, 3, VMA_EXIT_HLT));
	CONF_EQUAL(conf, words(a)[2], 1);
	CONF_EQUAL(conf, words(b)[2], 3);
	CONF_EXPECT(conf, vma_vm_hva(g->vm, MORE, PAGE) == vma_mem_hva(b));
	return CONF_PASS;
}

static int two_mems(struct guest *g, int (*fn)(struct guest *g, vma_mem *a, vma_mem *b))
{
	vma_mem *a, *b;
	int result;

	CONF_OK(g->conf, vma_mem_anon(4 * PAGE, &a));
	CONF_OK(g->conf, vma_mem_anon(4 * PAGE, &b));
	result = fn(g, a, b);
	vma_mem_unref(a);
	vma_mem_unref(b);
	return result;
}

static int remap_body(struct guest *g)
{
	return two_mems(g, remap);
}

static int remapped(struct conf *conf)
{
	return guest_with_program(conf, NULL, &touch_program, remap_body);
}

/* ------ T050: unmapped under a running vCPU ------ */

struct spinner {
	struct guest *g;
	atomic_int ready;
	int kind;
	uint64_t gpa;
};

static void *spin_on_memory(void *arg)
{
	struct spinner *s = arg;
	struct guest *g = s->g;
	vma_vcpu *v;

	s->kind = vma_vcpu_create(g->vm, 1, &v);
	if (s->kind)
		return NULL;
	if (guest_set_mode(g, v, GUEST_LONG) == CONF_PASS) {
		const uint32_t ids[] = {g->isa->b, g->isa->c};
		const uint64_t values[] = {MORE, GUEST_DATA};

		vma_vcpu_set(v, ids, values, 2);
		atomic_store(&s->ready, 1);
		s->kind = vma_vcpu_run(v);
		s->gpa = vma_vcpu_exit(v)->mmio.gpa;
	}
	vma_vcpu_destroy(v);
	return NULL;
}

static int unmap_under(struct guest *g)
{
	struct spinner s = {.g = g};
	uint64_t end = now_ms() + 5000;
	pthread_t thread;
	int error;

	CONF_TRY(guest_map(g, MORE, PAGE, VMA_MAP_RWX, NULL));
	if (pthread_create(&thread, NULL, spin_on_memory, &s))
		return conf_fail(g->conf, "no thread");
	while (__atomic_load_n((uint64_t *)(void *)(g->ram + GUEST_DATA), __ATOMIC_ACQUIRE) < 1000 && now_ms() < end)
		;
	error = vma_vm_unmap(g->vm, MORE, PAGE);
	pthread_join(thread, NULL);
	CONF_OK(g->conf, error);
	CONF_EQUAL(g->conf, s.kind, VMA_EXIT_MMIO);
	CONF_EQUAL(g->conf, s.gpa, MORE);
	return CONF_PASS;
}

static const uint8_t spin_x86[] = {
	0x8b, 0x03,       /* l: mov eax, [rbx] */
	0x48, 0xff, 0x01, /* inc qword [rcx] */
	0xeb, 0xf9,       /* jmp l */
};
/* l: ldr w0, [x1]; ldr x4, [x2]; add x4, x4, #1; str x4, [x2]; b l */
static const uint32_t spin_arm64[] = {0xb9400020, 0xf9400044, 0x91000484, 0xf9000044, 0x17fffffc};
static const struct guest_program spin_program = GUEST_PROGRAM(spin);

static int unmapped_running(struct conf *conf)
{
	const struct guest_options options = {.mode = GUEST_LONG, .cpus = 2};

	return guest_with_program(conf, &options, &spin_program, unmap_under);
}

/* ------ T051: overlaps and parts ------ */

static int overlaps(struct guest *g, vma_mem *a, vma_mem *b)
{
	struct conf *conf = g->conf;

	CONF_TRY(map(g, MORE + PAGE, a, 0, 2 * PAGE, VMA_MAP_RWX));
	CONF_EQUAL(conf, vma_vm_map(g->vm, MORE + PAGE, b, 0, PAGE, VMA_MAP_RWX), VMA_E_EXIST);
	CONF_EQUAL(conf, vma_vm_map(g->vm, MORE, b, 0, 2 * PAGE, VMA_MAP_RWX), VMA_E_EXIST);
	CONF_EQUAL(conf, vma_vm_map(g->vm, MORE + 2 * PAGE, b, 0, 2 * PAGE, VMA_MAP_RWX), VMA_E_EXIST);
	CONF_EQUAL(conf, vma_vm_map(g->vm, MORE, b, 0, 4 * PAGE, VMA_MAP_RWX), VMA_E_EXIST);
	CONF_TRY(map(g, MORE, b, 0, PAGE, VMA_MAP_RWX));
	CONF_TRY(map(g, MORE + 3 * PAGE, b, PAGE, PAGE, VMA_MAP_RWX));
	CONF_EQUAL(conf, vma_vm_unmap(g->vm, MORE + 5 * PAGE, PAGE), VMA_E_NOENT);
	CONF_EXPECT(conf, !vma_vm_hva(g->vm, MORE, 2 * PAGE)); /* two mappings */
	CONF_TRY(unmap(g, MORE, PAGE));
	CONF_TRY(unmap(g, MORE + PAGE, 2 * PAGE));
	return unmap(g, MORE + 3 * PAGE, PAGE);
}

/* The middle of three pages. */
static int parts(struct guest *g, vma_mem *a, vma_mem *b)
{
	struct conf *conf = g->conf;
	int error;

	(void)b;
	CONF_TRY(map(g, MORE, a, 0, 3 * PAGE, VMA_MAP_RWX));
	error = vma_vm_unmap(g->vm, MORE + PAGE, PAGE);
	if (!(conf->info.caps & VMA_CAP_PARTIAL_UNMAP)) {
		CONF_EXPECT(conf, error == VMA_E_NO_ACCEL || error == VMA_E_INVALID);
		CONF_EXPECT(conf, vma_vm_hva(g->vm, MORE, 3 * PAGE) == vma_mem_hva(a));
		return unmap(g, MORE, 3 * PAGE);
	}
	CONF_OK(conf, error);
	CONF_EXPECT(conf, vma_vm_hva(g->vm, MORE, PAGE) == vma_mem_hva(a));
	CONF_EXPECT(conf, !vma_vm_hva(g->vm, MORE + PAGE, PAGE));
	CONF_EXPECT(conf, (uint8_t *)vma_vm_hva(g->vm, MORE + 2 * PAGE, PAGE) == (uint8_t *)vma_mem_hva(a) + 2 * PAGE);
	CONF_TRY(unmap(g, MORE, PAGE));
	return unmap(g, MORE + 2 * PAGE, PAGE);
}

static int overlaps_body(struct guest *g)
{
	CONF_TRY(two_mems(g, overlaps));
	return two_mems(g, parts);
}

static int overlapping(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, overlaps_body);
}

/* ------ T052: protecting again and again ------ */

static int protect_loop(struct guest *g)
{
	enum { ROUNDS = 10000, MOST_MS = 4000, LEAST = 100 };
	struct conf *conf = g->conf;
	uint64_t end = now_ms() + MOST_MS;
	uint64_t *page;
	int i;

	CONF_TRY(guest_map(g, MORE, PAGE, VMA_MAP_RWX, (uint8_t **)(void *)&page));
	for (i = 1; i <= ROUNDS && (i <= LEAST || now_ms() < end); i++) {
		CONF_OK(conf, vma_vm_protect(g->vm, MORE, PAGE, VMA_MAP_READ | VMA_MAP_EXEC));
		CONF_TRY(store(g, MORE, 0xdead, VMA_EXIT_MMIO));
		CONF_TRY(guest_run(g, VMA_EXIT_HLT));
		CONF_EQUAL(conf, page[0], i - 1);
		CONF_OK(conf, vma_vm_protect(g->vm, MORE, PAGE, VMA_MAP_RWX));
		CONF_TRY(store(g, MORE, (uint64_t)i, VMA_EXIT_HLT));
		CONF_EQUAL(conf, page[0], i);
	}
	return CONF_PASS;
}

static int protecting(struct conf *conf)
{
	if (!(conf->info.caps & VMA_CAP_READONLY))
		return conf_skip(conf, "read-only memory is not among this accelerator's capabilities");
	return guest_with_program(conf, NULL, &touch_program, protect_loop);
}

/* ------ T053: alignment ------ */

static int refuses(struct guest *g, vma_mem *mem, uint64_t gpa, uint64_t offset, uint64_t size)
{
	char granule[16];

	CONF_EQUAL(g->conf, vma_vm_map(g->vm, gpa, mem, offset, size, VMA_MAP_RWX), VMA_E_INVALID);
	snprintf(granule, sizeof granule, "%u", g->conf->info.granule);
	if (!strstr(vma_why(), granule))
		return conf_fail(g->conf, "the refusal does not name the granule %s: %s", granule, vma_why());
	return CONF_PASS;
}

static int misaligned(struct guest *g, vma_mem *a, vma_mem *b)
{
	uint64_t granule = g->conf->info.granule;

	(void)b;
	CONF_EXPECT(g->conf, granule >= PAGE && !(granule & (granule - 1)));
	CONF_TRY(refuses(g, a, MORE + 1, 0, granule));
	CONF_TRY(refuses(g, a, MORE + granule / 2, 0, granule));
	CONF_TRY(refuses(g, a, MORE, granule / 2, granule));
	CONF_TRY(refuses(g, a, MORE, 0, granule / 2));
	CONF_EQUAL(g->conf, vma_vm_map(g->vm, MORE, a, 0, 0, VMA_MAP_RWX), VMA_E_INVALID);
	/* Behind the end of the object, and of the address space. */
	CONF_EQUAL(g->conf, vma_vm_map(g->vm, MORE, a, 4 * PAGE, PAGE, VMA_MAP_RWX), VMA_E_INVALID);
	CONF_EQUAL(g->conf, vma_vm_map(g->vm, 0 - granule, a, 0, 2 * granule, VMA_MAP_RWX), VMA_E_INVALID);
	CONF_TRY(map(g, MORE, a, 0, granule, VMA_MAP_RWX));
	return unmap(g, MORE, granule);
}

static int misaligned_body(struct guest *g)
{
	return two_mems(g, misaligned);
}

static int alignment(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, misaligned_body);
}

/* ------ T054: aliases ------ */

static int aliases(struct guest *g, vma_mem *a, vma_mem *b)
{
	(void)b;
	CONF_TRY(map(g, MORE, a, 0, 2 * PAGE, VMA_MAP_RWX));
	CONF_TRY(map(g, MORE + 0x10000, a, PAGE, PAGE, VMA_MAP_RWX));
	CONF_TRY(store(g, MORE + PAGE + 8, 0x1111, VMA_EXIT_HLT));
	CONF_TRY(loads(g, MORE + 0x10008, 0x1111));
	CONF_TRY(store(g, MORE + 0x10008, 0x2222, VMA_EXIT_HLT));
	CONF_TRY(loads(g, MORE + PAGE + 8, 0x2222));
	CONF_EQUAL(g->conf, words(a)[PAGE / 8 + 1], 0x2222);
	words(a)[PAGE / 8 + 1] = 0x3333;
	CONF_TRY(loads(g, MORE + 0x10008, 0x3333));
	CONF_TRY(unmap(g, MORE, 2 * PAGE));
	return loads(g, MORE + 0x10008, 0x3333);
}

static int aliases_body(struct guest *g)
{
	return two_mems(g, aliases);
}

static int aliased(struct conf *conf)
{
	if (!(conf->info.caps & VMA_CAP_ALIAS))
		return conf_skip(conf, "aliases are not among this accelerator's capabilities");
	return guest_with_program(conf, NULL, &touch_program, aliases_body);
}

/* ------ T055: many mappings ------ */

enum { MANY = 600, LIMIT_TRIED = 5000 };

static uint64_t place(uint32_t i)
{
	return 0x10000000 + (uint64_t)i * 2 * PAGE; /* holes between, so that none can be joined */
}

static int past_the_limit(struct guest *g, vma_mem *mem, uint32_t mapped)
{
	uint32_t most = g->conf->info.max_regions;

	for (; mapped < most; mapped++)
		CONF_TRY(map(g, place(mapped), mem, 0, PAGE, VMA_MAP_RWX));
	CONF_EQUAL(g->conf, vma_vm_map(g->vm, place(mapped), mem, 0, PAGE, VMA_MAP_RWX), VMA_E_LIMIT);
	CONF_TRY(unmap(g, place(mapped - 1), PAGE));
	return map(g, place(mapped), mem, 0, PAGE, VMA_MAP_RWX);
}

static int many(struct guest *g, vma_mem *mem)
{
	uint32_t most = g->conf->info.max_regions, count = most - 1 < MANY ? most - 1 : MANY;

	for (uint32_t i = 0; i < count; i++)
		CONF_TRY(map(g, place(i), mem, (uint64_t)i * PAGE, PAGE, VMA_MAP_RWX));
	for (uint32_t i = 0; i < count; i += 7)
		CONF_TRY(store(g, place(i) + 8, i + 1, VMA_EXIT_HLT));
	for (uint32_t i = 0; i < count; i += 7)
		CONF_EQUAL(g->conf, words(mem)[(uint64_t)i * PAGE / 8 + 1], i + 1);
	CONF_TRY(store(g, place(count / 2) + PAGE, 1, VMA_EXIT_MMIO));
	return most <= LIMIT_TRIED ? past_the_limit(g, mem, count + 1) : CONF_PASS;
}

static int many_body(struct guest *g)
{
	vma_mem *mem;
	int result;

	CONF_EXPECT(g->conf, g->conf->info.max_regions >= 32);
	CONF_OK(g->conf, vma_mem_anon((uint64_t)MANY * PAGE, &mem));
	result = many(g, mem);
	vma_mem_unref(mem);
	return result;
}

static int many_mappings(struct conf *conf)
{
	return guest_with_program(conf, NULL, &touch_program, many_body);
}

/* ------ T056, T057: the log of written pages ------ */

enum { LOGGED = 130 * PAGE, LOG_WORDS = 3 };

static int log_is(struct guest *g, int clear, uint64_t low, uint64_t middle, uint64_t high)
{
	uint64_t bitmap[LOG_WORDS] = {~0ull, ~0ull, ~0ull};

	CONF_OK(g->conf, vma_vm_dirty_log(g->vm, MORE, LOGGED, bitmap, clear));
	CONF_EQUAL(g->conf, bitmap[0], low);
	CONF_EQUAL(g->conf, bitmap[1], middle);
	CONF_EQUAL(g->conf, bitmap[2] & 3, high);
	return CONF_PASS;
}

/* arm64 without an MMU does not do unaligned accesses. */
static int store_over_edge(struct guest *g, uint64_t edge)
{
	if (g->conf->arch == VMA_ARCH_X86_64)
		return store(g, edge - 4, 1, VMA_EXIT_HLT);
	CONF_TRY(store(g, edge - 8, 1, VMA_EXIT_HLT));
	return store(g, edge, 1, VMA_EXIT_HLT);
}

/* Another protection leaves the log as it is. */
static int log_protected(struct guest *g)
{
	CONF_TRY(store(g, MORE + 3 * PAGE, 1, VMA_EXIT_HLT));
	CONF_OK(g->conf, vma_vm_protect(g->vm, MORE, LOGGED, VMA_MAP_READ | VMA_MAP_EXEC | VMA_MAP_LOG));
	CONF_OK(g->conf, vma_vm_protect(g->vm, MORE, LOGGED, VMA_MAP_RWX | VMA_MAP_LOG));
	CONF_TRY(log_is(g, 1, 1ull << 3, 0, 0));
	return log_is(g, 0, 0, 0, 0);
}

static int log_body(struct guest *g)
{
	uint64_t part = 0;
	uint8_t *hva;

	CONF_TRY(guest_map(g, MORE, LOGGED, VMA_MAP_RWX | VMA_MAP_LOG, &hva));
	CONF_TRY(log_is(g, 0, 0, 0, 0));
	CONF_TRY(loads(g, MORE + 2 * PAGE, 0));
	hva[7 * PAGE] = 1; /* the host's writes are not logged */
	CONF_TRY(log_is(g, 0, 0, 0, 0));
	CONF_TRY(store(g, MORE + 3 * PAGE + 8, 1, VMA_EXIT_HLT));
	CONF_TRY(store_over_edge(g, MORE + 64 * PAGE)); /* a word's edge */
	CONF_TRY(store(g, MORE + 129 * PAGE, 1, VMA_EXIT_HLT));
	CONF_TRY(log_is(g, 0, 1ull << 3 | 1ull << 63, 1, 2));
	CONF_TRY(log_is(g, 0, 1ull << 3 | 1ull << 63, 1, 2));
	CONF_OK(g->conf, vma_vm_dirty_log(g->vm, MORE + 3 * PAGE, PAGE, &part, 0));
	CONF_EQUAL(g->conf, part & 1, 1);
	CONF_TRY(log_is(g, 1, 1ull << 3 | 1ull << 63, 1, 2));
	CONF_TRY(log_is(g, 0, 0, 0, 0));
	if (g->conf->info.caps & VMA_CAP_READONLY)
		CONF_TRY(log_protected(g));
	return loads(g, MORE + 3 * PAGE + 8, 1);
}

static int needs_log(struct conf *conf, const struct guest_program *program, uint32_t cpus, int (*body)(struct guest *g))
{
	const struct guest_options options = {.mode = GUEST_LONG, .cpus = cpus};

	if (!(conf->info.caps & VMA_CAP_DIRTY_LOG))
		return conf_skip(conf, "the log of written pages is not among this accelerator's capabilities");
	return guest_with_program(conf, &options, program, body);
}

static int logged(struct conf *conf)
{
	return needs_log(conf, &touch_program, 1, log_body);
}

/* The same page once more after the log was cleared, REP MOVS over several, and the accessed and dirty bits that the
 * processor sets in page
 * tables that lie in logged memory. */
static int log_of_x86(struct guest *g, uint64_t *hva)
{
	uint64_t entry = MORE | 0x27;

	guest_set(g, VMA_X86_RIP, GUEST_CODE + 8);
	guest_set(g, VMA_X86_RSI, GUEST_DATA);
	guest_set(g, VMA_X86_RDI, MORE + 10 * PAGE + 0xff0);
	guest_set(g, VMA_X86_RCX, 0x1020 / 8);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_TRY(log_is(g, 1, 7 << 10, 0, 0));
	for (uint64_t i = 0; i < 512; i++)
		hva[i] = i << 12 | 7;
	memcpy(g->ram + GUEST_TABLES + 0x5000, &entry, 8); /* 3 GiB */
	CONF_TRY(store(g, 0xc0000000 + GUEST_DATA, 7, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, hva[GUEST_DATA >> 12] & 0x60, 0x60);
	return log_is(g, 1, 1, 0, 0);
}

static int log_again_body(struct guest *g)
{
	uint8_t *hva;

	CONF_TRY(guest_map(g, MORE, LOGGED, VMA_MAP_RWX | VMA_MAP_LOG, &hva));
	for (int i = 0; i < 3; i++) {
		CONF_TRY(store(g, MORE + 5 * PAGE, 1, VMA_EXIT_HLT));
		CONF_TRY(log_is(g, 1, 1 << 5, 0, 0));
	}
	return g->conf->arch == VMA_ARCH_X86_64 ? log_of_x86(g, (uint64_t *)(void *)hva) : CONF_PASS;
}

static const uint8_t again_x86[] = {
	0x48, 0x8b, 0x03, 0xf4, 0x48, 0x89, 0x03, 0xf4, /* as touch_x86 */
	0xf3, 0x48, 0xa5,                               /* rep movsq */
	0xf4,                                           /* hlt */
};
static const struct guest_program again_program = {again_x86, sizeof again_x86, touch_arm64, sizeof touch_arm64};

static int logged_again(struct conf *conf)
{
	return needs_log(conf, &again_program, 1, log_again_body);
}

/* ------ T058: two vCPUs, and the log off and on ------ */

struct writer {
	struct guest *g;
	uint64_t gpa;
	int kind;
};

static void *write_there(void *arg)
{
	struct writer *w = arg;
	const uint32_t ids[] = {w->g->isa->pc, w->g->isa->b};
	const uint64_t values[] = {store_at(w->g), w->gpa};
	vma_vcpu *v;

	w->kind = vma_vcpu_create(w->g->vm, 1, &v);
	if (w->kind)
		return NULL;
	if (guest_set_mode(w->g, v, GUEST_LONG) == CONF_PASS && !vma_vcpu_set(v, ids, values, 2))
		w->kind = vma_vcpu_run(v);
	if (guest_stopped(w->g->conf, vma_vcpu_exit(v), w->kind))
		w->kind = VMA_EXIT_HLT;
	vma_vcpu_destroy(v);
	return NULL;
}

static int store_elsewhere(struct guest *g, uint64_t gpa)
{
	struct writer w = {.g = g, .gpa = gpa};
	pthread_t thread;

	if (pthread_create(&thread, NULL, write_there, &w))
		return conf_fail(g->conf, "no thread");
	pthread_join(thread, NULL);
	CONF_EQUAL(g->conf, w.kind, VMA_EXIT_HLT);
	return CONF_PASS;
}

static int union_body(struct guest *g)
{
	struct conf *conf = g->conf;
	uint64_t bitmap[LOG_WORDS];

	CONF_TRY(guest_map(g, MORE, LOGGED, VMA_MAP_RWX | VMA_MAP_LOG, NULL));
	CONF_TRY(store(g, MORE + 4 * PAGE, 1, VMA_EXIT_HLT));
	CONF_TRY(store_elsewhere(g, MORE + 70 * PAGE));
	CONF_TRY(store(g, MORE + 6 * PAGE, 1, VMA_EXIT_HLT));
	CONF_TRY(log_is(g, 0, 5 << 4, 1 << 6, 0));
	CONF_OK(conf, vma_vm_protect(g->vm, MORE, LOGGED, VMA_MAP_RWX));
	CONF_EXPECT(conf, vma_vm_dirty_log(g->vm, MORE, LOGGED, bitmap, 0) < 0);
	CONF_TRY(store(g, MORE + 8 * PAGE, 1, VMA_EXIT_HLT));
	CONF_OK(conf, vma_vm_protect(g->vm, MORE, LOGGED, VMA_MAP_RWX | VMA_MAP_LOG));
	CONF_TRY(log_is(g, 0, 0, 0, 0));
	CONF_TRY(store(g, MORE + 9 * PAGE, 1, VMA_EXIT_HLT));
	return log_is(g, 0, 1 << 9, 0, 0);
}

static int log_union(struct conf *conf)
{
	return needs_log(conf, &touch_program, 2, union_body);
}

/* ------ T059: memory without execute permission ------ */

static int no_exec_body(struct guest *g)
{
	static const uint32_t stop = A64_STOP;
	struct conf *conf = g->conf;
	uint8_t *hva;

	CONF_TRY(guest_map(g, MORE, PAGE, VMA_MAP_READ | VMA_MAP_WRITE, &hva));
	if (g->conf->arch == VMA_ARCH_X86_64)
		hva[0] = 0xf4; /* hlt */
	else
		memcpy(hva, &stop, sizeof stop);
	guest_set(g, g->isa->b, MORE);
	CONF_TRY(guest_run(g, VMA_EXIT_INTERNAL));
	CONF_EQUAL(conf, guest_get(g, g->isa->pc), MORE);
	CONF_OK(conf, vma_vm_protect(g->vm, MORE, PAGE, VMA_MAP_RWX));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, g->isa->pc), MORE + g->isa->size);
	return CONF_PASS;
}

/* Reading is always allowed: an X-only mapping is refused everywhere. */
static int exec_only_body(struct guest *g)
{
	vma_mem *mem;

	CONF_OK(g->conf, vma_mem_anon(PAGE, &mem));
	CONF_EQUAL(g->conf, vma_vm_map(g->vm, MORE, mem, 0, PAGE, VMA_MAP_EXEC), VMA_E_INVALID);
	vma_mem_unref(mem);
	if (!(g->conf->info.caps & VMA_CAP_EXEC_PROT))
		return conf_skip(g->conf, "memory without execute permission is not among its capabilities");
	return no_exec_body(g);
}

static const uint8_t jump_x86[] = {0xff, 0xe3};	   /* jmp rbx */
static const uint32_t jump_arm64[] = {0xd61f0020}; /* br x1 */
static const struct guest_program jump_program = GUEST_PROGRAM(jump);

static int exec_permission(struct conf *conf)
{
	return guest_with_program(conf, NULL, &jump_program, exec_only_body);
}

/* ------ T060: lifetimes and sizes ------ */

#define BIG_SIZE 0x100001000u /* 4 GiB and a page */
#define BIG_GPA 0x100000000u
enum { BIG_GVA = 0x80000000u };

/* Where the guest finds gpa: x86's 2 MiB page number n from BIG_GVA is mapped to it. */
static uint64_t window(struct guest *g, unsigned n, uint64_t gpa)
{
	uint64_t entry = (gpa & ~0x1fffffull) | 0x87;

	if (g->conf->arch == VMA_ARCH_ARM64)
		return gpa;
	memcpy(g->ram + GUEST_TABLES + 0x4000 + 8 * n, &entry, 8);
	return BIG_GVA + n * 0x200000ull + (gpa & 0x1fffff);
}

static int big(struct guest *g, vma_mem *mem)
{
	uint64_t last = BIG_SIZE - 8, end;

	CONF_EQUAL(g->conf, vma_mem_size(mem), BIG_SIZE);
	words(mem)[0] = 0x1234;
	words(mem)[last / 8] = 0x5678;
	CONF_TRY(map(g, BIG_GPA, mem, 0, BIG_SIZE, VMA_MAP_RWX));
	CONF_EXPECT(g->conf, vma_vm_hva(g->vm, BIG_GPA, BIG_SIZE) == vma_mem_hva(mem));
	CONF_TRY(loads(g, window(g, 0, BIG_GPA), 0x1234));
	end = window(g, 1, BIG_GPA + last);
	CONF_TRY(loads(g, end, 0x5678));
	CONF_TRY(store(g, end + 8, 1, VMA_EXIT_MMIO));
	CONF_EQUAL(g->conf, g->exit->mmio.gpa, BIG_GPA + BIG_SIZE);
	return CONF_PASS;
}

/* The caller's reference goes while the memory is mapped and in use. */
static int unreferenced_body(struct guest *g)
{
	uint8_t *hva;

	CONF_TRY(guest_map(g, MORE, PAGE, VMA_MAP_RWX, &hva));
	CONF_TRY(store(g, MORE + 8, 77, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, hva[8], 77);
	CONF_TRY(unmap(g, MORE, PAGE));
	return store(g, MORE + 8, 78, VMA_EXIT_MMIO);
}

static int big_body(struct guest *g)
{
	vma_mem *mem;
	int result;

	CONF_OK(g->conf, vma_mem_anon(BIG_SIZE, &mem));
	result = big(g, mem);
	vma_mem_unref(mem);
	return result;
}

static int sizes(struct conf *conf)
{
	CONF_TRY(guest_with_program(conf, NULL, &touch_program, unreferenced_body));
	return guest_with_program(conf, NULL, &touch_program, big_body);
}

static const struct conf_check checks[] = {
	{49, "Unmapped and mapped anew: the old pages are out of reach, the new ones in",
	 "any memory guest", remapped, NULL, remapped},
	{50, "Unmapping under a vCPU that spins on the page: it exits as MMIO",
	 "any memory guest", unmapped_running, NULL, unmapped_running},
	{51, "Overlapping maps are refused; a part is unmapped, or refused, as the capability says",
	 "any memory", overlapping, NULL, overlapping},
	{52, "Protecting read-only and back, thousands of times: each takes effect at once",
	 "any memory guest", protecting, NULL, protecting},
	{53, "Misaligned or empty mappings are refused, naming the granule", "any memory", alignment, NULL, alignment},
	{54, "One page at two addresses is one page", "any memory guest", aliased, NULL, aliased},
	{55, "Six hundred mappings, and as many as the limit says", "any memory guest", many_mappings, NULL, many_mappings},
	{56, "The log has exactly the pages that the guest wrote, until it is cleared",
	 "any memory guest", logged, NULL, logged},
	{57, "The log after clearing, of REP MOVS over pages, of page-table bits",
	 "any memory guest", logged_again, NULL, logged_again},
	{58, "The log of two vCPUs together, and from nothing after off and on", "any memory guest", log_union, NULL, log_union},
	{59, "Memory without execute permission: a fetch exits; execute-only is refused",
	 "any memory guest", exec_permission, NULL, exec_permission},
	{60, "Memory stays while it is mapped; 4 GiB and a page can be mapped", "any memory guest", sizes, NULL, sizes},
};

static const struct conf_difference differences[] = {
	{56, VMA_ACCEL_KVM,
	 "KVM may map a page writable at its first read, and logs it then: the log has every page written, and some only read",
	 "hardware"},
};

CONF_GROUP(memory, checks, differences, sizeof differences / sizeof *differences);
