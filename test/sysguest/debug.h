/* debug.h - for the system guests about #DB: a handler that writes down each one, debug registers, and code that sets
 * TF. A note is "off:bits": where it would go on, from the snippet's label `name`_at, ? elsewhere, and what DR6 has of
 * B0-B3, BD, BS and BT; an r behind it: RF was pushed. */
#ifndef SYSGUEST_DEBUG_H
#define SYSGUEST_DEBUG_H

#include "sysguest.h"

enum { DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BITS = 0xe00f, DR7_GD = 1 << 13, DR7_FIXED = 0x400 };
enum { BP_EXEC, BP_WRITE, BP_IO, BP_ACCESS };
enum { LEN_1, LEN_2, LEN_8, LEN_4 };
#define FLAG_RF 0x10000u
#define DR7_ON(n, type, len) (2u << 2 * (n) | (uint32_t)(type) << (16 + 4 * (n)) | (uint32_t)(len) << (18 + 4 * (n)))

/* What happens at a #DB: RF set for a breakpoint on code, as debuggers do it; after DB_MOST all is switched off, so
 * that a CPU without RF ends too. */
enum { DB_MOST = 12, DB_NOTES = 40 };
struct db_note {
	int off;
	uint32_t dr6;
	bool rf, tf;
};
static struct db_note db_notes[DB_NOTES];
static unsigned db_count;
static sg_word db_base;
static bool db_no_rf;     /* let RF be: the breakpoint goes instead */
static uint32_t db_again; /* DEBUGCTL, written once more by the handler */

static inline sg_word db_get(int n)
{
	sg_word v = 0;
	switch (n) {
	case 0:
		__asm__ volatile("mov %%db0, %0" : "=r"(v));
		break;
	case 1:
		__asm__ volatile("mov %%db1, %0" : "=r"(v));
		break;
	case 2:
		__asm__ volatile("mov %%db2, %0" : "=r"(v));
		break;
	case 3:
		__asm__ volatile("mov %%db3, %0" : "=r"(v));
		break;
	case 4:
		__asm__ volatile(".byte 0x0f, 0x21, 0xe0" : "=a"(v));
		break;
	case 5:
		__asm__ volatile(".byte 0x0f, 0x21, 0xe8" : "=a"(v));
		break;
	case 6:
		__asm__ volatile("mov %%db6, %0" : "=r"(v));
		break;
	case 7:
		__asm__ volatile("mov %%db7, %0" : "=r"(v));
		break;
	}
	return v;
}

static inline void db_put(int n, sg_word v)
{
	switch (n) {
	case 0:
		__asm__ volatile("mov %0, %%db0" ::"r"(v));
		break;
	case 1:
		__asm__ volatile("mov %0, %%db1" ::"r"(v));
		break;
	case 2:
		__asm__ volatile("mov %0, %%db2" ::"r"(v));
		break;
	case 3:
		__asm__ volatile("mov %0, %%db3" ::"r"(v));
		break;
	case 4:
		__asm__ volatile(".byte 0x0f, 0x23, 0xe0" ::"a"(v));
		break;
	case 5:
		__asm__ volatile(".byte 0x0f, 0x23, 0xe8" ::"a"(v));
		break;
	case 6:
		__asm__ volatile("mov %0, %%db6" ::"r"(v));
		break;
	case 7:
		__asm__ volatile("mov %0, %%db7" ::"r"(v));
		break;
	}
}

static void db_trap(struct sg_regs *r)
{
	sg_word dr6 = db_get(6), dr7 = db_get(7);
	bool exec = false;
	if (db_count < DB_NOTES)
		db_notes[db_count] = (struct db_note){(int)(r->ip - db_base), dr6 & DR6_BITS, r->flags & FLAG_RF,
						      r->flags & FLAG_TF};
	for (int n = 0; n < 4; n++)
		if ((dr6 >> n & 1) && !(dr7 >> (16 + 4 * n) & 3) && (dr7 >> 2 * n & 3)) {
			exec = true;
			if (db_no_rf)
				dr7 &= ~(sg_word)(3u << 2 * n);
		}
	if (++db_count >= DB_MOST) {
		dr7 = DR7_FIXED;
		r->flags &= ~(sg_word)FLAG_TF;
	}
	if (exec && !db_no_rf)
		r->flags |= FLAG_RF;
	if (db_again)
		sg_wrmsr(0x1d9, db_again);
	db_put(7, dr7);
	db_put(6, 0xffff0ff0);
}

