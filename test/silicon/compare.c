/* compare.c - what the processor did against what the software CPU did: faults, registers, flags, the XSAVE image,
 * memory. Open is only what rows.c declares for the last instruction of the sequence. */
#include "silicon.h"
#include <inttypes.h>
#include <math.h>

enum {
	X_FCW = 0,
	X_FSW = 2,
	X_FTW = 4,
	X_FOP = 6,
	X_FIP = 8,
	X_FDP = 16,
	X_MXCSR = 24,
	X_ST = 32,
	X_XMM = 160,
	X_YMM = 576
};

/* What the rows of the last instruction open. */
struct open {
	uint32_t flags;
	uint16_t fsw;
	unsigned st_ulps;
	bool vectors, everything;
};

static uint64_t get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

/* What is inexact by the processor's way of computing underflows too when it is tiny. */
static bool is_tiny(const uint8_t *xsave)
{
	return !(get(xsave + X_ST + 8, 2) & 0x7fff);
}

static void open_by(struct open *o, const struct s_row *row, bool softfloat, bool unmasked, const uint8_t *xsave)
{
	uint16_t fcw = (uint16_t)get(xsave + X_FCW, 2), inexact = is_tiny(xsave) ? 0x30 : 0x20;
	if ((row->when == W_SOFTFLOAT && !softfloat) || (row->when == W_UNMASKED && !unmasked))
		return;
	switch (row->kind) {
	case R_FLAGS:
		o->flags |= row->mask;
		break;
	case R_FSW:
		o->fsw |= (uint16_t)row->mask;
		break;
	case R_SSE_BOUND:
		o->vectors = true;
		break;
	case R_X87_BOUND:
		o->st_ulps = row->mask;
		o->fsw |= 0x200 | inexact; /* C1 tells which way the result was rounded; PE, that it was */
		o->fsw |= (~fcw & inexact) ? 0x8080 : 0;
		break;
	case R_ERASE:
	case R_ERASE_TOP:
	case R_SMALL:
	case R_CR2:
	case R_ALIGNED:
	case R_PRESENT:
	case R_NO_AC:
	case R_COUNT:
	case R_PARTIAL:
	case R_ORDER:
		break;
	default:
		o->everything = true;
	}
}

static void find_open(struct open *o, const struct s_program *p, const struct s_shared *sh, const struct s_seq *seq,
		      const struct s_result *r)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint32_t last = 0;
	/* unmasked overflow and underflow take the software engine (x87_func.c) */
	bool softfloat = p->softfloat || (~get(r->out.xsave + X_FCW, 2) & 0x18);
	memset(o, 0, sizeof *o);
	if (!p->last_only)
		return;
	for (uint32_t n = 0; n < seq->size; n++)
		if (seq->length[n])
			last = n;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s_tables[p->mode].decoder, sh->arena + seq->at + last, 15, &i, op)))
		return;
	for (const struct s_row *row = row_next(NULL, &i); row; row = row_next(row, &i))
		open_by(o, row, softfloat, get(seq->out.xsave + X_FSW, 2) & 0x80, seq->out.xsave);
}

/* ------ within a bound ------ */

static bool near_single(uint32_t a, uint32_t b)
{
	float x, y;
	memcpy(&x, &a, 4);
	memcpy(&y, &b, 4);
	if (a == b)
		return true;
	if (!isfinite(x) || !isfinite(y))
		return false;
	/* each within 1.5 * 2^-12 of the true value; tiny results may have been flushed */
	return fabs((double)x - y) <= fabs((double)x) * (3.0 / 4096) || (fabsf(x) < 0x1p-125f && fabsf(y) < 0x1p-125f);
}
static bool near_vector(const uint8_t *a, const uint8_t *b)
{
	for (unsigned n = 0; n < 16; n += 4)
		if (!near_single((uint32_t)get(a + n, 4), (uint32_t)get(b + n, 4)))
			return false;
	return true;
}
/* Numbers of 80 bits as one line of integers: their distance is in units in the last place. */
static bool near_st(const uint8_t *a, const uint8_t *b, unsigned ulps)
{
	uint64_t x = get(a, 8), y = get(b, 8);
	int ex = (int)get(a + 8, 2), ey = (int)get(b + 8, 2);
	if (ex == ey)
		return (x > y ? x - y : y - x) <= ulps;
	if (ex - ey != 1 && ey - ex != 1)
		return false;
	uint64_t lower = ex < ey ? x : y, upper = ex < ey ? y : x; /* 1.111 and 10.00 */
	return UINT64_MAX - lower < ulps && upper - (1ull << 63) < ulps;
}

