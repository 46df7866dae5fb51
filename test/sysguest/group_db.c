/* group_db.c - #DB: debug registers, breakpoints on code, data and ports, general detect, RF, single step over every
 * kind of instruction, BTF (SDM vol. 3, chapter 18, and 6.8). sysguest-bits: 32 64 */
#include "debug.h"

enum { MSR_DEBUGCTL = 0x1d9, BTF = 2 };

/* ------ the registers ------ */

static int put_n;
static sg_word put_v;
static void do_put(void *o)
{
	(void)o;
	db_put(put_n, put_v);
}
static void do_get(void *o)
{
	(void)o;
	put_v = db_get(put_n);
}
static const char *put(int n, sg_word v)
{
	put_n = n;
	put_v = v;
	sg_fault.vector = SG_OK;
	sg_try(do_put, NULL);
	return sg_fault_text();
}
static const char *get(int n)
{
	put_n = n;
	sg_fault.vector = SG_OK;
	sg_try(do_get, NULL);
	return sg_fault_text();
}

__asm__(".pushsection .text\n db_user_get: mov %db0, " DB_AX "\n hlt\n db_user_get5: mov %db5, " DB_AX
	"\n hlt\n .popsection\n");
extern const uint8_t db_user_get[], db_user_get5[];

static void registers(void)
{
	struct sg_regs r = {0};
	sg_check("db.dr7_at_start", db_get(7), DR7_FIXED);
	sg_check("db.dr6_at_start", db_get(6), 0xffff0ff0);
	put(6, 0);
	sg_check("db.dr6_zero", db_get(6) & 0xffff1ff0, 0xffff0ff0);
	put(6, 0xffffffff);
	sg_check("db.dr6_ones", db_get(6) & 0xffffefff, 0xffffefff);
	put(6, 0xffff0ff0);
	put(7, 0xffff00ff & ~0x00ff0000u); /* fields of DR2 and DR3, nothing that could hit */
	sg_check("db.dr7_fields", db_get(7), 0xff0004ff);
	put(7, 0xd000);
	sg_check("db.dr7_reserved", db_get(7) & ~(sg_word)0x800, DR7_FIXED);
	put(7, DR7_FIXED);
	put(3, (sg_word)0x123456789abcdef0ull);
	sg_check("db.dr3", db_get(3), (sg_word)0x123456789abcdef0ull);
	put(3, 0);
#ifdef __x86_64__
	sg_expect("db.dr6_high", put(6, 1ull << 32), "#GP(0)");
	sg_expect("db.dr7_high", put(7, 1ull << 32), "#GP(0)");
	sg_expect("db.dr0_not_canonical", put(0, 1ull << 63), "ok");
	put(0, 0);
#endif
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_DE);
	sg_expect("db.dr4", get(4), "ok");
	sg_check("db.dr4_is_dr6", put_v, db_get(6));
	sg_expect("db.dr5", put(5, 0x455), "ok");
	sg_check("db.dr5_is_dr7", db_get(7), 0x455);
	put(7, DR7_FIXED);
	sg_set_cr(4, sg_cr(4) | CR4_DE);
	sg_expect("db.dr4_with_de", get(4), "#UD");
	sg_expect("db.dr5_with_de", put(5, 0x400), "#UD");
	sg_user(&r, db_user_get);
	sg_expect("db.user", sg_fault_text(), "#GP(0)");
	sg_user(&r, db_user_get5);
	sg_line("db.user_dr5_with_de", "%s", sg_fault_text());
}

/* ------ single step ------ */

static uint8_t bytes[64] __attribute__((aligned(64)));
uint8_t push_stack[4096] __attribute__((aligned(64), used));

DB_SNIPPET(st_plain, DB_TF,
	   "nop\n mov $5, %eax\n push " DB_AX "\n pop " DB_AX
	   "\n jmp 1f\n nop\n 1: test %eax, %eax\n jz 1b\n" DB_NO_TF);
