/* selftest.h - see selftest.c. */
#ifndef CLI_SELFTEST_H
#define CLI_SELFTEST_H

int selftest(void); /* a status */

#endif
