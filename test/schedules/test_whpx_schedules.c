/* test_whpx_schedules.c - the kick on WHPX in every order: src/core's kick and run, src/whpx/whpx_kick.c, and a
 * platform that does with runs and cancels whatever it is allowed to, between owners that run and destroy their vCPUs
 * and kickers in threads and signal handlers. Each kick makes the current or the next run return CANCELED, once; nobody
 * sleeps for ever; nothing is touched after its end; a cancel meets no deletion. Then the same with faults put into
 * the code, each of which must be found.
 * test-labels: release
 * test-timeout: 300 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "whpx/whpx.h"
#include "check.h"
#include "explored.h"

#include "core/kick.c"
#include "core/vcpu.c"
#include "whpx/whpx_kick.c"

enum { OWNERS = 2, KICKERS = 2, LIVES = 2 };

/* ------ what happens ------ */

struct owner_plan {
	unsigned lives; /* vCPUs one after the other */
	unsigned exits; /* runs that the guest may end by itself before it spins */
	unsigned kicks; /* CANCELED runs to wait for; 0: leaves after its exits */
	bool idle;      /* does not run */
};
struct kicker_plan {
	unsigned owner, life, kicks;
	bool patient; /* waits until the kick before has been answered */
	bool handler; /* a signal's handler on the owner's thread */
};
struct plan {
	const char *name;
	struct owner_plan owners[OWNERS];
	struct kicker_plan kickers[KICKERS];
	/* What the platform may do */
	bool late, counts; /* cancels come later; each of them ends a run */
	unsigned spurious; /* exits for no reason */
	unsigned failing;  /* cancels that fail */
};
static const struct plan *plan;
static bool signals;

/* ------ the platform ------ */

struct vp {
	bool exists, running, cancelling;
	unsigned latched, late;
	unsigned exits; /* what its guest may still do by itself */
};
static struct {
	bool partition;
	struct vp vps[OWNERS];
	unsigned spurious, failing;
} platform;

static struct vp *vp_of(const char *call, WHV_PARTITION_HANDLE partition, uint32_t index)
{
	if (partition != &platform || !platform.partition || index >= OWNERS || !platform.vps[index].exists)
		explore_fail("%s: the virtual processor or its partition is deleted", call);
	return &platform.vps[index];
}

static bool takes_cancel(struct vp *vp)
{
	if (!vp->latched)
		return false;
	vp->latched = plan->counts ? vp->latched - 1 : 0;
	return true;
}

static bool run_can_end(const void *p)
{
	const struct vp *vp = p;

	return vp->latched || vp->exits || platform.spurious;
}

/* A cancel that meets the guest's own exit ends this run, or the next one, or is forgotten. */
static WHV_RUN_VP_EXIT_REASON end_of_run(struct vp *vp)
{
	bool canceled = vp->latched && (!vp->exits || !explore_choose("the guest exits first", 2));

	if (canceled && takes_cancel(vp))
		return WHvRunVpExitReasonCanceled;
	if (!vp->exits || (platform.spurious && explore_choose("an exit for no reason", 2))) {
		platform.spurious--;
		return explore_choose("a Canceled", 2) ? WHvRunVpExitReasonCanceled : WHvRunVpExitReasonNone;
	}
	vp->exits--;
	if (vp->latched && explore_choose("the cancel is forgotten", 2))
		takes_cancel(vp);
	return WHvRunVpExitReasonX64Halt;
}

static HRESULT run_vp(WHV_PARTITION_HANDLE partition, uint32_t index, void *buffer, uint32_t size)
{
	WHV_RUN_VP_EXIT_CONTEXT *x = buffer;
	struct vp *vp;

	(void)size;
	explore_step("WHvRunVirtualProcessor", NULL, NULL);
	vp = vp_of("run", partition, index);
	vp->running = true;
	if (takes_cancel(vp)) {
		x->ExitReason = WHvRunVpExitReasonCanceled;
	} else {
		explore_step("in the guest", run_can_end, vp);
		x->ExitReason = end_of_run(vp);
	}
	explore_saw(x->ExitReason);
	vp->running = false;
	return S_OK;
}