/* ------ faults ------ */

/* Linux shows every address of the kernel's half as present (arch/x86/mm/fault.c, set_signal_archinfo). */
static bool same_error(const struct s_fault *a, const struct s_fault *b)
{
	uint32_t hidden = a->vector == 14 && a->cr2 >= 0x7ffffffff000 ? 1 : 0;
	return !((a->error ^ b->error) & ~hidden);
}
static bool has_row(const struct s_program *p, const struct s_shared *sh, uint64_t rip, enum s_kind kind)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	if (rip < S_ARENA || rip >= S_LEAVE ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&s_tables[p->mode].decoder, sh->arena + (rip - S_ARENA), 15, &i, o)))
		return false;
	for (const struct s_row *row = row_next(NULL, &i); row; row = row_next(row, &i))
		if (row->kind == kind)
			return true;
	return false;
}
/* #SS, #GP, #PF */
static bool is_memory_fault(const struct s_fault *f)
{
	return f->vector >= 12 && f->vector <= 14;
}
/* An operand that wraps around 4 GiB in flat segments: whether that breaks the limit is open (SDM vol. 3, 5.3). */
static bool wraps(const struct s_fault *soft)
{
	return soft->vector == 14 && (soft->cr2 > UINT32_MAX - 512 || soft->cr2 < 512);
}
/* Of one area, which with addresses of 32 bits may go on behind 4 GiB or at 0. */
static bool is_near(uint64_t cr2, uint64_t soft)
{
	return cr2 - soft + 1023 < 2047 || (soft <= UINT32_MAX && (uint32_t)(cr2 - soft) + 1023 < 2047);
}
static bool same_fault(const struct s_program *p, const struct s_shared *sh, const struct s_fault *a,
		       const struct s_fault *b)
{
	if (a->rip != b->rip)
		return false;
	if (p->mode == S_MODE32 && is_memory_fault(a) && (wraps(b) || (a->vector == 12 && b->vector == 13)))
		return true; /* the second one: of an operand that is not aligned either */
	if ((a->vector != b->vector || a->cr2 != b->cr2) && is_memory_fault(a) && is_memory_fault(b) &&
	    has_row(p, sh, a->rip, R_ORDER))
		return true;
	if (a->vector == 14 && b->vector == 14 && is_near(a->cr2, b->cr2) && !((a->error ^ b->error) & ~1u) &&
	    has_row(p, sh, a->rip, R_CR2))
		return true;
	return a->vector == b->vector && a->cr2 == b->cr2 && same_error(a, b);
}

static const char *compare_faults(const struct s_program *p, const struct s_shared *sh, const struct s_seq *s,
				  const struct s_result *r)
{
	static char text[160];
	for (uint32_t n = 0; n < s->faults || n < r->faults; n++) {
		const struct s_fault *a = &s->fault[n], *b = &r->fault[n];
		if (n >= s->faults || n >= r->faults) {
			const struct s_fault *x = n < s->faults ? a : b;
			snprintf(text, sizeof text, "only %s faults: vector %u error %x rip +%" PRIx64 " cr2 %" PRIx64,
				 x == a ? "the processor" : "soft", x->vector, x->error, x->rip - S_ARENA - s->at,
				 x->cr2);
			return text;
		}
		if (!same_fault(p, sh, a, b)) {
			snprintf(text, sizeof text,
				 "fault: vector %u error %x rip +%" PRIx64 " cr2 %" PRIx64
				 ", soft vector %u error %x rip +%" PRIx64 " cr2 %" PRIx64,
				 a->vector, a->error, a->rip - S_ARENA - s->at, a->cr2, b->vector, b->error,
				 b->rip - S_ARENA - s->at, b->cr2);
			return text;
		}
	}
	return NULL;
}

