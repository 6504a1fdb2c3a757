/** An attribute of a name: its OID in DER, the tag of its value, and the value. */
export type NameAttribute = readonly [oid: string, tag: number, value: string | Buffer];

/** Writes a name in DER, RDN by RDN in the order of the certificate; no library stands between test and bytes. */
export function nameOf(...names: readonly (readonly NameAttribute[])[]): Buffer<ArrayBuffer> {
  return element(0x30, ...names.map((attributes) => element(0x31, ...attributes.map(attributeOf))));
}

function attributeOf([oid, tag, value]: NameAttribute): Buffer {
  return element(0x30, element(0x06, Buffer.from(oid, 'hex')), element(tag, Buffer.from(value)));
}

function element(tag: number, ...contents: readonly Buffer[]): Buffer<ArrayBuffer> {
  const content = Buffer.concat(contents);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}
