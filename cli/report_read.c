/* report_read.c - a report of somebody's Windows (docs/report.md) made into the text that configures the simulated
 * platform, and into results to compare with. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "conformance.h"

/* As many as the simulation keeps (sim/whpx/replay.h). */
enum { CAPABILITIES_MAX = 128, PROPERTIES_MAX = 128, HIDDEN_MAX = 96 };

struct reading {
	struct replay *out;
	int *capabilities, *properties, *hidden; /* how many there are already */
	char *error;
	size_t error_size;
};

static int refuse(const struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(const struct reading *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->error, r->error_size, format, ap);
	va_end(ap);
	return -1;
}

/* A string member of printable characters; NULL: there is none. */
static const char *text_at(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	for (const char *c = text; c && *c; c++)
		if (*c < ' ' || *c > '~')
			return NULL;
	return text;
}

static int too_many(const struct reading *r)
{
	return refuse(r, "more facts than a simulation takes");
}

static int append(const struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int append(const struct reading *r, const char *format, ...)
{
	char *text = r->out->simulation;
	const size_t room = sizeof(r->out->simulation), used = strlen(text);
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text + used, room - used, format, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= room - used ? too_many(r) : 0;
}

/* ------ facts ------ */

/* "0x" and exactly eight digits */
static int is_code(const char *text)
{
	return text[0] == '0' && text[1] == 'x' && strspn(text + 2, "0123456789abcdef") == 8;
}

/* Keys are somebody else's, and a terminal obeys what it is shown. */
static int bad_fact(const struct reading *r, const char *key)
{
	char shown[61] = "";

	for (size_t i = 0; key[i] && i < sizeof(shown) - 1; i++)
		shown[i] = (char)(key[i] < ' ' || key[i] > '~' ? '?' : key[i]);
	return refuse(r, "facts: \"%s\" is not as a report has it", shown);
}

static int function(const struct reading *r, const char *key, const char *name, const char *value)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

	if (name[n] || n < 4 || n > 60 || (strcmp(value, "yes") && strcmp(value, "no")))
		return bad_fact(r, key);
	if (*value == 'y')
		return 0;
	return ++*r->hidden > HIDDEN_MAX ? too_many(r) : append(r, ",hide=%s", name);
}

/* The HRESULT, and after a blank the bytes. */
static int capability(const struct reading *r, const char *key, const char *code, const char *value)
{
	enum { BYTES_MAX = 64 };
	size_t digits;

	if (!is_code(code) || code[10] || !is_code(value) || (value[10] && value[10] != ' '))
		return bad_fact(r, key);
	if (++*r->capabilities > CAPABILITIES_MAX)
		return too_many(r);
	if (!value[10])
		return append(r, ",cap=%s:%s", code, value);
	if (strncmp(value, "0x00000000", 10))
		return bad_fact(r, key);
	digits = strspn(value + 11, "0123456789abcdef");
	if (!digits || digits % 2 || digits > 2 * BYTES_MAX || value[11 + digits])
		return bad_fact(r, key);
	return append(r, ",cap=%s:%.10s:%s", code, value, value + 11);
}

static int property(const struct reading *r, const char *key, const char *code, const char *value)
{
	if (!is_code(code) || code[10] || !is_code(value) || value[10])
		return bad_fact(r, key);
	if (!strcmp(value, "0x00000000"))
		return 0;
	return ++*r->properties > PROPERTIES_MAX ? too_many(r) : append(r, ",prop=%s:%s", code, value);
}

static int library(const struct reading *r, const char *key, const char *name, const char *value)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return bad_fact(r, key);
	return *value == 'n' && !strcmp(name, "WinHvPlatform.dll") ? append(r, ",absent") : 0;
}

static int set_up(const struct reading *r, const char *key, const char *name, const char *value)
{
	if (!is_code(value) || value[10])
		return bad_fact(r, key);
	return !strcmp(name, "WHvSetupPartition") && !strcmp(value, "0x80070005") ? append(r, ",denied") : 0;
}

