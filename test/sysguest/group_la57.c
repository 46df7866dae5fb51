/* group_la57.c - canonical addresses in 4-level and 5-level paging wherever one is used or loaded, the rules of
 * CR4.LA57, and what 5-level paging maps (SDM vol. 1, 3.3.7.1; vol. 3, 4.5; vol. 2, MOV to CR). sysguest-bits: 64 */
#include "tables.h"

enum { MSR_FS_BASE = 0xc0000100, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR = 0xc0000082, MSR_SYSENTER_EIP = 0x176 };
static const char *mode;

/* The last and first addresses on both sides of the holes of 48 and of 57 bits. */
static const uint64_t addresses[] = {
	0x00007fffffffff00, 0x0000800000000000, 0x00ffffffffffff00, 0x0100000000000000, 0xfeffffffffffff00,
	0xff00000000000000, 0xffff7fffffffff00, 0xffff800000000000, 0x8000000000000000,
};
enum { ADDRESSES = sizeof addresses / sizeof *addresses };

static void on_stack(void *o)
{
	uint64_t sp = *(uint64_t *)o;
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; pop %%rax; mov %%rbx, %%rsp" ::"r"(sp)
			 : "rax", "rbx", "memory");
}

static void push_there(void *o)
{
	uint64_t sp = *(uint64_t *)o;
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax; mov %%rbx, %%rsp" ::"r"(sp) : "rbx", "memory");
}

static void by_bp(void *o)
{
	__asm__ volatile("push %%rbp; mov %0, %%rbp; mov 8(%%rbp), %%rax; pop %%rbp" ::"r"(*(uint64_t *)o)
			 : "rax", "memory");
}

static void jump_there(void *o)
{
	__asm__ volatile("jmp *%0" ::"r"(*(uint64_t *)o));
}

static void ret_there(void *o)
{
	__asm__ volatile("push %0; ret" ::"r"(*(uint64_t *)o));
}

static void iret_there(void *o)
{
	__asm__ volatile(
		"mov %%rsp, %%rax; push $0x10; push %%rax; push $2; push $8; push %0; iretq" ::"r"(*(uint64_t *)o)
		: "rax");
}

static void far_there(void *o)
{
	struct __attribute__((packed)) {
		uint64_t ip;
		uint16_t cs;
	} target = {*(uint64_t *)o, SG_CODE};
	/* REX.W FF /5 as bytes: only gas has a spelling for it. */
	__asm__ volatile(".byte 0x48, 0xff, 0x28" ::"a"(&target), "m"(target));
}

static void lgdt(void *o)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} old, table = {SG_GDT_SIZE - 1, *(uint64_t *)o};
	__asm__ volatile("sgdt %0; lgdt %1; lgdt %0" : "=m"(old) : "m"(table));
}

static void lidt(void *o)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} old, table = {0xfff, *(uint64_t *)o};
	__asm__ volatile("sidt %0; lidt %1; lidt %0" : "=m"(old) : "m"(table));
}

static void lldt(void *o)
{
	uint64_t base = *(uint64_t *)o, *d = &sg_gdt[SG_GDT_FREE / 8];
	d[0] = 0x0000820000000fff | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	d[1] = base >> 32;
	__asm__ volatile("lldt %w0" ::"r"(SG_GDT_FREE));
	__asm__ volatile("lldt %w0" ::"r"(0));
}

static void fs_access(void *o)
{
	__asm__ volatile("movl %%fs:0, %%eax" ::: "eax", "memory");
	(void)o;
}

static void invlpg(void *o)
{
	sg_invlpg(*(void **)o);
}

/* Fault, and where: at the instruction in this program ("here") or at the target ("there"). */
static void one(const char *what, unsigned n, void (*fn)(void *))
{
	uint64_t a = addresses[n];
	sg_fault.vector = SG_OK;
	sg_try(fn, &a);
	bool there = sg_fault.vector != SG_OK && sg_fault.ip == a;
	sg_line(sg_name(mode, what, n), "%s%s", sg_fault_text(), there ? " there" : "");
}