static HRESULT cancel_vp(WHV_PARTITION_HANDLE partition, uint32_t index, uint32_t flags)
{
	bool fails = false;
	struct vp *vp;

	(void)flags;
	if (explore_in_handler())
		explore_fail("WHvCancelRunVirtualProcessor in a signal handler");
	explore_step("WHvCancelRunVirtualProcessor", NULL, NULL);
	vp = vp_of("cancel", partition, index);
	if (platform.failing && explore_choose("the cancel fails", 2)) {
		platform.failing--;
		fails = true;
	}
	vp->cancelling = true;
	explore_step("in WHvCancelRunVirtualProcessor", NULL, NULL);
	if (fails || (!vp->running && explore_fault("a cancel is latched") == FAULT_NOT_DONE))
		;
	else if (plan->late)
		vp->late++;
	else
		vp->latched++;
	vp->cancelling = false;
	return fails ? WHV_E_INVALID_VP_STATE : S_OK;
}

static HRESULT delete_vp(WHV_PARTITION_HANDLE partition, uint32_t index)
{
	struct vp *vp;

	explore_step("WHvDeleteVirtualProcessor", NULL, NULL);
	vp = vp_of("delete", partition, index);
	if (vp->running || vp->cancelling)
		explore_fail("the virtual processor is deleted in a %s", vp->running ? "run" : "cancel");
	*vp = (struct vp){0};
	return S_OK;
}

static bool is_late(const void *p)
{
	return ((const struct vp *)p)->late;
}

static void late_cancels(void *p)
{
	struct vp *vp = p;

	for (;;) {
		explore_step("a late cancel takes effect", is_late, vp);
		vp->late--;
		vp->latched++;
	}
}

struct whpx_api whpx_api = {
	.RunVirtualProcessor = run_vp, .CancelRunVirtualProcessor = cancel_vp, .DeleteVirtualProcessor = delete_vp};

HRESULT whpx_fault(const char *call)
{
	(void)call;
	return S_OK;
}

/* ------ the back end and what else the core wants ------ */

static struct whpx_vm whpx_half = {.partition = &platform};

static int open_vp(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = v->priv;

	w->v = v;
	w->vm = &whpx_half;
	platform.vps[v->index].exists = true;
	return whpx_runner_add(w);
}

static void close_vp(struct vma_vcpu *v)
{
	bool late = explore_fault("removed before it is deleted") == FAULT_LATE;

	if (!late)
		whpx_runner_remove(v->priv);
	whpx_api.DeleteVirtualProcessor(&platform, v->index);
	if (late)
		whpx_runner_remove(v->priv);
}

static int run_once(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = v->priv;
	HRESULT hr = whpx_enter(w);

	if (hr == S_FALSE || w->ctx.ExitReason != WHvRunVpExitReasonX64Halt)
		return VMA_EXIT_CANCELED;
	v->exit.kind = VMA_EXIT_HLT;
	return VMA_EXIT_HLT;
}

static const struct vma_backend backend = {.vcpu_size = sizeof(struct whpx_vcpu),
					   .vcpu_open = open_vp,
					   .vcpu_close = close_vp,
					   .run = run_once,
					   .kick = whpx_kick};

static vma_vm vm = {.be = &backend, .arch = &explored_arch, .phase = VMA_VM_READY, .config.max_vcpus = OWNERS};
static vma_vcpu *places[OWNERS];

/* ------ those who take part ------ */

static struct {
	struct life {
		unsigned begun, done; /* kicks */
		unsigned answered;    /* runs that returned CANCELED */
		unsigned settled;     /* kicks begun when the last of them returned */
		bool ends;            /* in its last runs */
	} lives[OWNERS][LIVES];
	vma_kick *kicks[KICKERS]; /* handles, once they can be had */
	unsigned owners;          /* that are still there */
} all;

static bool is_for(const struct kicker_plan *p, unsigned me, unsigned life)
{
	return p->kicks && p->owner == me && p->life == life;
}

static void hand_out(unsigned me, unsigned life, vma_vcpu *v)
{
	for (unsigned i = 0; i < KICKERS; i++)
		if (is_for(&plan->kickers[i], me, life)) {
			explore_step("gives a handle away", NULL, NULL);
			vma_vcpu_kick_handle(v, &all.kicks[i]);
		}
}

