release=8.19.21
artifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$release:zip

variable() { echo ELASTICSEARCH_URL; }

url() { echo "http://127.0.0.1:$1"; }

packages() {
  [[ -n $(java_home) ]] || echo openjdk-17-jre-headless
  if [[ -z $(distribution) ]]; then
    command -v mvn >/dev/null || echo maven
    command -v unzip >/dev/null || echo unzip
  fi
}

# Downloads the distribution: the real server, with a minimal set of modules.
prepare() {
  local cache work
  [[ -z $(distribution) ]] || return 0
  cache=$(cache_directory)
  mkdir -p "$cache" && work=$(mktemp -d "$cache/download.XXXXXX") || return
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  trap 'exit 1' HUP INT TERM
  say "elasticsearch: downloading $release"
  if download "$work" >"$work/log" 2>&1; then
    # Another start may have been faster.
    mv -T "$work/elasticsearch-$release" "$cache/elasticsearch-$release" 2>/dev/null || true
  else
    tail -n 20 "$work/log" >&2
  fi
  [[ -n $(distribution) ]]
}

# The home is named for users whom the password file gives none.
download() {
  cd "$1" &&
    MAVEN_OPTS="${MAVEN_OPTS:-} -Duser.home=${HOME:-$1}" timeout --foreground 900 \
      mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory="$1" </dev/null 9>&- &&
    unzip -q "elasticsearch-$release.zip" &&
    chmod -R a+rX "elasticsearch-$release"
}

# As root not below the home directory, which the server's user cannot read.
cache_directory() {
  local default=/var/cache/cqrs-services
  ((EUID == 0)) || default=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/cqrs-services
  realpath -m -- "${CQRS_SERVICES_CACHE:-$default}"
}

distribution() {
  local program home
  for program in "$(command -v elasticsearch)" /usr/share/elasticsearch/bin/elasticsearch \
    "$(cache_directory)/elasticsearch-$release/bin/elasticsearch"; do
    [[ -n $program ]] || continue
    home=$(dirname "$(dirname "$(realpath -m "$program")")")
    if unprivileged test -r "$home/lib" -a -x "$home/bin/elasticsearch"; then
      printf '%s\n' "$home"
      return
    fi
  done
}

# The home of a Java that is new enough.
java_home() {
  local home
  for home in "${JAVA_HOME:-}" "$(realpath -m "$(command -v java)" 2>/dev/null | sed 's|/bin/java$||')" /usr/lib/jvm/*; do
    if [[ -n $home ]] && (($(java_version "$home") >= 17)); then
      printf '%s\n' "$home"
      return
    fi
  done
}

java_version() {
  local version
  version=$(unprivileged "$1/bin/java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  printf '%s' "${version:-0}"
}

become() {
  local data=$1 port=$2 home
  home=$(distribution)
  configure "$data" "$port" "$home"
  exec_unprivileged env HOME="$data" ES_JAVA_HOME="$(java_home)" ES_PATH_CONF="$data/config" ES_TMPDIR="$data/tmp" \
    CLI_JAVA_OPTS="-Djava.io.tmpdir=$data/tmp" ES_JAVA_OPTS='-Xms256m -Xmx512m' "$home/bin/elasticsearch"
}

configure() {
  local data=$1 port=$2 home=$3
  mkdir "$data/config" "$data/config/jvm.options.d" "$data/tmp"
  cp "$home/config/jvm.options" "$home/config/log4j2.properties" "$data/config/"
  cat >"$data/config/elasticsearch.yml" <<YAML
path.data: $data/data
path.logs: $data/logs
discovery.type: single-node
network.host: 127.0.0.1
http.port: $port
transport.port: $(free_port)
xpack.security.enabled: false
xpack.ml.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
YAML
  ((EUID != 0)) || chown -R nobody "$data"
}

healthy() {
  [[ $(first_line "$1" 'GET /_cluster/health?wait_for_status=yellow&timeout=2s HTTP/1.0\r\n\r\n') == HTTP/1.?\ 200* ]]
}

# Its data is thrown away.
stop_signal() { echo KILL; }
