#include "core/config.h"

static const char *const auth_modes[] = {"none", NULL};

const struct option core_options[] = {
    OPTION_ENUM(struct core_config, auth.mode, auth_modes, "none",
                "who a client is; none: whoever it says in ?user= (for trusted networks only)"),
    OPTION_DURATION(struct core_config, heartbeat.interval, "25s", 1000, 3600000,
                    "how often a quiet client is pinged; told to clients in the welcome"),
    OPTION_DURATION(struct core_config, heartbeat.idle_timeout, "60s", 2000, 7200000,
                    "a client that sends nothing, not even a pong, for so long is gone; above the interval"),
    OPTION_SIZE(struct core_config, limits.frame, "64K", 1024, 16777216, "largest frame a client may send"),
    OPTION_SIZE(struct core_config, limits.queue, "1M", 16384, 1073741824,
                "most that may wait for one client; above it the client is too slow and closed (4004)"),
    OPTION_INT(struct core_config, limits.rooms, "256", 1, 100000, "most rooms of one session"),
    OPTION_DURATION(struct core_config, linger.room, "30s", 0, 3600000,
                    "how long a room stays bound after its last member left"),
    OPTION_DURATION(struct core_config, linger.user, "2s", 0, 3600000,
                    "how long a user stays bound after the last session closed"),
    OPTION_INT(struct core_config, linger.unbind_rate, "500", 1, 100000,
               "unbinds per second at most, so that leaving crowds do not hold up the broker"),
    OPTION_DURATION(struct core_config, timeout.publish, "10s", 100, 600000,
                    "a publish the bus has not confirmed by then is answered `unavailable`"),
    OPTIONS_END,
};
