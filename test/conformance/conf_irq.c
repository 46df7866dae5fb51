/* conf_irq.c - checks of interrupts (T084-T095). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{84, "Inject with IF=1; with IF=0 → window exit; STI / MOV SS shadow; window exit exactly once", "x86 interrupts", NULL,
	 "not written yet"},
	{85, "Two injections before run: queue or reject – same on all (KVM/WHPX overwrite, HAXM queues)", "x86 interrupts", NULL,
	 "not written yet"},
	{86, "Injection during exception delivery (IDT vectoring; IDT in MMIO; #PF while pushing) preserved", "x86 interrupts", NULL,
	 "not written yet"},
	{87, "NMI, NMI masking until IRET, NMI + IRQ priority, NMI in HLT", "x86 interrupts", NULL,
	 "not written yet"},
	{88, "Exception injection with error code, #DB/#BP as trap, soft-int RIP; CR2 for #PF", "x86 interrupts", NULL,
	 "not written yet"},
	{89, "IRQ wakes HLT/WFI; halted vCPU does not burn CPU", "any interrupts", NULL,
	 "not written yet"},
	{90, "LAPIC timer, TSC_DEADLINE, TPR/PPR, EOI broadcast, x2APIC↔xAPIC, ICR SIPI brings AP up", "x86 interrupts", NULL,
	 "not written yet"},
	{91, "INIT preserves/clears the right state; SIPI vector → CS; SIPI before INIT ignored", "x86 interrupts", NULL,
	 "not written yet"},
	{92, "PSCI CPU_ON (twice → ALREADY_ON), CPU_OFF, SYSTEM_RESET, AFFINITY_INFO", "arm64 interrupts", NULL,
	 "arm64 is not written yet"},
	{93, "GIC: SGI/PPI/SPI, mask, priority, EOI, vtimer PPI mask/unmask, level IRQ", "arm64 interrupts", NULL,
	 "arm64 is not written yet"},
	{94, "MSI routes; irqfd/ioeventfd with and without datamatch, 0-length; software emulation equals kernel", "any interrupts", NULL,
	 "not written yet"},
	{95, "Edge vs level, deassert before ack, ExtINT via PIC", "any interrupts", NULL,
	 "not written yet"},
};

CONF_GROUP(irq, checks, NULL, 0);
