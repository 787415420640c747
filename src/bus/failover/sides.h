/* The two buses below the failover driver. Where something is counted or kept for each, it is an array of SIDES. */
#ifndef GRID_BUS_FAILOVER_SIDES_H
#define GRID_BUS_FAILOVER_SIDES_H

enum side { SIDE_PRIMARY, SIDE_FALLBACK, SIDES };

/* A way is a side in one of its lives: after a bus was lost and is back, what it brings has come another way. */
#define WAY_BITS 8

static inline unsigned way_of(enum side side, unsigned life)
{
	return (life << 1 | (unsigned)side) & ((1u << WAY_BITS) - 1);
}

static inline enum side way_side(unsigned way)
{
	return way & 1 ? SIDE_FALLBACK : SIDE_PRIMARY;
}

static inline enum side other_side(enum side side)
{
	return side == SIDE_PRIMARY ? SIDE_FALLBACK : SIDE_PRIMARY;
}

#endif
