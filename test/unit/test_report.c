/* test_report.c - reports of `vmaccel check` are read, and damaged or hostile ones refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/report.h"
#include "test/conformance/conformance.h"

static struct replay replay;
static char error[160];

#define HEAD                                                                                                           \
	"{\"format\":\"vmaccel report\",\"version\":1,"                                                                \
	"\"host\":{\"os\":\"Windows\",\"release\":\"10\"},\"platforms\":["
#define WHPX HEAD "{\"accel\":\"soft\"},{\"accel\":\"whpx\","
#define FACT(key, value) WHPX "\"facts\":{\"" key "\":\"" value "\"}}]}"
#define CHECK(row) WHPX "\"facts\":{},\"checks\":[" row "]}]}"

static int reads(const char *text)
{
	/* exactly as long as it is: the sanitizers see a byte more */
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	int result;

	memcpy(copy, text, size);
	error[0] = 0;
	result = replay_read(copy, size, &replay, error, sizeof(error));
	free(copy);
	return result;
}

static void facts_become_a_simulation(void **state)
{
	(void)state;
	assert_int_equal(
		reads(WHPX
		      "\"facts\":{\"simulation\":\"no\",\"library.WinHvPlatform.dll\":\"yes\",\"function."
		      "WHvMapGpaRange\":\"yes\","
		      "\"function.WHvMapGpaRange2\":\"no\",\"capability.0x00000001\":\"0x00000000 1f00000000000000\","
		      "\"capability.0x0000100a\":\"0x80370300\",\"property-set.0x0000100a\":\"0x80070057\","
		      "\"property-set.0x00001fff\":\"0x00000000\",\"call.WHvSetupPartition\":\"0x80070005\","
		      "\"register.0x00000000\":\"anything\"},\"checks\":[{\"check\":\"T020\",\"result\":\"pass\"},"
		      "{\"check\":\"T117\",\"result\":\"known-difference\",\"reason\":\"\\u0001\"}]}]}"),
		0);
	assert_string_equal(replay.simulation, "24h2,hide=WHvMapGpaRange2,cap=0x00000001:0x00000000:1f00000000000000,"
					       "cap=0x0000100a:0x80370300,prop=0x0000100a:0x80070057,denied");
	assert_string_equal(replay.os, "Windows 10");
	assert_int_equal(replay.count, 2);
	assert_int_equal(replay.rows[0].number, 20);
	assert_int_equal(replay.rows[0].result, CONF_PASS);
	assert_int_equal(replay.rows[1].number, 117);
	assert_int_equal(replay.rows[1].result, CONF_KNOWN);
	assert_int_equal(reads(FACT("library.WinHvPlatform.dll", "no")), 0);
	assert_string_equal(replay.simulation, "24h2,absent");
}

static void hostile_reports(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "not JSON"},
		{"{", "not JSON"},
		{"[]", "not a report"},
		{"{\"format\":7}", "not a report"},
		{"{\"format\":\"vmaccel report\",\"version\":2}", "another version"},
		{"{\"format\":\"vmaccel report\",\"version\":\"1\"}", "another version"},
		{HEAD "]}", "nothing of whpx"},
		{HEAD "7,null,{\"accel\":[]}]}", "nothing of whpx"},
		{WHPX "\"facts\":[]}]}", "no facts"},
		{WHPX "\"facts\":{\"capability.0x00000001\":7}}]}", "\"capability.0x00000001\" is not"},
		{FACT("capability.1", "0x00000000 00"), "\"capability.1\" is not"},
		{FACT("capability.0x00000001", "0x00000000 0"), "is not"},
		{FACT("capability.0x00000001", "0x00000000 "), "is not"},
		{FACT("capability.0x00000001", "0x0000000g 00"), "is not"},
		{FACT("capability.0x00000001", "0x80370300 00"), "is not"},
		{FACT("capability.0x00000001", "0x00000000 00,gpa36"), "is not"},
		{FACT("capability.0x00000001,gpa36", "0x00000000 00"), "is not"},
		{FACT("property-set.0x00000001", "0x00000000 00"), "is not"},
		{FACT("function.WHvX,absent", "no"), "is not"},
		{FACT("function.WHvMapGpaRange", "perhaps"), "is not"},
		{FACT("function.", "no"), "is not"},
		{FACT("library.WinHvPlatform.dll", ""), "is not"},
		{FACT("call.WHvSetupPartition", "0x1"), "is not"},
		{FACT("capability.\\u001b[2J\\u009b\\n", "0x1"), "\"capability.?[2J???\" is not"},
		{CHECK("7"), "a row without a number"},
		{CHECK("{\"check\":\"T020\"}"), "without a result"},
		{CHECK("{\"check\":\"T20\",\"result\":\"pass\"}"), "without a number"},
		{CHECK("{\"check\":\"T0200\",\"result\":\"pass\"}"), "without a number"},
		{CHECK("{\"check\":\"T020\",\"result\":\"PASS\"}"), "without a result"},
		{CHECK("{\"check\":\"T020\",\"result\":\"pa\\u0001ss\"}"), "without a result"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (reads(cases[i].text) != -1 || !strstr(error, cases[i].says))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, error, cases[i].says);
	}
}

static void too_much(void **state)
{
	static char text[1 << 20];
	size_t at;

	(void)state;
	at = (size_t)sprintf(text, "%s", WHPX "\"facts\":{");
	for (unsigned i = 0; i < 5000; i++)
		at += (size_t)sprintf(text + at, "%s\"capability.0x%08x\":\"0x00000000 00\"", i ? "," : "", i);
	strcpy(text + at, "}}]}");
	assert_int_equal(reads(text), -1);
	assert_non_null(strstr(error, "more facts"));
	at = (size_t)sprintf(text, "%s", WHPX "\"facts\":{},\"checks\":[");
	for (unsigned i = 0; i < 600; i++)
		at += (size_t)sprintf(text + at, "%s{\"check\":\"T%03u\",\"result\":\"pass\"}", i ? "," : "", i);
	strcpy(text + at, "]}]}");
	assert_int_equal(reads(text), -1);
	assert_non_null(strstr(error, "more than"));
	memset(text, '[', 1 << 19);
	text[1 << 19] = 0;
	assert_int_equal(reads(text), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_become_a_simulation),
		cmocka_unit_test(hostile_reports),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
