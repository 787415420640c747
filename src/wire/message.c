#include "wire/message.h"

bool type_reserved(struct str type)
{
	return str_starts(type, STR("grid.")) || str_eq(type, STR("receipt")) || str_eq(type, STR("presence"));
}
