/* acpi.c - ACPI 6.4 tables of a PC with fixed hardware (5.2): RSDP, XSDT, FADT, FACS, DSDT, MADT. The RSDP comes first,
 * at the start of the area that a guest without boot information searches. */
#include "acpi.h"

#include <string.h>

#include "aml.h"
#include "devices.h"
#include "layout.h"
#include "le.h"

#define OEM_ID "VMACC "
#define OEM_TABLE "VMACCEL "
#define HEADER 36u    /* 5.2.6: signature, length, revision, checksum, OEM fields, creator */
#define CPUS_MAX 254u /* APIC ids of one byte; 255 is everybody */

/* 5.2.9, table 5.9: offsets in the FADT */
enum {
	FADT_FACS = 36,
	FADT_DSDT = 40,
	FADT_SCI_INT = 46,
	FADT_PM1A_EVT = 56,
	FADT_PM1A_CNT = 64,
	FADT_PM_TMR = 76,
	FADT_PM1_EVT_LEN = 88,
	FADT_PM1_CNT_LEN = 89,
	FADT_PM_TMR_LEN = 91,
	FADT_P_LVL2_LAT = 96,
	FADT_P_LVL3_LAT = 98,
	FADT_CENTURY = 108,
	FADT_BOOT_ARCH = 109,
	FADT_FLAGS = 112,
	FADT_RESET_REG = 116,
	FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140,
	FADT_X_PM1A_EVT = 148,
	FADT_X_PM1A_CNT = 172,
	FADT_X_PM_TMR = 208,
	FADT_SIZE = 276,
	FADT_REVISION = 6
};
enum { BOOT_LEGACY_DEVICES = 1 << 0, BOOT_NO_VGA = 1 << 2 }; /* no 8042: Linux must not look for a keyboard */
enum {
	FLAG_WBINVD = 1 << 0,
	FLAG_PROC_C1 = 1 << 2,
	FLAG_NO_SLEEP_BUTTON = 1 << 5,
	FLAG_NO_RTC_WAKE = 1 << 6,
	FLAG_TIMER_32 = 1 << 8,
	FLAG_RESET = 1 << 10
};
#define RTC_CENTURY 0x32
#define RESET_PORT 0xcf9
#define RESET_VALUE 0x06

/* 5.2.12 */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4, MADT_PCAT_COMPAT = 1 };
#define SCI_FLAGS 0x0d /* active high, level */

struct tables {
	uint8_t *base; /* of LAYOUT_ACPI */
	uint32_t used;
	int failed;
};

static uint8_t checksum(const uint8_t *bytes, uint32_t size)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum += bytes[i];
	return (uint8_t)-sum;
}

/* Room for a table at the next multiple of 64; NULL when the area is full. */
static uint8_t *place(struct tables *t, uint32_t size, uint32_t *gpa)
{
	uint32_t at = (t->used + 63) & ~63u;

	if (t->failed || at > LAYOUT_ACPI_SIZE || size > LAYOUT_ACPI_SIZE - at) {
		t->failed = 1;
		return NULL;
	}
	t->used = at + size;
	*gpa = LAYOUT_ACPI + at;
	return t->base + at;
}

static void finish(uint8_t *table, const char *signature, uint8_t revision, uint32_t size)
{
	memcpy(table, signature, 4);
	put_le32(table + 4, size);
	table[8] = revision;
	memcpy(table + 10, OEM_ID, 6);
	memcpy(table + 16, OEM_TABLE, 8);
	put_le32(table + 24, 1);
	memcpy(table + 28, "VMA ", 4);
	put_le32(table + 32, 1);
	table[9] = 0;
	table[9] = checksum(table, size);
}

static uint32_t write_facs(struct tables *t)
{
	uint32_t gpa = 0;
	uint8_t *facs = place(t, 64, &gpa);

	if (!facs)
		return 0;
	memcpy(facs, "FACS", 4);
	put_le32(facs + 4, 64);
	facs[32] = 2; /* version */
	return gpa;
}

static size_t write_aml(uint8_t *to, size_t size)
{
	static const uint64_t s5[] = {PM_S5_TYPE, PM_S5_TYPE, 0, 0};
	struct aml aml;

	aml_init(&aml, to, size);
	aml_name_package(&aml, "\\_S5", s5, 4);
	aml_scope(&aml, "\\_SB");
	aml_device(&aml, "COM1");
	aml_name_eisa(&aml, "_HID", "PNP0501");
	aml_name_integer(&aml, "_UID", 1);
	aml_name_integer(&aml, "_STA", 15);
	aml_name_io_irq(&aml, "_CRS", 0x3f8, 8, 4);
	aml_end(&aml);
	aml_device(&aml, "RTC");
	aml_name_eisa(&aml, "_HID", "PNP0B00");
	aml_name_io_irq(&aml, "_CRS", 0x70, 2, 8);
	aml_end(&aml);
	aml_end(&aml);
	return aml_finish(&aml);
}

static uint32_t write_dsdt(struct tables *t)
{
	uint32_t gpa = 0, room = 1024;
	uint8_t *dsdt = place(t, HEADER + room, &gpa);
	size_t size;

	if (!dsdt)
		return 0;
	size = write_aml(dsdt + HEADER, room);
	if (!size)
		t->failed = 1;
	t->used -= room - (uint32_t)size;
	finish(dsdt, "DSDT", 2, HEADER + (uint32_t)size);
	return gpa;
}

