/* conf_snapshot.c - checks of saved state (T107-T114). A failed condition leaves the guest open: the process ends after a check. */
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOB_ROOM = 16384 };
struct blob {
	size_t size;
	uint8_t data[BLOB_ROOM];
};

static int save(struct guest *g, struct blob *b, uint32_t flags)
{
	struct conf *conf = g->conf;

	b->size = sizeof b->data;
	CONF_OK(conf, vma_vcpu_save(g->v, b->data, &b->size, flags));
	return CONF_PASS;
}

static int save_vm(struct guest *g, struct blob *b, uint32_t flags)
{
	struct conf *conf = g->conf;

	b->size = sizeof b->data;
	CONF_OK(conf, vma_vm_save(g->vm, b->data, &b->size, flags));
	return CONF_PASS;
}

/* The name of the element that byte `at` belongs to, as a number; -1: the header (docs/vcpu.md, "Saved state"). */
static int element_at(const struct blob *b, size_t at)
{
	size_t from = 32;
	uint32_t id, length;

	while (from + 16 <= b->size) {
		memcpy(&id, b->data + from, 4);
		memcpy(&length, b->data + from + 8, 4);
		size_t next = from + 16 + ((length + 7u) & ~7u);
		if (at >= from && at < next)
			return (int)id;
		from = next;
	}
	return -1;
}

static int same(struct conf *conf, const char *what, const struct blob *a, const struct blob *b)
{
	if (a->size != b->size)
		return conf_fail(conf, "%s: %zu bytes, then %zu", what, a->size, b->size);
	for (size_t i = 0; i < a->size; i++)
		if (a->data[i] != b->data[i])
			return conf_fail(conf, "%s: byte %zu, in element %d, was %#x and is %#x", what, i, element_at(a, i), a->data[i],
					 b->data[i]);
	return CONF_PASS;
}

static const char *mode_name(enum guest_mode mode)
{
	static const char *const names[] = {"real mode", "protected mode", "long mode", "reset"};
	return names[mode];
}

/* As many as each accelerator has: the width is a part of the state. */
static int narrow(vma_vm *vm)
{
	return guest_set_address_bits(vm, 36);
}

/* Another VM of any accelerator over the same memory, its vCPU as created. */
static int open_twin(struct guest *g, struct conf *conf, const struct guest *from, vma_accel accel, vma_irqchip irqchip, const char *model)
{
	vma_vm_config config = {.size = sizeof config, .accel = accel, .arch = conf->arch, .irqchip = irqchip, .cpu_model = model};

	*g = (struct guest){.conf = conf, .isa = from->isa, .ram = from->ram};
	CONF_TRY(guest_vm(conf, &config, &g->vm));
	if (conf->arch == VMA_ARCH_X86_64)
		CONF_OK(conf, guest_set_address_bits(g->vm, guest_address_bits(from->vm)));
	CONF_OK(conf, vma_vm_finalize(g->vm));
	vma_mem_ref(from->mem);
	g->mem = from->mem;
	CONF_OK(conf, vma_vm_map(g->vm, 0, g->mem, 0, GUEST_RAM, VMA_MAP_RWX));
	CONF_OK(conf, vma_vcpu_create(g->vm, 0, &g->v));
	g->exit = vma_vcpu_exit(g->v);
	return CONF_PASS;
}

static int enrich_arm64(struct guest *g)
{
	static const uint32_t ids[] = {VMA_ARM64_TPIDR_EL0, VMA_ARM64_TTBR1_EL1, VMA_ARM64_MAIR_EL1, VMA_ARM64_CONTEXTIDR_EL1, VMA_ARM64_FAR_EL1};
	struct conf *conf = g->conf;
	vma_arm64_fp_regs fp;
	vma_arm64_regs r;

	CONF_OK(conf, vma_arm64_get_regs(g->v, &r));
	for (unsigned i = 0; i < 27; i++) /* X27 and X28 are where the guest's devices are */
		r.x[i] = 0x1111111111111111ull * i;
	r.sp_el0 = 0x7000;
	r.sp_el1 = 0x6000;
	CONF_OK(conf, vma_arm64_set_regs(g->v, &r, VMA_ARM64_ALL_REGS));
	CONF_OK(conf, vma_arm64_get_fp_regs(g->v, &fp));
	for (unsigned i = 0; i < sizeof fp.v; i++)
		fp.v[i / 16][i % 16] = (uint8_t)(i * 7 + 1);
	fp.fpcr = 0x01c00000;
	fp.fpsr = 0x1f;
	CONF_OK(conf, vma_arm64_set_fp_regs(g->v, &fp));
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++)
		guest_set(g, ids[i], 0x12340000 + i);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* Registers of every class that hold something of their own. */