DB_SNIPPET(st_call, DB_TF, "call 1f\n jmp 2f\n 1: ret\n 2:\n" DB_NO_TF);
DB_SNIPPET(st_rep, "mov $bytes, " DB_DI "\n mov $3, %ecx\n" DB_TF, "rep stosb\n nop\n" DB_NO_TF);
DB_SNIPPET(st_rep0, "mov $bytes, " DB_DI "\n xor %ecx, %ecx\n" DB_TF, "rep stosb\n nop\n" DB_NO_TF);
DB_SNIPPET(st_repne, "mov $bytes, " DB_DI "\n movl $0x01000000, (" DB_DI ")\n mov $9, %ecx\n mov $1, %al\n" DB_TF,
	   "repne scasb\n nop\n" DB_NO_TF);
DB_SNIPPET(st_loop, "mov $2, %ecx\n" DB_TF, "1: loop 1b\n" DB_NO_TF);
DB_SNIPPET(st_movss, "mov %ss, %eax\n" DB_TF, "mov %eax, %ss\n nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_movss2, "mov %ss, %eax\n" DB_TF, "mov %eax, %ss\n mov $2, %ecx\n dec %ecx\n" DB_NO_TF);
DB_SNIPPET(st_movds, "mov %ss, %eax\n" DB_TF, "mov %eax, %ds\n nop\n" DB_NO_TF);
DB_SNIPPET(st_sti, DB_TF, "sti\n nop\n cli\n" DB_NO_TF);
DB_SNIPPET(st_int, DB_TF, "int $0x81\n nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_int3, DB_TF, "int3\n nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_int1, "", ".byte 0xf1\n nop\n");
DB_SNIPPET(st_int1_tf, DB_TF, ".byte 0xf1\n nop\n" DB_NO_TF);
DB_SNIPPET(st_ud, DB_TF, "ud2\n nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_popf, "",
	   "pushf\n orl $0x100, (" DB_SP ")\n popf\n nop\n pushf\n andl $~0x100, (" DB_SP ")\n popf\n nop\n");
DB_SNIPPET(st_pushf, DB_TF, "pushf\n pop " DB_AX DB_NO_TF "\n and $0x100, %eax\n mov %eax, db_word\n");
DB_SNIPPET(st_io, DB_TF, "out %al, $0x80\n in $0x80, %al\n" DB_NO_TF);
DB_SNIPPET(st_cpuid, "push " DB_BX "\n xor %eax, %eax\n" DB_TF, "cpuid\n rdtsc\n" DB_NO_TF "pop " DB_BX);
DB_SNIPPET(st_lock, "mov $bytes, " DB_DI "\n" DB_TF,
	   "lock incl (" DB_DI ")\n xchg %eax, (" DB_DI ")\n lock cmpxchg %eax, (" DB_DI ")\n" DB_NO_TF);
DB_SNIPPET(st_sys, DB_TF,
	   "mov %cr0, " DB_AX "\n mov " DB_AX ", %cr0\n mov %cr3, " DB_AX "\n mov " DB_AX ", %cr3\n clts\n" DB_NO_TF);
#ifdef __x86_64__
DB_SNIPPET(st_iret,
	   "mov %rsp, %rcx\n mov %ss, %eax\n push %rax\n push %rcx\n pushf\n orl $0x100, (%rsp)\n push $8\n lea "
	   "st_iret_at(%rip), %rax\n push %rax\n iretq\n",
	   "nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_iret_off, DB_TF,
	   "mov %rsp, %rcx\n mov %ss, %eax\n push %rax\n push %rcx\n pushf\n andl $~0x100, (%rsp)\n push $8\n lea "
	   "1f(%rip), %rax\n push %rax\n iretq\n 1: nop\n nop\n");
#else
DB_SNIPPET(st_iret, "pushf\n orl $0x100, (%esp)\n push $8\n push $st_iret_at\n iretl\n", "nop\n nop\n" DB_NO_TF);
DB_SNIPPET(st_iret_off, DB_TF, "pushf\n andl $~0x100, (%esp)\n push $8\n push $1f\n iretl\n 1: nop\n nop\n");
DB_SNIPPET(st_popss, DB_TF, "push %ss\n pop %ss\n nop\n nop\n" DB_NO_TF);
#endif
uint32_t db_word __attribute__((used));
static uint32_t handler_flags;

static void note_int(struct sg_regs *r)
{
	(void)r;
	handler_flags = (uint32_t)sg_flags();
}
static void skip_ud(struct sg_regs *r)
{
	handler_flags = (uint32_t)r->flags;
	r->ip += 2;
}

static void steps(void)
{
	DB_RUN("db.step", st_plain, 0, NULL);
	DB_RUN("db.step_call", st_call, 0, NULL);
	DB_RUN("db.step_rep", st_rep, 0, NULL);
	DB_RUN("db.step_rep0", st_rep0, 0, NULL);
	DB_RUN("db.step_repne", st_repne, 0, NULL);
	DB_RUN("db.step_loop", st_loop, 0, NULL);
	DB_RUN("db.step_movss", st_movss, 0, NULL);
	DB_RUN("db.step_movss_imm", st_movss2, 0, NULL);
	DB_RUN("db.step_movds", st_movds, 0, NULL);
	DB_RUN("db.step_sti", st_sti, 0, NULL);
	sg_handler[V_UD] = skip_ud;
	DB_RUN("db.step_ud", st_ud, 0, NULL);
	sg_check("db.step_ud_flags", handler_flags & (FLAG_TF | FLAG_RF), FLAG_TF | FLAG_RF);
	sg_handler[V_UD] = NULL;
	DB_RUN("db.step_popf", st_popf, 0, NULL);
	DB_RUN("db.step_pushf", st_pushf, 0, NULL);
	sg_check("db.step_pushf_tf", db_word, FLAG_TF);
	DB_RUN("db.step_io", st_io, 0, NULL);
	DB_RUN("db.step_cpuid", st_cpuid, 0, NULL);
	DB_RUN("db.step_lock", st_lock, 0, NULL);
	DB_RUN("db.step_sys", st_sys, 0, NULL);
	DB_RUN("db.step_iret", st_iret, 0, NULL);
	DB_RUN("db.step_iret_off", st_iret_off, 0, NULL);
#ifndef __x86_64__
	DB_RUN("db.step_popss", st_popss, 0, NULL);
#endif
}

/* ------ breakpoints on code ------ */

DB_SNIPPET(ex_three, "", "nop\n ex_1: nop\n ex_2: inc %eax\n nop\n");
DB_SNIPPET(ex_step, DB_TF, "nop\n ex_step_1: nop\n" DB_NO_TF);
DB_SNIPPET(ex_movss, "mov %ss, %eax\n", "mov %eax, %ss\n ex_movss_1: nop\n ex_movss_2: nop\n");
DB_SNIPPET(ex_ud, "", "nop\n ex_ud_1: ud2\n nop\n");
DB_SNIPPET(ex_rep, "mov $bytes, " DB_DI "\n mov $3, %ecx\n", "ex_rep_1: rep stosb\n nop\n");
DB_SNIPPET(ex_again, "mov $3, %ecx\n", "ex_again_1: nop\n dec %ecx\n jnz ex_again_1\n");
DB_SNIPPET(ex_popf, "", "pushf\n orl $0x10000, (" DB_SP ")\n popf\n ex_popf_1: nop\n");
#ifdef __x86_64__
DB_SNIPPET(ex_iret,
	   "mov %rsp, %rcx\n mov %ss, %eax\n push %rax\n push %rcx\n pushf\n orl $0x10000, (%rsp)\n push $8\n lea "
	   "ex_iret_at(%rip), %rax\n push %rax\n iretq\n",
	   "nop\n ex_iret_1: nop\n");
#else
DB_SNIPPET(ex_iret, "pushf\n orl $0x10000, (%esp)\n push $8\n push $ex_iret_at\n iretl\n", "nop\n ex_iret_1: nop\n");
#endif
extern const uint8_t ex_1[], ex_2[], ex_step_1[], ex_movss_1[], ex_movss_2[], ex_ud_1[], ex_rep_1[], ex_again_1[],
	ex_popf_1[], ex_iret_1[];

static void set4(const void *a, const void *b, const void *c, const void *d)
{
	db_put(0, (sg_word)a);
	db_put(1, (sg_word)b);
	db_put(2, (sg_word)c);
	db_put(3, (sg_word)d);
}

static uint32_t on(unsigned set, unsigned type, unsigned len)
{
	uint32_t v = 0;
	for (unsigned n = 0; n < 4; n++)
		v |= set >> n & 1 ? DR7_ON(n, type, len) : 0;
	return v;
}

static void code(void)
{
	set4(ex_1, ex_2, ex_2, ex_three_at);
	DB_RUN("db.exec_none", ex_three, 0, "none");
	DB_RUN("db.exec_0", ex_three, on(1, BP_EXEC, 0), "1:1");
	DB_RUN("db.exec_local", ex_three, on(1, BP_EXEC, 0) >> 1, "1:1");
	DB_RUN("db.exec_two_at_one", ex_three, on(6, BP_EXEC, 0), "2:6");
	DB_RUN("db.exec_all", ex_three, on(15, BP_EXEC, 0), "0:8 1:1 2:6");
	DB_RUN("db.exec_middle", ex_three, 0, "none");
	db_no_rf = true;
	DB_RUN("db.exec_removed", ex_three, on(9, BP_EXEC, 0), "0:8 1:1");
	db_no_rf = false;
	set4(ex_step_1, 0, 0, 0);
	DB_RUN("db.exec_and_step", ex_step, on(1, BP_EXEC, 0), NULL);
	set4(ex_movss_1, ex_movss_2, 0, 0);
	DB_RUN("db.exec_after_movss", ex_movss, on(3, BP_EXEC, 0), NULL);
	set4(ex_ud_1, 0, 0, 0);
	sg_handler[V_UD] = skip_ud;
	DB_RUN("db.exec_at_fault", ex_ud, on(1, BP_EXEC, 0), "1:1");
	sg_check("db.exec_at_fault_rf", handler_flags & FLAG_RF, FLAG_RF);
	sg_handler[V_UD] = NULL;
	set4(ex_rep_1, 0, 0, 0);
	DB_RUN("db.exec_at_rep", ex_rep, on(1, BP_EXEC, 0), "0:1");
	set4(ex_again_1, 0, 0, 0);
	DB_RUN("db.exec_in_loop", ex_again, on(1, BP_EXEC, 0), "0:1 0:1 0:1");
	set4(ex_popf_1, 0, 0, 0);
	DB_RUN("db.exec_popf_no_rf", ex_popf, on(1, BP_EXEC, 0), NULL);
	set4(ex_iret_at, ex_iret_1, 0, 0);
	DB_RUN("db.exec_iret_rf", ex_iret, on(3, BP_EXEC, 0), "1:2");
}

/* ------ breakpoints on data ------ */

DB_SNIPPET(da_store, "mov $bytes, " DB_DI "\n",
	   "movb $1, 8(" DB_DI ")\n movw $1, 10(" DB_DI ")\n movl $1, 12(" DB_DI ")\n mov 8(" DB_DI "), %eax\n nop\n");
DB_SNIPPET(da_cross, "mov $bytes, " DB_DI "\n",
	   "movl $1, 5(" DB_DI ")\n movl $1, 7(" DB_DI ")\n movl $1, 15(" DB_DI ")\n movl $1, 16(" DB_DI ")\n nop\n");
DB_SNIPPET(da_rmw, "mov $bytes+8, " DB_DI "\n",
	   "incl (" DB_DI ")\n lock incl (" DB_DI ")\n xchg %eax, (" DB_DI ")\n cmp %eax, (" DB_DI ")\n nop\n");
DB_SNIPPET(da_movs, "mov $bytes, " DB_DI "\n mov $bytes+32, " DB_SI "\n mov $4, %ecx\n", "rep movsl\n nop\n");
DB_SNIPPET(da_push, "mov " DB_SP ", " DB_SI "\n mov $push_stack+4096, " DB_SP "\n",
	   "push " DB_AX "\n sub $2048, " DB_SP "\n call 1f\n 1: mov " DB_SI ", " DB_SP "\n");
DB_SNIPPET(da_step, "mov $bytes+8, " DB_DI "\n" DB_TF, "movl $1, (" DB_DI ")\n nop\n" DB_NO_TF);
DB_SNIPPET(da_movss, "mov $bytes+8, " DB_DI "\n mov %ss, (" DB_DI ")\n", "mov (" DB_DI "), %ss\n nop\n nop\n");
DB_SNIPPET(da_movss_int, "mov $bytes+8, " DB_DI "\n mov %ss, (" DB_DI ")\n",
	   "mov (" DB_DI "), %ss\n int $0x81\n nop\n");
DB_SNIPPET(da_movss_step, "mov $bytes+8, " DB_DI "\n mov %ss, (" DB_DI ")\n" DB_TF,
	   "mov (" DB_DI "), %ss\n nop\n nop\n" DB_NO_TF);
DB_SNIPPET(da_fault, "mov $bytes+8, " DB_DI "\n", "mov (" DB_DI "), %ds\n nop\n");
DB_SNIPPET(da_port, "", "out %al, $0x80\n in $0x80, %al\n out %ax, $0x7f\n in $0x84, %al\n out %eax, $0x80\n nop\n");
DB_SNIPPET(da_outs, "mov $bytes, " DB_SI "\n mov $0x80, %edx\n mov $2, %ecx\n", "rep outsb\n nop\n");

static void data(void)
{
	static const struct {
		unsigned len, size;
	} lens[] = {{LEN_1, 1}, {LEN_2, 2}, {LEN_4, 4}, {LEN_8, 8}};
	for (unsigned i = 0; i < sizeof lens / sizeof *lens - (SG_BITS == 32); i++) {
		static char name[] = "db.write_N", access[] = "db.access_N", cross[] = "db.cross_N";
		name[9] = access[10] = cross[9] = (char)('0' + lens[i].size);
		set4(bytes + 8, 0, 0, 0);
		DB_RUN(name, da_store, on(1, BP_WRITE, lens[i].len), NULL);
		DB_RUN(access, da_store, on(1, BP_ACCESS, lens[i].len), NULL);
		DB_RUN(cross, da_cross, on(1, BP_WRITE, lens[i].len), NULL);
	}
	set4(bytes + 8, bytes + 12, bytes + 15, bytes + 14);
	DB_RUN("db.several", da_store, on(3, BP_WRITE, LEN_1) | on(4, BP_ACCESS, LEN_1) | on(8, BP_WRITE, LEN_2), NULL);
	set4(bytes + 8, 0, 0, 0);
	DB_RUN("db.rmw_write", da_rmw, on(1, BP_WRITE, LEN_4), NULL);
	DB_RUN("db.rmw_access", da_rmw, on(1, BP_ACCESS, LEN_4), NULL);
	DB_RUN("db.rep_movs", da_movs, on(1, BP_WRITE, LEN_4), NULL);
	set4(bytes + 36, bytes + 40, 0, 0);
	DB_RUN("db.rep_movs_source", da_movs, on(1, BP_ACCESS, LEN_4) | on(2, BP_WRITE, LEN_4), NULL);
	set4(push_stack + 4096 - sizeof(sg_word), push_stack + 2048 - 2 * sizeof(sg_word), 0, 0);
	DB_RUN("db.push", da_push, on(3, BP_WRITE, LEN_4), NULL);
	set4(bytes + 8, 0, 0, 0);
	DB_RUN("db.write_and_step", da_step, on(1, BP_WRITE, LEN_4), NULL);
	DB_RUN("db.movss_data", da_movss, on(1, BP_ACCESS, LEN_4), NULL);
	DB_RUN("db.movss_data_and_step", da_movss_step, on(1, BP_ACCESS, LEN_4), NULL);
	bytes[8] = 0xf9; /* a selector outside the GDT: #GP, after its bytes were read */
	bytes[9] = 0xff;
	DB_RUN("db.data_of_a_fault", da_fault, on(1, BP_ACCESS, LEN_4), NULL);
	bytes[8] = bytes[9] = 0;
}

static void ports(void)
{
	sg_set_cr(4, sg_cr(4) | CR4_DE);
	db_put(0, 0x80);
	DB_RUN("db.port_1", da_port, on(1, BP_IO, LEN_1), NULL);
	DB_RUN("db.port_4", da_port, on(1, BP_IO, LEN_4), NULL);
	DB_RUN("db.port_rep", da_outs, on(1, BP_IO, LEN_1), NULL);
}

/* ------ INT, which KVMs that emulate do not have ------ */

static void interrupts(void)
{
	sg_handler[0x81] = note_int;
	DB_RUN("db.step_int", st_int, 0, NULL);
	sg_check("db.step_int_tf_in_handler", handler_flags & FLAG_TF, 0);
	sg_handler[V_BP] = note_int;
	DB_RUN("db.step_int3", st_int3, 0, NULL);
	sg_handler[V_BP] = NULL;
	DB_RUN("db.int1", st_int1, 0, "1:0");
	DB_RUN("db.int1_tf", st_int1_tf, 0, NULL);
	set4(bytes + 8, 0, 0, 0);
	sg_handler[0x81] = note_int;
	DB_RUN("db.movss_data_int", da_movss_int, on(1, BP_ACCESS, LEN_4), NULL);
}

/* ------ the rest ------ */

DB_SNIPPET(gd_get, "", "mov %db0, " DB_AX "\n nop\n");
DB_SNIPPET(gd_put, "xor %eax, %eax\n", "mov " DB_AX ", %db0\n nop\n");
DB_SNIPPET(gd_dr5, "", "mov %db5, " DB_AX "\n nop\n");
static sg_word detect_dr7, detect_flags;

static void detect_trap(struct sg_regs *r)
{
	detect_dr7 = db_get(7);
	detect_flags = r->flags;
	db_trap(r);
}

/* General detect: a fault, BD in DR6; GD is clear in the handler. */
static void detect(const char *name, const uint8_t *snippet, const uint8_t *at)
{
	db_begin(at);
	sg_handler[V_DB] = detect_trap;
	detect_dr7 = ~(sg_word)0;
	detect_flags = 0;
	put(7, DR7_FIXED | DR7_GD);
	sg_fault.vector = SG_OK;
	sg_try(db_call, (void *)(uintptr_t)snippet);
	put(7, DR7_FIXED);
	put(7, DR7_FIXED);
	sg_handler[V_DB] = NULL;
	sg_line(name, "%s dr7 %lx %s", db_count ? db_text() : "none", (unsigned long)detect_dr7, sg_fault_text());
}

DB_SNIPPET(br_code, DB_TF, "nop\n jmp 1f\n nop\n 1: xor %eax, %eax\n jnz 2f\n jz 2f\n nop\n 2: nop\n" DB_NO_TF);

static void branches(void)
{
	if (sg_wrmsr(MSR_DEBUGCTL, BTF) != SG_OK) {
		sg_skip("db.btf*", "no DEBUGCTL");
		return;
	}
	uint64_t v = 0;
	sg_rdmsr(MSR_DEBUGCTL, &v);
	sg_check("db.btf_reads", v & BTF, BTF);
	DB_RUN("db.btf", br_code, 0, NULL);
	sg_rdmsr(MSR_DEBUGCTL, &v);
	sg_check("db.btf_cleared", v & BTF, 0);
	db_again = BTF;
	sg_wrmsr(MSR_DEBUGCTL, BTF);
	DB_RUN("db.btf_rearmed", br_code, 0, NULL);
	db_again = 0;
	sg_wrmsr(MSR_DEBUGCTL, 0);
}

/* DR6 gathers: BS stays when a breakpoint comes. */
static uint32_t gathered;
static void gather(struct sg_regs *r)
{
	gathered = (uint32_t)db_get(6);
	r->flags |= FLAG_RF;
}

void sg_group(void)
{
	registers();
	steps();
	code();
	data();
	ports();
	detect("db.gd_read", gd_get, gd_get_at);
	detect("db.gd_write", gd_put, gd_put_at);
	sg_check("db.gd_rf", detect_flags & FLAG_RF, FLAG_RF);
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_DE);
	detect("db.gd_dr5", gd_dr5, gd_dr5_at);
	set4(ex_1, 0, 0, 0);
	db_put(6, 0xffff4ff0);
	sg_handler[V_DB] = gather;
	db_put(7, DR7_FIXED | on(1, BP_EXEC, 0));
	sg_try(db_call, (void *)(uintptr_t)ex_three);
	db_put(7, DR7_FIXED);
	sg_handler[V_DB] = NULL;
	sg_check("db.dr6_gathers", gathered & DR6_BITS, 0x4001);
	branches();
	interrupts();
}
