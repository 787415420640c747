/* No words at all: every text is one payload, and the URL has said which room or user it is about. For bare servers
 * (gridbench limit), Nchan, and whatever else takes its address from the path. */
#include "bench/dialect.h"

static void put_publish(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
                        struct buf *out)
{
	(void)dialect;
	(void)target;
	(void)ref;
	buf_put_str(out, payload);
}

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	(void)dialect;
	out->kind = HEARD_PUSH;
	out->target = TARGET_UNNAMED;
	out->payload = *in;
	*in = (struct str){in->p + in->n, 0};
	return 0;
}

const struct dialect_ops dialect_plain = {
    .path = "/",
    .answers = DIALECT_ANSWERS_NONE,
    .opens_welcome = true,
    .put_publish = put_publish,
    .hear = hear,
};
