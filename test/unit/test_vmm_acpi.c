/* test_vmm_acpi.c - the ACPI tables as a guest walks them, and the AML writer's lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "acpi.h"
#include "aml.h"
#include "devices.h"
#include "layout.h"
#include "le.h"

static struct guest_ram ram = {.count = 1};

static int setup(void **state)
{
	(void)state;
	if (!ram.region[0].hva)
		ram.region[0] = (struct ram_region){0, 2u << 20, malloc(2u << 20)};
	memset(ram.region[0].hva, 0, 2u << 20);
	return 0;
}

static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *t = ram.region[0].hva + gpa;
	uint32_t size = get_le32(t + 4);
	uint8_t sum = 0;

	assert_true(gpa >= LAYOUT_ACPI && gpa + size <= LAYOUT_ACPI + LAYOUT_ACPI_SIZE);
	assert_memory_equal(t, signature, 4);
	for (uint32_t i = 0; i < size; i++)
		sum += t[i];
	assert_int_equal(sum, 0);
	return t;
}

static void tables(void **state)
{
	uint64_t rsdp = acpi_write(&ram, 4);
	const uint8_t *r = ram.region[0].hva + rsdp, *xsdt, *fadt, *madt, *dsdt;
	uint8_t sum = 0;

	(void)state;
	assert_int_equal(rsdp, 0xe0000);
	assert_memory_equal(r, "RSD PTR ", 8);
	for (unsigned i = 0; i < 36; i++)
		sum += r[i];
	assert_int_equal(sum, 0);
	xsdt = table(get_le64(r + 24), "XSDT");
	assert_int_equal(get_le32(xsdt + 4), 36 + 2 * 8);
	fadt = table(get_le64(xsdt + 36), "FACP");
	assert_int_equal(get_le16(fadt + 46), 9);
	assert_int_equal(get_le32(fadt + 56), PM_BASE);
	assert_int_equal(get_le32(fadt + 64), PM_BASE + 4);
	assert_int_equal(get_le32(fadt + 112) & (1u << 20), 0); /* not hardware-reduced */
	assert_int_equal(get_le64(fadt + 116 + 4), 0xcf9);
	dsdt = table(get_le32(fadt + 40), "DSDT");
	assert_int_equal(get_le64(fadt + 140), get_le32(fadt + 40));
	/* Name (\_S5_, Package (4) {5, 5, 0, 0}) */
	assert_memory_equal(dsdt + 36, "\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00", 15);
	assert_int_equal(get_le32(fadt + 36) % 64, 0);
	assert_memory_equal(ram.region[0].hva + get_le32(fadt + 36), "FACS", 4);
	madt = table(get_le64(xsdt + 44), "APIC");
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(madt[44 + 8 * i], 0);
		assert_int_equal(madt[44 + 8 * i + 3], i);
	}
	assert_int_equal(madt[44 + 32], 1);
	assert_int_equal(get_le32(madt + 44 + 32 + 4), 0xfec00000);
	assert_memory_equal(madt + 44 + 32 + 12, "\x02\x0a\x00\x00\x02\x00\x00\x00\x00\x00", 10);
	assert_memory_equal(madt + 44 + 32 + 22, "\x02\x0a\x00\x09\x09\x00\x00\x00\x0d\x00", 10);
}

static void limits(void **state)
{
	struct guest_ram small = {.count = 1, .region = {{0, 0x90000, ram.region[0].hva}}};

	(void)state;
	assert_int_equal(acpi_write(&small, 1), 0);
	assert_int_equal(acpi_write(&ram, 0), 0);
	assert_int_equal(acpi_write(&ram, 255), 0);
	setup(state);
	assert_int_equal(acpi_write(&ram, 254), 0xe0000);
}

/* 20.2.4: one byte up to 63, two up to 4095, three above; the length counts itself. */
static void package_lengths(void **state)
{
	static uint8_t bytes[8192];
	static const struct {
		size_t body, width;
		uint8_t first, second;
	} cases[] = {{62, 1, 63, 0},
		     {63, 2, 0x40 | (65 & 15), 65 >> 4},
		     {4093, 2, 0x40 | (4095 & 15), 255},
		     {4094, 3, 0x80 | (4097 & 15), (4097 >> 4) & 255}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct aml aml;

		aml_init(&aml, bytes, sizeof(bytes));
		aml_scope(&aml, "ABCD");
		while (aml.used < 1 + cases[i].body)
			aml.to[aml.used++] = 0xa3; /* Noop */
		aml_end(&aml);
		assert_int_equal(aml_finish(&aml), 1 + cases[i].width + cases[i].body);
		assert_int_equal(bytes[1], cases[i].first);
		if (cases[i].width > 1)
			assert_int_equal(bytes[2], cases[i].second);
		assert_memory_equal(bytes + 1 + cases[i].width, "ABCD", 4);
	}
}

static void aml_misuse(void **state)
{
	uint8_t bytes[16];
	struct aml aml;

	(void)state;
	aml_init(&aml, bytes, sizeof(bytes));
	aml_name_integer(&aml, "TOOLONG", 1);
	assert_int_equal(aml_finish(&aml), 0);
	aml_init(&aml, bytes, sizeof(bytes));
	aml_scope(&aml, "ABCD");
	assert_int_equal(aml_finish(&aml), 0); /* still open */
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), 6);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	aml_init(&aml, bytes, sizeof(bytes));
	aml_name_eisa(&aml, "_HID", "PNP0501");
	assert_memory_equal(bytes, "\x08_HID\x0c\x41\xd0\x05\x01", 10);
	aml_name_integer(&aml, "ABCD", UINT64_MAX); /* does not fit any more */
	assert_int_equal(aml_finish(&aml), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tables, setup),
		cmocka_unit_test_setup(limits, setup),
		cmocka_unit_test_setup(package_lengths, setup),
		cmocka_unit_test_setup(aml_misuse, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(ram.region[0].hva);
	return failed;
}
