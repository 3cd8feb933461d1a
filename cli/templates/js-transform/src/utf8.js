// Bytes to text and back: the runtime has no TextDecoder and no TextEncoder. By way of
// base64, which is not interpreted, so that only what is not ASCII is looked at here.

export function decode(bytes) {
  const characters = atob(bytes.toBase64());
  return characters.replace(/[\x80-\xff]+/g, (run) => decodeURIComponent(escape(run)));
}

export function encode(text) {
  const characters = text.replace(/[^\x00-\x7f]+/g, (run) => unescape(encodeURIComponent(run)));
  return Uint8Array.fromBase64(btoa(characters));
}
