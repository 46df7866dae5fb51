/* test_pc_schedules.c - the library's interrupt controllers in every order: src/core's kick and run, src/pc, and below
 * it WHPX's kick or a back end that does what docs/porting.md asks for and no more: its kick ends a run that is under
 * way, and nothing else. An owner runs, and halts; others raise an interrupt, an NMI, INIT and SIPI, or kick. Each
 * arrives, once, and nobody sleeps for ever. Then the same with faults put into the code, each of which must be found.
 * test-labels: release */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "whpx/whpx.h"
#include "check.h"
#include "explored.h"
#include "pc/pc.h" /* after explored.h: irq.h has an atomic load of its own */

#define attract kick_attract
#include "core/kick.c"
#undef attract
#include "core/time.c"
#include "core/vcpu.c"
#include "pc/pc.c"
#include "pc/pc_run.c"
#include "pc/pc_state.c"
#include "whpx/whpx_kick.c"

enum { VECTOR = 0x40, SIPI = 9, RESET = 0xf000, OTHERS = 3 };

/* ------ what happens ------ */

/* What others do, and where it arrives. */
enum event { NO_EVENT, INTERRUPT, NMI, INIT, START, KICK, EVENTS };

struct plan {
	const char *name;
	enum event others[OTHERS];
	unsigned halts; /* of the guest, after which it spins */
	bool masked;    /* it begins with IF clear, and sets it some time */
	bool leaves;    /* the owner waits for nothing */
	bool bare;      /* on the bare back end alone: on WHPX it takes minutes, and tells nothing new */
};
static const struct plan *plan;

/* ------ a vCPU ------ */

static struct {
	bool inside, kicked;
	bool iflag, interrupt, nmi; /* IF; what has been injected */
	bool at_reset, at_sipi;     /* it starts there, and has not told yet */
	bool last;                  /* it ends the run by itself */
	unsigned halts;
} cpu;

static bool goes_on(void)
{
	return cpu.interrupt || cpu.nmi || cpu.at_reset || cpu.at_sipi || !cpu.iflag || cpu.halts || cpu.last;
}

static bool goes_on_or_ends(const void *unused)
{
	(void)unused;
	return cpu.kicked || goes_on();
}

static int tells(struct vma_vcpu *v, enum event event)
{
	v->exit.kind = VMA_EXIT_IO;
	v->exit.io.port = (uint16_t)event;
	return VMA_EXIT_IO;
}

static int take(struct vma_vcpu *v, bool *event, enum event which)
{
	*event = false;
	return tells(v, which);
}

/* One step in the guest: the kind of its exit, or 0. */
static int guest(struct vma_vcpu *v)
{
	if (cpu.kicked && (!goes_on() || explore_choose("the kick first", 2))) {
		cpu.kicked = false;
		return VMA_EXIT_CANCELED;
	}
	if (cpu.at_reset)
		return take(v, &cpu.at_reset, INIT);
	if (cpu.at_sipi)
		return take(v, &cpu.at_sipi, START);
	if (cpu.nmi)
		return take(v, &cpu.nmi, NMI);
	if (cpu.interrupt)
		return take(v, &cpu.interrupt, INTERRUPT);
	if (!cpu.iflag) {
		cpu.iflag = true;
		return v->irq_window ? VMA_EXIT_IRQ_WINDOW : 0;
	}
	if (cpu.halts) {
		cpu.halts--;
		return VMA_EXIT_HLT;
	}
	return tells(v, NO_EVENT);
}

static int run_guest(struct vma_vcpu *v)
{
	int kind = 0;

	cpu.inside = true;
	while (!kind) {
		explore_step("in the guest", goes_on_or_ends, NULL);
		kind = guest(v);
	}
	cpu.inside = false;
	explore_saw((uint64_t)kind);
	return kind;
}

/* ------ the bare back end ------ */

static int bare_open(struct vma_vcpu *v)
{
	(void)v;
	return 0;
}

static void bare_close(struct vma_vcpu *v)
{
	(void)v;
}

static void bare_kick(struct vma_kick *k)
{
	(void)k;
	explore_step("the back end's kick", NULL, NULL);
	cpu.kicked = cpu.inside;
}

static int bare_run(struct vma_vcpu *v)
{
	explore_step("enters", NULL, NULL);
	cpu.inside = true;
	cpu.kicked = false;
	if (!atomic_load(&v->kick->attention))
		return run_guest(v);
	cpu.inside = false;
	return VMA_EXIT_CANCELED;
}

static int bare_complete(struct vma_vcpu *v)
{
	(void)v;
	return 0;
}

