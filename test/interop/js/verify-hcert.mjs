// Verifies the text of a QR code of ours with cbor and cose-js, given only the
// signer certificate.
//
// stdin: {"text", "certificate": PEM}
// stdout: {"verified", "error", "issuer", "issuedAt", "content"}
import cbor from 'cbor';
import cose from 'cose-js';
import {createHash, X509Certificate} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {inflateSync} from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';

function base45(text) {
  const out = [];
  for(let i = 0; i < text.length; i += 3) {
    const digits = [...text.slice(i, i + 3)].map(c => alphabet.indexOf(c));
    const n = digits.reduceRight((sum, digit) => sum * 45 + digit, 0);
    out.push(...(digits.length === 3 ? [n >> 8, n & 255] : [n]));
  }
  return Buffer.from(out);
}

async function verify({text, certificate}) {
  if(!text.startsWith('HC1:')) {
    throw new Error('no HC1');
  }
  const bytes = inflateSync(base45(text.slice(4)));
  const signer = new X509Certificate(certificate);
  const [protectedHeader] = cbor.decodeFirstSync(bytes).value;
  const kid = cbor.decodeFirstSync(protectedHeader).get(4);
  if(!kid.equals(createHash('sha256').update(signer.raw).digest().subarray(0, 8))) {
    throw new Error('another key id');
  }
  const {x, y} = signer.publicKey.export({format: 'jwk'});
  const payload = await cose.sign.verify(bytes, {key: {x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url')}});
  const claims = cbor.decodeFirstSync(payload);
  return {verified: true, issuer: claims.get(1), issuedAt: claims.get(6), content: claims.get(-260).get(3)};
}

const result = await verify(JSON.parse(readFileSync(0, 'utf8'))).catch(e => ({verified: false, error: e.message}));
console.log(JSON.stringify(result));