/* The notes as text. */
static const char *db_text(void)
{
	static char text[DB_NOTES * 12];
	static const char digit[] = "0123456789abcdef";
	char *t = text;
	for (unsigned i = 0; i < db_count && i < DB_MOST; i++) {
		const struct db_note *n = &db_notes[i];
		if (i)
			*t++ = ' ';
		if (n->off < 0 || n->off > 0xff) {
			*t++ = '?';
		} else {
			if (n->off >> 4)
				*t++ = digit[n->off >> 4];
			*t++ = digit[n->off & 15];
		}
		*t++ = ':';
		bool some = false;
		for (int shift = 12; shift >= 0; shift -= 4) {
			some = some || n->dr6 >> shift & 15 || !shift;
			if (some)
				*t++ = digit[n->dr6 >> shift & 15];
		}
		if (n->rf)
			*t++ = 'r';
	}
	if (db_count >= DB_MOST) {
		memcpy(t, " ...", 4);
		t += 4;
	}
	if (!db_count)
		memcpy(t, "none", 4), t += 4;
	*t = 0;
	return text;
}

static void db_begin(const void *base)
{
	sg_handler[V_DB] = db_trap;
	db_count = 0;
	db_base = (sg_word)base;
	db_put(6, 0xffff0ff0);
}

static void db_call(void *code)
{
#ifdef __x86_64__
	__asm__ volatile("call *%0" ::"r"(code)
			 : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#else
	uint32_t a;
	__asm__ volatile("push %%ebx; push %%ebp; call *%0; pop %%ebp; pop %%ebx"
			 : "=a"(a)
			 : "0"(code)
			 : "memory", "cc", "ecx", "edx", "esi", "edi");
#endif
}

/* Run the snippet with its breakpoints set; its notes as a line. A fault that nobody handles stands behind them. */
static void db_run_from(const char *name, const void *code, const void *base, uint32_t dr7, const char *want)
{
	static char text[DB_NOTES * 12 + 64];
	db_begin(base);
	db_put(7, DR7_FIXED | dr7);
	sg_fault.vector = SG_OK;
	sg_try(db_call, (void *)(uintptr_t)code);
	db_put(7, DR7_FIXED);
	sg_handler[V_DB] = NULL;
	char *t = text;
	for (const char *s = db_text(); *s;)
		*t++ = *s++;
	if (sg_fault.vector != SG_OK) {
		*t++ = ' ';
		for (const char *s = sg_fault_text(); *s;)
			*t++ = *s++;
	}
	*t = 0;
	if (want)
		sg_expect(name, text, want);
	else
		sg_line(name, "%s", text);
}

#ifdef __x86_64__
#define DB_SP "%rsp"
#define DB_AX "%rax"
#define DB_CX "%rcx"
#define DB_DI "%rdi"
#define DB_SI "%rsi"
#define DB_BX "%rbx"
#else
#define DB_SP "%esp"
#define DB_AX "%eax"
#define DB_CX "%ecx"
#define DB_DI "%edi"
#define DB_SI "%esi"
#define DB_BX "%ebx"
#endif
/* Code `name` in a function: `setup`, then from the label name_at on `body`. TF: body is stepped through. */
#define DB_SNIPPET(name, setup, body)                                                                                  \
	__asm__(".pushsection .text\n .globl " #name ", " #name "_at\n" #name ":\n" setup "\n" #name "_at:\n" body     \
		"\n ret\n .popsection\n");                                                                             \
	extern const uint8_t name[], name##_at[]
#define DB_TF "pushf\n orl $0x100, (" DB_SP ")\n popf\n"
#define DB_NO_TF "\n pushf\n andl $~0x100, (" DB_SP ")\n popf\n"
#define DB_RUN(name, code, dr7, want) db_run_from(name, code, code##_at, dr7, want)

#endif
