/* walk.c - translation table walks of the EL1&0 regime, VMSAv8-64 (Arm ARM D8): granules, levels, descriptors, access
 * rights, the access flag and dirty state kept by hardware. */
#include "sys.h"

#define ADDRESS UINT64_C(0x0000fffffffff000)
enum { /* fault status codes, Arm ARM D19.2.40 (ISS encoding for a Data Abort); the level is added */
       FSC_SIZE = 0x00, FSC_TRANSLATION = 0x04, FSC_ACCESS = 0x08, FSC_PERMISSION = 0x0c, FSC_WALK = 0x14 };
/* Descriptors, D8.3 */
#define D_VALID 1u
#define D_TABLE 2u
#define D_USER (1u << 6)
#define D_RO (1u << 7)
#define D_AF (1u << 10)
#define D_NG (1u << 11)
#define D_GP (UINT64_C(1) << 50)
#define D_DBM (UINT64_C(1) << 51)
#define D_PXN (UINT64_C(1) << 53)
#define D_UXN (UINT64_C(1) << 54)
#define D_PXNTABLE (UINT64_C(1) << 59)
#define D_UXNTABLE (UINT64_C(1) << 60)
#define D_APTABLE_USER (UINT64_C(1) << 61)
#define D_APTABLE_RO (UINT64_C(1) << 62)

static int fault(unsigned code, int level)
{
	return (int)(A64_WALK_FAULT | code | (unsigned)level);
}

/* One half of the address space, as TCR_EL1 describes it. */
struct half {
	uint64_t ttbr;
	unsigned va_bits, page_bits, pa_bits;
	bool disabled, user_disabled, tables_flat; /* EPD, E0PD, HPD */
};

/* TG0 and TG1 have different encodings; reserved values are taken for 4 KiB. */
static unsigned granule(unsigned upper, unsigned tg)
{
	static const uint8_t bits[2][4] = {{12, 16, 14, 12}, {12, 14, 12, 16}};
	return bits[upper][tg];
}

static unsigned output_bits(const struct a64_cpu *c)
{
	static const uint8_t ips[8] = {32, 36, 40, 42, 44, 48, 48, 48};
	unsigned bits = ips[c->tcr >> 32 & 7];
	return bits < c->pa_bits ? bits : c->pa_bits;
}

static struct half half_of(const struct a64_cpu *c, unsigned upper)
{
	uint64_t tcr = c->tcr;
	unsigned tsz = tcr >> (upper ? 16 : 0) & 0x3f, bits = granule(upper, tcr >> (upper ? 30 : 14) & 3);
	unsigned most = bits == 16 ? 47 : 48;
	tsz = tsz < 16 ? 16 : tsz > most ? most : tsz;
	return (struct half){.ttbr = upper ? c->ttbr1 : c->ttbr0,
			     .va_bits = 64 - tsz,
			     .page_bits = bits,
			     .pa_bits = output_bits(c),
			     .disabled = tcr >> (upper ? 23 : 7) & 1,
			     .user_disabled = a64_has(c, A64_F_E0PD) && tcr >> (55 + upper) & 1,
			     .tables_flat = tcr >> (41 + upper) & 1};
}

/* The host's place of a descriptor; NULL: no memory there. */
static uint8_t *descriptor_at(struct a64_cpu *c, uint64_t gpa, bool write)
{
	unsigned flags = 0;
	uint8_t *page = c->env->page(c->env_opaque, gpa & ~(uint64_t)0xfff, &flags);
	if (!page || !(flags & (write ? A64_PAGE_W : A64_PAGE_R)))
		return NULL;
	if (write && flags & A64_PAGE_LOG && c->env->mark_dirty)
		c->env->mark_dirty(c->env_opaque, gpa & ~(uint64_t)0xfff);
	return page + (gpa & 0xfff);
}

/* D8.4.5: both states are kept by hardware only with TCR_EL1.HA. */
static bool dirty_by_hardware(const struct a64_cpu *c, uint64_t desc)
{
	uint64_t both = A64_TCR_HA | A64_TCR_HD;
	return a64_has(c, A64_F_HAFDBS) && (c->tcr & both) == both && desc & D_DBM;
}

static bool access_by_hardware(const struct a64_cpu *c)
{
	return a64_has(c, A64_F_HAFDBS) && c->tcr & A64_TCR_HA;
}

struct rights {
	uint64_t desc;
	bool user, ro, pxn, uxn; /* tables' and leaf's together */
	bool table_ro;            /* not for hardware to make writable */
};

static void set_rights(const struct a64_cpu *c, const struct rights *r, struct a64_walk *out)
{
	bool wxn = c->sctlr & A64_SCTLR_WXN;
	out->read = true;
	out->write = !r->ro;
	out->user_read = r->user;
	out->user_write = r->user && !r->ro;
	out->exec = !r->pxn && !out->user_write && !(wxn && out->write);
	out->user_exec = !r->uxn && !(wxn && out->user_write);
}

static bool allowed(const struct a64_walk *w, unsigned mode, unsigned acc)
{
	bool user = mode == A64_MMU_EL0;
	if (acc & A64_ACC_EXEC)
		return user ? w->user_exec : w->exec;
	if (mode == A64_MMU_EL1_PAN && w->user_read)
		return false;
	return acc & A64_ACC_WRITE ? (user ? w->user_write : w->write) : (user ? w->user_read : w->read);
}

