/* start.S - the system guests' entry (Xen's PVH: 32-bit protected mode, paging off), first page tables, descriptor
 * tables, the 256 entries of the IDT, sg_try and sg_enter. Built for 64-bit and for 32-bit programs. */
#ifdef __x86_64__
#define WORD .quad
#define AX %rax
#define SP %rsp
#else
#define WORD .long
#define AX %eax
#define SP %esp
#endif

	.section .note.pvh, "a", @note
	.long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long sg_start32

	.section .text.start, "ax"
	.code32
	.globl sg_start32
sg_start32:
	cli
	cld
	mov $sg_stack_main, %esp
#ifdef __x86_64__
	mov $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax /* LME NXE */
	wrmsr
#else
	mov $0x10, %eax /* PSE */
	mov %eax, %cr4
#endif
	mov $sg_root, %eax
	mov %eax, %cr3
	mov $0x80010031, %eax /* PG WP NE ET PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $begin
#ifdef __x86_64__
	.code64
#endif
begin:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
#ifndef __x86_64__
	mov $0x10, %eax
	mov %eax, %fs
	mov %eax, %gs
#endif
	call sg_main
1:	hlt
	jmp 1b

/* ------ exceptions ------ */

	.balign 16
	.globl sg_stub
sg_stub:
	.set n, 0
	.rept 256
	.balign 16
	.if (n != 8) && (n != 10) && (n != 11) && (n != 12) && (n != 13) && (n != 14) && (n != 17) && (n != 21) && (n != 29) && (n != 30)
	push $0
	.endif
	push $n
	jmp trap
	.set n, n + 1
	.endr

#ifdef __x86_64__
trap:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call sg_trap
	test %rax, %rax
	jnz unwind
	mov %rbp, %rsp
load_all:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.globl sg_try, sg_enter_regs
sg_try: /* (fn, arg) */
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	pushfq
	push sg_jump(%rip)
	mov %rsp, sg_jump(%rip)
	mov %rdi, %rax
	mov %rsi, %rdi
	sub $8, %rsp
	call *%rax
	mov sg_jump(%rip), %rax
unwind: /* RAX: the stack that sg_jump remembers */
	mov %rax, %rsp
	pop sg_jump(%rip)
	popfq
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	movslq sg_fault(%rip), %rax
	ret
sg_enter_regs:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	pushfq
	push sg_jump(%rip)
	mov %rsp, sg_jump(%rip)
	mov %rdi, %rsp
	jmp load_all

	/* Paging off and on again by way of 32-bit code: (cr3, cr4, efer). Answers in 64-bit mode. */
	.globl sg_repage
sg_repage:
	push %rbx
	push %rbp
	mov %rdi, %rbx
	mov %rsi, %rbp
	mov %rdx, %rdi
	mov %rsp, %rsi
	lea 1f(%rip), %rax
	push $0x38 /* SG_CODE_C32 */
	push %rax
	lretq
	.code32
1:	mov $0x10, %eax
	mov %eax, %ss
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov %ebp, %cr4
	mov %ebx, %cr3
	mov %edi, %eax
	xor %edx, %edx
	mov $0xc0000080, %ecx
	wrmsr
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	ljmp $0x08, $2f
	.code64
2:	mov %rsi, %rsp
	pop %rbp
	pop %rbx
	ret
#else
trap:
	push %eax
	push %ecx
	push %edx
	push %ebx
	push %esp
	push %ebp
	push %esi
	push %edi
	push %ds
	push %es
	push %fs
	push %gs
	cld
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %esp, %ebp
	push %ebp
	call sg_trap
	mov %ebp, %esp
	test %eax, %eax
	jnz unwind
	pop %gs
	pop %fs
	pop %es
	pop %ds
	popal
	add $8, %esp
	iretl

	.globl sg_try, sg_enter_regs
sg_try: /* (fn, arg) */
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	push %ebp
	push %ebx
	push %esi
	push %edi
	pushfl
	push %fs
	push %gs
	pushl sg_jump
	mov %esp, sg_jump
	push %ecx
	call *%eax
	mov sg_jump, %eax
unwind: /* EAX: the stack that sg_jump remembers */
	mov $0x10, %ecx
	mov %ecx, %ss
	mov %eax, %esp
	popl sg_jump
	pop %gs
	pop %fs
	popfl
	pop %edi
	pop %esi
	pop %ebx
	pop %ebp
	mov sg_fault, %eax
	ret
sg_enter_regs: /* (regs, own): own: ring 0, its frame is on its stack already */
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	push %ebp
	push %ebx
	push %esi
	push %edi
	pushfl
	push %fs
	push %gs
	pushl sg_jump
	mov %esp, sg_jump
	mov %eax, %esp
	test %ecx, %ecx
	jnz 1f
	pop %gs
	pop %fs
	pop %es
	pop %ds
	popal
	add $8, %esp
	iretl
1:	pop %gs
	pop %fs
	pop %es
	pop %ds
	popal
	mov 20(%esp), %esp /* the frame's ESP; the three words of IRET are below it */
	lea -12(%esp), %esp
	iretl
#endif

/* ------ tables ------ */

	.data
	.balign 4
	.globl sg_jump
sg_jump:
	WORD 0
gdt_pointer:
	.word 0x200 - 1
	WORD sg_gdt

	.balign 16
	.globl sg_gdt
sg_gdt:
	.quad 0
#ifdef __x86_64__
	.quad 0x00af9b000000ffff
#else
	.quad 0x00cf9b000000ffff
#endif
	.quad 0x00cf93000000ffff
#ifdef __x86_64__
	.quad 0x00affb000000ffff
#else
	.quad 0x00cffb000000ffff
#endif
	.quad 0x00cff3000000ffff
	.quad 0, 0 /* TSS, by sg_main */
	.quad 0x00cf9b000000ffff
	.quad 0x00cffb000000ffff
	.quad 0x00009b000000ffff
	.quad 0x000093000000ffff
	.fill 0x200 - (. - sg_gdt), 1, 0

	.balign 4096
	.globl sg_root
sg_root:
#ifdef __x86_64__
	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:
	.quad pd0 + 7, pd1 + 7, 0, pd3 + 7
	.fill 508, 8, 0
pd0:
	.set n, 0
	.rept 512
	.quad (n << 21) + 0x83
	.set n, n + 1
	.endr
pd1:
	.set n, 0
	.rept 8
	.quad (n << 21) + 0x87
	.set n, n + 1
	.endr
	.fill 504, 8, 0
pd3:
	.set n, 0
	.rept 512
	.quad (3 << 30) + (n << 21) + 0x9b
	.set n, n + 1
	.endr
#else
	.set n, 0
	.rept 256
	.long (n << 22) + 0x83
	.set n, n + 1
	.endr
	.set n, 0
	.rept 4
	.long (n << 22) + 0x87
	.set n, n + 1
	.endr
	.fill 508, 4, 0
	.set n, 768
	.rept 256
	.long (n << 22) + 0x9b
	.set n, n + 1
	.endr
#endif

	.bss
	.balign 4096
	.globl sg_stack_main, sg_stack_trap, sg_stack_ist, sg_stack_try, sg_stack_user
	.skip 16384
sg_stack_main:
	.skip 8192
sg_stack_trap:
	.skip 8192
sg_stack_ist:
	.skip 8192
sg_stack_try:
	.skip 8192
sg_stack_user:
	.skip 64

	.section .note.GNU-stack, "", @progbits
