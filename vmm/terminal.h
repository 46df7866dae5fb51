/* terminal.h - what of the user's terminal libuv leaves to others: terminal_posix.c, terminal_windows.c. */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

/* Make ready for the bytes of a guest, before input is in raw mode. 1: there is something to put back, whatever way the process ends. */
int terminal_open(void);
/* As it was. Async-signal-safe; any number of times. */
void terminal_close(void);

#endif
