/* conf_clock.c - checks of clocks (T096-T099). */
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

static const struct conf_check checks[] = {
	{96, "TSC rises, goes on over save and restore with the time, and from where the host puts it", "x86 clock guest", t096, NULL},
	{97, "TSC_DEADLINE restored after TSC; zero deadline; expired deadline fires once", "x86 clock", NULL,
	 "not written yet"},
	{98, "CNTVCT from where the host puts it; the virtual timer's deadline counted from there", "arm64 clock guest", NULL, NULL,
	 t098_arm64},
	{99, "The guest clock is set an hour ahead and back, and goes on from there", "any clock", t099, NULL, t099},
};

static const struct conf_difference differences[] = {
	{96, VMA_ACCEL_KVM, "a KVM without VMX or SVM emulates: RDTSC does not follow a counter that the host sets", "emulating"},
};

CONF_GROUP(clock, checks, differences, sizeof differences / sizeof *differences);
