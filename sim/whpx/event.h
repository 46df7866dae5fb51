/* event.h - Windows' event objects by their handles. Where there are none a handle is an eventfd's number. */
#ifndef WHPX_SIM_EVENT_H
#define WHPX_SIM_EVENT_H

void *whpsim_event_open(void *handle); /* one of our own to the same event; NULL: that is no event */
void whpsim_event_set(void *event);
void whpsim_event_close(void *event);

#endif
