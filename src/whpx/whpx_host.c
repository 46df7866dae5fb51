/* whpx_host.c - what this Windows can do: the probe. Never assume a capability: each is asked for, and one that is not
 * known is not there (WHP, WHvGetCapability). */
#include <stdio.h>
#include <string.h>
#include "whpx/whpx.h"
#include "whpx/whpx_hresults.h"
#ifdef __x86_64__
#include <cpuid.h>
#endif

struct whpx_host whpx_host;

bool whpx_capability(WHV_CAPABILITY_CODE code, void *value, uint32_t size)
{
	_Alignas(16) uint8_t answer[256];
	uint32_t written = 0;
	HRESULT hr = WHPX(GetCapability, code, answer, sizeof(answer), &written);

	if (hr || written < size)
		return false;
	memcpy(value, answer, size);
	return true;
}

/* What Windows does not say the processor does (CPUID 80000008H: SDM vol. 2); the host's may be more than Hyper-V maps.
 */
static uint32_t address_width(void)
{
	uint32_t width = 0;
	unsigned eax = 36, ebx, ecx, edx;

	if (whpx_capability(WHvCapabilityCodePhysicalAddressWidth, &width, sizeof(width)) && width >= 32 && width <= 52)
		return width;
	__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx);
	return eax & 0xff;
}

static void learn(struct whpx_host *h, uint32_t lacks)
{
	static const struct {
		WHV_CAPABILITY_CODE code;
		size_t place;
		uint32_t size;
	} asked[] = {
		{WHvCapabilityCodeFeatures, offsetof(struct whpx_host, features), 8},
		{WHvCapabilityCodeExtendedVmExits, offsetof(struct whpx_host, exits), 8},
		{WHvCapabilityCodeX64MsrExitBitmap, offsetof(struct whpx_host, msr_exits), 8},
		{WHvCapabilityCodeProcessorFeatures, offsetof(struct whpx_host, processor.Bank0), 8},
		{WHvCapabilityCodeProcessorFeaturesBanks, offsetof(struct whpx_host, processor), 24},
		{WHvCapabilityCodeProcessorXsaveFeatures, offsetof(struct whpx_host, xsave), 8},
		{WHvCapabilityCodeProcessorClockFrequency, offsetof(struct whpx_host, tsc_hz), 8},
	};

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		whpx_capability(asked[i].code, (uint8_t *)h + asked[i].place, asked[i].size);
	h->gpa_bits = address_width();
	h->context_size = sizeof(WHV_RUN_VP_EXIT_CONTEXT);
	h->features.Xsave &= !(lacks & VMA_CAP_XSAVE); /* then there are FXSAVE's registers by name, and no AVX */
}

#define FEATURE "the feature \"Windows Hypervisor Platform\""

const char *whpx_absent(const char *hypervisor)
{
	static char text[240];

	if (!strcmp(hypervisor, "Microsoft Hv"))
		return "the Windows hypervisor runs, but " FEATURE " is not enabled";
	snprintf(text, sizeof(text), "the Windows hypervisor does not run: " FEATURE " is not enabled%s%s%s",
		 *hypervisor ? ", or this virtual machine of another hypervisor (\"" : "", hypervisor,
		 *hypervisor ? "\") does not allow it" : "");
	return text;
}

/* HypervisorPresent is FALSE where the feature is off, and where whatever is below Windows does not let its hypervisor
 * run: CPUID names that (TLFS 2.3), or Windows' own hypervisor, which runs on many a PC for other features' sake. */
