/* test_guests_agree.c - tiny guests run on the software CPU and on KVM: the same exits with the same data, the same registers at the end, the same
 * memory. Integer code only: a KVM that emulates has no floating point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"

/* mov rax, 0x123456789abcdef; mov rbx, 0xfedcba9876543210; add rax, rbx; adc rbx, rax; sub eax, 0x1000; sbb
 * cx, 5; mov rdx, 7; imul rsi, rax, -3; mul rdx; mov rcx, 1000003; div rcx; neg rbx; not rsi; inc dl; dec
 * r8; hlt */
static const uint8_t arithmetic_code[] = {
	0x48, 0xb8, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0x48, 0xbb, 0x10, 0x32, 0x54, 0x76,
	0x98, 0xba, 0xdc, 0xfe, 0x48, 0x01, 0xd8, 0x48, 0x11, 0xc3, 0x2d, 0x00, 0x10, 0x00, 0x00, 0x66,
	0x83, 0xd9, 0x05, 0x48, 0xc7, 0xc2, 0x07, 0x00, 0x00, 0x00, 0x48, 0x6b, 0xf0, 0xfd, 0x48, 0xf7,
	0xe2, 0x48, 0xc7, 0xc1, 0x43, 0x42, 0x0f, 0x00, 0x48, 0xf7, 0xf1, 0x48, 0xf7, 0xdb, 0x48, 0xf7,
	0xd6, 0xfe, 0xc2, 0x49, 0xff, 0xc8, 0xf4,
};
/* mov rax, 0x8123456789abcdef; mov cl, 7; shl eax, cl; sar rax, 3; ror rax, 13; rcl rax, 5; mov rbx, rax;
 * shld rbx, rax, 9; shrd ebx, eax, 4; bsf rsi, rax; bsr rdi, rbx; bt rax, 5; setc r8b; btc rax, 9; bswap
 * rax; hlt */
static const uint8_t shifts_code[] = {
	0x48, 0xb8, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x81, 0xb1, 0x07, 0xd3, 0xe0, 0x48, 0xc1,
	0xf8, 0x03, 0x48, 0xc1, 0xc8, 0x0d, 0x48, 0xc1, 0xd0, 0x05, 0x48, 0x89, 0xc3, 0x48, 0x0f, 0xa4,
	0xc3, 0x09, 0x0f, 0xac, 0xc3, 0x04, 0x48, 0x0f, 0xbc, 0xf0, 0x48, 0x0f, 0xbd, 0xfb, 0x48, 0x0f,
	0xba, 0xe0, 0x05, 0x41, 0x0f, 0x92, 0xc0, 0x48, 0x0f, 0xba, 0xf8, 0x09, 0x48, 0x0f, 0xc8, 0xf4,
};
/* cld; mov rdi, 0x10000; mov eax, 0x41424344; mov ecx, 40; rep stosd; mov rsi, 0x10000; mov rdi, 0x10203;
 * mov ecx, 77; rep movsb; std; mov rsi, 0x10100; mov rdi, 0x10300; mov ecx, 9; rep movsw; cld; mov rsi,
 * 0x10000; mov rdi, 0x10004; mov ecx, 100; repe cmpsb; mov al, 0; mov rdi, 0x10000; mov ecx, 0xffff; repne
 * scasb; lodsq; hlt */
static const uint8_t strings_code[] = {
	0xfc, 0x48, 0xc7, 0xc7, 0x00, 0x00, 0x01, 0x00, 0xb8, 0x44, 0x43, 0x42, 0x41, 0xb9, 0x28, 0x00,
	0x00, 0x00, 0xf3, 0xab, 0x48, 0xc7, 0xc6, 0x00, 0x00, 0x01, 0x00, 0x48, 0xc7, 0xc7, 0x03, 0x02,
	0x01, 0x00, 0xb9, 0x4d, 0x00, 0x00, 0x00, 0xf3, 0xa4, 0xfd, 0x48, 0xc7, 0xc6, 0x00, 0x01, 0x01,
	0x00, 0x48, 0xc7, 0xc7, 0x00, 0x03, 0x01, 0x00, 0xb9, 0x09, 0x00, 0x00, 0x00, 0x66, 0xf3, 0xa5,
	0xfc, 0x48, 0xc7, 0xc6, 0x00, 0x00, 0x01, 0x00, 0x48, 0xc7, 0xc7, 0x04, 0x00, 0x01, 0x00, 0xb9,
	0x64, 0x00, 0x00, 0x00, 0xf3, 0xa6, 0xb0, 0x00, 0x48, 0xc7, 0xc7, 0x00, 0x00, 0x01, 0x00, 0xb9,
	0xff, 0xff, 0x00, 0x00, 0xf2, 0xae, 0x48, 0xad, 0xf4,
};
/* mov rbp, rsp; push 0x1234; push -5; pop rax; pushfq; call 1f; hlt; 1: enter 32, 0; mov rbx, rbp; leave;
 * mov rcx, [rsp]; ret */
