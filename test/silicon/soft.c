/* soft.c - the software CPU in a machine that looks to user code like the helper's process: the same pages at the same
 * addresses at CPL 3, and a kernel that writes down each fault and goes on behind the instruction. */
#include "silicon.h"
#include "x86/fpenv.h"
#include "x86/sys.h"

/* Guest physical memory. */
enum {
	P_TABLES = 0x1000, /* page tables, taken from here on */
	P_GDT = 0x20000,
	P_IDT = 0x21000,
	P_TSS = 0x22000,
	P_HANDLERS = 0x23000,
	P_STACK = 0x24000, /* one page */
	P_ARENA = 0x30000,
	P_DATA = 0x40000,
	P_SIZE = 0x80000
};
#define KERNEL 0xffff800000000000ull /* maps physical memory from 0, for the supervisor */
enum { KCS = 0x10, KDS = 0x18, CS32 = 0x23, USER_DS = 0x2b, CS64 = 0x33, TSS_SEL = 0x40 };
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40 };
#define PTE_NX (1ull << 63)
enum { INSN_LIMIT = 20000 };

struct s_soft {
	struct x86_cpu *c;
	struct x86_env env;
	atomic_uint attn;
	uint8_t *ram;
	unsigned next_table;
};

static uint8_t *soft_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct s_soft *s = o;
	*flags = X86_PAGE_R | X86_PAGE_W | X86_PAGE_X;
	return gpa + 0x1000 <= P_SIZE ? s->ram + gpa : NULL;
}
static void soft_dirty(void *o, uint64_t gpa)
{
	(void)o;
	(void)gpa;
}
static int soft_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	(void)o;
	(void)gpa;
	if (!write)
		memset(data, 0xff, len);
	return X86_DONE;
}
static int soft_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	(void)o;
	(void)port;
	if (!write)
		memset(data, 0xff, (size_t)width * *count);
	return X86_DONE;
}
static int soft_msr(void *o, uint32_t index, uint64_t *value)
{
	(void)o;
	(void)index;
	(void)value;
	return X86_GP;
}
static int soft_wrmsr(void *o, uint32_t index, uint64_t value)
{
	(void)o;
	(void)index;
	(void)value;
	return X86_GP;
}
static bool soft_msr_exits(void *o, uint32_t index, bool write)
{
	(void)o;
	(void)index;
	(void)write;
	return false;
}
static int soft_intr(void *o)
{
	(void)o;
	return -1;
}
static unsigned soft_poll(void *o)
{
	(void)o;
	return 0;
}
static uint64_t soft_tsc(void *o)
{
	(void)o;
	return 0;
}
/* All that the CPU can do, but for wider addresses than this host has: they decide what a canonical one is. */
static int soft_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf all[64];
	size_t n = sizeof all / sizeof *all;
	(void)o;
	memset(out, 0, 4 * sizeof *out);
	x86_cpuid_max(all, &n);
	for (size_t i = 0; i < n; i++)
		if (all[i].leaf == leaf && (!all[i].has_subleaf || all[i].subleaf == subleaf))
			memcpy(out, all[i].out, sizeof all[i].out);
	if (leaf == 7 && subleaf == 0)
		out[2] &= ~(1u << 16); /* LA57 */
	return X86_DONE;
}
bool soft_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	uint32_t out[4];
	soft_cpuid(NULL, leaf, subleaf, out);
	return out[reg] >> bit & 1;
}
bool soft_has_avx(void)
{
	static int avx = -1;
	if (avx < 0)
		avx = soft_has(1, 0, 2, 28);
	return avx;
}

static void put64(struct s_soft *s, uint64_t at, uint64_t v)
{
	memcpy(s->ram + at, &v, 8);
}
static uint64_t get64(const struct s_soft *s, uint64_t at)
{
	uint64_t v;
	memcpy(&v, s->ram + at, 8);
	return v;
}

static void map_page(struct s_soft *s, uint64_t gva, uint64_t gpa, uint64_t flags)
{
	uint64_t table = P_TABLES;
	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t slot = table + (gva >> shift & 511) * 8;
		if (!get64(s, slot)) {
			s->next_table += 0x1000;
			put64(s, slot, (P_TABLES + s->next_table) | PTE_P | PTE_W | PTE_U | PTE_A);
		}
		table = get64(s, slot) & 0xffffffffff000;
	}
	put64(s, table + (gva >> 12 & 511) * 8, gpa | flags | PTE_P | PTE_A | PTE_D);
}

