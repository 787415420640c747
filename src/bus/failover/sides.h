/* The two buses below the failover driver. Where something is counted or kept for each, it is an array of SIDES. */
#ifndef GRID_BUS_FAILOVER_SIDES_H
#define GRID_BUS_FAILOVER_SIDES_H

enum side { SIDE_PRIMARY, SIDE_FALLBACK, SIDES };

static inline enum side other_side(enum side side)
{
	return side == SIDE_PRIMARY ? SIDE_FALLBACK : SIDE_PRIMARY;
}

#endif
