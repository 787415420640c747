#include "bus/redis/counters.h"

#include "base/err.h"

#define COUNT(field, name, labels, help) METRIC_COUNTER_ROW(struct redis_counters, field, name, labels, help)
#define GAUGE(field, name, labels, help) METRIC_GAUGE_ROW(struct redis_counters, field, name, labels, help)

static const struct metric_row rows[] = {
    GAUGE(subscriber.connected, "grid_redis_connected", "link=\"subscriber\"", "1 while the link is in use"),
    GAUGE(publisher.connected, "grid_redis_connected", "link=\"publisher\"", "1 while the link is in use"),
    COUNT(subscriber.connects, "grid_redis_connects_total", "link=\"subscriber\"", "Logins that worked"),
    COUNT(publisher.connects, "grid_redis_connects_total", "link=\"publisher\"", "Logins that worked"),
    COUNT(subscriber.failures, "grid_redis_connect_failures_total", "link=\"subscriber\"", "Logins that did not work"),
    COUNT(publisher.failures, "grid_redis_connect_failures_total", "link=\"publisher\"", "Logins that did not work"),
    COUNT(subscriber.losses, "grid_redis_losses_total", "link=\"subscriber\"", "Times a link in use was lost"),
    COUNT(publisher.losses, "grid_redis_losses_total", "link=\"publisher\"", "Times a link in use was lost"),
    COUNT(subscriber.pings, "grid_redis_pings_total", "link=\"subscriber\"", "Pings sent on a quiet link"),
    COUNT(publisher.pings, "grid_redis_pings_total", "link=\"publisher\"", "Pings sent on a quiet link"),
    COUNT(deliveries, "grid_redis_deliveries_total", NULL, "Messages from channels of this grid"),
    COUNT(dropped_channel, "grid_redis_dropped_total", "reason=\"channel\"",
          "Messages dropped before they got anywhere"),
    COUNT(dropped_envelope, "grid_redis_dropped_total", "reason=\"envelope\"",
          "Messages dropped before they got anywhere"),
    COUNT(dropped_forged, "grid_redis_dropped_total", "reason=\"forged\"", "Messages dropped before they got anywhere"),
    COUNT(dropped_size, "grid_redis_dropped_total", "reason=\"size\"", "Messages dropped before they got anywhere"),
    COUNT(dropped_memory, "grid_redis_dropped_total", "reason=\"memory\"", "Messages dropped before they got anywhere"),
    COUNT(dropped_control, "grid_redis_dropped_total", "reason=\"control\"",
          "Messages dropped before they got anywhere"),
    COUNT(published, "grid_redis_published_total", NULL, "Messages sent to Redis"),
    COUNT(refused, "grid_redis_refused_total", NULL, "Messages Redis refused"),
    COUNT(handed_over, "grid_redis_handed_over_total", NULL, "Messages for absent users put into the offline stream"),
    COUNT(strays, "grid_redis_strays_total", NULL, "Deliveries for users who are not here, to be handed over"),
    GAUGE(strays_waiting, "grid_redis_strays_waiting", NULL, "Of these, not yet handed over"),
    COUNT(strays_refused, "grid_redis_strays_refused_total", NULL, "Times Redis refused one; it is tried again"),
    COUNT(strays_dropped, "grid_redis_strays_dropped_total", NULL, "Of these, dropped because too many were waiting"),
};

void redis_counters_add(struct metric_registry *registry, struct metric_set *set, const struct redis_counters *counters)
{
	metrics_add(registry, set, rows, GRID_ARRAY_LEN(rows), counters);
}
