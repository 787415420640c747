# shellcheck shell=bash
# The broker of a running grid: a private one under $RUN_DIR/broker, provisioned; or somebody's own (--broker URI).
# Needs common.sh, processes.sh, ROOT, RUN_DIR.

BROKER_VHOST=grid
BROKER_PREFIX=grid

# broker_start AMQP-PORT MANAGEMENT-PORT
broker_start() {
	local log=$RUN_DIR/log/broker-start.log
	step "Starting RabbitMQ (AMQP on port $1, management on port $2)"
	"$ROOT/scripts/lib/private-broker" start "$RUN_DIR/broker" --amqp-port "$1" --management-port "$2" \
		>"$log" 2>&1 {LOCK_FD}>&- || {
		log_tail "$log"
		fail "RabbitMQ did not start"
	}
	process_record rabbitmq "$(<"$RUN_DIR/broker/pid")" || fail "RabbitMQ is gone again; see $RUN_DIR/broker"
}

broker_stop() {
	[[ -d $RUN_DIR/broker ]] || return 0
	"$ROOT/scripts/lib/private-broker" stop "$RUN_DIR/broker" {LOCK_FD}>&- || warn "RabbitMQ did not stop cleanly"
	process_forget rabbitmq
}

# broker_provision MANAGEMENT-PORT: exchanges, policies and accounts; passwords are made up once and kept in
# $RUN_DIR/passwords (lines of ACCOUNT=PASSWORD).
broker_provision() {
	local log=$RUN_DIR/log/provision.log
	step "Provisioning it (exchanges, policies, accounts)"
	"$ROOT/scripts/provision" --url "http://127.0.0.1:$1" --user grid-admin \
		--password-file "$RUN_DIR/broker/admin-password" --passwords "$RUN_DIR/passwords" --generate-passwords \
		--vhost "$BROKER_VHOST" --prefix "$BROKER_PREFIX" >"$log" 2>&1 || {
		log_tail "$log"
		fail "scripts/provision failed"
	}
	(umask 077 && broker_password node >"$RUN_DIR/node-password")
	[[ -s $RUN_DIR/node-password ]] || fail "scripts/provision left no password for the nodes in $RUN_DIR/passwords"
}

# Accounts are named by what they may do: node, publisher, operator.
broker_account() {
	printf '%s-%s' "$BROKER_PREFIX" "$1"
}
broker_password() {
	sed -n "s/^$(broker_account "$1")=//p" "$RUN_DIR/passwords"
}

# The command line tool that the management plugin serves, set up for this broker: $RUN_DIR/rabbitmqadmin.
broker_fetch_rabbitmqadmin() {
	local tool=$RUN_DIR/rabbitmqadmin
	curl -fsS -o "$tool.new" "http://127.0.0.1:$1/cli/rabbitmqadmin" 2>/dev/null || return 1
	chmod 755 "$tool.new"
	mv "$tool.new" "$tool"
	(umask 077 && rabbitmqadmin_settings "$1" >"$tool.conf")
}

rabbitmqadmin_settings() {
	cat <<-END
		[default]
		hostname = 127.0.0.1
		port = $1
		username = $(broker_account operator)
		password = $(broker_password operator)
		vhost = $BROKER_VHOST
	END
}

percent_decode() {
	local text=${1//\\/\\\\}
	printf '%b' "${text//%/\\x}"
}
percent_encode() {
	local LC_ALL=C text=$1 i c
	for ((i = 0; i < ${#text}; i++)); do
		c=${text:i:1}
		case $c in
		[A-Za-z0-9._~-]) printf '%s' "$c" ;;
		*) printf '%%%02X' "'$c" ;;
		esac
	done
}

# broker_parse_uri URI: sets URI_HOST (an IPv6 address in brackets), URI_PORT, URI_USER, URI_PASSWORD, URI_VHOST, URI_TLS.
# shellcheck disable=SC2034  # used by the script that sources this
broker_parse_uri() {
	local pattern='^(amqps?)://(([^:@/]*)(:([^@/]*))?@)?([^]:@/]+|\[[0-9A-Fa-f:.]+\])(:([0-9]+))?(/([^/?#]*))?$'
	[[ $1 =~ $pattern ]] ||
		usage_error "--broker wants amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://), special characters as %XX"
	URI_TLS=false URI_PORT=5672
	[[ ${BASH_REMATCH[1]} == amqps ]] && URI_TLS=true URI_PORT=5671
	URI_USER=$(percent_decode "${BASH_REMATCH[3]}")
	URI_PASSWORD=$(percent_decode "${BASH_REMATCH[5]}")
	URI_HOST=${BASH_REMATCH[6]}
	URI_PORT=${BASH_REMATCH[8]:-$URI_PORT}
	URI_VHOST=$(percent_decode "${BASH_REMATCH[10]}")
}

# An existing broker can only be looked at from outside; whether it is provisioned the nodes find out and say.
broker_check_existing() {
	local host=${URI_HOST#[}
	host=${host%]}
	# shellcheck disable=SC2016  # for the inner bash
	timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$URI_PORT" 2>/dev/null ||
		fail "no broker answers at $URI_HOST:$URI_PORT"
	say "    The broker at $URI_HOST:$URI_PORT must have been provisioned. If the nodes below miss anything:"
	say "    scripts/provision --url http://$URI_HOST:15672 --user ADMIN --password-file FILE \\"
	say "        --passwords FILE --vhost ${URI_VHOST:-$BROKER_VHOST} --prefix $BROKER_PREFIX"
}
