/* The libev loop behind a struct loop: for the files of net/, and to be passed on to the bus. */
#ifndef GRID_NET_LOOP_EV_H
#define GRID_NET_LOOP_EV_H

#include <ev.h>

#include "net/loop.h"

/* When several things wait: everything else comes first; then the flush, when nothing of that is left; newcomers last,
 * so that a crowd of them does not hold up what those get who are connected. */
#define PRIORITY_FLUSH (EV_MINPRI + 1)
#define PRIORITY_DOOR EV_MINPRI

struct ev_loop *loop_ev(struct loop *loop);

#endif