static const uint8_t stack_code[] = {
	0x48, 0x89, 0xe5, 0x68, 0x34, 0x12, 0x00, 0x00, 0x6a, 0xfb, 0x58, 0x9c, 0xe8, 0x01, 0x00, 0x00,
	0x00, 0xf4, 0xc8, 0x20, 0x00, 0x00, 0x48, 0x89, 0xeb, 0xc9, 0x48, 0x8b, 0x0c, 0x24, 0xc3,
};
/* mov rbx, 0x10000; mov qword ptr [rbx], 5; mov rax, 5; mov rcx, 9; lock cmpxchg [rbx], rcx; mov rax, 1;
 * cmpxchg [rbx], rcx; mov rdx, 3; lock xadd [rbx], rdx; xchg rdx, [rbx]; lock inc dword ptr [rbx+8]; mov
 * rax, [rbx]; cmpxchg8b [rbx]; hlt */
static const uint8_t atomics_code[] = {
	0x48, 0xc7, 0xc3, 0x00, 0x00, 0x01, 0x00, 0x48, 0xc7, 0x03, 0x05, 0x00, 0x00, 0x00, 0x48, 0xc7,
	0xc0, 0x05, 0x00, 0x00, 0x00, 0x48, 0xc7, 0xc1, 0x09, 0x00, 0x00, 0x00, 0xf0, 0x48, 0x0f, 0xb1,
	0x0b, 0x48, 0xc7, 0xc0, 0x01, 0x00, 0x00, 0x00, 0x48, 0x0f, 0xb1, 0x0b, 0x48, 0xc7, 0xc2, 0x03,
	0x00, 0x00, 0x00, 0xf0, 0x48, 0x0f, 0xc1, 0x13, 0x48, 0x87, 0x13, 0xf0, 0xff, 0x43, 0x08, 0x48,
	0x8b, 0x03, 0x0f, 0xc7, 0x0b, 0xf4,
};
/* xor eax, eax; mov ecx, 10; 1: add rax, rcx; test al, 1; jnz 2f; lea rax, [rax+rax*2+1]; 2: loop 1b; cmp
 * rax, 100; cmova rbx, rax; setl dl; mov ecx, 3; 3: dec ecx; jecxz 4f; jmp 3b; 4: hlt */
static const uint8_t branches_code[] = {
	0x31, 0xc0, 0xb9, 0x0a, 0x00, 0x00, 0x00, 0x48, 0x01, 0xc8, 0xa8, 0x01, 0x75, 0x05, 0x48, 0x8d,
	0x44, 0x40, 0x01, 0xe2, 0xf2, 0x48, 0x83, 0xf8, 0x64, 0x48, 0x0f, 0x47, 0xd8, 0x0f, 0x9c, 0xc2,
	0xb9, 0x03, 0x00, 0x00, 0x00, 0xff, 0xc9, 0x67, 0xe3, 0x02, 0xeb, 0xf9, 0xf4,
};
/* mov eax, 1; xor edx, edx; xor ecx, ecx; div ecx; hlt */
static const uint8_t divide_error_code[] = {
	0xb8, 0x01, 0x00, 0x00, 0x00, 0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1, 0xf4,
};
/* and dword [rsp+16], ~0x10000; mov rbx, [rsp]; mov rcx, [rsp+8]; mov rdx, [rsp+16]; mov rsi, [rsp+24]; hlt. QEMU's
 * processor, where KVM is nested in it, does not save RF. */
static const uint8_t divide_handler_code[] = {
	0x81, 0x64, 0x24, 0x10, 0xff, 0xff, 0xfe, 0xff, 0x48, 0x8b, 0x1c, 0x24, 0x48, 0x8b, 0x4c, 0x24, 0x08, 0x48, 0x8b, 0x54, 0x24, 0x10, 0x48, 0x8b,
	0x74, 0x24, 0x18, 0xf4,
};
/* mov dx, 0x10; mov al, 0x5a; out dx, al; mov eax, 0x11223344; out 0x20, eax; in al, 0x30; in ax, dx; mov
 * rsi, 0x8000; mov ecx, 5; rep outsb; mov rdi, 0x10000; mov ecx, 3; rep insw; hlt */
