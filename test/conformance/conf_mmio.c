/* conf_mmio.c - checks of accesses to addresses without memory (T026-T036). */
#include <stdio.h>
#include <string.h>

#include "bodies_arm64.h"
#include "guest.h"

#define PATTERN 0x1122334455667788u

static int expect_mmio(struct guest *g, uint64_t gpa, unsigned length, int write)
{
	struct conf *conf = g->conf;

	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_EQUAL(conf, g->exit->mmio.gpa, gpa);
	CONF_EQUAL(conf, g->exit->mmio.length, length);
	CONF_EQUAL(conf, g->exit->mmio.write, write);
	return CONF_PASS;
}

/* ------ T026, T027: one access ------ */

struct access {
	uint8_t code[8];
	uint8_t size, length;
	uint64_t want; /* read: RAX; write: the bytes */
};

static const uint8_t answer[8] = {0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8};

static const struct access reads[] = {
	{{0x8a, 0x03}, 2, 1, 0x11223344556677f1},             /* mov al, [rbx] */
	{{0x66, 0x8b, 0x03}, 3, 2, 0x112233445566f2f1},       /* mov ax, [rbx] */
	{{0x8b, 0x03}, 2, 4, 0xf4f3f2f1},                     /* mov eax, [rbx] */
	{{0x48, 0x8b, 0x03}, 3, 8, 0xf8f7f6f5f4f3f2f1},       /* mov rax, [rbx] */
	{{0x0f, 0xb6, 0x03}, 3, 1, 0xf1},                     /* movzx eax, byte [rbx] */
	{{0x0f, 0xb7, 0x03}, 3, 2, 0xf2f1},                   /* movzx eax, word [rbx] */
	{{0x66, 0x0f, 0xbe, 0x03}, 4, 1, 0x112233445566fff1}, /* movsx ax, byte [rbx] */
	{{0x0f, 0xbe, 0x03}, 3, 1, 0xfffffff1},               /* movsx eax, byte [rbx] */
	{{0x48, 0x0f, 0xbe, 0x03}, 4, 1, 0xfffffffffffffff1}, /* movsx rax, byte [rbx] */
	{{0x48, 0x0f, 0xbf, 0x03}, 4, 2, 0xfffffffffffff2f1}, /* movsx rax, word [rbx] */
	{{0x48, 0x63, 0x03}, 3, 4, 0xfffffffff4f3f2f1},       /* movsxd rax, dword [rbx] */
};

static const struct access writes[] = {
	{{0x88, 0x03}, 2, 1, 0x88},                                              /* mov [rbx], al */
	{{0x66, 0x89, 0x03}, 3, 2, 0x7788},                                      /* mov [rbx], ax */
	{{0x89, 0x03}, 2, 4, 0x55667788},                                        /* mov [rbx], eax */
	{{0x48, 0x89, 0x03}, 3, 8, 0x1122334455667788},                          /* mov [rbx], rax */
	{{0xc6, 0x03, 0x5a}, 3, 1, 0x5a},                                        /* mov byte [rbx], 0x5a */
	{{0x66, 0xc7, 0x03, 0x5a, 0xa5}, 5, 2, 0xa55a},                          /* mov word [rbx], 0xa55a */
	{{0xc7, 0x03, 0x5a, 0xa5, 0x5a, 0xa5}, 6, 4, 0xa55aa55a},                /* mov dword [rbx], 0xa55aa55a */
	{{0x48, 0xc7, 0x03, 0x5a, 0xa5, 0x5a, 0xa5}, 7, 8, 0xffffffffa55aa55a}, /* mov qword [rbx], -0x5aa55aa6 */
};

static int start_access(struct guest *g, const struct access *a, int write)
{
	static const uint8_t hlt = 0xf4;

	guest_code(g, GUEST_CODE, a->code, a->size);
	guest_code(g, GUEST_CODE + a->size, &hlt, 1);
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_RAX, PATTERN);
	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	CONF_TRY(expect_mmio(g, GUEST_MMIO, a->length, write));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), PATTERN);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE);
	return CONF_PASS;
}

static int finish_access(struct guest *g, const struct access *a, uint64_t rax)
{
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), rax);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + a->size + 1);
	return CONF_PASS;
}

/* A guest each: code that has run may be kept decoded, and only the processor's own stores must be noticed. */
static const struct access *this_access;

