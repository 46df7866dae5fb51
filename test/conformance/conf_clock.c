/* conf_clock.c - checks of clocks (T096-T099, T124, T125). */
#include <time.h>
#include <unistd.h>
#include "bodies_arm64.h"
#include "guest.h"

/* ------ T096 ------ */

static int guest_tsc(struct guest *g, uint64_t *tsc)
{
	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	*tsc = (guest_get(g, VMA_X86_RAX) & UINT32_MAX) | guest_get(g, VMA_X86_RDX) << 32;
	return CONF_PASS;
}

/* Read by the guest, over a save and restore with the time, and after the host set it. */
static int t096(struct conf *conf)
{
	static uint8_t blob[16384];
	static const uint32_t msr = 0x10;
	const uint64_t far = 1ull << 50;
	size_t size = sizeof blob;
	uint64_t before, after;
	struct guest g;

	CONF_TRY(guest_open(&g, conf, NULL, "\x0f\x31\xf4", 3)); /* rdtsc; hlt */
	CONF_TRY(guest_tsc(&g, &before));
	CONF_TRY(guest_tsc(&g, &after));
	CONF_EXPECT(conf, after > before);
	CONF_OK(conf, vma_vcpu_save(g.v, blob, &size, VMA_STATE_TIME));
	CONF_OK(conf, vma_vcpu_restore(g.v, blob, size, VMA_STATE_TIME, NULL));
	CONF_TRY(guest_tsc(&g, &before));
	CONF_EXPECT(conf, before > after);
	CONF_EQUAL(conf, vma_x86_set_msrs(g.v, &msr, &far, 1), 1);
	CONF_TRY(guest_tsc(&g, &after));
	CONF_EXPECT(conf, after >= far && after - far < 1ull << 40);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T099 ------ */

/* A clock put an hour ahead goes on from there; put back after a pause, it has stood still. */
static int t099(struct conf *conf)
{
	const uint64_t hour = 3600ull * 1000000000, slack = 10ull * 1000000000;
	uint64_t at, now;
	struct guest g;

	if (!(conf->info.caps & VMA_CAP_CLOCK))
		return conf_skip(conf, "%s has no guest clock", conf->info.name);
	CONF_TRY(guest_open(&g, conf, &(struct guest_options){.mode = GUEST_RESET}, NULL, 0));
	CONF_OK(conf, vma_vm_clock_get(g.vm, &at));
	CONF_OK(conf, vma_vm_clock_set(g.vm, at + hour));
	CONF_OK(conf, vma_vm_clock_get(g.vm, &now));
	CONF_EXPECT(conf, now >= at + hour && now < at + hour + slack);
	CONF_OK(conf, vma_vm_clock_set(g.vm, at));
	CONF_OK(conf, vma_vm_clock_get(g.vm, &now));
	CONF_EXPECT(conf, now >= at && now < at + slack);
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T124 ------ */

static uint64_t host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct look {
	uint64_t before, tsc, after; /* the guest read it between these two of the host's ns */
};

static int look(struct guest *g, struct look *l)
{
	l->before = host_ns();
	CONF_TRY(guest_tsc(g, &l->tsc));
	l->after = host_ns();
	return CONF_PASS;
}

static bool fits(const struct look *a, const struct look *b, uint64_t hz)
{
	double ticks = (double)(b->tsc - a->tsc), ns = 1e9 / (double)hz;

	return ticks * ns > 0.99 * (double)(b->before - a->after) && ticks * ns < 1.01 * (double)(b->after - a->before);
}

/* A host may stop or jump, but not each time. */
static int measured(struct guest *g, uint64_t hz)
{
	static const uint32_t msr = 0x10;
	struct look first, last;
	uint64_t now;

	for (int tries = 0; tries < 5; tries++) {
		CONF_TRY(look(g, &first));
		usleep(50000);
		CONF_EQUAL(g->conf, vma_x86_get_msrs(g->v, &msr, &now, 1), 1);
		CONF_TRY(look(g, &last));
		CONF_EXPECT(g->conf, now > first.tsc && now < last.tsc);
		if (fits(&first, &last, hz))
			return CONF_PASS;
	}
	return conf_fail(g->conf, "asked for %llu Hz; %llu ticks in %llu .. %llu ns", (unsigned long long)hz,
			 (unsigned long long)(last.tsc - first.tsc), (unsigned long long)(last.before - first.after),
			 (unsigned long long)(last.after - first.before));
}

static int t124(struct conf *conf)
{
	static const uint64_t hz[] = {700000000, 3300000000};
	struct guest g;

	if (!(conf->info.caps & VMA_CAP_TSC_SCALE))
		return conf_skip(conf, "%s does not scale the TSC", conf->info.name);
	for (size_t i = 0; i < sizeof hz / sizeof *hz; i++) {
		CONF_TRY(guest_open(&g, conf, &(struct guest_options){.mode = GUEST_LONG, .tsc_hz = hz[i]}, "\x0f\x31\xf4", 3));
		GUEST_TRY(&g, measured(&g, hz[i]));
		guest_close(&g);
	}
	return CONF_PASS;
}

/* ------ T125 ------ */

enum { CPUS = 3, BLOB = 16384 };

/* How far b's TSC is ahead of a's, which goes on while they are looked at: the narrowest of some looks. */
static int ahead(struct conf *conf, vma_vcpu *a, vma_vcpu *b, int64_t *least, int64_t *most)
{
	static const uint32_t msr = 0x10;
	uint64_t first, there, last, width = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		CONF_EQUAL(conf, vma_x86_get_msrs(a, &msr, &first, 1), 1);
		CONF_EQUAL(conf, vma_x86_get_msrs(b, &msr, &there, 1), 1);
		CONF_EQUAL(conf, vma_x86_get_msrs(a, &msr, &last, 1), 1);
		if (last - first >= width)
			continue;
		width = last - first;
		*least = (int64_t)(there - last);
		*most = (int64_t)(there - first);
	}
	return CONF_PASS;
}

/* Each is saved and restored 10 ms after the one before, in the other order. */
static int over_and_back(struct guest *g, vma_vcpu *v[CPUS])
{
	static uint8_t blob[CPUS][BLOB];
	struct conf *conf = g->conf;
	size_t size[CPUS];

	for (int i = 0; i < CPUS; i++) {
		size[i] = BLOB;
		CONF_OK(conf, vma_vcpu_save(v[i], blob[i], &size[i], VMA_STATE_TIME));
		usleep(10000);
	}
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	for (int i = CPUS; i-- > 0;) {
		usleep(10000);
		CONF_OK(conf, vma_vcpu_restore(v[i], blob[i], size[i], VMA_STATE_TIME, NULL));
	}
	return guest_run(g, VMA_EXIT_HLT);
}

static int kept(struct guest *g)
{
	int64_t least[2][CPUS], most[2][CPUS];
	struct conf *conf = g->conf;
	vma_vcpu *v[CPUS] = {g->v};

	for (uint32_t i = 1; i < CPUS; i++)
		CONF_OK(conf, vma_vcpu_create(g->vm, i, &v[i]));
	for (int after = 0; after < 2; after++) {
		if (after)
			CONF_TRY(over_and_back(g, v));
		for (int i = 1; i < CPUS; i++)
			CONF_TRY(ahead(conf, v[0], v[i], &least[after][i], &most[after][i]));
	}
	for (int i = 1; i < CPUS; i++)
		if (least[1][i] > most[0][i] || most[1][i] < least[0][i])
			return conf_fail(conf, "vCPU %d's TSC was %lld .. %lld ahead, and is %lld .. %lld", i,
					 (long long)least[0][i], (long long)most[0][i], (long long)least[1][i],
					 (long long)most[1][i]);
	return CONF_PASS;
}

static int t125(struct conf *conf)
{
	return guest_with(conf, &(struct guest_options){.mode = GUEST_LONG, .cpus = CPUS}, "\xf4\xf4", 2, kept);
}

static const struct conf_check checks[] = {
	{96, "TSC rises, goes on over save and restore with the time, and from where the host puts it", "x86 clock guest", t096, NULL},
	{97, "TSC_DEADLINE restored after TSC; zero deadline; expired deadline fires once", "x86 clock", NULL,
	 "not written yet"},
	{98, "CNTVCT from where the host puts it; the virtual timer's deadline counted from there", "arm64 clock guest", NULL, NULL,
	 t098_arm64},
	{99, "The guest clock is set an hour ahead and back, and goes on from there", "any clock", t099, NULL, t099},
	{124, "A TSC at a frequency of choice runs at that", "x86 clock guest", t124, NULL},
	{125, "TSCs of several vCPUs, saved and restored one after another with the time, are as far apart as they were",
	 "x86 clock guest", t125, NULL},
};

static const struct conf_difference differences[] = {
	{96, VMA_ACCEL_KVM, "a KVM without VMX or SVM emulates: RDTSC does not follow a counter that the host sets", "emulating"},
};

CONF_GROUP(clock, checks, differences, sizeof differences / sizeof *differences);
