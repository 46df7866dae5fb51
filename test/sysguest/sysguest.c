/* sysguest.c - the system guests' library: serial console, lines, faults, single instructions that may fault. */
#include <stdarg.h>
#include "sysguest.h"

struct sg_fault sg_fault;
void (*sg_handler[256])(struct sg_regs *r);
uint8_t sg_idt[256 * (SG_BITS == 64 ? 16 : 8)] __attribute__((aligned(16)));
uint8_t sg_tss[104 + 1] __attribute__((aligned(128)));
extern sg_word sg_jump;
extern uint8_t sg_stack_trap[], sg_stack_ist[];
static struct sg_regs *entering;
static uint8_t *next_page = (uint8_t *)SG_FREE;

void sg_main(void);
sg_word sg_trap(struct sg_regs *r);
#ifdef __x86_64__
int sg_enter_regs(struct sg_regs *r);
#else
int sg_enter_regs(struct sg_regs *r, int own);
#endif

/* ------ small things ------ */

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n)::"memory");
	return to;
}

void *memset(void *to, int v, size_t n)
{
	void *d = to;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(v) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

int sg_streq(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

uint32_t sg_hash(const void *p, size_t size)
{
	const uint8_t *b = p;
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

/* Zeroed a word at a time: some KVMs emulate each iteration. */
void *sg_page(void)
{
	sg_word *p = (sg_word *)next_page;
	next_page += 4096;
	for (unsigned i = 0; i < 4096 / sizeof *p; i++)
		if (p[i])
			p[i] = 0;
	return p;
}

/* ------ console ------ */

struct text {
	char *p, *end;
};

static void put(struct text *t, char c)
{
	if (t->p < t->end)
		*t->p++ = c;
}

static void put_text(struct text *t, const char *s)
{
	while (*s)
		put(t, *s++);
}

static void put_number(struct text *t, uint64_t v, unsigned base, unsigned width, char fill)
{
	char digits[24];
	unsigned n = 0;
	if (base == 10) { /* 32 bits: no 64-bit division in 32-bit programs */
		uint32_t w = (uint32_t)v;
		do
			digits[n++] = (char)('0' + w % 10);
		while (w /= 10);
	} else {
		do
			digits[n++] = "0123456789abcdef"[v & 15];
		while (v >>= 4);
	}
	while (width > n)
		put(t, fill), width--;
	while (n)
		put(t, digits[--n]);
}

static uint64_t number_arg(va_list *ap, unsigned longs)
{
	if (longs == 0)
		return va_arg(*ap, unsigned);
	return longs == 1 ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned long long);
}

static const char *put_one(struct text *t, const char *f, va_list *ap)
{
	char fill = *f == '0' ? '0' : ' ';
	unsigned width = 0, longs = 0;
	for (; *f >= '0' && *f <= '9'; f++)
		width = width * 10 + (unsigned)(*f - '0');
	for (; *f == 'l' || *f == 'z'; f++)
		longs++;
	int v;
	switch (*f) {
	case 's':
		put_text(t, va_arg(*ap, const char *));
		break;
	case 'c':
		put(t, (char)va_arg(*ap, int));
		break;
	case 'd':
		v = va_arg(*ap, int);
		if (v < 0)
			put(t, '-');
		put_number(t, (uint64_t)(v < 0 ? -(unsigned)v : (unsigned)v), 10, width, fill);
		break;
	case 'u':
		put_number(t, number_arg(ap, longs), 10, width, fill);
		break;
	case 'x':
		put_number(t, number_arg(ap, longs), 16, width, fill);
		break;
	default:
		put(t, *f);
	}
	return f + 1;
}

static void format_va(struct text *t, const char *f, va_list *ap)
{
	while (*f)
		if (*f == '%')
			f = put_one(t, f + 1, ap);
		else
			put(t, *f++);
	*t->p = 0;
}

static void format(char *out, size_t size, const char *f, ...)
{
	struct text t = {out, out + size - 1};
	va_list ap;
	va_start(ap, f);
	format_va(&t, f, &ap);
	va_end(ap);
}

static void serial(const char *s)
{
	for (; *s; s++) {
		while (!(sg_in8(0x3fd) & 0x20))
			;
		sg_out8(0x3f8, (uint8_t)*s);
	}
}

void sg_line(const char *name, const char *f, ...)
{
	char buffer[256];
	struct text t = {buffer, buffer + sizeof buffer - 2};
	va_list ap;
	put_text(&t, name);
	put_text(&t, ": ");
	va_start(ap, f);
	format_va(&t, f, &ap);
	va_end(ap);
	put_text(&t, "");
	t.p[0] = '\n';
	t.p[1] = 0;
	serial(buffer);
}

void sg_check(const char *name, uint64_t got, uint64_t want)
{
	if (got == want)
		sg_line(name, "%llx", (unsigned long long)got);
	else
		sg_line(name, "%llx (want %llx)", (unsigned long long)got, (unsigned long long)want);
}

void sg_expect(const char *name, const char *got, const char *want)
{
	if (sg_streq(got, want))
		sg_line(name, "%s", got);
	else
		sg_line(name, "%s (want %s)", got, want);
}

void sg_skip(const char *name, const char *why)
{
	sg_line(name, "skip: %s", why);
}

void sg_exit(unsigned status)
{
	sg_line("end", "%u", status);
	for (;;) {
		sg_out8(0xf4, (uint8_t)status);
		__asm__ volatile("cli; hlt");
	}
}

/* ------ faults ------ */

const char *sg_fault_text(void)
{
	static const char names[][4] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",
					"#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};
	static const uint32_t with_error = 1 << 8 | 0x1f << 10 | 1 << 17;
	static char buffers[4][48];
	static unsigned turn;
	char *out = buffers[turn++ & 3];
	int v = sg_fault.vector;
	if (v == SG_OK)
		return "ok";
	if (v >= 20)
		format(out, sizeof buffers[0], "int %x", v);
	else if (v == V_PF)
		format(out, sizeof buffers[0], "#PF(%x) cr2=%lx", sg_fault.error, (unsigned long)sg_fault.cr2);
	else if (with_error >> v & 1)
		format(out, sizeof buffers[0], "%s(%x)", names[v], sg_fault.error);
	else
		return names[v];
	return out;
}

static void note_fault(const struct sg_regs *r)
{
	sg_fault = (struct sg_fault){
		.vector = (int)(r->vector & 0xff), .error = (uint32_t)r->error, .ip = r->ip, .flags = r->flags};
	if (sg_fault.vector == V_PF)
		__asm__ volatile("mov %%cr2, %0" : "=r"(sg_fault.cr2));
}

/* 0: go on where it happened; else the stack to unwind to. */
sg_word sg_trap(struct sg_regs *r)
{
	void (*handler)(struct sg_regs *) = sg_handler[r->vector & 0xff];
	struct sg_regs *to = entering;
	if (handler) {
		handler(r);
		return 0;
	}
	note_fault(r);
	if (!sg_jump) {
		sg_line("fatal", "%s at %lx", sg_fault_text(), (unsigned long)r->ip);
		sg_exit(9);
	}
	entering = NULL;
	if (!to)
		return sg_jump;
#ifdef __x86_64__
	*to = *r;
#else
	memcpy(to, r,
	       (r->flags & FLAG_VM) ? sizeof *r
	       : r->cs & 3          ? offsetof(struct sg_regs, v86_es)
				    : offsetof(struct sg_regs, sp));
	if (!(r->flags & FLAG_VM) && !(r->cs & 3)) {
		to->sp = (sg_word)&r->sp;
		to->ss = SG_DATA;
	}
#endif
	to->vector &= 0xff;
	return sg_jump;
}

int sg_enter(struct sg_regs *r)
{
	entering = r;
	sg_fault.vector = SG_OK;
#ifdef __x86_64__
	return sg_enter_regs(r);
#else
	bool own = !(r->cs & 3) && !(r->flags & FLAG_VM);
	if (own) {
		sg_word *frame = (sg_word *)r->sp - 3;
		frame[0] = r->ip;
		frame[1] = r->cs;
		frame[2] = r->flags;
	}
	return sg_enter_regs(r, own);
#endif
}

int sg_user(struct sg_regs *r, const void *code)
{
	r->ip = (sg_word)code + SG_USER;
	r->cs = SG_CODE3;
	r->ss = SG_DATA3;
	r->sp = (sg_word)sg_stack_user + SG_USER;
	r->flags |= 2;
#ifndef __x86_64__
	r->ds = r->es = r->fs = r->gs = SG_DATA3;
#endif
	return sg_enter(r);
}

/* ------ single instructions ------ */

struct access {
	volatile void *p;
	uint64_t v;
	uint32_t n;
};

static int attempt(void (*fn)(void *), struct access *a)
{
	sg_fault.vector = SG_OK;
	return sg_try(fn, a);
}

static void do_read(void *o)
{
	struct access *a = o;
	switch (a->n) {
	case 1:
		a->v = *(volatile uint8_t *)a->p;
		break;
	case 2:
		a->v = *(volatile uint16_t *)a->p;
		break;
	case 4:
		a->v = *(volatile uint32_t *)a->p;
		break;
	default:
		a->v = *(volatile sg_word *)a->p;
	}
}

int sg_read(const volatile void *p, unsigned size, uint64_t *v)
{
	struct access a = {(volatile void *)(uintptr_t)p, 0, size};
	int f = attempt(do_read, &a);
	if (v)
		*v = a.v;
	return f;
}

static void do_write(void *o)
{
	struct access *a = o;
	switch (a->n) {
	case 1:
		*(volatile uint8_t *)a->p = (uint8_t)a->v;
		break;
	case 2:
		*(volatile uint16_t *)a->p = (uint16_t)a->v;
		break;
	case 4:
		*(volatile uint32_t *)a->p = (uint32_t)a->v;
		break;
	default:
		*(volatile sg_word *)a->p = (sg_word)a->v;
	}
}

int sg_write(volatile void *p, unsigned size, uint64_t v)
{
	struct access a = {p, v, size};
	return attempt(do_write, &a);
}

static void do_call(void *o)
{
	struct access *a = o;
	__asm__ volatile("call *%0" ::"r"(a->p) : "memory", "cc");
}

int sg_call(const void *code)
{
	struct access a = {(volatile void *)(uintptr_t)code, 0, 0};
	return attempt(do_call, &a);
}

static void do_rdmsr(void *o)
{
	struct access *a = o;
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(a->n));
	a->v = lo | (uint64_t)hi << 32;
}

int sg_rdmsr(uint32_t index, uint64_t *v)
{
	struct access a = {NULL, 0, index};
	int f = attempt(do_rdmsr, &a);
	if (v)
		*v = a.v;
	return f;
}

static void do_wrmsr(void *o)
{
	struct access *a = o;
	__asm__ volatile("wrmsr" ::"a"((uint32_t)a->v), "d"((uint32_t)(a->v >> 32)), "c"(a->n) : "memory");
}

int sg_wrmsr(uint32_t index, uint64_t v)
{
	struct access a = {NULL, v, index};
	return attempt(do_wrmsr, &a);
}

static void do_set_cr(void *o)
{
	struct access *a = o;
	sg_word v = (sg_word)a->v;
	switch (a->n) {
	case 0:
		__asm__ volatile("mov %0, %%cr0" ::"r"(v) : "memory");
		break;
	case 2:
		__asm__ volatile("mov %0, %%cr2" ::"r"(v) : "memory");
		break;
	case 3:
		__asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
		break;
	case 4:
		__asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
		break;
#ifdef __x86_64__
	case 8:
		__asm__ volatile("mov %0, %%cr8" ::"r"(v) : "memory");
		break;
#endif
	}
}

int sg_set_cr(int n, sg_word v)
{
	struct access a = {NULL, v, (uint32_t)n};
	return attempt(do_set_cr, &a);
}

sg_word sg_cr(int n)
{
	sg_word v = 0;
	switch (n) {
	case 0:
		__asm__ volatile("mov %%cr0, %0" : "=r"(v));
		break;
	case 2:
		__asm__ volatile("mov %%cr2, %0" : "=r"(v));
		break;
	case 3:
		__asm__ volatile("mov %%cr3, %0" : "=r"(v));
		break;
	case 4:
		__asm__ volatile("mov %%cr4, %0" : "=r"(v));
		break;
#ifdef __x86_64__
	case 8:
		__asm__ volatile("mov %%cr8, %0" : "=r"(v));
		break;
#endif
	}
	return v;
}

static void do_invpcid(void *o)
{
	struct access *a = o;
	sg_word type = (sg_word)a->v;
	__asm__ volatile("invpcid (%0), %1" ::"r"(a->p), "r"(type) : "memory");
}

int sg_invpcid(sg_word type, uint64_t pcid, uint64_t address)
{
	uint64_t descriptor[2] = {pcid, address};
	struct access a = {descriptor, type, 0};
	return attempt(do_invpcid, &a);
}

bool sg_has(enum sg_feature feature)
{
	struct sg_cpuid one = sg_cpuid(1, 0), seven = {0}, ext = {0};
	if (sg_cpuid(0, 0).a >= 7)
		seven = sg_cpuid(7, 0);
	if (sg_cpuid(0x80000000, 0).a >= 0x80000001)
		ext = sg_cpuid(0x80000001, 0);
	uint32_t words[] = {one.c, one.d, seven.b, seven.c, ext.d};
	return words[feature / 32] >> feature % 32 & 1;
}

unsigned sg_maxphyaddr(void)
{
	return sg_cpuid(0x80000000, 0).a >= 0x80000008 ? sg_cpuid(0x80000008, 0).a & 0xff : 36;
}

/* ------ start ------ */

static void set_gate(unsigned n)
{
	uint32_t *g = (uint32_t *)(void *)sg_idt + n * (SG_BITS == 64 ? 4 : 2);
	sg_word at = (sg_word)(sg_stub + 16 * n);
	g[0] = (uint32_t)(SG_CODE << 16 | (at & 0xffff));
	g[1] = (uint32_t)((at & 0xffff0000) | 0xee00 | (SG_BITS == 64 && n == V_DF ? 1 : 0));
}

static void set_tss(void)
{
	sg_word at = (sg_word)sg_tss;
	sg_gdt[SG_TSS / 8] = 0x0000890000000000ull | (sizeof sg_tss - 1) | (uint64_t)(at & 0xffffff) << 16 |
			     (uint64_t)(at >> 24 & 0xff) << 56;
#ifdef __x86_64__
	uint64_t rsp0 = (uint64_t)sg_stack_trap, ist1 = (uint64_t)sg_stack_ist;
	memcpy(sg_tss + 4, &rsp0, 8);
	memcpy(sg_tss + 36, &ist1, 8);
#else
	((uint32_t *)(void *)sg_tss)[1] = (uint32_t)sg_stack_trap;
	((uint32_t *)(void *)sg_tss)[2] = SG_DATA;
#endif
	*(uint16_t *)(void *)(sg_tss + 102) = 104; /* no I/O bitmap */
	sg_tss[104] = 0xff;
}

void sg_main(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		sg_word base;
	} idt = {sizeof sg_idt - 1, (sg_word)sg_idt};
	for (unsigned n = 0; n < 256; n++)
		set_gate(n);
	set_tss();
	__asm__ volatile("lidt %0; ltr %w1" ::"m"(idt), "r"(SG_TSS));
	sg_out8(0x21, 0xff);
	sg_out8(0xa1, 0xff);
	sg_group();
	sg_exit(0);
}