static int enrich(struct guest *g)
{
	struct conf *conf = g->conf;
	if (conf->arch == VMA_ARCH_ARM64)
		return enrich_arm64(g);
	static const uint32_t msrs[] = {0xc0000081, 0xc0000082, 0x174, 0xc0000102, 0x277};
	static const uint64_t values[] = {0x0023001000000000, 0x123456789000, 8, 0x7fff00001000, 0x0007040600070405};
	vma_x86_regs r;
	vma_x86_fpu_regs f;

	CONF_OK(conf, vma_x86_get_regs(g->v, &r));
	for (unsigned i = 0; i < 16; i++)
		if (i != VMA_X86_RSP)
			(&r.rax)[i] = 0x1111111111111111ull * i;
	CONF_OK(conf, vma_x86_set_regs(g->v, &r, VMA_X86_ALL_BUT_RIP));
	CONF_OK(conf, vma_x86_get_fpu_regs(g->v, &f));
	for (unsigned i = 0; i < sizeof f.xmm; i++)
		f.xmm[i / 16][i % 16] = (uint8_t)(i * 7 + 1);
	f.mxcsr = 0x1fa0;
	f.fcw = 0x27f;
	CONF_OK(conf, vma_x86_set_fpu_regs(g->v, &f));
	CONF_EQUAL(conf, vma_x86_set_msrs(g->v, msrs, values, 5), 5);
	guest_set(g, VMA_X86_CR2, 0xdeadbeef000);
	guest_set(g, VMA_X86_DR0, 0x1234567);
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* ------ T107 ------ */

static int again(struct guest *g, struct guest *fresh, const char *what)
{
	static struct blob a, b, c;
	struct conf *conf = g->conf;

	CONF_TRY(save(g, &a, 0));
	CONF_OK(conf, vma_vcpu_restore(g->v, a.data, a.size, 0, NULL));
	CONF_TRY(save(g, &b, 0));
	CONF_TRY(same(conf, what, &a, &b));
	CONF_OK(conf, vma_vcpu_restore(fresh->v, a.data, a.size, 0, NULL));
	CONF_TRY(save(fresh, &c, 0));
	CONF_TRY(same(conf, what, &a, &c));
	CONF_TRY(save_vm(g, &a, 0));
	CONF_OK(conf, vma_vm_restore(g->vm, a.data, a.size, 0, NULL));
	CONF_TRY(save_vm(g, &b, 0));
	return same(conf, what, &a, &b);
}

static int t107(struct conf *conf)
{
	static const uint8_t code[] = {0x40, 0x90, 0xe6, 0x10}; /* inc ax / eax, or a REX prefix; nop; out 0x10, al */
	struct guest g, fresh;

	for (int chip = VMA_IRQCHIP_NONE; chip <= VMA_IRQCHIP_LIBRARY; chip++)
		for (int mode = GUEST_REAL; mode <= GUEST_RESET; mode++) {
			struct guest_options o = {.mode = (enum guest_mode)mode, .irqchip = (vma_irqchip)chip};
			if (!guest_offers(conf, o.irqchip))
				continue;
			GUEST_TRY(&g, guest_open(&g, conf, &o, code, sizeof code));
			GUEST_TRY(&g, open_twin(&fresh, conf, &g, conf->accel, o.irqchip, NULL));
			GUEST_TRY(&g, again(&g, &fresh, mode_name(o.mode)));
			GUEST_TRY(&g, enrich(&g));
			GUEST_TRY(&g, again(&g, &fresh, mode_name(o.mode)));
			if (mode != GUEST_RESET && conf->accel != VMA_ACCEL_NULL) {
				GUEST_TRY(&g, guest_run_out(&g, 0x10, 1, NULL));
				CONF_EQUAL(conf, vma_vcpu_complete(g.v), 0);
				GUEST_TRY(&g, again(&g, &fresh, mode_name(o.mode)));
			}
			guest_close(&fresh);
			guest_close(&g);
		}
	return CONF_PASS;
}

/* ------ a guest that computes: T108, T112 ------ */

enum { COUNTER = GUEST_DATA, TABLE = 0x20000, ROUNDS_AT = 0x10008 };

/* Mixes a table through RBX, FS (by WRMSR), the flags, the stack and subroutines; tells at COUNTER how many rounds are left, and
 * writes to port 0xf4 when done. */
/* mov r12d, ds:[0x10008]; round: mov eax, ebx; and eax, 0x7ff8; add eax, 0x20000; xor edx, edx; mov ecx, 0xc0000100;
 * wrmsr; xor rbx, fs:[0]; imul rbx, rbx, 0x5851f42d; rol rbx, 13; add rbx, r12; mov fs:[0], rbx; test bl, 0x3f; jnz
 * skip; call deep; skip: push rbx; call turn; pop r13; adc r14, r13; mov ds:[0x10000], r12; dec r12d; jnz round; out
 * 0xf4, al; turn: ror rbx, 7; ret; deep: pushfq; xor r15, [rsp]; inc qword ptr ds:[0x10010]; popfq; ret */
static const uint8_t mixer[] = {
	0x44, 0x8b, 0x24, 0x25, 0x08, 0x00, 0x01, 0x00, 0x89, 0xd8, 0x25, 0xf8, 0x7f, 0x00, 0x00, 0x05, 0x00, 0x00,
	0x02, 0x00, 0x31, 0xd2, 0xb9, 0x00, 0x01, 0x00, 0xc0, 0x0f, 0x30, 0x64, 0x48, 0x33, 0x1c, 0x25, 0x00, 0x00,
	0x00, 0x00, 0x48, 0x69, 0xdb, 0x2d, 0xf4, 0x51, 0x58, 0x48, 0xc1, 0xc3, 0x0d, 0x4c, 0x01, 0xe3, 0x64, 0x48,
	0x89, 0x1c, 0x25, 0x00, 0x00, 0x00, 0x00, 0xf6, 0xc3, 0x3f, 0x75, 0x05, 0xe8, 0x1f, 0x00, 0x00, 0x00, 0x53,
	0xe8, 0x14, 0x00, 0x00, 0x00, 0x41, 0x5d, 0x4d, 0x11, 0xee, 0x4c, 0x89, 0x24, 0x25, 0x00, 0x00, 0x01, 0x00,
	0x41, 0xff, 0xcc, 0x75, 0xa9, 0xe6, 0xf4, 0x48, 0xc1, 0xcb, 0x07, 0xc3, 0x9c, 0x4c, 0x33, 0x3c, 0x24, 0x48,
	0xff, 0x04, 0x25, 0x10, 0x00, 0x01, 0x00, 0x9d, 0xc3,
};
static int start_mixer(struct guest *g, uint32_t rounds)
{
	memset(g->ram + GUEST_DATA, 0, 0x20000);
	for (unsigned i = 0; i < 0x8000; i++)
		g->ram[TABLE + i] = (uint8_t)(i * 31 + (i >> 8));
	guest_code(g, GUEST_CODE, mixer, sizeof mixer);
	guest_code(g, ROUNDS_AT, &rounds, 4);
	CONF_TRY(guest_set_mode(g, g->v, GUEST_LONG));
	CONF_TRY(enrich(g));
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_FS_BASE, 0);
	return CONF_PASS;
}

