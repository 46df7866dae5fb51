/* client.c - a program of somebody else's on Windows: compiled with mingw-w64's own headers and linked with its import
 * libraries, so that what is called, and how, comes from there. client BUILD EXPORTS: of the WinHvPlatform.dll that
 * should be found. */
#include <windows.h>
#include <winhvplatform.h>
#include <winhvemulation.h>
#include <stdio.h>
#include <string.h>

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			printf("client.c:%d: %s\n", __LINE__, #what);                                                  \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

enum { RAM = 0x10000, DEVICE = 0x20000, VIRTUAL_PROCESSOR = 0 };

/* Real mode: "h" and "i" by OUT, "there" by REP OUTSB, a store to a device, HLT; and, at 1100h, a loop for ever. */
static const BYTE code[] = {
	0xba, 0xf8, 0x03,             /* mov dx, 3f8h */
	0xb0, 'h',  0xee,             /* mov al, 'h'; out dx, al */
	0xb0, 'i',  0xee,             /* mov al, 'i'; out dx, al */
	0xbe, 0x00, 0x20,             /* mov si, 2000h */
	0xb9, 0x05, 0x00,             /* mov cx, 5 */
	0xf3, 0x6e,                   /* rep outsb */
	0xb8, 0x00, 0x20, 0x8e, 0xc0, /* mov ax, 2000h; mov es, ax */
	0x26, 0xa3, 0x10, 0x00,       /* mov es:[10h], ax */
	0xf4                          /* hlt */
};

static WHV_PARTITION_HANDLE partition;
static BYTE *ram;
static char said[16];
static unsigned stored, cancelled;

/* ------ callbacks of the emulator ------ */

static HRESULT CALLBACK on_io(VOID *context, WHV_EMULATOR_IO_ACCESS_INFO *io)
{
	(void)context;
	CHECK(io->Direction && io->Port == 0x3f8 && io->AccessSize == 1);
	said[strlen(said)] = (char)io->Data;
	return S_OK;
}

static HRESULT CALLBACK on_memory(VOID *context, WHV_EMULATOR_MEMORY_ACCESS_INFO *m)
{
	(void)context;
	if (m->GpaAddress < RAM) {
		if (m->Direction)
			memcpy(ram + m->GpaAddress, m->Data, m->AccessSize);
		else
			memcpy(m->Data, ram + m->GpaAddress, m->AccessSize);
		return S_OK;
	}
	CHECK(m->GpaAddress == DEVICE + 0x10 && m->Direction && m->AccessSize == 2);
	stored = m->Data[0] | m->Data[1] << 8;
	return S_OK;
}

static HRESULT CALLBACK on_get(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count, WHV_REGISTER_VALUE *values)
{
	(void)context;
	return WHvGetVirtualProcessorRegisters(partition, VIRTUAL_PROCESSOR, names, count, values);
}

static HRESULT CALLBACK on_set(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count,
			       const WHV_REGISTER_VALUE *values)
{
	(void)context;
	return WHvSetVirtualProcessorRegisters(partition, VIRTUAL_PROCESSOR, names, count, values);
}

static HRESULT CALLBACK on_translate(VOID *context, WHV_GUEST_VIRTUAL_ADDRESS gva, WHV_TRANSLATE_GVA_FLAGS flags,
				     WHV_TRANSLATE_GVA_RESULT_CODE *code_of_result, WHV_GUEST_PHYSICAL_ADDRESS *gpa)
{
	WHV_TRANSLATE_GVA_RESULT result;
	HRESULT hr = WHvTranslateGva(partition, VIRTUAL_PROCESSOR, gva, flags, &result, gpa);
	(void)context;
	*code_of_result = result.ResultCode;
	if (hr == S_OK && result.ResultCode == WHvTranslateGvaResultGpaUnmapped)
		*code_of_result = WHvTranslateGvaResultSuccess; /* a device */
	return hr;
}

static const WHV_EMULATOR_CALLBACKS callbacks = {
	.Size = sizeof callbacks,
	.WHvEmulatorIoPortCallback = on_io,
	.WHvEmulatorMemoryCallback = on_memory,
	.WHvEmulatorGetVirtualProcessorRegisters = on_get,
	.WHvEmulatorSetVirtualProcessorRegisters = on_set,
	.WHvEmulatorTranslateGvaPage = on_translate,
};

/* ------ which DLL it is ------ */

static unsigned build_of(HMODULE dll)
{
	char path[MAX_PATH];
	BYTE data[4096];
	VS_FIXEDFILEINFO *info;
	UINT size;
	DWORD handle;
	CHECK(GetModuleFileNameA(dll, path, sizeof path));
	printf("%s\n", path);
	CHECK(GetFileVersionInfoSizeA(path, &handle) <= sizeof data);
	CHECK(GetFileVersionInfoA(path, 0, sizeof data, data));
	CHECK(VerQueryValueA(data, "\\", (void **)&info, &size));
	CHECK(HIWORD(info->dwFileVersionMS) == 10);
	return HIWORD(info->dwFileVersionLS);
}

static unsigned exports_of(HMODULE dll)
{
	const BYTE *base = (const BYTE *)dll;
	const IMAGE_NT_HEADERS *nt = (const void *)(base + ((const IMAGE_DOS_HEADER *)base)->e_lfanew);
	const IMAGE_EXPORT_DIRECTORY *e = (const void *)(base + nt->OptionalHeader.DataDirectory[0].VirtualAddress);
	return e->NumberOfNames;
}

static void identify(unsigned build, unsigned exports)
{
	HMODULE dll = LoadLibraryExA("WinHvPlatform.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
	CHECK(dll);
	CHECK(build_of(dll) == build);
	CHECK(exports_of(dll) == exports);
	CHECK(exports_of(LoadLibraryExA("WinHvEmulation.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32)) == 4);
	printf("build %u, %u exports\n", build, exports);
}

/* ------ the guest ------ */

static void make(void)
{
	WHV_CAPABILITY c;
	WHV_PARTITION_PROPERTY p;
	UINT32 written;
	CHECK(WHvGetCapability(WHvCapabilityCodeHypervisorPresent, &c, sizeof c, &written) == S_OK &&
	      c.HypervisorPresent);
	CHECK(WHvCreatePartition(&partition) == S_OK);
	memset(&p, 0, sizeof p);
	p.ProcessorCount = 1;
	CHECK(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &p, sizeof p) == S_OK);
	CHECK(WHvSetupPartition(partition) == S_OK);
	ram = VirtualAlloc(NULL, RAM, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	CHECK(ram);
	CHECK(WHvMapGpaRange(partition, ram, 0, RAM,
			     WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute) == S_OK);
	CHECK(WHvCreateVirtualProcessor(partition, VIRTUAL_PROCESSOR, 0) == S_OK);
	memcpy(ram + 0x1000, code, sizeof code);
	memcpy(ram + 0x1100, "\xeb\xfe", 2);
	memcpy(ram + 0x2000, "there", 5);
}

static void start(UINT64 rip)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRflags};
	WHV_REGISTER_VALUE v[3];
	memset(v, 0, sizeof v);
	v[0].Segment.Limit = 0xffff;
	v[0].Segment.Attributes = 0x9b;
	v[1].Reg64 = rip;
	v[2].Reg64 = 2;
	CHECK(WHvSetVirtualProcessorRegisters(partition, VIRTUAL_PROCESSOR, names, 3, v) == S_OK);
}

/* Of no consequence: run again. */
static BOOL spurious(const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	return x->ExitReason == WHvRunVpExitReasonNone || x->ExitReason == WHvRunVpExitReasonCanceled ||
	       (x->ExitReason == WHvRunVpExitReasonMemoryAccess && !x->MemoryAccess.AccessInfo.GpaUnmapped);
}

static void run_guest(WHV_EMULATOR_HANDLE emulator)
{
	WHV_RUN_VP_EXIT_CONTEXT x;
	WHV_EMULATOR_STATUS status;
	for (;;) {
		CHECK(WHvRunVirtualProcessor(partition, VIRTUAL_PROCESSOR, &x, sizeof x) == S_OK);
		if (spurious(&x))
			continue;
		switch (x.ExitReason) {
		case WHvRunVpExitReasonX64IoPortAccess:
			CHECK(WHvEmulatorTryIoEmulation(emulator, NULL, &x.VpContext, &x.IoPortAccess, &status) ==
			      S_OK);
			CHECK(status.EmulationSuccessful);
			break;
		case WHvRunVpExitReasonMemoryAccess:
			CHECK(WHvEmulatorTryMmioEmulation(emulator, NULL, &x.VpContext, &x.MemoryAccess, &status) ==
			      S_OK);
			CHECK(status.EmulationSuccessful);
			break;
		default:
			CHECK(x.ExitReason == WHvRunVpExitReasonX64Halt);
			return;
		}
	}
}

static DWORD WINAPI spin(void *started)
{
	WHV_RUN_VP_EXIT_CONTEXT x;
	SetEvent(started);
	do
		CHECK(WHvRunVirtualProcessor(partition, VIRTUAL_PROCESSOR, &x, sizeof x) == S_OK);
	while (spurious(&x) && x.ExitReason != WHvRunVpExitReasonCanceled);
	return x.ExitReason;
}

/* From another thread, before and while it runs. */
static void cancel(void)
{
	HANDLE started = CreateEventA(NULL, FALSE, FALSE, NULL);
	for (unsigned i = 0; i < 20; i++) {
		DWORD reason;
		HANDLE thread = CreateThread(NULL, 0, spin, started, 0, NULL);
		CHECK(thread && WaitForSingleObject(started, 5000) == WAIT_OBJECT_0);
		if (i & 1)
			Sleep(1);
		CHECK(WHvCancelRunVirtualProcessor(partition, VIRTUAL_PROCESSOR, 0) == S_OK);
		CHECK(WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0 && GetExitCodeThread(thread, &reason));
		CHECK(reason == WHvRunVpExitReasonCanceled);
		CloseHandle(thread);
		cancelled++;
	}
	CloseHandle(started);
}

int main(int argc, char **argv)
{
	WHV_EMULATOR_HANDLE emulator;
	CHECK(argc == 3);
	identify((unsigned)atoi(argv[1]), (unsigned)atoi(argv[2]));
	make();
	start(0x1000);
	CHECK(WHvEmulatorCreateEmulator(&callbacks, &emulator) == S_OK);
	run_guest(emulator);
	CHECK(!strcmp(said, "hithere") && stored == 0x2000);
	start(0x1100);
	cancel();
	CHECK(WHvEmulatorDestroyEmulator(emulator) == S_OK);
	CHECK(WHvDeleteVirtualProcessor(partition, VIRTUAL_PROCESSOR) == S_OK);
	CHECK(WHvDeletePartition(partition) == S_OK);
	printf("\"%s\" said, %x stored, %u runs cancelled\n", said, stored, cancelled);
	return 0;
}