static int read_body(struct guest *g)
{
	CONF_TRY(start_access(g, this_access, 0));
	memcpy(g->exit->mmio.data, answer, this_access->length);
	return finish_access(g, this_access, this_access->want);
}

static int write_body(struct guest *g)
{
	uint64_t value = 0;

	CONF_TRY(start_access(g, this_access, 1));
	memcpy(&value, g->exit->mmio.data, this_access->length);
	CONF_EQUAL(g->conf, value, this_access->want);
	return finish_access(g, this_access, PATTERN);
}

static int mmio_reads(struct conf *conf)
{
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		this_access = &reads[i];
		CONF_TRY(guest_with(conf, NULL, NULL, 0, read_body));
	}
	return CONF_PASS;
}

static int mmio_writes(struct conf *conf)
{
	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
		this_access = &writes[i];
		CONF_TRY(guest_with(conf, NULL, NULL, 0, write_body));
	}
	return CONF_PASS;
}

/* ------ T031: read, modify, write ------ */

static int modify(struct guest *g, uint32_t memory, uint32_t eax, uint32_t want_memory, uint32_t want_eax)
{
	struct conf *conf = g->conf;
	uint32_t written = 0;

	guest_set(g, VMA_X86_RAX, eax);
	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	CONF_TRY(expect_mmio(g, GUEST_MMIO, 4, 0));
	memcpy(g->exit->mmio.data, &memory, 4);
	CONF_TRY(expect_mmio(g, GUEST_MMIO, 4, 1));
	memcpy(&written, g->exit->mmio.data, 4);
	CONF_EQUAL(conf, written, want_memory);
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), want_eax);
	return CONF_PASS;
}

static int rmw_body(struct guest *g)
{
	CONF_TRY(modify(g, 0xff00ff00, 0x0ff00ff0, 0xf0f0f0f0, 0x0ff00ff0));
	CONF_TRY(modify(g, 0x10, 5, 0x15, 0x10));
	CONF_TRY(modify(g, 0x40, 6, 0x60, 6));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RFLAGS) & 1, 0);
	CONF_TRY(modify(g, 0x61, 6, 0x61, 6));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RFLAGS) & 1, 1); /* CF: the bit as it was */
	return guest_run(g, VMA_EXIT_HLT);
}

static int mmio_rmw(struct conf *conf)
{
	static const uint8_t code[] = {
		0x31, 0x03,                   /* xor [rbx], eax */
		0xf0, 0x0f, 0xc1, 0x03,       /* lock xadd [rbx], eax */
		0xf0, 0x0f, 0xba, 0x2b, 0x05, /* lock bts dword [rbx], 5 */
		0xf0, 0x0f, 0xba, 0x2b, 0x05, /* lock bts dword [rbx], 5 */
		0xf4,                         /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, rmw_body);
}

/* ------ T032: over the edges of pages ------ */

static struct guest_mmio device;

/* Copy 8 bytes from `from` to `to` by one load and one store. */
static int copy8(struct guest *g, uint64_t from, uint64_t to)
{
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	guest_set(g, VMA_X86_RBX, from);
	guest_set(g, VMA_X86_RCX, to);
	return guest_run_mmio(g, &device, VMA_EXIT_HLT);
}

/* Four bytes at `low` and four at `high` are the halves of the access at `edge` - 4. */
static int over_edge(struct guest *g, uint64_t edge, uint8_t *low, uint8_t *high)
{
	struct conf *conf = g->conf;

	memcpy(low, answer, 4);
	memcpy(high, answer + 4, 4);
	CONF_TRY(copy8(g, edge - 4, GUEST_DATA));
	CONF_EXPECT(conf, !memcmp(g->ram + GUEST_DATA, answer, 8));
	memset(low, 0, 4);
	memset(high, 0, 4);
	CONF_TRY(copy8(g, GUEST_DATA, edge - 4));
	CONF_EXPECT(conf, !memcmp(low, answer, 4));
	CONF_EXPECT(conf, !memcmp(high, answer + 4, 4));
	return CONF_PASS;
}