/* What the mixer left: registers, vectors, MSRs, memory. */
struct result {
	vma_x86_regs regs;
	vma_x86_fpu_regs fpu;
	uint64_t fs, lstar, dr0, sum;
};

static int read_result(struct guest *g, struct result *r)
{
	struct conf *conf = g->conf;

	memset(r, 0, sizeof *r);
	CONF_OK(conf, vma_x86_get_regs(g->v, &r->regs));
	CONF_OK(conf, vma_x86_get_fpu_regs(g->v, &r->fpu));
	r->fpu.mxcsr_mask = 0; /* the processor's, not the guest's */
	r->fs = guest_get(g, VMA_X86_FS_BASE);
	r->lstar = guest_get(g, VMA_X86_MSR_LSTAR);
	r->dr0 = guest_get(g, VMA_X86_DR0);
	for (unsigned i = 0; i < 0x20000; i++)
		r->sum = r->sum * 31 + g->ram[GUEST_DATA + i];
	return CONF_PASS;
}

static int same_result(struct conf *conf, const char *what, const struct result *want, const struct result *got)
{
	for (unsigned i = 0; i < VMA_X86_GPR_END; i++)
		if ((&want->regs.rax)[i] != (&got->regs.rax)[i])
			return conf_fail(conf, "%s: %s is %#llx, not %#llx", what, vma_reg_name(VMA_ARCH_X86_64, i),
					 (unsigned long long)(&got->regs.rax)[i], (unsigned long long)(&want->regs.rax)[i]);
	if (memcmp(&want->fpu, &got->fpu, sizeof want->fpu))
		return conf_fail(conf, "%s: x87 and SSE registers differ", what);
	if (want->fs != got->fs || want->lstar != got->lstar || want->dr0 != got->dr0)
		return conf_fail(conf, "%s: FS base, LSTAR or DR0 differ", what);
	return want->sum == got->sum ? CONF_PASS : conf_fail(conf, "%s: memory differs", what);
}

/* The mixer without interruption. */
static int undisturbed(struct guest *g, uint32_t rounds, struct result *r)
{
	CONF_TRY(start_mixer(g, rounds));
	CONF_TRY(guest_run_out(g, 0xf4, 1, NULL));
	return read_result(g, r);
}

static void tell(void *opaque, const char *element, const char *reason)
{
	struct conf *conf = opaque;
	conf_fail(conf, "%s could not be carried: %s", element, reason);
}