static const uint8_t output_code[] = {
	0x66, 0xba, 0x10, 0x00, 0xb0, 0x5a, 0xee, 0xb8, 0x44, 0x33, 0x22, 0x11, 0xe7, 0x20, 0xe4, 0x30,
	0x66, 0xed, 0x48, 0xc7, 0xc6, 0x00, 0x80, 0x00, 0x00, 0xb9, 0x05, 0x00, 0x00, 0x00, 0xf3, 0x6e,
	0x48, 0xc7, 0xc7, 0x00, 0x00, 0x01, 0x00, 0xb9, 0x03, 0x00, 0x00, 0x00, 0x66, 0xf3, 0x6d, 0xf4,
};
/* mov rbx, 0x40000000; mov dword ptr [rbx], 0x12345678; mov eax, [rbx+4]; movzx ecx, byte ptr [rbx+8];
 * movsx rdx, word ptr [rbx+16]; add dword ptr [rbx+32], 7; mov [rbx+40], rax; hlt */
static const uint8_t mmio_code[] = {
	0x48, 0xc7, 0xc3, 0x00, 0x00, 0x00, 0x40, 0xc7, 0x03, 0x78, 0x56, 0x34, 0x12, 0x8b, 0x43, 0x04,
	0x0f, 0xb6, 0x4b, 0x08, 0x48, 0x0f, 0xbf, 0x53, 0x10, 0x83, 0x43, 0x20, 0x07, 0x48, 0x89, 0x43,
	0x28, 0xf4,
};
/* mov ax, 0x1000; mov ds, ax; mov word ptr [0], 0xbeef; mov bx, [0]; mov cx, 0xffff; add cx, 2; mov ax,
 * 0x0205; aad; push ds; pop es; mov di, 0x10; mov cx, 4; rep stosw; int 0x21; hlt */
static const uint8_t real_mode_code[] = {
	0xb8, 0x00, 0x10, 0x8e, 0xd8, 0xc7, 0x06, 0x00, 0x00, 0xef, 0xbe, 0x8b, 0x1e, 0x00, 0x00, 0xb9,
	0xff, 0xff, 0x83, 0xc1, 0x02, 0xb8, 0x05, 0x02, 0xd5, 0x0a, 0x1e, 0x07, 0xbf, 0x10, 0x00, 0xb9,
	0x04, 0x00, 0xf3, 0xab, 0xcd, 0x21, 0xf4,
};
/* mov bp, sp; mov si, [bp+4]; mov dx, 0x2121; iret */
static const uint8_t real_handler_code[] = {
	0x89, 0xe5, 0x8b, 0x76, 0x04, 0xba, 0x21, 0x21, 0xcf,
};
/* mov eax, 0x12345678; push eax; pusha; popa; mov ebx, [esp]; hlt */
static const uint8_t protected_code[] = {
	0xb8, 0x78, 0x56, 0x34, 0x12, 0x50, 0x60, 0x61, 0x8b, 0x1c, 0x24, 0xf4, 0x90,
};

static const struct program {
	const char *name;
	enum guest_mode mode;
	const uint8_t *code;
	size_t size;
	uint64_t undefined_flags; /* left undefined by the last instructions that touch them (SDM vol. 1, appendix A) */
} programs[] = {
#define ROW(name, mode, undefined) {#name, mode, name##_code, sizeof name##_code, undefined}
	ROW(arithmetic, GUEST_LONG, 0),
	ROW(shifts, GUEST_LONG, 0x894), /* BT leaves OF SF AF PF */
	ROW(strings, GUEST_LONG, 0),
	ROW(stack, GUEST_LONG, 0),
	ROW(atomics, GUEST_LONG, 0),
	ROW(branches, GUEST_LONG, 0),
	ROW(divide_error, GUEST_LONG, 0),
	ROW(output, GUEST_LONG, 0),
	ROW(mmio, GUEST_LONG, 0),
	ROW(real_mode, GUEST_REAL, 0x8d5),
	ROW(protected, GUEST_PROT, 0),
};
enum { PROGRAMS = sizeof programs / sizeof *programs, STEPS = 64 };

struct step {
	int kind;
	uint64_t where, size, data;
};
struct record {
	struct step steps[STEPS];
	int count;
	vma_x86_regs regs;
	vma_x86_sregs sregs;
	uint8_t ram[0x20000];
};

/* Every input is a function of where and how often was read. */
static void answer(uint8_t *data, size_t size, uint64_t where, int count)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(where * 7 + i * 13 + (unsigned)count);
}

static uint64_t digest(const uint8_t *data, size_t size)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 1099511628211u;
	return h;
}

/* REP I/O may come in one exit or element by element: both are recorded element by element. */
static void note_io(struct record *r, vma_exit *e)
{
	for (uint32_t i = 0; i < e->io.count && r->count < STEPS; i++) {
		uint8_t *data = e->io.data + i * e->io.width;
		if (!e->io.write)
			answer(data, e->io.width, e->io.port, r->count);
		r->steps[r->count++] = (struct step){VMA_EXIT_IO, e->io.port | (uint64_t)e->io.write << 32, e->io.width,
						     digest(data, e->io.width)};
	}
}