static int edges_body(struct guest *g)
{
	uint8_t *more;

	memset(&device, 0, sizeof device);
	device.base = GUEST_RAM;
	CONF_TRY(over_edge(g, GUEST_RAM, g->ram + GUEST_RAM - 4, device.bytes));
	device.base = GUEST_MMIO;
	CONF_TRY(over_edge(g, GUEST_MMIO + 0x1000, device.bytes + 0xffc, device.bytes + 0x1000));
	CONF_TRY(over_edge(g, GUEST_MMIO + 0x208, device.bytes + 0x204, device.bytes + 0x208));
	CONF_EXPECT(g->conf, device.reads >= 3 && device.writes >= 3);
	CONF_TRY(guest_map(g, GUEST_MMIO + 0x1000, 0x1000, VMA_MAP_RWX, &more));
	return over_edge(g, GUEST_MMIO + 0x1000, device.bytes + 0xffc, more);
}

static int mmio_edges(struct conf *conf)
{
	static const uint8_t code[] = {
		0x48, 0x8b, 0x03, /* mov rax, [rbx] */
		0x48, 0x89, 0x01, /* mov [rcx], rax */
		0xf4,             /* hlt */
	};

	return guest_with(conf, NULL, code, sizeof code, edges_body);
}

/* ------ T033: instructions of several kinds ------ */

enum { DEVICE_IN = GUEST_MMIO, DEVICE_OUT = GUEST_MMIO + 0x100, RAM_IN = GUEST_DATA + 0x100, RAM_OUT = GUEST_DATA };

/* The device starts with bytes 1..32 and the address of CODE + 32; RAM_IN with bytes 1, 2, 3, 99, 5 ... */
static const struct kind {
	const char *name;
	uint8_t code[12];
	uint64_t rsi, rdi, rcx, rsp;
	uint64_t rax;        /* after */
	uint64_t out[2];     /* 16 bytes at DEVICE_OUT, after */
	uint64_t ram;        /* at RAM_OUT, after */
} kinds[] = {
	{"rep movsb from the device", {0xf3, 0xa4, 0xf4}, DEVICE_IN, RAM_OUT, 8, GUEST_STACK, PATTERN, {0},
	 0x0807060504030201},
	{"rep movsq to the device", {0xf3, 0x48, 0xa5, 0xf4}, RAM_IN, DEVICE_OUT, 2, GUEST_STACK, PATTERN,
	 {0x0807060563030201, 0x100f0e0d0c0b0a09}, 0},
	{"movsd within the device", {0xa5, 0xf4}, DEVICE_IN, DEVICE_OUT, 0, GUEST_STACK, PATTERN, {0x04030201}, 0},
	{"rep stosw", {0xf3, 0x66, 0xab, 0xf4}, 0, DEVICE_OUT, 4, GUEST_STACK, PATTERN, {0x7788778877887788}, 0},
	/* repe cmpsb; mov rax, rcx; hlt */
	{"repe cmpsb", {0xf3, 0xa6, 0x48, 0x89, 0xc8, 0xf4}, DEVICE_IN, RAM_IN, 8, GUEST_STACK, 4, {0}, 0},
	{"push rax", {0x50, 0xf4}, 0, 0, 0, DEVICE_OUT + 8, PATTERN, {PATTERN}, 0},
	{"pop rax", {0x58, 0xf4}, 0, 0, 0, DEVICE_IN, 0x0807060504030201, {0}, 0},
	{"call [rsi]", {0xff, 0x16, 0xf4}, DEVICE_IN + 32, 0, 0, GUEST_STACK, 42, {0}, 0},
	/* movdqu xmm0, [rsi]; movdqu [rdi], xmm0; hlt */
	{"movdqu", {0xf3, 0x0f, 0x6f, 0x06, 0xf3, 0x0f, 0x7f, 0x07, 0xf4}, DEVICE_IN, DEVICE_OUT, 0, GUEST_STACK,
	 PATTERN, {0x0807060504030201, 0x100f0e0d0c0b0a09}, 0},
};

static void prepare_kind(struct guest *g, const struct kind *k)
{
	static const uint8_t called[] = {0xb8, 42, 0, 0, 0, 0xf4}; /* mov eax, 42; hlt */
	uint64_t target = GUEST_CODE + 32;

	memset(&device, 0, sizeof device);
	device.base = GUEST_MMIO;
	for (unsigned i = 0; i < 32; i++)
		device.bytes[i] = g->ram[RAM_IN + i] = (uint8_t)(i + 1);
	g->ram[RAM_IN + 3] = 99;
	memcpy(device.bytes + 32, &target, 8);
	guest_code(g, GUEST_CODE, k->code, sizeof k->code);
	guest_code(g, target, called, sizeof called);
	guest_set(g, VMA_X86_RAX, PATTERN);
	guest_set(g, VMA_X86_RSI, k->rsi);
	guest_set(g, VMA_X86_RDI, k->rdi);
	guest_set(g, VMA_X86_RCX, k->rcx);
	guest_set(g, VMA_X86_RSP, k->rsp);
}

