#include "bench/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(int *fdp)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (rc != 0)
		return -rc;
	*fdp = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return *fdp < 0 ? -errno : 0;
}

bool signals_take(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info);
}

bool signals_wait(int fd, int timeout_ms)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};

	return poll(&watched, 1, timeout_ms) > 0 && signals_take(fd);
}
