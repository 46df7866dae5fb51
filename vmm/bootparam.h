/* bootparam.h - Linux's x86 boot protocol: offsets in struct boot_params (Documentation/arch/x86/zero-page.rst), which
 * hold at the same offsets of a bzImage's first sectors too (Documentation/arch/x86/boot.rst). Numbers in brackets:
 * protocol version. */
#ifndef VMM_BOOTPARAM_H
#define VMM_BOOTPARAM_H

enum {
	BP_SIZE = 4096,
	BP_ACPI_RSDP_ADDR = 0x070, /* 8 bytes [2.14] */
	BP_EXT_CMD_LINE_PTR = 0x0c8,
	BP_E820_ENTRIES = 0x1e8, /* 1 byte */
	BP_E820_TABLE = 0x2d0,   /* 20 bytes each: address 8, size 8, type 4 */

	HDR_SETUP_SECTS = 0x1f1,
	HDR_BOOT_FLAG = 0x1fe,   /* 0xaa55 */
	HDR_JUMP_LENGTH = 0x201, /* the header ends at 0x202 + this */
	HDR_MAGIC = 0x202,       /* "HdrS" */
	HDR_VERSION = 0x206,
	HDR_TYPE_OF_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211,
	HDR_CODE32_START = 0x214,
	HDR_RAMDISK_IMAGE = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMD_LINE_PTR = 0x228,
	HDR_INITRD_ADDR_MAX = 0x22c, /* [2.03] */
	HDR_RELOCATABLE = 0x234,     /* [2.05] */
	HDR_XLOADFLAGS = 0x236,      /* [2.12] */
	HDR_CMDLINE_SIZE = 0x238,    /* [2.06] */
	HDR_PAYLOAD_OFFSET = 0x248,  /* [2.08] */
	HDR_PAYLOAD_LENGTH = 0x24c,  /* [2.08] */
	HDR_PREF_ADDRESS = 0x258,    /* [2.10] */
	HDR_INIT_SIZE = 0x260,       /* [2.10] */
	HDR_END_MAX = 0x290          /* boot_params has its EDD buffer from here on */
};

#define HDR_BOOT_FLAG_VALUE 0xaa55u
#define HDR_MAGIC_VALUE 0x53726448u
#define LOADFLAGS_LOADED_HIGH 0x01u
#define XLOADFLAGS_KERNEL_64 0x0001u
#define LOADER_UNKNOWN 0xffu

#endif
