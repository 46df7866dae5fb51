/* fuzz_loader_bzimage.c - the bzImage loader. The first byte chooses: the rest is a whole file, or only the payload of
 * a good one, so that the decompressors and the ELF stream behind them are reached without a good header having to be
 * guessed. */
#include "bootparam.h"
#include "fuzz_loader.h"
#include "le.h"

#define CODE 1024u
#define PAYLOAD_MAX (256u << 10)

static void wrap(uint8_t *image, const uint8_t *data, size_t size)
{
	memset(image, 0, CODE);
	image[HDR_SETUP_SECTS] = 1;
	put_le16(image + HDR_BOOT_FLAG, HDR_BOOT_FLAG_VALUE);
	image[HDR_JUMP_LENGTH] = 0x6a;
	put_le32(image + HDR_MAGIC, HDR_MAGIC_VALUE);
	put_le16(image + HDR_VERSION, 0x020f);
	image[HDR_LOADFLAGS] = LOADFLAGS_LOADED_HIGH;
	put_le32(image + HDR_INITRD_ADDR_MAX, 0x7fffffff);
	put_le32(image + HDR_CMDLINE_SIZE, 2047);
	put_le32(image + HDR_PAYLOAD_OFFSET, 16);
	put_le32(image + HDR_PAYLOAD_LENGTH, (uint32_t)size);
	memcpy(image + CODE + 16, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t image[CODE + 16 + PAYLOAD_MAX];
	struct boot_request request = {.rsdp = LAYOUT_ACPI};

	if (size < 1 || size > PAYLOAD_MAX)
		return 0;
	request.entry = (enum vmm_entry)(data[0] >> 1 & 3);
	if (data[0] & 1) {
		fuzz_load(load_bzimage, data + 1, size - 1, request);
		return 0;
	}
	wrap(image, data + 1, size - 1);
	request.entry = VMM_ENTRY_DIRECT;
	fuzz_load(load_bzimage, image, CODE + 16 + size - 1, request);
	return 0;
}
