#!/usr/bin/env bash
# Makes what `compose.yaml` mounts as secrets, for a trial: keys, certificates of an authority of its own, tokens and passwords. In
# production each of them comes from where your bank keeps secrets. Changes nothing that exists. As root it gives the files of the
# service to the user of the image, 65532; Compose mounts files with the owner and mode that they have.
#
#   deploy/compose/prepare.sh [FOLDER]     by default deploy/compose/secrets
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/secrets}
mkdir -p "$folder"
cd "$folder"

random() { openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n'; }

# A certificate $1 of the trial's authority for the names $2.
certificate() {
  [ ! -e "$1.pem" ] || return 0
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$1" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey authority.key -days 365 -out "$1.pem" \
    -extfile <(echo "subjectAltName=$2") 2>/dev/null
  rm "$1.csr"
}

[ -e ca.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out ca.pem -days 365 \
  -subj '/CN=Trial authority' -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
certificate transport DNS:localhost
certificate operator DNS:localhost,DNS:tidings-1,DNS:tidings-2
[ -e tpp-roots.pem ] || cp ca.pem tpp-roots.pem
[ -e signing.key ] || openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out signing.key 2>/dev/null
[ -e session-key ] || openssl rand -base64 32 >session-key
for name in operator-token prometheus-token database-password grafana-password; do
  [ -e "$name" ] || random >"$name"
done
# The configuration has the hashes of tokens only.
for name in operator-token prometheus-token; do
  openssl dgst -sha256 -r "$name" | cut -d' ' -f1 >"$name.sha256"
done

# Prometheus and Grafana have users of their own. Without root, everybody on this machine may read the trial's files.
if [ "$(id -u)" = 0 ]; then
  chown 65532:65532 session-key signing.key transport.* operator.pem operator.key tpp-roots.pem ./*.sha256
  chown 65534:65534 prometheus-token
  chown 472:0 grafana-password
  chown 65532:999 database-password
  chmod 440 database-password
else
  find . -maxdepth 1 -type f -exec chmod 444 {} +
fi
chmod 444 ca.pem
