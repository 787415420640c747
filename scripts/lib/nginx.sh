# shellcheck shell=bash
# nginx in front of the nodes, as the current user, from the files of deploy/nginx with only what must differ changed:
# the port, the nodes, and the places of files. Needs common.sh, processes.sh, ROOT, RUN_DIR.

NGINX_BINARY=$(command -v nginx || echo /usr/sbin/nginx)

# nginx_configure PORT NODE-PORT...
nginx_configure() {
	local port=$1 dir=$RUN_DIR/nginx
	shift
	mkdir -p "$dir/tmp"
	nginx_page
	nginx_main_file >"$dir/nginx.conf"
	nginx_nodes_file "$@" >"$dir/gridnodes.conf"
	{
		nginx_temporary_folders
		nginx_site_file "$port"
	} >"$dir/gridnotify.conf"
}

# The page as it stands in src/web, and beside it what only this run knows.
nginx_page() {
	rm -rf "$RUN_DIR/www"
	mkdir -p "$RUN_DIR/www"
	ln -s "$ROOT"/src/web/* "$RUN_DIR/www/"
}

# nginx_nodes_json NODE-ID=PORT...: /nodes.json, for the page.
nginx_nodes_json() {
	local pair separator=''
	{
		printf '{"nodes":['
		for pair; do
			printf '%s{"id":"%s","url":"ws://localhost:%s/ws"}' "$separator" "${pair%%=*}" "${pair#*=}"
			separator=','
		done
		printf ']}\n'
	} >"$RUN_DIR/www/nodes.json"
}

# Workers of a root nginx would change to www-data, which need not be allowed to read this folder.
nginx_main_file() {
	local user='/^user /d'
	((EUID == 0)) && user='s/^user .*/user root;/'
	sed -e "$user" \
		-e "s|^pid .*|pid $RUN_DIR/nginx/nginx.pid;|" \
		-e "s|^error_log .*|error_log $RUN_DIR/log/nginx.log warn;|" \
		-e 's|^worker_processes .*|worker_processes 2;|' \
		-e "s|^worker_rlimit_nofile .*|$(nginx_descriptors)|" \
		-e "s|^\tworker_connections .*|\tworker_connections $(nginx_connections);|" \
		-e 's|^worker_shutdown_timeout .*|worker_shutdown_timeout 2s;|' \
		"$ROOT/deploy/nginx/nginx.conf"
}

# Only root may raise the limit of open files.
nginx_descriptors() {
	if ((EUID == 0)) && (ulimit -Hn 131072) 2>/dev/null; then
		printf 'worker_rlimit_nofile 131072;'
	fi
}
nginx_connections() {
	local limit
	limit=$(ulimit -Hn)
	[[ $limit != unlimited ]] && ((limit < 65536)) || limit=65536
	printf '%s' "$limit"
}

# Debian's are in /var/lib/nginx, where only root may write.
nginx_temporary_folders() {
	local kind
	for kind in client_body proxy fastcgi uwsgi scgi; do
		printf '%s_temp_path %s/nginx/tmp/%s;\n' "$kind" "$RUN_DIR" "$kind"
	done
}

nginx_nodes_file() {
	local port
	sed -e '/^\tserver /,$d' "$ROOT/deploy/nginx/gridnodes.conf"
	for port; do
		printf '\tserver 127.0.0.1:%s max_fails=2 fail_timeout=5s;\n' "$port"
	done
	printf '}\n'
}

nginx_site_file() {
	local v6='/^\tlisten \[::\]/d'
	[[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6 && v6="s|^\tlisten \[::\]:80 |\tlisten [::1]:$1 |"
	sed -e "$v6" \
		-e "s|^\tlisten 80 |\tlisten 127.0.0.1:$1 |" \
		-e "s|^\troot .*|\troot $RUN_DIR/www;|" \
		-e "s|/var/log/nginx/gridnotify.log|$RUN_DIR/log/nginx-access.log|" \
		"$ROOT/deploy/nginx/gridnotify.conf"
}

# nginx_start PORT
nginx_start() {
	local dir=$RUN_DIR/nginx log=$RUN_DIR/log/nginx.log
	step "Starting nginx (port $1)"
	: >"$log"
	process_spawn nginx "$log" "$NGINX_BINARY" -e "$log" -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;'
	wait_until 10 nginx_answers_or_gone "$1" || true
	curl -fsS -o /dev/null "http://127.0.0.1:$1/nodes.json" 2>/dev/null || {
		log_tail "$log"
		fail "nginx did not start"
	}
}

nginx_answers_or_gone() {
	! process_pid nginx >/dev/null || curl -fsS -o /dev/null "http://127.0.0.1:$1/nodes.json" 2>/dev/null
}