/* One run. A kick that was sent before it began, and after what the last CANCELED stands for, ends it. */
static bool run_is_canceled(struct life *life, vma_vcpu *v)
{
	unsigned sent;
	int kind;

	explore_step("vma_vcpu_run", NULL, NULL);
	sent = life->done;
	explore_saw(sent);
	kind = vma_vcpu_run(v);
	explore_forget(kind == VMA_EXIT_CANCELED);
	if (kind == VMA_EXIT_CANCELED) {
		if (++life->answered > life->begun)
			explore_fail("CANCELED more often than there were kicks");
		life->settled = life->begun;
		return true;
	}
	if (sent > life->settled)
		explore_fail("a kick was sent before the run, which did not return CANCELED");
	return false;
}

static void live(unsigned me, unsigned number)
{
	const struct owner_plan *p = &plan->owners[me];
	struct life *life = &all.lives[me][number];
	struct vp *vp = &platform.vps[me];
	vma_vcpu *v;

	vma_vcpu_create(&vm, me, &v);
	hand_out(me, number, v);
	vp->exits = p->exits;
	while (life->answered < p->kicks || vp->exits)
		run_is_canceled(life, v);
	/* The kicks to wait for are answered: one more run, which ends by itself. */
	vp->exits = 1;
	life->ends = true;
	while (!p->idle && run_is_canceled(life, v))
		;
	vma_vcpu_destroy(v);
}

static void owner(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned life = 0; life < plan->owners[me].lives; life++)
		live(me, life);
	explore_step("leaves", NULL, NULL);
	if (--all.owners)
		return;
	platform.partition = false;
	if (explored_helpers())
		explore_fail("the helper thread outlives the last vCPU");
}

static bool has_handle(const void *i)
{
	return all.kicks[(uintptr_t)i];
}

static struct life *life_of(const struct kicker_plan *p)
{
	return &all.lives[p->owner][p->life];
}

static bool may_kick_again(const void *i)
{
	const struct kicker_plan *p = &plan->kickers[(uintptr_t)i];

	return !p->patient || life_of(p)->answered == life_of(p)->begun;
}

static void kicker(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	const struct kicker_plan *p = &plan->kickers[i];

	explore_step("has a handle", has_handle, arg);
	for (unsigned n = 0; n < p->kicks; n++) {
		explore_step("vma_kick_send", may_kick_again, arg);
		life_of(p)->begun++;
		vma_kick_send(all.kicks[i]);
		explore_forget(n);
		life_of(p)->done++;
	}
	if (!p->handler)
		vma_kick_unref(all.kicks[i]);
}

/* ------ exploring a plan ------ */

static void setup(void)
{
	int owners[OWNERS];

	memset(&canceller, 0, sizeof(canceller));
	memset(&platform, 0, sizeof(platform));
	memset(&all, 0, sizeof(all));
	memset(places, 0, sizeof(places));
	memset(&vm.lock, 0, sizeof(vm.lock));
	vm.vcpus = places;
	platform.partition = true;
	platform.spurious = plan->spurious;
	platform.failing = plan->failing;
	explored_signals = signals;
	explored_setup();
	explore_memory(&canceller, sizeof(canceller));
	explore_memory(&vm, sizeof(vm));
	explore_state(&platform, sizeof(platform));
	explore_state(&all, sizeof(all));
	explore_state(&canceller, sizeof(canceller));
	explore_state(places, sizeof(places));
	for (uintptr_t i = 0; i < OWNERS; i++)
		if (plan->owners[i].lives) {
			owners[i] = explore_thread(i ? "owner 2" : "owner", owner, (void *)i);
			all.owners++;
			if (plan->late)
				explore_daemon("platform", late_cancels, &platform.vps[i]);
		}
	for (uintptr_t i = 0; i < KICKERS; i++) {
		const struct kicker_plan *p = &plan->kickers[i];

		if (!p->kicks)
			continue;
		if (p->handler)
			explore_handler("handler", kicker, (void *)i, owners[p->owner], has_handle);
		else
			explore_thread(i ? "kicker 2" : "kicker", kicker, (void *)i);
	}
}