/* The leaf: rights, then what hardware writes back. *again: somebody else changed the descriptor. */
static int leaf(struct a64_cpu *c, uint64_t at, struct rights r, int level, unsigned mode, unsigned acc,
		struct a64_walk *out, bool *again)
{
	uint64_t old = r.desc, new = old;
	bool dbm = r.ro && !r.table_ro && dirty_by_hardware(c, old);
	if (!(old & D_AF)) {
		if (!access_by_hardware(c))
			return fault(FSC_ACCESS, level);
		new |= D_AF;
	}
	set_rights(c, &r, out);
	if (dbm && acc & A64_ACC_WRITE) {
		r.ro = false;
		set_rights(c, &r, out);
		new &= ~(uint64_t)D_RO;
	}
	if (!allowed(out, mode, acc))
		return fault(FSC_PERMISSION, level);
	if (new == old)
		return 0;
	uint8_t *host = descriptor_at(c, at, true);
	if (!host)
		return fault(FSC_WALK, level);
	*again = !host_cas(host, 8, &old, new);
	return 0;
}

static bool is_leaf(unsigned page_bits, int level, uint64_t desc)
{
	if (level == 3)
		return desc & D_TABLE;
	return !(desc & D_TABLE) && level == (page_bits == 12 ? (level == 1 ? 1 : 2) : 2);
}

static int walk(struct a64_cpu *c, const struct half *h, uint64_t gva, unsigned mode, unsigned acc,
		struct a64_walk *out, bool *again)
{
	unsigned stride = h->page_bits - 3;
	int level = 4 - (int)((h->va_bits - h->page_bits + stride - 1) / stride);
	unsigned top = h->va_bits;
	struct rights r = {.user = true};
	/* the first table may be smaller than a page: D8.2.3 */
	unsigned shift = h->page_bits + stride * (unsigned)(3 - level), first = top - shift + 3;
	uint64_t base = h->ttbr & UINT64_C(0x0000fffffffffffe) & ~((UINT64_C(1) << (first < 6 ? 6 : first)) - 1);
	if (base >> h->pa_bits)
		return fault(FSC_SIZE, 0);
	for (;; level++, top = shift, shift -= stride) {
		uint64_t at = base + ((gva & ((UINT64_C(1) << top) - 1)) >> shift << 3);
		const uint8_t *host = descriptor_at(c, at, false);
		if (!host)
			return fault(FSC_WALK, level);
		r.desc = host_get(host, 8);
		if (!(r.desc & D_VALID))
			return fault(FSC_TRANSLATION, level);
		bool end = is_leaf(h->page_bits, level, r.desc);
		if (!end && (level == 3 || !(r.desc & D_TABLE)))
			return fault(FSC_TRANSLATION, level);
		uint64_t low = (UINT64_C(1) << (end ? shift : h->page_bits)) - 1;
		base = r.desc & ADDRESS & ~low;
		if (base >> h->pa_bits)
			return fault(FSC_SIZE, level);
		if (end) {
			uint64_t d = r.desc;
			r.ro = d & D_RO || r.table_ro;
			r.user = r.user && d & D_USER;
			r.pxn = r.pxn || d & D_PXN;
			r.uxn = r.uxn || d & D_UXN;
			*out = (struct a64_walk){.gpa = base | (gva & low),
						 .page_size = low + 1,
						 .attr = (uint8_t)(c->mair >> ((d >> 2 & 7) * 8)),
						 .sh = d >> 8 & 3,
						 .guarded = d & D_GP && a64_has(c, A64_F_BTI),
						 .global = !(d & D_NG)};
			return leaf(c, at, r, level, mode, acc, out, again);
		}
		if (!h->tables_flat) {
			r.table_ro = r.table_ro || r.desc & D_APTABLE_RO;
			r.user = r.user && !(r.desc & D_APTABLE_USER);
			r.pxn = r.pxn || r.desc & D_PXNTABLE;
			r.uxn = r.uxn || r.desc & D_UXNTABLE;
		}
	}
}

/* D8.2.10: data is Device-nGnRnE; instructions are Normal. */
static int flat(struct a64_cpu *c, uint64_t gva, unsigned acc, struct a64_walk *out)
{
	uint64_t gpa = a64_tbi(c, gva, acc & A64_ACC_EXEC) ? gva & ~(UINT64_C(0xff) << 56) : gva;
	if (gpa >> c->pa_bits)
		return fault(FSC_SIZE, 0);
	*out = (struct a64_walk){.gpa = gpa,
				 .page_size = 4096,
				 .attr = acc & A64_ACC_EXEC ? 0xff : 0,
				 .sh = 2,
				 .read = true,
				 .write = true,
				 .exec = true,
				 .user_read = true,
				 .user_write = true,
				 .user_exec = true,
				 .global = true};
	return 0;
}

int a64_walk_mode(struct a64_cpu *c, uint64_t gva, unsigned mode, unsigned acc, struct a64_walk *out)
{
	if (!(c->sctlr & A64_SCTLR_M))
		return flat(c, gva, acc, out);
	unsigned upper = gva >> 55 & 1;
	struct half h = half_of(c, upper);
	uint64_t va = a64_tbi(c, gva, acc & A64_ACC_EXEC) ? (uint64_t)a64_sext(gva, 56) : gva;
	if ((uint64_t)((int64_t)va >> h.va_bits) != (upper ? UINT64_MAX : 0))
		return fault(FSC_TRANSLATION, 0);
	if (h.disabled || (h.user_disabled && mode == A64_MMU_EL0))
		return fault(FSC_TRANSLATION, 0);
	bool again;
	int what;
	do {
		again = false;
		what = walk(c, &h, va, mode, acc, out, &again);
	} while (again);
	return what;
}

int a64_walk(struct a64_cpu *c, uint64_t gva, unsigned acc, struct a64_walk *out)
{
	return a64_walk_mode(c, gva, acc & A64_ACC_USER ? A64_MMU_EL0 : c->mmu_mode, acc, out);
}