/* ------ fields of the state ------ */

typedef void (*s_report)(void *o, const char *name, uint64_t native_high, uint64_t native, uint64_t soft_high,
			 uint64_t soft);

static const struct {
	const char *name;
	uint16_t at, size;
} image_fields[] = {
	{"fcw", X_FCW, 2}, {"ftw", X_FTW, 1}, {"mxcsr", X_MXCSR, 4},
	{"fop", X_FOP, 2}, {"fip", X_FIP, 8}, {"fdp", X_FDP, 8},
};

/* The x87 pointers are compared while an unmasked exception is pending, for that is when they are for: Intel's FDP may
 * be that of the last exception, and is undefined behind instructions without a memory operand (SDM vol. 1, 8.1.8); AMD
 * records none but at an unmasked exception, and zero for an operand that is not in memory. */
static bool pointer_compares(const uint8_t *image, uint64_t native)
{
	return get(image + X_FSW, 2) & 0x80 && !(host_is_amd() && !native);
}

static void each_scalar(const struct s_seq *s, const struct s_result *r, const struct open *o, s_report report,
			void *to)
{
	static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
	const struct s_state *a = &s->out, *b = &r->out;
	for (unsigned n = 0; n < (s->mode == S_MODE64 ? 16 : 8); n++)
		if (a->r[n] != b->r[n])
			report(to, names[n], 0, a->r[n], 0, b->r[n]);
	if ((a->rflags ^ b->rflags) & ~(uint64_t)o->flags)
		report(to, "rflags", 0, a->rflags, 0, b->rflags);
	if (a->fs != b->fs)
		report(to, "fs base", 0, a->fs, 0, b->fs);
	if (a->gs != b->gs)
		report(to, "gs base", 0, a->gs, 0, b->gs);
	for (size_t n = 0; n < sizeof image_fields / sizeof *image_fields; n++) {
		unsigned at = image_fields[n].at, size = image_fields[n].size;
		bool pointer = at >= X_FOP && at <= X_FDP;
		if (pointer && !pointer_compares(a->xsave, get(a->xsave + at, size)))
			continue;
		if (pointer && size == 8 && host_is_zen4()) /* restored pointers keep more than 48 bits there; Zen 3 makes them canonical */
			size = 6;
		if (memcmp(a->xsave + at, b->xsave + at, size))
			report(to, image_fields[n].name, 0, get(a->xsave + at, size), 0, get(b->xsave + at, size));
	}
	uint64_t x = get(a->xsave + X_FSW, 2), y = get(b->xsave + X_FSW, 2);
	if ((x ^ y) & ~(uint64_t)o->fsw)
		report(to, "fsw", 0, x, 0, y);
}

static void each_vector(const struct s_seq *s, const struct s_result *r, const struct open *o, s_report report,
			void *to)
{
	const uint8_t *a = s->out.xsave, *b = r->out.xsave;
	char name[16];
	for (unsigned n = 0; n < 8; n++) {
		const uint8_t *x = a + X_ST + 16 * n, *y = b + X_ST + 16 * n;
		if (!memcmp(x, y, 10) || (o->st_ulps && near_st(x, y, o->st_ulps)))
			continue;
		snprintf(name, sizeof name, "st%u", n);
		report(to, name, get(x + 8, 2), get(x, 8), get(y + 8, 2), get(y, 8));
	}
	for (unsigned n = 0; n < 32; n++) {
		unsigned at = n < 16 ? X_XMM + 16 * n : X_YMM + 16 * (n - 16);
		if (n >= 16 && !r->has_avx)
			break;
		if (!memcmp(a + at, b + at, 16) || (o->vectors && near_vector(a + at, b + at)))
			continue;
		snprintf(name, sizeof name, n < 16 ? "xmm%u" : "ymm%u high", n & 15);
		report(to, name, get(a + at + 8, 8), get(a + at, 8), get(b + at + 8, 8), get(b + at, 8));
	}
}

