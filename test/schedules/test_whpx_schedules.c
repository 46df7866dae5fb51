/* test_whpx_schedules.c - kicks and calls on WHPX in every order: src/core's kick and run, src/whpx/whpx_kick.c, and a
 * platform that does with runs and cancels whatever it is allowed to, between owners that run and destroy their vCPUs
 * and those who kick, from threads and signal handlers, or call. Each kick makes the current or the next run return
 * CANCELED, once; a call is answered; nobody sleeps for ever; nothing is touched after its end; a cancel meets no
 * deletion. Then the same with faults put into the code, each of which must be found.
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
#include "core/time.c"
#include "core/vcpu.c"
#include "whpx/whpx_kick.c"

enum { OWNERS = 2, KICKERS = 2, LIVES = 2 };

/* ------ what happens ------ */

struct owner_plan {
	unsigned lives; /* vCPUs one after the other */
	unsigned exits; /* runs that the guest may end by itself before it spins */
	unsigned kicks; /* CANCELED runs to wait for; 0: leaves after its exits */
	bool idle;      /* does not run */
	bool called;    /* its guest spins until a call has been answered */
	bool abandons;  /* ends without destroying its vCPU */
};
struct kicker_plan {
	unsigned owner, life, kicks;
	bool patient; /* waits until the kick before has been answered */
	bool handler; /* a signal's handler on the owner's thread */
	bool calls;   /* has the owner call a function instead, and destroys the vCPU of one that has ended */
};
struct plan {
	const char *name;
	struct owner_plan owners[OWNERS];
	struct kicker_plan kickers[KICKERS];
	/* What the platform may do */
	bool late, counts; /* cancels come later; each of them ends a run */
	unsigned spurious; /* exits for no reason */
	unsigned failing;  /* cancels that fail */
	bool lost;         /* a cancel that meets no run is forgotten, as the probe found */
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
	if (fails || (!vp->running && plan->lost) || (!vp->running && explore_fault("a cancel is latched") == FAULT_NOT_DONE))
		;
	else if (plan->late)
		vp->late++;
	else
		vp->latched = plan->counts ? vp->latched + 1 : 1;
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

struct whpx_host whpx_host;

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
	unsigned calls;           /* that were answered, by the owner or not */
	vma_vcpu *called;         /* the vCPU, for the caller */
	int its_owner;
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
			if (plan->kickers[i].calls)
				all.called = v, all.its_owner = explore_self();
			else
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

/* The caller holds on to the kick, or needs it no more. */
static bool may_go_away(const void *v)
{
	return !all.called || all.calls || explore_load(&((const vma_vcpu *)v)->kick->refs, sizeof(unsigned)) > 1;
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
	vp->exits = !p->called || all.calls;
	life->ends = true;
	while (!p->idle && run_is_canceled(life, v))
		;
	if (plan->kickers[0].calls)
		explore_step("may go away", may_go_away, v);
	if (!p->abandons)
		vma_vcpu_destroy(v);
}

static bool was_answered(const void *unused)
{
	(void)unused;
	return all.calls;
}

static void owner(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned life = 0; life < plan->owners[me].lives; life++)
		live(me, life);
	if (plan->kickers[0].calls && !plan->owners[me].abandons)
		explore_step("lives on", was_answered, NULL);
	explore_step("leaves", NULL, NULL);
	if (--all.owners || plan->owners[me].abandons)
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

static int in_the_owner(vma_vcpu *v, void *arg)
{
	(void)arg;
	if (v->owner != os_thread_self())
		explore_fail("the function is called on another thread");
	all.calls++;
	platform.vps[v->index].exits = 1;
	return 7;
}

static bool is_called(const void *unused)
{
	(void)unused;
	return all.called;
}

static bool owner_has_ended(void)
{
	return all.called && explore_ended(all.its_owner);
}

static bool owner_has_ended_or_destroys(const void *p)
{
	return !((const struct owner_plan *)p)->abandons || owner_has_ended();
}

static void caller(void *arg)
{
	const struct owner_plan *p = arg;
	int rc;

	explore_step("vma_vcpu_call", is_called, NULL);
	rc = vma_vcpu_call(all.called, in_the_owner, NULL);
	if (rc != (all.calls ? 7 : VMA_E_OWNER_GONE) || (rc != 7 && p->called))
		explore_fail("the call returned %d", rc);
	all.calls = 1;
	explore_step("may destroy", owner_has_ended_or_destroys, p);
	if (!p->abandons)
		return;
	vma_vcpu_destroy(all.called);
	if (explored_helpers())
		explore_fail("the helper thread outlives the last vCPU");
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
	explored_error = VMA_E_OWNER_GONE;
	explored_time_passes = owner_has_ended;
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
		if (p->calls)
			explore_thread("caller", caller, (void *)(uintptr_t)&plan->owners[p->owner]);
		else if (p->handler)
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
	{"cancels that may be lost", .owners = {{ONE}}, .kickers = {{.kicks = 1}}, .lost = true},
	{"another vCPU in the old one's place", .owners = {{.lives = 2}}, .kickers = {{.kicks = 1}}},
	{"a call, the guest spins", .owners = {{.lives = 1, .called = true}}, .kickers = {{.kicks = 1, .calls = true}}},
	{"a call, the vCPU goes away", .owners = {{.lives = 1}}, .kickers = {{.kicks = 1, .calls = true}}},
	{"a call, its owner ends", .owners = {{.lives = 1, .abandons = true}},
	 .kickers = {{.kicks = 1, .calls = true}}},
	{"two vCPUs, one is kicked", .owners = {{.lives = 1}, {.lives = 1, .idle = true}}, .kickers = {{.kicks = 1}}},
};

/* Each plan on a system with signals and on one without. */
static const char *choose(size_t n)
{
	static char name[80];

	plan = &plans[n / 2];
	whpx_host.tried.cancel = plan->lost ? WHPX_OTHERWISE : WHPX_BELIEVED;
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
		{{"load &r->inside", FAULT_READS_0}, "nobody can go on"},
		{{"store &w->runner.inside", FAULT_NOT_DONE}, "nobody can go on"},
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
		{{"load &k->calls", FAULT_READS_0}, "nobody can go on"},
		{{"broadcast &k->answered", FAULT_NOT_DONE}, "nobody can go on"},
		{{"store &k->gone", FAULT_NOT_DONE}, "nobody can go on"},
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