#define ONE .lives = 1, .exits = 1, .kicks = 1
static const struct plan plans[] = {
	{"a guest that spins", .owners = {{.lives = 1, .kicks = 1}}, .kickers = {{.kicks = 1}}},
	{"a guest that exits once", .owners = {{ONE}}, .kickers = {{.kicks = 1}}},
	{"an owner that does not wait", .owners = {{.lives = 1, .exits = 1}}, .kickers = {{.kicks = 1}}},
	{"one kick after the other", .owners = {{.lives = 1, .exits = 1, .kicks = 2}},
	 .kickers = {{.kicks = 2, .patient = true}}},
	{"two kickers", .owners = {{.lives = 1, .kicks = 1}}, .kickers = {{.kicks = 1}, {.kicks = 1}}},
	{"a kick from a handler on the owner", .owners = {{ONE}}, .kickers = {{.kicks = 1, .handler = true}}},
	{"a cancel that takes effect late", .owners = {{ONE}}, .kickers = {{.kicks = 1}}, .late = true},
	{"cancels that are counted", .owners = {{.lives = 1, .exits = 1, .kicks = 2}},
	 .kickers = {{.kicks = 2, .patient = true}}, .counts = true},
	{"an exit for no reason", .owners = {{ONE}}, .kickers = {{.kicks = 1}}, .spurious = 1},
	{"a cancel that fails", .owners = {{ONE}}, .kickers = {{.kicks = 1}}, .failing = 1},
	{"another vCPU in the old one's place", .owners = {{.lives = 2}}, .kickers = {{.kicks = 1}}},
	{"two vCPUs, one is kicked", .owners = {{.lives = 1}, {.lives = 1, .idle = true}}, .kickers = {{.kicks = 1}}},
};

/* Each plan on a system with signals and on one without. */
static const char *choose(size_t n)
{
	static char name[80];

	plan = &plans[n / 2];
	signals = !(n & 1);
	if (plan->kickers[0].handler && !signals)
		return NULL;
	snprintf(name, sizeof(name), "%s, %ssignals", plan->name, signals ? "" : "no ");
	return name;
}

static const struct checked checked = {.plans = 2 * VMA_COUNT(plans), .choose = choose, .setup = setup};

static void every_order(void **state)
{
	(void)state;
	check_every_order(&checked);
}

static void each_fault_is_found(void **state)
{
	static const struct planted faults[] = {
		{{"load &w->v->kick->attention", FAULT_READS_0}, "nobody can go on"},
		{{"load &w->runner.running", FAULT_READS_1}, "nobody can go on"},
		{{"store &w->runner.running", FAULT_LATE}, "nobody can go on"},
		{{"store &w->runner.running", FAULT_NOT_DONE}, "nobody can go on"},
		{{"exchange &r->running", FAULT_LATE}, "nobody can go on"},
		{{"store &r->running", FAULT_NOT_DONE}, "nobody can go on"},
		{{"lock &canceller.lock", FAULT_NOT_DONE}, "the virtual processor is deleted in a cancel"},
		{{"removed before it is deleted", FAULT_LATE}, "the virtual processor is deleted in a cancel"},
		{{"set &canceller.wake", FAULT_NOT_DONE}, "nobody can go on"},
		{{"there are signals", FAULT_READS_0}, "lock &canceller.lock: not in a signal handler"},
		{{"join canceller.worker", FAULT_NOT_DONE}, "the helper thread outlives"},
		{{"store &canceller.quit", FAULT_NOT_DONE}, "nobody can go on"},
		{{"store &k->pending", FAULT_NOT_DONE}, "nobody can go on"},
		{{"store &k->attention", FAULT_NOT_DONE}, "nobody can go on"},
		{{"exchange &k->pending", FAULT_NOT_DONE}, "CANCELED more often"},
		{{"exchange &k->pending", FAULT_READS_1}, "CANCELED more often"},
		{{"subtract &k->refs", FAULT_READS_1}, "load &r->kick->attention: it has been freed"},
		{{"a cancel is latched", FAULT_NOT_DONE}, "nobody can go on"},
	};

	(void)state;
	check_planted(&checked, faults, VMA_COUNT(faults));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_order), cmocka_unit_test(each_fault_is_found)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
