/* args.h - command lines: one table a verb, filled into the verb's options. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stddef.h>
#include <stdint.h>

enum { STATUS_USAGE = 127 }; /* an unusable file or argument */

enum arg_kind {
	ARG_FLAG,    /* int: 1 when given */
	ARG_TEXT,    /* const char * */
	ARG_SIZE,    /* uint64_t: bytes; K, M, G, T; a bare number is MiB, as for QEMU's -m */
	ARG_COUNT,   /* uint32_t */
	ARG_SECONDS, /* uint32_t: milliseconds */
	ARG_ADDRESS, /* uint64_t: 0x hexadecimal or decimal */
	ARG_NUMBER,  /* uint64_t: the same */
	ARG_CHOICE   /* int: the value of one of `choices` */
};

struct arg_choice {
	const char *name; /* NULL ends the list */
	int value;
};

struct arg {
	const char *name;  /* "--mem"; NULL ends the table */
	const char *alias; /* QEMU's spelling, "-m"; NULL: none */
	enum arg_kind kind;
	size_t offset;     /* of the member in the verb's options */
	uint64_t min, max; /* SIZE, COUNT, SECONDS (in ms), ADDRESS, NUMBER */
	const char *value; /* its name in the help: "SIZE" */
	const char *help;
	const struct arg_choice *choices;
	size_t given;      /* offset of an int that becomes 1 when the flag was given; 0: none (an options struct starts with `help`) */
};

/* An options struct begins with this member; every verb has --help. */
struct arg_common {
	int help;
};

/* Fill the options from argv[0..argc-1]. 0, or STATUS_USAGE with a line on stderr: "vmaccel VERB: flag: reason". */
int args_parse(const char *verb, const struct arg *args, void *options, int argc, char **argv);
void args_help(const char *verb, const char *summary, const struct arg *args);

/* "512M" to bytes: 0, or -1 with *why set. */
int args_size(const char *text, uint64_t unit, uint64_t *bytes, const char **why);

#endif
