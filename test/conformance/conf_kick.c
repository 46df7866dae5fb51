/* conf_kick.c - checks of kicks, pauses and signals (T009-T019). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{9, "Kick before first run → first run returns CANCELED, no guest instruction retired (soft: count==0)", "any kick", NULL,
	 "not written yet"},
	{10, "Kick during guest spin: returns within bound, registers consistent", "any kick", NULL,
	 "not written yet"},
	{11, "Kick racing the exit (10⁶ iterations): exactly one CANCELED or the exit, never both lost, never stale", "any kick", NULL,
	 "not written yet"},
	{12, "Kick consumed by one run; the following run enters the guest", "any kick", NULL,
	 "not written yet"},
	{13, "2 kicks before run = 1 CANCELED", "any kick", NULL,
	 "not written yet"},
	{14, "Kick from a signal handler", "any kick", NULL,
	 "not written yet"},
	{15, "Kick while halted/WFI-blocked wakes at once", "any kick", NULL,
	 "not written yet"},
	{16, "Kick storm during save: state identical, no access violation", "any kick", NULL,
	 "not written yet"},
	{17, "EINTR/EAGAIN from unrelated signal is invisible", "any kick", NULL,
	 "not written yet"},
	{18, "Quiesce idempotent; after quiesce no op changes state until run", "any kick", NULL,
	 "not written yet"},
	{19, "Lost-wake: post irq, kick, run – irq always delivered", "any kick", NULL,
	 "not written yet"},
};

CONF_GROUP(kick, checks, NULL, 0);