/* Save here, restore there; what could not be carried fails. */
static int move(struct guest *from, struct guest *to, uint32_t flags)
{
	static struct blob b;
	struct conf *conf = from->conf;
	vma_report report = {tell, conf};

	CONF_TRY(save(from, &b, flags));
	CONF_OK(conf, vma_vcpu_restore(to->v, b.data, b.size, flags, &report));
	CONF_TRY(save_vm(from, &b, flags));
	CONF_OK(conf, vma_vm_restore(to->vm, b.data, b.size, flags, &report));
	return conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

/* ------ T108 ------ */

/* Kicks when the counter in the guest's memory is at or below a number. */
struct kicker {
	volatile uint32_t *counter;
	uint32_t at;
	vma_kick *kick;
	atomic_int stop;
};

static void *kick_at(void *arg)
{
	struct kicker *k = arg;
	const struct timespec moment = {0, 20000};

	while (!atomic_load(&k->stop)) {
		uint32_t now = __atomic_load_n(k->counter, __ATOMIC_RELAXED);
		if (now && now <= k->at) {
			vma_kick_send(k->kick);
			break;
		}
		nanosleep(&moment, NULL);
	}
	return NULL;
}

/* Run until about `at` rounds are left. *cut: it was stopped in the middle; else it ran to the end. */
static int run_to(struct guest *g, uint32_t at, int *cut)
{
	struct conf *conf = g->conf;
	struct kicker k = {.counter = (volatile uint32_t *)(void *)(g->ram + COUNTER), .at = at};
	pthread_t thread;
	int kind;

	CONF_OK(conf, vma_vcpu_kick_handle(g->v, &k.kick));
	CONF_EXPECT(conf, pthread_create(&thread, NULL, kick_at, &k) == 0);
	kind = vma_vcpu_run(g->v);
	atomic_store(&k.stop, 1);
	pthread_join(thread, NULL);
	vma_kick_unref(k.kick);
	*cut = kind == VMA_EXIT_CANCELED;
	CONF_EXPECT(conf, kind == VMA_EXIT_CANCELED || (kind == VMA_EXIT_IO && g->exit->io.port == 0xf4));
	return CONF_PASS;
}

/* Half on a, half on b. On a busy host the kick may come after the end: then once more. */
static int half_and_half(struct guest *a, struct guest *b, const struct result *want, uint32_t rounds, const char *what)
{
	struct conf *conf = a->conf;
	struct result got;
	int cut = 0;

	for (int i = 0; i < 100 && !cut; i++) {
		CONF_TRY(start_mixer(a, rounds));
		CONF_TRY(run_to(a, rounds - rounds / 3, &cut));
	}
	if (!cut)
		return conf_fail(conf, "%s: the guest was never stopped in the middle", what);
	CONF_TRY(move(a, b, 0));
	CONF_TRY(guest_run_out(b, 0xf4, 1, NULL));
	CONF_TRY(read_result(b, &got));
	return same_result(conf, what, want, &got);
}

static const vma_accel movers[] = {VMA_ACCEL_KVM, VMA_ACCEL_SOFT, VMA_ACCEL_HVF, VMA_ACCEL_WHPX};
enum { MOVERS = sizeof movers / sizeof *movers, ROUNDS = 40000 };

static int usable(vma_accel accel)
{
	vma_platform_info info = {.size = sizeof info};
	return vma_platform_find(accel, VMA_ARCH_X86_64, &info) == 0 && info.available;
}

/* The highest portable model that both offer. */
static const char *portable(vma_accel a, vma_accel b)
{
	static const char *const names[] = {"x86-64-v3", "x86-64-v2", "x86-64-v1"};

	for (int i = 0; i < 2; i++)
		if (guest_model_offered(a, names[i]) && guest_model_offered(b, names[i]))
			return names[i];
	return names[2];
}

static int between(struct conf *conf, vma_accel other, vma_irqchip chip, const struct result *want)
{
	struct guest_options o = {.mode = GUEST_LONG, .irqchip = chip, .cpu_model = portable(conf->accel, other), .configure = narrow};
	struct guest here, there;
	char what[64];

	CONF_TRY(guest_open(&here, conf, &o, NULL, 0));
	CONF_TRY(open_twin(&there, conf, &here, other, chip, o.cpu_model));
	snprintf(what, sizeof what, "%s to %s", vma_accel_name(conf->accel), vma_accel_name(other));
	CONF_TRY(half_and_half(&here, &there, want, ROUNDS, what));
	snprintf(what, sizeof what, "%s to %s", vma_accel_name(other), vma_accel_name(conf->accel));
	CONF_TRY(half_and_half(&there, &here, want, ROUNDS, what));
	guest_close(&there);
	guest_close(&here);
	return CONF_PASS;
}

static int t108(struct conf *conf)
{
	struct guest g;
	struct result want;
	int others = 0;

	CONF_TRY(guest_open(&g, conf, &(struct guest_options){.mode = GUEST_LONG, .cpu_model = "x86-64-v1"}, NULL, 0));
	CONF_TRY(undisturbed(&g, ROUNDS, &want));
	guest_close(&g);
	CONF_TRY(between(conf, conf->accel, VMA_IRQCHIP_NONE, &want));
	for (int i = 0; i < MOVERS; i++) {
		if (movers[i] == conf->accel || !usable(movers[i]))
			continue;
		others++;
		CONF_TRY(between(conf, movers[i], VMA_IRQCHIP_NONE, &want));
		CONF_TRY(between(conf, movers[i], guest_irqchip(conf), &want));
	}
	return others ? CONF_PASS : conf_skip(conf, "no other accelerator works here to move the guest to; to another VM of %s it moved",
					      conf->info.name);
}

/* ------ T109 ------ */

static int t109(struct conf *conf)
{
	static struct blob before, after, rich;
	struct guest v1, v2;

	if (!guest_model_offered(conf->accel, "x86-64-v2"))
		return conf_skip(conf, "no model above x86-64-v1 is offered here: %s", vma_why());
	GUEST_TRY(&v2, guest_open(&v2, conf, &(struct guest_options){.mode = GUEST_LONG, .cpu_model = "x86-64-v2"}, NULL, 0));
	GUEST_TRY(&v1, guest_open(&v1, conf, &(struct guest_options){.mode = GUEST_LONG, .cpu_model = "x86-64-v1"}, NULL, 0));
	GUEST_TRY(&v1, enrich(&v1));
	CONF_EQUAL(conf, vma_x86_has_feature(v1.vm, "sse3"), 0);
	CONF_EQUAL(conf, vma_x86_has_feature(v2.vm, "sse3"), 1);
	GUEST_TRY(&v2, save(&v2, &rich, 0));
	GUEST_TRY(&v1, save(&v1, &before, 0));
	CONF_EQUAL(conf, vma_vcpu_restore(v1.v, rich.data, rich.size, 0, NULL), VMA_E_FEATURE);
	if (!strstr(vma_why(), "sse3"))
		return conf_fail(conf, "the missing feature is not named: %s", vma_why());
	GUEST_TRY(&v1, save(&v1, &after, 0));
	GUEST_TRY(&v1, same(conf, "after the refusal", &before, &after));
	CONF_OK(conf, vma_vcpu_restore(v2.v, before.data, before.size, 0, NULL)); /* less is no obstacle */
	guest_close(&v1);
	guest_close(&v2);
	return CONF_PASS;
}

/* ------ T110: versions. The frame: docs/vcpu.md, "Saved state" ------ */

static void put32(struct blob *b, size_t at, uint32_t value)
{
	memcpy(b->data + at, &value, 4);
}

/* One more element of 8 bytes. */
static void append(struct blob *b, uint32_t id, uint32_t version, uint32_t flags)
{
	uint32_t count;
	uint64_t size = b->size + 24;

	memset(b->data + b->size, 0, 24);
	put32(b, b->size, id);
	put32(b, b->size + 4, version | flags << 16);
	put32(b, b->size + 8, 8);
	memcpy(&count, b->data + 20, 4);
	put32(b, 20, count + 1);
	memcpy(b->data + 24, &size, 8);
	b->size += 24;
}

static void count_line(void *opaque, const char *element, const char *reason)
{
	(void)element;
	*(int *)opaque += reason && reason[0];
}

static int t110(struct conf *conf)
{
	static struct blob b, whole, now;
	struct guest g;
	int lines = 0;
	vma_report report = {count_line, &lines};

	GUEST_TRY(&g, guest_open(&g, conf, NULL, NULL, 0));
	GUEST_TRY(&g, save(&g, &whole, 0));
	b = whole;
	append(&b, 900, 1, 0); /* from a later version, optional: told and skipped */
	CONF_OK(conf, vma_vcpu_restore(g.v, b.data, b.size, 0, &report));
	CONF_EQUAL(conf, lines, 1);
	GUEST_TRY(&g, save(&g, &now, 0));
	GUEST_TRY(&g, same(conf, "after an unknown element", &whole, &now));
	b = whole;
	append(&b, 900, 1, 1); /* required */
	CONF_EQUAL(conf, vma_vcpu_restore(g.v, b.data, b.size, 0, &report), VMA_E_VERSION);
	CONF_EXPECT(conf, strstr(vma_why(), "900"));
	b = whole;
	put32(&b, 8, 2); /* the frame's own version */
	CONF_EQUAL(conf, vma_vcpu_restore(g.v, b.data, b.size, 0, &report), VMA_E_VERSION);
	b = whole;
	append(&b, 11, 2, 0); /* a known element in a later version */
	CONF_OK(conf, vma_vcpu_restore(g.v, b.data, b.size, 0, &report));
	CONF_EQUAL(conf, lines, 2);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T111: interruptions in flight ------ */

/* nop; out 0x10, al; hlt */
static const uint8_t idle[] = {0x90, 0xe6, 0x10, 0xf4};

/* Where the state comes from and goes to, and the controllers of both. */
struct route {
	vma_accel from, to;
	vma_irqchip irqchip;
};

static int open_route(struct conf *conf, const struct route *way, struct guest *g, struct guest *fresh, const uint8_t *code, size_t size)
{
	struct guest_options o = {.mode = GUEST_LONG, .irqchip = way->irqchip, .cpu_model = portable(way->from, way->to), .configure = narrow};
	vma_accel mine = conf->accel;
	int result;

	conf->accel = way->from;
	result = guest_open(g, conf, &o, code, size);
	conf->accel = mine;
	CONF_TRY(result);
	return open_twin(fresh, conf, g, way->to, way->irqchip, o.cpu_model);
}

static int in_flight(struct conf *conf, const struct route *way, struct guest *g, struct guest *fresh)
{
	static const uint8_t back[] = {0xe6, 0x40, 0x48, 0xcf}; /* out 0x40, al; iretq */

	CONF_TRY(open_route(conf, way, g, fresh, idle, sizeof idle));
	guest_traps(g);
	guest_gate(g, 0x40, GUEST_CODE + 0x200);
	guest_code(g, GUEST_CODE + 0x200, back, sizeof back);
	return CONF_PASS;
}

static int carry(struct guest *g, struct guest *fresh, const char *what)
{
	static struct blob a, b;
	struct conf *conf = g->conf;

	CONF_TRY(save(g, &a, 0));
	CONF_OK(conf, vma_vcpu_restore(fresh->v, a.data, a.size, 0, NULL));
	CONF_TRY(save(fresh, &b, 0));
	return same(conf, what, &a, &b);
}

static int carry_interrupt(struct guest *g, struct guest *fresh)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RFLAGS, 0x202);
	CONF_OK(conf, vma_x86_interrupt(g->v, 0x40));
	CONF_TRY(carry(g, fresh, "an injected interrupt"));
	CONF_TRY(guest_run_out(fresh, 0x40, 1, NULL));
	CONF_TRY(guest_run_out(fresh, 0x10, 1, NULL)); /* once */
	return guest_run(fresh, VMA_EXIT_HLT);
}

