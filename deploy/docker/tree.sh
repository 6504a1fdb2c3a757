#!/usr/bin/env bash
# Assembles every file of the image in an empty folder: Node.js, the libraries that it is linked with, and the packages that
# `npm run pack` wrote. The Dockerfile copies the folder, and nothing else, into an empty image; `npm run image-test` runs
# the service in it. There is no shell, no package manager and no npm in it.
#
#   deploy/docker/tree.sh FOLDER
#
# Runs on Debian, from a checkout with dist/packed. Needs no network.
set -euo pipefail
umask 022
shopt -s nullglob

[ $# = 1 ] || { echo "usage: deploy/docker/tree.sh FOLDER" >&2; exit 2; }
tree=$1
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ ! -e "$tree" ] || [ -z "$(ls -A "$tree")" ] || { echo "tree.sh: $tree is not empty" >&2; exit 1; }
mkdir -p "$tree"
tree=$(cd "$tree" && pwd)

# The provider of PKCS #11 is not among them: it needs a compiler, and the library of your module. docs/guides/docker.md says
# how to add it.
packages=(protocol service intake-kafka signer-aws-kms signer-azure-key-vault signer-gcp-kms signer-vault)
# What the libraries among them depend on. The programs bring theirs.
dependencies=(jose typebox undici)

mkdir -p "$tree"/{etc/tidings,opt/tidings,usr/local/bin,var/lib/dpkg/status.d,var/lib/tidings,run/secrets,proc,sys,dev,tmp}
chmod 1777 "$tree/tmp"
# The only folder that the service may write to, with SQLite; mount a volume there.
chmod 700 "$tree/var/lib/tidings"
chown 65532:65532 "$tree/var/lib/tidings"

# What it needs of the system: a user without a name would do, but messages are better with one.
echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin' >"$tree/etc/passwd"
echo 'nonroot:x:65532:' >"$tree/etc/group"
echo 'hosts: files dns' >"$tree/etc/nsswitch.conf"
# Container runtimes mount theirs over these.
touch "$tree"/etc/{hosts,hostname,resolv.conf}

node=$(npm exec -- node -p process.execPath)
cp "$(readlink -f "$node")" "$tree/usr/local/bin/node"
ldd "$node" | grep -oE '/[^ ]+' | while read -r library; do
  mkdir -p "$tree$(dirname "$library")"
  cp -L "$library" "$tree$library"
  # With this, a scanner of the image knows the version of each library, as it does with distroless images.
  package=$(dpkg-query --search "$library" "$(readlink -f "$library")" 2>/dev/null | head -1 | cut -d: -f1) || true
  [ -z "$package" ] || dpkg-query --status "$package" >"$tree/var/lib/dpkg/status.d/$package"
done

# The packages as npm would install them, without asking a registry: every version is that of package-lock.json.
modules=$tree/opt/tidings/node_modules
mkdir -p "$modules/@tidings"
for package in "${packages[@]}"; do
  files=(dist/packed/tidings-"$package"-*.tgz)
  [ ${#files[@]} = 1 ] || { echo "tree.sh: dist/packed has no tidings-$package; run npm run pack" >&2; exit 1; }
  mkdir "$modules/@tidings/$package"
  tar -xzf "${files[0]}" -C "$modules/@tidings/$package" --strip-components=1 --no-same-owner
done
for dependency in "${dependencies[@]}"; do cp -r "node_modules/$dependency" "$modules/"; done
cp deploy/docker/health.js "$tree/opt/tidings/"
echo '{ "private": true, "type": "module" }' >"$tree/opt/tidings/package.json"
ln -s /opt/tidings/node_modules/@tidings/service/bin/tidings.js "$tree/usr/local/bin/tidings"