static const char *absent(const char **remedy)
{
	unsigned id[4] = {0}, eax, ebx, ecx = 0, edx;
	char name[13] = "";

	*remedy = WHPX_MEND;
	__get_cpuid(1, &eax, &ebx, &ecx, &edx);
	if (ecx >> 31 & 1) {
		__cpuid(0x40000000, id[0], id[1], id[2], id[3]);
		memcpy(name, id + 1, 12);
	}
	for (char *c = name; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return whpx_absent(name);
}

static _Alignas(4096) uint8_t page[WHPX_PAGE]; /* the probe's guest memory */

uint64_t whpx_tsc_hz(void)
{
	return whpx_host.tsc_hz ? whpx_host.tsc_hz : os_tsc_hz();
}

/* No capability tells of this: by another frequency than the host's, which every processor has. */
static bool takes_frequency(WHV_PARTITION_HANDLE p)
{
	const uint64_t hz = whpx_tsc_hz() / 4 * 3;

	return WHPX(SetPartitionProperty, p, WHvPartitionPropertyCodeProcessorClockFrequency, &hz, sizeof(hz)) == S_OK;
}

static const char setup[] = "WHvSetupPartition";

/* The native call that failed, if one did. The first is tried out. */
static HRESULT make_one(WHV_PARTITION_HANDLE *p, bool first, const char **call)
{
	uint32_t count = 1;
	HRESULT hr;

	*call = "WHvCreatePartition";
	hr = WHPX(CreatePartition, p);
	if (hr)
		return hr;
	*call = "WHvSetPartitionProperty";
	hr = WHPX(SetPartitionProperty, *p, WHvPartitionPropertyCodeProcessorCount, &count, sizeof(count));
	if (hr)
		return hr;
	if (first) {
		whpx_try_properties(*p);
		whpx_host.tsc_scale = whpx_host.tsc_scale && takes_frequency(*p);
	}
	*call = setup;
	hr = WHPX(SetupPartition, *p);
	if (hr)
		return hr;
	*call = "WHvMapGpaRange";
	hr = WHPX(MapGpaRange, *p, page, 0, sizeof(page), WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagExecute);
	if (hr || !first)
		return hr;
	*call = "WHvCreateVirtualProcessor";
	hr = WHPX(CreateVirtualProcessor, *p, 0, 0);
	if (hr)
		return hr;
	*call = whpx_try_out(*p, page, &hr);
	WHPX(DeleteVirtualProcessor, *p, 0);
	return *call ? hr : S_OK;
}

/* Whether the processor can scale may be found out at the set-up only. */
static HRESULT make_first(WHV_PARTITION_HANDLE *p, const char **call)
{
	HRESULT hr;

	whpx_host.tsc_scale = true;
	hr = make_one(p, true, call);
	if (!hr || *call != setup || !whpx_host.tsc_scale)
		return hr;
	WHPX(DeletePartition, *p);
	*p = NULL;
	whpx_host.tsc_scale = false;
	return make_one(p, true, call);
}

/* A partition is made, set up, given memory and run: access may be denied, and another product may own the processor
 * although a hypervisor is said to be present. And a second one is made, which some Windows refuses a process. NULL: it
 * works. */
static const char *try_partitions(const char **remedy, bool *only_one)
{
	WHV_PARTITION_HANDLE p[2] = {NULL, NULL};
	const char *call, *second;
	HRESULT hr = make_first(&p[0], &call);

	*only_one = !hr && make_one(&p[1], false, &second) != S_OK;
	for (int i = 0; i < 2; i++)
		if (p[i])
			WHPX(DeletePartition, p[i]);
	return hr ? whpx_refusal(hr, call, remedy) : NULL;
}

/* Capability bits by what Windows says; those without a condition are this back end's own doing. */
static uint32_t caps(const struct whpx_host *h, uint32_t lacks)
{
	uint32_t c = VMA_CAP_READONLY | VMA_CAP_EXEC_PROT | VMA_CAP_ALIAS | VMA_CAP_SINGLE_STEP | VMA_CAP_IOEVENTFD;

	c |= h->features.Xsave ? VMA_CAP_XSAVE : 0;
	c |= h->features.DirtyPageTracking ? VMA_CAP_DIRTY_LOG : 0;
	c |= h->features.PartialUnmap ? VMA_CAP_PARTIAL_UNMAP : 0;
	c |= h->exits.X64MsrExit && h->msr_exits.UnhandledMsrs ? VMA_CAP_MSR_EXIT : 0;
	c |= h->features.LocalApicEmulation ? WHPX_CHIP : 0;
	c |= h->exits.X64CpuidExit ? VMA_CAP_CPUID_EXIT : 0;
	c |= h->tsc_scale ? VMA_CAP_TSC_SCALE : 0;
	if (h->exceptions)
		c |= VMA_CAP_SW_BREAK | VMA_CAP_HW_BREAK;
	c |= whpx_hypercall_known(h) ? VMA_CAP_HYPERCALL_EXIT : 0;
	return c & ~lacks;
}

void whpx_probe(vma_platform_info *info)
{
	int32_t present = 0;
	uint32_t lacks;
	bool only_one;

	info->version = "WinHvPlatform.dll";
	info->proved = "simulated, never run on Windows";
	if (whpx_load(&info->why, &info->remedy))
		return;
	if (!whpx_capability(WHvCapabilityCodeHypervisorPresent, &present, sizeof(present)) || !present) {
		info->why = absent(&info->remedy);
		return;
	}
	lacks = whpx_lacks(&info->version);
	learn(&whpx_host, lacks);
	info->why = try_partitions(&info->remedy, &only_one);
	if (info->why)
		return;
	info->why = info->remedy = "";
	info->available = 1;
	info->caps = caps(&whpx_host, lacks);
	info->max_vms = only_one;
	info->max_vcpus = 64; /* one set of processors of the hypervisor's; x86_share has as many */
	info->max_regions = 1024; /* the quota that Windows has is not told */
	info->gpa_bits = whpx_host.gpa_bits;
	info->granule = WHPX_PAGE;
	info->breakpoints = info->caps & VMA_CAP_HW_BREAK ? 4 : 0;
}