static int carry_nmi(struct guest *g, struct guest *fresh)
{
	struct conf *conf = g->conf;
	vma_x86_events e;

	CONF_OK(conf, vma_x86_nmi(g->v));
	CONF_TRY(carry(g, fresh, "a pending NMI"));
	CONF_TRY(guest_run_trap(fresh, 2));
	CONF_EQUAL(conf, vma_vcpu_complete(fresh->v), 0);
	CONF_TRY(carry(fresh, g, "in the NMI's handler"));
	CONF_OK(conf, vma_x86_get_events(g->v, &e));
	CONF_EQUAL(conf, e.nmi_masked, 1);
	CONF_OK(conf, vma_x86_nmi(g->v)); /* waits for IRET */
	CONF_TRY(carry(g, fresh, "a second NMI while masked"));
	return guest_run(fresh, VMA_EXIT_HLT);
}

static int carry_exception(struct guest *g, struct guest *fresh)
{
	struct conf *conf = g->conf;

	CONF_OK(conf, vma_x86_exception(g->v, 14, 1, 6, 0x123456000));
	CONF_TRY(carry(g, fresh, "an injected #PF"));
	CONF_TRY(guest_run_trap(fresh, 14));
	CONF_EQUAL(conf, guest_get(fresh, VMA_X86_CR2), 0x123456000);
	CONF_EQUAL(conf, guest_read64(fresh, guest_get(fresh, VMA_X86_RSP)), 6);
	CONF_EQUAL(conf, guest_read64(fresh, guest_get(fresh, VMA_X86_RSP) + 8), GUEST_CODE);
	return CONF_PASS;
}