static void uses(void)
{
	for (unsigned n = 0; n < ADDRESSES; n++) {
		sg_read((void *)addresses[n], 8, NULL);
		sg_line(sg_name(mode, ".read", n), "%s", sg_fault_text());
		sg_write((void *)addresses[n], 4, 0);
		sg_line(sg_name(mode, ".write", n), "%s", sg_fault_text());
		one(".pop", n, on_stack);
		one(".push", n, push_there);
		one(".bp", n, by_bp);
		one(".jump", n, jump_there);
		one(".ret", n, ret_there);
		one(".iret", n, iret_there);
		one(".far", n, far_there);
		one(".invlpg", n, invlpg);
	}
	sg_read((void *)0x00007ffffffffffc, 8, NULL);
	sg_line(sg_name(mode, ".cross", 0), "%s", sg_fault_text());
}

/* Loads of what is used later go by the width that the processor has, not by CR4.LA57. */
static void loads(void)
{
	static const uint32_t msrs[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_SYSENTER_EIP};
	for (unsigned n = 0; n < ADDRESSES; n++) {
		one(".lgdt", n, lgdt);
		one(".lidt", n, lidt);
		one(".lldt", n, lldt);
		for (unsigned m = 0; m < sizeof msrs / sizeof *msrs; m++) {
			uint64_t old, now;
			sg_rdmsr(msrs[m], &old);
			int f = sg_wrmsr(msrs[m], addresses[n]);
			const char *text = sg_fault_text();
			sg_rdmsr(msrs[m], &now);
			sg_line(sg_name(sg_name(mode, ".msr", m), "_", n), "%s %d", text,
				now == (f == SG_OK ? addresses[n] : old));
			if (m == 0)
				one(".fs", n, fs_access);
			sg_wrmsr(msrs[m], old);
		}
	}
}

static void rules(void)
{
	sg_set_cr(4, sg_cr(4) ^ CR4_LA57);
	sg_expect(sg_name(mode, ".toggle", 0), sg_fault_text(), "#GP(0)");
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_PAE);
	sg_expect(sg_name(mode, ".clear_pae", 0), sg_fault_text(), "#GP(0)");
}

void sg_group(void)
{
	for (unsigned v = V_SS; v <= V_PF; v++)
		sg_idt[16 * v + 4] = 1; /* IST1: RSP may be the address in question */
	mode = "la57.l4";
	uses();
	if (!sg_has(SG_LA57)) {
		sg_skip("la57.*", "no LA57");
		return;
	}
	loads();
	uint64_t *pml5 = sg_page(), frame = (uintptr_t)sg_page(), v = 0;
	struct sg_chain high;
	pml5[0] = (uintptr_t)sg_root | PTE_PWU;
	*(uint32_t *)frame = 0x55aa55aa;
	sg_repage((uintptr_t)pml5, CR4_PAE | CR4_LA57, EFER_LME | EFER_NXE);
	mode = "la57.l5";
	sg_check("la57.cr4", sg_cr(4), CR4_PAE | CR4_LA57);
	sg_chain(&high, pml5, 5, 0x00fedcba98765000, 1);
	*high.e[1] = frame | PTE_PWU;
	sg_read((void *)0x00fedcba98765000, 4, &v);
	sg_check("la57.high", v, 0x55aa55aa);
	sg_chain(&high, pml5, 5, 0xff00000000000000, 1);
	*high.e[1] = frame | PTE_PWU;
	sg_read((void *)0xff00000000000000, 4, &v);
	sg_check("la57.low", v, 0x55aa55aa);
	*high.e[1] = 0;
	sg_invlpg((void *)0xff00000000000000);
	uses();
	loads();
	sg_repage((uintptr_t)sg_root, CR4_PAE, EFER_LME | EFER_NXE);
	sg_check("la57.back", sg_cr(4), CR4_PAE);
	/* last: who lets it pass is lost */
	mode = "la57.l4";
	rules();
	sg_repage((uintptr_t)pml5, CR4_PAE | CR4_LA57, EFER_LME | EFER_NXE);
	mode = "la57.l5";
	rules();
}
