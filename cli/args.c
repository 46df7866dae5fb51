/* args.c - reads command lines by table and refuses what it does not understand, naming it and the reason. */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(const char *verb, const char *flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int usage(const char *verb, const char *flag, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "vmaccel %s: %s: ", verb, flag);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

/* Digits only: strtoull alone takes "-1", " 1" and "". */
static int number(const char *text, int base, uint64_t *value, const char **end, const char **why)
{
	char *stop;

	if (!(base == 16 ? strchr("0123456789abcdefABCDEF", text[0]) : strchr("0123456789", text[0])) || !text[0]) {
		*why = text[0] == '-' ? "must not be negative" : "not a number";
		return -1;
	}
	errno = 0;
	*value = strtoull(text, &stop, base);
	if (errno) {
		*why = "too large";
		return -1;
	}
	*end = stop;
	return 0;
}

int args_size(const char *text, uint64_t unit, uint64_t *bytes, const char **why)
{
	static const char units[] = "BKMGTP";
	const char *end;
	uint64_t value;

	if (number(text, 10, &value, &end, why) < 0)
		return -1;
	if (*end) {
		const char *found = strchr(units, *end >= 'a' && *end <= 'z' ? *end - 32 : *end);

		if (!found || (end[1] && strcmp(end + 1, "iB") && strcmp(end + 1, "ib") && strcmp(end + 1, "B"))) {
			*why = "not a size (a number followed by K, M, G or T)";
			return -1;
		}
		unit = 1ull << (10 * (found - units));
	}
	if (value > UINT64_MAX / unit) {
		*why = "too large";
		return -1;
	}
	*bytes = value * unit;
	return 0;
}

static int whole_number(const char *text, uint64_t *value, const char **why)
{
	int hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *end;

	if (number(hex ? text + 2 : text, hex ? 16 : 10, value, &end, why) < 0)
		return -1;
	if (*end) {
		*why = "not a number";
		return -1;
	}
	return 0;
}

/* Seconds with up to three decimals, to milliseconds. */
static int seconds(const char *text, uint64_t *ms, const char **why)
{
	const char *end;
	uint64_t scale = 100;

	if (number(text, 10, ms, &end, why) < 0)
		return -1;
	if (*ms > UINT32_MAX) {
		*why = "too large";
		return -1;
	}
	*ms *= 1000;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, scale /= 10)
			*ms += (uint64_t)(*end - '0') * scale;
	if (*end) {
		*why = "not a number of seconds";
		return -1;
	}
	return 0;
}

static int choose(const struct arg *arg, const char *text, int *value, const char **why)
{
	static char list[256];
	size_t used = (size_t)snprintf(list, sizeof(list), "not one of");

	for (const struct arg_choice *c = arg->choices; c->name; c++) {
		if (!strcmp(c->name, text)) {
			*value = c->value;
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", c->name);
	}
	*why = list;
	return -1;
}

/* QEMU's long forms of a value: -smp cpus=2, -m size=1G */
static const char *without_key(const struct arg *arg, const char *text)
{
	const char *key = arg->kind == ARG_SIZE ? "size=" : "cpus=";

	return arg->alias && !strncmp(text, key, strlen(key)) ? text + strlen(key) : text;
}

static int convert(const struct arg *arg, const char *text, uint64_t *value, const char **why)
{
	switch (arg->kind) {
	case ARG_SIZE:
		return args_size(without_key(arg, text), 1 << 20, value, why);
	case ARG_COUNT:
		return whole_number(without_key(arg, text), value, why);
	case ARG_SECONDS:
		return seconds(text, value, why);
	default:
		return whole_number(text, value, why);
	}
}

static const char *out_of_range(const struct arg *arg, uint64_t value)
{
	static char text[96];
	unsigned long long least = arg->min, most = arg->max;

	if (value >= arg->min && value <= arg->max)
		return NULL;
	if (arg->kind == ARG_SIZE)
		snprintf(text, sizeof(text), "must be between %lluK and %lluM", least >> 10, most >> 20);
	else if (arg->kind == ARG_SECONDS)
		snprintf(text, sizeof(text), "must be between %llu.%03llu and %llu seconds", least / 1000, least % 1000, most / 1000);
	else
		snprintf(text, sizeof(text), "must be between %llu and %llu", least, most);
	return text;
}

static int store(const char *verb, const char *flag, const struct arg *arg, void *options, const char *text)
{
	char *member = (char *)options + arg->offset;
	const char *why = NULL;
	uint64_t value = 0;

	if (arg->given)
		*(int *)((char *)options + arg->given) = 1;
	if (arg->kind == ARG_TEXT) {
		*(const char **)member = text;
		return 0;
	}
	if (arg->kind == ARG_CHOICE) {
		if (choose(arg, text, (int *)member, &why) < 0)
			return usage(verb, flag, "'%s' is %s", text, why);
		return 0;
	}
	if (convert(arg, text, &value, &why) < 0 || (why = out_of_range(arg, value)))
		return usage(verb, flag, "'%s': %s", text, why);
	if (arg->kind == ARG_SIZE || arg->kind == ARG_ADDRESS || arg->kind == ARG_NUMBER)
		*(uint64_t *)member = value;
	else
		*(uint32_t *)member = (uint32_t)value;
	return 0;
}

/* The row of a word on the command line; *value: what follows its "=", if anything. "--mem" may be written "-mem", as QEMU lets one. */
static const struct arg *find(const struct arg *args, const char *word, const char **value)
{
	const char *equals = word[0] == '-' && word[1] == '-' ? strchr(word, '=') : NULL;
	size_t length = equals ? (size_t)(equals - word) : strlen(word);

	*value = equals ? equals + 1 : NULL;
	for (; args->name; args++) {
		if (strlen(args->name) == length && !memcmp(args->name, word, length))
			return args;
		if (args->alias && !strcmp(args->alias, word))
			return args;
	}
	return NULL;
}

int args_parse(const char *verb, const struct arg *args, void *options, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *value, *word = argv[i];
		const struct arg *arg;

		if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
			((struct arg_common *)options)->help = 1;
			continue;
		}
		arg = find(args, word, &value);
		if (!arg)
			return usage(verb, word, word[0] == '-' ? "unknown flag; see vmaccel %s --help" :
			                                          "unexpected argument; see vmaccel %s --help", verb);
		if (arg->kind == ARG_FLAG) {
			if (value)
				return usage(verb, arg->name, "takes no value");
			*(int *)((char *)options + arg->offset) = 1;
			continue;
		}
		if (!value && i + 1 == argc)
			return usage(verb, word, "needs a value (%s)", arg->value);
		if (store(verb, word, arg, options, value ? value : argv[++i]))
			return STATUS_USAGE;
	}
	return 0;
}

void args_help(const char *verb, const char *summary, const struct arg *args)
{
	printf("vmaccel %s: %s\n\n", verb, summary);
	for (; args->name; args++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s%s%s", args->name, args->alias ? ", " : "", args->alias ? args->alias : "",
			 args->value ? " " : "", args->value ? args->value : "");
		printf("  %-30s %s\n", left, args->help);
	}
}