static int carry_shadow(struct guest *g, struct guest *fresh)
{
	struct conf *conf = g->conf;
	vma_x86_events e;

	guest_set(g, VMA_X86_RFLAGS, 0x202);
	CONF_OK(conf, vma_x86_get_events(g->v, &e));
	e.shadow = 1;
	CONF_OK(conf, vma_x86_set_events(g->v, &e));
	CONF_TRY(carry(g, fresh, "the shadow of STI"));
	CONF_EQUAL(conf, vma_x86_interrupt(fresh->v, 0x40), VMA_E_BUSY);
	CONF_TRY(guest_run_out(fresh, 0x10, 1, NULL)); /* it ended with the first instruction */
	CONF_EQUAL(conf, vma_vcpu_complete(fresh->v), 0);
	CONF_OK(conf, vma_x86_interrupt(fresh->v, 0x40));
	CONF_TRY(guest_run_out(fresh, 0x40, 1, NULL));
	return CONF_PASS;
}

static void *kick_soon(void *arg)
{
	const struct timespec moment = {0, 30000000};

	nanosleep(&moment, NULL);
	vma_kick_send(arg);
	return NULL;
}

/* Asleep in HLT inside run, with the local APIC on; there it is woken by a message. */
static int carry_halt(struct conf *conf, const struct route *way)
{
	/* mov eax, 0xfee000f0; mov dword ptr [rax], 0x1ff; sti; hlt; out 0x10, al */
	static const uint8_t code[] = {
		0xb8, 0xf0, 0x00, 0xe0, 0xfe, 0xc7, 0x00, 0xff, 0x01, 0x00, 0x00, 0xfb, 0xf4, 0xe6, 0x10,
	};
	struct guest g, fresh;
	vma_kick *kick;
	pthread_t thread;
	vma_mp mp;

	CONF_TRY(open_route(conf, way, &g, &fresh, code, sizeof code));
	guest_gate(&g, 0x40, GUEST_CODE + 0x200);
	guest_code(&g, GUEST_CODE + 0x200, "\xe6\xe0\x48\xcf", 4);
	CONF_OK(conf, vma_vcpu_kick_handle(g.v, &kick));
	CONF_EXPECT(conf, pthread_create(&thread, NULL, kick_soon, kick) == 0);
	CONF_TRY(guest_run(&g, VMA_EXIT_CANCELED));
	pthread_join(thread, NULL);
	vma_kick_unref(kick);
	CONF_OK(conf, vma_vcpu_get_mp(g.v, &mp));
	CONF_EQUAL(conf, mp, VMA_MP_HALTED);
	CONF_TRY(carry(&g, &fresh, "asleep in HLT"));
	CONF_OK(conf, vma_vm_msi(fresh.vm, 0xfee00000, 0x40));
	CONF_TRY(guest_run_out(&fresh, 0xe0, 1, NULL));
	CONF_TRY(guest_run_out(&fresh, 0x10, 1, NULL));
	guest_close(&fresh);
	guest_close(&g);
	return CONF_PASS;
}

/* A vector in the IRR while IF is clear. */
static int carry_irr(struct conf *conf, const struct route *way)
{
	/* mov eax, 0xfee000f0; mov dword ptr [rax], 0x1ff; out 0x11, al; sti; nop; hlt */
	static const uint8_t code[] = {
		0xb8, 0xf0, 0x00, 0xe0, 0xfe, 0xc7, 0x00, 0xff, 0x01, 0x00, 0x00, 0xe6, 0x11, 0xfb, 0x90, 0xf4,
	};
	struct guest g, fresh;

	CONF_TRY(open_route(conf, way, &g, &fresh, code, sizeof code));
	guest_gate(&g, 0x41, GUEST_CODE + 0x200);
	guest_code(&g, GUEST_CODE + 0x200, "\xe6\xe1\x48\xcf", 4);
	CONF_TRY(guest_run_out(&g, 0x11, 1, NULL));
	CONF_EQUAL(conf, vma_vcpu_complete(g.v), 0);
	CONF_OK(conf, vma_vm_msi(g.vm, 0xfee00000, 0x41));
	CONF_TRY(carry(&g, &fresh, "a vector in the IRR"));
	CONF_TRY(guest_run_out(&fresh, 0xe1, 1, NULL));
	guest_close(&fresh);
	guest_close(&g);
	return CONF_PASS;
}

static int carry_all(struct conf *conf, vma_accel from, vma_accel to)
{
	static int (*const bodies[])(struct guest *, struct guest *) = {carry_interrupt, carry_nmi, carry_exception, carry_shadow};
	struct route way = {from, to, VMA_IRQCHIP_NONE};
	struct guest g, fresh;

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		CONF_TRY(in_flight(conf, &way, &g, &fresh));
		CONF_TRY(bodies[i](&g, &fresh));
		guest_close(&fresh);
		guest_close(&g);
	}
	way.irqchip = VMA_IRQCHIP_PLATFORM;
	if (!guest_offers(conf, way.irqchip))
		way.irqchip = VMA_IRQCHIP_LIBRARY;
	CONF_TRY(carry_halt(conf, &way));
	return carry_irr(conf, &way);
}

static int t111(struct conf *conf)
{
	CONF_TRY(carry_all(conf, conf->accel, conf->accel));
	for (int i = 0; i < MOVERS; i++)
		if (movers[i] != conf->accel && usable(movers[i])) {
			CONF_TRY(carry_all(conf, conf->accel, movers[i]));
			CONF_TRY(carry_all(conf, movers[i], conf->accel));
		}
	return CONF_PASS;
}

/* ------ T112 ------ */

static int step(struct guest *g, unsigned n, int *done)
{
	struct conf *conf = g->conf;
	vma_debug on = {.size = sizeof on, .single_step = 1}, off = {.size = sizeof off};

	CONF_OK(conf, vma_vcpu_debug(g->v, &on));
	for (unsigned i = 0; i < n && !*done; i++) {
		int kind = vma_vcpu_run(g->v);
		CONF_OK(conf, kind);
		CONF_EXPECT(conf, kind == VMA_EXIT_DEBUG || kind == VMA_EXIT_IO);
		*done = kind == VMA_EXIT_IO;
	}
	CONF_OK(conf, vma_vcpu_debug(g->v, &off));
	return CONF_PASS;
}