static void map_all(struct s_soft *s)
{
	for (unsigned at = 0; at < P_SIZE; at += 0x1000)
		map_page(s, KERNEL + at, at, PTE_W);
	for (unsigned at = 0; at < S_ARENA_SIZE; at += 0x1000)
		map_page(s, S_ARENA + at, P_ARENA + at, PTE_U);
	for (unsigned at = 0; at < S_DATA_SIZE; at += 0x1000)
		map_page(s, S_DATA + at, P_DATA + at, PTE_U | PTE_NX | (at < S_DATA_RW || plant_read_only ? PTE_W : 0));
}

/* The GDT is Linux' as far as user code can tell. */
static void descriptors(struct s_soft *s)
{
	put64(s, P_GDT + KCS, 0x00af9b000000ffff);
	put64(s, P_GDT + KDS, 0x00cf93000000ffff);
	put64(s, P_GDT + (CS32 & ~7), 0x00cffb000000ffff);
	put64(s, P_GDT + (USER_DS & ~7), 0x00cff3000000ffff);
	put64(s, P_GDT + (CS64 & ~7), 0x00affb000000ffff);
	for (unsigned v = 0; v < 256; v++) {
		uint64_t to = KERNEL + P_HANDLERS + 4 * v;
		unsigned dpl = v == X86_BP || v == X86_OF ? 3 : 0;
		put64(s, P_IDT + 16 * v,
		      (to & 0xffff) | KCS << 16 | (uint64_t)(0x8e00 | dpl << 13) << 32 | (to >> 16 & 0xffff) << 48);
		put64(s, P_IDT + 16 * v + 8, to >> 32);
		s->ram[P_HANDLERS + 4 * v] = 0xf4; /* HLT */
	}
	put64(s, P_TSS + 4, KERNEL + P_STACK + 0x1000);
	put64(s, P_TSS + 0x60, 0xffffull << 48); /* no I/O bitmap */
}

static const struct x86_seg user_code[S_MODES] = {
	[S_MODE64] = {0, 0xffffffff, 0xa0fb, CS64},
	[S_MODE32] = {0, 0xffffffff, 0xc0fb, CS32},
};
static const struct x86_seg user_data = {0, 0xffffffff, 0xc0f3, USER_DS};

static void system_state(struct s_soft *s)
{
	struct x86_cpu *c = s->c;
	c->cr0 = CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	c->cr3 = P_TABLES;
	c->cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_UMIP | CR4_FSGSBASE;
	c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	c->xcr0 = soft_has_avx() ? 7 : 3;
	c->gdt_base = KERNEL + P_GDT;
	c->gdt_limit = 0x7f;
	c->idt_base = KERNEL + P_IDT;
	c->idt_limit = 0xfff;
	c->seg[X86_LDTR] = (struct x86_seg){0, 0, 0x10082, 0};
	c->seg[X86_TR] = (struct x86_seg){KERNEL + P_TSS, 0x67, 0x8b, TSS_SEL};
}

struct s_soft *soft_new(const struct s_shared *sh)
{
	struct s_soft *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->env = (struct x86_env){.page = soft_page,
				  .mark_dirty = soft_dirty,
				  .mmio = soft_mmio,
				  .io = soft_io,
				  .rdmsr = soft_msr,
				  .wrmsr = soft_wrmsr,
				  .msr_exits = soft_msr_exits,
				  .cpuid = soft_cpuid,
				  .poll = soft_poll,
				  .intr_ack = soft_intr,
				  .tsc = soft_tsc};
	s->ram = aligned_alloc(4096, P_SIZE);
	s->c = s->ram ? x86_new(&s->env, s, &s->attn) : NULL;
	if (!s->c) {
		free(s->ram);
		free(s);
		return NULL;
	}
	memset(s->ram, 0, P_SIZE);
	map_all(s);
	descriptors(s);
	system_state(s);
	memcpy(s->ram + P_DATA + S_DATA_RW, sh->read_only, 0x1000);
	x86_state_changed(s->c, true);
	return s;
}

void soft_free(struct s_soft *s)
{
	if (!s)
		return;
	x86_free(s->c);
	free(s->ram);
	free(s);
}

void soft_code(struct s_soft *s, const struct s_shared *sh)
{
	memcpy(s->ram + P_ARENA, sh->arena, S_ARENA_SIZE);
	for (uint32_t i = 0; i < sh->count; i++)
		plant_code(s->ram + P_ARENA, &sh->seq[i]);
	x86_code_written(s->c, P_ARENA, S_ARENA_SIZE);
}

static void to_user(struct s_soft *s, uint8_t mode, uint64_t rip, uint64_t rflags)
{
	struct x86_cpu *c = s->c;
	c->seg[X86_CS] = user_code[mode];
	c->seg[X86_SS] = user_data;
	c->cpl = 3;
	c->rip = rip;
	x86_set_rflags(c, rflags);
	x86_state_changed(c, false);
}

