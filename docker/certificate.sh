#!/bin/sh
# certificate.sh FOLDER NAMES: a self-signed certificate for NAMES (host names and addresses, split by commas) in
# FOLDER/cert.pem and key.pem. One that is there, valid for 30 more days and for the same names, is kept.
set -eu
folder=$1 names=$2
alt=$(printf '%s' "$names" | tr ',' '\n' | sed -e 's/^ *//' -e 's/ *$//' -e '/^$/d' \
  -e '/^[0-9.]*$/{s/^/IP:/;b' -e '}' -e '/:/{s/^/IP:/;b' -e '}' -e 's/^/DNS:/' | paste -sd, -)
if [ "$(cat "$folder/names" 2>/dev/null)" = "$alt" ] \
  && openssl x509 -in "$folder/cert.pem" -noout -checkend 2592000 >/dev/null 2>&1; then
  exit 0
fi
umask 077
said=$(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=xmag-serve" \
  -addext "subjectAltName=$alt" -addext "extendedKeyUsage=serverAuth" \
  -keyout "$folder/key.new" -out "$folder/cert.new" 2>&1) || {
  printf '%s\n' "$said" "No certificate could be made for XMAG_NAMES=$names. Names and addresses alone belong there," \
    "such as slides.hospital.example,10.0.0.12: no https://, no port." >&2
  exit 78
}
chmod 0644 "$folder/cert.new"
chmod "${KEY_MODE:-0600}" "$folder/key.new"
mv "$folder/key.new" "$folder/key.pem"
mv "$folder/cert.new" "$folder/cert.pem"
printf '%s' "$alt" > "$folder/names"
echo "a self-signed certificate was made for $alt"