static int t112(struct conf *conf)
{
	enum { STEPS = 200 };
	struct guest_options o = {.mode = GUEST_LONG, .cpu_model = portable(conf->accel, conf->accel)};
	struct guest g[2];
	struct result want, got;
	unsigned now = 0, moves = 0;
	int done = 0;

	CONF_TRY(guest_open(&g[0], conf, &o, NULL, 0));
	CONF_TRY(open_twin(&g[1], conf, &g[0], conf->accel, VMA_IRQCHIP_NONE, o.cpu_model));
	CONF_TRY(undisturbed(&g[0], STEPS, &want));
	CONF_OK(conf, vma_vcpu_reset(g[0].v));
	CONF_TRY(start_mixer(&g[0], STEPS));
	srand(112);
	while (!done) {
		CONF_TRY(step(&g[now], 1 + (unsigned)rand() % 6, &done));
		if (done)
			break;
		CONF_TRY(move(&g[now], &g[!now], 0));
		now = !now;
		moves++;
	}
	CONF_EXPECT(conf, moves > 1000);
	CONF_TRY(read_result(&g[now], &got));
	CONF_TRY(same_result(conf, "after all moves", &want, &got));
	guest_close(&g[1]);
	guest_close(&g[0]);
	return CONF_PASS;
}

/* ------ T113 ------ */

static void spoil(struct blob *b)
{
	static const uint32_t odd[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 0x10000};
	int kind = rand() % 8;

	if (kind == 0) {
		b->size = (size_t)rand() % (b->size + 1);
	} else if (kind < 4) {
		put32(b, (size_t)rand() % (b->size / 4) * 4, odd[rand() % 7]);
	} else {
		for (int n = 1 + rand() % 4; n > 0; n--)
			b->data[(size_t)rand() % b->size] ^= (uint8_t)(1 << rand() % 8);
	}
}

static int spoiled_vcpu(struct guest *g, const struct blob *good)
{
	static struct blob b, now;
	struct conf *conf = g->conf;

	for (int i = 0; i < (conf_emulated(conf) ? 100 : 1500); i++) {
		b = *good;
		spoil(&b);
		int rc = vma_vcpu_restore(g->v, b.data, b.size, 0, NULL);
		CONF_EXPECT(conf, rc <= 0 && rc >= VMA_E_OWNER_GONE);
		if (rc == VMA_E_OWNER_GONE || rc == VMA_E_BUSY || rc == VMA_E_STATE)
			return conf_fail(conf, "bad bytes give %s: %s", vma_error_name(rc), vma_why());
		if (rc < 0) {
			CONF_TRY(save(g, &now, 0));
			CONF_TRY(same(conf, vma_why(), good, &now));
		}
		CONF_OK(conf, vma_vcpu_restore(g->v, good->data, good->size, 0, NULL));
	}
	return CONF_PASS;
}

static int spoiled_vm(struct guest *g)
{
	static struct blob good, b;
	struct conf *conf = g->conf;

	CONF_TRY(save_vm(g, &good, 0));
	for (int i = 0; i < (conf_emulated(conf) ? 100 : 1000); i++) {
		b = good;
		spoil(&b);
		int rc = vma_vm_restore(g->vm, b.data, b.size, 0, NULL);
		CONF_EXPECT(conf, rc <= 0 && rc >= VMA_E_OWNER_GONE);
	}
	CONF_OK(conf, vma_vm_restore(g->vm, good.data, good.size, 0, NULL));
	return CONF_PASS;
}

