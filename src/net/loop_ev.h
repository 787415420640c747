/* For the files of net/ only: the libev loop behind a struct loop. */
#ifndef GRID_NET_LOOP_EV_H
#define GRID_NET_LOOP_EV_H

#include "net/loop.h"

struct ev_loop;

struct ev_loop *loop_ev(struct loop *loop);

#endif
