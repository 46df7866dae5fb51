/* group_rig.c - the rig itself: faults in both rings are caught, handlers return, registers come and go, what is wrong
 * shows.
 * sysguest-bits: 32 64 */
#include "sysguest.h"

__asm__(".globl user_add, user_int, user_touch\n"
	"user_add: add %ecx, %eax\n hlt\n"
	"user_int: add %ecx, %eax\n int $0x80\n"
	"user_touch: mov (%ecx), %eax\n hlt\n");
extern const uint8_t user_add[], user_int[], user_touch[];

static void nothing(void *o)
{
	*(int *)o = 7;
}

static void undefined(void *o)
{
	(void)o;
	__asm__ volatile("ud2");
}

static void skip_ud2(struct sg_regs *r)
{
	r->ip += 2;
	r->ax = 0x1234;
}

void sg_group(void)
{
	int seven = 0, vector;
	uint64_t v;
	sg_word ax = 0;
	sg_fault.vector = SG_OK;
	sg_check("rig.try", (uint64_t)sg_try(nothing, &seven) + 1 + (unsigned)seven, 7);
	sg_check("rig.try_fault", (uint64_t)sg_try(undefined, NULL), V_UD);
	sg_rdmsr(0x4000ffff, &v);
	sg_expect("rig.rdmsr", sg_fault_text(), "#GP(0)");
	sg_rdmsr(0x174, &v);
	sg_expect("rig.rdmsr_ok", sg_fault_text(), "ok");
	sg_write((void *)0x3ffffff0, 4, 1);
	sg_read((void *)0x50000000, 4, &v);
	sg_expect("rig.read", sg_fault_text(), "#PF(0) cr2=50000000");
	sg_write((void *)0x50000008, 2, 1);
	sg_expect("rig.write", sg_fault_text(), "#PF(2) cr2=50000008");
	struct sg_regs r = {.ax = 40, .cx = 2};
	vector = sg_user(&r, user_add);
	sg_check("rig.user", r.ax, 42);
	sg_check("rig.user_vector", (uint64_t)vector, V_GP);
	sg_check("rig.user_ip", r.ip - SG_USER - (sg_word)user_add, 2);
	sg_check("rig.user_sp", r.sp - SG_USER - (sg_word)sg_stack_user, 0);
	r = (struct sg_regs){.cx = 0x100000};
	sg_user(&r, user_touch);
	sg_expect("rig.user_fault", sg_fault_text(), "#PF(5) cr2=100000");
	r = (struct sg_regs){.ax = 40, .cx = 3};
	sg_check("rig.user_int", (uint64_t)sg_user(&r, user_int), 0x80);
	sg_check("rig.user_int_ip", r.ip - SG_USER - (sg_word)user_int, 4);
	r = (struct sg_regs){.ax = 1,
			     .cx = 5,
			     .ip = (sg_word)user_int,
			     .cs = SG_CODE,
			     .ss = SG_DATA,
			     .sp = (sg_word)sg_stack_try,
			     .flags = 2};
#ifndef __x86_64__
	r.ds = r.es = r.fs = r.gs = SG_DATA;
#endif
	sg_enter(&r);
	sg_check("rig.ring0", r.ax, 6);
	sg_check("rig.ring0_sp", r.sp - (sg_word)sg_stack_try, 0);
	sg_handler[V_UD] = skip_ud2;
	__asm__ volatile("ud2" : "+a"(ax)::"memory");
	sg_handler[V_UD] = NULL;
	sg_check("rig.handler", ax, 0x1234);
	memset((void *)SG_FREE, 0x5a, 100);
	sg_check("rig.hash", sg_hash((void *)SG_FREE, 100), 0xfb5ed1a5);
	sg_line("rig.format", "%s %d %u %x %04x %lx %llx", "s", -5, 6, 0xabc, 0x12, 0x123ul, 0x123456789abcull);
}