/* 5.2.3.2, generic address structure: a port */
static void put_port(uint8_t *gas, uint8_t bits, uint16_t port)
{
	gas[0] = 1; /* system I/O */
	gas[1] = bits;
	gas[3] = bits == 8 ? 1 : bits == 16 ? 2 : 3; /* access size */
	put_le64(gas + 4, port);
}

static uint32_t write_fadt(struct tables *t, uint32_t facs, uint32_t dsdt)
{
	uint32_t gpa = 0;
	uint8_t *f = place(t, FADT_SIZE, &gpa);

	if (!f)
		return 0;
	put_le32(f + FADT_FACS, facs);
	put_le32(f + FADT_DSDT, dsdt);
	put_le64(f + FADT_X_DSDT, dsdt);
	put_le16(f + FADT_SCI_INT, PM_SCI);
	put_le32(f + FADT_PM1A_EVT, PM_BASE + PM_EVENT);
	put_le32(f + FADT_PM1A_CNT, PM_BASE + PM_CONTROL);
	put_le32(f + FADT_PM_TMR, PM_BASE + PM_TIMER);
	f[FADT_PM1_EVT_LEN] = 4;
	f[FADT_PM1_CNT_LEN] = 2;
	f[FADT_PM_TMR_LEN] = 4;
	put_le16(f + FADT_P_LVL2_LAT, 0x0fff); /* no C2, no C3 */
	put_le16(f + FADT_P_LVL3_LAT, 0x0fff);
	f[FADT_CENTURY] = RTC_CENTURY;
	put_le16(f + FADT_BOOT_ARCH, BOOT_LEGACY_DEVICES | BOOT_NO_VGA);
	put_le32(f + FADT_FLAGS,
		 FLAG_WBINVD | FLAG_PROC_C1 | FLAG_NO_SLEEP_BUTTON | FLAG_NO_RTC_WAKE | FLAG_TIMER_32 | FLAG_RESET);
	put_port(f + FADT_RESET_REG, 8, RESET_PORT);
	f[FADT_RESET_VALUE] = RESET_VALUE;
	put_port(f + FADT_X_PM1A_EVT, 32, PM_BASE + PM_EVENT);
	put_port(f + FADT_X_PM1A_CNT, 16, PM_BASE + PM_CONTROL);
	put_port(f + FADT_X_PM_TMR, 32, PM_BASE + PM_TIMER);
	finish(f, "FACP", FADT_REVISION, FADT_SIZE);
	return gpa;
}

static uint8_t *put_override(uint8_t *to, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	to[0] = MADT_OVERRIDE;
	to[1] = 10;
	to[3] = irq;
	put_le32(to + 4, gsi);
	put_le16(to + 8, flags);
	return to + 10;
}

static uint32_t write_madt(struct tables *t, uint32_t cpus)
{
	uint32_t gpa = 0, size = HEADER + 8 + cpus * 8 + 12 + 2 * 10 + 6;
	uint8_t *madt = cpus && cpus <= CPUS_MAX ? place(t, size, &gpa) : NULL, *to;

	if (!madt) {
		t->failed = 1;
		return 0;
	}
	put_le32(madt + HEADER, LAYOUT_LAPIC);
	put_le32(madt + HEADER + 4, MADT_PCAT_COMPAT);
	to = madt + HEADER + 8;
	for (uint32_t i = 0; i < cpus; i++, to += 8) {
		to[0] = MADT_LAPIC;
		to[1] = 8;
		to[2] = to[3] = (uint8_t)i; /* processor uid, APIC id */
		put_le32(to + 4, 1);        /* enabled */
	}
	to[0] = MADT_IOAPIC; /* id 0, as it is after reset; its inputs are interrupts 0 to 23 */
	to[1] = 12;
	put_le32(to + 4, LAYOUT_IOAPIC);
	to = put_override(to + 12, 0, 2, 0);
	to = put_override(to, PM_SCI, PM_SCI, SCI_FLAGS);
	to[0] = MADT_LAPIC_NMI;
	to[1] = 6;
	to[2] = 0xff; /* all processors */
	to[5] = 1;    /* LINT1 */
	finish(madt, "APIC", 5, size);
	return gpa;
}

static void write_roots(struct tables *t, uint8_t *rsdp, const uint32_t *entries, unsigned count)
{
	uint32_t gpa = 0;
	uint8_t *xsdt = place(t, HEADER + 8 * count, &gpa);

	if (!xsdt)
		return;
	for (unsigned i = 0; i < count; i++)
		put_le64(xsdt + HEADER + 8 * i, entries[i]);
	finish(xsdt, "XSDT", 1, HEADER + 8 * count);
	memcpy(rsdp, "RSD PTR ", 8); /* 5.2.5.3 */
	memcpy(rsdp + 9, OEM_ID, 6);
	rsdp[15] = 2;
	put_le32(rsdp + 20, 36);
	put_le64(rsdp + 24, gpa);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
}

uint64_t acpi_write(const struct guest_ram *ram, uint32_t cpus)
{
	struct tables t = {.base = ram_at(ram, LAYOUT_ACPI, LAYOUT_ACPI_SIZE)};
	uint32_t rsdp_gpa = 0, facs, dsdt, entries[2];
	uint8_t *rsdp;

	if (!t.base)
		return 0;
	rsdp = place(&t, 36, &rsdp_gpa);
	facs = write_facs(&t);
	dsdt = write_dsdt(&t);
	entries[0] = write_fadt(&t, facs, dsdt);
	entries[1] = write_madt(&t, cpus);
	write_roots(&t, rsdp, entries, 2);
	return t.failed ? 0 : rsdp_gpa;
}
