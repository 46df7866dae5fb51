/* host.h - what the command's process asks of its operating system: host_posix.c, host_windows.c. */
#ifndef CLI_HOST_H
#define CLI_HOST_H

/* First of all in main: the arguments in UTF-8, nothing in them expanded; what is printed is UTF-8, and the same bytes everywhere. */
void cli_host_begin(int *argc, char ***argv);

/* Last of all, of a program that is started with the mouse: wait for Enter where the window closes with the program. */
void cli_host_linger(void);

#endif
