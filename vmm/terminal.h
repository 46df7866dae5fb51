/* terminal.h - what of the user's terminal libuv leaves to others: terminal_posix.c, terminal_windows.c. */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

/* Make ready for the bytes of a guest, before input is in raw mode. 1: there is something to put back, whatever way the process ends. */
int terminal_open(void);
/* Write a guest's bytes, UTF-8, to the console that standard output is, as the characters that they are. One thread calls it. 0: there is
 * no such console, and descriptor 1 takes the bytes as they are. */
int terminal_write(const uint8_t *data, size_t size);
/* As it was. Async-signal-safe; any number of times. */
void terminal_close(void);

#endif