static void each_byte(const struct s_seq *s, const struct s_result *r, s_report report, void *to)
{
	char name[24];
	if (!memcmp(s->data, r->data, S_DATA_RW))
		return;
	for (unsigned n = 0; n < S_DATA_RW; n += 8)
		if (memcmp(s->data + n, r->data + n, 8)) {
			snprintf(name, sizeof name, "[%x]", S_DATA + n);
			report(to, name, 0, get(s->data + n, 8), 0, get(r->data + n, 8));
		}
}

static void each(const struct s_seq *s, const struct s_result *r, const struct open *o, s_report report, void *to)
{
	each_scalar(s, r, o, report, to);
	each_vector(s, r, o, report, to);
	each_byte(s, r, report, to);
}

static void keep_first(void *to, const char *name, uint64_t ah, uint64_t a, uint64_t bh, uint64_t b)
{
	char *text = to;
	if (!*text)
		snprintf(text, 160, "%s: %" PRIx64 ".%016" PRIx64 ", soft %" PRIx64 ".%016" PRIx64, name, ah, a, bh, b);
}

/* A page that is there natively only was hit; or FXRSTOR loaded MXCSR.MM, which is AMD's (APM vol. 1, 4.2.2). */
static bool beyond_compare(const struct s_seq *s, const struct s_result *r)
{
	for (uint32_t n = 0; n < r->faults; n++)
		if (r->fault[n].vector == 14 && r->fault[n].cr2 >> 12 == S_EXIT32 >> 12)
			return true;
	return host_is_amd() && get(s->out.xsave + X_MXCSR, 4) & 0x20000;
}

const char *compare(const struct s_program *p, const struct s_shared *sh, const struct s_seq *s,
		    const struct s_result *r)
{
	static char text[160];
	struct open o;
	const char *fault;
	if (r->broken)
		return r->broken;
	if (s->timeout || r->timeout)
		return NULL; /* a wild jump that loops; counted */
	if (beyond_compare(s, r))
		return NULL;
	fault = compare_faults(p, sh, s, r);
	if (fault)
		return fault;
	find_open(&o, p, sh, s, r);
	for (uint32_t n = 0; n < s->faults; n++)
		o.everything |= has_row(p, sh, s->fault[n].rip, R_PARTIAL);
	if (o.everything)
		return NULL;
	*text = 0;
	each(s, r, &o, keep_first, text);
	return *text ? text : NULL;
}

static void print_one(void *to, const char *name, uint64_t ah, uint64_t a, uint64_t bh, uint64_t b)
{
	fprintf(to, "  %-9s native %16" PRIx64 "_%016" PRIx64 "\n  %-9s soft   %16" PRIx64 "_%016" PRIx64 "\n", name,
		ah, a, "", bh, b);
}

void print_difference(FILE *f, const struct s_seq *s, const struct s_result *r)
{
	struct open none = {0};
	for (uint32_t n = 0; n < s->faults || n < r->faults; n++) {
		const struct s_fault *a = &s->fault[n], *b = &r->fault[n];
		if (n < s->faults)
			fprintf(f, "  fault native: vector %u error %x rip +%" PRIx64 " cr2 %" PRIx64 "\n", a->vector,
				a->error, a->rip - S_ARENA - s->at, a->cr2);
		if (n < r->faults)
			fprintf(f, "  fault soft:   vector %u error %x rip +%" PRIx64 " cr2 %" PRIx64 "\n", b->vector,
				b->error, b->rip - S_ARENA - s->at, b->cr2);
	}
	each(s, r, &none, print_one, f);
}
