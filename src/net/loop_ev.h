/* The libev loop behind a struct loop: for the files of net/, and to be passed on to the bus. */
#ifndef GRID_NET_LOOP_EV_H
#define GRID_NET_LOOP_EV_H

#include "net/loop.h"

struct ev_loop;

struct ev_loop *loop_ev(struct loop *loop);

#endif
