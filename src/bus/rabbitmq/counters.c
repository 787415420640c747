#include "bus/rabbitmq/counters.h"

#include "base/err.h"

#define COUNT(field, name, labels, help) METRIC_COUNTER_ROW(struct rabbitmq_counters, field, name, labels, help)
#define GAUGE(field, name, labels, help) METRIC_GAUGE_ROW(struct rabbitmq_counters, field, name, labels, help)

static const struct metric_row rows[] = {
    GAUGE(consumer.connected, "grid_rabbitmq_connected", "link=\"consumer\"", "1 while the link is in use"),
    GAUGE(publisher.connected, "grid_rabbitmq_connected", "link=\"publisher\"", "1 while the link is in use"),
    COUNT(consumer.connects, "grid_rabbitmq_connects_total", "link=\"consumer\"", "Logins that worked"),
    COUNT(publisher.connects, "grid_rabbitmq_connects_total", "link=\"publisher\"", "Logins that worked"),
    COUNT(consumer.failures, "grid_rabbitmq_connect_failures_total", "link=\"consumer\"", "Logins that did not work"),
    COUNT(publisher.failures, "grid_rabbitmq_connect_failures_total", "link=\"publisher\"", "Logins that did not work"),
    COUNT(consumer.losses, "grid_rabbitmq_losses_total", "link=\"consumer\"", "Times a link in use was lost"),
    COUNT(publisher.losses, "grid_rabbitmq_losses_total", "link=\"publisher\"", "Times a link in use was lost"),
    COUNT(deliveries, "grid_rabbitmq_deliveries_total", NULL, "Deliveries from the broker"),
    COUNT(redelivered, "grid_rabbitmq_redelivered_total", NULL, "Deliveries that may have come before"),
    COUNT(acks, "grid_rabbitmq_ack_frames_total", NULL, "Acknowledgements sent, many of them for several deliveries"),
    COUNT(binds, "grid_rabbitmq_binds_total", NULL, "Binds sent, those sent again included"),
    COUNT(unbinds, "grid_rabbitmq_unbinds_total", NULL, "Unbinds sent, those sent again included"),
    COUNT(binds_refused, "grid_rabbitmq_binds_refused_total", NULL, "Binds and unbinds the broker refused"),
    COUNT(queue_resets, "grid_rabbitmq_queue_resets_total", NULL, "Queues of an earlier life emptied and made anew"),
    COUNT(dropped_key, "grid_rabbitmq_dropped_total", "reason=\"key\"", "Deliveries dropped before they got anywhere"),
    COUNT(dropped_exchange, "grid_rabbitmq_dropped_total", "reason=\"exchange\"",
          "Deliveries dropped before they got anywhere"),
    COUNT(dropped_control, "grid_rabbitmq_dropped_total", "reason=\"control\"",
          "Deliveries dropped before they got anywhere"),
    COUNT(dropped_memory, "grid_rabbitmq_dropped_total", "reason=\"memory\"",
          "Deliveries dropped before they got anywhere"),
    COUNT(dropped_size, "grid_rabbitmq_dropped_total", "reason=\"size\"",
          "Deliveries dropped before they got anywhere"),
    COUNT(ignored_keys, "grid_rabbitmq_ignored_total", "what=\"key\"",
          "Parts of deliveries not believed or not usable"),
    COUNT(ignored_headers, "grid_rabbitmq_ignored_total", "what=\"headers\"",
          "Parts of deliveries not believed or not usable"),
    COUNT(ignored_types, "grid_rabbitmq_ignored_total", "what=\"type\"",
          "Parts of deliveries not believed or not usable"),
    COUNT(published, "grid_rabbitmq_published_total", NULL, "Messages sent to the broker"),
    COUNT(confirmed, "grid_rabbitmq_confirmed_total", NULL, "Messages the broker confirmed"),
    COUNT(returned, "grid_rabbitmq_returned_total", NULL, "Messages no queue took"),
    COUNT(refused, "grid_rabbitmq_refused_total", NULL, "Messages the broker refused (nack)"),
    COUNT(handed_over, "grid_rabbitmq_handed_over_total", NULL, "Messages for absent users handed over, confirmed"),
    GAUGE(blocked, "grid_rabbitmq_blocked", NULL, "1 while the broker blocks publishing (memory or disk alarm)"),
    COUNT(strays, "grid_rabbitmq_strays_total", NULL, "Deliveries for users who are not here, to be handed over"),
    GAUGE(strays_waiting, "grid_rabbitmq_strays_waiting", NULL, "Of these, not yet handed over"),
    COUNT(strays_unplaced, "grid_rabbitmq_strays_unplaced_total", NULL,
          "Of these, dropped because no queue is bound where absent users' messages go"),
    COUNT(strays_rejected, "grid_rabbitmq_strays_rejected_total", NULL,
          "Of these, made dead letters because the publisher got nowhere and they took half of the prefetch"),
    COUNT(known_settled, "grid_rabbitmq_known_total", "was=\"settled\"",
          "Deliveries that came again after a lost link and were recognised"),
    COUNT(known_held, "grid_rabbitmq_known_total", "was=\"held\"",
          "Deliveries that came again after a lost link and were recognised"),
    COUNT(stale, "grid_rabbitmq_stale_total", NULL, "Deliveries settled after their link was lost"),
    COUNT(checks, "grid_rabbitmq_loopbacks_total", NULL, "Messages sent to ourselves to see whether bindings hold"),
    COUNT(checks_returned, "grid_rabbitmq_loopbacks_returned_total", NULL, "Of these, returned: bindings were gone"),
    COUNT(checks_timed_out, "grid_rabbitmq_loopbacks_timed_out_total", NULL, "Of these, never seen again"),
};

void rabbitmq_counters_add(struct metric_registry *registry, struct metric_set *set,
                           const struct rabbitmq_counters *counters)
{
	metrics_add(registry, set, rows, GRID_ARRAY_LEN(rows), counters);
}
