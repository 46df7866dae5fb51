/* cli.h - what the verbs of the command share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>
#include <vmaccel/vmaccel.h>

#include "args.h"

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1, /* `check`: a check failed */
	STATUS_VMM = 125,
	STATUS_ACCEL = 126
};

/* One verb a file. `argv` starts after the verb; returns the exit status. */
int verb_run(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_bench(int argc, char **argv);

extern const struct arg_choice cli_accels[]; /* auto, kvm, soft, ... */
extern const struct arg_choice cli_arches[]; /* x86-64, arm64 */
/* Of an option --arch: what was asked for, or (0) the host's. */
vma_arch cli_arch(int option);

/* Print a JSON value (cJSON, which is freed) as one line on stdout, or in several if `pretty`. */
struct cJSON;
void cli_print_json(struct cJSON *json, int pretty);

/* A platform as `info --json` shows it. */
struct cJSON *cli_platform_json(const vma_platform_info *info);
/* What `bench` measures of the library, as rows of a JSON array. A status. */
int bench_rows(vma_accel accel, vma_arch arch, struct cJSON *list);

/* The exit status that stands for a library error. */
int cli_status(int error);

/* AUTO to the accelerator chosen; 0, or a status with a line on stderr when it is not there. */
int cli_choose(const char *verb, vma_arch arch, vma_accel *accel);

/* Flush stdout; the status, or STATUS_VMM if what was printed could not be written. */
int cli_finish(int status);

#endif