static int bare_interrupt(struct vma_vcpu *v, uint8_t vector)
{
	(void)v;
	if (cpu.interrupt || !cpu.iflag || vector != VECTOR)
		explore_fail("an interrupt is injected that cannot be");
	cpu.interrupt = true;
	return 0;
}

static int bare_interrupt_ready(struct vma_vcpu *v)
{
	(void)v;
	return cpu.iflag && !cpu.interrupt;
}

static int bare_nmi(struct vma_vcpu *v)
{
	(void)v;
	cpu.nmi = true;
	return 0;
}

static int bare_tpr(struct vma_vcpu *v)
{
	(void)v;
	return 0;
}

static int bare_set_tpr(struct vma_vcpu *v, uint8_t tpr)
{
	(void)v, (void)tpr;
	return 0;
}

static int bare_fetch(struct vma_vcpu *v, uint32_t classes)
{
	if (classes & VMA_C_EVENTS) {
		v->x86.events.nmi_pending = cpu.nmi;
		v->x86.events.interrupt_injected = cpu.interrupt;
	}
	return 0;
}

static int bare_commit(struct vma_vcpu *v, uint32_t classes)
{
	if (!(classes & VMA_C_SREGS))
		return 0;
	cpu.at_reset = !v->index && v->x86.sregs.cs.selector == RESET;
	cpu.at_sipi = v->x86.sregs.cs.selector == SIPI << 8;
	return 0;
}

/* ------ the same by WHPX's kick ------ */

static HRESULT whpx_run_guest(WHV_PARTITION_HANDLE partition, uint32_t index, void *buffer, uint32_t size)
{
	struct vma_vcpu *v = partition;

	(void)index, (void)buffer, (void)size;
	explore_step("WHvRunVirtualProcessor", NULL, NULL);
	v->exit.kind = (uint32_t)run_guest(v);
	return S_OK;
}

static HRESULT whpx_cancel(WHV_PARTITION_HANDLE partition, uint32_t index, uint32_t flags)
{
	(void)partition, (void)index, (void)flags;
	explore_step("WHvCancelRunVirtualProcessor", NULL, NULL);
	cpu.kicked = true;
	return S_OK;
}

struct whpx_host whpx_host;
struct whpx_api whpx_api = {.RunVirtualProcessor = whpx_run_guest, .CancelRunVirtualProcessor = whpx_cancel};

HRESULT whpx_fault(const char *call)
{
	(void)call;
	return S_OK;
}

static struct whpx_vm whpx_half;

static int whpx_open(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = v->priv;

	w->v = v;
	w->vm = &whpx_half;
	whpx_half.partition = v;
	return whpx_runner_add(w);
}

static void whpx_close(struct vma_vcpu *v)
{
	whpx_runner_remove(v->priv);
}

static int whpx_run_once(struct vma_vcpu *v)
{
	return whpx_enter(v->priv) == S_FALSE ? VMA_EXIT_CANCELED : (int)v->exit.kind;
}

/* ------ what else is wanted ------ */

enum { ON_BARE, ON_WHPX, ON_WHPX_WITHOUT_SIGNALS, BACKENDS };
static int backend;

#define CPU                                                                                                            \
	.complete = bare_complete, .fetch = bare_fetch, .commit = bare_commit, .interrupt = bare_interrupt,            \
	.interrupt_ready = bare_interrupt_ready, .nmi = bare_nmi, .get_tpr = bare_tpr, .set_tpr = bare_set_tpr
#define FRONT                                                                                                          \
	.vcpu_open = pc_vcpu_open, .vcpu_close = pc_vcpu_close, .run = pc_run, .complete = pc_complete, .kick = pc_kick
static const struct vma_backend bare = {CPU, .vcpu_open = bare_open, .vcpu_close = bare_close, .run = bare_run,
					.kick = bare_kick};
static const struct vma_backend whpx = {CPU, .vcpu_open = whpx_open, .vcpu_close = whpx_close, .run = whpx_run_once,
					.kick = whpx_kick};
static const struct vma_backend above_bare = {FRONT, .bare = &bare};
static const struct vma_backend above_whpx = {FRONT, .vcpu_size = sizeof(struct whpx_vcpu), .bare = &whpx};

static struct irq_lapic lapics[2];
static struct pc_vcpu *pc_vcpus[2];
static struct pc_vm pc = {.vcpus = pc_vcpus, .chips.lapic = lapics};
static vma_vcpu *places[2];
static vma_vm vm = {.arch = &explored_arch, .phase = VMA_VM_READY, .config.max_vcpus = 2, .pc = &pc, .vcpus = places};