static const struct kind *this_kind;

static int kind_body(struct guest *g)
{
	prepare_kind(g, this_kind);
	CONF_TRY(guest_run_mmio(g, &device, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RAX), this_kind->rax);
	CONF_EXPECT(g->conf, !memcmp(device.bytes + 0x100, this_kind->out, 16));
	CONF_EQUAL(g->conf, guest_read64(g, RAM_OUT), this_kind->ram);
	return CONF_PASS;
}

static int mmio_kinds(struct conf *conf)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		int result;

		this_kind = &kinds[i];
		result = guest_with(conf, NULL, NULL, 0, kind_body);
		if (result != CONF_PASS) {
			size_t n = strlen(conf->reason);

			snprintf(conf->reason + n, sizeof conf->reason - n, " (%s)", kinds[i].name);
			return result;
		}
	}
	return CONF_PASS;
}

/* ------ T034: instructions where no memory is ------ */

/* The bytes at GUEST_MMIO: inc eax; mov [rbx+0x100], eax; jmp rcx. */
static const uint8_t device_code[] = {0xff, 0xc0, 0x89, 0x83, 0, 1, 0, 0, 0xff, 0xe1};

static void give_code(const vma_exit *e)
{
	uint64_t off = e->mmio.gpa - GUEST_MMIO;

	for (unsigned i = 0; i < e->mmio.length; i++)
		e->mmio.data[i] = off + i < sizeof device_code ? device_code[off + i] : 0xcc;
}

static int fetch_body(struct guest *g)
{
	struct conf *conf = g->conf;
	uint32_t stored = 0;
	int kind;

	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	guest_set(g, VMA_X86_RCX, GUEST_CODE + 2);
	guest_set(g, VMA_X86_RAX, 41);
	for (int n = 0; (kind = vma_vcpu_run(g->v)) == VMA_EXIT_MMIO && n < 20; n++) {
		if (!g->exit->mmio.write)
			give_code(g->exit);
		else if (g->exit->mmio.gpa == GUEST_MMIO + 0x100)
			memcpy(&stored, g->exit->mmio.data, 4);
	}
	if (kind == VMA_EXIT_INTERNAL) { /* where there is a row of that: it lives */
		CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_MMIO);
		guest_set(g, VMA_X86_RIP, GUEST_CODE + 2);
		CONF_TRY(guest_run(g, VMA_EXIT_HLT));
		return conf_fail(conf, "an INTERNAL exit");
	}
	CONF_EQUAL(conf, kind, VMA_EXIT_HLT);
	CONF_EQUAL(conf, stored, 42);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 3);
	return CONF_PASS;
}

static int mmio_fetch(struct conf *conf)
{
	static const uint8_t code[] = {0xff, 0xe3, 0xf4}; /* jmp rbx; hlt */

	return guest_with(conf, NULL, code, sizeof code, fetch_body);
}

/* ------ T035: saving between exit and completion ------ */

static const uint8_t load_x86[] = {
	0x8b, 0x03,       /* mov eax, [rbx] */
	0x48, 0xff, 0xc0, /* inc rax */
	0xf4,             /* hlt */
};
static const uint32_t load_arm64[] = {0xb9400020, A64_ADD_A, A64_STOP}; /* ldr w0, [x1] */
static const struct guest_program load_program = GUEST_PROGRAM(load);
enum { STATE_MAX = 1 << 16 };
static uint8_t state[STATE_MAX];
static size_t state_size;

static int save_body(struct guest *g)
{
	struct conf *conf = g->conf;
	uint32_t value = 0x1000;

	guest_set(g, g->isa->b, GUEST_MMIO);
	CONF_TRY(expect_mmio(g, GUEST_MMIO, 4, 0));
	memcpy(g->exit->mmio.data, &value, 4);
	state_size = sizeof state;
	CONF_EQUAL(conf, vma_vcpu_save(g->v, state, &state_size, 0), VMA_E_PENDING);
	CONF_EQUAL(conf, g->exit->pending, 1);
	CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
	state_size = sizeof state;
	CONF_OK(conf, vma_vcpu_save(g->v, state, &state_size, 0));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, g->isa->a), 0x1001);
	return CONF_PASS;
}

