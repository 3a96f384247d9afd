# Sourced by ./run and ./test: brings in what is missing, says what it does, and is silent when all is there.

PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# need_packages PROGRAM=PACKAGE ...   installs the packages whose programs are missing
need_packages() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

install_packages() {
  local as_root=()
  command -v apt-get >/dev/null || die "these packages are missing, please install them: $*"
  if [ "$(id -u)" != 0 ]; then
    as_root=(sudo)
    command -v sudo >/dev/null || die "some packages are missing. As root, run: apt-get install -y $*"
    [ -t 0 ] || sudo -n true 2>/dev/null || die "some packages are missing. Run: sudo apt-get install -y $*"
  fi
  say "Installing with apt-get: $*"
  local log apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  log="$(mktemp)"
  "${apt[@]}" update >"$log" 2>&1 || say "apt-get update did not succeed; trying with the lists that are there"
  "${apt[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "apt-get could not install them. Try yourself: ${as_root[*]} apt-get install -y $*"; }
  rm -f "$log"
}

# need_python LOCKFILE   makes .venv and installs exactly what the lock file names, checked by hash
need_python() {
  local lock="$1" stamp
  stamp=".venv/.installed-$(basename "$lock" .txt)"
  [ "$stamp" -nt "$lock" ] && return
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "Python 3.11 or newer is needed; python3 is $(python3 -V)"
  if [ ! -x .venv/bin/pip ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    say "Making a virtual environment in .venv"
    python3 -m venv .venv
  fi
  say "Installing the Python packages of $lock"
  .venv/bin/pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock" >&2 ||
    die "pip could not install the packages of $lock"
  # Compiled once, here, and not by whoever starts the first server.
  .venv/bin/python -m compileall -q src
  touch "$stamp"
}

# What every machine needs that fetches images and runs VMs.
host_packages() {
  case "$(uname -m)" in
    aarch64) echo qemu-system-aarch64=qemu-system-arm /usr/share/AAVMF/AAVMF_CODE.fd=qemu-efi-aarch64 ;;
    *) echo qemu-system-x86_64=qemu-system-x86 ;;
  esac
  echo qemu-img=qemu-utils ssh=openssh-client
}
