#!/bin/sh
# Sees that there is a Chromium to test in. Installs one by apt only under CI=true or INSTALL=1; else says how to get one.
set -eu

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done

refuse() {
  echo "got no chromium, chromium-browser or google-chrome; the browser tests need one on the path; $1" >&2
  exit 1
}

if [ "${CI:-}" != true ] && [ "${INSTALL:-}" != 1 ]; then
  refuse "install one, or let apt do it: make browser INSTALL=1"
fi
command -v apt-get >/dev/null 2>&1 || refuse "there is no apt-get here: install one with this system's own means"
[ "$(id -u)" = 0 ] || refuse "apt-get needs root: sudo apt-get install chromium"

echo "installing chromium by apt" >&2
limits="-o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o Acquire::Retries=2 -o DPkg::Lock::Timeout=60" # s
apt-get $limits update -qq || refuse "apt-get update failed: look at its words above"
DEBIAN_FRONTEND=noninteractive apt-get $limits install -y -qq --no-install-recommends chromium >/dev/null ||
  refuse "apt-get could not install it: look at its words above"