/* What the probe found to be otherwise than it is believed to be, in the simulation's words. */
static int trial(const struct reading *r, const char *key, const char *name, const char *value)
{
	static const char *const words[][2] = {{"halt", "halt-at"},	{"debug", "debug-in-dr6"},
					       {"cancel", "cancel-lost"}, {"x2apic", "xapic-only"},
					       {"context", "context-1803"}, {"call", "call-unseen"}};

	if (!strcmp(name, "remap"))
		return !is_code(value) || value[10]	    ? bad_fact(r, key)
		       : !strcmp(value, "0x00000000") ? 0
						      : append(r, ",no-remap");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(name, words[i][0]) && !strncmp(value, "otherwise:", 10))
			return append(r, ",%s", words[i][1]);
	return 0;
}

/* What stands before the key's first point; others are for people. */
static const struct {
	const char *prefix;
	int (*take)(const struct reading *r, const char *key, const char *rest, const char *value);
} kinds[] = {
	{"library.", library},       {"function.", function}, {"capability.", capability},
	{"property-set.", property}, {"call.", set_up},	     {"trial.", trial},
};

static int read_facts(const struct reading *r, const cJSON *facts)
{
	const cJSON *fact;

	if (!cJSON_IsObject(facts))
		return refuse(r, "the platform has no facts");
	cJSON_ArrayForEach(fact, facts)
	{
		const char *value = cJSON_GetStringValue(fact);

		if (!value)
			return bad_fact(r, fact->string);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			const size_t n = strlen(kinds[i].prefix);

			if (!strncmp(fact->string, kinds[i].prefix, n) &&
			    kinds[i].take(r, fact->string, fact->string + n, value))
				return -1;
		}
	}
	return 0;
}

/* ------ results ------ */

int report_result(const char *text)
{
	for (int i = 0; text && i < CONF_RESULTS; i++)
		if (!strcmp(text, conf_results[i]))
			return i;
	return -1;
}

static int read_checks(const struct reading *r, const cJSON *checks)
{
	const int room = sizeof(r->out->rows) / sizeof(*r->out->rows);
	const cJSON *check;

	cJSON_ArrayForEach(check, checks)
	{
		const char *id = text_at(check, "check"), *result = text_at(check, "result");
		struct replay_row row = {.result = report_result(result)};

		if (!id || id[0] != 'T' || strspn(id + 1, "0123456789") != 3 || id[4] || row.result < 0)
			return refuse(r, "checks: a row without a number such as T020, or without a result");
		row.number = atoi(id + 1);
		if (r->out->count == room)
			return refuse(r, "checks: more than %d", room);
		r->out->rows[r->out->count++] = row;
	}
	return 0;
}

static const cJSON *find_platform(const cJSON *report)
{
	const cJSON *platform;

	cJSON_ArrayForEach(platform, cJSON_GetObjectItemCaseSensitive(report, "platforms"))
	{
		const char *accel = text_at(platform, "accel");

		if (accel && !strcmp(accel, "whpx"))
			return platform;
	}
	return NULL;
}

static int read_report(const struct reading *r, const cJSON *report)
{
	const cJSON *platform = find_platform(report), *version = cJSON_GetObjectItemCaseSensitive(report, "version");
	const cJSON *host = cJSON_GetObjectItemCaseSensitive(report, "host");
	const char *format = text_at(report, "format"), *os = text_at(host, "os"), *release = text_at(host, "release");

	if (!format || strcmp(format, "vmaccel report"))
		return refuse(r, "not a report of vmaccel's");
	if (!cJSON_IsNumber(version) || version->valuedouble != 1)
		return refuse(r, "a report of another version than 1");
	if (!platform)
		return refuse(r, "it says nothing of whpx, which is all that can be replayed");
	snprintf(r->out->os, sizeof(r->out->os), "%.60s %.60s", os ? os : "?", release ? release : "");
	if (append(r, "24h2") || read_facts(r, cJSON_GetObjectItemCaseSensitive(platform, "facts")))
		return -1;
	return read_checks(r, cJSON_GetObjectItemCaseSensitive(platform, "checks"));
}

int replay_read(const char *text, size_t size, struct replay *out, char *error, size_t error_size)
{
	int capabilities = 0, properties = 0, hidden = 0;
	const struct reading r = {out, &capabilities, &properties, &hidden, error, error_size};
	cJSON *report = cJSON_ParseWithLength(text, size);
	int result;

	memset(out, 0, sizeof(*out));
	if (!report)
		return refuse(&r, "not JSON");
	result = read_report(&r, report);
	cJSON_Delete(report);
	return result;
}
