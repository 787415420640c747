# shellcheck shell=bash
# Debian packages (the same names in Debian 12 and 13), and installing those that are missing. Needs common.sh.

# shellcheck disable=SC2034  # used by the scripts that source this
PACKAGES_RUN=(
	gcc libc6-dev cmake ninja-build pkg-config
	librabbitmq-dev libhiredis-dev libwebsockets-dev libwebsockets-evlib-ev libev-dev libconfig-dev libjson-c-dev libssl-dev
	uthash-dev check
	rabbitmq-server redis-server nginx python3 curl amqp-tools iproute2
)
# shellcheck disable=SC2034
PACKAGES_TEST=(
	clang openssl python3-pytest python3-websockets python3-pika shellcheck valgrind
)
# What scripts/bench needs for itself; it knows which system that it measures beside is in which package.
# shellcheck disable=SC2034
PACKAGES_BENCH=(
	python3-pika python3-websockets
)

# What scripts/cost counts with.
# shellcheck disable=SC2034
PACKAGES_COST=(python3-pika valgrind)

# Services these packages bring along, which start by themselves on a Debian system.
PACKAGES_SERVICES=(rabbitmq-server redis-server nginx epmd.socket epmd nats-server)
PACKAGES_POLICY=/usr/sbin/policy-rc.d

# packages_missing NAME...: those not installed, one a line.
packages_missing() {
	local name
	for name; do
		package_installed "$name" || printf '%s\n' "$name"
	done
}

package_installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# packages_install NAME...: installs what is missing, and says so; returns at once when nothing is.
packages_install() {
	local missing
	if ! command -v dpkg-query >/dev/null; then
		say "This is no Debian: not installing anything. What is needed, by its Debian names: $*"
		return 0
	fi
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]})) || return 0
	step "Installing Debian packages: ${missing[*]}"
	packages_need_root "${missing[@]}"
	# In a subshell, so that its EXIT trap always takes the policy away again.
	(packages_apt "${missing[@]}") || fail "apt-get could not install them; see above"
}

packages_need_root() {
	((EUID == 0)) && return 0
	command -v sudo >/dev/null || fail "that needs root, and there is no sudo here. As root: apt-get install $*"
	say "    (with sudo, which may ask for your password)"
}

as_root() {
	if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

packages_apt() {
	local quiet
	mapfile -t quiet < <(services_to_keep_quiet)
	trap 'policy_remove' EXIT
	trap 'exit 130' INT TERM
	policy_put
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" </dev/null
	services_disable "${quiet[@]}"
}

# The services that are not on this machine yet: only those are ours to keep from starting.
services_to_keep_quiet() {
	local name
	for name in "${PACKAGES_SERVICES[@]}"; do
		service_known "$name" || printf '%s\n' "$name"
	done
}

service_known() {
	local unit=$1
	[[ $unit == *.* ]] || unit=$unit.service
	[[ -e /lib/systemd/system/$unit || -e /usr/lib/systemd/system/$unit || -e /etc/systemd/system/$unit ||
		-e /etc/init.d/${1%.socket} ]]
}

# A policy-rc.d that answers 101 ("not allowed") keeps freshly installed services from starting. One that is there
# already is the administrator's and stays.
policy_put() {
	POLICY_IS_OURS=
	[[ -e $PACKAGES_POLICY ]] && return 0
	POLICY_IS_OURS=yes
	say "    (a temporary $PACKAGES_POLICY keeps RabbitMQ, Redis, nginx and such from starting as system services)"
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$PACKAGES_POLICY" >/dev/null
	as_root chmod 755 "$PACKAGES_POLICY"
}

policy_remove() {
	[[ $POLICY_IS_OURS ]] || return 0
	as_root rm -f "$PACKAGES_POLICY"
	POLICY_IS_OURS=
}

# services_disable NAME...: not at the next boot either, whichever init this machine has. They were not there before, so
# nobody counts on them.
services_disable() {
	local name disabled=()
	for name; do
		service_known "$name" || continue
		if command -v systemctl >/dev/null; then as_root systemctl --quiet disable "$name" >/dev/null 2>&1 || true; fi
		[[ ! -e /etc/init.d/$name ]] || as_root update-rc.d "$name" disable >/dev/null 2>&1 || true
		disabled+=("$name")
	done
	((${#disabled[@]})) || return 0
	say "    (installed but left switched off as system services: ${disabled[*]};" \
		"for one of your own: systemctl enable --now NAME)"
}