static void load(struct s_soft *s, const struct s_shared *sh, const struct s_seq *seq)
{
	struct x86_cpu *c = s->c;
	memcpy(s->ram + P_DATA, sh->pool + seq->data_from, S_DATA_RW);
	memcpy(c->r, seq->in.r, sizeof seq->in.r);
	x86_set_xsave(c, seq->in.xsave, S_XSAVE);
	c->seg[X86_DS] = c->seg[X86_ES] = user_data;
	c->seg[X86_FS] = c->seg[X86_GS] = (struct x86_seg){0, 0, 0x10000, 0};
	c->seg[X86_FS].base = seq->in.fs;
	c->seg[X86_GS].base = seq->in.gs;
	to_user(s, seq->mode, S_ARENA + seq->at, seq->in.rflags);
}

static bool is_exit(uint64_t rip, const struct s_fault *f)
{
	return f->vector == X86_PF && (rip == S_EXIT64 || rip == S_EXIT32) && f->cr2 == rip;
}

/* After the HLT of a handler: what its stack frame says. */
struct frame {
	uint64_t error, rip, cs, rflags, rsp, ss;
};
static void read_frame(struct s_soft *s, struct frame *f)
{
	struct x86_cpu *c = s->c;
	uint64_t top = KERNEL + P_STACK + 0x1000, n = (top - c->r[4]) / 8;
	uint64_t *to[] = {&f->ss, &f->rsp, &f->rflags, &f->cs, &f->rip, &f->error};
	f->error = 0;
	for (uint64_t i = 0; i < n && i < 6; i++)
		*to[i] = get64(s, P_STACK + 0x1000 - 8 * (i + 1));
}

/* True: the sequence goes on. */
static bool handle(struct s_soft *s, const struct s_seq *seq, struct s_result *r)
{
	struct x86_cpu *c = s->c;
	struct frame f;
	read_frame(s, &f);
	struct s_fault fault = {.rip = f.rip, .error = (uint32_t)f.error};
	fault.vector = (uint32_t)(c->rip - 1 - KERNEL - P_HANDLERS) / 4;
	fault.cr2 = fault.vector == X86_PF ? c->cr2 : 0;
	c->r[4] = f.rsp;
	uint64_t off = f.rip - S_ARENA - seq->at;
	r->out.rflags = f.rflags & ~(uint64_t)X86_RF;
	if (is_exit(f.rip, &fault))
		return false;
	if (r->faults < S_FAULTS)
		r->fault[r->faults++] = fault;
	if (r->faults == S_FAULTS || off >= seq->size || !seq->length[off]) {
		r->abandoned = true;
		r->out.rflags &= ~(uint64_t)X86_TF;
		return false;
	}
	uint64_t next = f.rip;
	if (fault.vector == X86_DB)
		f.rflags &= ~(uint64_t)X86_TF;
	else if (fault.vector != X86_BP && fault.vector != X86_OF)
		next += seq->length[off];
	to_user(s, seq->mode, next, f.rflags & ~(uint64_t)X86_RF);
	return true;
}

static void store(struct s_soft *s, struct s_result *r)
{
	struct x86_cpu *c = s->c;
	memcpy(r->out.r, c->r, sizeof r->out.r);
	x86_get_xsave(c, r->out.xsave, S_XSAVE);
	r->out.fs = c->seg[X86_FS].base;
	r->out.gs = c->seg[X86_GS].base;
	r->data = s->ram + P_DATA;
	r->has_avx = soft_has_avx();
}

void soft_run(struct s_soft *s, const struct s_shared *sh, const struct s_seq *seq, bool softfloat, struct s_result *r)
{
	struct x86_cpu *c = s->c;
	uint64_t before = c->insns;
	bool engine = x86_fp_soft;
	x86_fp_soft |= softfloat;
	r->faults = 0;
	r->abandoned = r->timeout = false;
	r->broken = NULL;
	load(s, sh, seq);
	c->insn_limit = c->insns + INSN_LIMIT;
	for (;;) {
		enum x86_stop_kind k = x86_run(c);
		if (k == X86_STOP_BUDGET) {
			r->timeout = r->abandoned = true;
			break;
		}
		if (k != X86_STOP_HLT || c->cpl != 0) {
			r->broken = k == X86_STOP_TRIPLE ? "triple fault" : "an exit that user code cannot cause";
			if (k == X86_STOP_TRIPLE) {
				x86_reset(c);
				system_state(s);
				x86_state_changed(c, true);
			}
			break;
		}
		if (!handle(s, seq, r))
			break;
	}
	r->insns = c->insns - before;
	store(s, r);
	x86_fp_soft = engine;
}