static int t113(struct conf *conf)
{
	static struct blob good;
	struct guest_options o = {.mode = GUEST_LONG};
	struct guest g;

	o.irqchip = conf->info.caps & VMA_CAP_IRQCHIP ? VMA_IRQCHIP_PLATFORM : VMA_IRQCHIP_NONE;
	srand(113);
	CONF_TRY(guest_open(&g, conf, &o, NULL, 0));
	CONF_TRY(enrich(&g));
	CONF_TRY(save(&g, &good, 0));
	CONF_TRY(spoiled_vcpu(&g, &good));
	CONF_TRY(spoiled_vm(&g));
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T114 ------ */

/* A vCPU's state by the getters, and the setters in any order. */
struct parts {
	vma_x86_regs regs;
	vma_x86_sregs sregs;
	vma_x86_dregs dregs;
	vma_x86_events events;
	uint64_t xcr0, msr[5];
	uint8_t xsave[8192], lapic[0x400];
	size_t xsave_size;
	vma_mp mp;
};
static const uint32_t part_msrs[] = {0xc0000081, 0xc0000082, 0x174, 0xc0000102, 0x277};
static const uint32_t xcr0_id = VMA_X86_XCR0;

static int get_parts(struct guest *g, struct parts *p)
{
	struct conf *conf = g->conf;

	p->xsave_size = sizeof p->xsave;
	CONF_OK(conf, vma_x86_get_regs(g->v, &p->regs));
	CONF_OK(conf, vma_x86_get_sregs(g->v, &p->sregs));
	CONF_OK(conf, vma_x86_get_debug_regs(g->v, &p->dregs));
	CONF_OK(conf, vma_x86_get_events(g->v, &p->events));
	CONF_OK(conf, vma_vcpu_get(g->v, &xcr0_id, &p->xcr0, 1));
	CONF_OK(conf, vma_x86_get_xsave(g->v, p->xsave, &p->xsave_size));
	CONF_OK(conf, vma_x86_get_lapic(g->v, p->lapic));
	CONF_OK(conf, vma_vcpu_get_mp(g->v, &p->mp));
	CONF_EQUAL(conf, vma_x86_get_msrs(g->v, part_msrs, p->msr, 5), 5);
	return CONF_PASS;
}

enum { PARTS = 9 };
static int set_part(vma_vcpu *v, const struct parts *p, int part)
{
	switch (part) {
	case 0:
		return vma_x86_set_regs(v, &p->regs, VMA_X86_ALL_REGS);
	case 1:
		return vma_x86_set_sregs(v, &p->sregs);
	case 2:
		return vma_x86_set_debug_regs(v, &p->dregs);
	case 3:
		return vma_x86_set_events(v, &p->events);
	case 4:
		return vma_vcpu_set(v, &xcr0_id, &p->xcr0, 1);
	case 5:
		return vma_x86_set_xsave(v, p->xsave, p->xsave_size);
	case 6:
		return vma_x86_set_lapic(v, p->lapic);
	case 7:
		return vma_vcpu_set_mp(v, p->mp);
	default:
		return vma_x86_set_msrs(v, part_msrs, p->msr, 5) == 5 ? 0 : VMA_E_NATIVE;
	}
}

static int in_order(struct guest *g, const struct parts *p, const int order[PARTS], const struct blob *want)
{
	static struct blob got;
	struct conf *conf = g->conf;
	char what[64] = "order";

	CONF_OK(conf, vma_vcpu_reset(g->v));
	for (int i = 0; i < PARTS; i++) {
		size_t n = strlen(what);
		snprintf(what + n, sizeof what - n, " %d", order[i]);
		CONF_OK(conf, set_part(g->v, p, order[i]));
		if (order[i] == 6)
			CONF_OK(conf, vma_x86_get_regs(g->v, &(vma_x86_regs){0})); /* a look between writes */
	}
	CONF_TRY(save(g, &got, 0));
	return same(conf, what, want, &got);
}

static int t114(struct conf *conf)
{
	static struct blob want;
	static struct parts p;
	struct guest_options o = {.mode = GUEST_LONG};
	struct guest g, fresh;
	int order[PARTS] = {0, 1, 2, 3, 4, 5, 6, 7, 8};

	if (!(conf->info.caps & VMA_CAP_IRQCHIP))
		return conf_skip(conf, "no interrupt controllers, so no local APIC to order");
	o.irqchip = VMA_IRQCHIP_PLATFORM;
	CONF_TRY(guest_open(&g, conf, &o, NULL, 0));
	CONF_TRY(open_twin(&fresh, conf, &g, conf->accel, o.irqchip, NULL));
	CONF_TRY(enrich(&g));
	guest_set(&g, VMA_X86_CR8, 5);
	CONF_OK(conf, vma_x86_exception(g.v, 13, 1, 0x18, 0));
	CONF_TRY(get_parts(&g, &p));
	CONF_TRY(save(&g, &want, 0));
	srand(114);
	for (int round = 0; round < 100; round++) {
		for (int i = PARTS - 1; i > 0; i--) {
			int k = rand() % (i + 1), t = order[i];
			order[i] = order[k];
			order[k] = t;
		}
		CONF_TRY(in_order(&fresh, &p, order, &want));
	}
	guest_close(&fresh);
	guest_close(&g);
	return CONF_PASS;
}

/* The parts of T107 for arm64, which has one mode. */
static int t107_arm64(struct conf *conf)
{
	static const uint32_t code[] = {A64_ADD_A, A64_STOP};
	struct guest g, fresh;

	for (int chip = VMA_IRQCHIP_NONE; chip <= VMA_IRQCHIP_PLATFORM; chip++) {
		struct guest_options o = {.mode = GUEST_LONG, .irqchip = (vma_irqchip)chip};
		if (chip && !(conf->info.caps & VMA_CAP_IRQCHIP))
			continue;
		CONF_TRY(guest_open(&g, conf, &o, code, sizeof code));
		CONF_TRY(open_twin(&fresh, conf, &g, conf->accel, o.irqchip, NULL));
		CONF_TRY(again(&g, &fresh, "as created"));
		CONF_TRY(enrich(&g));
		CONF_TRY(again(&g, &fresh, "with registers of every class"));
		CONF_TRY(guest_run(&g, VMA_EXIT_HLT));
		CONF_TRY(again(&g, &fresh, "after a run"));
		guest_close(&fresh);
		guest_close(&g);
	}
	return CONF_PASS;
}

static const struct conf_check checks[] = {
	{107, "Save, restore, save: byte-equal, in every mode, with and without interrupt controllers, in a new VM too", "any snapshot", t107,
	 NULL, t107_arm64},
	{108, "A guest saved in the middle finishes on every other accelerator here, and the reverse, with equal results", "x86 snapshot guest",
	 t108, NULL},
	{109, "Restore with a missing feature: E_FEATURE naming it, nothing restored", "any snapshot", t109, NULL},
	{110, "State of a later version: an unknown optional element is told and skipped, a required one refused", "any snapshot", t110, NULL,
	 t110},
	{111, "Save during pending interrupt, NMI, exception, shadow, HLT, IRR: delivered once after the restore, on every other accelerator too", "x86 snapshot guest", t111,
	 NULL},
	{112, "More than 1000 random save and restore points of a guest, between two VMs", "x86 snapshot guest", t112, NULL},
	{113, "Spoiled saved state: no crash, a typed error, nothing changed", "any snapshot", t113, NULL, t113},
	{114, "State written class by class in any order gives the same vCPU", "x86 snapshot", t114, NULL},
};

CONF_GROUP(snapshot, checks, NULL, 0);