int irq_pc_ack(struct irq_pc *chips, unsigned vcpu)
{
	if (!atomic_load(&chips->lapic[vcpu].pending))
		return -1;
	atomic_store(&chips->lapic[vcpu].pending, 0);
	return VECTOR;
}
uint64_t irq_pc_get_apic_base(const struct irq_pc *chips, unsigned vcpu)
{
	(void)chips, (void)vcpu;
	return 0xfee00900;
}
uint8_t irq_pc_get_cr8(const struct irq_pc *chips, unsigned vcpu)
{
	(void)chips, (void)vcpu;
	return 0;
}
void irq_pc_set_cr8(struct irq_pc *chips, unsigned vcpu, uint8_t cr8)
{
	(void)chips, (void)vcpu, (void)cr8;
}
void irq_pc_reset_vcpu(struct irq_pc *chips, unsigned vcpu)
{
	(void)chips, (void)vcpu;
}
void vma_x86_init_values(const struct vma_vcpu *v, struct vma_x86_state *s)
{
	(void)v;
	s->sregs.cs.selector = RESET;
}
bool pc_answer(struct pc_vcpu *pv, int kind)
{
	(void)pv, (void)kind;
	return false;
}

/* ------ those who take part ------ */

static struct {
	unsigned begun[EVENTS], arrived[EVENTS], expected[EVENTS];
	vma_kick *kick; /* once it can be had */
	unsigned index; /* of the vCPU */
	bool ends;
} all;

static bool all_arrived(void)
{
	for (int i = 1; i < EVENTS; i++)
		if (all.arrived[i] < all.expected[i])
			return false;
	return true;
}

/* Returns what ended the run. */
static enum event run_once(vma_vcpu *v)
{
	int kind = vma_vcpu_run(v);
	enum event event = kind == VMA_EXIT_CANCELED ? KICK : (enum event)v->exit.io.port;

	explore_forget((uint64_t)v->pc->mp << 8 | (uint64_t)v->pc->given << 4 | event);
	if (kind != VMA_EXIT_CANCELED && kind != VMA_EXIT_IO)
		explore_fail("an exit %s", vma_exit_name(kind));
	if (event && ++all.arrived[event] > all.begun[event])
		explore_fail("event %d arrives more often than it was sent", event);
	return event;
}

static void owner(void *unused)
{
	vma_vcpu *v;

	(void)unused;
	vma_vcpu_create(&vm, all.index, &v);
	explore_step("gives its handle away", NULL, NULL);
	vma_vcpu_kick_handle(v, &all.kick);
	while (!plan->leaves && !all_arrived())
		run_once(v);
	all.ends = true;
	cpu.last = true;
	cpu.halts = 0;
	while (v->pc->mp == VMA_MP_RUNNABLE && run_once(v))
		;
	vma_vcpu_destroy(v);
}

static bool is_there(const void *unused)
{
	(void)unused;
	return all.kick;
}

static void raise_interrupt(void)
{
	struct irq_lapic *l = &lapics[all.index];

	os_lock(&pc.lock);
	all.begun[INTERRUPT]++;
	atomic_store_explicit(&l->pending, 1, memory_order_release);
	op_wake(&pc, all.index);
	os_unlock(&pc.lock);
}

static void raise_nmi(void)
{
	os_lock(&pc.lock);
	all.begun[NMI]++;
	op_nmi(&pc, all.index);
	os_unlock(&pc.lock);
}

static void init_bsp(void)
{
	os_lock(&pc.lock);
	all.begun[INIT]++;
	op_init(&pc, all.index);
	os_unlock(&pc.lock);
}

static void start_ap(void)
{
	os_lock(&pc.lock);
	op_init(&pc, all.index);
	os_unlock(&pc.lock);
	os_lock(&pc.lock);
	all.begun[START]++;
	op_sipi(&pc, all.index, SIPI);
	os_unlock(&pc.lock);
}

static void kick(void)
{
	explore_step("vma_kick_send", NULL, NULL);
	all.begun[KICK]++;
	vma_kick_send(all.kick);
}

static void other(void *event)
{
	static void (*const act[EVENTS])(void) = {
		[INTERRUPT] = raise_interrupt, [NMI] = raise_nmi, [INIT] = init_bsp, [START] = start_ap, [KICK] = kick};

	explore_step("the vCPU is there", is_there, NULL);
	act[(uintptr_t)event]();
}

/* ------ exploring a plan ------ */