static int restore_body(struct guest *g)
{
	struct conf *conf = g->conf;

	CONF_OK(conf, vma_vcpu_restore(g->v, state, state_size, 0, NULL));
	CONF_EQUAL(conf, guest_get(g, g->isa->a), 0x1000);
	CONF_EQUAL(conf, guest_get(g, g->isa->pc), GUEST_CODE + (g->isa->size == 1 ? 2 : 4));
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(conf, guest_get(g, g->isa->a), 0x1001);
	return CONF_PASS;
}

static int save_pending(struct conf *conf)
{
	CONF_TRY(guest_with_program(conf, NULL, &load_program, save_body));
	return guest_with_program(conf, NULL, &load_program, restore_body);
}

/* ------ T036: a kick between two fragments ------ */

static int send_kick(struct guest *g)
{
	vma_kick *kick;

	CONF_OK(g->conf, vma_vcpu_kick_handle(g->v, &kick));
	vma_kick_send(kick);
	vma_kick_unref(kick);
	return CONF_PASS;
}

static int fragments_body(struct guest *g)
{
	struct conf *conf = g->conf;

	guest_set(g, VMA_X86_RBX, GUEST_MMIO + 0xffc);
	CONF_TRY(expect_mmio(g, GUEST_MMIO + 0xffc, 4, 0));
	memcpy(g->exit->mmio.data, answer, 4);
	CONF_TRY(send_kick(g));
	CONF_TRY(expect_mmio(g, GUEST_MMIO + 0x1000, 4, 0));
	memcpy(g->exit->mmio.data, answer + 4, 4);
	CONF_TRY(guest_run(g, VMA_EXIT_CANCELED));
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RAX), 0xf8f7f6f5f4f3f2f1);
	CONF_EQUAL(conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + 3);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	return CONF_PASS;
}

static int kick_between(struct conf *conf)
{
	static const uint8_t code[] = {0x48, 0x8b, 0x03, 0xf4}; /* mov rax, [rbx]; hlt */

	return guest_with(conf, NULL, code, sizeof code, fragments_body);
}

static const struct conf_check checks[] = {
	{26, "MMIO reads of 1, 2, 4 and 8 bytes, moved, zero- and sign-extended", "any exits guest", mmio_reads, NULL, a64_mmio_reads},
	{27, "MMIO writes of 1, 2, 4 and 8 bytes, of registers and of constants", "any exits guest", mmio_writes, NULL, a64_mmio_writes},
	{28, "MMIO through XZR: a read is discarded, a write is zero", "arm64 exits guest", NULL, NULL, a64_mmio_xzr},
	{29, "LDP, STP, pre- and post-index, SIMD, exclusives and DC ZVA on MMIO: emulated or a clean exit",
	 "arm64 exits guest", NULL, NULL, a64_mmio_forms},
	{30, "DC CIVAC and IC IVAU on MMIO are skipped", "arm64 exits guest", NULL, NULL, a64_mmio_maintenance},
	{31, "Read-modify-write of MMIO: a read exit, then a write exit, and the right result",
	 "x86 exits guest", mmio_rmw, NULL},
	{32, "MMIO over page edges, from and to memory, and over 8 bytes", "x86 exits guest", mmio_edges, NULL},
	{33, "MOVS, STOS, CMPS, PUSH, POP, CALL and MOVDQU on MMIO", "x86 exits guest", mmio_kinds, NULL},
	{34, "Instructions fetched where no memory is: an MMIO read asks for their bytes, and they are executed",
	 "x86 exits guest", mmio_fetch, NULL},
	{35, "Saving with an MMIO read pending is refused; once complete it goes on elsewhere",
	 "any exits guest", save_pending, NULL, save_pending},
	{36, "A kick between two MMIO fragments: the second is delivered, then the cancellation",
	 "x86 exits guest", kick_between, NULL},
};

static const struct conf_difference differences[] = {
	{26, VMA_ACCEL_KVM,
	 "QEMU's processor (7.2) never says in an abort's syndrome that the value is to be sign-extended (ESR_EL2.ISS.SSE), so KVM extends with zeros",
	 "QEMU", VMA_ARCH_ARM64},
	{34, VMA_ACCEL_KVM, "KVM does not fetch from devices: it gives up with an INTERNAL exit, and the vCPU can go on", NULL},
};

CONF_GROUP(mmio, checks, differences, sizeof differences / sizeof differences[0]);