static void note_mmio(struct record *r, vma_exit *e)
{
	if (!e->mmio.write)
		answer(e->mmio.data, e->mmio.length, e->mmio.gpa, r->count);
	r->steps[r->count++] = (struct step){VMA_EXIT_MMIO, e->mmio.gpa | (uint64_t)e->mmio.write << 63, e->mmio.length,
					     digest(e->mmio.data, e->mmio.length)};
}

static void place_handlers(struct guest *g, const struct program *p)
{
	static const uint8_t vector21[4] = {0x00, 0x82, 0x00, 0x00}; /* 0:0x8200 */
	if (p->mode == GUEST_LONG) {
		guest_code(g, 0x8100, divide_handler_code, sizeof divide_handler_code);
		guest_gate(g, 0, 0x8100);
	} else if (p->mode == GUEST_REAL) {
		guest_code(g, 0x8200, real_handler_code, sizeof real_handler_code);
		guest_code(g, 0x21 * 4, vector21, sizeof vector21);
	}
}

static void run(vma_accel accel, const struct program *p, struct record *r)
{
	struct conf conf = {.accel = accel, .arch = VMA_ARCH_X86_64};
	const struct guest_options options = {.mode = p->mode, .cpu_model = "x86-64-v1"};
	struct guest g;
	int kind = 0;
	memset(r, 0, sizeof *r);
	if (guest_open(&g, &conf, &options, p->code, p->size) != CONF_PASS)
		fail_msg("%s: %s", p->name, conf.reason);
	place_handlers(&g, p);
	while (r->count < STEPS && (kind = vma_vcpu_run(g.v)) != VMA_EXIT_HLT) {
		if (kind == VMA_EXIT_IO)
			note_io(r, g.exit);
		else if (kind == VMA_EXIT_MMIO)
			note_mmio(r, g.exit);
		else
			fail_msg("%s on %s: exit %s", p->name, vma_accel_name(accel), kind < 0 ? vma_why() : vma_exit_name(kind));
	}
	assert_int_equal(kind, VMA_EXIT_HLT);
	assert_int_equal(vma_x86_get_regs(g.v, &r->regs), 0);
	assert_int_equal(vma_x86_get_sregs(g.v, &r->sregs), 0);
	r->regs.rflags &= ~p->undefined_flags;
	memcpy(r->ram, g.ram, sizeof r->ram);
	guest_close(&g);
}

static void compare(const struct program *p, const struct record *a, const struct record *b)
{
	assert_int_equal(a->count, b->count);
	for (int i = 0; i < a->count; i++)
		if (memcmp(&a->steps[i], &b->steps[i], sizeof a->steps[i]))
			fail_msg("%s: exit %d: soft %#llx size %llu, kvm %#llx size %llu", p->name, i,
				 (unsigned long long)a->steps[i].where, (unsigned long long)a->steps[i].size,
				 (unsigned long long)b->steps[i].where, (unsigned long long)b->steps[i].size);
#define VMA_X(NAME, field, ...)                                                                                        \
	if (a->regs.field != b->regs.field)                                                                            \
		fail_msg("%s: " #field ": soft %#llx, kvm %#llx", p->name, (unsigned long long)a->regs.field,          \
			 (unsigned long long)b->regs.field);
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...)                                                                                        \
	if (memcmp(&a->sregs.field, &b->sregs.field, sizeof a->sregs.field))                                           \
		fail_msg("%s: " #field " differs", p->name);
	VMA_X86_SEGS(VMA_X)
	VMA_X86_TABLES(VMA_X)
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	for (size_t i = 0; i < sizeof a->ram; i++)
		if (a->ram[i] != b->ram[i])
			fail_msg("%s: byte %#zx of memory: soft %#x, kvm %#x", p->name, i, a->ram[i], b->ram[i]);
}

static struct record soft_record, kvm_record;

static void agree(void **state)
{
	const struct program *p = *state;
	vma_platform_info info = {.size = sizeof info};
	if (vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info) < 0 || !info.available)
		skip();
	run(VMA_ACCEL_SOFT, p, &soft_record);
	run(VMA_ACCEL_KVM, p, &kvm_record);
	compare(p, &soft_record, &kvm_record);
}

int main(void)
{
	struct CMUnitTest tests[PROGRAMS];
	for (size_t i = 0; i < PROGRAMS; i++)
		tests[i] = (struct CMUnitTest){programs[i].name, agree, NULL, NULL, (void *)(uintptr_t)&programs[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