static void setup(void)
{
	static const char *const names[EVENTS] = {"", "interrupt", "NMI", "INIT", "INIT and SIPI", "kicker"};

	memset(&cpu, 0, sizeof(cpu));
	memset(&all, 0, sizeof(all));
	memset(lapics, 0, sizeof(lapics));
	memset(pc_vcpus, 0, sizeof(pc_vcpus));
	memset(places, 0, sizeof(places));
	os_mutex_init(&vm.lock);
	os_mutex_init(&pc.lock);
	memset(&canceller, 0, sizeof(canceller));
	vm.be = backend == ON_BARE ? &above_bare : &above_whpx;
	pc.bare = vm.be->bare;
	pc.vm = &vm;
	cpu.iflag = !plan->masked;
	cpu.halts = plan->halts;
	explored_signals = backend == ON_WHPX;
	explored_setup();
	explore_memory(&canceller, sizeof(canceller));
	explore_state(&canceller, sizeof(canceller));
	explore_memory(&vm, sizeof(vm));
	explore_memory(&pc, sizeof(pc));
	explore_memory(lapics, sizeof(lapics));
	explore_state(&cpu, sizeof(cpu));
	explore_state(&all, sizeof(all));
	explore_state(pc_vcpus, sizeof(pc_vcpus));
	explore_thread("owner", owner, NULL);
	for (int i = 0; i < OTHERS; i++) {
		enum event event = plan->others[i];

		if (!event)
			continue;
		all.expected[event]++;
		all.index |= event == START;
		explore_thread(names[event], other, (void *)(uintptr_t)event);
	}
}

static const struct plan plans[] = {
	{"an interrupt, the guest spins", .others = {INTERRUPT}},
	{"an interrupt, IF clear", .others = {INTERRUPT}, .masked = true},
	{"an interrupt, the guest halts", .others = {INTERRUPT}, .halts = 1},
	{"an NMI, the guest spins", .others = {NMI}},
	{"an NMI, the guest halts", .others = {NMI}, .halts = 1},
	{"INIT of the boot CPU, which halts", .others = {INIT}, .halts = 1},
	{"INIT and SIPI", .others = {START}},
	{"a kick, the guest halts", .others = {KICK}, .halts = 1},
	{"an interrupt and a kick", .others = {INTERRUPT, KICK}},
	{"an interrupt and a kick, the guest halts", .others = {INTERRUPT, KICK}, .halts = 1, .bare = true},
	{"an NMI and a kick", .others = {NMI, KICK}, .halts = 1, .bare = true},
	{"an interrupt and an NMI", .others = {INTERRUPT, NMI}, .masked = true, .halts = 1, .bare = true},
	{"INIT and SIPI and a kick", .others = {START, KICK}, .bare = true},
	{"an interrupt and a kick, the vCPU goes away", .others = {INTERRUPT, KICK}, .leaves = true},
};

/* Each plan on each back end. */
static const char *choose(size_t n)
{
	static const char *const names[BACKENDS] = {"a bare back end", "WHPX", "WHPX without signals"};
	static char name[100];

	plan = &plans[n / BACKENDS];
	backend = n % BACKENDS;
	if (plan->bare && backend != ON_BARE)
		return NULL;
	snprintf(name, sizeof(name), "%s, on %s", plan->name, names[backend]);
	return name;
}

static const struct checked checked = {.plans = BACKENDS * VMA_COUNT(plans), .choose = choose, .setup = setup};

static void every_order(void **state)
{
	(void)state;
	check_every_order(&checked);
}

static void each_fault_is_found(void **state)
{
	static const struct planted faults[] = {
		{{"store &pv->inside", FAULT_NOT_DONE}, "nobody can go on"},
		{{"load &pv->inside", FAULT_READS_0}, "nobody can go on"},
		{{"fence memory_order_seq_cst", FAULT_NOT_DONE}, "nobody can go on"},
		{{"load &v->kick->attention", FAULT_READS_0}, "nobody can go on"},
		{{"store &v->kick->attention", FAULT_NOT_DONE}, "nobody can go on"},
		{{"store &k->attention", FAULT_NOT_DONE}, "an order of more than"},
		{{"load &k->pending", FAULT_READS_0}, "nobody can go on"},
		{{"load &pv->nmi", FAULT_READS_0}, "nobody can go on"},
		{{"load &pv->init", FAULT_READS_0}, "nobody can go on"},
		{{"load &pv->sipi", FAULT_READS_0}, "nobody can go on"},
		{{"exchange &pv->nmi", FAULT_READS_0}, "nobody can go on"},
		{{"exchange &pv->nmi", FAULT_NOT_DONE}, "an order of more than"},
		{{"exchange &pv->sipi", FAULT_READS_0}, "nobody can go on"},
		{{"set &k->wake", FAULT_NOT_DONE}, "nobody can go on"},
		{{"exchange &k->pending", FAULT_NOT_DONE}, "event 5 arrives more often"},
	};

	(void)state;
	check_planted(&checked, faults, VMA_COUNT(faults));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_order), cmocka_unit_test(each_fault_is_found)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
