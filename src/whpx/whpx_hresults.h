/* whpx_hresults.h - what HRESULTs mean to whoever meets them: which error of the library's, in words, and what mends it
 * (WHP, "Windows Hypervisor Platform error codes"; winerror.h): all that WHP documents, and of the layers below it what a
 * user may meet and do something about. */
#ifndef VMA_WHPX_HRESULTS_H
#define VMA_WHPX_HRESULTS_H

#define WHPX_ENABLE "DISM /Online /Enable-Feature /FeatureName:HypervisorPlatform /All"
#define WHPX_LAUNCH "bcdedit /set hypervisorlaunchtype auto"
#define WHPX_FIRMWARE                                                                                                  \
	"turn on virtualization (Intel VT-x, AMD-V) in the firmware's setup or, in a virtual machine, nested "         \
	"virtualization"
/* Windows' hypervisor does not run for us. */
#define WHPX_MEND                                                                                                      \
	"turn on the Windows feature \"Windows Hypervisor Platform\" (as administrator: " WHPX_ENABLE "; " WHPX_LAUNCH \
	"; and restart), and " WHPX_FIRMWARE

/* X(HRESULT, error, text, what mends it or "") */
#define WHPX_HRESULTS(X) \
	X(WHV_E_UNKNOWN_CAPABILITY, NO_HOST, "this Windows does not know that capability", "") \
	X(WHV_E_INSUFFICIENT_BUFFER, NATIVE, "the buffer is too small", "") \
	X(WHV_E_UNKNOWN_PROPERTY, NO_HOST, "this Windows does not know that property", "") \
	X(WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG, NO_HOST, \
	  "the hypervisor's configuration does not allow it; another product may own the processor's virtualization", \
	  "end the other product, and let Windows' hypervisor start (as administrator: " WHPX_LAUNCH ", and " \
	  "restart)") \
	X(WHV_E_INVALID_PARTITION_CONFIG, NATIVE, "the partition's properties do not fit together", "") \
	X(WHV_E_GPA_RANGE_NOT_FOUND, NATIVE, "nothing is mapped there", "") \
	X(WHV_E_VP_ALREADY_EXISTS, EXIST, "the virtual processor exists", "") \
	X(WHV_E_VP_DOES_NOT_EXIST, NATIVE, "there is no such virtual processor", "") \
	X(WHV_E_INVALID_VP_STATE, NATIVE, "not in this state of the virtual processor", "") \
	X(WHV_E_INVALID_VP_REGISTER_NAME, NO_HOST, "this Windows has no such register", "") \
	X(WHV_E_UNSUPPORTED_PROCESSOR_CONFIG, NO_HOST, "this processor cannot be configured so", "") \
	X(E_NOTIMPL, NO_HOST, "this Windows has not got that function", "") \
	X(E_ACCESSDENIED, PERM, \
	  "access denied", \
	  "add the user to the group \"Hyper-V Administrators\" (as administrator: net localgroup \"Hyper-V " \
	  "Administrators\" NAME /add, and sign in again), or run as administrator") \
	X(E_OUTOFMEMORY, NOMEM, "out of memory", "") \
	X(E_INVALIDARG, NATIVE, "an argument was refused", "") \
	X(ERROR_HV_INVALID_PARAMETER, NATIVE, "the hypervisor refuses a parameter", "") \
	X(ERROR_HV_ACCESS_DENIED, PERM, \
	  "the hypervisor does not allow it to this program", \
	  "if it is a property or the set-up, run as administrator") \
	X(ERROR_HV_OPERATION_DENIED, NATIVE, "the hypervisor does not do it now", "") \
	X(ERROR_HV_INSUFFICIENT_MEMORY, NOMEM, \
	  "the hypervisor has not enough memory", \
	  "end other virtual machines, or give this one less memory") \
	X(ERROR_HV_INVALID_VP_STATE, NATIVE, "not in this state of the virtual processor", "") \
	X(ERROR_HV_NO_RESOURCES, LIMIT, "the hypervisor has nothing left to do it with", "end other virtual machines") \
	X(ERROR_HV_FEATURE_UNAVAILABLE, NO_HOST, "the hypervisor does not offer that feature here", WHPX_FIRMWARE) \
	X(ERROR_HV_CPUID_FEATURE_VALIDATION, FEATURE, \
	  "the hypervisor refuses these processor features", \
	  "choose another CPU model") \
	X(ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION, FEATURE, \
	  "the hypervisor refuses these features of XSAVE", \
	  "choose another CPU model") \
	X(ERROR_HV_INVALID_REGISTER_VALUE, NATIVE, "the hypervisor refuses a register's value", "") \
	X(ERROR_HV_INSUFFICIENT_ROOT_MEMORY, NOMEM, \
	  "Windows has not enough memory for the hypervisor", \
	  "end other virtual machines, or give this one less memory") \
	X(ERROR_HV_NOT_PRESENT, NO_HOST, "no hypervisor runs", WHPX_MEND) \
	X(ERROR_VID_PARTITION_ALREADY_EXISTS, LIMIT, \
	  "this Windows allows one partition with memory in a process", \
	  "use a process for each VM") \
	X(ERROR_VID_EXCEEDED_MBP_ENTRY_MAP_LIMIT, LIMIT, "too much is mapped", "use fewer mappings") \
	X(ERROR_VID_VIRTUAL_PROCESSOR_LIMIT_EXCEEDED, LIMIT, \
	  "Windows does not allow a partition that many virtual processors", \
	  "use fewer vCPUs") \
	X(ERROR_VID_MBP_COUNT_EXCEEDED_LIMIT, LIMIT, "too many pages are mapped", "use fewer mappings")

#endif
