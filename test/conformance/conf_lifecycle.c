/* conf_lifecycle.c - checks of life of VMs and vCPUs, and threads (T001-T008). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{1, "Create+destroy VM/vCPU 1000×: no fd/handle/mmap/RSS growth", "any lifecycle", NULL,
	 "not written yet"},
	{2, "2nd VM in the same process works or returns E_LIMIT, and works after destroying the first", "any lifecycle", NULL,
	 "not written yet"},
	{3, "VCPU op from foreign thread → E_WRONG_THREAD (strict) or transparent RPC; never UB", "any lifecycle", NULL,
	 "not written yet"},
	{4, "Create N vCPUs from N threads simultaneously 50×", "any lifecycle", NULL,
	 "not written yet"},
	{5, "Destroy VM while another thread holds a kick handle; kick → inert, no crash", "any lifecycle", NULL,
	 "not written yet"},
	{6, "Destroy vCPU with pending exit; destroy VM with mapped memory; order reversed", "any lifecycle", NULL,
	 "not written yet"},
	{7, "Config changes after finalize → E_STATE, partition still usable", "any lifecycle", NULL,
	 "not written yet"},
	{8, "Fork()/exec with VM open: child cannot corrupt parent's VM", "any lifecycle", NULL,
	 "not written yet"},
};

CONF_GROUP(lifecycle, checks, NULL, 0);
